"""A crew of processes on this machine: one function, many tasks, one task at a time for each process.

A worker shares nothing with the others: it has its own pipe and whatever its function has opened. So a worker that is
killed (by a decoder that crashes, or for memory) takes only its task with it, and another takes its place. Workers are
forked from a fresh server process that has imported the heavy modules once (or spawned, where there is no fork), never
from the caller, who may have threads: a script that calls this needs the usual `if __name__ == "__main__":`.
Tasks are taken from the iterable when a worker is free for them, never before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, NoReturn

from models.errors import SignError

Say = Callable[[Any], None]
"""Tells the caller something about the task at work, before its end."""
Open = Callable[[], Callable[[Any, Say], Any]]
"""Called once in each worker, with its first task; can be pickled. What it returns is called with each task."""

_POLL_S = 0.2
_LEAVE_S = 5.0
_END = object()
_START_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the worker of a task had to say before its end."""

    task: Any
    value: Any


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a task."""

    task: Any
    result: Any
    """What the function returned; None when the worker died."""
    died: str | None
    """How the worker's process ended over the task, such as "signal 9, often for lack of memory"; else None."""
    seconds: float


def available_cores() -> int:
    """How many processes can run at once on the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_workers(
    tasks: Iterable[Any], open_worker: Open, *, workers: int, preload: Sequence[str] = ()
) -> Generator[Said | Ended | None, None, None]:
    """Work through tasks; yields news in the order of arrival, and None now and then.

    preload: modules that the server imports before it forks; those of the first call in a process count.
    Closing the generator ends the workers; so does the end of this process, even by SIGKILL.
    What `open_worker` or its function raises is raised here and ends all work: a SignError as one, anything else as a
    RuntimeError with its traceback. A function that may fail on a single task catches that itself.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers")
    source: Iterator[Any] = iter(tasks)
    crew: list[_Worker] = []
    more = True
    try:
        while more or any(worker.busy for worker in crew):
            while more and sum(worker.busy for worker in crew) < workers:
                task = next(source, _END)
                if task is _END:
                    more = False
                else:
                    _free_one(crew, open_worker, preload).give(task)
            for worker in _with_news(crew):
                yield worker.hear()
            yield None
    finally:
        for worker in crew:
            worker.stop()
        for worker in crew:
            worker.end()


def _free_one(crew: list[_Worker], open_worker: Open, preload: Sequence[str]) -> _Worker:
    """A worker without a task, a new one if need be; those that are dead leave the crew."""
    for worker in [worker for worker in crew if not worker.busy and not worker.is_alive()]:
        crew.remove(worker)
        worker.end()
    for worker in crew:
        if not worker.busy:
            return worker
    crew.append(_Worker(open_worker, preload))
    return crew[-1]


def _with_news(crew: list[_Worker]) -> list[_Worker]:
    """The workers that said something or died, once there is one or a moment has passed."""
    ready = set(wait([worker.pipe for worker in crew if worker.busy], timeout=_POLL_S))
    return [worker for worker in crew if worker.pipe in ready]


class _Worker:
    """A worker process seen from the caller."""

    def __init__(self, open_worker: Open, preload: Sequence[str]) -> None:
        context: Any = multiprocessing.get_context(_START_METHOD)
        if _START_METHOD == "forkserver":
            context.set_forkserver_preload([__name__, *preload])
        self.pipe, theirs = context.Pipe()
        self.busy = False
        self._task: Any = None
        self._started = 0.0
        self._process: BaseProcess = context.Process(target=_work, args=(theirs, open_worker), daemon=True)
        self._process.start()
        theirs.close()  # so that the worker's death closes the pipe

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def give(self, task: Any) -> None:
        """Start the next task."""
        self.busy, self._task, self._started = True, task, time.monotonic()
        with suppress(OSError):  # a worker that has just died shows when it is heard
            self.pipe.send(task)

    def hear(self) -> Said | Ended:
        """Take one message; the last one of a task frees the worker."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            return self._ended(None, _how_it_died(self._process.exitcode))
        if kind == "said":
            return Said(task=self._task, value=value)
        if kind == "result":
            return self._ended(value, None)
        raise SignError(value) if kind == "sign error" else RuntimeError(value)

    def _ended(self, result: Any, died: str | None) -> Ended:
        self.busy = False
        return Ended(task=self._task, result=result, died=died, seconds=time.monotonic() - self._started)

    def stop(self) -> None:
        """Ask the process to end: at once when it is at work, else when it reads this."""
        if self.busy:
            self._process.terminate()
        with suppress(OSError):
            self.pipe.send(None)

    def end(self) -> None:
        """Wait for the end of the process, and insist."""
        self._process.join(timeout=_LEAVE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _how_it_died(exitcode: int | None) -> str:
    why = f"signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
    return f"{why}, often for lack of memory" if exitcode == -9 else why


def _work(pipe: Connection, open_worker: Open) -> None:
    """Take tasks from the pipe until it says None or breaks; answer each with what it says, and one result."""
    import cv2

    # Ctrl-C reaches every process of a terminal; the caller decides, and asks to terminate.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _native_log_off()
    cv2.setNumThreads(1)  # there is a worker on every core
    function: Callable[[Any, Say], Any] | None = None

    def send(kind: str, value: Any) -> None:
        try:
            pipe.send((kind, value))
        except OSError:  # the caller is gone
            sys.exit(1)

    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):  # the caller is gone
            return
        if task is None:
            return
        try:
            function = function or open_worker()
            result = function(task, lambda value: send("said", value))
        except SignError as error:
            send("sign error", str(error))
        except Exception:  # noqa: BLE001  raised again where somebody can see it
            send("bug", traceback.format_exc())
        else:
            send("result", result)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # As an exception, so that half-written temporary files are removed on the way out.
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """A caller that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_LEAVE_S)
        os._exit(1)


def _native_log_off() -> None:
    """Python's messages keep the standard error; what C++ code writes to it goes nowhere."""
    try:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    except OSError:  # there is none
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
