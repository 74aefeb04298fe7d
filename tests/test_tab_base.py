"""The section "Learned base action" in a real browser, with a model that has learned nothing, and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from base_toy import FRAMES, TRAINED_ON, toy_model
from test_tab_pose import LONG_MS, toast

from models.pose.files import read_pose
from models.video import probe
from studio import base_actions
from studio.jobs import Jobs
from studio.limits import Limits

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Runs, one of which has a base action model."""
    made = Jobs(tmp_path_factory.mktemp("studio") / "runs")
    run = made.create("base-action", "demo", {}, Path("data"), "toy words")
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
        patch.setattr(base_actions, "_ROOT", tmp_path_factory.mktemp("none"))
        blocks = layout.build(Limits())
        _, url, _ = blocks.queue(default_concurrency_limit=1).launch(
            theme=theme(), css_paths=[CSS], prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False
        )
        yield url.rstrip("/")
        blocks.close()


@pytest.fixture
def section(page: Page) -> Page:
    page.get_by_role("tab", name="Synthesize").click()
    page.get_by_role("button", name="Learned base action").click()
    page.locator("#base-go").wait_for()
    return page


def set_steps(page: Page, steps: int) -> None:
    page.locator("#base").get_by_role("button", name="Advanced").click()
    page.locator("#base-steps input[type=number]").fill(str(steps))
    page.keyboard.press("Tab")


def make(page: Page) -> None:
    page.click("#base-go")
    page.locator("#base-status", has_text="Done").wait_for(timeout=LONG_MS)


def test_a_word_is_drawn_shown_kept_signed_and_sent_to_animate(section: Page, tmp_path: Path) -> None:
    page = section
    page.locator("#base-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    word = page.locator("#base-word input")
    assert word.input_value() == "BOOK"
    assert page.locator("#base-model input").input_value() == "Your run toy words"
    word.click()
    page.get_by_role("option", name="thank you").click()
    set_steps(page, 1)
    make(page)
    said = page.locator("#base-about").inner_text()
    assert TRAINED_ON in said
    assert "The pose is that of the sample" in said
    page.wait_for_function("document.querySelector('#base-video video')?.readyState >= 2", timeout=LONG_MS)
    assert page.locator("#base-sheet img[alt^='Contact sheet']").is_visible()

    got = {}
    for suffix in (".mp4", ".pose"):
        with page.expect_download() as waiting:
            page.locator(f"#base-files a[download='thank-you{suffix}']").first.click()
        got[suffix] = tmp_path / f"got{suffix}"
        waiting.value.save_as(got[suffix])
    assert probe(got[".mp4"]).num_frames == FRAMES
    assert probe(got[".mp4"]).width == 256  # the toy draws 64 px
    assert len(read_pose(got[".pose"]).body.data) == FRAMES

    page.click("#base-keep")
    page.locator("#base-kept", has_text="THANK-YOU can be used in Synthesize").wait_for(timeout=LONG_MS)
    page.locator("#synthesize-line textarea, #synthesize-line input").fill("THANK-YOU BOOK")
    page.click("#synthesize-go")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)
    assert "THANK-YOU" in page.locator("#synthesize-timing").inner_text()

    page.click("#base-to-animate")
    page.locator("#animate-go").wait_for()
    page.get_by_label("What the Synthesize tab made").wait_for(timeout=LONG_MS)
    assert page.get_by_label("What the Synthesize tab made").is_checked()


def test_a_clip_to_draw_over_is_asked_for_only_when_it_is_chosen(section: Page) -> None:
    page = section
    page.locator("#base-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    set_steps(page, 1)
    assert page.locator("#base-strength").count() == 0 or not page.locator("#base-strength").is_visible()
    page.get_by_label("A clip of the word").check()
    page.locator("#base-clip").wait_for(timeout=LONG_MS)
    assert page.locator("#base-strength").is_visible()
    page.click("#base-go")
    assert "no clip to draw over" in toast(page, "no clip to draw over")


def test_stopping_ends_the_drawing_and_says_so(section: Page) -> None:
    page = section
    page.locator("#base-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    set_steps(page, 50)
    page.click("#base-go")
    page.locator("#base-status [role=progressbar]").wait_for(timeout=LONG_MS)
    page.click("#base-stop")
    page.locator("#base-status", has_text="Stopped.").wait_for(timeout=LONG_MS)
    assert not page.locator("#base-keep").is_visible()


def test_the_model_of_a_run_is_sent_from_the_train_tab(page: Page, jobs: Jobs) -> None:
    jobs.create("landmark", "demo", {}, Path("data"), "another run").model.mkdir()
    page.get_by_role("tab", name="Train").click()
    rows = page.locator("#train-runs tbody tr")
    rows.filter(has_text="another run").get_by_role("checkbox").check()
    onward = page.locator("#train-to-recognize")
    page.get_by_role("button", name="Use in Recognize", disabled=False).wait_for(timeout=LONG_MS)
    rows.filter(has_text="another run").get_by_role("checkbox").uncheck()
    rows.filter(has_text="toy words").get_by_role("checkbox").check()
    page.get_by_role("button", name="Use in Synthesize", disabled=False).wait_for(timeout=LONG_MS)
    onward.click()
    page.locator("#base-go").wait_for(timeout=LONG_MS)
    page.locator("#base-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    assert page.locator("#base-model input").input_value() == "Your run toy words"
    assert page.locator("#base-word input").input_value() == "BOOK"


def test_who_has_no_model_is_told_how_to_get_one(section: Page, jobs: Jobs) -> None:
    page = section
    job = next(one for one in jobs.list() if one.model == "base-action")
    page.locator("#base-trained-on", has_text=TRAINED_ON).wait_for(timeout=LONG_MS)
    model = jobs.run(job.id).model
    away = model.rename(model.with_name("away"))
    try:
        page.click("#base-go")
        assert "Train one on the Train tab" in toast(page, "no base action model here")
        page.reload()
        page.get_by_role("tab", name="Synthesize").click()
        page.get_by_role("button", name="Learned base action").click()
        page.locator("#base-trained-on", has_text="Train one on the Train tab").wait_for(timeout=LONG_MS)
    finally:
        away.rename(model)
