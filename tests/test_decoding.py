"""CTC decoding: the same answers as trying every path, repeats and probabilities of zero."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.recognition.decoding import (
    Token,
    forced_align,
    greedy,
    path_tokens,
    prefix_beam,
    prefix_beams,
    token_spans,
)

Floats = NDArray[np.float64]
SIZES = [(1, 2), (2, 3), (3, 4), (4, 3), (5, 2), (5, 4)]


def logits(seed: int, rows: int, labels: int, *, impossible: float = 0.0) -> Floats:
    """Log-probabilities, some of them -inf; peaked, so that no two paths are equally likely."""
    rng = np.random.default_rng(seed)
    values = rng.normal(scale=2, size=(rows, labels))
    values[rng.random(values.shape) < impossible] = -np.inf
    values[np.arange(rows), rng.integers(labels, size=rows)] = 1.0  # one is always possible
    return values - np.logaddexp.reduce(values, axis=1, keepdims=True)


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def every_path(log_probs: Floats) -> list[tuple[tuple[int, ...], float]]:
    rows, labels = log_probs.shape
    paths = itertools.product(range(labels), repeat=rows)
    return [(path, float(sum(log_probs[row, label] for row, label in enumerate(path)))) for path in paths]


def every_labelling(log_probs: Floats, blank: int) -> dict[tuple[int, ...], float]:
    """Log-probability of all labels that are possible, by the definition."""
    found: dict[tuple[int, ...], float] = {}
    for path, log_prob in every_path(log_probs):
        labels = collapsed(path, blank)
        found[labels] = float(np.logaddexp(found.get(labels, -math.inf), log_prob))
    return {labels: log_prob for labels, log_prob in found.items() if log_prob > -math.inf}


def peaks(path: list[int], labels: int = 4, sure: float = 0.7) -> Floats:
    """Log-probabilities whose best path is given."""
    values = np.full((len(path), labels), (1 - sure) / (labels - 1))
    values[np.arange(len(path)), path] = sure
    return np.log(values)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("rows", "labels"), SIZES)
def test_a_wide_beam_is_exact(rows: int, labels: int, seed: int, impossible: float) -> None:
    blank = seed % labels
    log_probs = logits(seed, rows, labels, impossible=impossible)
    truth = every_labelling(log_probs, blank)
    found = prefix_beams(log_probs, 10_000, 100, blank)
    assert dict(found) == pytest.approx(truth, abs=1e-9)
    assert [log_prob for _, log_prob in found] == sorted((log_prob for _, log_prob in found), reverse=True)
    best, log_prob = prefix_beam(log_probs, 10_000, 100, blank)
    assert best == max(truth, key=truth.__getitem__)
    assert log_prob == pytest.approx(max(truth.values()))


def test_all_labels_together_are_certain() -> None:
    found = prefix_beams(logits(1, 5, 4), 10_000, 100)
    assert np.logaddexp.reduce([log_prob for _, log_prob in found]) == pytest.approx(0.0, abs=1e-9)


def test_a_narrow_beam_never_claims_more_than_the_truth() -> None:
    for seed in range(20):
        log_probs = logits(seed, 5, 4)
        truth = every_labelling(log_probs, 0)
        for labels, log_prob in prefix_beams(log_probs, 2, 2):
            assert log_prob <= truth[labels] + 1e-9


def test_the_beam_is_no_wider_than_asked() -> None:
    assert len(prefix_beams(logits(0, 5, 4), 3, 100)) == 3


def test_the_beam_sums_paths_where_the_best_path_is_wrong() -> None:
    # Blank is the likeliest label of both rows (0.6), but a sign in either row or both is 1 - 0.36.
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(log_probs) == []
    assert prefix_beam(log_probs) == ((1,), pytest.approx(math.log(0.64)))


def test_a_label_that_is_not_among_the_likeliest_still_goes_on() -> None:
    # In row 1 the label 1 is third; with top=1 only 2 is tried, but the sign that began in row 0 may last.
    log_probs = np.log([[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    found = dict(prefix_beams(log_probs, 100, 1))
    assert found[(1,)] == pytest.approx(math.log(0.8 * 0.2 + 0.8 * 0.3 + 0.1 * 0.3))


def test_long_sentences_do_not_underflow() -> None:
    log_probs = np.tile(peaks([1, 0, 2, 0], sure=0.4), (500, 1))
    labels, log_prob = prefix_beam(log_probs)
    assert -math.inf < log_prob < -500
    assert labels[:4] == (1, 2, 1, 2)


@pytest.mark.parametrize("decoded", [prefix_beam, lambda rows: (tuple(t.label for t in greedy(rows)), 0.0)])
def test_repeats_need_a_blank_between_them(decoded) -> None:
    assert decoded(peaks([1, 1, 1]))[0] == (1,)
    assert decoded(peaks([1, 0, 1], sure=0.97))[0] == (1, 1)
    assert decoded(peaks([1, 2, 1], sure=0.97))[0] == (1, 2, 1)


def test_nothing_possible_is_minus_infinity_and_not_nan() -> None:
    log_probs = np.array([[0.0, -np.inf], [-np.inf, -np.inf], [0.0, -np.inf]])
    with np.errstate(all="raise"):
        assert prefix_beams(log_probs) == [((), -math.inf)]
        assert greedy(log_probs) == []


def test_no_rows_are_no_labels() -> None:
    none = np.zeros((0, 3))
    assert prefix_beam(none) == ((), 0.0)
    assert greedy(none) == []
    assert forced_align(none, []).shape == (0,)
    assert token_spans(np.zeros(0, int)) == []


def test_only_a_blank_is_no_labels() -> None:
    assert prefix_beam(np.zeros((3, 1))) == ((), 0.0)


def test_greedy_tells_rows_and_mean_probability() -> None:
    log_probs = np.log([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.0625, 0.9, 0.0375], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]])
    assert greedy(log_probs) == [
        Token(label=1, start_row=1, end_row=3, score=pytest.approx(0.8)),
        Token(label=2, start_row=3, end_row=4, score=pytest.approx(0.8)),
    ]


@pytest.mark.parametrize("blank", [0, 1, 3])
def test_a_tie_is_a_blank(blank: int) -> None:
    assert greedy(np.log(np.full((2, 4), 0.25)), blank) == []


@pytest.mark.parametrize("impossible", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rows", "labels"), SIZES)
def test_alignment_is_the_best_of_all_paths(rows: int, labels: int, seed: int, impossible: float) -> None:
    blank = seed % labels
    log_probs = logits(100 + seed, rows, labels, impossible=impossible)
    best: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
    for path, log_prob in every_path(log_probs):
        if log_prob > -math.inf:
            found = collapsed(path, blank)
            best[found] = max(best.get(found, (-math.inf, ())), (log_prob, path))
    for wanted, (log_prob, _) in best.items():
        path = tuple(forced_align(log_probs, wanted, blank).tolist())
        assert collapsed(path, blank) == wanted
        assert sum(log_probs[row, label] for row, label in enumerate(path)) == pytest.approx(log_prob)


def test_alignment_says_where_each_label_is() -> None:
    path = forced_align(peaks([0, 1, 1, 0, 1, 3]), [1, 1, 3])
    assert path.tolist() == [0, 1, 1, 0, 1, 3]
    assert token_spans(path) == [(1, 1, 3), (1, 4, 5), (3, 5, 6)]
    assert [token.score for token in path_tokens(peaks(path.tolist()), path)] == pytest.approx([0.7] * 3)


def test_alignment_of_no_labels_is_blank() -> None:
    assert forced_align(peaks([1, 2]), []).tolist() == [0, 0]


@pytest.mark.parametrize(("rows", "labels"), [(1, [1, 2]), (2, [1, 1]), (0, [1]), (4, [1, 1, 1])])
def test_too_few_rows_for_the_labels_are_told(rows: int, labels: list[int]) -> None:
    with pytest.raises(ValueError, match="need at least"):
        forced_align(np.log(np.full((rows, 4), 0.25)), labels)


def test_equally_likely_alignments_are_as_early_as_can_be() -> None:
    assert forced_align(np.log(np.full((3, 2), 0.5)), [1]).tolist() == [1, 0, 0]


def test_just_enough_rows_are_enough() -> None:
    assert forced_align(np.log(np.full((5, 4), 0.25)), [1, 1, 1]).tolist() == [1, 0, 1, 0, 1]


def test_an_impossible_alignment_is_told() -> None:
    log_probs = np.log(np.full((3, 3), 1 / 3))
    log_probs[:, 2] = -np.inf
    with pytest.raises(ValueError, match="no path"):
        forced_align(log_probs, [2])


@pytest.mark.parametrize("labels", [[0], [4], [-1]])
def test_labels_that_cannot_be_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="labels must be"):
        forced_align(peaks([1, 2, 3]), labels)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 3, 4)), np.zeros((3, 0)), np.full((2, 2), np.nan)])
def test_what_are_no_log_probabilities_is_refused(wrong: Floats) -> None:
    for decode in (greedy, prefix_beams, lambda rows: forced_align(rows, [])):
        with pytest.raises(ValueError, match="log-probabilities"):
            decode(wrong)
    with pytest.raises(ValueError, match="at least 1"):
        prefix_beam(np.zeros((2, 2)), width=0)


def test_single_precision_gives_the_same_labels() -> None:
    log_probs = logits(3, 30, 20)
    assert prefix_beam(log_probs.astype(np.float32)).labels == prefix_beam(log_probs).labels
