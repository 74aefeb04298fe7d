"""Torch, which takes seconds to import, is imported while the first page loads, and what runs waits until it is there.

It has to wait: scipy looks torch up among the modules, and fails over the half of it that another thread has imported
by then. It waits in its own thread, not in the answer to whoever asked: programs wait 5 s for an answer, and for a run
as long as it takes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import threading
from collections.abc import Callable
from typing import Any


@functools.cache
def begin() -> None:
    """Import torch in a thread of its own, once."""
    threading.Thread(target=wait, name="studio-torch").start()


@functools.cache
def wait() -> None:
    """Return when torch is imported as a whole, by this thread or by another one."""
    with contextlib.suppress(Exception):  # what needs it will say so
        importlib.import_module("torch")


def waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or the generator function, which waits for torch first."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any) -> Any:
            wait()
            return (yield from function(*args))

        return generator

    @functools.wraps(function)
    def plain(*args: Any) -> Any:
        wait()
        return function(*args)

    return plain
