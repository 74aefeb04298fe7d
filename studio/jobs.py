"""Training runs as processes of their own: they outlive the page and the studio, and everybody sees the same ones.

    ROOT/<run>/job.json    who waits since when; written here
    ROOT/<run>/pid.json    the process and when it started, so that another one with its number is not taken for it
    ROOT/<run>/...         the rest is models.training.run
    ROOT/.turns/           locks, one for each run that may work at a time

What is known of a run is read from the disk each time. A run waits for its turn in its own process, which holds a lock
while it works; the system takes the lock back when the process ends, however it ends. So no program has to be alive
for the next run to begin.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from models.errors import SignError
from models.files import replacing, slug
from models.progress import Cancelled
from models.training.run import Best, Run, Status

ROOT_VARIABLE = "SIGN_STUDIO_RUNS"
JOB, PID, LOCK, TURNS = "job.json", "pid.json", "run.lock", ".turns"
ENDED = ("finished", "stopped", "failed", "crashed")
COMMAND = (sys.executable, "-m", "studio.cli")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_POLL_S = 0.2
_STARTING_S = 20.0  # within which a run without a process is one that is being started
_SAME_S = 2.0  # clocks are read with this much care
_KILL_AFTER_S = 5.0
_LEAVING_S = 10.0  # between the last word of a process and its end
_TAIL_BYTES = 32_768
_LONGEST_NAME = 80

_children: list[subprocess.Popen[bytes]] = []  # polled, so that those that ended do not stay as zombies


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run as it stands."""

    id: str
    name: str
    model: str
    preset: str
    data: str
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
    """The runs in a folder."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        command: Sequence[str] = COMMAND,
        concurrent: int = 1,
        longest_queue: int = 32,
        grace_s: float = 60.0,
    ) -> None:
        """command: the studio's command line. concurrent: runs that work at a time. grace_s: how long a run that was
        asked to stop may take, seconds."""
        self.root = (folder or root()).absolute()
        self.command, self.concurrent, self.longest_queue, self.grace_s = (
            tuple(command),
            concurrent,
            longest_queue,
            grace_s,
        )

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
            raise SignError(f"{folder.name} holds a run already; go on with it by --run, or name another folder.")
        run = Run(folder or self._new_folder(f"{slug(model)}-{slug(preset)}"))
        run.folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        shown = "".join(char for char in name if char.isprintable()).strip()[:_LONGEST_NAME] or run.folder.name
        taken = {str(_read(one.folder / "config.json").get("name")) for one in _runs(self.root)}
        if shown in taken:
            shown = next(new for number in itertools.count(2) if (new := f"{shown} ({number})") not in taken)
        about = {"model": model, "preset": preset, "name": shown, "created": now, "data": str(data.absolute())}
        run.write_config({**about, "config": dict(config)})
        return run

    def launch(self, model: str, preset: str, config: Mapping[str, Any], data: Path, name: str = "") -> str:
        """Queue a new run; it begins when its turn comes. Returns its id."""
        waiting = sum(job.state == "queued" for job in self.list())
        if waiting >= self.longest_queue:
            raise SignError(f"{waiting} runs are waiting already; stop some, or come back later.")
        run = self.create(model, preset, config, data, name)
        self._start(run)
        return run.folder.name

    def resume(self, run_id: str) -> None:
        """Queue a run that ended before it was finished; it goes on from its last checkpoint."""
        run = self.run(run_id)
        with self._alone():
            _until(lambda: not _alive(run.folder), _LEAVING_S if self.get(run_id).ended else 0.0)
            job = self.get(run_id)
            if _alive(run.folder) or not job.ended:
                raise SignError(f"{job.name} is at work already.")
            if job.state == "finished":
                raise SignError(f"{job.name} has finished; there is nothing to go on with.")
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
            _until(lambda: not _alive(run.folder), _LEAVING_S if self.get(run_id).ended else 0.0)
            job = self.get(run_id)
            if _alive(run.folder) or not job.ended:
                raise SignError(f"{job.name} is at work; stop it first.")
            doomed = self.root / f".deleted-{uuid.uuid4().hex}"
            run.folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def run(self, run_id: str) -> Run:
        """The run with this id. Raises SignError when there is none."""
        if not isinstance(run_id, str) or not _ID.fullmatch(run_id):
            raise SignError(f"{str(run_id)[:64]!r} is no name of a run.")
        folder = self.root / run_id
        if not _is_run(folder):
            raise SignError(f"There is no run {run_id}; it may have been deleted.")
        return Run(folder)

    def get(self, run_id: str) -> Job:
        """A run as it stands."""
        run = self.run(run_id)
        job = _job(run)
        return job if job.state != "queued" else _job(run, ahead=len(_ahead(run)))

    def list(self) -> list[Job]:
        """All runs, the newest first."""
        _children[:] = [child for child in _children if child.poll() is None]
        jobs: list[Job] = []
        for run in _runs(self.root):
            with suppress(SignError, OSError):  # deleted while we look, or not written by us
                jobs.append(_job(run))
        waiting = sorted(_queued_at(Run(self.root / job.id)) for job in jobs if job.state == "queued")
        placed = [
            job if job.state != "queued" else _job(run := Run(self.root / job.id), ahead=waiting.index(_queued_at(run)))
            for job in jobs
        ]
        return sorted(placed, key=lambda job: (job.created, job.id), reverse=True)

    def log_tail(self, run_id: str, lines: int = 40) -> str:
        """The last lines that the process printed."""
        return log_tail(self.run(run_id), lines)

    def _start(self, run: Run) -> None:
        (run.folder / PID).unlink(missing_ok=True)
        _write(run.folder / JOB, {"queued": [time.time(), run.folder.name], "concurrent": self.concurrent})
        run.may_go_on()
        run.say(state="queued", seconds_left=None, words="Waiting for its turn.")
        package = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": paths, ROOT_VARIABLE: str(self.root)}
        with run.log.open("ab") as log:
            child = subprocess.Popen(
                [*self.command, "train", "run", "--run", str(run.folder), "--wait"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        _children.append(child)
        with suppress(psutil.NoSuchProcess):
            _write_pid(run.folder, child.pid)

    def _see_it_end(self, run: Run) -> None:
        if _until(lambda: not _alive(run.folder), self.grace_s):
            return
        processes = _processes(run.folder)
        for end in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            for process in processes:
                with suppress(psutil.Error):
                    process.send_signal(end)
            if _until(lambda: not _alive(run.folder), _KILL_AFTER_S):
                break
        if run.folder.is_dir() and run.status().state not in ENDED:
            words = "It did not end when it was asked to, and was ended; it can go on from its last checkpoint."
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
        raise SignError(f"{self.root}: no folder could be made for a run.")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While two pages press the same button, one is first."""
        (self.root / TURNS).mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / TURNS / "jobs.lock", timeout=30):
            yield


