"""What the processes of a training agree on: each has to come to the same, or they wait for each other for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator


def on_any(accelerator: Accelerator, value: bool) -> bool:
    """Whether it is so on any process."""
    if int(accelerator.num_processes) == 1:
        return value
    told = torch.tensor(float(value), device=accelerator.device)
    return float(accelerator.reduce(told, "sum")) > 0


def of_main(accelerator: Accelerator, value: float | None) -> float | None:
    """What the main process has, on every process."""
    if int(accelerator.num_processes) == 1:
        return None if value is None else float(value)
    has = value is not None and bool(accelerator.is_main_process)
    told = torch.tensor(
        [value if has else 0.0, float(has)],
        dtype=torch.float32 if accelerator.device.type == "mps" else torch.float64,
        device=accelerator.device,
    )
    told = accelerator.reduce(told, "sum")
    return float(told[0]) if told[1] > 0 else None
