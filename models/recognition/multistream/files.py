"""A trained multi-stream model on disk, as a folder (models/model_folder.py).

A model that began with published weights holds them in its own file, so that they need not be here to use it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from models.errors import SignError
from models.model_folder import check_asked, fill, read_about, read_weights, unusable, write_model
from models.recognition.multistream.config import MultiStreamConfig
from models.recognition.multistream.network import MultiStream
from models.training.config import from_dict

KIND, FORMAT = "multistream", 1


@dataclass(frozen=True, kw_only=True)
class About:
    """What a model says of itself."""

    labels: tuple[str, ...]
    trained_on: str
    """In words."""
    drawn: bool
    """Whether the clips that it learned from were drawn by the studio."""
    config: MultiStreamConfig


def save_multistream(model: MultiStream, folder: Path, *, trained_on: str, drawn: bool, half: bool = False) -> None:
    """Write weights and settings as a folder of their own. half: in half precision, to be handed on."""
    told = {
        "format": FORMAT,
        "kind": KIND,
        "labels": model.labels,
        "trained_on": trained_on,
        "drawn": drawn,
        "config": asdict(model.config),
    }
    write_model(folder, model.state_dict(), told, half=half)


def load_multistream(folder: Path) -> MultiStream:
    """The model that `save_multistream` wrote, ready to answer.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    told, tensors = about(folder), read_weights(folder)
    fresh = replace(told.config, start="scratch")
    check_asked(lambda: MultiStream(fresh, told.labels), tensors, folder)
    with torch.random.fork_rng(devices=[]):  # the numbers drawn here are replaced, and nobody else's should change
        model = MultiStream(fresh, told.labels)
    model.config = told.config
    fill(model, tensors, folder)
    return model.eval().requires_grad_(False)


def about(folder: Path) -> About:
    """What a model says of itself, without its weights. Raises WeightsError as `load_multistream`."""
    found = read_about(folder, kind=KIND, version=FORMAT, what="multi-stream model")
    try:
        return About(
            labels=tuple(str(label) for label in found["labels"]),
            trained_on=str(found["trained_on"]),
            drawn=bool(found["drawn"]),
            config=from_dict(MultiStreamConfig, found["config"]),
        )
    except (KeyError, TypeError, SignError) as error:
        raise unusable(folder, error) from None
