"""The language of the interface: every text of the code is listed, every translation is whole, nothing is unmarked."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import languages
import pytest
from babel.messages.catalog import Message

from models.animation import animate
from models.errors import SignError
from models.pose import products
from models.recognition import live
from studio import texts, texts_core
from studio.texts import ENGLISH, later, text

ROOT = Path(__file__).parents[1]
TRANSLATIONS = sorted(texts.FOLDER.glob("*.po"))

SHOWN_BY_NAME = {"label", "info", "placeholder", "alt_text", "title", "show_label", "auth_message"}
"""Arguments of gradio's components that a person reads."""
SHOWN_FIRST = {"Accordion", "Button", "DownloadButton", "Error", "Info", "Markdown", "Tab", "UploadButton", "Warning"}
"""Components whose first argument a person reads."""
AS_THEY_ARE = {"MY-SIGN", "house", "answer"}
"""A gloss, an English word to search the lexicon by, and what a program reads."""


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    texts.use(ENGLISH)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of translations with one into Polish, which has three forms for numbers."""
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    (tmp_path / "pl.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 ? 1 : 2);\\n"\n\n'
        'msgid "{done} of {total} clips"\nmsgstr "z {total} klipów {done}"\n\n'
        'msgid "{number} clip"\nmsgid_plural "{number} clips"\n'
        'msgstr[0] "{number} klip"\nmsgstr[1] "{number} klipy"\nmsgstr[2] "{number} klipów"\n',
        encoding="utf-8",
    )
    return tmp_path


def test_english_is_said_as_it_is_written() -> None:
    assert text("Extract pose") == "Extract pose"
    assert text("{done} of {total} clips", done=1, total=2) == "1 of 2 clips"
    assert text("Braces { } stay where nothing is filled in") == "Braces { } stay where nothing is filled in"
    assert texts.texts("{number} clip", "{number} clips", 1) == "1 clip"
    assert texts.texts("{number} clip of {name}", "{number} clips of {name}", 0, name="A") == "0 clips of A"
    assert text("") == ""


def test_another_language_has_an_order_and_numbers_of_its_own(folder: Path) -> None:
    marked = later("{done} of {total} clips")
    texts.use("pl")
    assert text(marked, done=1, total=2) == "z 2 klipów 1"
    assert [texts.texts("{number} clip", "{number} clips", number) for number in (1, 3, 5)] == [
        "1 klip",
        "3 klipy",
        "5 klipów",
    ]
    assert text("Extract pose") == "Extract pose"  # what is not translated is English
    texts.use(ENGLISH)
    assert text(marked, done=1, total=2) == "1 of 2 clips"


def test_a_language_that_is_not_there_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(SignError, match=r"no translation into 'tlh'; there are en \(English\), pl \(Polski\)"):
        texts.use("tlh")
    with pytest.raises(SignError, match=r"no translation into '\.\./pl'"):
        texts.use("../pl")


def test_every_text_of_the_code_is_listed() -> None:
    """`make languages` brings the list up to the code."""
    listed = {message.id for message in languages.read(languages.POT) if message.id}
    said = {message.id for message in languages.template() if message.id}
    assert said - listed == set() and listed - said == set()


def test_listing_again_changes_nothing(tmp_path: Path) -> None:
    for path in (languages.POT, *TRANSLATIONS):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        if path == languages.POT:
            languages.write(languages.template(), copy)
        else:
            languages.update(copy, languages.template())
        assert copy.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
        assert str(ROOT) not in copy.read_text(encoding="utf-8")


def test_a_new_language_begins_as_an_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fr.po"
    path.touch()
    languages.update(path, languages.template())
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    texts.use("fr")
    assert text("Extract pose") == "Extract pose"
    languages.fill(path, {"Extract pose": "Extraire la pose"})
    texts.use("fr")
    assert text("Extract pose") == "Extraire la pose"
    assert texts.languages() == {"en": "English", "fr": "Français"}
    assert languages.read(path).num_plurals == 2


def test_what_the_code_marks_can_be_listed() -> None:
    """A text that is put together, or comes from elsewhere, would never be found by a translator."""
    for path in sorted((ROOT / "studio").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in languages.SAID_BY:
                first = node.args[: languages.SAID_BY[node.func.id]]
                bad = [one for one in first if isinstance(one, ast.JoinedStr | ast.BinOp)]
                assert not bad, f"{path.name}:{node.lineno} glues its text together"


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_a_translation_is_whole_and_keeps_the_placeholders(path: Path) -> None:
    catalog = languages.read(path)
    assert {message.id for message in catalog if message.id} == {
        message.id for message in languages.template() if message.id
    }
    for message in catalog:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        forms = _forms(message.string)
        assert len(forms) == (catalog.num_plurals if message.pluralizable else 1)
        assert all(forms), f"not translated: {message.id}"
        for form in forms:
            assert _fields(form) == _fields(_forms(message.id)[-1]), message.id
            assert form.count("`") == _forms(message.id)[-1].count("`"), message.id


def test_the_fixed_words_of_the_core_are_those_that_it_says() -> None:
    assert set(texts_core.STEPS) == {*get_args(products.Step), *get_args(animate.Step)}
    assert set(texts_core.TIPS) == {tip for _, tip in live._TIPS.values()}


@pytest.mark.parametrize("path", sorted((ROOT / "studio" / "ui").rglob("*.py")), ids=lambda path: path.stem)
def test_no_component_shows_a_text_that_cannot_be_translated(path: Path) -> None:
    bare = [
        f"{path.name}:{shown.lineno} {shown.value!r}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for shown in _shown(node)
        if _words(shown) and shown.value not in AS_THEY_ARE
    ]
    assert not bare


def test_the_script_of_the_camera_has_no_words_of_its_own() -> None:
    code = (ROOT / "assets" / "live.js").read_text(encoding="utf-8")
    lines = [line.split("//")[0] for line in code.splitlines()]
    sentences = [line for line in lines if any(one in line for one in (". ", ".'", ".`")) and " the " in line]
    assert not sentences


def _shown(call: ast.Call) -> list[Any]:
    """The literals among the arguments of a call that a person would read."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    arguments = [one.value for one in call.keywords if one.arg in SHOWN_BY_NAME]
    if name in SHOWN_FIRST or name in ("message", "required", "head"):
        arguments += call.args
        arguments += [one.value for one in call.keywords if one.arg == "value"]
    if name in ("Dropdown", "Radio", "CheckboxGroup"):
        labelled = [one for one in ast.walk(call) if isinstance(one, ast.Tuple) and len(one.elts) == 2]
        arguments += [one.elts[0] for one in labelled]
    parts = [part for one in arguments for part in (one.values if isinstance(one, ast.JoinedStr) else [one])]
    return [one for one in parts if isinstance(one, ast.Constant)]


def _words(shown: Any) -> bool:
    """Whether there is something to translate in it."""
    return isinstance(shown.value, str) and any(letter.isalpha() for letter in shown.value)


def _forms(words: Any) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _fields(form: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(form) if field}


def test_the_checks_above_see_what_they_look_for() -> None:
    tree = ast.parse('gr.Button("Go", value=1)\ngr.Radio([("A", "a")], label=f"{x} clips")\nmessage(text("Done."))')
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert sorted(one.value for call in calls for one in _shown(call) if _words(one)) == [" clips", "A", "Go"]
    assert _fields("{a} and {b:.1f}") == {"a", "b"}
    assert isinstance(next(iter(languages.template())), Message)
