"""Lost hands are found where they are, marked as found again, and never invented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.pose.extract import PoseOptions, extract_pose, open_session
from models.pose.holistic import Image
from models.pose.landmarks import LEFT_HAND, LEFT_WRIST, NUM_BODY, NUM_HAND, RIGHT_HAND, RIGHT_WRIST, component
from models.pose.recover import RECOVERED_CONFIDENCE, HandFinder
from models.video import ReadOptions, VideoReader

LEFT = slice(-NUM_BODY - 2 * NUM_HAND, -NUM_BODY - NUM_HAND)
RIGHT = slice(-NUM_BODY - NUM_HAND, -NUM_BODY)
Frame = tuple[Image, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def frames(sample: Path) -> list[Frame]:
    """Frames of a drawn signer with Holistic's landmarks."""
    with VideoReader(sample, ReadOptions(start_ms=1000, end_ms=1800)) as clip, open_session(PoseOptions()) as session:
        return list(session.stream(clip))


@pytest.fixture
def finder() -> Iterator[HandFinder]:
    with HandFinder() as opened:
        yield opened


def hidden(frame: Frame, hand: slice) -> Frame:
    """The frame with one hand lost."""
    image, points, confidence = frame[0], frame[1].copy(), frame[2].copy()
    points[hand], confidence[hand] = 0, 0
    return image, points, confidence


def with_hand(frames: list[Frame], hand: slice) -> list[Frame]:
    return [frame for frame in frames if frame[2][hand].all()]


def test_a_hidden_hand_is_found_where_holistic_had_it(frames: list[Frame], finder: HandFinder) -> None:
    errors = []
    for hand in (LEFT, RIGHT):
        other = RIGHT if hand is LEFT else LEFT
        for frame in with_hand(frames, hand)[::4]:
            image, points, confidence = hidden(frame, hand)
            before = finder.recovered
            finder.fill(image, points, confidence)
            if finder.recovered == before or not confidence[hand].any():
                continue
            true = frame[1][hand]
            palm = np.linalg.norm(true[9, :2] - true[0, :2])
            errors.append(np.linalg.norm(points[hand][:, :2] - true[:, :2], axis=1).mean() / palm)
            assert (confidence[hand] < 1).all()
            assert (confidence[hand] > RECOVERED_CONFIDENCE / 2).all()
            if frame[2][other].any():
                assert np.array_equal(points[other], frame[1][other])
                assert (confidence[other] == 1).all()
    assert len(errors) >= 3
    assert np.median(errors) < 0.3


def test_a_frame_with_both_hands_is_left_alone(frames: list[Frame], finder: HandFinder) -> None:
    image, points, confidence = frames[0][0], frames[0][1].copy(), frames[0][2].copy()
    confidence[LEFT] = confidence[RIGHT] = 1
    before = points.copy()
    finder.fill(image, points, confidence)
    assert np.array_equal(points, before)
    assert finder.lost == 0


@pytest.mark.parametrize("why", ["outside", "not visible"])
def test_a_hand_whose_wrist_is_not_in_the_picture_is_not_looked_for(
    frames: list[Frame], finder: HandFinder, why: str
) -> None:
    image, points, confidence = hidden(hidden(frames[0], LEFT), RIGHT)
    for wrist in (LEFT_WRIST, RIGHT_WRIST):
        if why == "outside":
            points[wrist, 1] = image.shape[0] + 5
        else:
            confidence[wrist] = 0.2
    finder.fill(image, points, confidence)
    assert finder.lost == 0
    assert not confidence[LEFT].any()


def test_no_hand_is_made_up_where_there_is_none(frames: list[Frame], finder: HandFinder) -> None:
    image, points, confidence = hidden(hidden(frames[0], LEFT), RIGHT)
    for wrist, x in ((LEFT_WRIST, 0.6), (RIGHT_WRIST, 0.4)):
        points[wrist, :2] = x * image.shape[1], 0.5 * image.shape[0]
        confidence[wrist] = 1
    finder.fill(np.full_like(image, 200), points, confidence)
    assert (finder.lost, finder.recovered) == (2, 0)
    assert not confidence[LEFT].any()
    assert not confidence[RIGHT].any()


def test_the_other_hand_is_not_taken_twice(frames: list[Frame], finder: HandFinder) -> None:
    frame = with_hand(frames, RIGHT)[0]
    image, points, confidence = hidden(frame, LEFT)
    # The body's left wrist slips onto the right hand, as it does when hands cross.
    points[LEFT_WRIST] = points[RIGHT_WRIST]
    confidence[LEFT_WRIST] = 1
    finder.fill(image, points, confidence)
    assert (finder.lost, finder.recovered) == (1, 0)
    assert not confidence[LEFT].any()


def test_extraction_tells_the_recovered_hands_by_their_confidence(sample: Path) -> None:
    window = {"start_ms": 1000, "end_ms": 1800}
    plain = extract_pose(sample, PoseOptions(**window))
    result = extract_pose(sample, PoseOptions(recover_hands=True, **window))
    assert plain.hands_lost == plain.hands_recovered == 0
    marked = 0
    for name in (LEFT_HAND, RIGHT_HAND):
        points, confidence = component(plain.pose, name)
        again, sure = component(result.pose, name)
        found = confidence[:, 0] == 1
        assert np.array_equal(points[found], again[found])
        marked += int(((sure[:, 0] > 0) & (sure[:, 0] < 1)).sum())
    assert marked and marked == result.hands_recovered <= result.hands_lost
