"""The programming interface: which endpoints there are, the examples of docs/api.md, what is refused, stopping."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from httpx import HTTPStatusError
from serving import serve_studio

from models.progress import Cancelled
from studio.ui import endpoints
from studio.ui.sessions import Session

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SAMPLES = ROOT / "assets" / "samples"
LONG = " ".join(["HELLO"] * 40)
"""Some minutes of drawing."""

POSE = ["preview", "fps", "start_s", "end_s", "crop", "irises", "recover_hands", "clean"]
LOOK = ["line", "person", "side", "framing", "mirror", "clip"]
INTERFACE = {
    "extract_pose": ["clip", *POSE],
    "extract_poses": ["clips", *POSE],
    "recognize": ["clip", "recognizer"],
    "recognize_clips": ["clips"],
    "recognize_actions": ["clip", "annotations", "video_id", "model"],
    "teach_sign": ["clips", "gloss"],
    "draft_gloss_line": ["text"],
    "synthesize": [
        *("line", "look", "signer", "speed", "letter_ms", "left_handed", "picture", "captions", "height", "suffix"),
    ],
    "base_action": [
        *("word", "model", "source", "speed", "enlarge", "sampler", "steps", "guidance", "seed", "begin", "strength"),
        "clip",
    ],
    "check_picture": ["picture"],
    "animate_look": ["picture", *LOOK],
    "animate": [
        *("picture", "line", "person", "engine", "side", "framing", "mirror", "captions", "mark", "measure", "frames"),
        *("preset", "prompt", "negative_prompt", "from_picture", "strength", "steps", "guidance", "pose_strength"),
        *("seed", "clip"),
    ],
    "data_plan": ["kind", "source", "out", "videos", "changes"],
    "data_launch": ["kind", "source", "out", "videos", "name", "changes"],
    "data_jobs": [],
    "data_job": ["job"],
    "data_stop": ["job"],
    "data_resume": ["job"],
    "train_launch": ["model", "preset", "data", "name", "changes"],
    "train_runs": [],
    "train_run": ["run"],
    "train_stop": ["run"],
    "train_resume": ["run"],
}
"""The public interface. Who changes it changes docs/api.md, and says so in the changelog."""

FILES = [
    ("extract_pose", "clip"),
    ("extract_poses", "clips"),
    ("recognize", "clip"),
    ("recognize_clips", "clips"),
    ("recognize_actions", "clip"),
    ("recognize_actions", "annotations"),
    ("teach_sign", "clips"),
    ("base_action", "clip"),
    ("check_picture", "picture"),
    ("animate_look", "picture"),
    ("animate", "picture"),
    ("animate", "clip"),
]
"""Every place where a file can be given."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """One studio for the whole file; one run works, and one may wait."""
    with serve_studio(folder, SIGN_STUDIO_QUEUE_LENGTH="1", SIGN_STUDIO_RUNS=str(folder / "runs")) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    one = Client(url, verbose=False)
    yield one
    one.close()


@pytest.fixture
def clip(folder: Path) -> Path:
    """A file that anybody may have; what is in it does not matter."""
    return SAMPLES / "hello-my-name-anna.mp4"


def test_the_public_interface_is_what_is_written_here(client: Client) -> None:
    found = client.view_api(return_format="dict")
    assert not found["unnamed_endpoints"]
    offered = {
        name.removeprefix("/"): [one["parameter_name"] for one in endpoint["parameters"]]
        for name, endpoint in found["named_endpoints"].items()
    }
    assert offered == INTERFACE


def test_whatever_else_is_on_the_page_is_private(client: Client) -> None:
    hidden = [
        one["api_name"]
        for one in client.config["dependencies"]
        if one["api_visibility"] != "private" and one["api_name"] not in INTERFACE
    ]
    assert not hidden


def test_every_endpoint_and_parameter_can_be_understood(client: Client) -> None:
    for name, endpoint in client.view_api(return_format="dict")["named_endpoints"].items():
        assert endpoint["description"].strip(), name
        for one in endpoint["parameters"]:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", one["parameter_name"]), (name, one["parameter_name"])


def test_every_endpoint_is_in_the_documentation() -> None:
    missing = {name for name in INTERFACE if not re.search(rf"\b{name}\b", DOCUMENT)}
    missing |= {
        f"{name}.{one}"
        for name, parameters in INTERFACE.items()
        if not name.startswith(("data_", "train_"))
        for one in parameters
        if not re.search(rf"\b{one}\b", DOCUMENT)
    }
    assert not missing


PRINTED = [
    r"'gloss': 'HELLO'",
    r"stopped at frame \d+",
    r"(?s)^(keep|review) .*hello\.pose .*hello-clean\.pose .*\.mp4 .*\.json .*\.csv .*\.png",
    r"poses\.zip \[\('hello\.mp4', '(keep|review)', None\)\]",
    r"(?s)^\['HELLO'\] .*'HELLO'.*\.vtt \[",
    r"recognized\.zip \[\('hello\.mp4', \['HELLO'\]\)\]",
    r"^\d \[\{'clip': 'hello\.mp4'",
    r"'label': .*\.mp4",
    r"(?s)^HELLO \[.*\].*signing\.mp4 .*\.pose .*\.vtt .*\.gif \[\{'gloss': 'HELLO'",
    r"drew.*\.mp4 .*\.pose .*\.jpg",
    r"(?s)^1 \[.*\]\n.*frame\.jpg\n.*\.mp4 \d+ None .*\.json",
    r"^\[\]\n\[\]",
]
"""What each Python example of the documentation prints."""


@pytest.mark.slow
def test_the_python_examples_of_the_documentation_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clips").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(examples) == len(PRINTED)
    for example, expected in zip(examples, PRINTED, strict=True):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(example.replace("http://127.0.0.1:7860", url), "docs/api.md", "exec"), {})
        printed = "".join(line for line in shown.getvalue().splitlines(True) if not line.startswith("Loaded as API"))
        assert re.search(expected, printed), f"{example}\nprints\n{printed}"
    assert (tmp_path / "hello.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no `curl` on this machine")
def test_the_shell_example_of_the_documentation_runs(url: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```bash\n(STUDIO=.*?)```", DOCUMENT, re.DOTALL)
    script = example.replace("http://127.0.0.1:7860", url)
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "signing.mp4").read_bytes()[4:8] == b"ftyp"
    answer = json.loads((tmp_path / "answer.txt").read_text().split("event: complete\ndata: ")[1].splitlines()[0])
    assert answer[0]["segments"][0]["gloss"] == "HELLO"


def asked(url: str, verb: str, **values: Any) -> tuple[str, str]:
    """What the studio answers to plain HTTP: how it ended (complete or error), and everything that it said."""
    body = json.dumps(values).encode()
    post = urllib.request.Request(
        f"{url}/gradio_api/call/v2/{verb}", body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(post, timeout=60) as response:
            event = json.loads(response.read())["event_id"]
        with urllib.request.urlopen(f"{url}/gradio_api/call/v2/{verb}/{event}", timeout=120) as response:
            said = response.read().decode()
    except urllib.error.HTTPError as error:
        return "error", error.read().decode()
    return re.findall(r"event: (complete|error)", said)[-1], said


def filled(verb: str, name: str, value: Any, good: Any) -> dict[str, Any]:
    """Arguments with `value` for one of them, and something good for those that have to be there."""
    needed: dict[str, Any] = {"clip": good, "clips": [good], "picture": good, "gloss": "MY-SIGN", "word": "HELLO"}
    given = {one: needed[one] for one in INTERFACE[verb][:2] if one in needed}
    if verb == "base_action":
        given["begin"] = "clip"
    return {**given, name: [value] if name == "clips" else value}


def uploaded(url: str, path: Path) -> str:
    """Where a file is once it was uploaded."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{mark}--\r\n".encode()
    request = urllib.request.Request(f"{url}/gradio_api/upload", body)
    request.add_header("Content-Type", f"multipart/form-data; boundary={mark}")
    with urllib.request.urlopen(request) as response:
        return str(json.loads(response.read())[0])


