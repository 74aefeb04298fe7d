"""Hands in annotated boxes: joints in the picture's own coordinates, absent hands with confidence 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from something_toy import make, numbered

from models.data import something_hands
from models.data.something_boxes import find_parts, merge
from models.data.something_hands import (
    BoxedHands,
    Hand,
    HandOptions,
    HandWork,
    hand_tracker,
    hands_path,
    placed,
    read_hands,
    square,
    track_hands,
)
from models.errors import SignError


@pytest.fixture(scope="module")
def finder() -> Iterator[BoxedHands]:
    with BoxedHands(HandOptions(margins=(0.5, 0.25))) as opened:
        yield opened


def hand(x: float, y: float, *, side: int = 0, score: float = 0.9, size: float = 10) -> Hand:
    joints = np.zeros((21, 3), np.float32)
    joints[:, 0], joints[:, 1] = x + np.linspace(0, size, 21), y + np.linspace(0, size, 21)
    return Hand(joints=joints, score=score, side=side)


def test_a_cut_is_a_square_around_the_box_and_the_edge_goes_on_beyond_the_picture() -> None:
    image = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    cut, corner = square(image, (20, 10, 40, 40), 0.0)
    assert (cut.shape, corner) == ((32, 32, 3), (14, 9))  # no smaller than 32
    assert np.array_equal(cut, image[9:41, 14:46])
    cut, (left, top) = square(image, (-10, 0, 20, 20), 0.5)
    assert cut.shape == (60, 60, 3)
    assert (left, top) == (-25, -20)
    assert np.array_equal(cut[20:40, 25:60], image[:20, :35])
    assert (cut[20:40, :25] == image[:20, :1]).all()
    assert not square(image, (500, 500, 520, 520), 0.1)[0].size


def test_joints_are_in_the_coordinates_of_the_whole_picture(
    finder: BoxedHands, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    points = np.linspace([0.25, 0.5, 0.0], [0.75, 0.5, -0.1], 21)
    monkeypatch.setattr(something_hands, "_detected", lambda _: [(points, "Left", 0.8)])
    (found,) = finder.find(image, (100, 60, 200, 160))  # the cut: 200 px from (50, 10)
    assert np.allclose(found.joints[[0, -1]], [[100, 110, 0], [200, 110, -20]])
    assert (found.side, found.score) == (1, 0.8)  # the model's left is the right hand of a picture not mirrored


def test_what_lies_beside_its_box_or_is_tiny_is_no_hand_of_this_box(
    finder: BoxedHands, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, asked = np.zeros((240, 320, 3), np.uint8), []

    def detected(results: object) -> list:
        asked.append(results)
        x = 0.02 if len(asked) % 2 else 0.5
        return [(np.linspace([x, 0.5, 0], [x + 0.1, 0.5, 0], 21), "Left", 1.0)]

    monkeypatch.setattr(something_hands, "_detected", detected)
    assert finder.find(image, (100, 60, 200, 160)) == []
    assert len(asked) == 2  # both margins were tried


def test_two_hands_get_two_sides_and_one_hand_found_twice_gets_one() -> None:
    sure, other, again = hand(0, 0, score=0.9), hand(50, 50, score=0.7), hand(1, 1, score=0.8)
    assert placed([other, again, sure]) == {0: sure, 1: other}
    assert placed([hand(0, 0, side=1)])[1].score == 0.9
    assert len(placed([sure, other, hand(90, 90)])) == 2
    assert placed([]) == {}


class Everywhere:
    """Finds a hand at the corner of every box, in all frames but one."""

    def find(self, image: np.ndarray, box: tuple[float, float, float, float]) -> list[Hand]:
        return [] if np.array_equal(image, self.blind) else [hand(box[0], box[1], side=1)]

    blind = numbered(5)


def test_a_hand_that_was_not_found_or_has_no_box_has_confidence_zero(tmp_path: Path) -> None:
    root = make(tmp_path)
    boxes = merge(find_parts(root / "boxes"), root / "boxes.sqlite").path
    folder = tmp_path / "2"
    folder.mkdir()
    import cv2

    for number in range(1, 13):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), numbered(number), [cv2.IMWRITE_JPEG_QUALITY, 100])
    work = HandWork(video_id="2", source=folder, boxes=boxes, out=tmp_path)
    finder = Everywhere()
    from models.data.something_frames import frames_of

    finder.blind = dict(frames_of(folder))[5]
    made = track_hands(work, finder)  # type: ignore[arg-type]
    assert made.info == {"frames": 12, "hand_boxes": 9, "boxes_with_hand": 8, "left": 0, "right": 8}
    track = read_hands(hands_path(tmp_path, "2"))
    assert track.numbers.tolist() == list(range(1, 13))
    assert (track.joints.shape, track.width, track.height) == ((12, 2, 21, 3), 64, 48)
    seen = [2, 3, 4, 6, 7, 8, 9, 10]
    assert [number for number, score in zip(track.numbers, track.score[:, 1], strict=True) if score > 0] == seen
    assert not track.joints[:, 0].any()
    assert not track.joints[track.score == 0].any()
    assert track.joints[1, 1, 0, :2].tolist() == [12, 10]  # the box of frame 2


def test_joints_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="--hands"):
        read_hands(tmp_path / "1.npz")
    (tmp_path / "1.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SignError, match=r"1\.npz cannot be read"):
        read_hands(tmp_path / "1.npz")
    np.savez(tmp_path / "2.npz", numbers=[1], joints=np.zeros((1, 21, 3)), score=np.zeros((1, 2)), size=[1, 1])
    with pytest.raises(SignError, match=r"2\.npz holds"):
        read_hands(tmp_path / "2.npz")
    with pytest.raises(SignError, match="margins"):
        HandOptions(margins=())


@pytest.mark.real
def test_hands_are_found_in_real_boxes_and_lie_in_them(real_data: Path, tmp_path: Path) -> None:
    place = real_data / "annotations" / "something_else"
    boxes = merge(find_parts(place), tmp_path / "boxes.sqlite")
    source = tmp_path / "2"
    source.mkdir()
    for number in (10, 20, 29, 40):
        (source / f"{number:04d}.jpg").symlink_to(place / "videos" / "2" / f"{number:04d}.jpg")
    made = hand_tracker()()(HandWork(video_id="2", source=source, boxes=boxes.path, out=tmp_path))
    assert made.info["hand_boxes"] == 4
    assert made.info["boxes_with_hand"] >= 3
    track, annotated = read_hands(hands_path(tmp_path, "2")), boxes.get("2")
    assert annotated is not None
    for number, joints, score in zip(track.numbers.tolist(), track.joints, track.score, strict=True):
        (box,) = [one.box for one in annotated.at(number, track.width, track.height) if one.is_hand]
        x1, y1, x2, y2 = box
        for side in np.flatnonzero(score):
            middle = joints[side, :, :2].mean(0)
            assert x1 < middle[0] < x2
            assert y1 < middle[1] < y2
            assert np.ptp(joints[side, :, 1]) > 0.3 * (y2 - y1)
