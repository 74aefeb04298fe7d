"""When somebody signs: from how sure it is, row by row, to spans.

A sign begins when activity is above 0.6 for three rows and ends when it is below 0.4 for six. Without a model, activity
is how far a wrist is lifted over its elbow; it is 0 where nobody is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.recognition.features import RESTS_BELOW, Floats, lifts

BEGIN_ABOVE, BEGIN_ROWS = 0.6, 3
END_BELOW, END_ROWS = 0.4, 6
_RAISED = 0.05  # how far the wrist of an arm that signs is lifted over its elbow, shoulder widths


@dataclass(frozen=True, kw_only=True)
class Span:
    """Rows in which something was signed."""

    start_row: int
    end_row: int
    """The row after the last."""


class Spans:
    """Turns activity (0..1) that comes row by row into spans."""

    def __init__(self) -> None:
        self._row = 0
        self._above = self._below = 0
        self._start: int | None = None

    @property
    def start_row(self) -> int | None:
        """Where the sign that is being made began; None between signs."""
        return self._start

    def push(self, activity: float) -> Span | None:
        """The span that ended with this row, if one did."""
        row, self._row = self._row, self._row + 1
        self._above = self._above + 1 if activity > BEGIN_ABOVE else 0
        self._below = self._below + 1 if activity < END_BELOW else 0
        if self._start is None:
            if self._above >= BEGIN_ROWS:
                self._start = row - BEGIN_ROWS + 1
        elif self._below >= END_ROWS:
            return self._end(row - END_ROWS + 1)
        return None

    def flush(self) -> Span | None:
        """The span that was still open when the clip ended."""
        return self._end(self._row - self._below) if self._start is not None else None

    def _end(self, row: int) -> Span:
        assert self._start is not None
        span, self._start = Span(start_row=self._start, end_row=row), None
        return span


def spans_of(activity: Iterable[float]) -> list[Span]:
    """The spans of a whole clip (T,)."""
    cutter = Spans()
    found = [span for level in activity if (span := cutter.push(float(level))) is not None]
    last = cutter.flush()
    return found if last is None else [*found, last]


def lifted(rows: Floats) -> Floats:
    """Activity (T,) without a model: how far the higher wrist is lifted over its elbow, 0 for a hanging arm, 1 for one
    that signs; 0 where nobody is seen."""
    lift = lifts(rows).max(axis=1)
    return np.asarray(np.clip((lift - RESTS_BELOW) / (_RAISED - RESTS_BELOW), 0, 1), np.float32)
