"""Dynamic time warping of one clip against many, all at once.

Clips are brought to the same number of rows first, so speed costs nothing, and then may run ahead of or behind each
other by a band (Sakoe and Chiba, 1978). Distances are per row, so they do not depend on how long a clip is.

Shapes: T rows, F features, L rows after resampling, N clips in the bank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.recognition.features import LAYOUT, NUM_FEATURES, Floats, mirrored, raised_hands

LENGTH = 32
"""Rows that every clip is brought to."""
BAND = 6
"""How many of them one clip may be ahead of the other."""


def _weights() -> Floats:
    """How much each number counts. Many landmarks of one hand say the same, so each says less."""
    weights = np.zeros(NUM_FEATURES, np.float32)
    for part, weight in {"body": 0.6, "face": 0.15, "left": 0.45, "right": 0.45, "speed": 0.25}.items():
        weights[LAYOUT[part]] = weight
    for side in ("left", "right"):
        start = LAYOUT[side].start
        weights[start + 2 : start + 60 : 3] *= 0.5  # depth is what MediaPipe is least sure of
        weights[start + 60 : start + 66] = (0.8, 0.8, 0.8, 0.8, 0.5, 0.5)  # wrist, index tip, size, presence
    return weights


WEIGHTS = _weights()


def usual_hand(clips: Sequence[Floats]) -> Floats:
    """The mean (F,) of the raised hands in some clips, on both sides, mirrored from one to the other. What is compared
    is how a hand differs from it, so that a hand that MediaPipe lost is an ordinary one, not one of no size."""
    rows = np.concatenate([np.concatenate([clip, mirrored(clip)]) for clip in clips])
    usual = np.zeros(NUM_FEATURES, np.float32)
    raised = raised_hands(rows)
    for side, name in enumerate(("left", "right")):
        if raised[:, side].any():
            usual[LAYOUT[name]] = rows[raised[:, side], LAYOUT[name]].mean(axis=0)
    return usual


def prepared(rows: Floats, usual: Floats) -> Floats:
    """A clip (T, F) as `distances` takes it: (L, F), without hands at rest, resampled and weighted.

    A hand at rest says nothing of a sign, and whether the picture shows it depends on the camera.
    """
    if not len(rows):
        return np.zeros((LENGTH, rows.shape[1]), np.float32)
    rows = rows.copy()
    raised = raised_hands(rows)
    for side, name in enumerate(("left", "right")):
        part = LAYOUT[name]
        rows[:, part] = np.where(raised[:, side, None], rows[:, part] - usual[part], 0)
    where = np.linspace(0, len(rows) - 1, LENGTH)
    low = np.floor(where).astype(int)
    high = np.minimum(low + 1, len(rows) - 1)
    share = (where - low)[:, None].astype(np.float32)
    return np.asarray((rows[low] * (1 - share) + rows[high] * share) * WEIGHTS, np.float32)


def distances(query: Floats, bank: Floats, band: int = BAND) -> Floats:
    """Distance (N,) of a prepared clip (L, F) to each of a bank (N, L, F) of prepared clips: the mean over the rows of
    the best path inside the band. All paths go from first row to first row to last row to last row."""
    count, length, _ = bank.shape
    if not count:
        return np.zeros(0, np.float32)
    cost = _costs(query, bank)
    reach = 2 * band + 1
    # best[:, k] is the best sum that ends at query row i and bank row i + k - band.
    best = np.full((count, reach + 1), np.inf, np.float32)  # one more, that nothing can come from
    for i in range(length):
        new = np.full_like(best, np.inf)
        for k in range(reach):
            j = i + k - band
            if not 0 <= j < length:
                continue
            if i == j == 0:
                new[:, k] = cost[:, 0, 0]
                continue
            before = np.minimum(best[:, k], best[:, k + 1])
            if k:
                before = np.minimum(before, new[:, k - 1])
            new[:, k] = before + cost[:, i, j]
        best = new
    return best[:, band] / length


def _costs(query: Floats, bank: Floats) -> Floats:
    """Euclidean distance (N, L, L) of query row i to bank row j."""
    products = np.einsum("if,njf->nij", query, bank, optimize=True)
    squares = (query**2).sum(axis=-1)[None, :, None] + (bank**2).sum(axis=-1)[:, None, :] - 2 * products
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
