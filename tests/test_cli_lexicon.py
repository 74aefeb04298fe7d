"""`signstudio lexicon`, as a person types it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic_signer import RIGHT, signer, without

from models.lexicon.index import open_lexicon
from models.pose.files import read_pose, write_pose
from studio.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with one recorded sign in it."""
    monkeypatch.chdir(tmp_path)
    write_pose(tmp_path / "mine.pose", signer())
    return tmp_path


def signstudio(*arguments: str) -> int:
    """The exit code of `signstudio lexicon …`."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["signstudio", "lexicon", *arguments])
        main()
    return int(stop.value.code or 0)


def test_a_sign_is_added_shown_found_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert signstudio("add", "mine.pose", "--gloss", "my-sign", "--word", "own", "--word", "mine too") == 0
    assert "Keep: " in capsys.readouterr().out
    assert signstudio("show", "My-Sign") == 0
    shown = capsys.readouterr().out
    assert "MY-SIGN, variant 1 in lexicon" in shown
    assert "words: own, mine too (en)" in shown
    assert signstudio("search", "mine too") == 0
    assert "MY-SIGN" in capsys.readouterr().out
    assert signstudio("list") == 0
    listed = capsys.readouterr().out
    assert listed.index("MY-SIGN") < listed.index("HELLO")
    assert signstudio("remove", "MY-SIGN") == 0
    assert open_lexicon("lexicon").entries == ()


def test_times_given_by_hand_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert signstudio("add", "mine.pose", "-g", "X", "--start-ms", "800", "--end-ms", "1600", "-l", "own") == 0
    lexicon = open_lexicon("own")
    (entry,) = lexicon.entries
    assert (entry.start_ms, entry.end_ms) == (800, 1600)
    assert np.array_equal(lexicon.load(entry).body.data, read_pose("mine.pose").body.data[20:40])


def test_a_recording_without_hands_is_only_added_when_insisted_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pose(here / "blind.pose", without(signer(), RIGHT, slice(None)))
    assert signstudio("add", "blind.pose", "-g", "X") == 2
    printed = capsys.readouterr()
    assert "Reject: " in printed.out
    assert "X was not added" in printed.err
    assert not (here / "lexicon").exists()
    assert signstudio("add", "blind.pose", "-g", "X", "--anyway") == 0
    assert open_lexicon("lexicon").glosses == ("X",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "HELO"], "No sign for HELO; nearest: HELLO"),
        (["search"], "Say what to search for"),
        (["search", "xqzxqz"], "No sign for XQZXQZ"),
        (["search", "--handshape", "nope"], "No sign has the handshape nope; there are: "),
        (["list", "--no-embedded"], "There is no lexicon: give one with --lexicon"),
        (["list", "-l", "nowhere"], "nowhere is no lexicon"),
        (["add", "mine.pose", "-g", "NOT A GLOSS"], "is no gloss; write one word"),
        (["add", "mine.pose", "-g", "X", "--start-ms", "9000"], "There is no frame from 9000"),
        (["add", "gone.pose", "-g", "X"], "gone.pose"),
        (["remove", "X"], "lexicon is no lexicon"),
        (["export", "-o", "new", "-g", "HELO"], "No sign for HELO; nearest: HELLO"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    arguments: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert signstudio(*arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("signstudio: ")
    assert message in line
    assert {path.name for path in here.iterdir()} == {"mine.pose"}


def test_a_handshape_lists_the_signs_that_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert signstudio("search", "--handshape", "y") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("Y" in line.partition("[")[2] for line in lines)
    assert signstudio("search", "same", "--handshape", "Y") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["SAME"]


def test_broken_lines_are_told_and_the_others_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signstudio("add", "mine.pose", "-g", "X")
    with (here / "lexicon" / "index.csv").open("a", encoding="utf-8") as index:
        index.writelines(f"gone-{number}.pose,en,ase,0,0,y,Y,0\n" for number in range(30))
    capsys.readouterr()
    assert signstudio("list", "--no-embedded") == 0
    printed = capsys.readouterr()
    assert "lexicon: 1 glosses, 1 variants" in printed.out
    assert "skipped: lexicon/index.csv, line 3: the path 'gone-0.pose' leads to no file" in printed.err
    assert "skipped: 10 more lines of lexicon" in printed.err


def test_exported_signs_open_as_a_lexicon() -> None:
    assert (
        signstudio("export", "-o", "ase", "-g", "HELLO", "-g", "a", "--signer", "3", "--fps", "30", "--size", "256")
        == 0
    )
    lexicon = open_lexicon("ase")
    assert lexicon.glosses == ("A", "HELLO")
    pose = lexicon.load(lexicon.find("A")[0])
    assert (pose.body.fps, pose.header.dimensions.width) == (30, 256)


@pytest.mark.real
def test_a_sign_is_added_from_a_clip(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = sorted((real_data / "startasl_single").glob("milk*.mp4"))[0]
    assert signstudio("add", str(clip), "-g", "MILK", "-l", "own") == 0
    assert any(verdict in capsys.readouterr().out for verdict in ("Keep: ", "Review: "))
    lexicon = open_lexicon("own")
    (entry,) = lexicon.entries
    whole = read_pose(Path("own") / entry.path)
    assert 0 < len(lexicon.load(entry).body.data) <= len(whole.body.data)
