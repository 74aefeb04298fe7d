"""How well signs are recognized, measured: single signs, sentences, unknown signs, idleness, speed.

A share, a rate or an area is 0..1. What was not measured is None, never 0. Shapes: N clips, G glosses.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from jiwer import WordOutput

UNKNOWN = "unknown"
"""What a clip is called that was taken for no known sign."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Kind = Literal["right", "substitution", "deletion", "insertion"]


class Step(NamedTuple):
    """A place in the comparison of what was signed with what was recognized."""

    kind: Kind
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """How recognized sentences differ from the signed ones, in glosses over all sentences."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def reference_length(self) -> int:
        """Glosses that were signed."""
        return self.hits + self.substitutions + self.deletions

    @property
    def wer(self) -> float | None:
        """The word error rate, which insertions can lift above 1; None when nothing was signed."""
        errors = self.substitutions + self.deletions + self.insertions
        return errors / self.reference_length if self.reference_length else None


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A gloss that was taken for another."""

    reference: str
    predicted: str
    """`UNKNOWN` where no known sign was found."""
    count: int
    right: int
    """Clips of the reference that were recognized."""
    clips: int
    """All clips of the reference."""


@dataclass(frozen=True, kw_only=True)
class Isolated:
    """How well clips of one sign each are recognized."""

    num_clips: int
    num_glosses: int
    """Glosses that the recognizer chose from."""
    top1: float
    top5: float
    per_signer: Mapping[str, float] = field(default_factory=dict)
    """Top-1 of each signer."""
    confusions: tuple[Confusion, ...] = ()
    """The most frequent ones, most frequent first."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score tells what should be accepted from what should not."""

    num_positive: int
    """Clips or rows that should be accepted: known signs, or signing."""
    num_negative: int
    """That should not: unknown signs, or idleness."""
    auroc: float
    """The chance that one of the first scores higher than one of the second; a tie counts half."""
    fpr_at_95_tpr: float
    """Share of the second accepted where 95 % of the first are."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long a call takes, milliseconds."""

    calls: int
    p50_ms: float
    p95_ms: float


