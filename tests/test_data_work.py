"""The spine of the data pipeline: a store that holds whole files, a manifest with one writer, phases that go on."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.data.manifest import FILE, Manifest, Row
from models.data.store import Store
from models.data.work import Made, Make, Outcome, PhaseProgress, Task, attempt, carry_out, fingerprint, in_this_process
from models.errors import SignError
from models.progress import Cancelled

# Where files lie


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A place of each kind, empty."""
    if request.param == "folder":
        return Store(str(tmp_path / "out"))
    return Store(f"{request.param}{tmp_path}/out")


def put(store: Store, name: str, text: str) -> None:
    with store.writing(name) as made:
        made.write_text(text)


def content(store: Store, name: str) -> str:
    with store.reading(name) as path:
        return path.read_text()


def test_what_was_written_is_read_listed_linked_and_removed(store: Store) -> None:
    assert store.size("poses/a.pose") is None
    assert store.names("poses") == []
    put(store, "poses/a.pose", "one")
    put(store, "poses/train/b.pose", "four")
    assert (content(store, "poses/a.pose"), store.size("poses/train/b.pose")) == ("one", 4)
    assert store.names("poses") == ["poses/a.pose", "poses/train/b.pose"]
    assert store.names("poses/train") == ["poses/train/b.pose"]
    store.link("poses/a.pose", "lexicons/a.pose")
    store.remove("poses/a.pose")
    store.remove("poses/a.pose")
    assert content(store, "lexicons/a.pose") == "one"
    assert store.names("") == ["lexicons/a.pose", "poses/train/b.pose"]


def test_a_file_that_is_replaced_is_whole_at_any_time(store: Store) -> None:
    put(store, "a.txt", "old")
    with store.writing("a.txt") as made:
        made.write_text("new")
        assert content(store, "a.txt") == "old"
    assert content(store, "a.txt") == "new"
    with pytest.raises(KeyError), store.writing("a.txt") as made:
        made.write_text("half")
        raise KeyError
    assert content(store, "a.txt") == "new"
    assert store.names("") == ["a.txt"]


def test_what_a_killed_process_left_is_swept_and_nothing_else(store: Store) -> None:
    put(store, "poses/a.pose", "one")
    put(store, "poses/.part-0123.pose", "ha")
    store.sweep("poses")
    assert store.names("") == ["poses/a.pose"]


def test_a_file_that_is_not_there_is_said_by_name(store: Store) -> None:
    with pytest.raises(SignError, match=r"poses/a\.pose is not in"):
        content(store, "poses/a.pose")


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "a\\b"])
def test_no_name_leads_out_of_the_store(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        store.size(name)


def test_a_store_that_was_pickled_opens_the_same_place(store: Store) -> None:
    put(store, "a.txt", "one")
    assert content(pickle.loads(pickle.dumps(store)), "a.txt") == "one"


def test_a_place_that_nobody_knows_is_a_sentence() -> None:
    with pytest.raises(SignError, match="nowhere://there cannot be opened"):
        Store("nowhere://there").size("a")


# What became of each item

ROW = Row(phase="extract", item="HOUSE-1", state="done", made_from="x", output="a.pose", info={"n": [1]}, seconds=1.5)


def test_rows_are_kept_by_phase_and_item(tmp_path: Path) -> None:
    with Manifest(tmp_path, writing=True) as manifest:
        manifest.put(Row(phase="extract", item="b", state="failed", words="No."))
        manifest.put(ROW)
        manifest.put(Row(phase="clean", item="HOUSE-1", state="rejected"))
        manifest.put(Row(phase="extract", item="b", state="dead"))
        manifest.note("options", {"limit": None})
    with Manifest(tmp_path) as manifest:
        assert manifest.get("extract", "HOUSE-1") == ROW
        assert manifest.get("extract", "nobody") is None
        assert [row.item for row in manifest.rows("extract")] == ["HOUSE-1", "b"]
        assert [row.item for row in manifest.rows("extract", "dead")] == ["b"]
        assert manifest.counts("extract") == {"done": 1, "rejected": 0, "failed": 0, "dead": 1}
        assert manifest.noted("options") == {"limit": None}
        assert manifest.noted("nothing") is None
    with Manifest(tmp_path, writing=True) as manifest:
        manifest.forget("extract", "HOUSE-1")
        assert manifest.get("extract", "HOUSE-1") is None


def test_rows_written_together_appear_together_or_not_at_all(tmp_path: Path) -> None:
    with Manifest(tmp_path, writing=True) as manifest, Manifest(tmp_path) as reader:
        with manifest.together():
            manifest.put(ROW)
            assert reader.get(ROW.phase, ROW.item) is None
        assert reader.get(ROW.phase, ROW.item) == ROW
        with pytest.raises(KeyError), manifest.together():
            manifest.forget(ROW.phase, ROW.item)
            raise KeyError
        assert reader.get(ROW.phase, ROW.item) == ROW


def hold(folder: Path, ready: Any, done: Any) -> None:
    with Manifest(folder, writing=True) as manifest:
        manifest.put(ROW)
        ready.set()
        done.wait(60)
        os._exit(1)  # without a word


def test_two_writers_are_one_too_many_and_a_dead_one_is_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(SignError, match="worked on already"), Manifest(tmp_path, writing=True):
            pass
        with Manifest(tmp_path) as reader:
            assert reader.get(ROW.phase, ROW.item) == ROW
    finally:
        done.set()
        other.join()
    with Manifest(tmp_path, writing=True) as manifest:
        assert manifest.get(ROW.phase, ROW.item) == ROW


def test_a_folder_without_a_data_set_and_a_broken_file_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="holds no data set yet"), Manifest(tmp_path):
        pass
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(SignError, match="move it away"), Manifest(tmp_path, writing=True):
        pass
    (tmp_path / FILE).unlink()
    with Manifest(tmp_path, writing=True):  # the lock was let go
        pass


