"""Pose files and atomic writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose

from models.errors import PoseError
from models.files import replacing, safe_name
from models.pose import landmarks
from models.pose.files import read_pose, write_csv, write_pose


@pytest.fixture
def pose() -> Pose:
    random = np.random.default_rng(1)
    confidence = np.ones((3, 576))
    confidence[1, 501:522] = 0  # the left hand is missing in the second frame
    return landmarks.holistic_pose(random.uniform(0, 99, (3, 576, 3)), confidence, fps=25, width=64, height=48)


def test_a_pose_comes_back_as_it_was_written(tmp_path: Path, pose: Pose) -> None:
    write_pose(tmp_path / "new" / "a.pose", pose)
    back = read_pose(tmp_path / "new" / "a.pose")
    assert np.array_equal(np.ma.getdata(back.body.data), np.ma.getdata(pose.body.data))
    assert np.array_equal(back.body.confidence, pose.body.confidence)
    assert back.body.fps == 25
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.pose"]


@pytest.mark.parametrize("keep", [0, 1, 7, 40, 3000, -4])
def test_a_truncated_file_is_named_with_what_to_do(tmp_path: Path, pose: Pose, keep: int) -> None:
    path = tmp_path / "cut.pose"
    write_pose(path, pose)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PoseError, match=r"cut\.pose: not a whole \.pose file"):
        read_pose(path)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_give_a_clear_error_or_a_pose_but_never_a_crash(tmp_path: Path, pose: Pose, seed: int) -> None:
    path = tmp_path / "x.pose"
    write_pose(path, pose)
    damaged = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for place in random.integers(0, 400 if seed % 2 else len(damaged), 8):
        damaged[place] = random.integers(0, 256)
    path.write_bytes(damaged)
    try:
        assert read_pose(path).body.data.ndim == 4
    except PoseError as error:
        assert str(error).startswith("x.pose: ")


def test_text_a_folder_and_nothing_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "note.pose").write_text("this is no pose " * 100)
    for name in ("note.pose", ".", "missing.pose"):
        with pytest.raises(PoseError):
            read_pose(tmp_path / name)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_and_fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_the_table_has_a_row_per_landmark_and_blanks_for_the_unseen(tmp_path: Path, pose: Pose) -> None:
    write_csv(tmp_path / "a.csv", pose)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 576
    gone = [row for row in rows if row["component"] == "LEFT_HAND_LANDMARKS" and row["frame"] == "1"]
    assert len(gone) == 21
    assert all(row["x"] == "" and float(row["confidence"]) == 0 for row in gone)
    first = rows[0]
    assert first["landmark"] == "NOSE"
    assert float(first["x"]) == pytest.approx(float(pose.body.data[0, 0, 0, 0]), abs=1e-4)
    assert rows[576]["time_ms"] == "40.0"


def test_names_in_messages_stay_on_one_line() -> None:
    assert safe_name("/a/b/it's\n\u202egnp.mp4") == "it's\ufffd\ufffdgnp.mp4"
