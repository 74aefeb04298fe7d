"""What recognizers see of a pose: the same offline and live, whatever the camera, and mirrored as a mirror would."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_format import Pose
from signing import performed

from models.errors import PoseError
from models.pose import landmarks
from models.recognition.features import (
    FPS,
    LAYOUT,
    MAX_GAP_ROWS,
    NUM_FEATURES,
    FeatureStream,
    features,
    mirrored,
    wrists_and_tips,
)


def arrays(pose: Pose) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(T, K, 3) and (T, K) of a complete pose."""
    return np.asarray(pose.body.data[:, 0].filled(0), np.float32), np.asarray(pose.body.confidence[:, 0], np.float32)


def remade(pose: Pose, points: NDArray[np.float32], sure: NDArray[np.float32], **changed: float) -> Pose:
    size = pose.header.dimensions
    told = {"fps": float(pose.body.fps), "width": size.width, "height": size.height, **changed}
    return landmarks.holistic_pose(points, sure, fps=told["fps"], width=int(told["width"]), height=int(told["height"]))


def without_hand(pose: Pose, side: int, start: int, end: int) -> Pose:
    points, sure = arrays(pose)
    first = landmarks.NUM_BODY + landmarks.NUM_FACE + side * landmarks.NUM_HAND
    sure[start:end, first : first + landmarks.NUM_HAND] = 0
    return remade(pose, points, sure)


@pytest.mark.parametrize("fps", [12.5, 25, 30, 60])
def test_a_stream_and_a_clip_give_the_same_rows(fps: float) -> None:
    pose = without_hand(performed("HELLO", "NAME", fps=fps), 1, 20, 24)
    points, sure = arrays(pose)
    stream = FeatureStream()
    rows = [
        row
        for frame in range(len(points))
        for row in stream.push(points[frame], sure[frame], 1000 * frame / fps, pose.header.dimensions.width)
    ]
    rows += stream.flush()
    offline = features(pose)
    assert np.array_equal(np.stack(rows), offline.rows)
    assert abs(len(offline) - len(points) * FPS / fps) <= 1


def test_rows_do_not_depend_on_size_or_place_of_the_person() -> None:
    pose = performed("MY")
    points, sure = arrays(pose)
    moved = points * 1.7 + np.array([40, 25, 0], np.float32)
    moved[..., 2] = points[..., 2]  # z is over the width, which grows as well
    size = pose.header.dimensions
    larger = remade(pose, moved, sure, width=size.width * 1.7, height=size.height * 1.7)
    assert np.abs(features(pose).rows - features(larger).rows).max() < 0.02


def test_a_short_gap_is_drawn_through_and_a_long_one_is_not() -> None:
    pose = performed("HELLO")
    whole = features(pose)
    middle = len(whole) // 2
    side = int(np.argmax(whole.hands.sum(axis=0)))
    short = features(without_hand(pose, side, middle, middle + MAX_GAP_ROWS))
    long = features(without_hand(pose, side, middle, middle + MAX_GAP_ROWS + 1))
    assert short.hands[middle : middle + MAX_GAP_ROWS, side].all()
    assert not long.hands[middle : middle + MAX_GAP_ROWS + 1, side].any()


def test_mirrored_rows_are_those_of_a_mirrored_pose() -> None:
    pose = performed("HELLO")
    points, sure = arrays(pose)
    width = pose.header.dimensions.width
    flipped, seen = points.copy(), sure.copy()
    flipped[..., 0] = width - flipped[..., 0]
    swaps = [(7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
    face = [(61, 291), (105, 334), (70, 300)]
    swaps += [(a + landmarks.NUM_BODY, b + landmarks.NUM_BODY) for a, b in face]
    first = landmarks.NUM_BODY + landmarks.NUM_FACE
    swaps += [(first + i, first + landmarks.NUM_HAND + i) for i in range(landmarks.NUM_HAND)]
    for a, b in swaps:
        flipped[:, [a, b]], seen[:, [a, b]] = flipped[:, [b, a]], seen[:, [b, a]]
    rows = features(pose).rows
    assert np.allclose(mirrored(rows), features(remade(pose, flipped, seen)).rows, atol=1e-3)
    assert np.allclose(mirrored(mirrored(rows)), rows)


def test_nobody_gives_empty_rows_and_a_pose_without_body_an_error() -> None:
    pose = performed("HELLO")
    points, sure = arrays(pose)
    assert not features(remade(pose, points, np.zeros_like(sure))).rows.any()
    with pytest.raises(PoseError, match="shoulders"):
        features(pose.get_components([landmarks.FACE]))
    assert features(remade(pose, points[:1], sure[:1])).rows.shape == (1, NUM_FEATURES)


def test_speeds_are_those_of_wrists_and_tips() -> None:
    rows = features(performed("MY")).rows
    ends, there = wrists_and_tips(rows)
    both = there[1:] & there[:-1]
    speeds = rows[1:, LAYOUT["speed"]].reshape(-1, 4, 2)[both]
    assert np.abs(speeds).max() > 0.3
    assert np.allclose(speeds, (ends[1:] - ends[:-1])[both] * 0.25 * FPS, atol=1e-3)
