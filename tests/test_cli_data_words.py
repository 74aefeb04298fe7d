"""`signstudio data words` as a user runs it, with MediaPipe: killed and gone on with, and mistakes in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from word_toy import tree

from models.data.word_samples import META, read_sample
from models.data.words import INDEX
from models.video import ReadOptions, VideoReader
from models.video_write import write_video

# The command is a function of its own, so that it can be tried by itself.
COMMAND = [
    sys.executable,
    "-c",
    "import sys, typer\nfrom models.errors import SignError\nfrom studio.cli.data_words import words\n"
    "app = typer.Typer(pretty_exceptions_enable=False)\napp.command()(words)\n"
    "try:\n    app()\nexcept SignError as error:\n    sys.exit(print(error, file=sys.stderr) or 2)",
]
SMALL = ("--frames", "8", "--size", "64", "--hand-size", "32")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def raw(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of a drawn signer, and one that is none."""
    folder = tmp_path_factory.mktemp("raw")
    for number, word in enumerate(("HELLO", "HELLO", "BYE")):
        (folder / word).mkdir(exist_ok=True)
        with VideoReader(sample, ReadOptions(start_ms=1000, end_ms=1240 + 40 * number)) as clip:
            write_video(folder / word / f"signer{number}.mp4", list(clip), fps=25)
    (folder / "BYE" / "signer9.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The data set made in one go."""
    out = tmp_path_factory.mktemp("whole")
    return out, run(raw, "--out", out, *SMALL, "--workers", "1")


def test_every_clip_becomes_a_sample_and_the_broken_one_a_line(
    whole: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, result = whole
    assert result.returncode == 1, result.stderr
    assert "4 clips of 2 words" in result.stdout
    assert "4 signers by file name" in result.stdout
    assert "3 samples; a hand was found in 3" in result.stdout
    assert [line for line in result.stderr.splitlines() if line.startswith("signer9.mp4: ")]
    assert len((out / INDEX).read_text().splitlines()) == 4
    assert any(read_sample(out / "BYE" / "signer2" / META).seen["right_hand"])


def test_a_run_that_was_killed_goes_on_to_the_same_files(
    raw: Path, whole: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    command = [*COMMAND, str(raw), "--out", str(tmp_path), *SMALL, "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/*/full/*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / INDEX).exists()
    assert list(tmp_path.glob("*/*/full/*.jpg"))
    assert run(raw, "--out", tmp_path, *SMALL, "--workers", "1").returncode == 1
    assert tree(tmp_path) == tree(whole[0])


def test_a_dry_run_says_what_it_takes_and_writes_nothing(raw: Path, tmp_path: Path) -> None:
    result = run(raw, "--out", tmp_path / "out", "--dry-run", "--signers", "none")
    assert result.returncode == 0, result.stderr
    assert "4 to do" in result.stdout
    assert "may share signers" in result.stdout
    assert "Needs about" in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "nowhere is no folder" in result.stderr
