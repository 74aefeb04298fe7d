"""A data set from what lies on disk to its lexicons, as a job: what `signstudio data run` and the Data tab do.

A job's folder is that of a run (models.training.run) with one file more:

phases.json    how far each phase is: a list of phase, state, done, total, failed, rejected, seconds_left

What a job makes is in the folder of the data set, which the job only names: deleting a job leaves it alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.data.manifest import FILE as MANIFEST
from models.data.work import PhaseProgress
from models.errors import SignError
from models.files import read_json, replacing
from models.progress import Cancelled
from models.training.config import FormField, form_fields, from_dict, to_dict, with_changes
from models.training.run import Run
from studio import jobs
from studio.jobs import Job, Jobs
from studio.preparables import Preparable, find
from studio.texts import text, texts

PHASES = "phases.json"
_LOG_LINES = 60
_TOLD = ("id", "name", "data", "created", "state", "step", "steps", "seconds_left", "words", "ahead")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """How far one phase of a job is."""

    phase: str
    state: Literal["waiting", "working", "done", "stopped", "failed"] = "waiting"
    done: int = 0
    total: int = 0
    failed: int = 0
    rejected: int = 0
    seconds_left: float | None = None

    @property
    def share(self) -> float | None:
        """How much of it is done, 0..1; None while that is not known."""
        if self.state == "done":
            return 1.0
        return self.done / self.total if self.total else None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A job that is looked at."""

    job: Job
    phases: Sequence[Phase]
    log: str
    """The end of it."""
    result: str | None
    """See `result`."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody wants prepared, as a form says it."""

    kind: str
    source: str
    out: str
    """Folder for the results."""
    videos: str = ""
    """Folder of videos that are here already."""
    phases: Sequence[str] | None = None
    """Those to carry out; None: all."""
    name: str = ""
    changes: Mapping[str, Any] | None = None
    """Options that differ from the usual ones, by their names."""

    @property
    def preparable(self) -> Preparable:
        """The kind of data set."""
        return find(self.kind)

    def options(self) -> Any:
        """The core's options. Raises SignError that names what is missing or does not fit."""
        kind = self.preparable
        places = {kind.source: str(_there(self.source, kind)), "out": str(_folder_for_results(self.out))}
        if kind.videos and self.videos.strip():
            places[kind.videos] = str(_folder_of_videos(self.videos))
        changes = {name: value for name, value in (self.changes or {}).items() if name not in kind.places}
        if self.phases is not None and phases_of(self.kind):
            changes["phases"] = list(self.phases)
        return with_changes(from_dict(kind.core.Options, places), changes)


def fields(kind: str) -> list[FormField]:
    """What can be set, besides the files, the folders and the phases."""
    asked_apart = {*find(kind).places, "phases"}
    return [one for one in form_fields(_usual(kind)) if one.path not in asked_apart]


def phases_of(kind: str) -> tuple[str, ...]:
    """The phases of a kind that can be carried out alone; nothing where there is no choice."""
    return tuple(getattr(_usual(kind), "phases", ()))


def plan(order: Order) -> dict[str, Any]:
    """What a job would do: the fields of the core's plan."""
    options = order.options()
    return asdict(order.preparable.core.plan(options))


def launch(among: Jobs, order: Order) -> str:
    """Queue a job; returns its id."""
    options = order.options()
    return among.launch(order.kind, "", to_dict(options), Path(options.out), order.name)


def settings(run: Run) -> tuple[Preparable, Any]:
    """What is prepared, and how. Raises SignError when the folder holds no data job."""
    try:
        about = run.config()
        kind = find(about["model"])
        return kind, from_dict(kind.core.Options, about["config"])
    except (KeyError, SignError) as error:
        missing = text("there is no {error} in its config.json", error=error)
        why = missing if isinstance(error, KeyError) else str(error)
        words = text("{run} is no data job that can be carried out: {why}", run=run.folder.name, why=why)
        raise SignError(words) from error


def phases(folder: Path) -> list[Phase]:
    """How far a job is; nothing while it has not begun."""
    try:
        found = read_json(folder / PHASES)
        return [Phase(**one) for one in found]
    except (OSError, ValueError, TypeError):
        return []


def result(run: Run) -> str | None:
    """The folder of what a job has made, where it can be looked through; None while there is nothing."""
    about = run.config()
    kind, folder = find(str(about.get("model"))), Path(str(about.get("data")))
    return str(folder) if kind.browsable and (folder / MANIFEST).is_file() else None


def watch(among: Jobs, job: Job) -> Watched:
    """A job with its phases and its log. Raises SignError when there is none any more."""
    run = among.run(job.id)
    return Watched(job=job, phases=phases(run.folder), log=among.log_tail(job.id, _LOG_LINES), result=result(run))


def job_dict(job: Job) -> dict[str, Any]:
    """A job as it stands, for programs."""
    said = asdict(job)
    return {"kind": said.pop("model"), **{name: said[name] for name in _TOLD}}


def watched_dict(watched: Watched) -> dict[str, Any]:
    """The same with its phases and the end of its log."""
    return {**job_dict(watched.job), "phases": [asdict(one) for one in watched.phases], "log": watched.log}


