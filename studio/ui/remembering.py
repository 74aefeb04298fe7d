"""A form that is as it was after the page is loaded again: what is typed is kept in the browser, and nowhere else.

It is kept and read in the page, not by way of the server: answers that overtake each other would leave an older choice,
and a page that is just being loaded would write its empty form over it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from studio.ui.errors import user_errors

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def remember(
    name: str,
    tab: gr.Tab,
    asked: Sequence[Any],
    *,
    needed: int,
    restore: Callable[[Any], Sequence[Any]],
    outputs: Sequence[Any],
) -> None:
    """Fill a form when its tab is opened first, and keep what is typed in it.

    name: what the browser keeps it by. needed: which of `asked` is empty until the form is filled. restore: gets what
    was kept, a list of values of `asked`, or None, or anything else that somebody put there; gives those of `outputs`.
    """
    opened, kept, key = gr.State(False), gr.JSON(visible=False), json.dumps(name)

    def on_open(once: bool, before: Any) -> tuple[Any, ...]:
        return (*([gr.skip()] * len(outputs) if once else restore(before)), True)

    read = f"(once, _) => [once, JSON.parse(localStorage.getItem({key}) || 'null')]"
    store = f"localStorage.setItem({key}, JSON.stringify(asked))"
    keep = f"(...asked) => {{ if (String(asked[{needed}] ?? '')) {store}; return []; }}"
    tab.select(user_errors(on_open), [opened, kept], [*outputs, opened], js=read, **_QUIET)
    gr.on([one.change for one in asked], None, list(asked), None, js=keep, **_QUIET)
