"""The studio as a Hugging Face Space starts it: its files in a fresh folder, `python app.py`, a Space's environment.

Once with the packages of this environment, and once (slow) with a new environment made as a Space makes it. Nothing
here reaches Hugging Face; what is not tested is said in docs/hosting.md.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from serving import ROOT, checkout, wait_until_up
from test_tab_pose import LONG_MS, extract, upload

from models.weights import TABLE
from studio.hosting import GONE, KEPT, NOT_FOR_ALL, NOT_ON_LOAN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAD = README.split("---\n")[1]
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
OF_A_SPACE = {"SYSTEM": "spaces", "SPACE_ID": "someone/sign-studio", "SPACE_HOST": "someone-sign-studio.hf.space"}


@contextmanager
def serve_space(folder: Path, python: str = sys.executable, **more: str) -> Iterator[str]:
    """The address of a Space started in `folder`/app, with a home of its own."""
    home = folder / "home"
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "OMP_NUM_THREADS", "TMPDIR") if name in os.environ}
    served = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": port, "HOME": str(home)}
    log = folder / "log.txt"
    with log.open("w") as output:
        server = subprocess.Popen(
            [python, "app.py"],
            cwd=folder / "app",
            env=kept | OF_A_SPACE | served | more,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def use(url: str, browser: Browser, sample: Path, said: str, no_training: str) -> None:
    """What a visitor does: reads what becomes of the uploads, reads a pose, has a sign drawn, tries to train."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    page.get_by_text(said).wait_for(timeout=LONG_MS)
    assert page.get_by_text("This studio runs on a server").is_visible()
    upload(page, sample)
    extract(page)
    page.wait_for_function("document.querySelector('#pose-preview video')?.readyState >= 2", timeout=LONG_MS)
    _synthesize(page)
    page.get_by_role("tab", name="Train").click()
    page.get_by_text(no_training.split(";")[0]).wait_for()
    assert page.locator("#train-go").count() == 0
    page.close()


def _synthesize(page: Page) -> None:
    page.get_by_role("tab", name="Synthesize").click()
    page.locator("#synthesize-text textarea").fill("Hello.")
    page.click("#synthesize-draft")
    page.wait_for_function(
        "document.querySelector('#synthesize-line textarea, #synthesize-line input').value === 'HELLO'",
        timeout=LONG_MS,
    )
    page.click("#synthesize-go")
    page.wait_for_function("document.querySelector('#synthesize-video video')?.readyState >= 2", timeout=LONG_MS)


def settings() -> dict[str, Any]:
    return yaml.safe_load(HEAD)


def test_the_readme_says_what_a_space_needs() -> None:
    found = settings()
    assert found["sdk"] == "gradio"
    assert found["sdk_version"] == version("gradio"), "what is tested is what a Space installs"
    lowest = re.search(r"^gradio>=([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert lowest and found["sdk_version"].startswith(lowest.group(1))
    assert found["python_version"] == "3.11", "as text: YAML takes 3.10 for 3.1"
    assert (ROOT / found["app_file"]).is_file()
    assert (found["license"], found["title"]) == ("mit", "Sign Studio")
    assert {found["colorFrom"], found["colorTo"]} <= COLORS and found["emoji"]
    assert len(found["short_description"]) <= 60
    assert README.split("---\n")[2].startswith("\n# Sign Studio\n"), "what people read begins with its title"


def test_what_can_be_preloaded_is_all_there_is_and_ordered_by_its_size() -> None:
    assert "preload_from_hub" not in settings(), "the free tier needs no weights"
    _, listed = HEAD.split("# preload_from_hub:\n")
    lines = listed.splitlines()
    assert [line.rsplit("(", 1)[1].rstrip(")") for line in lines] == sorted(TABLE, key=lambda name: TABLE[name].size_mb)
    uncommented = "preload_from_hub:\n" + "\n".join(line.removeprefix("#") for line in lines)
    for line, entry in zip(lines, yaml.safe_load(uncommented)["preload_from_hub"], strict=True):
        weights = TABLE[line.rsplit("(", 1)[1].rstrip(")")]
        hub_id, files, *revision = entry.split(" ")
        assert (hub_id, revision or ["main"]) == (weights.hub_id, [weights.revision])
        assert f"# {weights.size_mb / 1000:.2f} GB" in line
        assert all(any(Path(file).match(pattern) for pattern in weights.files) for file in files.split(","))


def test_the_packages_are_names_alone_because_a_space_gives_the_file_to_apt_as_it_is() -> None:
    lines = (ROOT / "packages.txt").read_text().splitlines()
    assert lines and all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in lines)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="not a Debian")
