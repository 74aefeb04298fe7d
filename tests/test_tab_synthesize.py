"""The Synthesize tab in a real browser: text, gloss line, chips, pictures, video, and what cannot be signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_tab_pose import LONG_MS, extract, toast, upload

from models.pose.files import read_pose
from models.video import probe

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LINE = "#synthesize-line textarea, #synthesize-line input"


@pytest.fixture
def tab(page: Page) -> Page:
    page.get_by_role("tab", name="Synthesize").click()
    page.locator("#synthesize-go").wait_for()
    return page


def wait_for_line(page: Page, text: str) -> None:
    page.wait_for_function(
        "wanted => document.querySelector('#synthesize-line textarea, #synthesize-line input').value === wanted",
        arg=text,
        timeout=60_000,
    )


def make(page: Page) -> None:
    page.click("#synthesize-go")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)


def test_text_becomes_a_gloss_line_a_video_a_pose_and_captions(tab: Page, tmp_path: Path) -> None:
    tab.locator("#synthesize-text textarea").fill("My name is Jo.")
    tab.click("#synthesize-draft")
    wait_for_line(tab, "MY NAME fs-JO")
    make(tab)
    table = tab.locator("#synthesize-timing").inner_text()
    assert [word for word in ("MY", "NAME", "J-O") if word in table] == ["MY", "NAME", "J-O"]
    tab.wait_for_function("document.querySelector('#synthesize-video video')?.readyState >= 2", timeout=LONG_MS)

    got = {}
    for name in ("signing.mp4", "signing.pose", "signing.vtt"):
        with tab.expect_download() as waiting:
            tab.locator(f"#synthesize-files a[download='{name}']").first.click()
        got[name] = tmp_path / name
        waiting.value.save_as(got[name])
    pose = read_pose(got["signing.pose"])
    assert probe(got["signing.mp4"]).num_frames == len(pose.body.data)
    captions = got["signing.vtt"].read_text()
    assert captions.startswith("WEBVTT")
    assert "J-O" in captions

    tab.click("#synthesize-to-pose")
    tab.wait_for_function("document.querySelector('#pose-clip video')?.src?.includes('signing')")


def test_chips_move_remove_and_keep_the_keyboard_where_it_is(tab: Page) -> None:
    tab.locator(LINE).fill("HELLO YES YES")
    tab.locator("#synthesize-chips li", has_text="YES").nth(1).wait_for()
    tab.get_by_label("Move HELLO later").press("Enter")
    wait_for_line(tab, "YES HELLO YES")
    tab.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Move HELLO later'")
    tab.locator("#synthesize-chips li").nth(0).get_by_label("Remove YES").click()
    wait_for_line(tab, "HELLO YES")


def test_a_sign_is_found_by_its_word_and_added_by_its_picture(tab: Page) -> None:
    tab.locator(LINE).fill("MY")
    tab.locator("#synthesize-search textarea, #synthesize-search input").fill("mom")
    sign = tab.get_by_role("button", name="Add MOTHER")
    sign.wait_for()
    assert tab.evaluate("document.querySelector('#synthesize-picker img').naturalWidth") > 0
    sign.click()
    wait_for_line(tab, "MY MOTHER")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("HELO", "did you mean HELLO"),
        ("", "gloss line is empty"),
        ("HELLO " * 3000, "at most"),
        ("🤟🤟", "no sign"),
        ("fs-ПРИВЕТ", "cannot be fingerspelled"),
        ("<b>BOLD</b>", "no sign"),
    ],
)
def test_what_cannot_be_signed_is_said_in_words(tab: Page, line: str, said: str) -> None:
    tab.locator(LINE).fill(line)
    tab.click("#synthesize-go")
    assert said in toast(tab, said)
    assert tab.locator(".toast-body b", has_text="BOLD").count() == 0


def test_an_empty_text_and_one_of_ten_thousand_words_are_refused(tab: Page) -> None:
    tab.click("#synthesize-draft")
    assert toast(tab, "no text yet")
    tab.locator("#synthesize-text textarea").fill("house " * 10_000)
    tab.click("#synthesize-draft")
    assert "characters" in toast(tab, "at most 5,000")


def test_a_sign_of_ones_own_is_added_from_a_clip_and_used(page: Page, short: Path) -> None:
    upload(page, short)
    extract(page)
    page.get_by_text("Add to the lexicon").click()
    page.locator("#add-gloss textarea, #add-gloss input").fill("my-sign")
    page.click("#add-go")
    page.get_by_text("MY-SIGN can be used in Synthesize").first.wait_for()
    page.get_by_role("tab", name="Synthesize").click()
    page.locator(LINE).fill("HELLO MY-SIGN")
    make(page)
    assert "MY-SIGN" in page.locator("#synthesize-timing").inner_text()
