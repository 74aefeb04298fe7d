"""A training run from its settings to its evaluation: what `signstudio train` and the Train tab do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import traceback
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import SignError
from models.files import replacing
from models.progress import Cancelled
from models.training.config import FormField, form_fields, from_dict, to_dict, with_changes
from models.training.run import Run, Status
from studio import jobs
from studio.jobs import Job, Jobs
from studio.texts import later, text
from studio.trainables import Tell, Trainable, find
from studio.watching import Watched

if TYPE_CHECKING:
    from models.training.plan import Plan

DEMO_DATA = "demo-data"

ShouldStop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody wants trained, as a form or a command line says it."""

    model: str
    preset: str
    data: str = ""
    """A folder; empty for the demo data."""
    name: str = ""
    changes: Mapping[str, Any] | None = None
    """Settings that differ from the preset, by their dotted paths."""

    @property
    def trainable(self) -> Trainable:
        """The kind of model."""
        return find(self.model)

    def config(self) -> Any:
        """The preset with the changes. Raises SignError that names the setting that does not fit."""
        return with_changes(self.trainable.preset(self.preset), self.changes or {})

    def folder(self) -> Path:
        """Of the data. Raises SignError when a folder was named and is not there."""
        if not self.data.strip():
            return demo_data(self.model)
        folder = Path(self.data.strip()).expanduser()
        if not folder.is_dir():
            raise SignError(text("{folder}: there is no such folder of data on this computer.", folder=folder))
        return folder.absolute()


def demo_data(model: str) -> Path:
    """Where the data is that a recipe makes itself."""
    return jobs.root() / f".{DEMO_DATA}" / model


def fields(model: str, preset: str) -> list[FormField]:
    """What can be set."""
    return form_fields(find(model).preset(preset))


def launch(among: Jobs, order: Order) -> str:
    """Queue a run; returns its id."""
    config = to_dict(order.config())
    return among.launch(order.model, order.preset, config, order.folder(), order.name)


def create(among: Jobs, order: Order, folder: Path | None = None) -> Run:
    """A run to be carried out by this process."""
    config = to_dict(order.config())
    return among.create(order.model, order.preset, config, order.folder(), order.name, folder)


def carry_out(run: Run, tell: Callable[[Status], None] | None = None, *, wait: bool = False) -> Status:
    """Prepare the data, train, and evaluate; how it stands is in the run's folder all the time, also when it fails.

    wait: until it is the run's turn among those in its folder. On several processes (`accelerate launch`) each calls
    this, and the first one writes. Raises Cancelled when the run is asked to stop, and whatever goes wrong.
    """
    say = _Teller(run, tell if is_first() else None)
    with ExitStack() as held:
        if is_first():
            held.enter_context(jobs.claimed(run))
        try:
            if wait:
                say(state="queued", words=text("Waiting for its turn."))
                held.enter_context(jobs.turn(run))
            _work(run, say)
        except Cancelled:
            say(state="stopped", seconds_left=None, words=text("Stopped; it can go on from here."))
            raise
        except KeyboardInterrupt:
            words = text("Ended at once; it can go on from its last checkpoint.")
            say(state="stopped", seconds_left=None, words=words)
            raise
        except SignError as error:
            say(state="failed", seconds_left=None, words=str(error))
            raise
        except Exception as error:
            say(state="failed", seconds_left=None, words=f"{type(error).__name__}: {error}".rstrip(": "))
            raise
    return run.status()


def settings(run: Run) -> tuple[Trainable, Any, Path]:
    """What is trained, how, and on what."""
    about = run.config()
    try:
        trainable, values = find(about["model"]), about["config"]
        presets = trainable.presets
        cls = type(presets.get(about.get("preset"), next(iter(presets.values()))))
        return trainable, from_dict(cls, values), Path(about["data"])
    except KeyError as error:
        words = text("{run}/config.json does not say {error}; begin a new run.", run=run.folder.name, error=error)
        raise SignError(words) from error


def evaluate(run: Run) -> dict[str, Any]:
    """Judge the model of a run."""
    trainable, _, _ = settings(run)
    if trainable.evaluate is None:
        raise SignError(text("{title} has no evaluation.", title=text(trainable.title)))
    _check_model(run)
    return trainable.evaluate(run)


def plan(order: Order, tell: Tell) -> Plan:
    """What the training would take, measured in this process. Makes demo data that is missing."""
    from models.training.plan import plan as measure

    config, folder = order.config(), order.folder()
    folder.mkdir(parents=True, exist_ok=True)
    order.trainable.prepare(config, folder, tell)
    tell(later("Measuring a few steps"), 0, 0)
    task, options = order.trainable.build(config, folder)
    return measure(task, options)


