"""How the shipped model is made, from nothing to its figures, with every signer in one place only.

    DATA/generated.npz      the generator's own coordinates, many signers: for training
    DATA/signs/             every sign by seven signers, drawn and read by MediaPipe: four for training, one to choose
                            where unknown begins, two for the figures
    DATA/sentences/         sentences by the same last two, drawn and read by MediaPipe

Reading what was drawn takes hours of computing; it goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.lexicon.dataset import DatasetOptions, render_dataset
from models.lexicon.phonology_files import load_phonology
from models.recognition.augment import Augmentation
from models.recognition.batches import Batches, BatchOptions
from models.recognition.corpus import generated, load_takes, read_sentences, read_signs, save_takes, vocabulary
from models.recognition.evaluate import Held, unknown_threshold
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.model_files import ModelCard, save_model
from models.recognition.training import Step, TrainingOptions, train

TRAINING, CHOOSING, TESTING = (0, 1, 2, 3), (4,), (5, 6)
"""Signers whose signs MediaPipe reads."""
FIRST_GENERATED, NUM_GENERATED = 1000, 48
SENTENCES = 15
"""Of each signer, with pauses and without."""
TRAINED_ON = (
    "A landmark model trained on drawn signers only: {glosses} signs of American Sign Language as this studio writes "
    "them, by {signers} signers that it drew itself. It has never seen a person."
)
_SIZE = 384

Count = Callable[[str, int, int], None]
"""Gets what is being done, how much is done, and of how much."""


ROUNDS = (
    BatchOptions(),
    BatchOptions(
        read_share=0.6,
        idle_share=0.5,
        idle_rows=40,
        stranger_share=0.12,
        augmentation=Augmentation(hand_turn_deg=8.0, shift=0.04),
    ),
    BatchOptions(
        signs=(1, 5),
        read_share=0.7,
        idle_share=0.35,
        idle_rows=40,
        hold_share=0.25,
        stranger_share=0.2,
        augmentation=Augmentation(hand_turn_deg=8.0, shift=0.04),
    ),
)
"""Of training: first what signs are; then also what they are not: hands at rest, on their way, and nonsense; last,
longer sentences with pauses, closer to what MediaPipe reads."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What may be changed; as it is, the shipped model comes out."""

    steps: tuple[int, int, int] = (1200, 1500, 1000)
    """Of the three rounds."""
    seed: int = 0
    generated_signers: int = NUM_GENERATED


def prepare(data: Path, recipe: Recipe, tell: Count | None = None, workers: int | None = None) -> None:
    """Make the data that is not there yet."""
    path = _generated(data, recipe)
    if not path.is_file():
        numbers = range(FIRST_GENERATED, FIRST_GENERATED + recipe.generated_signers)
        save_takes(path, generated(numbers, workers=workers, progress=_of(tell, "Performing sentences")))
    entries = list(load_phonology().values())
    options = DatasetOptions(signers=1 + max(TESTING), kind="read", fps=25, size=_SIZE)
    progress = _of(tell, "Drawing signs, reading them with MediaPipe")
    for _ in render_dataset(entries, data / "signs", options, workers=workers, progress=progress):
        pass
    for pauses in (False, True):
        progress = _of(tell, f"Drawing sentences {'with' if pauses else 'without'} pauses, reading them with MediaPipe")
        read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=pauses, workers=workers, progress=progress)


def train_model(
    data: Path,
    out: Path,
    recipe: Recipe,
    tell: Callable[[Step], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> LandmarkRecognizer:
    """Train on prepared data, choose where unknown begins, and write the model to `out`; the log is beside it.

    Goes on where it was stopped. Raises Cancelled when should_stop says so, LexiconError without data.
    """
    glosses = vocabulary()
    takes = load_takes(_generated(data, recipe)), read_signs(data / "signs", TRAINING, glosses)
    torch.manual_seed(recipe.seed)
    model = LandmarkModel(LandmarkModelConfig(num_glosses=len(glosses)))
    for number, (steps, made_of) in enumerate(zip(recipe.steps, ROUNDS, strict=True), start=1):
        batches = Batches(*takes, glosses, made_of, seed=recipe.seed)
        options = TrainingOptions(steps=steps, seed=recipe.seed)
        model = train(model, batches, out / f"round-{number}", options, tell, should_stop).requires_grad_(True)
    signers = recipe.generated_signers + len(TRAINING)
    card = ModelCard(
        glosses=glosses,
        config=model.config,
        trained_on=TRAINED_ON.format(glosses=len(glosses), signers=signers),
        settings={"steps": recipe.steps, "seed": recipe.seed, "signers": signers},
    )
    chosen = unknown_threshold(LandmarkRecognizer(model.eval(), card), read_signs(data / "signs", CHOOSING, glosses))
    card = replace(card, unknown_below=round(chosen, 4))
    save_model(out, model, card)
    return LandmarkRecognizer(model.eval(), card)


def held_out(data: Path) -> Held:
    """Signs and sentences of the signers that nothing was trained or chosen on."""
    glosses = vocabulary()
    others = tuple(sorted(set(load_phonology()) - set(glosses)))
    return Held(
        signs=read_signs(data / "signs", TESTING, glosses),
        others=read_signs(data / "signs", TESTING, others),
        with_pauses=read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=True),
        without_pauses=read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=False),
    )


def _generated(data: Path, recipe: Recipe) -> Path:
    return data / f"generated-{recipe.generated_signers}.npz"


def _of(tell: Count | None, words: str) -> Callable[[int, int], None] | None:
    return None if tell is None else lambda done, total: tell(words, done, total)
