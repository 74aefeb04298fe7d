"""What the avatar draws: a pose in output pixels, one depth scale for body and hands, and no gaps.

MediaPipe's body depth is exaggerated about four times against its x and y, and the wrist-relative depth of hands is
not; a synthetic pose may be exact. So the clip's body depth is scaled until no wrist is farther from its shoulder
than an arm is long, and a hand's depth is its wrist's plus its own.

Shapes: T frames. Points are (T, K, 3) in output pixels, z growing away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.lexicon.avatar_canvas import Array
from models.lexicon.avatar_complete import complete_body, complete_face, nearest
from models.lexicon.avatar_hand import palm_length
from models.lexicon.face import neutral_face
from models.pose import landmarks

SIDES = ("left", "right")
_HAND = {"left": landmarks.LEFT_HAND, "right": landmarks.RIGHT_HAND}
ARM = {"left": (11, 13, 15), "right": (12, 14, 16)}  # shoulder, elbow, wrist
_KNUCKLES = {"left": (19, 17), "right": (20, 18)}  # index and little finger of the body's landmarks

_BODY_FACE = [0, 2, 5, 7, 8]  # nose, eyes, ears

_ARM_REACH = 1.5  # an arm in shoulder widths
_PALM_PER_SHOULDER, _PALM_PER_HEAD = 0.27, 0.47  # wrist to knuckles in shoulder widths, in heads
_CARRY_FRAMES = 10  # how long a lost hand keeps the shape it was last or will next be seen in

# A hand at rest, in palm lengths: x along the hand, y to the thumb, z out of the back.
_RELAXED = np.array([
    (0, 0, 0), (.28, .28, -.10), (.55, .47, -.22), (.80, .52, -.34), (1.00, .50, -.46),
    (.98, .26, 0), (1.38, .30, -.16), (1.56, .30, -.36), (1.64, .29, -.55),
    (1.00, .04, .01), (1.42, .05, -.20), (1.60, .05, -.45), (1.66, .05, -.68),
    (.95, -.15, 0), (1.32, -.18, -.22), (1.46, -.18, -.46), (1.48, -.17, -.66),
    (.86, -.32, -.02), (1.13, -.37, -.20), (1.24, -.37, -.38), (1.26, -.36, -.54),
], np.float32)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A clip ready to draw. Hands and palms go by side."""

    body: Array  # (T, 33, 3)
    body_seen: NDArray[np.bool_]  # (T,)
    face: Array  # (T, 468 or 478, 3), filled in where it was lost
    hands: dict[str, Array]  # (T, 21, 3), filled in where a hand was lost
    palms: dict[str, Array]  # (T,) wrist to knuckles in px, which sets a hand's thickness
    shoulders: float  # px between the shoulders, the size of everything
    head: float  # px from forehead to chin
    width: int
    height: int


def figure(pose: Pose, width: int, height: int) -> Figure:
    """Bring a Holistic pose to output pixels. Raises PoseError when it shows no body, has no arms or no size."""
    size = pose.header.dimensions
    if size.width < 1 or size.height < 1:
        raise PoseError(f"The pose says its picture is {size.width} x {size.height} pixels; extract it again.")
    scale = min(width / size.width, height / size.height)
    shift = np.array([(width - scale * size.width) / 2, (height - scale * size.height) / 2, 0], np.float32)
    limit = float(max(width, height))
    stretch = np.array([scale, scale, scale * size.width], np.float32)

    def placed(points: Array) -> Array:
        # Far outside the frame nothing shows, but huge numbers would overflow the drawing.
        return np.clip(np.nan_to_num(points * stretch + shift), -3 * limit, 4 * limit).astype(np.float32)

    def hand(name: str) -> tuple[Array, NDArray[np.bool_]]:
        if not landmarks.has_component(pose, name):
            return np.zeros((len(body), landmarks.NUM_HAND, 3), np.float32), np.zeros(len(body), bool)
        data, confidence = landmarks.component(pose, name)
        return placed(data), (confidence > 0).any(axis=1)

    face, face_seen = complete_face(pose)
    body, body_seen = complete_body(pose, face, face_seen)
    body, face = placed(body), placed(face)
    shoulders = float(np.median(np.linalg.norm((body[:, 11] - body[:, 12])[:, :2], axis=-1))) + 1e-3
    body[..., 2] *= _depth_scale(body, shoulders)
    head = 0.58 * shoulders
    if face_seen.any():
        head = float(np.median(np.linalg.norm(face[face_seen, 10] - face[face_seen, 152], axis=-1)))
    raw = {side: hand(_HAND[side]) for side in SIDES}
    # One person's hands are of one size; the smaller estimate is the more foreshortened hand's.
    palm = max(_palm(points[seen], shoulders, head) for points, seen in raw.values())
    hands = {side: _hand_track(points, seen, body, side, palm) for side, (points, seen) in raw.items()}
    palms = {side: _palm_track(points, palm) for side, points in hands.items()}
    return Figure(
        body=body,
        body_seen=body_seen,
        face=_face_track(face, face_seen, body) if face_seen.any() else _neutral_track(body, head),
        hands=hands,
        palms=palms,
        shoulders=shoulders,
        head=head,
        width=width,
        height=height,
    )


