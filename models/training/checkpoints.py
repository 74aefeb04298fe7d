"""What a run goes on from, in one file of safetensors: nothing unpickles, and a file is either whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.errors import WeightsError
from models.files import parse_json, replacing, safe_name

_ABOUT = "about"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Tensors by group (model, mean, optimizer, task, ...) and name, and what is known about them."""

    groups: Mapping[str, Mapping[str, Tensor]]
    about: Mapping[str, Any]
    """JSON: the step, the settings, the best so far."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it, in place of what was there."""
    tensors = {
        f"{group}/{name}": value.detach().to("cpu").contiguous().clone()
        for group, named in checkpoint.groups.items()
        for name, value in named.items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_ABOUT: json.dumps(checkpoint.about)})


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one. Raises WeightsError when it is broken, or no checkpoint."""
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})[_ABOUT])
            for key in file.keys():  # noqa: SIM118 - it is no mapping
                group, _, name = key.partition("/")
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{safe_name(path)} is no checkpoint that can be read ({error}); delete it to begin anew."
        ) from error
    return Checkpoint(groups=groups, about=about)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of AdamW: both moments and the steps of every parameter, by the parameter's place."""
    return {
        f"{number}.{name}": torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float32)
        for number, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take back what `optimizer_tensors` gave."""
    parameters = list(_parameters(optimizer))
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        kept = value.clone() if name == "step" else value.to(parameter.device).clone()
        optimizer.state[parameter][name] = kept


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
