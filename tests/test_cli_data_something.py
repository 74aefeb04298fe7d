"""`signstudio data something`: the same run with flags, printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from something_toy import make
from typer.testing import CliRunner

from models.errors import SignError
from studio.cli.data_something import something

cli = typer.Typer()
cli.command()(something)


def call(root: Path, *more: str) -> object:
    roots = ["--videos", str(root / "videos"), "--annotations", str(root / "boxes"), "--labels", str(root)]
    return CliRunner().invoke(cli, [*roots, "--out", str(root / "out"), "--workers", "1", *more])


def test_it_prints_and_writes_the_report_and_fails_for_the_clip_that_cannot_be_read(tmp_path: Path) -> None:
    result = call(make(tmp_path))
    assert result.exit_code == 1
    assert "found and annotated: 3" in result.output
    assert "entries without frame: 1" in result.output
    assert "Opening something: 1" in result.output
    assert "7 (join): 7.webm: not a video file" in result.output
    assert json.loads((tmp_path / "out" / "something.json").read_text())["videos"]["found"] == 4
    assert not (tmp_path / "out" / "frames").exists()


def test_frames_are_written_when_asked_for_and_all_is_well_for_a_subset(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / "ids.txt").write_text("2\n")
    result = call(root, "--frames", "--subset", str(root / "ids.txt"))
    assert result.exit_code == 0, result.output
    assert len(list((root / "out" / "frames" / "2").iterdir())) == 12
    assert "bytes: 0.05 MB" in result.output


def test_a_dry_run_says_the_space_and_writes_nothing(tmp_path: Path) -> None:
    root = make(tmp_path)
    result = call(root, "--mode", "frames", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "bounding_box_smthsmth_part1.json" in result.output
    assert "free bytes: " in result.output
    assert not (root / "out").exists()


def test_a_mode_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="no mode 'boxes'"):
        something(videos=tmp_path, out=tmp_path, mode="boxes")
