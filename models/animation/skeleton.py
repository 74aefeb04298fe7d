"""Somebody to imitate, or to be moved: a pose in pixels, complete, with the sizes that tell bodies apart.

`models.lexicon.avatar_figure` does the completing and brings MediaPipe's exaggerated depth of the body down; here the
face gets its depth in front of the shoulders, and hands that were lost stay where the arm has them.

Shapes: T frames. Points are (T, K, 3) in pixels, z growing away from the camera from mid-hip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.depth import lifted_arms, settled_hands
from models.errors import PoseError
from models.lexicon.avatar_complete import nearest
from models.lexicon.avatar_figure import ARM, figure
from models.lexicon.avatar_hand import palm_length
from models.lexicon.face import neutral_face
from models.lexicon.placing import DEPTH_IN_PIXELS
from models.pose import landmarks
from models.pose.clean import fill_hands
from models.pose.landmarks import LEFT_SHOULDER, RIGHT_SHOULDER
from models.pose.span import HAND_OF, SIDES, Side, body_point, hand_seen

Array = NDArray[np.floating[Any]]

CARRIED_FRAMES = 10
"""A hand that was lost for at most so long is still drawn; longer, and it is missing."""
UPPER_ARM, FOREARM = 0.86, 0.76
"""Lengths in shoulder widths where the picture does not show them: as MediaPipe sees people, and as `body.Body`."""
_BODY_MIRROR = [0, 4, 5, 6, 1, 2, 3, *(index + (1 if index % 2 else -1) for index in range(7, 33))]
HEAD_MESH = (1, 362, 386, 263, 133, 159, 33, 454, 234, 291, 61)
"""The point of the face mesh at each of the body's first 11 landmarks."""
_SHOULDERS_PER_HEAD = (1.45, 2.4)  # shoulder width over forehead to chin: narrower is somebody who stands turned
_FACE_BEFORE_SHOULDERS = (0.15, 0.55)  # nose before the shoulders' plane, in shoulder widths
_ARM_RANGES = ((0.75, 1.0), (0.64, 0.92))  # plausible bones, in shoulder widths
_PALM_RANGE = (0.95, 1.25)  # of the usual palm: hands in pictures are nearer than the body, or foreshortened
_SURE = 0.5
_ENOUGH_REST = 5  # frames
_PALM_PER_UNIT, _PALM_PER_HEAD = 0.27, 0.47


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One person over time."""

    body: Array  # (T, 33, 3)
    face: Array  # (T, 468 or 478, 3), in the body's depth
    hands: dict[Side, Array]  # (T, 21, 3) each, in the body's depth
    hands_sure: dict[Side, Array]  # (T,) 1 seen, 0.5 carried over a gap, 0 lost
    has_face: bool
    unit: float  # shoulder width as seen from the front
    head: float  # forehead to chin
    palm: float  # wrist to knuckles

    def __len__(self) -> int:
        return len(self.body)

    @property
    def middle(self) -> Array:
        """(T, 3) between the shoulders."""
        return (self.body[:, LEFT_SHOULDER] + self.body[:, RIGHT_SHOULDER]) / 2


def actor(pose: Pose) -> Actor:
    """The person of a Holistic pose, in the pixels of its header.

    Raises PoseError when there is no body, or one without arms.
    """
    pose = fill_hands(_depth_in_widths(pose), 1000 * CARRIED_FRAMES / float(pose.body.fps))
    size = pose.header.dimensions
    whole = figure(pose, size.width, size.height)
    face_seen = landmarks.has_component(pose, landmarks.FACE) and bool(landmarks.seen(pose, landmarks.FACE).any())
    unit = _within(whole.shoulders, _SHOULDERS_PER_HEAD, whole.head) if face_seen else whole.shoulders
    hands_sure = {side: _sureness(pose, side) for side in SIDES}
    hands = {side: _on_the_arm(whole.hands[side], hand_seen(pose, side), whole.body, side) for side in SIDES}
    usual = 0.5 * (_PALM_PER_UNIT * unit + _PALM_PER_HEAD * whole.head)
    seen = [palm_length(hands[side][hands_sure[side] > 0]) for side in SIDES]
    lengths = [float(np.percentile(length, 60)) for length in seen if len(length)]
    palm = _within(max(lengths), _PALM_RANGE, usual) if lengths else usual
    body, face = whole.body, _in_body_depth(whole.face, whole.body, unit)
    if _exaggerated(pose, body):
        body = lifted_arms(body, unit, (UPPER_ARM, FOREARM), float(pose.body.fps))
        body = settled_hands(body, whole.body, hands, face, (palm, whole.head))
        for side, hand in hands.items():
            hand[..., 2] += (body[:, ARM[side][2], 2] - whole.body[:, ARM[side][2], 2])[:, None]
    return Actor(
        body=body,
        face=face,
        hands=hands,
        hands_sure=hands_sure,
        has_face=face_seen,
        unit=unit,
        head=whole.head,
        palm=palm,
    )


def arm_lengths(person: Actor, sure: Array) -> tuple[float, float]:
    """Upper arm and forearm of the first frame in px: measured where joints are `sure` (33,), else as usual.

    In a picture a bone is at least as long as it looks; its depth, which is a guess, only makes it as long as usual.
    """
    lengths = []
    for first, usual, plausible in zip((0, 1), (UPPER_ARM, FOREARM), _ARM_RANGES, strict=True):
        found = list[float]()
        for side in SIDES:
            start, end = ARM[side][first], ARM[side][first + 1]
            if min(sure[start], sure[end]) > _SURE:
                way = person.body[0, end] - person.body[0, start]
                deep = min(float(np.linalg.norm(way)), usual * person.unit)
                found.append(max(float(np.linalg.norm(way[:2])), deep))
        length = float(np.mean(found)) if found else usual * person.unit
        lengths.append(_within(length, plausible, person.unit))
    return lengths[0], lengths[1]


def mirrored(person: Actor) -> Actor:
    """Somebody as in a mirror: what the left hand did the right hand does."""
    axis = 2 * float(np.median(person.middle[:, 0]))

    def flip(points: Array) -> Array:
        return np.array([axis, 0, 0]) + points * np.array([-1, 1, 1])

    return replace(
        person,
        body=flip(person.body[:, _BODY_MIRROR]),
        face=flip(person.face[:, _face_mirror(person.face.shape[1])]),
        hands={"left": flip(person.hands["right"]), "right": flip(person.hands["left"])},
        hands_sure={"left": person.hands_sure["right"], "right": person.hands_sure["left"]},
    )


def still(person: Actor, frames: int) -> Actor:
    """The first frame of somebody, `frames` times."""
    return replace(
        person,
        body=np.repeat(person.body[:1], frames, axis=0),
        face=np.repeat(person.face[:1], frames, axis=0),
        hands={side: np.repeat(hand[:1], frames, axis=0) for side, hand in person.hands.items()},
        hands_sure={side: np.repeat(sure[:1], frames) for side, sure in person.hands_sure.items()},
    )


def usual_frames(person: Actor, *sides: Side) -> NDArray[np.bool_]:
    """(T,) the frames that show how somebody usually stands: those with these hands down, or all if these are few.

    People in pictures rest. A shoulder that is up because its hand is, or a head turned to a raised hand, is part of
    the sign.
    """
    down = np.ones(len(person), dtype=bool)
    for side in sides:
        _, elbow, wrist = ARM[side]
        down &= person.body[:, wrist, 1] > person.body[:, elbow, 1]
    return down if down.sum() >= _ENOUGH_REST else np.ones(len(person), dtype=bool)


def with_arms(pose: Pose) -> Pose:
    """The pose with hanging arms wherever a picture shows none at all, at a confidence nobody takes for a sight."""
    points, sure = landmarks.component(pose, landmarks.BODY)
    if min(sure[0, LEFT_SHOULDER], sure[0, RIGHT_SHOULDER]) <= 0:
        raise PoseError("The picture shows nobody's shoulders; take one of a person from the front, from the hips up.")
    data, confidence = (np.array(np.ma.getdata(part)) for part in (pose.body.data, pose.body.confidence))
    first = landmarks.component_start(pose, landmarks.BODY)
    unit = float(np.linalg.norm(points[0, LEFT_SHOULDER, :2] - points[0, RIGHT_SHOULDER, :2]))
    for shoulder, elbow, wrist in ARM.values():
        down = np.array([0, UPPER_ARM * unit, 0])
        for joint, place in ((elbow, points[0, shoulder] + down), (wrist, points[0, shoulder] + 1.8 * down)):
            if sure[0, joint] <= 0:
                data[:, :, first + joint], confidence[:, :, first + joint] = place, 0.01
    return landmarks.with_arrays(pose, data, confidence)


def upright(person: Actor) -> Actor:
    """A person read from one picture with a depth that can be trusted: shoulders almost level, hips at 0."""
    body = person.body.copy()
    middle = np.clip(person.middle[:, 2], -0.2 * person.unit, 0.2 * person.unit)
    apart = np.clip(body[:, LEFT_SHOULDER, 2] - body[:, RIGHT_SHOULDER, 2], -0.2 * person.unit, 0.2 * person.unit)
    body[:, LEFT_SHOULDER, 2], body[:, RIGHT_SHOULDER, 2] = middle + apart / 2, middle - apart / 2
    face = _in_body_depth(person.face, body, person.unit)
    body[:, : len(HEAD_MESH), 2] = face[:, HEAD_MESH, 2]
    return replace(person, body=body, face=face)


def bounded(vectors: Array, most: float) -> Array:
    """(..., 3) vectors that never get longer than `most`; short ones stay as they are."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors * (most * np.tanh(length / most) / np.maximum(length, 1e-9)))


