"""The gloss line: what is signed, as text that people read and edit before it is rendered.

    HELLO MY NAME fs-ANNA , YOU NAME WHAT .

Glosses are separated by spaces, fingerspelled words start with `fs-`, a comma is a short pause, a full stop a longer
one, `(800ms)` any other. Also read: `FS:ANNA`, `#ANNA`, `A-N-N-A`, and `HELLO|MY|NAME` (then glosses may hold spaces).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from models.errors import LexiconError

SHORT_PAUSE_MS, LONG_PAUSE_MS, MAX_PAUSE_MS = 250, 500, 10_000
MAX_ITEMS = 400
"""Signs, fingerspelled letters and pauses: about five minutes."""
MAX_CHARACTERS = 10_000
_PAUSES = {",": SHORT_PAUSE_MS, ";": SHORT_PAUSE_MS, ":": SHORT_PAUSE_MS, ".": LONG_PAUSE_MS,
           "?": LONG_PAUSE_MS, "!": LONG_PAUSE_MS}  # fmt: skip
_SPELLED = re.compile(r"(?:FS[-:]|#)([A-Z0-9]+)")
_SPELLABLE = re.compile(r"[A-Z0-9]+")
_LETTERS = re.compile(r"[A-Z0-9](?:-[A-Z0-9])+")
_TIMED = re.compile(r"\((\d+)MS\)")


class _UnknownGlossError(LexiconError):
    """A gloss that the lexicon does not have, and the nearest ones that it has."""

    def __init__(self, message: str, near: Sequence[str]) -> None:
        super().__init__(message)
        self.nearest = f"; nearest signs: {', '.join(near)}" if near else ""


@dataclass(frozen=True)
class Sign:
    """A sign of the lexicon, by its gloss."""

    gloss: str

    def __post_init__(self) -> None:
        if not self.gloss.strip() or self.gloss != self.gloss.upper() or "|" in self.gloss:
            raise LexiconError(f"{_short(self.gloss)!r} is no gloss; a gloss is written in capitals and without |.")


@dataclass(frozen=True)
class Spelled:
    """A word that is fingerspelled: A to Z and 0 to 9."""

    text: str

    def __post_init__(self) -> None:
        if not _SPELLABLE.fullmatch(self.text):
            raise LexiconError(f"{_short(self.text)!r} cannot be fingerspelled; use A to Z and 0 to 9.")


@dataclass(frozen=True)
class Pause:
    """A pause, in milliseconds."""

    ms: int

    def __post_init__(self) -> None:
        if not 0 < self.ms <= MAX_PAUSE_MS:
            raise LexiconError(f"A pause of {self.ms} ms cannot be made; choose 1 to {MAX_PAUSE_MS} ms.")


Item = Sign | Spelled | Pause


@dataclass(frozen=True)
class GlossLine:
    """What is signed, in order, and what the reader should know about how it came about."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return format_gloss_line(self.items)


def format_gloss_line(items: Sequence[Item]) -> str:
    """The items as one line that `parse_gloss_line` reads back as the same items."""
    words = [_format(item) for item in items]
    if any(" " in word for word in words):
        return " | ".join(words) + (" |" if len(words) == 1 else "")
    return " ".join(words)


