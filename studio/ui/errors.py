"""What a user reads when something is wrong, and what a developer reads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from models.errors import SignError
from studio.texts import later

NO_CLIP = later("There is no clip yet; upload or record one first.")
NO_CLIPS = later("There are no clips yet; upload some first.")
NO_SIGN_CLIPS = later("There are no clips of the sign yet; upload or record one to five.")
NO_GLOSS = later("The sign has no name yet; write a gloss such as MY-SIGN.")
NO_WORD = later("There is no word yet; choose one.")
NO_PICTURE = later("There is no picture yet; upload one, take one, or choose an example.")


def user_errors(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Show a SignError as a readable message; anything else is a bug and goes on as one."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def guarded_generator(*args: Any) -> Any:
            try:
                yield from handler(*args)
            except SignError as error:
                raise _shown(error) from error

        return guarded_generator

    @functools.wraps(handler)
    def guarded(*args: Any) -> Any:
        try:
            return handler(*args)
        except SignError as error:
            raise _shown(error) from error

    return guarded


def _shown(error: SignError) -> gr.Error:
    # Gradio shows the message as HTML, and a message may hold the name of an uploaded file.
    return gr.Error(escape(str(error)), duration=None, print_exception=False)


def required(value: Any, sentence: str) -> Any:
    """The value, or the sentence as a SignError when there is none."""
    if value is None or value in ("", []):
        raise SignError(sentence)
    return value
