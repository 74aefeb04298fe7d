"""Other signers, cameras and speeds out of the rows of one clip: what the landmark model is trained on.

Everything is drawn once per clip and held for all of it. Noise that changes from row to row would teach the model to
average time away, and fast fingers live there.

Shapes: T rows, F = NUM_FEATURES.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.errors import SignError
from models.recognition.corpus import Span, Take
from models.recognition.features import (
    FARTHEST,
    FPS,
    LAYOUT,
    PALM,
    PRESENT,
    SHAPE,
    SPEED_GAIN,
    TIP,
    WRIST,
    Floats,
    mirrored,
    wrists_and_tips,
)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much may change. Shares are probabilities, the others the ends of a uniform draw."""

    speed: tuple[float, float] = (0.6, 1.5)
    warp: float = 0.15
    """Share by which the middle of a clip may be signed faster or slower than its ends."""
    turn_deg: float = 8.0
    """Roll of the camera."""
    hand_turn_deg: float = 12.0
    """How hands are held otherwise, about any axis."""
    stretch: float = 0.12
    """Share by which shoulders are measured wider or narrower, and by which height differs from width."""
    shift: float = 0.06
    """Where elbows, wrists and the face are, shoulder widths."""
    mirror: float = 0.5
    lost_hand: float = 0.3
    lost_rows: tuple[int, int] = (7, 16)
    slow_camera: float = 0.25
    """Share of clips seen at 10 to 15 frames/s."""

    def __post_init__(self) -> None:
        slowest, fastest = self.speed
        fewest, most = self.lost_rows
        if not 0 < slowest <= fastest or not 1 <= fewest < most:
            raise SignError(
                f"batches.augmentation.speed is {slowest} to {fastest} and lost_rows {fewest} to {most}; both have to "
                "be above 0, and rise."
            )
        for name in ("warp", "turn_deg", "hand_turn_deg", "stretch", "shift", "mirror", "lost_hand", "slow_camera"):
            most_of = 180 if name.endswith("_deg") else 1
            if not 0 <= getattr(self, name) <= most_of:
                raise SignError(f"batches.augmentation.{name} is {getattr(self, name)}; give 0 to {most_of}.")


def augment(take: Take, options: Augmentation, rng: np.random.Generator) -> Take:
    """The same signing by somebody else, filmed by another camera."""
    rows, spans = _resample(take.rows, take.spans, _times(len(take.rows), options, rng))
    if rng.random() < options.slow_camera:
        rows = _slow(rows, FPS / rng.uniform(10, 15))
    if rng.random() < options.mirror:
        rows = mirrored(rows)
    rows = _another_body(rows, options, rng)
    if rng.random() < options.lost_hand:
        _lose_hand(rows, options, rng)
    return replace(take, rows=with_speeds(rows), spans=spans)


def with_speeds(rows: Floats) -> Floats:
    """The rows (T, F) with the speeds that follow from their positions."""
    rows = rows.copy()
    ends, there = wrists_and_tips(rows)
    speeds = np.zeros_like(ends)
    speeds[1:] = (ends[1:] - ends[:-1]) * (SPEED_GAIN * FPS)
    speeds[1:][~(there[1:] & there[:-1])] = 0
    rows[:, LAYOUT["speed"]] = np.clip(speeds, -FARTHEST, FARTHEST).reshape(len(rows), -1)
    return rows


def join(takes: Sequence[Take], gaps: Sequence[int]) -> Take:
    """Takes one after the other, with that many rows on the way from one to the next; speeds are made anew."""
    parts: list[Floats] = [takes[0].rows]
    spans: list[Span] = list(takes[0].spans)
    length = len(takes[0].rows)
    for take, gap in zip(takes[1:], gaps, strict=True):
        parts += [_between(parts[-1][-1], take.rows[0], gap), take.rows]
        spans += [(gloss, start + length + gap, end + length + gap) for gloss, start, end in take.spans]
        length += gap + len(take.rows)
    return replace(takes[0], rows=with_speeds(np.concatenate(parts)), spans=tuple(spans))


def cut(take: Take, start: int, end: int) -> Take:
    """The rows from start to end, with the signs that are whole in them."""
    start, end = max(0, start), min(len(take.rows), end)
    spans = tuple((gloss, a - start, b - start) for gloss, a, b in take.spans if start <= a and b <= end)
    return replace(take, rows=take.rows[start:end], spans=spans)


def _between(first: Floats, last: Floats, gap: int) -> Floats:
    """Rows on the straight way; a hand is there while both ends have it, else as at the nearer end."""
    share = (np.arange(1, gap + 1, dtype=np.float32) / (gap + 1))[:, None]
    rows = first * (1 - share) + last * share
    for side in ("left", "right"):
        part = LAYOUT[side]
        if (first[part][PRESENT] > 0) != (last[part][PRESENT] > 0):
            rows[:, part] = np.where(share < 0.5, first[part], last[part])
    return np.asarray(rows, np.float32)