def parse_gloss_line(line: str, known: Collection[str] | None = None, *, spell_unknown: bool = False) -> GlossLine:
    """Read a gloss line. `known` are the glosses of the lexicon; without them any gloss is accepted.

    Glosses may be typed in lower case. A number that is no gloss is fingerspelled, and with `spell_unknown` so is any
    other word of A to Z and 0 to 9, with a note that names the nearest glosses.
    Raises LexiconError for an empty line, too many items, and a gloss that is not known, with the nearest ones.
    """
    if len(line) > MAX_CHARACTERS:
        raise LexiconError(f"The gloss line has {len(line):,} characters; write at most {MAX_CHARACTERS:,} at a time.")
    tokens = _tokens(line, known)
    if not tokens:
        raise LexiconError("The gloss line is empty; write glosses such as HELLO MY NAME fs-ANNA.")
    if len(tokens) > MAX_ITEMS:
        raise LexiconError(f"The gloss line has {len(tokens)} items; write at most {MAX_ITEMS} at a time.")
    items, notes = [], []
    for position, token in enumerate(tokens, start=1):
        try:
            items.append(_item(token, position, known))
        except _UnknownGlossError as error:
            if not (spell_unknown and _SPELLABLE.fullmatch(token)):
                raise
            items.append(Spelled(token))
            notes.append(f"{token} has no sign here and is fingerspelled{error.nearest}.")
    signed = sum(len(item.text) if isinstance(item, Spelled) else 1 for item in items)
    if signed > MAX_ITEMS:
        raise LexiconError(
            f"The gloss line has {signed:,} signs, letters and pauses; write at most {MAX_ITEMS} at a time."
        )
    return GlossLine(tuple(items), tuple(notes))


def nearest_glosses(gloss: str, known: Collection[str], count: int = 3) -> list[str]:
    """The glosses most like a misspelt one, best first."""
    return difflib.get_close_matches(gloss.upper(), sorted(known), n=count, cutoff=0.5)


def _tokens(line: str, known: Collection[str] | None) -> list[str]:
    tokens: list[str] = []
    for part in line.upper().split("|"):
        phrase = " ".join(part.split())
        # Between bars a gloss may hold spaces, as some lexicons have it; others write hyphens there.
        whole = next((form for form in (phrase, phrase.replace(" ", "-")) if _is_known(form, known)), None)
        if whole is not None:
            tokens.append(whole)
        elif "|" in line and known is None and phrase and not _is_mark(phrase):
            tokens += _without_marks(phrase, known)
        else:
            for word in phrase.split():
                tokens += _without_marks(word, known)
    return tokens


def _without_marks(word: str, known: Collection[str] | None) -> list[str]:
    """A gloss, with the punctuation at its end as tokens of their own."""
    end = len(word)
    while end and word[end - 1] in _PAUSES and not _is_known(word[:end], known):
        end -= 1
    return [*filter(None, [word[:end]]), *word[end:]]


def _item(token: str, position: int, known: Collection[str] | None) -> Item:
    if _is_known(token, known):
        return Sign(token)
    if token in _PAUSES:
        return Pause(_PAUSES[token])
    if timed := _TIMED.fullmatch(token):
        return Pause(int(timed[1][:9]))  # too long already, and thousands of digits are no number to Python
    if spelled := _SPELLED.fullmatch(token):
        return Spelled(spelled[1])
    if _LETTERS.fullmatch(token):
        return Spelled(token.replace("-", ""))
    if token.startswith(("FS-", "FS:", "#")):
        raise LexiconError(
            f"Item {position}: {_short(token)!r} cannot be fingerspelled; use A to Z and 0 to 9 after the mark."
        )
    if known is None:
        return Sign(token)
    if token.isascii() and token.isdigit():
        return Spelled(token)
    near = nearest_glosses(token, known)
    advice = f"did you mean {' or '.join(near)}?" if near else "look it up in the list of glosses."
    spelling = f" To fingerspell it, write fs-{_short(token)}." if _SPELLABLE.fullmatch(token) else ""
    raise _UnknownGlossError(f"Item {position}: the lexicon has no sign {_short(token)}; {advice}{spelling}", near)


def _format(item: Item) -> str:
    if isinstance(item, Sign):
        return item.gloss
    if isinstance(item, Spelled):
        return f"fs-{item.text}"
    return {SHORT_PAUSE_MS: ",", LONG_PAUSE_MS: "."}.get(item.ms, f"({item.ms}ms)")


def _is_known(token: str, known: Collection[str] | None) -> bool:
    return known is not None and token in known


def _is_mark(token: str) -> bool:
    return token in _PAUSES or any(pattern.fullmatch(token) for pattern in (_TIMED, _SPELLED, _LETTERS))


def _short(token: str) -> str:
    return token if len(token) <= 40 else token[:39] + "…"
