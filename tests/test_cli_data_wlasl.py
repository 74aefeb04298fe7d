"""`signstudio data wlasl` as a user runs it: what the options become, what is printed, exit codes, Ctrl-C."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from spoken_to_signed.gloss_to_pose import CSVPoseLookup
from typer.testing import CliRunner, Result
from wlasl_toy import entry, write_clip, write_list

from models.data import pipeline
from models.data.manifest import Manifest, Row
from models.data.pipeline import PHASES, WlaslOptions
from models.data.work import PhaseProgress
from models.progress import Cancelled
from studio.cli.data_wlasl import wlasl

app = typer.Typer()
app.command()(wlasl)
COMMAND = [sys.executable, "-m", "studio.cli", "data", "wlasl"]


@pytest.fixture
def ours(tmp_path: Path) -> list[str]:
    """The options that each call needs, for a list of two instances."""
    path = write_list(tmp_path / "list.json", entry("00001"), entry("00002", "tree", split="test"))
    (tmp_path / "videos").mkdir()
    return ["--json", str(path), "--out", str(tmp_path / "out"), "--videos", str(tmp_path / "videos")]


def call(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


class Stub:
    """Stands for `pipeline.run`: remembers its options, tells a little, writes these rows, and raises this."""

    def __init__(self, *rows: Row, error: BaseException | None = None) -> None:
        self.rows, self.error = rows, error
        self.options: WlaslOptions | None = None

    def __call__(self, options: WlaslOptions, tell: Any, should_stop: Any) -> Path:
        self.options = options
        for done in (0, 40):
            told = {"phase": "extract", "done": done, "total": 40, "failed": 1, "rejected": 0, "seconds_left": 65.0}
            tell(PhaseProgress(**told))
        with Manifest(options.out, writing=True) as manifest:
            for row in self.rows:
                manifest.put(row)
            manifest.note("lexicons", {"train": {"signs": 3, "glosses": 2}, "val": {"signs": 0, "glosses": 0}})
        if self.error is not None:
            raise self.error
        return options.out / "report" / "index.html"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    made = Stub()
    monkeypatch.setattr(pipeline, "run", made)
    return made


@pytest.mark.parametrize(
    ("flags", "phases"),
    [
        ([], PHASES),
        (["--all"], PHASES),
        (["--extract"], ("extract",)),
        (["--lexicon", "--clean"], ("clean", "lexicon")),
        (["--download", "--all"], PHASES),
    ],
)
def test_the_phases_that_are_named_are_done_and_all_when_none_is(
    ours: list[str], stub: Stub, flags: list[str], phases: tuple[str, ...]
) -> None:
    assert call(*ours, *flags).exit_code == 0
    assert stub.options is not None and stub.options.phases == phases


def test_the_defaults_of_the_command_are_those_of_the_options(ours: list[str], stub: Stub) -> None:
    call(*ours)
    plain = WlaslOptions(json=Path(ours[1]), out=Path(ours[3]), videos=Path(ours[5]))
    assert stub.options == plain


def test_every_option_arrives(ours: list[str], stub: Stub) -> None:
    flags = "--limit 3 --glosses 2 --workers 2 --engine ray --address auto --store memory://x --min-frames 12"
    flags += " --keep-clips --retry-dead --resplit --anonymize --min-hands 0.2 --min-body 0.3 --no-crop"
    flags += " --padding 0.1 --width 256"
    result = call(*ours, *flags.split())
    assert result.exit_code == 0, result.output
    assert stub.options == WlaslOptions(
        json=Path(ours[1]),
        out=Path(ours[3]),
        videos=Path(ours[5]),
        limit=3,
        glosses="2",
        workers=2,
        engine="ray",
        address="auto",
        store="memory://x",
        keep_clips=True,
        retry_dead=True,
        resplit=True,
        anonymize=True,
        min_frames=12,
        min_hands=0.2,
        min_body=0.3,
        crop=False,
        padding=0.1,
        width=256,
    )


def test_the_end_says_what_was_made_and_where_the_report_is(ours: list[str], stub: Stub) -> None:
    result = call(*ours)
    assert result.exit_code == 0
    for words in ("train: 3 signs of 2 glosses", "val: no sign, so no lexicon", "report/index.html"):
        assert words in result.output.replace("\n", " "), words
    assert "extract: 40 of 40, 1 failed" in result.output


def test_instances_that_failed_give_exit_code_1_and_dead_or_rejected_ones_do_not(ours: list[str], stub: Stub) -> None:
    stub.rows = (Row(phase="clean", item="HOUSE-00001", state="rejected", words="too short"),)
    assert call(*ours).exit_code == 0
    stub.rows = (Row(phase="extract", item="HOUSE-00001", state="failed", words="00001.mp4 is broken"),)
    result = call(*ours)
    assert result.exit_code == 1
    assert "extract failed: 00001.mp4 is broken" in result.output


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt()])
def test_who_stops_is_told_how_to_go_on(ours: list[str], stub: Stub, error: BaseException) -> None:
    stub.error = error
    result = call(*ours)
    assert result.exit_code == 130
    assert "Run the same command to go on" in result.output


def test_a_dry_run_says_what_would_be_done_and_does_nothing(ours: list[str], stub: Stub) -> None:
    result = call(*ours, "--dry-run")
    assert result.exit_code == 0, result.output
    assert stub.options is None and not Path(ours[3]).exists()
    assert "2 instances of 2 glosses (1 train, 1 test)" in result.output
    assert "2 URLs" in result.output and "are free" in result.output


def test_ctrl_c_ends_cleanly_and_the_next_run_goes_on(ours: list[str], sample: Path) -> None:
    for video_id in ("00001", "00002"):
        write_clip(Path(ours[5]) / f"{video_id}.mp4", sample, start_ms=0, frames=140)
    running = subprocess.Popen([*COMMAND, *ours, "--extract", "--workers", "1"], stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert "extract: 0 of 2" in running.stderr.readline()
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Run the same command to go on" in errors
    out = Path(ours[3])
    assert not list(out.rglob(".part-*"))
    with Manifest(out) as manifest:
        assert sum(manifest.counts("extract").values()) < 2, "it was not stopped: a failure, or all done"


@pytest.mark.real
def test_real_clips_of_wlasl_become_lexicons_that_the_package_loads(real_data: Path, tmp_path: Path) -> None:
    annotations = real_data / "annotations" / "wlasl"
    known = json.loads((annotations / "nslt_2000.json").read_text())
    with (real_data / "videos_manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "wlasl_single"]
    shortest = sorted((row for row in rows if row["src_path"][-9:-4] in known), key=lambda row: int(row["frames"]))[:2]
    (tmp_path / "videos").mkdir()
    entries = []
    for row in shortest:
        video_id = row["src_path"][-9:-4]
        clip = real_data / row["file"].removeprefix("open/")
        (tmp_path / "videos" / f"{video_id}.mp4").symlink_to(clip)
        size = [0, 0, int(row["ow"]), int(row["oh"])]  # the clip is a smaller copy
        entries.append(entry(video_id, row["word"], bbox=size, split=known[video_id]["subset"]))
    words = ["--json", str(write_list(tmp_path / "list.json", *entries)), "--videos", str(tmp_path / "videos")]
    result = call(*words, "--out", str(tmp_path / "out"), "--extract", "--clean", "--lexicon", "--workers", "1")
    assert result.exit_code == 0, result.output
    with Manifest(tmp_path / "out") as manifest:
        extracted = list(manifest.rows("extract", "done"))
        kept = list(manifest.rows("clean", "done"))
    assert len(extracted) == 2 and kept
    assert all("was not used" in note for row in extracted for note in row.info["notes"])
    for row in kept:
        lookup = CSVPoseLookup(str(tmp_path / "out" / "lexicons" / row.info["split"]))
        found = lookup.lookup("", row.info["gloss"], "en", "ase").pose
        assert len(found.body.data) == row.info["frames"]