def _within(value: float, shares: tuple[float, float], of: float) -> float:
    return float(np.clip(value, shares[0] * of, shares[1] * of))


@cache
def _face_mirror(count: int) -> NDArray[np.int64]:
    """(count,) for every landmark of the face the one in its place in a mirror; the mesh at rest is symmetric."""
    face = neutral_face()
    distances = np.linalg.norm((face * np.array([-1, 1, 1]))[:, None] - face[None], axis=-1)
    irises = np.r_[landmarks.NUM_FACE + 5 : landmarks.NUM_FACE + 10, landmarks.NUM_FACE : landmarks.NUM_FACE + 5]
    return np.concatenate([distances.argmin(axis=1), irises])[:count]


def _exaggerated(pose: Pose, body: Array) -> bool:
    """Whether the pose's depth had to be brought down to make `body`: it is detected then, not computed."""
    far = [np.abs(body_point(pose, f"{side.upper()}_WRIST")[0][:, 2]).max() for side in SIDES]
    ours = np.abs(body[:, [ARM[side][2] for side in SIDES], 2]).max()
    return bool(ours < 0.95 * max(far) * pose.header.dimensions.width)


def _depth_in_widths(pose: Pose) -> Pose:
    """Poses that were normalised and scaled again have their depth in pixels."""
    size = pose.header.dimensions
    if min(size.width, size.height) < 16:
        raise PoseError(
            f"The pose is for a picture of {size.width} x {size.height} pixels: it was normalised and has no frame; "
            "use the pose as it was extracted, or `signstudio pose clean` with a picture width."
        )
    data = np.ma.getdata(pose.body.data)
    sure = np.ma.getdata(pose.body.confidence) > 0
    depth = np.abs(data[..., 2][sure]) if data.shape[-1] > 2 else np.zeros(0)
    if not depth.size or np.nanpercentile(depth, 99) <= DEPTH_IN_PIXELS:
        return pose
    scaled = np.array(data, np.float32)
    scaled[..., 2] /= size.width
    return landmarks.with_arrays(pose, scaled, np.ma.getdata(pose.body.confidence))


