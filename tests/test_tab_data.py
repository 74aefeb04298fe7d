"""The Data tab in a real browser, with toys that are prepared in moments: plan, launch, watch, reload, stop, go on,
look through what came out, take clips out, export.

Tests see a page of this tab (and Pose, which the fixture `page` waits for) and share its jobs; each launches its own.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_data import TOY
from playwright.sync_api import TimeoutError, expect
from signing import performed
from test_jobs import until as waited
from test_tab_pose import LONG_MS, toast

from models.pose.files import write_pose
from models.pose.preview import PreviewOptions, write_skeleton
from studio import preparing
from studio.jobs import Jobs
from studio.limits import Limits
from studio.preparing import Order

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

COMMAND = (sys.executable, str(Path(__file__).with_name("fake_data.py")))
TOYS = [["HOUSE", "train", "<b>ana</b>"], ["HOUSE", "test", "ben"], ["HOME", "train", ""], ["BAD", "val", "ben"]]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    made = Jobs(tmp_path_factory.mktemp("studio") / "runs", verb="data", command=COMMAND, grace_s=20.0)
    yield made
    made.grace_s = 0.0
    for job in made.list():
        made.stop(job.id)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of toys, with the clip and the pose that they all are."""
    folder = tmp_path_factory.mktemp("toys")
    pose = performed("HOUSE")
    write_pose(folder / "clip.pose", pose)
    write_skeleton(pose, folder / "clip.mp4", PreviewOptions(longest_side=256, legend=False))
    (folder / "toys.json").write_text(json.dumps({"toys": TOYS}))
    return folder / "toys.json"


@pytest.fixture(scope="module")
def many(source: Path) -> Path:
    """A list of 41 toys: of a second each, still being made when a slow browser comes to look."""
    many = source.parent / "many.json"
    many.write_text(json.dumps({"toys": [["HOUSE", "train", "ana"]] * 40 + [["BAD", "val", "ben"]]}))
    return many


@pytest.fixture(scope="module")
def studio_url(tmp_path_factory: pytest.TempPathFactory, jobs: Jobs) -> Iterator[str]:
    """The address of a page with the tabs Data and Pose; toys are what can be prepared."""
    import gradio as gr

    from studio import preparables
    from studio.ui import sessions
    from studio.ui.tabs import data, pose
    from studio.ui.theme import CSS, theme

    limits = Limits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        for name in list(preparables.PREPARABLES):
            patch.delitem(preparables.PREPARABLES, name)
        patch.setitem(preparables.PREPARABLES, "toys", TOY)
        with gr.Blocks(analytics_enabled=False) as blocks:
            clock = gr.Timer(0.5, active=False)
            with gr.Tabs() as tabs:
                with gr.Tab("Pose"):
                    pose.build(limits)
                with gr.Tab("Data") as tab:
                    data.build(limits, tab, tabs, clock, jobs=jobs)
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


@pytest.fixture(scope="module")
def done(jobs: Jobs, source: Path) -> str:
    """The id of a job that has finished."""
    with pytest.MonkeyPatch.context() as patch:
        from studio import preparables

        patch.setitem(preparables.PREPARABLES, "toys", TOY)
        job = preparing.launch(
            jobs, Order(kind="toys", source=str(source), out=str(source.parent / "done"), name="A done <i>one</i>")
        )
    until_ended(jobs, job)
    assert jobs.get(job).state == "finished", jobs.log_tail(job)
    return job


def until_ended(jobs: Jobs, job: str) -> None:
    waited(lambda: jobs.get(job).ended, str(jobs.get(job)))


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="Data").click()
    page.locator("#data-phases").get_by_label("Extract").wait_for(timeout=LONG_MS)


def fill(page: Page, of: str, value: Any) -> None:
    page.locator(f"#data-{of} input, #data-{of} textarea").fill(str(value))


def options(page: Page, **changes: str) -> None:
    """Fill in the form of options."""
    if not page.locator("#data-again-form").is_visible():
        page.get_by_role("button", name="Options").first.click()
        page.locator("#data-again-form").wait_for()
    page.locator(".settings details").first.wait_for()
    page.evaluate("document.querySelectorAll('.settings details').forEach(one => { one.open = true; })")
    for name, value in changes.items():
        field = page.locator(f"[data-path='{name}']")
        field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)


