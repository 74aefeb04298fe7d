"""An arm drawn in a new posture: the unrolled textures of its two bones laid on tapered cylinders.

Light is changed with the bone's direction: each texture already carries the light of the picture, so it is
multiplied by the ratio of the light in the new direction to that in the old one.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.animation.easing import eased
from models.animation.puppet.sleeve import Bone
from models.lexicon.avatar_canvas import LIGHT, Array, Image, Layer, bounds

_AMBIENT, _DIRECT = 0.70, 0.36
_FINE = 512  # steps along a bone in which its outline is drawn
_RIM = 0.16  # how much darker the edges of an arm are, so that it stands out from clothes of the same colour


def draw_bone(
    bone: Bone,
    start: Array,
    end: Array,
    frame_size: tuple[int, int],
    *,
    blend: float = 0.0,
    onto: tuple[Layer, float] | None = None,
    light: Array = LIGHT,
) -> Layer | None:
    """A bone from start to end, (2,) each in px, as a layer with round ends, or None outside the frame (width, height).

    blend: radius in px around `start` inside which the layer fades in, to join what is painted there already.
    onto: the layer that the bone grows out of, and the length in px on which it fades in where that layer is.
    light: (3,) from the person to the light, z away from the camera.
    """
    radii, shift = _fine(bone.radii), _fine(bone.shift)
    box = bounds(np.stack([start, end]), float(radii.max() + np.abs(shift).max()) + 2, *frame_size)
    if box is None:
        return None
    left, top, width, height = box
    length = float(np.linalg.norm(end - start)) + 1e-3
    along = ((end - start) / length).astype(np.float32)
    x = np.arange(left, left + width, dtype=np.float32)[None] - np.float32(start[0])
    y = np.arange(top, top + height, dtype=np.float32)[:, None] - np.float32(start[1])
    ahead, aside = x * along[0] + y * along[1], y * along[0] - x * along[1]
    share = np.clip(ahead * np.float32(1 / length), 0, 1)
    beyond = ahead - share * np.float32(length)
    place = np.minimum((share * len(radii)).astype(np.int32), len(radii) - 1)
    aside -= shift[place]
    reach = np.sqrt(aside * aside + beyond * beyond)
    radius = radii[place]
    if onto is not None:
        # Above the joint the layer below has its own rounding: the bone begins thin.
        begun = np.clip((ahead * np.float32(1 / radii[0]) + 0.35) * np.float32(1 / 0.8), 0, 1)
        radius = radius * np.sqrt(begun * (2 - begun)) + np.float32(1e-3)
    alpha = np.clip(radius - reach + 0.5, 0, 1)
    if blend > 0:
        alpha *= np.clip((np.sqrt(x * x + y * y) - 0.25 * blend) * np.float32(1 / (0.6 * blend)), 0, 1)
    if onto is not None:
        # Where the layer below is half transparent itself, the bone has to be opaque.
        solid = np.clip(4 * _window(onto[0], left, top, alpha.shape) - 3, 0, 1)
        alpha *= 1 - solid * (1 - eased(ahead * np.float32(1 / min(onto[1], 0.5 * length + 1))))
    texture = _lit(bone, np.array([-along[1], along[0]], np.float32), light)
    rows, columns = texture.shape[:2]
    row = np.minimum(np.abs(ahead * np.float32(1 / length)), 1) * np.float32(rows - 1)
    column = (np.clip(aside / radius, -1, 1) * np.float32(0.5) + np.float32(0.5)) * np.float32(columns - 1)
    rgb = cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return Layer(x=left, y=top, rgb=np.asarray(rgb, np.uint8), alpha=alpha)


def _window(layer: Layer, left: int, top: int, shape: tuple[int, ...]) -> Array:
    """The layer's opacity in a box of the picture, 0 where it does not reach."""
    result = np.zeros(shape, np.float32)
    x0, y0 = max(left, layer.x), max(top, layer.y)
    x1 = min(left + shape[1], layer.x + layer.alpha.shape[1])
    y1 = min(top + shape[0], layer.y + layer.alpha.shape[0])
    if x1 > x0 and y1 > y0:
        result[y0 - top : y1 - top, x0 - left : x1 - left] = layer.alpha[
            y0 - layer.y : y1 - layer.y, x0 - layer.x : x1 - layer.x
        ]
    return result


def _fine(values: Array) -> Array:
    """(_FINE,) values along a bone, between the places where they were measured."""
    return np.interp(np.linspace(0, 1, _FINE), np.linspace(0, 1, len(values)), values).astype(np.float32)


def _lit(bone: Bone, normal: Array, light: Array) -> Image:
    """The bone's texture in the light of a new direction."""
    rows, columns = bone.texture.shape[:2]
    v = np.linspace(-1, 1, columns, dtype=np.float32)
    before = _light(v, bone.normal, light) if bone.normal is not None else np.float32(_AMBIENT + 0.8 * _DIRECT)
    gain = np.clip(_light(v, normal, light) / before, 0.7, 1.12)
    gain *= 1 - _RIM * np.clip((np.abs(v) - 0.62) / 0.38, 0, 1) ** 2
    gains = np.ascontiguousarray(np.broadcast_to(gain[None, :, None], (rows, columns, 3)))
    return np.asarray(cv2.multiply(bone.texture, gains, dtype=cv2.CV_8U), np.uint8)


def _light(v: Array, normal: Array, light: Array) -> Array:
    """(columns,) brightness across a cylinder whose side v = 1 faces `normal` in the picture."""
    direct = v * float(normal @ light[:2]) + np.sqrt(1 - v * v) * float(-light[2])
    return np.asarray(_AMBIENT + _DIRECT * np.clip(direct, 0, 1.2), np.float32)
