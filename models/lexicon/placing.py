"""Clips of different people, sizes and frame rates as motions of one body in one picture.

A `Motion` holds all landmarks of one clip in the pixels of the common picture, depth included, so that bones have
a length and directions an angle. World landmarks stay metres. Missing landmarks have confidence 0.

Shapes: T frames, K landmarks, C coordinates (x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from models.errors import PoseError
from models.lexicon.body import Framing
from models.pose.landmarks import (
    BODY,
    COMPONENTS,
    WORLD,
    component_slice,
    has_component,
    of_world,
    point_names,
    with_arrays,
)
from models.pose.span import HAND_OF, SIDES, Side, body_point, shoulder_width

Array = NDArray[np.float64]

SHOULDER_FRACTION = Framing().shoulder_fraction
SHOULDER_HEIGHT = 0.53
"""Shoulder width, and how far down the shoulders' middle lies, over the picture's side: where `perform` has them."""
DEPTH_IN_PIXELS = 10.0
"""MediaPipe's depth is in picture widths and stays well below this; a larger one is in pixels already."""
BONE_IN_SHOULDERS = 0.8
"""An upper arm or forearm is at least this long, in shoulder widths (Drillis and Contini: 0.85 and 0.78 to 0.95)."""
_JOINTS = ("SHOULDER", "ELBOW", "WRIST")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Indices of one arm's landmarks in a motion; `tips` are the body's knuckles, `hand` the hand's 21 landmarks."""

    side: str
    shoulder: int
    elbow: int
    wrist: int
    tips: tuple[int, ...] = ()
    hand: slice | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which landmark is where: one slice per component, the arms of the body and of the world landmarks."""

    components: dict[str, slice]
    body_arms: tuple[Arm, ...]
    world_arms: tuple[Arm, ...]


@dataclass(frozen=True, kw_only=True)
class Motion:
    """points (T, K, 3) in pixels of the common picture (the world's: metres) and sure (T, K), 0 where missing.

    depth_share: what the body's depth is multiplied with to give arms of one length. MediaPipe often makes the depth
    of arms three times too large; the recorded depth stays as it is, but bones are measured with this.
    """

    points: Array
    sure: Array
    depth_share: float = 1.0

    def __len__(self) -> int:
        return len(self.points)


def common_landmarks(poses: Sequence[Pose]) -> list[Pose]:
    """The poses with the landmarks that all of them have, in the canonical order of components.

    Full (576), refined (586) and reduced (178) poses mix: the smallest set remains. Raises PoseError when one is not
    a Holistic pose, or no arms remain.
    """
    names = [name for name in COMPONENTS if all(has_component(pose, name) for pose in poses)]
    if BODY not in names:
        raise PoseError(f"A clip has no {BODY}, so it cannot be joined to the others; extract its pose again.")
    points: dict[str, list[str]] = {}
    for name in names:
        shared = set.intersection(*(set(point_names(pose, name)) for pose in poses))
        points[name] = [point for point in point_names(poses[0], name) if point in shared]
    points = {name: kept for name, kept in points.items() if kept}
    needed = {f"{side.upper()}_{joint}" for side in SIDES for joint in _JOINTS}
    missing = needed - set(points.get(BODY, ()))
    if missing:
        raise PoseError(f"A clip's body has no {', '.join(sorted(missing))}; extract its pose again from the video.")
    return [_with_points(pose, points) for pose in poses]


def layout_of(pose: Pose) -> Layout:
    """The layout of a pose with arms."""
    components = {entry.name: component_slice(pose, entry.name) for entry in pose.header.components}
    arms = {name: tuple(_arm(pose, components, name, side) for side in SIDES) for name in (BODY, WORLD)
            if name in components}  # fmt: skip
    return Layout(components=components, body_arms=arms[BODY], world_arms=arms.get(WORLD, ()))


def place(pose: Pose, like: Pose, size: int) -> Motion:
    """The pose's signer in the common picture: shoulders of one width with their middle at one place.

    One factor and one shift for the whole clip, measured in `like` (the same clip, untrimmed), so the movement stays
    as it is. Raises PoseError when no frame shows both shoulders.
    """
    width = shoulder_width(like)
    if width is None:
        raise PoseError(
            f"None of the {len(like.body.data)} frames of a clip shows both shoulders, so it cannot be joined to "
            "others; film the signer from the front, from the hips up."
        )
    ends = [body_point(like, f"{side.upper()}_SHOULDER") for side in SIDES]
    both = ends[0][1] & ends[1][1]
    middle = np.median((ends[0][0] + ends[1][0])[both] / 2, axis=0)
    data, sure = arrays(pose)
    image = ~of_world(pose)
    depth = np.abs(data[:, image, 2][sure[:, image] > 0])
    unit = 1.0 if depth.size and np.percentile(depth, 99) > DEPTH_IN_PIXELS else float(pose.header.dimensions.width)
    factor = SHOULDER_FRACTION * size / width
    placed = data.copy()
    placed[:, image] *= np.array([factor, factor, factor * max(unit, 1.0)])
    placed[:, image, :2] += np.array([0.5, SHOULDER_HEIGHT]) * size - factor * middle[:2]
    # A .pose holds world landmarks in metres times the picture's size.
    placed[:, ~image, :2] /= np.maximum([pose.header.dimensions.width, pose.header.dimensions.height], 1)
    placed = np.where(sure[..., None] > 0, placed, 0)
    share = _depth_share(placed, sure, layout_of(pose), SHOULDER_FRACTION * size)
    return Motion(points=placed, sure=sure, depth_share=share)


def resample(pose: Pose, fps: float, speed: float = 1.0) -> Pose:
    """The pose at another rate, `speed` times as fast; untouched frames stay exact.

    Between two frames a landmark follows the cubic through its neighbours (Catmull-Rom); where only one of the two
    frames shows it, it is missing or held, whichever frame is nearer: no landmark bridges a gap.
    """
    data, sure = arrays(pose)
    step = float(pose.body.fps) * speed / fps
    times = np.arange(int(np.floor((len(data) - 1) / step + 1e-6)) + 1) * step
    times = np.where(np.abs(times - np.round(times)) < 1e-6, np.round(times), times)
    first = np.clip(np.floor(times).astype(int), 0, len(data) - 1)
    at = [np.clip(first + offset, 0, len(data) - 1) for offset in (-1, 0, 1, 2)]
    share = (times - first)[:, None]
    before, start, end, after = (data[index] for index in at)
    known = [(sure[index] > 0)[..., None] for index in at]
    before = np.where(known[0] & (at[0] < at[1])[:, None, None], before, 2 * start - end)
    after = np.where(known[3] & (at[3] > at[2])[:, None, None], after, 2 * end - start)
    s = share[..., None]
    curve = start + 0.5 * s * (
        end - before + s * (2 * before - 5 * start + 4 * end - after + s * (3 * (start - end) + after - before))
    )
    nearest = np.where(share < 0.5, sure[at[1]], sure[at[2]])
    both = known[1] & known[2]
    held = np.where(s < 0.5, start, end)
    points = np.where(both & (s > 0), curve, held)
    confidence = np.where(both[..., 0], (1 - share) * sure[at[1]] + share * sure[at[2]], nearest)
    points = np.where(confidence[..., None] > 0, points, 0)
    return with_arrays(pose, points[:, None], confidence[:, None], fps=fps)


def pose_of(motion: Motion, like: Pose, *, fps: float, size: int) -> Pose:
    """A motion as a pose with the components of `like`, in a picture of size x size pixels."""
    points = motion.points.copy()
    world = of_world(like)
    points[:, ~world, 2] /= size
    points[:, world, :2] *= size
    dimensions = PoseHeaderDimensions(width=size, height=size, depth=0)
    header = PoseHeader(like.header.version, dimensions, list(like.header.components))
    points = np.where(motion.sure[..., None] > 0, points, 0)
    return with_arrays(Pose(header, like.body), points[:, None], motion.sure[:, None], fps=fps)


def arrays(pose: Pose) -> tuple[Array, Array]:
    """(T, K, 3) coordinates and (T, K) confidence; masked or not finite is missing."""
    data = np.ma.getdata(pose.body.data)[:, 0, :, :3].astype(np.float64)
    sure = np.nan_to_num(np.ma.getdata(pose.body.confidence)[:, 0].astype(np.float64), posinf=0, neginf=0)
    masked = np.ma.getmaskarray(pose.body.data)[:, 0, :, :3].any(axis=-1)
    sure = np.where(masked | ~np.isfinite(data).all(axis=-1), 0, np.maximum(sure, 0))
    return np.where(sure[..., None] > 0, data, 0), sure


def _depth_share(points: Array, sure: Array, layout: Layout, shoulders: float) -> float:
    shares = list[float]()
    for arm in layout.body_arms:
        for ends in ([arm.shoulder, arm.elbow], [arm.elbow, arm.wrist]):
            known = (sure[:, ends] > 0).all(axis=1)
            if not known.any():
                continue
            bone = points[known, ends[1]] - points[known, ends[0]]
            flat, deep = np.linalg.norm(bone[:, :2], axis=1), np.abs(bone[:, 2])
            length = max(float(np.percentile(flat, 95)), BONE_IN_SHOULDERS * shoulders)
            clear = deep > 0.3 * shoulders
            shares += list(np.sqrt(np.maximum(length**2 - flat**2, 0))[clear] / deep[clear])
    return float(np.clip(np.median(shares), 0.1, 1)) if shares else 1.0


def _with_points(pose: Pose, points: dict[str, list[str]]) -> Pose:
    present = [entry.name for entry in pose.header.components]
    if present == list(points) and all(point_names(pose, name) == kept for name, kept in points.items()):
        return pose
    return pose.get_components(list(points), points)


def _arm(pose: Pose, components: dict[str, slice], name: str, side: Side) -> Arm:
    names, start = point_names(pose, name), components[name].start
    joints = [start + names.index(f"{side.upper()}_{joint}") for joint in _JOINTS]
    tips = tuple(start + names.index(f"{side.upper()}_{tip}") for tip in ("PINKY", "INDEX", "THUMB")
                 if f"{side.upper()}_{tip}" in names)  # fmt: skip
    hand = components.get(HAND_OF[side]) if name == BODY else None
    return Arm(side=side, shoulder=joints[0], elbow=joints[1], wrist=joints[2], tips=tips, hand=hand)
