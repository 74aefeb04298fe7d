"""How sharp the signer is in a frame, for the quality report.

The measure is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
ICPR 2000), on the hands where they are seen, because hands blur first, else on the upper body, else on the whole
frame. Each part is brought to the same size before, so that clips of different resolution compare: a hand of 30
pixels that looks crisp at its own size is still a hand without detail.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pose.landmarks import LEFT_HIP, LEFT_SHOULDER, NOSE, NUM_BODY, NUM_HAND, RIGHT_HIP, RIGHT_SHOULDER

SIDE = 96
"""Pixels of the square that each part is resized to."""
_MARGIN = 0.15
_TRUNK = [NOSE, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP]


def frame_sharpness(image: NDArray[np.uint8], points: NDArray[np.float32], confidence: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of the signer in one frame, in squared grey levels; 0 is a flat picture.

    image: (H, W, 3) uint8 RGB; points: (K, 3) in pixels and confidence: (K,), all Holistic landmarks of the frame.
    """
    hands_end = len(points) - NUM_BODY
    left, right = slice(hands_end - 2 * NUM_HAND, hands_end - NUM_HAND), slice(hands_end - NUM_HAND, hands_end)
    parts = [points[hand] for hand in (left, right) if (confidence[hand] > 0).all()]
    if not parts and (confidence[_TRUNK] > 0).any():
        parts = [points[_TRUNK]]
    boxes = [_box(part, image) for part in parts]
    measured = [_laplacian_variance(image[box]) for box in boxes if image[box].size]
    return float(np.mean(measured)) if measured else _laplacian_variance(image)


def _box(points: NDArray[np.float32], image: NDArray[np.uint8]) -> tuple[slice, slice]:
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    margin = _MARGIN * (high - low).max()
    size = np.array([image.shape[1], image.shape[0]])
    x0, y0 = np.clip(np.floor(low - margin), 0, size).astype(int)
    x1, y1 = np.clip(np.ceil(high + margin), 0, size).astype(int)
    return slice(y0, y1), slice(x0, x1)


def _laplacian_variance(image: NDArray[np.uint8]) -> float:
    method = cv2.INTER_AREA if min(image.shape[:2]) > SIDE else cv2.INTER_LINEAR
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=method)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
