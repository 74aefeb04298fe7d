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
    Image,
    Layer,
    disc,
    mixed,
    polygon,
    resized,
    smooth,
)
from models.lexicon.avatar_face import BROWS, EYES, OVAL, draw_features
from models.lexicon.avatar_hair import hair_back, hair_front
from models.lexicon.looks import Look

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
    _skin(image, mask, frame, mesh, look)
    draw_features(image, mesh, frame.right, look)
    hair_front(image, mask, frame, look)
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


def _skin(image: Image, mask: Image, frame: HeadFrame, mesh: Array, look: Look) -> None:
    """Fill the face with shaded skin, in place."""
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
