"""A camera that is watched: pictures in, one by one; what is seen, what is being signed and what was signed out.

A `LiveSession` is one person before one camera. It keeps three things that remember: MediaPipe's tracking, the rows
that become features, and the recognizer's stream. They hold together only as long as time runs on, so a jump of the
clock starts all three anew; what had been recognized stays.

What flickers is not shown: a guess has to stay the same for a while before anybody sees it, and so does a fault before
it becomes a tip. What is recognized is shown as the recognizer says it, since that waits by itself.

Coordinates of a view: x to the right and y down, 0..1 of the picture's width and height, outside of it for what leaves
the picture. "Left" is the signer's left.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.pose import landmarks
from models.pose.extract import PoseOptions, open_session
from models.pose.holistic import Image
from models.recognition.features import FeatureStream
from models.recognition.results import UNKNOWN, RecognizedSegment, Recognizer

Floats = NDArray[np.float32]
Point = tuple[float, float]
T = TypeVar("T")

MAX_GAP_MS = 1000
"""After a longer silence of the camera everything starts anew."""
LATE_MS = 500
"""A picture that is older than the newest by at most this was overtaken on its way, and is passed over; one that is
older still comes from a clock that was set back."""
AGREED_MS = 200
"""A guess is shown when it has been the same for so long."""
NUM_RECENT = 8

BODY_POINTS = (
    *(landmarks.LEFT_SHOULDER, landmarks.RIGHT_SHOULDER),
    *(landmarks.LEFT_ELBOW, landmarks.RIGHT_ELBOW),
    *(landmarks.LEFT_WRIST, landmarks.RIGHT_WRIST),
)
"""What is drawn of the body, in this order."""
_HANDS_START = landmarks.NUM_BODY + landmarks.NUM_FACE
_HANDS = tuple(slice(start, start + landmarks.NUM_HAND) for start in (_HANDS_START, _HANDS_START + landmarks.NUM_HAND))
_SURE = 0.5  # visibility from which a point of the body counts as seen

_DARK = 45  # mean of 0..255; a face lit by nothing but a screen is about there
_FAR, _CLOSE_HEIGHT, _CLOSE_WIDTH = 0.14, 0.6, 0.65  # width of the shoulders over the picture's height, and its width
_RATE_MS = 2000

_TIPS = {
    "nobody": (700, "Nobody is in the picture. Sit so that your head, your shoulders and your hands are in it."),
    "dark": (700, "The picture is too dark. Put a light in front of you, and none behind you."),
    "far": (1500, "You are far away. Come nearer, until your shoulders fill about a third of the picture."),
    "close": (1500, "You are too close: your hands leave the picture. Move back a little."),
    "hands": (2500, "Your hands are not seen. Lift them in front of your chest, in good light."),
}
"""For each fault how long it has to last, in ms, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """What there is to show after one picture."""

    time_ms: float
    """The time of the picture, as it was given."""
    body: tuple[Point | None, ...] = ()
    """Shoulders, elbows, wrists (left before right, see BODY_POINTS), None where not seen; empty without a body."""
    hands: tuple[tuple[Point, ...], tuple[Point, ...]] = ((), ())
    """The 21 points of the left and of the right hand; empty where it is not seen."""
    activity: float = 0.0
    """0..1, how sure the recognizer is that somebody is signing."""
    signing: bool = False
    guess: str | None = None
    """The sign that is being made, once the guess has held."""
    recent: tuple[RecognizedSegment, ...] = ()
    """The last signs, newest last; times in ms since the session's first picture."""
    num_signs: int = 0
    """Signs since the session began; tells which of the recent ones are new."""
    tip: str | None = None
    """What to do when something keeps the studio from seeing the signing."""
    fps: float = 0.0
    """Pictures seen per second."""
    work_ms: float = 0.0
    """How long this picture took."""

    @property
    def body_found(self) -> bool:
        return bool(self.body)

    @property
    def hands_found(self) -> tuple[bool, bool]:
        """Whether the left and the right hand are seen."""
        return bool(self.hands[0]), bool(self.hands[1])

    @property
    def caption(self) -> tuple[str, ...]:
        """The last glosses in order, UNKNOWN for what is none that the recognizer knows."""
        return tuple(segment.gloss or UNKNOWN for segment in self.recent)


