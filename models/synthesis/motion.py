"""How a word is signed, as embeddings of its frames: one sample's, or what many samples have in common.

One sample chosen by chance may be anybody's slip. The medoid is the sample that is nearest to all others; the
barycentre is the mean of all, each aligned in time to the medoid by dynamic time warping (after Petitjean et al.,
"A global averaging method for dynamic time warping", Pattern Recognition 2011; one round of it).

Shapes: T frames, 3 views (full picture, left hand, right hand), D width of the embeddings, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The embeddings of a clip."""

    views: Floats
    """(T, 3, D), each of length sqrt(D)."""
    seen: NDArray[np.bool_]
    """(T, 3) whether the view shows what it should; of the others the embedding says nothing."""
    fps: float
    """Frames a second."""

    def __post_init__(self) -> None:
        if self.views.ndim != 3 or self.seen.shape != self.views.shape[:2] or not len(self.views):
            raise ValueError(f"embeddings {self.views.shape} and {self.seen.shape} do not fit together")

    def __len__(self) -> int:
        return len(self.views)


def medoid(motions: Sequence[Motion]) -> int:
    """Which of them is nearest to all others, after warping in time."""
    if not motions:
        raise ValueError("there is no motion to choose from")
    flat = [_flat(one) for one in motions]
    total = np.zeros(len(flat))
    for place, one in enumerate(flat):
        others = flat[place + 1 :]
        for start in range(0, len(others), 64):  # so many at a time, to bound memory
            found = _distances(one, others[start : start + 64])
            total[place] += found.sum()
            total[place + 1 + start : place + 1 + start + len(found)] += found
    return int(total.argmin())


def barycentre(motions: Sequence[Motion], around: int) -> Motion:
    """The mean of all in the time of one of them."""
    middle = motions[around]
    sums = np.zeros(middle.views.shape, np.float64)
    counts = np.zeros(middle.seen.shape, np.float64)
    for one in motions:
        own, times = np.zeros_like(sums), np.zeros_like(counts)
        for here, there in _path(_costs(_flat(middle), _flat(one))):
            own[here] += one.views[there] * one.seen[there][:, None]
            times[here] += one.seen[there]
        # A sample that rests in a frame has no more to say about it than the others.
        sums += own / np.maximum(times, 1)[..., None]
        counts += times > 0
    mean = np.where(counts[..., None] > 0, sums / np.maximum(counts, 1)[..., None], middle.views)
    return Motion(views=_of_usual_length(mean), seen=counts >= len(motions) / 2, fps=middle.fps)


def resampled(motion: Motion, frames: int) -> Motion:
    """The same movement in so many frames: embeddings between two frames are mixed of both."""
    at = np.linspace(0, len(motion) - 1, frames)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(motion) - 1)
    share = (at - low).astype(np.float32)[:, None, None]
    views = motion.views[low] * (1 - share) + motion.views[high] * share
    return Motion(views=_of_usual_length(views), seen=motion.seen[np.round(at).astype(int)], fps=motion.fps)


def blended(one: Motion, other: Motion, share: float) -> Motion:
    """Between two motions: 0 is the one, 1 the other, in the time of the one."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} was asked for")
    partner = np.zeros(len(one), int)
    for here, there in _path(_costs(_flat(one), _flat(other))):
        partner[here] = there
    views = one.views * (1 - share) + other.views[partner] * share
    seen = one.seen if share < 0.5 else other.seen[partner]
    return Motion(views=_of_usual_length(views), seen=seen, fps=one.fps)


def _of_usual_length(views: NDArray[np.floating]) -> Floats:
    """(T, 3, D) embeddings that were mixed, of length sqrt(D) again."""
    length = np.maximum(np.linalg.norm(views, axis=-1, keepdims=True), 1e-6)
    return np.asarray(views / length * views.shape[-1] ** 0.5, np.float32)


def _flat(motion: Motion) -> Floats:
    """(T, 3 D), 0 where nothing was seen."""
    return (motion.views * motion.seen[..., None]).reshape(len(motion), -1)


def _costs(one: Floats, other: Floats) -> NDArray[np.float64]:
    """(T, T') distance of every frame to every frame."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0)).astype(np.float64)


def _distances(one: Floats, others: Sequence[Floats]) -> NDArray[np.float64]:
    """(P,) warped distance to each of the others, per frame."""
    longest = max(map(len, others))
    cost = np.full((len(others), len(one), longest), np.inf)
    for place, other in enumerate(others):
        cost[place, :, : len(other)] = _costs(one, other)
    total = _accumulated(cost)
    ends = np.array([len(other) for other in others])
    found: NDArray[np.float64] = total[np.arange(len(others)), -1, ends - 1]
    return found / (len(one) + ends)


def _accumulated(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, T, T') least sum on a way from the first pair of frames."""
    total = np.full_like(cost, np.inf)
    total[:, 0, 0] = cost[:, 0, 0]
    for row in range(cost.shape[1]):
        for column in range(cost.shape[2]):
            if row or column:
                before = [total[:, row - 1, column]] if row else []
                before += [total[:, row, column - 1]] if column else []
                before += [total[:, row - 1, column - 1]] if row and column else []
                total[:, row, column] = cost[:, row, column] + np.minimum.reduce(before)
    return total


def _path(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs of frames on the cheapest way through a table of costs."""
    total = _accumulated(cost[None])[0]
    row, column = cost.shape[0] - 1, cost.shape[1] - 1
    path = [(row, column)]
    while row or column:
        steps = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        row, column = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        path.append((row, column))
    return path[::-1]
