"""The four-stage model as something that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import SignError
from models.recognition.decoding import forced_align, prefix_beam
from models.recognition.four_stage.batches import NO_LABEL, Batch, Batches, DataOptions, flat_labels
from models.recognition.four_stage.clips import Clip, described
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.files import save_four_stage
from models.recognition.four_stage.losses import LossOptions, losses
from models.recognition.four_stage.model import FourStage, Outputs
from models.recognition.metrics import word_errors
from models.training import LoopOptions, Part


@dataclass(frozen=True, kw_only=True)
class FourStageTraining:
    """Every setting of a training."""

    model: FourStageConfig = field(default_factory=FourStageConfig)
    data: DataOptions = field(default_factory=DataOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
    backbone_rate: float = 1.0
    """Factor of the learning rate for the ResNet; less than 1 where it begins with published weights."""
    align_after: int = 2
    """Epochs in which frames are shared out evenly among the glosses, before forced alignment takes over."""

    def __post_init__(self) -> None:
        if self.backbone_rate < 0 or self.align_after < 0:
            raise SignError("backbone_rate and align_after cannot be negative.")


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the model makes of one clip, as numbers on the CPU."""

    labels: tuple[int, ...]
    """Of CTC, by prefix beam search."""
    log_probs: NDArray[np.float32]
    """(K, V)."""
    keyframes: NDArray[np.int64]
    """(K,)."""
    scores: NDArray[np.float32]
    """(T,) of the frames."""
    frame_log_probs: NDArray[np.float32]
    """(K, G)."""
    likeness: NDArray[np.float32]
    """(T, G) cosine of each frame to each gloss vector; (T, 0) without alignment."""


