"""Whether the person in a video is still the person of the picture: their face, compared in its own frame.

Structural similarity is Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (2004),
with its 11 x 11 Gaussian window of sigma 1.5; the colour difference is CIE76 of the mean skin colour, where about 2 is
just noticeable. Everything is computed in floating point.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

SIDE = 128
"""Side of the square that faces are brought to, pixels."""
_ANCHORS = (33, 263, 1, 10, 234, 454)  # eyes' outer corners, nose tip, top of the forehead, sides
_HEIGHT = 0.8  # of the square, from forehead to chin
_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
         150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip


class FaceOf:
    """The face of a reference picture, to compare others with."""

    def __init__(self, image: Image, face: NDArray[np.float32]) -> None:
        """image (H, W, 3); face (468 or more, 2 or 3) landmarks in its pixels."""
        top, bottom = face[10, :2], face[152, :2]
        size = float(np.linalg.norm(top - bottom)) / (_HEIGHT * SIDE)
        middle = (top + bottom) / 2
        self._points = (face[:, :2] - middle) / size + SIDE / 2
        self._mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(self._mask, cv2.convexHull(np.round(self._points[list(_OVAL)]).astype(np.int32)), (1,))
        self._image = self.aligned(image, face)
        self._lab = self._mean_lab(self._image)

    def aligned(self, image: Image, face: NDArray[np.float32]) -> Image:
        """Another picture's face (SIDE, SIDE, 3), its landmarks moved, turned and scaled onto the reference's."""
        anchors = list(_ANCHORS)
        matrix, _ = cv2.estimateAffinePartial2D(
            face[anchors, :2].astype(np.float64), self._points[anchors].astype(np.float64), method=cv2.LMEDS
        )
        if matrix is None:
            return np.zeros((SIDE, SIDE, 3), np.uint8)
        return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA), np.uint8)

    def similarity(self, image: Image, face: NDArray[np.float32]) -> float:
        """Structural similarity of the face, -1..1; 1 is the same picture."""
        ours, other = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (self._image, self.aligned(image, face)))
        return float(structural_similarity(np.asarray(ours), np.asarray(other))[self._mask > 0].mean())

    def colour_difference(self, image: Image, face: NDArray[np.float32]) -> float:
        """CIELAB distance of the mean colour of the face."""
        return float(np.linalg.norm(self._mean_lab(self.aligned(image, face)) - self._lab))

    def _mean_lab(self, image: Image) -> Floats:
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        return np.asarray(lab[self._mask > 0].mean(axis=0), np.float64)


def structural_similarity(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Floats:
    """(H, W) SSIM of two grey pictures (H, W) uint8."""
    x, y = a.astype(np.float64), b.astype(np.float64)

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
