"""The parts of the preset `full`, from weights on this machine: Stable Diffusion's UNet and VAE, AnimateDiff, CLIP.

The UNet gets AnimateDiff's layers over time (or new ones, whose last projections are zero) and a wider first
convolution (zero, too): before training it says of every frame what Stable Diffusion's own UNet says.

With LoRA (Hu et al., 2022) the published layers stay as they are but for small additions to the attention within a
frame; what learns beside them is the layers over time, the first convolution, which takes more, and the last, since
Stable Diffusion names the noise and this model what differs from a reference frame.

Libraries fill what a file does not hold with random numbers, and warn. Here that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.utils.checkpoint import checkpoint

from models.errors import WeightsError
from models.synthesis.config import BaseActionConfig
from models.synthesis.network import extra_channels, widened
from models.weights import find, quiet

BASE = "stable-diffusion-v1-5"
MOTION = "animatediff"
_LORA_ON = r".*\.attentions\..*\.to_(q|k|v|out\.0)"  # not those of the layers over time, which learn whole
_VAE_SCALE = 8
_LOCAL: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the model is built of, on the CPU, in single precision."""

    unet: Any
    """A UNetMotionModel; what learns of it wants a gradient."""
    vae: Any
    """An AutoencoderKL, frozen."""
    encoder: Any
    """A CLIPVisionModelWithProjection, frozen."""


def parts(config: BaseActionConfig, weights: Path | None = None) -> Parts:
    """Everything that the preset needs, from `weights` or wherever `models.weights.find` finds it.

    Raises WeightsError when weights are missing, broken, or of another model.
    """
    vae = load_vae(weights)
    return Parts(
        unet=load_unet(config, int(vae.config.latent_channels), weights),
        vae=vae,
        encoder=load_clip(config, weights),
    )


def load_vae(weights: Path | None = None) -> Any:
    """Stable Diffusion's VAE, frozen. Raises WeightsError."""
    from diffusers import AutoencoderKL

    folder = find(BASE, weights)
    with _readable(BASE):
        vae = _whole(BASE, AutoencoderKL.from_pretrained(folder, subfolder="vae", **_LOCAL))
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    if factor != _VAE_SCALE:
        raise _other(BASE, f"its VAE makes pictures {factor} times smaller, not {_VAE_SCALE}")
    return vae.eval().requires_grad_(False)


def load_clip(config: BaseActionConfig, weights: Path | None = None) -> Any:
    """CLIP's vision tower with its projection, frozen; of a whole CLIP the rest is left out. Raises WeightsError."""
    from transformers import CLIPVisionModelWithProjection

    folder, tower = find(config.encoder, weights), CLIPVisionModelWithProjection
    with _readable(config.encoder):
        loaded: Any = tower.from_pretrained(folder, **_LOCAL)
        clip = _whole(config.encoder, loaded)
    return clip.eval().requires_grad_(False)


def load_unet(config: BaseActionConfig, latents: int, weights: Path | None = None) -> Any:
    """Stable Diffusion's UNet, made into that of this model by `assembled`.

    latents: channels of the VAE's latents. Raises WeightsError.
    """
    from diffusers import UNet2DConditionModel

    folder = find(BASE, weights)
    with _readable(BASE):
        flat = _whole(BASE, UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **_LOCAL))
    _check_unet(flat, latents)
    adapter = _adapter(config, flat, weights) if config.motion == "animatediff" else None
    with _readable(BASE if adapter is None else MOTION):
        return assembled(config, flat, adapter)


def assembled(config: BaseActionConfig, flat: Any, adapter: Any = None) -> Any:
    """A UNetMotionModel of a UNet2DConditionModel and a MotionAdapter, or new layers over time without one; with a
    wider first convolution, ready to learn what `config.train` says. As yet it says what `flat` and `adapter` say."""
    from diffusers import UNetMotionModel

    unet = UNetMotionModel.from_unet2d(flat, adapter)
    if adapter is None:
        _silence_motion(unet)
    widened(unet, extra_channels(config, int(flat.config.in_channels)))
    _choose_learners(unet, config)
    if config.checkpointing:
        unet.enable_gradient_checkpointing()
        _checkpoint_motion(unet)
    return unet


