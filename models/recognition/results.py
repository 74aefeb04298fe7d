"""What a recognizer says of a clip: when something was signed, what it may be, and when it is no known sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UNKNOWN = "?"
"""What annotators write for a sign that they cannot name."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One gloss that a segment may be."""

    gloss: str
    confidence: float
    """0..1, comparable between the candidates of a segment."""
    distance: float
    """To the nearest exemplar, in the recognizer's own units; smaller is nearer."""
    exemplar: int | None = None
    """Index of the nearest exemplar, where the recognizer has any."""


@dataclass(frozen=True, kw_only=True)
class RecognizedSegment:
    """A span in which something was signed."""

    start_ms: float
    end_ms: float
    candidates: tuple[Candidate, ...]
    """Best first, three or fewer."""
    known: bool
    """False: it is none of the signs that the recognizer knows, or it cannot tell."""

    @property
    def gloss(self) -> str | None:
        """The best gloss, None when it is not known."""
        return self.candidates[0].gloss if self.known and self.candidates else None


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """All that was recognized in a clip."""

    segments: tuple[RecognizedSegment, ...]
    duration_ms: float
    recognizer: str
    """Which one it was, in words that a person understands, with what it learned from."""
    remarks: tuple[str, ...] = ()
    """What the user should know: nobody in the picture, hands never seen, and so on."""

    @property
    def glosses(self) -> tuple[str, ...]:
        """The known glosses in order."""
        return tuple(segment.gloss for segment in self.segments if segment.gloss is not None)


class RecognitionStream(Protocol):
    """Recognition of rows (NUM_FEATURES,) that come one by one, 25 a second."""

    @property
    def activity(self) -> float:
        """0..1, how sure it is that somebody is signing in the newest row."""

    @property
    def signing(self) -> bool:
        """Whether a sign has begun and has not ended."""

    @property
    def guess(self) -> Candidate | None:
        """What the sign that is being made may be; may change until it ends."""

    def push(self, row: Floats) -> tuple[RecognizedSegment, ...]:
        """The segments that are certain now, mostly none; times in ms since the first row."""

    def flush(self) -> tuple[RecognizedSegment, ...]:
        """What was still open; nothing comes after it."""


class Recognizer(Protocol):
    """Anything that finds signs in rows, and says what they are."""

    @property
    def description(self) -> str:
        """What it is and what it learned from, in words; shown beside its answers."""

    @property
    def glosses(self) -> tuple[str, ...]:
        """What it can answer, sorted."""

    def segments(self, rows: Floats) -> tuple[RecognizedSegment, ...]:
        """The segments of a whole clip (T, NUM_FEATURES), in order of time; times in ms since the first row."""

    def stream(self) -> RecognitionStream:
        """A new stream, for a camera."""
