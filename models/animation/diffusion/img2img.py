"""ControlNet, frame by frame: Stable Diffusion draws every frame anew over a first picture, held by the pose map.

What keeps the frames alike: the prompt and the person's embedding are computed once, the noise is the same in every
frame, the first picture is the puppet's, and, where wanted, a share of the frame before is carried into the next.

Source: Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models" (ICCV 2023); SDEdit (Meng et al.,
ICLR 2022) for drawing over a picture. We differ in starting from a puppet's frame, whose pose is right already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.diffusion.maps import pose_maps
from models.animation.diffusion.options import DiffusionOptions
from models.animation.diffusion.pipelines import enough_memory, interruptible
from models.animation.target import Target
from models.progress import Cancelled

Image = NDArray[np.uint8]
Init = Callable[[int], Image]


def controlnet_frames(
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

    pipe: from `pipelines.load("controlnet", ...)`; init(i): the picture that frame i is drawn over. The same options
    and seed give the same frames, from any start, unless frames are carried along.
    Raises Cancelled between two steps when `should_stop` says so, SignError when the memory runs out.
    """
    painter = Painter(pipe, target, options, should_stop)
    total = len(pose.body.data)
    batch = 1 if options.carry else options.batch
    before: Any = None
    for first in range(start, total, batch):
        frames = range(first, min(first + batch, total))
        maps = list(pose_maps(pose, painter.width, painter.height, frames))
        latents = painter.latents([init(index) for index in frames])
        if before is not None and options.carry:
            latents = latents * (1 - options.carry) + before * options.carry
        drawn = painter.draw(latents, maps, first)
        before = drawn[-1:]
        yield from painter.pictures(drawn)


class Painter:
    """One pipeline drawing for one target: what is computed once, and the drawing itself."""

    def __init__(
        self,
        pipe: Any,
        target: Target,
        options: DiffusionOptions,
        should_stop: Callable[[], bool] | None,
        *,
        size: tuple[int, int] | None = None,
    ) -> None:
        """size: (width, height) of the pictures that come out; the target's unless given."""
        self._pipe, self._options = pipe, options
        self._should_stop = should_stop
        self._callback = interruptible(should_stop)
        self._out = size or (target.image.shape[1], target.image.shape[0])
        self.width, self.height = options.drawn_size(*self._out)
        self._device = pipe._execution_device
        with enough_memory():
            self._prompt, self._negative = pipe.encode_prompt(
                options.prompt, self._device, 1, options.guided, options.negative_prompt
            )
            self._person = None
            if options.ip_adapter != "none":
                self._person = pipe.prepare_ip_adapter_image_embeds(
                    pillow(_shown(target, options)), None, self._device, 1, options.guided
                )

    def latents(self, images: list[Image]) -> Any:
        """The pictures (H, W, 3) as the decoder's latents (B, 4, h, w), scaled as the UNet takes them."""
        import torch

        shown = [pillow(resized(image, (self.width, self.height))) for image in images]
        pixels = self._pipe.image_processor.preprocess(shown, height=self.height, width=self.width)
        vae = self._pipe.vae
        with torch.inference_mode(), enough_memory():
            coded = vae.encode(pixels.to(self._device, vae.dtype))
        found = coded.latent_dist.mode() if hasattr(coded, "latent_dist") else coded.latents
        return found * vae.config.scaling_factor

    def draw(self, latents: Any, maps: list[Image], first: int, strength: float | None = None) -> Any:
        """Latents of the drawn frames (B, 4, h, w). first: the number of the first frame, for noise of its own."""
        import torch

        options, count = self._options, len(maps)
        seeds = [options.seed + (0 if options.shared_noise else first + index) for index in range(count)]
        wanted = options.strength if strength is None else strength
        with torch.inference_mode(), enough_memory():
            drawn = self._pipe(
                image=latents,
                control_image=[pillow(each) for each in maps],
                height=self.height,
                width=self.width,
                num_inference_steps=options.steps_at(wanted),
                strength=wanted,
                guidance_scale=options.guidance_scale,
                controlnet_conditioning_scale=options.controlnet_conditioning_scale,
                prompt_embeds=self._prompt.repeat(count, 1, 1),
                negative_prompt_embeds=None if self._negative is None else self._negative.repeat(count, 1, 1),
                ip_adapter_image_embeds=self._person,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                callback_on_step_end=self._callback,
                output_type="latent",
            ).images
        if self._should_stop is not None and self._should_stop():
            raise Cancelled
        return drawn

    def pictures(self, latents: Any) -> Iterator[Image]:
        """The latents as pictures of the size that comes out, past the safety checker where there is one."""
        import torch

        vae = self._pipe.vae
        with torch.inference_mode(), enough_memory():
            pixels = vae.decode(latents / vae.config.scaling_factor).sample
            checked, _ = self._pipe.run_safety_checker(pixels, self._device, self._prompt.dtype)
        for picture in self._pipe.image_processor.postprocess(checked, output_type="np"):
            yield resized(np.round(picture * 255).astype(np.uint8), self._out)


def _shown(target: Target, options: DiffusionOptions) -> Image:
    """What the identity adapter looks at: the face, or the whole picture."""
    from models.pose import landmarks

    if options.ip_adapter != "plus-face" or not landmarks.seen(target.pose, landmarks.FACE)[0]:
        return target.image
    face = landmarks.component(target.pose, landmarks.FACE)[0][0, :, :2]
    low, high = face.min(axis=0), face.max(axis=0)
    room = 0.35 * (high - low).max()
    height, width = target.image.shape[:2]
    left, top = np.clip(low - room, 0, (width, height)).astype(int)
    right, bottom = np.clip(high + room, 0, (width, height)).astype(int)
    return np.ascontiguousarray(target.image[top:bottom, left:right])


def resized(image: Image, size: tuple[int, int]) -> Image:
    """The picture in another size, (width, height)."""
    if image.shape[1::-1] == size:
        return image
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def pillow(image: Image) -> Any:
    """The picture as the pipelines take it."""
    from PIL import Image as PillowImage

    return PillowImage.fromarray(image)
