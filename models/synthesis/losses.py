"""The terms of the loss; docs/base_action.md has them as formulas.

    full         squared error of the clean latents, times the signal-to-noise ratio held between two bounds
    hands        the same, where the hands are
    layout       squared error of the map of the pose
    perceptual   distance of features of a few decoded frames, where there is little noise
    consistency  1 - cosine of the embeddings of these frames to the real ones

Shapes: B clips, W frames of a window, C latent channels, h latent side, m map side, D width of the embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.synthesis.codec import decode
from models.synthesis.config import LossOptions
from models.synthesis.encoder import SmallEncoder
from models.synthesis.features import embed, prepared
from models.synthesis.perceptual import distance, token_maps
from models.synthesis.schedule import snr

LAYOUT_VARIANCE = 0.02
"""Of a map of the pose about its mean, so that knowing nothing costs about 1: nearly all of a map is black."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Windows of some clips, and the dice that were thrown for them."""

    latents: Tensor
    """(B, W, C, h, h)."""
    reference: Tensor
    """(B, C, h, h) of the clip's first frame."""
    motion: Tensor
    """(B, T, 3, D) of the whole clip."""
    seen: Tensor
    """(B, T, 3)."""
    frames: Tensor
    """(B, W) numbers of the window's frames."""
    layout: Tensor
    """(B, W, 3, m, m)."""
    hands: Tensor
    """(B, W, 1, h, h)."""
    noise: Tensor
    """(B, W, C, h, h)."""
    times: Tensor
    """(B,) steps of the schedule."""
    drop: Tensor
    """(B,) told nothing."""
    given_layout: Tensor
    """(B,) given the true map."""
    pixels: Tensor
    """(B, F) places in the window whose frames are decoded."""


@dataclass(frozen=True, kw_only=True)
class Critics:
    """The frozen networks that terms are computed with."""

    vae: Any
    encoder: Any
    features: nn.Module | None
    """Of the perceptual term."""


class EncoderFeatures(nn.Module):
    """The inner states of the encoder, as feature maps."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, S, S) of 0 to 1 -> the features (N, C, h, h) of two layers."""
        given = prepared(self.encoder, pictures)
        if isinstance(self.encoder, SmallEncoder):
            return self.encoder.maps(given)
        states = self.encoder.vision_model(given, output_hidden_states=True).hidden_states
        return token_maps([states[len(states) // 2], states[-1]])


def losses(
    clean: Tensor, layout: Tensor, batch: Batch, alpha: Tensor, options: LossOptions, critics: Critics
) -> dict[str, Tensor]:
    """Every term that has a weight. clean (B, W, C, h, h): the estimate of the latents; alpha (B,): alpha_bar."""
    error = (clean.float() - batch.latents) ** 2
    weight = snr(alpha).clamp(options.snr_low, options.snr_high).reshape(-1, 1, 1, 1, 1)
    terms: dict[str, Tensor] = {}
    if options.full:
        terms["full"] = (weight * error).mean()
    if options.hands:
        where = batch.hands.expand_as(error)
        terms["hands"] = (weight * error * where).sum() / where.sum().clamp(min=1)
    if options.layout:
        terms["layout"] = functional.mse_loss(layout.float(), batch.layout) / LAYOUT_VARIANCE
    if options.needs_pixels:
        terms |= _of_pixels(clean, batch, alpha, options, critics)
    return terms


def _of_pixels(clean: Tensor, batch: Batch, alpha: Tensor, options: LossOptions, critics: Critics) -> dict[str, Tensor]:
    """The terms that look at decoded frames: of clips with little noise, that were told what to show."""
    perceptual = options.perceptual > 0 and critics.features is not None
    told = (1 - alpha <= options.pixel_noise) & ~batch.drop
    if not told.any():
        nothing = clean.sum() * 0
        return ({"perceptual": nothing} if perceptual else {}) | (
            {"consistency": nothing} if options.consistency else {}
        )
    clips = torch.arange(len(clean), device=clean.device)[told, None]
    places = batch.pixels[told]
    made = decode(critics.vae, clean[clips, places].flatten(0, 1))
    with torch.no_grad():
        real = decode(critics.vae, batch.latents[clips, places].flatten(0, 1))
    terms = {}
    if perceptual:
        assert critics.features is not None
        terms["perceptual"] = distance(critics.features, made, real)
    if options.consistency:
        # Of the real frame as it is shown, and not as it was filmed: it may have other colours.
        with torch.no_grad():
            wanted = embed(critics.encoder, real)
        terms["consistency"] = 1 - functional.cosine_similarity(embed(critics.encoder, made), wanted, dim=-1).mean()
    return terms
