"""Square boxes that follow a signer's hands through a clip, steady enough to train on.

Design choices:

- A box is about a path, not about one frame's landmarks: the middle of the hand where it was seen, and where it was
  not, the arm's own guess of the palm (wrist and two knuckles), moved by what it was off by in the frames around. Where
  the arm is not seen either, the path goes straight on. Then it is smoothed, by the same amount both ways in time, so
  that the box does not lag behind the hand.
- One side for both hands and all frames of a clip: the hand never grows or shrinks because a finger opened. It holds
  the hand about the smoothed path in all but the few frames that would double it (a quantile).
- A box is shifted inwards at the edge of the picture. Only a picture smaller than the box is padded, with black.
- MediaPipe may find one hand twice, as the left and the right. Then it belongs to the arm whose palm is nearer.

Left is the signer's left. Shapes: T frames, K landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from scipy.ndimage import gaussian_filter1d, median_filter

from models.pose.landmarks import BODY, component, point_names
from models.pose.span import HAND_OF, SIDES, Side, body_point, hand_seen
from models.video import Box
from models.video_decode import Frame

SMOOTHING_S = 0.05
"""Standard deviation of the smoothing over time."""
HELD = 0.95
"""Share of a hand's frames in which the box holds all its landmarks."""
MARGIN = 0.15
"""Added on each side, as a share of the box that just holds the landmarks: they lie inside of the hand."""
LEAST_FRAMES = 3
"""A hand seen in fewer frames does not decide the side when the other was seen in more."""
SMALLEST_PX = 16
_LEAST_VISIBLE = 0.5
_SAME_HAND = 0.4  # of the hand's extent: mean distance of the landmarks of one hand found twice
_PALM = ("WRIST", "INDEX", "PINKY")


@dataclass(frozen=True, kw_only=True)
class HandBoxes:
    """Where one hand is through a clip."""

    seen: NDArray[np.bool_]
    """(T,) whether the hand was found in the frame; where it was not, the box is a guess."""
    boxes: NDArray[np.int64] | None
    """(T, 4) xmin, ymin, xmax, ymax in pixels, all squares of one size; None for a hand that was never found."""


@dataclass(frozen=True, kw_only=True)
class _Track:
    points: NDArray[np.float64]
    """(T, K, 2) pixels; anything where not seen."""
    seen: NDArray[np.bool_]
    """(T,)"""
    path: NDArray[np.float64]
    """(T, 2) the smoothed middle of the hand."""


def hand_boxes(pose: Pose) -> dict[Side, HandBoxes]:
    """The boxes of both hands through a clip.

    pose: Holistic landmarks in pixels, with a body. A side is at least SMALLEST_PX; boxes leave the picture only where
    it is smaller than they are.
    Raises PoseError when the pose has no body or hands.
    """
    size = pose.header.dimensions
    tracks = _tracks(pose)
    side = _side(list(tracks.values()))
    found: dict[Side, HandBoxes] = {}
    for name in SIDES:
        seen = np.zeros(len(pose.body.data), dtype=bool)
        boxes = None
        if name in tracks:
            seen, boxes = tracks[name].seen, square_boxes(tracks[name].path, side, size.width, size.height)
        found[name] = HandBoxes(seen=seen, boxes=boxes)
    return found


