"""A trained four-stage model on disk, as a folder (models/model_folder.py).

A model that began with published weights holds them in its own file, so that they need not be here to use it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import SignError
from models.model_folder import check_asked, fill, read_about, read_weights, unusable, write_model
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.model import FourStage
from models.training.config import from_dict

KIND, FORMAT = "four-stage", 1


def save_four_stage(model: FourStage, folder: Path, trained_on: str = "") -> None:
    """Write weights and settings as a folder of their own. trained_on: what it learned from, in words."""
    about = {
        "format": FORMAT,
        "kind": KIND,
        "glosses": model.glosses,
        "trained_on": trained_on,
        "config": asdict(model.config),
    }
    write_model(folder, model.state_dict(), about)


def load_four_stage(folder: Path) -> FourStage:
    """The model that `save_four_stage` wrote, ready to answer.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    about, tensors = _about(folder), read_weights(folder)
    try:
        config = from_dict(FourStageConfig, about["config"])
        glosses = [str(gloss) for gloss in about["glosses"]]
    except (KeyError, TypeError, SignError) as error:
        raise unusable(folder, error) from None
    check_asked(lambda: _built(config, glosses, tensors), tensors, folder)
    model = _built(config, glosses, tensors)
    fill(model, tensors, folder)
    return model.eval().requires_grad_(False)


def trained_on(folder: Path) -> str:
    """The model in a sentence, with what it learned from. Raises WeightsError as `load_four_stage`."""
    about = _about(folder)
    learned = str(about.get("trained_on") or "it does not say what it learned from")
    return f"A four-stage model of {len(about.get('glosses', ()))} glosses, {learned}."


def _about(folder: Path) -> dict[str, Any]:
    return read_about(folder, kind=KIND, version=FORMAT, what="four-stage model")


def _built(config: FourStageConfig, glosses: list[str], tensors: dict[str, Tensor]) -> FourStage:
    with torch.random.fork_rng(devices=[]):  # the numbers drawn here are replaced, and nobody else's should change
        model = FourStage(replace(config, start="scratch"), glosses)
    model.config = config
    if config.align and config.start == "pretrained" and "gloss_vectors" in tensors:
        del model.gloss_vectors  # BERT's, which are not trained, and wider than learned ones
        model.register_buffer("gloss_vectors", torch.empty_like(tensors["gloss_vectors"]))
        model.align_gloss = nn.Linear(tensors["gloss_vectors"].shape[-1], config.aligned)
    return model
