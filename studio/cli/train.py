"""`signstudio train`: train a model here or in the background, see how it stands, judge it, take it out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.ablate import ablate
from studio.cli.bar import Bar
from studio.cli.stopping import asking, stoppable
from studio.cli.typed import RunName, changes

if TYPE_CHECKING:
    from models.training.run import Run, Status
    from studio.jobs import Jobs
    from studio.training import Order

cli = typer.Typer(help="Train a model: live losses, runs that can be stopped and go on.", no_args_is_help=True)

Model = Annotated[str | None, typer.Option("--model", "-m", help="What is trained; `train list --models` names them.")]
Preset = Annotated[
    str | None, typer.Option("--preset", "-p", help="Settings to begin with; the model's first unless set.")
]
Data = Annotated[Path | None, typer.Option("--data", "-d", help="Folder of data; demo data is made unless set.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A setting, as in --set loop.steps=200; repeatable.")]

_SAY_EVERY_S = 5.0


cli.command()(ablate)


@cli.command()
def run(
    model: Model = None,
    preset: Preset = None,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the run; a new one in `runs` unless set.")
    ] = None,
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    folder: Annotated[Path | None, typer.Option("--run", help="Go on with the run in this folder.")] = None,
    wait: Annotated[bool, typer.Option("--wait", hidden=True)] = False,
) -> None:
    """Train in the foreground; Ctrl-C saves and ends, and `train run --run FOLDER` goes on from there.

    On several GPUs or machines: accelerate launch -m studio.cli train run …
    """
    from models.training.run import Run
    from studio import training
    from studio.jobs import Jobs

    if folder is None:
        if out is None and training.processes() > 1:
            raise SignError("Several processes train together; give them one folder by --out.")
        order = _order(model, preset, data, settings, name)
        made = _made(Jobs(), order, out)
    else:
        made = Run(folder.absolute())
        made.config()  # says what is wrong with the folder
        if not wait:
            made.may_go_on()
    typer.echo(f"The run is in {made.folder}", err=True)
    to_go_on = f"To go on: signstudio train run --run {made.folder}"
    saving = "Saving, and ending after this step"
    with stoppable(to_go_on, asking(made), stopping=saving), Bar("Starting") as bar:
        training.carry_out(made, _Shown(made, bar), wait=wait)
    if made.model.is_dir():
        typer.echo(made.model)


@cli.command()
def plan(
    model: Model = None,
    preset: Preset = None,
    data: Data = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a training would take: parameters, memory, steps, and time from a few measured steps."""
    from studio import training
    from studio.training_words import plan_lines

    last = ["", 0.0]

    def tell(words: str, done: int, total: int) -> None:
        now = time.monotonic()
        if words != last[0] or now - last[1] > 1:
            last[:] = [words, now]
            typer.echo(f"{words}: {done} of {total}" if total else f"{words} …", err=True)

    found = training.as_dict(training.plan(_order(model, preset, data, settings), tell))
    for line in [json.dumps(found)] if as_json else plan_lines(found):
        typer.echo(line)


@cli.command("list")
def list_(
    models: Annotated[
        bool, typer.Option("--models", help="Name what can be trained instead, with its presets.")
    ] = False,
) -> None:
    """Print all runs, the newest first, and how they stand."""
    if models:
        from studio.trainables import TRAINABLES

        for one in TRAINABLES.values():
            typer.echo(
                f"{one.name}: {one.title}\n  {one.about}\n  presets: {', '.join(one.presets)}\n  data: {one.needs}"
            )
        return
    from studio.jobs import Jobs
    from studio.training_words import job_line

    found = Jobs().list()
    for job in found:
        typer.echo(job_line(job))
    if not found:
        typer.echo("There are no runs yet. `signstudio train run --model …` begins one.", err=True)


@cli.command()
def stop(name: RunName) -> None:
    """Ask a run to save and end, and wait until it has."""
    jobs, run_id = _found(name)
    jobs.stop(run_id)
    job = jobs.get(run_id)
    typer.echo(f"{run_id}: {job.state}. {job.words}")


@cli.command()
def resume(name: RunName) -> None:
    """Let a run go on from its last checkpoint, in the background."""
    jobs, run_id = _found(name)
    jobs.resume(run_id)
    typer.echo(f"{run_id} goes on in the background; `signstudio train list` says how it stands.")


@cli.command()
def evaluate(name: RunName) -> None:
    """Judge the model of a run on data that it was not trained on; figures and a page are in RUN/evaluation."""
    from studio import training
    from studio.jobs import Jobs
    from studio.trained import find_run

    made = find_run(name, Jobs())
    typer.echo(json.dumps(training.evaluate(made), indent=1))
    if made.evaluation.is_dir():
        typer.echo(made.evaluation, err=True)


@cli.command()
def export(
    name: RunName,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder, or a .zip.")],
) -> None:
    """Copy the model of a run, its best weights, to a folder of its own."""
    from studio import training
    from studio.jobs import Jobs
    from studio.trained import find_run

    typer.echo(training.export(find_run(name, Jobs()), out))


def _order(
    model: str | None, preset: str | None, data: Path | None, settings: list[str] | None, name: str = ""
) -> Order:
    from studio.trainables import TRAINABLES, find
    from studio.training import Order

    if model is None:
        raise SignError(f"What is to be trained? Name it by --model: {', '.join(TRAINABLES)}.")
    return Order(
        model=model,
        preset=preset or next(iter(find(model).presets)),
        data="" if data is None else str(data),
        name=name,
        changes=changes(settings),
    )


def _made(jobs: Jobs, order: Order, out: Path | None) -> Run:
    """A new run; where several processes train together, the one that the first of them makes."""
    from models.training.run import Run
    from studio import training

    if training.is_first():
        return training.create(jobs, order, None if out is None else out.absolute())
    assert out is not None
    made = Run(out.absolute())
    for _ in range(600):
        if (made.folder / "config.json").is_file():
            return made
        time.sleep(0.1)
    raise SignError(f"{out}: the first process did not begin the run.")


def _found(name: str) -> tuple[Jobs, str]:
    """The runs that the one of this name, id or folder is among, and its id."""
    from studio.jobs import Jobs
    from studio.trained import find_run

    folder = find_run(name, Jobs()).folder
    return Jobs(folder.parent), folder.name


class _Shown:
    """How a run stands: a bar on a terminal, a line now and then in a log."""

    def __init__(self, made: Run, bar: Bar) -> None:
        self._run, self._bar = made, bar
        self._read, self._losses, self._said, self._words = 0, "", 0.0, ""
        self._terminal = sys.stderr.isatty()
        _, self._read = made.metrics()

    def __call__(self, status: Status) -> None:
        from studio.training_words import losses_words, status_line, validation_words

        lines, self._read = self._run.metrics(self._read)
        for line in lines:
            if line.get("kind") == "validation":
                typer.echo(validation_words(line), err=True)
            else:
                self._losses = losses_words(line)
        if self._terminal:
            self._bar.say(self._losses or status.words or status.state)
            self._bar.count(status.step, status.steps)
            return
        now, words = time.monotonic(), f"{status.state} {status.words}"
        if now - self._said >= _SAY_EVERY_S or (words != self._words and status.state != "preparing"):
            self._said, self._words = now, words
            typer.echo(status_line(status, self._losses), err=True)