def _times(num_rows: int, options: Augmentation, rng: np.random.Generator) -> Floats:
    """Where in the old rows each new one is."""
    count = max(2, round(num_rows / np.exp(rng.uniform(*np.log(options.speed)))))
    share = np.linspace(0, 1, count)
    bend = rng.uniform(-options.warp, options.warp)
    return np.asarray((num_rows - 1) * (share + bend * np.sin(np.pi * share) * 0.5), np.float32)


def _resample(rows: Floats, spans: Sequence[Span], times: Floats) -> tuple[Floats, tuple[Span, ...]]:
    made = _at(rows, times)
    moved = []
    for gloss, start, end in spans:
        a, b = np.searchsorted(times, [start, end])
        moved.append((gloss, int(a), int(max(b, a + 1))))
    return made, tuple(moved)


def _at(rows: Floats, times: Floats) -> Floats:
    """Rows at times between rows; a hand that one neighbour lacks is as in the nearer one."""
    low = np.clip(np.floor(times).astype(int), 0, len(rows) - 1)
    high = np.minimum(low + 1, len(rows) - 1)
    share = np.clip(times - low, 0, 1)[:, None].astype(np.float32)
    made = rows[low] * (1 - share) + rows[high] * share
    for side in ("left", "right"):
        part = LAYOUT[side]
        split = (rows[low, part][:, PRESENT] > 0) != (rows[high, part][:, PRESENT] > 0)
        near = np.where(share < 0.5, rows[low, part], rows[high, part])
        made[:, part] = np.where(split[:, None], near, made[:, part])
    return np.asarray(made, np.float32)


def _slow(rows: Floats, factor: float) -> Floats:
    """As a camera with fewer frames saw it, drawn through to the same rate."""
    seen = np.arange(0, len(rows), factor)
    coarse = _at(rows, seen.astype(np.float32))
    return _at(coarse, (np.arange(len(rows)) / factor).clip(0, len(coarse) - 1).astype(np.float32))


def _another_body(rows: Floats, options: Augmentation, rng: np.random.Generator) -> Floats:
    """Turned, stretched and shifted; empty rows and missing parts stay empty."""
    rows = rows.copy()
    angle = np.deg2rad(rng.uniform(-options.turn_deg, options.turn_deg))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    wide, high = np.exp(rng.uniform(-options.stretch, options.stretch, 2)).astype(np.float32)
    plane = turn * np.array([wide, high], np.float32)

    def flat(part: Floats) -> Floats:
        return np.asarray((part.reshape(len(rows), -1, 2) @ plane).reshape(part.shape), np.float32)

    body, face = LAYOUT["body"], LAYOUT["face"]
    there = rows[:, body].any(axis=1, keepdims=True)
    shift = rng.uniform(-options.shift, options.shift, rows[:, body].shape[1]).astype(np.float32)
    head = rng.uniform(-options.shift, options.shift, 2).astype(np.float32)
    shift[:10] = np.tile(head, 5)  # nose, ears and mouth corners move together
    shift[10:14] = 0  # shoulders are what all is measured by
    rows[:, body] = flat(rows[:, body]) + shift * there
    rows[:, face] = flat(rows[:, face])
    for side, wrist in (("left", slice(18, 20)), ("right", slice(20, 22))):
        hand = rows[:, LAYOUT[side]]
        present = hand[:, PRESENT:] > 0
        space = _rotation(rng, options.hand_turn_deg)
        hand[:, SHAPE] = (hand[:, SHAPE].reshape(len(rows), -1, 3) @ space).reshape(len(rows), -1)
        hand[:, WRIST] = flat(hand[:, WRIST]) + shift[wrist] * present
        hand[:, TIP] = flat(hand[:, TIP]) + (shift[wrist] - head) * present
        hand[:, PALM] *= wide
    return rows


def _rotation(rng: np.random.Generator, most_deg: float) -> Floats:
    """A small turn about any axis, (3, 3)."""
    x, y, z = np.deg2rad(rng.uniform(-most_deg, most_deg, 3))
    about = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = max(float(np.sqrt(x * x + y * y + z * z)), 1e-9)
    return np.asarray(
        np.eye(3) + np.sin(angle) / angle * about + (1 - np.cos(angle)) / angle**2 * about @ about, np.float32
    )


def _lose_hand(rows: Floats, options: Augmentation, rng: np.random.Generator) -> None:
    """Take one hand out of some rows, in place."""
    count = int(rng.integers(*options.lost_rows))
    start = int(rng.integers(0, max(1, len(rows) - count)))
    rows[start : start + count, LAYOUT[("left", "right")[int(rng.integers(2))]]] = 0
