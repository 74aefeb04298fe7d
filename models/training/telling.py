"""What a training tells while it goes on: lines of its metrics, for TensorBoard too, and how it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from models.training.run import Best, Run, State, Status

if TYPE_CHECKING:
    from models.training.events import Events

_TELL_EVERY_S = 1.0


class Telling:
    """Of one process of a training, of which the main one alone writes."""

    def __init__(self, run: Run, steps: int, tell: Callable[[Status], None] | None, *, main: bool) -> None:
        """steps: of the whole training. tell: gets the status, too, whenever it is written."""
        self._run, self._steps, self._tell, self._main = run, steps, tell, main
        self._first, self._before_s, self._begun, self._told = 0, 0.0, 0.0, 0.0
        self._events: Events | None = None

    def begin(self, step: int, seconds: float) -> None:
        """The training begins, or goes on, at this step, after so many seconds of training. Close it in the end."""
        self._first, self._before_s, self._begun = step, seconds, time.monotonic()
        if self._main:
            from models.training.events import Events

            self._events = Events(self._run.events, after_step=step)

    @property
    def seconds(self) -> float:
        """Of training until now, also before it was interrupted."""
        return self._before_s + time.monotonic() - self._begun

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""
        if self._main:
            self._run.append(line)
            if self._events is not None:
                self._events.write(line)

    def say(self, state: State, step: int, best: Best | None, words: str = "", *, now: bool = False) -> None:
        """Say how it stands: after the first step, then once a second; now: in any case."""
        at = time.monotonic()
        if not self._main or (not now and at - self._told < _TELL_EVERY_S and step != self._first + 1):
            return
        self._told = at
        left = (at - self._begun) / max(1, step - self._first) * (self._steps - step)
        status = Status(
            state=state,
            step=step,
            steps=self._steps,
            seconds_left=left if state == "training" else None,
            best=best,
            words=words,
        )
        self._run.tell(status)
        if self._tell is not None:
            self._tell(status)

    def close(self) -> None:
        """Write what TensorBoard has not got yet."""
        if self._events is not None:
            self._events.close()
