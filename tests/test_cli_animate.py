"""`signstudio animate` and `signstudio weights` as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from console import console
from PIL import Image

from models.pose.files import read_pose
from models.video import probe
from studio.inputs import sample_pictures

PICTURE = str(next(path for path in sample_pictures() if path.stem == "kofi"))


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))


def run(*args: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = console(*args, cwd=folder)
    assert done.returncode == code, done.stderr
    return done


def test_a_picture_signs_glosses(tmp_path: Path) -> None:
    args = ("animate", "-t", PICTURE, "--glosses", "YES", "--side", "256", "-o", "out.mp4", "--keep", "all", "--mark")
    done = run(*args, folder=tmp_path)
    assert "Hands read in" in done.stdout
    assert probe(tmp_path / "out.mp4").width == 256
    assert (tmp_path / "all" / "frames" / "0001.jpg").is_file()

    pose = tmp_path / "all" / "YES.pose"
    done = run("animate", "evaluate", "out.mp4", "--pose", str(pose), "-t", PICTURE, "-o", "f.json", folder=tmp_path)
    assert "Face" in done.stdout
    assert json.loads((tmp_path / "f.json").read_text())["total_frames"] == len(read_pose(pose).body.data)

    run("animate", "split", "out.mp4", "-o", "frames", folder=tmp_path)
    run("animate", "join", "frames", "-o", "again.mp4", folder=tmp_path)
    assert probe(tmp_path / "again.mp4").num_frames == probe(tmp_path / "out.mp4").num_frames
    run("animate", "drive", "--driving", str(pose), "-o", "pose", folder=tmp_path)
    assert len(list((tmp_path / "pose" / "YES" / "pose_json").iterdir())) == len(read_pose(pose).body.data)
    driven = ("animate", "-t", PICTURE, "--pose-dir", "pose/YES", "--side", "256", "-o", "by.mp4", "--no-measure")
    run(*driven, folder=tmp_path)
    assert probe(tmp_path / "by.mp4").num_frames == probe(tmp_path / "out.mp4").num_frames
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_one_frame_to_look_at_first(tmp_path: Path) -> None:
    run("animate", "-t", PICTURE, "--glosses", "HELLO", "--side", "256", "-o", "f.png", "--preview", folder=tmp_path)
    with Image.open(PICTURE) as picture, Image.open(tmp_path / "f.png") as frame:
        assert frame.width == 256
        assert abs(frame.height - 256 * picture.height / picture.width) <= 1  # even, since it becomes a video


def test_stopped_with_ctrl_c_it_goes_on(tmp_path: Path) -> None:
    line = "HELLO MY NAME fs-ANNA " * 2
    args = [sys.executable, "-m", "studio.cli", "animate", "-t", PICTURE, "--glosses", line, "--side", "256"]
    args += ["-o", "out.mp4", "--no-measure"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(args, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        frames = tmp_path / ".out.animate" / "frames"
        ends = time.monotonic() + 120
        while time.monotonic() < ends and not (frames / "0020.jpg").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "same command" in said
    done = len(list(frames.glob("*.jpg")))
    assert done >= 20
    kept = (frames / "0001.jpg").stat().st_mtime_ns
    keep = ["--keep", ".out.animate"]
    run(*args[3:], *keep, folder=tmp_path)
    assert (frames / "0001.jpg").stat().st_mtime_ns == kept
    assert (tmp_path / "out.mp4").is_file()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-t", "nobody.png", "--glosses", "HELLO", "-o", "o.mp4"), "No person"),
        (("-t", "text.txt", "--glosses", "HELLO", "-o", "o.mp4"), "no picture"),
        (("-t", PICTURE, "--glosses", "HELLO", "-o", "o.avi"), ".mp4"),
        (("-t", PICTURE, "-o", "o.mp4"), "either --glosses"),
        (("-t", PICTURE, "--glosses", "HELLO", "--driving", "x.mp4", "-o", "o.mp4"), "either --glosses"),
        (("--glosses", "HELLO"), "Give a picture"),
        (("-t", PICTURE, "--glosses", "HELLO", "-o", "o.mp4", "--engine", "magic"), "no engine"),
        (("-t", PICTURE, "--glosses", "HELLO", "-o", "o.mp4", "--person", "3"), "no person 3"),
        (("-t", PICTURE, "--glosses", "HELLO", "-o", "o.mp4", "--side", "9"), "128 to 2048"),
        (("-t", PICTURE, "--glosses", "HELLO", "-o", "o.mp4", "--engine", "controlnet"), "weights pull"),
    ],
)
def test_what_cannot_be_animated_is_said_in_a_sentence(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "nobody.png")
    (tmp_path / "text.txt").write_text("no picture")
    assert said in run("animate", *args, folder=tmp_path, code=2).stderr


def test_weights_are_listed_with_what_they_are_for(tmp_path: Path) -> None:
    done = run("weights", "list", folder=tmp_path)
    assert "controlnet-openpose  (not here" in done.stdout
    assert "licence: MIT" in done.stdout
    (tmp_path / "w" / "taesd").mkdir(parents=True)
    (tmp_path / "w" / "taesd" / "a.safetensors").write_bytes(b"0")
    assert run("weights", "where", "taesd", "--folder", "w", folder=tmp_path).stdout.strip() == "w/taesd"
    assert "pull" in run("weights", "where", "animatediff", folder=tmp_path, code=2).stderr