def launch(page: Page, source: Path, name: str, **changes: str) -> Locator:
    """Launch a job into a folder of its own; returns its row."""
    fill(page, "source", source)
    fill(page, "out", source.parent / f"out-{len(name)}-{name[:4]}")
    fill(page, "name", name)
    options(page, **changes)
    page.click("#data-go")
    return row_of(page, name)


def row_of(page: Page, name: str) -> Locator:
    row = page.locator("#data-jobs tbody tr", has=page.get_by_text(name, exact=True))
    row.wait_for(timeout=LONG_MS)
    return row


def until(place: Locator, words: str) -> None:
    """Wait for the words; where they do not come, say what is there instead."""
    try:
        place.get_by_text(words).first.wait_for(timeout=LONG_MS)
    except TimeoutError:
        raise AssertionError(f"{words!r} did not come; there is {place.inner_text()!r}") from None


def browse(page: Page, done: str, gloss: str) -> Locator:
    """Choose the finished job and a gloss of it; returns the cards of its clips."""
    page.locator(f"input[data-run='{done}']").check()
    page.get_by_role("button", name=gloss, exact=True).click()
    cards = page.get_by_role("list", name=f"Clips of {gloss}").get_by_role("listitem")
    cards.first.wait_for(timeout=LONG_MS)
    return cards


def test_a_job_is_planned_launched_seen_live_reloaded_stopped_and_goes_on(
    tab: Page, source: Path, many: Path, jobs: Jobs
) -> None:
    fill(tab, "source", source)
    fill(tab, "out", source.parent / "live")
    tab.click("#data-plan")
    plan = tab.get_by_role("status", name="Plan")
    plan.wait_for(timeout=LONG_MS)
    told = plan.inner_text()
    assert "train 2, test 1, val 1" in told and "9.0 MB" in told and "A note about <i>toys</i>." in told
    rows = plan.locator("tbody tr").all_inner_texts()
    assert rows == ["Extract\t4\t0\t4\t9.0 MB\t1 h 2 min", "Clean\t4\t0\t4\t–\t–"]

    row = launch(tab, many, "Long <i>one</i>", pause_s="1")
    until(row, "Working")
    assert row.get_by_role("radio").is_checked()
    detail = tab.locator("#data-detail")
    until(detail, "▶ working, about")
    assert detail.get_by_role("progressbar", name="of 41").get_attribute("aria-valuemax") == "100"
    assert detail.get_by_text("◷ waiting").count() == 2

    tab.reload()
    open_tab(tab)
    until(row, "Working")
    assert row.get_by_role("radio").is_checked()
    tab.click("#data-stop")
    until(row, "Stopped")
    until(detail, "■ stopped")
    stopped = jobs.list()[0]
    assert stopped.state == "stopped" and 0 < stopped.step < 41
    run = jobs.run(stopped.id)
    run.write_config(run.config() | {"config": run.config()["config"] | {"pause_s": 0}})
    tab.locator("#data-resume:not([disabled])").click()
    until(row, "Finished")
    until(detail, "Lexicon: 40 of 40")
    assert detail.get_by_text("✔ done").count() == 3
    tab.locator("button", has_text="Log").first.click()
    until(tab.locator("#data-log"), "clean: 41 of 41, 1 rejected")
    until(tab.locator("#data-summary"), "2 glosses with 41 clips, 40 of them kept.")