def learns(name: str) -> bool:
    """Whether a parameter of the UNet learns beside LoRA, or is of it: all that has to be kept of a training."""
    return any(part in name for part in ("lora_", "motion_modules", "conv_in.", "conv_out."))


def halve_frozen(model: nn.Module) -> None:
    """Keep the matrices and convolutions that do not learn in bf16, which halves their memory. What goes through the
    model then has to be under autocast; norms stay as they are, since they are small and not exact in bf16."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and not any(one.requires_grad for one in module.parameters()):
            module.to(torch.bfloat16)


def _adapter(config: BaseActionConfig, flat: Any, weights: Path | None) -> Any:
    from diffusers import MotionAdapter

    folder = find(MOTION, weights)
    with _readable(MOTION):
        adapter = _whole(MOTION, MotionAdapter.from_pretrained(folder, **_LOCAL))
    found, wanted = list(adapter.config.block_out_channels), list(flat.config.block_out_channels)
    if found != wanted:
        raise _other(MOTION, f"its channels are {found}, those of the UNet {wanted}")
    frames = adapter.config.motion_max_seq_length
    if frames < config.window:
        raise _other(MOTION, f"it sees {frames} frames at most, and model.window is {config.window}")
    return adapter


def _check_unet(flat: Any, latents: int) -> None:
    """Raises WeightsError for a UNet of another family than Stable Diffusion 1: it would take more than this gives."""
    given = flat.config
    if given.addition_embed_type is not None or given.class_embed_type is not None or given.encoder_hid_dim is not None:
        raise _other(BASE, "its UNet wants more than noise, time and tokens (as that of Stable Diffusion XL does)")
    if not isinstance(given.cross_attention_dim, int):
        raise _other(BASE, f"cross_attention_dim is {given.cross_attention_dim}, one number is needed")
    if (given.in_channels, given.out_channels) != (latents, latents):
        raise _other(
            BASE, f"its UNet takes {given.in_channels} channels and gives {given.out_channels}; its VAE has {latents}"
        )


def _silence_motion(unet: Any) -> None:
    """New layers over time add nothing at first, so that the UNet begins as it was."""
    for name, module in unet.named_modules():
        if "motion_modules" in name and name.endswith(".proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def _checkpoint_motion(unet: Any) -> None:
    """diffusers computes only the layers within a frame again; those over time would keep more than all others."""
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            again = partial(checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False)
            module.forward = again  # type: ignore[method-assign]


def _choose_learners(unet: Any, config: BaseActionConfig) -> None:
    if config.train == "full":
        unet.requires_grad_(True)
        return
    from peft import LoraConfig

    unet.requires_grad_(False)
    # Its second matrices are zero: it adds nothing at first.
    unet.add_adapter(LoraConfig(r=config.lora_rank, lora_alpha=config.lora_rank, target_modules=_LORA_ON))
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(learns(name))


def _whole(name: str, loaded: tuple[Any, dict[str, Any]]) -> Any:
    """The model, unless its file lacks something."""
    model, told = loaded
    lacking = [*told["missing_keys"], *told["mismatched_keys"]]
    if lacking:
        raise _other(name, f"{len(lacking)} of its layers are not in the file or of another shape, {lacking[0]} first")
    return model


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """What the libraries say of broken weights, as a sentence; and nothing of a tower that is left out."""
    try:
        with quiet():
            yield
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise _other(name, first) from error


def _other(name: str, why: str) -> WeightsError:
    return WeightsError(
        f"The weights {name} are broken or of another model: {why}. Fetch them again with "
        f"`signstudio weights pull {name}`."
    )
