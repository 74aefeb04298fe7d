"""Whatever is uploaded as a .pose gives a pose that every verb can work on, or a SignError."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hostile import component, most_memory_kb, pose_file
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_format import Pose

from models.errors import PoseError, SignError
from models.lexicon.index import canonical
from models.pose.clean import clean
from models.pose.draw import canvas_size, fit_pose, plain_ground, skeleton_painter
from models.pose.files import read_pose, write_csv, write_pose
from models.pose.landmarks import COMPONENTS
from models.pose.quality import assess
from models.recognition.features import features

NUMBERS = {"POSE_LANDMARKS": 33, "FACE_LANDMARKS": 468, "LEFT_HAND_LANDMARKS": 21, "RIGHT_HAND_LANDMARKS": 21}


def read(tmp_path: Path, content: bytes) -> Pose:
    path = tmp_path / "sent.pose"
    path.write_bytes(content)
    return read_pose(path)


@pytest.mark.parametrize(
    "content",
    [
        pose_file(frames=2**32 - 1),
        pose_file(people=65_535, frames=2**32 - 1),
        pose_file(version=0.1, people=0),
        pose_file([component(points=(), limbs=())], version=0.1),
        pose_file([]),
        pose_file([component(axes="")]),
        pose_file([component(axes="C")]),
        pose_file([component(axes="XC")]),
        pose_file([component(axes="X" * 60_000)]),
        pose_file([component(limbs=((5, 9),))]),
        pose_file([component("A" * 60_000)]),
        pose_file([component("POSE\nLANDMARKS")]),
        pose_file([component("POSE\u202eLANDMARKS")]),
        pose_file(version=0, frames=65_535, data=b"\0" * 131_070),  # 200 kB that became 100 MB, and may become 68 GB
        pose_file(version=9),
        pose_file(version=float("nan")),
        *(pose_file(fps=fps) for fps in (0, -1, 1e-30, 1e30, float("nan"), float("inf"))),
        pose_file()[:40],
        b"",
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_a_header_that_lies_is_refused_without_the_memory_it_asks_for(tmp_path: Path, content: bytes) -> None:
    before = most_memory_kb(anew=True)
    with pytest.raises(PoseError, match=r"sent\.pose"):
        read(tmp_path, content)
    assert most_memory_kb() - before < 200_000


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1e30])
def test_a_landmark_that_is_nowhere_was_not_seen(tmp_path: Path, wrong: float) -> None:
    pose = read(tmp_path, pose_file(data=struct.pack("<8f", wrong, 5, 0, 30, 40, 0, 1, 1)))
    assert pose.body.confidence[0, 0].tolist() == [0, 1]
    assert pose.body.data.mask[0, 0, :, 0].tolist() == [True, False]
    assert np.isfinite(np.ma.getdata(pose.body.data)).all()


def test_a_good_pose_comes_back_bit_by_bit(tmp_path: Path) -> None:
    pose = read(tmp_path, pose_file())
    write_pose(tmp_path / "again.pose", pose)
    again = read_pose(tmp_path / "again.pose")
    assert np.array_equal(np.ma.getdata(pose.body.data), np.ma.getdata(again.body.data))


def test_a_table_of_landmarks_holds_no_formula(tmp_path: Path) -> None:
    sent = pose_file([component('=HYPERLINK("http://x")', points=("+1", "@SUM(A1)"))])
    write_csv(tmp_path / "table.csv", read(tmp_path, sent))
    for line in (tmp_path / "table.csv").read_text().splitlines()[1:]:
        assert "'=HYPERLINK" in line and ("'+1" in line or "'@SUM" in line)


@st.composite
def odd_poses(draw: st.DrawFn) -> bytes:
    """Poses with some of Holistic's components, in any order, of any size, with any numbers in them."""
    names = draw(st.lists(st.sampled_from([*COMPONENTS, "OTHER"]), min_size=1, max_size=5))
    counts = [draw(st.sampled_from([NUMBERS.get(name, 33), 1, 2])) for name in names]
    axes = draw(st.sampled_from(["XYZC", "XYC"]))
    parts = [
        component(name, axes=axes, points=[f"P{number}" for number in range(count)], limbs=((0, 0),))
        for name, count in zip(names, counts, strict=True)
    ]
    frames, people = draw(st.integers(1, 6)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = rng.normal(
        draw(st.sampled_from([0.0, 300.0])),
        draw(st.sampled_from([0.0, 1e-6, 50.0, 1e9])),
        (frames, people, sum(counts), len(axes) - 1),
    ).astype("<f4")
    sure = rng.choice([0.0, 0.5, 1.0, 7.0, -1.0, np.nan], (frames, people, sum(counts))).astype("<f4")
    data[rng.random(data.shape) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    size = tuple(draw(st.sampled_from([0, 1, 480, 65_535])) for _ in range(3))
    fps = draw(st.sampled_from([0.5, 25, 29.97, 1000]))
    return pose_file(parts, size=size, fps=fps, frames=frames, people=people, data=data.tobytes() + sure.tobytes())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(odd_poses())
def test_what_is_read_can_be_worked_on_by_every_verb(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        pose = read(folder, content)
    except SignError:
        return
    for work in (assess, features, canonical, clean, _drawn):
        try:
            work(pose)
        except SignError as error:
            assert 20 < len(str(error)) < 2000
    write_csv(folder / "table.csv", pose)


def _drawn(pose: Pose) -> None:
    width, height = canvas_size(pose, 64)
    assert max(width, height) <= 66
    skeleton_painter(fit_pose(pose, width, height))(plain_ground(width, height), 0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_damage_gives_a_pose_or_a_sign_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(pose_file([component(name) for name in COMPONENTS[:3]], data=b"\0" * 96))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), min_size=1, max_size=10)
    ):
        raw[place] = value
    try:
        read(tmp_path_factory.getbasetemp(), bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except SignError as error:
        assert "sent.pose" in str(error)
