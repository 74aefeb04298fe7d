"""A small encoder for where CLIP's weights are not: it has CLIP's surface, and learns to say where the landmarks are.

CLIP learned to tell pictures by what is said of them; nothing is said of frames of signing but the pose. So here the
embedding of a full picture has to tell where shoulders, elbows, wrists and fingers are, and that of a hand's crop
where its 21 landmarks are. Both go through one encoder, as with CLIP. The heads that are asked are thrown away.

It is convolutional, like CLIP's first encoders: a vision transformer of this size learned next to nothing from ten
thousand pictures in the same time (docs/base_action.md).

Shapes: N pictures, S side, K landmarks, D width of the embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.synthesis.config import BaseActionConfig
from models.synthesis.features import embed

SIDE = 64
_BATCH, _RATE = 48, 3e-3
_SHIFT = 4  # pixels, at most, by which pictures are moved
Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor, Tensor]]
"""Gives pictures (N, 3, S, S) of 0 to 1, landmarks (N, K, 2) as shares of the side, which of them are known (N, K)."""


@dataclass(frozen=True)
class Said:
    """As CLIP's vision tower says it."""

    image_embeds: Tensor


class SmallEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Convolutions, and one matrix over the whole grid, so that it knows where something is."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, projection_dim: int = 128, image_size: int = SIDE) -> None:
        super().__init__()
        self.fine = nn.Sequential(_block(3, 24, 2), _block(24, 48, 2), _block(48, 48))
        self.coarse = nn.Sequential(_block(48, 64, 2), _block(64, 64))
        self.grid = nn.Sequential(nn.Conv2d(64, 24, 1), nn.SiLU(), nn.Flatten())
        self.projection = nn.Linear(24 * (image_size // 8) ** 2, projection_dim)

    def forward(self, pictures: Tensor) -> Said:
        """(N, 3, 64, 64), normalised as for CLIP."""
        return Said(image_embeds=self.projection(self.grid(self.coarse(self.fine(pictures)))))

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The features after both stages, (N, 48, 16, 16) and (N, 64, 8, 8)."""
        fine = self.fine(pictures)
        return [fine, self.coarse(fine)]


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.SiLU()
    )


def new_encoder(config: BaseActionConfig) -> SmallEncoder:
    """An encoder that has learned nothing yet."""
    return SmallEncoder(projection_dim=config.encoder_width)


def train_encoder(
    config: BaseActionConfig,
    full: Draw,
    hands: Draw,
    tell: Callable[[int, int], None] | None = None,
) -> SmallEncoder:
    """An encoder for these pictures."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    encoder, steps = new_encoder(config).train(), config.encoder_steps
    heads = nn.ModuleList(nn.Linear(config.encoder_width, 2 * draw(1, generator)[1].shape[1]) for draw in (full, hands))
    learned = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=max(2, steps), pct_start=0.1)
    for step in range(steps):
        losses = []
        for draw, head in zip((full, hands), heads, strict=True):
            pictures, points, known = _moved(*draw(_BATCH, generator), generator)
            said = head(embed(encoder, pictures)).unflatten(-1, (-1, 2))
            wrong = (said - points).abs().sum(dim=-1)
            losses.append((wrong * known).sum() / known.sum().clamp(min=1))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        if tell is not None:
            tell(step + 1, steps)
    return encoder.eval().requires_grad_(False)


def _moved(
    pictures: Tensor, points: Tensor, known: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The same a few pixels further."""
    side = pictures.shape[-1]
    shift = (2 * torch.rand((len(pictures), 2), generator=generator) - 1) * _SHIFT / SIDE
    move = torch.eye(2, 3).repeat(len(pictures), 1, 1)
    move[:, :, 2] = -2 * shift
    grid = functional.affine_grid(move, [len(pictures), 3, side, side], align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return moved, points + shift[:, None], known
