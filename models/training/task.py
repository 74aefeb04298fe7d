"""What the loop needs to know of a model that it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters that learn at a rate of their own."""

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    """By which the learning rate is multiplied."""


class Task(Protocol):
    """A model, what it learns from, and how it is judged."""

    metric: str
    """Of those that `validate` measures, the one that says which weights are best."""
    higher_is_better: bool
    batch_size: int
    batches_per_epoch: int
    fixed_terms: Sequence[str]
    """Terms whose weight GradNorm leaves alone: regularisers."""

    @property
    def model(self) -> nn.Module:
        """What is trained; of whatever kind."""

    def parts(self) -> Mapping[str, Part]:
        """Every trained parameter, in exactly one part."""

    def batch(self, number: int) -> Any:
        """A batch, which depends on its number alone, so that a run that goes on is the same run. A tensor, or a
        dataclass, mapping, tuple or list of such."""

    def losses(self, model: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Every term as it is, not yet weighted. model: the one to call, which may wrap `self.model`."""

    def weights(self) -> Mapping[str, float]:
        """What each term is multiplied by; 1 for one that is not named."""

    def shared(self) -> Sequence[nn.Parameter]:
        """The last layer that all terms depend on, for GradNorm; empty where there is none."""

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """Called before the first step of an epoch, on every process."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Judge the model on data that it is not trained on; called on one process."""

    def state(self) -> dict[str, Tensor]:
        """What has to be kept beside the weights for a run to go on."""

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the model as its own folder, from which it is used."""


class Batches(torch.utils.data.Dataset[Any]):
    """The batches that one process takes, by step; a DataLoader draws them ahead."""

    def __init__(self, task: Task, numbers: Sequence[int]) -> None:
        self._task, self._numbers = task, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Any:
        return self._task.batch(self._numbers[index])


def to_device(batch: T, device: torch.device) -> T:
    """The batch with all its tensors on the device."""
    made: Any = batch
    if isinstance(batch, Tensor):
        made = batch.to(device, non_blocking=True)
    elif is_dataclass(batch) and not isinstance(batch, type):
        made = replace(batch, **{one.name: to_device(getattr(batch, one.name), device) for one in fields(batch)})
    elif isinstance(batch, Mapping):
        made = {name: to_device(value, device) for name, value in batch.items()}
    elif isinstance(batch, list | tuple):
        made = type(batch)(to_device(value, device) for value in batch)
    return made
