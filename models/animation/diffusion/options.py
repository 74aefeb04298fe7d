"""How a diffusion engine draws: the options under the names that users of Stable Diffusion know, and presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from models.errors import SignError

Scheduler = Literal["unipc", "ddim", "euler", "dpm", "lcm", "tcd"]
Init = Literal["puppet", "target"]
Adapter = Literal["none", "plus", "plus-face"]
Dtype = Literal["auto", "fp16", "bf16", "fp32"]

PROMPT = "a person signing in sign language, natural hands with five fingers, photograph, sharp focus"
NEGATIVE_PROMPT = "extra fingers, missing fingers, fused fingers, deformed hands, extra arms, blurry, text, watermark"


@dataclass(frozen=True, kw_only=True)
class DiffusionOptions:
    """What is drawn and how. Raises SignError for values that cannot be meant."""

    prompt: str = PROMPT
    negative_prompt: str = NEGATIVE_PROMPT
    strength: float = 0.45
    """How much of the first picture is drawn anew, 0 to 1."""
    guidance_scale: float = 5.0
    """How closely the prompt is followed; 1 or less leaves the negative prompt out and takes half the time."""
    controlnet_conditioning_scale: float = 1.0
    """How closely the pose is followed."""
    steps: int = 20
    seed: int = 0
    side: int = 512
    """Longest side that is drawn, pixels; the video has the target's size."""
    scheduler: Scheduler = "unipc"
    init: Init = "puppet"
    """What drawing starts from: the puppet's frame, whose pose is right already, or the still picture."""
    shared_noise: bool = True
    """The same noise in every frame, so that what stands still stays the same."""
    carry: float = 0.0
    """Share of the frame before in what a frame starts from, 0 to 0.9; frames are then drawn one by one."""
    ip_adapter: Adapter = "none"
    ip_adapter_scale: float = 0.6
    tiny_vae: bool = False
    """The small decoder: fast and a little soft."""
    cache_interval: int = 1
    """Compute the inner layers every so many steps only (DeepCache); 1 computes them always."""
    hand_passes: int = 0
    """How often each hand is drawn once more, larger."""
    hand_strength: float = 0.35
    batch: int = 4
    """Frames drawn at one time."""
    window: int = 16
    """Frames that AnimateDiff sees together."""
    overlap: int = 6
    """Of them, frames that two neighbouring windows share."""
    device: str = "auto"
    dtype: Dtype = "auto"
    cpu_offload: bool = False
    attention_slicing: bool = False
    vae_slicing: bool = True
    compile: bool = False
    safety_checker: bool = True
    """Used where its weights are; without them the studio says so."""

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "strength": (0.05, 1.0),
            "guidance_scale": (0.0, 30.0),
            "controlnet_conditioning_scale": (0.0, 3.0),
            "steps": (1, 200),
            "side": (64, 2048),
            "carry": (0.0, 0.9),
            "ip_adapter_scale": (0.0, 1.5),
            "cache_interval": (1, 10),
            "hand_passes": (0, 3),
            "hand_strength": (0.05, 1.0),
            "batch": (1, 64),
            "window": (4, 32),
            "overlap": (1, 16),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SignError(f"{name.replace('_', ' ')} is {value:g}; choose {low:g} to {high:g}.")
        choices = {"scheduler": Scheduler, "init": Init, "ip_adapter": Adapter, "dtype": Dtype}
        for name, allowed in choices.items():
            if getattr(self, name) not in get_args(allowed):
                raise SignError(f"There is no {name} {getattr(self, name)!r}; choose {', '.join(get_args(allowed))}.")
        if self.overlap > self.window // 2:
            raise SignError(
                f"Windows of {self.window} frames cannot share {self.overlap}; choose half of them at most."
            )

    @property
    def guided(self) -> bool:
        """Whether every step looks at the picture twice, with and without the prompt."""
        return self.guidance_scale > 1

    def drawn_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that pictures of this size are drawn at: whole cells of the decoder."""
        scale = self.side / max(width, height)
        return max(64, 8 * round(width * scale / 8)), max(64, 8 * round(height * scale / 8))

    def steps_at(self, strength: float) -> int:
        """Steps of the whole schedule, of which a share of `strength` is drawn: one at least."""
        return max(self.steps, math.ceil(1 / strength))

    @classmethod
    def of_preset(cls, preset: str, **changes: Any) -> DiffusionOptions:
        """A preset, with the changes that are not None. Raises SignError for a name that is none."""
        if preset not in PRESETS:
            raise SignError(f"There is no preset {preset!r}; choose {', '.join(PRESETS)}.")
        return replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})


PRESETS = {
    "preview": DiffusionOptions(
        steps=8, strength=0.5, scheduler="lcm", guidance_scale=1.0, tiny_vae=True, side=384, vae_slicing=False
    ),
    "balanced": DiffusionOptions(),
    "best": DiffusionOptions(
        steps=30, strength=0.5, guidance_scale=6.0, ip_adapter="plus-face", hand_passes=1, carry=0.15, side=768
    ),
}
