"""A neutral face mesh for poses that carry no face: only the landmarks that the avatar's head is drawn from."""

from __future__ import annotations

import numpy as np

from models.lexicon.avatar_canvas import Array
from models.lexicon.avatar_head import (
    BROWS,
    EYES,
    LIPS_BOTTOM,
    LIPS_TOP,
    MOUTH_BOTTOM,
    MOUTH_TOP,
    OVAL,
)
from models.pose.landmarks import NUM_FACE

# Single landmarks: x over the cheeks, y from chin (-1) to forehead (1), z towards the camera in cheek halves.
_SINGLES = {
    168: (0, .30, .45), 6: (0, .22, .52), 197: (0, .10, .64), 195: (0, .00, .74), 5: (0, -.06, .84), 4: (0, -.13, .92),
    1: (0, -.18, .90), 9: (0, .46, .46), 2: (0, -.29, .66), 50: (-.52, -.05, .30), 205: (-.48, -.20, .34),
    129: (-.27, -.19, .52), 49: (-.25, -.15, .56), 48: (-.23, -.24, .56), 98: (-.20, -.27, .56), 97: (-.10, -.27, .62),
    115: (-.22, -.18, .58), 220: (-.15, -.18, .66), 126: (-.20, -.03, .5), 45: (-.06, -.17, .86), 44: (-.10, -.15, .8),
    198: (-.18, -.08, .6), 174: (-.14, .04, .56),
}  # fmt: skip
_MIRROR = {50: 280, 205: 425, 129: 358, 49: 279, 48: 278, 98: 327, 97: 326, 115: 344, 220: 440, 126: 355,
           45: 275, 44: 274, 198: 420, 174: 399}  # fmt: skip


def neutral_face(body: Array, head: float) -> Array:
    """(T, 468, 3) meshes at the body's ears, from (T, 33, 3) body landmarks and the head's height, all in px."""
    shape = _mesh()
    left, right = body[:, 7], body[:, 8]
    across = (left - right) * np.array([1, 1, 0.25], np.float32)
    across = across / (np.linalg.norm(across, axis=-1, keepdims=True) + 1e-6)
    side = across * head * 0.38
    upright = np.stack([across[:, 1], -across[:, 0], np.zeros(len(body), np.float32)], axis=-1)
    upright = upright / (np.linalg.norm(upright, axis=-1, keepdims=True) + 1e-6) * head * 0.5
    toward = np.cross(across, upright)
    toward = toward / (np.linalg.norm(toward, axis=-1, keepdims=True) + 1e-6) * head * 0.38
    toward *= np.where(toward[:, 2:] > 0, -1, 1)
    # The body's nose and mouth say where the face is more surely than its ears do: eyes at a third, mouth below.
    centre = (left + right) / 2
    drop = (body[:, 0] - centre) @ np.array([0, 1, 0], np.float32)
    centre[:, 1] += np.clip(drop - 0.06 * head, -0.2 * head, 0.2 * head)
    axes = np.stack([side, upright, toward], axis=1)
    return np.asarray(centre[:, None] + shape @ axes, np.float32)


def _mesh() -> Array:
    mesh = np.zeros((NUM_FACE, 3), np.float32)
    turn = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    taper = 1 - 0.16 * np.clip(-np.cos(turn), 0, 1) ** 1.5
    mesh[OVAL] = np.stack([np.sin(turn) * taper, np.cos(turn), 0.35 * np.abs(np.cos(turn)) ** 2], axis=1)
    for index, point in _SINGLES.items():
        mesh[index] = point
        if index in _MIRROR:
            mesh[_MIRROR[index]] = (-point[0], *point[1:])
    arch = np.sin(np.linspace(0, np.pi, 9))
    for side, sign in (("right", -1), ("left", 1)):
        across = np.linspace(0.64, 0.23, 9)
        top, bottom = EYES[side]
        mesh[bottom] = np.stack([sign * across[::-1], 0.20 - 0.045 * arch, np.full(9, 0.36)], axis=1)
        mesh[top] = np.stack([sign * across, 0.20 + 0.075 * arch, np.full(9, 0.36)], axis=1)
        upper, lower = BROWS[side]
        hill = np.array([0.36, 0.45, 0.475, 0.455, 0.41])
        mesh[upper] = np.stack([sign * np.linspace(0.76, 0.18, 5), hill, np.full(5, 0.42)], axis=1)
        mesh[lower] = np.stack([sign * np.linspace(0.16, 0.72, 5), hill[::-1] - 0.075, np.full(5, 0.42)], axis=1)
    across, arch = np.linspace(-0.36, 0.36, 11), np.sin(np.linspace(0, np.pi, 11))
    bow = arch - 0.22 * np.exp(-((across / 0.06) ** 2))
    level, flat = -0.50, np.full(11, 0.52)
    mesh[LIPS_BOTTOM] = np.stack([across[::-1], level - 0.105 * arch, flat], axis=1)
    mesh[LIPS_TOP] = np.stack([across, level + 0.085 * bow, flat], axis=1)
    mesh[MOUTH_BOTTOM] = np.stack([0.84 * across[::-1], level - 0.004 * arch, flat], axis=1)
    mesh[MOUTH_TOP] = np.stack([0.84 * across, level + 0.004 * arch, flat], axis=1)
    return mesh
