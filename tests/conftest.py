"""What several test files need: where the real clips are, a studio that serves, a browser that stays at home."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serving import CHROMIUM, open_chromium, serve_studio, unvisited

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

# Other processes use the other cores, and sums of several threads are not the same twice; before torch reads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "assets" / "samples"


def pytest_configure() -> None:
    """A shell that runs this in the background has Ctrl-C ignored, programs inherit that, and some tests press it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, by name and with the reason, what this machine cannot run."""
    no_real = pytest.mark.skip(reason="STUDIO_REAL_DATA names no folder of real clips")
    no_browser = pytest.mark.skip(reason="no `chromium` on this machine")
    for item in items:
        if "real" in item.keywords and not os.environ.get("STUDIO_REAL_DATA"):
            item.add_marker(no_real)
        if "browser" in item.keywords and CHROMIUM is None:
            item.add_marker(no_browser)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real signing clips; tests that use it are marked `real`."""
    return Path(os.environ["STUDIO_REAL_DATA"])


@pytest.fixture(scope="session")
def sample() -> Path:
    """A short clip of a drawn signer."""
    return min(SAMPLES.glob("*.mp4"), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="session")
def short(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 1.6 seconds of it: enough for whom it is all the same what is signed."""
    from models.video import VideoReader
    from models.video_write import write_video

    path = tmp_path_factory.mktemp("clips") / "short.mp4"
    write_video(path, itertools.islice(VideoReader(sample), 40), fps=25)
    return path


@pytest.fixture(scope="session")
def studio_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio started as a user starts it, in a folder of its own, with small limits."""
    with serve_studio(tmp_path_factory.mktemp("studio"), SIGN_STUDIO_MAX_CLIP_MINUTES="5") as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium with a camera that shows a test picture."""
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Of the pages of a file's tests: Gradio's scripts, which are many, are loaded and compiled once."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, studio_url: str) -> Iterator[Page]:
    """The studio's page as a browser shows it that was never there; the test fails when it asked for something of
    another origin, which it does not get, or a script failed."""
    opened = unvisited(context, studio_url)
    refused: list[str] = []
    broken: list[str] = []

    def look(request: Request) -> None:
        if not request.url.startswith((studio_url, "data:", "blob:")):
            refused.append(request.url)

    # Not `route`, which would have the browser forget what it has loaded; serving.ARGS keep it from other hosts.
    opened.on("request", look)
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.goto(studio_url)
    opened.get_by_role("button", name="Extract pose").wait_for()
    yield opened
    context.clear_permissions()
    for one in context.pages:
        one.close()
    assert not refused, f"requests left the page: {refused}"
    assert not broken, f"scripts failed: {broken}"
