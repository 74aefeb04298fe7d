"""How Ctrl-C ends commands that work for long."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from models.training.run import Run


@contextmanager
def stoppable(
    to_go_on: str = "What was done is kept. Run the same command to go on.",
    ask: Callable[[], bool] | None = None,
    *,
    stopping: str = "Stopping",
) -> Iterator[Callable[[], bool]]:
    """Ctrl-C, and what a cluster sends before it takes a machine away, end after what is at work; again, at once.

    Gives a function that says whether that happened. ask: is called when it does, and says whether somebody else asked
    before. Ends the command with exit code 130.
    """
    from models.progress import Cancelled

    asked = False

    def heard(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked or (ask is not None and ask()):
            raise KeyboardInterrupt
        asked = True
        typer.echo(f"\n{stopping}; once more to end at once.", err=True)

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    except (Cancelled, KeyboardInterrupt):
        typer.echo(f"Stopped. {to_go_on}", err=True)
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def asking(run: Run) -> Callable[[], bool]:
    """What asks a run to stop, for `stoppable`."""

    def ask() -> bool:
        before = run.should_stop()
        run.ask_to_stop()
        return before

    return ask
