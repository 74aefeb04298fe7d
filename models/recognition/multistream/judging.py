"""How well actions are recognized, measured: shares of right answers, by label, and how sure they are.

Pure numbers on logits. A share is 0..1; what cannot be measured, because there is no clip, is None and never 0. Of
equal logits the right label counts as the last one, so a model that knows nothing cannot be right by chance of order.
Intervals are Wilson's, at 95 %: between what the share would lie for the same model on other clips of the kind. They
take clips as independent of each other, and say nothing of another training.

Shapes: M clips, G labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import SignError
from models.recognition.metrics import top_k
from models.recognition.multistream.config import STREAMS

Values = dict[str, Any]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

K = 5
"""Of top-k, where there are as many labels."""
BINS = 10
"""Of confidence, for the calibration."""
FULL = "full"
"""What the whole model is called among those that miss a stream."""


def measured(logits: Floats, labels: Ints, names: Sequence[str], video_ids: Sequence[str]) -> Values:
    """Every number of a split; it can be written as JSON.

    logits: (M, G). labels: (M,) in 0..G-1, or -1 for a clip without a label, which is counted and left out. names: of
    the G labels. video_ids: of the M clips.

    The keys: clips (that were judged), unlabelled, labels (G), top1 and top1_interval_95, top5 and top5_interval_95,
    k (5, or G where there are fewer labels: "top5" is top-k then), mean_class_accuracy (over labels that have clips),
    per_class, confusion, wrong (the surest first), calibration.

    Raises SignError where a logit is no number, ValueError where shapes do not fit.
    """
    scores, told = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if scores.ndim != 2 or scores.shape != (len(told), len(names)) or len(video_ids) != len(told):
        shapes = f"{scores.shape}, {told.shape}, {len(names)} names, {len(video_ids)} ids"
        raise ValueError(f"logits must be (M, G) with M labels and ids and G names, not {shapes}")
    _refuse_no_numbers(scores, video_ids)
    kept = told >= 0
    ids = [one for one, keep in zip(video_ids, kept, strict=True) if keep]
    scores, told = scores[kept], told[kept]
    answers, sureness = answered(scores, told), confidence(scores)
    right, k = answers == told, min(K, len(names))
    per_class = _per_class(told, answers, names)
    return {
        "clips": len(told),
        "unlabelled": int((~kept).sum()),
        "labels": len(names),
        "top1": share(right),
        "top1_interval_95": interval_95(int(right.sum()), len(right)),
        "k": k,
        **_among(top_k(scores, told, k)),
        "mean_class_accuracy": share([one["top1"] for one in per_class]),
        "per_class": per_class,
        "confusion": _confusion(told, answers, names),
        "wrong": _wrong(told, answers, sureness, names, ids),
        "calibration": calibration(sureness, right),
    }


def combined(by_stream: Mapping[str, Mapping[str, Any]]) -> list[Values]:
    """The table of what each stream is worth to a trained model: the whole model, and each stream masked in judging.

    by_stream: what `measured` gave, or top1 and top5 alone, under `FULL` and the names of the streams; those that are
    not there have no row. Each row: variant, top1, top1_interval_95, top5, and lost: how much of the whole model's
    top-1 goes with the stream, None without the whole model.
    """
    whole = by_stream.get(FULL, {}).get("top1")
    rows = []
    for name in (FULL, *STREAMS):
        one = by_stream.get(name)
        if one is None:
            continue
        top1 = one.get("top1")
        lost = None if name == FULL or whole is None or top1 is None else whole - top1
        rows.append(
            {
                "variant": name,
                "top1": top1,
                "top1_interval_95": one.get("top1_interval_95"),
                "top5": one.get("top5"),
                "lost": lost,
            }
        )
    return rows


def interval_95(right: int, clips: int) -> tuple[float, float] | None:
    """Wilson's interval of a share; None without clips."""
    if not clips:
        return None
    from scipy.stats import binomtest

    found = binomtest(right, clips).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def answered(scores: NDArray[np.float64], labels: Ints) -> Ints:
    """(M,) the likeliest label of each clip; where another reaches the right one's score, that other one."""
    right = top_k(scores, labels, 1)
    others = scores.copy()
    others[np.arange(len(scores)), labels] = -np.inf
    likeliest = others.argmax(axis=1) if scores.size else labels
    return np.where(right, labels, likeliest).astype(np.int64)


