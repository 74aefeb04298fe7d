"""Comparing with examples: the nearest gloss, either hand, unknown signs, spans."""

from __future__ import annotations

import numpy as np
import pytest
from signing import performance, performed

from models.errors import SignError
from models.recognition import dtw
from models.recognition.enrol import exemplar_of
from models.recognition.exemplar import Exemplar, ExemplarRecognizer
from models.recognition.features import LAYOUT, NUM_FEATURES, STEP_MS, features, mirrored, raised_hands
from models.recognition.segmenting import Spans, lifted

GLOSSES = ("HELLO", "YES", "NO", "NAME", "EAT")


def sign_rows(gloss: str, signer: int = 0) -> np.ndarray:
    made = performance(gloss, signer=signer)
    segment = made.segments[0]
    rows = features(made.pose).rows
    return rows[round(segment.start_ms / STEP_MS) : round(segment.end_ms / STEP_MS)]


@pytest.fixture(scope="module")
def recognizer() -> ExemplarRecognizer:
    return ExemplarRecognizer(
        [Exemplar(gloss=gloss, rows=sign_rows(gloss, one)) for gloss in GLOSSES for one in (1, 2)]
    )


def naive_dtw(a: np.ndarray, b: np.ndarray, band: int) -> float:
    length = len(a)
    best = np.full((length, length), np.inf)
    for i in range(length):
        for j in range(max(0, i - band), min(length, i + band + 1)):
            cost = float(np.linalg.norm(a[i] - b[j]))
            before = [best[i - 1, j] if i else np.inf, best[i, j - 1] if j else np.inf]
            before.append(best[i - 1, j - 1] if i and j else np.inf)
            best[i, j] = cost + (0 if i == j == 0 else min(before))
    return best[-1, -1] / length


@pytest.mark.parametrize("band", [0, 1, 6, 31])
def test_time_warping_is_that_of_the_definition(band: int) -> None:
    rng = np.random.default_rng(band)
    query, bank = rng.normal(size=(32, 7)).astype(np.float32), rng.normal(size=(5, 32, 7)).astype(np.float32)
    expected = [naive_dtw(query, one, band) for one in bank]
    assert np.allclose(dtw.distances(query, bank, band), expected, rtol=1e-4)


def test_a_clip_is_at_no_distance_from_itself_at_any_speed() -> None:
    rows = sign_rows("NAME")
    slow = np.repeat(rows, 2, axis=0)
    usual = dtw.usual_hand([rows])
    bank = np.stack([dtw.prepared(slow, usual), dtw.prepared(sign_rows("EAT"), usual)])
    same, other = dtw.distances(dtw.prepared(rows, usual), bank)
    assert same < 0.1 * other
    assert dtw.distances(dtw.prepared(rows, usual), bank[:0]).shape == (0,)


def test_a_hand_at_rest_counts_nothing_whether_it_is_seen_or_not() -> None:
    rows = sign_rows("EAT")
    raised = raised_hands(rows).any(axis=0)
    assert raised.sum() == 1
    resting = ("left", "right")[int(np.argmin(raised))]
    seen, hidden = rows.copy(), rows.copy()
    seen[:, LAYOUT[resting]] = 1.0
    hidden[:, LAYOUT[resting]] = 0.0
    usual = dtw.usual_hand([rows])
    assert np.allclose(dtw.prepared(seen, usual), dtw.prepared(hidden, usual))


@pytest.mark.parametrize("gloss", GLOSSES)
def test_another_signer_is_recognized_and_so_is_the_other_hand(recognizer: ExemplarRecognizer, gloss: str) -> None:
    rows = sign_rows(gloss, 4)
    for made in (rows, mirrored(rows)):
        candidates, _ = recognizer.classify(made)
        assert candidates[0].gloss == gloss
        assert recognizer.exemplars[candidates[0].exemplar].gloss == gloss
        assert sum(one.confidence for one in candidates) <= 1.0001


