"""Boxes about the hands: they hold the hand, stay in the picture, go on where it is not seen, and do not tremble."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_signer import LEFT, RIGHT, without
from word_toy import PALMS, signing

from models.data.hand_boxes import SMALLEST_PX, crop, hand_boxes, square_boxes
from models.pose.landmarks import with_arrays

WIDTH, HEIGHT = 640, 480


def centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def middles(pose: object, hand: slice) -> np.ndarray:
    points = np.ma.getdata(pose.body.data)[:, 0, hand, :2]  # type: ignore[attr-defined]
    return (points.min(axis=1) + points.max(axis=1)) / 2


def test_boxes_are_squares_of_one_size_inside_the_picture_and_hold_the_hands() -> None:
    pose = signing(seconds=2.4)
    found = hand_boxes(pose)
    sides = {int(side) for hand in found.values() for side in (hand.boxes[:, 2:] - hand.boxes[:, :2]).ravel()}
    assert len(sides) == 1
    for side, part in (("left", LEFT), ("right", RIGHT)):
        boxes, seen = found[side].boxes, found[side].seen
        assert 0 < seen.sum() < len(seen)
        assert boxes.min() >= 0
        assert boxes[:, 2].max() <= WIDTH
        assert boxes[:, 3].max() <= HEIGHT
        points = np.ma.getdata(pose.body.data)[seen, 0, part, :2]
        inside = (points >= boxes[seen, None, :2]) & (points < boxes[seen, None, 2:])
        assert inside.all()
    assert sides.pop() < 3 * np.ptp(np.ma.getdata(pose.body.data)[15, 0, LEFT, 1])


def test_left_is_the_signers_left() -> None:
    found = hand_boxes(signing(seconds=2.4))
    assert (centres(found["left"].boxes)[:, 0] > centres(found["right"].boxes)[:, 0]).all()


def test_a_hand_that_is_never_found_has_no_box_and_the_other_has() -> None:
    found = hand_boxes(signing(["right"]))
    assert found["left"].boxes is None
    assert not found["left"].seen.any()
    assert found["right"].boxes is not None


def test_a_pose_without_any_hand_has_no_boxes() -> None:
    assert all(hand.boxes is None for hand in hand_boxes(signing([])).values())


def test_where_the_hand_is_not_found_the_box_follows_the_arm() -> None:
    pose = signing(seconds=2.4)
    gap = slice(20, 40)
    found = hand_boxes(without(pose, RIGHT, gap))["right"]
    assert not found.seen[gap].any()
    away = np.linalg.norm(centres(found.boxes)[gap] - middles(pose, RIGHT)[gap], axis=1)
    moved = np.ptp(middles(pose, RIGHT)[gap], axis=0).max()
    assert moved > 40
    assert away.max() < 8


def test_where_the_arm_is_not_seen_either_the_path_goes_straight_on() -> None:
    pose = signing(seconds=2.4)
    gap = slice(22, 36)
    wrist = PALMS["right"][0]
    found = hand_boxes(without(without(pose, RIGHT, gap), slice(wrist, wrist + 1), gap))["right"]
    truth = middles(pose, RIGHT)
    straight = np.linspace(truth[21], truth[36], 16)[3:-3]
    assert np.abs(centres(found.boxes)[24:34] - straight).max() < 6


def test_a_hand_found_twice_belongs_to_the_arm_it_is_at() -> None:
    pose = signing(["right"], seconds=2.4)
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence).copy()
    data[20:30, :, LEFT], confidence[20:30, :, LEFT] = data[20:30, :, RIGHT] + 1, 1
    found = hand_boxes(with_arrays(pose, data, confidence))
    assert found["right"].seen[20:30].all()
    assert not found["left"].seen.any()


def test_a_box_does_not_tremble_with_the_landmarks_nor_jump_with_one_that_is_wrong() -> None:
    pose = signing(seconds=2.4)
    quiet = centres(hand_boxes(pose)["right"].boxes)
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence)
    data[::2, :, RIGHT, 0] += 6
    data[30, :, RIGHT, :2] += 150
    shaken = centres(hand_boxes(with_arrays(pose, data, confidence))["right"].boxes)
    change = np.diff(shaken - quiet, axis=0)
    assert np.abs(change[8:-8]).max() <= 4, "of 6 pixels every frame, and 150 in one"


def test_a_box_at_the_edge_is_shifted_inwards_and_one_larger_than_the_picture_is_padded() -> None:
    path = np.array([[5.0, 470.0], [320.0, 200.0], [900.0, -50.0]])
    assert square_boxes(path, 100, 640, 480).tolist() == [[0, 380, 100, 480], [270, 150, 370, 250], [540, 0, 640, 100]]
    assert square_boxes(path, 60, 50, 480)[:, [0, 2]].tolist() == [[-5, 55]] * 3


def test_a_crop_shows_what_is_in_the_box_and_black_beyond_the_picture() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3).astype(np.uint8)
    assert np.array_equal(crop(image, (3, 4, 11, 12), 8), image[4:12, 3:11])
    padded = crop(image, (-4, -4, 28, 28), 32)
    assert np.array_equal(padded[4:24, 4:], image[:, :28])
    assert not padded[:4].any()
    assert not padded[24:].any()
    assert not padded[:, :4].any()


def test_a_tiny_hand_has_a_box_that_can_be_enlarged() -> None:
    pose = signing()
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence)
    data[:, :, LEFT] = data[:, :, LEFT].mean(axis=2, keepdims=True)
    data[:, :, RIGHT] = data[:, :, RIGHT].mean(axis=2, keepdims=True)
    data[..., :2] = np.where(confidence[..., None] > 0, (300, 200), 0)
    box = hand_boxes(with_arrays(pose, data, confidence))["left"].boxes[0]
    assert box[2] - box[0] == SMALLEST_PX
    assert crop(np.zeros((HEIGHT, WIDTH, 3), np.uint8), tuple(map(int, box)), 128).shape == (128, 128, 3)


@pytest.mark.parametrize("seconds", [0.04, 0.12])
def test_a_clip_of_one_or_three_frames_has_a_box_for_each(seconds: float) -> None:
    pose = signing(seconds=2.4)
    frames = round(seconds * 25)
    short = with_arrays(
        pose, np.ma.getdata(pose.body.data)[30 : 30 + frames], np.asarray(pose.body.confidence)[30 : 30 + frames]
    )
    assert hand_boxes(short)["left"].boxes.shape == (frames, 4)
