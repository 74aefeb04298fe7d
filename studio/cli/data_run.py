"""`signstudio data run`: carries out a job of the Data tab, in the foreground; what it prints is the job's log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.bar import Bar
from studio.cli.phases import Phases
from studio.cli.stopping import asking, stoppable


def run(
    folder: Annotated[Path, typer.Option("--run", help="Folder of the job.")],
    wait: Annotated[bool, typer.Option("--wait", hidden=True)] = False,
) -> None:
    """Go on with a job of the Data tab here; Ctrl-C ends it so that it can go on again."""
    from models.training.run import Run
    from studio import preparing

    made = Run(folder.absolute())
    preparing.settings(made)  # says what is wrong with the folder
    if not wait:
        made.may_go_on()
    typer.echo(f"The job is in {made.folder}", err=True)
    to_go_on = f"To go on: signstudio data run --run {made.folder}"
    with stoppable(to_go_on, asking(made)), Bar("Starting") as bar:
        report = preparing.carry_out(made, Phases(bar, log=True), wait=wait)
    typer.echo(report)
    raise typer.Exit(1 if any(one.failed for one in preparing.phases(made.folder)) else 0)