def carry_out(run: Run, tell: Callable[[PhaseProgress], None] | None = None, *, wait: bool = False) -> Path:
    """Prepare the data set; returns its report. How it stands is in the run's folder all the time, also when it fails.

    wait: until it is the job's turn. Raises Cancelled when the job is asked to stop, and whatever goes wrong.
    """
    with ExitStack() as held:
        held.enter_context(jobs.claimed(run))
        steps = held.enter_context(_ending_said(run))
        if wait:
            run.say(state="queued", seconds_left=None, words=text("Waiting for its turn."))
            held.enter_context(jobs.turn(run))
        kind, options = settings(run)
        steps.begin(getattr(options, "phases", ()))
        run.say(state="preparing", step=0, steps=0, seconds_left=None, words=text("Looking at what is there."))

        def told(progress: PhaseProgress) -> None:
            steps.told(progress)
            if tell is not None:
                tell(progress)

        report = kind.core.run(options, told, run.should_stop)
        run.say(state="finished", seconds_left=None, words=steps.finish(report))
    return report


class _Phases:
    """Keeps phases.json and the status of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._all: dict[str, Phase] = {}

    def begin(self, names: Sequence[str]) -> None:
        self._all = {name: Phase(phase=name) for name in names}
        self._write()

    def told(self, now: PhaseProgress) -> None:
        for name, one in self._all.items():
            if one.state == "working" and name != now.phase:
                self._all[name] = replace(one, state="done", seconds_left=None)
        ended = bool(now.total) and now.done >= now.total
        self._all[now.phase] = Phase(**asdict(now), state="done" if ended else "working")
        self._write()
        self._run.say(
            state="preparing",
            step=now.done,
            steps=now.total,
            seconds_left=now.seconds_left,
            words=now.phase.capitalize(),
        )

    def finish(self, report: Path) -> str:
        """All phases are done; returns what is to be said of the job."""
        self._all = {name: replace(one, state="done", seconds_left=None) for name, one in self._all.items()}
        self._write()
        failed = sum(one.failed for one in self._all.values())
        if not failed:
            return text("What came out is told in {report}.", report=report)
        return texts(
            "What came out is told in {report}. {number} failed; go on with the job to try it again.",
            "What came out is told in {report}. {number} failed; go on with the job to try them again.",
            failed,
            report=report,
        )

    def end(self, state: Literal["stopped", "failed"]) -> None:
        """It ended before it was finished."""
        for name, one in self._all.items():
            if one.state == "working":
                self._all[name] = replace(one, state=state, seconds_left=None)
        self._write()

    def _write(self) -> None:
        with replacing(self._run.folder / PHASES) as temporary:
            temporary.write_text(json.dumps([asdict(one) for one in self._all.values()]), encoding="utf-8")


@contextmanager
def _ending_said(run: Run) -> Iterator[_Phases]:
    """However the work ends, the run's folder says so."""
    steps = _Phases(run)

    def say(state: Literal["stopped", "failed"], words: str) -> None:
        steps.end(state)
        run.say(state=state, seconds_left=None, words=words)

    try:
        yield steps
    except Cancelled:
        say("stopped", text("Stopped; it can go on from here."))
        raise
    except KeyboardInterrupt:
        say("stopped", text("Ended at once; it can go on from what it saved last."))
        raise
    except SignError as error:
        say("failed", str(error))
        raise
    except Exception as error:
        say("failed", f"{type(error).__name__}: {error}".rstrip(": "))
        raise


def _usual(kind: str) -> Any:
    """The options as they are unless they are changed. Some look whether their source is there."""
    preparable, here = find(kind), Path.cwd()
    return from_dict(preparable.core.Options, {preparable.source: str(here), "out": str(here / "out")})


def _there(typed: str, kind: Preparable) -> Path:
    """What is to be prepared."""
    if not typed.strip():
        raise SignError(text("What is to be prepared is missing; fill in “{field}”.", field=text(kind.source_label)))
    path = _path(typed)
    if kind.is_file and not path.is_file():
        raise SignError(text("{path}: there is no such file on this computer.", path=path))
    if not kind.is_file and not path.is_dir():
        raise SignError(text("{folder}: there is no such folder of data on this computer.", folder=path))
    return path


def _folder_of_videos(typed: str) -> Path:
    path = _path(typed)
    if not path.is_dir():
        raise SignError(text("{folder}: there is no such folder of videos on this computer.", folder=path))
    return path


def _folder_for_results(typed: str) -> Path:
    if not typed.strip():
        words = text("The folder for the results is missing; name one. It is made when it is not there.")
        raise SignError(words)
    path = _path(typed)
    if path.exists() and not path.is_dir():
        raise SignError(text("{path} is a file; name a folder for the results.", path=path))
    return path


def _path(typed: str) -> Path:
    if "\0" in typed:
        raise SignError(text("{path!r} cannot be the name of a file or folder.", path=typed))
    try:
        return Path(typed.strip()).expanduser().absolute()
    except RuntimeError as error:  # ~somebody
        raise SignError(f"{typed.strip()}: {error}") from error
