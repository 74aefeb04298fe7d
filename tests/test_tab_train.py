"""The Train tab in a real browser, with a model that learns in moments: launch, watch, reload, stop, go on, compare.

Tests see a page of this tab (and Pose, which the fixture `page` waits for) and share its runs; each launches its own.
"""

from __future__ import annotations

import os
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_jobs import pid
from test_tab_pose import LONG_MS, toast
from toy_training import TOY

from studio.jobs import Jobs
from studio.limits import Limits

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

COMMAND = (sys.executable, str(Path(__file__).with_name("toy_training.py")))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    made = Jobs(tmp_path_factory.mktemp("studio") / "runs", command=COMMAND, grace_s=20.0)
    yield made
    made.grace_s = 0.0
    for job in made.list():
        made.stop(job.id)


@pytest.fixture(scope="module")
def studio_url(tmp_path_factory: pytest.TempPathFactory, jobs: Jobs) -> Iterator[str]:
    """The address of a page with the tabs Train and Pose; the toy is what can be trained."""
    import gradio as gr

    from studio import trainables
    from studio.ui import sessions
    from studio.ui.tabs import pose, train
    from studio.ui.theme import CSS, theme

    limits = Limits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("SIGN_STUDIO_RUNS", str(jobs.root))
        for name in list(trainables.TRAINABLES):
            patch.delitem(trainables.TRAINABLES, name)
        patch.setitem(trainables.TRAINABLES, "toy", TOY)
        with gr.Blocks(analytics_enabled=False) as blocks:
            clock = gr.Timer(0.5, active=False)
            with gr.Tabs() as tabs:
                with gr.Tab("Pose"):
                    pose.build(limits)
                with gr.Tab("Train") as tab:
                    train.build(limits, tab, tabs, clock, jobs=jobs, onward=True)
            blocks.unload(sessions.end)
        _, url, _ = blocks.queue(default_concurrency_limit=1).launch(
            theme=theme(), css_paths=[CSS], prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False
        )
        yield url.rstrip("/")
        blocks.close()


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page)
    return page


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.locator("#train-preset").get_by_label("Slow").wait_for(timeout=LONG_MS)


def settings(page: Page, **changes: str) -> None:
    """Fill in the form; names are as in the config, with __ for a dot."""
    if not page.locator("#train-again").is_visible():
        page.get_by_role("button", name="Settings").first.click()
        page.locator("#train-again").wait_for()
    page.locator(".settings details").first.wait_for()
    page.evaluate("document.querySelectorAll('.settings details').forEach(one => { one.open = true; })")
    for name, value in changes.items():
        field = page.locator(f"[data-path='{name.replace('__', '.')}']")
        field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)


def launch(page: Page, name: str, **changes: str) -> Locator:
    """Launch a run that takes a while unless it is told otherwise; returns its row."""
    page.locator("#train-name input, #train-name textarea").fill(name)
    settings(page, **({"loop__steps": "1200", "pause_s": "0.05"} | changes))
    page.click("#train-go")
    row = page.locator("#train-runs tbody tr", has=page.get_by_text(name, exact=True))
    row.wait_for(timeout=LONG_MS)
    return row


def tick(row: Locator) -> None:
    row.get_by_role("checkbox").check()


def until(row: Locator, words: str) -> None:
    row.get_by_text(words).first.wait_for(timeout=LONG_MS)


def stop(page: Page, row: Locator) -> None:
    page.click("#train-stop")
    until(row, "Stopped")


def test_a_run_is_launched_seen_live_reloaded_stopped_and_goes_on(tab: Page, jobs: Jobs) -> None:
    row = launch(tab, "Long <i>one</i>")
    until(row, "Training")
    assert row.get_by_role("checkbox").is_checked()
    bar = row.get_by_role("progressbar")
    bar.wait_for(timeout=LONG_MS)
    first = int(bar.get_attribute("aria-valuenow") or 0)
    tab.locator("#train-plots").get_by_text("Loss: small").wait_for(timeout=LONG_MS)
    plot = tab.get_by_role("img", name="Validation: error, over steps. Long <i>one</i>: from").first
    plot.wait_for(timeout=LONG_MS)
    assert plot.locator("svg path").count() > 3
    until(row, "left")
    tab.wait_for_function(
        f"Number(document.querySelector('#train-runs [role=progressbar]').ariaValueNow) > {first}", timeout=LONG_MS
    )

    tab.reload()
    open_tab(tab)
    until(row, "Training")
    assert row.get_by_role("checkbox").is_checked(), "the newest run is shown again"
    plot.wait_for(timeout=LONG_MS)

    stop(tab, row)
    assert "saves first" in tab.locator("#train-status").inner_text()
    stopped = jobs.list()[0]
    assert stopped.state == "stopped" and 0 < stopped.step < 1200
    tab.locator("#train-resume:not([disabled])").click()
    until(row, "Training")
    tab.wait_for_function(
        f"document.querySelector('#train-detail').innerText.match(/Step (\\d+)/)?.[1] > {stopped.step}", timeout=LONG_MS
    )
    stop(tab, row)


