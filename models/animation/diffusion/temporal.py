"""AnimateDiff with ControlNet: Stable Diffusion with layers that look along time, for steadier videos.

The motion layers see `window` frames together. A longer clip is drawn window after window, each over the first
pictures of its own frames and from the same noise, and neighbouring windows fade into each other in the frames that
they share (`windows`). Drawing all windows' steps side by side (FreeNoise) would need memory for the whole clip;
here it is that of one window, whatever the length, and a run that was cut off goes on at any frame with the same
result.

Source: Guo et al., "AnimateDiff" (ICLR 2024); Wang et al., "AnimateLCM" (2024) for few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pose_format import Pose

from models.animation.diffusion.img2img import Image, Init, pillow, resized
from models.animation.diffusion.maps import pose_maps
from models.animation.diffusion.options import DiffusionOptions
from models.animation.diffusion.pipelines import enough_memory, interruptible
from models.animation.target import Target
from models.progress import Cancelled
from models.windows import Floats, blended, plan

_LEAST = 2  # frames that the motion layers need


def animatediff_frames(
    pipe: Any,
    target: Target,
    pose: Pose,
    init: Init,
    options: DiffusionOptions,
    *,
    start: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Image]:
    """Draw the frames of a pose (fitted to the target) from `start` on: (H, W, 3) uint8 RGB of the target's size.

    pipe: from `pipelines.load("animatediff", ...)`. The same options and seed give the same frames from any start.
    Raises Cancelled between two steps when `should_stop` says so, SignError when the memory runs out.
    """
    total = len(pose.body.data)
    windows = plan(total, options.window, options.overlap)
    # The first window that has a part in frame `start`.
    first = next(index for index, (_, end) in enumerate(windows) if end > start)

    def drawn() -> Iterator[Floats]:
        for low, high in windows[first:]:
            yield _draw(pipe, target, pose, init, options, range(low, high), should_stop)

    for number, frame in enumerate(blended(windows, drawn(), first), start=windows[first][0]):
        if number >= start:
            yield np.clip(np.round(frame), 0, 255).astype(np.uint8)


def _draw(
    pipe: Any,
    target: Target,
    pose: Pose,
    init: Init,
    options: DiffusionOptions,
    frames: range,
    should_stop: Callable[[], bool] | None,
) -> Floats:
    """One window's frames (N, H, W, 3) float of the target's size."""
    import torch

    out = (target.image.shape[1], target.image.shape[0])
    width, height = options.drawn_size(*out)
    shown = [*frames, *[frames[-1]] * max(0, _LEAST - len(frames))]
    person = [pillow(target.image)] if options.ip_adapter != "none" else None
    with torch.inference_mode(), enough_memory():
        video = pipe(
            video=[pillow(resized(init(index), (width, height))) for index in shown],
            conditioning_frames=[pillow(each) for each in pose_maps(pose, width, height, shown)],
            prompt=options.prompt,
            negative_prompt=options.negative_prompt if options.guided else None,
            height=height,
            width=width,
            num_inference_steps=options.steps_at(options.strength),
            strength=options.strength,
            guidance_scale=options.guidance_scale,
            controlnet_conditioning_scale=options.controlnet_conditioning_scale,
            ip_adapter_image=person,
            generator=torch.Generator("cpu").manual_seed(options.seed),
            callback_on_step_end=interruptible(should_stop),
            decode_chunk_size=options.batch,
            output_type="np",
        ).frames[0]
    if should_stop is not None and should_stop():
        raise Cancelled
    pictures = [np.round(picture * 255).astype(np.uint8) for picture in video[: len(frames)]]
    return np.stack([resized(picture, out) for picture in pictures]).astype(np.float32)
