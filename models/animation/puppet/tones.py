"""The colours of a person: what is skin, what is cloth."""

from __future__ import annotations

import cv2
import numpy as np

from models.animation.puppet.cut import Cut, OwnArm
from models.animation.puppet.pixels import grown, lab
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import Array, stroke

_CHEEKS = [50, 280, 205, 425, 151, 9]  # and forehead, of the face mesh
_LAB_WEIGHTS = np.array([0.45, 1, 1], np.float32)  # hue tells skin from cloth better than brightness
_UNLIKE = 45  # further than this from the skin's own colour nothing is skin
_PALEST = 0.4  # of the skin's own distance from grey: white cuffs are not skin
_COLOURED = 40  # Lab a and b away from grey
_CLOTH = 20  # nearer than this to it nothing is taken for cloth


class Tones:
    """Tells skin from cloth by colour. `tone` is the skin of the hands, `cloth` (N, 3) pixels of the clothes."""

    def __init__(self, target: Target, cut: Cut, tone: tuple[int, int, int]) -> None:
        self._image, self._unit = target.image, cut.unit
        height, width = target.image.shape[:2]
        reach = max(2, round(0.02 * cut.unit))
        patches = [
            target.image[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach].reshape(-1, 3)
            for x, y in cut.figure.face[0, _CHEEKS, :2].astype(int)
            if 0 <= x < width and 0 <= y < height
        ]
        self.tone = np.array(tone, np.float32)
        cheeks = np.concatenate(patches) if patches else self.tone[None]
        self._skins = np.stack([_lab(np.median(cheeks, axis=0)), _lab(self.tone)])
        self.cloth = target.image[cut.cloth > 0]
        self._cloths = self._cloth_colours([self.cloth, *(_upper_arm(target, arm) for arm in cut.arms.values())])

    def _cloth_colours(self, samples: list[Image]) -> Array:
        """(N, 3) Lab colours of clothes: the torso's, and bright ones that could be taken for skin.

        Greys are left out: a shadow on skin is nearer to them than to skin in the light.
        """
        far_from_skin = self._skins[0] + np.float32(2 * _UNLIKE)
        found = [(_lab(np.median(samples[0], axis=0)) if len(samples[0]) else far_from_skin)[None]]
        for pixels in samples:
            if len(pixels) < 50:
                continue
            colours = lab(np.ascontiguousarray(pixels[None, :: max(1, len(pixels) // 4000)]))[0]
            criteria = (cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
            cv2.setRNGSeed(0)
            _, labels, centres = cv2.kmeans(colours, 3, np.empty(0), criteria, 1, cv2.KMEANS_PP_CENTERS)
            shares = np.bincount(labels.ravel(), minlength=3) / len(colours)
            far = self._from_skin(np.asarray(centres, np.float32)) > _CLOTH
            coloured = np.abs(centres[:, 1:] - 128).sum(axis=1) > _COLOURED
            found.append(centres[far & coloured & (shares > 0.15)])
        return np.concatenate(found)

    def _from_skin(self, colours: Array) -> Array:
        apart = [np.linalg.norm((colours - skin) * _LAB_WEIGHTS, axis=-1) for skin in self._skins]
        return np.asarray(np.min(apart, axis=0), np.float32)

    def skin(self, rgb: Image) -> Array:
        """(...,) 1 where a colour of (..., 3) is nearer to the skin's than to the clothes', else 0."""
        colours = lab(rgb)
        to_skin = self._from_skin(colours)
        away_from_grey = np.abs(colours[..., 1:] - 128).sum(axis=-1)
        result = (to_skin < _UNLIKE) & (away_from_grey > _PALEST * np.abs(self._skins[:, 1:] - 128).sum(axis=-1).min())
        for cloth in self._cloths:
            result &= to_skin < np.linalg.norm((colours - cloth) * _LAB_WEIGHTS, axis=-1)
        return np.asarray(result, np.float32)

    def bare_forearm(self, arm: OwnArm) -> float | None:
        """Share of skin in what little is seen of a forearm, or None when nothing is."""
        if not arm.seen[0]:
            return None
        zone = np.zeros_like(arm.mask)
        stroke(zone, arm.joints[1:, :2], 0.22 * self._unit)
        zone &= arm.mask & ~grown(arm.hand, max(1, round(0.02 * self._unit)))
        pixels = self._image[zone > 0]
        return float(self.skin(pixels[None]).mean()) if len(pixels) > 0.01 * self._unit**2 else None


def _upper_arm(target: Target, arm: OwnArm) -> Image:
    """(N, 3) pixels of the upper half of an upper arm."""
    zone = np.zeros_like(arm.mask)
    shoulder, elbow = arm.joints[0, :2], arm.joints[1, :2]
    ends = np.stack([shoulder + (elbow - shoulder) * share for share in (0.2, 0.5)])
    stroke(zone, ends, 0.12 * float(np.linalg.norm(elbow - shoulder)))
    return target.image[(zone > 0) & (target.person > 0.9)]


def _lab(rgb: Array) -> Array:
    pixel = np.clip(rgb, 0, 255).astype(np.uint8).reshape(1, 1, 3)
    return np.asarray(lab(pixel)[0, 0], np.float32)
