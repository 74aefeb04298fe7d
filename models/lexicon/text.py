"""Short English sentences as a line of glosses in an order that ASL uses. A draft to be edited, not a translation.

What it does, in this order: writes contractions out; joins phrases the lexicon has ("thank you"); drops articles, forms
of "be", helping verbs and the "to" of infinitives; finds the sign by the word, then its lemma (`simplemma`), then a
word of like meaning; puts words of time first, negations and then question words last; fingerspells names, and
every word without a sign; makes pauses of punctuation.

What it does not do: tense (FINISH, WILL), agreement of verbs, classifiers, topics with raised brows, the use of space,
and the choice between senses of a word: the first sign is taken and the others are named in a note. Relative
clauses and long sentences keep their English order.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from models.errors import LexiconError
from models.lexicon.english_numbers import DIGITS, LONGEST_NUMBER, number_at_start
from models.lexicon.glossline import LONG_PAUSE_MS, SHORT_PAUSE_MS, GlossLine, Item, Pause, Sign, Spelled

MAX_WORDS = 200
MAX_CHARACTERS = 5000
LONGEST_PHRASE = 4
LONGEST_SPELLED = 30
_RULES = Path(__file__).parents[2] / "assets" / "lexicon" / "en"
_TOKEN = re.compile(
    r"\d+(?:st|nd|rd|th)\b|\d[\d,]*(?:\.\d+)?|[^\W\d_]+(?:['’\-][^\W\d_]+)*['’]?|\d+|[.!?…\n]+|[,;:]|\s[–—-]+\s|\S"
)
_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
_SENTENCE_ENDS, _BREAKS, _SILENT = ".!?…\n", ",;:–—-", "\"'()[]{}«»“”„‘’`*_~"

Candidates = Mapping[str, str | Sequence[str]]
"""Lower-case word or phrase -> its gloss, or its glosses with the preferred one first."""


@dataclass(frozen=True)
class _Word:
    """A word of the text: as written, and in the form it is looked up."""

    written: str
    form: str
    capital: bool = False  # written with a capital where the sentence did not ask for one
    named: bool = False  # follows "my name is"


@dataclass
class _Draft:
    """What the rules collect: notes once each, whatever was skipped."""

    notes: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)

    def note(self, text: str) -> None:
        self.notes[text] = None


def word_table(signs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """word -> glosses in the order given, from (gloss, words) pairs such as a lexicon's rows.

    Every gloss is also found by its own name. Letters and digits are found by nothing else: "I" and "a" are words.
    """
    table: dict[str, list[str]] = {}
    for gloss, words in signs:
        own = gloss.lower().replace("-", " ").replace("_", " ")
        for word in dict.fromkeys((*(" ".join(word.lower().split()) for word in words), own)):
            if len(gloss) == 1 and gloss.isalpha() and len(word) == 1:
                continue
            glosses = table.setdefault(word, [])
            if gloss not in glosses:
                glosses.append(gloss)
    return {word: tuple(glosses) for word, glosses in table.items()}


def to_glosses(text: str, known: Candidates, *, max_words: int = MAX_WORDS) -> GlossLine:
    """A draft of the gloss line for an English text, with notes on what was spelled, chosen or skipped.

    Raises LexiconError for an empty text, one of more than `max_words` words or MAX_CHARACTERS, and one without a word
    that can be signed (emoji, another script).
    """
    if not text.strip():
        raise LexiconError("There is no text; write a short English sentence such as: Hello, my name is Anna.")
    if len(text) > MAX_CHARACTERS:
        raise LexiconError(
            f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} can be signed at a time. Shorten it."
        )
    if (count := len(text.split())) > max_words:
        raise LexiconError(f"The text has {count:,} words; at most {max_words} can be signed at a time. Shorten it.")
    sentences = _sentences(unicodedata.normalize("NFKC", text))
    draft = _Draft()
    items: list[Item] = []
    for words, mark in sentences:
        signed = _clause(words, mark, known, draft)
        items += signed
        if signed:
            items.append(Pause(LONG_PAUSE_MS if mark[0] in _SENTENCE_ENDS else SHORT_PAUSE_MS))
    if draft.skipped:
        shown = ", ".join(list(draft.skipped)[:5]) + (" …" if len(draft.skipped) > 5 else "")
        draft.note(
            f"Skipped: {shown}. Words of A to Z and 0 to 9 can be fingerspelled, up to {LONGEST_SPELLED} of them."
        )
    if not items:
        raise LexiconError(
            "The text has no word that can be signed or fingerspelled (only the Latin alphabet and digits can); "
            "write it in English."
        )
    # After the last sign comes rest anyway.
    return GlossLine(tuple(items[:-1]), tuple(draft.notes))


def ascii_letters(word: str) -> str:
    """A to Z and 0 to 9 of a word in capitals, accents taken off: "Zoë" -> "ZOE", "Weiß" -> "WEISS"."""
    spelled = "".join(_LETTERS.get(char, char) for char in word.lower())
    plain = unicodedata.normalize("NFKD", spelled).upper()
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def _sentences(text: str) -> list[tuple[list[_Word], str]]:
    """Clauses as (words, the mark that ends them)."""
    shouted = text.upper() == text
    clauses: list[tuple[list[_Word], str]] = []
    words: list[_Word] = []
    first = True  # of the sentence: written with a capital whatever it is
    for token in _TOKEN.findall(text):
        mark = token.strip() or "\n"
        if mark[0] in _SENTENCE_ENDS or mark in _BREAKS or set(mark) <= set("–—-"):
            clauses.append((words, "?" if "?" in mark else mark))
            words, first = [], mark[0] in _SENTENCE_ENDS
        elif token not in _SILENT:
            words += _words(token, capital=token[:1].isupper() and not first and not shouted)
            first = False
    clauses.append((words, "\n"))
    return [(_with_names(words), mark) for words, mark in clauses if words]


def _words(token: str, *, capital: bool) -> list[_Word]:
    plain = token.replace("’", "'").lower()
    written_out = _rules("contractions").get(plain)
    if written_out is not None:
        return [_Word(part, part) for part in written_out.split()]
    if plain.endswith(("'s", "'")):
        token, plain = token[: plain.rindex("'")], plain[: plain.rindex("'")]
    return [_Word(token, plain, capital=capital and plain != "i")]


def _with_names(words: Sequence[_Word]) -> list[_Word]:
    """Mark the word after "name is" and the like as a name."""
    cues = [tuple(cue.split()) for cue in _rules("words")["before_a_name"]]
    forms = [word.form for word in words]
    named = {
        index + len(cue)
        for cue in cues
        for index in range(len(words))
        if tuple(forms[index : index + len(cue)]) == cue and forms[0] not in _rules("words")["questions"]
    }
    after_not = {index for index in named if index < len(forms) and forms[index] in _rules("words")["negations"]}
    return [
        _Word(word.written, word.form, capital=word.capital, named=index in named - after_not)
        for index, word in enumerate(words)
    ]


def _clause(words: Sequence[_Word], mark: str, known: Candidates, draft: _Draft) -> list[Item]:
    """One clause as items, in order: time, the rest, negations, question words."""
    rules = _rules("words")
    asks = mark == "?" or (bool(words) and words[0].form in rules["questions"])
    groups: dict[str, list[Item]] = {"time": [], "rest": [], "negation": [], "question": []}
    index = 0
    while index < len(words):
        length, form = _phrase(words, index, known)
        phrase = words[index : index + length]
        after = words[index + length].form if index + length < len(words) else None
        # "Do not do it": the second "do" is what is done.
        helps = form in rules["helping"] and after and (index == 0 or words[index - 1].form not in rules["negations"])
        index += length
        if after and after not in rules["dropped"] and after not in rules["optional"]:
            form = rules["before_a_noun"].get(form, form)
        if length == 1 and (form in rules["dropped"] or helps) and not phrase[0].named:
            continue
        group = "rest"
        if form in rules["time"] or form in rules["time_phrases"]:
            group = "time"
        elif form in rules["negations"]:
            group = "negation"
        elif asks and (form in rules["questions"] or form in rules["question_phrases"]):
            group = "question"
        groups[group] += _items(phrase, form, known, draft)
    if asks and not groups["question"]:
        draft.note("A yes/no question is asked with raised brows, which the signs alone do not show.")
    return [item for group in groups.values() for item in group]


def _phrase(words: Sequence[_Word], index: int, known: Candidates) -> tuple[int, str]:
    """(number of words, form) of the longest phrase from here that the lexicon or the rules know; else of one word."""
    rules = _rules("words")
    number = number_at_start([word.form for word in words[index : index + LONGEST_NUMBER]])
    if number is not None:
        return number
    for length in range(min(LONGEST_PHRASE, len(words) - index), 1, -1):
        part = words[index : index + length]
        form = " ".join(word.form for word in part)
        if any(word.named for word in part):
            continue
        if form in known or form in rules["time_phrases"] or form in rules["question_phrases"]:
            return length, form
    return 1, words[index].form


def _items(phrase: Sequence[_Word], form: str, known: Candidates, draft: _Draft) -> list[Item]:
    """The sign of a phrase, or the items of its words, or its spelling."""
    written = " ".join(word.written for word in phrase)
    name = phrase[0].named
    glosses = () if name else _lookup(form, known, capital=phrase[0].capital)
    if glosses:
        if len(glosses) > 1:
            draft.note(f"{written!r} has {len(glosses)} signs; {glosses[0]} was taken, not {', '.join(glosses[1:])}.")
        return [Sign(glosses[0])]
    if not name and form in _rules("words")["optional"]:
        draft.note(f"{written!r} has no sign in this lexicon and is left out.")
        return []
    if len(phrase) > 1 and not form.isdigit():
        return [item for word in phrase for item in _items([word], word.form, known, draft)]
    if not name and len(parts := re.split(r"[-.]", form.replace(",", ""))) > 1:
        return [item for part in parts for item in _items([_Word(part, part)], part, known, draft)]
    return _spelled(form if form.isdigit() else written, name or phrase[0].capital, known, draft)


def _spelled(word: str, name: bool, known: Candidates, draft: _Draft) -> list[Item]:
    digit = DIGITS.get(word.lower())
    letters = ascii_letters(digit or word)
    if digit and letters in known:
        return [Sign(_glosses(known[letters])[0])]
    unreadable = [char for char in unicodedata.normalize("NFKD", word) if char.isalnum() and not ascii_letters(char)]
    if not letters or unreadable or len(letters) > LONGEST_SPELLED:
        draft.skipped[word if len(word) <= 20 else word[:19] + "…"] = None
        return []
    if not name and not letters.isdigit():
        draft.note(f"{word!r} has no sign in this lexicon and is fingerspelled.")
    return [Spelled(letters)]


def _lookup(form: str, known: Candidates, *, capital: bool) -> tuple[str, ...]:
    """Glosses of a word: as it is, by its lemma, by a word of like meaning. A name is only looked up as it is."""
    instead: Mapping[str, str] = _rules("words")["instead"]
    tried = [form] if capital or " " in form else [form, form.replace("-", " "), _lemma(form)]
    tried += [instead[word] for word in tried if word in instead]
    for word in tried:
        if word in known:
            return _glosses(known[word])
    return ()


def _glosses(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _lemma(word: str) -> str:
    import simplemma  # late: it loads its word list, about a quarter of a second

    return str(simplemma.lemmatize(word, lang="en")).lower()


@functools.cache
def _rules(name: str) -> dict:
    return dict(yaml.safe_load((_RULES / f"{name}.yaml").read_text(encoding="utf-8")))
