"""Painting for the avatar: layers with soft edges on a canvas that knows where the person is.

Everything is uint8 RGB in output pixels, x to the right and y down. A `Layer` is a patch with an alpha per pixel;
shadows darken only what is already painted of the person, so that they never fall on a transparent background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
Colour = tuple[int, int, int]

LIGHT = np.array([-0.42, -0.55, -0.72], np.float32)
"""Unit-ish vector from the person to the light: up, the viewer's left, in front (z grows away from the camera)."""

_SHIFT = 4  # fractional bits of cv2 coordinates: 1/16 px


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A painted part. rgb (h, w, 3) uint8, alpha (h, w) float32 in 0..1, depth (h, w) px or None, at (x, y)."""

    x: int
    y: int
    rgb: Image
    alpha: Array
    depth: Array | None = None


class Canvas:
    """The frame being painted: `rgb` (H, W, 3), and `cover` (H, W), the person's opacity in 0..255.

    On a transparent background rgb is premultiplied by the cover.
    """

    def __init__(self, width: int, height: int, background: Image | None) -> None:
        self.rgb: Image = np.zeros((height, width, 3), np.uint8) if background is None else background.copy()
        self.cover: Image = np.zeros((height, width), np.uint8)

    def paint(self, layer: Layer) -> None:
        """Lay the patch over what is there; parts outside the frame are cut off."""
        inside = self._inside(layer.x, layer.y, layer.alpha.shape)
        if inside is None:
            return
        frame, patch = inside
        alpha = np.ascontiguousarray(layer.alpha[patch])
        rest = 1 - alpha
        self.rgb[frame] = cv2.blendLinear(np.ascontiguousarray(layer.rgb[patch]), self.rgb[frame], alpha, rest)
        full = np.full(alpha.shape, 255, np.uint8)
        self.cover[frame] = cv2.blendLinear(full, np.ascontiguousarray(self.cover[frame]), alpha, rest)

    def shade(self, x: int, y: int, darkness: Array) -> None:
        """Darken the person by (h, w) in 0..1 at (x, y)."""
        inside = self._inside(x, y, darkness.shape)
        if inside is None:
            return
        frame, patch = inside
        dark = np.ascontiguousarray(darkness[patch]) * (self.cover[frame] * np.float32(1 / 255))
        self.rgb[frame] = cv2.blendLinear(self.rgb[frame], np.zeros_like(self.rgb[frame]), 1 - dark, dark)

    def _inside(self, x: int, y: int, shape: Sequence[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        height, width = self.cover.shape
        left, top, right, bottom = max(0, x), max(0, y), min(width, x + shape[1]), min(height, y + shape[0])
        if right <= left or bottom <= top:
            return None
        return (slice(top, bottom), slice(left, right)), (slice(top - y, bottom - y), slice(left - x, right - x))


def polygon(image: Image, points: Array, colour: Sequence[int] = (255,)) -> None:
    """Fill an anti-aliased polygon, (N, 2) in pixels, in place; one value for a mask, three for a picture."""
    cv2.fillPoly(image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def stroke(mask: Image, points: Array, thickness: float, value: int = 255, *, closed: bool = False) -> None:
    """Draw an anti-aliased line through (N, 2) points, in place."""
    cv2.polylines(mask, [_fixed(points)], closed, (value,), max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def disc(mask: Image, centre: Array, radius: float, value: int = 255) -> None:
    """Fill an anti-aliased circle in place."""
    x, y = _fixed(centre)
    cv2.circle(mask, (int(x), int(y)), max(1, round(radius * (1 << _SHIFT))), (value,), -1, cv2.LINE_AA, _SHIFT)


def smooth(points: Array, *, closed: bool = True, rounds: int = 3) -> Array:
    """A rounded curve from a few corner points (Chaikin's corner cutting)."""
    return np.asarray(_cutting(len(points), closed, rounds) @ points, np.float32)


@lru_cache(maxsize=128)
def _cutting(count: int, closed: bool, rounds: int) -> Array:
    """Corner cutting as a matrix, (new points, points)."""
    curve = np.eye(count, dtype=np.float32)
    for _ in range(rounds):
        following = np.roll(curve, -1, axis=0) if closed else curve[1:]
        here = curve if closed else curve[:-1]
        cut = np.stack([0.75 * here + 0.25 * following, 0.25 * here + 0.75 * following], axis=1).reshape(-1, count)
        curve = cut if closed else np.concatenate([curve[:1], cut, curve[-1:]])
    return curve


def resized(image: NDArray, width: int, height: int) -> NDArray:
    """Bring a patch to another size: averaging when it shrinks, linear when it grows."""
    shrinking = image.shape[1] > width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def bounds(points: Array, margin: float, width: int, height: int) -> tuple[int, int, int, int] | None:
    """(x, y, w, h) of the box around (N, 2+) points plus a margin, cut to the frame; None when nothing is left."""
    low = np.maximum(np.floor(points[:, :2].min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(points[:, :2].max(axis=0) + margin), (width, height)).astype(int)
    if (high - low < 2).any():
        return None
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def tinted(base: Sequence[float], light: NDArray, *, warmth: float = 0.0) -> Image:
    """Colour of a surface under light (h, w), where 1 is the base colour; warmth keeps the red in shadows (skin)."""
    powers = (1 - 0.35 * warmth, 1.0, 1 + 0.18 * warmth)
    channels = [np.power(light, power) * tone for power, tone in zip(powers, base, strict=True)]
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


def mixed(first: Sequence[float], second: Sequence[float], share: float) -> Colour:
    """The colour between two, `share` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _fixed(points: Array) -> NDArray[np.int32]:
    return np.rint(np.multiply(points, 1 << _SHIFT)).astype(np.int32)
