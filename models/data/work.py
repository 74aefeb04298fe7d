"""One phase over many items: what is done already is left alone, the rest is worked on and written down.

An engine works through tasks on one core (`in_this_process`), on all cores of this machine (`models.data.local`), or
on a cluster (`models.data.cluster`). To each it is the same: `make` gives a worker the function that does one task (it
may hold an opened model), and what that returns comes back to the process that leads.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from models.data.manifest import Manifest, Row
from models.data.store import Store
from models.errors import SignError
from models.files import safe_name
from models.progress import Cancelled


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work on one item. Everything in it can be pickled."""

    item: str
    made_from: str
    """Whatever the result depends on, as `fingerprint` makes it."""
    value: Any
    """What the worker's function is called with."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a worker made of an item."""

    output: str = ""
    """The name of the file in the store."""
    state: Literal["done", "rejected", "failed", "dead"] = "done"
    words: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came back for a task."""

    task: Task
    made: Made
    seconds: float


Make = Callable[[], Callable[[Any], Made]]
"""Called once in every worker; can be pickled. The function that it returns does a task, given its value."""


class Engine(Protocol):
    """Works through tasks; yields outcomes in the order of ending, and None now and then, while there is nothing to
    tell. What a task raises is an outcome that failed; so is the end of a worker. Closing it ends the workers."""

    def __call__(self, make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]: ...


@dataclass(frozen=True, kw_only=True)
class PhaseProgress:
    """How far a phase is."""

    phase: str
    done: int
    """Items with a result, whatever it is; those of earlier runs too."""
    total: int
    failed: int
    rejected: int
    seconds_left: float | None
    """None until the first is done."""


Tell = Callable[[PhaseProgress], None]
Stop = Callable[[], bool]

_AGAIN = {"failed"}
_TELL_EVERY_S = 0.2


def fingerprint(*parts: Any) -> str:
    """A short text that is the same for the same values (of JSON's kinds), in this run and the next."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def carry_out(
    phase: str,
    tasks: Iterable[Task],
    make: Make,
    *,
    total: int,
    manifest: Manifest,
    store: Store,
    engine: Engine,
    tell: Tell | None = None,
    should_stop: Stop | None = None,
    again: frozenset[str] | set[str] = frozenset(_AGAIN),
) -> None:
    """Work on those of the tasks that have no result yet, and write each result into the manifest.

    total: how many tasks there are. again: results in these states are worked on again. An item whose result
    depends on something that has changed, or whose file is gone, is worked on again, too.
    Raises Cancelled when should_stop said so; what was done until then is written.
    """
    meter = _Meter(phase, total, tell)

    def waiting() -> Iterator[Task]:
        for task in tasks:
            row = manifest.get(phase, task.item)
            if row is not None and is_current(row, task, store, again):
                meter.count(row.state, worked=False)
            else:
                yield task

    meter.say()
    with closing(engine(make, waiting())) as outcomes:  # type: ignore[type-var]
        for outcome in outcomes:
            if outcome is not None:
                made = outcome.made
                manifest.put(
                    Row(
                        phase=phase,
                        item=outcome.task.item,
                        state=made.state,
                        made_from=outcome.task.made_from,
                        output=made.output,
                        words=made.words,
                        info=made.info,
                        seconds=outcome.seconds,
                    )
                )
                meter.count(made.state, worked=True)
            meter.tick()
            if should_stop is not None and should_stop():
                raise Cancelled
    meter.say()


def in_this_process(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
    """The engine of one core."""
    function: Callable[[Any], Made] | None = None
    for task in tasks:
        function = function or make()
        yield attempt(function, task)


def attempt(function: Callable[[Any], Made], task: Task) -> Outcome:
    """Do a task; what it raises becomes the words of a failure."""
    start = time.monotonic()
    try:
        made = function(task.value)
    except SignError as error:
        made = Made(state="failed", words=str(error))
    except Exception as error:  # noqa: BLE001  one bad file never stops a data set
        made = Made(state="failed", words=f"{safe_name(task.item)}: {type(error).__name__}: {error}")
    return Outcome(task=task, made=made, seconds=time.monotonic() - start)


def is_current(row: Row, task: Task, store: Store, again: frozenset[str] | set[str]) -> bool:
    """Whether an item's row is still what the task would give: nothing it depends on has changed, its file is there."""
    if row.made_from != task.made_from or row.state in again:
        return False
    return not row.output or store.size(row.output) is not None


class _Meter:
    """Counts results; the time left is judged by those of the last minutes, of this run."""

    def __init__(self, phase: str, total: int, tell: Tell | None) -> None:
        self._phase, self._total, self._tell = phase, total, tell
        self._counts = {"done": 0, "rejected": 0, "failed": 0, "dead": 0}
        self._ends: deque[float] = deque([time.monotonic()], maxlen=500)
        self._told = 0.0

    def count(self, state: str, *, worked: bool) -> None:
        self._counts[state] += 1
        if worked:
            self._ends.append(time.monotonic())

    def tick(self) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self.say()

    def say(self) -> None:
        self._told = time.monotonic()
        if self._tell is None:
            return
        done, left = sum(self._counts.values()), None
        if len(self._ends) > 1:
            left = (self._told - self._ends[0]) / (len(self._ends) - 1) * max(self._total - done, 0)
        self._tell(
            PhaseProgress(
                phase=self._phase,
                done=done,
                total=self._total,
                failed=self._counts["failed"] + self._counts["dead"],
                rejected=self._counts["rejected"],
                seconds_left=left,
            )
        )
