"""What strangers write: gloss lines, English, names of signs and of files. A value or a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from synthetic_signer import signer

from models.errors import LexiconError, SignError
from models.files import safe_name, slug
from models.lexicon import glossline, text
from models.lexicon.glossline import Spelled, parse_gloss_line
from models.lexicon.recordings import add, checked_gloss
from studio import signs

AMONG = signs.lexicons()
KNOWN = signs.known(AMONG)
LONGEST_SENTENCE = 400
ANYTHING = st.text(max_size=300)
# What a gloss line, and an English sentence, are made of, in any order.
OF_LINES = re.split("_", "#_|_,_._?!_(_-_a_9_é_fs-_FS:_(800ms)_ _\n")
OF_SENTENCES = re.split(" ", "my name is not do don't Anna two hundred and 3.5 1,000 's ’ - – ? …")
LIKE_A_LINE = st.lists(st.sampled_from([*sorted(KNOWN)[:8], *OF_LINES]), max_size=60).map("".join)
LIKE_ENGLISH = st.lists(st.sampled_from(OF_SENTENCES), max_size=60).map(" ".join)
BAD_NAMES = ["../../x", "/etc/passwd", "CON", ".", "..", "A\0B", "\u202eGNP", "=1+1", "'", "a" * 300, "%2e%2e%2fx"]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(line=ANYTHING | LIKE_A_LINE, spell=st.booleans(), checked=st.booleans())
@example(line="(" + "9" * 5000 + "ms)", spell=False, checked=True)
@example(line="HOUSE|", spell=False, checked=True)
def test_a_gloss_line_is_read_as_what_it_is_written_back_as(line: str, spell: bool, checked: bool) -> None:
    known = KNOWN if checked else None
    try:
        read = parse_gloss_line(line, known, spell_unknown=spell)
    except LexiconError as error:
        assert len(str(error)) < LONGEST_SENTENCE
        return
    assert read.items
    assert parse_gloss_line(str(read), known).items == read.items


@settings(max_examples=200, deadline=None, derandomize=True)
@given(words=ANYTHING | LIKE_ENGLISH)
def test_a_draft_of_any_text_can_be_signed(words: str) -> None:
    try:
        drafted = signs.draft(words, AMONG)
    except LexiconError as error:
        assert len(str(error)) < LONGEST_SENTENCE
        return
    assert signs.read_line(str(drafted), AMONG) == drafted.items


LONG = ["." * 9000, "A" * 9000, "A-" * 4500 + "A", "|" * 9000, "9" * 9000, "ZZ " * 3000, "\u0130" * 9000, "(" * 9000]


@pytest.mark.parametrize("line", [*LONG, "HOUSE " * 10**6])
def test_what_is_too_long_is_refused_in_a_sentence(line: str) -> None:
    for read in (signs.read_line, signs.draft):
        with pytest.raises(LexiconError) as refused:
            read(line, AMONG)
        assert len(str(refused.value)) < LONGEST_SENTENCE
    assert not signs.found(line, AMONG)


def test_as_much_as_may_be_written_is_read() -> None:
    items = signs.read_line("HOUSE " * (glossline.MAX_ITEMS - 26) + "fs-ABCDEFGHIJKLMNOPQRSTUVWXYZ", AMONG)
    assert isinstance(items[-1], Spelled)
    with pytest.raises(LexiconError, match="401 signs, letters and pauses"):
        signs.read_line("HOUSE " * (glossline.MAX_ITEMS - 26) + "fs-ABCDEFGHIJKLMNOPQRSTUVWXYZA", AMONG)
    assert signs.draft("a house. " * (text.MAX_WORDS // 2), AMONG).items


@settings(max_examples=200, deadline=None, derandomize=True)
@given(name=ANYTHING | st.sampled_from(BAD_NAMES))
def test_the_name_of_a_sign_is_a_gloss_or_refused(name: str) -> None:
    try:
        gloss = checked_gloss(name)
    except SignError as error:
        assert len(str(error)) < LONGEST_SENTENCE
        return
    assert gloss == gloss.upper() and gloss.isprintable()
    assert parse_gloss_line(gloss, {gloss}).items == (glossline.Sign(gloss),)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(name=ANYTHING, words=st.lists(ANYTHING, max_size=3))
@example(name="MY-SIGN", words=["=cmd|'/c calc'!A1", "a\nb,c", '"', "\r"])
def test_a_sign_that_is_added_under_any_name_is_found_again(name: str, words: list[str], tmp_path_factory) -> None:
    folder: Path = tmp_path_factory.mktemp("signs")
    try:
        entry = add(folder / "lexicon", signer(), name, words=words)
    except SignError:
        assert not list(folder.rglob("*.pose"))
        return
    (lexicon,) = [one for one in signs.lexicons(folder / "lexicon") if one.folder == folder / "lexicon"]
    assert [one.gloss for one in lexicon.entries] == [entry.gloss]
    assert not lexicon.problems
    (kept,) = folder.rglob("*.pose")
    assert kept.resolve().is_relative_to((folder / "lexicon").resolve())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(name=ANYTHING | st.sampled_from(BAD_NAMES))
def test_the_name_of_a_file_is_one_name_in_one_line(name: str) -> None:
    assert safe_name(name).isprintable() and "/" not in safe_name(name)
    assert re.fullmatch("[A-Za-z0-9_-]{1,60}", slug(name))
