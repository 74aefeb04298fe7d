"""The landmark model as something that the loop trains: its settings, presets, data and figures.

The model that comes with the studio is made in three rounds, each a run of its own that begins with the weights of the
one before: `full-1`, `full-2`, `full-3`. `signstudio recognize train` does them one after the other. `demo` learns a
few words from the generator's coordinates alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.errors import SignError, WeightsError
from models.recognition.augment import Augmentation
from models.recognition.batches import Batch, Batches, BatchOptions, collate, signs_of
from models.recognition.corpus import Take, read_signs
from models.recognition.decoding import greedy
from models.recognition.evaluate import evaluate as judge
from models.recognition.evaluate import unknown_threshold
from models.recognition.evaluation_figure import write_figure
from models.recognition.landmark_data import (
    NUM_GENERATED,
    TRAINING,
    choosing,
    generated_takes,
    held_out,
    prepare_generated,
    prepare_held,
    prepare_read,
    singles,
    words,
)
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.losses import LossOptions, losses
from models.recognition.metrics import word_errors
from models.recognition.model_files import ModelCard, load_model, save_model
from models.training import LoopOptions, Part, Run
from models.training.config import from_dict
from models.training.run import Tell
from models.training.task import to_device

TRAINED_ON = (
    "A landmark model trained on drawn signers only: {glosses} signs of American Sign Language as this studio writes "
    "them, by {signers} signers that it drew itself. It has never seen a person."
)
_CLIPS_AT_ONCE = 24  # that are judged


@dataclass(frozen=True, kw_only=True)
class LandmarkTraining:
    """Every setting of a training."""

    signers: int = NUM_GENERATED
    """Drawn signers whose coordinates are learned from."""
    glosses: int = 0
    """How many words of the lexicon; 0 for all."""
    read: bool = True
    """Learn also from signs that were drawn and read by MediaPipe, as cameras need; making them takes hours."""
    start: Path | None = None
    """Folder of the model to begin with; empty for none."""
    width: int = 160
    """Of the model's layers, where it begins with none."""
    batches: BatchOptions = field(default_factory=BatchOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        if self.signers < 1 or self.glosses < 0 or self.width < 8 or self.width % 4:
            raise SignError(
                f"signers is {self.signers}, glosses {self.glosses}, width {self.width}; they have to be at least 1, 0 "
                "and 8, and width a multiple of 4."
            )
        if self.read and self.glosses:
            raise SignError("glosses is for the generator's coordinates alone; set it to 0, or read to false.")


_LOOP = LoopOptions(
    learning_rate=2e-3, weight_decay=0.02, warmup=0.1, clip=2.0, mean_over=150, validate_every=100, save_every=100
)
_CLOSER = Augmentation(hand_turn_deg=8.0, shift=0.04)

PRESETS: Mapping[str, LandmarkTraining] = MappingProxyType(
    {
        "demo": LandmarkTraining(
            signers=8,
            glosses=30,
            read=False,
            width=64,
            batches=BatchOptions(clips=16),
            loop=replace(_LOOP, steps=800, learning_rate=4e-3, mean_over=40, validate_every=50),
        ),
        "full-1": LandmarkTraining(loop=replace(_LOOP, steps=1200)),
        "full-2": LandmarkTraining(
            batches=BatchOptions(
                read_share=0.6, idle_share=0.5, idle_rows=40, stranger_share=0.12, augmentation=_CLOSER
            ),
            loop=replace(_LOOP, steps=1500),
        ),
        "full-3": LandmarkTraining(
            batches=BatchOptions(
                signs=(1, 5),
                read_share=0.7,
                idle_share=0.35,
                idle_rows=40,
                hold_share=0.25,
                stranger_share=0.2,
                augmentation=_CLOSER,
            ),
            loop=replace(_LOOP, steps=1000),
        ),
    }
)
"""Full: first what signs are; then also what they are not: hands at rest, on their way, and nonsense; last, longer
sentences with pauses, closer to what MediaPipe reads. The second and third want `start`: the model of the round before.
"""


class Learner(nn.Module):
    """The model together with its loss, so that whatever wraps it sees all that is computed."""

    def __init__(self, model: LandmarkModel, options: LossOptions) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Every term, not weighted."""
        outputs, _ = self.model(batch.rows)
        return losses(self.model, outputs, batch, self.options)


class LandmarkTask:
    """See `models.training.Task`. The model of this task is the `Learner`."""

    metric, higher_is_better = "wer", False
    fixed_terms: Sequence[str] = ()

    def __init__(
        self,
        config: LandmarkTraining,
        model: LandmarkModel,
        batches: Batches,
        held: Sequence[Take],
        glosses: Sequence[str],
    ) -> None:
        """held: of signers that the batches do not have, for judging and for choosing where unknown begins."""
        self.config, self.glosses, self.held = config, tuple(glosses), list(held)
        self.landmark_model = model
        self.model: nn.Module = Learner(model, config.loss)
        self.batch_size = config.batches.clips
        self.batches_per_epoch = batches.per_epoch
        self._batches = batches

    def parts(self) -> dict[str, Part]:
        """All of it learns alike."""
        return {"model": Part(parameters=list(self.model.parameters()))}

    def batch(self, number: int) -> Batch:
        """See `Task`."""
        return self._batches.draw(number)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See `Task`."""
        found: dict[str, Tensor] = model(batch)
        return found

    def weights(self) -> dict[str, float]:
        """See `Task`."""
        return self.config.loss.weights()

    def shared(self) -> list[nn.Parameter]:
        """What the last convolution ends with: both CTC heads and all else come behind it."""
        ends = f"convolutions.{len(self.landmark_model.convolutions) - 1}.narrow."
        return [one for name, one in self.landmark_model.named_parameters() if name.startswith(ends)]

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """Nothing changes with epochs."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Word errors of the likeliest path, top-1 of signs whose place is known, and how much of it is blank."""
        assert isinstance(model, Learner)
        found = _Judged()
        weights, index = self.weights(), {gloss: number for number, gloss in enumerate(self.glosses)}
        device = next(model.parameters()).device
        for start in range(0, len(self.held), _CLIPS_AT_ONCE):
            takes = self.held[start : start + _CLIPS_AT_ONCE]
            batch = to_device(collate(takes, index), device)
            outputs, _ = model.model(batch.rows)
            terms = losses(model.model, outputs, batch, model.options)
            found.losses.append(sum(weights[name] * float(term) for name, term in terms.items()))
            likeness = model.model.similarity(model.model.embed(*signs_of(outputs.hidden, batch.clips, batch.spans)))
            found.right += (likeness.argmax(dim=1) == batch.glosses).tolist()
            log_probs = outputs.contextual.float().log_softmax(dim=-1).cpu().numpy()
            for take, rows in zip(takes, log_probs, strict=True):
                found.said.append([self.glosses[token.label - 1] for token in greedy(rows[: len(take.rows)])])
                found.blank += (rows[: len(take.rows)].argmax(axis=1) == 0).tolist()
        errors = word_errors([list(take.glosses) for take in self.held], found.said)
        return {
            "wer": float("nan") if errors.wer is None else errors.wer,
            "top1": float(np.mean(found.right)),
            "loss": float(np.mean(found.losses)),
            "blank_rate": float(np.mean(found.blank)),
            "empty_rate": float(np.mean([not one for one in found.said])),
        }

    def state(self) -> dict[str, Tensor]:
        """There is nothing beside the weights."""
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """See `state`."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """See `Task`; where unknown begins is chosen anew."""
        assert isinstance(model, Learner)
        save_model(folder, model.model, self.card(model.model))

    def card(self, model: LandmarkModel) -> ModelCard:
        """What the model is, with the likeness below which a sign is unknown to it."""
        signers = self.config.signers + (len(TRAINING) if self.config.read else 0)
        card = ModelCard(
            glosses=self.glosses,
            config=model.config,
            trained_on=TRAINED_ON.format(glosses=len(self.glosses), signers=signers),
            settings={"steps": self.config.loop.steps, "seed": self.config.loop.seed, "signers": signers},
        )
        still = copy.deepcopy(model).cpu().eval()
        signs = self.held if self.config.read else singles(self.held)
        return replace(card, unknown_below=round(unknown_threshold(LandmarkRecognizer(still, card), signs), 4))


@dataclass
class _Judged:
    """What is gathered while a model is judged."""

    losses: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)
    said: list[list[str]] = field(default_factory=list)


def prepare(config: LandmarkTraining, data: Path, tell: Tell | None = None, workers: int | None = None) -> None:
    """Make the data that is not there yet."""
    prepare_generated(data, config.signers, config.glosses, tell, workers)
    if config.read:
        prepare_read(data, tell, workers)
    else:
        prepare_held(data, config.glosses, tell, workers)


def build(config: LandmarkTraining, data: Path) -> tuple[LandmarkTask, LoopOptions]:
    """The task on prepared data. Raises LexiconError without data, WeightsError for a start that does not fit."""
    glosses = words(config.glosses)
    takes = generated_takes(data, config.signers, config.glosses)
    read = read_signs(data / "signs", TRAINING, glosses) if config.read else []
    batches = Batches(takes, read, glosses, config.batches, seed=config.loop.seed)
    held = choosing(data, config.glosses, read=config.read)
    return LandmarkTask(config, _model(config, glosses), batches, held, glosses), config.loop


def evaluate(run: Run) -> dict[str, Any]:
    """Every figure of a run's model, on signers that it was neither trained nor chosen on; writes RUN/evaluation."""
    about = run.config()
    config = from_dict(LandmarkTraining, about["config"])
    recognizer = LandmarkRecognizer(*load_model(run.model))
    how = "read by MediaPipe from MP4" if config.read else "from the generator's own coordinates"
    report = judge(
        recognizer,
        held_out(Path(about["data"]), config.glosses, read=config.read),
        data=f"Drawn signers who are in no other set, {how}.",
        command=f"signstudio train evaluate {run.folder.name}",
    )
    report.write_json(run.evaluation / "evaluation.json")
    write_figure(report, run.evaluation / "evaluation.png")
    return report.to_dict()


def _model(config: LandmarkTraining, glosses: Sequence[str]) -> LandmarkModel:
    if config.start is None:
        torch.manual_seed(config.loop.seed)
        return LandmarkModel(LandmarkModelConfig(num_glosses=len(glosses), width=config.width))
    model, card = load_model(config.start)
    if card.glosses != tuple(glosses):
        raise WeightsError(
            f"{config.start} knows other glosses ({len(card.glosses)}) than are to be learned ({len(glosses)}); "
            "leave `start` empty, or take the model of the round before."
        )
    return model.requires_grad_(True)
