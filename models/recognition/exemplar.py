"""Recognition by comparing with examples: no training, and one example of a sign is enough to begin with.

A clip is compared with every example by dynamic time warping, as it is and mirrored, and the smaller distance counts,
so left-handed signers need no examples of their own. Signs whose mirror image is another sign are not mirrored.

A sign is unknown when it is farther from its nearest example than examples of one gloss are from each other, when
something of the background bank is nearer, or when two glosses are as good as equally near.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.errors import SignError
from models.recognition import dtw
from models.recognition.features import STEP_MS, Floats, mirrored
from models.recognition.results import Candidate, RecognizedSegment
from models.recognition.segmenting import Spans, lifted

_MOST_GUESSES = 3


@dataclass(frozen=True, kw_only=True)
class Exemplar:
    """One performance of a sign, trimmed to the sign."""

    gloss: str
    rows: Floats
    """(T, NUM_FEATURES)."""
    directional: bool = False
    """Its mirror image is another sign."""
    source: str = ""
    """Where it comes from, for people."""


@dataclass(frozen=True, kw_only=True)
class ExemplarOptions:
    """When a sign is unknown."""

    spread: float = 1.35
    """How much farther than the farthest two examples of a gloss a sign may be from the nearest."""
    single: float = 1.9
    """Greatest distance where a gloss has one example; examples of one gloss by several signers are this far apart."""
    margin: float = 0.04
    """Share by which the second gloss has to be farther than the first."""
    shortest_ms: float = 160.0
    """Spans that are shorter are no signs."""


class ExemplarRecognizer:
    """A bank of examples. Raises SignError when there is none."""

    def __init__(
        self,
        exemplars: Sequence[Exemplar],
        *,
        background: Sequence[Floats] = (),
        options: ExemplarOptions | None = None,
        description: str = "Compares with examples.",
    ) -> None:
        if not exemplars:
            raise SignError("There is no example to compare with yet; teach a sign first, or choose a lexicon.")
        self.exemplars = tuple(exemplars)
        self.description = description
        self._options = options or ExemplarOptions()
        self._usual = dtw.usual_hand([one.rows for one in exemplars])
        self._bank = np.stack([self._prepared(one.rows) for one in exemplars])
        self._turnable = np.array([not one.directional for one in exemplars])
        self._background = np.stack([self._prepared(rows) for rows in background]) if len(background) else None
        self._indices: dict[str, list[int]] = defaultdict(list)
        for index, one in enumerate(exemplars):
            self._indices[one.gloss].append(index)
        self.glosses = tuple(sorted(self._indices))
        self._farthest = {gloss: self._threshold(indices) for gloss, indices in self._indices.items()}

    def distances(self, rows: Floats) -> Floats:
        """Distance (N,) of a sign (T, F) to every exemplar, the smaller of as it is and mirrored."""
        return self._to(rows, np.arange(len(self.exemplars)))

    def classify(self, rows: Floats) -> tuple[tuple[Candidate, ...], bool]:
        """The nearest glosses of a sign (T, F), nearest first, and whether the nearest is near enough to be it."""
        found = self.distances(rows)
        nearest = {gloss: indices[int(np.argmin(found[indices]))] for gloss, indices in self._indices.items()}
        ranked = sorted(nearest, key=lambda gloss: float(found[nearest[gloss]]))
        far = np.array([float(found[nearest[gloss]]) for gloss in ranked])
        shares = np.exp(-(far - far[0]) / max(0.1 * far[0], 1e-6))
        shares /= shares.sum()
        candidates = tuple(
            Candidate(gloss=gloss, confidence=float(share), distance=float(distance), exemplar=nearest[gloss])
            for gloss, share, distance in zip(ranked[:_MOST_GUESSES], shares, far, strict=False)
        )
        return candidates, self._known(rows, ranked[0], far)

    def strangeness(self, nearest: Candidate) -> float:
        """Distance of a sign to its nearest exemplar over what the gloss allows: above 1, the sign is unknown."""
        return nearest.distance / self._farthest[nearest.gloss]

    def segments(self, rows: Floats) -> tuple[RecognizedSegment, ...]:
        """See `Recognizer`."""
        stream = self.stream()
        return tuple(segment for row in rows for segment in stream.push(row)) + stream.flush()

    def stream(self) -> ExemplarStream:
        """See `Recognizer`."""
        return ExemplarStream(self, shortest_rows=round(self._options.shortest_ms / STEP_MS))

    def _to(self, rows: Floats, indices: NDArray[np.int_]) -> Floats:
        """Distance (N,) of a sign to these exemplars."""
        bank = self._bank[indices]
        straight, turned = (dtw.distances(self._prepared(one), bank) for one in (rows, mirrored(rows)))
        return np.where(self._turnable[indices], np.minimum(straight, turned), straight)

    def _prepared(self, rows: Floats) -> Floats:
        return dtw.prepared(rows, self._usual)

    def _threshold(self, indices: Sequence[int]) -> float:
        """Largest distance to the nearest example that still is the gloss."""
        if len(indices) < 2:
            return self._options.single
        apart = []
        for index in indices:
            others = [other for other in indices if other != index]
            apart.append(float(self._to(self.exemplars[index].rows, np.array(others)).min()))
        # Few examples by one person are nearer to each other than a day later, so the usual distance counts as well.
        return max(self._options.spread * max(apart), 0.7 * self._options.single)

    def _known(self, rows: Floats, gloss: str, far: Floats) -> bool:
        if far[0] > self._farthest[gloss]:
            return False
        if len(far) > 1 and (far[1] - far[0]) < self._options.margin * far[0]:
            return False
        if self._background is None:
            return True
        other = min(float(dtw.distances(self._prepared(one), self._background).min()) for one in (rows, mirrored(rows)))
        return bool(far[0] <= other)


@dataclass
class ExemplarStream:
    """Cuts spans by how far the hands are lifted, and compares each with the examples when it ends."""

    recognizer: ExemplarRecognizer
    shortest_rows: int
    activity: float = 0.0
    _spans: Spans = field(default_factory=Spans)
    _rows: list[Floats] = field(default_factory=list)
    _first: int = 0  # row number of _rows[0]
    _guess: Candidate | None = None

    @property
    def signing(self) -> bool:
        """See `RecognitionStream`."""
        return self._spans.start_row is not None

    @property
    def guess(self) -> Candidate | None:
        """See `RecognitionStream`; compared anew five times a second."""
        return self._guess if self.signing else None

    def push(self, row: Floats) -> tuple[RecognizedSegment, ...]:
        """See `RecognitionStream`."""
        self.activity = float(lifted(row[None])[0])
        self._rows.append(row)
        span = self._spans.push(self.activity)
        start, now = self._spans.start_row, self._first + len(self._rows)
        if span is not None:
            made = self._segment(span.start_row, span.end_row)
            self._guess = None
            self._forget(now)
            return made
        if start is None:
            self._forget(now - 10)
        elif (now - start) % 5 == 0 and now - start >= self.shortest_rows:
            candidates, known = self.recognizer.classify(np.stack(self._rows[start - self._first :]))
            self._guess = candidates[0] if known else None
        return ()

    def flush(self) -> tuple[RecognizedSegment, ...]:
        """See `RecognitionStream`."""
        span = self._spans.flush()
        return () if span is None else self._segment(span.start_row, span.end_row)

    def _segment(self, start: int, end: int) -> tuple[RecognizedSegment, ...]:
        if end - start < self.shortest_rows:
            return ()
        candidates, known = self.recognizer.classify(np.stack(self._rows[start - self._first : end - self._first]))
        return (RecognizedSegment(start_ms=start * STEP_MS, end_ms=end * STEP_MS, candidates=candidates, known=known),)

    def _forget(self, before: int) -> None:
        drop = max(0, before - self._first)
        self._rows, self._first = self._rows[drop:], self._first + drop
