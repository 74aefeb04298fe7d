"""Pictures to latents and back: Stable Diffusion's VAE, or a small linear codec that is fitted to the data set.

The small one is the best linear autoencoder of square patches, their principal components: fitted in seconds, without
training. On drawn signers at 64 px it gives held-out pictures back with 36 dB; a convolutional VAE of the same
compression had 25 dB after nine minutes of training on two cores. It has the surface of diffusers' AutoencoderKL, so
that nothing else has to know which of the two is there.

Shapes: N pictures, S side, C latent channels, h side of the latents. Pictures are 0 to 1; latents have variance 1,
having been multiplied by the codec's scaling_factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.files import read_json
from models.synthesis.config import BaseActionConfig
from models.weights import quiet

_FITTED_TO = 4000  # pictures
_CHUNK = 16
Draw = Callable[[int, torch.Generator], Tensor]
"""Gives so many pictures (N, 3, S, S) of 0 to 1, drawn by chance."""


@dataclass(frozen=True)
class Decoded:
    """As AutoencoderKL says it."""

    sample: Tensor


@dataclass(frozen=True)
class Encoded:
    """As AutoencoderKL says it; a linear codec knows of no variance."""

    latents: Tensor

    @property
    def latent_dist(self) -> Encoded:
        """Of one point."""
        return self

    def mode(self) -> Tensor:
        """The point."""
        return self.latents


class PatchCodec(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Each patch of a picture as so many numbers: its coordinates along the patches' principal components."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, patch: int = 8, latent_channels: int = 48, scaling_factor: float = 1.0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(3 * patch**2))
        self.basis = nn.Parameter(nn.init.orthogonal_(torch.empty(3 * patch**2, latent_channels)))

    def encode(self, pictures: Tensor) -> Encoded:
        """(N, 3, S, S) of -1 to 1."""
        patches = functional.pixel_unshuffle(pictures, int(self.config["patch"])).permute(0, 2, 3, 1)
        return Encoded(latents=((patches - self.mean) @ self.basis).permute(0, 3, 1, 2))

    def decode(self, latents: Tensor) -> Decoded:
        """(N, C, h, h), not scaled."""
        patches = latents.permute(0, 2, 3, 1) @ self.basis.T + self.mean
        return Decoded(sample=functional.pixel_shuffle(patches.permute(0, 3, 1, 2), int(self.config["patch"])))


def new_codec(config: BaseActionConfig) -> PatchCodec:
    """A codec whose components are those of chance, until it is fitted."""
    return PatchCodec(patch=config.patch, latent_channels=config.latents)


def fitted_codec(config: BaseActionConfig, draw: Draw) -> PatchCodec:
    """The codec for these pictures."""
    generator = torch.Generator().manual_seed(0)
    pictures = draw(_FITTED_TO, generator) * 2 - 1
    patches = functional.pixel_unshuffle(pictures, config.patch).permute(0, 2, 3, 1).flatten(0, 2).double()
    mean = patches.mean(dim=0)
    spread = (patches - mean).T @ (patches - mean) / len(patches)
    basis = torch.linalg.eigh(spread).eigenvectors.flip(1)[:, : config.latents]
    deviation = ((patches - mean) @ basis).std()
    codec = PatchCodec(patch=config.patch, latent_channels=config.latents, scaling_factor=1 / float(deviation))
    with torch.no_grad():
        codec.mean.copy_(mean)
        codec.basis.copy_(basis)
    return codec.eval().requires_grad_(False)


def load_codec(folder: Path) -> Any:
    """A codec, or an AutoencoderKL, from a folder."""
    from diffusers import AutoencoderKL

    kind = read_json(folder / "config.json").get("_class_name")
    with quiet():
        made: Any = (PatchCodec if kind == "PatchCodec" else AutoencoderKL).from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    return made.eval().requires_grad_(False)


def encode(vae: Any, pictures: Tensor, chunk: int = _CHUNK) -> Tensor:
    """(N, 3, S, S) of 0 to 1 -> latents (N, C, h, h)."""
    found = [vae.encode(part.to(vae.dtype) * 2 - 1).latent_dist.mode() for part in pictures.split(chunk)]
    return torch.cat(found).float() * float(vae.config.scaling_factor)


def decode(vae: Any, latents: Tensor, chunk: int = _CHUNK) -> Tensor:
    """Latents (N, C, h, h) -> pictures (N, 3, S, S) of 0 to 1."""
    given = latents / float(vae.config.scaling_factor)
    made = torch.cat([vae.decode(part.to(vae.dtype)).sample for part in given.split(chunk)])
    return (made.float() / 2 + 0.5).clamp(0, 1)
