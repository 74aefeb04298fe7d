"""English text to a gloss line, and the gloss line that users edit."""

from __future__ import annotations

import pytest

from models.errors import LexiconError
from models.lexicon.glossline import (
    GlossLine,
    Pause,
    Sign,
    Spelled,
    format_gloss_line,
    nearest_glosses,
    parse_gloss_line,
)
from models.lexicon.text import ascii_letters, to_glosses, word_table

SIGNS = {
    "ME": ["i", "me"],
    "YOU": ["you"],
    "HE": ["he", "she", "it", "him", "her"],
    "HIS": ["his", "her", "its"],
    "MY": ["my", "mine"],
    "YOUR": ["your"],
    "NAME": ["name"],
    "WHAT": ["what"],
    "WHERE": ["where"],
    "HOW": ["how"],
    "HOW-MANY": ["how many"],
    "HELLO": ["hello", "hi"],
    "THANK-YOU": ["thanks", "thank you"],
    "ICE-CREAM": ["ice cream"],
    "LIKE": ["like"],
    "WANT": ["want"],
    "GO": ["go"],
    "HAVE": ["have"],
    "HELP": ["help"],
    "CAN": ["can"],
    "NOT": ["not"],
    "COFFEE": ["coffee"],
    "CHILD": ["child"],
    "BOOK": ["book"],
    "CAR": ["car"],
    "MOUSE": ["mouse"],
    "SCHOOL": ["school"],
    "MOTHER": ["mother"],
    "DEAF": ["deaf"],
    "TOMORROW": ["tomorrow"],
    "FINE": ["fine"],
    "WELL": ["well", "fine"],
    "I": ["i"],
    "A": ["a"],
    "3": ["three"],
    "5": [],
}
KNOWN = word_table(SIGNS.items())


def draft(text: str) -> str:
    return str(to_glosses(text, KNOWN))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Hello, my name is Anna.", "HELLO , MY NAME fs-ANNA"),
        ("What is your name?", "YOUR NAME WHAT"),
        ("What's your name?", "YOUR NAME WHAT"),
        ("Where are you going?", "YOU GO WHERE"),
        ("How many children do you have?", "CHILD YOU HAVE HOW-MANY"),
        ("Do you like coffee?", "YOU LIKE COFFEE"),
        ("I don't like coffee.", "ME LIKE COFFEE NOT"),
        ("I don’t like coffee.", "ME LIKE COFFEE NOT"),
        ("My mother isn't deaf.", "MY MOTHER DEAF NOT"),
        ("I am going to school tomorrow.", "TOMORROW ME GO SCHOOL"),
        ("I want to go to the school", "ME WANT GO SCHOOL"),
        ("Thank you! I like the ice cream.", "THANK-YOU . ME LIKE ICE-CREAM"),
        ("the ice-cream", "ICE-CREAM"),
        ("I went to school", "ME GO SCHOOL"),
        ("don't do it", "fs-DO HE NOT"),
        ("mice", "MOUSE"),
        ("her book", "HIS BOOK"),
        ("I like her.", "ME LIKE HE"),
        ("HELLO MY NAME IS ANNA", "HELLO MY NAME fs-ANNA"),
        ("hello my name is anna", "HELLO MY NAME fs-ANNA"),
    ],
)
def test_short_sentences_become_glosses_in_signing_order(text: str, line: str) -> None:
    assert draft(text) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("I have three books", "ME HAVE 3 BOOK"),
        ("five", "5"),
        ("seven", "fs-7"),
        ("42", "fs-42"),
        ("5", "5"),
        ("forty-two", "fs-42"),
        ("twenty one", "fs-21"),
        ("three hundred and five books", "fs-305 BOOK"),
        ("two thousand", "fs-2000"),
        ("1,250", "fs-1250"),
        ("5th", "fs-5TH"),
        ("one two three", "fs-1 fs-2 3"),
    ],
)
def test_numbers_are_signed_or_spelled_in_digits(text: str, line: str) -> None:
    assert draft(text) == line


def test_a_name_is_spelled_even_when_it_is_a_word() -> None:
    assert draft("My name is Book.") == "MY NAME fs-BOOK"
    assert draft("my name is not Book") == "MY NAME BOOK NOT"


def test_the_possessive_of_a_name_is_the_name() -> None:
    assert draft("I like Anna's car") == "ME LIKE fs-ANNA CAR"


def test_words_without_a_sign_are_spelled_and_said_so_but_names_need_no_note() -> None:
    line = to_glosses("I like umbrellas and Anna", KNOWN)
    assert str(line) == "ME LIKE fs-UMBRELLAS fs-ANNA"
    assert any("'umbrellas'" in note for note in line.notes) and not any("Anna" in note for note in line.notes)
    assert any("'and'" in note and "left out" in note for note in line.notes)


def test_accents_are_folded_and_what_is_no_letter_is_skipped_with_a_note() -> None:
    line = to_glosses("I like José, Weiß 🎉 and 日本", KNOWN)
    assert Spelled("JOSE") in line.items and Spelled("WEISS") in line.items
    skipped = [note for note in line.notes if note.startswith("Skipped")]
    assert len(skipped) == 1 and "🎉" in skipped[0] and "日本" in skipped[0]
    assert (ascii_letters("Zoë"), ascii_letters("Łódź"), ascii_letters("Ænes"), ascii_letters("日")) == (
        "ZOE",
        "LODZ",
        "AENES",
        "",
    )


