"""A task that trains in milliseconds and has everything that can go wrong: dropout, batch norm, labels that depend on
the model and are renewed each epoch, two terms. As a program it trains a run: `python loop_toy.py RUN CHANGES`, with
changes as JSON: {"loop": {...}, "task": {...}}."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from models.training import LoopOptions, Part, Run, fit

WIDTH, LABELS = 6, 3


@dataclass(frozen=True, kw_only=True)
class Examples:
    seen: Tensor
    value: Tensor
    label: Tensor


class Toy(nn.Module):
    def __init__(self, dropout: float = 0.2, norm: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(WIDTH, 16), nn.BatchNorm1d(16) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(dropout)
        )
        self.last = nn.Linear(16, 8)
        self.value, self.label = nn.Linear(8, 1), nn.Linear(8, LABELS)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.last(self.body(seen)).relu()
        return self.value(hidden)[:, 0], self.label(hidden)


class ToyTask:
    metric = "error"
    fixed_terms: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        dropout: float = 0.2,
        norm: bool = True,
        batch_size: int = 4,
        batches_per_epoch: int = 5,
        errors: tuple[float, ...] | None = None,
        nan_from: int | None = None,
        kill_at: int | None = None,
        only: str | None = None,
    ) -> None:
        torch.manual_seed(7)
        self.model: Any = Toy(dropout, norm)
        self.higher_is_better = False
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.errors, self.nan_from, self.kill_at, self.only = errors, nan_from, kill_at, only
        self.drawn: list[int] = []
        self.epochs: list[int] = []
        self.validated = 0
        self.offset = torch.zeros(1)  # renewed by the model itself

    def parts(self) -> dict[str, Part]:
        toy = self.model
        heads = [*toy.last.parameters(), *toy.value.parameters(), *toy.label.parameters()]
        return {"body": Part(parameters=list(toy.body.parameters()), rate=0.1), "heads": Part(parameters=heads)}

    def batch(self, number: int) -> Examples:
        if number == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.drawn.append(number)
        return self._examples(number * self.batch_size, self.batch_size)

    def _examples(self, first: int, count: int) -> Examples:
        dice = [torch.Generator().manual_seed(number) for number in range(first, first + count)]
        seen = torch.stack([torch.randn(WIDTH, generator=one) for one in dice])
        return Examples(seen=seen, value=seen.sum(dim=1).sin(), label=seen[:, :LABELS].argmax(dim=1))

    def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
        value, label = model(batch.seen)
        losses = {
            "value": functional.mse_loss(value, batch.value + 0.1 * self.offset),
            "label": functional.cross_entropy(label, batch.label),
        }
        if self.nan_from is not None and self.drawn[-1] >= self.nan_from:
            losses["value"] = losses["value"] * float("nan")
        return losses if self.only is None else {self.only: losses[self.only]}

    def weights(self) -> dict[str, float]:
        return {"value": 2.0}

    def shared(self) -> list[nn.Parameter]:
        return list(self.model.last.parameters())

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        self.epochs.append(epoch)
        model.eval()
        with torch.no_grad():
            self.offset = model(self._examples(100_000 + epoch, 1).seen)[0]

    def validate(self, model: nn.Module) -> dict[str, float]:
        self.validated += 1
        torch.rand(3)  # dice that are thrown here must not change what is trained
        assert not model.training
        examples = self._examples(200_000, 8)
        error = float(functional.mse_loss(model(examples.seen)[0], examples.value))
        if self.errors is not None:
            error = self.errors[self.validated - 1]
        return {"error": error, "count": float(self.validated)}

    def state(self) -> dict[str, Tensor]:
        return {"offset": self.offset, "validated": torch.tensor(self.validated)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        self.offset = tensors["offset"].clone()
        self.validated = int(tensors["validated"])

    def save(self, model: nn.Module, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "toy.safetensors")


def main(folder: Path, changes: Mapping[str, Any]) -> None:
    fit(ToyTask(**changes.get("task", {})), LoopOptions(**changes["loop"]), Run(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
