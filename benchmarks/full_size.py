"""Stable Diffusion 1.5's networks at their size, with random weights, which take the time and memory of real ones."""

from __future__ import annotations

from typing import Any


def unet(side: int) -> Any:
    """What takes noise away, for latents of this side."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, sample_size=side)


def vae() -> Any:
    """What decodes latents to pictures."""
    from diffusers import AutoencoderKL

    stages = 4
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        layers_per_block=2,
        latent_channels=4,
    )