def confidence(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) the probability of the likeliest label, by softmax."""
    if not scores.size:
        return np.zeros(len(scores))
    return np.asarray(1 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1))


def calibration(sureness: NDArray[np.float64], right: NDArray[np.bool_]) -> Values:
    """How far confidence is from the share of right answers, in bins of confidence of equal width.

    expected_calibration_error: the mean distance of the two, each bin counting by its clips; None without clips.
    Source: Guo et al. 2017, equation 3.
    """
    places = np.minimum((sureness * BINS).astype(int), BINS - 1)
    bins, distance = [], 0.0
    for number in range(BINS):
        here = places == number
        mean, accuracy = share(sureness[here]), share(right[here])
        if mean is not None and accuracy is not None:
            distance += here.sum() / len(sureness) * abs(mean - accuracy)
        bins.append(
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "clips": int(here.sum()),
                "confidence": mean,
                "accuracy": accuracy,
            }
        )
    return {"expected_calibration_error": float(distance) if len(sureness) else None, "bins": bins}


def share(values: Sequence[float] | NDArray[Any]) -> float | None:
    """The mean; None of nothing."""
    return float(np.mean(values)) if len(values) else None


def _among(right: NDArray[np.bool_]) -> Values:
    return {"top5": share(right), "top5_interval_95": interval_95(int(right.sum()), len(right))}


def _refuse_no_numbers(scores: NDArray[np.float64], video_ids: Sequence[str]) -> None:
    broken = [one for one, row in zip(video_ids, scores, strict=True) if not np.isfinite(row).all()]
    if broken:
        raise SignError(
            f"The model answers {len(broken)} of {len(video_ids)} clips with what is no number (clip {broken[0]}"
            f"{' and others' if len(broken) > 1 else ''}); its training went astray: train again with a smaller "
            "loop.learning_rate."
        )


def _per_class(labels: Ints, answers: Ints, names: Sequence[str]) -> list[Values]:
    """Of every label that has clips, in the order of the labels."""
    rows = []
    for label in np.unique(labels).tolist():
        theirs = answers[labels == label]
        right = int((theirs == label).sum())
        others, counts = np.unique(theirs[theirs != label], return_counts=True)
        most = int(counts.argmax()) if len(others) else None
        rows.append(
            {
                "label": label,
                "name": names[label],
                "clips": len(theirs),
                "right": right,
                "top1": right / len(theirs),
                "top1_interval_95": interval_95(right, len(theirs)),
                "taken_for": None if most is None else names[int(others[most])],
                "taken_for_clips": 0 if most is None else int(counts[most]),
            }
        )
    return rows


def _confusion(labels: Ints, answers: Ints, names: Sequence[str]) -> Values:
    """counts[i][j]: clips of label i that were taken for label j, of labels that occur or are answered."""
    there = np.union1d(labels, answers)
    counts = np.zeros((len(there), len(there)), np.int64)
    np.add.at(counts, (np.searchsorted(there, labels), np.searchsorted(there, answers)), 1)
    return {"labels": there.tolist(), "names": [names[one] for one in there.tolist()], "counts": counts.tolist()}


def _wrong(
    labels: Ints, answers: Ints, sureness: NDArray[np.float64], names: Sequence[str], video_ids: Sequence[str]
) -> list[Values]:
    """The clips that are wrong, the surest first."""
    places = np.flatnonzero(labels != answers).tolist()
    return [
        {
            "id": video_ids[place],
            "label": names[int(labels[place])],
            "answer": names[int(answers[place])],
            "confidence": float(sureness[place]),
        }
        for place in sorted(places, key=lambda one: (-sureness[one], video_ids[one]))
    ]
