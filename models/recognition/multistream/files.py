"""A trained multi-stream model on disk: FOLDER/model.safetensors and FOLDER/model.json. Nothing is unpickled.

A model that began with published weights holds them in its own file, so that they need not be here to use it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.errors import SignError, WeightsError
from models.files import replacing, safe_name
from models.recognition.multistream.config import MultiStreamConfig
from models.recognition.multistream.network import MultiStream
from models.training.config import from_dict

KIND, FORMAT = "multistream", 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


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
    about = {
        "format": FORMAT,
        "kind": KIND,
        "labels": model.labels,
        "trained_on": trained_on,
        "drawn": drawn,
        "config": asdict(model.config),
    }
    with replacing(folder / WEIGHTS) as temporary:
        save_file({name: _stored(value, half) for name, value in model.state_dict().items()}, temporary)
    with replacing(folder / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_multistream(folder: Path) -> MultiStream:
    """The model that `save_multistream` wrote, ready to answer.

    Raises WeightsError, in words, when files are missing, cut off, of another version or of another model.
    """
    folder = Path(folder)
    told = about(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"{safe_name(folder)} has no {WEIGHTS}; take the model folder of a training run.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} cannot be read ({error}); it may be cut off, copy or train it again."
        ) from None
    with torch.random.fork_rng(devices=[]):  # the numbers drawn here are replaced, and nobody else's should change
        model = MultiStream(replace(told.config, start="scratch"), told.labels)
    model.config = told.config
    try:
        model.load_state_dict({name: one.float() if one.is_floating_point() else one for name, one in tensors.items()})
    except RuntimeError:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} holds weights of another model than {DESCRIPTION} says; train it again."
        ) from None
    return model.eval().requires_grad_(False)


def holds_multistream(folder: Path) -> bool:
    """Whether a folder says that it holds a multi-stream model, rather than another."""
    try:
        found = json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("kind") == KIND


def about(folder: Path) -> About:
    """What a model says of itself, without its weights. Raises WeightsError as `load_multistream`."""
    path = Path(folder) / DESCRIPTION
    found = _read(path)
    try:
        return About(
            labels=tuple(str(label) for label in found["labels"]),
            trained_on=str(found["trained_on"]),
            drawn=bool(found["drawn"]),
            config=from_dict(MultiStreamConfig, found["config"]),
        )
    except (KeyError, TypeError, SignError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{DESCRIPTION} cannot be used ({error}); copy or train the model again."
        ) from None


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous().clone()
    return value.half() if half and value.is_floating_point() else value


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{safe_name(path.parent)} holds no model: there is no {path.name} in it.") from None
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{safe_name(path.parent)}/{path.name} cannot be read ({error}); copy or train the model again."
        ) from None
    kind = found.get("kind") if isinstance(found, dict) else None
    if kind != KIND:
        raise WeightsError(
            f"{safe_name(path.parent)} holds no multi-stream model (its kind is {kind!r}); take another."
        )
    if found.get("format") != FORMAT:
        raise WeightsError(
            f"{safe_name(path.parent)} was made by another version of the studio (format {found.get('format')!r}, "
            f"here {FORMAT}); train the model again."
        )
    made: dict[str, Any] = found
    return made
