"""Long clips in overlapping windows: which frames each window holds, and how what they share is blended.

A model of motion sees a fixed number of frames. Neighbouring windows share some, and in these one fades into the
other, so that no frame jumps. Frames come out as soon as no later window touches them, so memory does not grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def plan(num_frames: int, length: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end exclusive) of as few windows as cover all frames and share `overlap` at least, evenly spread."""
    if not 0 < overlap <= length // 2:
        raise ValueError(f"windows of {length} frames cannot share {overlap}")
    if num_frames <= length:
        return [(0, num_frames)]
    count = math.ceil((num_frames - overlap) / (length - overlap))
    starts = np.linspace(0, num_frames - length, count).round().astype(int)
    return [(int(start), int(start) + length) for start in starts]


def weights(windows: list[tuple[int, int]], index: int) -> Floats:
    """(length,) share of window `index` in each of its frames; the shares of all windows add up to 1 in every frame."""
    start, end = windows[index]
    frames = np.arange(start, end)
    total = sum(_rise(window, windows, frames) for window in windows)
    return np.asarray(_rise(windows[index], windows, frames) / total, np.float32)


def _rise(window: tuple[int, int], windows: list[tuple[int, int]], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much a window wants to say about frames: more towards its middle, all at the clip's own ends."""
    start, end = window
    from_start = frames - start + 1 if window != windows[0] else np.full(len(frames), math.inf)
    from_end = end - frames if window != windows[-1] else np.full(len(frames), math.inf)
    inside = (frames >= start) & (frames < end)
    rise = np.minimum(np.minimum(from_start, from_end), (end - start) / 2)
    return np.where(inside, rise, 0.0)


def blended(windows: list[tuple[int, int]], made: Iterable[Floats], first: int = 0) -> Iterator[Floats]:
    """Frames in order from windows' frames (length, ...) float; `made` holds those of windows `first`, first + 1, ...

    Frames that belong to window `first` alone come out as they are; those that it shares with the window before are
    only its own share's worth of right, so a caller that starts late begins at the window before and drops them.
    """
    waiting: dict[int, Floats] = {}
    for index, frames in enumerate(made, start=first):
        start, end = windows[index]
        share = weights(windows, index)
        for offset, frame in enumerate(frames):
            part = frame.astype(np.float32) * share[offset]
            waiting[start + offset] = waiting[start + offset] + part if start + offset in waiting else part
        done = windows[index + 1][0] if index + 1 < len(windows) else end
        for number in sorted(number for number in waiting if number < done):
            yield waiting.pop(number)
