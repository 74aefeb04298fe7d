"""Two small nets that judge what the base action model made: one reads hands, one says which word is signed.

They learn from real clips only and share nothing with the model or its encoder, so that the model is not graded by
itself. Both see 64 px, whatever the size of the pictures: MediaPipe does not find hands in pictures that small.

- HandReader: a frame -> where 42 landmarks of the hands and 6 of the arms are (the mean place of a heat map each, Sun
  et al., "Integral Human Pose Regression", ECCV 2018), and how sure it is that each hand can be told. That it learns
  from hands that are smeared on purpose, beside those that MediaPipe found and did not find.
- SignClassifier: a clip -> the word. Convolutions over the frame, then over time; that it also has to say where the
  landmarks are keeps it to the signing and off clothes and backgrounds.

Shapes: N frames, B clips, T frames of a clip, K landmarks, S side, W words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 64
"""Of the pictures that are judged, pixels."""
HANDS, POINTS = 42, 48
"""Landmarks of both hands, left first; and with shoulders, elbows and wrists, left and right in turn."""
SWAP = (*range(21, 42), *range(21), 43, 42, 45, 44, 47, 46)
"""Where each landmark is in a mirrored picture."""


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.SiLU()
    )


class HandReader(nn.Module):
    """See the page's head."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.middle = _block(3, 24, 2), nn.Sequential(_block(24, 48, 2), _block(48, 48))
        self.coarse = nn.Sequential(_block(48, 96, 2), _block(96, 96), _block(96, 96))
        self.up = nn.Conv2d(96, 64, 1)
        self.across = nn.Conv2d(48, 64, 1)
        self.join = _block(64, 64)
        self.lift, self.keep = nn.Conv2d(64, 48, 1), nn.Conv2d(24, 48, 1)
        self.maps = nn.Sequential(
            nn.SiLU(), nn.Conv2d(48, 48, 5, padding=2, groups=48), nn.SiLU(), nn.Conv2d(48, POINTS, 1)
        )
        self.told = nn.Linear(2 * 96, 2)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 64, 64) of 0 to 1 -> points (N, K, 2), shares of the side; logits that a hand can be told (N, 2)."""
        fine = self.fine(pictures * 2 - 1)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        joined = self.join(_doubled(self.up(coarse)) + self.across(middle))
        maps = self.maps(_doubled(self.lift(joined)) + self.keep(fine))
        pooled = torch.cat([coarse.mean(dim=(2, 3)), coarse.amax(dim=(2, 3))], dim=1)
        return centres(maps), self.told(pooled)


class SignClassifier(nn.Module):
    """See the page's head."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            _block(3, 16, 2), _block(16, 32, 2), _block(32, 32), _block(32, 64, 2), _block(64, 64)
        )
        # Where something is has to be known as well as what it is, so the grid is kept, with fewer channels.
        self.grid = nn.Sequential(nn.Conv2d(64, 16, 1), nn.SiLU(), nn.Flatten())
        self.narrow = nn.Sequential(nn.Linear(16 * (SIDE // 8) ** 2, 96), nn.LayerNorm(96), nn.SiLU())
        self.points = nn.Linear(96, 2 * POINTS)
        self.time = nn.Sequential(
            nn.Dropout(0.2),
            nn.Conv1d(96, 128, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(128, 128, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv1d(128, 128, 3, padding=1),
            nn.SiLU(),
        )
        self.word = nn.Sequential(nn.Dropout(0.3), nn.Linear(256, words))

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 3, 64, 64) of 0 to 1 -> logits (B, W), points (B, T, K, 2)."""
        seen = self.narrow(self.grid(self.frame(clips.flatten(0, 1) * 2 - 1)))
        points = self.points(seen)
        over = self.time(seen.unflatten(0, clips.shape[:2]).transpose(1, 2))
        logits = self.word(torch.cat([over.mean(dim=2), over.amax(dim=2)], dim=1))
        return logits, points.unflatten(1, (POINTS, 2)).unflatten(0, clips.shape[:2])


def centres(maps: Tensor) -> Tensor:
    """(N, K, h, h) -> (N, K, 2): where each map is, as x and y, shares of the side."""
    side = maps.shape[-1]
    at = (torch.arange(side, device=maps.device, dtype=maps.dtype) + 0.5) / side
    shares = maps.flatten(2).softmax(dim=-1).unflatten(2, (side, side))
    return torch.stack([(shares.sum(dim=2) * at).sum(dim=-1), (shares.sum(dim=3) * at).sum(dim=-1)], dim=-1)


def changed(
    pictures: Tensor, points: Tensor, generator: torch.Generator, frames: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Frames (N, 3, S, S) as others would film them: moved, scaled, mirrored, of other light, softer, noisier.

    points (N, K, 2). frames: so many that follow each other are changed alike. Returns pictures, points, and which
    were mirrored (N,).
    """
    clips = len(pictures) // frames

    def drawn(*shape: int) -> Tensor:
        return torch.rand((clips, *shape), generator=generator).repeat_interleave(frames, dim=0)

    flipped = drawn() < 0.5
    scale = 0.85 + 0.3 * drawn()
    shift = 0.16 * (drawn(2) - 0.5)
    sign = torch.where(flipped, -1.0, 1.0)
    turn = torch.zeros(len(pictures), 2, 3)
    turn[:, 0, 0], turn[:, 1, 1], turn[:, :, 2] = sign / scale, 1 / scale, 2 * shift
    grid = functional.affine_grid(turn, list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    placed = (points - 0.5 - shift[:, None]) * scale[:, None, None]
    placed = torch.where(flipped[:, None, None], (placed * torch.tensor([-1.0, 1.0]))[:, list(SWAP)], placed) + 0.5
    gain, level = 0.75 + 0.5 * drawn(3, 1, 1) * drawn(1, 1, 1).sqrt(), 0.2 * (drawn(3, 1, 1) - 0.5)
    light = (moved - 0.5) * gain + 0.5 + level
    soft = torch.where(drawn(1, 1, 1) < 0.4, softened(light), light)
    grain = 0.02 * torch.randn(soft.shape, generator=generator) * drawn(1, 1, 1)
    return (soft + grain).clamp(0, 1), placed, flipped


def softened(pictures: Tensor) -> Tensor:
    """A little out of focus."""
    return functional.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)


def smeared(pictures: Tensor, pixels: int = 8) -> Tensor:
    """So that nothing smaller than this is left."""
    coarse = functional.avg_pool2d(pictures, pixels)
    return functional.interpolate(coarse, size=pictures.shape[-2:], mode="bilinear", align_corners=False)


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
