"""English number words as digits: "forty-two" -> "42", "three hundred and five" -> "305"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

_FILE = Path(__file__).parents[2] / "assets" / "lexicon" / "en" / "numbers.yaml"
_VALUES: dict[str, int] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))

DIGITS = {word: str(value) for word, value in _VALUES.items()}
"""One word's number in digits: "five" -> "5", "twenty" -> "20"."""


def _any(low: int, high: int) -> str:
    return "|".join(word for word, value in _VALUES.items() if low <= value <= high)


_BELOW_100 = rf"(?:(?:{_any(20, 90)})(?:[ -](?:{_any(1, 9)}))?|{_any(10, 19)}|{_any(1, 9)})"
_BELOW_1000 = rf"(?:{_BELOW_100}(?:[ -]hundred(?:(?: and)?[ -]{_BELOW_100})?)?)"
_NUMBER = re.compile(rf"{_BELOW_1000}(?:[ -]thousand(?:(?: and)?[ -]{_BELOW_1000})?)?(?= |$)")
LONGEST_NUMBER = 12
"""Words that one number may have."""


def number_at_start(words: Sequence[str]) -> tuple[int, str] | None:
    """(how many words, digits) of the number that lower-case words begin with; None for none, or one of one part."""
    found = _NUMBER.match(" ".join(words[:LONGEST_NUMBER]))
    parts = re.split("[ -]", found[0]) if found else []
    if found is None or len(parts) < 2:
        return None
    total = part = 0
    for word in parts:
        if word == "thousand":
            total, part = 1000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += _VALUES[word]
    return len(found[0].split(" ")), str(total + part)
