"""Show the progress of a blocking core function: run it in a thread, yield what it reports.

Gradio wants a generator for live output; the core wants to call back. This is the bridge between the two.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from models.progress import Cancelled
from studio.ui.sessions import Session

T = TypeVar("T")
P = TypeVar("P")

Work = Callable[[Callable[[P], None], Callable[[], bool]], T]
"""Gets a function to report progress with, and one that says whether to stop; gives its result."""

PERIOD_S = 0.2
"""Progress is shown at most this often; a page redrawn for every frame would slow the work it reports on."""


def stream(page: Session, work: Work[P, T]) -> Iterator[P | T]:
    """Yield the newest progress report of `work` a few times a second, then its result, last.

    It is told to stop when its page is, and when the consumer goes away; then nobody waits for it, because gradio
    closes a generator in the loop that serves everybody. An exception of `work` is raised here.
    """
    stop = threading.Event()
    reports: queue.SimpleQueue[P] = queue.SimpleQueue()
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            with page.at_work(stop):
                result.append(work(reports.put, stop.is_set))
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            failure.append(error)

    # In the context of the handler, by which ZeroGPU knows the visitor whose time it counts.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="studio-work", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(PERIOD_S)
            if (latest := _latest(reports)) is not None:
                yield latest
    finally:
        stop.set()
    if failure:
        raise failure[0]
    yield result[0]


def live(
    page: Session,
    work: Work[P, T],
    *,
    first: tuple[Any, ...],
    shown: Callable[[P | T], tuple[Any, ...]],
    stopped: tuple[Any, ...],
) -> Iterator[tuple[Any, ...]]:
    """The outputs of a handler that runs `work` for a page: `first` at once, each report and the result as `shown`,
    and `stopped` when the work was stopped."""
    yield first
    try:
        yield from map(shown, stream(page, work))
    except Cancelled:
        yield stopped


def _latest(reports: queue.SimpleQueue[P]) -> P | None:
    newest = None
    while True:
        try:
            newest = reports.get_nowait()
        except queue.Empty:
            return newest
