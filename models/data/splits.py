"""Train, val and test so that nobody who is seen in one is seen in another: `by_signer`.

Signers bring very different numbers of items and labels, so no split meets its share exactly. What is made small is the
sum of squares of what each split has too many or too few: of items, and of the items of each label. That keeps sizes
near their shares and spreads the labels. A label that train lacks cannot be learnt, and counts as much as if train had
the items of a usual label too few.

Signers are placed one by one, large ones first, where the sum grows least. Then single signers move and pairs change
places for as long as that makes the sum smaller. The fewer signers there are, the more starts are tried for the best.
Where there are more than `_FEW`, each is small and the last ones even out what the first ones left: one start will do,
and no second step.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SHARES: Mapping[Split, float] = {"train": 0.70, "val": 0.15, "test": 0.15}

_FEW = 300
_ROUNDS = 100
_STARTS = 100
_TILT = 0.5

Numbers = NDArray[np.float64]


def by_signer(
    signers: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    shares: Mapping[Split, float] = SHARES,
    seed: int = 0,
) -> dict[str, Split]:
    """The split of each item, all items of a signer together; in the order of `signers`.

    signers: item -> signer. An item whose signer is "" is taken for a signer of its own: when nobody is known, items
    are split one by one, and the splits may share people. labels: item -> label; where the signers allow it, every
    label is in train, and in the other splits as often as their shares say. shares: they add up to 1.

    With few signers: one is all in train, so nothing can be judged; of two, the one with fewer items is test and
    nobody is val; from three on, every split has somebody. Callers say so to whoever reads the result.

    The same for the same items, in whatever order they come. Another seed gives another split, about as good.
    """
    if set(shares) != set(SPLITS) or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"shares are {dict(shares)}; they have to be those of {', '.join(SPLITS)}, and add up to 1")
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in sorted(signers):
        groups[(signers[item], "" if signers[item] else item)].append(item)
    column = {label: number for number, label in enumerate(sorted(set(labels.values()) if labels else {""}))}
    contents = [np.array([column[labels[item] if labels else ""] for item in group]) for group in groups.values()]
    places = _place(contents, len(column), shares, random.Random(seed))
    found = {item: place for group, place in zip(groups.values(), places, strict=True) for item in group}
    return {item: SPLITS[found[item]] for item in signers}


def _place(
    contents: list[NDArray[np.int64]], num_labels: int, shares: Mapping[Split, float], draw: random.Random
) -> list[int]:
    """The number of each signer's split. contents: of each signer, the numbers of the labels of its items."""
    wanted_by: list[Split] = ["train", "test", "val"]  # val is the first to go without
    used = [SPLITS.index(split) for split in wanted_by if shares[split] > 0]
    sizes = [len(content) for content in contents]
    order = sorted(range(len(contents)), key=lambda one: -sizes[one])
    if len(contents) <= len(used):
        return [used[order.index(one)] for one in range(len(contents))]
    if len(used) == 1:
        return used * len(contents)
    whole = sum((_counts(content, num_labels) for content in contents), np.zeros(num_labels))
    wanted = np.array([shares[split] for split in SPLITS])[:, None] * whole
    if len(contents) > _FEW:
        return _start(contents, wanted, used, draw)
    starts = [_start(contents, wanted, used, draw) for _ in range(max(1, _STARTS // len(contents)))]
    table = np.stack([_counts(content, num_labels) for content in contents])
    ends = [(_improve(places, table, wanted, used), places) for places in starts]
    return min(ends)[1]


def _start(contents: list[NDArray[np.int64]], wanted: Numbers, used: list[int], draw: random.Random) -> list[int]:
    """Place the signers one by one where that is best at the moment, large ones first, more or less."""
    tilted = [len(content) * draw.uniform(1 - _TILT, 1 + _TILT) for content in contents]
    placed, places = np.zeros_like(wanted), [0] * len(contents)
    for one in sorted(range(len(contents)), key=lambda one: -tilted[one]):
        content = _counts(contents[one], wanted.shape[-1])
        tried = np.repeat(placed[None], len(used), axis=0)
        tried[range(len(used)), used] += content
        places[one] = used[int(np.argmin(_badness(tried, wanted)))]
        placed[places[one]] += content
    _fill(places, [len(content) for content in contents], used)
    return places


def _fill(places: list[int], sizes: list[int], used: list[int]) -> None:
    """Give a split that has nobody the smallest signer of the split with the most of them."""
    for empty in (split for split in used if split not in places):
        crowded = max(used, key=places.count)
        places[min((one for one, place in enumerate(places) if place == crowded), key=sizes.__getitem__)] = empty


def _counts(content: NDArray[np.int64], num_labels: int) -> Numbers:
    return np.bincount(content, minlength=num_labels).astype(float)


def _badness(placed: Numbers, wanted: Numbers) -> Numbers:
    """How far placements (..., S, G), items of each split and label, are from the one wanted (S, G)."""
    off = placed - wanted
    usual = wanted.sum() / wanted.shape[-1]
    untaught = (placed[..., 0, :] == 0).sum(axis=-1) * usual**2
    return (off.sum(axis=-1) ** 2).sum(axis=-1) + (off**2).sum(axis=(-2, -1)) + untaught


def _improve(places: list[int], contents: Numbers, wanted: Numbers, used: list[int]) -> float:
    """Move each signer in turn, or let it change places with another, where that helps most, until nothing helps.

    contents: (N, G), of each signer the items of each label. No split is left empty. Returns how bad it still is.
    """
    placed = np.stack([contents[np.equal(places, split)].sum(axis=0) for split in range(len(SPLITS))])
    for _ in range(_ROUNDS):
        before = list(places)
        for one, own in enumerate(contents):
            here = places[one]
            alone = places.count(here) == 1
            steps = [(other, place) for other, place in enumerate(places) if place != here]
            steps += [(one, split) for split in used if split != here and not alone]
            partners, targets = np.array(steps).T
            gain = own - np.where((partners == one)[:, None], 0.0, contents[partners])
            tried = np.repeat(placed[None], len(steps), axis=0)
            tried[:, here] -= gain
            tried[range(len(steps)), targets] += gain
            costs = _badness(tried, wanted)
            best = int(np.argmin(costs))
            if costs[best] < _badness(placed, wanted) - 1e-6:
                placed = tried[best]
                partner, target = steps[best]
                places[partner] = here
                places[one] = target
        if places == before:
            break
    return float(_badness(placed, wanted))
