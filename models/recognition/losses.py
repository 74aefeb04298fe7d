"""What the landmark model is trained by.

CTC of both heads and distillation from the later to the earlier one (VAC, Min et al., ICCV 2021); cross entropy of
activity; for the embeddings of whole signs, cross entropy of the cosine to every gloss with label smoothing, and
supervised contrastive loss (Khosla et al., NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import SignError
from models.recognition.batches import IGNORED, STRANGER, Batch, signs_of
from models.recognition.landmark_model import SCALE, LandmarkModel, Outputs


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Weights of the terms, and what shapes them."""

    contextual: float = 1.0
    """Weight of CTC after the GRU."""
    visual: float = 1.0
    """Weight of CTC after the convolutions."""
    distillation: float = 10.0
    """Weight of what the earlier CTC learns from the later one."""
    temperature: float = 8.0
    """Of the distillation."""
    activity: float = 1.0
    """Weight of whether somebody signs."""
    gloss: float = 1.0
    """Weight of which gloss a whole sign is."""
    contrast: float = 0.2
    """Weight of signs being like their like."""
    stranger: float = 0.3
    """Weight of unknown signs being like none."""
    smoothing: float = 0.1
    """Of the labels of glosses."""
    scale: float = SCALE
    """What a cosine is multiplied by before the softmax."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (value == 0 and name in ("temperature", "scale")):
                raise SignError(f"loss.{name} is {value}; it cannot be negative, and temperature and scale not 0.")
        if self.smoothing >= 1:
            raise SignError(f"loss.smoothing is {self.smoothing}; it is a share, 0 to below 1.")

    def weights(self) -> dict[str, float]:
        """Of every term."""
        return {name: getattr(self, name) for name in TERMS}


TERMS = ("contextual", "visual", "distillation", "activity", "gloss", "contrast", "stranger")


def losses(model: LandmarkModel, outputs: Outputs, batch: Batch, options: LossOptions) -> dict[str, Tensor]:
    """Every term, not weighted; their weighted sum is what is minimised. Those of whole signs are missing where the
    batch has no such signs."""
    real = torch.arange(batch.rows.shape[1], device=batch.rows.device)[None] < batch.lengths[:, None]
    terms = {
        "contextual": _ctc(outputs.contextual, batch),
        "visual": _ctc(outputs.visual, batch),
        "distillation": distillation(outputs, real, options.temperature),
        "activity": functional.cross_entropy(
            outputs.activity.flatten(0, 1), batch.activity.flatten(), ignore_index=IGNORED
        ),
    }
    if len(batch.glosses):
        embeddings = model.embed(*signs_of(outputs.hidden, batch.clips, batch.spans))
        similarity = options.scale * model.similarity(embeddings)
        known = batch.glosses != STRANGER
        if known.any():
            terms["gloss"] = functional.cross_entropy(
                similarity[known], batch.glosses[known], label_smoothing=options.smoothing
            )
            terms["contrast"] = contrast(embeddings[known], batch.glosses[known])
        if not known.all():  # a stranger should be like no gloss more than like any other
            terms["stranger"] = -similarity[~known].log_softmax(dim=-1).mean()
    return terms


def distillation(outputs: Outputs, real: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the visual head from the contextual one, over the rows (B, T) that are real."""
    teacher = functional.log_softmax(outputs.contextual.detach() / temperature, dim=-1)
    student = functional.log_softmax(outputs.visual / temperature, dim=-1)
    return functional.kl_div(student[real], teacher[real], reduction="batchmean", log_target=True)


def contrast(embeddings: Tensor, glosses: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss of embeddings (S, E) of length 1; 0 when no gloss is there twice."""
    same = (glosses[:, None] == glosses[None]) & ~torch.eye(len(glosses), dtype=torch.bool, device=glosses.device)
    if not same.any():
        return embeddings.sum() * 0
    scores = (embeddings @ embeddings.T / temperature).fill_diagonal_(float("-inf"))
    likely = scores - scores.logsumexp(dim=1, keepdim=True)
    paired = same.any(dim=1)
    mean = likely.masked_fill(~same, 0).sum(dim=1)[paired] / same.sum(dim=1)[paired]
    return -mean.mean()


def _ctc(logits: Tensor, batch: Batch) -> Tensor:
    """CTC of logits (B, T, V). A clip that is too short for its glosses counts nothing."""
    return functional.ctc_loss(
        functional.log_softmax(logits, dim=-1).transpose(0, 1),
        batch.targets,
        batch.lengths,
        batch.target_lengths,
        zero_infinity=True,
    )
