"""Visitors of a studio, as their browsers are to it: pages that are opened, upload, press buttons, and are closed.

Every upload and every gloss line carries a word that occurs once, so that an answer with the word of another page is
seen; a refusal that does not say "busy" is a failure.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import re
import signal
import socket
import string
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "assets" / "samples"
LIMITS = {
    "SIGN_STUDIO_RUNS_PER_SESSION": "2",
    "SIGN_STUDIO_RUNS_PER_CLIENT": "16",
    "SIGN_STUDIO_QUEUE_LENGTH": "32",
    "SIGN_STUDIO_MAX_SESSION_MB": "200",
    "SIGN_STUDIO_MAX_DISK_MB": "2000",
    "SIGN_STUDIO_MAX_CLIP_MINUTES": "5",
}
BUSY = (429, 503, 507)
PATIENCE_S = 300.0
"""An answer that takes longer is a failure."""
WORD = re.compile(r"\bQX[A-Z]{5}\b")
VERBS = {"extract": "pose-go", "recognize": "recognize-go", "synthesize": "synthesize-go"}
"""What is done, and the button that does it."""


class Busy(Exception):
    """The studio said that it is busy."""


class Failed(Exception):
    """Something that must not happen."""


@dataclass
class Tally:
    """What happened."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cameras: int = 0
    """Those that are on now."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A studio that serves, and what its page consists of."""

    url: str
    process: psutil.Process
    folder: Path
    config: dict[str, Any]

    def event(self, elem_id: str) -> dict[str, Any]:
        """What a press of a button does."""
        number = self.component(elem_id)["id"]
        pressed = [number, "click"]
        return next(one for one in self.config["dependencies"] if pressed in [list(t) for t in one["targets"]])

    def component(self, elem_id: str) -> dict[str, Any]:
        return next(one for one in self.config["components"] if one["props"].get("elem_id") == elem_id)


@contextlib.contextmanager
def serve(folder: Path, **environment: str) -> Iterator[Server]:
    """A studio with the limits of this benchmark; its files are in `folder`, which is empty again afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = os.environ | LIMITS | environment
    variables |= {"GRADIO_TEMP_DIR": str(folder / "files"), "SIGN_STUDIO_RUNS": str(folder / "runs")}
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        yield Server(url=url, process=psutil.Process(process.pid), folder=folder, config=_config(url, process))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _config(url: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            return dict(httpx.get(f"{url}/config", timeout=5).json())
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit("the studio did not start")


def clip(number: int, folder: Path) -> tuple[Path, int]:
    """The first frames of a sample, as many as no other page has; and how many those are."""
    import av

    frames = 12 + number
    path = folder / f"clip-{number}.mp4"
    source = min(SAMPLES.glob("*.mp4"), key=lambda one: one.stat().st_size)
    with av.open(str(source)) as read, av.open(str(path), "w") as write:
        theirs = read.streams.video[0]
        ours = write.add_stream("libx264", rate=theirs.average_rate)
        ours.width, ours.height, ours.pix_fmt = theirs.width, theirs.height, "yuv420p"
        for index, frame in enumerate(read.decode(theirs)):
            if index == frames:
                break
            frame.pts, frame.time_base = index, 1 / ours.codec_context.framerate
            write.mux(ours.encode(frame))
        write.mux(ours.encode(None))
    return path, frames


def pictures() -> list[str]:
    """Some frames of a sample as the Live tab's camera sends them."""
    import io

    import av

    urls = []
    with av.open(str(min(SAMPLES.glob("*.mp4")))) as read:
        for frame in read.decode(video=0):
            buffer = io.BytesIO()
            frame.to_image().resize((320, 320)).save(buffer, "JPEG", quality=80)
            urls.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))
            if len(urls) == 30:
                break
    return urls


