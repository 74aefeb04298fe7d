"""The Holistic landmark set: building, reading, and the ecosystem's header."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import PoseError
from models.pose import landmarks


def random_pose(frames: int = 4, points: int = 576, seed: int = 0):
    random = np.random.default_rng(seed)
    data = random.uniform(0, 100, (frames, points, 3))
    confidence = (random.random((frames, points)) > 0.3).astype(np.float32)
    return landmarks.holistic_pose(data, confidence, fps=25, width=640, height=480)


def test_components_have_the_ecosystems_names_order_and_sizes() -> None:
    pose = random_pose()
    assert tuple(entry.name for entry in pose.header.components) == landmarks.COMPONENTS
    assert [len(entry.points) for entry in pose.header.components] == [33, 468, 21, 21, 33]
    assert landmarks.point_names(pose, landmarks.BODY)[landmarks.RIGHT_ELBOW] == "RIGHT_ELBOW"


def test_irises_make_the_face_478() -> None:
    pose = random_pose(points=586)
    assert len(landmarks.point_names(pose, landmarks.FACE)) == 478


def test_component_returns_what_was_put_in_and_zero_for_the_unseen() -> None:
    data = np.arange(576 * 3, dtype=np.float32).reshape(1, 576, 3) + 1
    confidence = np.ones((1, 576), np.float32)
    confidence[0, 33 + 468] = 0  # the left wrist of the hand
    pose = landmarks.holistic_pose(data, confidence, fps=25, width=10, height=10)
    points, sure = landmarks.component(pose, landmarks.LEFT_HAND)
    assert points.shape == (1, 21, 3)
    assert sure[0, 0] == 0
    assert (points[0, 0] == 0).all()
    assert (points[0, 1] == data[0, 33 + 468 + 1]).all()


def test_a_component_read_can_be_edited_without_changing_the_pose() -> None:
    pose = random_pose()
    before = pose.body.data.copy()
    points, confidence = landmarks.component(pose, landmarks.BODY)
    points += 5
    confidence += 1
    assert (pose.body.data == before).all()


def test_a_missing_component_is_named_with_what_there_is() -> None:
    pose = random_pose().get_components([landmarks.LEFT_HAND])
    with pytest.raises(PoseError, match=r"no POSE_LANDMARKS.*LEFT_HAND_LANDMARKS"):
        landmarks.component(pose, landmarks.BODY)
    assert not landmarks.has_component(pose, landmarks.BODY)


def test_seen_tells_frames_with_any_landmark() -> None:
    data = np.ones((3, 576, 3))
    confidence = np.zeros((3, 576))
    confidence[1, 33 + 468 + 5] = 0.5
    pose = landmarks.holistic_pose(data, confidence, fps=25, width=10, height=10)
    assert landmarks.seen(pose, landmarks.LEFT_HAND).tolist() == [False, True, False]
    assert not landmarks.seen(pose, landmarks.FACE).any()


def test_another_number_of_landmarks_is_a_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="576 or 586"):
        landmarks.holistic_pose(np.zeros((1, 575, 3)), np.zeros((1, 575)), fps=25, width=1, height=1)
