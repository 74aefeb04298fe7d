"""Each verb from the page's top to its result without a mouse; at every stop on the way the focus is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SAMPLES
from playwright.sync_api import TimeoutError
from test_tab_pose import LONG_MS
from whole_page import serve_whole_page, toys

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SAMPLE = min(SAMPLES.glob("*.mp4"), key=lambda path: path.stat().st_size)
MOST_STOPS = 150
STOP = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels?.[0];
  const name = one.getAttribute('aria-label') || label?.innerText || one.innerText || one.title || '';
  const outlined = (part) => {
    if (!part) return false;
    const style = getComputedStyle(part);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  };
  const box = (outlined(one) ? one : label ?? one).getBoundingClientRect();
  return {
    name: name.trim().split('\\n')[0], tag: one.tagName, id: one.closest('[id]')?.id,
    seen: (outlined(one) || outlined(one.closest('label'))) && box.width > 0 && box.height > 0,
    shown: box.bottom > 0 && box.top < innerHeight,
  };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def studio_url(folder: Path) -> Iterator[str]:
    with serve_whole_page(folder) as url:
        yield url


def stop(page: Page, key: str = "Tab") -> dict[str, Any]:
    """Press Tab once; where the keyboard is now."""
    page.keyboard.press(key)
    at = page.evaluate(STOP) or {"name": "", "tag": "", "id": "", "seen": True, "shown": True}
    if not at["shown"]:  # the page is on its way there
        with contextlib.suppress(TimeoutError):
            page.wait_for_function(f"({STOP})()?.shown", timeout=5000)
        at = page.evaluate(STOP)
    return at


def go_to(page: Page, name: str, *, within: str = "", key: str = "Tab") -> None:
    """Press Tab until the thing with this name has the keyboard, and look at each stop on the way."""
    stops = []
    for _ in range(MOST_STOPS):
        at = stop(page, key)
        stops.append(f"{at['name']} ({at['tag']} in {at['id']})")
        assert at["seen"], f"the focus is not seen at {stops[-1]}"
        assert at["shown"], f"the focus is outside of the window at {stops[-1]}"
        if at["name"].startswith(name) and (not within or at["id"] == within):
            return
    raise AssertionError(f"{name} was not reached: {stops}")


def press(page: Page, name: str, *, within: str = "") -> None:
    go_to(page, name, within=within)
    page.keyboard.press("Enter")


def write(page: Page, name: str, words: str) -> None:
    go_to(page, name)
    page.keyboard.press("Control+a")
    page.keyboard.type(words)


def choose(page: Page, name: str, option: str) -> None:
    """In a list that opens: type, then take what is left."""
    go_to(page, name)
    page.keyboard.press("Control+a")
    page.keyboard.type(option)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")


def give(page: Page, path: Path, *, within: str) -> None:
    """Choose a file, in the browser's own window for that, which the keyboard opens."""
    with page.expect_file_chooser() as chooser:
        press(page, "", within=within)
    chooser.value.set_files(path)


def pose(page: Page, folder: Path) -> None:
    give(page, SAMPLE, within="pose-clip")
    page.wait_for_selector("#pose-clip video")
    press(page, "Extract pose")
    page.wait_for_selector("#pose-verdict .verdict", timeout=LONG_MS)


def recognize(page: Page, folder: Path) -> None:
    press(page, "Hello my name kofi")
    page.wait_for_selector("#recognize-clip video", timeout=LONG_MS)
    press(page, "Recognize", within="recognize-go")
    page.wait_for_selector(".segments-axis .segment", timeout=LONG_MS)
    go_to(page, "HELLO")
    first = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.innerText") != first
    press(page, "Compare sign 1")
    page.locator("#recognize-why", has_text="Beside it").wait_for(timeout=LONG_MS)


def actions(page: Page, folder: Path) -> None:
    press(page, "Actions with objects")
    press(page, "Picking a phone up")
    page.wait_for_selector("#actions-clip video", timeout=LONG_MS)
    press(page, "Recognize action")
    page.locator("#actions-status", has_text="Done in").wait_for(timeout=LONG_MS)


def teach(page: Page, folder: Path) -> None:
    press(page, "Teach a sign")
    give(page, SAMPLE, within="teach-clips")
    page.locator("#teach-clips", has_text=SAMPLE.stem[:8]).wait_for()
    write(page, "Gloss", "MY-SIGN")
    press(page, "Teach this sign")
    page.locator("#teach-verdicts table").wait_for(timeout=LONG_MS)


