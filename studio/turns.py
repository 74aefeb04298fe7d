"""Whose turn it is. Trainings and data jobs wait in one queue, because each of them uses every core.

    ROOT/<run>/job.json              who waits since when
    ROOT/.data-jobs/<run>/job.json   jobs of the other kind: in the same queue, never in the same list
    ROOT/.turns/                     locks, one for each run that may work at a time

A run waits in its own process, which holds a lock while it works; the system takes the lock back when the process ends,
however it ends. So no program has to be alive for the next run to begin.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from models.progress import Cancelled
from models.training.run import Run
from studio.processes import PID, POLL_S, alive, read_values

JOB, TURNS, DATA_JOBS = "job.json", ".turns", ".data-jobs"
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_STARTING_S = 20.0  # within which a run without a process is one that is being started


def home(folder: Path) -> Path:
    """Where the turns of the runs in a folder are."""
    return folder.parent if folder.name == DATA_JOBS else folder


def runs_in(folder: Path) -> list[Run]:
    """The runs of one kind."""
    try:
        return [Run(one) for one in folder.iterdir() if RUN_ID.fullmatch(one.name) and is_run(one)]
    except OSError:
        return []


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run of ours."""
    return not folder.is_symlink() and folder.is_dir() and (folder / "config.json").is_file()


def queued_at(run: Run) -> tuple[float, str]:
    """Since when it waits; what can be compared."""
    try:
        when, name = read_values(run.folder / JOB)["queued"]
        return float(when), str(name)
    except (KeyError, TypeError, ValueError):
        return 0.0, run.folder.name


def starting(run: Run) -> bool:
    """Whether its process may be about to come."""
    return not (run.folder / PID).exists() and time.time() - queued_at(run)[0] < _STARTING_S


def waiting(folder: Path) -> list[tuple[float, str]]:
    """Since when the runs wait that share turns with those in a folder."""
    found = [
        queued_at(run)
        for place in (home(folder), home(folder) / DATA_JOBS)
        for run in runs_in(place)
        if run.status().state == "queued" and (alive(run.folder) or starting(run))
    ]
    return sorted(found)


def ahead(run: Run, queue: list[tuple[float, str]] | None = None) -> int:
    """How many runs wait for longer."""
    mine = queued_at(run)
    return sum(one < mine for one in (waiting(run.folder.parent) if queue is None else queue))


@contextmanager
def turn(run: Run) -> Iterator[None]:
    """Wait until it is the run's turn, and keep it. Raises Cancelled when the run is asked to stop before."""
    turns = home(run.folder.parent) / TURNS
    turns.mkdir(parents=True, exist_ok=True)
    most = max(1, int(read_values(run.folder / JOB)["concurrent"]))
    locks = [FileLock(turns / f"{number}.lock") for number in range(most)]
    while True:
        if run.should_stop():
            raise Cancelled
        taken = None if ahead(run) else next((lock for lock in locks if _take(lock)), None)
        if taken is not None:
            break
        time.sleep(POLL_S)
    try:
        run.say(state="preparing", words="")  # whoever waits sees that this one does not any more
        yield
    finally:
        taken.release()


def _take(lock: FileLock) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return True
    return False
