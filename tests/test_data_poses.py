"""Instances to raw poses to clean ones: what is cut out of a video, what is measured, what is kept and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_signer import LEFT, RIGHT, signer, without
from wlasl_toy import FRAMES, SIDE, write_clip

from models.data.cuts import Cut, Source, cut_of, padded, part_of
from models.data.kept_clips import clip_tasks, clipper
from models.data.manifest import Manifest, Row
from models.data.poses import (
    Cleaning,
    CleanLimits,
    clean_tasks,
    cleaner,
    extract_tasks,
    extractor,
    leading_hands,
    why_rejected,
)
from models.data.store import Store
from models.data.wlasl import Instance
from models.data.work import Task, attempt
from models.errors import SignError
from models.pose.clean import CleanOptions, clean
from models.pose.extract import PoseOptions, extract_pose
from models.pose.files import read_pose, write_pose
from models.pose.quality import assess
from models.video import VideoInfo, VideoReader, probe


def instance(**values: Any) -> Instance:
    plain = {
        "video_id": "00001",
        "gloss": "HOUSE",
        "word": "house",
        "url": "http://example.org/1.mp4",
        "source": "toy",
        "split": "train",
        "signer": "7",
        "box": (100, 100, 300, 480),
        "start_frame": 0,
        "end_frame": None,
        "fps": 25.0,
        "variation": 0,
    }
    return Instance(**{**plain, **values})


def source(name: str = "videos/sources/a.mp4", *, in_store: bool = True, size: int = 1) -> Source:
    return Source(name=name, in_store=in_store, stamp=(size,))


def cut(one: Instance | None = None, *, at: Source | None = None, padding: float | None = 0.08) -> Cut:
    return cut_of(one or instance(), at or source(), padding=padding, output="x.pose")


def video(width: int = 640, height: int = 480, seconds: float | None = 10, fps: float = 30) -> VideoInfo:
    return VideoInfo(
        path=Path("a.mp4"),
        width=width,
        height=height,
        fps=fps,
        duration_s=seconds,
        num_frames=None,
        rotation_deg=0,
        variable_frame_rate=False,
        codec="h264",
    )


def only_task(one: Instance, at: Source, **how: Any) -> Task:
    (task,) = extract_tasks([one], {one.item: at}, **{"padding": 0.08, **how})
    return task


@pytest.fixture(scope="module")
def clip(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "00001.mp4", sample)


@pytest.mark.parametrize("fps", [12.5, 25, 29.97, 60])
def test_frame_numbers_become_times_at_25_a_second_whatever_the_rate_of_the_file(fps: float) -> None:
    part = part_of(cut(instance(start_frame=25, end_frame=75)), video(fps=fps))
    assert (part.start_ms, part.end_ms) == (1000, 3000)


def test_a_copy_that_carries_the_id_is_taken_whole_and_a_long_one_is_noted() -> None:
    one = instance(start_frame=25, end_frame=75)
    at = source("/videos/00001.mp4", in_store=False)
    part = part_of(cut(one, at=at), video(seconds=2.0))
    assert (part.start_ms, part.end_ms, part.notes) == (0, None, ())
    (note,) = part_of(cut(one, at=at), video(seconds=60)).notes
    assert "60.0 s" in note and "2.0 s" in note


def test_the_box_grows_by_the_padding_and_ends_at_the_picture() -> None:
    assert padded((100, 100, 300, 400), 0.08, 640, 480) == (84, 76, 316, 424)
    assert padded((4, 0, 635, 480), 0.08, 640, 480) == (0, 0, 640, 480)
    assert part_of(cut(), video()).crop == (84, 69, 316, 480)
    assert part_of(cut(padding=0), video()).crop == (100, 100, 300, 480)
    assert part_of(cut(padding=None), video()).crop is None


@pytest.mark.parametrize("size", [(512, 384), (1280, 960), (320, 240), (290, 480)])
def test_a_box_drawn_in_a_picture_of_another_size_is_not_used_and_noted(size: tuple[int, int]) -> None:
    part = part_of(cut(), video(*size))
    assert part.crop is None
    assert f"{size[0]} x {size[1]}" in part.notes[0]


def test_an_instance_beyond_the_end_of_its_video_fails_with_words() -> None:
    with pytest.raises(SignError, match=r"begins at 12\.00 s, and a\.mp4 ends at 10\.00 s"):
        part_of(cut(instance(start_frame=300)), video())


def test_a_raw_pose_is_that_of_the_cut_and_what_was_measured_comes_with_it(clip: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    one = instance(box=(40, 0, 200, SIDE), start_frame=2, end_frame=12)
    with store.writing("videos/sources/a.mp4") as path:
        path.write_bytes(clip.read_bytes())
    work = extractor(store)()
    first = attempt(work, only_task(one, source())).made
    assert first.state == "done", first.words
    expected = extract_pose(clip, PoseOptions(start_ms=80, end_ms=480, crop=(27, 0, 213, SIDE)))
    written = read_pose(tmp_path / first.output)
    assert np.array_equal(np.ma.getdata(written.body.data), np.ma.getdata(expected.pose.body.data))
    report = assess(expected.pose, expected.sharpness)
    assert first.info == {
        **{"gloss": "HOUSE", "split": "train", "signer": "7", "video_id": "00001", "frames": 10, "fps": 25.0},
        **{"width": 186, "height": SIDE, "start_ms": 80.0, "end_ms": 480.0, "crop": [27, 0, 213, SIDE]},
        **{"source": "videos/sources/a.mp4", "from_store": True, "notes": []},
        **{"hands": leading_hands(report), "body": report.body_in_span, "quality": report.to_json()},
    }
    bytes_of_first = (tmp_path / first.output).read_bytes()
    other = instance(video_id="00002", box=None)
    assert attempt(work, only_task(other, source())).made.info["frames"] == FRAMES
    again = attempt(work, only_task(one, source())).made
    assert again == first
    assert (tmp_path / again.output).read_bytes() == bytes_of_first, "it depends on the clip before"


def test_a_clip_that_cannot_be_read_fails_alone_and_takes_the_pose_of_an_earlier_video_away(
    clip: Path, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "out"))
    broken = tmp_path / "00001.mp4"
    broken.write_bytes(b"no video")
    task = only_task(instance(), source(str(broken), in_store=False))
    with store.writing(task.value.output) as path:
        path.write_bytes(b"older")
    work = extractor(store)()
    made = attempt(work, task).made
    assert made.state == "failed" and "00001.mp4" in made.words
    assert store.size(task.value.output) is None
    good = only_task(instance(), source(str(clip), in_store=False))
    assert attempt(work, good).made.state == "done"


def test_a_result_depends_on_the_video_and_the_cut_and_not_on_the_split() -> None:
    one = instance()
    made_from = only_task(one, source()).made_from
    assert only_task(replace(one, split="test"), source()).made_from == made_from
    others = [
        only_task(one, source(size=2)),
        only_task(one, source("videos/sources/b.mp4")),
        only_task(replace(one, box=(100, 100, 300, 470)), source()),
        only_task(replace(one, end_frame=9), source()),
        only_task(one, source(), padding=0.1),
        only_task(one, source(), padding=None),
    ]
    assert len({made_from, *(task.made_from for task in others)}) == len(others) + 1


def test_a_copy_of_the_clip_is_cut_and_cropped(clip: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    one = instance(box=(40, 0, 200, SIDE))
    (task,) = clip_tasks([one], {one.item: source(str(clip), in_store=False)}, padding=0)
    made = attempt(clipper(store)(), task).made
    assert made.output == "videos/train/HOUSE/00001.mp4"
    info = probe(tmp_path / made.output)
    assert (info.width, info.height, info.num_frames, info.fps) == (160, SIDE, FRAMES, 25)
    with VideoReader(tmp_path / made.output) as cut_clip, VideoReader(clip) as whole:
        pairs = zip(cut_clip, whole, strict=True)
        worst = max(float(np.abs(a.astype(int) - b[:, 40:200].astype(int)).mean()) for a, b in pairs)
    assert worst < 6, "it shows something else"


def test_the_leading_hand_is_judged_and_a_supporting_one_is_not() -> None:
    both = signer(hands=("left", "right"))
    assert leading_hands(assess(both)) == 1
    assert leading_hands(assess(without(both, LEFT, slice(None)))) == 0, "none leads, so the worse one counts"
    one = signer(hands=("right",), rest_visible=True)
    assert leading_hands(assess(without(one, LEFT, slice(None)))) == 1
    half = [frame for frame in range(20, 40) if frame % 2]
    seen = leading_hands(assess(without(one, RIGHT, half)))
    assert 0.4 < seen < 0.6


def cleaning(**values: Any) -> Cleaning:
    plain = {"raw": "raw.pose", "output": "clean.pose", "about": {"gloss": "HOUSE", "split": "train", "signer": "7"}}
    return Cleaning(**{**plain, "hands": 1.0, "body": 1.0, "frames": 30, **values})


def test_what_is_exactly_at_the_limits_is_kept_and_what_is_below_has_its_reason() -> None:
    limits = CleanLimits(min_frames=10, min_hands=0.4, min_body=0.5)
    assert why_rejected(cleaning(hands=0.4, body=0.5, frames=10, limits=limits)) == ""
    words = why_rejected(cleaning(hands=0.399, body=0.49, frames=9, limits=limits))
    for seen, limit in (("9 frames", "10"), ("49.0%", "50%"), ("39.9%", "40%")):
        assert seen in words and limit in words
    assert "body" not in why_rejected(cleaning(hands=0.31, limits=limits))


@pytest.mark.parametrize("wrong", [{"min_frames": 0}, {"min_hands": 1.1}, {"min_body": -0.1}, {"min_hands": 40}])
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SignError):
        CleanLimits(**wrong)


def test_a_pose_that_is_kept_is_cleaned_and_one_that_is_rejected_leaves_no_file(tmp_path: Path) -> None:
    store, raw = Store(str(tmp_path)), signer()
    write_pose(tmp_path / "raw.pose", raw)
    work, options = cleaner(store)(), CleanOptions(width=256)
    made = work(cleaning(options=options))
    expected = clean(raw, options)
    kept = read_pose(tmp_path / "clean.pose")
    assert np.array_equal(np.ma.getdata(kept.body.data), np.ma.getdata(expected.body.data))
    frames = len(expected.body.data)
    about = {"gloss": "HOUSE", "split": "train", "signer": "7"}
    assert made.info == {**about, "frames": frames, "fps": 25.0, "duration_ms": 40.0 * frames}
    rejected = work(cleaning(options=options, hands=0.1))
    assert (rejected.state, rejected.output, dict(rejected.info)) == ("rejected", "", about)
    assert not (tmp_path / "clean.pose").exists()


def test_a_pose_that_cannot_be_cleaned_is_rejected_and_a_file_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    write_pose(tmp_path / "raw.pose", without(signer(), slice(11, 13), slice(None)))
    work = cleaner(store)()
    made = work(cleaning())
    assert made.state == "rejected" and "shoulders" in made.words
    (tmp_path / "raw.pose").write_bytes(b"half of a")
    with pytest.raises(SignError, match=r"raw\.pose"):
        work(cleaning())


def test_only_what_was_extracted_is_cleaned_and_by_the_figures_in_its_row(tmp_path: Path) -> None:
    good, bad = instance(), instance(video_id="00002")
    quality = assess(signer()).to_json()
    info = {"gloss": "HOUSE", "split": "train", "signer": "7", "hands": 0.5, "body": 0.9, "quality": quality}
    with Manifest(tmp_path, writing=True) as manifest:
        row = Row(phase="extract", item=good.item, state="done", made_from="a", output="raw.pose", info=info)
        manifest.put(row)
        manifest.put(Row(phase="extract", item=bad.item, state="failed", words="no"))
        instances = [good, bad, instance(video_id="00003")]
        (task,) = clean_tasks(instances, manifest)
        assert (task.item, task.value.raw, task.value.hands, task.value.body) == (good.item, "raw.pose", 0.5, 0.9)
        assert task.value.frames == len(clean(signer(), CleanOptions()).body.data)
        (strict,) = clean_tasks(instances, manifest, limits=CleanLimits(min_hands=0.6))
        manifest.put(replace(row, made_from="b"))
        (other,) = clean_tasks(instances, manifest)
    assert len({task.made_from, strict.made_from, other.made_from}) == 3
