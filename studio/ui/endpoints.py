"""What every endpoint of the programming interface does: take files that were uploaded, run, tell, answer, clean up.

Inputs are gradio components, on the page but never shown, because those check what they are given: a file has to be
one that was uploaded, a choice one of the choices. `gr.api` checks neither. The answer is one dictionary, so that
it can grow without breaking anybody.

A run has a folder of its own, which is deleted with its session; that of a run which did not end well is deleted at
once.
"""

from __future__ import annotations

import functools
import inspect
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import gradio as gr

from models.errors import SignError
from models.files import safe_name
from models.progress import Cancelled
from studio.limits import Limits
from studio.texts import text
from studio.ui import answers, sessions, views
from studio.ui.answers import Answer
from studio.ui.errors import user_errors
from studio.ui.events import WORK
from studio.ui.sessions import Session
from studio.ui.streaming import stream

T = TypeVar("T")
Work = Callable[[Path, Callable[[Any], None], Callable[[], bool]], T]
"""Writes into a folder, tells how far it is, and asks whether to stop."""


class Endpoints:
    """Publishes verbs inside the current gr.Blocks."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._trigger = gr.Button(visible=False)  # of every event; nobody can press it

    def offer(self, verb: Callable[..., Any], /, **given: gr.components.Component) -> None:
        """Make a verb callable by its name; `given` are what its parameters are checked by, in their order.

        What runs long is a generator, and waits in the same queue as the buttons of the page.
        """
        first, *takes = inspect.signature(verb).parameters
        if first != "request" or takes != list(given):
            raise ValueError(f"{verb.__name__} takes {takes}, and is given {list(given)}")
        for name, component in given.items():
            component.label, component.visible = name, False
        long = inspect.isgeneratorfunction(verb)
        of_files = [place for place, one in enumerate(given.values()) if isinstance(one, gr.File)]
        self._trigger.click(
            user_errors(_checked(verb, of_files)),
            list(given.values()),
            gr.JSON(label="answer", visible=False),
            api_name=verb.__name__,
            show_progress="hidden",
            concurrency_id=WORK if long else None,
            concurrency_limit=self._limits.concurrent_runs,
        )


def _checked(verb: Callable[..., Any], of_files: Sequence[int]) -> Callable[..., Any]:
    """The verb, given files of its own client only."""
    if inspect.isgeneratorfunction(verb):

        @functools.wraps(verb)
        def long(request: gr.Request, *values: Any) -> Iterator[Any]:
            _check_own(request, [values[place] for place in of_files])
            yield from verb(request, *values)

        return long

    @functools.wraps(verb)
    def short(request: gr.Request, *values: Any) -> Any:
        _check_own(request, [values[place] for place in of_files])
        return verb(request, *values)

    return short


def run(page: Session, work: Work[T], answer: Callable[[T], Answer]) -> Iterator[Answer]:
    """What an endpoint yields while it works, and its answer, last.

    Work whose client went away, or whose session ended, is told to stop. Raises as the work does.
    """
    folder = page.new_folder()

    def guarded(tell: Callable[[Any], None], stopped: Callable[[], bool]) -> T:
        kept = False
        try:
            made = work(folder, tell, stopped)
            kept = not stopped()
        finally:
            if not kept:  # nobody waits for it any more, or there is nothing to wait for
                shutil.rmtree(folder, ignore_errors=True)
        return made

    try:
        for report in stream(page, guarded):
            yield answers.step(report) or answer(report)
    except Cancelled as cancelled:
        raise SignError(text(views.STOPPED)) from cancelled


def session(request: gr.Request) -> Session:
    """The session of the client. All who come by MCP are one client to gradio, so each of their calls is a session."""
    if request.headers.get("x-gradio-user") != "mcp":
        return sessions.session(request)
    alone = SimpleNamespace(session_hash=uuid4().hex, client=request.client, headers=request.headers)
    return sessions.session(alone)  # type: ignore[arg-type]  # what it looks at


def _check_own(request: gr.Request, given: Iterable[str | list[str] | None]) -> None:
    """Raise SignError for a file that gradio takes, because it lies in its folder, but that another session made."""
    for path in (path for one in given if one for path in ([one] if isinstance(one, str) else one)):
        if sessions.is_of_another(path, str(request.session_hash)):
            raise SignError(text("{name} is not one of your files; upload it.", name=safe_name(path)))


def names(choices: Sequence[tuple[str, str]]) -> list[str]:
    """The values of choices that a form shows with words."""
    return [name for _, name in choices]