@contextmanager
def claimed(run: Run) -> Iterator[None]:
    """This process works on the run, and nobody else. Raises SignError when somebody does."""
    lock = FileLock(run.folder / LOCK)
    try:
        lock.acquire(timeout=3)
    except Timeout as error:
        raise SignError(f"{run.folder.name} is at work already, in another process.") from error
    try:
        _write_pid(run.folder, os.getpid())
        yield
    finally:
        if run.folder.is_dir():
            _write(run.folder / PID, {})  # nobody any more
        lock.release()


@contextmanager
def turn(run: Run) -> Iterator[None]:
    """Wait until it is the run's turn, and keep it. Raises Cancelled when the run is asked to stop before."""
    turns = run.folder.parent / TURNS
    turns.mkdir(parents=True, exist_ok=True)
    locks = [FileLock(turns / f"{number}.lock") for number in range(max(1, int(_read(run.folder / JOB)["concurrent"])))]
    while True:
        if run.should_stop():
            raise Cancelled
        taken = None if _ahead(run) else next((lock for lock in locks if _take(lock)), None)
        if taken is not None:
            break
        time.sleep(_POLL_S)
    try:
        run.say(state="preparing", words="")  # whoever waits sees that this one does not any more
        yield
    finally:
        taken.release()


def log_tail(run: Run, lines: int = 40) -> str:
    """The last lines that the process printed; of a line that was written over, what was seen last."""
    try:
        with run.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    seen = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    kept = ["".join(char for char in line if char.isprintable() or char == "\t") for line in seen]
    return "\n".join([line for line in kept if line.strip()][-lines:])


def _job(run: Run, ahead: int = 0) -> Job:
    settings, status = run.config(), run.status()
    state, words = _state(run, status), status.words
    if state == "crashed":
        last = log_tail(run, 1)
        words = f"Its process ended without a word{f'; the last that it printed: {last}' if last else '.'}"
    elif state == "queued":
        words = f"Waiting for its turn, after {ahead} more." if ahead else "Waiting for its turn; it is the next one."
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
        ahead=ahead,
        has_model=run.model.is_dir(),
    )


def _state(run: Run, status: Status) -> str:
    if status.state in ENDED:
        return status.state
    if _alive(run.folder):
        return "preparing" if status.state == "unknown" else status.state
    # The process may have ended between the two looks, after it said how.
    if (now := run.status().state) in ENDED:
        return now
    queued = _queued_at(run)[0]
    if not (run.folder / PID).exists() and time.time() - queued < _STARTING_S:
        return "queued"
    return "crashed"


def _ahead(run: Run) -> list[Run]:
    """Runs that wait for longer."""
    mine = _queued_at(run)
    return [
        one
        for one in _runs(run.folder.parent)
        if one.folder != run.folder
        and one.status().state == "queued"
        and _queued_at(one) < mine
        and (_alive(one.folder) or (not (one.folder / PID).exists() and time.time() - _queued_at(one)[0] < _STARTING_S))
    ]


def _runs(folder: Path) -> list[Run]:
    try:
        return [Run(one) for one in folder.iterdir() if _ID.fullmatch(one.name) and _is_run(one)]
    except OSError:
        return []


def _is_run(folder: Path) -> bool:
    return not folder.is_symlink() and folder.is_dir() and (folder / "config.json").is_file()


def _queued_at(run: Run) -> tuple[float, str]:
    try:
        when, name = _read(run.folder / JOB)["queued"]
        return float(when), str(name)
    except (KeyError, TypeError, ValueError):
        return 0.0, run.folder.name


def _take(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _write_pid(folder: Path, pid: int) -> None:
    _write(folder / PID, {"pid": pid, "started": psutil.Process(pid).create_time()})


def _process(folder: Path) -> psutil.Process | None:
    """The process that works on the run; None when there is none any more."""
    found = _read(folder / PID)
    try:
        process = psutil.Process(int(found["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - float(found["started"])) > _SAME_S:
            return None
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process


def _alive(folder: Path) -> bool:
    return _process(folder) is not None


def _processes(folder: Path) -> list[psutil.Process]:
    """The run's process, all that it started, and what else is in its session."""
    process = _process(folder)
    if process is None:
        return []
    found = [process]
    with suppress(psutil.Error):
        found += process.children(recursive=True)
    if hasattr(os, "getsid"):
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == process.pid and one not in found:
                    found.append(one)
    return found


def _until(true: Any, seconds: float) -> bool:
    """Whether it became true within these seconds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")
