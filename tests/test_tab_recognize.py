"""The Recognize tab in a real browser: timeline, table, comparing, files, teaching a sign, many clips, and rubbish.

Most tests see a page of this tab (and Pose, which the fixture `page` waits for) with a scripted recognizer, so that
what is shown is known beforehand; the last ones see the whole studio with the recognizer it ships.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import SAMPLES
from four_stage_toy import untrained_run
from serving import ROOT, serve_studio, unvisited
from test_recognizing import Scripted
from test_tab_pose import LONG_MS, toast

from models.lexicon.glossline import Sign
from models.lexicon.index import open_lexicon
from models.lexicon.products import SentenceOptions, SentenceProducts, make_sentence
from models.pose.files import read_pose
from models.video import VideoReader
from models.video_write import write_video
from studio import signs
from studio.jobs import Jobs
from studio.limits import Limits

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with the tabs Recognize and Pose, the recognizer scripted."""
    import gradio as gr

    from studio.ui import sessions
    from studio.ui.tabs import pose, recognize
    from studio.ui.theme import CSS, theme

    limits, runs = Limits(max_clip_minutes=1), tmp_path_factory.mktemp("runs")
    untrained_run(runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with gr.Blocks(analytics_enabled=False) as blocks:
            with gr.Tabs():
                with gr.Tab("Pose"):
                    pose.build(limits)
                with gr.Tab("Recognize"):
                    recognize.build(limits, Scripted, Jobs(runs))
            blocks.unload(sessions.end)
        _, url, _ = blocks.queue(default_concurrency_limit=1).launch(
            theme=theme(), css_paths=[CSS], prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False
        )
        yield url.rstrip("/")
        blocks.close()


@pytest.fixture
def tab(page: Page) -> Page:
    page.get_by_role("tab", name="Recognize").click()
    page.locator("#recognize-go").wait_for()
    return page


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> SentenceProducts:
    """A short clip of one sign."""
    folder = tmp_path_factory.mktemp("house")
    return make_sentence([Sign("HOUSE")], [signs.embedded()], folder, SentenceOptions(captions="none", height=384))


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#recognize-clip input[type=file]", str(path))
    page.wait_for_selector("#recognize-clip video")


def recognize(page: Page) -> None:
    page.click("#recognize-go")
    page.wait_for_selector("#recognize-table table", timeout=LONG_MS)


def download(page: Page, where: str, ending: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(f"{where} a[download$='{ending}']").first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_clip_shows_what_was_signed_when_and_who_says_so(tab: Page, house: SentenceProducts, tmp_path: Path) -> None:
    upload(tab, house.video)
    recognize(tab)
    assert "3 signs found, 1 of them unknown: HELLO MY (unknown)" in tab.locator("#recognize-status").inner_text()
    assert "learned <nothing> from drawn signers" in tab.locator("#recognize-about").inner_text()
    rows = tab.locator("#recognize-table tbody tr")
    assert "0.40 s to 1.00 s" in rows.nth(0).inner_text()
    assert rows.nth(0).get_by_role("button").all_inner_texts() == ["HELLO 90 %", "GOODBYE 7 %", "KNOW 3 %"]
    assert "unknown" in rows.nth(2).inner_text()
    unknown = tab.locator("#recognize-timeline .segment").nth(2)
    assert "unknown" in unknown.inner_text()
    tab.wait_for_function("document.querySelector('#recognize-video video')?.textTracks.length === 1", timeout=LONG_MS)

    values = json.loads(download(tab, "#recognize-files", ".json", tmp_path).read_text())
    assert values["glosses"] == ["HELLO", "MY"]
    assert download(tab, "#recognize-files", ".eaf", tmp_path).read_text().count("<ANNOTATION>") == 8
    assert "(unknown sign)" in download(tab, "#recognize-files", ".vtt", tmp_path).read_text()
    assert len(read_pose(download(tab, "#recognize-files", ".pose", tmp_path)).body.data) > 20


def test_a_model_of_pictures_answers_and_shows_what_it_looked_at(tab: Page, house: SentenceProducts) -> None:
    upload(tab, house.video)
    tab.locator("#recognize-engine input").click()
    tab.get_by_role("option", name="Pictures: your run first").click()
    recognize(tab)
    assert "four-stage model of 4 glosses, trained on nothing at all" in tab.locator("#recognize-about").inner_text()
    figures = tab.locator("#recognize-stages figure")
    assert figures.count() == 2
    assert "frames are kept" in str(figures.first.locator("img").get_attribute("alt"))
    tab.locator("#recognize-engine input").click()
    tab.get_by_role("option", name="Landmarks").click()
    recognize(tab)
    tab.locator("#recognize-stages figure").first.wait_for(state="detached")
    tab.get_by_text("learned <nothing> from drawn signers").first.wait_for(timeout=LONG_MS)


def test_a_segment_plays_in_the_video_by_mouse_and_by_keyboard(tab: Page, house: SentenceProducts) -> None:
    upload(tab, house.video)
    recognize(tab)
    tab.wait_for_function("document.querySelector('#recognize-video video')?.readyState >= 2", timeout=LONG_MS)
    segments = tab.locator("#recognize-timeline .segment")
    segments.nth(1).click()
    tab.wait_for_function("document.querySelector('#recognize-video video').currentTime >= 1.3")
    tab.wait_for_function("document.querySelector('#recognize-video video').paused")
    now = "(({currentTime, duration}) => [currentTime, duration])(document.querySelector('#recognize-video video'))"
    stopped, end = tab.evaluate(now)
    assert 1.7 < stopped < end - 0.1, "it plays the segment, and not what comes after"
    assert tab.locator(".segments-now").is_visible()

    segments.nth(0).focus()
    tab.keyboard.press("ArrowRight")
    assert segments.nth(1).evaluate("one => one === document.activeElement && one.tabIndex === 0")
    tab.keyboard.press("Home")
    assert segments.nth(0).evaluate("one => one === document.activeElement")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('#recognize-video video').currentTime < 1.2")
    tab.wait_for_function(
        "document.querySelector('#recognize-timeline .segment').getAttribute('aria-current') === 'time'"
    )


def test_a_segment_is_seen_beside_the_sign_in_the_lexicon(tab: Page, house: SentenceProducts) -> None:
    upload(tab, house.video)
    recognize(tab)
    tab.get_by_role("button", name="Compare sign 3 with TIME, 30 % confident").click()
    for video in ("#recognize-segment", "#recognize-sign"):
        tab.wait_for_function(f"document.querySelector('{video} video')?.readyState >= 2", timeout=LONG_MS)
    why = tab.locator("#recognize-why").inner_text()
    assert "stays unknown" in why
    assert "TIME (30 % confident)" in why
    tab.click("#recognize-both")
    tab.get_by_role("button", name="Compare sign 1 with HELLO").click()
    tab.wait_for_function(
        "document.querySelector('#recognize-why').innerText.includes('taken for HELLO')", timeout=LONG_MS
    )


def test_a_pose_file_is_recognized_and_a_clip_takes_its_place(tab: Page, house: SentenceProducts) -> None:
    tab.get_by_role("button", name="Or a .pose file").click()
    tab.set_input_files("#recognize-pose input[type=file]", str(house.pose))
    tab.locator("#recognize-pose tr.file").wait_for()
    recognize(tab)
    tab.wait_for_function("document.querySelector('#recognize-video video')?.src?.includes('signing')", timeout=LONG_MS)
    assert tab.locator("#recognize-files a[download$='.mp4']").count() == 1
    upload(tab, house.video)
    tab.locator("#recognize-pose tr.file").wait_for(state="detached")


def test_a_sign_is_taught_known_at_once_kept_and_deleted(tab: Page, house: SentenceProducts, tmp_path: Path) -> None:
    tab.get_by_role("button", name="Teach a sign").click()
    tab.set_input_files("#teach-clips input[type=file]", str(house.video))
    tab.locator("#teach-clips tr.file").wait_for()
    tab.locator("#teach-gloss textarea, #teach-gloss input").fill("my-sign")
    tab.click("#teach-go")
    tab.get_by_text("MY-SIGN is known on this page now, from 1 of 1 clips.").first.wait_for(timeout=LONG_MS)
    assert "✔ Taken" in tab.locator("#teach-verdicts").inner_text()
    assert "MY-SIGN\t1" in tab.locator("#teach-known").inner_text()
    tab.locator("#teach-clips tr.file").wait_for(state="detached")

    upload(tab, house.video)
    recognize(tab)
    assert "MY-SIGN MY (unknown)" in tab.locator("#recognize-status").inner_text()
    tab.get_by_role("button", name="Compare sign 1 with MY-SIGN").click()
    tab.wait_for_function("document.querySelector('#recognize-sign video')?.readyState >= 2", timeout=LONG_MS)
    assert "drawn as a skeleton" in tab.locator("#recognize-why").inner_text()

    with tab.expect_download() as waiting:
        tab.click("#teach-zip")
    waiting.value.save_as(tmp_path / "signs.zip")
    with zipfile.ZipFile(tmp_path / "signs.zip") as archive:
        archive.extractall(tmp_path / "signs")
    assert open_lexicon(tmp_path / "signs").glosses == ("MY-SIGN",)

    tab.get_by_role("button", name="Delete MY-SIGN").click()
    tab.get_by_text("MY-SIGN was deleted.").first.wait_for()
    tab.locator("#teach-zip").wait_for(state="hidden")
    recognize_again = tab.locator("#recognize-status").get_by_text("HELLO MY")
    tab.click("#recognize-go")
    recognize_again.wait_for(timeout=LONG_MS)


def test_a_recording_is_added_to_the_clips_of_a_sign(tab: Page) -> None:
    tab.context.grant_permissions(["camera"])
    tab.get_by_role("button", name="Teach a sign").click()
    for number in (1, 2):
        camera = tab.locator("#teach-camera")
        camera.get_by_text("Click to Access Webcam").click()
        record = camera.locator("button[aria-label='start recording'], button:has-text('Record')").first
        record.wait_for()
        record.click()
        tab.wait_for_timeout(4000)  # a busy machine takes a while to begin
        camera.locator("button:has-text('Stop')").first.click()
        tab.locator("#teach-clips tr.file").nth(number - 1).wait_for(timeout=LONG_MS)
    # The test camera shows a pattern, so there is nobody to learn from, and that is what is said.
    tab.locator("#teach-gloss textarea, #teach-gloss input").fill("PATTERN")
    tab.click("#teach-go")
    tab.get_by_text("PATTERN was not learned").first.wait_for(timeout=LONG_MS)
    assert tab.locator("#teach-verdicts tr", has_text="✘ Not taken").count() == 2
    assert "No sign was taught" in tab.locator("#teach-known").inner_text()


@pytest.mark.parametrize(("name", "said"), [("", "no name yet"), ("two words", "is no gloss")])
def test_a_sign_without_a_good_name_is_not_taught(tab: Page, house: SentenceProducts, name: str, said: str) -> None:
    tab.get_by_role("button", name="Teach a sign").click()
    tab.set_input_files("#teach-clips input[type=file]", str(house.video))
    tab.locator("#teach-clips tr.file").wait_for()
    tab.locator("#teach-gloss textarea, #teach-gloss input").fill(name)
    tab.click("#teach-go")
    assert said in toast(tab, said)


def test_several_clips_come_back_as_a_table_and_a_zip(tab: Page, house: SentenceProducts, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(house.video.read_bytes()[:2000])
    tab.get_by_role("button", name="Several clips at once").last.click()
    tab.set_input_files("#recognize-batch-clips input[type=file]", [house.video, broken, house.pose])
    tab.locator("#recognize-batch-clips tr.file").nth(2).wait_for()
    tab.click("#recognize-batch-go")
    tab.get_by_text("2 clips done, 1 failed").first.wait_for(timeout=LONG_MS)
    table = tab.locator("#recognize-batch-table")
    assert "Failed" in table.locator("tr", has_text="broken.mp4").inner_text()
    assert "HELLO MY (unknown)" in table.locator("tr", has_text="signing.mp4").inner_text()
    assert "drawn signers" in table.inner_text()
    archive = download(tab, "#recognize-batch-zip", ".zip", tmp_path)
    with zipfile.ZipFile(archive) as packed:
        assert len([name for name in packed.namelist() if name.endswith(".eaf")]) == 2


def test_stopping_ends_the_run(tab: Page, sample: Path, tmp_path: Path) -> None:
    frames = list(VideoReader(sample))
    long_clip = tmp_path / "long.mp4"
    write_video(long_clip, frames * max(1, 1200 // len(frames)), fps=25)
    upload(tab, long_clip)
    tab.click("#recognize-go")
    tab.wait_for_selector("#recognize-status [role=progressbar]", timeout=LONG_MS)
    tab.wait_for_function("document.querySelector('#recognize-status').innerText.includes('left')", timeout=LONG_MS)
    tab.click("#recognize-stop")
    tab.locator("#recognize-status").get_by_text("Stopped. Nothing was kept").wait_for()


def test_what_cannot_be_recognized_is_said_in_words(tab: Page, tmp_path: Path) -> None:
    tab.click("#recognize-go")
    assert "upload or record" in toast(tab, "no clip yet")
    (tmp_path / "no <b>video.mp4").write_bytes(b"This is a letter, not a video. " * 50)
    tab.set_input_files("#recognize-clip input[type=file]", str(tmp_path / "no <b>video.mp4"))
    tab.wait_for_selector("#recognize-clip video", state="attached")
    tab.click("#recognize-go")
    assert "not a video file" in toast(tab, "not a video file")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def home_url(home: Path) -> Iterator[str]:
    with serve_studio(home) as url:
        yield url


@pytest.fixture
def whole(context: BrowserContext, home_url: str) -> Iterator[Page]:
    """The whole studio with the recognizer that it ships."""
    opened = unvisited(context, home_url)
    opened.goto(home_url)
    opened.get_by_role("tab", name="Synthesize").click()
    yield opened
    opened.close()


def test_what_synthesize_made_is_recognized(whole: Page) -> None:
    whole.locator("#synthesize-line textarea, #synthesize-line input").fill("HOUSE")
    whole.get_by_text("Signer and picture").click()
    whole.get_by_label("None").check()
    whole.click("#synthesize-go")
    whole.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)
    whole.click("#synthesize-to-recognize")
    whole.wait_for_function("document.querySelector('#recognize-clip video')?.src?.includes('signing')")
    recognize(whole)
    assert "HOUSE" in whole.locator("#recognize-status").inner_text()
    assert "drawn" in whole.locator("#recognize-about").inner_text()


def test_a_model_that_was_trained_is_used(whole: Page, home: Path) -> None:
    """A run as the Train tab makes it; its model is the one that the studio ships."""
    run = Jobs(home / "runs").create("four-stage", "demo", {}, home / "data", "Mine")
    shutil.copytree(ROOT / "assets" / "four_stage", run.model)
    run.say(state="finished", step=3, steps=3)
    whole.get_by_role("tab", name="Train").click()
    whole.locator("#train-runs tbody tr", has_text="Mine").get_by_role("checkbox").check()
    whole.locator("#train-to-recognize:enabled").click()
    whole.wait_for_function("document.querySelector('#recognize-engine input')?.value.includes('Mine')")
    whole.set_input_files("#recognize-clip input[type=file]", min(SAMPLES.glob("*.mp4")))
    whole.wait_for_selector("#recognize-clip video")
    recognize(whole)
    assert "four-stage model of 12 glosses" in whole.locator("#recognize-about").inner_text()
