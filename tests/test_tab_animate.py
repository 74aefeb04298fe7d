"""The Animate tab in a real browser: a picture and glosses in, that person signing out; and what is no good."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from test_tab_pose import LONG_MS, toast

from models.pose.files import read_pose
from models.video import probe
from studio.inputs import sample_pictures

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LINE = "#animate-line textarea, #animate-line input"


@pytest.fixture
def tab(page: Page) -> Page:
    page.get_by_role("tab", name="Animate").click()
    page.locator("#animate-go").wait_for()
    return page


def choose(page: Page, picture: Path) -> None:
    page.set_input_files("#animate-picture input[type=file]", str(picture))
    page.wait_for_selector("#animate-advice .studio-progress, #animate-advice .notes", timeout=LONG_MS)


def small(page: Page) -> None:
    """The smallest video, so that tests are quick."""
    page.get_by_role("button", name="Options").first.click()
    page.get_by_label("Longest side (pixels)").click()
    page.get_by_role("option", name="384").click()


def animate(page: Page) -> None:
    page.click("#animate-go")
    page.wait_for_selector("#animate-fidelity .notes", timeout=LONG_MS)


def download(page: Page, ending: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(f"#animate-files a[download$='{ending}']").first.click()
    path = folder / f"got-{ending}"
    waiting.value.save_as(path)
    return path


def test_a_picture_and_glosses_become_that_person_signing(tab: Page, tmp_path: Path) -> None:
    choose(tab, sample_pictures()[0])
    assert "good picture" in tab.locator("#animate-advice").inner_text().lower()
    small(tab)
    tab.locator(LINE).fill("HELLO")
    tab.get_by_label("Also give the frames (zip)").check()
    tab.click("#animate-look")
    tab.wait_for_function("document.querySelector('#animate-frame img')?.naturalWidth === 384", timeout=LONG_MS)

    animate(tab)
    assert "Hands read in" in tab.locator("#animate-fidelity").inner_text()
    tab.wait_for_function("document.querySelector('#animate-video video')?.readyState >= 2", timeout=LONG_MS)
    video, pose = download(tab, ".mp4", tmp_path), read_pose(download(tab, ".pose", tmp_path))
    assert probe(video).num_frames == len(pose.body.data)
    assert pose.header.dimensions.width == 384
    assert download(tab, ".vtt", tmp_path).read_text().startswith("WEBVTT")
    assert json.loads(download(tab, "-fidelity.json", tmp_path).read_text())["hands_found"] > 0.8
    with zipfile.ZipFile(download(tab, "-frames.zip", tmp_path)) as frames:
        assert len(frames.namelist()) == len(pose.body.data)

    tab.get_by_text("Beside what drove it").click()
    tab.click("#animate-both")
    tab.wait_for_function(
        "[...document.querySelectorAll('#animate-driven video, #animate-video video')]"
        ".every(clip => !clip.paused || clip.ended)"
    )
    tab.click("#animate-to-pose")
    tab.wait_for_function("document.querySelector('#pose-clip video')?.src?.includes('HELLO')")


@pytest.mark.slow
def test_what_synthesize_made_is_animated_and_results_are_kept(page: Page) -> None:
    page.get_by_role("tab", name="Synthesize").click()
    page.locator("#synthesize-line textarea, #synthesize-line input").fill("YES")
    page.click("#synthesize-go")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)
    page.click("#synthesize-to-animate")
    page.get_by_label("What the Synthesize tab made").wait_for()
    assert page.get_by_label("What the Synthesize tab made").is_checked()
    choose(page, sample_pictures()[1])
    small(page)
    animate(page)
    page.get_by_label("A gloss line").check()
    page.locator(LINE).fill("NO")
    page.locator("#animate-line").wait_for(state="visible")
    page.click("#animate-go")
    page.wait_for_function("document.querySelector('#animate-video video')?.src?.includes('NO')", timeout=LONG_MS)
    page.locator("#animate-earlier input").wait_for(timeout=LONG_MS)
    page.locator("#animate-earlier input").click()
    page.get_by_role("option", name="YES").click()
    page.wait_for_function("document.querySelector('#animate-video video')?.src?.includes('YES')")


def test_stopping_keeps_the_frames_and_the_rest_can_be_made(tab: Page) -> None:
    choose(tab, sample_pictures()[0])
    small(tab)
    tab.locator(LINE).fill("HELLO MY NAME fs-ANNA YOU NAME WHAT ")  # long enough to be stopped
    tab.click("#animate-go")
    tab.wait_for_function(
        "document.querySelector('#animate-status')?.innerText?.includes('Animating')", timeout=LONG_MS
    )
    tab.wait_for_function("document.querySelector('#animate-frame img')?.naturalWidth > 0", timeout=LONG_MS)
    tab.click("#animate-stop")
    tab.get_by_text("Stopped after").first.wait_for(timeout=LONG_MS)
    assert tab.locator("#animate-files a").count() > 0
    tab.click("#animate-again")
    tab.wait_for_selector("#animate-fidelity .notes", timeout=3 * LONG_MS)
    assert "Done" in tab.locator("#animate-status").inner_text()


@pytest.mark.slow
def test_a_driving_clip_is_read_and_imitated(tab: Page, sample: Path) -> None:
    choose(tab, sample_pictures()[2])
    small(tab)
    tab.get_by_label("A clip or .pose file").check()
    tab.set_input_files("#animate-clip input[type=file]", str(sample))
    tab.locator("#animate-clip tr.file").wait_for()
    animate(tab)
    assert "Hands read in" in tab.locator("#animate-fidelity").inner_text()


def test_an_engine_without_its_weights_says_what_to_do(tab: Page) -> None:
    choose(tab, sample_pictures()[0])
    tab.locator("#animate-engine input").click()
    tab.get_by_role("option", name="ControlNet").first.click()
    tab.click("#animate-go")
    said = toast(tab, "stable-diffusion-v1-5")
    assert "signstudio weights pull" in said
    assert "puppet" in said


def test_a_picture_of_nobody_is_refused_in_words(tab: Page, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    tab.set_input_files("#animate-picture input[type=file]", str(tmp_path / "noise.png"))
    assert "No person" in toast(tab, "No person")


@pytest.mark.parametrize(
    ("line", "said"), [("", "gloss line is empty"), ("HELO", "did you mean HELLO"), ("🤟", "no sign")]
)
def test_a_line_that_cannot_be_signed_is_refused(tab: Page, line: str, said: str) -> None:
    choose(tab, sample_pictures()[0])
    tab.locator(LINE).fill(line)
    tab.click("#animate-go")
    assert said in toast(tab, said)


def test_without_a_picture_the_tab_asks_for_one(tab: Page) -> None:
    tab.click("#animate-go")
    assert "no picture yet" in toast(tab, "no picture yet")
    assert "agreed" in tab.locator("#animate-consent").inner_text()