def _face_track(face: Array, seen: NDArray[np.bool_], body: Array) -> Array:
    """A lost face is the nearest seen one, moved and turned with the body's nose, eyes and ears."""
    source = nearest(seen)
    track = face[source]
    for frame in np.flatnonzero(~seen):
        before, after = (body[i, _BODY_FACE, :2] for i in (source[frame], frame))
        p, q = before - before.mean(axis=0), after - after.mean(axis=0)
        # Least-squares similarity in the plane, as a complex factor.
        a, b = p[:, 0] + 1j * p[:, 1], q[:, 0] + 1j * q[:, 1]
        factor = (b * a.conj()).sum() / ((a * a.conj()).sum().real + 1e-6)
        local = (track[frame, :, :2] - before.mean(axis=0)) @ np.array([1, 1j]) * factor
        track[frame, :, :2] = np.stack([local.real, local.imag], axis=1) + after.mean(axis=0)
    return track


def _neutral_track(body: Array, head: float) -> Array:
    """(T, 468, 3) faces at rest where the body's ears and nose are, for a clip that shows no face at all."""
    mesh = neutral_face()
    mesh = (mesh - mesh[[234, 454]].mean(axis=0)) * (head / float(np.linalg.norm(mesh[10] - mesh[152])))
    left, right = body[:, 7], body[:, 8]
    across = (left - right) * np.array([1, 1, 0.25], np.float32)  # the body's ear depths are guesses
    across = across / (np.linalg.norm(across, axis=-1, keepdims=True) + 1e-6)
    upright = np.stack([across[:, 1], -across[:, 0], np.zeros(len(body), np.float32)], axis=-1)
    upright = upright / (np.linalg.norm(upright, axis=-1, keepdims=True) + 1e-6)
    centre = (left + right) / 2
    # The nose says how high the face sits more surely than the ears do.
    centre[:, 1] += np.clip(body[:, 0, 1] - centre[:, 1] + mesh[1, 1], -0.2 * head, 0.2 * head)
    axes = np.stack([across, upright, np.cross(upright, across)], axis=1)
    return np.asarray(centre[:, None] + mesh @ axes, np.float32)


def _depth_scale(body: Array, shoulders: float) -> float:
    reach = max(float(np.percentile(np.abs(body[:, ARM[s][2], 2] - body[:, ARM[s][0], 2]), 95)) for s in SIDES)
    return min(1.0, _ARM_REACH * shoulders / (reach + 1e-6))


def _palm(hand: Array, shoulders: float, head: float) -> float:
    """Palm length of one hand over the clip; hands that were never seen have the usual size."""
    usual = 0.5 * (_PALM_PER_SHOULDER * shoulders + _PALM_PER_HEAD * head)
    if len(hand) == 0:
        return usual
    return float(np.clip(np.percentile(palm_length(hand), 60), 0.8 * usual, 1.5 * usual))


def _palm_track(hand: Array, palm: float) -> Array:
    """Palm length per frame: the clip's, following a hand that comes nearer or moves away slowly."""
    length = np.clip(palm_length(hand), 0.75 * palm, 1.25 * palm)
    window = min(15, len(length))
    padded = np.pad(length, (window // 2, window - 1 - window // 2), mode="edge")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=-1)
    return np.asarray((median + palm) / 2, np.float32)


def _hand_track(hand: Array, seen: NDArray[np.bool_], body: Array, side: str, palm: float) -> Array:
    """The hand in every frame, its depth the body's: as seen, carried over a short gap, or at rest."""
    elbow, wrist = (body[:, index] for index in ARM[side][1:])
    track = np.empty((len(body), landmarks.NUM_HAND, 3), np.float32)
    sources = nearest(seen) if seen.any() else np.full(len(body), -(10**6))
    for frame in range(len(body)):
        source = sources[frame]
        if seen[frame]:
            track[frame] = hand[frame]
        elif abs(source - frame) <= _CARRY_FRAMES:
            turned = _turned(hand[source], elbow[source], wrist[source], elbow[frame], wrist[frame])
            rest = _relaxed(body[frame], side, palm)
            share = abs(source - frame) / (_CARRY_FRAMES + 1)
            track[frame] = turned * (1 - share) + rest * share
        else:
            track[frame] = _relaxed(body[frame], side, palm)
        track[frame, :, 2] += wrist[frame, 2] - track[frame, 0, 2]
    return track


def _turned(hand: Array, elbow: Array, wrist: Array, new_elbow: Array, new_wrist: Array) -> Array:
    """A hand shape carried to another frame: moved to the wrist and turned with the forearm in the image."""
    before, after = (wrist - elbow)[:2], (new_wrist - new_elbow)[:2]
    angle = np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0])
    cos, sin = np.cos(angle), np.sin(angle)
    local = hand - hand[0]
    turned = np.stack([local[:, 0] * cos - local[:, 1] * sin, local[:, 0] * sin + local[:, 1] * cos, local[:, 2]], 1)
    return np.asarray(turned + new_wrist, np.float32)


def _relaxed(body: Array, side: str, palm: float) -> Array:
    """A hand at rest at the end of the forearm, turned as the body's own finger landmarks suggest."""
    elbow, wrist = (body[index] for index in ARM[side][1:])
    index, little = (body[point] for point in _KNUCKLES[side])
    flat = np.array([1, 1, 0.25], np.float32)  # the body's finger depths are guesses
    along = _unit((index + little) / 2 - wrist, flat) + _unit(wrist - elbow, flat)
    along = _unit(along, 1)
    thumb = _unit(index - little, flat) + np.array([0, -0.2, -0.4], np.float32)  # resting thumbs point forward
    thumb = _unit(thumb - along * float(thumb @ along), 1)
    back = np.cross(along, thumb) * (1 if side == "right" else -1)
    return np.asarray(wrist + palm * _RELAXED @ np.stack([along, thumb, back]), np.float32)


def _unit(vector: Array, weights: Array | float) -> Array:
    weighted = vector * weights
    return np.asarray(weighted / (np.linalg.norm(weighted) + 1e-6), np.float32)
