"""Glosses as a corpus writes them, made simpler: only where that is asked for, for it changes what is counted.

The two ways of RWTH-PHOENIX-Weather follow what the scripts say that its scores are computed with (of 2014, and of
2014 T), gloss by gloss where those rewrite a line of text. Where a script would also match in the middle of a gloss,
only its beginning or end counts here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Literal

from models.errors import SignError

Clean = Literal["none", "phoenix-2014", "phoenix-2014-t"]
CLEAN: tuple[Clean, ...] = ("none", "phoenix-2014", "phoenix-2014-t")

_MARKER = re.compile(r"__[^_\s]+__")
_LETTERS = re.compile(r"(?:[A-Z]|SCH|NN)(?:\+(?:[A-Z]|SCH|NN))*")
_WORD = re.compile(r"[A-Z]+")
_PREFIXES = {"phoenix-2014": r"(?:(?:loc|cl|qu|poss|lh)-)+", "phoenix-2014-t": r"(?:(?:loc|cl)-)+"}
_DROPPED_2014 = {"__EMOTION__", "__PU__", "__LEFTHAND__", "__EPENTHESIS__"}


def is_marker(gloss: str) -> bool:
    """Whether this is a note about the signing, such as __ON__ or __EMOTION__, and no sign."""
    return _MARKER.fullmatch(gloss) is not None


def cleaned(glosses: Iterable[str], way: Clean) -> tuple[str, ...]:
    """The glosses as the scripts of a corpus compare them; `none` leaves them alone.

    phoenix-2014: without loc-, cl-, qu-, poss- and lh- before a gloss, and without __EMOTION__, __PU__, __LEFTHAND__
    and __EPENTHESIS__; S0NNE is SONNE, HABEN2 is HABEN, ZEIGEN is ZEIGEN-BILDSCHIRM.
    phoenix-2014-t: without loc- and cl-, and without any marker.
    Both: without -PLUSPLUS and -RAUM at the end (NORDRAUM is NORD), WIE AUSSEHEN is one gloss, spelled letters are one
    (A S is A+S), and a gloss of letters only that is repeated at once counts once.
    """
    if way not in CLEAN:
        raise SignError(f"There is no cleaning {way!r}; choose {', '.join(CLEAN)}.")
    if way == "none":
        return tuple(glosses)
    kept = [one for one in glosses if not (one in _DROPPED_2014 or (way == "phoenix-2014-t" and is_marker(one)))]
    simple = [_simple(one, way) for one in kept]
    return tuple(_without_repeats(_spelled(_joined([one for one in simple if one]))))


def _simple(gloss: str, way: Clean) -> str:
    gloss = re.sub(f"^{_PREFIXES[way]}", "", gloss)
    if way == "phoenix-2014":
        gloss = gloss.replace("S0NNE", "SONNE").replace("HABEN2", "HABEN")
        gloss = "ZEIGEN-BILDSCHIRM" if gloss == "ZEIGEN" else gloss
    gloss = gloss.removesuffix("-PLUSPLUS")
    return re.sub(r"(?<=[A-Z][A-Z])RAUM$" if way == "phoenix-2014" else r"(?<=[A-Z])RAUM$", "", gloss)


def _joined(glosses: list[str]) -> list[str]:
    made: list[str] = []
    for gloss in glosses:
        if gloss == "AUSSEHEN" and made and made[-1] == "WIE":
            made[-1] = "WIE-AUSSEHEN"
        else:
            made.append(gloss)
    return made


def _spelled(glosses: list[str]) -> list[str]:
    made: list[str] = []
    for spelled, run in itertools.groupby(glosses, key=lambda gloss: _LETTERS.fullmatch(gloss) is not None):
        found = list(run)
        made += ["+".join(found)] if spelled else found
    return made


def _without_repeats(glosses: list[str]) -> list[str]:
    pairs = zip([None, *glosses], glosses, strict=False)
    return [gloss for before, gloss in pairs if gloss != before or not _WORD.fullmatch(gloss)]
