"""A crew of processes: every task has one end, whatever becomes of its worker, and no process stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.errors import SignError
from models.pool import Ended, Said, Say, in_workers

ROOT = Path(__file__).parents[1]


def open_number(log: Path | None = None) -> Callable[[Any, Say], Any]:
    """What a task says is what its worker does."""
    if log is not None:
        (log / f"{os.getpid()}").touch()

    def work(task: Any, say: Say) -> Any:
        match task:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(3)
            case "say":
                say("one")
                say("two")
            case "wrong":
                raise SignError("No such thing.")
            case "bug":
                raise KeyError("lost")
            case "sleep":
                time.sleep(60)
        return (task, os.getpid())

    return work


def refuse() -> Callable[[Any, Say], Any]:
    raise SignError("The model is not here.")


def ends(tasks: list[Any], workers: int = 1) -> list[Ended]:
    return [news for news in in_workers(tasks, open_number, workers=workers) if isinstance(news, Ended)]


def test_every_task_ends_once_and_the_function_is_opened_once_in_each_worker(tmp_path: Path) -> None:
    news = in_workers(range(20), partial(open_number, tmp_path), workers=2)
    ended = [one for one in news if isinstance(one, Ended)]
    assert sorted(one.task for one in ended) == list(range(20))
    assert all(one.result[0] == one.task and one.died is None for one in ended)
    assert len(list(tmp_path.iterdir())) == len({one.result[1] for one in ended}) <= 2
    assert not multiprocessing.active_children()


def test_tasks_are_taken_when_a_worker_is_free_for_them() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    ended = 0
    with closing(in_workers(tasks(), open_number, workers=2)) as all_news:
        for news in all_news:
            ended += isinstance(news, Ended)
            assert len(taken) <= ended + 2
            if ended == 10:
                break
    assert ended == 10


@pytest.mark.parametrize(("task", "how"), [("die", "signal 9, often for lack of memory"), ("leave", "exit code 3")])
def test_a_worker_that_dies_costs_its_task_only(task: str, how: str) -> None:
    ended = ends(["a", task, "b", task, "c"])
    assert [one.task for one in ended] == ["a", task, "b", task, "c"]
    assert [one.died for one in ended] == [None, how, None, how, None]
    assert len({one.result[1] for one in ended if one.result}) == 3  # another process each time


def test_a_worker_that_was_killed_while_it_waited_costs_nothing() -> None:
    def tasks() -> Iterator[str]:
        yield "a"
        (idle,) = multiprocessing.active_children()
        idle.kill()
        idle.join()
        yield "b"

    ended = [one for one in in_workers(tasks(), open_number, workers=1) if isinstance(one, Ended)]
    assert [(one.task, one.died) for one in ended] == [("a", None), ("b", None)]


def test_what_is_said_on_the_way_comes_before_the_end() -> None:
    news = [one for one in in_workers(["say"], open_number, workers=1) if one is not None]
    assert [one.value for one in news if isinstance(one, Said)] == ["one", "two"]
    assert isinstance(news[-1], Ended)


def test_what_a_worker_raises_is_raised_to_the_caller() -> None:
    with pytest.raises(SignError, match=r"^No such thing\.$"):
        ends(["a", "wrong"])
    with pytest.raises(RuntimeError, match="KeyError: 'lost'"):
        ends(["bug"])
    with pytest.raises(SignError, match=r"^The model is not here\.$"):
        list(in_workers(["a"], refuse, workers=1))
    assert not multiprocessing.active_children()


def test_closing_ends_workers_at_work() -> None:
    with closing(in_workers(["a", "sleep", "sleep"], open_number, workers=2)) as all_news:
        assert any(isinstance(one, Ended) for one in all_news)
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_no_tasks_need_no_worker_and_no_worker_is_an_error() -> None:
    assert [one for one in in_workers([], open_number, workers=1) if one is not None] == []
    with pytest.raises(ValueError, match="0 workers"):
        next(in_workers(["a"], open_number, workers=0))


LEADING = """
from test_pool import open_number
from models.pool import in_workers
if __name__ == "__main__":
    for news in in_workers(["a", "sleep", "sleep"], open_number, workers=2):
        if news is not None:
            print("working", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "lead.py"
    script.write_text(LEADING)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        helpers = psutil.Process(process.pid).children(recursive=True)
        assert len(helpers) >= 3  # the server, two workers
        process.kill()
        _, alive = psutil.wait_procs(helpers, timeout=15)
    assert not alive
