"""The engine of this machine: a process per core, so that a clip that crashes a decoder costs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from models.data.work import Engine, Made, Make, Outcome, Task, attempt
from models.errors import SignError
from models.files import safe_name
from models.pool import Ended, Say, available_cores, in_workers
from models.pose.worker import PRELOAD


def local(workers: int | None = None) -> Engine:
    """An engine of processes on this machine.

    workers: how many; one per core unless set. Each takes a task when it is free for one, so thousands of tasks are
    never in memory at once. A worker that is killed loses its task, which fails, and another takes its place.
    Raises SignError for fewer than one worker.
    """
    count = available_cores() if workers is None else workers
    if count < 1:
        raise SignError(f"{count} workers cannot do any work; give 1 or more.")

    def engine(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        with closing(in_workers(tasks, partial(_open, make), workers=count, preload=PRELOAD)) as all_news:
            for news in all_news:
                yield _outcome(news) if isinstance(news, Ended) else None

    return engine


def ended_by_the_system(task: Task, how: str, seconds: float) -> Outcome:
    """The outcome of a task whose worker was killed over it."""
    words = f"{safe_name(task.item)}: the process working on it was ended by the system ({how})."
    return Outcome(task=task, made=Made(state="failed", words=words), seconds=seconds)


def _open(make: Make) -> Callable[[Task, Say], tuple[Made, float]]:
    function: Callable[[Any], Made] = make()

    def work(task: Task, say: Say) -> tuple[Made, float]:
        outcome = attempt(function, task)
        return outcome.made, outcome.seconds  # the caller has the task

    return work


def _outcome(news: Ended) -> Outcome:
    if news.died is not None:
        return ended_by_the_system(news.task, news.died, news.seconds)
    made, seconds = news.result
    return Outcome(task=news.task, made=made, seconds=seconds)
