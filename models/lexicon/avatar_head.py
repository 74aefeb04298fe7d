"""The avatar's head: hair, ears and a face drawn from the contours of MediaPipe's face mesh.

Brows, lids, gaze and mouth follow the landmarks, because grammar is on the face. Without a face in the pose a
neutral one is put where the body's nose, eyes and ears are. Positions are output pixels, x right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.lexicon.avatar_canvas import (
    LIGHT,
    Array,
    Colour,
    Image,
    Layer,
    disc,
    mixed,
    polygon,
    resized,
    smooth,
    stroke,
)
from models.lexicon.avatar_hair import hair_back, hair_front
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

_EYE_OPENING = 1.22
_SMILE = 0.055  # of half the head's width
_QUARTER = np.array([[0, -1], [1, 0]], np.float32)  # turns the head's right to its up
_HEAD_PX = 115.0  # forehead to chin on the drawing canvas: enough for lids and teeth


@dataclass(frozen=True)
class HeadFrame:
    """The head's own axes on the drawing canvas. `yaw` is -1..1, positive when it turns to the viewer's right."""

    centre: Array  # between the cheeks
    right: Array  # half the head's width to the viewer's right
    up: Array  # half the face's height
    yaw: float

    def at(self, points: Array | list[tuple[float, float]], drift: float = 0.0) -> Array:
        """(N, 2) head coordinates (x -1..1 over the cheeks, y 1 at the forehead's top) -> pixels.

        drift moves the points with the turning head: positive for what is in front of its axis.
        """
        local = np.asarray(points, np.float32)
        moved = local[:, :1] + drift * self.yaw
        return np.asarray(self.centre + moved * self.right + local[:, 1:] * self.up, np.float32)


def head_layers(
    face: Array, look: Look, *, head: float, frame_size: tuple[int, int], supersample: int = 2
) -> list[Layer]:
    """Draw the head of one frame: hair that falls behind neck and shoulders, where there is such, and the head.

    face: (468 or 478, 3) mesh in output px; head: forehead to chin in px over the clip, so that the skull does not
    breathe with the mouth; frame_size (width, height). Empty when it is outside the frame.
    """
    falls = look.hair_style in ("bob", "long")
    reach = head * (1.2 if falls or look.hair_style in ("curls", "bun") else 0.95)
    middle = (face[234, :2] + face[454, :2] + face[10, :2] + face[152, :2]) / 4
    low = np.maximum(np.floor(middle - reach), -2).astype(int)
    high = np.minimum(np.ceil(middle + reach * np.array([1, 1.35 if falls else 0.7])), np.add(frame_size, 2)).astype(
        int
    )
    width, height = (int(v) for v in high - low)
    if width < 4 or height < 4:
        return []
    scale = float(np.clip(_HEAD_PX / head, 1.0, 1.5 * supersample))
    size = (round(width * scale), round(height * scale))
    mesh = (face[:, :2] - low) * (size[0] / width, size[1] / height)
    mesh = mesh.astype(np.float32)
    frame = _axes(face, mesh, head * scale)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    mask = np.zeros((size[1], size[0]), np.uint8)
    hair_back(image, mask, frame, look)
    place = (int(low[0]), int(low[1]), width, height)
    layers = [_layer(image, mask, place)] if falls else []
    if falls:
        mask[:] = 0  # only the hair in front of the neck belongs to the head itself
    _ears(image, mask, frame, look)
    skin = _skin(image, mask, frame, mesh, look)
    _nose(image, mesh, look, frame)
    _eyes(image, mesh, look, frame)
    _brows(image, mesh, look)
    _mouth(image, mesh, look, frame)
    hair_front(image, mask, frame, look, skin)
    return [*layers, _layer(image, mask, place)]


def _layer(image: Image, mask: Image, place: tuple[int, int, int, int]) -> Layer:
    x, y, width, height = place
    alpha = resized(cv2.GaussianBlur(mask, (3, 3), 0), width, height) * np.float32(1 / 255)
    return Layer(x=x, y=y, rgb=resized(image, width, height), alpha=alpha)


def _axes(face: Array, mesh: Array, head: float) -> HeadFrame:
    up = mesh[10] - mesh[152]
    up = up / (np.linalg.norm(up) + 1e-6)
    right = np.array([-up[1], up[0]], np.float32)
    cheeks = mesh[454] - mesh[234]
    centre = (mesh[454] + mesh[234]) / 2
    # In three dimensions the cheeks stay apart when the head turns; their depth tells how far it has turned.
    span = face[454] - face[234]
    yaw = float(np.clip(-1.6 * span[2] / (float(np.linalg.norm(span)) + 1e-6), -1, 1))
    half = max(0.5 * float(np.linalg.norm(cheeks)), 0.37 * head)
    tall = float(np.clip(np.linalg.norm(mesh[10] - mesh[152]), 0.8 * head, 1.1 * head))
    return HeadFrame(centre, right * half, up * tall / 2, yaw)


def _ears(image: Image, mask: Image, frame: HeadFrame, look: Look) -> None:
    for side in (-1, 1):
        showing = 1 - max(0.0, side * frame.yaw) * 1.3
        if showing < 0.25:
            continue
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        shape = np.stack([0.135 * np.cos(turn), 0.235 * np.sin(turn) - 0.03 * np.cos(2 * turn)], axis=1)
        for size, tone in ((1.0, 0.80), (0.80, 0.92), (0.5, 0.70)):
            ear = frame.at(shape * (size, size) + (side * 1.05, 0.02), drift=-0.12)
            colour = mixed((0, 0, 0), mixed(look.skin, (220, 90, 70), 0.12), tone)
            polygon(image, ear, colour)
            polygon(mask, ear)


def _skin(image: Image, mask: Image, frame: HeadFrame, mesh: Array, look: Look) -> Image:
    """Fill the face with shaded skin; returns its mask."""
    shape = np.zeros(mask.shape, np.uint8)
    outline = smooth(mesh[OVAL], rounds=2)
    polygon(shape, outline)
    skull = frame.at([(-0.97, 0.25), (-0.93, 0.75), (-0.62, 1.12), (0, 1.24), (0.62, 1.12), (0.93, 0.75), (0.97, 0.25)])
    polygon(shape, smooth(skull, rounds=2))
    np.maximum(mask, shape, out=mask)
    light, blush = _face_light(mask.shape, frame, mesh)
    base = np.array(look.skin, np.float32)
    warm = np.array([0.78, 1.0, 1.12], np.float32)
    rosy = np.array([6, -9, -8], np.float32) * (0.2 + 0.8 * min(1.0, sum(look.skin) / 500))
    small = np.clip(base * light[..., None] ** warm + blush[..., None] * rosy, 0, 255).astype(np.uint8)
    shaded = cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    weight = shape * np.float32(1 / 255)
    image[:] = cv2.blendLinear(shaded, image, weight, 1 - weight)
    return shape


def _face_light(shape: tuple[int, ...], frame: HeadFrame, mesh: Array) -> tuple[Array, Array]:
    """Light and blush on a grid a quarter as fine as the canvas."""
    rows, columns = max(2, shape[0] // 4), max(2, shape[1] // 4)
    ratio = np.array([columns / shape[1], rows / shape[0]], np.float32)
    x = (np.arange(columns, dtype=np.float32)[None] + 0.5) / ratio[0] - frame.centre[0]
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / ratio[1] - frame.centre[1]
    u = (x * frame.right[0] + y * frame.right[1]) / float(frame.right @ frame.right) * 0.92
    v = (x * frame.up[0] + y * frame.up[1]) / float(frame.up @ frame.up) * 0.72
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0.04, 1))
    toward = LIGHT / np.linalg.norm(LIGHT)
    right, up = frame.right / np.linalg.norm(frame.right), frame.up / np.linalg.norm(frame.up)
    across, rise = float(right @ toward[:2]), float(up @ toward[:2])
    light = 0.62 + 0.46 * np.clip(u * across + v * rise - depth * toward[2], 0, 1)

    marks = np.zeros((rows, columns), np.float32)
    width = float(np.linalg.norm(frame.right)) * ratio[0]

    def blob(at: Array, radius: float, value: float) -> None:
        spot = np.zeros((rows, columns), np.uint8)
        disc(spot, at * ratio, radius * width, 255)
        marks[:] += spot * np.float32(value / 255)

    for side in ("right", "left"):
        upper, lower = EYES[side]
        inner = mesh[lower[0]] if side == "left" else mesh[upper[-1]]
        blob(mesh[upper].mean(axis=0) * 0.7 + mesh[BROWS[side][1]].mean(axis=0) * 0.3, 0.22, -0.06)
        blob(inner * 0.8 + mesh[6] * 0.2, 0.10, -0.07)
        blob(mesh[lower].mean(axis=0) - 0.12 * frame.up, 0.17, -0.025)
    blob(mesh[50], 0.24, 0.05)
    blob(mesh[280], 0.22, 0.02)
    blob(mesh[9], 0.30, 0.03)
    blob(mesh[4], 0.10, 0.09)
    blob(mesh[5] * 0.5 + mesh[195] * 0.5, 0.07, 0.06)
    blob((mesh[2] + mesh[0]) / 2, 0.13, -0.05)
    blob(mesh[17] * 0.55 + mesh[152] * 0.45, 0.20, -0.05)
    blob(mesh[152], 0.16, 0.02)
    light = light + cv2.GaussianBlur(marks, (0, 0), max(0.6, 0.10 * width))
    cheeks = np.zeros((rows, columns), np.float32)
    for index in (205, 425, 4):
        spot = np.zeros((rows, columns), np.uint8)
        disc(spot, mesh[index] * ratio, (0.24 if index > 4 else 0.12) * width, 255)
        cheeks += spot * np.float32(1 / 255)
    blush = np.asarray(cv2.GaussianBlur(cheeks, (0, 0), max(0.6, 0.14 * width)), np.float32)
    return np.clip(light, 0.3, 1.3).astype(np.float32), blush


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


def _nose(image: Image, mesh: Array, look: Look, frame: HeadFrame) -> None:
    unit = float(np.linalg.norm(frame.right))
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


def _eyes(image: Image, mesh: Array, look: Look, frame: HeadFrame) -> None:
    unit = float(np.linalg.norm(frame.right))
    lash = mixed(look.skin, (20, 10, 10), 0.86)
    for side in ("right", "left"):
        top, bottom = (mesh[line] for line in EYES[side])
        # Lids of a drawn eye need a little more room than a photograph's to read at small sizes.
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


def _mouth(image: Image, mesh: Array, look: Look, frame: HeadFrame) -> None:
    unit = float(np.linalg.norm(frame.right))
    mesh = _lifted_corners(mesh, frame)
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


def _lifted_corners(mesh: Array, frame: HeadFrame) -> Array:
    """The mesh with the mouth's corners raised a little: the mesh at rest, filled with colour, looks sad."""
    lifted = mesh.copy()
    lips = sorted({*LIPS_TOP, *LIPS_BOTTOM, *MOUTH_TOP, *MOUTH_BOTTOM})
    across = (mesh[lips] - (mesh[61] + mesh[291]) / 2) @ frame.right / float(frame.right @ frame.right)
    lifted[lips] += (_SMILE * np.minimum(1, (across / 0.36) ** 2))[:, None] * frame.right @ _QUARTER
    return lifted
