"""The trained landmark model as a recognizer, with the signs that a user taught beside it.

Where somebody signs is told by activity; what is signed in such a stretch by CTC, which may find several signs that
flow into each other; where one ends and the next begins by the model's own beginnings. Each sign is then compared as
a whole with every gloss by its embedding, which also tells a sign that the model does not know.

Signs that a user taught are compared by dynamic time warping, since the model never saw them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.recognition.decoding import forced_align, greedy, prefix_beam, token_spans
from models.recognition.exemplar import ExemplarRecognizer
from models.recognition.features import RESTS_BELOW, STEP_MS, Floats, lifts
from models.recognition.landmark_model import BEGIN, OUTSIDE, SCALE, LandmarkModel, State
from models.recognition.model_files import ModelCard
from models.recognition.results import Candidate, RecognizedSegment
from models.recognition.segmenting import BEGIN_ROWS, Span, Spans, spans_of

_MOST = 3
_LAG_ROWS = 5  # the model looks only backwards, so CTC may name a sign a little after its end
_LEAD_ROWS = 8  # and when it is sure before activity is, a little before its beginning
_BOTH_SURE = 0.8  # share from which CTC and embedding agree so much that the sign is known, whatever its likeness
_PIECE_ROWS = 512  # that the model takes at once
_SHORTEST_ROWS = 6
_LONG_ROWS = 12  # a stretch in which CTC hears nothing is an unknown sign when it lasts, else hands on their way
_SURELY_TAUGHT = 0.75  # strangeness below which a taught sign wins over a gloss that the model knows


@dataclass(frozen=True)
class Said:
    """What the model says of the rows of a clip."""

    activity: Floats
    """(T,) how sure it is that somebody signs."""
    begin: Floats
    """(T,) how sure it is that a sign begins."""
    log_probs: Floats
    """(T, V) of CTC, blank first."""
    hidden: torch.Tensor
    """(T, D) for the embedding."""

    def __len__(self) -> int:
        return len(self.activity)

    def cut(self, start: int, end: int) -> Said:
        """The rows from start to end."""
        return Said(self.activity[start:end], self.begin[start:end], self.log_probs[start:end], self.hidden[start:end])


class LandmarkRecognizer:
    """See the page's head; a `Recognizer`."""

    def __init__(self, model: LandmarkModel, card: ModelCard, taught: ExemplarRecognizer | None = None) -> None:
        self.model, self.card, self.taught = model, card, taught
        self.glosses = tuple(sorted({*card.glosses, *(taught.glosses if taught else ())}))
        self.description = card.trained_on
        if taught is not None:
            self.description += f" With {len(taught.glosses)} of your own signs, compared with your recordings."

    def say(self, rows: Floats, state: State | None = None) -> tuple[Said, State]:
        """Run the model over rows (T, F), at least one, going on from a state. Memory does not grow with the square of
        their number."""
        parts = []
        for start in range(0, len(rows), _PIECE_ROWS):
            said, state = self._piece(rows[start : start + _PIECE_ROWS], state)
            parts.append(said)
        assert state is not None
        return join(parts), state

    def _piece(self, rows: Floats, state: State | None) -> tuple[Said, State]:
        with torch.inference_mode():
            outputs, after = self.model(torch.from_numpy(np.ascontiguousarray(rows, np.float32))[None], state)
            activity = outputs.activity[0].softmax(dim=-1).numpy()
            log_probs = outputs.contextual[0].log_softmax(dim=-1).numpy()
        # Whatever the model thinks, nobody signs with hanging arms, or without being there.
        raised = lifts(rows).max(axis=1) > RESTS_BELOW
        return Said((1 - activity[:, OUTSIDE]) * raised, activity[:, BEGIN], log_probs, outputs.hidden[0]), after

    def cosines(self, said: Said, start: int, end: int) -> Floats:
        """Likeness (G,) of the sign in rows start to end to every gloss of the model, -1..1."""
        with torch.inference_mode():
            rows = said.hidden[start:end][None]
            found = self.model.similarity(self.model.embed(rows, torch.ones(rows.shape[:2])))
        return np.asarray(found[0].numpy(), np.float32)

    def segments(self, rows: Floats) -> tuple[RecognizedSegment, ...]:
        """See `Recognizer`."""
        if not len(rows):
            return ()
        said, _ = self.say(rows)
        spans = spans_of(said.activity)
        before = [0, *(span.end_row for span in spans)]
        return tuple(
            segment
            for span, since in zip(spans, before, strict=False)
            for segment in self.in_span(said, rows, span, since=since)
        )

    def stream(self) -> LandmarkStream:
        """See `Recognizer`."""
        return LandmarkStream(self)

    def in_span(
        self, said: Said, rows: Floats, span: Span, *, since: int = 0, shift: int = 0
    ) -> list[RecognizedSegment]:
        """The signs in a stretch of signing. since: where the stretch before it ended; shift: the row number of
        rows[0], for the times."""
        start, end = span.start_row, span.end_row
        if end - start < _SHORTEST_ROWS:
            return []
        if (own := self._taught(said, rows, start, end, shift)) is not None:
            return [own]
        cuts = self.boundaries(said, start, end, since)
        if len(cuts) == 2:  # all of it, which is no taught sign
            return [self._of_model(said, start, end, since, shift)]
        if cuts:
            return [
                self._sign(said, rows, a, b, since if a == start else a, shift) for a, b in itertools.pairwise(cuts)
            ]
        if end - start < _LONG_ROWS:
            return []  # hands on their way
        return [replace(self._of_model(said, start, end, since, shift), known=False)]

    def boundaries(self, said: Said, start: int, end: int, since: int = 0) -> list[int]:
        """Where signs begin in a stretch, and its end: what CTC finds, cut where a beginning is surest. Nothing when
        CTC hears no sign."""
        first = max(start - _LEAD_ROWS, since)
        heard = said.cut(first, min(end + _LAG_ROWS, len(said)))
        labels = prefix_beam(heard.log_probs).labels
        if not labels:
            return []
        tokens = token_spans(forced_align(heard.log_probs, labels))
        cuts = [start]
        for (_, before, _), (_, after, _) in itertools.pairwise(tokens):
            low, high = max(first + before + 1, cuts[-1] + _SHORTEST_ROWS), min(first + after + 1, end - 1)
            if low < high:
                cuts.append(low + int(np.argmax(said.begin[low:high])))
        return [*cuts, end]

    def scores(self, said: Said, start: int, end: int, since: int = 0) -> tuple[Floats, float]:
        """Probabilities (G,) of the sign in rows start to end, and the greatest cosine: the embedding's and CTC's
        opinions, averaged. since: where the sign before it ended."""
        cosines = self.cosines(said, start, end)
        by_shape = np.exp(SCALE * (cosines - cosines.max()))
        by_shape /= by_shape.sum()
        around = slice(max(start - _LEAD_ROWS, since), min(end + _LAG_ROWS, len(said)))
        heard = np.exp(said.log_probs[around, 1:]).max(axis=0)
        by_ctc = heard / max(float(heard.sum()), 1e-6) * min(1.0, float(heard.max()) * 2)
        return np.asarray((by_shape + by_ctc) / (1 + by_ctc.sum()), np.float32), float(cosines.max())

    def _sign(self, said: Said, rows: Floats, start: int, end: int, since: int, shift: int) -> RecognizedSegment:
        own = self._taught(said, rows, start, end, shift)
        return own or self._of_model(said, start, end, since, shift)

    def _of_model(self, said: Said, start: int, end: int, since: int, shift: int) -> RecognizedSegment:
        shares, likeness = self.scores(said, start, end, since)
        best = np.argsort(-shares)[:_MOST]
        candidates = tuple(
            Candidate(gloss=self.card.glosses[index], confidence=float(shares[index]), distance=1 - likeness)
            for index in best
        )
        known = likeness >= self.card.unknown_below or candidates[0].confidence >= _BOTH_SURE
        return _segment(start + shift, end + shift, candidates, known)

    def _taught(self, said: Said, rows: Floats, start: int, end: int, shift: int) -> RecognizedSegment | None:
        """The stretch as one taught sign, when it is one and nothing that the model knows better."""
        if self.taught is None:
            return None
        candidates, known = self.taught.classify(rows[start:end])
        if not known:
            return None
        likeness = float(self.cosines(said, start, end).max())
        if likeness >= self.card.unknown_below and self.taught.strangeness(candidates[0]) > _SURELY_TAUGHT:
            return None
        return _segment(start + shift, end + shift, candidates, True)


