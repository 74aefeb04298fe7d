"""What the commands of `signstudio data` share: how phases stand, and how Ctrl-C ends them."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from studio.cli.bar import Bar

if TYPE_CHECKING:
    from models.data.work import PhaseProgress

_SAY_EVERY_S = 5.0


@contextmanager
def stoppable(
    to_go_on: str = "What was done is kept. Run the same command to go on.", ask: Callable[[], bool] | None = None
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
        typer.echo("\nStopping; once more to end at once.", err=True)

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    except (Cancelled, KeyboardInterrupt):
        typer.echo(f"Stopped. {to_go_on}", err=True)
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Phases:
    """Takes the core's reports: a bar on a terminal; a line for each phase, and now and then, in a log."""

    def __init__(self, bar: Bar, *, log: bool | None = None) -> None:
        """log: write lines; unless set, where there is no terminal."""
        self.seen: dict[str, PhaseProgress] = {}
        self._bar, self._log = bar, not sys.stderr.isatty() if log is None else log
        self._said, self._line = 0.0, ("", -1)

    def __call__(self, progress: PhaseProgress) -> None:
        """Show how a phase stands."""
        from studio.preparing_words import progress_words

        begins = progress.phase not in self.seen
        self.seen[progress.phase] = progress
        self._bar.say(progress_words(progress))
        self._bar.count(progress.done, progress.total)
        now, line = time.monotonic(), (progress.phase, progress.done)
        due = begins or progress.done >= progress.total or now - self._said >= _SAY_EVERY_S
        if self._log and due and line != self._line:
            self._said, self._line = now, line
            typer.echo(progress_words(progress), err=True)
