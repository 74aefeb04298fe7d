"""The engine of many machines: Ray Data, with an actor per core that holds whatever `make` opened.

The leading process hands out tasks in windows, so that a data set of any size fits into its memory and actors live
long. A row of a window is a task, and a block of its own: a result comes back as soon as it is there, and an actor or
a machine that dies costs no other row. Ray starts another and gives it the row again, for ever; so each try is counted,
and a row that ends actor after actor has failed. What a row writes appears whole and under one name, so doing it twice
changes nothing, and Ray hands over the result of one try only.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from models.data.local import ended_by_the_system
from models.data.work import Engine, Made, Make, Outcome, Task, attempt
from models.errors import SignError
from models.pool import available_cores

if TYPE_CHECKING:
    from ray.data import Dataset

_POLL_S = 0.2
_KNOCK_S = 10.0
_END = object()

PER_WORKER = 500
"""Tasks of a window for each actor. A window begins with opening models and ends with waiting for its last task."""
TRIES = 3
"""How often a task is begun, when actors die over it."""


def cluster(address: str | None = None, workers: int | None = None) -> Engine:
    """An engine of Ray actors, one per core.

    address: of a running Ray cluster that this machine is part of, `auto` or HOST:6379; None takes the environment's
    RAY_ADDRESS, else starts Ray on this machine alone. workers: how many actors; as many as the cluster has cores
    unless set. Sign Studio must be installed on all machines, and what tasks read and write must be in the same place
    for all of them. Raises SignError when Ray cannot be loaded, and, when it is used, when the cluster is not there.
    """
    if workers is not None and workers < 1:
        raise SignError(f"{workers} workers cannot do any work; give 1 or more.")
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        words = f'The engine `ray` cannot be loaded ({error}): pip install "sign-studio[distributed]".'
        raise SignError(words) from error

    def engine(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        waiting = iter(tasks)
        for first in waiting:  # nothing is started for nothing
            with _connected(address, workers) as count:
                window = [first, *islice(waiting, PER_WORKER * count - 1)]
                while window:
                    yield from _work_through(make, window, min(count, len(window)))
                    window = list(islice(waiting, PER_WORKER * count))

    return engine


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[int]:
    """Be connected to Ray; gives the number of actors to start."""
    import ray

    if ray.is_initialized():  # the caller's own, who ends it, too
        yield workers or _cores()
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else C++ writes to the terminal of this process
    own: dict[str, Any] = {"num_cpus": workers or available_cores(), "include_dashboard": False}
    try:
        _knock(address)
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == "local" else {}),
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise SignError(
            f"The Ray cluster {address} cannot be used ({why}). "
            "Start one with `ray start --head` on this machine, and give its address."
        ) from error
    try:
        yield workers or _cores()
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError when nobody answers at HOST:PORT; Ray itself would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _cores() -> int:
    import ray

    return max(int(ray.cluster_resources().get("CPU", 0)), 1)


def _work_through(make: Make, tasks: list[Task], count: int) -> Generator[Outcome | None, None, None]:
    """Work through a window of tasks with so many actors; closing it ends them."""
    executors: list[Any] = []
    news: SimpleQueue[Any] = SimpleQueue()
    thread = Thread(target=_read, args=(_dataset(make, tasks, count, executors), news), daemon=True)
    left = dict(enumerate(tasks))
    thread.start()
    try:
        while (row := _next(news)) is not _END:
            yield None if row is None else _outcome(row, left)
    finally:
        for executor in executors:
            executor.shutdown(force=True)
        thread.join()
    if left:
        raise RuntimeError(f"Ray gave back {len(left)} of {len(tasks)} tasks without a result")


def _outcome(row: dict[str, Any], left: dict[int, Task]) -> Outcome:
    kind, result = row["kind"], pickle.loads(row["result"])
    if kind == "sign error":
        raise SignError(result)
    if kind == "bug":
        raise RuntimeError(result)
    task = left.pop(row["number"])
    if kind == "lost":
        return ended_by_the_system(task, f"{TRIES} times, often for lack of memory", 0)
    made, seconds = result
    return Outcome(task=task, made=made, seconds=seconds)


def _dataset(make: Make, tasks: list[Task], count: int, executors: list[Any]) -> Dataset:
    """The results of the tasks, not begun yet; whatever executes it is put into `executors`, to be ended early."""
    import ray.data
    from ray.data._internal.execution.execution_callback import ExecutionCallback

    class Keep(ExecutionCallback):
        def before_execution_starts(self, executor: Any) -> None:
            executors.append(executor)

    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # the files of Ray's session have it all
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.custom_execution_callback_classes = [Keep]
    actor: Any = _Actor  # a class is allowed, whatever the annotation says
    rows = [{"number": number, "task": pickle.dumps(task)} for number, task in enumerate(tasks)]
    with ray.data.DataContext.current(context):
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            actor,
            fn_constructor_args=(make, ray.remote(num_cpus=0)(_Tries).remote()),
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=1,
        )


def _read(dataset: Dataset, news: SimpleQueue[Any]) -> None:
    try:
        for row in dataset.iter_rows():
            news.put(row)
    except Exception as error:  # noqa: BLE001  raised again where somebody can see it
        news.put({"number": -1, "kind": "bug", "result": pickle.dumps(f"{type(error).__name__}: {error}")})
    news.put(_END)


def _next(news: SimpleQueue[Any]) -> Any:
    with suppress(Empty):
        return news.get(timeout=_POLL_S)
    return None


class _Tries:
    """Counts, for all actors, how often each task was begun."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, number: int) -> int:
        self._begun[number] += 1
        return self._begun[number]


class _Actor:
    """One core of the cluster."""

    def __init__(self, make: Make, tries: Any) -> None:
        self._make, self._tries = make, tries
        self._function: Callable[[Any], Made] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        kind, result = self._do(row["number"], row["task"])
        return {"number": row["number"], "kind": kind, "result": pickle.dumps(result)}

    def _do(self, number: int, task: bytes) -> tuple[str, Any]:
        import ray

        if ray.get(self._tries.begin.remote(number)) > TRIES:
            return "lost", None
        try:
            self._function = self._function or self._make()
        except SignError as error:
            return "sign error", str(error)
        except Exception:  # noqa: BLE001  raised again where somebody can see it
            return "bug", traceback.format_exc()
        outcome = attempt(self._function, pickle.loads(task))
        return "made", (outcome.made, outcome.seconds)