def test_a_directional_sign_is_not_taken_for_its_mirror_image() -> None:
    rows = sign_rows("HELLO")
    free = ExemplarRecognizer([Exemplar(gloss="A", rows=rows)])
    bound = ExemplarRecognizer([Exemplar(gloss="A", rows=rows, directional=True)])
    assert free.distances(mirrored(rows))[0] < 1e-3
    assert bound.distances(mirrored(rows))[0] > 0.5


def test_a_sign_of_no_example_is_stranger_than_one_of_an_example(recognizer: ExemplarRecognizer) -> None:
    def strangeness(gloss: str) -> float:
        candidates, _ = recognizer.classify(sign_rows(gloss, 5))
        return recognizer.strangeness(candidates[0])

    known = [strangeness(gloss) for gloss in GLOSSES]
    unknown = [strangeness(gloss) for gloss in ("MOTHER", "BOOK", "WALK", "FISH", "PLEASE")]
    assert np.median(unknown) > np.median(known)
    assert recognizer.classify(np.zeros((30, NUM_FEATURES), np.float32))[1] is False


def test_what_the_background_holds_is_unknown() -> None:
    exemplars = [Exemplar(gloss="HELLO", rows=sign_rows("HELLO", 1))]
    plain = ExemplarRecognizer(exemplars)
    guarded = ExemplarRecognizer(exemplars, background=[sign_rows("NO", 1)])
    assert guarded.classify(sign_rows("HELLO", 1))[1]
    assert not guarded.classify(sign_rows("NO", 1))[1]
    assert plain.classify(sign_rows("HELLO", 1))[1]


def test_one_sign_between_rests_is_one_segment_at_its_time(recognizer: ExemplarRecognizer) -> None:
    made = performance("EAT", signer=1)
    (segment,) = recognizer.segments(features(made.pose).rows)
    assert segment.gloss == "EAT"
    overlap = min(segment.end_ms, made.segments[0].end_ms) - max(segment.start_ms, made.segments[0].start_ms)
    assert overlap > 0.7 * (made.segments[0].end_ms - made.segments[0].start_ms)


def test_the_stream_guesses_while_a_sign_is_made_and_answers_at_its_end(recognizer: ExemplarRecognizer) -> None:
    stream = recognizer.stream()
    guesses, ended = [], []
    for row in features(performed("EAT", signer=1)).rows:
        ended += stream.push(row)
        if stream.guess:
            guesses.append(stream.guess.gloss)
    assert [one.gloss for one in (*ended, *stream.flush())] == ["EAT"]
    assert "EAT" in guesses


def test_spans_need_three_rows_to_begin_and_six_to_end() -> None:
    spans = Spans()
    levels = [0, 1, 1, 0, 1, 1, 1, 1, *[0] * 5, 1, 1, *[0] * 6, 0]
    found = [span for level in levels if (span := spans.push(level))]
    assert [(span.start_row, span.end_row) for span in found] == [(4, 15)]
    assert spans.flush() is None
    for level in (1, 1, 1, 0, 0):
        assert spans.push(level) is None
    last = spans.flush()
    assert last is not None
    assert last.end_row - last.start_row == 3


def test_hands_that_hang_are_not_lifted() -> None:
    rows = features(performed("HELLO")).rows
    activity = lifted(rows)
    assert activity[:3].max() < 0.4
    assert activity.max() == 1
    assert not lifted(np.zeros((4, NUM_FEATURES), np.float32)).any()


def test_no_examples_is_an_error_in_words() -> None:
    with pytest.raises(SignError, match="teach a sign"):
        ExemplarRecognizer([])


def test_an_exemplar_is_trimmed_to_the_sign() -> None:
    made = performance("EAT")
    one = exemplar_of(made.pose, "EAT")
    assert 0 < len(one.rows) < len(made.pose.body.data)
    assert not exemplar_of(made.pose, "EAT").directional
    assert exemplar_of(made.pose, "LEFT").directional