def live(page: Page, folder: Path) -> None:
    press(page, "Start the camera")
    page.wait_for_function("document.querySelector('[data-live=fps]').textContent > 0", timeout=LONG_MS)
    page.keyboard.press("Enter")  # the same button
    page.get_by_text("The camera is off.").wait_for(timeout=LONG_MS)


def synthesize(page: Page, folder: Path) -> None:
    write(page, "Gloss line", "HELLO")
    press(page, "Make the video")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)


def base(page: Page, folder: Path) -> None:
    press(page, "Learned base action")
    page.locator("#base-trained-on", has_text="trained").wait_for(timeout=LONG_MS)
    choose(page, "Model", "toy words")
    page.locator("#base-trained-on", has_text="trained on nothing").wait_for(timeout=LONG_MS)
    press(page, "Make", within="base-go")
    page.locator("#base-status", has_text="Done").wait_for(timeout=LONG_MS)


def animate(page: Page, folder: Path) -> None:
    press(page, "Kofi")
    page.wait_for_selector("#animate-advice .studio-progress, #animate-advice .notes", timeout=LONG_MS)
    write(page, "Gloss line", "HELLO")
    press(page, "Options")
    choose(page, "Longest side (pixels)", "384")
    press(page, "Animate", within="animate-go")
    page.wait_for_selector("#animate-fidelity .notes", timeout=LONG_MS)


def data(page: Page, folder: Path) -> None:
    page.locator("#data-phases input").first.wait_for(timeout=LONG_MS)
    choose(page, "Data set", "Toys")
    page.get_by_label("File of toys").wait_for()
    write(page, "File of toys", str(toys(folder / "toys")))
    write(page, "Folder for the results", str(folder / "made"))
    press(page, "Plan")
    page.locator("#data-planned table").wait_for(timeout=LONG_MS)


def train(page: Page, folder: Path) -> None:
    page.locator("#train-preset input").first.wait_for(timeout=LONG_MS)
    choose(page, "Model", "Toy")
    page.locator("#train-about", has_text="Learns a line").wait_for(timeout=LONG_MS)
    press(page, "Plan")
    page.locator("#train-planned dl").wait_for(timeout=LONG_MS)
    press(page, "Launch")
    page.locator("#train-runs tbody tr", has_text="toy-").first.wait_for(timeout=LONG_MS)


VERBS: dict[str, tuple[str, Callable[[Page, Path], None]]] = {
    "pose": ("", pose),
    "recognize": ("Recognize", recognize),
    "actions": ("Recognize", actions),
    "teach": ("Recognize", teach),
    "live": ("Live", live),
    "synthesize": ("Synthesize", synthesize),
    "base": ("Synthesize", base),
    "animate": ("Animate", animate),
    "data": ("Data", data),
    "train": ("Train", train),
}


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=pytest.mark.slow) if verb == "animate" else verb for verb in VERBS]
)
def test_a_verb_is_done_from_the_page_top_with_the_keyboard_alone(page: Page, folder: Path, verb: str) -> None:
    tab, do = VERBS[verb]
    if tab:
        press(page, tab, within="tabs")
    do(page, folder)


def test_the_keyboard_goes_through_the_page_and_out_of_it_both_ways(page: Page) -> None:
    assert stop(page)["name"] == "Skip to the open tab"
    for key in ("Tab", "Shift+Tab"):
        names = []
        while (at := stop(page, key))["tag"] and len(names) < MOST_STOPS:
            names.append(at["name"])
        assert "Extract pose" in names
        assert len(names) < MOST_STOPS, "the keyboard does not leave the page"


def test_the_skip_link_goes_to_what_the_open_tab_holds(page: Page) -> None:
    stop(page)
    page.keyboard.press("Enter")
    assert stop(page)["id"] == "pose-clip"


def test_escape_closes_lists_and_messages(page: Page) -> None:
    press(page, "Options")
    page.locator("input[aria-label='Preview']").wait_for()  # else Tab goes past what is not there yet
    go_to(page, "Preview")
    page.keyboard.press("ArrowDown")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("option").first.wait_for(state="hidden")
    press(page, "Extract pose")
    page.get_by_role("alert").get_by_text("There is no clip yet").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("alert").wait_for(state="hidden")