class LiveSession:
    """One person before one camera, watched until `close`. Not for use by two threads at a time.

    The recognizer may serve several sessions; threads: how many MediaPipe works with, None for one per core.
    """

    def __init__(self, recognizer: Recognizer, *, threads: int | None = None) -> None:
        self._recognizer = recognizer
        self._holistic = open_session(PoseOptions(), threads=threads)
        self._features, self._stream = FeatureStream(), recognizer.stream()
        self._first_ms = math.nan
        self._times: deque[float] = deque()
        self._recent: deque[RecognizedSegment] = deque(maxlen=NUM_RECENT)
        self._num_signs = 0
        self._guess: _Lasting[str] = _Lasting()
        self._fault: _Lasting[str] = _Lasting()
        self._view: LiveView | None = None
        self._closed = False

    def see(self, image: Image, time_ms: float) -> LiveView:
        """What there is to show after the next picture.

        image: (H, W, 3) uint8 RGB, not mirrored; time_ms: when it was taken, on any clock that runs on evenly.
        A picture that was overtaken by a newer one changes nothing. Raises ValueError after `close`, and for a time
        that is no number.
        """
        if self._closed or not math.isfinite(time_ms):
            raise ValueError("the session is closed" if self._closed else f"time_ms is {time_ms}")
        start = time.perf_counter()
        if self._view is not None:
            step_ms = time_ms - self._view.time_ms
            if -LATE_MS <= step_ms <= 0:
                return self._view
            if not 0 < step_ms <= MAX_GAP_MS:
                self._begin_anew()
        else:
            self._first_ms = time_ms
        points, confidence = self._holistic.process(image)
        for row in self._features.push(points, confidence, time_ms, image.shape[1]):
            self._keep(self._stream.push(row))
        self._view = self._seen(image, points, confidence, time_ms)
        self._view = replace(self._view, work_ms=1000 * (time.perf_counter() - start))
        return self._view

    def finish(self) -> LiveView:
        """Settle what was still open, as if the camera had been switched off; what comes then is a new start."""
        time_ms = 0.0 if self._view is None else self._view.time_ms
        self._begin_anew()
        self._view = LiveView(time_ms=time_ms, recent=tuple(self._recent), num_signs=self._num_signs)
        return self._view

    def close(self) -> None:
        """Let go of MediaPipe's graph; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._holistic.close()

    def _begin_anew(self) -> None:
        """Take what was signed so far as ended, and forget what was seen."""
        for row in self._features.flush():
            self._keep(self._stream.push(row))
        self._keep(self._stream.flush())
        self._features, self._stream = FeatureStream(), self._recognizer.stream()
        self._holistic.reset()
        self._times.clear()
        self._guess, self._fault = _Lasting(), _Lasting()

    def _keep(self, segments: Iterable[RecognizedSegment]) -> None:
        """Note signs that are certain; their times become those of the session."""
        offset = self._features.start_ms - self._first_ms
        for one in segments:
            self._num_signs += 1
            self._recent.append(replace(one, start_ms=one.start_ms + offset, end_ms=one.end_ms + offset))

    def _seen(self, image: Image, points: Floats, confidence: Floats, time_ms: float) -> LiveView:
        height, width = image.shape[:2]
        body, hands = _body(points, confidence, width, height), _hands(points, confidence, width, height)
        self._times.append(time_ms)
        while time_ms - self._times[0] > _RATE_MS:
            self._times.popleft()
        span_ms = time_ms - self._times[0]
        guess = self._stream.guess
        gloss, held_ms = self._guess.update(guess.gloss if guess is not None else None, time_ms)
        fault, lasted_ms = self._fault.update(_fault(image, body, hands), time_ms)
        patience_ms, tip = _TIPS[fault] if fault is not None else (0, None)
        return LiveView(
            time_ms=time_ms,
            body=body,
            hands=hands,
            activity=float(self._stream.activity),
            signing=bool(self._stream.signing),
            guess=gloss if held_ms >= AGREED_MS else None,
            recent=tuple(self._recent),
            num_signs=self._num_signs,
            tip=tip if lasted_ms >= patience_ms else None,
            fps=1000 * (len(self._times) - 1) / span_ms if span_ms else 0.0,
        )


class _Lasting(Generic[T]):
    """Tells how long a value has been the same."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._since_ms = 0.0

    def update(self, value: T | None, time_ms: float) -> tuple[T | None, float]:
        """The value, and for how many ms it has been this one."""
        if value != self._value:
            self._value, self._since_ms = value, time_ms
        return value, time_ms - self._since_ms


def _body(points: Floats, confidence: Floats, width: int, height: int) -> tuple[Point | None, ...]:
    if min(confidence[landmarks.LEFT_SHOULDER], confidence[landmarks.RIGHT_SHOULDER]) < _SURE:
        return ()
    return tuple(_point(points[index], width, height) if confidence[index] >= _SURE else None for index in BODY_POINTS)


def _hands(points: Floats, confidence: Floats, width: int, height: int) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    left, right = (
        tuple(_point(point, width, height) for point in points[part]) if confidence[part].all() else ()
        for part in _HANDS
    )
    return left, right


def _point(point: Floats, width: int, height: int) -> Point:
    return round(float(point[0]) / width, 4), round(float(point[1]) / height, 4)


def _fault(image: Image, body: tuple[Point | None, ...], hands: tuple[tuple[Point, ...], ...]) -> str | None:
    """The name of what is wrong with the picture, None when it will do; the cause before what comes of it."""
    dark = float(image[::8, ::8].mean()) < _DARK
    if not body or body[0] is None or body[1] is None:
        return "dark" if dark else "nobody"
    height, width = image.shape[:2]
    shoulders = math.hypot((body[0][0] - body[1][0]) * width, (body[0][1] - body[1][1]) * height)
    if shoulders < _FAR * height:
        return "far"
    if shoulders > _CLOSE_HEIGHT * height or shoulders > _CLOSE_WIDTH * width or _leaves(body):
        return "close"
    if not any(hands):
        return "dark" if dark else "hands"
    return None


def _leaves(body: tuple[Point | None, ...]) -> bool:
    """Whether a wrist is beyond the sides or the top; below the picture is where hands rest."""
    return any(wrist is not None and not (0 <= wrist[0] <= 1 and wrist[1] >= 0) for wrist in body[4:])
