"""Cloth where there was an arm before it: the torso's own, mirrored in from the rows beside the hole."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.pixels import grown
from models.animation.target import Image
from models.lexicon.avatar_canvas import Array


def fill_cloth(image: Image, known: Image, hole: Image) -> Image:
    """Fill `hole` with what is `known` (both (H, W), 0 or 255) in the same rows, mirrored at the hole's borders.

    Rows keep hems and waistbands where they are; where a row knows nothing, colours are spread from all around.
    Returns the (H, W, 3) picture with the hole filled; everything else is left as it is.
    """
    missing = hole > 0
    if not missing.any() or not (known > 0).any():
        return image.copy()
    smooth = spread(image, known)
    left, right = _mirrored(known > 0, from_left=True), _mirrored(known > 0, from_left=False)
    total = np.zeros((*missing.shape, 1), np.float32)
    mixed = np.zeros(image.shape, np.float32)
    for column, distance in (left, right):
        found = column >= 0
        rows, columns = np.nonzero(missing & found)
        weight = 1 / (1 + distance[rows, columns, None]) ** 2
        mixed[rows, columns] += image[rows, column[rows, columns]] * weight
        total[rows, columns] += weight
    result = smooth.astype(np.float32)
    filled = missing & (total[..., 0] > 0)
    result[filled] = mixed[filled] / total[filled]
    # Streaks of neighbouring rows that were mirrored at different columns even out; the fine grain stays.
    blurred = cv2.GaussianBlur(result, (0, 0), sigmaX=1.0, sigmaY=3.0)
    weave = image.astype(np.float32) - cv2.GaussianBlur(image, (0, 0), 3)
    grain = _grain(weave, known > 0)
    result[missing] = blurred[missing] + grain[missing]
    soft = cv2.GaussianBlur(hole, (0, 0), 1.5).astype(np.float32)[..., None] / 255
    soft[missing] = np.maximum(soft[missing], 0.5)
    keep = (known > 0)[..., None]
    blend = np.where(keep, image * (1 - soft) + result * soft, np.where(missing[..., None], result, image))
    return np.clip(blend + 0.5, 0, 255).astype(np.uint8)


def _grain(weave: Array, known: NDArray[np.bool_]) -> Array:
    """(H, W, 3) noise as strong as the picture's own fine texture, the same in every run."""
    strength = min(0.6 * float(np.median(np.abs(weave[known]))), 3.0) if known.any() else 0.0
    noise = np.random.default_rng(0).normal(0, strength, weave.shape[:2])
    return np.repeat(noise.astype(np.float32)[..., None], 3, axis=2)


def _mirrored(known: NDArray[np.bool_], *, from_left: bool) -> tuple[NDArray[np.int64], Array]:
    """For each pixel the column to take it from, mirrored at the nearest known pixel of its row on one side, or -1;
    and its distance from there."""
    if not from_left:
        column, distance = _mirrored(known[:, ::-1], from_left=True)
        flipped = column[:, ::-1]
        return np.where(flipped >= 0, known.shape[1] - 1 - flipped, -1), distance[:, ::-1]
    height, width = known.shape
    x = np.broadcast_to(np.arange(width), (height, width))
    edge = np.maximum.accumulate(np.where(known, x, -1), axis=1)
    # How far the known stretch that ends at the edge goes on: mirroring stays within it.
    start = np.maximum.accumulate(np.where(~known, x, -1), axis=1) + 1
    rows = np.arange(height)[:, None]
    run = np.where(edge >= 0, np.maximum(edge - start[rows, np.maximum(edge, 0)], 0), 0)
    distance = np.where(edge >= 0, x - edge, 0)
    period = np.maximum(2 * run, 1)
    phase = distance % period
    back = np.where(phase <= run, phase, period - phase)
    return np.where(edge >= 0, edge - back, -1), distance.astype(np.float32)


def spread(image: Image, known: Image) -> Image:
    """Colours of the known pixels spread smoothly over the whole picture (push-pull over a pyramid)."""
    colours = [image.astype(np.float32) * (known[..., None] > 0)]
    weights = [(known > 0).astype(np.float32)]
    while min(weights[-1].shape) > 2:
        size = ((weights[-1].shape[1] + 1) // 2, (weights[-1].shape[0] + 1) // 2)
        weight = cv2.resize(weights[-1], size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(colours[-1], size, interpolation=cv2.INTER_AREA)
        full = np.maximum(weight, 1e-6)[..., None]
        colours.append(np.where(weight[..., None] > 0, colour / full, 0) * (weight > 0)[..., None])
        weights.append((weight > 0).astype(np.float32))
    result = colours[-1]
    for colour, weight in zip(colours[-2::-1], weights[-2::-1], strict=True):
        up = cv2.resize(result, (weight.shape[1], weight.shape[0]), interpolation=cv2.INTER_LINEAR)
        result = np.where(weight[..., None] > 0, colour, up)
    return np.clip(result, 0, 255).astype(np.uint8)


def spread_colours(image: Image, solid: Image, pixels: int) -> Image:
    """The picture with the colours inside `solid` carried `pixels` beyond its edge: soft edges then show no fringe."""
    ring = (grown(solid, pixels) & ~solid) > 0
    if not ring.any():
        return image.copy()
    inner = solid > 0
    weight = inner.astype(np.float32)
    sums = cv2.GaussianBlur(image.astype(np.float32) * weight[..., None], (0, 0), pixels / 2)
    total = cv2.GaussianBlur(weight, (0, 0), pixels / 2)[..., None]
    result = image.copy()
    good = ring & (total[..., 0] > 1e-4)
    result[good] = np.clip(sums[good] / total[good] + 0.5, 0, 255).astype(np.uint8)
    return result
