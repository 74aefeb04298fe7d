"""Non-manual marks in time: brows, mouth and head follow the signs; the eyes blink between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.lexicon.body import SignerStyle
from models.lexicon.face import FaceMotion
from models.lexicon.motion import minimum_jerk
from models.lexicon.timeline import SignSpan

Array = NDArray[np.float64]

RAMP_S = 0.16  # an expression comes and goes in this time, starting before the sign
BLINK_S = 0.20
# jaw, smile, pucker, puff of each mouth
MOUTH_SHAPES: dict[str, tuple[float, float, float, float]] = {
    "neutral": (0.0, 0.0, 0.0, 0.0),
    "smile": (0.1, 1.0, 0.0, 0.0),
    "open": (0.9, 0.0, 0.0, 0.0),
    "oo": (0.15, 0.0, 1.0, 0.0),
    "mm": (-0.12, 0.0, 0.25, 0.0),
    "th": (0.3, 0.1, 0.0, 0.0),
    "puff": (-0.1, 0.0, 0.3, 1.0),
    "down": (-0.05, -0.9, 0.1, 0.0),
    "cha": (1.1, 0.3, 0.0, 0.0),
}
NOD_RAD, SHAKE_RAD, TILT_RAD = np.radians(9.0), np.radians(11.0), np.radians(11.0)


def face_motion(times_s: Array, spans: Sequence[SignSpan], style: SignerStyle) -> FaceMotion:
    """The face at the times (T,), following the marks of the signs."""
    count = len(times_s)
    channels = {name: np.zeros(count) for name in ("up", "down", "jaw", "smile", "pucker", "puff")}
    head = np.zeros((count, 3))
    for span in spans:
        amount = style.expression * _window(times_s, span)
        if span.marks.brows == "raise":
            channels["up"] = np.maximum(channels["up"], amount)
        elif span.marks.brows == "furrow":
            channels["down"] = np.maximum(channels["down"], amount)
        shape = MOUTH_SHAPES[span.marks.mouth]
        for name, share in zip(("jaw", "smile", "pucker", "puff"), shape, strict=True):
            channels[name] = channels[name] + share * amount
        head += _head(times_s, span) * amount[:, None]
    return FaceMotion(
        brows_up=channels["up"],
        brows_down=channels["down"],
        eyes_closed=_blinks(times_s, spans, style),
        jaw_open=channels["jaw"],
        smile=channels["smile"],
        pucker=channels["pucker"],
        puff=channels["puff"],
        head=head + _idle_head(times_s, style),
    )


def _window(times_s: Array, span: SignSpan) -> Array:
    rise = minimum_jerk((times_s - span.start_s + RAMP_S) / RAMP_S)
    fall = minimum_jerk((times_s - span.end_s) / RAMP_S)
    return rise * (1 - fall)


def _head(times_s: Array, span: SignSpan) -> Array:
    """(T, 3) pitch, yaw, roll of the sign's head mark."""
    angles = np.zeros((len(times_s), 3))
    length = max(span.end_s - span.start_s, 0.2)
    phase = np.clip((times_s - span.start_s) / length, 0, 1)
    turns = max(1, round(length / 0.45))
    if span.marks.head == "nod":
        angles[:, 0] = NOD_RAD * (1 - np.cos(2 * np.pi * turns * phase)) / 2
    elif span.marks.head == "shake":
        angles[:, 1] = SHAKE_RAD * np.sin(2 * np.pi * turns * phase)
    elif span.marks.head == "tilt":
        angles[:, 2] = TILT_RAD
    elif span.marks.head in ("forward", "back"):
        angles[:, 0] = 0.6 * NOD_RAD * (1 if span.marks.head == "forward" else -1)
    return angles


def _blinks(times_s: Array, spans: Sequence[SignSpan], style: SignerStyle) -> Array:
    """Signers blink at the boundaries of phrases: about every third sign, and at the end."""
    rng = np.random.default_rng([style.seed, 3])
    closed = np.zeros(len(times_s))
    for number, span in enumerate(spans):
        if number == len(spans) - 1 or rng.random() < 0.35:
            phase = (times_s - span.end_s - rng.uniform(0, 0.1)) / BLINK_S
            closed = np.maximum(closed, np.sin(np.pi * np.clip(phase, 0, 1)) ** 2)
    return closed


def _idle_head(times_s: Array, style: SignerStyle) -> Array:
    """(T, 3) slow small turns of the head."""
    rng = np.random.default_rng([style.seed, 4])
    angles = np.zeros((len(times_s), 3))
    for axis, size_deg in enumerate((1.2, 1.8, 1.0)):
        for _ in range(2):
            speed, offset = rng.uniform(0.15, 0.5), rng.uniform(0, 2 * np.pi)
            angles[:, axis] += np.radians(size_deg) / 2 * np.sin(2 * np.pi * speed * times_s + offset)
    return angles * min(1.0, 4 * style.sloppiness)
