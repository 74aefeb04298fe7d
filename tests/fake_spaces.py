"""Stands for the package `spaces` on ZeroGPU: a decorated generator runs in a forked worker, all that passes is
pickled, and an exception loses everything but the name of its class, as with the real one.
"""

from __future__ import annotations

import functools
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from typing import Any

asked: list[tuple[str, float]] = []
"""What was decorated, and for how many seconds."""


def GPU(task: Callable[..., Iterator[Any]], duration: float) -> Callable[..., Iterator[Any]]:
    asked.append((task.__name__, duration))
    fork = multiprocessing.get_context("fork")

    @functools.wraps(task)
    def lent(*args: Any, **kwargs: Any) -> Iterator[Any]:
        given, results = pickle.dumps((args, kwargs)), fork.SimpleQueue()

        def work() -> None:
            args, kwargs = pickle.loads(given)
            try:
                for value in task(*args, **kwargs):
                    results.put(("value", value))
                results.put(("end", None))
            except Exception as error:  # noqa: BLE001 - as the real one does
                results.put(("error", type(error).__name__))

        worker = fork.Process(target=work, daemon=True)
        worker.start()
        try:
            while True:
                kind, value = results.get()
                if kind == "value":
                    yield value
                elif kind == "end":
                    return
                else:
                    raise RuntimeError(f"ZeroGPU worker error: {value}")
        finally:
            worker.kill()

    return lent


def gradio_auto_wrap(handler: Any) -> Any:
    """What gradio asks of the package for each of its handlers; it does nothing unless a Space wants it."""
    return handler
