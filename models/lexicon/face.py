"""The face: 468 points at rest, moved by brows, eyes, mouth and head.

The neutral face is assets/lexicon/face.csv (MediaPipe FaceMesh order, millimetres, x to the signer's left, y up,
z forward, origin the middle of the face). Expressions are smooth displacement fields around landmark groups, a rough
model of action units (P. Ekman, W. Friesen, "Facial Action Coding System", 1978): AU1+2 raise, AU4 furrow,
AU43 lids, AU26 jaw, AU12 smile, AU18 pucker. Shapes: T frames, 468 points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import LexiconError

Array = NDArray[np.float64]
FACE_FILE = Path(__file__).parents[2] / "assets" / "lexicon" / "face.csv"
NUM_POINTS = 468

# FaceMesh groups, right side then left side (mediapipe.solutions.face_mesh_connections).
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
UPPER_LIDS = ((246, 161, 160, 159, 158, 157, 173), (466, 388, 387, 386, 385, 384, 398))
LOWER_LIDS = ((7, 163, 144, 145, 153, 154, 155), (249, 390, 373, 374, 380, 381, 382))
MOUTH_CORNERS = (61, 291)
UPPER_LIP = (0, 37, 39, 40, 267, 269, 270, 13, 82, 81, 80, 312, 311, 310, 11, 12, 72, 73, 74, 302, 303, 304, 38, 41, 42,
             268, 271, 272, 191, 415, 183, 184, 185, 407, 408, 409)  # fmt: skip
LOWER_LIP = (17, 84, 181, 91, 314, 405, 321, 14, 87, 178, 88, 317, 402, 318, 15, 16, 85, 86, 180, 179, 90, 89, 77, 96,
             315, 316, 404, 403, 320, 319, 307, 325, 95, 324, 146, 375)  # fmt: skip
LIPS_MIDDLE = (13, 14)
CHEEKS = (205, 425)


@dataclass(frozen=True, kw_only=True)
class FaceMotion:
    """How much of each expression, (T,) each: 0 none, 1 full; `head` (T, 3): pitch down, yaw left, roll right, rad."""

    brows_up: Array
    brows_down: Array
    eyes_closed: Array
    jaw_open: Array
    smile: Array
    pucker: Array
    puff: Array
    head: Array


@cache
def neutral_face() -> Array:
    """(468, 3) metres. Raises LexiconError when the file is missing or not the 468-point table."""
    try:
        table = np.loadtxt(FACE_FILE, delimiter=",", comments="#", skiprows=3)
    except (OSError, ValueError) as error:
        raise LexiconError(f"{FACE_FILE.name} cannot be read ({error}); install the studio again.") from error
    if table.shape != (NUM_POINTS, 3):
        raise LexiconError(f"{FACE_FILE.name} has shape {table.shape}, expected ({NUM_POINTS}, 3); install again.")
    return np.asarray(table / 1000.0)


def face_points(motion: FaceMotion) -> Array:
    """The face with its expression, before the head turns: (T, 468, 3) metres, origin the middle of the face."""
    points = np.broadcast_to(neutral_face(), (len(motion.jaw_open), NUM_POINTS, 3)).copy()
    for amount, field in (
        (motion.brows_up, _brows_field(up=True)),
        (motion.brows_down, _brows_field(up=False)),
        (motion.eyes_closed, _lids_field()),
        (motion.jaw_open, _jaw_field()),
        (motion.smile, _smile_field()),
        (motion.pucker, _pucker_field()),
        (motion.puff, _puff_field()),
    ):
        points += amount[:, None, None] * field
    return points


def head_axes(motion: FaceMotion) -> Array:
    """(T, 3, 3) rotation of the head about the neck."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", motion.head).as_matrix()


def _near(indices: tuple[int, ...], reach_m: float) -> Array:
    """(468,) a soft weight: 1 on the landmarks of the group, falling to 0 with the distance to the nearest."""
    face = neutral_face()
    distance = np.linalg.norm(face[:, None] - face[None, list(indices)], axis=2).min(axis=1)
    return np.exp(-((distance / reach_m) ** 2))


@cache
def _brows_field(*, up: bool) -> Array:
    field = np.zeros((NUM_POINTS, 3))
    face = neutral_face()
    eyes = _near((*UPPER_LIDS[0], *UPPER_LIDS[1], *LOWER_LIDS[0], *LOWER_LIDS[1]), 0.008)
    for side, group in zip((-1, 1), BROWS, strict=True):
        weight = _near(group, 0.016) * (1 - eyes) * (face[:, 0] * side > -0.004)
        # A raise is highest in the middle; a furrow pulls the inner ends down and together.
        inner = np.exp(-((face[:, 0] / 0.025) ** 2))
        field[:, 1] += weight * (0.010 if up else -0.004 - 0.004 * inner)
        if not up:
            field[:, 0] += -side * weight * inner * 0.004
    return field


@cache
def _lids_field() -> Array:
    field, face = np.zeros((NUM_POINTS, 3)), neutral_face()
    for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            gap = face[bottom] - face[top]
            field[top] += 0.88 * gap
            field[bottom] -= 0.06 * gap
    return field


@cache
def _jaw_field() -> Array:
    """The lower lip and the chin turn with the jaw; the corners follow half way, the cheeks a little."""
    face = neutral_face()
    mouth_y = face[list(LIPS_MIDDLE), 1].mean()
    below = np.clip((mouth_y - face[:, 1]) / 0.012, 0, 1)
    weight = below * np.exp(-((np.maximum(np.abs(face[:, 0]) - 0.03, 0) / 0.03) ** 2))
    weight[list(LOWER_LIP)] = 1.0
    weight[list(UPPER_LIP)] = 0.0
    weight[list(MOUTH_CORNERS)] = 0.4
    return weight[:, None] * np.array([0.0, -0.018, -0.004])


@cache
def _smile_field() -> Array:
    field, face = np.zeros((NUM_POINTS, 3)), neutral_face()
    for side, corner in zip((-1, 1), MOUTH_CORNERS, strict=True):
        weight = _near((corner,), 0.018) * (face[:, 0] * side > 0)
        field += weight[:, None] * np.array([side * 0.006, 0.006, -0.002])
    return field


@cache
def _pucker_field() -> Array:
    face = neutral_face()
    weight = _near((*UPPER_LIP, *LOWER_LIP, *MOUTH_CORNERS), 0.008)
    field = np.zeros((NUM_POINTS, 3))
    field[:, 0] = -0.42 * face[:, 0] * weight
    field[:, 2] = 0.007 * weight
    return field


@cache
def _puff_field() -> Array:
    field, face = np.zeros((NUM_POINTS, 3)), neutral_face()
    weight = _near(CHEEKS, 0.02)
    field[:, 0] = np.sign(face[:, 0]) * 0.006 * weight
    field[:, 2] = 0.004 * weight
    return field