@pytest.mark.slow
def test_a_second_browser_sees_the_same_runs(tab: Page, studio_url: str) -> None:
    row = launch(tab, "Seen twice")
    until(row, "Training")
    other = tab.context.browser.new_page()  # type: ignore[union-attr]
    other.goto(studio_url)
    open_tab(other)
    seen = other.locator("#train-runs tbody tr", has_text="Seen twice")
    until(seen, "Training")
    other.locator("#train-plots figure").first.wait_for(timeout=LONG_MS)
    stop(other, seen)
    until(row, "Stopped")
    other.close()


def test_runs_wait_for_each_other_and_are_compared_on_one_plot(tab: Page) -> None:
    first = launch(tab, "Fast", loop__learning_rate="0.1")
    second = launch(tab, "Careful", loop__learning_rate="0.01", loop__steps="60")
    until(second, "Waiting – next")
    tab.locator("#train-plots").get_by_text("Loss").first.wait_for(state="detached", timeout=LONG_MS)
    tick(first)
    second.get_by_role("checkbox").uncheck()
    until(first, "left")
    stop(tab, first)
    until(second, "Training")
    tick(second)
    until(second, "Finished")
    legend = tab.get_by_role("list", name="Lines")
    legend.get_by_text("Careful").wait_for(timeout=LONG_MS)
    assert legend.inner_text().split("\n")[:3] == ["Fast", "(solid, circles)", "Careful"]
    loss = tab.get_by_role("img", name="Loss: fit, over steps. Fast: from").first
    assert "; Careful: from" in (loss.get_attribute("aria-label") or "")
    tab.get_by_role("button", name="Newest figures as a table").click()
    table = tab.locator("#train-figures table")
    table.wait_for(timeout=LONG_MS)
    assert table.locator("thead th").all_inner_texts() == ["Figure", "Fast", "Careful"]


def test_ticks_stay_with_their_runs_when_a_new_one_comes(tab: Page, jobs: Jobs) -> None:
    row = launch(tab, "Ticked", loop__steps="2", pause_s="0")
    until(row, "Finished")
    jobs.create("toy", "demo", {}, jobs.root, "Newer")
    newer = tab.locator("#train-runs tbody tr", has_text="Newer")
    newer.wait_for(timeout=LONG_MS)
    assert row.get_by_role("checkbox").is_checked() and not newer.get_by_role("checkbox").is_checked()
    newer.get_by_role("checkbox").focus()
    tab.keyboard.press("Space")
    tab.locator("#train-detail").get_by_text("Newer: ✘ Crashed").wait_for(timeout=LONG_MS)