def test_a_result_is_searched_and_filtered(tab: Page, done: str) -> None:
    tab.locator(f"input[data-run='{done}']").check()
    rows = tab.locator("#data-glosses tbody tr")
    until(tab.locator("#data-summary"), "3 glosses")
    assert rows.all_inner_texts() == ["BAD\t1\t0\t1\t0", "HOME\t1\t1\t0\t0", "HOUSE\t2\t2\t0\t0"]
    fill(tab, "search", "ho")
    until(tab.locator("#data-summary"), "2 glosses with 3 clips")
    tab.get_by_label("Split").click()
    tab.get_by_role("option", name="test").click()
    until(tab.locator("#data-summary"), "1 gloss with 1 clip, 1 of them kept.")
    fill(tab, "search", "<b>")
    until(tab.locator("#data-summary"), "Nothing fits")
    fill(tab, "search", "")
    tab.get_by_label("Split").click()
    tab.get_by_role("option", name="All").click()
    tab.get_by_label("What became of it").click()
    tab.get_by_role("option", name="! Not good enough").click()
    until(tab.locator("#data-summary"), "1 gloss with 1 clip, 0 of them kept.")
    tab.get_by_role("button", name="BAD", exact=True).click()
    card = tab.get_by_role("list", name="Clips of BAD").get_by_role("listitem")
    until(card, "The hands are seen in <b>10</b> % of its frames only.")
    until(card, "The hand that signs is seen 10 % of the time.")
    assert card.locator("img").get_attribute("src", timeout=LONG_MS).startswith("data:image/jpeg")  # type: ignore[union-attr]


def test_a_clip_plays_beside_its_skeleton(tab: Page, done: str) -> None:
    cards = browse(tab, done, "HOUSE")
    assert cards.count() == 2
    until(cards.first, "train, signer <b>ana</b>, 0.8 s")
    tab.get_by_role("button", name="Play HOUSE-000").click()
    tab.wait_for_function("document.querySelector('#data-video video')?.readyState >= 2", timeout=LONG_MS)
    width, height = tab.evaluate(
        "(({videoWidth, videoHeight}) => [videoWidth, videoHeight])(document.querySelector('#data-video video'))"
    )
    assert width > 1.5 * height, "two pictures beside each other"


def test_a_clip_is_taken_out_with_the_keyboard_and_the_lexicon_leaves_it_out(
    tab: Page, done: str, tmp_path: Path
) -> None:
    browse(tab, done, "HOUSE")
    tab.get_by_role("button", name="Take out: HOUSE-000").focus()
    tab.keyboard.press("Enter")
    until(tab.locator("#data-result-status"), "HOUSE-000 is taken out.")
    until(tab.locator("#data-clips"), "Taken out by you")
    assert glosses_of(tab, tmp_path, "train") == {"HOME"}
    tab.get_by_role("button", name="Take in again: HOUSE-000").click()
    until(tab.locator("#data-result-status"), "HOUSE-000 is taken in again.")
    assert glosses_of(tab, tmp_path, "train") == {"HOME", "HOUSE"}


def glosses_of(page: Page, folder: Path, split: str) -> set[str]:
    """The glosses of the lexicon that the page exports."""
    link = page.locator(f"#data-files a[download$='-{split}.zip']").first
    before = (link.get_attribute("href") or "") if link.count() else ""
    page.click("#data-export")
    expect(link).not_to_have_attribute("href", before, timeout=LONG_MS)
    with page.expect_download() as waiting:
        link.click()
    waiting.value.save_as(folder / "lexicon.zip")
    with zipfile.ZipFile(folder / "lexicon.zip") as archive:
        lines = archive.read("index.csv").decode().splitlines()[1:]
    return {line.split(",")[6] for line in lines}


def test_a_second_browser_sees_the_same_job_and_stops_it(tab: Page, studio_url: str, many: Path) -> None:
    row = launch(tab, many, "Seen twice", pause_s="1")
    until(row, "Working")
    other = tab.context.browser.new_page()  # type: ignore[union-attr]
    other.goto(studio_url)
    open_tab(other)
    until(row_of(other, "Seen twice"), "Working")
    other.click("#data-stop")
    until(row, "Stopped")
    other.close()