def test_the_packages_bring_every_library_that_the_wheels_leave_to_the_system() -> None:
    found = subprocess.run([sys.executable, "-c", MAPPED], capture_output=True, text=True, check=True, timeout=300)
    allowed = {"libc6", "libgcc-s1", "libstdc++6", "zlib1g"} | _closure(ROOT / "packages.txt")
    owners = {path: _owner(path) for path in found.stdout.split()}
    # Which of opencv's builds is in their common folder depends on the order of installing; the desktop's needs libGL.
    assert {"libc6", "libstdc++6"} <= set(owners.values())
    assert not {path: owner for path, owner in owners.items() if owner not in allowed}


MAPPED = """
import subprocess, sys
from importlib.util import find_spec
from pathlib import Path
seen = set()
for module, pattern in {"cv2": "cv2*.so", "mediapipe": "python/*.so", "av": "*.so"}.items():
    for library in Path(find_spec(module).origin).parent.glob(pattern):
        for line in subprocess.run(["ldd", library], capture_output=True, text=True).stdout.splitlines():
            name, _, path = line.strip().partition(" => ")
            assert "not found" not in path, (library, line)
            if path.startswith(("/lib", "/usr/lib")):
                seen.add(path.split(" ")[0])
print("\\n".join(sorted(seen)))
"""


def _owner(path: str) -> str:
    real = str(Path(path).resolve())
    for name in (path, real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    return f"nobody: {path}"


def _closure(listed: Path) -> set[str]:
    """The packages and all that they depend on, by what dpkg knows of those that are installed."""
    todo, known = listed.read_text().split(), set()
    while todo:
        name = todo.pop()
        if name in known:
            continue
        known.add(name)
        query = ["dpkg-query", "-W", "-f", "${Depends}, ${Pre-Depends}\n", name]
        text = subprocess.run(query, capture_output=True, text=True, check=False).stdout
        todo += re.findall(r"(?:^|[,|]\s*)([a-z0-9][a-z0-9.+-]+)", text)
    return known


@pytest.mark.browser
def test_a_space_works_and_says_where_it_is_and_what_it_keeps(tmp_path: Path, browser: Browser, sample: Path) -> None:
    app = checkout(tmp_path / "app")
    before = {path for path in app.rglob("*") if "__pycache__" not in path.parts}
    with serve_space(tmp_path, SIGN_STUDIO_DATA="") as url:
        use(url, browser, sample, GONE, NOT_FOR_ALL)
    assert {path for path in app.rglob("*") if "__pycache__" not in path.parts} == before, "files in the app's folder"


@pytest.mark.slow
@pytest.mark.browser
def test_a_space_with_storage_and_a_lent_gpu_says_so(tmp_path: Path, browser: Browser) -> None:
    checkout(tmp_path / "app")
    shutil.copy(ROOT / "tests" / "fake_spaces.py", tmp_path / "app" / "spaces.py")
    with serve_space(tmp_path, SIGN_STUDIO_DATA=str(tmp_path / "data"), SPACES_ZERO_GPU="true") as url:
        page = browser.new_page()
        page.goto(url)
        page.get_by_text(KEPT).wait_for(timeout=LONG_MS)
        page.get_by_role("tab", name="Train").click()
        page.get_by_text(NOT_ON_LOAN.split(";")[0]).wait_for()
        page.close()


@pytest.mark.slow
@pytest.mark.browser
def test_a_space_that_installs_its_requirements_works(tmp_path: Path, sample: Path, browser: Browser) -> None:
    app = checkout(tmp_path / "app")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--no-cache-dir", "-r", "requirements.txt"]
    try:
        # A Space adds these to the requirements, in the same breath.
        added = [f"gradio[oauth,mcp]=={settings()['sdk_version']}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]
        subprocess.run([*install, *added], cwd=app, check=True)
        subprocess.run([python, "-m", "pip", "check"], check=True)
        with serve_space(tmp_path, python, SIGN_STUDIO_DATA="") as url:
            use(url, browser, sample, GONE, NOT_FOR_ALL)
    finally:
        shutil.rmtree(tmp_path / "env", ignore_errors=True)  # 7 GB
