"""What recognizers see of a Holistic pose: one row of numbers every 40 ms, the same offline and live.

A row is made of points in units of the signer's own shoulder width, origin between the shoulders:

    body    nose, ears, mouth corners, shoulders, elbows, wrists (x, y)
    face    lips and brows against the nose (x, y), with a low weight
    hand    for each hand: 20 landmarks against the wrist over the palm's size (x, y, z), wrist against the body and
            index tip against the nose (x, y), size of the palm over the shoulders, 1 when the hand is there
    speed   of each wrist and index tip (x, y), per second

What is not there is 0. A hand that is lost for up to six rows is drawn through the gap. The shoulder width is the
running median of the last two seconds, so that a camera that zooms, or a person who leans in, does no harm.

Offline is the stream, pushed to its end: there is no second way that could differ. Live, a row comes out as soon as
it is certain, which is at once while the hands are seen, and up to six rows later when one is lost.

Shapes: T rows, F = NUM_FEATURES.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.pose import landmarks

Floats = NDArray[np.float32]

FPS = 25
STEP_MS = 1000 / FPS
MAX_GAP_ROWS = 6
"""Longest loss of a hand that is drawn through."""
RESTS_BELOW = -0.3
"""How far a wrist is lifted over its elbow in an arm that hangs, at most; shoulder widths."""
DIRECTIONAL = frozenset({"LEFT", "RIGHT", "EAST", "WEST"})
"""Glosses whose mirror image may be another sign."""
MAX_BREAK_MS = 400
"""Frames that are farther apart than this have nothing to do with each other; the rows between them are empty."""
_SCALE_ROWS = 2 * FPS
_FACE_GAIN, SPEED_GAIN = 3.0, 0.25  # to bring all numbers to about one size
FARTHEST = 6.0
"""Nothing real is farther away than this, in any of the units."""

_BODY_POINTS = (0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
_FACE_POINTS = (61, 291, 13, 14, 0, 17, 105, 334, 70, 300)  # lips: corners, inner, outer; brows
_NOSE, _SHOULDERS, _ELBOWS, _WRISTS = 0, (5, 6), (7, 8), (9, 10)  # within _BODY_POINTS
_MIRRORED_BODY = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9)
_MIRRORED_FACE = (1, 0, 2, 3, 4, 5, 7, 6, 9, 8)
_KNUCKLES, _INDEX_TIP = (5, 9, 13, 17), 8
_NUM_BODY, _NUM_FACE, _NUM_HAND = len(_BODY_POINTS), len(_FACE_POINTS), landmarks.NUM_HAND
_NUM_POINTS = _NUM_BODY + _NUM_FACE + 2 * _NUM_HAND
_PARTS = tuple(
    slice(start, start + size)
    for start, size in zip(
        np.cumsum([0, _NUM_BODY, _NUM_FACE, _NUM_HAND]), (_NUM_BODY, _NUM_FACE, _NUM_HAND, _NUM_HAND), strict=True
    )
)
_BODY, _FACE, _LEFT, _RIGHT = range(4)

_SIZES = {"body": 2 * _NUM_BODY, "face": 2 * _NUM_FACE, "left": 66, "right": 66, "speed": 8}
_ENDS = np.cumsum(list(_SIZES.values()))
LAYOUT = {name: slice(int(end) - size, int(end)) for (name, size), end in zip(_SIZES.items(), _ENDS, strict=True)}
"""Where each part is in a row; a hand is 60 numbers of its shape, wrist, tip, size and presence."""
NUM_FEATURES = int(_ENDS[-1])
SHAPE, WRIST, TIP, PALM, PRESENT = slice(0, 60), slice(60, 62), slice(62, 64), 64, 65
"""Where the parts of a hand are in it."""
_HAND_SIGN = np.ones(66, np.float32)
_HAND_SIGN[[*range(0, 60, 3), 60, 62]] = -1  # every x

# Where the landmarks are in the canonical order, and what pose-format calls those of body and face.
_CANONICAL = np.concatenate([
    _BODY_POINTS,
    np.add(_FACE_POINTS, landmarks.NUM_BODY),
    np.arange(2 * _NUM_HAND) + landmarks.NUM_BODY + landmarks.NUM_FACE,
])  # fmt: skip
_NAMES = {
    landmarks.BODY: ("NOSE", "LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT", "LEFT_SHOULDER", "RIGHT_SHOULDER",
                     "LEFT_ELBOW", "RIGHT_ELBOW", "LEFT_WRIST", "RIGHT_WRIST"),
    landmarks.FACE: tuple(map(str, _FACE_POINTS)),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Features:
    """A clip as a recognizer sees it."""

    rows: Floats
    """(T, NUM_FEATURES), one row every 40 ms from the clip's beginning."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def hands(self) -> NDArray[np.bool_]:
        """(T, 2) whether the left and the right hand are there."""
        return _hands_there(self.rows)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What is used of one frame: (_NUM_POINTS, 3) in pixels, z too, and which of body, face, left, right are there."""

    time_ms: float
    points: Floats
    there: NDArray[np.bool_]


def features(pose: Pose) -> Features:
    """The rows of a clip. The face and either hand may be missing from the pose; raises PoseError without a body."""
    picked, there = _picked(pose)
    stream = FeatureStream()
    step = 1000 / float(pose.body.fps)
    rows = [
        row
        for index, (points, parts) in enumerate(zip(picked, there, strict=True))
        for row in stream.push_picked(_Seen(time_ms=index * step, points=points, there=parts))
    ]
    rows += stream.flush()
    return Features(rows=np.stack(rows) if rows else np.zeros((0, NUM_FEATURES), np.float32))


class FeatureStream:
    """Rows of a pose that comes frame by frame."""

    def __init__(self) -> None:
        self._last: _Seen | None = None
        self._rows = 0
        self._start_ms = 0.0
        self._waiting: list[_Seen] = []  # rows that a lost hand keeps from being certain
        self._lost = [MAX_GAP_ROWS + 1, MAX_GAP_ROWS + 1]  # rows since each hand was seen; nothing to bridge at first
        self._anchors: dict[int, _Seen] = {}  # where each hand was seen last
        self._shoulders: deque[float] = deque(maxlen=_SCALE_ROWS)
        self._before: tuple[Floats, NDArray[np.bool_]] | None = None

    @property
    def start_ms(self) -> float:
        """When the first row is."""
        return self._start_ms

    def push(self, points: Floats, confidence: Floats, time_ms: float, width: int) -> list[Floats]:
        """One frame of Holistic landmarks in the canonical order: points (K, 3) in pixels, z over the width,
        confidence (K,). Returns the rows (NUM_FEATURES,) that became certain, often one. Times have to grow."""
        return self.push_picked(_pick(points, confidence, time_ms, width))

    def push_picked(self, seen: _Seen) -> list[Floats]:
        """The same with a frame whose landmarks were picked before."""
        last, self._last = self._last, seen
        if last is None:
            self._start_ms, self._rows = seen.time_ms, 1
            return self._settle(seen)
        rows: list[Floats] = []
        while (time_ms := self._start_ms + self._rows * STEP_MS) <= seen.time_ms + 1e-6:
            self._rows += 1
            rows += self._settle(_between(last, seen, time_ms))
        return rows

    def flush(self) -> list[Floats]:
        """The rows that still waited for a hand to come back; nothing comes after them."""
        waiting, self._waiting = self._waiting, []
        return [self._row(seen) for seen in waiting]

    def _settle(self, seen: _Seen) -> list[Floats]:
        """Rows that are certain now that this one is known."""
        self._waiting.append(seen)
        for hand in (0, 1):
            if not seen.there[_LEFT + hand]:
                self._lost[hand] += 1
                continue
            gap, self._lost[hand] = self._lost[hand], 0
            if 0 < gap <= MAX_GAP_ROWS:
                self._bridge(hand, gap)
            self._anchors[hand] = seen
        # A row waits while a hand that was there may still come back within the longest gap.
        count = len(self._waiting) - max(lost if lost <= MAX_GAP_ROWS else 0 for lost in self._lost)
        certain, self._waiting = self._waiting[:count], self._waiting[count:]
        return [self._row(one) for one in certain]

    def _bridge(self, hand: int, gap: int) -> None:
        """Draw a hand through the rows in which it was lost."""
        part, end = _PARTS[_LEFT + hand], len(self._waiting) - 1
        before, after = self._anchors[hand], self._waiting[-1]
        for step, index in enumerate(range(end - gap, end), start=1):
            lost = self._waiting[index]
            points, there = lost.points.copy(), lost.there.copy()
            share = np.float32(step / (gap + 1))
            points[part] = before.points[part] * (1 - share) + after.points[part] * share
            there[_LEFT + hand] = True
            self._waiting[index] = replace(lost, points=points, there=there)

    def _row(self, seen: _Seen) -> Floats:
        """The numbers of one row; all 0 when no body is there."""
        row = np.zeros(NUM_FEATURES, np.float32)
        body, face = (seen.points[_PARTS[part]] for part in (_BODY, _FACE))
        if not seen.there[_BODY]:
            self._before = None
            return row
        left, right = body[_SHOULDERS, :2]
        self._shoulders.append(float(np.hypot(*(left - right))))
        scale = max(float(np.median(self._shoulders)), 1e-3)
        middle, nose = (left + right) / 2, body[_NOSE, :2]
        row[LAYOUT["body"]] = ((body[:, :2] - middle) / scale).ravel()
        if seen.there[_FACE]:
            row[LAYOUT["face"]] = (_FACE_GAIN * (face[:, :2] - nose) / scale).ravel()
        ends = np.zeros((4, 2), np.float32)  # wrists, index tips
        ends[:2] = (body[_WRISTS, :2] - middle) / scale
        for hand, name in enumerate(("left", "right")):
            if not seen.there[_LEFT + hand]:
                continue
            points = seen.points[_PARTS[_LEFT + hand]]
            ends[2 + hand] = (points[_INDEX_TIP, :2] - middle) / scale
            row[LAYOUT[name]] = _hand(points, middle, nose, scale)
        moving = np.array([True, True, *seen.there[_LEFT:]])
        if self._before is not None:
            speed = (ends - self._before[0]) * (SPEED_GAIN * FPS)
            speed[~(moving & self._before[1])] = 0
            row[LAYOUT["speed"]] = speed.ravel()
        self._before = ends, moving
        return np.clip(row, -FARTHEST, FARTHEST)


def wrists_and_tips(rows: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where wrists and index tips are (T, 4, 2) against the shoulders' middle, and which are there (T, 4)."""
    body = rows[:, LAYOUT["body"]].reshape(len(rows), -1, 2)
    hands = np.stack([rows[:, LAYOUT[side]] for side in ("left", "right")], axis=1)
    tips = hands[..., TIP] + body[:, None, _NOSE]
    present = hands[..., PRESENT] > 0
    ends = np.concatenate([body[:, _WRISTS], tips * present[..., None]], axis=1)
    seen = body.any(axis=(1, 2))[:, None]
    return np.asarray(ends, np.float32), np.concatenate([np.repeat(seen, 2, axis=1), present], axis=1)


