"""The engines that make frames of a person signing, behind one function.

puppet       the photograph itself, cut into layers and moved; no weights, real time on a CPU
controlnet   Stable Diffusion with ControlNet, frame by frame
animatediff  the same with layers that look along time

Each gets a target and a pose that was fitted to it, and gives a stream of frames (H, W, 3) uint8 RGB of the target's
size, from any frame on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pose_format import Pose

from models.animation.diffusion.options import DiffusionOptions
from models.animation.puppet.engine import Puppet
from models.animation.target import Image, Target
from models.errors import SignError
from models.progress import Cancelled
from models.weights import find, quiet

Engine = Literal["puppet", "controlnet", "animatediff"]


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What the diffusion engines draw with; the puppet needs none of it."""

    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    weights: Path | None = None
    """Weights folder; else where `models.weights.find` looks."""


def check_engine(engine: str, options: EngineOptions) -> None:
    """Raise a SignError for an engine that does not exist or whose weights are not here, before any work begins."""
    if engine not in get_args(Engine):
        raise SignError(f"There is no engine {engine!r}; choose {', '.join(get_args(Engine))}.")
    if engine == "puppet":
        return
    from models.animation.diffusion.pipelines import needed

    for name in needed(engine, options.diffusion):  # type: ignore[arg-type]
        find(name, options.weights)


def engine_frames(
    engine: Engine,
    target: Target,
    pose: Pose,
    options: EngineOptions | None = None,
    *,
    start: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Image]:
    """Frames from `start` on. Raises Cancelled when `should_stop` says so, and what the engines raise."""
    options = options or EngineOptions()
    puppet = Puppet(target, pose) if engine == "puppet" or options.diffusion.init == "puppet" else None
    if engine != "puppet":
        init = puppet.frame if puppet is not None else lambda _: target.image
        yield from _diffused(engine, target, pose, init, options, start, should_stop)
        return
    assert puppet is not None
    for index in range(start, puppet.num_frames):
        if should_stop is not None and should_stop():
            raise Cancelled
        yield puppet.frame(index)


def _diffused(
    engine: Literal["controlnet", "animatediff"],
    target: Target,
    pose: Pose,
    init: Callable[[int], Image],
    options: EngineOptions,
    start: int,
    should_stop: Callable[[], bool] | None,
) -> Iterator[Image]:
    from models.animation.diffusion.hand_repair import refine_hands
    from models.animation.diffusion.img2img import controlnet_frames
    from models.animation.diffusion.pipelines import load
    from models.animation.diffusion.temporal import animatediff_frames

    wanted = options.diffusion
    with quiet():
        pipe = load(engine, wanted, options.weights)
        draw = controlnet_frames if engine == "controlnet" else animatediff_frames
        frames = draw(pipe, target, pose, init, wanted, start=start, should_stop=should_stop)
        painter: Any = pipe
        if wanted.hand_passes and engine == "animatediff":
            painter = load("controlnet", wanted, options.weights)
        for _ in range(wanted.hand_passes):
            frames = refine_hands(frames, painter, target, pose, wanted, start=start, should_stop=should_stop)
        yield from frames
