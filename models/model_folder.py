"""A trained model as a folder: FOLDER/model.safetensors, and FOLDER/model.json, which says what it is. Nothing is
unpickled.

Every kind of model keeps its own words in the JSON; kind and format are what all of them have, and what tells a
folder of another kind, or of another version of the studio, in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import WeightsError
from models.files import read_json, replacing, safe_name

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
_SLACK = 10_000_000  # numbers, for what a network makes for itself


def write_model(folder: Path, state: Mapping[str, Tensor], about: Mapping[str, Any], *, half: bool = False) -> None:
    """Write weights and description; half-written files are never seen. half: in half precision, to be handed on."""
    from safetensors.torch import save_file

    def stored(value: Tensor) -> Tensor:
        value = value.detach().cpu().contiguous().clone()
        return value.half() if half and value.is_floating_point() else value

    with replacing(Path(folder) / WEIGHTS) as temporary:
        save_file({name: stored(value) for name, value in state.items()}, temporary)
        temporary.chmod(0o644)  # it is made for its owner only
    with replacing(Path(folder) / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_about(folder: Path, *, kind: str, version: int, what: str) -> dict[str, Any]:
    """What a model says of itself. what: such a model in words, as in "four-stage model".

    Raises WeightsError when there is none, it cannot be read, or it is of another kind or version.
    """
    path = Path(folder) / DESCRIPTION
    try:
        found = read_json(path)
    except FileNotFoundError:
        raise WeightsError(
            f"{safe_name(folder)} holds no model: there is no {DESCRIPTION} in it; take the model folder of a run."
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{DESCRIPTION} cannot be read ({error}); copy or train the model again."
        ) from None
    seen = found.get("kind") if isinstance(found, dict) else None
    if seen != kind:
        raise WeightsError(f"{safe_name(folder)} holds no {what} (its kind is {seen!r:.80}); take another.")
    if found.get("format") != version:
        raise another_version(folder, f"format {found.get('format')!r:.80}, here {version}")
    told: dict[str, Any] = found
    return told


def described(folder: Path) -> dict[str, Any]:
    """What a model says of itself, whatever it is; empty where there is none, or it cannot be read."""
    try:
        found = read_json(Path(folder) / DESCRIPTION)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def another_version(folder: Path, seen: str) -> WeightsError:
    """What to say of a model whose numbers mean something else. seen: what differs."""
    return WeightsError(
        f"{safe_name(folder)} was made by another version of the studio ({seen}); train the model again."
    )


def unusable(folder: Path, error: Exception) -> WeightsError:
    """What to say of a description that lacks a value, or has one that cannot be."""
    return WeightsError(
        f"{safe_name(folder)}/{DESCRIPTION} cannot be used: a value is missing or of another kind ({error}); "
        "copy or train the model again."
    )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a model by name. Raises WeightsError when the file is missing or cut off."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"{safe_name(folder)} has no {WEIGHTS}; take the model folder of a training run.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} cannot be read ({error}); it may be cut off, copy or train it again."
        ) from None


def check_asked(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Raises WeightsError when the network that a description asks for cannot be made, or would take much more memory
    than the weights that are there; it is made without memory to find that out."""
    import torch

    try:
        with torch.device("meta"):
            asked = sum(one.numel() for one in make().state_dict().values())
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise unusable(folder, error) from None
    there = sum(one.numel() for one in tensors.values())
    if asked > 2 * there + _SLACK:
        raise WeightsError(
            f"{safe_name(folder)}/{DESCRIPTION} asks for a network of {asked:,} numbers, and {WEIGHTS} has {there:,}; "
            "copy or train the model again."
        )


def fill(network: nn.Module, tensors: Mapping[str, Tensor], folder: Path, *, strict: bool = True) -> None:
    """Put the tensors of a folder into a network, in single precision. Raises WeightsError when they do not fit."""
    try:
        network.load_state_dict(
            {name: one.float() if one.is_floating_point() else one for name, one in tensors.items()}, strict=strict
        )
    except RuntimeError:
        raise WeightsError(
            f"{safe_name(folder)}/{WEIGHTS} holds weights of another model than {DESCRIPTION} says; train it again."
        ) from None
