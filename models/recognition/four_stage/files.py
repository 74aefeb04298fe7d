"""A trained four-stage model on disk: FOLDER/model.safetensors and FOLDER/model.json. Nothing is unpickled.

A model that began with published weights holds them in its own file, so that they need not be here to use it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import SignError, WeightsError
from models.files import safe_name
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.task import FORMAT
from models.training.config import from_dict

KIND = "four-stage"
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


def load_four_stage(folder: Path) -> FourStage:
    """The model that `save_four_stage` wrote, ready to answer.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    folder = Path(folder)
    about = _description(folder / DESCRIPTION)
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"{safe_name(folder)} has no {WEIGHTS}; take the model folder of a training run.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} cannot be read ({error}); it may be cut off, copy or train it again."
        ) from None
    try:
        config = from_dict(FourStageConfig, about["config"])
        glosses = [str(gloss) for gloss in about["glosses"]]
    except (KeyError, TypeError, SignError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{DESCRIPTION} cannot be used ({error}); copy or train the model again."
        ) from None
    return _built(config, glosses, tensors, folder).eval().requires_grad_(False)


def holds_four_stage(folder: Path) -> bool:
    """Whether a folder says that it holds a four-stage model, rather than another."""
    try:
        found = json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("kind") == KIND


def trained_on(folder: Path) -> str:
    """The model in a sentence, with what it learned from. Raises WeightsError as `load_four_stage`."""
    about = _description(Path(folder) / DESCRIPTION)
    learned = str(about.get("trained_on") or "it does not say what it learned from")
    return f"A four-stage model of {len(about.get('glosses', ()))} glosses, {learned}."


def _built(config: FourStageConfig, glosses: list[str], tensors: dict[str, Tensor], folder: Path) -> FourStage:
    with torch.random.fork_rng(devices=[]):  # the numbers drawn here are replaced, and nobody else's should change
        model = FourStage(replace(config, start="scratch"), glosses)
    model.config = config
    if config.align and config.start == "pretrained" and "gloss_vectors" in tensors:
        del model.gloss_vectors  # BERT's, which are not trained, and wider than learned ones
        model.register_buffer("gloss_vectors", torch.empty_like(tensors["gloss_vectors"]))
        model.align_gloss = nn.Linear(tensors["gloss_vectors"].shape[-1], config.aligned)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} holds weights of another model than {DESCRIPTION} says; train it again."
        ) from None
    return model


def _description(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{safe_name(path.parent)} holds no model: there is no {path.name} in it.") from None
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{safe_name(path.parent)}/{path.name} cannot be read ({error}); copy or train the model again."
        ) from None
    kind = about.get("kind") if isinstance(about, dict) else None
    if kind != KIND:
        raise WeightsError(f"{safe_name(path.parent)} holds no four-stage model (its kind is {kind!r}); take another.")
    if about.get("format") != FORMAT:
        raise WeightsError(
            f"{safe_name(path.parent)} was made by another version of the studio (format {about.get('format')!r}, "
            f"here {FORMAT}); train the model again."
        )
    found: dict[str, Any] = about
    return found
