"""A studio as a host runs it, asked by somebody who means harm: without the password, and with it."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import psutil
import pytest
from gradio.routes import App
from serving import serve_studio
from typer.testing import CliRunner

from models.errors import SignError
from studio import passwords
from studio.cli import cli
from studio.ui import guard

PASSWORD, TOKEN = "correct-horse-staple", "hf_secretsecretsecretsecretsecret"
MARK = "this stands in no answer"
"""What is in every file that nobody may see."""


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """A hosted studio that asks for a password, and a client that gave it."""

    url: str
    folder: Path
    client: httpx.Client
    config: dict[str, Any]

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosted")
    for name in ("private.txt", ".env", "clip.mp4"):
        (folder / name).write_text(MARK)
    users = folder / "users.txt"
    users.write_text(f"# who may\n{passwords.line('anna', PASSWORD)}\n")
    variables = {"GRADIO_SERVER_NAME": "127.0.0.1", "SIGN_STUDIO_AUTH_FILE": str(users), "HF_TOKEN": TOKEN}
    with serve_studio(folder, **variables) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/login", data={"username": "anna", "password": PASSWORD}).raise_for_status()
        yield Hosted(url=url, folder=folder, client=client, config=client.get("/config").json())


def routes() -> list[tuple[str, str]]:
    """Every method and path that Gradio answers, with something in the place of what varies."""
    with gr.Blocks() as page:
        gr.Button()
    app = App.create_app(page)
    inner = [getattr(route, "original_router", None) for route in app.routes]
    found = []
    for route in [*app.routes, *(one for router in inner if router is not None for one in router.routes)]:
        path = re.sub(r"\{[^}]+\}", "x", getattr(route, "path", ""))
        found += [(method, path) for method in getattr(route, "methods", None) or ["GET"]]
    return sorted(set(found))


def test_without_the_password_nothing_answers(hosted: Hosted) -> None:
    asked = routes()
    assert len(asked) > 60
    answered = []
    with httpx.Client(base_url=hosted.url, timeout=30) as stranger:
        for method, path in asked:
            if guard._OPEN.fullmatch(path) and path != "/":
                continue
            answer = stranger.request(method, path)
            if answer.status_code not in (401, 404, 405):
                answered.append((method, path, answer.status_code, answer.text))
    assert {path.rstrip("/") for _, path, *_ in answered} <= {""}, "the page to log in on"
    for *_, text in answered:
        for word in ("draft_gloss_line", "named_endpoints", "check_picture", "component_id"):
            assert word not in text, "it says nothing of the studio"


def test_without_the_password_the_camera_sees_nothing(hosted: Hosted) -> None:
    camera = next(one["id"] for one in hosted.config["components"] if one["props"].get("elem_id") == "live-camera")
    asked = {"component_id": camera, "session_hash": "x", "data": {"token": "t"}, "fn_name": "open_camera"}
    assert httpx.post(f"{hosted.url}/gradio_api/component_server", json=asked).status_code == 401
    inside = hosted.client.post("/gradio_api/component_server", json=asked | {"fn_name": "close_camera"})
    assert inside.json() == {}


def test_with_the_password_all_works(hosted: Hosted) -> None:
    answer = ask(hosted, named(hosted, "draft_gloss_line"), ["Hello, my name is Anna."])
    assert answer["success"], answer
    assert "HELLO" in json.dumps(answer)


def test_another_site_cannot_ask_in_the_name_of_a_visitor(hosted: Hosted) -> None:
    for origin in ("https://evil.example", "null"):
        answer = hosted.client.get("/config", headers={"Origin": origin})
        assert answer.status_code == 403
        assert answer.headers.get("access-control-allow-origin") is None
    assert hosted.client.get("/config", headers={"Origin": hosted.url}).status_code == 200


def test_data_and_training_are_not_there_for_visitors(hosted: Hosted) -> None:
    names = {str(one["api_name"]) for one in hosted.config["dependencies"]}
    assert "synthesize" in names
    assert not {name for name in names if name.startswith(("train", "data"))}
    for name in ("train_launch", "train_run", "data_launch"):
        answer = hosted.client.post(f"/gradio_api/call/{name}", json={"data": ["x"]})
        assert answer.status_code == 404
    elements = {one["props"].get("elem_id") for one in hosted.config["components"]}
    assert not {"train-go", "train-runs", "data-go"} & elements


@pytest.mark.parametrize("encode", [str, lambda path: path.replace("/", "%2F"), lambda path: path.replace(".", "%2e")])
def test_no_file_but_uploads_and_results_is_served(hosted: Hosted, encode: Any) -> None:
    storage = next((hosted.folder / "uploads").glob("sign-studio-*"))
    paths = [
        *("/etc/passwd", "private.txt", ".env", "clip.mp4", "users.txt", "log.txt", "../log.txt", "file:///etc/passwd"),
        *(f"{hosted.folder}/{name}" for name in ("private.txt", ".env", "users.txt", "log.txt")),
        *(f"{storage}/{name}" for name in ("../../private.txt", "..", ".", "", "x/../../../private.txt")),
        *(f"{Path(passwords.__file__)}", "app.py", "studio/passwords.py", "/proc/self/environ"),
    ]
    for path in paths:
        for route in (f"/gradio_api/file={encode(path)}", f"/gradio_api/file/{encode(path)}"):
            answer = hosted.client.get(route)
            assert answer.status_code in (403, 404), (route, answer.status_code)
            assert MARK not in answer.text


def test_no_handler_takes_a_path_that_was_not_uploaded(hosted: Hosted) -> None:
    """Every handler, named or not, is given files made up by hand in every place."""
    first = str(hosted.folder / "private.txt")
    for event in backend(hosted):
        for form in (made_up(first), [made_up(first)], first):
            nothing_served(hosted, ask(hosted, event, [form] * len(event["inputs"])))
    of_files = [one for one in backend(hosted) if {"file", "video", "image"} & {kind(hosted, n) for n in one["inputs"]}]
    assert len(of_files) > 5
    for path in ("clip.mp4", "../private.txt", "/etc/passwd", str(hosted.folder / ".env")):
        for event in of_files:
            nothing_served(hosted, ask(hosted, event, [made_up(path)] * len(event["inputs"])))
    kept = [path for path in (hosted.folder / "uploads").rglob("*") if path.is_file()]
    assert kept, "the examples are there"
    assert not [path for path in kept if MARK.encode() in path.read_bytes()]
    assert not [path for path in kept if b"root:x:0" in path.read_bytes()]


def test_a_file_that_was_uploaded_is_taken(hosted: Hosted) -> None:
    """So that the refusals above are refusals of the path, and not of everything."""
    picture = next((Path(__file__).parents[1] / "assets" / "samples").glob("*.jpg"))
    [path] = hosted.client.post("/gradio_api/upload", files={"files": ("me.jpg", picture.read_bytes())}).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    shown = next(one["id"] for one in hosted.config["components"] if one["props"].get("elem_id") == "animate-picture")
    checks = next(one for one in backend(hosted) if one["inputs"] == [shown])
    answer = ask(hosted, checks, [file])
    assert answer["success"], answer
    assert not ask(hosted, checks, [made_up("/etc/passwd")])["success"]


def test_the_state_of_another_page_is_not_to_be_had(hosted: Hosted) -> None:
    """State lives on the server by page; what a client sends in its place is not looked at."""
    made = [one for one in backend(hosted) if any(kind(hosted, number) == "state" for number in one["inputs"])]
    assert made
    forged = {"video": str(hosted.folder / "private.txt"), "folder": str(hosted.folder), "pose": "/etc/passwd"}
    for one in made:
        data = [forged if kind(hosted, number) == "state" else None for number in one["inputs"]]
        answer = json.dumps(ask(hosted, one, data))
        assert str(hosted.folder / "private.txt") not in answer
        assert "/etc/passwd" not in answer


def test_no_secret_is_told(hosted: Hosted) -> None:
    tried = "a-password-that-is-wrong"
    with httpx.Client(base_url=hosted.url, timeout=60) as stranger:
        assert stranger.post("/login", data={"username": "anna", "password": tried}).status_code == 400
        assert stranger.post("/login", data={"username": "nobody", "password": PASSWORD}).status_code == 400
    ask(hosted, named(hosted, "draft_gloss_line"), [PASSWORD])
    ran = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    salt = (hosted.folder / "users.txt").read_text().split(":")[-2]
    for secret in (PASSWORD, tried, TOKEN, salt):
        assert secret not in hosted.log
        assert secret not in json.dumps(hosted.config)
        assert not [line for line in ran if secret in line]


def test_guessing_passwords_has_an_end(hosted: Hosted) -> None:
    """From one address; the web server believes what a proxy on this machine writes."""
    headers = {"X-Forwarded-For": "203.0.113.9"}
    with httpx.Client(base_url=hosted.url, timeout=60, headers=headers) as guesser:
        tried = [guesser.post("/login", data={"username": "anna", "password": f"{n}"}) for n in range(12)]
        assert [one.status_code for one in tried] == [400] * guard.MAX_ATTEMPTS + [429] * 2
        right = guesser.post("/login", data={"username": "anna", "password": PASSWORD})
        assert right.status_code == 429
    right = httpx.post(f"{hosted.url}/login", data={"username": "anna", "password": PASSWORD})
    assert right.status_code == 200, "others can log in"


def test_one_password_lets_everybody_in_and_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passwords.PASSWORD, PASSWORD)
    login = passwords.login(None)
    assert login is not None
    assert passwords.PASSWORD not in os.environ, "jobs inherit the environment"
    assert asyncio.run(login.allows("anybody", PASSWORD))
    assert not asyncio.run(login.allows("anybody", PASSWORD + "x"))
    assert PASSWORD not in repr(login)
    assert passwords.login(None) is None


def test_a_file_of_users_lets_in_whom_it_names(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"{passwords.line('anna', PASSWORD)}\n\n# more\n{passwords.line('björn', 'another-long-one')}\n")
    login = passwords.login(file)
    assert login is not None
    assert login.check("anna", PASSWORD)
    assert login.check("björn", "another-long-one")
    assert not login.check("anna", "another-long-one")
    assert not login.check("carla", PASSWORD)
    assert not login.check("anna", "")
    assert PASSWORD not in file.read_text()


@pytest.mark.parametrize(
    "text", ["", "anna", "anna:secretpassword", "anna:scrypt:1:AAAA:AAAA", "anna:scrypt:32768:?:?", "anna:md5:1:2:3"]
)
def test_a_file_without_hashed_passwords_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users.txt"
    file.write_text(text)
    with pytest.raises(SignError, match=r"users\.txt") as raised:
        passwords.login(file)
    assert "secretpassword" not in str(raised.value)


def test_two_ways_to_log_in_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passwords.PASSWORD, PASSWORD)
    with pytest.raises(SignError, match="use one of the two") as raised:
        passwords.login(tmp_path / "users.txt")
    assert PASSWORD not in str(raised.value)
    monkeypatch.setenv(passwords.PASSWORD, "short")
    with pytest.raises(SignError, match="8 characters") as raised:
        passwords.login(None)
    assert "'short'" not in str(raised.value)


def test_the_command_makes_a_line_without_the_password_in_it(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["app-password", "anna"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.exit_code == 0
    file = tmp_path / "users.txt"
    file.write_text(made.stdout)
    login = passwords.login(file)
    assert login is not None
    assert login.check("anna", PASSWORD)
    assert PASSWORD not in made.output


@pytest.mark.slow
def test_many_pages_at_once_fail_at_nothing_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load test for a moment; benchmarks/visitors.py says what its pages do."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    load = importlib.import_module("load")
    with load.serve(tmp_path) as server:
        tally, samples = asyncio.run(load.drive(server, 4, 5, 0.2, False, pages=1))
        left = load.left_over(server)
        children = server.process.children(recursive=True)
    assert not tally.failures, tally.failures
    assert tally.counts["visit"] >= 4
    assert sum(map(len, tally.waits_s.values())) > 4, "nobody got an answer"
    assert samples[-1].memory_mb > 100
    assert not left
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert not [one for one in children if one.is_running()]
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_a_studio_that_is_told_to_stop_tidies_up(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom studio.limits import Limits\n"
        "from studio.ui import serving\nserving.keep_files(Limits())\n"
        "print(os.environ['GRADIO_TEMP_DIR'], flush=True)\nsignal.pause()"
    )
    variables = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)}
    server = subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    folder = Path(server.stdout.readline().strip())
    assert folder.is_dir()
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=60)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not folder.exists()


def backend(hosted: Hosted) -> list[dict[str, Any]]:
    """The handlers that run on the server and are given something."""
    return [one for one in hosted.config["dependencies"] if one["backend_fn"] and one["inputs"]]


def named(hosted: Hosted, name: str) -> dict[str, Any]:
    return next(one for one in hosted.config["dependencies"] if one["api_name"] == name)


def kind(hosted: Hosted, number: int) -> str:
    return str(next(one["type"] for one in hosted.config["components"] if one["id"] == number))


def ask(hosted: Hosted, event: dict[str, Any], data: list[Any]) -> dict[str, Any]:
    """What a handler answers, whether it is named or not."""
    asked = {"data": data, "fn_index": event["id"], "session_hash": "attacker", "event_data": None}
    joined = hosted.client.post("/gradio_api/queue/join", json=asked)
    if joined.status_code != 200:
        return {"success": False, "output": joined.text}
    answer: dict[str, Any] = {"success": False}
    with hosted.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "attacker"}) as lines:
        for line in lines.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                answer = message
    return answer


def made_up(path: str) -> dict[str, Any]:
    """A file as a page would name one that it uploaded."""
    return {"path": path, "orig_name": "clip.mp4", "meta": {"_type": "gradio.FileData"}}


def nothing_served(hosted: Hosted, answer: dict[str, Any]) -> None:
    """No file that an answer names is one that nobody may see."""
    for path in re.findall(r'"path": "([^"]+)"', json.dumps(answer.get("output", {}))):
        got = hosted.client.get(f"/gradio_api/file={path}").content
        assert MARK.encode() not in got
        assert b"root:x:0" not in got
