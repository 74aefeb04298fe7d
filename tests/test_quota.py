"""What one client may send and have waiting: a small page behind the guard of the studio, asked over HTTP."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from studio.limits import Limits
from studio.ui import guard, serving, sessions
from studio.ui.guard import WORK

MB = 1024 * 1024
LIMITS = Limits(
    runs_per_session=2, runs_per_client=4, queue_length=5, max_client_mb=3, max_disk_mb=5, max_upload_mb=2, proxies=1
)
JOIN = "/gradio_api/queue/join"


@pytest.fixture(scope="module")
def release() -> threading.Event:
    """Lets the runs of the page end."""
    return threading.Event()


@pytest.fixture(scope="module")
def url(release: threading.Event, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with a button for long work and one for something short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(serving.FILES, str(tmp_path_factory.mktemp("files")))
        for name, value in (("_storage", None), ("_limits", Limits()), ("_sessions", {}), ("_MEASURE_S", -1.0)):
            patch.setattr(sessions, name, value)
        patch.setattr(serving.signal, "signal", lambda *_: None)
        serving.keep_files(LIMITS)
        with gr.Blocks() as page:
            number, file = gr.Number(), gr.File()
            long, short = gr.Button(), gr.Button()
            long.click(lambda _: release.wait(60), number, None, api_name="long", concurrency_id=WORK)
            short.click(lambda one: one, number, number, api_name="short")
            file.upload(lambda one: one, file, file, api_name="file")
        serving.queued(page, LIMITS)
        settings = serving.guarded(LIMITS, None, hosted=False)
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **settings)
        yield address.rstrip("/")
        release.set()
        page.close()


@pytest.fixture
def client(url: str, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client with an address of its own, as a proxy would write it."""
    with httpx.Client(base_url=url, headers={"X-Forwarded-For": request.node.name[:40]}, timeout=30) as opened:
        yield opened


def join(client: httpx.Client, name: str, page: str, **headers: str) -> httpx.Response:
    fns = {"long": 0, "short": 1, "file": 2}
    asked = {"data": [1], "fn_index": fns[name], "session_hash": page}
    return client.post(JOIN, json=asked, headers=headers)


def test_one_page_one_client_and_all_together_may_have_so_many_runs(
    client: httpx.Client, release: threading.Event
) -> None:
    mine = [join(client, "long", "one").status_code for _ in range(2)]
    assert mine == [200, 200]
    more = join(client, "long", "one")
    assert more.status_code == 429
    assert "2 runs of this page" in more.json()["detail"]
    assert join(client, "short", "one").status_code == 200, "what is short never waits for runs"

    made_up = [join(client, "long", f"made up {number}") for number in range(4)]
    assert [one.status_code for one in made_up] == [200, 200, 429, 429]
    assert "from your address" in made_up[-1].json()["detail"]
    nameless = client.post("/gradio_api/call/long", json={"data": [1]})
    assert nameless.status_code == 429, "the other way to ask is counted as well"

    others = [join(client, "long", f"other {number}", **{"X-Forwarded-For": f"{number}"}) for number in range(4)]
    assert [one.status_code for one in others] == [200, 200, 503, 503]
    assert "busy: 6 runs are waiting" in others[-1].json()["detail"]
    release.set()


def test_many_at_once_are_counted_too() -> None:
    opened = guard.Guard(None, limits=LIMITS, login=False)
    joining: list[tuple[str, Any]] = [("here", "one")] * 2
    assert opened._busy(joining, "here", "one") is not None
    assert opened._busy(joining, "here", "other") is None


def test_an_upload_says_how_large_it_is(client: httpx.Client) -> None:
    answer = client.post("/gradio_api/upload", content=iter([b"x"]), headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 411


def test_a_client_may_upload_so_much_and_others_still_may(client: httpx.Client) -> None:
    def upload(megabytes: float, **headers: str) -> httpx.Response:
        data = os.urandom(int(megabytes * MB))
        return client.post("/gradio_api/upload", files={"files": ("clip.mp4", data)}, headers=headers)

    assert upload(1.5).status_code == 200
    assert upload(1.4).status_code == 200
    refused = upload(0.5)
    assert refused.status_code == 429
    assert "3 MB were uploaded from this address" in refused.text
    assert upload(1.5, **{"X-Forwarded-For": "somebody else"}).status_code == 200
    full = upload(1.5, **{"X-Forwarded-For": "a third one"})
    assert full.status_code == 507
    assert "This studio is full" in full.text


def test_a_question_is_not_read_without_end(client: httpx.Client) -> None:
    told = client.post(JOIN, content=b"x" * (guard.MAX_BODY_BYTES + 1))
    untold = client.post(JOIN, content=(b"x" * MB for _ in range(20)))
    assert told.status_code == 413
    assert untold.status_code == 413


def test_what_is_no_json_is_refused(client: httpx.Client) -> None:
    for body in (b"{", b"[" * 200_000, b"\xff"):
        assert client.post(JOIN, content=body, headers={"Content-Type": "application/json"}).status_code == 400


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/x.mp4", "HTTPS://example.org/x.mp4", " http://example.org/x"])
def test_no_link_is_fetched(client: httpx.Client, link: str) -> None:
    file = {"path": link, "meta": {"_type": "gradio.FileData"}}
    asked = {"data": [file], "fn_index": 2, "session_hash": "one"}
    hidden = json.dumps(asked).replace("http", "\\u0068ttp")
    for answer in (
        client.post(JOIN, json=asked),
        client.post(JOIN, content=hidden),
        client.post("/gradio_api/call/file", json={"data": [[file]]}),
        client.post("/gradio_api/run/file", json={"data": [file]}),
    ):
        assert answer.status_code == 400
        assert "fetches nothing" in answer.json()["detail"]


def test_a_result_of_another_page_is_not_taken(client: httpx.Client) -> None:
    page = sessions._opened().new_page()
    (page / "result.mp4").write_bytes(b"x")
    file = {"path": str(page / "result.mp4"), "meta": {"_type": "gradio.FileData"}}
    answer = client.post(JOIN, json={"data": [file], "fn_index": 2, "session_hash": "one"})
    assert answer.status_code == 400
    assert "of another page" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/file=HTTPS://example.org/",
        "/gradio_api/file/http://example.org/",
        "/gradio_api/proxy=https://example.hf.space/",
        "/gradio_api/deep_link?session_hash=one",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/monitoring",
    ],
)
def test_what_the_studio_does_not_use_is_off(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_queue_cannot_be_passed_by(client: httpx.Client) -> None:
    assert client.post("/gradio_api/run/long", json={"data": [1]}).status_code == 404


def test_a_file_is_served_as_what_it_is(client: httpx.Client) -> None:
    page = b"<script>alert(1)</script>"
    [path] = client.post("/gradio_api/upload", files={"files": ("page.html", page)}).json()
    served = client.get(f"/gradio_api/file={path}")
    assert served.content == page
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-disposition"].startswith("attachment")
    assert "text/html" not in served.headers["content-type"]
    assert Path(path).name == "page.html"
