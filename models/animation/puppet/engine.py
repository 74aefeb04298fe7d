"""A photograph that signs: its own torso and head, its own sleeves on new arms, painted hands, far to near.

No weights and no training: the picture is cut once (`cut`), its arms unrolled once (`sleeve`), and each frame bends
the torso a little (`warp`), moves the head (`head`), lays the arms along the pose's bones (`arm`) and paints hands
(`hand`) in the person's skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from pose_format import Pose

from models.animation.puppet.arm import draw_bone
from models.animation.puppet.cut import cut
from models.animation.puppet.hand import HandPainter
from models.animation.puppet.head import Head
from models.animation.puppet.plate import clean_plate
from models.animation.puppet.sleeve import sleeves
from models.animation.puppet.torso import Torso
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import Array, Canvas, Layer
from models.lexicon.avatar_figure import ARM, SIDES, figure

_BEHIND = 0.45  # shoulder widths behind the shoulders: from here on an arm is behind the back
_SEAM = 0.42  # shoulder widths along an upper arm in which it parts from the torso
_SHADOWS = {"upper": 0.16, "lower": 0.26, "hand": 0.36}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Something that may be before or behind other things."""

    depth: float
    layer: Layer
    darkness: float  # of the shadow that it throws
    joint: tuple[Array, float] | None = None  # centre (2,) and radius of where it joins a part: no shadow there


class Puppet:
    """A target driven by a pose that was fitted to it (`retarget`); `frame(i)` draws.

    Raises PoseError when the picture or the pose shows no body.
    """

    def __init__(self, target: Target, pose: Pose) -> None:
        self.height, self.width = target.image.shape[:2]
        self.figure = figure(pose, self.width, self.height)
        self.num_frames = len(self.figure.body)
        self._cut = cut(target)
        # Hands that the person's own mask misses must not stay in the background.
        arms = np.maximum(self._cut.arms["left"].mask, self._cut.arms["right"].mask).astype(np.float32) / 255
        self._plate = clean_plate(replace(target, person=np.maximum(target.person, arms)))
        self._hands = HandPainter(target)
        self._light = self._hands.light_from
        self._head = Head(target, self._cut.head)
        self._bones = sleeves(target, self._cut, self._hands.tone)
        self._torso = Torso(self._cut, fps=float(pose.body.fps))

    def frame(self, index: int) -> Image:
        """Frame `index` as (H, W, 3) uint8 RGB of the target's size."""
        if not 0 <= index < self.num_frames:
            raise IndexError(f"frame {index} of {self.num_frames}")
        canvas = Canvas(self.width, self.height, self._plate)
        shoulders = self._torso.shoulders(self.figure.body[index], index)
        torso = self._torso.layer(shoulders)
        parts = [part for side in SIDES for part in self._arm(index, side, shoulders[side], torso)]
        parts.sort(key=lambda part: -part.depth)
        behind = float(self.figure.body[index, [11, 12], 2].mean()) + _BEHIND * self._cut.unit
        for part in parts:
            if part.depth > behind:
                canvas.paint(part.layer)
        canvas.paint(torso)
        canvas.paint(self._torso.with_neck(self._head.layer(self.figure.face[index]), shoulders))
        hands: list[Layer] = []
        for part in parts:
            if part.depth <= behind:
                layer = _interlocked(part.layer, hands)
                _throw_shadow(canvas, part, self._cut.unit)
                canvas.paint(layer)
                if layer.depth is not None:
                    hands.append(layer)
        return canvas.rgb

    def _arm(self, index: int, side: str, joint: Array, torso: Layer) -> list[_Part]:
        """The parts of one arm that begins at `joint` (2,) of the torso."""
        size = (self.width, self.height)
        shoulder, elbow, _ = (self.figure.body[index, i] for i in ARM[side])
        hand = self.figure.hands[side][index]
        wrist = hand[0]
        upper, lower = self._bones[(side, "upper")], self._bones[(side, "lower")]
        onto = (torso, _SEAM * self._cut.unit)
        blend = float(min(upper.radii[-1], lower.radii[0]))
        palm = float(self.figure.palms[side][index])
        drawn = (
            (
                "upper",
                (shoulder[2] + elbow[2]) / 2,
                draw_bone(upper, joint + upper.offset, elbow[:2], size, onto=onto, light=self._light),
            ),
            (
                "lower",
                (elbow[2] + wrist[2]) / 2,
                draw_bone(lower, elbow[:2], wrist[:2], size, blend=blend, light=self._light),
            ),
            ("hand", (wrist[2] + hand[:, 2].mean()) / 2, self._hands.layer(hand, side, palm=palm, elbow=elbow)),
        )
        joints = {"upper": (joint, 1.6 * float(upper.radii[0])), "lower": (elbow[:2], 1.5 * blend)}
        return [
            _Part(depth=float(depth), layer=layer, darkness=_SHADOWS[kind], joint=joints.get(kind))
            for kind, depth, layer in drawn
            if layer is not None
        ]


def _throw_shadow(canvas: Canvas, part: _Part, unit: float) -> None:
    """A soft shadow to the lower right of the part, on what is painted of the person already."""
    layer, shrink = part.layer, 4  # a shadow is soft: a quarter of the size shows all of it
    border = max(1, round(0.09 * unit / shrink))
    height, width = (max(1, round(side / shrink)) for side in layer.alpha.shape)
    small = np.asarray(cv2.resize(layer.alpha, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    if part.joint is not None:
        (x, y), radius = part.joint
        rows = (np.arange(height, dtype=np.float32)[:, None] * shrink + np.float32(layer.y - y)) ** 2
        columns = (np.arange(width, dtype=np.float32)[None] * shrink + np.float32(layer.x - x)) ** 2
        small = small * np.clip((rows + columns) * np.float32(1 / radius**2) - np.float32(0.4), 0, 1)
    framed = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_CONSTANT)
    soft = cv2.GaussianBlur(framed, (0, 0), max(0.5, 0.045 * unit / shrink))
    full = cv2.resize(soft, ((width + 2 * border) * shrink, (height + 2 * border) * shrink))
    left, top = (at - border * shrink + round(share * unit) for at, share in ((layer.x, 0.025), (layer.y, 0.045)))
    canvas.shade(left, top, np.asarray(full * np.float32(part.darkness), np.float32))


def _interlocked(layer: Layer, below: list[Layer]) -> Layer:
    """The layer without the pixels where a hand painted earlier is clearly nearer."""
    if layer.depth is None:
        return layer
    alpha = layer.alpha
    for other in below:
        assert other.depth is not None
        left, top = max(layer.x, other.x), max(layer.y, other.y)
        right = min(layer.x + layer.alpha.shape[1], other.x + other.alpha.shape[1])
        bottom = min(layer.y + layer.alpha.shape[0], other.y + other.alpha.shape[0])
        if right <= left or bottom <= top:
            continue
        mine = (slice(top - layer.y, bottom - layer.y), slice(left - layer.x, right - layer.x))
        theirs = (slice(top - other.y, bottom - other.y), slice(left - other.x, right - other.x))
        nearer = (other.depth[theirs] < layer.depth[mine]) * other.alpha[theirs]
        alpha = alpha.copy()
        alpha[mine] *= 1 - cv2.GaussianBlur(nearer.astype(np.float32), (5, 5), 0)
    return Layer(x=layer.x, y=layer.y, rgb=layer.rgb, alpha=alpha, depth=layer.depth)
