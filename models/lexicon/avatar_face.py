"""Nose, eyes, brows and mouth of the avatar, drawn along the contours of MediaPipe's face mesh.

mesh is (468 or 478, 2) in pixels of the image that is drawn on; right is half the head's width as a vector to the
viewer's right, which sizes everything.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.lexicon.avatar_canvas import Array, Colour, Image, disc, mixed, polygon, smooth, stroke
from models.lexicon.looks import Look

# Contours of the face mesh, each in drawing order (mediapipe.solutions.face_mesh_connections).
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]  # fmt: skip
EYES = {
    "right": ([33, 246, 161, 160, 159, 158, 157, 173, 133], [133, 155, 154, 153, 145, 144, 163, 7, 33]),
    "left": ([263, 466, 388, 387, 386, 385, 384, 398, 362], [362, 382, 381, 380, 374, 373, 390, 249, 263]),
}
BROWS = {
    "right": ([70, 63, 105, 66, 107], [55, 65, 52, 53, 46]),
    "left": ([300, 293, 334, 296, 336], [285, 295, 282, 283, 276]),
}
LIPS_TOP = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291]
LIPS_BOTTOM = [291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61]
MOUTH_TOP = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
MOUTH_BOTTOM = [308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78]
NOSE = {"bridge": [168, 6, 197, 195, 5, 4], "base": [129, 98, 97, 2, 326, 327, 358], "tip": [1]}
IRISES = {"right": 468, "left": 473}  # centres, where the mesh has irises

_EYE_OPENING = 1.22  # lids of a drawn eye need more room than a photograph's to read at small sizes
_SMILE = 0.085  # how far the mouth's corners are raised, of half the head's width
_QUARTER = np.array([[0, -1], [1, 0]], np.float32)  # turns the head's right to its up


def draw_features(image: Image, mesh: Array, right: Array, look: Look) -> None:
    """Draw nose, eyes, brows and mouth onto the skin of the face, in place."""
    _nose(image, mesh, look, right)
    _eyes(image, mesh, look, right)
    _brows(image, mesh, look)
    _mouth(image, mesh, look, right)


def _blend(image: Image, mask: Image, colour: Colour, strength: float, blur: float = 0.0) -> None:
    """Lay a colour over the image through a mask, in the mask's own box only."""
    x, y, width, height = cv2.boundingRect(mask)
    margin = int(3 * blur) + 1
    left, top = max(0, x - margin), max(0, y - margin)
    right, bottom = min(mask.shape[1], x + width + margin), min(mask.shape[0], y + height + margin)
    if width == 0 or right <= left or bottom <= top:
        return
    weight = mask[top:bottom, left:right] * np.float32(strength / 255)
    if blur > 0:
        weight = np.asarray(cv2.GaussianBlur(weight, (0, 0), blur), np.float32)
    patch = image[top:bottom, left:right]
    flat = np.empty_like(patch)
    flat[:] = colour
    image[top:bottom, left:right] = cv2.blendLinear(flat, np.ascontiguousarray(patch), weight, 1 - weight)


