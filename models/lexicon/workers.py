"""Rendering on all cores: one function, many tasks, a process per core."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from models.errors import LexiconError
from models.pose.batch import available_cores

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], workers: int | None = None
) -> Iterator[Result]:
    """Call the function with each task's arguments; yields the results in the order in which they are done.

    workers: how many processes, one per core unless set; with 1 the work is done in this process. Processes are
    spawned, because the caller may have threads. What a task raises is raised here, and ends the others. When the
    system ends a process, what is not done yet is tried again; LexiconError when that happens before one is done.
    """
    waiting = dict(enumerate(tasks))
    count = min(workers or available_cores(), len(tasks))
    if count <= 1:
        yield from (function(*task) for task in tasks)
        return
    while waiting:
        before = len(waiting)
        pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_settle)
        try:
            numbers = {pool.submit(function, *task): number for number, task in waiting.items()}
            for future in as_completed(numbers):
                if not isinstance(future.exception(), BrokenProcessPool):
                    result = future.result()
                    del waiting[numbers[future]]
                    yield result
        finally:
            pool.shutdown(cancel_futures=True)
        if len(waiting) == before:  # trying again would never end
            raise LexiconError(
                "A process was ended by the system, often for lack of memory; run again with fewer --workers."
            )


def _settle() -> None:
    """A process of its own has one core, and leaves Ctrl-C to its parent."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes; they would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
