"""SIGKILL at any moment costs time and nothing else: the end is that of a run that nobody disturbed."""

from __future__ import annotations

import functools
import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from wlasl_toy import entry, files_of, write_clip, write_list

from models.data.manifest import Manifest, Row
from models.lexicon.index import open_lexicon

COMMAND = [sys.executable, "-m", "studio.cli", "data", "wlasl"]
PHASES = ("download", "extract", "clips", "clean", "lexicon")


@pytest.fixture(scope="module")
def ours(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options for a list of six instances: four of the user's copies, two cut from one video on a server."""
    root = tmp_path_factory.mktemp("wlasl")
    for name in ("videos", "site"):
        (root / name).mkdir()
    write_clip(root / "site" / "long.mp4", sample, frames=24)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=root / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/long.mp4"
        entries = [
            entry("00001", split="train"),
            entry("00002", "tree", split="val", signer_id=2),
            entry("00003", "tree", split="train", signer_id=3),
            entry("00004", split="test", signer_id=4),
            entry("00005", split="train", url=url, frame_end=12),
            entry("00006", "tree", split="train", url=url, frame_start=13),
        ]
        for number, one in enumerate(entries[:4]):
            frames = 4 if number == 3 else 14  # the last one is too short to be kept
            write_clip(root / "videos" / f"{one['video_id']}.mp4", sample, start_ms=1400 + 200 * number, frames=frames)
        path = write_list(root / "list.json", *entries)
        yield ["--json", str(path), "--videos", str(root / "videos"), "--keep-clips", "--workers", "2"]
        server.shutdown()


@pytest.fixture(scope="module")
def undisturbed(ours: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(ours, out)
    return out


def begin(ours: list[str], out: Path) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *ours, "--out", str(out)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(ours: list[str], out: Path) -> None:
    done = subprocess.run([*COMMAND, *ours, "--out", str(out)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def rows_of(out: Path) -> list[Row]:
    """All rows, without what a clock says."""
    with Manifest(out) as manifest:
        rows = [row for phase in PHASES for row in manifest.rows(phase)]
    return [replace(row, seconds=0) for row in rows]


def check(out: Path, undisturbed: Path) -> None:
    """Identical files, nothing missing, nothing twice, nothing half done."""
    assert [path.name for path in out.rglob(".*") if path.name != ".manifest.lock"] == []
    found, expected = files_of(out), files_of(undisturbed)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []
    assert rows_of(out) == rows_of(undisturbed)


def kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def workers_of(parent: int) -> list[int]:
    """Processes that extract for this one: forked from its fork server."""
    with suppress(psutil.Error):
        return [worker.pid for server in psutil.Process(parent).children() for worker in server.children()]
    return []


def test_the_undisturbed_run_made_something_to_compare_with(undisturbed: Path) -> None:
    states = {(row.phase, row.item): row.state for row in rows_of(undisturbed)}
    assert len([key for key in states if key[0] == "extract"]) == 6
    assert states["clean", "HOUSE-00004"] == "rejected"
    assert open_lexicon(undisturbed / "lexicons" / "train").glosses == ("HOUSE", "TREE")
    assert (undisturbed / "report" / "report.json").is_file()


def wait_for_files(running: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Until so many files are there, half-written ones too, or the run has ended."""
    while running.poll() is None and sum(path.is_file() for path in out.rglob("*")) < count:
        time.sleep(0.005)


def kill_a_worker(running: subprocess.Popen[bytes]) -> bool:
    """One process of those that extract, as soon as there is one; its clip fails, and the others go on.

    On a machine that is very busy the run may have ended before this process had a look.
    """
    while running.poll() is None:
        if workers := workers_of(running.pid):
            os.kill(workers[0], signal.SIGKILL)
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_killed_at_random_moments_it_ends_as_if_nobody_had_disturbed_it(
    ours: list[str], undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    out, dice = tmp_path / "out", random.Random(seed)
    # Moments are counted in files, so that they fall into every phase however fast the machine is.
    moments = sorted(dice.randrange(len(files_of(undisturbed))) for _ in range(3))
    killed = 0
    for number, moment in enumerate(moments):
        running = begin(ours, out)
        if number == 0 and not kill_a_worker(running):
            shutil.rmtree(out)
            running = begin(ours, out)
        wait_for_files(running, out, moment)
        time.sleep(dice.uniform(0, 0.1))
        killed += running.poll() is None
        kill_group(running.pid)
        running.wait()
    assert killed, "it always came to its end"
    finish(ours, out)
    check(out, undisturbed)
