"""A picture of a clip at a time: the right moment, the right part, always square, and never of a broken file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.manifest import Row
from models.data.store import Store
from models.data.thumbnails import thumbnail, thumbnail_name, write_thumbnail
from models.errors import SignError, VideoError
from models.video_write import write_video

FPS, FRAMES, WIDTH, HEIGHT = 25, 20, 96, 64


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey that grows by 10 a frame from 20 up; the right half is red throughout."""
    path = tmp_path_factory.mktemp("clip") / "50001.mp4"
    frames = [np.full((HEIGHT, WIDTH, 3), 20 + 10 * number, np.uint8) for number in range(FRAMES)]
    for frame in frames:
        frame[:, WIDTH // 2 :] = (220, 20, 20)
    write_video(path, frames, fps=FPS)
    return path


def row(source: Path | str, **info: object) -> Row:
    about = {"source": str(source), "from_store": False, "start_ms": 0, "end_ms": None, "crop": None}
    about |= {"frames": FRAMES, "fps": FPS, "quality": {"start_ms": 160.0, "end_ms": 480.0}}
    return Row(phase="extract", item="HOUSE-50001", state="done", info=about | info)


def picture(data: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(int)


@pytest.mark.parametrize(("at_ms", "frame"), [(0, 0), (39, 0), (40, 1), (330, 8), (799, 19)])
def test_it_shows_the_frame_of_its_time(clip: Path, at_ms: float, frame: int) -> None:
    left_half = (0, 0, WIDTH // 2, HEIGHT)
    shown = picture(thumbnail(clip, at_ms=at_ms, crop=left_half))
    assert abs(shown[96, 96] - (20 + 10 * frame)).max() <= 4


def test_it_is_square_with_the_whole_picture_between_bars(clip: Path) -> None:
    shown = picture(thumbnail(clip, at_ms=760, side=96))
    assert shown.shape == (96, 96, 3)
    bars = np.concatenate([shown[:14], shown[-14:]])
    assert bars.max() < 40  # 16 rows above and below are no picture
    assert shown[48, 10].min() > 180
    assert shown[48, 80, 0] > 180 > 60 > shown[48, 80, 1]


def test_a_crop_is_all_that_is_shown(clip: Path) -> None:
    red = picture(thumbnail(clip, at_ms=0, crop=(WIDTH // 2 + 8, 0, WIDTH, 40), side=64))
    assert (red[:, :, 0] > 180).all() and (red[:, :, 1] < 70).all()  # 40 x 40: no bars either


def test_the_same_moment_gives_the_same_bytes(clip: Path) -> None:
    assert thumbnail(clip, at_ms=400) == thumbnail(clip, at_ms=400)


@pytest.mark.parametrize("content", [b"", b"no video", b"\0\0\0\x18ftypmp42"])
def test_a_broken_clip_is_an_error_in_words(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        thumbnail(broken, at_ms=0)


def test_a_time_after_the_end_is_an_error(clip: Path) -> None:
    with pytest.raises(VideoError, match="no frame"):
        thumbnail(clip, at_ms=5000)


def test_a_clip_is_shown_in_the_middle_of_its_signing(clip: Path, tmp_path: Path) -> None:
    cut = row(clip, start_ms=200, crop=[0, 0, WIDTH // 2, HEIGHT])
    path = write_thumbnail(cut, Store(str(tmp_path)), tmp_path / "thumbs")
    assert path == tmp_path / "thumbs" / thumbnail_name(cut)
    # 200 ms into the video, and from there 320 ms to the middle of 160 to 480: frame 13.
    assert abs(picture(path.read_bytes())[96, 96] - 150).max() <= 4


def test_a_clip_of_which_no_signing_is_known_is_shown_in_its_middle(clip: Path, tmp_path: Path) -> None:
    whole = row(clip, quality={}, crop=[0, 0, WIDTH // 2, HEIGHT])
    path = write_thumbnail(whole, Store(str(tmp_path)), tmp_path / "thumbs")
    assert abs(picture(path.read_bytes())[96, 96] - 120).max() <= 4  # frame 10 of 20


def test_another_part_of_the_video_has_another_name_and_another_folder_has_not(clip: Path, tmp_path: Path) -> None:
    name = thumbnail_name(row(clip))
    assert len({name, thumbnail_name(row(clip, start_ms=40)), thumbnail_name(row(clip, crop=[0, 0, 8, 8]))}) == 3
    assert name == thumbnail_name(row(tmp_path / "elsewhere" / clip.name))


def test_a_thumbnail_that_is_there_is_not_made_again(clip: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    path = write_thumbnail(row(clip), store, tmp_path)
    path.write_bytes(b"here already")
    assert write_thumbnail(row(clip), store, tmp_path).read_bytes() == b"here already"


def test_a_video_in_the_store_is_found_by_its_name(clip: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with store.writing("videos/sources/host-1.mp4") as made:
        made.write_bytes(clip.read_bytes())
    there = row("videos/sources/host-1.mp4", from_store=True)
    assert write_thumbnail(there, store, tmp_path / "thumbs").is_file()
    with pytest.raises(SignError, match=r"host-2\.mp4"):
        write_thumbnail(row("videos/sources/host-2.mp4", from_store=True), store, tmp_path / "thumbs")


def test_a_video_that_was_moved_away_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SignError, match=r"gone\.mp4.*put it back"):
        write_thumbnail(row(tmp_path / "gone.mp4"), Store(str(tmp_path)), tmp_path / "thumbs")
    assert not list(tmp_path.rglob("*.jpg"))
    with pytest.raises(SignError, match="no video is known"):
        write_thumbnail(row(""), Store(str(tmp_path)), tmp_path / "thumbs")