def plan_apart(among: Jobs, order: Order, tell: Callable[[str], None], should_stop: ShouldStop) -> dict[str, Any]:
    """`plan` in a process of its own, so that a model that is too large does not take the studio with it.

    tell: gets lines in words. Returns the fields of Plan. Raises SignError in the words of the process, Cancelled.
    """
    order.config(), order.folder()  # what can be said at once
    changes = [f"--set={path}={_typed(value)}" for path, value in (order.changes or {}).items()]
    data = [f"--data={order.data.strip()}"] if order.data.strip() else []
    child = subprocess.Popen(
        [
            *among.command,
            "train",
            "plan",
            f"--model={order.model}",
            f"--preset={order.preset}",
            *data,
            *changes,
            "--json",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=among.environment,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    said: list[str] = []
    with child:
        for line in _lines(child, should_stop):
            said.append(line)
            tell(line)
        printed = child.stdout.read() if child.stdout else ""
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if child.returncode != 0 or not isinstance(found, dict):
        last = text(said[-1].removeprefix("signstudio: ")) if said else text("it said nothing")
        if child.returncode < 0:
            last = text("it was ended by signal {signal}, as when memory runs out", signal=-child.returncode)
        raise SignError(text("The plan could not be made: {why}", why=last))
    return found


def export(run: Run, out: Path) -> Path:
    """Copy the model of a run to a folder of its own, or into a zip when the name says so."""
    _check_model(run)
    if out.suffix.lower() == ".zip":
        return _zip(run.model, out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SignError(text("{folder} is there already; name a folder that is not.", folder=out))
    shutil.copytree(run.model, out, dirs_exist_ok=True)
    return out


def downloads(run: Run, folder: Path) -> list[Path]:
    """The model as a zip, and what its evaluation wrote as another."""
    made = [export(run, folder / f"{run.folder.name}-model.zip")]
    if run.evaluation.is_dir():
        made.append(_zip(run.evaluation, folder / f"{run.folder.name}-evaluation.zip"))
    return made


def job_dict(job: Job) -> dict[str, Any]:
    """A run as it stands, for programs."""
    return asdict(job)


def run_dict(watched: Watched) -> dict[str, Any]:
    """The same with what was measured last, what is wrong, and the end of the log."""
    last = {str(line.get("kind")): line for line in watched.lines}
    return {**asdict(watched.job), "newest": last, "findings": list(watched.findings), "log": watched.log}


def _work(run: Run, say: _Teller) -> None:
    trainable, config, data = settings(run)
    say(state="preparing", words=text("Looking at the data."))

    def told(words: str, done: int, total: int) -> None:
        if run.should_stop():
            raise Cancelled
        doing = text(words)
        counted = text("{doing}: {done} of {total}", doing=doing, done=done, total=total) if total else doing
        say(state="preparing", words=counted)

    from models.training.loop import fit

    data.mkdir(parents=True, exist_ok=True)
    with _first_goes_first():
        trainable.prepare(config, data, told)
    say(state="preparing", words=text("Building the model."))
    task, options = trainable.build(config, data)
    fit(task, options, run, say.told, then="finished" if trainable.evaluate is None else "evaluating")
    if not is_first():
        return
    words = ""
    if trainable.evaluate is not None:
        say(state="evaluating", seconds_left=None, words=text("Judging the model."))
        try:
            trainable.evaluate(run)
        except Cancelled:
            words = text("Trained; the evaluation was stopped.")
        except Exception as error:  # noqa: BLE001 - the model is trained and kept; what went wrong is in the log
            traceback.print_exc()
            words = text("Trained, but the evaluation failed: {error}", error=error)
    say(state="finished", seconds_left=None, words=words)


def _check_model(run: Run) -> None:
    """Raise a SignError for a run that has no model."""
    if not run.model.is_dir():
        raise SignError(text("{name} has no model yet; the first validation writes it.", name=run.folder.name))


def _zip(folder: Path, out: Path) -> Path:
    """All files of a folder of a run, in a folder of the run's name."""
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                archive.write(file, Path(folder.parent.name) / file.relative_to(folder))
    return out


class _Teller:
    """Says how the run stands, on disk and to whoever listens; only in the first of several processes."""

    def __init__(self, run: Run, tell: Callable[[Status], None] | None) -> None:
        self._run, self._tell = run, tell

    def __call__(self, **changes: Any) -> None:
        if is_first():
            self.told(self._run.say(**changes))

    def told(self, status: Status) -> None:
        """Pass on what the loop has said already."""
        if self._tell is not None:
            self._tell(status)


def is_first() -> bool:
    """Whether this is the one of several processes that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def processes() -> int:
    """How many processes train together, as `accelerate launch` says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _first_goes_first() -> Any:
    """The first process makes the data, the others find it."""
    if processes() == 1:
        return nullcontext()
    from accelerate import PartialState

    return PartialState().main_process_first()


def _lines(child: subprocess.Popen[str], should_stop: ShouldStop) -> Any:
    """What the process says on its way, as lines. Ends it, and raises Cancelled, when should_stop says so."""
    import queue
    import threading

    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in child.stderr or ():
            if line.strip():
                lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=read, name="studio-plan", daemon=True).start()
    while True:
        if should_stop():
            child.kill()
            raise Cancelled
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line


def _typed(value: Any) -> str:
    """A value as a person would type it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def as_dict(made: Plan) -> dict[str, Any]:
    """The fields of a plan, as `plan_apart` returns them."""
    return {**asdict(made), "parts": dict(made.parts)}


def check_hosted(order: Order) -> None:
    """Raise SignError for an order that names a place on the server, which a visitor of it has no business with."""
    if order.data.strip():
        raise SignError(text("This studio runs on a server, where only the demo data can be used."))
    free = {one.path for one in fields(order.model, order.preset) if one.kind == "text"}
    if taken := sorted(free & set(order.changes or {})):
        words = text("This studio runs on a server, where {settings} cannot be changed.", settings=", ".join(taken))
        raise SignError(words)
