"""Folders of frames: in the order of their numbers, of one size, there and back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.animation.frames import (
    count_frames,
    frame_paths,
    frames_to_video,
    read_frames,
    video_to_frames,
    write_frame,
    write_picture,
    zip_frames,
)
from models.errors import PictureError, VideoError
from models.lexicon.captions import caption_height
from models.lexicon.performance import Segment
from models.progress import Cancelled
from models.video import probe


def shade(level: int) -> np.ndarray:
    return np.full((64, 96, 3), level, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(12):
        write_frame(tmp_path / "frames", index, shade(20 * index))
    return tmp_path / "frames"


def test_frames_come_back_in_order(folder: Path) -> None:
    levels = [round(float(frame.mean())) for frame in read_frames(folder)]
    assert np.abs(np.array(levels) - 20 * np.arange(12)).max() <= 1
    assert folder / "0001.jpg" in frame_paths(folder)


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    for name in ("10.png", "9.png", "100.png", "1.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.stem for path in frame_paths(tmp_path)] == ["1", "9", "10", "100"]


def test_a_gap_ends_what_is_done(folder: Path) -> None:
    assert count_frames(folder) == 12
    (folder / "0006.jpg").unlink()
    assert count_frames(folder) == 5


def test_a_video_of_frames_has_them_all(folder: Path, tmp_path: Path) -> None:
    assert frames_to_video(folder, tmp_path / "out.mp4") == 12
    info = probe(tmp_path / "out.mp4")
    assert (info.num_frames, info.width, info.height, info.fps) == (12, 96, 64, 25)


def test_captions_are_added_below(folder: Path, tmp_path: Path) -> None:
    segments = [Segment(gloss="HELLO", start_ms=0, end_ms=400)]
    frames_to_video(folder, tmp_path / "out.mp4", segments=segments)
    assert probe(tmp_path / "out.mp4").height == 64 + caption_height(96, 64)


def test_frames_that_become_a_video_come_back_from_it(folder: Path, tmp_path: Path) -> None:
    frames_to_video(folder, tmp_path / "out.mp4", fps=30)
    assert video_to_frames(tmp_path / "out.mp4", tmp_path / "again") == 12
    pairs = zip(read_frames(folder), read_frames(tmp_path / "again"), strict=True)
    assert max(np.abs(a.astype(int) - b).max() for a, b in pairs) < 12


def test_a_folder_that_holds_something_is_left_alone(folder: Path, tmp_path: Path) -> None:
    frames_to_video(folder, tmp_path / "out.mp4")
    with pytest.raises(VideoError, match="choose a new folder"):
        video_to_frames(tmp_path / "out.mp4", folder)


def test_a_folder_that_was_not_filled_can_be_given_again(folder: Path, tmp_path: Path) -> None:
    frames_to_video(folder, tmp_path / "out.mp4")
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Cancelled):
        video_to_frames(tmp_path / "out.mp4", tmp_path / "again", should_stop=stop)
    assert video_to_frames(tmp_path / "out.mp4", tmp_path / "again") == 12


def test_what_cannot_be_joined_is_said(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="no picture"):
        frames_to_video(tmp_path / "empty", tmp_path / "out.mp4")
    with pytest.raises(VideoError, match="no such folder"):
        frames_to_video(tmp_path / "nowhere", tmp_path / "out.mp4")
    Image.new("RGB", (50, 50)).save(folder / "0005.jpg")
    with pytest.raises(VideoError, match=r"0005\.jpg: 50 x 50"):
        frames_to_video(folder, tmp_path / "out.mp4")
    (folder / "0005.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"0005\.jpg"):
        frames_to_video(folder, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_zip_holds_every_frame(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(zip_frames(folder, tmp_path / "frames.zip")) as archive:
        assert archive.namelist() == [f"{number:04}.jpg" for number in range(1, 13)]


def test_a_single_frame_is_written_by_its_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", shade(90))
    assert (np.asarray(Image.open(tmp_path / "a.png")) == 90).all()
    with pytest.raises(VideoError, match="PNG or JPEG"):
        write_picture(tmp_path / "a.gif", shade(90))