def of_path(path: str | Path) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(("verb", "name"), FILES)
def test_only_what_was_uploaded_is_taken_as_a_file(url: str, folder: Path, clip: Path, verb: str, name: str) -> None:
    good = of_path(uploaded(url, clip))
    secret = folder / "secret.pose"
    secret.write_text("the secret of the working folder")
    for wrong in (of_path("/etc/passwd"), {"path": "/etc/passwd"}, "/etc/passwd", of_path(secret), of_path(clip)):
        ended, said = asked(url, verb, **filled(verb, name, wrong, good))
        assert ended == "error", (wrong, said)
        assert "root:" not in said and "the secret" not in said
        assert "gradio_api/file=" not in said


@pytest.mark.parametrize(("verb", "name"), [("recognize", "clip"), ("recognize_clips", "clips"), ("animate", "clip")])
def test_a_result_of_another_session_is_not_taken_as_a_file(url: str, verb: str, name: str) -> None:
    client = Client(url, verbose=False, download_files=False)
    made = client.predict("HELLO", api_name="/synthesize")
    picture = handle_file(SAMPLES / "mei.jpg")
    given = {"picture": picture} if verb == "animate" else {}
    try:
        other = Client(url, verbose=False)
        path = made["pose"]["path"]
        file = {**of_path(path), "url": f"{url}/gradio_api/file={path}"}
        values = {name: [file] if name == "clips" else file}
        # The client would upload a path of its own; a program that is no such client does not.
        endpoint = next(one for one in other.endpoints.values() if one.api_name == f"/{verb}")
        endpoint._upload_file = lambda one, data_index: (  # type: ignore[method-assign]
            one if one["path"] == path else type(endpoint)._upload_file(endpoint, one, data_index)
        )
        with pytest.raises((AppError, HTTPStatusError), match=r"not one of your files|400 Bad Request"):
            other.predict(**given, **values, api_name=f"/{verb}")
        other.close()
    finally:
        client.close()


