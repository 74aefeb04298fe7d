"""Bending a picture by a few handles, as rigidly as it will go (moving least squares)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lexicon.avatar_canvas import Array, Layer

_STILL = 0.02  # px below which nothing is moved


class Bender:
    """Moves a still (H, W, 4) RGBA picture with its handles, (N, 2) places in it that are given new places per frame.

    Similarity transforms weighted by nearness are solved on a coarse grid of `step` px and interpolated between, after
    Schaefer, McPhail and Warren, "Image deformation using moving least squares", SIGGRAPH 2006 (backward, for
    `cv2.remap`). What moves further than `margin` px out of the picture's own outline is cut off.
    """

    def __init__(self, picture: NDArray[np.uint8], handles: Array, *, step: int, margin: int) -> None:
        left, top, width, height = cv2.boundingRect(picture[..., 3])
        right, bottom = min(picture.shape[1], left + width + margin), min(picture.shape[0], top + height + margin)
        self._left, self._top = max(0, left - margin), max(0, top - margin)
        patch = picture[self._top : bottom, self._left : right]
        self._rgb, self._alpha = np.ascontiguousarray(patch[..., :3]), np.float32(1 / 255) * patch[..., 3]
        self._handles = self._local(handles)
        rows, columns = patch.shape[0] // step + 2, patch.shape[1] // step + 2
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        self._grid = (np.stack([x, y], axis=-1).reshape(-1, 2) * step).astype(np.float32)
        self._shape, self._soft, self._step = (rows, columns), np.float32(step**2), step

    def bent(self, places: Array) -> Layer:
        """The picture with its handles moved to `places` (N, 2)."""
        offsets = self._offsets(self._local(places))
        rgb, alpha = self._rgb, self._alpha
        if float(np.abs(offsets).max()) > _STILL:
            height, width = alpha.shape
            spread = np.array([[self._step, 0, 0], [0, self._step, 0]], np.float32)
            # Offsets, not places: warpAffine reads between the nodes in steps of 1/32 only.
            field = cv2.warpAffine(offsets.reshape(*self._shape, 2), spread, (width, height), flags=cv2.INTER_LINEAR)
            x = field[..., 0] + np.arange(width, dtype=np.float32)
            y = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
            coarse, fine = cv2.convertMaps(x, y, cv2.CV_16SC2)
            border = cv2.BORDER_REPLICATE
            rgb = np.asarray(cv2.remap(rgb, coarse, fine, cv2.INTER_LINEAR, borderMode=border), np.uint8)
            alpha = np.asarray(cv2.remap(alpha, coarse, fine, cv2.INTER_LINEAR, borderMode=border), np.float32)
        return Layer(x=self._left, y=self._top, rgb=rgb, alpha=alpha)

    def _local(self, places: Array) -> Array:
        return np.asarray(places - (self._left, self._top), np.float32)

    def _offsets(self, places: Array) -> Array:
        """(grid points, 2) where each point of the bent picture comes from, less the point itself."""
        gap = self._grid[:, None] - places[None]
        weight = 1 / ((gap * gap).sum(axis=-1) + self._soft)
        weight /= weight.sum(axis=1, keepdims=True)
        here, there = weight @ places, weight @ self._handles
        p, q = places[None] - here[:, None], self._handles[None] - there[:, None]
        size = (weight * (p * p).sum(axis=-1)).sum(axis=1) + np.float32(1e-6)
        cos = (weight * (p * q).sum(axis=-1)).sum(axis=1) / size
        sin = (weight * (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0])).sum(axis=1) / size
        v = self._grid - here
        moved = np.stack([cos * v[:, 0] - sin * v[:, 1], sin * v[:, 0] + cos * v[:, 1]], axis=1) + there
        return np.asarray(moved - self._grid, np.float32)