class LandmarkStream:
    """Row by row: a sign is said when the hands rest after it, or when the next one has begun."""

    def __init__(self, recognizer: LandmarkRecognizer) -> None:
        self._recognizer = recognizer
        self._state: State | None = None
        self._spans = Spans()
        self._first = 0  # row number of what is kept
        self._rows: list[Floats] = []
        self._said: list[Said] = []
        self._told_until = 0  # rows before this one belong to signs that were said
        self._guess: Candidate | None = None
        self.activity = 0.0

    @property
    def signing(self) -> bool:
        """See `RecognitionStream`."""
        return self._spans.start_row is not None

    @property
    def guess(self) -> Candidate | None:
        """See `RecognitionStream`; thought over five times a second."""
        return self._guess if self.signing else None

    def push(self, row: Floats) -> tuple[RecognizedSegment, ...]:
        """See `RecognitionStream`."""
        said, self._state = self._recognizer.say(row[None], self._state)
        self._rows.append(row)
        self._said.append(said)
        self.activity = float(said.activity[0])
        span = self._spans.push(self.activity)
        if span is not None:
            self._guess = None
            made = self._close(span)
            self._forget(self._told_until)
            return made
        start = self._spans.start_row
        if start is None:
            self._forget(self._next - _LEAD_ROWS - BEGIN_ROWS)
            return ()
        start = max(start, self._told_until)
        return self._look(start) if (self._next - start) % 5 == 0 and self._next - start >= _SHORTEST_ROWS else ()

    def flush(self) -> tuple[RecognizedSegment, ...]:
        """See `RecognitionStream`."""
        span = self._spans.flush()
        return () if span is None else self._close(span)

    @property
    def _next(self) -> int:
        return self._first + len(self._rows)

    def _look(self, start: int) -> tuple[RecognizedSegment, ...]:
        """Say the first of several signs that flow into each other, and guess what is being signed now."""
        said, here = self._kept(), start - self._first
        if len(greedy(said.log_probs[here:])) >= 3:  # two would do, but the second is not sure before the third begins
            cuts = self._recognizer.boundaries(said, here, len(said), self._since)
            if len(cuts) >= 4:
                segments = self._in_span(start, cuts[1] + self._first)
                self._told_until = cuts[1] + self._first
                return segments
        found = self._in_span(start, self._next)
        self._guess = found[-1].candidates[0] if found and found[-1].known else None
        return ()

    def _close(self, span: Span) -> tuple[RecognizedSegment, ...]:
        segments = self._in_span(max(span.start_row, self._told_until), span.end_row)
        self._told_until = span.end_row
        return segments

    @property
    def _since(self) -> int:
        return max(self._told_until - self._first, 0)

    def _in_span(self, start: int, end: int) -> tuple[RecognizedSegment, ...]:
        first = self._first
        span = Span(start_row=start - first, end_row=end - first)
        said, rows = self._kept(), np.stack(self._rows)
        return tuple(self._recognizer.in_span(said, rows, span, since=self._since, shift=first))

    def _kept(self) -> Said:
        said = self._said
        if len(said) > 1:
            self._said = [join(said)]
        return self._said[0]

    def _forget(self, before: int) -> None:
        drop = min(max(0, before - self._first), len(self._rows))
        if drop:
            kept = self._kept()
            self._said = [kept.cut(drop, len(kept))] if drop < len(kept) else []
            self._rows, self._first = self._rows[drop:], self._first + drop


def join(parts: Sequence[Said]) -> Said:
    """What was said of pieces, as of one clip."""
    if len(parts) == 1:
        return parts[0]
    return Said(
        np.concatenate([one.activity for one in parts]),
        np.concatenate([one.begin for one in parts]),
        np.concatenate([one.log_probs for one in parts]),
        torch.cat([one.hidden for one in parts]),
    )


def _segment(start: int, end: int, candidates: tuple[Candidate, ...], known: bool) -> RecognizedSegment:
    return RecognizedSegment(start_ms=start * STEP_MS, end_ms=end * STEP_MS, candidates=candidates, known=known)


def whole_span(activity: NDArray[np.float32]) -> tuple[int, int]:
    """From the first to the last row in which somebody signs; all rows when nobody does."""
    spans = spans_of(activity)
    return (spans[0].start_row, spans[-1].end_row) if spans else (0, len(activity))
