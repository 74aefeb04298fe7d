"""Stage 1, pictures: a ResNet on every frame, in chunks, so that memory does not grow with the length of a clip.

Only real frames go through it, never padding, so that batch normalisation sees nothing else. With checkpointing the
activations of a chunk are computed again when gradients are; the running statistics are not counted twice.

Shapes: N frames, C channels, H x W pixels, D features, S cells of the grid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import ResNetConfig, ResNetModel

from models.errors import WeightsError
from models.recognition.four_stage.config import FourStageConfig

GRID = 4
"""Cells of the features in height and in width."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which the published weights were made with


class Backbone(nn.Module):
    """Frames (N, 3, H, W), uint8, to features (N, D, GRID, GRID)."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: FourStageConfig, weights: Path | None = None) -> None:
        """weights: a folder of published ones; from scratch without."""
        super().__init__()
        self.chunk, self.checkpointing = config.chunk, config.checkpointing
        if weights is not None:
            self.resnet = ResNetModel.from_pretrained(weights, use_safetensors=True)
            _check_shape(self.resnet.config, config)
        else:
            self.resnet = ResNetModel(
                ResNetConfig(
                    embedding_size=config.stem,
                    hidden_sizes=list(config.widths),
                    depths=list(config.depths),
                    layer_type=config.block,
                )
            )
        nn.Module.to(self.resnet, memory_format=torch.channels_last)  # a third faster on a processor
        self.reduce = nn.Conv2d(list(self.resnet.config.hidden_sizes or ())[-1], config.features, 1)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        parts = []
        for chunk in frames.split(self.chunk):
            if self.checkpointing and self.training and torch.is_grad_enabled():
                parts.append(checkpoint(self._maps, chunk, use_reentrant=False, context_fn=self._contexts))
            else:
                parts.append(self._maps(chunk))
        return self.reduce(torch.cat(parts))

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return contextlib.nullcontext(), _frozen_statistics(self.resnet)

    def _maps(self, frames: Tensor) -> Tensor:
        frames = ((frames - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.resnet(frames).last_hidden_state
        return found if found.shape[-2:] == (GRID, GRID) else functional.adaptive_avg_pool2d(found, GRID)


def _check_shape(found: ResNetConfig, config: FourStageConfig) -> None:
    """Raises WeightsError unless the published model has the shape of the settings, by which it is loaded again."""
    shapes = {
        "block": (found.layer_type, config.block),
        "stem": (found.embedding_size, config.stem),
        "widths": (list(found.hidden_sizes or ()), list(config.widths)),
        "depths": (list(found.depths or ()), list(config.depths)),
    }
    wrong = [
        f"model.{name} is {wanted}, there it is {there}" for name, (there, wanted) in shapes.items() if there != wanted
    ]
    if wrong:
        raise WeightsError(f"The ResNet in the weights folder has another shape: {'; '.join(wrong)}.")


@contextlib.contextmanager
def _frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch normalisation as in training, but its running statistics stay."""
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    kept = [one.momentum for one in norms]
    counts = [one.num_batches_tracked.clone() for one in norms if one.num_batches_tracked is not None]
    for one in norms:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, momentum, count in zip(norms, kept, counts, strict=True):
            one.momentum = momentum
            one.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
