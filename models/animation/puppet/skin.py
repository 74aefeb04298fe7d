"""The colour of a person's skin in their picture, and where the light comes from: what new hands are painted with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.pixels import noise_level
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import LIGHT, Array, Colour
from models.pose import landmarks

_CHEEKS = (50, 101, 118, 205, 280, 330, 347, 425)
_FOREHEAD = (9, 151, 107, 336)
_LEAST_PIXELS = 40
_MOST_GRAIN = 8.0  # grey levels
_GUESS = (198, 152, 128)  # where no skin is seen at all


@dataclass(frozen=True, kw_only=True)
class Skin:
    """How this person's skin looks in this picture."""

    tone: Colour
    """RGB of skin in ordinary light."""
    contrast: float
    """How strong shading is against the usual, 0.5 in flat light to 1.3 in hard light."""
    light_from: Array
    """(3,) towards the light: x right, y down, z away from the camera."""
    grain: float
    """Standard deviation of the picture's noise, grey levels."""
    softness: float
    """Sigma of the blur that makes a crisp edge as soft as the picture's, pixels."""


def skin_of(target: Target) -> Skin:
    """Measured on the face, and on the person's own hands for the tone, where they are in the picture."""
    image = target.image
    face = landmarks.component(target.pose, landmarks.FACE)[0][0]
    seen = bool(landmarks.seen(target.pose, landmarks.FACE)[0])
    samples = _around(image, face[[*_CHEEKS, *_FOREHEAD], :2], _radius(face)) if seen else np.zeros((0, 3))
    tone = _tone(samples) if len(samples) >= _LEAST_PIXELS else np.array(_GUESS, float)
    hands = [_tone(own) for own in _own_hands(target) if len(own) >= _LEAST_PIXELS and _alike(_tone(own), tone)]
    if hands:
        tone = 0.35 * tone + 0.65 * np.mean(hands, axis=0)
    light_from, contrast = _light(image, face) if seen else (LIGHT, 1.0)
    return Skin(
        tone=(int(tone[0]), int(tone[1]), int(tone[2])),
        contrast=contrast,
        light_from=light_from,
        grain=min(noise_level(image, np.ones(image.shape[:2], bool)), _MOST_GRAIN),
        softness=_softness(image, target.person),
    )


def _radius(face: NDArray[np.float32]) -> int:
    return max(2, round(0.03 * float(np.linalg.norm((face[10] - face[152])[:2]))))


def _around(image: Image, points: NDArray[np.float32], radius: int) -> NDArray[np.float64]:
    """(N, 3) colours of the pixels around points (K, 2) that lie in the picture."""
    height, width = image.shape[:2]
    patches = [
        image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].reshape(-1, 3)
        for x, y in np.round(points).astype(int)
        if 0 <= x < width and 0 <= y < height
    ]
    return np.concatenate(patches).astype(float) if patches else np.zeros((0, 3))


def _tone(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The colour in the middle of the brighter half: hair, glasses and shade are darker, gleam is the very top."""
    grey = samples.mean(axis=1)
    low, high = np.percentile(grey, [45, 90])
    return np.asarray(np.median(samples[(grey >= low) & (grey <= high)], axis=0))


def _own_hands(target: Target) -> list[NDArray[np.float64]]:
    """Pixels of the person's own palms and wrists, where the hands are in the picture."""
    found = []
    for name in landmarks.HANDS:
        points, sure = landmarks.component(target.pose, name)
        if (sure > 0).all():
            palm = float(np.linalg.norm((points[0, 9] - points[0, 0])[:2]))
            inner = (points[0, [0, 5, 9, 13, 17], :2] + points[0, :21, :2].mean(axis=0)) / 2
            found.append(_around(target.image, inner.astype(np.float32), max(1, round(0.07 * palm))))
    return found


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two colours can be the same skin in other light; a glove or a wrong detection is not."""
    lab = cv2.cvtColor(np.clip([[a, b]], 0, 255).astype(np.uint8), cv2.COLOR_RGB2LAB)[0].astype(float)
    return bool(np.hypot(*(lab[0] - lab[1])[1:]) < 16 and abs(lab[0, 0] - lab[1, 0]) < 70)


def _light(image: Image, face: NDArray[np.float32]) -> tuple[Array, float]:
    """Where the light comes from, by the brightness of the face against the directions of its surface, and how
    strong the shading is: least squares over the landmarks on skin."""
    size = float(np.linalg.norm((face[10] - face[152])[:2])) + 1e-6
    height, width = image.shape[:2]
    x, y = (
        np.clip(np.round(face[:468, 0]), 0, width - 1).astype(int),
        np.clip(np.round(face[:468, 1]), 0, height - 1).astype(int),
    )
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), max(0.02 * size, 0.6))[y, x].astype(float)
    middle = face[[1, 152, 10, 234, 454], :2].mean(axis=0)
    # An ellipsoid is shape enough: the mesh's own normals are noisy at lips and eyes.
    out = (face[:468, :2] - middle) / (np.array([0.42, 0.62]) * size)
    bulge = np.sqrt(np.clip(1 - (out**2).sum(axis=1), 0.05, 1))
    normal = np.column_stack([out, -bulge])
    skin = np.abs(grey - np.median(grey)) < 0.35 * np.median(grey) + 8
    level = max(float(np.median(grey[skin])), 1.0)
    solved, *_ = np.linalg.lstsq(np.column_stack([normal[skin], np.ones(skin.sum())]), grey[skin] / level, rcond=None)
    sideways = np.clip(solved[:2], -0.5, 0.5)
    strength = float(np.hypot(*sideways))
    # A face tells little of the light's height; rooms are lit from above and the front.
    direction = np.array([2.2 * sideways[0], min(2.2 * sideways[1], 0) - 0.35, -0.72], np.float32)
    return np.asarray(direction / np.linalg.norm(direction), np.float32), float(
        np.clip(0.65 + 1.6 * strength, 0.65, 1.2)
    )


def _softness(image: Image, person: NDArray[np.float32]) -> float:
    """From how steep the steepest edges of the person are."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope = cv2.magnitude(
        cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    inside = slope[person > 0.5]
    steep = float(np.percentile(inside, 99)) if len(inside) else 40.0
    # A crisp edge of a photograph has about 40 grey levels a pixel there; one that was enlarged twice, 15.
    return float(np.clip(0.35 + 0.9 * (1 - steep / 36), 0.35, 1.3))
