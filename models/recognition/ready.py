"""The recognizer that is ready without any setting up: the shipped model, and what the user taught."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from models.lexicon.signs import Lexicon
from models.model_folder import WEIGHTS
from models.recognition.enrol import exemplars_of
from models.recognition.exemplar import ExemplarRecognizer
from models.recognition.landmark_model import LandmarkModel
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.model_files import ModelCard, load_model

SHIPPED = Path(__file__).parents[2] / "assets" / "recognition"


def ready_recognizer(lexicons: Sequence[Lexicon] = (), folder: Path | None = None) -> LandmarkRecognizer:
    """The model of a folder (the shipped one unless given), and the recordings of the lexicons as taught signs.

    Raises WeightsError when the model cannot be read, LexiconError when a lexicon cannot.
    """
    folder = folder or SHIPPED
    model, card = _loaded(folder, _when_written(folder))
    exemplars = [one for lexicon in lexicons for one in exemplars_of(lexicon)]
    taught = None
    if exemplars:
        taught = ExemplarRecognizer(exemplars, description="Compares with your own recordings.")
    return LandmarkRecognizer(model, card, taught)


def _when_written(folder: Path) -> int:
    """Nanoseconds: a training that goes on writes the model of its run again; 0 where there is none."""
    path = folder / WEIGHTS
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=2)
def _loaded(folder: Path, _written_ns: int) -> tuple[LandmarkModel, ModelCard]:
    return load_model(folder)
