"""How the phases of `signstudio data` stand."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

from studio.cli.bar import Bar

if TYPE_CHECKING:
    from models.data.work import PhaseProgress

_SAY_EVERY_S = 5.0


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
        self._bar.part(progress_words(progress), progress.done, progress.total)
        now, line = time.monotonic(), (progress.phase, progress.done)
        due = begins or progress.done >= progress.total or now - self._said >= _SAY_EVERY_S
        if self._log and due and line != self._line:
            self._said, self._line = now, line
            typer.echo(progress_words(progress), err=True)
