"""Signs that can be looked up: by gloss, by spoken word, by handshape. Where they come from makes no difference.

`index` opens a folder of poses as a `Lexicon`; `embedded` does so with the signs that are written as phonology.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pose_format import Pose

from models.errors import LexiconError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One variant of one sign."""

    gloss: str
    words: tuple[str, ...] = ()
    path: str = ""
    """Of the .pose, relative to the lexicon's folder; empty for a sign that is performed, not recorded."""
    spoken_language: str = "en"
    signed_language: str = "ase"
    start_ms: int = 0
    end_ms: int = 0
    """0 means to the last frame."""
    segment_ms: tuple[int, int] | None = None
    """Where in the .pose the sign itself is, without the way from and to rest; None: not known."""
    priority: int = 0
    handshapes: tuple[str, ...] = ()
    """Known of written signs only."""
    theme: str = ""
    source: str = ""
    note: str = ""
    lines: tuple[int, ...] = ()
    """Lines of index.csv this entry comes from; the header is line 1."""

    def segment_frames(self, fps: float) -> tuple[int, int] | None:
        """(start_frame, end_frame exclusive) of the sign itself in the pose that `Lexicon.load` returns."""
        if self.segment_ms is None:
            return None
        first = frame_at(self.start_ms, fps)
        start, end = (frame_at(time, fps) - first for time in self.segment_ms)
        return max(0, start), end


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Signs in the order of their source. Variants of a gloss come in the order of their priority."""

    name: str
    entries: tuple[Entry, ...]
    load: Callable[[Entry], Pose] = field(repr=False)
    """The pose of an entry, its own copy. Raises LexiconError or PoseError when it cannot be read."""
    problems: tuple[str, ...] = ()
    """What was skipped, where and why."""
    folder: Path | None = None

    @cached_property
    def glosses(self) -> tuple[str, ...]:
        """Every gloss once, in alphabetical order."""
        return tuple(sorted(self._by_gloss))

    @cached_property
    def handshapes(self) -> tuple[str, ...]:
        """Every handshape that is known to be used, in alphabetical order."""
        return tuple(sorted({shape for entry in self.entries for shape in entry.handshapes}, key=str.casefold))

    def find(self, gloss: str) -> tuple[Entry, ...]:
        """The variants of a gloss, the preferred one first; none when the gloss is not there."""
        return self._by_gloss.get(upper(gloss), ())

    def find_word(self, word: str) -> tuple[Entry, ...]:
        """The signs for a spoken word, the preferred one first."""
        return self._by_word.get(_plain(word), ())

    def by_handshape(self, handshape: str) -> tuple[Entry, ...]:
        """The signs that use a handshape, those that begin with it first. Upper and lower case are the same."""
        wanted = handshape.strip().casefold()
        using = [entry for entry in self.entries if wanted in map(str.casefold, entry.handshapes)]
        return tuple(sorted(using, key=lambda entry: entry.handshapes[0].casefold() != wanted))

    def search(self, text: str) -> tuple[Entry, ...]:
        """Signs whose gloss or words hold the text, the closest first; every sign for an empty text."""
        ranked, wanted = [], _plain(text)
        for order, entry in enumerate(self.entries):
            rank = _rank(wanted, _plain(entry.gloss), [_plain(word) for word in entry.words])
            if rank is not None:
                ranked.append((rank, entry.gloss, entry.priority, order))
        return tuple(self.entries[order] for *_, order in sorted(ranked))

    def only(self, *, signed_language: str | None = None, spoken_language: str | None = None) -> Lexicon:
        """The part of the lexicon in these languages."""
        kept = [
            entry
            for entry in self.entries
            if signed_language in (None, entry.signed_language) and spoken_language in (None, entry.spoken_language)
        ]
        return replace(self, entries=tuple(kept))

    @cached_property
    def _by_gloss(self) -> dict[str, tuple[Entry, ...]]:
        return _grouped((entry.gloss, entry) for entry in self.entries)

    @cached_property
    def _by_word(self) -> dict[str, tuple[Entry, ...]]:
        return _grouped((_plain(word), entry) for entry in self.entries for word in entry.words)


def find_first(lexicons: Sequence[Lexicon], gloss: str) -> tuple[Lexicon, Entry]:
    """The preferred variant of a gloss and the lexicon it is in: the first lexicon that has it wins.

    Raises LexiconError, naming the nearest glosses, when none has it.
    """
    for lexicon in lexicons:
        variants = lexicon.find(gloss)
        if variants:
            return lexicon, variants[0]
    raise unknown(lexicons, gloss)


def unknown(lexicons: Sequence[Lexicon], gloss: str) -> LexiconError:
    """The error for a gloss that no lexicon has, with the nearest ones."""
    close = nearest(lexicons, gloss)
    shown = upper(gloss)[:60]
    if close:
        return LexiconError(f"No sign for {shown}; nearest: {', '.join(close)}.")
    return LexiconError(f"No sign for {shown}, and none that is spelled like it; search by word, or fingerspell it.")


def nearest(lexicons: Sequence[Lexicon], gloss: str, count: int = 3) -> tuple[str, ...]:
    """Up to `count` glosses that are spelled like this one, or mean a word that is, the nearest first."""
    names: dict[str, list[str]] = defaultdict(list)
    for entry in (entry for lexicon in lexicons for entry in lexicon.entries):
        for name in (entry.gloss, *map(upper, entry.words)):
            names[name].append(entry.gloss)
    close = difflib.get_close_matches(upper(gloss)[:60], names, n=2 * count, cutoff=0.6)
    return tuple(dict.fromkeys(name for match in close for name in names[match]))[:count]


def upper(gloss: str) -> str:
    """A gloss as it is written here: upper case, composed characters, no space around it."""
    return unicodedata.normalize("NFC", gloss.strip().upper())


def frame_at(time_ms: float, fps: float) -> int:
    """The frame that begins nearest to a time. Other tools round times up, down or to the nearest: all are met."""
    return math.floor(time_ms * fps / 1000 + 0.5)


def _grouped(pairs: Iterable[tuple[str, Entry]]) -> dict[str, tuple[Entry, ...]]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for key, entry in pairs:
        groups[key].append(entry)
    return {key: tuple(sorted(group, key=lambda entry: entry.priority)) for key, group in groups.items()}


def _plain(text: str) -> str:
    """For comparing what people type: no case, THANK-YOU and "thank you" are the same."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("-", " ").replace("_", " ").split())


def _rank(text: str, gloss: str, words: list[str]) -> int | None:
    names = [gloss, *words]
    tests = (text == gloss, text in words, gloss.startswith(text), any(word.startswith(text) for word in words))
    for rank, passed in enumerate((*tests, any(text in name for name in names))):
        if passed:
            return rank
    return None
