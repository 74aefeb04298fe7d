"""Hands drawn once more: crops that hold the hands, are steady, and change nothing but hands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from diffusing import cut, person, signing
from pose_format import Pose
from tiny_diffusion import build

from models.animation.diffusion.hand_repair import CROP_SIDE, crops, paste, refine_hands
from models.animation.diffusion.options import DiffusionOptions
from models.animation.diffusion.pipelines import load
from models.pose import landmarks
from models.pose.openpose import scale_keypoints, to_openpose
from models.weights import quiet

BIG = 384


@pytest.fixture(scope="module")
def pose() -> Pose:
    return signing("THANK-YOU", BIG)


def hand_points(pose: Pose, frame: int) -> np.ndarray:
    found = [landmarks.component(pose, name) for name in landmarks.HANDS]
    shown = [data[frame, :, :2] for data, sure in found if (sure[frame] > 0).all()]
    return np.concatenate([np.zeros((0, 2)), *shown])


def test_every_hand_in_the_picture_lies_in_a_crop_and_under_its_mask(pose: Pose) -> None:
    raised = 0
    for frame, found in enumerate(crops(pose)):
        for point in hand_points(pose, frame):
            if not (2 <= point[0] < BIG - 2 and 2 <= point[1] < BIG - 2):
                continue
            raised += 1
            x, y = point.astype(int)
            assert any(
                0 <= x - crop.left < crop.side
                and 0 <= y - crop.top < crop.side
                and crop.mask[y - crop.top, x - crop.left] > 0.3
                for crop in found
            )
    assert raised > 200


def test_crops_stay_in_the_frame_and_move_steadily(pose: Pose) -> None:
    found = list(crops(pose))
    for crop in (crop for frame in found for crop in frame):
        assert crop.left >= 0
        assert crop.top >= 0
        assert max(crop.left, crop.top) + crop.side <= BIG
    middles = [frame[0].left + frame[0].side / 2 for frame in found if len(frame) == 1]
    assert np.abs(np.diff(middles)).max() < BIG / 10


def test_hands_that_touch_share_a_crop() -> None:
    together = crops(signing("NAME", BIG))
    assert 1 in {len(frame) for frame in together}


def test_pasting_a_crop_back_unchanged_gives_the_identical_picture(pose: Pose) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (BIG, BIG, 3)).astype(np.uint8)
    for crop in list(crops(pose))[30]:
        part = frame[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        assert (paste(frame, part, crop) == frame).all()


def test_a_paste_changes_nothing_outside_of_its_crop(pose: Pose) -> None:
    frame = np.zeros((BIG, BIG, 3), np.uint8)
    (crop, *_) = list(crops(pose))[30]
    out = paste(frame, np.full((CROP_SIDE, CROP_SIDE, 3), 255, np.uint8), crop)
    assert out.max() > 200
    out[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] = 0
    assert (out == 0).all()


def test_the_map_of_a_crop_shows_the_hand_where_it_is(pose: Pose) -> None:
    (crop, *_) = list(crops(pose))[30]
    scale = CROP_SIDE / crop.side
    whole = to_openpose(pose)[30]
    moved = scale_keypoints(whole, scale, (-crop.left * scale, -crop.top * scale))
    hand = whole.right_hand if whole.right_hand is not None else whole.left_hand
    there = moved.right_hand if whole.right_hand is not None else moved.left_hand
    assert hand is not None
    assert there is not None
    np.testing.assert_allclose(there[:, :2], (hand[:, :2] - (crop.left, crop.top)) * scale, rtol=1e-4, atol=1e-2)


def test_a_second_pass_changes_hands_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.animation.diffusion.hand_repair.CROP_SIDE", 64)
    target, moving = person(192), cut(signing("THANK-YOU", 192), 28, 31)
    options = DiffusionOptions(steps=4, guidance_scale=1.0, hand_passes=1, hand_strength=0.6)
    with quiet():
        pipe = load("controlnet", options, build(tmp_path))
        frames = [target.image] * 3
        refined = list(refine_hands(frames, pipe, target, moving, options))
    assert len(refined) == 3
    for frame, out, found in zip(frames, refined, crops(moving), strict=True):
        changed = np.abs(out.astype(int) - frame).max(axis=-1) > 0
        assert changed.any()
        inside = np.zeros((192, 192), bool)
        for crop in found:
            inside[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] |= crop.mask > 0
        assert not (changed & ~inside).any()
