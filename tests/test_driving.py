"""Driving poses from videos, frames, `.pose` files and glosses, and what is saved of them."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from pose_format import Pose

from models.animation.driving import Driving, read_driving, save_driving, sign_driving
from models.animation.frames import write_frame
from models.errors import PictureError, PoseError, SignError, VideoError
from models.lexicon.avatar import LOOKS, render_avatar
from models.lexicon.embedded import embedded_lexicon
from models.pose.clean import reduce
from models.pose.files import read_pose, write_pose
from models.pose.landmarks import BODY, FACE, RIGHT_HAND, WORLD, component, seen, with_arrays
from models.pose.openpose_json import read_openpose
from models.progress import Cancelled, Progress
from models.video_write import write_video


@cache
def hello() -> Driving:
    return sign_driving("HELLO", [embedded_lexicon()])


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """A dozen frames of a rendered signer, hands up."""
    pose = hello().pose
    start = int(np.flatnonzero(seen(pose, RIGHT_HAND))[5])
    data, sure = (np.ma.getdata(part)[start : start + 12] for part in (pose.body.data, pose.body.confidence))
    return list(render_avatar(with_arrays(pose, data, sure), LOOKS[next(iter(LOOKS))]))


@pytest.fixture
def folder(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    for index, picture in enumerate(pictures):
        write_frame(tmp_path / "frames", index, picture)
    return tmp_path / "frames"


def only(pose: Pose, *names: str, points: dict[str, list[str]] | None = None) -> Pose:
    return pose.get_components(list(names), points)


def test_glosses_drive_with_their_segments() -> None:
    driving = sign_driving("HELLO fs-AB", [embedded_lexicon()])
    assert [segment.gloss for segment in driving.segments] == ["HELLO", "A-B"]
    assert driving.name == "HELLO A-B"
    assert driving.pose.body.fps == 25


def test_a_folder_of_frames_is_read_at_25_frames_per_second(folder: Path) -> None:
    (folder / "notes.txt").write_text("not a picture")
    told: list[Progress] = []
    driving = read_driving(folder, tell=told.append)
    assert len(driving.pose.body.data) == 12
    assert driving.pose.body.fps == 25
    assert driving.name == "frames"
    assert seen(driving.pose, BODY).all()
    assert told[-1].done_frames == told[-1].total_frames == 12


def test_frames_come_in_the_order_of_their_numbers(folder: Path) -> None:
    for number, path in enumerate(sorted(folder.iterdir()), start=1):
        path.rename(folder / f"f{number}.jpg")  # f10.jpg sorts before f2.jpg
    straight = read_driving(folder).pose
    for path in folder.iterdir():
        path.rename(folder / f"{int(path.stem[1:]):04}.jpg")
    assert np.array_equal(np.ma.getdata(straight.body.data), np.ma.getdata(read_driving(folder).pose.body.data))


def test_frames_of_another_size_are_named(folder: Path) -> None:
    write_frame(folder, 6, np.zeros((64, 48, 3), np.uint8))
    with pytest.raises(VideoError, match=r"0007\.jpg.*48 x 64"):
        read_driving(folder)


def test_a_file_that_only_looks_like_a_picture_is_named(folder: Path) -> None:
    (folder / "0003.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"0003\.jpg"):
        read_driving(folder)


def test_reading_stops_when_asked(folder: Path) -> None:
    with pytest.raises(Cancelled):
        read_driving(folder, should_stop=lambda: True)


def test_a_video_and_its_frames_give_the_same_movement(
    tmp_path: Path, folder: Path, pictures: list[np.ndarray]
) -> None:
    write_video(tmp_path / "hello you.mp4", pictures, fps=30)
    driving = read_driving(tmp_path / "hello you.mp4")
    assert driving.name == "hello you"
    assert driving.pose.body.fps == 30
    frames = component(read_driving(folder, fps=30).pose, BODY)[0][:, :17, :2]
    assert np.median(np.abs(frames - component(driving.pose, BODY)[0][:, :17, :2])) < 2


def test_a_clip_that_shows_nobody_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "empty.mp4", [np.full((96, 96, 3), 120, np.uint8)] * 5, fps=25)
    with pytest.raises(PoseError, match=r"empty\.mp4.*none of the 5 frames"):
        read_driving(tmp_path / "empty.mp4")


@pytest.mark.parametrize("missing", ["nothing.pose", "nothing.mp4"])
def test_a_source_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SignError, match="nothing"):
        read_driving(tmp_path / missing)


def test_an_empty_folder_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"0001\.jpg"):
        read_driving(tmp_path)


def test_complete_and_reduced_pose_files_drive(tmp_path: Path) -> None:
    for pose in (hello().pose, reduce(hello().pose)):
        write_pose(tmp_path / "a.pose", pose)
        assert len(read_driving(tmp_path / "a.pose").pose.body.data) == len(pose.body.data)


def test_a_pose_without_arms_says_what_is_missing(tmp_path: Path) -> None:
    write_pose(
        tmp_path / "a.pose", only(hello().pose, BODY, points={BODY: ["NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER"]})
    )
    with pytest.raises(PoseError, match="LEFT_ELBOW"):
        read_driving(tmp_path / "a.pose")


def test_a_pose_of_another_format_says_what_it_has(tmp_path: Path) -> None:
    write_pose(tmp_path / "a.pose", only(hello().pose, RIGHT_HAND, WORLD))
    with pytest.raises(PoseError, match=f"{BODY}.*{RIGHT_HAND}"):
        read_driving(tmp_path / "a.pose")


def test_a_driving_pose_is_saved_as_json_maps_and_pose(tmp_path: Path) -> None:
    driving = Driving(pose=hello().pose, name="../what's up: HELLO")
    count = len(driving.pose.body.data)
    place = save_driving(driving, tmp_path)
    assert place.parent == tmp_path
    assert len(read_openpose(place / "pose_json").poses) == count
    first = json.loads(sorted((place / "pose_json").iterdir())[0].read_text())
    assert (first["canvas_width"], first["canvas_height"]) == (512, 512)
    maps = sorted((place / "pose_png").iterdir())
    assert [path.name for path in maps] == [f"{number:04}.png" for number in range(1, count + 1)]
    middle = cv2.imread(str(maps[count // 2]))
    assert middle.shape == (512, 512, 3)
    assert middle.any()
    assert len(read_pose(place / f"{place.name}.pose").body.data) == count
    assert sorted(path.name for path in place.iterdir()) == sorted(["pose_json", "pose_png", f"{place.name}.pose"])


def test_saving_again_replaces_a_longer_run_and_leaves_other_files(tmp_path: Path) -> None:
    place = save_driving(hello(), tmp_path)
    (place / "mine.txt").write_text("keep")
    data, sure = np.ma.getdata(hello().pose.body.data)[:3], np.ma.getdata(hello().pose.body.confidence)[:3]
    save_driving(Driving(pose=with_arrays(hello().pose, data, sure), name="HELLO"), tmp_path)
    assert len(list((place / "pose_png").iterdir())) == len(list((place / "pose_json").iterdir())) == 3
    assert (place / "mine.txt").read_text() == "keep"
    shutil.rmtree(place)


def test_a_folder_of_openpose_keypoints_drives_as_the_pose_it_came_from(tmp_path: Path) -> None:
    driving = sign_driving("HELLO", [embedded_lexicon()])
    place = save_driving(driving, tmp_path)
    flat = read_driving(place / "pose_json")
    for name in (BODY, RIGHT_HAND):
        asked, sure = component(driving.pose, name)
        read, found = component(flat.pose, name)
        both = (found > 0) & (sure > 0)
        assert both.sum() > 0.3 * sure.astype(bool).sum()
        np.testing.assert_allclose(read[both][:, :2], asked[both][:, :2], atol=0.01)
    assert not seen(flat.pose, FACE).any()


def test_what_was_saved_drives_again(tmp_path: Path) -> None:
    driving = sign_driving("HELLO", [embedded_lexicon()])
    again = read_driving(save_driving(driving, tmp_path))
    assert (again.pose.body.data == driving.pose.body.data).all()
