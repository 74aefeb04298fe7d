"""A signer drawn from a Holistic pose: video of a person for every `.pose`, with numpy and OpenCV only.

The parts of the body are painted from far to near. Hands come from a small depth buffer each
(`avatar_hand`), the face from the contours of the face mesh (`avatar_head`), and everything else is soft-shaded
limbs (`avatar_arm`, `avatar_body`). Every pose will do: what it lacks (a hand, the face) is filled in at rest
(`avatar_figure`).

Source: own work. The measure of success is that MediaPipe reads the drawn video back as the pose it was drawn from:
`python benchmarks/avatar.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from pose_format import Pose

from models.lexicon.avatar_arm import forearm, upper_arm
from models.lexicon.avatar_body import Trunk, neck, torso
from models.lexicon.avatar_canvas import Array, Canvas, Image, Layer
from models.lexicon.avatar_figure import ARM, SIDES, Figure, figure
from models.lexicon.avatar_hand import hand_layer
from models.lexicon.avatar_head import head_layers
from models.lexicon.looks import LOOKS, Look

__all__ = ["LOOKS", "Look", "Signer", "draw_signer", "render_avatar"]

_MAX_SIDE = 4096
_STILL = 0.02  # px that a landmark may move before its part is drawn anew
_BEHIND = 0.45  # shoulder widths behind the shoulders: from here on an arm is behind the back


class Signer:
    """A pose prepared for drawing in one look and size; `frame(i)` draws."""

    def __init__(
        self, pose: Pose, look: Look, *, width: int | None = None, height: int | None = None, supersample: int = 2
    ) -> None:
        self.look = look
        self.width, self.height = _output_size(pose, width, height)
        self.supersample = supersample
        self.figure: Figure = figure(pose, self.width, self.height)
        self.num_frames = len(self.figure.body)
        self._backdrop = _backdrop(look, self.width, self.height)
        self._drawn: dict[str, tuple[Array, list[Layer]]] = {}

    def frame(self, index: int, *, background: bool = True) -> Image:
        """Frame `index` as (height, width, 3) RGB, or (height, width, 4) RGBA without a background."""
        if not 0 <= index < self.num_frames:
            raise IndexError(f"frame {index} of {self.num_frames}")
        canvas = Canvas(self.width, self.height, self._backdrop if background else None)
        if self.figure.body_seen[index]:
            self._paint(canvas, index)
        return canvas.rgb if background else _straight_alpha(canvas)

    def _paint(self, canvas: Canvas, index: int) -> None:
        fig = self.figure
        body, face = fig.body[index], fig.face[index]
        parts: list[tuple[float, list[Layer], float]] = []  # depth, layers, darkness of the shadow they throw
        for side in SIDES:
            parts += self._arm(index, side)
        heads = self._still("head", face, lambda: self._head(face))
        behind = float(body[[11, 12], 2].mean()) + _BEHIND * fig.shoulders
        if heads:
            # Whatever the depths say, nobody's head is behind their back.
            parts.append((min(behind, float(body[[7, 8], 2].mean()) + 0.10 * fig.shoulders), heads[-1:], 0.34))
        parts.sort(key=lambda part: -part[0])

        for depth, layers, _ in parts:
            if depth > behind:
                _paint_all(canvas, layers)
        _paint_all(canvas, heads[:-1])
        frame = np.concatenate([body[[11, 12, 23, 24]], face[[10, 152, 234, 454]]])
        _paint_all(canvas, self._still("trunk", frame, lambda: self._trunk(body, face)))
        below: list[Layer] = []
        for depth, layers, shadow in parts:
            if depth <= behind:
                for layer in layers[-1:]:
                    _throw_shadow(canvas, layer, shadow, fig.shoulders)
                _paint_all(canvas, [_cut(layer, below) for layer in layers])
                below += [layer for layer in layers if layer.depth is not None]

    def _arm(self, index: int, side: str) -> list[tuple[float, list[Layer], float]]:
        fig, look, size = self.figure, self.look, (self.width, self.height)
        hand, palm = fig.hands[side][index], float(fig.palms[side][index])
        shoulder, elbow, _ = (fig.body[index, point] for point in ARM[side])
        wrist = hand[0]
        upper, lower = np.stack([shoulder, elbow]), np.stack([elbow, wrist, (palm, 0, 0)])

        def draw_upper() -> list[Layer]:
            return upper_arm(shoulder[:2], elbow[:2], palm, fig.shoulders, look, size)

        def draw_lower() -> list[Layer]:
            return forearm(elbow[:2], wrist[:2], palm, look, size)

        def draw_hand() -> list[Layer]:
            return self._hand(index, side)

        near_hand = float(wrist[2] + 0.5 * (hand[:, 2].mean() - wrist[2]))
        whole = np.concatenate([hand, lower])
        return [
            (float(upper[:, 2].mean()), self._still(side + " upper arm", upper, draw_upper), 0.20),
            (float(lower[:2, 2].mean()), self._still(side + " forearm", lower, draw_lower), 0.24),
            (near_hand, self._still(side + " hand", whole, draw_hand), 0.42),
        ]

    def _hand(self, index: int, side: str) -> list[Layer]:
        layer = hand_layer(
            self.figure.hands[side][index],
            side,
            self.look.skin,
            palm=float(self.figure.palms[side][index]),
            elbow=self.figure.body[index, ARM[side][1]],
            bare=0.45 if self.look.sleeve == "long" else 0.85,
            frame_size=(self.width, self.height),
            supersample=self.supersample,
        )
        return [] if layer is None else [layer]

    def _head(self, face: Array) -> list[Layer]:
        size = (self.width, self.height)
        return head_layers(face, self.look, head=self.figure.head, frame_size=size, supersample=self.supersample)

    def _trunk(self, body: Array, face: Array) -> list[Layer]:
        size = (self.width, self.height)
        jaw = 0.55 * face[152, :2] + 0.45 * (face[234, :2] + face[454, :2]) / 2
        trunk = Trunk.of(body, jaw, self.figure.shoulders)
        layer = torso(trunk, self.look, size)
        return [*([layer] if layer is not None else []), *neck(trunk, jaw, self.look, size)]

    def _still(self, part: str, points: Array, draw: Callable[[], list[Layer]]) -> list[Layer]:
        """The part as it was drawn last, when its landmarks have not moved since, or drawn anew."""
        before = self._drawn.get(part)
        if before is None or before[0].shape != points.shape or np.abs(before[0] - points).max() > _STILL:
            before = self._drawn[part] = (points, draw())
        return before[1]


def draw_signer(pose: Pose, frame: int, look: Look, size: tuple[int, int] | None = None) -> Image:
    """One frame of a pose as a picture: (height, width, 3) RGB for size (width, height), by default the pose's own.

    Prepares the whole clip each time: for many frames use `render_avatar` or a `Signer`.
    Raises PoseError when the pose shows no body.
    """
    width, height = size if size is not None else (None, None)
    return Signer(pose, look, width=width, height=height).frame(frame)


def render_avatar(
    pose: Pose,
    look: Look,
    *,
    width: int | None = None,
    height: int | None = None,
    supersample: int = 2,
    background: bool = True,
) -> Iterator[Image]:
    """Draw every frame of a Holistic pose.

    pose: see `models.pose.landmarks`; its header's size is scaled into width x height keeping the proportions (one of
    them alone sets the other; neither: the pose's own size). supersample: 1 is quick, 2 smooth, 3 for stills.
    background: False gives RGBA with a transparent background.
    Yields (height, width, 3) or (height, width, 4) uint8; a frame in which no body was seen shows the background.
    Raises PoseError when the pose shows no body at all, ValueError for an impossible size.
    """
    signer = Signer(pose, look, width=width, height=height, supersample=supersample)
    return (signer.frame(index, background=background) for index in range(signer.num_frames))


def _output_size(pose: Pose, width: int | None, height: int | None) -> tuple[int, int]:
    own = pose.header.dimensions
    if width is None and height is None:
        width, height = own.width, own.height
    elif width is None and height is not None:
        width = round(height * own.width / own.height)
    elif height is None and width is not None:
        height = round(width * own.height / own.width)
    assert width is not None and height is not None
    if not (16 <= width <= _MAX_SIDE and 16 <= height <= _MAX_SIDE):
        raise ValueError(f"the avatar cannot be drawn at {width}x{height}; give sides of 16 to {_MAX_SIDE} px")
    return int(width), int(height)


def _backdrop(look: Look, width: int, height: int) -> Image:
    """A wall lit from above, slightly darker in the corners."""
    top, bottom = (np.array(colour, np.float32) for colour in look.background)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    dim = 1 - 0.07 * (x * x + (y - 0.45) ** 2)
    wall = (top + (bottom - top) * y[..., None]) * dim[..., None]
    # A trace of fixed noise keeps the gradient from banding in 8 bits.
    noise = np.random.default_rng(0).uniform(-0.6, 0.6, (height, width, 1))
    return np.clip(wall + noise + 0.5, 0, 255).astype(np.uint8)


def _paint_all(canvas: Canvas, layers: list[Layer]) -> None:
    for layer in layers:
        canvas.paint(layer)


def _throw_shadow(canvas: Canvas, layer: Layer, darkness: float, unit: float) -> None:
    """A soft shadow to the lower right of the part, on what is painted already."""
    spread = max(1, round(0.045 * unit))
    margin = 2 * spread
    small = cv2.resize(layer.alpha, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = margin // 2
    soft = cv2.GaussianBlur(cv2.copyMakeBorder(small, half, half, half, half, cv2.BORDER_CONSTANT), (0, 0), spread / 2)
    full = cv2.resize(soft, (layer.alpha.shape[1] + 2 * half * 2, layer.alpha.shape[0] + 2 * half * 2))
    x, y = layer.x - 2 * half + round(0.030 * unit), layer.y - 2 * half + round(0.045 * unit)
    canvas.shade(x, y, np.asarray(full * np.float32(darkness), np.float32))


def _cut(layer: Layer, below: list[Layer]) -> Layer:
    """The layer without the pixels where a hand painted earlier is clearly nearer: interlocked hands."""
    if layer.depth is None or not below:
        return layer
    alpha: Array | None = None
    for other in below:
        assert other.depth is not None
        left, top = max(layer.x, other.x), max(layer.y, other.y)
        right = min(layer.x + layer.alpha.shape[1], other.x + other.alpha.shape[1])
        bottom = min(layer.y + layer.alpha.shape[0], other.y + other.alpha.shape[0])
        if right <= left or bottom <= top:
            continue
        mine = (slice(top - layer.y, bottom - layer.y), slice(left - layer.x, right - layer.x))
        theirs = (slice(top - other.y, bottom - other.y), slice(left - other.x, right - other.x))
        alpha = layer.alpha.copy() if alpha is None else alpha
        nearer = (other.depth[theirs] < layer.depth[mine]) * other.alpha[theirs]
        nearer = cv2.GaussianBlur(nearer.astype(np.float32), (5, 5), 0)  # an edge as soft as the hands' own
        alpha[mine] *= 1 - nearer
    return layer if alpha is None else Layer(x=layer.x, y=layer.y, rgb=layer.rgb, alpha=alpha, depth=layer.depth)


def _straight_alpha(canvas: Canvas) -> Image:
    """RGBA from the canvas's premultiplied colours."""
    cover = canvas.cover[..., None].astype(np.float32)
    rgb = np.where(cover > 0, canvas.rgb * (255 / np.maximum(cover, 1)), 0)
    return np.concatenate([np.clip(rgb + 0.5, 0, 255).astype(np.uint8), canvas.cover[..., None]], axis=-1)