def test_several_signs_for_a_word_take_the_first_and_name_the_others() -> None:
    line = to_glosses("I am fine", KNOWN)
    assert str(line) == "ME FINE"
    assert any("FINE" in note and "WELL" in note for note in line.notes)


def test_the_pronoun_is_not_the_letter() -> None:
    assert KNOWN["i"] == ("ME",) and "a" not in KNOWN
    assert KNOWN["thank you"] == ("THANK-YOU",)


def test_a_yes_no_question_notes_what_the_hands_do_not_show() -> None:
    assert any("brows" in note for note in to_glosses("Can you help me?", KNOWN).notes)
    assert not any("brows" in note for note in to_glosses("Where is my book?", KNOWN).notes)


def test_punctuation_becomes_pauses_and_none_ends_the_line() -> None:
    items = to_glosses("Hello, you. Go!!! Well...", KNOWN).items
    assert items == (Sign("HELLO"), Pause(250), Sign("YOU"), Pause(500), Sign("GO"), Pause(500), Sign("WELL"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no text"),
        (" \n\t ", "no text"),
        ("hello " * 201, "201 words; at most 200"),
        ("hello " * 10_000, "60,000 characters; at most 5,000"),
        ("🎉🎉", "no word"),
        ("日本語です", "no word"),
        ("Привет", "no word"),
        ("...!?", "no word"),
        ("x" * 5000, "no word"),
    ],
)
def test_text_that_cannot_be_signed_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        to_glosses(text, KNOWN)


def test_a_draft_can_always_be_read_back() -> None:
    text = (
        "Hello, I'm José; my name is Anna-Maria O'Neil. What time is 5:30, 3.5 or 1,000? Don't go to the ice-cream car!"
    )
    line = to_glosses(text, KNOWN)
    glosses = set(SIGNS)
    assert parse_gloss_line(str(line), glosses).items == line.items


def test_a_gloss_line_and_its_items_are_the_same_thing() -> None:
    line = "HELLO MY NAME fs-ANNA , YOU . (800ms) THANK-YOU"
    items = parse_gloss_line(line).items
    assert items == (
        Sign("HELLO"), Sign("MY"), Sign("NAME"), Spelled("ANNA"), Pause(250), Sign("YOU"), Pause(500), Pause(800),
        Sign("THANK-YOU"),
    )  # fmt: skip
    assert format_gloss_line(items) == line == str(GlossLine(items))


def test_glosses_with_spaces_are_written_between_bars() -> None:
    items = (Sign("GOOD MORNING"), Spelled("ANNA"), Pause(250), Sign("YOU"))
    assert format_gloss_line(items) == "GOOD MORNING | fs-ANNA | , | YOU"
    for known in (None, {"GOOD MORNING", "YOU"}):
        assert parse_gloss_line(format_gloss_line(items), known).items == items


@pytest.mark.parametrize(
    "line",
    ["HELLO MY NAME A-N-N-A", "hello my name fs-anna", "HELLO MY NAME FS:ANNA", "HELLO MY NAME #ANNA",
     "HELLO|MY|NAME|fs-ANNA", " HELLO | MY |NAME| A-N-N-A ", "HELLO MY|NAME #Anna"],
)  # fmt: skip
def test_common_notations_are_read(line: str) -> None:
    items = parse_gloss_line(line, {"HELLO", "MY", "NAME"}).items
    assert items == (Sign("HELLO"), Sign("MY"), Sign("NAME"), Spelled("ANNA"))


def test_what_the_lexicon_knows_comes_before_any_notation() -> None:
    assert parse_gloss_line("A-B 3 42 MR.", {"A-B", "3", "MR."}).items == (
        Sign("A-B"), Sign("3"), Spelled("42"), Sign("MR."),
    )  # fmt: skip
    assert parse_gloss_line("THANK YOU|YOU", {"THANK-YOU", "YOU"}).items == (Sign("THANK-YOU"), Sign("YOU"))


def test_an_unknown_gloss_names_its_place_and_the_nearest() -> None:
    with pytest.raises(LexiconError, match=r"Item 2: .*HELO.*did you mean HELLO.*fs-HELO"):
        parse_gloss_line("MY HELO", set(SIGNS))
    with pytest.raises(LexiconError, match="list of glosses"):
        parse_gloss_line("QQQQQQ", set(SIGNS))
    assert nearest_glosses("moter", SIGNS)[0] == "MOTHER"


@pytest.mark.parametrize(
    "line",
    ["", "   ", "|", "fs-", "fs-日本", "#é", "HELLO " * 500, "(99999ms)", "(0ms)",
     pytest.param(f"({'9' * 5000}ms)", id="thousands of digits")],
)  # fmt: skip
def test_a_line_that_cannot_be_signed_is_refused_in_words(line: str) -> None:
    with pytest.raises(LexiconError) as error:
        parse_gloss_line(line, set(SIGNS))
    assert len(str(error.value)) < 300
