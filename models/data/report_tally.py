"""Counting what became of the instances of a run, one at a time, for its report."""

from __future__ import annotations

import re
import statistics
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from typing import Any

from models.data.fates import FATES, Followed
from models.data.wlasl import SPLITS

COUNTS = ("asked", "found", "extracted", *FATES)
"""What is counted of each split and gloss; the last six add up to the first."""
HAND_BINS = 10
DURATION_BIN_MS, DURATION_BINS = 500, 20
"""The last of these bins has no end."""
_SHOWN = 12
"""Clips on either side of the limit that the page shows."""
_EXAMPLES = 3
"""Items named for each reason."""
_FILE = r"^\S+\.(?:mp4|m4v|mov|webm|mkv|avi|swf|flv|mpg|3gp|pose): "
_NUMBER = "\0"
_COUNTED = r"(?<![\w.…])\d+(?:[.,]\d+)*(?![\w…])"  # a number that stands alone, not that of MP4 or H.264


@dataclass(kw_only=True)
class _Example:
    """What the page shows of a clip near the limit."""

    item: str
    gloss: str
    split: str
    signer: str
    hands: float
    body: float
    why: str

    @classmethod
    def of(cls, one: Followed) -> _Example:
        return cls(
            item=one.instance.item,
            gloss=one.instance.gloss,
            split=one.instance.split,
            signer=one.instance.signer,
            hands=round(one.hands or 0.0, 4),
            body=round(one.body or 0.0, 4),
            why=one.why,
        )


