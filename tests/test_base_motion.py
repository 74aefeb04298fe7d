"""What samples of a word have in common: the medoid, the mean in time, other speeds."""

from __future__ import annotations

import numpy as np
import pytest

from models.synthesis.motion import Motion, barycentre, blended, medoid, resampled

WIDTH = 4


def motion(path: np.ndarray, seen: np.ndarray | None = None) -> Motion:
    """A clip whose views turn by these angles (T,)."""
    turning = np.stack([np.cos(path), np.sin(path), np.zeros_like(path), np.zeros_like(path)], axis=-1)
    views = np.repeat(turning[:, None] * WIDTH**0.5, 3, axis=1).astype(np.float32)
    return Motion(views=views, seen=np.ones(views.shape[:2], bool) if seen is None else seen, fps=10)


def angles(one: Motion) -> np.ndarray:
    return np.arctan2(one.views[:, 0, 1], one.views[:, 0, 0])


def test_the_medoid_is_the_sample_that_is_nearest_to_all_whatever_its_speed() -> None:
    slow, quick, slip = np.linspace(0, 1, 30), np.linspace(0, 1, 12), np.linspace(0, -1, 20)
    assert medoid([motion(slip), motion(slow), motion(quick), motion(slow * 1.1)]) in (1, 2)
    assert medoid([motion(slow)]) == 0
    with pytest.raises(ValueError, match="no motion"):
        medoid([])


def test_the_mean_keeps_the_time_of_the_sample_it_is_made_around() -> None:
    late = np.concatenate([np.zeros(8), np.linspace(0, 1, 12)])
    early = np.concatenate([np.linspace(0, 1.2, 12), np.full(8, 1.2)])
    mean = barycentre([motion(late), motion(early)], around=0)
    assert len(mean) == 20
    assert np.abs(angles(mean) - late).max() < 0.2  # and not half a second early, which would be 0.7
    assert angles(mean)[-1] == pytest.approx(1.1, abs=0.05)
    assert np.allclose(np.linalg.norm(mean.views, axis=-1), WIDTH**0.5, atol=1e-5)


def test_what_was_not_seen_says_nothing_in_the_mean() -> None:
    path, wrong = np.linspace(0, 1, 10), np.full(10, 3.0)
    hidden = np.ones((10, 3), bool)
    hidden[:, 0] = False
    one, other = motion(path), motion(wrong, hidden)
    mean = barycentre([one, one, other], around=0)
    assert np.allclose(angles(mean), path, atol=1e-5)
    assert mean.seen[:, 0].all()


def test_speed_changes_the_frames_and_not_the_way() -> None:
    path = np.linspace(0, 1, 11)
    found = resampled(motion(path), 21)
    assert np.allclose(angles(found), np.linspace(0, 1, 21), atol=1e-3)
    assert np.allclose(angles(resampled(found, 11)), path, atol=1e-3)


def test_between_two_motions_lies_their_middle() -> None:
    one, other = motion(np.linspace(0, 1, 10)), motion(np.linspace(0, 0.6, 14))
    assert np.allclose(blended(one, other, 0).views, one.views, atol=1e-5)
    assert angles(one)[-1] > angles(blended(one, other, 0.5))[-1] > angles(blended(one, other, 1))[-1]
    with pytest.raises(ValueError, match="share"):
        blended(one, other, 1.5)
