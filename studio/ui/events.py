"""How events of the page are wired: those that are over in a moment, those that work for long, and what stops these."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.limits import Limits
from studio.ui import sessions

WORK = "work"
"""The queue of what works for long (`concurrency_id`); everything else is over in a moment."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Settings of an event that is over in a moment, and not for programs."""


def working(status: gr.components.Component, limits: Limits) -> dict[str, Any]:
    """Settings of an event that works for long: it waits in the queue of these, and `status` shows at which place."""
    return {
        "api_visibility": "private",
        "show_progress": "minimal",
        "show_progress_on": status,
        "concurrency_id": WORK,
        "concurrency_limit": limits.concurrent_runs,
    }


def stops(button: gr.Button) -> None:
    """Let a button stop the work of its page."""
    button.click(sessions.stop, None, None, queue=False, **QUIET)


def plays(button: gr.Button, *videos: str) -> None:
    """Let a button play videos, by their elem_id, from the start at the same time."""
    chosen = ", ".join(f"#{one} video" for one in videos)
    script = (
        f"() => {{ for (const clip of document.querySelectorAll('{chosen}')) "
        "{ clip.currentTime = 0; clip.play(); } return []; }"
    )
    button.click(None, None, None, js=script, **QUIET)
