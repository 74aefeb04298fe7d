"""The hand: joint angles to 21 points in metres (forward kinematics).

Everything is modelled for a right hand; a left hand is the same hand seen in a mirror. The local frame has its
origin at the wrist: x to the thumb's side, y along the straight fingers, z out of the palm. With the fingers up and
the palm to the viewer, x is therefore the signer's left, y up and z towards the viewer.

Joint vector, 21 angles in radians: for index, middle, ring and little finger (abduction towards the thumb, MCP flexion,
PIP flexion, DIP flexion), then the thumb (radial angle in the palm's plane, palmar angle out of it, axial rotation,
MCP flexion, IP flexion). Points come in MediaPipe's order: wrist, thumb 4, index 4, middle 4, ring 4, little 4.

Sizes are those of a medium adult hand (18.5 cm long, 8 cm wide); joint limits follow the usual clinical ranges.
Shapes: T frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINGERS = ("index", "middle", "ring", "little")
NUM_JOINTS = 21
THUMB = slice(16, 21)

MCP_M = np.array([[0.025, 0.090, 0.0], [0.003, 0.092, 0.002], [-0.018, 0.086, 0.001], [-0.037, 0.076, -0.003]])
PHALANGES_M = np.array([[0.043, 0.026, 0.021], [0.047, 0.030, 0.022], [0.043, 0.028, 0.022], [0.034, 0.020, 0.020]])
THUMB_BASE_M = np.array([0.022, 0.022, 0.010])
THUMB_PHALANGES_M = np.array([0.044, 0.033, 0.027])

# Degrees. Abduction, MCP, PIP, DIP of a finger; radial, palmar, axial, MCP, IP of the thumb.
FINGER_LIMITS_DEG = ((-25, 25), (-30, 100), (-5, 115), (-10, 90))
LITTLE_ABDUCTION_LIMIT_DEG = (-38, 25)
THUMB_LIMITS_DEG = ((-20, 80), (-15, 75), (-75, 110), (-10, 75), (-25, 90))


def joint_limits() -> tuple[Array, Array]:
    """Lower and upper bounds of the joint vector, two (21,) arrays in radians."""
    pairs = [*FINGER_LIMITS_DEG * 4, *THUMB_LIMITS_DEG]
    pairs[12] = LITTLE_ABDUCTION_LIMIT_DEG
    bounds = np.radians(np.array(pairs, dtype=float))
    return bounds[:, 0], bounds[:, 1]


def joint_name(index: int) -> str:
    """A readable name of one entry of the joint vector, such as "ring PIP"."""
    if index >= THUMB.start:
        return "thumb " + ("radial", "palmar", "axial", "MCP", "IP")[index - THUMB.start]
    return f"{FINGERS[index // 4]} {('abduction', 'MCP', 'PIP', 'DIP')[index % 4]}"


def hand_points(joints: Array) -> Array:
    """Points of the hand in its local frame: (T, 21) joint vectors in radians to (T, 21, 3) metres."""
    points = np.zeros((len(joints), 21, 3))
    points[:, 1:5] = _thumb_points(joints[:, THUMB])
    for finger in range(4):
        angles = joints[:, 4 * finger : 4 * finger + 4]
        points[:, 5 + 4 * finger : 9 + 4 * finger] = _finger_points(finger, angles)
    return points


def _finger_points(finger: int, angles: Array) -> Array:
    """(T, 4) abduction, MCP, PIP, DIP to (T, 4, 3): the chain turns in one plane, tilted by the abduction."""
    abduction, bend = angles[:, 0], np.cumsum(angles[:, 1:], axis=1)
    along = np.stack([np.sin(abduction), np.cos(abduction), np.zeros_like(abduction)], axis=1)
    # Bent fingers point at the base of the thumb, not straight back: the plane leans a little to the thumb's side.
    lean = np.array([-0.02, 0.03, 0.10, 0.18])[finger]
    across = np.stack([np.cos(abduction), -np.sin(abduction), np.zeros_like(abduction)], axis=1)
    palmar = lean * across + np.sqrt(1 - lean**2) * np.array([0.0, 0.0, 1.0])
    directions = np.cos(bend)[..., None] * along[:, None] + np.sin(bend)[..., None] * palmar[:, None]
    steps = directions * PHALANGES_M[finger][:, None]
    start = np.broadcast_to(MCP_M[finger], (len(angles), 1, 3))
    return np.concatenate([start, MCP_M[finger] + np.cumsum(steps, axis=1)], axis=1)


def _thumb_points(angles: Array) -> Array:
    """(T, 5) thumb angles to (T, 4, 3): two aim the metacarpal, the axial one turns the plane the rest bends in."""
    radial, palmar, axial, mcp, ip = angles.T
    zero = np.zeros_like(radial)
    along = np.stack([np.cos(palmar) * np.sin(radial), np.cos(palmar) * np.cos(radial), np.sin(palmar)], axis=1)
    # At axial rotation 0 the thumb closes across the palm, in the palm's plane; turned, it closes in opposition.
    across = np.stack([-np.cos(radial), np.sin(radial), zero], axis=1)
    third = np.cross(along, across)
    closing = np.cos(axial)[:, None] * across + np.sin(axial)[:, None] * third
    bend = np.stack([zero, mcp, mcp + ip], axis=1)
    directions = np.cos(bend)[..., None] * along[:, None] + np.sin(bend)[..., None] * closing[:, None]
    steps = directions * THUMB_PHALANGES_M[:, None]
    start = np.broadcast_to(THUMB_BASE_M, (len(angles), 1, 3))
    return np.concatenate([start, THUMB_BASE_M + np.cumsum(steps, axis=1)], axis=1)


# Parts of the hand that touch things: weights over the 21 points, then centimetres beyond them along the local axes.
_PARTS: dict[str, tuple[dict[int, float], tuple[float, float, float]]] = {
    "wrist": ({0: 1.0}, (0, 0, 0)),
    "inner_wrist": ({0: 1.0}, (0, 0, 2.2)),
    "heel": ({0: 0.8, 17: 0.2}, (0, 0, 1.8)),
    "palm": ({0: 0.35, 5: 0.15, 9: 0.25, 13: 0.15, 17: 0.1}, (0, 0, 1.5)),
    "back": ({0: 0.35, 5: 0.15, 9: 0.25, 13: 0.15, 17: 0.1}, (0, 0, -1.4)),
    "thumb_side": ({0: 0.45, 5: 0.55}, (1.2, 0, 0)),
    "little_side": ({0: 0.45, 17: 0.55}, (-1.3, 0, 0)),
    "knuckles": ({5: 0.25, 9: 0.25, 13: 0.25, 17: 0.25}, (0, 0, -1.2)),
    "fist_front": ({6: 0.25, 10: 0.25, 14: 0.25, 18: 0.25}, (0, 0.6, 0)),
    "index_knuckle": ({6: 1.0}, (0, 0.8, 0)),
    "fingers": ({6: 0.2, 7: 0.2, 10: 0.2, 11: 0.2, 14: 0.2}, (0, 0, 1.0)),
    "backs_of_fingers": ({6: 0.2, 7: 0.2, 10: 0.2, 11: 0.2, 14: 0.2}, (0, 0, -1.0)),
    "tips": ({8: 0.3, 12: 0.4, 16: 0.3}, (0, 0, 0)),
    "thumb": ({4: 1.0}, (0, 0, 0)),
    "thumb_knuckle": ({3: 1.0}, (0.5, 0, 0)),
    "index": ({8: 1.0}, (0, 0, 0)),
    "index_side": ({6: 0.5, 7: 0.5}, (0.9, 0, 0)),
    "middle_side": ({10: 0.5, 11: 0.5}, (-0.9, 0, 0)),
    "middle": ({12: 1.0}, (0, 0, 0)),
    "ring": ({16: 1.0}, (0, 0, 0)),
    "little": ({20: 1.0}, (0, 0, 0)),
    "two_tips": ({8: 0.5, 12: 0.5}, (0, 0, 0)),
    "two_fingers": ({6: 0.25, 7: 0.25, 10: 0.25, 11: 0.25}, (0, 0, 0.9)),
    "two_fingers_back": ({6: 0.25, 7: 0.25, 10: 0.25, 11: 0.25}, (0, 0, -0.9)),
    "pinch": ({4: 0.5, 8: 0.5}, (0, 0, 0)),
    "thumb_crotch": ({2: 0.5, 5: 0.5}, (0, 0.3, 0)),
}
PARTS = tuple(_PARTS)


def part_point(points: Array, part: str) -> Array:
    """Where a named part of the hand is: local points (T, 21, 3) to (T, 3), metres in the local frame."""
    weights, beyond_cm = _PARTS[part]
    indices = list(weights)
    share = np.array([weights[index] for index in indices])
    return np.einsum("k,tkc->tc", share, points[:, indices]) + np.array(beyond_cm) / 100


# Outward direction of the parts of the other hand that a sign can be placed at, in the local frame.
PART_NORMALS: dict[str, tuple[float, float, float]] = {
    "palm": (0, 0, 1),
    "fingers": (0, 0, 1),
    "heel": (0, 0, 1),
    "inner_wrist": (0, 0, 1),
    "back": (0, 0, -1),
    "knuckles": (0, 0, -1),
    "backs_of_fingers": (0, 0, -1),
    "two_fingers": (0, 0, 1),
    "two_fingers_back": (0, 0, -1),
    "wrist": (0, 0, -1),
    "thumb_side": (1, 0, 0),
    "index_side": (1, 0, 0),
    "thumb_crotch": (0.7, 0.7, 0),
    "little_side": (-1, 0, 0),
    "middle_side": (-1, 0, 0),
}
FINGERTIP_NORMAL = (0.0, 1.0, 0.0)