def square_boxes(path: NDArray[np.float64], side: int, width: int, height: int) -> NDArray[np.int64]:
    """(T, 4) squares about the points (T, 2) of a path, shifted into a picture of this size; about its middle along
    an axis on which it is smaller than they are."""
    extent = np.array([width, height])
    corner = np.rint(path - side / 2).astype(np.int64)
    corner = np.where(extent >= side, np.clip(corner, 0, np.maximum(extent - side, 0)), (extent - side) // 2)
    return np.concatenate([corner, corner + side], axis=1)


def crop(image: Frame, box: Box, size: int) -> Frame:
    """The part (size, size, 3) of an image (H, W, 3) in a square box; black where the box leaves the image."""
    height, width = image.shape[:2]
    xmin, ymin, xmax, ymax = box
    inside = image[max(ymin, 0) : min(ymax, height), max(xmin, 0) : min(xmax, width)]
    around = (max(-ymin, 0), max(ymax - height, 0), max(-xmin, 0), max(xmax - width, 0))
    if any(around):
        inside = np.asarray(cv2.copyMakeBorder(inside, *around, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8)
    way = cv2.INTER_AREA if size < xmax - xmin else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(inside, (size, size), interpolation=way), np.uint8)


def _tracks(pose: Pose) -> dict[Side, _Track]:
    """The hands that were found at all."""
    points = {side: component(pose, HAND_OF[side])[0][..., :2].astype(np.float64) for side in SIDES}
    palms = {side: _palm(pose, side) for side in SIDES}
    seen = _told_apart(points, palms, {side: hand_seen(pose, side) for side in SIDES})
    tracks: dict[Side, _Track] = {}
    for side in SIDES:
        if seen[side].any():
            path = _path(_middle(points[side]), seen[side], *palms[side])
            sigma = SMOOTHING_S * float(pose.body.fps)
            smooth = gaussian_filter1d(median_filter(path, (3, 1), mode="nearest"), sigma, axis=0, mode="nearest")
            tracks[side] = _Track(points=points[side], seen=seen[side], path=smooth)
    return tracks


def _palm(pose: Pose, side: Side) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(T, 2) middle of the palm as the body's landmarks have it, and (T,) whether the arm's end is visible."""
    found = [body_point(pose, f"{side.upper()}_{name}") for name in _PALM]
    _, confidence = component(pose, BODY)
    visible = confidence[:, point_names(pose, BODY).index(f"{side.upper()}_WRIST")] >= _LEAST_VISIBLE
    known = np.logical_and.reduce([there for _, there in found]) & visible
    return np.mean([place[:, :2] for place, _ in found], axis=0), known


def _told_apart(
    points: dict[Side, NDArray[np.float64]],
    palms: dict[Side, tuple[NDArray[np.float64], NDArray[np.bool_]]],
    seen: dict[Side, NDArray[np.bool_]],
) -> dict[Side, NDArray[np.bool_]]:
    """In which frames each hand was seen, one hand found twice counted once."""
    extent = np.maximum(*(_extent(points[side]) for side in SIDES))
    apart = np.linalg.norm(points["left"] - points["right"], axis=2).mean(axis=1)
    twice = seen["left"] & seen["right"] & (apart < _SAME_HAND * extent)
    off = {side: np.linalg.norm(_middle(points[side]) - palms[side][0], axis=1) for side in SIDES}
    left_is_nearer = off["left"] <= off["right"]
    return {"left": seen["left"] & ~(twice & ~left_is_nearer), "right": seen["right"] & ~(twice & left_is_nearer)}


def _path(
    middle: NDArray[np.float64], seen: NDArray[np.bool_], palm: NDArray[np.float64], visible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(T, 2) the middle of the hand in every frame: found, or guessed by the arm, or between its neighbours."""
    frames = np.arange(len(middle))
    both = seen & visible
    known, path = seen.copy(), middle.copy()
    if both.any():
        off = _between(middle - palm, both, frames)
        guessed = visible & ~seen
        path[guessed] = (palm + off)[guessed]
        known |= guessed
    return _between(path, known, frames)


def _between(values: NDArray[np.float64], known: NDArray[np.bool_], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T, 2) with the unknown frames interpolated, the ends held."""
    there = np.flatnonzero(known)
    return np.stack([np.interp(frames, there, axis[there]) for axis in values.T], axis=1)


def _side(tracks: list[_Track]) -> int:
    """Side of the square, pixels, that holds each hand about its path in HELD of the frames that show it."""
    often = [track for track in tracks if track.seen.sum() >= LEAST_FRAMES] or tracks
    reach = [
        np.quantile(np.abs(track.points - track.path[:, None]).max(axis=(1, 2))[track.seen], HELD) for track in often
    ]
    return max(SMALLEST_PX, round(2 * (1 + 2 * MARGIN) * float(max(reach, default=0))))


def _middle(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 2) middle of the box about the landmarks."""
    return (points.min(axis=1) + points.max(axis=1)) / 2


def _extent(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) the longer side of the box about the landmarks."""
    return (points.max(axis=1) - points.min(axis=1)).max(axis=1)
