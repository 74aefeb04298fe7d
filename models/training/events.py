"""The metrics of a run for TensorBoard: `tensorboard --logdir RUN/events`, or the folder of many runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_GROUPS = {
    "losses": "loss_of",
    "weights": "weight",
    "learning_rates": "learning_rate",
    "gradient_norms": "gradient_norm",
}
_SINGLE = {"loss": "loss", "samples_per_s": "speed/samples_per_s", "memory_mb": "memory/mb", "epoch": "speed/epoch"}


class Events:
    """Writes lines of metrics.jsonl as scalars; close it at the end, or use it in a `with`.

    A run that goes on from the checkpoint of `after_step` takes back what was written of later steps.
    """

    def __init__(self, folder: Path, after_step: int | None = None) -> None:
        # Late: a second and a half.
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = SummaryWriter(str(folder), purge_step=None if after_step is None else after_step + 1)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line, of either kind; what is no finite number is left out."""
        for tag, value in _scalars(line):
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(tag, value, int(line["step"]))
        if line.get("kind") == "validation":
            self._writer.flush()

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        self._writer.close()


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if line.get("kind") == "validation":
        yield from ((f"validation/{name}", value) for name, value in line["metrics"].items())
        return
    yield from ((tag, line.get(name)) for name, tag in _SINGLE.items())
    for name, group in _GROUPS.items():
        yield from ((f"{group}/{part}", value) for part, value in (line.get(name) or {}).items())
