"""The whole of an animation: everything is written, stopping loses nothing, and the same again is the same."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from diffusing import cut, person, signing
from pose_format import Pose
from tiny_diffusion import build

from models.animation.animate import AnimateOptions, Report, animate, preview, telling_frame
from models.animation.diffusion.options import DiffusionOptions
from models.animation.driving import Driving
from models.animation.engines import EngineOptions, check_engine, engine_frames
from models.animation.frames import count_frames, read_frames
from models.animation.retarget import RetargetOptions, retarget
from models.animation.target import Target
from models.errors import SignError, VideoError, WeightsError
from models.lexicon.captions import caption_height
from models.lexicon.performance import Segment
from models.pose.files import read_pose
from models.pose.span import SIDES, raised_hand
from models.progress import Cancelled
from models.video import probe

SIDE, FRAMES = 192, 14
QUICK = AnimateOptions(measure=False)


@pytest.fixture(scope="module")
def target() -> Target:
    return person(SIDE)


@pytest.fixture(scope="module")
def driving() -> Driving:
    return Driving(
        pose=cut(signing("HELLO", SIDE), 18, 18 + FRAMES),
        segments=(Segment(gloss="HELLO", start_ms=0, end_ms=480),),
        name="HELLO",
    )


def test_everything_that_was_asked_for_is_written(target: Target, driving: Driving, tmp_path: Path) -> None:
    reports: list[Report] = []
    made = animate(target, driving, tmp_path, AnimateOptions(zip_frames=True), reports.append)
    assert made.complete
    assert all(path.is_file() for path in made.downloads)
    assert probe(made.video).num_frames == FRAMES
    assert probe(made.video).height == SIDE + caption_height(SIDE, SIDE)
    assert len(read_pose(made.pose).body.data) == FRAMES
    assert made.captions is not None
    assert "HELLO" in made.captions.read_text()
    assert made.fidelity is not None
    assert made.fidelity.face_similarity > 0.8
    assert made.frames_zip is not None
    with zipfile.ZipFile(made.frames_zip) as frames:
        assert len(frames.namelist()) == FRAMES
    assert {report.step for report in reports} == {"Animating", "Writing the video", "Measuring"}
    assert max(report.progress.done_frames for report in reports if report.step == "Animating") == FRAMES


def test_the_video_says_that_it_is_animated(target: Target, driving: Driving, tmp_path: Path) -> None:
    made = animate(target, driving, tmp_path, QUICK)
    with av.open(str(made.video)) as file:
        assert "still picture" in file.metadata["comment"]
    assert "compositeSynthetic" in made.provenance.read_text()


def test_without_glosses_there_is_no_strip_for_them(target: Target, driving: Driving, tmp_path: Path) -> None:
    made = animate(target, replace(driving, segments=()), tmp_path, QUICK)
    assert probe(made.video).height == SIDE
    assert made.captions is None


def test_stopping_keeps_the_frames_and_going_on_gives_the_same_video(
    target: Target, driving: Driving, tmp_path: Path
) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 10

    part = animate(target, driving, tmp_path / "a", QUICK, should_stop=stop)
    assert not part.complete
    assert 0 < part.num_frames < FRAMES
    assert probe(part.video).num_frames == part.num_frames
    first = (tmp_path / "a" / "frames" / "0001.jpg").stat().st_mtime_ns
    whole = animate(target, driving, tmp_path / "a", QUICK)
    assert whole.complete
    assert (tmp_path / "a" / "frames" / "0001.jpg").stat().st_mtime_ns == first
    again = animate(target, driving, tmp_path / "b", QUICK)
    pairs = zip(read_frames(tmp_path / "a" / "frames"), read_frames(again.video.parent / "frames"), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_frames_of_another_run_are_not_taken_for_ones_own(target: Target, driving: Driving, tmp_path: Path) -> None:
    animate(target, driving, tmp_path, QUICK)
    before = next(iter(read_frames(tmp_path / "frames")))
    brighter = replace(target, image=np.clip(target.image.astype(int) + 60, 0, 255).astype(np.uint8))
    animate(brighter, driving, tmp_path, QUICK)
    assert count_frames(tmp_path / "frames") == FRAMES
    assert next(iter(read_frames(tmp_path / "frames"))).mean() > before.mean() + 20


def test_stopped_before_the_first_frame_nothing_is_claimed(target: Target, driving: Driving, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        animate(target, driving, tmp_path, QUICK, should_stop=lambda: True)
    assert not list(tmp_path.glob("*.mp4"))


def test_a_full_disk_is_said_before_the_work(
    target: Target, driving: Driving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(VideoError, match="make room"):
        animate(target, driving, tmp_path, QUICK)


def test_the_visible_mark_is_in_every_frame(target: Target, driving: Driving, tmp_path: Path) -> None:
    animate(target, driving, tmp_path / "plain", QUICK)
    animate(target, driving, tmp_path / "marked", replace(QUICK, visible_mark=True))
    pairs = zip(read_frames(tmp_path / "plain" / "frames"), read_frames(tmp_path / "marked" / "frames"), strict=True)
    assert all(np.abs(a.astype(int) - b)[:16, :50].max() > 80 for a, b in pairs)


def test_a_pose_without_hands_gives_a_person_without_signs(target: Target, tmp_path: Path) -> None:
    from models.pose import landmarks

    pose = cut(signing("HELLO", SIDE), 18, 24)
    sure = np.ma.getdata(pose.body.confidence).copy()
    for name in landmarks.HANDS:
        start = landmarks.component_start(pose, name)
        sure[..., start : start + landmarks.NUM_HAND] = 0
    handless = landmarks.with_arrays(pose, np.ma.getdata(pose.body.data), sure)
    assert animate(target, Driving(pose=handless, name="nothing"), tmp_path, QUICK).complete


def test_a_preview_is_the_frame_that_the_run_will_have(target: Target, driving: Driving, tmp_path: Path) -> None:
    shown = preview(target, driving, QUICK)
    animate(target, driving, tmp_path, QUICK)
    made = list(read_frames(tmp_path / "frames"))[telling_frame(driving)]
    assert np.abs(shown.astype(int) - made).mean() < 3


def test_a_preview_at_another_rate_is_of_the_same_moment(target: Target, driving: Driving) -> None:
    seen: list[tuple[int, int]] = []

    def draw(_engine: str, _target: Target, pose: Pose, _options: object, *, start: int) -> Iterator[np.ndarray]:
        seen.append((start, len(pose.body.data)))
        yield target.image

    told = telling_frame(driving)
    for fps in (5.0, 25.0, 100.0):
        preview(target, driving, replace(QUICK, fitting=RetargetOptions(fps=fps)), draw=draw)
    assert [start for start, _ in seen] == [round(told / 5), told, 4 * told]
    assert all(start < frames for start, frames in seen)


def test_going_on_needs_room_for_what_is_missing_only(
    target: Target, driving: Driving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    animate(target, driving, tmp_path, QUICK)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert animate(target, driving, tmp_path, QUICK).complete
    (tmp_path / "frames" / "0011.jpg").unlink()
    with pytest.raises(VideoError, match=f"{FRAMES - 10} frames of"):
        animate(target, driving, tmp_path, QUICK)


def test_the_telling_frame_has_a_hand_up() -> None:
    pose = signing("HELLO", SIDE)
    frame = telling_frame(Driving(pose=pose, name="HELLO"))
    assert any(raised_hand(pose, side)[frame] for side in SIDES)
    rest = cut(pose, 0, 3)
    assert telling_frame(Driving(pose=rest, name="rest")) == 1


@pytest.mark.parametrize("engine", ["controlnet", "animatediff"])
def test_a_diffusion_engine_is_driven_like_the_puppet(
    target: Target, driving: Driving, tmp_path: Path, engine: str
) -> None:
    small = DiffusionOptions(steps=4, strength=0.5, side=64, guidance_scale=1.0, hand_passes=1, window=8, overlap=3)
    options = EngineOptions(diffusion=small, weights=build(tmp_path / "weights"))
    short = replace(driving, pose=cut(driving.pose, 0, 5))
    made = animate(target, short, tmp_path / "out", AnimateOptions(engine=engine, of_engine=options, measure=False))
    assert made.complete
    assert (made.num_frames, probe(made.video).width) == (5, SIDE)
    assert "trainedAlgorithmicMedia" in made.provenance.read_text()


def test_drawing_starts_from_the_puppet_unless_told_otherwise(target: Target, driving: Driving, tmp_path: Path) -> None:
    weights, pose = build(tmp_path), retarget(driving.pose, target)
    found = []
    for init in ("puppet", "target"):
        options = DiffusionOptions(steps=4, strength=0.3, side=64, guidance_scale=1.0, init=init)
        found.append(next(engine_frames("controlnet", target, pose, EngineOptions(diffusion=options, weights=weights))))
    assert (found[0] != found[1]).any()
    assert DiffusionOptions().init == "puppet"


def test_engines_that_are_none_or_lack_weights_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.weights._cached", lambda _: None)
    with pytest.raises(SignError, match="puppet, controlnet"):
        check_engine("magic", EngineOptions())
    with pytest.raises(WeightsError, match="weights pull"):
        check_engine("controlnet", EngineOptions(weights=tmp_path))
    check_engine("puppet", EngineOptions())


def test_settings_are_kept_in_words(target: Target, driving: Driving, tmp_path: Path) -> None:
    made = animate(target, driving, tmp_path, QUICK)
    told = json.loads(made.provenance.read_text())
    assert told["title"] == "HELLO (animated)"
    assert "puppet" in told["description"]