def lifts(rows: Floats) -> Floats:
    """How far the left and the right wrist are lifted over their elbows (T, 2), shoulder widths; -inf for nobody."""
    body = rows[:, LAYOUT["body"]].reshape(len(rows), -1, 2)
    lift = body[:, _ELBOWS, 1] - body[:, _WRISTS, 1]
    return np.asarray(np.where(body.any(axis=(1, 2))[:, None], lift, -np.inf), np.float32)


def raised_hands(rows: Floats) -> NDArray[np.bool_]:
    """Whether the left and the right hand are seen, and not at rest (T, 2)."""
    return np.asarray(_hands_there(rows) & (lifts(rows) > RESTS_BELOW), np.bool_)


def _hands_there(rows: Floats) -> NDArray[np.bool_]:
    return np.stack([rows[:, LAYOUT[side]][:, PRESENT] > 0 for side in ("left", "right")], axis=1)


def mirrored(rows: Floats) -> Floats:
    """The rows (..., F) of the same signing by a person who uses the other hand."""
    flipped = np.empty_like(rows)
    sign = np.array([-1, 1], np.float32)

    def points(name: str, order: tuple[int, ...] | list[int]) -> Floats:
        part = rows[..., LAYOUT[name]]
        pairs = part.reshape(*part.shape[:-1], -1, 2)[..., list(order), :] * sign
        return np.asarray(pairs.reshape(part.shape), np.float32)

    flipped[..., LAYOUT["body"]] = points("body", _MIRRORED_BODY)
    flipped[..., LAYOUT["face"]] = points("face", _MIRRORED_FACE)
    flipped[..., LAYOUT["speed"]] = points("speed", (1, 0, 3, 2))
    flipped[..., LAYOUT["left"]] = rows[..., LAYOUT["right"]] * _HAND_SIGN
    flipped[..., LAYOUT["right"]] = rows[..., LAYOUT["left"]] * _HAND_SIGN
    return flipped


