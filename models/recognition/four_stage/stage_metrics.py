"""What each stage of the four-stage model does on clips whose glosses are known, as numbers.

A share is 0..1. What cannot be measured, because the model lacks the stage or CTC has no path, is None, never 0.
"Aligned" frames are the keyframes to which forced alignment of the known glosses gives a gloss, not the blank.

Shapes: T frames, K keyframes, G glosses, V = G + 1 with the blank first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.recognition.decoding import forced_align, token_spans
from models.recognition.four_stage.batches import Batches, rows_needed
from models.recognition.four_stage.clips import Clip
from models.recognition.four_stage.keyframes import motion_energy
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.task import Heard, heard
from models.recognition.metrics import Step, word_errors

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A clip, what the model made of it, and what should have come out."""

    clip: Clip
    heard: Heard
    target: tuple[int, ...]
    """Labels of CTC: number of the gloss + 1."""
    energy: NDArray[np.float32]
    """(T,) how much the picture changes up to each frame."""
    times_s: NDArray[np.float64]
    """(T,) when each frame was filmed."""
    path: NDArray[np.int64] | None
    """(K,) label or blank of each keyframe, by forced alignment of the target; None when the keyframes are too few."""


def judged(
    clip: Clip, one: Heard, target: tuple[int, ...], energy: NDArray[np.float32], times_s: NDArray[np.float64]
) -> Judged:
    """With the forced alignment, where there is one."""
    path = forced_align(one.log_probs, target) if len(one.log_probs) >= rows_needed(target) else None
    return Judged(clip=clip, heard=one, target=target, energy=energy, times_s=times_s, path=path)


def judge(model: FourStage, clips: Sequence[Clip], batches: Batches, size: int) -> Iterator[Judged]:
    """Every clip, so many at a time, as it is. batches: of these clips, in this order."""
    device = next(model.parameters()).device
    for start in range(0, len(clips), size):
        batch = batches.plain(range(start, min(start + size, len(clips))))
        with torch.inference_mode():
            found = heard(model, model(batch.video.to(device), batch.lengths.to(device)), batch.lengths)
        energy = motion_energy(batch.video, batch.lengths).numpy()
        for place, (one, length) in enumerate(zip(found, batch.lengths.tolist(), strict=True)):
            times_s = batch.frames[place, :length].numpy() / model.config.fps
            number = start + place
            yield judged(clips[number], one, batches.targets[number], energy[place, :length], times_s)


def stage_metrics(found: Sequence[Judged], *, selects: bool | None = None) -> dict[str, Values]:
    """All four stages. selects: as for `stage2`."""
    return {
        "stage1": stage1(found),
        "stage2": stage2(found, selects=selects),
        "stage3": stage3(found),
        "stage4": stage4(found),
    }


def stage1(found: Sequence[Judged]) -> Values:
    """Whether frames lie near their gloss.

    mean_similarity: cosine of a sign's aligned frames to its gloss vector, averaged over the frames of each sign, then
    over signs. similarity_to_others: the same to all other glosses. alignment: share of aligned frames that are nearer
    to their gloss than to any other. chance: of alignment, for frames that know nothing.
    """
    own, others, nearest = [], [], []
    num_glosses = 0
    for one in found:
        likeness = one.heard.likeness
        if one.path is None or not likeness.shape[1]:
            continue
        num_glosses = likeness.shape[1]
        rows = likeness[one.heard.keyframes]
        for label, start, end in token_spans(one.path):
            mine = rows[start:end, label - 1]
            own.append(mine.mean())
            if num_glosses > 1:
                others.append((rows[start:end].sum() - mine.sum()) / (len(mine) * (num_glosses - 1)))
            nearest += (rows[start:end].argmax(axis=1) == label - 1).tolist()
    return {
        "mean_similarity": _mean(own),
        "similarity_to_others": _mean(others),
        "alignment": _mean(nearest),
        "chance": 1 / num_glosses if num_glosses else None,
        "aligned_frames": len(nearest),
    }


def stage2(found: Sequence[Judged], *, selects: bool | None = None) -> Values:
    """Which frames are kept.

    selection_ratio: kept frames among all. entropy: of the softmax of a clip's scores, over the most that it can be,
    averaged over clips; 1 is even, 0 is all on one frame. balanced_accuracy: of kept and dropped against the same
    number of frames with most motion, over the frames of all clips; 0.5 is chance.

    selects: whether the model has this stage; unless told, it has when it drops a frame anywhere.
    """
    total = sum(len(one.heard.scores) for one in found)
    kept = sum(len(one.heard.keyframes) for one in found)
    if selects is None:
        selects = kept < total
    entropies = [_entropy(one.heard.scores) for one in found if len(one.heard.scores) > 1]
    return {
        "selection_ratio": kept / total if total else None,
        "entropy": _mean(entropies) if selects else None,
        "balanced_accuracy": _against_motion(found) if selects else None,
    }


