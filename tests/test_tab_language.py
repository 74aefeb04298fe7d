"""The studio in German, in a real browser: every tab, a verb at work, a mistake; also what is read aloud only."""

from __future__ import annotations

import re
from collections.abc import Iterator

import languages
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from serving import serve_studio, unvisited

pytestmark = pytest.mark.browser

TABS = ["Pose", "Erkennen", "Live", "Synthese", "Animieren", "Daten", "Trainieren"]
LINE = "#synthesize-line textarea, #synthesize-line input"
SHORTEST = 12
"""Characters of an English text that cannot be part of a German one by chance."""

# Everything that is drawn, and what a screen reader reads of it.
READ = """() => {
  const names = ['aria-label', 'placeholder', 'title', 'alt'];
  const shown = [...document.querySelectorAll(names.map((name) => `[${name}]`))].filter((one) => one.checkVisibility());
  const said = shown.flatMap((one) => names.map((name) => one.getAttribute(name)).filter(Boolean));
  return [document.body.innerText, ...said].join('\\n');
}"""

NO_CAMERA = (
    "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError')); }"
)


@pytest.fixture(scope="module")
def german_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_studio(tmp_path_factory.mktemp("german"), SIGN_STUDIO_LANGUAGE="de") as url:
        yield url


@pytest.fixture(scope="module")
def french(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="fr-FR")
    yield context
    context.close()


@pytest.fixture
def german(french: BrowserContext, german_url: str) -> Iterator[Page]:
    """The German page in a browser that is set to French."""
    page = unvisited(french, german_url)
    page.goto(german_url)
    page.get_by_role("button", name="Pose auslesen", exact=True).first.wait_for()
    yield page
    page.close()


@pytest.fixture(scope="module")
def english() -> list[str]:
    """What must not be seen any more."""
    catalog = languages.read(languages.FOLDER / "de.po")
    return [
        message.id
        for message in catalog
        if isinstance(message.id, str)
        and len(message.id) >= SHORTEST
        and message.string != message.id
        and "{" not in message.id
    ]


def test_the_page_says_that_it_is_german_whatever_the_browser_is_set_to(german: Page) -> None:
    expect(german.locator("html")).to_have_attribute("lang", "de")
    assert german.get_by_role("tab").all_inner_texts()[: len(TABS)] == TABS


def test_no_tab_has_an_english_text_left(german: Page, english: list[str]) -> None:
    left = {}
    for tab in TABS:
        german.get_by_role("tab", name=tab, exact=True).click()
        closed = german.locator("button.label-wrap:not(.open):visible")
        while closed.count():
            closed.first.click()
        read = re.sub(r"\s+", " ", german.evaluate(READ))
        assert len(read) > 200
        left[tab] = [one for one in english if one in read]
    assert len(english) > 300
    assert not any(left.values()), left


def test_a_verb_tells_how_far_it_is_in_german(german: Page) -> None:
    german.get_by_role("tab", name="Synthese", exact=True).click()
    german.locator(LINE).fill("HELLO")
    german.get_by_role("button", name="Video erstellen").click()
    status = german.locator("#synthesize-status")
    expect(status).to_contain_text(re.compile("Wird gestartet|Zeichnen: "))
    expect(status).to_contain_text(re.compile(r"Fertig: \d+ s Gebärden, erstellt in \d+ s\."), timeout=120_000)
    expect(german.locator("#synthesize-timing th")).to_have_text(["Glosse", "von", "bis"])
    expect(german.get_by_label("HELLO nach hinten schieben")).to_be_visible()


def test_a_mistake_is_told_in_german(german: Page) -> None:
    german.get_by_role("tab", name="Synthese", exact=True).click()
    german.locator(LINE).fill("")
    german.get_by_role("button", name="Video erstellen").click()
    expect(german.get_by_text("Die Glossenzeile ist leer; Glossen wie HELLO MY NAME fs-ANNA eingeben.")).to_be_visible()


def test_the_camera_speaks_german(german: Page) -> None:
    german.get_by_role("tab", name="Live", exact=True).click()
    expect(german.locator("[data-live=state]")).to_have_text("Die Kamera ist aus.")
    german.evaluate(NO_CAMERA)
    german.get_by_role("button", name="Kamera einschalten").click()
    expect(german.get_by_role("alert").filter(has_text="Keine Kamera gefunden.")).to_be_visible()
