"""A tiny multi-stream model, and clips whose labels tell what its streams see."""

from __future__ import annotations

from pathlib import Path

import torch
from something_toy import make

from models.data.something_run import SomethingOptions, run
from models.recognition.multistream.clips import OUT, Batch
from models.recognition.multistream.config import DataOptions, MultiStreamConfig, MultiStreamTraining
from models.training import LoopOptions

MODEL = MultiStreamConfig(
    start="scratch", frames=4, size=48, crop=48, max_objects=2, stem=8, widths=(8, 8), depths=(1, 1), multiplier=0.1,
    graph=8, rounds=2, object_features=8, width=16, heads=2, lstm=8, hidden=8, dropout=0.0,
)  # fmt: skip
TRAINING = MultiStreamTraining(
    model=MODEL,
    data=DataOptions(batch_size=2, keep=True),
    loop=LoopOptions(steps=2, validate_every=2, log_every=1, save_every=1),
    trunk_rate=1.0,
)


def batch(count: int = 2, *, frames: int = 4, objects: int = 2, seed: int = 0) -> Batch:
    """Clips of noise in which everything is there."""
    dice = torch.Generator().manual_seed(seed)

    def pictures(*shape: int) -> torch.Tensor:
        return torch.randint(0, 256, shape, generator=dice, dtype=torch.uint8)

    corner = torch.rand(count, frames, objects, 2, generator=dice) / 2
    return Batch(
        context=pictures(count, frames, 3, 48, 48),
        context_mask=torch.ones(count, frames, dtype=torch.bool),
        crops=pictures(count, frames, objects, 3, 48, 48),
        boxes=torch.cat([corner, corner + 0.3], dim=-1),
        boxes_mask=torch.ones(count, frames, objects, dtype=torch.bool),
        hands=torch.rand(count, frames, 2, 21, 3, generator=dice),
        hands_mask=torch.ones(count, frames, 2, dtype=torch.bool),
        aspect=torch.full((count,), 0.75),
        labels=torch.zeros(count, dtype=torch.int64),
    )


def data(root: Path) -> Path:
    """A data folder of a few clips, ready to train on; hands are not looked for."""
    make(root)
    (root / "boxes").rename(root / "annotations")
    (root / "videos" / "7.webm").unlink()  # it is broken on purpose
    run(
        SomethingOptions(
            videos=root / "videos", annotations=root / "annotations", labels=root, out=root / OUT, workers=1
        )
    )
    return root
