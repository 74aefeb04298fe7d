"""Many clips to poses: nothing depends on the order, nothing that was done is lost, one bad clip harms no other."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import psutil
import pytest

from models.errors import PoseError
from models.pose.batch import BatchProgress, ClipOutcome, _Meter, extract_many, pose_paths
from models.pose.extract import PoseOptions
from models.pose.files import read_pose
from models.pose.record import is_current, read_record, read_sharpness, record_path
from models.pose.worker import Frames, Task
from models.video import ReadOptions, VideoReader
from models.video_write import write_video

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clips(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three short clips of one signer, from different moments, of different length."""
    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for number, num_frames in enumerate((4, 10, 6)):
        start = 500 + 1000 * number
        with VideoReader(sample, ReadOptions(start_ms=start, end_ms=start + 40 * num_frames)) as reader:
            small = [cv2.resize(frame, (240, 240), interpolation=cv2.INTER_AREA) for frame in reader]
        paths.append(folder / f"clip{number}.mp4")
        write_video(paths[-1], small, fps=25)
    return paths


@pytest.fixture(scope="module")
def alone(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the poses that one worker makes of the clips."""
    out = tmp_path_factory.mktemp("alone")
    assert all(outcome.error is None for outcome in extract_many(clips, out, workers=1))
    return out


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_poses_do_not_depend_on_the_number_of_workers_or_the_order_of_clips(
    clips: list[Path], alone: Path, tmp_path: Path
) -> None:
    told: list[BatchProgress] = []
    outcomes = list(extract_many(clips[::-1], tmp_path, workers=2, progress=told.append))
    assert {outcome.path: outcome.num_frames for outcome in outcomes} == dict(zip(clips, (4, 10, 6), strict=True))
    for clip in clips:
        name = f"{clip.stem}.pose"
        assert (tmp_path / name).read_bytes() == (alone / name).read_bytes()
    assert (told[-1].done_clips, told[-1].num_clips, told[-1].failed_clips, told[-1].done_frames) == (3, 3, 0, 20)
    assert not left_over(tmp_path)


def test_a_bad_clip_fails_by_name_and_the_others_go_on(clips: list[Path], tmp_path: Path) -> None:
    bad, gone = tmp_path / "bad.mp4", tmp_path / "gone.mp4"
    bad.write_bytes(b"no video" * 5000)  # the largest file, so the first task
    outcomes = {outcome.path: outcome for outcome in extract_many([bad, gone, clips[0]], tmp_path / "out", workers=1)}
    assert outcomes[bad].pose_path is None
    assert "bad.mp4" in str(outcomes[bad].error)
    assert "gone.mp4" in str(outcomes[gone].error)
    assert outcomes[clips[0]] == ClipOutcome(
        path=clips[0],
        pose_path=tmp_path / "out" / "clip0.pose",
        error=None,
        num_frames=4,
        seconds=outcomes[clips[0]].seconds,
    )


def test_a_worker_that_is_killed_loses_its_clip_only(clips: list[Path], tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_once(progress: BatchProgress) -> None:
        if not killed:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            killed.append(1)

    outcomes = list(extract_many(clips, tmp_path, workers=1, progress=kill_once))
    failed = [outcome for outcome in outcomes if outcome.error]
    assert [outcome.path for outcome in failed] == [max(clips, key=lambda clip: clip.stat().st_size)]
    assert "signal 9" in str(failed[0].error)
    assert sorted(path.stem for path in tmp_path.glob("*.pose")) == sorted(
        outcome.path.stem for outcome in outcomes if not outcome.error
    )
    assert len(outcomes) == 3


def test_what_is_done_is_skipped_and_only_while_it_is_still_true(
    clips: list[Path], alone: Path, tmp_path: Path
) -> None:
    pose, options = alone / "clip0.pose", PoseOptions()
    assert is_current(pose, clips[0], options)
    assert not is_current(pose, clips[1], options)  # another clip
    assert not is_current(pose, clips[0], PoseOptions(fps=10))  # other options
    assert not is_current(pose, tmp_path / "gone.mp4", options)
    record = record_path(pose).read_text()

    for name, broken in {"cut": pose.read_bytes()[:-1], "empty": b""}.items():
        copy = tmp_path / f"{name}.pose"
        copy.write_bytes(broken)
        record_path(copy).write_text(record)
        assert not is_current(copy, clips[0], options), name
    whole = tmp_path / "whole.pose"
    whole.write_bytes(pose.read_bytes())
    for text in (None, "", "[]", '{"format"', json.dumps(json.loads(record) | {"format": 0})):
        record_path(whole).unlink(missing_ok=True)
        if text is not None:
            record_path(whole).write_text(text)
        assert not is_current(whole, clips[0], options), text

    outcomes = list(extract_many(clips, alone))
    assert all(outcome.skipped and outcome.error is None for outcome in outcomes)
    assert sorted(outcome.num_frames for outcome in outcomes) == [4, 6, 10]


def test_the_record_keeps_the_sharpness_of_every_frame(clips: list[Path], alone: Path) -> None:
    sharpness = read_sharpness(alone / "clip1.pose", 10)
    assert sharpness is not None
    assert (sharpness > 0).all()
    assert read_sharpness(alone / "clip1.pose", 9) is None
    assert read_sharpness(alone / "nothing.pose", 10) is None
    assert (read_record(alone / "clip1.pose") or {})["options"]["complexity"] == 1


def test_closing_early_keeps_what_was_done_and_leaves_no_worker(clips: list[Path], tmp_path: Path) -> None:
    running = extract_many(clips, tmp_path, workers=1)
    first = next(running)
    assert multiprocessing.active_children()
    running.close()
    assert not multiprocessing.active_children()
    assert is_current(tmp_path / f"{first.path.stem}.pose", first.path, PoseOptions())
    assert not left_over(tmp_path)


INTERRUPTED = """
import sys
from pathlib import Path
from models.pose.batch import extract_many
if __name__ == "__main__":
    for outcome in extract_many(map(Path, sys.argv[2:]), sys.argv[1], workers=1):
        print(outcome.path.stem, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_ctrl_c_loses_nothing_and_leaves_no_worker(clips: list[Path], tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "out"), *map(str, clips)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    done = process.stdout.readline().strip()
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert helpers
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(helper.is_running() for helper in helpers):
        time.sleep(0.05)
    assert not any(helper.is_running() for helper in helpers)
    assert len(read_pose(tmp_path / "out" / f"{done}.pose").body.data) in (4, 6, 10)
    assert not left_over(tmp_path / "out")


def test_every_clip_has_a_path_of_its_own(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    a, b, c = root / "a.mp4", root / "sub" / "a.mp4", root / "a.webm"
    assert pose_paths([a, b], out, root) == {a: out / "a.pose", b: out / "sub" / "a.pose"}
    assert pose_paths([a, c], out) == {a: out / "a.mp4.pose", c: out / "a.webm.pose"}
    assert pose_paths([a, a], out) == {a: out / "a.pose"}
    with pytest.raises(PoseError, match=r"a\.mp4\.pose"):
        pose_paths([a, b], out)


def test_a_file_that_promises_too_few_frames_never_leaves_less_than_no_time(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"0" * 100)
    meter, task = _Meter(0, [Task(clip, tmp_path / "a.pose")]), Task(clip, tmp_path / "a.pose")
    meter.hear(task, Frames(30, 10))
    assert meter.progress().seconds_left == 0


def test_nothing_to_do_is_no_error(tmp_path: Path) -> None:
    assert list(extract_many([], tmp_path)) == []
