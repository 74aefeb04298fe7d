"""Fingerspelling: a word as a sequence of letter entries, held long enough to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from models.errors import LexiconError
from models.lexicon.phonology import Cycle, Move, SignEntry, Step

LETTER_HOLD_S = 0.20  # Deaf viewers ask for more than the 0.12 s of a fluent speller
DOUBLE_SLIDE_M = 0.045
LETTER_DRIFT_M = 0.004  # the spelling hand drifts outwards a little with every letter


def spell(word: str, letters: Mapping[str, SignEntry], *, hold_s: float = LETTER_HOLD_S) -> list[SignEntry]:
    """The letters and digits of a word as entries, in order.

    A double letter slides outwards instead of being made twice. Raises LexiconError for a character
    that the alphabet does not have.
    """
    if not 0.05 <= hold_s <= 2:
        raise LexiconError(f"A letter is held for {hold_s} s; give 0.05 to 2 seconds.")
    entries: list[SignEntry] = []
    characters = word.upper()
    for index, character in enumerate(characters):
        entry = letters.get(character)
        if entry is None:
            raise LexiconError(f"{character!r} in {word!r} cannot be fingerspelled here; use A to Z and 0 to 9.")
        drift = LETTER_DRIFT_M * index
        entry = _shifted(replace(entry, hold_s=hold_s), drift)
        if index and characters[index - 1] == character:
            entry = _slid(entry)
        entries.append(entry)
    return entries


def _shifted(entry: SignEntry, outwards_m: float) -> SignEntry:
    inwards, up, forward = entry.strong.spot.offset_m
    spot = replace(entry.strong.spot, offset_m=(inwards - outwards_m, up, forward))
    return replace(entry, strong=replace(entry.strong, spot=spot))


def _slid(entry: SignEntry) -> SignEntry:
    """The second of two equal letters: a short slide outwards, or a bounce for letters that move already."""
    if entry.steps:
        bounce = Move(cycles=(Cycle(kind="tap", times=1, size=0.02, first=(0.0, 0.0, 1.0)),), time_s=0.2)
        return replace(entry, steps=(Step(strong=bounce), *entry.steps))
    slide = Move(line_m=(-DOUBLE_SLIDE_M, 0.0, 0.0), time_s=0.22)
    return replace(entry, steps=(Step(strong=slide),))
