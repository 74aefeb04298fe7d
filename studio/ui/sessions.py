"""What one browser page owns on the server: a folder for its results and a way to stop its work.

The page's id comes from the client, so it is only ever a dictionary key; folder names are made here. Because a client
may make up ids, pages are counted by network address as well.

`start` puts the folders where a server keeps its files and has them deleted in time, whether somebody comes or not.
Without it, as in a test of one tab, there are pages, and no bounds.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from models.errors import SignError
from studio.limits import Limits
from studio.storage import PAGE, Storage, open_storage, size_bytes
from studio.texts import text

SWEEP_S = 300.0
"""How often is looked for what is to be deleted."""
_MEASURE_S = 2.0  # the size of everything is measured at most so often
_MB = 1024 * 1024


@dataclass
class Session:
    """Results of one page, and what stops the work that runs for it."""

    folder: Path
    client: str = ""
    """The network address that it was made for."""
    used_s: float = field(default_factory=time.monotonic)
    runs: set[threading.Event] = field(default_factory=set)
    """What stops each of the runs that are at work for it now."""
    closed: bool = False

    @property
    def lexicon(self) -> Path:
        """Where the signs that were added on this page are; it may not be there yet."""
        return self.folder / "lexicon"

    def new_folder(self) -> Path:
        """An empty folder for the results of one run. Raises SignError when the page, or the studio, has no room."""
        _check_page(self)
        check_disk()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))

    @contextmanager
    def at_work(self, stop: threading.Event) -> Iterator[None]:
        """Around a run, which ends when `stop` is set; while it lasts, the page is not taken as left."""
        with _lock:
            self.runs.add(stop)
            if self.closed:
                stop.set()
        try:
            yield
        finally:
            with _lock:
                self.runs.discard(stop)
                self.used_s = time.monotonic()
            if self.closed:  # its work went on writing for a moment
                shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Have every run that is at work for it now end."""
        with _lock:
            for run in self.runs:
                run.set()

    def close(self) -> None:
        """Have its work end, and delete its results."""
        with _lock:
            self.closed = True
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


_storage: Storage | None = None
_limits = Limits()
_sessions: dict[str, Session] = {}
_lock = threading.RLock()
_size: tuple[float, int] = (0.0, 0)


def start(limits: Limits, base: Path) -> Path:
    """Open the folder of a server in `base`, and have deleted what is not kept any longer; returns the folder."""
    global _storage, _limits
    with _lock:
        _storage, _limits = open_storage(base), limits
        atexit.register(_storage.close)
    threading.Thread(target=_sweep_always, name="studio-retention", daemon=True).start()
    return _storage.folder


def keep_what_is_here() -> None:
    """The page is built: what is in the server's folder by now are its examples, which are never deleted."""
    if _storage is not None:
        _storage.keep_what_is_here()


def session(request: gr.Request) -> Session:
    """The session of the page that sent the request, made on its first use."""
    key = str(request.session_hash)
    with _lock:
        page = _sessions.get(key)
        if page is None:
            client = address(request, _limits.proxies)
            _make_room(client)
            page = _sessions[key] = Session(folder=_opened().new_page(), client=client)
        page.used_s = time.monotonic()
        return page


def address(request: Any, proxies: int) -> str:
    """The network address that a request came from.

    proxies: how many of the addresses in X-Forwarded-For, from the right, were written by proxies of ours; what stands
    before them may be made up.
    """
    client = getattr(getattr(request, "client", None), "host", None) or ""
    if proxies:
        written = ",".join(request.headers.getlist("x-forwarded-for")) if hasattr(request, "headers") else ""
        hops = [one.strip() for one in written.split(",") if one.strip()]
        if hops:
            return str(hops[-min(proxies, len(hops))])
    return str(client)


def is_of_another(path: str, name: str) -> bool:
    """Whether a file is a result of another page than that with this id."""
    if _storage is None:
        return False
    try:
        top = Path(path).resolve().relative_to(_storage.folder.resolve()).parts[:1]
    except ValueError:  # elsewhere, where Gradio takes nothing from
        return False
    page = _sessions.get(name)
    return bool(top) and top[0].startswith(PAGE) and (page is None or top[0] != page.folder.name)


def stop(request: gr.Request) -> None:
    """Stop the page's running work."""
    session(request).stop()


def end(request: gr.Request) -> None:
    """Stop the page's work and delete its results; called when the page is closed."""
    with _lock:
        found = _sessions.pop(str(request.session_hash), None)
    if found is not None:
        found.close()


def check_disk(more_bytes: int = 0) -> None:
    """Raise SignError when there is no room for so much more, also after deleting what is not kept any longer."""
    most = _limits.max_disk_mb * _MB
    if _storage is None or _used_bytes() + more_bytes <= most:
        return
    sweep()
    if _used_bytes(fresh=True) + more_bytes > most:
        raise SignError(
            text(
                "This studio is full: uploads and results take {used} MB of {most} MB. Try again later, when those of "
                "others are deleted; whoever runs it can set SIGN_STUDIO_MAX_DISK_MB.",
                used=_used_bytes() // _MB,
                most=_limits.max_disk_mb,
            )
        )


def sweep() -> None:
    """Close the pages that gave no sign of life for too long, and delete uploads that are too old."""
    last = time.monotonic() - 3600 * _limits.keep_results_hours
    with _lock:
        old = [name for name, page in _sessions.items() if not page.runs and page.used_s < last]
        closed = [_sessions.pop(name) for name in old]
    for page in closed:
        page.close()
    if _storage is not None:
        _storage.delete_uploads(older_than_s=3600 * _limits.keep_uploads_hours - 2 * SWEEP_S)


def _sweep_always() -> None:
    while True:
        time.sleep(SWEEP_S)
        sweep()


def _opened() -> Storage:
    global _storage
    if _storage is None:
        _storage = open_storage(Path(tempfile.gettempdir()))
        atexit.register(_storage.close)
    return _storage


def _make_room(client: str) -> None:
    """Close the page of this address that was used least recently, when it has as many as it may have."""
    theirs = [(page.used_s, name) for name, page in _sessions.items() if page.client == client and not page.runs]
    if len(theirs) >= _limits.pages_per_client:
        _sessions.pop(min(theirs)[1]).close()


def _check_page(page: Session) -> None:
    used = size_bytes(page.folder) // _MB
    if used >= _limits.max_session_mb:
        raise SignError(
            text(
                "The results of this page take {used} MB, and a page may have {most} MB. Download what you need, then "
                "load the page again: that deletes them.",
                used=used,
                most=_limits.max_session_mb,
            )
        )


def _used_bytes(*, fresh: bool = False) -> int:
    global _size
    with _lock:
        if fresh or time.monotonic() - _size[0] > _MEASURE_S:
            _size = time.monotonic(), _opened().size_bytes()
        return _size[1]