def test_a_crash_says_so_and_the_job_is_deleted_without_its_data_set(tab: Page, source: Path, jobs: Jobs) -> None:
    waited(lambda: all(job.ended for job in jobs.list()), str(jobs.list()))  # jobs wait for each other
    row = launch(tab, source, "Hard", fault="hard")
    until(row, "✘ Crashed")
    until(tab.locator("#data-detail"), "the last that it printed: the last words")
    until(tab.locator("#data-detail"), "■ stopped")
    folder = Path(jobs.list()[0].data)
    tab.click("#data-delete")
    until(tab.locator("#data-sure"), "stays as it is")
    tab.click("#data-no")
    tab.locator("#data-yes").wait_for(state="hidden")
    tab.click("#data-delete")
    tab.click("#data-yes")
    row.wait_for(state="detached", timeout=LONG_MS)
    assert "Hard" not in {job.name for job in jobs.list()} and (folder / "poses").is_dir()


def test_rubbish_gives_a_sentence_and_no_job(tab: Page, source: Path, jobs: Jobs) -> None:
    before = len(jobs.list())
    other = source.parent / "other.json"
    other.write_text('{"<b>": 1}')
    for changes, said in (
        ({"source": ""}, "is missing; fill in “File of toys”"),
        ({"source": "/none/<b>at all"}, "/none/<b>at all: there is no such file on this computer."),
        ({"source": source, "out": ""}, "The folder for the results is missing"),
        ({"out": source}, "is a file; name a folder"),
    ):
        for of, value in changes.items():
            fill(tab, of, value)
        refused(tab, "#data-go", said)
    fill(tab, "out", source.parent / "rubbish")
    options(tab, limit="9" * 30)
    options(tab, pause_s="many <b>")
    refused(tab, "#data-go", "pause_s is 'many <b>'; it has to be a number")
    options(tab, pause_s="0", limit="0")
    refused(tab, "#data-plan", "limit is 0; give 1 or more.")
    options(tab, limit="")
    fill(tab, "source", other)
    refused(tab, "#data-plan", "other.json is no list of toys")
    for phase in ("Extract", "Clean", "Lexicon"):
        tab.locator("#data-phases").get_by_label(phase).uncheck()
    refused(tab, "#data-go", "The phases are none")
    assert len(jobs.list()) == before


def refused(page: Page, button: str, said: str) -> None:
    page.click(button)
    assert said in toast(page, said)
    page.locator(".toast-body button, .toast-close").first.click()


def test_what_was_typed_is_there_after_a_reload(tab: Page, source: Path) -> None:
    fill(tab, "source", source)
    fill(tab, "name", "Kept <b>")
    tab.locator("#data-phases").get_by_label("Lexicon").uncheck()
    options(tab, limit="7")
    tab.wait_for_function("/Kept .*limit/.test(localStorage.getItem('sign-studio-data'))")
    tab.reload()
    open_tab(tab)
    tab.wait_for_function(f"document.querySelector('#data-source :is(input, textarea)').value === {str(source)!r}")
    assert not tab.locator("#data-phases").get_by_label("Lexicon").is_checked()
    options(tab)
    tab.get_by_text("1 changed: limit").wait_for()


def test_programs_can_do_the_same(studio_url: str, source: Path, jobs: Jobs) -> None:
    from gradio_client import Client

    client = Client(studio_url, verbose=False)
    out = str(source.parent / "programs")
    assert client.predict("toys", str(source), out, api_name="/data_plan")["glosses"] == 3
    job = client.predict("toys", str(source), out, "", "By a program", {"pause_s": 5}, api_name="/data_launch")
    first = client.predict(api_name="/data_jobs")[0]
    assert (first["id"], first["kind"], first["data"]) == (job, "toys", out)
    client.predict(job, api_name="/data_stop")
    until_ended(jobs, job)
    assert client.predict(job, api_name="/data_job")["state"] == "stopped"
    with pytest.raises(Exception, match="no name of a run"):
        client.predict("../x", api_name="/data_stop")


def test_a_hosted_studio_has_neither_the_form_nor_the_functions() -> None:
    from studio.hosting import Hosting
    from studio.ui import layout
    from studio.ui.tabs.data import NOT_HERE

    def config(hosted: bool) -> str:
        return json.dumps(layout.build(Limits(), Hosting(hosted=hosted)).get_config_file(), default=str)

    at_home, hosted = config(False), config(True)
    assert "data_launch" in at_home and "data_launch" not in hosted and '"data-go"' not in hosted
    assert NOT_HERE in hosted and NOT_HERE not in at_home
