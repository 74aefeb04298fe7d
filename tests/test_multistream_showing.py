"""What the video and the figures of one clip show: the picture as it was filmed, and where the model looked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch

from models.errors import VideoError
from models.lettering import font_of
from models.recognition.multistream.attention_figures import pictures_of, received
from models.recognition.multistream.recognizer import Candidate, Seen
from models.recognition.multistream.showing import LEAST_WIDTH, _picture_size, shown_frames, write_shown
from models.recognition.multistream.shown_panel import cut, panel, percent, wrapped
from models.video import probe

T = 4
LABELS = ("Moving [something] and [something] closer to each other", "Closing [something]", "C", "D", "E")


def seen(width: int = 64, height: int = 48, **changes: Any) -> Seen:
    """Grey pictures; in frame 0 a right hand, in frames 0 and 1 an object in slot 1 on the left, a hand's box on the
    right in frame 2; every stream looks at the next one, and at frame 2 only."""
    item = {
        "numbers": torch.arange(1, T + 1),
        "size": torch.tensor([width, height]),
        "slots": torch.tensor([1, -1]),
        "category_names": ["cup"],
        "boxes": torch.tensor([[[0.1, 0.3, 0.4, 0.9], [0, 0, 0, 0]]] * T),
        "boxes_mask": torch.tensor([[True, False], [True, False], [False, False], [False, False]]),
        "hand_boxes": torch.tensor([[[0.6, 0.3, 0.9, 0.9], [0, 0, 0, 0]]] * T),
        "hand_boxes_mask": torch.tensor([[False, False]] * 2 + [[True, False]] + [[False, False]]),
        "hands": torch.zeros(T, 2, 21, 3),
        "hands_mask": torch.tensor([[False, True]] + [[False, False]] * 3),
    }
    item["hands"][0, 1, :, :2] = torch.stack([torch.linspace(0.6, 0.9, 21), torch.linspace(0.4, 0.8, 21)], dim=1)
    over_streams, over_time = np.zeros((3, T, 3), np.float32), np.zeros((3, T, T), np.float32)
    for stream in range(3):
        over_streams[stream, :, (stream + 1) % 3] = 1
    over_time[:, :, 2] = 1
    present = np.array([[True, False, False, False], [True, True, False, False], [True] * T])
    return Seen(**{
        "video_id": "7",
        "candidates": tuple(Candidate(label=one, confidence=0.5 / (k + 1)) for k, one in enumerate(LABELS)),
        "item": item,
        "pictures": tuple(np.full((height, width, 3), 128, np.uint8) for _ in range(T)),
        "over_streams": over_streams,
        "over_time": over_time,
        "present": present,
        "fps": 2.0,
        "remarks": ("A hand was found in 1 of 4 frames.",),
        "description": "A model, trained on drawn clips.",
    } | changes)  # fmt: skip


def drawn_in(frame: np.ndarray) -> tuple[bool, bool]:
    """Whether something is drawn on the left and on the right half of a grey picture of 480 x 360 pixels, centred."""
    picture = frame[:360, (LEAST_WIDTH - 480) // 2 : (LEAST_WIDTH + 480) // 2].astype(int)
    changed = np.abs(picture - 128).max(axis=2) > 20
    return bool(changed[:, :240].any()), bool(changed[:, 240:].any())


def test_objects_and_hands_are_drawn_where_and_when_they_are() -> None:
    assert [drawn_in(one) for one in shown_frames(seen())] == [
        (True, True), (True, False), (False, True), (False, False)
    ]  # fmt: skip


def test_boxes_of_hands_are_dashed_and_boxes_of_objects_are_not() -> None:
    frames = list(shown_frames(seen()))
    left = (LEAST_WIDTH - 480) // 2
    down_object = frames[1][120:320, left + round(0.1 * 480)].astype(int)
    down_hand = frames[2][120:320, left + round(0.6 * 480)].astype(int)
    assert (np.abs(down_object - 128).max(axis=1) > 20).all()
    share = (np.abs(down_hand - 128).max(axis=1) > 20).mean()
    assert 0.4 < share < 0.95


def test_a_box_is_named_by_its_place_in_the_label_and_what_it_is() -> None:
    named, numbered = seen(), seen()
    del numbered.item["category_names"]
    first, second = (next(shown_frames(one)).astype(int) for one in (named, numbered))
    assert (first[:360] != second[:360]).any()  # "2 cup" and "2"
    np.testing.assert_array_equal(first[360:], second[360:])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [((427, 240), (640, 360)), ((640, 480), (640, 480)), ((1920, 1080), (1280, 720)), ((240, 427), (240, 428))],
)
def test_the_picture_keeps_its_proportions_and_is_large_enough(given: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert _picture_size(*given) == wanted


def test_the_video_has_all_frames_at_the_rate_of_the_clip(tmp_path: Path) -> None:
    path = write_shown(seen(), tmp_path / "shown.mp4")
    info = probe(path)
    assert (info.num_frames, info.fps, info.width) == (T, 2.0, LEAST_WIDTH)
    assert info.height % 2 == 0
    bare = next(shown_frames(seen(), caption=False))
    assert bare.shape[0] < info.height  # the answer in large letters is left out


def test_a_video_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="MP4"):
        write_shown(seen(), tmp_path / "shown.gif")


def test_nothing_is_drawn_onto_the_pictures_that_were_given() -> None:
    given = seen(width=640, height=480)
    list(shown_frames(given))
    assert all((one == 128).all() for one in given.pictures)


def test_the_panel_has_one_height_and_tells_frames_apart() -> None:
    one = seen()
    panels = [panel(one, place, 640, received(one)) for place in range(T)]
    assert len({made.shape for made in panels}) == 1
    assert all((a != b).any() for a, b in pairwise(panels))
    assert panels[0].shape[0] % 2 == 0


def test_words_of_the_panel_stand_out_and_stay_inside() -> None:
    long = tuple(Candidate(label="Pretending " * 60, confidence=0.5) for _ in range(5))
    made = panel(seen(candidates=long, remarks=("word " * 400,)), 0, 640, received(seen()))
    ground = made[0, 0]
    assert (made[:, :8] == ground).all()
    assert (made[:, -8:] == ground).all()
    assert (made[-6:] == ground).all()


def test_lines_have_room_and_the_last_is_cut() -> None:
    font = font_of(14)
    lines = wrapped(LABELS[0] * 3, font, 200, 2)
    assert len(lines) == 2
    assert all(font.getlength(line) <= 200 for line in lines)
    assert lines[1].endswith("…")
    assert wrapped("", font, 200, 2) == [""]
    assert cut("short", font, 200) == "short"


def test_shares_are_never_rounded_to_nothing_or_all() -> None:
    assert [percent(one) for one in (0, 0.001, 0.126, 0.999, 1)] == ["0 %", "<1 %", "13 %", ">99 %", "100 %"]


def test_the_look_at_frames_adds_up_to_one_and_counts_present_streams_only() -> None:
    one = seen()
    one.over_time[0, 1:] = 0
    one.over_time[0, 1:, 0] = 1  # where there is no hand
    np.testing.assert_allclose(received(one), [0, 0, 1, 0])
    one.over_time[2, 0] = [0, 1, 0, 0]
    np.testing.assert_allclose(received(one), [0, 1 / 7, 6 / 7, 0])  # of 1 + 2 + 4 rows
    assert received(seen(present=np.zeros((3, T), bool))).tolist() == [0] * T


def test_figures_say_where_each_stream_looks_and_when() -> None:
    streams, frames = pictures_of(seen())
    assert "hands to objects 100 %, context 0 % (nothing of it in 3 of 4 frames)" in streams.alt
    assert "objects to hands 0 %, context 100 %" in streams.alt
    assert "hands look most at frame 3 (1.0 s), 100 %" in frames.alt
    assert "context looks most at frame 3" in frames.alt
    for one in (streams, frames):
        assert ElementTree.fromstring(one.data).tag.endswith("svg")


def test_figures_leave_out_streams_that_were_never_there() -> None:
    lone = np.zeros((3, T), bool)
    assert pictures_of(seen(present=lone)) == ()
    lone[2] = True
    (frames,) = pictures_of(seen(present=lone))
    assert "hands" not in frames.alt
    alone = seen(present=lone, over_time=np.zeros((3, T, T), np.float32))  # the others have nothing to look at
    assert pictures_of(alone) == ()
    assert len(list(shown_frames(alone))) == T


@pytest.mark.real
def test_a_filmed_clip_is_shown_in_its_own_proportions(real_data: Path) -> None:
    folder = real_data / "annotations" / "something_else" / "videos" / "44862"
    paths = sorted(folder.glob("*.jpg"))[: 12 * T : 12]
    pictures = tuple(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]) for path in paths)
    assert pictures[0].shape == (240, 427, 3)
    last = list(shown_frames(seen(pictures=pictures)))[3]  # on which nothing is drawn
    assert last.shape[1] == 640
    shown = cv2.resize(last[:360], (427, 240), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - pictures[3]).mean() < 4