class Page:
    """One page in a browser, from when it is opened until it is closed."""

    def __init__(self, server: Server, client: httpx.AsyncClient, tally: Tally) -> None:
        self._server, self._client, self._tally = server, client, tally
        self.session = "".join(random.choices(string.ascii_lowercase + string.digits, k=11))
        self._heart: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Page:
        start = time.monotonic()
        for path in ("/", "/theme.css"):
            _check(await self._client.get(path))
        self._heart = asyncio.create_task(self._beat())
        await self.press("", on_load=True)
        self._tally.waits_s["open"].append(time.monotonic() - start)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._heart is not None:
            self._heart.cancel()
            with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
                await self._heart

    async def _beat(self) -> None:
        async with self._client.stream("GET", f"/gradio_api/heartbeat/{self.session}", timeout=None) as beats:
            async for _ in beats.aiter_raw():
                pass

    async def upload(self, path: Path, name: str) -> dict[str, Any]:
        """Send a file under a name; returns it as a handler is given it."""
        self._tally.counts["uploads"] += 1
        with path.open("rb") as file:
            answer = _check(await self._client.post("/gradio_api/upload", files={"files": (name, file)}))
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def press(self, elem_id: str, *, on_load: bool = False, **values: Any) -> list[Any]:
        """Press a button after filling in components by their elem_id; returns what its outputs are given."""
        events = [self._server.event(elem_id)] if not on_load else _on_load(self._server.config)
        data: list[Any] = []
        for event in events:
            filled = {self._server.component(name.replace("_", "-"))["id"]: value for name, value in values.items()}
            asked = [filled.get(number, _value(self._server.config, number)) for number in event["inputs"]]
            data = await self._run({"data": asked, "fn_index": event["id"], "session_hash": self.session}, elem_id)
        return data

    async def _run(self, asked: dict[str, Any], elem_id: str) -> list[Any]:
        event = _check(await self._client.post("/gradio_api/queue/join", json=asked)).json()["event_id"]
        async for message in self._messages():
            if message.get("event_id") == event and message["msg"] == "process_starts":
                begun = time.monotonic()
            if message.get("event_id") == event and message["msg"] == "process_completed":
                if not message["success"]:
                    raise Failed(f"an answer is an error: {str(message['output'])[:300]}")
                if elem_id:
                    self._tally.waits_s[f"{elem_id}, at work"].append(time.monotonic() - begun)
                return list(message["output"].get("data") or [])
        raise Failed("the answers ended before there was one")

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        listening = {"session_hash": self.session}
        async with self._client.stream("GET", "/gradio_api/queue/data", params=listening, timeout=PATIENCE_S) as lines:
            _check(lines)
            async for line in lines.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    async def call(self, function: str, message: dict[str, Any]) -> dict[str, Any]:
        """Call one of the camera's server functions."""
        number = self._server.component("live-camera")["id"]
        asked = {"data": message, "component_id": number, "fn_name": function, "session_hash": self.session}
        answer = _check(await self._client.post("/gradio_api/component_server", json=asked)).json()
        return dict(answer) if isinstance(answer, dict) else {}

    async def fetch(self, file: dict[str, Any]) -> bytes:
        return _check(await self._client.get(f"/gradio_api/file={file['path']}")).content