def test_a_finished_run_gives_its_weights_and_is_deleted(tab: Page, tmp_path: Path, jobs: Jobs) -> None:
    row = launch(tab, "Short", loop__steps="12", pause_s="0")
    until(row, "Finished")
    until(row, "error ")
    tab.locator("#train-download:not([disabled])").click()
    link = tab.locator("#train-files a[download$='-model.zip']")
    with tab.expect_download() as waiting:
        link.first.click()
    waiting.value.save_as(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert any(name.endswith("/model.safetensors") for name in archive.namelist())
    assert tab.locator("#train-to-recognize").is_enabled()
    tab.click("#train-delete")
    tab.get_by_text("This cannot be undone").first.wait_for(timeout=LONG_MS)
    tab.click("#train-no")
    tab.locator("#train-yes").wait_for(state="hidden")
    tab.click("#train-delete")
    tab.click("#train-yes")
    row.wait_for(state="detached", timeout=LONG_MS)
    assert "Short" not in {job.name for job in jobs.list()}


def test_a_run_that_fails_or_is_killed_says_so(tab: Page, jobs: Jobs) -> None:
    row = launch(tab, "Faulty", fault="sentence")
    until(row, "✘ Failed")
    tab.locator("#train-detail").get_by_text("The data ended in <b>batch</b> 5; add more.").wait_for(timeout=LONG_MS)
    row = launch(tab, "Hard", fault="hard")
    until(row, "✘ Crashed")
    tab.locator("#train-detail").get_by_text("the last that it printed: the last words").wait_for(timeout=LONG_MS)
    tab.locator("button", has_text="Log").first.click()
    tab.locator("#train-log").get_by_text("the last words").wait_for(timeout=LONG_MS)
    row = launch(tab, "Killed", fault="")
    until(row, "Training")
    os.kill(pid(jobs, jobs.list()[0].id), signal.SIGKILL)
    until(row, "✘ Crashed")
    tab.locator("#train-resume:not([disabled])").click()
    until(row, "Training")
    stop(tab, row)


def test_a_plan_says_what_it_will_take(tab: Page) -> None:
    settings(tab, loop__steps="50")
    tab.click("#train-plan")
    plan = tab.get_by_role("status", name="Plan")
    plan.wait_for(timeout=LONG_MS)
    told = plan.inner_text()
    assert "49 (body 40, head 9)" in told and "50, which is 5.0 times" in told and "Memory" in told and "Time" in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loop__steps": "many <b>"}, "loop.steps is 'many <b>'; it has to be a whole number"),
        ({"loop__steps": ""}, "loop.steps is nothing"),
        ({"loop__learning_rate": "-1"}, "loop.learning_rate is -1.0; it has to be between"),
        ({"batch_size": "0"}, "batch_size is 0"),
    ],
)
def test_rubbish_in_the_form_gives_a_sentence(tab: Page, jobs: Jobs, changes: dict[str, str], said: str) -> None:
    before = len(jobs.list())
    settings(tab, **changes)
    for button in ("#train-go", "#train-plan"):
        tab.click(button)
        assert said in toast(tab, said)
        tab.locator(".toast-body button, .toast-close").first.click()
    assert len(jobs.list()) == before


def test_a_folder_that_is_not_there_gives_a_sentence(tab: Page, tmp_path: Path) -> None:
    tab.get_by_label("A folder on this computer").check()
    tab.click("#train-go")
    assert "no folder of data yet" in toast(tab, "no folder")
    tab.locator("#train-folder input, #train-folder textarea").fill(str(tmp_path / "none"))
    tab.click("#train-go")
    assert "no such folder" in toast(tab, "no such folder")


KEPT = """(before) => {
  const now = localStorage.getItem('sign-studio-train');
  if (now !== window.lastKept) { window.lastKept = now; window.keptAt = Date.now(); }
  return now !== before && Date.now() - window.keptAt > 2000;
}"""
"""The page has kept what was typed, and keeps nothing else any more."""


def test_what_was_typed_is_there_after_a_reload_and_can_be_taken_back(tab: Page) -> None:
    tab.locator("#train-preset").get_by_label("Slow").check()
    steps = tab.locator("[data-path='loop.steps'][data-first='400']")
    settings(tab)
    steps.wait_for(state="attached")
    before = tab.evaluate("localStorage.getItem('sign-studio-train')")
    settings(tab, loop__steps="123", model__shape="bend")
    tab.get_by_text("2 changed: loop.steps, model.shape").wait_for()
    tab.wait_for_function(KEPT, arg=before)
    tab.reload()
    open_tab(tab)
    settings(tab)
    tab.get_by_text("2 changed: loop.steps, model.shape").wait_for()
    assert steps.input_value() == "123"
    tab.click("#train-again")
    tab.get_by_text("2 changed").wait_for(state="hidden")
    assert steps.input_value() == "400"
    tab.locator("#train-preset").get_by_label("Demo").check()


def test_programs_can_do_the_same(tab: Page, studio_url: str, jobs: Jobs) -> None:
    from gradio_client import Client

    client = Client(studio_url, verbose=False)
    run = client.predict("toy", "slow", "", "By a program", {"loop.steps": 300}, api_name="/train_launch")
    row = tab.locator("#train-runs tbody tr", has_text="By a program")
    until(row, "Training")
    assert client.predict(api_name="/train_runs")[0]["id"] == run
    assert client.predict(run, api_name="/train_run")["steps"] == 300
    client.predict(run, api_name="/train_stop")
    until(row, "Stopped")
    with pytest.raises(Exception, match="no name of a run"):
        client.predict("../x", api_name="/train_stop")
    offered = {name for name in client.view_api(return_format="dict")["named_endpoints"] if "train" in name}
    assert offered == {"/train_launch", "/train_runs", "/train_run", "/train_stop", "/train_resume"}
    assert jobs.get(run).state == "stopped"
