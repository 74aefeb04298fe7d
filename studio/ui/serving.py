"""How the page is served: where its files are, what guards it, and that it tidies up when it is told to stop."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from studio import memory
from studio.limits import Limits
from studio.passwords import Login
from studio.texts import text
from studio.ui import sessions, torch_first
from studio.ui.guard import Guard

FILES = "GRADIO_TEMP_DIR"
STATES = 200
"""Pages whose components Gradio remembers at most; it would remember 10,000, and forgets none by itself."""


def keep_files(limits: Limits) -> None:
    """Have everything that is uploaded and made in one folder, which is deleted when the server stops.

    To be called before the page is built: Gradio's components note their folder when they are made.
    """
    os.environ[FILES] = str(sessions.start(limits, Path(os.environ.get(FILES) or tempfile.gettempdir())))
    memory.give_back_always()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)  # as containers are stopped; Python would end without tidying up


def queued(page: gr.Blocks, limits: Limits) -> gr.Blocks:
    """The page, which is built now, with its queue; whatever its functions do, they do when torch is there.

    The guard counts the runs; Gradio's own bound is for all that is short as well.
    """
    sessions.keep_what_is_here()
    for event in page.fns.values():
        if event.fn is not None:
            event.fn = torch_first.waiting(event.fn)
    return page.queue(
        max_size=4 * limits.queue_length,
        default_concurrency_limit=limits.concurrent_runs,
        api_open=False,  # else a run could be asked for without the queue
    )


def forgotten(page: gr.Blocks) -> None:
    """Have what Gradio remembers of a page, a megabyte and all that it shows, go when the page is closed.

    To be called where the page is built, last: what else happens then may still ask for it.
    """

    def forget(request: gr.Request) -> None:
        page.state_holder.session_data.pop(str(request.session_hash), None)

    page.unload(forget)


def guarded(limits: Limits, login: Login | None, *, hosted: bool) -> dict[str, Any]:
    """What `launch` needs, to refuse what has to be refused."""
    shared = login is not None and login.shared
    return {
        "auth": None if login is None else login.allows,
        "auth_message": text("Any name will do, with the password that you were given.") if shared else None,
        "max_file_size": limits.max_upload_bytes,
        "state_session_capacity": STATES,
        "strict_cors": True,
        # A bug says what went wrong, paths and all: to whoever runs the studio, not to its visitors.
        "show_error": not hosted,
        "app_kwargs": {"middleware": [Middleware(Guard, limits=limits, login=login is not None)]},
    }


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
