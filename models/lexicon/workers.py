"""Rendering on all cores: one function, many tasks, a process per core."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from models.errors import LexiconError
from models.pool import Ended, Say, available_cores, in_workers

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], workers: int | None = None
) -> Iterator[Result]:
    """Call the function with each task's arguments; yields the results in the order in which they are done.

    workers: how many processes (`models.pool`), one per core unless set; with 1 the work is done in this process.
    What a task raises is raised here, and ends the others. A task whose process is ended by the system is tried again
    when all others are done; LexiconError when none of those that are left gets done.
    """
    count = min(workers or available_cores(), len(tasks))
    if count <= 1:
        yield from (function(*task) for task in tasks)
        return
    waiting = list(tasks)
    while waiting:
        lost: list[tuple[Any, ...]] = []
        with closing(in_workers(waiting, partial(_open, function), workers=count)) as all_news:
            for news in all_news:
                if not isinstance(news, Ended):
                    continue
                if news.died is not None:
                    lost.append(news.task)
                elif isinstance(news.result, _Raised):
                    raise news.result.error
                else:
                    yield news.result
        if len(lost) == len(waiting):  # trying again would never end
            raise LexiconError(
                "A process was ended by the system, often for lack of memory; run again with fewer --workers."
            )
        waiting = lost


@dataclass(frozen=True)
class _Raised:
    """What a task raised, on its way to the caller."""

    error: Exception


def _open(function: Callable[..., Any]) -> Callable[[Any, Say], Any]:
    def call(task: tuple[Any, ...], _say: Say) -> Any:
        try:
            return function(*task)
        except Exception as error:  # noqa: BLE001  raised again by `in_processes`, with its type
            error.add_note(traceback.format_exc())
            return _Raised(error)

    return call
