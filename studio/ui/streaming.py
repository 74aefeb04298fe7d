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
from studio.ui import sessions

T = TypeVar("T")
P = TypeVar("P")

PERIOD_S = 0.2
"""Progress is shown at most this often; a page redrawn for every frame would slow the work it reports on."""


def stream(work: Callable[[Callable[[P], None]], T], stop: threading.Event, *, wait: bool = True) -> Iterator[P | T]:
    """Yield the newest progress report of `work` a few times a second, then its result, last.

    `work` gets a function to report progress with. When the consumer goes away, `stop` is set, and the thread is
    waited for unless not to `wait`: gradio closes a generator in the loop that serves everybody. An exception of
    `work` is raised here.
    """
    reports: queue.SimpleQueue[P] = queue.SimpleQueue()
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work(reports.put))
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
        if thread.is_alive():
            stop.set()
            if wait:
                thread.join()
    if failure:
        raise failure[0]
    yield result[0]


def live(
    work: Callable[[Callable[[P], None]], T],
    stop: threading.Event,
    *,
    first: tuple[Any, ...],
    shown: Callable[[P | T], tuple[Any, ...]],
    stopped: tuple[Any, ...],
) -> Iterator[tuple[Any, ...]]:
    """The outputs of a handler that runs `work`: `first` at once, each report and the result as `shown`, and
    `stopped` when the work was stopped."""
    stop.clear()
    yield first
    try:
        with sessions.at_work(stop):
            yield from map(shown, stream(work, stop))
    except Cancelled:
        yield stopped


def _latest(reports: queue.SimpleQueue[P]) -> P | None:
    newest = None
    while True:
        try:
            newest = reports.get_nowait()
        except queue.Empty:
            return newest