# One phase over many items


class Phase:
    """A phase on a folder: what was worked on in each run, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(str(folder))
        self.worked: list[str] = []
        self.told: list[PhaseProgress] = []
        self.answers: dict[str, Made] = {}

    def make(self) -> Callable[[Any], Made]:
        def work(value: str) -> Made:
            self.worked.append(value)
            if value in self.answers:
                return self.answers[value]
            put(self.store, f"{value}.txt", value)
            return Made(output=f"{value}.txt")

        return work

    def run(self, tasks: Iterable[Task], total: int = 4, **how: Any) -> list[str]:
        """What is worked on in this run."""
        self.worked, self.told = [], []
        with Manifest(self.folder, writing=True) as manifest:
            settings = {"manifest": manifest, "store": self.store, "engine": in_this_process, "tell": self.told.append}
            carry_out("work", tasks, self.make, total=total, **(settings | how))
        return self.worked

    def states(self) -> dict[str, str]:
        with Manifest(self.folder) as manifest:
            return {row.item: row.state for row in manifest.rows("work")}


@pytest.fixture
def phase(tmp_path: Path) -> Phase:
    return Phase(tmp_path)


def abcd(made_from: str = "x") -> list[Task]:
    return [Task(item=item, made_from=made_from, value=item) for item in "abcd"]


def test_what_is_done_rejected_or_dead_is_left_alone_and_what_failed_is_tried_again(phase: Phase) -> None:
    phase.answers = {
        "b": Made(state="rejected", words="No hands."),
        "c": Made(state="failed", words="No network."),
        "d": Made(state="dead", words="No such page."),
    }
    assert phase.run(abcd()) == ["a", "b", "c", "d"]
    assert phase.states() == {"a": "done", "b": "rejected", "c": "failed", "d": "dead"}
    assert (phase.told[-1].done, phase.told[-1].failed, phase.told[-1].rejected) == (4, 2, 1)
    phase.answers = {}
    assert phase.run(abcd()) == ["c"]
    assert phase.run(abcd(), again={"failed", "dead"}) == ["d"]
    assert phase.run(abcd()) == []
    assert (phase.told[-1].done, phase.told[-1].failed, phase.told[-1].rejected) == (4, 0, 1)


def test_an_item_is_made_again_when_what_it_is_made_from_changed_or_its_file_is_gone(phase: Phase) -> None:
    phase.run(abcd())
    phase.store.remove("b.txt")
    changed = [*abcd()[:3], Task(item="d", made_from="y", value="d")]
    assert phase.run(changed) == ["b", "d"]
    assert phase.run(changed) == []


def test_what_was_done_before_a_stop_is_not_done_again(phase: Phase) -> None:
    with pytest.raises(Cancelled):
        phase.run(abcd(), should_stop=lambda: len(phase.worked) == 2)
    assert phase.states() == {"a": "done", "b": "done"}
    assert phase.run(abcd()) == ["c", "d"]


def test_an_engine_that_breaks_leaves_the_rows_that_were_there(phase: Phase) -> None:
    closed = []

    def engine(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        try:
            function = make()
            yield attempt(function, next(iter(tasks)))
            raise SignError("The cluster is gone.")
        finally:
            closed.append(True)

    with pytest.raises(SignError, match="The cluster is gone"):
        phase.run(abcd(), engine=engine)
    assert closed
    assert phase.run(abcd()) == ["b", "c", "d"]


def test_what_a_task_raises_is_a_failure_with_its_words() -> None:
    def work(value: str) -> Made:
        raise SignError("Empty clip.") if value == "a" else KeyError("lost")

    first, second = (attempt(work, task) for task in abcd()[:2])
    assert (first.made.state, first.made.words) == ("failed", "Empty clip.")
    assert (second.made.state, second.made.words) == ("failed", "b: KeyError: 'lost'")


def test_nothing_is_opened_when_nothing_is_to_do(phase: Phase) -> None:
    phase.run(abcd())

    def refuse() -> Callable[[Any], Made]:
        raise AssertionError

    with Manifest(phase.folder, writing=True) as manifest:
        carry_out("work", abcd(), refuse, total=4, manifest=manifest, store=phase.store, engine=in_this_process)


def test_the_time_left_counts_the_work_of_this_run_only(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    phase.run(abcd()[:2])
    clock = [100.0]
    monkeypatch.setattr("models.data.work.time.monotonic", lambda: clock[0])

    def slowly(make: Make, tasks: Iterable[Task]) -> Iterator[Outcome | None]:
        function = make()
        for task in tasks:
            clock[0] += 10
            yield attempt(function, task)

    assert phase.run(abcd(), engine=slowly, total=6) == ["c", "d"]
    assert phase.told[0].seconds_left is None
    assert phase.told[0].done == 0
    c_done, d_done = (next(told for told in phase.told if told.done == done) for done in (3, 4))
    assert c_done.seconds_left == pytest.approx(30)  # ten seconds for one, three to go
    assert d_done.seconds_left == pytest.approx(20)


def test_a_fingerprint_depends_on_the_values_and_nothing_else() -> None:
    assert fingerprint("a", {"x": 1, "y": Path("b")}) == fingerprint("a", {"y": Path("b"), "x": 1})
    assert fingerprint("a", 1) != fingerprint("a", "1")
    assert fingerprint("ab") != fingerprint("a", "b")
