"""Reading and growing masks and pictures: OpenCV's calls with the types and borders that the puppet needs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.target import Image
from models.lexicon.avatar_canvas import Array, polygon


def disc(radius: int) -> Image:
    """A round structuring element."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def mask_of(where: NDArray[np.bool_]) -> Image:
    """A mask (H, W), 255 where something is so and 0 elsewhere."""
    return where.astype(np.uint8) * np.uint8(255)


def hull(mask: Image, points: Array) -> None:
    """Fill the convex hull of (N, 2) points in a mask, in place."""
    polygon(mask, np.asarray(cv2.convexHull(np.ascontiguousarray(points, np.float32)), np.float32)[:, 0])


def grown(mask: Image, pixels: int) -> Image:
    """A mask (H, W), larger by so many pixels all around."""
    return np.asarray(cv2.dilate(mask, disc(pixels)), np.uint8)


def shrunk(mask: Image, pixels: int) -> Image:
    """A mask (H, W), smaller by so many pixels all around."""
    return np.asarray(cv2.erode(mask, disc(pixels)), np.uint8)


def blurred(mask: Image, sigma: float) -> Image:
    """A mask (H, W) with soft edges."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.3)), np.uint8)


def picture_at(image: Image, places: Array) -> Image:
    """A picture's colours at places (h, w, 2) in px, between the pixels; beyond its border as at the border."""
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def mask_at(mask: Image, places: Array) -> Image:
    """A mask's values at places (h, w, 2) in px; 0 beyond its border."""
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def smooth_line(values: Array, sigma: float) -> Array:
    """Values along a line, (N,) or (N, C), smoothed over neighbours."""
    flat = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
    if len(flat) < 3:
        return np.asarray(values, np.float32)
    soft = cv2.GaussianBlur(flat, (0, 0), sigmaX=0.1, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, np.float32).reshape(values.shape)


def noise_level(image: Image, where: NDArray[np.bool_]) -> float:
    """Standard deviation of a picture's noise, grey levels, where a mask (H, W) is set; 0 where it is set nowhere."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.2)
    # The lower half of the values: edges and things are no noise.
    return 1.48 * float(np.median(np.abs(fine[where]))) if where.any() else 0.0


def lab(rgb: NDArray[np.uint8]) -> Array:
    """(..., 3) Lab colours of an RGB picture (h, w, 3), as floats of 0..255."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), np.float32)
