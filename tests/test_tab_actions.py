"""The section "Actions with objects" in a real browser, with a model that has learned nothing, and without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from actions_toy import LABELS, NO_BOXES, TRAINED_ON, toy_model
from multistream_toy import MODEL
from something_toy import make
from test_tab_pose import LONG_MS, toast

from models.progress import Cancelled
from models.video import probe
from studio import actions
from studio.jobs import Jobs
from studio.limits import Limits

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Runs, one of which has a model of actions."""
    made = Jobs(tmp_path_factory.mktemp("studio") / "runs")
    run = made.create("multistream", "demo", {}, Path("data"), "toy actions")
    toy_model(run.model)
    run.say(state="finished")
    return made


@pytest.fixture(scope="module")
def studio_url(tmp_path_factory: pytest.TempPathFactory, jobs: Jobs) -> Iterator[str]:
    """The address of the whole page, served by this process."""
    from studio.ui import layout
    from studio.ui.theme import CSS, theme

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("SIGN_STUDIO_RUNS", str(jobs.root))
        patch.setattr(actions, "_ROOT", tmp_path_factory.mktemp("none"))
        blocks = layout.build(Limits())
        _, url, _ = blocks.queue(default_concurrency_limit=1).launch(
            theme=theme(), css_paths=[CSS], prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False
        )
        yield url.rstrip("/")
        blocks.close()


@pytest.fixture
def section(page: Page) -> Page:
    page.get_by_role("tab", name="Recognize").click()
    page.get_by_role("button", name="Actions with objects").click()
    page.locator("#actions-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    return page


def upload(page: Page, clip: Path) -> None:
    page.set_input_files("#actions-clip input[type=file]", clip)
    page.wait_for_selector("#actions-clip video", timeout=LONG_MS)


def annotate(page: Page, boxes: Path) -> None:
    page.set_input_files("#actions-annotations input[type=file]", boxes)
    page.locator("#actions-annotations", has_text=boxes.name[:8]).wait_for(timeout=LONG_MS)


def test_a_clip_with_boxes_is_shown_with_labels_looks_and_files(section: Page, data: Path, tmp_path: Path) -> None:
    page = section
    assert page.locator("#actions-model input").input_value() == "Your run toy actions"
    upload(page, data / "videos" / "1.webm")
    annotate(page, data / "boxes" / "bounding_box_smthsmth_part1.json")
    page.click("#actions-go")
    page.locator("#actions-status", has_text="Done in").wait_for(timeout=LONG_MS)
    page.wait_for_function("document.querySelector('#actions-video video')?.readyState >= 2", timeout=LONG_MS)
    rows = page.locator("#actions-table tbody tr")
    assert {rows.nth(row).locator("th").inner_text() for row in range(3)} == set(LABELS)
    assert all(rows.nth(row).locator("td").first.inner_text().endswith(" %") for row in range(3))
    said = page.locator("#actions-about").inner_text()
    assert actions.DRAWN in said
    assert "A hand was found in 0 of 4 frames." in said
    assert NO_BOXES not in said
    assert page.locator("#actions-looked img[alt]").count() == 2
    got = {}
    for name in ("1.mp4", "1.json"):
        with page.expect_download() as waiting:
            page.locator(f"#actions-files a[download='{name}']").first.click()
        got[name] = tmp_path / name
        waiting.value.save_as(got[name])
    assert probe(got["1.mp4"]).num_frames == MODEL.frames
    assert json.loads(got["1.json"].read_text(encoding="utf-8"))["attention"]["objects"] is not None


def test_annotations_that_do_not_fit_are_refused_in_words(section: Page, data: Path, tmp_path: Path) -> None:
    page = section
    page.click("#actions-go")
    assert "There is no clip yet" in toast(page, "no clip yet")
    upload(page, data / "videos" / "10.webm")
    annotate(page, data / "boxes" / "bounding_box_smthsmth_part1.json")
    page.click("#actions-go")
    assert "they have 1, 7" in toast(page, "no video '10'")
    page.locator(
        "#actions-annotations button[aria-label*='lear'], #actions-annotations button[aria-label*='emove']"
    ).first.click()
    (tmp_path / "rubbish.json").write_text("[1, 2]", encoding="utf-8")
    annotate(page, tmp_path / "rubbish.json")
    page.click("#actions-go")
    assert "rubbish.json" in toast(page, "holds no annotations of Something-Else")


def test_stopping_ends_the_work_and_says_so(section: Page, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def see(*_: Any, should_stop: actions.ShouldStop, tell: actions.Tell, **__: Any) -> None:
        tell("Looking for the hands", 1, 3)
        pause = threading.Event()
        while not should_stop():
            pause.wait(0.02)
        raise Cancelled

    monkeypatch.setattr(actions, "see", see)
    page = section
    upload(page, data / "videos" / "1.webm")
    page.click("#actions-go")
    page.locator("#actions-status [role=progressbar]").wait_for(timeout=LONG_MS)
    page.click("#actions-stop")
    page.locator("#actions-status", has_text="Stopped.").wait_for(timeout=LONG_MS)
    assert not page.locator("#actions-files").is_visible()


def test_the_model_of_a_run_is_sent_from_the_train_tab(page: Page, jobs: Jobs) -> None:
    other = jobs.create("multistream", "demo", {}, Path("data"), "newer actions")
    toy_model(other.model)
    other.say(state="finished")
    page.get_by_role("tab", name="Train").click()
    rows = page.locator("#train-runs tbody tr")
    page.get_by_role("button", name="Use in Recognize", disabled=False).wait_for(timeout=LONG_MS)
    rows.filter(has_text="newer actions").get_by_role("checkbox").uncheck()  # the newest one is ticked at first
    rows.filter(has_text="toy actions").get_by_role("checkbox").check()
    page.get_by_role("button", name="Use in Recognize", disabled=False).wait_for(timeout=LONG_MS)
    page.click("#train-to-recognize")
    page.locator("#actions-go").wait_for(timeout=LONG_MS)
    page.locator("#actions-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    assert page.locator("#actions-model input").input_value() == "Your run toy actions"


def test_who_has_no_model_is_told_how_to_get_one(page: Page, jobs: Jobs) -> None:
    away = jobs.root.rename(jobs.root.with_name("away"))
    try:
        page.get_by_role("tab", name="Recognize").click()
        page.get_by_role("button", name="Actions with objects").click()
        page.locator("#actions-trained-on", has_text="--model multistream --preset demo").wait_for(timeout=LONG_MS)
        page.click("#actions-go")
        assert "Train one on the Train tab" in toast(page, "no model of actions here")
    finally:
        away.rename(jobs.root)
