"""Windows over a long clip: they cover it, their shares add up, and no seam shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.windows import blended, plan, weights

SIZES = [(1, 16, 4), (5, 16, 4), (16, 16, 8), (17, 16, 4), (37, 16, 6), (100, 16, 8), (1000, 24, 5)]


@pytest.mark.parametrize(("total", "length", "overlap"), SIZES)
def test_windows_cover_every_frame_and_share_enough(total: int, length: int, overlap: int) -> None:
    windows = plan(total, length, overlap)
    assert windows[0][0] == 0
    assert windows[-1][1] == total
    assert all(end - start == min(length, total) for start, end in windows)
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(windows))


@pytest.mark.parametrize(("total", "length", "overlap"), SIZES)
def test_shares_add_up_to_one_in_every_frame(total: int, length: int, overlap: int) -> None:
    windows, shares = plan(total, length, overlap), np.zeros(total)
    for index, (start, end) in enumerate(windows):
        part = weights(windows, index)
        assert part.shape == (end - start,)
        assert (part > 0).all()
        shares[start:end] += part
    np.testing.assert_allclose(shares, 1, atol=1e-6)


def test_as_few_windows_as_cover_the_clip() -> None:
    assert len(plan(16, 16, 4)) == 1
    assert len(plan(28, 16, 4)) == 2
    assert len(plan(29, 16, 4)) == 3


def test_sharing_more_than_half_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="share"):
        plan(40, 16, 9)


def test_windows_that_differ_fade_into_each_other_without_a_jump() -> None:
    windows = plan(60, 16, 6)
    made = (np.full((end - start, 1), float(index % 2), np.float32) for index, (start, end) in enumerate(windows))
    frames = np.concatenate(list(blended(windows, made)))
    assert frames.shape == (60,)
    assert frames.min() == 0
    assert frames.max() == 1
    assert np.abs(np.diff(frames)).max() <= 1 / 6 + 1e-6


def test_windows_that_agree_are_left_as_they_are() -> None:
    truth = np.random.default_rng(0).normal(size=(45, 3)).astype(np.float32)
    windows = plan(45, 16, 5)
    frames = np.stack(list(blended(windows, (truth[start:end] for start, end in windows))))
    np.testing.assert_allclose(frames, truth, atol=1e-5)


def test_frames_come_out_as_soon_as_no_window_can_change_them() -> None:
    windows = plan(40, 16, 4)
    asked: list[int] = []

    def made():  # type: ignore[no-untyped-def]
        for index, (start, end) in enumerate(windows):
            asked.append(index)
            yield np.zeros((end - start, 1), np.float32)

    frames = blended(windows, made())
    next(frames)
    assert asked == [0]
    for _ in range(windows[1][0] - 1):
        next(frames)
    assert asked == [0]
    next(frames)
    assert asked == [0, 1]
