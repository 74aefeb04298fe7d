"""A driver's expression and head movement on somebody else's face.

The driver's face is split into where the head is (a rotation, a place) and what the face does (how far each landmark
is from the driver's own neutral face, the median of the frames at rest). Only these differences go to the target,
whose own face stays the neutral one: its shape, and so its identity, is kept.

Shapes: T frames, K face landmarks (468, or 478 with irises). Pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.animation.skeleton import Actor, Array, bounded, usual_frames
from models.lexicon.face import LOWER_LIDS, UPPER_LIDS
from models.pose.landmarks import NUM_FACE
from models.pose.span import SIDES

_RIGID = [10, 151, 9, 8, 168, 6, 197, 195, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251, 127, 356, 234, 454,
          33, 133, 362, 263]  # fmt: skip
"""What a face cannot move against the skull: forehead, bridge of the nose, temples, corners of the eyes."""
_CHIN, _EARS = 152, (234, 454)
_LID_GAPS = ((159, 145), (386, 374))  # upper and lower lid in the middle, right and left eye
MOST_TURN_RAD = 0.45
"""A turn of the head approaches this: a picture knows nothing of the other side of the face."""
MOST_SHIFT = 0.12
"""Shoulder widths that the head may move besides turning."""
_MEDIAN_OF = 400  # frames; more change nothing


def move_head(driver: Actor, target: Actor, carried: Array) -> tuple[Array, Array, Rotation]:
    """The target's face (T, K, 3) with the driver's expression and head movement, and how its head moves.

    target: one frame. carried: (T, 3) how far the target's shoulders move.
    The head's movement is what takes a point p of the target's picture to `pivot + rotation.apply(p - pivot_0)`:
    pivots (T + 1, 3), the last one being that of the picture, and T rotations.
    """
    usual = usual_frames(driver, *SIDES)
    neutral, aligned, turns, places = _neutral(driver.face, usual)
    offsets = aligned[:, :NUM_FACE] - neutral[:NUM_FACE]
    scale = target.head / driver.head
    face = target.face[0]
    expression = np.zeros((len(driver), *face.shape))
    to_target, _ = _fit(neutral[None, :NUM_FACE], face[:NUM_FACE])
    expression[:, :NUM_FACE] = _local(offsets * scale, neutral * scale, face) @ to_target[0].T
    if len(face) > NUM_FACE and aligned.shape[1] > NUM_FACE:
        expression[:, NUM_FACE:] = (aligned[:, NUM_FACE:] - neutral[NUM_FACE:]) * scale @ to_target[0].T

    rotation = Rotation.from_rotvec(bounded(turns.as_rotvec(), MOST_TURN_RAD))
    # What is left of the head's way when its turn about the neck is taken off: nods forward, shifts, breathing.
    lever = neutral[_RIGID].mean(axis=0) - _neck(neutral, driver.middle[usual])
    way = places - driver.middle - np.median((places - driver.middle)[usual], axis=0)
    shift = scale * (way - (turns.apply(lever) - lever)) * np.array([1, 1, 0])
    neck = _neck(face, target.middle)
    pivot = neck + carried + bounded(shift, MOST_SHIFT * target.unit)
    if not driver.has_face:
        rotation, pivot = Rotation.identity(len(driver)), neck + carried
    moved = np.einsum("tij,tkj->tki", rotation.as_matrix(), face + expression - neck) + pivot[:, None]
    return moved, np.concatenate([pivot, neck[None]]), rotation


def _neutral(face: Array, usual: NDArray[np.bool_]) -> tuple[Array, Array, Rotation, Array]:
    """The neutral face (K, 3), all faces (T, K, 3) turned and moved onto it, the turns from it, the places (T, 3)."""
    some = face[usual][:: max(1, int(usual.sum()) // _MEDIAN_OF)]
    reference = some[len(some) // 2]
    for _ in range(2):
        reference = np.median(_onto(some, reference, *_fit(some, reference, _RIGID)), axis=0)
    rotation, size = _fit(face, reference, _RIGID)
    aligned = _onto(face, reference, rotation, size)
    turns = Rotation.from_matrix(rotation.swapaxes(1, 2))
    bearing = Rotation.from_rotvec(np.median(turns[usual].as_rotvec(), axis=0))
    # Seen from the head's usual bearing, so that a driver who stands turned does not turn the target.
    centre = reference[_RIGID].mean(axis=0)
    neutral = bearing.apply(reference - centre)
    aligned = (aligned - centre) @ bearing.as_matrix().T
    places = face[:, _RIGID].mean(axis=1)
    home = np.median(places[usual], axis=0)
    return neutral + home, aligned + home, turns * bearing.inv(), places


def _fit(faces: Array, onto: Array, index: list[int] | slice = slice(None)) -> tuple[Array, Array]:
    """Least-squares rotations (T, 3, 3) and sizes (T,) that bring faces (T, K, 3) onto one (K, 3) (W. Kabsch, 1976)."""
    a, b = faces[:, index], onto[index]
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=0)
    u, _, vt = np.linalg.svd(np.einsum("tki,kj->tij", a, b))
    flip = np.ones((len(a), 3))
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = np.einsum("tij,tj,tjk->tik", u, flip, vt).swapaxes(1, 2)
    size = np.sqrt((b**2).sum() / np.maximum((a**2).sum(axis=(1, 2)), 1e-9))
    return rotation, size


def _onto(faces: Array, reference: Array, rotation: Array, size: Array) -> Array:
    centred = faces - faces[:, _RIGID].mean(axis=1, keepdims=True)
    turned = np.einsum("tij,tkj->tki", rotation, centred) * size[:, None, None]
    return turned + reference[_RIGID].mean(axis=0)


def _local(offsets: Array, neutral: Array, face: Array) -> Array:
    """The lids' way in proportion to how far the target's eyes are open, so that a closed eye is closed on both."""
    for (top, bottom), upper, lower in zip(_LID_GAPS, UPPER_LIDS, LOWER_LIDS, strict=True):
        theirs, ours = (float(np.linalg.norm(points[top] - points[bottom])) for points in (neutral, face))
        offsets[:, [*upper, *lower]] *= float(np.clip(ours / max(theirs, 1e-6), 0.3, 1.5))
    return offsets


def _neck(face: Array, middle: Array) -> Array:
    """(3,) what a head turns about: as high as the chin, between the ears, as deep as the shoulders."""
    ears = face[list(_EARS)].mean(axis=0)
    return np.array([ears[0], face[_CHIN, 1], float(np.median(middle[:, 2]))])
