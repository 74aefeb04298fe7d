"""Everything made of a clip, one or many; and the clips that nobody expects."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.errors import VideoError
from models.pose.clean import CleanOptions
from models.pose.extract import PoseOptions
from models.pose.files import read_pose
from models.pose.openpose_json import read_openpose
from models.pose.products import ProductOptions, make_many_products, make_products
from models.progress import Cancelled
from models.video import VideoReader, probe
from models.video_write import write_video


@pytest.fixture(scope="module")
def frames(sample: Path) -> list[np.ndarray]:
    """A second of signing."""
    return list(VideoReader(sample))[30:55]


@pytest.fixture(scope="module")
def clip(frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "a clip.mp4"
    write_video(path, frames, fps=25)
    return path


def test_every_product_speaks_of_the_same_frames(clip: Path, tmp_path: Path) -> None:
    told = []
    options = ProductOptions(preview="side_by_side", clean=CleanOptions(trim=False))
    products = make_products(clip, tmp_path, options, told.append)
    assert len(read_pose(products.pose).body.data) == 25
    assert probe(products.preview).num_frames == 25
    assert probe(products.preview).width > 1.5 * probe(products.preview).height
    assert len(read_openpose(products.openpose).poses) == 25
    assert products.cleaned is not None
    assert read_pose(products.cleaned).body.data.shape[::2] == (25, 178)
    assert json.loads(products.quality.read_text())["num_frames"] == 25
    with products.csv.open(newline="") as file:
        assert {int(row["frame"]) for row in csv.DictReader(file)} == set(range(25))
    steps = [step for step, _ in told]
    assert steps.index("Drawing the preview") > steps.index("Reading the pose")
    assert {path.parent for path in products.downloads} == {tmp_path}


def test_a_part_and_a_crop_of_the_clip_reach_every_product(clip: Path, tmp_path: Path) -> None:
    options = ProductOptions(pose=PoseOptions(start_ms=200, end_ms=600, crop=(100, 0, 420, 512)))
    products = make_products(clip, tmp_path, options)
    pose = read_pose(products.pose)
    assert len(pose.body.data) == 10
    assert (pose.header.dimensions.width, pose.header.dimensions.height) == (320, 512)
    assert probe(products.preview).num_frames == 10


def test_stopping_says_so_and_leaves_no_half_file(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        make_products(clip, tmp_path, should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_clips_of_one_name_do_not_overwrite_each_other_and_a_failure_has_its_line(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / clip.name
    other.parent.mkdir()
    other.write_bytes(clip.read_bytes())
    broken, formula = tmp_path / "broken.mp4", tmp_path / "=1+1\t.mp4"
    for bad in (broken, formula):
        bad.write_bytes(clip.read_bytes()[:300])
    result = make_many_products([clip, other, broken, formula], tmp_path / "out")
    whole = {entry.clip: entry.error is None for entry in result.clips}
    assert whole == {clip: True, other: True, broken: False, formula: False}
    assert result.archive is not None
    with zipfile.ZipFile(result.archive) as archive:
        poses = sorted(name for name in archive.namelist() if name.endswith(".pose"))
        assert poses == ["a-clip-2/a-clip-2.pose", "a-clip/a-clip.pose"]
        lines = archive.read("report.tsv").decode().splitlines()
    assert len(lines) == 5
    assert any(line.startswith("broken.mp4\tfailed\t") for line in lines)
    assert all(line.count("\t") == 2 for line in lines)
    assert not any(cell.startswith("=") for line in lines for cell in line.split("\t")), "no cell is a formula"


def test_a_batch_in_which_nothing_works_gives_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    result = make_many_products([tmp_path / "a.mp4"], tmp_path / "out")
    assert result.archive is None
    assert "a.mp4" in str(result.clips[0].error)


@pytest.mark.parametrize(
    ("name", "size", "count", "fps"),
    [
        ("one frame.mp4", (512, 512), 1, 25),
        ("portrait.mp4", (360, 640), 5, 30),
        ("tiny.mp4", (32, 24), 5, 25),
        ("fast.mp4", (320, 240), 24, 240),
        ("8K.mp4", (7680, 4320), 2, 25),
        ('it\'s "odd"\n🤟 \u202e.mp4', (320, 240), 3, 25),
    ],
    ids=["one frame", "portrait", "tiny", "240 fps", "8K", "odd name"],
)
def test_unusual_clips_are_worked_on_whole(
    name: str, size: tuple[int, int], count: int, fps: int, tmp_path: Path
) -> None:
    ramp = np.linspace(0, 255, size[0], dtype=np.uint8)
    picture = np.repeat(np.broadcast_to(ramp, (size[1], size[0]))[..., None], 3, axis=2)
    write_video(tmp_path / name, [picture] * count, fps=fps)
    products = make_products(tmp_path / name, tmp_path / "out")
    pose = read_pose(products.pose)
    assert len(pose.body.data) == count
    assert pose.body.fps == fps
    assert not pose.body.confidence.any(), "there is nobody in a grey ramp"
    assert products.report.verdict == "reject"
    assert probe(products.preview).num_frames == count
    assert products.pose.name.isascii()


def test_sound_without_a_picture_is_named(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"sound\.mp4"):
        make_products(tmp_path / "sound.mp4", tmp_path / "out")
