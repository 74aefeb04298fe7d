"""A signer performs signs: entries in, a Holistic pose out.

entries -> timeline -> hands in time -> arms (inverse kinematics) -> body, hands and face in metres -> camera -> Pose.
The left-handed signer is the right-handed one in a mirror. Shapes: T frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from scipy.ndimage import gaussian_filter1d

from models.errors import LexiconError
from models.lexicon import hand
from models.lexicon.arm import ArmPose, shoulder_girdle, solve_arm
from models.lexicon.body import SignerStyle, project, view
from models.lexicon.expression import face_motion
from models.lexicon.face import face_points, head_axes
from models.lexicon.motion import MIRROR, HandTrack
from models.lexicon.phonology import SignEntry
from models.lexicon.timeline import Timeline, build_timeline
from models.pose.landmarks import NUM_BODY, NUM_FACE, NUM_HAND, holistic_pose

Array = NDArray[np.float64]
MAX_ENTRIES = 400

# Body landmarks that are points of the face mesh: nose, left eye inner/middle/outer, right eye, mouth left/right.
_BODY_FROM_FACE: dict[int, tuple[int, ...]] = {
    0: (1,), 1: (362,), 2: (386, 374), 3: (263,), 4: (133,), 5: (159, 145), 6: (33,), 9: (291,), 10: (61,),
}  # fmt: skip
_EARS = {7: 454, 8: 234}
EAR_BEHIND_M = 0.018  # the mesh ends in front of the ears


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One sign of a performance: its gloss and its span in milliseconds."""

    gloss: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A pose and what is signed in it when."""

    pose: Pose
    segments: tuple[Segment, ...]


def sign_frames(performance: Performance) -> tuple[int, int]:
    """(start_frame, end_frame exclusive) of the only sign of a performance."""
    (segment,) = performance.segments
    pose = performance.pose
    start, end = (time_ms * pose.body.fps / 1000 for time_ms in (segment.start_ms, segment.end_ms))
    return math.floor(start), min(len(pose.body.data), math.ceil(end))


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A performance in body axes, metres. Hands, arms and hand tracks: (right, left)."""

    body: Array  # (T, 33, 3)
    face: Array  # (T, 468, 3)
    hands: tuple[Array, Array]  # (T, 21, 3) each
    arms: tuple[ArmPose, ArmPose]  # strong, weak, each in its own space
    tracks: tuple[HandTrack, HandTrack]  # strong, weak, each in its own space


def perform(
    entries: Sequence[SignEntry],
    style: SignerStyle | None = None,
    *,
    fps: float = 25,
    width: int = 512,
    height: int = 512,
) -> Performance:
    """Sign the entries one after the other, from rest to rest.

    Returns the pose (landmarks as in `models.pose.landmarks`; a hand out of the picture is missing) and
    the segment of each entry. Raises LexiconError for no entries or too many.
    """
    style = style or SignerStyle()
    if not 0 < len(entries) <= MAX_ENTRIES:
        raise LexiconError(f"{len(entries)} signs were asked for; give 1 to {MAX_ENTRIES} at a time.")
    if not 1 <= fps <= 120 or min(width, height) < 32:
        raise ValueError(f"fps {fps} and size {width} x {height}: expected 1 to 120 fps and at least 32 px")
    timeline = build_timeline(entries, style)
    times_s = np.arange(max(2, round(timeline.duration_s * fps))) / fps
    skeleton = build_skeleton(timeline, entries, times_s, style)
    data, confidence = _landmarks(skeleton, style, width, height)
    spans = timeline.spans(entries)
    segments = tuple(
        Segment(gloss=entry.gloss, start_ms=1000 * span.start_s, end_ms=1000 * span.end_s)
        for entry, span in zip(entries, spans, strict=True)
    )
    return Performance(pose=holistic_pose(data, confidence, fps=fps, width=width, height=height), segments=segments)


def build_skeleton(timeline: Timeline, entries: Sequence[SignEntry], times_s: Array, style: SignerStyle) -> Skeleton:
    """The signer in 3-D at the times (T,), evenly spaced, at least two."""
    tracks = timeline.sample(times_s, style)
    step_s = float(times_s[1] - times_s[0])
    sway = _sway(len(times_s), step_s, style)
    arms = tuple(_arm(track, style, step_s) for track in tracks)
    hands = tuple(_hand(track, arm, style) for track, arm in zip(tracks, arms, strict=True))
    motion = face_motion(times_s, timeline.spans(entries), style)
    axes = head_axes(motion)
    face = face_points(motion) * style.body.head_scale + (style.body.face_centre - style.body.neck)
    face = np.einsum("tij,tkj->tki", axes, face) + style.body.neck
    body = _body_points(arms[0], arms[1], hands[0], hands[1], face, axes, style)
    right, left = hands[0], hands[1] * MIRROR
    if style.left_handed:
        right, left = left * MIRROR, right * MIRROR
    return Skeleton(
        body=body + sway,
        face=face + sway,
        hands=(right + sway, left + sway),
        arms=(arms[0], arms[1]),
        tracks=tracks,
    )