def _sureness(pose: Pose, side: Side) -> Array:
    """(T,) 1 where the hand was seen, 0.5 where it was filled or is carried, 0 where it is lost for longer."""
    seen = hand_seen(pose, side)
    if not seen.any():
        return np.zeros(len(seen))
    _, confidence = landmarks.component(pose, HAND_OF[side])
    away = np.abs(nearest(seen) - np.arange(len(seen)))
    found = np.where(confidence.mean(axis=1) > 0.6, 1.0, 0.5)
    return np.where(seen, found, np.where(away <= CARRIED_FRAMES, 0.5, 0.0))


def _on_the_arm(hand: Array, seen: NDArray[np.bool_], body: Array, side: str) -> Array:
    """The body's wrist and the hand's are two guesses at one joint: the step from one to the other, spread out."""
    if not seen.any():
        return hand
    source = nearest(seen)
    share = np.clip(1 - np.abs(source - np.arange(len(hand))) / (CARRIED_FRAMES + 1), 0, 1)
    offset = (hand[:, 0] - body[:, ARM[side][2]])[source] * np.where(seen, 0, share)[:, None]
    return hand + offset[:, None]


def _in_body_depth(face: Array, body: Array, unit: float) -> Array:
    """The face moved in depth to before the shoulders: its own depth starts at its own middle."""
    shoulders = body[:, [LEFT_SHOULDER, RIGHT_SHOULDER], 2].mean(axis=1)
    before = float(np.clip(np.median(shoulders - body[:, landmarks.NOSE, 2]) / unit, *_FACE_BEFORE_SHOULDERS))
    moved = face.copy()
    moved[..., 2] += (np.median(shoulders) - before * unit - np.median(face[:, 1, 2]))[..., None]
    return moved
