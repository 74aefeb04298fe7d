"""How far long work is: what the core tells, a bar shows, and a person plans by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_TELL_EVERY_S = 0.1


class Cancelled(Exception):
    """The caller asked to stop. Not an error of anybody's, so not a SignError."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far work on the frames of one clip is."""

    done_frames: int
    total_frames: int | None
    """None while the file does not say."""
    frames_per_s: float
    seconds_left: float | None


class Meter:
    """Counts frames and tells about ten times a second, and once at the end."""

    def __init__(self, total_frames: int | None, tell: Callable[[Progress], None] | None) -> None:
        self._total, self._tell = total_frames, tell
        self._done = 0
        self._start = self._told = time.monotonic()

    def count(self) -> None:
        """One more frame is done."""
        self._done += 1
        if self._tell is not None and time.monotonic() - self._told >= _TELL_EVERY_S:
            self._report(self._tell)

    def finish(self) -> None:
        """All are done; the file may have promised another number."""
        self._total = self._done
        if self._tell is not None:
            self._report(self._tell)

    def _report(self, tell: Callable[[Progress], None]) -> None:
        self._told = time.monotonic()
        rate = self._done / max(self._told - self._start, 1e-9)
        left = None if self._total is None else max(self._total - self._done, 0) / max(rate, 1e-9)
        tell(Progress(done_frames=self._done, total_frames=self._total, frames_per_s=rate, seconds_left=left))


def counted(items: Iterable[T], meter: Meter) -> Iterator[T]:
    """The items, each counted when the next one is asked for."""
    for item in items:
        yield item
        meter.count()


def duration(seconds: float) -> str:
    """Seconds in words: 8 s, 2 min 5 s, 1 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