def _hand(points: Floats, middle: Floats, nose: Floats, scale: float) -> Floats:
    """The 66 numbers of a hand."""
    row = np.empty(66, np.float32)
    palm = max(float(np.linalg.norm(points[_KNUCKLES, :] - points[0], axis=-1).mean()), 1e-3)
    row[SHAPE] = ((points[1:] - points[0]) / palm).ravel()
    row[WRIST] = (points[0, :2] - middle) / scale
    row[TIP] = (points[_INDEX_TIP, :2] - nose) / scale
    row[PALM] = palm / scale
    row[PRESENT] = 1
    return row


def _between(before: _Seen, after: _Seen, time_ms: float) -> _Seen:
    """What was there at a time between two frames: drawn through where both show a part, else as in the nearer one."""
    span = after.time_ms - before.time_ms
    share = float(np.clip((time_ms - before.time_ms) / max(span, 1e-6), 0, 1))
    near = after if share >= 0.5 else before
    if span > MAX_BREAK_MS and min(share, 1 - share) * span > STEP_MS / 2:
        return _Seen(time_ms=time_ms, points=near.points, there=np.zeros(4, bool))
    points = near.points.copy()
    for part, both in zip(_PARTS, before.there & after.there, strict=True):
        if both:
            points[part] = before.points[part] * np.float32(1 - share) + after.points[part] * np.float32(share)
    return _Seen(time_ms=time_ms, points=points, there=near.there)