@pytest.mark.parametrize(
    ("verb", "values"),
    [
        ("recognize_actions", {"model": "../../etc"}),
        ("recognize", {"recognizer": "../../etc"}),
        ("base_action", {"word": "../../etc/passwd"}),
        ("base_action", {"word": "HELLO", "model": "../../etc"}),
        ("extract_pose", {"preview": "/../../x"}),
        ("synthesize", {"line": "HELLO", "suffix": "/../x"}),
        ("synthesize", {"line": "HELLO", "look": "../../etc/passwd"}),
        ("teach_sign", {"gloss": "../../x"}),
        ("train_run", {"run": "../../etc"}),
        ("train_stop", {"run": "../x"}),
        ("train_resume", {"run": "../x"}),
        ("data_job", {"job": "../../etc"}),
        ("data_stop", {"job": "../x"}),
        ("data_resume", {"job": "../x"}),
    ],
)
def test_a_name_that_is_a_path_is_refused(client: Client, clip: Path, verb: str, values: dict[str, str]) -> None:
    first = INTERFACE[verb][0]
    given: dict[str, Any] = {"clip": handle_file(clip)} if first == "clip" else {}
    given |= {"clips": [handle_file(clip)]} if first == "clips" else {}
    with pytest.raises((AppError, ValueError)) as refused:
        client.predict(**given, **values, api_name=f"/{verb}")
    assert "root:" not in str(refused.value)


def test_an_error_says_what_to_do(client: Client) -> None:
    with pytest.raises(AppError, match=r"HELO.*HELLO"):
        client.predict("HELO", api_name="/synthesize")
    with pytest.raises(AppError, match="this is no picture that can be read"):
        client.predict(handle_file(ROOT / "README.md"), api_name="/check_picture")


def until(true: Callable[[], bool]) -> None:
    """Wait for something that comes when it comes."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


def started(client: Client, line: str = LONG) -> Any:
    """A long run that has begun to draw."""
    job = client.submit(line, api_name="/synthesize")
    until(lambda: any(one["done"] for one in job.outputs() if "done" in one) or job.done())
    assert not job.done()
    return job


def runs_of(folder: Path) -> list[Path]:
    return list((folder / "uploads").rglob("run-*"))


def test_cancelling_a_job_ends_its_work(client: Client, url: str, folder: Path) -> None:
    before = set(runs_of(folder))
    job = started(client)
    (mine,) = set(runs_of(folder)) - before
    job.cancel()
    until(lambda: not mine.exists())  # the thread that works deletes it, last
    assert client.predict("HELLO", api_name="/synthesize")["segments"]


def test_a_client_that_leaves_stops_its_work_and_takes_its_results_along(url: str, folder: Path) -> None:
    client = Client(url, verbose=False)
    before = set(runs_of(folder))
    started(client)
    (mine,) = set(runs_of(folder)) - before
    client.close()
    until(lambda: not mine.parent.exists())
    other = Client(url, verbose=False)
    assert other.predict("HELLO", api_name="/synthesize")["segments"]  # the place at work is free again
    other.close()


def test_a_full_queue_says_that_the_studio_is_busy(url: str) -> None:
    clients = [Client(url, verbose=False) for _ in range(3)]
    working = started(clients[0])
    waiting = clients[1].submit(LONG, api_name="/synthesize")
    until(lambda: waiting.status().rank is not None)
    with pytest.raises(Exception, match="Queue is full! Please try again"):
        clients[2].predict("HELLO", api_name="/synthesize")
    ended, said = asked(url, "synthesize", line="HELLO")
    assert ended == "error"
    assert "The studio is busy" in said
    for job in (waiting, working):
        job.cancel()
    for one in clients:
        one.close()


def test_a_run_that_nobody_waits_for_is_told_to_stop(tmp_path: Path) -> None:
    page, ended = Session(folder=tmp_path), threading.Event()

    def work(folder: Path, tell: Callable[[Any], None], stopped: Callable[[], bool]) -> str:
        (folder / "half.mp4").touch()
        tell(("Drawing", None))
        until(stopped)
        ended.set()
        raise Cancelled

    going = endpoints.run(page, work, lambda made: {"made": made})
    next(going)
    going.close()
    assert ended.wait(10)
    until(lambda: not any(tmp_path.iterdir()))


def test_the_end_of_a_session_stops_its_runs(tmp_path: Path) -> None:
    page = Session(folder=tmp_path)

    def work(folder: Path, tell: Callable[[Any], None], stopped: Callable[[], bool]) -> str:
        page.stop()
        until(stopped)
        raise Cancelled

    with pytest.raises(Exception, match="Stopped"):
        list(endpoints.run(page, work, lambda made: {"made": made}))
    assert not any(tmp_path.iterdir())
