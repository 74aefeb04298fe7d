"""How well a landmark model does on takes of signers that it has not seen: every figure of a model card.

Signs that MediaPipe has read, one to a clip: top-1 and top-5, with the signing found by the model itself. Sentences:
WER of the glosses that a user would see, so that signs taken for unknown count as deleted. Letters and digits, which
no model of words knows: how well they are told apart. Rest before and after signs: how well idleness is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.recognition.corpus import Take
from models.recognition.evaluation_report import RecognitionReport
from models.recognition.landmark_recognizer import LandmarkRecognizer, Said, whole_span
from models.recognition.metrics import WordErrors, detection, isolated, latency, word_errors

_WAY_ROWS = 8  # rows before and after a sign in which the hands are on their way: neither idle nor signing
_TIMED_ROWS, _TIMES = 64, 200


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a model is judged on; any part may be empty."""

    signs: Sequence[Take] = ()
    """One known sign to a clip."""
    others: Sequence[Take] = ()
    """One sign to a clip that the model does not know."""
    with_pauses: Sequence[Take] = ()
    without_pauses: Sequence[Take] = ()


def evaluate(recognizer: LandmarkRecognizer, held: Held, *, data: str, command: str) -> RecognitionReport:
    """Measure everything there is data for. data, command: for the report, in words."""
    said = [recognizer.say(take.rows)[0] for take in held.signs]
    found = [recognizer.scores(one, *whole_span(one.activity)) for one in said]
    others = [_likeness(recognizer, take) for take in held.others]
    idle, busy = _levels(held.signs, said)
    index = {gloss: number for number, gloss in enumerate(recognizer.card.glosses)}
    return RecognitionReport(
        recognizer=recognizer.description,
        data=data,
        command=command,
        isolated=isolated(
            np.array([scores for scores, _ in found]),
            np.array([index[take.glosses[0]] for take in held.signs]),
            recognizer.card.glosses,
            [take.signer for take in held.signs],
        )
        if held.signs
        else None,
        with_pauses=_word_errors(recognizer, held.with_pauses),
        without_pauses=_word_errors(recognizer, held.without_pauses),
        unknown=detection([likeness for _, likeness in found], others),
        idle=detection(busy, idle),
        latency=latency(_timed(recognizer)),
    )


def unknown_threshold(recognizer: LandmarkRecognizer, signs: Sequence[Take], kept: float = 0.97) -> float:
    """The likeness that this share of known signs reaches: what is less is taken for unknown."""
    return float(np.quantile([_likeness(recognizer, take) for take in signs], 1 - kept))


def _likeness(recognizer: LandmarkRecognizer, take: Take) -> float:
    """Greatest cosine of the one sign of a take to any gloss."""
    said, _ = recognizer.say(take.rows)
    return recognizer.scores(said, *whole_span(said.activity))[1]


def _word_errors(recognizer: LandmarkRecognizer, takes: Sequence[Take]) -> WordErrors | None:
    if not takes:
        return None
    heard = [
        [segment.gloss for segment in recognizer.segments(take.rows) if segment.gloss is not None] for take in takes
    ]
    return word_errors([list(take.glosses) for take in takes], heard)


def _levels(takes: Sequence[Take], said: Sequence[Said]) -> tuple[list[float], list[float]]:
    """Activity of every row at rest, and of every row inside a sign."""
    idle: list[float] = []
    busy: list[float] = []
    for take, one in zip(takes, said, strict=True):
        (_, start, end) = take.spans[0]
        idle += one.activity[: max(0, start - _WAY_ROWS)].tolist() + one.activity[end + _WAY_ROWS :].tolist()
        busy += one.activity[start:end].tolist()
    return idle, busy


def _timed(recognizer: LandmarkRecognizer) -> list[float]:
    """Milliseconds of the model for 64 rows, on one thread, some hundred times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = np.random.default_rng(0).normal(size=(_TIMED_ROWS, recognizer.model.enter.in_features))
        times = []
        for _ in range(_TIMES + 10):
            start = time.perf_counter()
            recognizer.say(rows.astype(np.float32))
            times.append(1000 * (time.perf_counter() - start))
        return times[10:]
    finally:
        torch.set_num_threads(threads)