@dataclass(kw_only=True)
class Tally:
    """Counts, and a few numbers per clip; never a clip."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By gloss and split."""
    asked_signers: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    kept_signers: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    words: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """By fate, or `notes`, and kind of reason: the items."""
    numbers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By the same: the numbers that all sentences of the kind have in common, … for the others."""
    extracted_ms: dict[str, array[float]] = field(default_factory=lambda: {split: array("d") for split in SPLITS})
    kept_ms: dict[str, array[float]] = field(default_factory=lambda: {split: array("d") for split in SPLITS})
    fps: Counter[float] = field(default_factory=Counter)
    hands: dict[str, list[int]] = field(
        default_factory=lambda: {name: [0] * HAND_BINS for name in ("kept", "excluded", "rejected", "others")}
    )
    near: dict[str, list[_Example]] = field(default_factory=lambda: {"kept": [], "rejected": []})
    lost: list[dict[str, str]] = field(default_factory=list)

    def add(self, one: Followed) -> None:
        """Count an instance."""
        instance, split = one.instance, one.instance.split
        counts = self.counts[instance.gloss, split]
        counts.update(["asked", one.fate, *(["found"] if one.found else []), *(["extracted"] if one.extracted else [])])
        if instance.signer:
            self.asked_signers[instance.gloss, split].add(instance.signer)
            if one.fate == "kept":
                self.kept_signers[instance.gloss, split].add(instance.signer)
        if one.fate != "kept":
            self.lost.append({"item": instance.item, "split": split, "fate": one.fate, "why": one.why})
        if one.why:
            self._say(one.fate, one.why, one)
        if one.extracted and one.extract is not None:
            for words in one.extract.info.get("notes") or ():
                self._say("notes", words, one)
        self._measure(one)

    def _say(self, topic: str, words: str, one: Followed) -> None:
        kind, numbers = kind_of(words, one.instance.item, one.instance.video_id)
        self.words[topic][kind].append(one.instance.item)
        before = self.numbers.get((topic, kind), numbers)
        self.numbers[topic, kind] = [a if a == b else "…" for a, b in zip(before, numbers, strict=True)]

    def _measure(self, one: Followed) -> None:
        split = one.instance.split
        if one.extracted_ms is not None:
            self.extracted_ms[split].append(one.extracted_ms)
        if one.fate == "kept" and one.kept_ms is not None:
            self.kept_ms[split].append(one.kept_ms)
        if one.extracted and one.extract is not None and one.extract.info.get("fps"):
            self.fps[round(float(one.extract.info["fps"]), 2)] += 1
        if one.hands is not None:
            at = min(int(one.hands * HAND_BINS + 1e-9), HAND_BINS - 1)
            self.hands[one.fate if one.fate in self.hands else "others"][at] += 1
        if one.extracted and one.fate in self.near:
            near = [*self.near[one.fate], _Example.of(one)]
            self.near[one.fate] = _nearest(one.fate, near) if len(near) >= 2 * _SHOWN else near

    def totals(self, glosses: Iterable[str]) -> dict[str, Any]:
        """Counts of all, of each split, and of each gloss."""
        names = list(dict.fromkeys([*glosses, *(gloss for gloss, _ in self.counts)]))
        every = [(gloss, split) for gloss in names for split in SPLITS]
        rows = [self._gloss(gloss) for gloss in names]
        return {
            "all": self._group(every),
            "splits": {split: self._group([(gloss, split) for gloss in names]) for split in SPLITS},
            "glosses": rows,
            "no_training": [row["gloss"] for row in rows if not row["splits"]["train"]["kept"]],
        }

    def _gloss(self, gloss: str) -> dict[str, Any]:
        splits = {
            split: {**self._counted(self.counts[gloss, split]), **self._signers([(gloss, split)])} for split in SPLITS
        }
        return {"gloss": gloss, "splits": splits, **self._signers([(gloss, split) for split in SPLITS])}

    def _group(self, keys: Sequence[tuple[str, str]]) -> dict[str, Any]:
        total: Counter[str] = Counter()
        for key in keys:
            total.update(self.counts[key])
        glosses = {name: {key[0] for key in keys if self.counts[key][name]} for name in ("asked", "kept")}
        return {
            **self._counted(total),
            **self._signers(keys),
            "glosses": len(glosses["asked"]),
            "kept_glosses": len(glosses["kept"]),
        }

    @staticmethod
    def _counted(counts: Counter[str]) -> dict[str, int]:
        return {name: counts[name] for name in COUNTS}

    def _signers(self, keys: Sequence[tuple[str, str]]) -> dict[str, int]:
        asked = set[str]().union(*(self.asked_signers[key] for key in keys))
        kept = set[str]().union(*(self.kept_signers[key] for key in keys))
        return {"signers": len(asked), "kept_signers": len(kept)}

    def reasons(self) -> dict[str, list[dict[str, Any]]]:
        """By fate, the kinds of reasons, the most frequent first; `notes` are of clips that were extracted."""
        return {
            topic: [
                {"why": self._told(topic, kind), "clips": len(items), "examples": sorted(items)[:_EXAMPLES]}
                for kind, items in sorted(self.words[topic].items(), key=lambda pair: (-len(pair[1]), pair[0]))
            ]
            for topic in ("rejected", "failed", "dead", "notes")
        }

    def _told(self, topic: str, kind: str) -> str:
        told, *after = kind.split(_NUMBER)
        return told + "".join(f"{number}{text}" for number, text in zip(self.numbers[topic, kind], after, strict=True))

    def durations(self) -> dict[str, Any]:
        """How long the poses are, before and after cleaning."""
        bins = [0] * DURATION_BINS
        for lengths in self.kept_ms.values():
            for length in lengths:
                bins[min(int(length / DURATION_BIN_MS), DURATION_BINS - 1)] += 1
        return {
            "bin_ms": DURATION_BIN_MS,
            "kept_bins": bins,
            "extracted": {split: _spread(self.extracted_ms[split]) for split in SPLITS},
            "kept": {split: _spread(self.kept_ms[split]) for split in SPLITS},
        }

    def examples(self) -> dict[str, list[dict[str, Any]]]:
        """The clips nearest to the limit, on either side."""
        return {fate: [{**vars(one), "thumb": ""} for one in _nearest(fate, near)] for fate, near in self.near.items()}


def kind_of(words: str, item: str, video_id: str) -> tuple[str, list[str]]:
    """The kind of a sentence, which many clips share, and its numbers, in whose place it has a mark.

    Names of files and clips are left out, and of addresses all but the host.
    """
    words = re.sub(_FILE, "", " ".join(words.split()))
    words = re.sub(r"(https?://[^\s/]+)/\S*?(?=[:;,.]?(?:\s|$))", r"\1/…", words)
    for name in filter(None, (item, video_id)):
        words = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", "…", words)
    return re.sub(_COUNTED, _NUMBER, words), re.findall(_COUNTED, words)


def _nearest(fate: str, near: list[_Example]) -> list[_Example]:
    """The kept that show least of the hands, or the rejected that show most."""
    if fate == "kept":
        return nsmallest(_SHOWN, near, key=lambda one: (one.hands, one.body, one.item))
    return nlargest(_SHOWN, near, key=lambda one: (one.hands, one.body, one.item))


def _spread(lengths: array[float]) -> dict[str, Any]:
    if not lengths:
        return {"clips": 0, "shortest_ms": None, "median_ms": None, "longest_ms": None, "total_ms": 0.0}
    return {
        "clips": len(lengths),
        "shortest_ms": round(min(lengths), 1),
        "median_ms": round(statistics.median(lengths), 1),
        "longest_ms": round(max(lengths), 1),
        "total_ms": round(sum(lengths), 1),
    }
