"""What is summed up between two lines of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Window:
    """Sums since the last line; plain values, so that a checkpoint can hold it."""

    since: float = 0.0
    """Seconds of training when it began."""
    batches: int = 0
    total: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)
    """Of the gradient of each part, in the last step."""

    def add(self, total: float, losses: Mapping[str, float]) -> None:
        """One more batch."""
        self.batches += 1
        self.total += total
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> tuple[float, dict[str, float]]:
        """Of the whole loss, and of each term over the batches that had it."""
        terms = {name: value / self.counts[name] for name, value in self.sums.items()}
        return self.total / max(1, self.batches), terms
