"""The engine of this machine: what a task raises and what kills its process are outcomes, and no task is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import closing
from typing import Any

import cv2
import pytest

from models.data.local import local
from models.data.work import Made, Outcome, Task
from models.errors import SignError


def made_of() -> Callable[[Any], Made]:
    opened_in = os.getpid()

    def work(value: Any) -> Made:
        match value:
            case "wrong":
                raise SignError("The clip is empty.")
            case "bug":
                raise KeyError("lost")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "reject":
                return Made(state="rejected", words="Too short.")
        return Made(output=f"{value}.pose", info={"opened_in": opened_in, "threads": cv2.getNumThreads()})

    return work


def no_model() -> Callable[[Any], Made]:
    raise SignError("The model is not here.")


def tasks(*values: Any) -> list[Task]:
    return [Task(item=f"item{number}", made_from="x", value=value) for number, value in enumerate(values)]


def outcomes(*values: Any, workers: int = 1) -> list[Outcome]:
    return [one for one in local(workers)(made_of, tasks(*values)) if one is not None]


def test_every_task_has_an_outcome_from_another_process() -> None:
    found = outcomes(*range(12), workers=2)
    assert sorted(one.task.value for one in found) == list(range(12))
    assert all(one.made.output == f"{one.task.value}.pose" for one in found)
    assert os.getpid() not in {one.made.info["opened_in"] for one in found}
    assert {one.made.info["threads"] for one in found} == {1}
    assert not multiprocessing.active_children()


def test_what_goes_wrong_is_said_of_its_task_only() -> None:
    found = {one.task.value: one.made for one in outcomes("a", "wrong", "bug", "die", "reject", "b")}
    assert (found["wrong"].state, found["wrong"].words) == ("failed", "The clip is empty.")
    assert (found["bug"].state, found["bug"].words) == ("failed", "item2: KeyError: 'lost'")
    assert found["die"].state == "failed"
    assert found["die"].words.startswith("item3: the process working on it was ended by the system (signal 9")
    assert (found["reject"].state, found["reject"].words) == ("rejected", "Too short.")
    assert found["a"].state == found["b"].state == "done"
    assert len(found) == 6


def test_a_worker_that_cannot_begin_ends_the_phase_with_its_reason() -> None:
    with pytest.raises(SignError, match=r"^The model is not here\.$"):
        list(local(2)(no_model, tasks("a", "b", "c")))
    assert not multiprocessing.active_children()


def test_closing_the_engine_ends_its_workers() -> None:
    with closing(local(2)(made_of, tasks(*range(1000)))) as running:  # type: ignore[type-var]
        assert any(one is not None for one in running)
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(SignError, match="0 workers"):
        local(0)
