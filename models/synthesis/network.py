"""The base action model: what is trained. Embeddings of motion in, latents of a clip that shows it out.

    motion (B, T, 3, D)  ->  MotionEmbedding: E = W_f E_full + W_l E_left + W_r E_right, mixed over time
                         ->  tokens (B*T, 4, X): E and its three parts, to the UNet's cross-attention, frame by frame
                         ->  LayoutHead: a map of the pose, (B, T, 3, m, m)
    [noisy latents | reference frame | map]  ->  UNetMotionModel  ->  what differs from the reference frame

Given a true map of the pose as an input, such a model ignores the embeddings. Here the map is itself drawn out of the
embeddings, supervised by the stored pose, so that what moves is all in E (docs/base_action.md has the ablation).

The UNet is Stable Diffusion's, or one of its shape, with AnimateDiff's layers over time; its first convolution is
widened by the reference and the map with weights of zero, so that a published UNet begins as what it was.

Source: Rombach et al. (CVPR 2022); Guo et al., AnimateDiff (ICLR 2024).

Shapes: B clips, T frames, D width of the encoder, X of the tokens, C latent channels, h latent side, m map side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.synthesis.config import BaseActionConfig

VIEWS = 3
"""Full picture, left hand, right hand."""
_BASE = 8  # least side of the latents, from which the map is drawn


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the embeddings become."""

    tokens: Tensor
    """(B, T, L, X) for the cross-attention."""
    layout: Tensor
    """(B, T, 3, m, m) about 0 to 1: the map of the pose."""


class MotionEmbedding(nn.Module):
    """E = W_f E_full + W_l E_left + W_r E_right; or one matrix over the three, side by side."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: BaseActionConfig, features: int, width: int) -> None:
        super().__init__()
        self.views = nn.ModuleList(nn.Linear(features, width) for _ in range(VIEWS))
        self.joined = nn.Linear(VIEWS * features, width) if config.fusion == "concat" else None
        self.unseen = nn.Parameter(torch.zeros(VIEWS, features))
        # Embeddings of frames of signing are nearly the same; what differs has to be of the size of 1.
        self.register_buffer("centre", torch.zeros(VIEWS, features))
        self.register_buffer("spread", torch.ones(VIEWS, features))
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 5, padding=2), nn.SiLU(), nn.Conv1d(width, width, 5, padding=2)
        )
        self.norm = nn.LayerNorm(width)

    def fit(self, motion: Tensor, seen: Tensor) -> None:
        """Take mean and deviation from what is to be learned: motion (N, T, 3, D), seen (N, T, 3)."""
        for view in range(VIEWS):
            known = motion[:, :, view][seen[:, :, view]]
            if len(known) > 1:
                self.centre[view] = known.mean(dim=0)
                self.spread[view] = known.std(dim=0).clamp(min=1e-3)

    def forward(self, motion: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """motion (B, T, 3, D), seen (B, T, 3) bool -> E (B, T, X), tokens (B, T, 4, X)."""
        given = torch.where(seen[..., None], (motion - self.centre) / self.spread, self.unseen.to(motion.dtype))
        parts = [view(given[:, :, place]) for place, view in enumerate(self.views)]
        one = torch.stack(parts).sum(dim=0) if self.joined is None else self.joined(given.flatten(2))
        one = one + self.over_time(one.transpose(1, 2)).transpose(1, 2)
        return self.norm(one), self.norm(torch.stack([one, *parts], dim=2))


class LayoutHead(nn.Module):
    """A map of the pose out of E: on the grid of the latents, each place with the pixels that lie in it."""

    def __init__(self, width: int, channels: int, grid: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.start = nn.Linear(width, channels * _BASE * _BASE)
        blocks: list[nn.Module] = []
        for place in range(max(1, round(math.log2(grid / _BASE)))):
            if _BASE * 2**place < grid:
                blocks.append(nn.Upsample(scale_factor=2, mode="nearest"))
            blocks += [nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(8, channels), nn.SiLU()]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Conv2d(channels, 3 * factor**2, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, T, X) -> (B, T, 3, m, m)."""
        clips, frames, _ = embedding.shape
        grid = functional.silu(self.start(embedding)).reshape(clips * frames, -1, _BASE, _BASE)
        drawn = functional.pixel_shuffle(self.end(self.blocks(grid)), self.factor)
        return drawn.unflatten(0, (clips, frames))


