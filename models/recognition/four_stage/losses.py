"""What the four stages are trained by: L_align, L_gru, L_cls, L_ctc, and L_reg.

    align   each gloss's frames, averaged, against all gloss vectors: InfoNCE (van den Oord et al., 2018)
    gru     scores against motion energy, and an entropy term that keeps them from settling on a few frames
    cls     the gloss of each keyframe that forced alignment gives one; keyframes of the blank count nothing
    ctc     Graves et al. (2006)
    reg     how much the BiLSTM's output jumps from keyframe to keyframe (Merity et al., 2017, "TAR")

Shapes: B clips, T frames, K keyframes, G glosses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import SignError
from models.recognition.four_stage.batches import NO_LABEL, Batch
from models.recognition.four_stage.keyframes import motion_energy
from models.recognition.four_stage.model import FourStage, Outputs

TERMS = ("align", "gru", "cls", "ctc", "reg")


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Weights of the terms; with loop.weighing at gradnorm those of the first four are where it begins."""

    align: float = 1.0
    """Frames against gloss vectors."""
    gru: float = 1.0
    """Scores of the frames."""
    cls: float = 1.0
    """Gloss of each keyframe."""
    ctc: float = 1.0
    """Glosses of the clip."""
    reg: float = 0.1
    """Evenness of the BiLSTM; never learned."""
    temperature: float = 0.1
    """Of the alignment."""
    entropy: float = 0.1
    """Of the scores, within gru."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (name == "temperature" and value == 0):
                raise SignError(f"loss.{name} is {value}; it cannot be negative, and the temperature not 0.")


def losses(model: FourStage, outputs: Outputs, batch: Batch, labels: Tensor, options: LossOptions) -> dict[str, Tensor]:
    """Every term that the model and the options have. labels: (B, T) gloss of each frame, or NO_LABEL."""
    parts: dict[str, Tensor] = {}
    if model.config.align and options.align:
        parts["align"] = align_loss(outputs.aligned, labels, model.gloss_embeddings(), options.temperature)
    if model.config.select and options.gru:
        parts["gru"] = gru_loss(
            outputs.scores, motion_energy(batch.video, batch.lengths), batch.lengths, options.entropy
        )
    if options.cls:
        parts["cls"] = cls_loss(outputs, labels)
    parts["ctc"] = ctc_loss(outputs, batch)
    if options.reg:
        parts["reg"] = reg_loss(outputs)
    return parts


def align_loss(aligned: Tensor, labels: Tensor, glosses: Tensor, temperature: float) -> Tensor:
    """InfoNCE of the mean of each run of equally labelled frames (B, T, A) against all glosses (G, A); 0 without."""
    runs = gloss_runs(labels)
    if not len(runs):
        return aligned.sum() * 0
    clip, start, end, gloss = runs.unbind(dim=1)
    sums = functional.pad(aligned.cumsum(dim=1), (0, 0, 1, 0))
    means = functional.normalize(sums[clip, end] - sums[clip, start], dim=-1)
    return functional.cross_entropy(means @ glosses.T / temperature, gloss)


def gloss_runs(labels: Tensor) -> Tensor:
    """(R, 4): clip, first frame, frame after the last, gloss, of every run of equal labels (B, T)."""
    before = functional.pad(labels[:, :-1], (1, 0), value=NO_LABEL)
    after = functional.pad(labels[:, 1:], (0, 1), value=NO_LABEL)
    starts = ((labels != before) & (labels != NO_LABEL)).nonzero()
    ends = ((labels != after) & (labels != NO_LABEL)).nonzero()
    glosses = labels[starts[:, 0], starts[:, 1]]
    return torch.stack([starts[:, 0], starts[:, 1], ends[:, 1] + 1, glosses], dim=1)


def gru_loss(scores: Tensor, energy: Tensor, lengths: Tensor, entropy: float) -> Tensor:
    """Cross entropy of the scores (B, T) with the energy (B, T), plus what the entropy of their softmax lacks."""
    real = torch.arange(scores.shape[1], device=scores.device)[None] < lengths[:, None]
    fit = functional.binary_cross_entropy_with_logits(scores[real], energy[real])
    share = scores.masked_fill(~real, float("-inf")).log_softmax(dim=1)
    found = -(share.exp() * share.masked_fill(~real, 0)).sum(dim=1)
    most = lengths.clamp(min=2).to(scores).log()
    return fit + entropy * (1 - found / most).mean()


def cls_loss(outputs: Outputs, labels: Tensor) -> Tensor:
    """Cross entropy of the gloss of each keyframe that has one; 0 when none has."""
    wanted = labels.gather(1, outputs.keyframes.clamp(min=0)).masked_fill(outputs.keyframes < 0, NO_LABEL)
    if not (wanted != NO_LABEL).any():
        return outputs.frame_logits.sum() * 0
    return functional.cross_entropy(outputs.frame_logits.flatten(0, 1), wanted.flatten(), ignore_index=NO_LABEL)


def ctc_loss(outputs: Outputs, batch: Batch) -> Tensor:
    """CTC, each clip by the number of its glosses. A clip that has too few keyframes counts nothing; `Batches` reports
    how many there are."""
    log_probs = outputs.ctc_logits.log_softmax(dim=-1).transpose(0, 1)
    return functional.ctc_loss(log_probs, batch.targets, outputs.kept, batch.num_targets, zero_infinity=True)


def reg_loss(outputs: Outputs) -> Tensor:
    """Mean square of the step from one keyframe's hidden state to the next."""
    steps = outputs.hidden[:, 1:] - outputs.hidden[:, :-1]
    real = outputs.keyframes[:, 1:] >= 0
    return (steps.square().mean(dim=-1) * real).sum() / real.sum().clamp(min=1)
