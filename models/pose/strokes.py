"""The strokes that show the landmarks of one frame, in the order of drawing: see `models.pose.draw`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import PoseError
from models.pose import landmarks

Color = tuple[int, int, int]
Side = Literal["LEFT", "RIGHT"]
Shape = Literal["round", "square"]

LEFT_COLOR: Color = (86, 180, 233)
RIGHT_COLOR: Color = (230, 159, 0)
NEUTRAL_ON_DARK: Color = (222, 226, 230)
NEUTRAL_ON_LIGHT: Color = (72, 78, 86)

SHAPES: dict[Side, Shape] = {"LEFT": "round", "RIGHT": "square"}
# Far to near for an arm; thumb to little finger for a hand.
_ARM_SHADES: dict[Side, tuple[Color, Color]] = {
    "LEFT": ((0, 104, 170), LEFT_COLOR),
    "RIGHT": ((180, 92, 0), RIGHT_COLOR),
}
_FINGER_SHADES: dict[Side, tuple[Color, Color]] = {
    "LEFT": ((226, 244, 255), (0, 128, 214)),
    "RIGHT": ((255, 242, 196), (226, 92, 0)),
}

_PALM = (0, 1, 5, 9, 13, 17, 0)

_TORSO = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "RIGHT_HIP", "LEFT_HIP", "LEFT_SHOULDER")
_HEAD = (("LEFT_EAR", "LEFT_EYE", "NOSE", "RIGHT_EYE", "RIGHT_EAR"), ("MOUTH_LEFT", "MOUTH_RIGHT"))
_LEG = ("HIP", "KNEE", "ANKLE", "HEEL", "FOOT_INDEX")
_HAND_GUESS = ("WRIST", "THUMB", "INDEX", "PINKY", "WRIST")
_PUPILS = ("468", "473")

_FAINT = 0.4  # opacity of landmarks that are unsure
_QUIET = 0.65  # of face and torso, which must not outshine the hands

FACE_CONTOURS = (
    "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152"
    " 148 176 149 150 136 172 58 132 93 234 127 162 21 54 103 67 109 10",  # oval
    "61 146 91 181 84 17 314 405 321 375 291",  # lips, outer
    "61 185 40 39 37 0 267 269 270 409 291",
    "78 95 88 178 87 14 317 402 318 324 308",  # lips, inner
    "78 191 80 81 82 13 312 311 310 415 308",
    "263 249 390 373 374 380 381 382 362",  # left eye
    "263 466 388 387 386 385 384 398 362",
    "33 7 163 144 145 153 154 155 133",  # right eye
    "33 246 161 160 159 158 157 173 133",
    "276 283 282 295 285",  # left brow
    "300 293 334 296 336",
    "46 53 52 65 55",  # right brow
    "70 63 105 66 107",
)
"""The edges of MediaPipe's FACEMESH_CONTOURS as chains of landmark names."""


@dataclass(frozen=True, kw_only=True)
class DrawStyle:
    """What is drawn, and how boldly."""

    body: bool = True
    face: bool = True
    hands: bool = True
    line_scale: float = 1.0  # times the width that suits the size of the picture
    faint_below: float = 0.5  # landmarks of less confidence are faint
    hide_below: float = 0.1  # and below this they are not drawn (legs outside of the picture)
    neutral: Color = NEUTRAL_ON_DARK  # of face, torso and legs

    def __post_init__(self) -> None:
        if not 0.2 <= self.line_scale <= 5:
            raise PoseError(f"A line scale of {self.line_scale} is not possible; choose 0.2 to 5.")