class BaseAction(nn.Module):
    """See the page's head. unet: a UNetMotionModel whose first convolution takes what `inputs` names."""

    def __init__(self, config: BaseActionConfig, unet: Any, features: int) -> None:
        super().__init__()
        self.config, self.features = config, features
        width = int(unet.config.cross_attention_dim)
        self.unet = unet
        self.embed = MotionEmbedding(config, features, width)
        self.draw = LayoutHead(width, config.layout_width, config.latent_side, config.layout // config.latent_side)
        self.nothing = nn.Parameter(torch.zeros(4, width))

    def told(self, motion: Tensor, seen: Tensor, frames: Tensor | None = None) -> Told:
        """motion (B, T, 3, D), seen (B, T, 3), of whole clips; frames (B, W): those that are told of, all unless given.
        What lies around them is looked at, too."""
        embedding, tokens = self.embed(motion, seen)
        if frames is not None:
            clips = torch.arange(len(frames), device=frames.device)[:, None]
            embedding, tokens = embedding[clips, frames], tokens[clips, frames]
        return Told(tokens=tokens, layout=self.draw(embedding))

    def dropped(self, told: Told, drop: Tensor) -> Told:
        """drop (B,) bool: these clips are told nothing, for classifier-free guidance."""
        return Told(
            tokens=torch.where(drop[:, None, None, None], self.nothing.to(told.tokens.dtype), told.tokens),
            layout=torch.where(drop[:, None, None, None, None], torch.zeros_like(told.layout), told.layout),
        )

    def answer(self, noisy: Tensor, times: Tensor, reference: Tensor, told: Told) -> Tensor:
        """What differs from the reference frame, (B, T, C, h, h).

        noisy (B, T, C, h, h); times (B,) steps of the schedule; reference (B, C, h, h); told: of the same frames.
        """
        factor = self.config.layout // noisy.shape[-1]
        layout = functional.pixel_unshuffle(told.layout.to(noisy.dtype), factor)
        still = reference[:, None].expand_as(noisy)
        given = torch.cat([noisy, still, layout], dim=2).transpose(1, 2)
        made: Tensor = self.unet(given, times, told.tokens.flatten(0, 1).to(noisy.dtype)).sample
        return made.transpose(1, 2)

    def forward(
        self,
        noisy: Tensor,
        times: Tensor,
        reference: Tensor,
        motion: Tensor,
        seen: Tensor,
        frames: Tensor,
        *,
        drop: Tensor,
        true_layout: Tensor,
        given_layout: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """For training: the answer to a window, and the map that was drawn for it, (B, W, 3, m, m).

        frames (B, W) of the clips that noisy shows. drop (B,): told nothing; given_layout (B,): these get true_layout
        (B, W, 3, m, m) in place of the drawn map.
        """
        told = self.told(motion, seen, frames)
        # The map is learned from the pose alone: what comes back from the UNet through it is mostly noise.
        drawn = told.layout.detach()
        shown = torch.where(given_layout[:, None, None, None, None], true_layout.to(drawn), drawn)
        made = self.answer(noisy, times, reference, self.dropped(Told(tokens=told.tokens, layout=shown), drop))
        return made, told.layout


def extra_channels(config: BaseActionConfig, latents: int) -> int:
    """Channels that the first convolution gets beside the noisy latents."""
    return latents + 3 * (config.layout // config.latent_side) ** 2


def widened(unet: Any, extra: int) -> Any:
    """The UNet with more input channels, which change nothing until they are trained."""
    old = unet.conv_in
    new = nn.Conv2d(old.in_channels + extra, old.out_channels, old.kernel_size, padding=old.padding)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, : old.in_channels] = old.weight
        new.get_parameter("bias").copy_(old.bias)
    unet.conv_in = new.to(old.weight)
    unet.register_to_config(in_channels=new.in_channels)
    return unet


def new_unet(config: BaseActionConfig) -> Any:
    """A UNet of Stable Diffusion's shape, from scratch, that begins by repeating the reference frame."""
    from diffusers import UNetMotionModel

    across = len(config.widths) > 1
    unet: Any = UNetMotionModel(
        sample_size=config.latent_side,
        in_channels=config.latents + extra_channels(config, config.latents),
        out_channels=config.latents,
        down_block_types=("CrossAttnDownBlockMotion",) * (len(config.widths) - across) + ("DownBlockMotion",) * across,
        up_block_types=("UpBlockMotion",) * across + ("CrossAttnUpBlockMotion",) * (len(config.widths) - across),
        block_out_channels=config.widths,
        layers_per_block=config.layers,
        norm_num_groups=8,
        cross_attention_dim=config.tokens,
        num_attention_heads=config.heads,
        motion_num_attention_heads=config.heads,
        motion_max_seq_length=32,
        use_motion_mid_block=True,
    )
    # Zero: the first thing it says is that nothing differs from the reference.
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet
