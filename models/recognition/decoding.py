"""From the log-probabilities of connectionist temporal classification (CTC) to labels and when they were signed.

CTC gives, per row, a distribution over the labels and a blank. A path picks one of them per row; its labels are what
remains when equal neighbours are merged and then blanks dropped, so a label that comes twice in a row needs a blank in
between. The probability of labels is the sum over all their paths.

Source: Graves et al., "Connectionist Temporal Classification" (2006), for the definitions and the best path; Hannun,
Maas, Jurafsky and Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"
(2014), for the search over prefixes, here without a language model, in the log domain, over all prefixes at once.

Shapes: T rows, V labels with the blank, W prefixes, K labels that may follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Token:
    """A label and the rows in which a path has it."""

    label: int
    start_row: int
    end_row: int
    """Exclusive."""
    score: float
    """0..1, the mean probability of the label in these rows."""


class Hypothesis(NamedTuple):
    """What may have been signed."""

    labels: tuple[int, ...]
    log_prob: float
    """Of all paths of these labels that the search kept."""


def greedy(log_probs: NDArray[np.floating], blank: int = 0) -> list[Token]:
    """The tokens of the best path: the likeliest label of every row, blank where it is as likely as any other.

    log_probs: (T, V). Raises ValueError on another shape or NaN.
    """
    rows = _checked(log_probs, blank)
    return path_tokens(rows, np.array([_best(row, blank) for row in rows], np.int64), blank)


def prefix_beam(log_probs: NDArray[np.floating], width: int = 10, top: int = 8, blank: int = 0) -> Hypothesis:
    """The likeliest labels, by `prefix_beams`."""
    return prefix_beams(log_probs, width, top, blank)[0]


def prefix_beams(log_probs: NDArray[np.floating], width: int = 10, top: int = 8, blank: int = 0) -> list[Hypothesis]:
    """The likeliest labels and the next likely, best first, `width` or fewer; impossible ones are left out.

    log_probs: (T, V). width: prefixes kept after each row. top: labels tried after a prefix, the likeliest of the row
    beside the blank. With both large enough nothing is dropped and the probabilities are exact; otherwise they are too
    low. When a row allows nothing, the only answer is no labels with log-probability -inf.

    Raises ValueError on another shape, NaN, or a width or top below 1.
    """
    if width < 1 or top < 1:
        raise ValueError(f"width and top must be at least 1, not {width} and {top}")
    rows = _checked(log_probs, blank)
    beam = _Beam(prefixes=[()], blank=np.zeros(1), label=np.full(1, -np.inf))
    for row in rows:
        beam = beam.advanced(row, width, top, blank)
        if not beam.prefixes:
            return [Hypothesis((), -math.inf)]
    return [Hypothesis(*pair) for pair in zip(beam.prefixes, beam.total.tolist(), strict=True)]


@dataclass(frozen=True, kw_only=True)
class _Beam:
    """The prefixes after some rows, likeliest first."""

    prefixes: list[tuple[int, ...]]
    blank: Floats
    """(W,) log-probability of the paths of the prefix that end in a blank."""
    label: Floats
    """(W,) of those that end in its last label."""

    @property
    def total(self) -> Floats:
        return np.logaddexp(self.blank, self.label)

    def advanced(self, row: Floats, width: int, top: int, blank: int) -> _Beam:
        """After one more row (V,)."""
        total = self.total
        # The empty prefix has no last label; its `label` is -inf, so which one stands here makes no difference.
        last = np.array([prefix[-1] if prefix else blank for prefix in self.prefixes])
        follow = _likeliest(row, top, blank)
        same = follow == last[:, None]
        longer = np.where(same, self.blank[:, None], total[:, None]) + row[follow]  # (W, K)
        stay_blank, stay_label = total + row[blank], self.label + row[last]
        # A prefix whose parent is kept, too, is also reached from there: both are the same labels, so they are summed.
        place = {prefix: index for index, prefix in enumerate(self.prefixes)}
        for index, prefix in enumerate(self.prefixes):
            parent = place.get(prefix[:-1]) if prefix else None
            if parent is not None:
                before = self.blank[parent] if last[parent] == prefix[-1] else total[parent]
                stay_label[index] = np.logaddexp(stay_label[index], before + row[prefix[-1]])
                longer[parent, follow == prefix[-1]] = -np.inf
        scores = np.concatenate([np.logaddexp(stay_blank, stay_label), longer.ravel()])
        best = np.argsort(-scores, kind="stable")[:width]
        best = best[scores[best] > -np.inf]
        stays = len(self.prefixes)
        prefixes = [
            self.prefixes[pick]
            if pick < stays
            else (*self.prefixes[(pick - stays) // len(follow)], int(follow[(pick - stays) % len(follow)]))
            for pick in best.tolist()
        ]
        nothing = np.full(longer.size, -np.inf)
        return _Beam(
            prefixes=prefixes,
            blank=np.concatenate([stay_blank, nothing])[best],
            label=np.concatenate([stay_label, longer.ravel()])[best],
        )


def forced_align(log_probs: NDArray[np.floating], labels: Sequence[int], blank: int = 0) -> Ints:
    """The likeliest path of given labels (Viterbi): the label or blank of each row, (T,).

    log_probs: (T, V). Of equally likely paths it is the one that is further along in each row.

    Raises ValueError when the labels need more rows than there are, when no path of theirs is possible, on a label
    that is the blank or outside V, and on another shape or NaN.
    """
    rows = _checked(log_probs, blank)
    wanted = np.asarray(labels, np.int64)
    if ((wanted < 0) | (wanted >= rows.shape[1]) | (wanted == blank)).any():
        raise ValueError(f"labels must be in 0..{rows.shape[1] - 1} and not the blank {blank}, not {list(labels)}")
    needed = len(wanted) + int((wanted[1:] == wanted[:-1]).sum())
    if len(rows) < needed:
        raise ValueError(f"{len(wanted)} labels need at least {needed} rows, and there are {len(rows)}")
    if not len(rows):
        return np.zeros(0, np.int64)
    # States: blank, label, blank, label, ... blank.
    states = np.full(2 * len(wanted) + 1, blank, np.int64)
    states[1::2] = wanted
    skips = np.zeros(len(states), bool)  # from two states before, over a blank: only to another label
    skips[3::2] = wanted[1:] != wanted[:-1]
    best = np.where(np.arange(len(states)) < 2, rows[0][states], -np.inf)
    steps = np.zeros((len(rows), len(states)), np.int64)
    for index, row in enumerate(rows[1:], start=1):
        skipped = np.where(skips, _later(best, 2), -np.inf)
        came = np.stack([best, _later(best, 1), skipped])
        steps[index] = came.argmax(axis=0)
        best = came.max(axis=0) + row[states]
    state = len(states) - 1
    if state and best[state - 1] > best[state]:
        state -= 1
    if best[state] == -np.inf:
        raise ValueError("no path of these labels is possible: each has a row of probability 0")
    path = np.empty(len(rows), np.int64)
    for index in range(len(rows) - 1, -1, -1):
        path[index] = states[state]
        state -= int(steps[index, state])
    return path


def token_spans(path: NDArray[np.integer], blank: int = 0) -> list[tuple[int, int, int]]:
    """(label, start_row, end_row exclusive) of every run of a label in a path (T,)."""
    path = np.asarray(path)
    if not len(path):
        return []
    edges = [0, *(np.flatnonzero(path[1:] != path[:-1]) + 1).tolist(), len(path)]
    return [(int(path[start]), start, end) for start, end in pairwise(edges) if path[start] != blank]


def path_tokens(log_probs: NDArray[np.floating], path: NDArray[np.integer], blank: int = 0) -> list[Token]:
    """The tokens of a path (T,) with their scores from log_probs (T, V)."""
    return [
        Token(
            label=label,
            start_row=start,
            end_row=end,
            score=min(1.0, float(np.exp(log_probs[start:end, label].astype(np.float64)).mean())),
        )
        for label, start, end in token_spans(path, blank)
    ]


def _best(row: Floats, blank: int) -> int:
    label = int(row.argmax())
    return blank if row[blank] >= row[label] else label


def _likeliest(row: Floats, top: int, blank: int) -> Ints:
    """The labels that may follow, without the blank, at most `top` of them."""
    labels = np.delete(np.arange(len(row)), blank)
    if top >= len(labels):
        return labels
    return labels[np.argpartition(-row[labels], top - 1)[:top]]


def _later(values: Floats, states: int) -> Floats:
    """Each state gets the value that is some states before it."""
    moved = np.full_like(values, -np.inf)
    moved[states:] = values[:-states]
    return moved


def _checked(log_probs: NDArray[Any], blank: int) -> Floats:
    rows = np.asarray(log_probs, np.float64)
    if rows.ndim != 2 or not 0 <= blank < rows.shape[1]:
        raise ValueError(f"log-probabilities must be (T, V) with the blank {blank} in V, not {rows.shape}")
    if np.isnan(rows).any() or (rows == np.inf).any():
        raise ValueError("log-probabilities must not be NaN or +inf")
    return rows
