"""What every request passes before Gradio sees it: the login, bounds on what is sent, bounds on what waits.

Gradio's own login leaves some routes open (cancel, heartbeat, streams), its uploads know no bound but that on one file,
it reads any JSON body into memory, fetches links that a request names as a file, and lets one client fill the queue.
A refusal is one sentence; Gradio's page shows it.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from models.errors import SignError
from studio.limits import Limits
from studio.texts import text
from studio.ui import sessions, torch_first
from studio.ui.events import WORK

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 16 * 1024 * 1024
"""The most that a request may send that is no upload; the largest are pictures of a camera."""
MAX_ATTEMPTS = 10
"""Wrong passwords from one address within ATTEMPTS_S before it has to wait."""
ATTEMPTS_S = 600.0
_NO_JSON = object()
_FUNCTIONS = re.compile(rb"window\.gradio_api_info = .*?;</script>", re.DOTALL)

_API = "/gradio_api/"
_UPLOADS = (f"{_API}upload", f"{_API}process_recording")
_LINK = re.compile(r"\s*https?:", re.IGNORECASE)
_RUNS = re.compile(rf"{_API}(?:queue/join|call(?:/v2)?/(?P<name>[^/]+))/?")
# Parts of Gradio that the studio does not use: a snapshot of any page's state, fetching from the web, its own pages.
_OFF = re.compile(rf"{_API}(?:deep_link|proxy=|file[=/]\s*https?:|.*vibe-|dev/)|/monitoring", re.IGNORECASE)
# What the login page needs, and what Gradio asks itself when it starts; none of it says anything about anybody.
_OPEN = re.compile(
    rf"/|/login/?|/logout|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon(?:/\d+)?|/(?:assets|static|svelte)/.*"
    rf"|(?:{_API}|/)theme\.css|{_API}(?:login_check|user|token|app_id|startup-events)/?"
)


class Guard:
    """The middleware. One per server; used from one event loop."""

    def __init__(self, app: Any, *, limits: Limits, login: bool) -> None:
        self._app, self._limits, self._login = app, limits, login
        self._uploaded = _Recent(3600.0 * limits.keep_uploads_hours)
        self._wrong = _Recent(ATTEMPTS_S)
        self._arriving = 0
        self._joining: list[tuple[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, path = Request(scope), _path(scope)
        send = _with_headers(path, send)
        if path == "/":
            torch_first.begin()  # while the browser loads the page
        if _OFF.match(path):
            await _refusal(404, text("The studio does not offer this."))(scope, receive, send)
        elif self._login and not _OPEN.fullmatch(path) and not _known(request):
            await _refusal(401, text("Log in first."))(scope, receive, send)
        elif self._login and self._foreign(request):
            await _refusal(403, text("Another site may not use this studio in your name."))(scope, receive, send)
        elif self._login and path == "/" and not _known(request):
            await self._app(scope, receive, _without_functions(send))
        elif request.method not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
        elif path.rstrip("/") in _UPLOADS:
            await self._upload(request, receive, send)
        elif path.rstrip("/") == "/login":
            await self._log_in(request, receive, send)
        else:
            await self._ask(request, receive, send)

    async def _upload(self, request: Request, receive: Receive, send: Send) -> None:
        """Let an upload pass when there is room for it."""
        size, client = _length(request), self._address(request)
        refusal = await self._no_room(size, client)
        if refusal is not None:
            await refusal(request.scope, receive, send)
            return
        self._uploaded.add(client, size or 0)
        self._arriving += size or 0
        try:
            await self._app(request.scope, receive, send)
        finally:
            self._arriving -= size or 0

    async def _no_room(self, size: int | None, client: str) -> Response | None:
        # Gradio's page shows what it is told as it is, so this is plain text.
        if size is None:
            return PlainTextResponse(text("Say how large the upload is (Content-Length)."), 411)
        if self._uploaded.total(client) + size > self._limits.max_client_mb * 1024 * 1024:
            words = text(
                "{most} MB were uploaded from this address within {hours} hours, which is all that is kept for one. "
                "Try again later.",
                most=self._limits.max_client_mb,
                hours=self._limits.keep_uploads_hours,
            )
            return PlainTextResponse(words, 429)
        try:
            await asyncio.to_thread(sessions.check_disk, self._arriving + size)
        except SignError as error:
            return PlainTextResponse(str(error), 507)
        return None

    async def _log_in(self, request: Request, receive: Receive, send: Send) -> None:
        """Let somebody try a password, not too often."""
        client = self._address(request)
        if self._wrong.count(client) >= MAX_ATTEMPTS:
            words = text("Too many wrong passwords; try again in {minutes} minutes.", minutes=round(ATTEMPTS_S / 60))
            await _refusal(429, words)(request.scope, receive, send)
            return
        self._wrong.add(client)  # before it is known: many at once are many

        async def watch(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self._wrong.forget(client)
            await send(message)

        await self._ask(request, receive, watch)

    async def _ask(self, request: Request, receive: Receive, send: Send) -> None:
        """Let a request pass that is small enough, names no link or file of others, and fills no queue."""
        body = await _body(request, receive)
        if body is None:
            words = text("This is more than {most} MB.", most=MAX_BODY_BYTES // 1024 // 1024)
            await _refusal(413, words)(request.scope, receive, send)
            return
        run = _RUNS.fullmatch(_path(request.scope))
        asked = await asyncio.to_thread(_read, body)
        files = list(_files(asked))
        page = str(asked.get("session_hash")) if isinstance(asked, dict) else ""
        if asked is _NO_JSON and run is not None:
            refusal = _refusal(400, text("This is no JSON."))
        elif any(map(_LINK.match, files)):
            refusal = _refusal(400, text("Upload the file itself: the studio fetches nothing from other addresses."))
        elif any(sessions.is_of_another(one, page) for one in files):
            refusal = _refusal(400, text("This file is of another page; upload it here."))
        elif run is not None and isinstance(asked, dict):
            await self._join(request, asked, run["name"], _again(body, receive), send)
            return
        else:
            await self._app(request.scope, _again(body, receive), send)
            return
        await refusal(request.scope, receive, send)

    async def _join(
        self, request: Request, asked: dict[str, Any], name: str | None, receive: Receive, send: Send
    ) -> None:
        """Let a run, or something short, wait in the queue."""
        blocks, client = request.scope["app"].get_blocks(), self._address(request)
        fn = _function(blocks, asked.get("fn_index"), name)
        if fn is None:  # Gradio would fail
            await _refusal(404, text("There is no such function here."))(request.scope, receive, send)
            return
        if fn.concurrency_id != WORK:
            most = self._limits.runs_per_client + self._limits.queue_length
            theirs = sum(self._address(event.request) == client for event in _pending(blocks))
            if theirs >= most:
                await self._too_many(theirs)(request.scope, receive, send)
            else:
                await self._app(request.scope, receive, send)
            return
        # What is on its way into the queue counts as well: many at once are many.
        runs = [(self._address(event.request), event.session_hash) for event in _pending(blocks, WORK)]
        refusal = self._busy([*runs, *self._joining], client, asked.get("session_hash"))
        if refusal is not None:
            await refusal(request.scope, receive, send)
            return
        joining = (client, asked.get("session_hash"))
        self._joining.append(joining)
        try:
            await self._app(request.scope, receive, send)
        finally:
            self._joining.remove(joining)

    def _busy(self, runs: list[tuple[str, Any]], client: str, page: Any) -> Response | None:
        """What to answer a run that may not even wait, by the address and the page of those that do."""
        mine = sum(one == page for _, one in runs if page is not None)
        if mine >= self._limits.runs_per_session:
            words = text("{number} runs of this page are waiting or at work; let one end first.", number=mine)
            return _refusal(429, words)
        theirs = sum(one == client for one, _ in runs)
        if theirs >= self._limits.runs_per_client:
            return self._too_many(theirs)
        if len(runs) >= self._limits.queue_length + self._limits.concurrent_runs:
            words = text("The studio is busy: {number} runs are waiting. Try again in a while.", number=len(runs))
            return _refusal(503, words)
        return None

    def _too_many(self, number: int) -> Response:
        words = "The studio is busy: {number} runs from your address are waiting. Try again in a while."
        return _refusal(429, text(words, number=number))

    def _foreign(self, request: Request) -> bool:
        """Whether a page of another site asks. Gradio lets any do so, and its cookie goes with what it asks."""
        origin = request.headers.get("origin")
        if origin is None:
            return False
        names = [request.headers.get("host", "")]
        if self._limits.proxies:  # a page can make this header up, but ours are behind what writes it
            names.append(request.headers.get("x-forwarded-host", ""))
        return urlsplit(origin).netloc.lower() not in [name.lower() for name in names]

    def _address(self, request: Request) -> str:
        return sessions.address(request, self._limits.proxies)


class _Recent:
    """Amounts by name, each forgotten after a while."""

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._amounts: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._lock = threading.Lock()

    def add(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self._amounts[name].append((time.monotonic(), amount))

    def total(self, name: str) -> int:
        with self._lock:
            self._forget_old()
            return sum(amount for _, amount in self._amounts.get(name, ()))

    def count(self, name: str) -> int:
        with self._lock:
            self._forget_old()
            return len(self._amounts.get(name, ()))

    def forget(self, name: str) -> None:
        with self._lock:
            self._amounts.pop(name, None)

    def _forget_old(self) -> None:
        last = time.monotonic() - self._kept_s
        for name, amounts in list(self._amounts.items()):
            while amounts and amounts[0][0] < last:
                amounts.popleft()
            if not amounts:
                del self._amounts[name]


def _known(request: Request) -> bool:
    """Whether the request has the cookie of somebody who logged in; the names are Gradio's."""
    app = request.scope["app"]
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) is not None for name in names)


