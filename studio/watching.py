"""Runs as a page watches them: what has been measured so far, read once for all pages, and what is wrong with it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import SignError
from models.training.run import Run
from studio.jobs import Job, Jobs

_KEPT_RUNS = 24
_TAIL_LINES = 60


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One run that is looked at."""

    job: Job
    lines: Sequence[dict[str, Any]]
    """Of its metrics."""
    log: str
    """The end of it."""
    findings: tuple[str, ...]
    """What is wrong, in words."""
    model: Path | None
    """Its best weights, when there are any."""
    report: Path | None
    """What its evaluation wrote."""


@dataclass
class _Read:
    """What was read of a run's metrics."""

    of: tuple[int, int] = (0, 0)
    place: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    judged: tuple[Any, tuple[str, ...]] = (None, ())


class Watch:
    """Reads the metrics of runs as they grow."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, run_id: str) -> Watched:
        """A run as it stands. Raises SignError when there is none."""
        run, job = self.jobs.run(run_id), self.jobs.get(run_id)
        log = self.jobs.log_tail(run_id, _TAIL_LINES)
        with self._lock:
            read = self._lines(run)
            lines, findings = list(read.lines), self._judged(read, run, job, log)
        return Watched(
            job=job,
            lines=lines,
            log=log,
            findings=findings,
            model=run.model if job.has_model else None,
            report=run.evaluation if run.evaluation.is_dir() else None,
        )

    def look_at(self, run_ids: Sequence[str]) -> list[Watched]:
        """Those that are still there."""
        found = []
        for run_id in run_ids:
            try:
                found.append(self.look(run_id))
            except (SignError, OSError):
                continue
        return found

    def token(self, run_ids: Sequence[str]) -> Any:
        """Something that changes when there is something new to see."""
        seen = []
        for run_id in run_ids:
            try:
                run = self.jobs.run(run_id)
            except SignError:
                continue
            seen.append((run_id, _size(run.folder / "metrics.jsonl"), _size(run.log)))
        return tuple(seen)

    def _lines(self, run: Run) -> _Read:
        """All lines; only what is new is read. A run that goes on from a checkpoint writes its file anew."""
        key, path = run.folder.name, run.folder / "metrics.jsonl"
        read = self._read.pop(key, None) or _Read()
        file, size = _size(path)
        if file != read.of[0] or size < read.place:
            read = _Read()
        new, read.place = run.metrics(read.place)
        read.of = (file, size)
        read.lines += [line for line in new if _is_whole(line)]
        self._read[key] = read
        while len(self._read) > _KEPT_RUNS:
            self._read.popitem(last=False)
        return read

    def _judged(self, read: _Read, run: Run, job: Job, log: str) -> tuple[str, ...]:
        now = (len(read.lines), job.state, log[-200:])
        if read.judged[0] != now:
            from models.training.diagnosis import diagnose

            status = run.status()
            findings = diagnose(read.lines, _crashed(status, job), log, run.config().get("config"))
            read.judged = (now, tuple(one.words for one in findings))
        return read.judged[1]


def _is_whole(line: dict[str, Any]) -> bool:
    """Whether a line has what its kind has; another program may have written into the file."""
    if type(line.get("step")) is not int:
        return False
    if line.get("kind") == "validation":
        return isinstance(line.get("metrics"), dict)
    parts = ("losses", "weights", "learning_rates", "gradient_norms")
    return line.get("kind") == "train" and "loss" in line and all(isinstance(line.get(one, {}), dict) for one in parts)


def _crashed(status: Any, job: Job) -> Any:
    """The status, with the word for a process that is gone."""
    return job if job.state == "crashed" else status


def _size(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_size)
