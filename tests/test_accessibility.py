"""The whole page against WCAG 2.2 A and AA: axe on every tab, light and dark, empty and with results; narrow and with
large text; without motion; what a screen reader is told."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import SAMPLES
from test_tab_pose import LONG_MS, extract, toast, upload
from whole_page import TABS, open_accordions, open_tab, serve_whole_page, toys

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
SAMPLE = min(SAMPLES.glob("*.mp4"), key=lambda path: path.stat().st_size)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CHECK = """async (rules) => {
  const found = await axe.run(document, {runOnly: rules, resultTypes: ['violations']});
  return found.violations.flatMap((one) => one.nodes.map((node) => [one.id, node.target.join(' '), node.html]));
}"""


WIDTH = "document.documentElement.scrollWidth"
MOVING = """() => [...document.querySelectorAll('body, body *')].flatMap((one) => [null, '::before'].flatMap((part) => {
  const style = getComputedStyle(one, part);
  const ms = (times) => Math.max(...times.split(',').map((time) => parseFloat(time) * (/ms$/.test(time) ? 1 : 1000)));
  const animated = style.animationName !== 'none' && ms(style.animationDuration) > 20;
  return animated || ms(style.transitionDuration) > 0 ? [`${one.tagName}.${one.className} ${part}`] : [];
}))"""
# What axe does not ask for, or not as strictly: pictures have a text, our tables say what their columns are.
UNSAID = """() => [
  ...[...document.querySelectorAll('img')].filter((one) => one.offsetParent && !one.hasAttribute('alt')),
  ...[...document.querySelectorAll('table:not(.file-preview)')]
    .filter((one) => one.offsetParent && !one.querySelector('th[scope]')),
].map((one) => one.outerHTML.slice(0, 200))"""
SETTLED = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const ends = (one) => one.playState === 'running' && one.effect?.getComputedTiming().endTime !== Infinity;
  await frame();
  await frame();  // what fades has begun to
  for (let fading; (fading = document.getAnimations().filter(ends)).length; await frame()) {
    await Promise.allSettled(fading.map((one) => one.finished));  // and what inherits its colour begins after it
  }
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def studio_url(folder: Path) -> Iterator[str]:
    with serve_whole_page(folder) as url:
        yield url


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    return [f"{rule}: {where} {html[:200]}" for rule, where, html in page.evaluate(CHECK, RULES)]


def settled(page: Page) -> None:
    """Colours that fade are not judged in the middle of it."""
    page.evaluate(SETTLED)


def test_no_tab_violates_wcag_with_everything_open(page: Page) -> None:
    found = []
    for name in TABS:
        open_tab(page, name)
        open_accordions(page)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # no colour is judged while it fades
            page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=colours == "dark")
            settled(page)
            found += [f"{name}, {colours}: {wrong}" for wrong in violations(page)]
    assert found == []


def pose_results(page: Page, folder: Path) -> None:
    upload(page, SAMPLE)
    extract(page)
    page.wait_for_function("document.querySelector('#pose-preview video')?.readyState >= 2", timeout=LONG_MS)


def recognize_results(page: Page, folder: Path) -> None:
    page.set_input_files("#recognize-clip input[type=file]", SAMPLE)
    page.wait_for_selector("#recognize-clip video")
    page.click("#recognize-go")
    page.wait_for_selector(".segments-axis .segment", timeout=LONG_MS)
    page.locator("#recognize-table .nearest button").first.click()
    page.wait_for_function("document.querySelector('#recognize-sign video')?.readyState >= 2", timeout=LONG_MS)


def actions_results(page: Page, folder: Path) -> None:
    open_accordions(page)
    page.get_by_role("button", name="Picking a phone up").click()
    page.wait_for_selector("#actions-clip video", timeout=LONG_MS)
    page.click("#actions-go")
    page.locator("#actions-status", has_text="Done in").wait_for(timeout=LONG_MS)


def synthesize_results(page: Page, folder: Path) -> None:
    page.locator("#synthesize-line :is(textarea, input)").fill("HELLO")
    open_accordions(page)
    page.get_by_label("As a subtitle track").check()
    page.click("#synthesize-go")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)


def base_results(page: Page, folder: Path) -> None:
    open_accordions(page)
    page.locator("#base-trained-on", has_text="trained").wait_for(timeout=LONG_MS)
    page.locator("#base-model input").click()
    page.get_by_role("option", name="toy words").click()
    page.locator("#base-trained-on", has_text="trained on nothing").wait_for(timeout=LONG_MS)
    page.locator("#base-steps input[type=number]").fill("1")
    page.keyboard.press("Tab")
    page.click("#base-go")
    page.locator("#base-status", has_text="Done").wait_for(timeout=LONG_MS)
    page.click("#base-keep")
    page.locator("#base-kept .studio-progress").wait_for(timeout=LONG_MS)


def animate_results(page: Page, folder: Path) -> None:
    page.get_by_role("button", name="Kofi").click()
    page.wait_for_selector("#animate-advice .studio-progress, #animate-advice .notes", timeout=LONG_MS)
    open_accordions(page)
    page.get_by_label("Longest side (pixels)").click()
    page.get_by_role("option", name="384").click()
    page.locator("#animate-line :is(textarea, input)").fill("HELLO")
    page.click("#animate-go")
    page.wait_for_selector("#animate-fidelity .notes", timeout=LONG_MS)


def data_results(page: Page, folder: Path) -> None:
    page.locator("#data-kind input").click()
    page.get_by_role("option", name="Toys").click()
    page.get_by_label("File of toys").fill(str(toys(folder / "toys")))
    page.get_by_label("Folder for the results").fill(str(folder / "made"))
    page.click("#data-plan")
    page.locator("#data-planned table").wait_for(timeout=LONG_MS)
    page.click("#data-go")
    page.locator("#data-jobs tbody tr", has_text="Finished").wait_for(timeout=LONG_MS)
    page.locator("#data-glosses button").first.click(timeout=LONG_MS)
    page.locator(".data-clips li").first.wait_for(timeout=LONG_MS)


def train_results(page: Page, folder: Path) -> None:
    page.locator("#train-model input").click()
    page.get_by_role("option", name="Toy").click()
    page.click("#train-plan")
    page.locator("#train-planned dl").wait_for(timeout=LONG_MS)
    page.click("#train-go")
    page.locator("#train-runs tbody tr", has_text="toy-").filter(has_text="Finished").first.wait_for(timeout=LONG_MS)
    page.locator("#train-plots svg").first.wait_for(timeout=LONG_MS)


RESULTS = {
    "pose": ("Pose", pose_results),
    "recognize": ("Recognize", recognize_results),
    "actions": ("Recognize", actions_results),
    "synthesize": ("Synthesize", synthesize_results),
    "base": ("Synthesize", base_results),
    "animate": ("Animate", animate_results),
    "data": ("Data", data_results),
    "train": ("Train", train_results),
}


CAPTIONED = {"recognize": "#recognize-video", "synthesize": "#synthesize-video", "base": "#base-video"}


LONG = ("animate", "train")


@pytest.mark.parametrize("verb", [pytest.param(one, marks=[pytest.mark.slow] * (one in LONG)) for one in RESULTS])
def test_results_violate_nothing_and_are_named_captioned_and_described(page: Page, folder: Path, verb: str) -> None:
    tab, make = RESULTS[verb]
    open_tab(page, tab)
    make(page, folder)
    open_accordions(page)
    settled(page)
    for colours in ("Light", "Dark"):
        page.get_by_role("button", name=colours, exact=True).click()
        settled(page)
        assert not violations(page), colours
    assert page.evaluate(UNSAID) == []
    if verb in CAPTIONED:
        assert page.locator(f"{CAPTIONED[verb]} track").get_attribute("src").endswith(".vtt")
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate(WIDTH) <= 400


@pytest.mark.parametrize("size", [{"width": 400, "height": 800}, {"width": 1280, "height": 900}])
def test_narrow_pages_and_text_of_twice_the_size_never_scroll_sideways(page: Page, size: dict[str, int]) -> None:
    page.set_viewport_size(size)
    if size["width"] > 1000:
        page.add_style_tag(content="html { font-size: 200% !important; }")
    for name in TABS:
        if not page.get_by_role("tab", name=name, exact=True).is_visible():
            page.locator(".overflow-menu button").first.click()
            page.locator(".overflow-dropdown").get_by_text(name, exact=True).click()
            page.wait_for_timeout(300)
        else:
            open_tab(page, name)
        open_accordions(page)
        assert page.evaluate(WIDTH) <= size["width"], name


def test_nothing_moves_for_those_who_want_no_motion(page: Page) -> None:
    open_tab(page, "Recognize")
    assert page.evaluate(MOVING), "this test sees no motion at all, even where there is some"
    page.emulate_media(reduced_motion="reduce")
    for name in TABS:
        open_tab(page, name)
        open_accordions(page)
        assert page.evaluate(MOVING) == [], name


def test_videos_wait_for_those_who_want_no_motion(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(
        """() => {
            const clip = document.createElement('video');
            clip.id = 'moving'; clip.autoplay = clip.loop = true;
            document.body.append(clip);
        }"""
    )
    page.wait_for_function("(one => !one.autoplay && !one.loop && one.paused)(document.getElementById('moving'))")


def test_the_colours_follow_the_system_until_some_are_chosen_which_stay(page: Page) -> None:
    def is_dark() -> bool:
        return page.evaluate("document.body.classList.contains('dark')")

    def button(name: str) -> Locator:
        return page.get_by_role("button", name=name, exact=True)

    for system in ("dark", "light"):
        page.emulate_media(color_scheme=system)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=system == "dark")
    button("Dark").click()
    assert is_dark()
    page.reload()
    button("Extract pose").wait_for()
    page.wait_for_function("document.body.classList.contains('dark')")
    assert button("Dark").get_attribute("aria-pressed") == "true"
    page.emulate_media(color_scheme="dark")
    button("Light").click()
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    assert not is_dark()
    button("System").click()
    assert is_dark()
    assert "__theme" not in page.url


def test_an_error_is_an_alert_and_a_message_is_said_once(page: Page) -> None:
    voice = page.locator("#studio-voice")
    assert voice.get_attribute("role") == "status"
    page.wait_for_function("document.getElementById('studio-voice').textContent.includes('Upload or record a clip')")
    open_tab(page, "Animate")
    page.wait_for_function("document.getElementById('studio-voice').textContent.includes('Choose a picture')")
    page.click("#animate-go")
    assert "no picture" in toast(page, "no picture")
    page.get_by_role("alert").get_by_text("There is no picture yet").wait_for()
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        settled(page)
        assert not violations(page), colours
    page.locator(".toast-close").first.click()
