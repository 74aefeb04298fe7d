"""Noise over time: how latents are made noisy, and what the UNet's answer means.

The schedule is Stable Diffusion's, with no signal left at its end (Lin et al., "Common Diffusion Noise Schedules and
Sample Steps are Flawed", WACV 2024), so that a clip can begin from noise alone.

Notation: z0 clean latents, e noise, R the reference frame's latents, a = sqrt(alpha_bar), s = sqrt(1 - alpha_bar);
z_t = a z0 + s e. The UNet's answer o is a difference to R:
    sample         z0 = R + o
    v_prediction   v = a e - s z0 is said as o = v + s R;  z0 = a z_t - s (o - s R) = a z_t - s o + s^2 R
Both give z0, which is all that samplers see.

Noise is shared among frames in part (Ge et al., "Preserve Your Own Correlation", ICCV 2023).

Shapes: B clips, T frames, C channels, h side.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from models.errors import SignError
from models.synthesis.config import Prediction

STEPS = 1000
_SETTINGS: dict[str, Any] = {
    "num_train_timesteps": STEPS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "sample",
    "clip_sample": False,
}
Sampler = Literal["ddim", "dpm", "lcm"]
SAMPLERS: dict[Sampler, str] = {"ddim": "DDIMScheduler", "dpm": "DPMSolverMultistepScheduler", "lcm": "LCMScheduler"}


def alphas() -> Tensor:
    """(STEPS,) alpha_bar, of which the last is 0."""
    from diffusers import DDIMScheduler

    made: Any = DDIMScheduler(**_SETTINGS, rescale_betas_zero_snr=True)
    found: Tensor = made.alphas_cumprod
    return found


def scheduler(name: Sampler) -> Any:
    """A scheduler of diffusers that takes estimates of z0. Raises SignError for a name that is none."""
    import diffusers

    if name not in SAMPLERS:
        raise SignError(f"There is no sampler {name!r}; choose {', '.join(SAMPLERS)}.")
    made = dict(_SETTINGS)
    if name == "dpm":
        made.pop("clip_sample")
        made |= {"final_sigmas_type": "zero"}
    return getattr(diffusers, SAMPLERS[name])(**made, rescale_betas_zero_snr=True, timestep_spacing="trailing")


def noise(shape: torch.Size | tuple[int, ...], shared: float, generator: torch.Generator | None = None) -> Tensor:
    """(B, T, C, h, h) of variance 1, of which this share is the same in all frames of a clip."""
    both = torch.randn((shape[0], 1, *shape[2:]), generator=generator)
    own = torch.randn(tuple(shape), generator=generator)
    return shared**0.5 * both + (1 - shared) ** 0.5 * own


def noisy(clean: Tensor, noise_: Tensor, alpha: Tensor) -> Tensor:
    """z_t. alpha: (B,) alpha_bar."""
    a, s = _factors(alpha, clean)
    return a * clean + s * noise_


def clean_latents(answer: Tensor, noisy_: Tensor, reference: Tensor, alpha: Tensor, prediction: Prediction) -> Tensor:
    """z0 of the UNet's answer (B, T, C, h, h). reference (B, C, h, h), alpha (B,)."""
    still = reference[:, None]
    if prediction == "sample":
        return still + answer
    a, s = _factors(alpha, noisy_)
    return a * noisy_ - s * answer + s**2 * still


def snr(alpha: Tensor) -> Tensor:
    """(B,) signal-to-noise ratio."""
    return alpha / (1 - alpha).clamp(min=1e-8)


def _factors(alpha: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    shaped = alpha.to(like).reshape(-1, 1, 1, 1, 1)
    return shaped.sqrt(), (1 - shaped).sqrt()
