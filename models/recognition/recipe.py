"""How the shipped model is made, from nothing to its figures: three rounds of training, each a run in OUT/round-N.

Stopped, it goes on where it was: a round that is done is not done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.recognition.landmark_data import NUM_GENERATED
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.landmark_task import PRESETS, LandmarkTraining, build
from models.recognition.landmark_task import prepare as prepare_data
from models.recognition.model_files import save_model
from models.training import Run, Status, fit
from models.training.config import to_dict
from models.training.run import Tell

ROUNDS = ("full-1", "full-2", "full-3")
"""Presets, in order."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What may be changed; as it is, the shipped model comes out."""

    steps: tuple[int, int, int] = (1200, 1500, 1000)
    """Of the three rounds."""
    seed: int = 0
    generated_signers: int = NUM_GENERATED

    def rounds(self, out: Path) -> list[LandmarkTraining]:
        """The settings of each round; judged once in the end, so that its last weights are those that are kept."""
        made: list[LandmarkTraining] = []
        for number, (preset, steps) in enumerate(zip(ROUNDS, self.steps, strict=True), start=1):
            whole = PRESETS[preset]
            loop = replace(whole.loop, steps=steps, seed=self.seed, validate_every=steps)
            start = _round(out, number - 1).model if made else None
            made.append(replace(whole, loop=loop, signers=self.generated_signers, start=start))
        return made


def prepare(data: Path, recipe: Recipe, tell: Tell | None = None, workers: int | None = None) -> None:
    """Make the data that is not there yet."""
    prepare_data(recipe.rounds(data)[0], data, tell, workers)


def train_model(
    data: Path, out: Path, recipe: Recipe, tell: Callable[[Status], None] | None = None
) -> LandmarkRecognizer:
    """Train on prepared data, choose where unknown begins, and write the model to `out`; the rounds are beside it.

    Goes on where it was stopped. Raises Cancelled when a round is asked to stop, LexiconError without data,
    WeightsError when the folder holds rounds of another recipe.
    """
    for number, (preset, config) in enumerate(zip(ROUNDS, recipe.rounds(out), strict=True), start=1):
        run = _round(out, number)
        task, options = build(config, data)
        run.write_config({"model": "landmark", "preset": preset, "data": str(data), "config": to_dict(config)})
        run.may_go_on()
        fit(task, options, run, tell)
    model = task.landmark_model.eval()
    card = task.card(model)
    card = replace(card, settings={**card.settings, "steps": recipe.steps})
    save_model(out, model, card)
    return LandmarkRecognizer(model, card)


def _round(out: Path, number: int) -> Run:
    return Run(out / f"round-{number}")
