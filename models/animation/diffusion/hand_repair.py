"""Hands drawn once more, larger: a crop around each hand, its own pose map, and back into the frame.

A hand of 60 pixels is 7 cells of the decoder; drawn in a crop that it fills, it is 30. The crop's place and size follow
the hand smoothly, so that the frame around it does not shimmer; only the hand itself is pasted, with a soft edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from scipy.ndimage import gaussian_filter1d

from models.animation.diffusion.img2img import Painter, resized
from models.animation.diffusion.options import DiffusionOptions
from models.animation.target import Target
from models.pose import landmarks
from models.pose.openpose import draw_openpose, scale_keypoints, to_openpose

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

CROP_SIDE = 384
"""Side of a crop as it is drawn, pixels."""
_ROOM = 1.7  # side of a crop over the hand's extent
_SMOOTH = 3.0  # frames, sigma
_EDGE = 0.16  # of the hand's extent: how far beyond it the paste reaches


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square in a frame, and where in it what is new may show."""

    left: int
    top: int
    side: int
    mask: Floats
    """(side, side) 0..1."""


def crops(pose: Pose) -> Iterator[list[Crop]]:
    """The crops of every frame: one for each hand that is in the picture, one for both where they touch."""
    size = pose.header.dimensions
    boxes, points, there = [], [], []
    for name in landmarks.HANDS:
        data, sure = landmarks.component(pose, name)
        flat = data[..., :2]
        inside = (sure > 0).all(axis=1) & ((flat >= 0) & (flat < (size.width, size.height))).any(axis=(1, 2))
        boxes.append(_steady(flat, inside))
        points.append(flat)
        there.append(inside)
    for frame in range(len(pose.body.data)):
        hands = [(boxes[hand][frame], points[hand][frame]) for hand in (0, 1) if there[hand][frame]]
        if len(hands) == 2 and _touch(hands[0][0], hands[1][0]):
            hands = [(_joined(hands[0][0], hands[1][0]), np.concatenate([hands[0][1], hands[1][1]]))]
        made = [_crop(box, hand, size.width, size.height) for box, hand in hands]
        yield [crop for crop in made if crop is not None]


def refine_hands(
    frames: Iterable[Image],
    pipe: Any,
    target: Target,
    pose: Pose,
    options: DiffusionOptions,
    *,
    start: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Image]:
    """Draw the hands in frames `start`, `start` + 1, ... of a pose once more; raises as `controlnet_frames` does.

    pipe: a ControlNet pipeline (`pipelines.load("controlnet", ...)`).
    """
    wanted = replace(options, side=CROP_SIDE, carry=0.0)
    painter = Painter(pipe, target, wanted, should_stop, size=(CROP_SIDE, CROP_SIDE))
    people = to_openpose(pose)
    for index, (frame, hands) in enumerate(zip(frames, islice(crops(pose), start, None), strict=False), start=start):
        out = frame
        for crop in hands:
            part = out[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
            scale = CROP_SIDE / crop.side
            person = scale_keypoints(people[index], scale, (-crop.left * scale, -crop.top * scale))
            drawn = painter.draw(
                painter.latents([part]), [draw_openpose([person], CROP_SIDE, CROP_SIDE)], index, options.hand_strength
            )
            out = paste(out, next(iter(painter.pictures(drawn))), crop)
        yield out


def paste(frame: Image, drawn: Image, crop: Crop) -> Image:
    """The frame with a crop drawn anew, where its mask says."""
    part = frame[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    share = crop.mask[..., None]
    out = frame.copy()
    out[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] = np.round(
        part * (1 - share) + resized(drawn, (crop.side, crop.side)) * share
    ).astype(np.uint8)
    return out


def _steady(points: Floats, there: NDArray[np.bool_]) -> Floats:
    """(T, 3) middle and extent of a hand (T, 21, 2), smooth over time."""
    low, high = points.min(axis=1), points.max(axis=1)
    box = np.column_stack([(low + high) / 2, (high - low).max(axis=1)])
    if there.any():
        frames = np.arange(len(points))
        seen = np.flatnonzero(there)
        filled = np.column_stack([np.interp(frames, seen, box[seen, column]) for column in range(3)])
        smooth = gaussian_filter1d(filled, _SMOOTH, axis=0, mode="nearest")
        # Smooth or not, the hand stays in its crop.
        apart = np.abs(smooth[:, :2] - filled[:, :2]).max(axis=1)
        smooth[:, 2] = np.maximum(smooth[:, 2], filled[:, 2] + 1.2 * apart)
        box = smooth
    return np.asarray(box, np.float32)


def _touch(a: Floats, b: Floats) -> bool:
    return bool(np.abs(a[:2] - b[:2]).max() < 0.5 * (a[2] + b[2]))


def _joined(a: Floats, b: Floats) -> Floats:
    low = np.minimum(a[:2] - a[2] / 2, b[:2] - b[2] / 2)
    high = np.maximum(a[:2] + a[2] / 2, b[:2] + b[2] / 2)
    return np.array([*(low + high) / 2, (high - low).max()], np.float32)


def _crop(box: Floats, hand: Floats, width: int, height: int) -> Crop | None:
    """A square of whole pixels within the frame; None for a hand too small to be worth it."""
    side = min(2 * round(_ROOM * float(box[2]) / 2), width, height)
    if side < 24:
        return None
    left = int(np.clip(round(float(box[0]) - side / 2), 0, width - side))
    top = int(np.clip(round(float(box[1]) - side / 2), 0, height - side))
    mask = np.zeros((side, side), np.uint8)
    hull = cv2.convexHull(np.round(hand - (left, top)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, (255,))
    reach = max(3, round(_EDGE * float(box[2])))
    cv2.polylines(mask, [hull], True, (255,), 2 * reach)
    soft = cv2.GaussianBlur(mask, (0, 0), reach / 2).astype(np.float32) / 255
    soft[[0, -1], :], soft[:, [0, -1]] = 0, 0
    return Crop(left=left, top=top, side=side, mask=soft)