def _pick(points: Floats, confidence: Floats, time_ms: float, width: int) -> _Seen:
    """The landmarks that are used, of one frame in the canonical order."""
    picked = points[_CANONICAL] * np.array([1, 1, width], np.float32)
    sure = confidence[_CANONICAL] > 0
    return _Seen(time_ms=time_ms, points=picked.astype(np.float32), there=_there(sure[None])[0])


def _picked(pose: Pose) -> tuple[Floats, NDArray[np.bool_]]:
    """(T, _NUM_POINTS, 3) in pixels, and (T, 4) which parts are there. Landmarks are found by name, so that reduced
    poses work as well."""
    if not landmarks.has_component(pose, landmarks.BODY):
        raise PoseError("The pose has no body landmarks; recognition needs shoulders. Extract it with MediaPipe.")
    num_frames = len(pose.body.data)
    points = np.zeros((num_frames, _NUM_POINTS, 3), np.float32)
    sure = np.zeros((num_frames, _NUM_POINTS), bool)
    for part, name in zip(_PARTS, (landmarks.BODY, landmarks.FACE, *landmarks.HANDS), strict=True):
        if not landmarks.has_component(pose, name):
            continue
        data, confidence = landmarks.component(pose, name)
        names = landmarks.point_names(pose, name)
        index = [names.index(one) if one in names else -1 for one in _NAMES.get(name, names)]
        if len(index) != points[:, part].shape[1]:
            raise PoseError(
                f"The pose has {len(index)} points of {name}, and recognition needs {points[:, part].shape[1]}. "
                "Extract it with MediaPipe."
            )
        points[:, part] = data[:, index]
        sure[:, part] = (confidence[:, index] > 0) & (np.array(index) >= 0)
    points[..., 2] *= pose.header.dimensions.width
    return points, _there(sure)


def _there(sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(T, 4) of (T, _NUM_POINTS): the body needs its shoulders, every other part all its points."""
    shoulders = sure[:, _SHOULDERS].all(axis=1)
    return np.stack([shoulders, *(sure[:, part].all(axis=1) for part in _PARTS[1:])], axis=1)