def _nose(image: Image, mesh: Array, look: Look, right: Array) -> None:
    unit = float(np.linalg.norm(right))
    shadow, dark = mixed(look.skin, (70, 24, 16), 0.42), mixed(look.skin, (40, 10, 8), 0.72)
    mask = np.zeros(image.shape[:2], np.uint8)
    # The side away from the light: between the ridge and the signer's left wing.
    ridge = [mesh[168], mesh[197], mesh[5], mesh[4], mesh[274] * 0.6 + mesh[4] * 0.4, mesh[279], mesh[420], mesh[399]]
    polygon(mask, smooth(np.array(ridge, np.float32), rounds=2))
    _blend(image, mask, shadow, 0.32, 0.05 * unit)
    mask[:] = 0
    base = mesh[NOSE["base"]]
    stroke(mask, smooth(base, closed=False, rounds=2), 0.035 * unit)
    for wing in ((129, 49, 48), (358, 279, 278)):
        stroke(mask, smooth(mesh[list(wing)], closed=False, rounds=1), 0.03 * unit)
    _blend(image, mask, shadow, 0.62, 0.014 * unit)
    mask[:] = 0
    for a, b in ((97, 98), (326, 327)):
        centre = mesh[a] * 0.5 + mesh[b] * 0.5 - (0, 0.01 * unit)
        axes = (max(1, round(0.062 * unit)), max(1, round(0.030 * unit)))
        angle = float(np.degrees(np.arctan2(*(mesh[b] - mesh[a])[::-1])))
        cv2.ellipse(mask, (int(centre[0]), int(centre[1])), axes, angle, 0, 360, (255,), -1, cv2.LINE_AA)
    _blend(image, mask, dark, 0.80, 0.010 * unit)
    mask[:] = 0
    disc(mask, mesh[4] - (0.03 * unit, 0.03 * unit), 0.05 * unit)
    _blend(image, mask, mixed(look.skin, (255, 255, 255), 0.5), 0.34, 0.03 * unit)


def _eyes(image: Image, mesh: Array, look: Look, right: Array) -> None:
    unit = float(np.linalg.norm(right))
    lash = mixed(look.skin, (20, 10, 10), 0.86)
    for side in ("right", "left"):
        top, bottom = (mesh[line] for line in EYES[side])
        middle = (top + bottom[::-1]) / 2
        top, bottom = middle + (top - middle) * _EYE_OPENING, middle[::-1] + (bottom - middle[::-1]) * _EYE_OPENING
        outline = np.concatenate([top, bottom[1:-1]])
        breadth = float(np.linalg.norm(top[0] - top[-1])) + 1e-3
        opening = float(np.linalg.norm(mesh[EYES[side][0][4]] - mesh[EYES[side][1][4]]))
        mask = np.zeros(image.shape[:2], np.uint8)
        crease = smooth(top + (mesh[BROWS[side][1]].mean(axis=0) - top.mean(axis=0)) * 0.30, closed=False, rounds=1)
        stroke(mask, crease, 0.022 * unit)
        _blend(image, mask, mixed(look.skin, (60, 20, 14), 0.5), 0.45, 0.012 * unit)
        white = np.zeros_like(mask)
        polygon(white, smooth(outline, rounds=1))
        if opening > 0.07 * breadth:
            _blend(image, white, mixed((238, 236, 234), look.skin, 0.10), 0.97)
            centre = mesh[IRISES[side]] if len(mesh) > IRISES[side] else outline.mean(axis=0)
            radius = max(0.205 * breadth, 1.5)
            for size, colour in ((1.0, mixed(look.iris, (0, 0, 0), 0.45)), (0.80, look.iris), (0.44, (14, 11, 11))):
                mask[:] = 0
                disc(mask, centre, size * radius)
                _blend(image, np.minimum(mask, white), colour, 1.0)
            mask[:] = 0
            disc(mask, centre - (0.35 * radius, 0.4 * radius), 0.22 * radius)
            _blend(image, np.minimum(mask, white), (255, 255, 255), 0.9)
            mask[:] = 0  # the upper lid's shadow on the eye
            stroke(mask, top + np.array([0, 0.05 * breadth]), 0.10 * breadth)
            _blend(image, np.minimum(mask, white), (40, 26, 24), 0.32, 0.01 * unit)
        mask[:] = 0
        stroke(mask, smooth(top, closed=False, rounds=1), 0.050 * unit)
        _blend(image, mask, lash, 0.92, 0.006 * unit)
        mask[:] = 0
        stroke(mask, smooth(bottom, closed=False, rounds=1), 0.022 * unit)
        _blend(image, mask, lash, 0.42 if opening > 0.07 * breadth else 0.8, 0.008 * unit)


