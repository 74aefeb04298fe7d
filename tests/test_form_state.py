"""What is chosen and typed is there when the page is loaded again; what does not fit any more is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
import pytest
from test_tab_pose import LONG_MS
from whole_page import open_accordions, open_tab, serve_whole_page

from studio.ui.remembering import LONGEST_TEXT, fits

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

KEPT_MS = 15_000


@pytest.fixture(scope="module")
def studio_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_whole_page(tmp_path_factory.mktemp("whole")) as url:
        yield url


def choose(page: Page, field: Locator, option: str) -> None:
    field.click()
    page.get_by_role("option", name=option).click()


def reload(page: Page) -> None:
    page.reload()
    page.get_by_role("button", name="Extract pose").wait_for()


def kept(page: Page, form: str, **values: Any) -> None:
    """Wait until the browser keeps these, and nothing else, of a form."""
    page.wait_for_function(
        "([key, wanted]) => localStorage.getItem(key) !== null && "
        "JSON.stringify(Object.entries(JSON.parse(localStorage.getItem(key))).sort()) === wanted",
        arg=[f"sign-studio-{form}", json.dumps(sorted(map(list, values.items())), separators=(",", ":"))],
        timeout=KEPT_MS,
    )


def shows(field: Locator, value: str) -> None:
    from playwright.sync_api import expect

    expect(field).to_have_value(value, timeout=KEPT_MS)


@pytest.mark.browser
def test_pose_options_are_kept(page: Page) -> None:
    open_accordions(page)
    choose(page, page.get_by_label("Preview").first, "Skeleton alone")
    page.get_by_label("Crop").fill("1, 2, 30, 40")
    page.get_by_label("Irises too").check()
    page.get_by_label("Trim to the signing").check()
    kept(page, "pose", preview="skeleton", crop="1, 2, 30, 40", irises=True, steps=["trim"])
    reload(page)
    open_accordions(page)
    shows(page.get_by_label("Crop"), "1, 2, 30, 40")
    shows(page.get_by_label("Preview").first, "Skeleton alone")
    assert page.get_by_label("Irises too").is_checked()
    assert page.get_by_label("Trim to the signing").is_checked()
    page.get_by_label("Irises too").uncheck()  # what is as it was at first is not kept
    kept(page, "pose", preview="skeleton", crop="1, 2, 30, 40", steps=["trim"])


@pytest.mark.browser
def test_the_recognizer_and_the_model_of_actions_are_kept(page: Page) -> None:
    open_tab(page, "Recognize")
    recognizer = page.locator("#recognize-engine input")
    choose(page, recognizer, "four-stage")
    open_accordions(page)
    model = page.locator("#actions-model input")
    choose(page, model, "toy actions")
    page.wait_for_function("localStorage.getItem('sign-studio-actions') !== null")
    reload(page)
    open_tab(page, "Recognize")
    shows(recognizer, "Pictures: the four-stage model, a demo of a few signs")
    open_accordions(page)
    page.locator("#actions-trained-on", has_text="trained on nothing").wait_for(timeout=LONG_MS)
    shows(model, "Your run toy actions")


@pytest.mark.browser
def test_the_gloss_line_its_options_and_the_learned_word_are_kept(page: Page) -> None:
    open_tab(page, "Synthesize")
    page.locator("#synthesize-text textarea").fill("Good <b>morning</b>.")
    page.locator("#synthesize-line :is(textarea, input)").fill("HELLO | THANK YOU")
    kept(page, "synthesize-line", text="Good <b>morning</b>.", line="HELLO | THANK YOU")
    open_accordions(page)
    page.get_by_label("Left-handed").check()
    kept(page, "synthesize", left=True)
    choose(page, page.locator("#base-model input"), "toy words")
    page.locator("#base-trained-on", has_text="trained on nothing").wait_for(timeout=LONG_MS)
    choose(page, page.locator("#base-word input"), "thank you")
    page.locator("#base-steps input[type=number]").fill("3")
    page.keyboard.press("Tab")
    page.wait_for_function("JSON.parse(localStorage.getItem('sign-studio-base'))?.steps === 3")
    reload(page)
    open_tab(page, "Synthesize")
    shows(page.locator("#synthesize-text textarea"), "Good <b>morning</b>.")
    shows(page.locator("#synthesize-line :is(textarea, input)"), "HELLO | THANK YOU")
    assert page.locator("#synthesize-chips .chip span").all_inner_texts() == ["HELLO", "THANK YOU"]
    open_accordions(page)
    assert page.get_by_label("Left-handed").is_checked()
    page.locator("#base-trained-on", has_text="trained on nothing").wait_for(timeout=LONG_MS)
    shows(page.locator("#base-word input"), "thank you")
    shows(page.locator("#base-steps input[type=number]"), "3")


@pytest.mark.browser
def test_what_is_to_be_animated_and_how_is_kept_but_no_picture(page: Page) -> None:
    open_tab(page, "Animate")
    page.get_by_role("button", name="Kofi").click()
    page.wait_for_selector("#animate-advice .studio-progress, #animate-advice .notes", timeout=LONG_MS)
    open_accordions(page)
    page.locator("#animate-line :is(textarea, input)").fill("HOUSE")
    page.get_by_label("Write “animated” into every frame").check()
    page.get_by_label("Preview – few steps").check()
    page.wait_for_function("JSON.parse(localStorage.getItem('sign-studio-animate'))?.preset === 'preview'")
    page.get_by_label("A clip or .pose file").check()
    kept(page, "animate", kind="clip", line="HOUSE", mark=True, preset="preview")
    assert "kofi" not in page.evaluate("JSON.stringify(localStorage)").lower()
    reload(page)
    open_tab(page, "Animate")
    page.locator("#animate-clip").wait_for()
    assert page.get_by_label("A clip or .pose file").is_checked()
    open_accordions(page)
    assert page.get_by_label("Preview – few steps").is_checked()
    assert page.get_by_label("Write “animated” into every frame").is_checked()
    page.get_by_label("A gloss line").check()
    shows(page.locator("#animate-line :is(textarea, input)"), "HOUSE")


TAMPERED = {
    "sign-studio-pose": {"preview": "hologram", "rate": "25", "start": -3, "crop": 7, "irises": "yes", "steps": "fill"},
    "sign-studio-recognize": {"engine": "run-that-is-gone"},
    "sign-studio-actions": ["a list"],
    "sign-studio-synthesize-line": {"line": {"an": "object"}, "text": "x" * 6000},
    "sign-studio-synthesize": {"look": "Nobody", "speed": 1e9, "height": [512], "captions": None, "hold": "NaN"},
    "sign-studio-base": {"model": 5, "word": "<img src=x onerror=alert(1)>", "steps": True},
    "sign-studio-animate": {"kind": "made", "engine": {"a": 1}, "side": 385, "seed": "1"},
    "sign-studio-train": {"not": "a list"},
    "sign-studio-data": 17,
}


@pytest.mark.browser
@pytest.mark.parametrize("broken", [False, True])
def test_what_does_not_fit_any_more_is_the_default_without_an_error(page: Page, broken: bool) -> None:
    for key, value in TAMPERED.items():
        page.evaluate("(item) => localStorage.setItem(...item)", [key, "{no JSON" if broken else json.dumps(value)])
    reload(page)
    open_accordions(page)
    shows(page.get_by_label("Preview").first, "Landmarks over the video")
    shows(page.get_by_label("Start (seconds)"), "0")
    assert not page.get_by_label("Irises too").is_checked()
    open_tab(page, "Recognize")
    assert page.locator("#recognize-engine input").input_value().startswith("Landmarks")
    open_tab(page, "Synthesize")
    shows(page.locator("#synthesize-line :is(textarea, input)"), "HELLO MY NAME fs-ANNA")
    open_accordions(page)
    shows(page.get_by_label("Who is drawn"), "Sofia")
    page.locator("#base-trained-on", has_text="trained").wait_for(timeout=LONG_MS)
    assert "<" not in page.locator("#base-word input").input_value()
    open_tab(page, "Animate")
    assert page.get_by_label("A gloss line").is_checked()
    open_tab(page, "Data")
    page.locator("#data-phases input").first.wait_for(timeout=LONG_MS)
    open_tab(page, "Train")
    page.locator("#train-preset input").first.wait_for(timeout=LONG_MS)
    assert page.locator(".toast-body").count() == 0


@pytest.mark.browser
def test_the_page_forgets_when_it_is_told_to(page: Page) -> None:
    page.get_by_role("button", name="Dark", exact=True).click()
    open_accordions(page)
    page.get_by_label("Irises too").check()
    kept(page, "pose", irises=True)
    forget = page.get_by_role("button", name="Forget what this page remembers")
    page.once("dialog", lambda dialog: dialog.dismiss())
    forget.click()
    assert "sign-studio-pose" in page.evaluate("Object.keys(localStorage)")
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_navigation():
        forget.click()
    page.get_by_role("button", name="Extract pose").wait_for()
    open_accordions(page)
    assert not page.get_by_label("Irises too").is_checked()
    assert not page.evaluate("document.body.classList.contains('dark')")
    assert [key for key in page.evaluate("Object.keys(localStorage)") if key.startswith("sign-studio")] == []


def test_only_values_of_the_right_kind_fit() -> None:
    box, group, radio = gr.Checkbox(), gr.CheckboxGroup(["a", "b"]), gr.Radio(["a"])
    slider, number, words = gr.Slider(1, 5), gr.Number(), gr.Textbox()
    for field, good, bad in (
        (box, [True, False], [1, "true", None]),
        (group, [[], ["a", "b"]], ["a", ["c"], [["a"]], {"a": 1}]),
        (radio, ["a"], ["b", ["a"], {}, None, 1]),
        (slider, [1, 2.5, 5], [0.9, 6, True, "2", float("nan"), float("inf")]),
        (number, [-7, 1e300], ["1", True, [1], float("-inf")]),
        (words, ["", "x" * LONGEST_TEXT], ["x" * (LONGEST_TEXT + 1), 3, ["x"], None]),
    ):
        choices = [value for _, value in getattr(field, "choices", [])]
        assert [one for one in good if not fits(field, one, choices)] == []
        assert [one for one in bad if fits(field, one, choices)] == []
    assert not fits(gr.Dropdown([(str(1), 1)]), True, [1])
    with pytest.raises(ValueError, match="Video is no field that is kept"):
        fits(gr.Video(), "clip.mp4")
