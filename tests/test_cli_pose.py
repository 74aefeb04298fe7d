"""`signstudio pose` as a user runs it: extract, resume, failures, preview, clean, quality, export."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from console import console
from pose_format.pose_visualizer import PoseVisualizer

from models.pose.files import read_pose
from models.video import VideoReader, probe
from models.video_write import write_video


def alive_in_group(group: int) -> list[str]:
    """Commands of the processes of a group that still run (a zombie only waits to be noticed)."""
    found = []
    for line in subprocess.check_output(["ps", "-eo", "pgid,stat,args"], text=True).splitlines()[1:]:
        pgid, stat, command = line.split(None, 2)
        if int(pgid) == group and not stat.startswith("Z"):
            found.append(command)
    return found


@pytest.fixture(scope="module")
def extracted(short: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pose of a short clip as the command wrote it."""
    folder = tmp_path_factory.mktemp("poses")
    result = console("pose", "extract", short, "-o", folder)
    assert result.returncode == 0, result.stderr
    return folder / f"{short.stem}.pose"


def test_extract_writes_a_pose_that_pose_format_reads_and_draws(extracted: Path, short: Path) -> None:
    pose = read_pose(extracted)
    info = probe(short)
    assert len(pose.body.data) == info.num_frames
    frames = list(PoseVisualizer(pose).draw())
    assert len(frames) == info.num_frames
    assert frames[len(frames) // 2].std() > 1, "the visualizer drew nothing"


def test_a_folder_is_done_whole_the_broken_clip_has_its_line_and_the_next_run_skips(
    short: Path, tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    (clips / "deep").mkdir(parents=True)
    frames = [frame for frame, _ in zip(VideoReader(short), range(6), strict=False)]
    write_video(clips / "a.mp4", frames, fps=25)
    write_video(clips / "deep" / "b.mp4", frames, fps=25)
    (clips / "broken.mp4").write_bytes(b"no video")
    (clips / "notes.txt").write_text("not a clip")

    first = console("pose", "extract", clips, "-o", tmp_path / "poses")
    assert first.returncode == 1
    assert "2 extracted, 0 up to date, 1 failed" in first.stdout
    assert [line for line in first.stderr.splitlines() if "broken.mp4" in line]
    assert len(read_pose(tmp_path / "poses" / "deep" / "b.pose").body.data) == 6

    (clips / "broken.mp4").unlink()
    second = console("pose", "extract", clips, "-o", tmp_path / "poses")
    assert second.returncode == 0
    assert "0 extracted, 2 up to date, 0 failed" in second.stdout
    assert not [path for path in (tmp_path / "poses").rglob("*") if path.name.startswith(".part-")]


@pytest.mark.skipif(shutil.which("ps") is None, reason="looks at processes with `ps`")
def test_ctrl_c_keeps_what_was_done_and_leaves_nobody_behind(short: Path, tmp_path: Path) -> None:
    frames = list(VideoReader(short))
    write_video(tmp_path / "short.mp4", frames[:8], fps=25)
    write_video(tmp_path / "long.mp4", frames * 16, fps=25)
    command = [sys.executable, "-m", "studio.cli", "pose", "extract", str(tmp_path), "-o", str(tmp_path / "poses")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    done = tmp_path / "poses" / "short.pose.json"
    deadline = time.monotonic() + 120
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert done.exists()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was done is kept" in errors
    assert len(read_pose(tmp_path / "poses" / "short.pose").body.data) == 8
    assert not (tmp_path / "poses" / "long.pose").exists()
    deadline = time.monotonic() + 10
    while (left := alive_in_group(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def test_preview_clean_quality_and_export_of_one_pose(extracted: Path, short: Path, tmp_path: Path) -> None:
    for mode in ("overlay", "side_by_side", "skeleton", "openpose"):
        out = tmp_path / f"{mode}.mp4"
        result = console("pose", "preview", short, "--pose", extracted, "--mode", mode, "-o", out)
        assert result.returncode == 0, result.stderr
        assert probe(out).num_frames == probe(short).num_frames

    result = console("pose", "clean", extracted, "-o", tmp_path / "clean")
    assert result.returncode == 0, result.stderr
    cleaned = read_pose(tmp_path / "clean" / extracted.name)
    assert cleaned.body.data.shape[2] == 178
    assert 0 < len(cleaned.body.data) < probe(short).num_frames

    result = console("pose", "quality", extracted, "-o", tmp_path / "report")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "report" / f"{extracted.stem}-quality.json").read_text())
    assert report["body"] == 1.0
    assert report["blur"] is not None, "the record beside the pose holds the sharpness"
    assert (tmp_path / "report" / f"{extracted.stem}-timeline.png").read_bytes().startswith(b"\x89PNG")

    result = console("pose", "export", extracted, "--csv", tmp_path / "a.csv", "--openpose", tmp_path / "frames")
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "frames").glob("*_keypoints.json"))) == probe(short).num_frames


def test_poses_of_one_name_are_both_kept(extracted: Path, tmp_path: Path) -> None:
    poses = [tmp_path / "a" / "hello.pose", tmp_path / "b" / "hello.POSE"]
    for path in poses:
        path.parent.mkdir()
        shutil.copyfile(extracted, path)
    cleaned = console("pose", "clean", *poses, "-o", tmp_path / "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == ["hello-2.pose", "hello.pose"]
    judged = console("pose", "quality", *poses, "-o", tmp_path / "report")
    assert judged.returncode == 0, judged.stderr
    assert {"hello-quality.json", "hello-2-quality.json"} <= {path.name for path in (tmp_path / "report").iterdir()}


def test_sources_says_what_is_ready_and_what_the_others_need(tmp_path: Path) -> None:
    result = console("pose", "sources", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "MediaPipe Holistic: ready (model complexity 1" in result.stdout
    assert "body_pose_model.pth" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pose", "extract", "nowhere"], "nowhere: there is no such file"),
        (["pose", "extract", "SAMPLE", "--crop", "1,2,3"], "not four whole numbers"),
        (["pose", "extract", "SAMPLE", "--fps", "-3"], "fps"),
        (["pose", "extract", "SAMPLE", "--complexity", "2"], "not in the mediapipe package"),
        (["pose", "quality", "SAMPLE.pose"], "there is no such file"),
        (["pose", "export", "SAMPLE"], "Say what to write"),
        (["pose", "preview", "SAMPLE", "-o", "x.mp4", "--mode", "mosaic"], "mosaic"),
        (["pose", "detect", "SAMPLE", "-o", "x.json"], "body_pose_model.pth"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(words: list[str], said: str, short: Path, tmp_path: Path) -> None:
    result = console(*[word.replace("SAMPLE", str(short)) for word in words], cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("imported", "late"),
    [
        ("from studio.cli import cli; from typer.main import get_command; get_command(cli)", "gradio cv2 matplotlib"),
        ("import studio.ui.layout", "scipy.signal transformers diffusers"),
    ],
)
def test_heavy_libraries_come_when_they_are_needed(imported: str, late: str) -> None:
    names = ["mediapipe", "torch", *late.split()]
    code = f"import sys; {imported}; print([name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_numpy_comes_after_its_threads_were_limited() -> None:
    code = "import os, sys, studio; print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout.split() == ["False", "1"]


def test_what_is_not_needed_any_more_is_collected_once_the_page_is_served() -> None:
    code = (
        "import gc, gradio as gr\nfrom studio.cli.app import serve\n"
        "gr.Blocks.launch = lambda *_, **__: print('served', gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "serve(port=7860, host=None, language='en', auth_file=None)\nprint('ended', gc.isenabled())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-2:] == ["served True True", "ended True"]
