"""Stage 1, pictures: a ResNet on every frame, in chunks, so that memory does not grow with the length of a clip.

Only real frames go through it, never padding, so that batch normalisation sees nothing else.

Shapes: N frames, C channels, H x W pixels, D features, S cells of the grid.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetModel

from models.recognition.four_stage.config import FourStageConfig
from models.recognition.trunks import IMAGENET, check_resnet, in_chunks

GRID = 4
"""Cells of the features in height and in width."""


class Backbone(nn.Module):
    """Frames (N, 3, H, W), uint8, to features (N, D, GRID, GRID)."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: FourStageConfig, weights: Path | None = None) -> None:
        """weights: a folder of published ones; from scratch without."""
        super().__init__()
        self.chunk, self.checkpointing = config.chunk, config.checkpointing
        if weights is not None:
            self.resnet = ResNetModel.from_pretrained(weights, local_files_only=True, use_safetensors=True)
            check_resnet(
                self.resnet.config, block=config.block, stem=config.stem, widths=config.widths, depths=config.depths
            )
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
        self.register_buffer("mean", torch.tensor(IMAGENET[0]).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET[1]).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        return self.reduce(in_chunks(self._maps, self.resnet, frames, self.chunk, checkpointing=self.checkpointing))

    def _maps(self, frames: Tensor) -> Tensor:
        frames = ((frames - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.resnet(frames).last_hidden_state
        return found if found.shape[-2:] == (GRID, GRID) else functional.adaptive_avg_pool2d(found, GRID)
