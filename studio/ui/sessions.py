"""What one browser page owns on the server: a folder for its results and a way to stop its work.

The page's id comes from the client, so it is only ever a dictionary key; folder names are made here.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

KEPT_S = 6 * 3600
"""A page that sent nothing for so long is taken as closed; a program that uses the API never says that it left."""


@dataclass
class Session:
    """Results of one page, and the event that stops its running work."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    used_s: float = field(default_factory=time.monotonic)

    @property
    def lexicon(self) -> Path:
        """Where the signs that were added on this page are; it may not be there yet."""
        return self.folder / "lexicon"

    def new_folder(self) -> Path:
        """An empty folder for the results of one run."""
        return Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))


_root: Path | None = None
_sessions: dict[str, Session] = {}
_lock = threading.Lock()


def session(request: gr.Request) -> Session:
    """The session of the page that sent the request, made on its first use."""
    global _root
    key = str(request.session_hash)
    with _lock:
        if _root is None:
            _root = Path(tempfile.mkdtemp(prefix="sign-studio-"))
            atexit.register(shutil.rmtree, _root, ignore_errors=True)
        if key not in _sessions:
            for old in [name for name, page in _sessions.items() if time.monotonic() - page.used_s > KEPT_S]:
                _close(_sessions.pop(old))
            _sessions[key] = Session(folder=Path(tempfile.mkdtemp(prefix="page-", dir=_root)))
        _sessions[key].used_s = time.monotonic()
        return _sessions[key]


def stop(request: gr.Request) -> None:
    """Stop the page's running work."""
    session(request).stop.set()


def end(request: gr.Request) -> None:
    """Stop the page's work and delete its results; called when the page is closed."""
    with _lock:
        found = _sessions.pop(str(request.session_hash), None)
    if found is not None:
        _close(found)


def _close(page: Session) -> None:
    page.stop.set()
    shutil.rmtree(page.folder, ignore_errors=True)
