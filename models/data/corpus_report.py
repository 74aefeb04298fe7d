"""What a continuous corpus holds, counted: for the terminal, and for corpus.json.

Running glosses are all that are signed, types the different ones, singletons those that are signed once. Unknown are
glosses of val and test that no training sentence has. A sentence is CTC-infeasible when its frames, divided by the
temporal stride of the model, are fewer than its glosses and the blanks between equal neighbours.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.data.corpora import Corpus, Sentence, is_infeasible
from models.data.gloss_cleaning import is_marker
from models.data.splits import SPLITS, Split


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of one number over many sentences."""

    min: float
    median: float
    max: float


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """What one split holds. Ids are those of sentences."""

    sentences: int
    signers: dict[str, int]
    """Sentences by signer; the empty name stands for unknown ones."""
    total_frames: int
    frames: Spread | None
    """Of the sentences whose frames are there; None when there are none."""
    glosses: Spread | None
    """Per sentence."""
    running_glosses: int
    gloss_types: int
    singletons: int
    """Types that are signed once in this split."""
    markers: int
    """Running __ON__, __OFF__ and such among the glosses."""
    unknown_types: tuple[str, ...]
    """Types that train does not have; none for train itself."""
    unknown_running: int
    unknown: tuple[str, ...]
    """Ids with at least one of these."""
    infeasible: tuple[str, ...]
    """Ids that CTC cannot learn from, at the stride of the report."""
    judged: int
    """Sentences whose frames could be counted, so that this could be told."""
    missing: tuple[str, ...]
    """Ids without any frame: no folder or video, an empty one, or a broken one."""
    uncounted: tuple[str, ...]
    """Ids of videos that do not say how many frames they have; not judged by CTC."""
    without_glosses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """What a corpus holds."""

    format: str
    files: tuple[str, ...]
    stride: int
    """Frames per step of the model that infeasible sentences were counted for."""
    splits: dict[Split, SplitReport]
    glosses: tuple[str, ...]
    """The vocabulary: types of train."""
    shared_signers: tuple[str, ...]
    """Signers of more than one split, in lower case: tables of one corpus write Signer05 and signer05."""
    notes: tuple[str, ...]
    problems: tuple[dict[str, str], ...]
    """kind, id, where, words."""

    def to_json(self) -> dict[str, Any]:
        """For corpus.json."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For the terminal."""
        told = [f"{self.format}: {', '.join(self.files)}"]
        for name, one in self.splits.items():
            told += [f"{name}: {one.sentences} sentences", *(f"  {line}" for line in _lines(one, self.stride, name))]
        if len(self.splits) > 1:
            told.append(f"signers in more than one split: {_some(self.shared_signers)}")
        kinds = Counter(one["kind"] for one in self.problems)
        if kinds:
            told.append("found wrong: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
        return told


def report_corpus(corpus: Corpus, stride: int = 1) -> CorpusReport:
    """Count what a corpus holds. stride: frames per step of the model."""
    known = {gloss for one in corpus.of("train") for gloss in one.glosses}
    splits = {split: _split(corpus.of(split), known, split, stride) for split in SPLITS if corpus.of(split)}
    signers = Counter(name for one in splits.values() for name in {name.casefold() for name in one.signers})
    return CorpusReport(
        format=corpus.format,
        files=tuple(path.name for path in corpus.files),
        stride=stride,
        splits=splits,
        glosses=tuple(sorted(known)),
        shared_signers=tuple(sorted(name for name, count in signers.items() if count > 1 and name)),
        notes=corpus.notes,
        problems=tuple(asdict(one) for one in corpus.problems),
    )


def _split(sentences: Sequence[Sentence], known: set[str], split: Split, stride: int) -> SplitReport:
    running = Counter(gloss for one in sentences for gloss in one.glosses)
    unknown = set() if split == "train" else set(running) - known
    counts = [one.num_frames for one in sentences if one.num_frames is not None]
    return SplitReport(
        sentences=len(sentences),
        signers=dict(sorted(Counter(one.signer for one in sentences).items())),
        total_frames=sum(counts),
        frames=_spread(counts),
        glosses=_spread([len(one.glosses) for one in sentences]),
        running_glosses=running.total(),
        gloss_types=len(running),
        singletons=sum(count == 1 for count in running.values()),
        markers=sum(count for gloss, count in running.items() if is_marker(gloss)),
        unknown_types=tuple(sorted(unknown)),
        unknown_running=sum(running[gloss] for gloss in unknown),
        unknown=tuple(one.id for one in sentences if unknown & set(one.glosses)),
        infeasible=tuple(one.id for one in sentences if is_infeasible(one, stride)),
        judged=len(counts),
        missing=tuple(one.id for one in sentences if one.frames is None),
        uncounted=tuple(one.id for one in sentences if one.frames is not None and one.num_frames is None),
        without_glosses=tuple(one.id for one in sentences if not one.glosses),
    )


def _spread(numbers: Sequence[int]) -> Spread | None:
    if not numbers:
        return None
    return Spread(min=min(numbers), median=statistics.median(numbers), max=max(numbers))


def _lines(one: SplitReport, stride: int, split: str) -> list[str]:
    named = [name for name in one.signers if name]
    nameless = one.signers.get("", 0)
    signers = f"signers: {len(named)}" + (f", and {nameless} sentences of unknown ones" if nameless else "")
    frames = "frames: none found"
    if one.frames is not None:
        middle = f"{one.frames.min:g} / {one.frames.median:g} / {one.frames.max:g}"
        frames = f"frames: {one.total_frames}; per sentence min / median / max {middle}"
    glosses = f"glosses: {one.running_glosses} running, {one.gloss_types} types, {one.singletons} singletons"
    glosses += f"; {one.markers} of the running ones are markers such as __ON__" if one.markers else ""
    told = [signers, frames, glosses]
    if split != "train":
        told.append(
            f"unknown to train: {len(one.unknown_types)} types, {one.unknown_running} running, "
            f"in {len(one.unknown)} sentences"
        )
    judged = "" if one.judged == one.sentences else f" of {one.judged} that could be judged"
    step = "1 frame" if stride == 1 else f"{stride} frames"
    told.append(f"CTC-infeasible at {step} per step: {_some(one.infeasible)}{judged}")
    told.append(f"without frames: {_some(one.missing)}")
    if one.uncounted:
        told.append(f"frames not counted, so not judged for CTC: {_some(one.uncounted)}")
    if one.without_glosses:
        told.append(f"without glosses: {_some(one.without_glosses)}")
    return told


def _some(ids: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(ids[:most])
    return f"{len(ids)}" + (f" ({shown}{', …' if len(ids) > most else ''})" if ids else "")
