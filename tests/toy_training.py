"""A linear model that learns in moments, for tests of everything around training; run as a program, it is the studio's
command line with that model in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.errors import SignError
from models.training.options import LoopOptions
from models.training.run import Run
from models.training.task import Part
from studio.trainables import TRAINABLES, Tell, Trainable


@dataclass(frozen=True, kw_only=True)
class ToyModel:
    """The line."""

    width: int = 4
    """Numbers that go in."""
    shape: Literal["line", "bend"] = "line"
    """What it can draw."""


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """All settings."""

    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=40, learning_rate=0.05, log_every=1, save_every=5, validate_every=10, workers=0
        )
    )
    model: ToyModel = field(default_factory=ToyModel)
    pause_s: float = 0.0
    """What a step takes at least, seconds."""
    fault: Literal["", "sentence", "bug", "hard"] = ""
    """What goes wrong in step 5."""
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SignError(f"batch_size is {self.batch_size}; it has to be at least 1.")


class ToyTask:
    """Learns what a fixed line says; with a second term, so that there are several."""

    metric, higher_is_better = "error", False

    def __init__(self, config: ToyConfig) -> None:
        self.config, self.batch_size, self.batches_per_epoch = config, config.batch_size, 10
        torch.manual_seed(0)
        self.model: nn.Module = nn.Sequential(nn.Linear(config.model.width, 8), nn.Linear(8, 1))

    def parts(self) -> Mapping[str, Part]:
        return {
            "body": Part(parameters=list(self.model[0].parameters()), rate=0.5),
            "head": Part(parameters=list(self.model[1].parameters())),
        }

    def batch(self, number: int) -> dict[str, Tensor]:
        time.sleep(self.config.pause_s)
        if number == 5 and self.config.fault == "sentence":
            raise SignError("The data ended in <b>batch</b> 5; add more.")
        if number == 5 and self.config.fault == "bug":
            raise RuntimeError("a bug in the toy")
        if number == 5 and self.config.fault == "hard":
            import os

            print("the last words", flush=True)
            os._exit(7)
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(self.batch_size, self.config.model.width, generator=generator)
        return {"x": x, "y": x.sum(1, keepdim=True)}

    def losses(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        y = model(batch["x"])
        return {"fit": (y - batch["y"]).square().mean(), "small": y.square().mean()}

    def weights(self) -> Mapping[str, float]:
        return {"fit": 1.0, "small": 0.01}

    def shared(self) -> list[nn.Parameter]:
        return list(self.model[0].parameters())

    def begin_epoch(self, model: nn.Module, epoch: int) -> None: ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        batch = self.batch(10_000)
        return {"error": float((model(batch["x"]) - batch["y"]).abs().mean()), "loss": 1.0}

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None: ...

    def save(self, model: nn.Module, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps({"width": self.config.model.width}))
        (folder / "model.safetensors").write_bytes(b"weights")


class ToyRecipe:
    """As a recipe's module."""

    PRESETS: Mapping[str, Any] = {
        "demo": ToyConfig(),
        "slow": ToyConfig(pause_s=0.05, loop=LoopOptions(steps=400, log_every=1, save_every=5, validate_every=20)),
    }

    def prepare(self, config: ToyConfig, data: Path, tell: Tell) -> None:
        for number in range(3):
            tell("Making toys", number, 3)
            (data / f"{number}.txt").write_text("a toy")

    def build(self, config: ToyConfig, data: Path) -> tuple[ToyTask, LoopOptions]:
        return ToyTask(config), config.loop

    def evaluate(self, run: Run) -> dict[str, Any]:
        run.evaluation.mkdir(exist_ok=True)
        (run.evaluation / "evaluation.json").write_text('{"error": 0.1}')
        (run.evaluation / "report.html").write_text("<h1>Toy</h1>")
        return {"error": 0.1}


TOY = Trainable(
    name="toy",
    title="Toy (a line)",
    about="Learns a line in moments.",
    needs="nothing at all",
    recipe=ToyRecipe,
)

if __name__ == "__main__":
    from studio.cli import main

    TRAINABLES["toy"] = TOY
    main()
