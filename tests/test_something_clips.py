"""Clips as tensors: every stream of an item is of the same frames, joined by number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from something_toy import HEIGHT, WIDTH, make, number_in, numbered
from torch.utils.data import DataLoader

from models.data.something import UNKNOWN, Clip, find_videos, labels_of
from models.data.something_boxes import Boxes
from models.data.something_clips import ClipOptions, SomethingClips, open_clips, spread
from models.data.something_hands import HandTrack, hands_path, write_hands
from models.data.something_run import SomethingOptions, run
from models.data.stills import jpeg
from models.errors import SignError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make(tmp_path_factory.mktemp("something"))
    run(SomethingOptions(videos=root / "videos", annotations=root / "boxes", labels=root, out=root / "out", workers=1))
    joints, score = np.zeros((12, 2, 21, 3), np.float32), np.zeros((12, 2), np.float32)
    for row in range(1, 12):  # frame 1 has no hand
        joints[row, 0] = (32 + row, 24, 6.4)
        score[row, 0] = 0.9
    numbers = np.arange(1, 13, dtype=np.int32)
    track = HandTrack(numbers=numbers, joints=joints, score=score, width=WIDTH, height=HEIGHT)
    write_hands(hands_path(root / "out", "2"), track)
    return root


def opened(root: Path, **more: object) -> SomethingClips:
    options = ClipOptions(num_frames=6, frame_size=48, max_objects=3, crops=True, crop_size=32, crop_margin=0)
    given = {"split": "train", "options": options, **more}
    return open_clips(root / "videos", root, root / "out", **given)  # type: ignore[arg-type]


def test_every_stream_is_of_the_frames_whose_numbers_are_told(root: Path) -> None:
    item = opened(root)[1]
    assert (item["video_id"], item["template"], int(item["label"])) == ("2", "Closing something", 0)
    assert item["numbers"].tolist() == [2, 4, 6, 8, 10, 12]
    assert item["frames"].shape == (6, 3, 48, 48)
    stretched = [np.repeat(frame[:, :, :1], 4, 2)[:, :, :3] for frame in item["frames"].permute(0, 2, 3, 1).numpy()]
    import cv2

    assert [number_in(cv2.resize(frame, (WIDTH, HEIGHT))) for frame in stretched] == item["numbers"].tolist()
    assert item["annotated"].tolist() == [True] * 5 + [False]
    cups = [[number / 64, 8 / 48, (number + 16) / 64, 24 / 48] for number in (2, 4, 6, 8, 10)]
    assert torch.allclose(item["boxes"][:5, 0], torch.tensor(cups))
    assert torch.allclose(item["hand_boxes"][0, 0], torch.tensor([12 / 64, 10 / 48, 32 / 64, 30 / 48]))
    assert item["boxes_mask"].tolist() == [[True, True, False]] * 5 + [[False] * 3]
    assert not item["boxes"][~item["boxes_mask"]].any()
    assert item["hand_boxes_mask"].sum(0).tolist() == [5, 0]
    assert item["slots"].tolist() == [0, 1, UNKNOWN]


def test_joints_are_shares_of_the_picture_and_absent_ones_are_masked(root: Path) -> None:
    first, second = opened(root)
    assert second["hands_mask"].tolist() == [[True, False]] * 6
    assert torch.allclose(second["hands"][0, 0, 0], torch.tensor([33 / 64, 0.5, 0.1]))
    assert torch.allclose(second["hands_score"][:, 0], torch.tensor(0.9))
    assert not first["hands_mask"].any()  # hands of clip 1 were never looked for
    assert first["hands"].shape == (6, 2, 21, 3)
    assert not first["hands"].any()


def test_a_crop_shows_what_is_in_the_box(root: Path, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    for number in range(1, 13):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        frame[8:24, number : number + 16] = (250, 0, 0)  # the cup; its crop is 32 px wide around the middle
        (tmp_path / "1" / f"{number:04d}.jpg").write_bytes(jpeg(frame, 100))
    clips = SomethingClips(
        [Clip(video_id="1", split="train", template="Closing something")],
        find_videos(tmp_path),
        labels_of(["Closing something"]),
        boxes=Boxes(root / "out"),
        options=ClipOptions(num_frames=3, frame_size=None, max_objects=3, crops=True, crop_size=32, crop_margin=0),
    )
    item = clips[0]
    assert "frames" not in item
    assert item["crops"].shape == (3, 3, 3, 32, 32)
    for number, crop in zip(item["numbers"].tolist(), item["crops"][:, 0], strict=True):
        red = crop[0].float() > 125
        rows, columns = red.any(1).nonzero(), red.any(0).nonzero()
        assert (int(rows[0]), int(rows[-1])) == (8, 23), number
        assert (int(columns[0]), int(columns[-1])) == (8, 23), number
    assert not item["crops"][:, 2].any()


def test_items_make_batches_in_the_workers_of_a_loader(root: Path) -> None:
    clips = opened(root)
    (batch,) = DataLoader(clips, batch_size=2, num_workers=1)
    assert batch["frames"].shape == (2, 6, 3, 48, 48)
    assert batch["crops"].shape == (2, 6, 3, 3, 32, 32)
    assert batch["label"].tolist() == [2, 0]
    assert batch["video_id"] == ["1", "2"]
    for name in ("boxes", "hands", "slots", "annotated"):
        assert torch.equal(batch[name][1], clips[1][name])


def test_written_frames_give_the_same_item_as_the_clip(root: Path, tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    for number in range(1, 13):
        (tmp_path / "2" / f"{number:04d}.jpg").write_bytes(jpeg(numbered(number), 95))
    decoded = opened(root)
    read = SomethingClips(
        decoded.clips[1:],
        find_videos(tmp_path),
        decoded.labels,
        boxes=Boxes(root / "out"),
        hands=root / "out",
        options=decoded.options,
    )[0]
    for name, value in decoded[1].items():
        if name in ("frames", "crops"):
            assert (value.float() - read[name].float()).abs().mean() < 6
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, read[name]), name


def test_without_pixels_no_frame_is_decoded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = opened(root)
    bare = opened(root, options=ClipOptions(num_frames=6, frame_size=None, max_objects=3))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("models.data.something_clips.chosen_frames", refuse)
    items = [bare[0], bare[1]]
    monkeypatch.undo()
    for index, item in enumerate(items):
        assert "frames" not in item
        for name in ("numbers", "size", "boxes", "hands", "annotated"):
            assert torch.equal(item[name], whole[index][name]), name


def test_clips_without_video_label_or_boxes_are_left_out_with_the_reason(root: Path) -> None:
    clips = opened(root)
    assert [clip.video_id for clip in clips.clips] == ["1", "2"]
    assert clips.left_out == {"7": "it could not be read"}
    assert opened(root, split="validation").left_out == {"10": "its label is not among the labels"}
    assert opened(root, split="test").left_out == {"99": "no video"}
    with pytest.raises(SignError, match="no split 'dev'; it has train, validation, test"):
        opened(root, split="dev")
    bare = SomethingClips(
        [Clip(video_id="10", split="validation")],
        find_videos(root / "videos"),
        clips.labels,
        boxes=Boxes(root / "out"),
        keep_unlabelled=True,
        options=ClipOptions(num_frames=2, frame_size=None),
    )
    assert int(bare[0]["label"]) == UNKNOWN
    assert not bare[0]["boxes_mask"].any()


def test_a_column_is_one_object_and_no_more_than_asked_for(root: Path) -> None:
    item = opened(root, categories=("table",), options=ClipOptions(num_frames=2, frame_size=None, max_objects=2))[0]
    assert item["categories"].tolist() == [UNKNOWN, 0]
    one_way, other_way = (opened(root, categories=names) for names in (("cup", "table"), ("table", "cup")))
    assert one_way[0]["categories"].tolist() != other_way[0]["categories"].tolist()
    assert one_way.made_from(0) != other_way.made_from(0)
    one = opened(root, options=ClipOptions(num_frames=2, frame_size=None, max_objects=1))[0]
    assert (one["slots"].tolist(), one["boxes"].shape) == ([0], (2, 1, 4))


def test_frames_are_spread_evenly_and_repeat_where_there_are_fewer() -> None:
    assert spread(12, 6) == [1, 3, 5, 7, 9, 11]
    assert spread(3, 6) == [0, 0, 1, 1, 2, 2]
    assert spread(100, 1) == [50]
    for count in (1, 7, 48):
        assert 0 <= min(spread(count, 16)) <= max(spread(count, 16)) < count
    with pytest.raises(SignError, match="0 frames"):
        ClipOptions(num_frames=0)


@pytest.mark.real
def test_a_real_clip_decoded_from_video_has_the_boxes_of_its_frames(real_data: Path, tmp_path: Path) -> None:
    from models.data.something_boxes import find_parts, merge
    from models.data.something_frames import frames_of, numbers_of
    from models.video_write import write_video

    place = real_data / "annotations" / "something_else"
    folder = place / "videos" / "151201"
    frames = dict(frames_of(folder))
    write_video(tmp_path / "151201.webm", list(frames.values()), fps=12)
    decoded = dict(frames_of(tmp_path / "151201.webm"))
    assert list(decoded) == list(frames) == list(numbers_of(tmp_path / "151201.webm")[0]) == list(range(1, 34))
    for number, frame in decoded.items():
        distance = {other: np.abs(frame.astype(int) - given).mean() for other, given in frames.items()}
        assert min(distance, key=distance.__getitem__) == number
    boxes = merge(find_parts(place), tmp_path / "boxes.sqlite")
    clip = [Clip(video_id="151201", split="train", template="Closing something")]
    options = ClipOptions(num_frames=33, frame_size=64)
    item = SomethingClips(clip, find_videos(tmp_path), labels_of(["Closing something"]), boxes=boxes, options=options)[
        0
    ]
    assert item["annotated"].tolist() == [True] * 23 + [False] * 10
    assert torch.allclose(
        item["boxes"][0, 0] * torch.tensor([400, 240, 400, 240]), torch.tensor([16.5746, 95.4696, 137.2376, 178.5636])
    )
