"""Drawing a clip: from noise, or from another clip, step by step, in windows whose answers are averaged.

Every step estimates the clean latents of all frames: the model looks at one window after the other, what two windows
say of a frame that they share is mixed (`models.windows`), and the scheduler goes on from the whole clip (after
MultiDiffusion, Bar-Tal et al., ICML 2023). So a clip of any length is one clip, and no seam shows.

Classifier-free guidance (Ho and Salimans, 2022): from the estimate that was told nothing, further towards and beyond
the one that was told the motion.

Shapes: T frames, C latent channels, h latent side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from models.errors import SignError
from models.progress import Cancelled
from models.synthesis.config import BaseActionConfig
from models.synthesis.motion import Motion
from models.synthesis.network import BaseAction, Told
from models.synthesis.schedule import SAMPLERS, Sampler, alphas, clean_latents, noise, noisy, scheduler
from models.windows import plan, weights

_SHARED_NOISE = 0.6


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How a clip is drawn. Raises SignError for what cannot be."""

    sampler: Sampler = "ddim"
    steps: int | None = None
    """None: as many as suit the model (`settled`)."""
    guidance: float | None = None
    """How far beyond the estimate that was told nothing; 1 is no guidance, and takes half the time. None: as suits the
    model."""
    seed: int = 0
    strength: float = 1.0
    """Where it begins with another clip: how much of it is drawn anew, above 0 to 1."""

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise SignError(f"There is no sampler {self.sampler!r}; choose {', '.join(SAMPLERS)}.")
        if self.steps is not None and not 1 <= self.steps <= 200:
            raise SignError(f"steps is {self.steps}; choose 1 to 200.")
        if self.guidance is not None and not 0 <= self.guidance <= 20:
            raise SignError(f"guidance is {self.guidance:g}; choose 0 to 20.")
        if not 0 < self.strength <= 1:
            raise SignError(f"strength is {self.strength:g}; choose above 0, to 1.")


def settled(options: SamplingOptions, config: BaseActionConfig) -> SamplingOptions:
    """The options with numbers where they leave it to the model: a small one from scratch gains nothing from more than
    a few steps, nor from guidance."""
    steps, guidance = (8, 1.0) if config.start == "scratch" else (16, 1.5)
    return replace(
        options,
        steps=steps if options.steps is None else options.steps,
        guidance=guidance if options.guidance is None else options.guidance,
    )


def draw(
    model: BaseAction,
    motion: Motion,
    reference: Tensor,
    options: SamplingOptions,
    *,
    begin: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Tensor:
    """Latents (T, C, h, h) of a clip that shows the motion.

    reference (C, h, h): the frame that it begins like; begin (T, C, h, h): a clip that is drawn over.
    Raises Cancelled between two windows when `should_stop` says so.
    """
    options = settled(options, model.config)
    assert options.steps is not None and options.guidance is not None
    device = reference.device
    views, seen = torch.from_numpy(motion.views).to(device)[None], torch.from_numpy(motion.seen).to(device)[None]
    sampler = scheduler(options.sampler)
    sampler.set_timesteps(options.steps, device=device)
    times = sampler.timesteps
    generator = torch.Generator().manual_seed(options.seed)
    latents = noise((1, len(motion), *reference.shape), _SHARED_NOISE, generator).to(device)
    table = alphas().to(device)
    if begin is not None and options.strength < 1:
        times = times[len(times) - max(1, round(len(times) * options.strength)) :]
        latents = noisy(begin[None], latents, table[times[:1]])
        if hasattr(sampler, "set_begin_index"):
            sampler.set_begin_index(len(sampler.timesteps) - len(times))
    told = model.told(views, seen)
    windows = plan(len(motion), model.config.window, max(1, model.config.window // 4))
    steps_generator = torch.Generator(device).manual_seed(options.seed + 1)
    for done, time in enumerate(times, start=1):
        estimate = torch.zeros_like(latents)
        for index, (start, end) in enumerate(windows):
            if should_stop is not None and should_stop():
                raise Cancelled
            part = Told(tokens=told.tokens[:, start:end], layout=told.layout[:, start:end])
            share = torch.from_numpy(weights(windows, index)).to(latents)[None, :, None, None, None]
            found = _estimate(model, latents[:, start:end], time, table, reference[None], part, options.guidance)
            estimate[:, start:end] += share * found
        latents = _step(sampler, estimate, time, latents, steps_generator)
        if on_step is not None:
            on_step(done, len(times))
    return latents[0]


def _estimate(
    model: BaseAction,
    latents: Tensor,
    time: Tensor,
    table: Tensor,
    reference: Tensor,
    told: Told,
    guidance: float,
) -> Tensor:
    """Clean latents (1, W, C, h, h) as the model sees them in a window."""
    guided = guidance != 1
    many = 2 if guided else 1
    both = Told(tokens=told.tokens.repeat(many, 1, 1, 1), layout=told.layout.repeat(many, 1, 1, 1, 1))
    if guided:
        both = model.dropped(both, torch.tensor([True, False], device=latents.device))
    given, still = latents.repeat(many, 1, 1, 1, 1), reference.repeat(many, 1, 1, 1)
    steps = time.long().expand(many)
    answer = model.answer(given, steps, still, both)
    found = clean_latents(answer.float(), given, still, table[steps], model.config.prediction)
    if not guided:
        return found
    untold, said = found.chunk(2)
    return untold + guidance * (said - untold)


def _step(sampler: Any, estimate: Tensor, time: Tensor, latents: Tensor, generator: torch.Generator) -> Tensor:
    made: Tensor = sampler.step(estimate[0], time, latents[0], generator=generator, return_dict=False)[0]
    return made[None]