class FourStageTask:
    """See `models.training.Task`."""

    metric, higher_is_better = "wer", False
    fixed_terms: Sequence[str] = ("reg",)

    def __init__(
        self,
        config: FourStageTraining,
        clips: Mapping[str, Sequence[Clip]],
        frames: Mapping[str, Sequence[Path]],
        glosses: Sequence[str],
        weights: Path | None = None,
    ) -> None:
        """clips, frames: by split, train and validation. weights: where published ones are looked for first."""
        torch.manual_seed(config.loop.seed)
        self.config, self.glosses = config, tuple(glosses)
        self.model = FourStage(config.model, glosses, weights)
        size, data = config.model.size, config.data
        self.train = Batches(clips["train"], frames["train"], glosses, size, data, config.loop.seed)
        self.held = Batches(clips["validation"], frames["validation"], glosses, size, data)
        self.trained_on = described(clips["train"])
        self.batch_size, self.batches_per_epoch = data.batch_size, self.train.per_epoch
        self.epoch = 0
        self._starts = np.concatenate([[0], np.cumsum(self.train.counts)])
        flat = [flat_labels(count, one) for count, one in zip(self.train.counts, self.train.targets, strict=True)]
        self._labels = torch.from_numpy(np.concatenate(flat))
        self._next = self._labels.clone()

    def parts(self) -> dict[str, Part]:
        """One for each stage."""
        model = self.model
        parts = {
            "backbone": Part(parameters=_trained(model.backbone.resnet), rate=self.config.backbone_rate),
            "features": Part(parameters=[*_trained(model.backbone.reduce), *_trained(model.frame)]),
        }
        if self.config.model.align:
            learned = [one for name, one in model.named_parameters() if name == "gloss_vectors"]
            parts["alignment"] = Part(parameters=[*_trained(model.align), *_trained(model.align_gloss), *learned])
        if self.config.model.select:
            parts["keyframes"] = Part(parameters=_trained(model.selector))
        parts["sequence"] = Part(parameters=[*_trained(model.lstm), *_trained(model.classify), *_trained(model.blank)])
        return parts

    def batch(self, number: int) -> Batch:
        """See `Task`."""
        return self.train.draw(number)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See `Task`. What CTC aligns now is what frames are labelled with in the next epoch."""
        outputs: Outputs = model(batch.video, batch.lengths, batch.needed)
        labels = self.labels(batch)
        self._remember(batch, outputs)
        return losses(self.model, outputs, batch, labels, self.config.loss)

    def weights(self) -> dict[str, float]:
        """See `Task`."""
        loss = self.config.loss
        return {"align": loss.align, "gru": loss.gru, "cls": loss.cls, "ctc": loss.ctc, "reg": loss.reg}

    def shared(self) -> list[nn.Parameter]:
        """The convolution after the ResNet: the last layer that every term depends on."""
        return [self.model.backbone.reduce.get_parameter("weight")]

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """From here on frames are labelled by the alignments of the epoch before."""
        self.epoch = epoch
        if epoch > self.config.align_after:
            self._labels = self._next.clone()

    def labels(self, batch: Batch) -> Tensor:
        """(B, T) gloss of each frame."""
        starts = torch.from_numpy(self._starts)[batch.clips.cpu()]
        frames = batch.frames.cpu()
        found = self._labels[starts[:, None] + frames.clamp(min=0)].masked_fill(frames < 0, NO_LABEL)
        return found.to(batch.frames.device)

    def _remember(self, batch: Batch, outputs: Outputs) -> None:
        if self.epoch < self.config.align_after:
            return
        log_probs = outputs.ctc_logits.detach().float().log_softmax(dim=-1).cpu().numpy()
        keyframes, frames = outputs.keyframes.cpu().numpy(), batch.frames.cpu().numpy()
        for place, clip in enumerate(batch.clips.tolist()):
            kept, targets = int(outputs.kept[place]), self.train.targets[clip]
            if kept < int(batch.needed[place]):
                continue
            path = forced_align(log_probs[place, :kept], targets)
            labels = self._next[self._starts[clip] : self._starts[clip + 1]]
            labels.fill_(NO_LABEL)
            labels[torch.from_numpy(frames[place, keyframes[place, :kept]])] = torch.from_numpy(path - 1)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """WER and what explains it, on clips of the validation split."""
        assert isinstance(model, FourStage)
        heard = listen_to(model, self.held, self.config.data.batch_size)
        return scores(heard, self.held.targets)

    def state(self) -> dict[str, Tensor]:
        """See `Task`."""
        return {"labels": self._labels, "next": self._next, "epoch": torch.tensor(self.epoch)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """See `Task`."""
        self._labels, self._next = tensors["labels"].clone(), tensors["next"].clone()
        self.epoch = int(tensors["epoch"])

    def save(self, model: nn.Module, folder: Path) -> None:
        """See `Task`."""
        assert isinstance(model, FourStage)
        save_four_stage(model, folder, self.trained_on)


def listen_to(model: FourStage, batches: Batches, size: int) -> list[Heard]:
    """What the model makes of every clip."""
    device = next(model.parameters()).device
    found = []
    with torch.inference_mode():
        for start in range(0, len(batches.targets), size):
            batch = batches.plain(range(start, min(start + size, len(batches.targets))))
            lengths = batch.lengths.to(device)
            found += heard(model, model(batch.video.to(device), lengths), batch.lengths)
    return found


def heard(model: FourStage, outputs: Outputs, lengths: Tensor) -> list[Heard]:
    """What the outputs say of each clip."""
    log_probs = outputs.ctc_logits.float().log_softmax(dim=-1).cpu().numpy()
    frame_log_probs = outputs.frame_logits.float().log_softmax(dim=-1).cpu().numpy()
    aligned = outputs.aligned.float()
    likeness = (aligned @ model.gloss_embeddings().T) if model.config.align else aligned
    made = []
    for place, (count, kept) in enumerate(zip(lengths.tolist(), outputs.kept.tolist(), strict=True)):
        made.append(
            Heard(
                labels=prefix_beam(log_probs[place, :kept]).labels,
                log_probs=log_probs[place, :kept],
                keyframes=outputs.keyframes[place, :kept].cpu().numpy(),
                scores=outputs.scores[place, :count].float().cpu().numpy(),
                frame_log_probs=frame_log_probs[place, :kept],
                likeness=likeness[place, :count].cpu().numpy(),
            )
        )
    return made


def scores(found: Sequence[Heard], targets: Sequence[tuple[int, ...]]) -> dict[str, float]:
    """WER, sentences that are wholly right, and the share of keyframes in which blank is likeliest."""
    errors = word_errors(_words(targets), _words([one.labels for one in found]))
    right = [one.labels == target for one, target in zip(found, targets, strict=True)]
    blank = np.concatenate([one.log_probs.argmax(axis=1) == 0 for one in found])
    return {
        "wer": float("nan") if errors.wer is None else errors.wer,
        "sentences_right": float(np.mean(right)),
        "blank_rate": float(blank.mean()),
    }


def _words(sentences: Sequence[tuple[int, ...]]) -> list[list[str]]:
    return [[str(label) for label in sentence] for sentence in sentences]


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [one for one in module.parameters() if one.requires_grad]
