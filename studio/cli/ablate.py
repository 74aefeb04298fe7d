"""`signstudio train ablate`: what each part of a model is worth."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.typed import changes, command

if TYPE_CHECKING:
    from studio.cli.bar import Bar

_SAY_EVERY_S = 5.0


def ablate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the runs and the table.")],
    model: Annotated[str, typer.Option("--model", "-m", help="four-stage or multistream.")] = "four-stage",
    preset: Annotated[str | None, typer.Option("--preset", "-p", help="Settings to begin with.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Folder of data; demo data is made unless set.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Of each training, unless as the preset has it.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, as in --set loop.seed=1; repeatable.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this variant; repeatable.")] = None,
) -> None:
    """Train a model without each of its parts, and compare. Given again, it goes on where it was."""
    from models.progress import Cancelled
    from models.training import ablation
    from studio.cli.bar import Bar
    from studio.trainables import find
    from studio.training import Order

    study = find(model).study
    if study is None:
        raise SignError(f"{find(model).title} has no parts that could be left out.")
    order = Order(
        model=model,
        preset=preset or next(iter(find(model).presets)),
        data="" if data is None else str(data),
        changes=changes(settings),
    )
    config, folder = order.config(), order.folder()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Bar("Starting") as bar:
            table = ablation.ablate(study, config, folder, out, steps, _Shown(bar), names=only or [], command=command())
    except (Cancelled, KeyboardInterrupt):
        typer.echo("Stopped; the same command goes on from the last checkpoint.", err=True)
        raise typer.Exit(130) from None
    for line in ablation.markdown(study, table):
        typer.echo(line)
    typer.echo(out / f"{ablation.TABLE}.json", err=True)


class _Shown:
    """How far it is: a bar on a terminal, a line now and then in a log."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._said = bar, ("", 0.0)

    def __call__(self, words: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._bar.part(words, done, total)
            return
        now = time.monotonic()
        if words != self._said[0] or now - self._said[1] > _SAY_EVERY_S:
            self._said = words, now
            typer.echo(f"{words}: {done} of {total}", err=True)
