"""The picture without the person: what is seen where an arm was, or where the person has moved away.

Rooms are made of level things: tables, sills, shelves, horizons. So what is hidden is drawn along each row from what
is left and right of the person, softer the farther it is from anything that was seen, with the picture's own grain.
Most of it stays behind the person anyway; what shows is a band along the arms and shoulders.

Source: own work.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.pixels import grown, mask_of, noise_level
from models.animation.target import Image, Target

Floats = NDArray[np.float32]

_MARGIN = 0.014  # of the longest side: the person's colours bleed this far over their outline
_SOFTEST = 0.05  # of the longest side: sigma of the blur in the middle of a large hole


def clean_plate(target: Target) -> Image:
    """The background of the picture (H, W, 3) uint8 RGB, the person filled in; elsewhere the picture itself."""
    image = target.image
    longest = max(image.shape[:2])
    margin = max(2, round(_MARGIN * longest))
    hole = grown(mask_of(target.person > 0.02), margin) > 0
    if hole.all() or not hole.any():
        return image.copy() if not hole.any() else np.full_like(image, image.reshape(-1, 3).mean(axis=0))
    filled = _softened(_along_rows(image, hole), hole, longest)
    filled += _grain(image, hole)
    seam = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(margin / 3, 0.8))[..., None]
    # Inside the hole nothing of the picture may come back; the seam runs outside of it.
    seam = np.maximum(seam * 2 - seam**2, hole[..., None])
    return np.clip(image * (1 - seam) + filled * seam, 0, 255).astype(np.uint8)


def _along_rows(image: Image, hole: NDArray[np.bool_]) -> Floats:
    """Every hidden pixel between the nearest ones left and right of it that are known; all of them where rows end."""
    known = ~hole
    # A pixel alone would leave a streak: take its neighbourhood, of known pixels only.
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 3)
    smooth = (
        cv2.GaussianBlur(image * known[..., None].astype(np.float32), (0, 0), 3) / np.maximum(weight, 1e-4)[..., None]
    )
    width = image.shape[1]
    columns = np.arange(width)
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, width)[:, ::-1], axis=1)[:, ::-1]
    none = (left < 0) & (right >= width)
    to_left, to_right = columns - left, right - columns
    share = np.where(left < 0, 1.0, np.where(right >= width, 0.0, to_left / np.maximum(to_left + to_right, 1)))
    rows = np.arange(image.shape[0])[:, None]
    first, second = smooth[rows, np.clip(left, 0, width - 1)], smooth[rows, np.clip(right, 0, width - 1)]
    share = share[..., None].astype(np.float32)
    filled = np.where(hole[..., None], first * (1 - share) + second * share, image).astype(np.float32)
    if none.any():
        filled = _pulled(filled, ~none)
    return filled


def _pulled(image: Floats, known: NDArray[np.bool_]) -> Floats:
    """Rows that have nothing known take it from the rows nearest to them."""
    rows = np.flatnonzero(known.any(axis=1))
    nearest = rows[np.abs(np.arange(len(image))[:, None] - rows[None]).argmin(axis=1)]
    return np.where(known[..., None], image, image[nearest]).astype(np.float32)


def _softened(filled: Floats, hole: NDArray[np.bool_], longest: int) -> Floats:
    """Blurred by how far a pixel is from anything that was seen."""
    far = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3) / (_SOFTEST * longest)
    out = filled.copy()
    for sigma_share in (0.1, 0.3, 1.0):
        blurred = cv2.GaussianBlur(filled, (0, 0), max(sigma_share * _SOFTEST * longest, 0.5))
        mix = np.clip((far - 0.6 * sigma_share) / (0.8 * sigma_share), 0, 1)[..., None] * hole[..., None]
        out = out * (1 - mix) + blurred * mix
    return np.asarray(out, np.float32)


def _grain(image: Image, hole: NDArray[np.bool_]) -> Floats:
    """Noise as strong as that of the seen background, the same every time; none outside the hole."""
    noise = np.random.default_rng(0).normal(0, 1, (*hole.shape, 1)).astype(np.float32)
    return np.asarray(noise * noise_level(image, ~hole) * hole[..., None], np.float32)
