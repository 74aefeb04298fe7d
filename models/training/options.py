"""The settings of the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.errors import SignError


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How long, how fast, and how the terms of the loss are weighed."""

    steps: int = 1000
    """Steps of the optimizer."""
    learning_rate: float = 1e-3
    """At its highest; each part of a model has a factor of its own."""
    weight_decay: float = 0.02
    """Of AdamW."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; then it falls along a cosine."""
    clip: float = 2.0
    """Greatest norm of the gradient; 0 for no limit."""
    mean_over: int = 0
    """Steps over which the weights that are kept are averaged; 0 keeps those of the last step."""
    accumulation: int = 1
    """Batches to a step: raise it, and lower the batch size, when memory runs out."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Half precision saves memory and time on a GPU."""
    weighing: Literal["fixed", "gradnorm"] = "fixed"
    """Whether the weights of the terms stay as they are, or are learned once the warm-up is over."""
    gradnorm_alpha: float = 0.5
    """How hard a term is pulled that falls more slowly than the others."""
    gradnorm_rate: float = 0.025
    """Learning rate of the weights."""
    validate_every: int = 0
    """Steps between validations; 0 for once an epoch."""
    patience: int = 0
    """Validations without a better one after which training ends; 0 for never."""
    log_every: int = 10
    """Steps to a line of the metrics."""
    save_every: int = 100
    """Steps between checkpoints."""
    seed: int = 0
    """Another seed gives another model."""
    workers: int = 0
    """Processes that prepare batches ahead."""

    def __post_init__(self) -> None:
        least = {"steps": 1, "accumulation": 1, "log_every": 1, "save_every": 1}
        least |= dict.fromkeys(
            ("mean_over", "validate_every", "patience", "seed", "workers", "clip", "weight_decay", "gradnorm_alpha"), 0
        )
        for name, low in least.items():
            if getattr(self, name) < low:
                raise SignError(f"loop.{name} is {getattr(self, name)}; it has to be at least {low}.")
        for name, high in (("learning_rate", 1.0), ("gradnorm_rate", 1.0)):
            if not 0 < getattr(self, name) < high:
                raise SignError(f"loop.{name} is {getattr(self, name)}; it has to be between 0 and {high:g}.")
        if not 0 <= self.warmup < 1:
            raise SignError(f"loop.warmup is {self.warmup}; it is a share of the steps, from 0 to below 1.")


def rate(share: float, warmup: float) -> float:
    """Factor of the learning rate when this share of the steps is done: up in a line, then down along a cosine."""
    if share < warmup:
        return share / warmup
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) + 1e-3


def changed(before: Mapping[str, Any], now: LoopOptions) -> list[str]:
    """Settings that differ and would make another run of it, with what they were. How often it writes, and who prepares
    the batches, makes no difference."""
    free = {"log_every", "save_every", "workers"}
    return [
        f"loop.{name} was {before.get(name)}"
        for name, value in asdict(now).items()
        if name not in free and before.get(name) != value
    ]
