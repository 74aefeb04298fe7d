"""`signstudio data run`: carries out a job of the Data tab, in the foreground; what it prints is the job's log."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.bar import Bar

if TYPE_CHECKING:
    from models.data.work import PhaseProgress
    from models.training.run import Run

_SAY_EVERY_S = 5.0


def run(
    folder: Annotated[Path, typer.Option("--run", help="Folder of the job.")],
    wait: Annotated[bool, typer.Option("--wait", hidden=True)] = False,
) -> None:
    """Go on with a job of the Data tab here; Ctrl-C ends it so that it can go on again."""
    from models.progress import Cancelled
    from models.training.run import Run
    from studio import preparing

    made = Run(folder.absolute())
    preparing.settings(made)  # says what is wrong with the folder
    if not wait:
        made.may_go_on()
    _end_well(made)
    typer.echo(f"The job is in {made.folder}", err=True)
    try:
        with Bar("Starting") as bar:
            report = preparing.carry_out(made, _Shown(bar), wait=wait)
    except (Cancelled, KeyboardInterrupt):
        typer.echo(f"Stopped. To go on: signstudio data run --run {made.folder}", err=True)
        raise typer.Exit(130) from None
    typer.echo(report)
    raise typer.Exit(1 if any(one.failed for one in preparing.phases(made.folder)) else 0)


def _end_well(made: Run) -> None:
    """Ctrl-C, and what a cluster sends before it takes a machine away, end the job; the second time, at once."""

    def ask(_number: int, _frame: object) -> None:
        if made.should_stop():
            raise KeyboardInterrupt
        made.ask_to_stop()
        typer.echo("\nEnding; once more to end at once.", err=True)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


class _Shown:
    """How a job stands: a bar on a terminal, and a line now and then, which a log keeps."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._last, self._said = bar, ("", 0), 0.0

    def __call__(self, progress: PhaseProgress) -> None:
        from studio.preparing_words import progress_words

        self._bar.say(progress.phase)
        self._bar.count(progress.done, progress.total)
        now, last = time.monotonic(), (progress.phase, progress.done)
        due = progress.phase != self._last[0] or progress.done >= progress.total or now - self._said >= _SAY_EVERY_S
        if due and last != self._last:
            self._last, self._said = last, now
            typer.echo(progress_words(progress), err=True)