def word_errors(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> WordErrors:
    """The word errors of sentences, each a list of glosses; a gloss is one word whatever is written in it.

    Sentences may be empty. Raises ValueError when there are not as many hypotheses as references.
    Source: jiwer, which aligns each pair with the fewest errors.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    if not references:
        return WordErrors(substitutions=0, deletions=0, insertions=0, hits=0)
    found = _compared(references, hypotheses)
    return WordErrors(
        substitutions=found.substitutions, deletions=found.deletions, insertions=found.insertions, hits=found.hits
    )


def comparison(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    """What was signed beside what was recognized, with the fewest errors. Source: jiwer."""
    steps: list[Step] = []
    for chunk in _compared([reference], [hypothesis]).alignments[0]:
        mine = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        theirs = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type == "delete":
            steps += [Step("deletion", one, None) for one in mine]
        elif chunk.type == "insert":
            steps += [Step("insertion", None, other) for other in theirs]
        else:
            kind: Kind = "right" if chunk.type == "equal" else "substitution"
            steps += [Step(kind, one, other) for one, other in zip(mine, theirs, strict=True)]
    return steps


def _compared(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> WordOutput:
    import jiwer

    numbers: dict[str, str] = {}

    def words(sentences: Sequence[Sequence[str]]) -> list[str]:
        # jiwer splits at spaces, which a gloss may have, so it gets numbers.
        return [" ".join(numbers.setdefault(gloss, str(len(numbers))) for gloss in sentence) for sentence in sentences]

    return jiwer.process_words(words(references), words(hypotheses))


def top_k(scores: ArrayLike, labels: ArrayLike, k: int) -> Bools:
    """(N,) whether the right label is among the k best scores; of equal scores the right one counts as the worst.

    scores: (N, G), larger is better. labels: (N,) in 0..G-1. The mean is the accuracy.
    Raises ValueError on other shapes, labels outside G, NaN, or k below 1.
    """
    table, right = np.asarray(scores), np.asarray(labels)
    if k < 1 or table.ndim != 2 or right.shape != table.shape[:1]:
        raise ValueError(f"scores must be (N, G), labels (N,) and k 1 or more, not {table.shape}, {right.shape}, {k}")
    if np.isnan(table).any() or ((right < 0) | (right >= table.shape[1])).any():
        raise ValueError(f"scores must not be NaN, and labels must be in 0..{table.shape[1] - 1}")
    own = np.take_along_axis(table, right.astype(np.int64)[:, None], axis=1)
    return np.asarray((table >= own).sum(axis=1) <= k)  # it is one of those that reach its own score


def by_group(correct: Iterable[bool], groups: Iterable[str]) -> dict[str, float]:
    """Share of correct ones in each group, by its name in order. Raises ValueError on different lengths."""
    found: dict[str, list[bool]] = {}
    for right, group in zip(correct, groups, strict=True):
        found.setdefault(group, []).append(bool(right))
    return {group: sum(found[group]) / len(found[group]) for group in sorted(found)}


def confusions(
    reference: Sequence[str], predicted: Sequence[str | None], most: int | None = 20
) -> tuple[Confusion, ...]:
    """What was taken for what, most frequent first and then by name, `most` of them or all; None is `UNKNOWN`.

    Raises ValueError on different lengths.
    """
    pairs = Counter(
        (gloss, UNKNOWN if taken is None else taken) for gloss, taken in zip(reference, predicted, strict=True)
    )
    clips = Counter(reference)
    found = [
        Confusion(reference=gloss, predicted=taken, count=count, right=pairs[gloss, gloss], clips=clips[gloss])
        for (gloss, taken), count in pairs.items()
        if gloss != taken
    ]
    return tuple(sorted(found, key=lambda one: (-one.count, one.reference, one.predicted))[:most])


def isolated(
    scores: ArrayLike, labels: ArrayLike, glosses: Sequence[str], signers: Sequence[str], most: int = 20
) -> Isolated | None:
    """Top-1, top-5, signers and confusions of scores (N, G), with labels (N,), names of G, and signers of N.

    None without clips. Raises ValueError as `top_k` does, and when names are missing.
    """
    table, right = np.asarray(scores), np.asarray(labels)
    best, among = top_k(table, right, 1), top_k(table, right, 5)
    if len(glosses) != table.shape[1]:
        raise ValueError(f"{table.shape[1]} scores a clip and {len(glosses)} glosses")
    if not len(table):
        return None
    # Where others reach the right score, the clip counts as wrong, so it must not be named as the right one either.
    others = table.astype(np.float64)
    others[np.arange(len(table)), right] = -np.inf
    taken = np.where(best, right, others.argmax(axis=1))
    return Isolated(
        num_clips=len(table),
        num_glosses=len(glosses),
        top1=float(best.mean()),
        top5=float(among.mean()),
        per_signer=by_group(best.tolist(), signers),
        confusions=confusions([glosses[one] for one in right], [glosses[one] for one in taken], most),
    )


def auroc(positive_scores: ArrayLike, negative_scores: ArrayLike) -> float | None:
    """The chance that a positive scores higher than a negative, a tie counting half; None where either is missing.

    Raises ValueError on NaN. Source: the statistic of Mann and Whitney over the number of pairs.
    """
    from scipy.stats import rankdata

    positive, negative = _scores(positive_scores), _scores(negative_scores)
    if not len(positive) or not len(negative):
        return None
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    above = float(ranks.sum()) - len(positive) * (len(positive) + 1) / 2
    return above / (len(positive) * len(negative))


def fpr_at_tpr(positive_scores: ArrayLike, negative_scores: ArrayLike, tpr: float = 0.95) -> float | None:
    """Share of negatives at or above the highest threshold that at least a share `tpr` of the positives reaches.

    None where either is missing. Raises ValueError on NaN or a tpr that is not above 0 and up to 1.
    """
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr must be above 0 and at most 1, not {tpr}")
    positive, negative = _scores(positive_scores), _scores(negative_scores)
    if not len(positive) or not len(negative):
        return None
    accepted = math.ceil(tpr * len(positive) - 1e-9)  # 0.95 * 20 is 19, not a little more
    threshold = np.sort(positive)[len(positive) - accepted]
    return float((negative >= threshold).mean())


def detection(positive_scores: ArrayLike, negative_scores: ArrayLike) -> Detection | None:
    """`auroc` and `fpr_at_tpr` together; None where either kind of scores is missing."""
    area, accepted = auroc(positive_scores, negative_scores), fpr_at_tpr(positive_scores, negative_scores)
    if area is None or accepted is None:
        return None
    return Detection(
        num_positive=np.size(positive_scores),
        num_negative=np.size(negative_scores),
        auroc=area,
        fpr_at_95_tpr=accepted,
    )


def latency(times_ms: ArrayLike) -> Latency | None:
    """The median and the 95th percentile (linear between neighbours); None without calls. Raises ValueError on NaN."""
    times = _scores(times_ms)
    if not len(times):
        return None
    median, slow = np.percentile(times, [50, 95])
    return Latency(calls=len(times), p50_ms=float(median), p95_ms=float(slow))


def _scores(values: ArrayLike) -> Floats:
    flat = np.asarray(values, np.float64).ravel()
    if np.isnan(flat).any():
        raise ValueError("scores must not be NaN")
    return flat