def _arm(track: HandTrack, style: SignerStyle, step_s: float) -> ArmPose:
    body = style.body
    return solve_arm(
        shoulder_girdle(body.shoulder, track.wrist, body.arm_length_m),
        track.wrist,
        track.axes,
        upper_arm_m=body.upper_arm_m,
        forearm_m=body.forearm_m,
        elbow_out=track.elbow,
        step_s=step_s,
    )


def _hand(track: HandTrack, arm: ArmPose, style: SignerStyle) -> Array:
    local = hand.hand_points(track.joints) * style.body.hand_scale
    return arm.wrist[:, None] + np.einsum("tij,tkj->tki", track.axes, local)


def _body_points(
    strong: ArmPose, weak: ArmPose, strong_hand: Array, weak_hand: Array, face: Array, axes: Array, style: SignerStyle
) -> Array:
    """(T, 33, 3) body landmarks; the strong arm is the right one unless the signer is left-handed."""
    body = style.body
    points = np.zeros((len(face), NUM_BODY, 3))
    for landmark, sources in _BODY_FROM_FACE.items():
        points[:, landmark] = face[:, sources].mean(axis=1)
    for landmark, source in _EARS.items():
        points[:, landmark] = face[:, source] + axes @ np.array([0.0, 0.0, -EAR_BEHIND_M * body.head_scale])
    right, left = (strong, strong_hand, 1.0), (weak, weak_hand, MIRROR)
    if style.left_handed:
        right, left = (weak, weak_hand, 1.0), (strong, strong_hand, MIRROR)
    for side, (arm, points_of_hand, mirror) in enumerate((left, right)):  # MediaPipe: left is odd, right is even
        chain = (arm.shoulder, arm.elbow, arm.wrist)
        knuckles = 0.6 * points_of_hand[:, (17, 5)] + 0.4 * points_of_hand[:, (18, 6)]
        thumb = points_of_hand[:, 2:4].mean(axis=1)
        for landmark, point in zip((11, 13, 15, 17, 19, 21), (*chain, *knuckles.swapaxes(0, 1), thumb), strict=True):
            points[:, landmark + side] = point * mirror
        sign = 1.0 if side == 0 else -1.0
        hip = np.array([sign * body.hip_half_width_m, 0.0, 0.0])
        knee = hip + np.array([sign * 0.02, -body.thigh_m, 0.05])
        ankle = knee + np.array([0.0, -body.shin_m, -0.02])
        heel, toe = ankle + np.array([0.0, -0.05, -0.04]), ankle + np.array([sign * 0.02, -0.07, 0.13])
        for landmark, joint in zip((23, 25, 27, 29, 31), (hip, knee, ankle, heel, toe), strict=True):
            points[:, landmark + side] = joint
    return points


def _sway(count: int, step_s: float, style: SignerStyle) -> Array:
    """(T, 1, 3) a standing body is never quite still: slow millimetres, drawn from the style's seed."""
    rng = np.random.default_rng([style.seed, 2])
    padding = round(3 / step_s)
    noise = gaussian_filter1d(rng.normal(0, 1, (count + 2 * padding, 3)), 0.8 / step_s, axis=0)[
        padding : padding + count
    ]
    noise *= np.sqrt(2 * np.sqrt(np.pi) * 0.8 / step_s)  # back to unit variance
    return noise[:, None] * np.array([0.004, 0.001, 0.003]) * min(1.0, 4 * style.sloppiness)


def _landmarks(skeleton: Skeleton, style: SignerStyle, width: int, height: int) -> tuple[Array, Array]:
    """(T, 576, 3) landmarks and (T, 576) confidence in the canonical order of components."""
    right, left = skeleton.hands

    def image(points: Array) -> Array:
        return project(points, style, width=width, height=height)

    body, face, hands = image(skeleton.body), image(skeleton.face), [image(left), image(right)]
    face[..., 2] -= face[..., 2].mean(axis=1, keepdims=True)
    for points in hands:
        points[..., 2] -= points[:, :1, 2]  # MediaPipe: a hand's depth is relative to its wrist
    world = view(skeleton.body, style.framing) * np.array([1.0, -1.0, -1.0])
    world = (world - world[:, 23:25].mean(axis=1, keepdims=True)) * np.array([width, height, 1.0])

    def inside(points: Array) -> Array:
        return (points[..., :2] > 0).all(-1) & (points[..., 0] < width) & (points[..., 1] < height)

    visible = np.where(inside(body), 0.99, 0.2)
    visible[:, 25:] = 0.02
    shown = [np.repeat((inside(points).mean(axis=1) > 0.6)[:, None], NUM_HAND, axis=1) for points in hands]
    data = np.concatenate([body, face, *hands, world], axis=1)
    confidence = np.concatenate([visible, np.ones((len(data), NUM_FACE)), *shown, visible], axis=1)
    return np.where(confidence[..., None] > 0, data, 0), confidence
