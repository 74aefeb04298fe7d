"""`signstudio data corpus`: what it says, what it writes, and that a recognizer trains on it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import typer
from four_stage_tiny import TRAINING, moving, trained_run
from typer.testing import CliRunner

from models.recognition.four_stage.clips import read_clips, vocabulary
from studio.cli.data_corpus import corpus

cli = typer.Typer()
cli.command()(corpus)


def run(*arguments: object):
    return CliRunner().invoke(cli, [*map(str, arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A PHOENIX-like corpus of a moving square: folders of frames, and the tables of three splits."""
    root, number = tmp_path / "source", 0
    for split, sentences in (
        ("train", ("DOWN", "RIGHT DOWN", "STAY RIGHT", "DOWN STAY RIGHT")),
        ("dev", ("RIGHT", "STAY DOWN")),
        ("test", ("DOWN RIGHT", "DOWN UP")),
    ):
        lines = ["name|video|start|end|speaker|orth|translation"]
        for glosses in sentences:
            number += 1
            name = f"s{number}"
            lines.append(f"{name}|{name}/1/*.png|-1|-1|Signer{number % 3}|{glosses}|")
            folder = root / "features" / "fullFrame" / split / name
            folder.mkdir(parents=True)
            for place, frame in enumerate(moving(tuple(glosses.split()), number), start=1):
                cv2.imwrite(str(folder / f"images{place}.png"), frame)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"toy.{split}.corpus.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def test_the_report_is_said_and_written_and_nothing_else_is(source: Path, tmp_path: Path) -> None:
    done = run(source, "--out", tmp_path / "out", "--stride", 8, "--report")
    assert done.exit_code == 0, done.output
    for words in (
        "train: 4 sentences",
        "frames: 48; per sentence min / median / max 6 / 12 / 18",
        "glosses: 8 running, 3 types, 0 singletons",
        "unknown to train: 1 types, 1 running, in 1 sentences",
        "CTC-infeasible at 8 frames per step: 4 (s1, s2, s3, …)",
        "without frames: 0",
    ):
        assert words in done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["corpus.json"]
    kept = json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))
    assert kept["glosses"] == ["DOWN", "RIGHT", "STAY"]
    assert kept["splits"]["test"]["unknown"] == ["s8"]
    assert kept["splits"]["train"]["infeasible"] == ["s1", "s2", "s3", "s4"]


def test_the_four_stage_recognizer_trains_on_what_is_written(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(source, "--out", out, "--fps", 12.5, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "7 clips in" in done.output
    assert "left out: 1 with glosses that no training clip has (test/s8)" in done.output
    clips = read_clips(out)
    assert [(one.split, one.signer, one.glosses) for one in clips[3:6]] == [
        ("train", "Signer1", ("DOWN", "STAY", "RIGHT")),
        ("validation", "Signer2", ("RIGHT",)),
        ("validation", "Signer0", ("STAY", "DOWN")),
    ]
    assert vocabulary(clips) == ("DOWN", "RIGHT", "STAY")
    metrics = trained_run(tmp_path / "run", out, TRAINING).metrics()[0]
    assert [one["kind"] for one in metrics] == ["train"] * TRAINING.loop.steps + ["validation"]
    kept = json.loads((out / "corpus.json").read_text(encoding="utf-8"))
    assert (kept["clips"], kept["failed"]) == (7, [])
    assert list(kept["left_out"].values()) == [["test/s8"]]


def test_a_clip_that_fails_is_said_and_the_others_are_made(source: Path, tmp_path: Path) -> None:
    broken = source / "features" / "fullFrame" / "dev" / "s5" / "images3.png"
    broken.write_bytes(b"")
    done = run(source, "--out", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 1
    assert "s5/images3.png cannot be read as a picture" in done.output
    assert "6 clips in" in done.output
    assert len(read_clips(tmp_path / "out")) == 6
    frame = source / "features" / "fullFrame" / "dev" / "s5" / "images2.png"
    broken.write_bytes(frame.read_bytes())
    assert run(source, "--out", tmp_path / "out", "--workers", 1).exit_code == 0
    assert len(read_clips(tmp_path / "out")) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "xml"), "There is no format 'xml'; choose frames-csv, phoenix, stm or auto"),
        (("--clean", "much"), "There is no cleaning 'much'"),
        (("--markers", "hide"), "choose keep or drop"),
        (("--frames", "nowhere"), "nowhere is no folder"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(source: Path, tmp_path: Path, arguments, said: str) -> None:
    done = run(source, "--out", tmp_path / "out", *arguments)
    assert said in str(done.exception)
