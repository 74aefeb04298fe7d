"""The engine of many machines, on a real Ray cluster of two nodes: the same rows as anywhere, also when actors die."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.data.cluster import TRIES, cluster
from models.data.manifest import Manifest, Row
from models.data.store import Store
from models.data.work import Engine, Made, Make, Outcome, Stop, Task, carry_out, in_this_process
from models.errors import SignError
from models.progress import Cancelled

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow  # a cluster takes its time to come and go

STORE_BYTES = 80 * 1024 * 1024
Killed = tuple[list[Row], dict[str, str], Counter[str]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two machines' worth of processes, one core each."""
    from ray.cluster_utils import Cluster

    machines, before = Cluster(), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *([before] if before else [])])
    try:
        for _ in range(2):
            machines.add_node(num_cpus=1, object_store_memory=STORE_BYTES, include_dashboard=False)
        yield str(machines.address)
    finally:
        machines.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def writer(store: Store, marks: Path) -> Callable[[Any], Made]:
    """Writes its value; leaves a mark each time that it begins, and dies as often as it is told to."""

    def work(value: dict[str, Any]) -> Made:
        name = str(value["name"])
        (marks / f"{name}-{uuid.uuid4().hex}").touch()
        if begun(marks)[name] <= value.get("deaths", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if value.get("wrong"):
            raise SignError(f"{name} is empty.")
        with store.writing(f"poses/{name}.txt") as made:
            made.write_text(name)
        return Made(output=f"poses/{name}.txt", info={"length": len(name)})

    return work


def no_model() -> Callable[[Any], Made]:
    raise SignError("The model is not here.")


def tasks(count: int, **special: dict[str, Any]) -> list[Task]:
    values = ({"name": f"clip{number}", **special.get(f"clip{number}", {})} for number in range(count))
    return [Task(item=value["name"], made_from="x", value=value) for value in values]


def begun(marks: Path) -> Counter[str]:
    """How often each item was begun."""
    return Counter(path.name.split("-")[0] for path in marks.iterdir())


def make(folder: Path) -> Make:
    (folder / "marks").mkdir(parents=True, exist_ok=True)
    return partial(writer, Store(str(folder / "out")), folder / "marks")


def carried_out(
    folder: Path, engine: Engine, work: list[Task], should_stop: Stop | None = None
) -> tuple[list[Row], dict[str, str]]:
    """Carry out a phase; its rows without the time that they took, and the files."""
    store = Store(str(folder / "out"))
    with Manifest(folder, writing=True) as manifest:
        how: dict[str, Any] = {"manifest": manifest, "store": store, "engine": engine, "should_stop": should_stop}
        carry_out("extract", work, make(folder), total=len(work), **how)
        store.sweep("poses")  # as the next run does: a worker that was killed leaves what it had begun
        found = [replace(row, seconds=0) for row in manifest.rows("extract")]
    return found, {name: (folder / "out" / name).read_text() for name in store.names("poses")}


@pytest.fixture(scope="module")
def killed(address: str, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A run in which two items end their first worker and one ends every one: rows, files, how often each was begun."""
    folder = tmp_path_factory.mktemp("killed")
    once, always = {"deaths": 1}, {"deaths": 99}
    work = tasks(24, clip3={"wrong": True}, clip5=once, clip11=always, clip17=once)
    return *carried_out(folder, cluster(address), work), begun(folder / "marks")


def test_rows_and_files_are_those_of_one_process_though_workers_are_killed(killed: Killed, tmp_path: Path) -> None:
    found, files, often = killed
    work = [task for task in tasks(24, clip3={"wrong": True}) if task.item != "clip11"]
    rows, alone = carried_out(tmp_path, in_this_process, work)
    assert [row for row in found if row.item != "clip11"] == rows
    assert files == alone
    assert {item for item, times in often.items() if times != 1} == {"clip5", "clip11", "clip17"}
    assert (len(often), often["clip5"], often["clip17"]) == (24, 2, 2)


def test_an_item_that_kills_every_worker_fails_and_the_others_do_not(killed: Killed) -> None:
    found, _, often = killed
    (row,) = (row for row in found if row.item == "clip11")
    assert row.state == "failed"
    assert f"clip11: the process working on it was ended by the system ({TRIES} times" in row.words
    assert often["clip11"] == TRIES


def test_a_run_that_was_stopped_goes_on_where_it_was(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.data.cluster.PER_WORKER", 4)  # windows of eight tasks
    marks, taken = tmp_path / "marks", []

    def pulled(engine: Engine) -> Engine:
        def one_by_one(make: Make, work: Iterable[Task]) -> Iterator[Outcome | None]:
            return engine(make, (taken.append(task) or task for task in work))

        return one_by_one

    with pytest.raises(Cancelled):
        carried_out(tmp_path, pulled(cluster(address)), tasks(12), should_stop=lambda: bool(list(marks.iterdir())))
    assert len(taken) == 8  # the others were not asked for
    assert not ray.is_initialized()
    with Manifest(tmp_path) as manifest:
        done = {row.item for row in manifest.rows("extract")}
    before = begun(marks)
    found, files = carried_out(tmp_path, cluster(address), tasks(12))
    assert {row.state for row in found} == {"done"}
    assert len(found) == len(files) == 12
    assert all(begun(marks)[item] == before[item] for item in done)


def test_a_worker_that_cannot_begin_ends_the_phase_with_its_reason(address: str) -> None:
    with pytest.raises(SignError, match=r"^The model is not here\.$"):
        list(cluster(address)(no_model, tasks(4)))
    assert not ray.is_initialized()


def test_nothing_to_do_needs_no_cluster() -> None:
    assert list(cluster("127.0.0.1:1")(no_model, [])) == []


def test_a_cluster_that_is_not_there_is_said_with_its_address() -> None:
    with pytest.raises(SignError, match=r"127\.0\.0\.1:1 cannot be used"):
        list(cluster("127.0.0.1:1")(no_model, tasks(1)))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(SignError, match=r"sign-studio\[distributed\]"):
        cluster()


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(SignError, match="0 workers"):
        cluster(workers=0)