def _brows(image: Image, mesh: Array, look: Look) -> None:
    colour = mixed(look.hair, look.skin, 0.12) if sum(look.hair) < 420 else mixed(look.hair, (70, 60, 54), 0.4)
    for upper, lower in BROWS.values():
        mask = np.zeros(image.shape[:2], np.uint8)
        top, under = mesh[upper], mesh[lower]
        # The mesh's brow is a broad band; hair fills its middle, thinner to the temple.
        shares = np.array([0.30, 0.22, 0.16, 0.14, 0.16], np.float32)[:, None]
        outline = np.concatenate([top + (under[::-1] - top) * shares, under + (top[::-1] - under) * shares[::-1]])
        polygon(mask, smooth(outline, rounds=1))
        width = float(np.linalg.norm(top[0] - top[-1]))
        _blend(image, mask, colour, 0.88, 0.02 * width)


def _mouth(image: Image, mesh: Array, look: Look, right: Array) -> None:
    unit = float(np.linalg.norm(right))
    mesh = _lifted_corners(mesh, right)
    lips = look.lips or mixed(look.skin, (158, 50, 54), 0.34 if sum(look.skin) > 380 else 0.22)
    mask = np.zeros(image.shape[:2], np.uint8)
    upper = np.concatenate([mesh[LIPS_TOP], mesh[MOUTH_TOP][::-1]])
    lower = np.concatenate([mesh[LIPS_BOTTOM], mesh[MOUTH_BOTTOM][::-1]])
    opening = float(np.linalg.norm(mesh[13] - mesh[14]))
    inner = np.concatenate([mesh[MOUTH_TOP], mesh[MOUTH_BOTTOM][1:-1]])
    if opening > 0.03 * unit:
        polygon(mask, inner)
        _blend(image, mask, (54, 18, 20), 0.97)
        teeth = np.zeros_like(mask)
        drop = (mesh[14] - mesh[13]) / (opening + 1e-6) * min(0.5 * opening, 0.13 * unit)
        row = mesh[MOUTH_TOP][1:-1]
        arch = np.sin(np.linspace(0.12, np.pi - 0.12, len(row)))[:, None] ** 0.5
        polygon(teeth, np.concatenate([row, (row + arch * drop)[::-1]]))
        _blend(image, np.minimum(teeth, mask), (228, 222, 214), 0.92, 0.008 * unit)
        tongue = np.zeros_like(mask)
        disc(tongue, mesh[14] - (mesh[14] - mesh[13]) * 0.05, max(1.0, 0.34 * opening))
        _blend(image, np.minimum(tongue, mask), (168, 84, 84), 0.7, 0.02 * unit)
    for outline, tone in ((upper, 0.86), (lower, 1.0)):
        mask[:] = 0
        polygon(mask, outline)
        _blend(image, mask, mixed((20, 0, 0), lips, tone), 0.85, 0.008 * unit)
    mask[:] = 0
    disc(mask, (mesh[17] * 0.5 + mesh[14] * 0.5) - (0.04 * unit, 0), 0.045 * unit)
    _blend(image, mask, mixed(lips, (255, 255, 255), 0.6), 0.35, 0.04 * unit)
    mask[:] = 0
    line = mesh[MOUTH_TOP] if opening > 0.03 * unit else (mesh[MOUTH_TOP] + mesh[MOUTH_BOTTOM][::-1]) / 2
    stroke(mask, np.concatenate([mesh[[61]], line, mesh[[291]]]), 0.022 * unit)
    _blend(image, mask, (64, 20, 22), 0.62, 0.008 * unit)


def _lifted_corners(mesh: Array, right: Array) -> Array:
    """The mesh with the mouth's corners raised a little: the mesh at rest, filled with colour, looks sad."""
    lifted = mesh.copy()
    lips = sorted({*LIPS_TOP, *LIPS_BOTTOM, *MOUTH_TOP, *MOUTH_BOTTOM})
    across = (mesh[lips] - (mesh[61] + mesh[291]) / 2) @ right / float(right @ right)
    lifted[lips] += (_SMILE * np.minimum(1, (across / 0.36) ** 2))[:, None] * right @ _QUARTER
    return lifted