def _pending(blocks: Any, kind: str | None = None) -> list[Any]:
    """The events that wait in Gradio's queue or are worked on; those of one `concurrency_id`, or all."""
    queue = blocks._queue
    found = [event for one in queue.event_queue_per_concurrency_id.values() for event in one.queue]
    found += [event for job in queue.active_jobs if job for event in job]
    return [event for event in found if kind in (None, event.concurrency_id)]


def _function(blocks: Any, number: Any, name: str | None) -> Any:
    """What is asked for, by its name or its number; None when there is no such thing."""
    if name is not None:
        return next((fn for fn in blocks.fns.values() if fn.api_name == name), None)
    return blocks.fns.get(number) if isinstance(number, int) else None


def _path(scope: Scope) -> str:
    """The path as routes see it: without what a proxy put before it."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _read(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return _NO_JSON


def _length(request: Request) -> int | None:
    written = request.headers.get("content-length", "")
    return int(written) if written.isascii() and written.isdigit() and len(written) < 16 else None


async def _body(request: Request, receive: Receive) -> bytes | None:
    """The body; None when it is too large."""
    if (_length(request) or 0) > MAX_BODY_BYTES:
        return None
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > MAX_BODY_BYTES:
            return None
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives the body that was read already, then whatever comes."""
    given = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _files(asked: Any) -> Iterator[str]:
    """The paths of what a JSON value names as files, at any depth."""
    left = [asked]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            path = one.get("path")
            if "meta" in one and isinstance(path, str):
                yield path
            left += one.values()
        elif isinstance(one, list):
            left += one


def _refusal(status: int, words: str) -> Response:
    return JSONResponse({"detail": words, "error": words}, status)


def _without_functions(send: Send) -> Send:
    """Gradio's page to log in on lists all functions, with names of what can be chosen; this leaves that out."""
    start: MutableMapping[str, Any] = {}
    parts: list[bytes] = []

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = _FUNCTIONS.sub(b"window.gradio_api_info = {};</script>", b"".join(parts))
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    return sent


def _with_headers(path: str, send: Send) -> Send:
    """Files are what they are served as, whatever is in them; no address of this page is told to others."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            more = [(b"referrer-policy", b"same-origin")]
            if path.startswith(f"{_API}file"):
                more.append((b"x-content-type-options", b"nosniff"))
            message["headers"] = [*message.get("headers", []), *more]
        await send(message)

    return sent
