"""When somebody signs in a clip, and with which hand.

The published way (spoken-to-signed's `active_signing_span`) takes the frames with a wrist above its elbow and five
frames on either side. Signs made at the waist, a slowly rising hand and frame rates other than 25 fall through that.
Here a hand counts as raised once it has left the signer's own resting height, so the span is the published one where
the arms hang at rest, and wider where a sign begins low. Everything is measured in lengths of the signer's
upper arm and in milliseconds: the size of the signer in the picture and the frame rate make no difference.

Shapes: T frames, C coordinates (x, y, z).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.pose.landmarks import BODY, HANDS, component, has_component, point_names

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")

HAND_OF: dict[Side, str] = dict(zip(SIDES, HANDS, strict=True))

LEAVES_REST = 0.25
"""A hand is raised above this share of the way from its resting height to its highest."""
LEAST_RISE = 0.4
"""A hand that rises by less (in upper arms) never left its place: raised then means above the elbow."""
MARGIN_MS = 100.0
"""Kept on both sides of the raised frames: the hand is already moving, and shaped, before it counts as raised."""
SHORTEST_RAISE_MS = 120.0
"""A shorter raise is a landmark that jumped."""
CLEARLY_MORE = 1.5
"""The dominant hand travels at least this many times as far as the other."""
LEAST_TRUSTED = 0.4
"""With both hands raised, too few frames to compare them below this share of the raised ones."""


def signing_span(pose: Pose) -> tuple[int, int]:
    """(start_frame, end_frame exclusive) from the first to the last frame with a raised hand, with a small margin.

    The whole clip when no hand is raised at any time: nothing is known then, and nothing should be cut.
    Raises PoseError when the pose has no body or no arms.
    """
    active = raised_hand(pose, "left") | raised_hand(pose, "right")
    frames = np.flatnonzero(active)
    if not len(frames):
        return 0, len(active)
    margin = round(MARGIN_MS * pose.body.fps / 1000)
    return max(0, int(frames[0]) - margin), min(len(active), int(frames[-1]) + 1 + margin)


def dominant_hand(pose: Pose) -> Side | None:
    """The hand whose wrist travels clearly farther while raised, or None when both or neither do.

    One clip is weak evidence of handedness: it says which hand leads in this sign.
    Raises PoseError when the pose has no body or no arms.
    """
    raised = {side: raised_hand(pose, side) for side in SIDES}
    up = [side for side in SIDES if raised[side].any()]
    if len(up) < 2:
        return up[0] if up else None
    # Where a hand was lost, the arm's wrist is a guess that wanders: compare both hands in the same, trusted frames.
    found = {side: hand_seen(pose, side) for side in SIDES}
    if found["left"].any() or found["right"].any():
        lost = (raised["left"] & ~found["left"]) | (raised["right"] & ~found["right"])
        if lost.sum() > (1 - LEAST_TRUSTED) * (raised["left"] | raised["right"]).sum():
            return None
        raised = {side: flags & ~lost for side, flags in raised.items()}
    left, right = (float(wrist_speed(pose, side)[raised[side]].sum()) for side in SIDES)
    if max(left, right) == 0 or max(left, right) < CLEARLY_MORE * min(left, right):
        return None
    return "left" if left > right else "right"


def raised_hand(pose: Pose, side: Side) -> NDArray[np.bool_]:
    """(T,) whether the hand has left rest: lifted, by the wrist's height over the elbow, above the resting height.

    Judged by the arm, so that it also holds in frames where the hand itself was not found.
    Raises PoseError when the pose has no body or no arms.
    """
    lift, known = _lift(pose, side)
    if not known.any():
        return np.zeros(len(lift), dtype=bool)
    window = max(1, round(0.1 * pose.body.fps))
    lift = _running_median(lift, window)
    rest, top = np.percentile(lift[known], [5, 95])
    threshold = min(0.0, rest + LEAVES_REST * (top - rest)) if top - rest > LEAST_RISE else 0.0
    shortest = max(1, round(SHORTEST_RAISE_MS * pose.body.fps / 1000))
    raised = (lift > threshold) & known
    for start, end in runs(raised):
        if end - start < min(shortest, len(raised)):
            raised[start:end] = False
    return raised


def wrist_speed(pose: Pose, side: Side) -> NDArray[np.float64]:
    """(T,) speed of the wrist in shoulder widths per second, averaged over about 100 ms; 0 where it is not known.
    All 0 when the shoulders are never seen.

    Raises PoseError when the pose has no body or no arms.
    """
    wrist, known = body_point(pose, f"{side.upper()}_WRIST")
    width = shoulder_width(pose)
    if width is None or not known.any():
        return np.zeros(len(wrist))
    track = _without_gaps(wrist[:, :2], known)
    # Smoothed before the difference: landmarks tremble by a pixel or two, which would add up over the clip.
    window = max(1, round(0.1 * pose.body.fps))
    smooth = np.stack([_running_mean(axis, window) for axis in track.T], axis=1)
    step = np.linalg.norm(np.diff(smooth, axis=0, prepend=smooth[:1]), axis=1)
    return np.where(known, step * pose.body.fps / width, 0.0)


def shoulder_width(pose: Pose) -> float | None:
    """Median distance of the shoulders in the pose's own units; None when no frame shows both, apart.

    Raises PoseError when the pose has no body.
    """
    left, left_known = body_point(pose, "LEFT_SHOULDER")
    right, right_known = body_point(pose, "RIGHT_SHOULDER")
    both = left_known & right_known
    width = float(np.median(np.linalg.norm(left[both, :2] - right[both, :2], axis=1))) if both.any() else 0.0
    return width or None


def body_point(pose: Pose, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """One body landmark by name: (T, C) coordinates and (T,) whether it is known (seen, and a finite number).

    By name, because reduced poses keep 8 of the 33 body landmarks and number them anew.
    Raises PoseError when the pose has no such landmark.
    """
    names = point_names(pose, BODY)
    if name not in names:
        raise PoseError(f"The pose's body has no {name} (it has {', '.join(names)}); extract it again from the video.")
    points, confidence = component(pose, BODY)
    index = names.index(name)
    known = (confidence[:, index] > 0) & np.isfinite(points[:, index]).all(axis=1)
    return points[:, index].astype(np.float64), known


def hand_seen(pose: Pose, side: Side) -> NDArray[np.bool_]:
    """(T,) whether the hand was detected; nowhere when the pose has no such component."""
    if not has_component(pose, HAND_OF[side]):
        return np.zeros(len(pose.body.data), dtype=bool)
    points, confidence = component(pose, HAND_OF[side])
    return np.asarray(((confidence > 0) & np.isfinite(points).all(axis=2)).any(axis=1))


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, end exclusive) of every unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _lift(pose: Pose, side: Side) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(T,) height of the wrist over the elbow in upper arms (-1 hanging, 0 level, 1 upright), and where it is known."""
    (wrist, wrist_known), (elbow, elbow_known), (shoulder, shoulder_known) = (
        body_point(pose, f"{side.upper()}_{joint}") for joint in ("WRIST", "ELBOW", "SHOULDER")
    )
    known = wrist_known & elbow_known & shoulder_known
    if not known.any():
        return np.zeros(len(known)), known
    # The clip's longest view of the upper arm: it is foreshortened whenever the elbow comes forward.
    upper_arm = float(np.percentile(np.linalg.norm(shoulder - elbow, axis=1)[known], 90))
    if upper_arm <= 0:
        return np.zeros(len(known)), np.zeros_like(known)
    return _without_gaps((elbow[:, 1:2] - wrist[:, 1:2]) / upper_arm, known)[:, 0], known


def _without_gaps(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T, C) with the unknown frames interpolated, the ends held."""
    frames, there = np.arange(len(values)), np.flatnonzero(known)
    return np.stack([np.interp(frames, there, axis[there]) for axis in values.T], axis=1)


def _running_median(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    return np.median(_windows(values, window), axis=1)


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    return _windows(values, window).mean(axis=1)


def _windows(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """(T, an odd window) of each frame's neighbours, the ends repeated."""
    half = window // 2
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), 2 * half + 1)