def _entropy(scores: NDArray[np.float32]) -> float:
    share = np.exp(scores.astype(np.float64) - scores.max())
    share /= share.sum()
    return float(-(share * np.log(np.maximum(share, 1e-300))).sum() / np.log(len(share)))


def _against_motion(found: Sequence[Judged]) -> float | None:
    both = neither = chosen = dropped = 0
    for one in found:
        total, count = len(one.heard.scores), len(one.heard.keyframes)
        # Of frames with equal motion the earlier ones count, as among equal scores.
        moving = set(np.argsort(-one.energy, kind="stable")[:count].tolist())
        shared = len(moving & set(one.heard.keyframes.tolist()))
        both, chosen = both + shared, chosen + count
        neither, dropped = neither + total - 2 * count + shared, dropped + total - count
    return (both / chosen + neither / dropped) / 2 if chosen and dropped else None


def stage3(found: Sequence[Judged]) -> Values:
    """What the frames are taken for.

    frame_accuracy: share of aligned frames whose likeliest gloss is theirs. temporal_consistency: of two keyframes of a
    clip that follow each other, how often the likeliest gloss is the same. temporal_consistency_within_signs: the
    same of two that alignment gives to one sign, where a change is always an error.
    """
    right: list[bool] = []
    same: list[bool] = []
    within: list[bool] = []
    for one in found:
        taken = one.heard.frame_log_probs.argmax(axis=1)
        same += (taken[1:] == taken[:-1]).tolist()
        if one.path is not None:
            is_sign = one.path > 0
            right += (taken[is_sign] == one.path[is_sign] - 1).tolist()
            together = is_sign[1:] & (one.path[1:] == one.path[:-1])
            within += (taken[1:] == taken[:-1])[together].tolist()
    return {
        "frame_accuracy": _mean(right),
        "temporal_consistency": _mean(same),
        "temporal_consistency_within_signs": _mean(within),
        "aligned_frames": len(right),
    }


def stage4(found: Sequence[Judged]) -> Values:
    """What comes out.

    sequence_accuracy: share of clips of which every gloss is right. mean_posterior: probability of the label or blank
    that forced alignment has in a keyframe, averaged over all keyframes. blank_rate: share of keyframes in which the
    blank is likeliest.
    """
    posterior: list[float] = []
    blank: list[bool] = []
    for one in found:
        blank += (one.heard.log_probs.argmax(axis=1) == 0).tolist()
        if one.path is not None:
            posterior += np.exp(one.heard.log_probs[np.arange(len(one.path)), one.path]).tolist()
    return {
        "sequence_accuracy": _mean([one.heard.labels == one.target for one in found]),
        "mean_posterior": _mean(posterior),
        "blank_rate": _mean(blank),
    }


def word_error_rate(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> Values:
    """WER with its errors by kind; the accuracy is 1 - WER, and 0 where insertions lift WER above 1."""
    errors = word_errors(references, hypotheses)
    return {
        "wer": errors.wer,
        "accuracy": None if errors.wer is None else max(0.0, 1 - errors.wer),
        "total_errors": errors.substitutions + errors.deletions + errors.insertions,
        "total_words": errors.reference_length,
        "error_types": {
            "substitutions": errors.substitutions,
            "deletions": errors.deletions,
            "insertions": errors.insertions,
        },
    }


def confusions(comparisons: Sequence[Sequence[Step]]) -> list[Values]:
    """How often each gloss was taken for each, most often first; None stands for left out, and for put in."""
    counts = Counter((step.reference, step.hypothesis) for steps in comparisons for step in steps)
    made = [{"reference": one, "hypothesis": other, "count": count} for (one, other), count in counts.items()]
    return sorted(made, key=lambda one: (-one["count"], one["reference"] or "~", one["hypothesis"] or "~"))


def interval_95(errors: Sequence[int], words: Sequence[int], draws: int = 2000) -> tuple[float, float] | None:
    """Between which WER lies in 95 % of draws of as many of these sentences, with repetition (the bootstrap); how much
    another test of the same kind may differ, but not another training."""
    if not sum(words):
        return None
    chosen = np.random.default_rng(0).integers(len(words), size=(draws, len(words)))
    rates = np.asarray(errors)[chosen].sum(axis=1) / np.maximum(np.asarray(words)[chosen].sum(axis=1), 1)
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)


def _mean(values: Sequence[Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None
