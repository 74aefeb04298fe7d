"""Long work as processes of their own: runs outlive the page and the studio, and everybody sees the same ones.

    ROOT/<run>/             a training, as models.training.run writes it
    ROOT/.data-jobs/<run>/  a data set that is being prepared, in the same files

The two kinds of work are two lists that share one queue (studio.turns). What is known of a run is read from the disk
each time; its process is studio.processes' business.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from models.errors import SignError
from models.files import slug
from models.training.run import Best, Run, Status
from studio import processes
from studio.processes import PID, alive, log_tail, read_values, until, write_values
from studio.texts import text, texts
from studio.turns import DATA_JOBS, JOB, RUN_ID, TURNS, ahead, is_run, runs_in, starting, turn, waiting

__all__ = ["COMMAND", "ENDED", "ROOT_VARIABLE", "Job", "Jobs", "Verb", "claimed", "root", "turn"]

Verb = Literal["train", "data"]
ROOT_VARIABLE = "SIGN_STUDIO_RUNS"
ENDED = ("finished", "stopped", "failed", "crashed")
COMMAND = (sys.executable, "-m", "studio.cli")

_LEAVING_S = 10.0  # between the last word of a process and its end
_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run as it stands."""

    id: str
    name: str
    model: str
    """What is trained; of a data job, the kind of data set that is prepared."""
    preset: str
    data: str
    """The folder of the data: what is learned from, or what is made."""
    created: str
    state: str
    """As in Status; and `crashed`: its process is gone and it said nothing."""
    step: int
    steps: int
    seconds_left: float | None
    best: Best | None
    words: str
    ahead: int = 0
    """While it waits: how many runs come before it."""
    has_model: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing works on it."""
        return self.state in ENDED

    @property
    def share(self) -> float | None:
        """How much of it is done, 0..1; None while the number of steps is not known."""
        return self.step / self.steps if self.steps else None


def root() -> Path:
    """The folder of all runs: SIGN_STUDIO_RUNS, or `runs` where the studio was started."""
    return Path(os.environ.get(ROOT_VARIABLE) or "runs").absolute()


class Jobs:
    """The runs of one kind."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        verb: Verb = "train",
        command: Sequence[str] = COMMAND,
        concurrent: int = 1,
        longest_queue: int = 32,
        grace_s: float = 60.0,
    ) -> None:
        """folder: of all runs of both kinds. verb: which command carries the runs out. command: the studio's command
        line. concurrent: runs that work at a time. grace_s: how long a run that was asked to stop may take, seconds."""
        self.home, self.verb = (folder or root()).absolute(), verb
        self.root = self.home if verb == "train" else self.home / DATA_JOBS
        self.command, self.concurrent, self.longest_queue, self.grace_s = (
            tuple(command),
            concurrent,
            longest_queue,
            grace_s,
        )

    @property
    def environment(self) -> dict[str, str]:
        """For processes of `command`: they find this program wherever they start, and these runs."""
        package = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        return os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": paths, ROOT_VARIABLE: str(self.home)}

    def create(
        self,
        model: str,
        preset: str,
        config: Mapping[str, Any],
        data: Path,
        name: str = "",
        folder: Path | None = None,
    ) -> Run:
        """A run that nothing works on yet. folder: its own, instead of a new one among all runs."""
        if folder is not None and (folder / "config.json").exists():
            words = text(
                "{name} holds a run already; go on with it by --run, or name another folder.", name=folder.name
            )
            raise SignError(words)
        run = Run(folder or self._new_folder("-".join(slug(one) for one in (model, preset) if one)))
        run.folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        shown = "".join(char for char in name if char.isprintable()).strip()[:_LONGEST_NAME] or run.folder.name
        taken = {str(read_values(one.folder / "config.json").get("name")) for one in runs_in(self.root)}
        if shown in taken:
            shown = next(new for number in itertools.count(2) if (new := f"{shown} ({number})") not in taken)
        about = {"model": model, "preset": preset, "name": shown, "created": now, "data": str(data.absolute())}
        run.write_config({**about, "config": dict(config)})
        return run

    def launch(self, model: str, preset: str, config: Mapping[str, Any], data: Path, name: str = "") -> str:
        """Queue a new run; it begins when its turn comes. Returns its id."""
        if (many := len(waiting(self.home))) >= self.longest_queue:
            words = texts(
                "{number} run is waiting already; stop it, or come back later.",
                "{number} runs are waiting already; stop some, or come back later.",
                many,
            )
            raise SignError(words)
        run = self.create(model, preset, config, data, name)
        self._start(run)
        return run.folder.name

    def resume(self, run_id: str) -> None:
        """Queue a run that ended before it was finished; it goes on from what it saved last.

        A data job may also go on when it has finished: what failed is tried again, and what was changed is used.
        """
        run = self.run(run_id)
        with self._alone():
            until(lambda: not alive(run.folder), _LEAVING_S if self.get(run_id).ended else 0.0)
            job = self.get(run_id)
            if alive(run.folder) or not job.ended:
                raise SignError(text("{name} is at work already.", name=job.name))
            if job.state == "finished" and self.verb == "train":
                raise SignError(text("{name} has finished; there is nothing to go on with.", name=job.name))
            self._start(run)

    def stop(self, run_id: str, *, wait: bool = True) -> None:
        """Ask a run to save and end; end it, and every process that it started, when it does not within `grace_s`."""
        run = self.run(run_id)
        if self.get(run_id).ended:
            return
        run.ask_to_stop()
        if wait:
            self._see_it_end(run)
        else:
            threading.Thread(target=self._see_it_end, args=(run,), name="studio-stop", daemon=True).start()

    def delete(self, run_id: str) -> None:
        """Delete a run that nothing works on, with everything that it made."""
        run = self.run(run_id)
        with self._alone():
            until(lambda: not alive(run.folder), _LEAVING_S if self.get(run_id).ended else 0.0)
            job = self.get(run_id)
            if alive(run.folder) or not job.ended:
                raise SignError(text("{name} is at work; stop it first.", name=job.name))
            doomed = self.root / f".deleted-{uuid.uuid4().hex}"
            run.folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def run(self, run_id: str) -> Run:
        """The run with this id. Raises SignError when there is none."""
        if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
            raise SignError(text("{name!r} is no name of a run.", name=str(run_id)[:64]))
        folder = self.root / run_id
        if not is_run(folder):
            raise SignError(text("There is no run {run}; it may have been deleted.", run=run_id))
        return Run(folder)

    def get(self, run_id: str) -> Job:
        """A run as it stands."""
        run = self.run(run_id)
        job = _job(run)
        return job if job.state != "queued" else _job(run, before=ahead(run))

    def list(self) -> list[Job]:
        """All runs, the newest first."""
        processes.reap()
        jobs: list[Job] = []
        queue = waiting(self.home)
        for run in runs_in(self.root):
            with suppress(SignError, OSError):  # deleted while we look, or not written by us
                jobs.append(_job(run, before=ahead(run, queue)))
        return sorted(jobs, key=lambda job: (job.created, job.id), reverse=True)

    def log_tail(self, run_id: str, lines: int = 40) -> str:
        """The last lines that the process printed."""
        return log_tail(self.run(run_id).log, lines)

    def _start(self, run: Run) -> None:
        (run.folder / PID).unlink(missing_ok=True)
        write_values(run.folder / JOB, {"queued": [time.time(), run.folder.name], "concurrent": self.concurrent})
        run.may_go_on()
        run.say(state="queued", seconds_left=None, words=text("Waiting for its turn."))
        command = [*self.command, self.verb, "run", "--run", str(run.folder), "--wait"]
        processes.start(run.folder, command, run.log, self.environment)

    def _see_it_end(self, run: Run) -> None:
        if until(lambda: not alive(run.folder), self.grace_s):
            return
        processes.end(run.folder)
        if run.folder.is_dir() and run.status().state not in ENDED:
            words = text("It did not end when it was asked to, and was ended; it can go on from what it saved last.")
            run.say(state="stopped", seconds_left=None, words=words)

    def _new_folder(self, name: str) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        stem = f"{name[:44]}-{datetime.now():%Y%m%d-%H%M%S}"
        for number in range(1, 1000):
            folder = self.root / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
        raise SignError(text("{folder}: no folder could be made for a run.", folder=self.root))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While two pages press the same button, one is first."""
        (self.home / TURNS).mkdir(parents=True, exist_ok=True)
        with FileLock(self.home / TURNS / "jobs.lock", timeout=30):
            yield


@contextmanager
def claimed(run: Run) -> Iterator[None]:
    """This process works on the run, and nobody else. Raises SignError when somebody does."""
    with processes.claimed(run.folder):
        yield


def _job(run: Run, before: int = 0) -> Job:
    settings, status = run.config(), run.status()
    state, words = _state(run, status), status.words
    if state == "crashed":
        last = log_tail(run.log, 1)
        if last:
            words = text("Its process ended without a word; the last that it printed: {line}", line=last)
        else:
            words = text("Its process ended without a word.")
    elif state == "queued" and before:
        words = text("Waiting for its turn, after {number} more.", number=before)
    elif state == "queued":
        words = text("Waiting for its turn; it is the next one.")
    return Job(
        id=run.folder.name,
        name=str(settings.get("name", run.folder.name)),
        model=str(settings.get("model", "?")),
        preset=str(settings.get("preset", "?")),
        data=str(settings.get("data", "")),
        created=str(settings.get("created", "")),
        state=state,
        step=status.step,
        steps=status.steps,
        seconds_left=status.seconds_left,
        best=status.best,
        words=words,
        ahead=before if state == "queued" else 0,
        has_model=run.model.is_dir(),
    )


def _state(run: Run, status: Status) -> str:
    if status.state in ENDED:
        return status.state
    if alive(run.folder):
        return "preparing" if status.state == "unknown" else status.state
    # The process may have ended between the two looks, after it said how.
    if (now := run.status().state) in ENDED:
        return now
    return "queued" if starting(run) else "crashed"
