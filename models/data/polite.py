"""An engine for downloads, which wait for others' machines and not for a core: `in_threads`.

A host is asked for one thing at a time, with a pause in between; several hosts are asked at once, those with the most
to fetch first, as the last of them decides when all is done. All tasks are taken at the start, in the thread of the
caller: each is no more than an address.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import ContextVar
from typing import Any

from models.data.work import Engine, Made, Make, Outcome, Task, attempt
from models.errors import SignError
from models.progress import Cancelled

_POLL_S = 0.1
_END: ContextVar[threading.Event] = ContextVar("end")


class StopAll(SignError):
    """What goes wrong with one task, and would with all that follow, such as a disk that is full."""


def in_threads(workers: int, *, host: Callable[[Task], str], pause_s: Callable[[Outcome], float]) -> Engine:
    """Up to so many tasks at once, one of each host.

    pause_s: after this outcome, until the begin of the next task of the same host. `make` is called once, and the
    threads share what it returns. A function that waits calls `rest` for it, and `go_on` now and then: closing the
    engine ends it there. StopAll, raised by a function, is raised to the caller after the end of what is at work.
    """

    def engine(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        queues: dict[str, deque[Task]] = {}
        for task in tasks:
            queues.setdefault(host(task), deque()).append(task)
        if queues:
            yield from _work(make(), queues, workers, pause_s)

    return engine


def rest(seconds: float) -> None:
    """Wait. Raises Cancelled when the engine that this runs in is closed."""
    end = _END.get(None)
    if end is None:
        time.sleep(seconds)
    elif end.wait(seconds):
        raise Cancelled


def go_on() -> None:
    """Raises Cancelled when the engine that this runs in is closed."""
    rest(0)


def _work(
    function: Callable[[Any], Made],
    queues: dict[str, deque[Task]],
    workers: int,
    pause_s: Callable[[Outcome], float],
) -> Iterator[Outcome | None]:
    end = threading.Event()
    at_work: dict[Future[Outcome], str] = {}
    rested: dict[str, float] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while queues or at_work:
                for name in _free(queues, set(at_work.values()), rested)[: workers - len(at_work)]:
                    at_work[pool.submit(_do, function, queues[name].popleft(), end)] = name
                    if not queues[name]:
                        del queues[name]
                for future in _ended(at_work):
                    outcome, name = future.result(), at_work.pop(future)
                    rested[name] = time.monotonic() + pause_s(outcome)
                    yield outcome
                yield None
        finally:
            end.set()


def _free(queues: dict[str, deque[Task]], busy: set[str], rested: dict[str, float]) -> list[str]:
    """Hosts that may be asked now, those with the most to fetch first."""
    now = time.monotonic()
    free = [name for name in queues if name not in busy and rested.get(name, now) <= now]
    return sorted(free, key=lambda name: -len(queues[name]))


def _ended(at_work: dict[Future[Outcome], str]) -> list[Future[Outcome]]:
    """What has ended, once something has or a moment has passed; in the order of starting."""
    if not at_work:
        time.sleep(_POLL_S)
    done = wait(at_work, timeout=_POLL_S, return_when=FIRST_COMPLETED).done
    return [future for future in at_work if future in done]


def _do(function: Callable[[Any], Made], task: Task, end: threading.Event) -> Outcome:
    _END.set(end)
    stopped: list[StopAll] = []

    def watched(value: Any) -> Made:
        try:
            return function(value)
        except StopAll as error:
            stopped.append(error)
            raise

    outcome = attempt(watched, task)
    if stopped:
        raise stopped[0]
    return outcome