def _check(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in BUSY:
        raise Busy(f"HTTP {answer.status_code}")
    if answer.status_code >= 400:
        raise Failed(f"{answer.request.method} {answer.request.url.path[:80]}: HTTP {answer.status_code}")
    return answer


def _on_load(config: dict[str, Any]) -> list[dict[str, Any]]:
    """What every page asks for when it is opened."""
    return [
        one
        for one in config["dependencies"]
        if any(target[1] == "load" for target in one["targets"]) and one["backend_fn"] and not one["js"]
    ]


def _value(config: dict[str, Any], number: int) -> Any:
    return next(one for one in config["components"] if one["id"] == number)["props"].get("value")


def files(value: Any) -> list[dict[str, Any]]:
    """The files in an answer."""
    if isinstance(value, dict):
        if "path" in value and "meta" in value:
            return [value]
        value = list(value.values())
    return [found for one in value for found in files(one)] if isinstance(value, list) else []


class Visitor:
    """Somebody who uses the studio, one thing after the other."""

    def __init__(
        self, number: int, server: Server, tally: Tally, folder: Path, seen: list[str], pause_s: float
    ) -> None:
        self._number, self._server, self._tally, self._pictures = number, server, tally, seen
        self._choice = random.Random(number)
        self._clip, self._frames = clip(number, folder)
        self._pause_s = pause_s

    async def stay(self, until: float, pages: int | None) -> None:
        """Open pages and do something on them until then; or, for a test, so many."""
        opened = 0
        async with httpx.AsyncClient(base_url=self._server.url, timeout=60) as client:
            while time.monotonic() < until and opened != pages:
                opened += 1
                await self._count("visit", self._visit(client, until))

    async def _visit(self, client: httpx.AsyncClient, until: float) -> None:
        async with Page(self._server, client, self._tally) as page:
            for _ in range(self._choice.randint(1, 4)):
                if time.monotonic() >= until:
                    return
                verb = self._choice.choice(("extract", "recognize", "synthesize", "synthesize", "live", "leave"))
                await self._count(verb, getattr(self, f"_{verb}")(page, until))
                if verb == "leave":
                    return
                await asyncio.sleep(self._choice.uniform(0, 2 * self._pause_s))

    async def _count(self, verb: str, work: Any) -> None:
        self._tally.counts[verb] += 1
        start = time.monotonic()
        try:
            await work
        except Busy as busy:
            self._tally.refused[f"{verb}: {busy}"] += 1
            await asyncio.sleep(self._pause_s)
        except asyncio.CancelledError:
            self._tally.counts[f"{verb} cut at the end"] += 1
            raise
        except (Failed, httpx.HTTPError) as error:
            self._tally.failures.append(f"{verb}: {type(error).__name__}: {error}")
        else:
            self._tally.waits_s[verb].append(time.monotonic() - start)

    async def _extract(self, page: Page, _until: float) -> None:
        word = self._word()
        clip = await page.upload(self._clip, f"{word}.mp4")
        answer = self._own(word, await page.press(VERBS["extract"], pose_clip=clip))
        pose = next(file for file in answer if file["path"].endswith(".pose"))
        frames = _pose_frames(await page.fetch(pose))
        if frames != self._frames:
            raise Failed(f"a pose of {frames} frames came for a clip of {self._frames}")

    async def _recognize(self, page: Page, _until: float) -> None:
        word = self._word()
        clip = await page.upload(self._clip, f"{word}.mp4")
        answer = self._own(word, await page.press(VERBS["recognize"], recognize_clip=clip))
        await page.fetch(answer[0])

    async def _synthesize(self, page: Page, _until: float) -> None:
        word = self._word()
        answer = await page.press(VERBS["synthesize"], synthesize_line=f"fs-{word}")
        if word not in json.dumps(answer).replace("-", ""):  # Q-X-A: it is spelled by the fingers
            raise Failed("an answer does not hold what was asked for")
        await page.fetch(self._own(word, answer)[0])

    async def _live(self, page: Page, until: float) -> None:
        token = f"load-{page.session}"
        self._own("", opened := await page.call("open_camera", {"token": token}))
        if "cameras are being watched" in opened.get("error", ""):
            raise Busy("all cameras are taken")
        self._tally.cameras += 1
        try:
            for number in range(40):
                picture = self._pictures[number % len(self._pictures)]
                view = await page.call("see_camera", {"token": token, "picture": picture, "time_ms": 100.0 * number})
                self._tally.counts["pictures"] += 1
                if view.get("error") and not view.get("off"):
                    raise Failed(f"the camera: {view['error']}")
                if view.get("off") or time.monotonic() > until:
                    break
                await asyncio.sleep(0.1)
            await page.call("close_camera", {"token": token})
        finally:
            self._tally.cameras -= 1

    async def _leave(self, page: Page, _until: float) -> None:
        """Close the page while its work waits or is done."""
        clip = await page.upload(self._clip, f"{self._word()}.mp4")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(page.press(VERBS["extract"], pose_clip=clip), self._choice.uniform(0.2, 4))

    def _word(self) -> str:
        return "QX" + "".join(random.choices(string.ascii_uppercase, k=5))

    def _own(self, word: str, answer: Any) -> list[dict[str, Any]]:
        """The files of an answer, which may hold no other word than that of the question."""
        if others := set(WORD.findall(json.dumps(answer))) - {word}:
            raise Failed(f"an answer holds {others} of another page")
        return files(answer)


def _pose_frames(data: bytes) -> int:
    from pose_format import Pose

    return len(Pose.read(data).body.data)


@contextlib.asynccontextmanager
async def training(server: Server, tally: Tally) -> AsyncIterator[None]:
    """A training on demo data beside everything else, launched and stopped as a program does it."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        run = await _call(client, "train_launch", ["landmark", "demo", "", "load", None])
        tally.counts["trainings"] += 1
        yield
        await _call(client, "train_stop", [run])
        for _ in range(60):
            if (state := (await _call(client, "train_run", [run]))["state"]) in ("stopped", "finished"):
                return
            await asyncio.sleep(1)
        tally.failures.append(f"training: it is {state} long after it was stopped")


async def _call(client: httpx.AsyncClient, name: str, values: list[Any]) -> Any:
    event = _check(await client.post(f"/gradio_api/call/{name}", json={"data": values})).json()["event_id"]
    async with client.stream("GET", f"/gradio_api/call/{name}/{event}") as lines:
        answer = [line async for line in lines.aiter_lines() if line]
    if answer[-2] != "event: complete":
        raise Failed(f"{name}: {answer}")
    return json.loads(answer[-1].removeprefix("data: "))[0]