@dataclass(frozen=True)
class Part:
    """The landmarks of one component in one frame: (K, 3) x, y in px and z, (K,) confidence, index of each name."""

    points: NDArray[np.float32]
    confidence: NDArray[np.float32]
    index: dict[str, int]

    def pick(self, names: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points and confidence of these landmarks; 0 for one that the pose does not carry."""
        found = [self.index.get(name, -1) for name in names]
        confidence = np.where(np.array(found) >= 0, self.confidence[found], 0).astype(np.float32)
        return self.points[found], confidence


@dataclass(frozen=True)
class Stroke:
    """A line through points (N, 2) in px; or, with a shape, a joint of radius `width` at each of them."""

    points: NDArray[np.float32]
    color: Color
    width: float
    opacity: float = 1.0
    rim: bool = True
    shape: Shape | None = None


@dataclass(frozen=True, kw_only=True)
class Pen:
    """The widths in px for one picture and one clip."""

    body: float
    hand: float
    face: float
    arm_reach: float  # how far the arms come forward in this clip, in the pose's unit of z


def frame_strokes(now: dict[str, Part], pen: Pen, style: DrawStyle) -> Iterator[Stroke]:
    """The strokes of one frame, the first to draw first: face, torso, legs, then the farther and the nearer arm."""
    body, face = now.get(landmarks.BODY), now.get(landmarks.FACE)
    if style.face and face is not None and face.confidence.any():
        yield from _face(face, pen, style)
    elif style.body and body is not None:
        for head in _HEAD:
            yield from _chain(*body.pick(head), style.neutral, pen.body, style)
    if style.body and body is not None:
        for names in (_TORSO, *(tuple(f"{side}_{name}" for name in _LEG) for side in ("LEFT", "RIGHT"))):
            for stroke in _chain(*body.pick(names), style.neutral, 0.7 * pen.body, style):
                yield replace(stroke, rim=False, opacity=min(stroke.opacity, _QUIET))
    sides: list[Side] = ["LEFT", "RIGHT"]
    for side in sorted(sides, key=lambda side: _wrist_nearness(body, side, pen)):
        hand = now.get(f"{side}_HAND_LANDMARKS")
        has_hand = hand is not None and bool(hand.confidence.any())
        if style.body and body is not None:
            yield from _arm(body, side, has_hand, pen, style)
        if style.hands and hand is not None and has_hand:
            yield from _hand(hand, side, pen, style)


def _face(face: Part, pen: Pen, style: DrawStyle) -> Iterator[Stroke]:
    for contour in FACE_CONTOURS:
        for stroke in _chain(*face.pick(contour.split()), style.neutral, pen.face, style):
            yield replace(stroke, rim=False, opacity=min(stroke.opacity, _QUIET))
    points, confidence = face.pick(_PUPILS)
    if (confidence > 0).all():  # the gaze is part of signing
        yield Stroke(points[:, :2], style.neutral, 1.3 * pen.face, _QUIET, rim=False, shape="round")


def _arm(body: Part, side: Side, has_hand: bool, pen: Pen, style: DrawStyle) -> Iterator[Stroke]:
    points, confidence = body.pick([f"{side}_{name}" for name in ("SHOULDER", "ELBOW", "WRIST")])
    shoulders, _ = body.pick(["LEFT_SHOULDER", "RIGHT_SHOULDER"])
    near = np.clip((shoulders[:, 2].mean() - points[:, 2]) / pen.arm_reach, 0, 1)
    for a in (0, 1):
        nearness = float(near[a : a + 2].mean())
        width = pen.body * (0.9 + 0.5 * nearness)
        yield from _chain(points[a : a + 2], confidence[a : a + 2], _mix(_ARM_SHADES[side], nearness), width, style)
    if not has_hand and style.hands:
        guess, sureness = body.pick([f"{side}_{name}" for name in _HAND_GUESS])
        for stroke in _chain(guess, sureness, _mix(_ARM_SHADES[side], 1), 0.6 * pen.body, style):
            yield replace(stroke, opacity=_FAINT)
    for joint in range(2 if has_hand else 3):  # a detected hand has a wrist of its own
        if confidence[joint] >= style.hide_below:
            color = _mix(_ARM_SHADES[side], float(near[joint]))
            opacity = _opacity(confidence[joint], style)
            yield Stroke(points[joint : joint + 1, :2], color, 1.3 * pen.body, opacity, shape=SHAPES[side])


def _hand(hand: Part, side: Side, pen: Pen, style: DrawStyle) -> Iterator[Stroke]:
    """Palm, then the fingers from the farthest to the nearest, each with its joints."""
    points, confidence = hand.points, hand.confidence
    if len(points) != landmarks.NUM_HAND:
        return
    z = points[:, 2]
    near = np.clip((z.mean() - z) / max(float(np.abs(z - z.mean()).max()), 1e-6), -1, 1)
    palm = list(_PALM)
    yield from _chain(points[palm], confidence[palm], _mix(_FINGER_SHADES[side], 0.6), 0.8 * pen.hand, style)
    for f in sorted(range(5), key=lambda f: float(near[list(landmarks.FINGERS[f])].mean())):
        finger = list(landmarks.FINGERS[f])
        color = _mix(_FINGER_SHADES[side], f / 4)
        width = pen.hand * (1 + 0.25 * float(near[finger].mean()))
        yield from _chain(points[finger], confidence[finger], color, width, style)
        seen = [k for k in finger if confidence[k] >= style.hide_below]
        if seen:
            opacity = _opacity(confidence[seen].min(), style)
            yield Stroke(points[seen, :2], color, 0.85 * width, opacity, rim=False, shape=SHAPES[side])
            if finger[-1] in seen:
                yield Stroke(points[finger[-1:], :2], color, 1.25 * width, opacity, shape=SHAPES[side])


def _chain(
    points: NDArray[np.float32], confidence: NDArray[np.float32], color: Color, width: float, style: DrawStyle
) -> Iterator[Stroke]:
    """Lines along consecutive landmarks, cut where one is missing or the sureness changes."""
    edges = np.minimum(confidence[:-1], confidence[1:])
    if edges.min() >= style.faint_below:  # nearly always, and this loop is the cost of a frame
        yield Stroke(points[:, :2], color, width)
        return
    opacities = [_opacity(sureness, style) for sureness in edges]
    for opacity, group in itertools.groupby(range(len(edges)), key=opacities.__getitem__):
        run = list(group)
        if opacity:
            yield Stroke(points[run[0] : run[-1] + 2, :2], color, width, opacity)


def _opacity(confidence: float, style: DrawStyle) -> float:
    if confidence <= 0 or confidence < style.hide_below:
        return 0.0
    return _FAINT if confidence < style.faint_below else 1.0


def _wrist_nearness(body: Part | None, side: Side, pen: Pen) -> float:
    if body is None:
        return 0.0
    points, confidence = body.pick([f"{side}_WRIST"])
    return float(-points[0, 2] / pen.arm_reach) if confidence[0] > 0 else 0.0


def _mix(shades: tuple[Color, Color], amount: float) -> Color:
    r, g, b = (round(a + (b - a) * amount) for a, b in zip(*shades, strict=True))
    return (r, g, b)
