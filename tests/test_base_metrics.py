"""The measures of generated videos, on cases worked by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from models.synthesis.metrics import (
    compared,
    flicker,
    frechet,
    frechet_report,
    interval_95,
    liveliness,
    mean_of,
    psnr,
    similarity,
    ssim,
    warping_error,
)

RNG = np.random.default_rng(0)


def textured(side: int = 96) -> np.ndarray:
    """A picture that flow can follow."""
    coarse = RNG.integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def moving(frames: int = 6, side: int = 64) -> np.ndarray:
    """A camera that moves two pixels a frame."""
    picture = textured(side + 2 * frames)
    return np.stack([picture[:side, 2 * step : 2 * step + side] for step in range(frames)])


def test_a_bright_pixel_on_a_dark_one_is_a_large_error_and_does_not_wrap_around() -> None:
    dark, bright = np.full((2, 16, 16, 3), 5, np.uint8), np.full((2, 16, 16, 3), 250, np.uint8)
    # The difference is 245 everywhere: 20 log10(255 / 245).
    assert psnr(dark, bright) == pytest.approx(20 * math.log10(255 / 245), abs=1e-4)
    assert psnr(dark, bright) == pytest.approx(psnr(bright, dark))


def test_psnr_of_a_known_error() -> None:
    one = np.full((3, 16, 16, 3), 100, np.uint8)
    assert psnr(one, one + 10) == pytest.approx(20 * math.log10(25.5), abs=1e-4)
    assert psnr(one, one) == math.inf


def test_the_same_video_is_wholly_similar_and_another_is_not() -> None:
    video, other = moving(), moving()[::-1].copy()
    assert ssim(video, video) == pytest.approx(1, abs=1e-5)
    assert ssim(video, other) < 0.9


def test_similarity_is_the_cosine_of_the_same_frames() -> None:
    one = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert similarity(one, 5 * one) == pytest.approx(1)
    assert similarity(one, one[::-1]) == pytest.approx(0)
    assert similarity(one, np.array([[1.0, 1.0], [0.0, -1.0]])) == pytest.approx((math.sqrt(0.5) - 1) / 2)


def test_the_frechet_distance_of_two_gaussians_is_what_it_should_be() -> None:
    points = RNG.normal(size=(400, 1))
    points = (points - points.mean()) / points.std(ddof=1)
    # Mean 0 and deviation 1 against mean 3 and deviation 2: 3² + (2 - 1)².
    assert frechet(points, 2 * points + 3) == pytest.approx(10)
    wide = RNG.normal(size=(300, 5))
    assert frechet(wide, wide) == pytest.approx(0, abs=1e-6)
    assert frechet(wide, wide + np.array([0, 0, 2.0, 0, 0])) == pytest.approx(4)
    assert math.isnan(frechet(wide[:1], wide))


def test_the_frechet_report_names_its_features_and_never_says_fid() -> None:
    clips = [RNG.normal(size=(40, 3)) for _ in range(4)]
    made = [one + 1 for one in clips]
    found = frechet_report(clips, made, "embeddings of a toy", ["a", "b", "a", "b"])
    assert found["measure"] == "Fréchet distance on embeddings of a toy"
    assert found["distance"] == pytest.approx(3)
    assert (found["real_frames"], found["features"]) == (160, 3)
    assert found["half_real_to_real"] < 0.5 < 2 < found["half_generated_to_real"]
    alone = frechet_report(clips, made, "embeddings of a toy", ["a"] * 4)
    assert alone["half_real_to_real"] is None
    assert "FID" not in str(found)


def test_what_flow_explains_is_no_warping_error_and_noise_is() -> None:
    video = moving()
    noisy = np.clip(video + RNG.normal(0, 20, video.shape), 0, 255).astype(np.uint8)
    assert warping_error(video) < 3 < warping_error(noisy)
    assert warping_error(np.repeat(video[:1], 4, axis=0)) == pytest.approx(0, abs=0.1)
    assert math.isnan(warping_error(video[:1]))


def test_flicker_is_counted_only_where_the_real_video_is_still() -> None:
    real = np.full((3, 16, 16, 3), 100, np.uint8)
    real[1, :8], real[2, :8] = 200, 50  # the upper half moves
    made = real.copy()
    made[1, 8:] += 10  # up by ten in the lower half, and down again
    assert flicker(real, made) == pytest.approx((10, 0))
    made[1, :8] = 0  # what happens in the upper half does not count
    assert flicker(real, made) == pytest.approx((10, 0))
    moving_all = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (0, 100, 0)])
    assert all(math.isnan(value) for value in flicker(moving_all, moving_all))


def test_liveliness_is_one_for_the_same_motion_and_none_for_a_still() -> None:
    real = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (0, 100, 0)])
    assert liveliness(real, real) == 1
    assert liveliness(real, real // 2) == pytest.approx(0.5)
    assert liveliness(real, np.zeros_like(real)) == 0
    assert math.isnan(liveliness(np.zeros_like(real), real))


def test_videos_of_different_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="was compared"):
        compared(moving(frames=3), moving(frames=4))
    found = compared(moving(), moving())
    assert found["warping_error_real"] < 3
    assert found["liveliness"] > 0


def test_a_mean_leaves_out_what_was_not_measured() -> None:
    rows = [{"a": 1.0}, {"a": None}, {"a": math.inf}, {"a": 3.0}, {}]
    assert mean_of(rows, "a") == 2
    assert mean_of(rows, "b") is None


def test_an_interval_draws_signers_and_not_clips() -> None:
    # Two signers, one always right and one never: with two draws of two, all or nothing may come.
    assert interval_95([1, 1, 0, 0], ["a", "a", "b", "b"]) == (0, 1)
    assert interval_95([1, 0] * 4, list("aabbccdd")) == (0.5, 0.5)
    assert interval_95([1, 0], ["a", "a"]) is None
