"""New hands for a person in a picture: the studio's shaded hand, in their skin, light, sharpness and grain.

The hand itself is the one that the drawn signer has (`models.lexicon.avatar_hand`): a depth buffer of rounded bones
with knuckles, webs, nails, creases and palm lines, because MediaPipe, and people, read hands by exactly these.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.skin import skin_of
from models.animation.target import Target
from models.lexicon.avatar_canvas import Array, Colour, Layer
from models.lexicon.avatar_hand import hand_layer

_BARE = 0.55  # palm lengths of forearm that are drawn with the hand
_NOISE_SIDE = 512


class HandPainter:
    """Paints hands for one target."""

    def __init__(self, target: Target) -> None:
        self._skin = skin_of(target)
        self._size = (target.image.shape[1], target.image.shape[0])
        noise = np.random.default_rng(0).normal(0, self._skin.grain, (_NOISE_SIDE, _NOISE_SIDE))
        self._noise = np.clip(noise, -20, 20).astype(np.int16)

    @property
    def tone(self) -> Colour:
        """RGB of the person's skin."""
        return self._skin.tone

    @property
    def light_from(self) -> Array:
        """(3,) towards the light of the picture."""
        return self._skin.light_from

    def layer(self, points: Array, side: str, *, palm: float, elbow: Array) -> Layer | None:
        """One hand with the beginning of its forearm; None when it is outside of the picture.

        points (21, 3) and elbow (3,) in px of the picture, z away from the camera; side "left" or "right", the
        person's; palm: palm length in px.
        """
        painted = hand_layer(
            points,
            side,
            self._skin.tone,
            palm=palm,
            elbow=elbow,
            bare=_BARE,
            frame_size=self._size,
            light_from=self._skin.light_from,
        )
        if painted is None:
            return None
        rgb = self._toned(painted.rgb)
        alpha = painted.alpha
        if self._skin.softness > 0.4:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), self._skin.softness), np.uint8)
            alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.8 * self._skin.softness), np.float32)
        rgb = self._grained(rgb, painted.x, painted.y)
        return Layer(x=painted.x, y=painted.y, rgb=rgb, alpha=alpha, depth=painted.depth)

    def _toned(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Shading as strong as in the picture: flat light has light shadows."""
        share = self._skin.contrast
        table = np.empty((1, 256, 3), np.uint8)
        levels = np.arange(256)
        for channel, tone in enumerate(self._skin.tone):
            table[0, :, channel] = np.clip(tone + (levels - tone) * share, 0, 255)
        return np.asarray(cv2.LUT(rgb, table), np.uint8)

    def _grained(self, rgb: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
        """The picture's noise, fixed to the picture's pixels."""
        if self._skin.grain < 0.5:
            return rgb
        height, width = rgb.shape[:2]
        rows = (np.arange(y, y + height) % _NOISE_SIDE)[:, None]
        noise = self._noise[rows, np.arange(x, x + width) % _NOISE_SIDE]
        return np.asarray(np.clip(rgb + noise[..., None], 0, 255), np.uint8)
