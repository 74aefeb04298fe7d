"""Splits by signer: nobody in two of them, sizes near their shares, labels where they can be learnt."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from models.data.splits import SHARES, SPLITS, by_signer


def made_up(seed: int, num_signers: int = 30, num_labels: int = 20) -> tuple[dict[str, str], dict[str, str]]:
    """Signers with very different numbers of items; the labels of each are drawn."""
    draw = random.Random(seed)
    signers, labels = {}, {}
    for signer in range(num_signers):
        for number in range(draw.choice((2, 5, 10, 30, 60))):
            item = f"{signer}-{number}"
            signers[item] = f"signer {signer}"
            labels[item] = f"label {draw.randrange(num_labels)}"
    return signers, labels


def splits_of(signers: dict[str, str], found: dict[str, str]) -> dict[str, set[str]]:
    """The splits that each signer is in."""
    splits: dict[str, set[str]] = defaultdict(set)
    for item, split in found.items():
        splits[signers[item]].add(split)
    return splits


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_in_two_splits_and_sizes_are_near_their_shares(seed: int) -> None:
    signers, labels = made_up(seed)
    found = by_signer(signers, labels=labels)
    assert list(found) == list(signers)
    assert {len(splits) for splits in splits_of(signers, found).values()} == {1}
    counts = Counter(found.values())
    for split in SPLITS:
        assert counts[split] / len(found) == pytest.approx(SHARES[split], abs=0.02)
    assert {labels[item] for item, split in found.items() if split == "train"} == set(labels.values())


def test_a_label_of_one_signer_is_in_train_even_if_sizes_fit_less() -> None:
    """Of 100 items, 70, 16 and 14 would fit best, with the only signer of the rare label in val."""
    signers = {f"{name}{number}": name for name in "abcdefg" for number in range(10)}
    signers |= {f"x{number}": "x" for number in range(16)} | {f"y{number}": "y" for number in range(14)}
    labels = dict.fromkeys(signers, "common")
    assert Counter(by_signer(signers, labels=labels).values()) == {"train": 70, "val": 16, "test": 14}
    found = by_signer(signers, labels=labels | {"x0": "rare"})
    assert found["x0"] == "train"
    assert Counter(found.values())["train"] == 66


def test_one_large_signer_does_not_end_up_in_a_small_split() -> None:
    signers = {f"a{number}": "a" for number in range(60)} | {f"{name}0": name for name in "bcdefghijk"}
    found = by_signer(signers)
    assert found["a0"] == "train"
    assert Counter(found.values())["train"] == 60


def test_the_same_items_in_any_order_give_the_same_splits() -> None:
    signers, labels = made_up(1)
    mixed = list(signers)
    random.Random(0).shuffle(mixed)
    assert by_signer({item: signers[item] for item in mixed}, labels=labels) == by_signer(signers, labels=labels)


def test_another_seed_gives_another_split() -> None:
    signers, labels = made_up(2)
    assert by_signer(signers, labels=labels, seed=1) != by_signer(signers, labels=labels, seed=2)


def test_one_signer_is_all_in_train() -> None:
    assert set(by_signer(dict.fromkeys("abc", "anna")).values()) == {"train"}


def test_of_two_signers_the_one_with_less_is_test() -> None:
    assert by_signer({"a": "anna", "b": "kofi", "c": "kofi"}) == {"a": "test", "b": "train", "c": "train"}


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (100, 1, 1), (50, 50, 50), (25, 25, 25, 25), (2, 90, 2, 2), (1, 1, 1, 100)]
)
def test_from_three_signers_on_every_split_has_somebody(sizes: tuple[int, ...]) -> None:
    signers = {f"{signer}-{number}": str(signer) for signer, size in enumerate(sizes) for number in range(size)}
    assert set(by_signer(signers).values()) == set(SPLITS)


def test_nothing_gives_nothing() -> None:
    assert by_signer({}) == {}


def test_items_of_unknown_signers_are_split_one_by_one_label_by_label() -> None:
    labels = {f"{label}-{number}": str(label) for label in range(8) for number in range(20)}
    found = by_signer(dict.fromkeys(labels, ""), labels=labels)
    counts = Counter((labels[item], split) for item, split in found.items())
    assert counts == {(str(label), split): 20 * SHARES[split] for label in range(8) for split in SPLITS}


def test_more_signers_than_are_improved_one_by_one_are_split_well_too() -> None:
    signers, labels = made_up(3, num_signers=400)
    found = by_signer(signers, labels=labels)
    counts = Counter(found.values())
    assert {len(splits) for splits in splits_of(signers, found).values()} == {1}
    for split in SPLITS:
        assert counts[split] / len(found) == pytest.approx(SHARES[split], abs=0.02)


def test_a_share_of_nothing_gets_nobody() -> None:
    signers, labels = made_up(4)
    found = by_signer(signers, labels=labels, shares={"train": 0.8, "val": 0.0, "test": 0.2})
    assert set(found.values()) == {"train", "test"}
    alone = by_signer(signers, labels=labels, shares={"train": 0.0, "val": 0.0, "test": 1.0})
    assert set(alone.values()) == {"test"}


@pytest.mark.parametrize("shares", [{"train": 0.5, "val": 0.2, "test": 0.2}, {"train": 1.2, "val": -0.2, "test": 0}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        by_signer({"a": "anna"}, shares=shares)  # type: ignore[arg-type]
