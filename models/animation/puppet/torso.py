"""The torso in motion: it follows the shoulders a little, breathes, and takes the lower neck along."""

from __future__ import annotations

import cv2
import numpy as np

from models.animation.easing import eased
from models.animation.puppet.cut import Cut
from models.animation.puppet.warp import Bender
from models.lexicon.avatar_canvas import Array, Layer
from models.lexicon.avatar_figure import ARM, SIDES

_FOLLOW = 0.35  # share of the pose's shoulder movement that shows: clothes and a flat picture give way only so far
_BREATHS_PER_S, _BREATH = 0.25, 0.006  # how often and, in shoulder widths, how far the chest rises


class Torso:
    """The cut torso, bent by where the shoulders are; hips stay where the picture has them."""

    def __init__(self, cut: Cut, *, fps: float) -> None:
        self._own, self._unit, self._fps = cut.figure.body[0, :, :2], cut.unit, fps
        step, margin = max(4, round(0.12 * cut.unit)), max(2, round(0.15 * cut.unit))
        rest = {side: self._own[ARM[side][0]] for side in SIDES}
        self._bender = Bender(cut.torso, self._handles(rest), step=step, margin=margin)
        self._fade = cut.neck.astype(np.float32) / 255
        self._chin = float(cut.figure.face[0, 152, 1])
        # From here down the neck moves with the torso; above it stretches.
        self._base = self._chin + 0.35 * max(float(self._own[[11, 12], 1].mean()) - self._chin, 0.15 * cut.figure.head)

    def shoulders(self, body: Array, index: int) -> dict[str, Array]:
        """Where arms begin in frame `index` of a pose with this body (33, 3), by side: (2,) px."""
        rise = _BREATH * self._unit * np.sin(2 * np.pi * _BREATHS_PER_S * index / self._fps)
        lift = np.array([0, rise], np.float32)
        joints = {side: ARM[side][0] for side in SIDES}
        return {side: self._own[i] + _FOLLOW * (body[i, :2] - self._own[i]) - lift for side, i in joints.items()}

    def layer(self, shoulders: dict[str, Array]) -> Layer:
        """The torso with its shoulders there."""
        return self._bender.bent(self._handles(shoulders))

    def with_neck(self, head: Layer, shoulders: dict[str, Array]) -> Layer:
        """The head's layer with the lower end of its neck moved along with the torso, and fading into it."""
        height, width = head.alpha.shape
        fade = self._fade[head.y : head.y + height, head.x : head.x + width]
        offset = np.mean([shoulders[side] - self._own[ARM[side][0]] for side in SIDES], axis=0)
        start = int(np.clip(self._chin - head.y, 0, height))
        if start >= height - 1 or float(np.abs(offset).max()) < 0.05:
            return Layer(x=head.x, y=head.y, rgb=head.rgb, alpha=head.alpha * fade)
        y = np.arange(start, height, dtype=np.float32)[:, None]
        share = eased((y + head.y - self._chin) / (self._base - self._chin))
        x = np.arange(width, dtype=np.float32)[None] - share * np.float32(offset[0])
        maps = cv2.convertMaps(x, np.broadcast_to(y - share * np.float32(offset[1]), x.shape).copy(), cv2.CV_16SC2)
        rgb, alpha = head.rgb.copy(), head.alpha.copy()
        rgb[start:] = cv2.remap(head.rgb, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha[start:] = cv2.remap(head.alpha, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return Layer(x=head.x, y=head.y, rgb=rgb, alpha=alpha * fade)

    def _handles(self, shoulders: dict[str, Array]) -> Array:
        """What the torso is held by: shoulders, chest, and the picture's own hips and what is below them."""
        left, right = shoulders["left"], shoulders["right"]
        hips = self._own[[23, 24]]
        low = np.array([0, 0.5 * self._unit], np.float32)
        return np.stack([left, right, (left + right) / 2, *hips, *(hips + low)])
