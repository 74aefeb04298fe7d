"""Landmarks without tremble, at the speed of signing.

One Euro (G. Casiez, N. Roussel, D. Vogel, "1 € filter", CHI 2012): a low pass whose cutoff rises with the speed, so
that what rests is still and what is fast stays fast. Here it runs over the clip forwards and backwards and the two are
averaged: a recorded clip can do without the lag. Savitzky-Golay: a quadratic through five frames, for who prefers
a filter that treats all speeds alike.

Hands are filtered apart from their wrists: fingers that wiggle on a resting arm are fast, the arm is not.
Shapes: T frames, K landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import uniform_filter1d

from models.animation.skeleton import Actor, Array
from models.pose.span import SIDES

Smoothing = Literal["auto", "one_euro", "savgol", "none"]

TREMBLE = 0.004
"""Palm lengths: "auto" filters a clip whose wrists and fingers jump more than this from frame to frame at rest."""
_WINDOW, _ORDER = 5, 2
_SPEED_WINDOW_S = 0.12


@dataclass(frozen=True, kw_only=True)
class OneEuro:
    """Cutoff in Hz at rest, and how much it rises per unit of speed."""

    rest_hz: float
    rise: float


_BODY = OneEuro(rest_hz=1.2, rise=8.0)  # per shoulder width / s
_FINGERS = OneEuro(rest_hz=1.5, rise=8.0)  # per palm / s
_FACE = OneEuro(rest_hz=1.2, rise=12.0)  # per head / s


def smoothed(person: Actor, fps: float, how: Smoothing) -> Actor:
    """Somebody without tremble."""
    if how == "none" or len(person) < _WINDOW or (how == "auto" and tremble(person) < TREMBLE):
        return person

    def of(points: Array, size: float, filter_: OneEuro) -> Array:
        if how == "savgol":
            from scipy.signal import savgol_filter  # late: it brings all of scipy's statistics

            return np.asarray(savgol_filter(points, _WINDOW, _ORDER, axis=0, mode="nearest"))
        return one_euro(points / size, fps, filter_) * size

    hands = {}
    for side in SIDES:
        wrist = person.hands[side][:, :1]
        shape = of(person.hands[side] - wrist, person.palm, _FINGERS)
        hands[side] = shape + of(wrist, person.unit, _BODY)
    middle = person.face.mean(axis=1, keepdims=True)
    face = of(person.face - middle, person.head, _FACE) + of(middle, person.unit, _BODY)
    return replace(person, body=of(person.body, person.unit, _BODY), face=face, hands=hands)


def tremble(person: Actor) -> float:
    """How far wrists and fingertips typically are from the straight line through their neighbours in time, in palm
    lengths, over the quieter half of the frames in which hands are seen."""
    jumps = []
    for side in SIDES:
        tips = person.hands[side][:, ::4, :2]
        seen = person.hands_sure[side] == 1
        off = np.linalg.norm(tips[1:-1] - (tips[:-2] + tips[2:]) / 2, axis=-1)
        speed = np.linalg.norm(tips[2:] - tips[:-2], axis=-1)
        known = seen[1:-1] & seen[:-2] & seen[2:]
        if known.any():
            off, speed = off[known], speed[known]
            jumps.append(off[speed <= np.median(speed)])
    return float(np.median(np.concatenate(jumps))) / person.palm if jumps else 0.0


def one_euro(points: Array, fps: float, options: OneEuro) -> Array:
    """Points (T, K, C), in units that the speeds of `options` are measured in, filtered without lag."""
    window = max(1, round(_SPEED_WINDOW_S * fps)) | 1
    velocity = np.gradient(points, axis=0) * fps if len(points) > 1 else np.zeros_like(points)
    # The mean velocity, not the mean speed: tremble goes to and fro.
    speed = np.linalg.norm(uniform_filter1d(velocity, window, axis=0, mode="nearest"), axis=-1, keepdims=True)
    cutoff = options.rest_hz + options.rise * speed
    keep = 1 / (1 + 2 * np.pi * cutoff / fps)
    return (_low_pass(points, keep) + _low_pass(points[::-1], keep[::-1])[::-1]) / 2


def _low_pass(points: Array, keep: Array) -> Array:
    result = points.copy()
    for frame in range(1, len(points)):
        result[frame] += keep[frame] * (result[frame - 1] - points[frame])
    return result
