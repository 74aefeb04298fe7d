"""Runs as processes: they outlive whoever looks, wait for each other, stop, crash with their last words, and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.errors import SignError
from models.training.run import Run
from studio import processes
from studio.jobs import Jobs, claimed, root
from studio.processes import log_tail

COMMAND = (sys.executable, str(Path(__file__).with_name("fake_training.py")))
LONG_S = 60.0


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "runs", command=COMMAND, grace_s=10.0)
    yield made
    for job in made.list():
        made.grace_s = 0.0
        made.stop(job.id)


def launch(jobs: Jobs, *, steps: int = 400, pause: float = 0.05, name: str = "", **config: Any) -> str:
    return jobs.launch("toy", "demo", {"steps": steps, "pause": pause, **config}, jobs.root, name)


def until(true: Callable[[], Any], what: str = "") -> None:
    end = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def until_state(jobs: Jobs, run: str, state: str) -> None:
    until(lambda: jobs.get(run).state == state, f"{jobs.get(run)}, expected {state}")


def until_step(jobs: Jobs, run: str, step: int = 1) -> None:
    until(lambda: jobs.get(run).state == "training" and jobs.get(run).step >= step, str(jobs.get(run)))


def pid(jobs: Jobs, run: str) -> int:
    return json.loads((jobs.root / run / "pid.json").read_text())["pid"]


def test_a_run_is_launched_and_finishes(jobs: Jobs) -> None:
    run = launch(jobs, steps=3, pause=0.0, name="My <first>\n run")
    until_state(jobs, run, "finished")
    job = jobs.get(run)
    assert (job.name, job.model, job.preset, job.step, job.steps) == ("My <first> run", "toy", "demo", 3, 3)
    assert job.best is not None and job.best.value == 0.5
    assert job.has_model and job.ended
    assert Run(jobs.root / run).config()["config"] == {"steps": 3, "pause": 0.0}
    assert "going from 0" in jobs.log_tail(run)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_a_run_goes_behind_what_people_wait_for(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run)
    process = psutil.Process(pid(jobs, run))
    priorities = [os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()]
    assert priorities == [10] * len(priorities)
    assert psutil.Process().nice() < 10


def test_a_run_outlives_the_program_that_launched_it(jobs: Jobs) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.jobs import Jobs;"
        f"print(Jobs(Path({str(jobs.root)!r}), command={COMMAND!r}).launch("
        "'toy', 'demo', {'steps': 400, 'pause': 0.05}, Path('.')))"
    )
    program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    run = program.stdout.strip()
    until_step(jobs, run)
    assert os.getsid(pid(jobs, run)) == pid(jobs, run), "it has a session of its own"
    assert [job.id for job in Jobs(jobs.root).list()] == [run]
    Jobs(jobs.root).stop(run)
    assert jobs.get(run).state == "stopped"


def test_a_run_stops_when_asked_and_goes_on_where_it_was(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run, 3)
    jobs.stop(run)
    stopped = jobs.get(run)
    assert stopped.state == "stopped" and stopped.step >= 3
    jobs.resume(run)
    until_step(jobs, run, stopped.step + 1)
    assert f"going from {stopped.step}" in jobs.log_tail(run)
    steps = [line["step"] for line in Run(jobs.root / run).metrics()[0]]
    assert steps == list(range(1, len(steps) + 1))


def test_a_run_that_does_not_listen_is_ended(jobs: Jobs) -> None:
    jobs.grace_s = 0.2
    run = launch(jobs, deaf=True)
    until_step(jobs, run)
    number = pid(jobs, run)
    jobs.stop(run)
    assert jobs.get(run).state == "stopped"
    assert "did not end when it was asked" in jobs.get(run).words
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


def test_what_a_process_started_is_ended_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "pathlib.Path('child').write_text(str(os.getpid())); time.sleep(60)"
    )
    leader = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {deaf!r}])"
    monkeypatch.setattr(processes, "_KILL_AFTER_S", 0.5)
    monkeypatch.chdir(tmp_path)
    processes.start(tmp_path, [sys.executable, "-c", leader], tmp_path / "log.txt", os.environ)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    child = psutil.Process(int((tmp_path / "child").read_text()))
    processes.end(tmp_path)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_stopping_need_not_be_waited_for(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run)
    jobs.stop(run, wait=False)
    until_state(jobs, run, "stopped")


def test_a_crash_is_seen_with_its_last_words(jobs: Jobs) -> None:
    run = launch(jobs, fault=3, pause=0.0)
    until_state(jobs, run, "crashed")
    assert "ended without a word" in jobs.get(run).words
    assert jobs.get(run).words.endswith("the last words [31min step 3")
    assert jobs.log_tail(run).splitlines()[-2:] == ["going from 0", "the last words [31min step 3"]


def test_a_killed_run_is_seen_and_goes_on(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run, 2)
    os.kill(pid(jobs, run), signal.SIGKILL)
    until_state(jobs, run, "crashed")
    step = jobs.get(run).step
    jobs.resume(run)
    until_step(jobs, run, step + 1)


def test_one_run_works_at_a_time_and_the_others_wait_in_order(jobs: Jobs) -> None:
    first, second, third = launch(jobs), launch(jobs, steps=5), launch(jobs, steps=5)
    until_step(jobs, first)
    until(lambda: [job.ahead for job in jobs.list() if job.state == "queued"] == [1, 0], str(jobs.list()))
    assert "after 1 more" in jobs.get(third).words
    assert "the next one" in jobs.get(second).words
    jobs.stop(first)
    until_state(jobs, third, "finished")
    ended = [(jobs.root / run / "ended").stat().st_mtime for run in (second, third)]
    assert ended == sorted(ended)


def test_a_waiting_run_can_be_stopped_and_a_killed_one_holds_nobody_up(jobs: Jobs) -> None:
    first, second, third, last = (launch(jobs, steps=1000) for _ in range(4))
    until_step(jobs, first)
    until(lambda: all((jobs.root / run / "pid.json").exists() for run in (second, third, last)))
    jobs.stop(second)
    assert jobs.get(second).state == "stopped"
    os.kill(pid(jobs, third), signal.SIGKILL)
    until_state(jobs, third, "crashed")
    os.kill(pid(jobs, first), signal.SIGKILL)  # its turn is given back by the system
    until_step(jobs, last)


def test_several_may_work_at_a_time(jobs: Jobs) -> None:
    jobs.concurrent = 2
    first, second, third = launch(jobs), launch(jobs), launch(jobs)
    until_step(jobs, first)
    until_step(jobs, second)
    assert jobs.get(third).state == "queued"


def test_the_queue_has_an_end(jobs: Jobs) -> None:
    jobs.longest_queue = 1
    until_step(jobs, launch(jobs))
    launch(jobs)
    with pytest.raises(SignError, match="1 run is waiting already"):
        launch(jobs)


def test_another_process_with_the_same_number_is_not_taken_for_the_run(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run)
    os.kill(pid(jobs, run), signal.SIGKILL)
    ours = {"pid": os.getpid(), "started": psutil.Process().create_time() - 60}
    (jobs.root / run / "pid.json").write_text(json.dumps(ours))
    assert jobs.get(run).state == "crashed"
    jobs.grace_s = 0.0
    jobs.stop(run)  # and it is not ended in the run's place


def test_a_run_at_work_is_neither_resumed_nor_deleted(jobs: Jobs) -> None:
    run = launch(jobs)
    until_step(jobs, run)
    with pytest.raises(SignError, match="at work already"):
        jobs.resume(run)
    with pytest.raises(SignError, match="stop it first"):
        jobs.delete(run)
    with pytest.raises(SignError, match="another process"), claimed(Run(jobs.root / run)):
        pass


def test_a_finished_run_has_nothing_to_go_on_with_and_can_be_deleted(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    run = launch(jobs, steps=1, pause=0.0)
    until_state(jobs, run, "finished")
    with pytest.raises(SignError, match="has finished"):
        jobs.resume(run)
    (jobs.root / run / "link").symlink_to(tmp_path)
    jobs.delete(run)
    assert jobs.list() == []
    assert (tmp_path / "kept.txt").exists(), "links are not followed"
    with pytest.raises(SignError, match="may have been deleted"):
        jobs.get(run)


@pytest.mark.parametrize(
    "rubbish", ["", ".", "..", "../runs", "a/b", "a\\b", "a\n", "a\0b", "é", "x" * 65, "/etc", "~", None, 3, ["a"]]
)
def test_rubbish_is_no_name_of_a_run(jobs: Jobs, rubbish: Any) -> None:
    for use in (jobs.get, jobs.stop, jobs.resume, jobs.delete, jobs.log_tail):
        with pytest.raises(SignError, match="no name of a run"):
            use(rubbish)


def test_what_is_no_run_of_ours_is_left_alone(jobs: Jobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    jobs.root.mkdir()
    (jobs.root / "link").symlink_to(outside)
    (jobs.root / "folder").mkdir()
    (jobs.root / "broken").mkdir()
    (jobs.root / "broken" / "config.json").write_text("{")
    for name in ("link", "folder", "missing"):
        with pytest.raises(SignError, match="There is no run"):
            jobs.delete(name)
    assert jobs.list() == []
    assert outside.is_dir()


def test_an_old_run_opens_as_it_is(jobs: Jobs) -> None:
    (jobs.root / "old").mkdir(parents=True)
    (jobs.root / "old" / "config.json").write_text('{"model": "toy"}')
    (jobs.root / "old" / "status.json").write_text('{"state": "finished", "step": 3, "steps": 3}')
    assert [(job.id, job.state, job.step) for job in jobs.list()] == [("old", "finished", 3)]
    (jobs.root / "old" / "status.json").write_text('{"state": "trai')
    assert jobs.get("old").state == "crashed"


def test_a_torn_line_of_the_metrics_is_left_for_later(jobs: Jobs) -> None:
    run = jobs.create("toy", "demo", {}, jobs.root)
    run.append({"kind": "train", "step": 1})
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"kind": "train", "st')
    lines, place = run.metrics()
    assert [line["step"] for line in lines] == [1]
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'ep": 2}\nrubbish\n{"step": 3}\n')
    assert [line["step"] for line in run.metrics(place)[0]] == [2, 3]


def test_names_do_not_clash(jobs: Jobs) -> None:
    names = {jobs.create("a model/with: odd name" * 9, "демо", {}, jobs.root).folder.name for _ in range(3)}
    assert len(names) == 3
    assert {job.id for job in jobs.list()} == names


def test_a_folder_that_holds_a_run_is_not_written_over(jobs: Jobs, tmp_path: Path) -> None:
    jobs.create("toy", "demo", {}, jobs.root, folder=tmp_path / "mine")
    with pytest.raises(SignError, match="holds a run already"):
        jobs.create("toy", "demo", {}, jobs.root, folder=tmp_path / "mine")


def test_the_log_may_be_missing_or_huge(jobs: Jobs) -> None:
    run = jobs.create("toy", "demo", {}, jobs.root)
    assert log_tail(run.log) == ""
    run.log.write_bytes(b"\xff\xfe" + b"x" * 100_000 + b"\nend\n\n")
    assert log_tail(run.log, 1) == "end"


def test_the_folder_of_runs_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGN_STUDIO_RUNS", str(tmp_path / "there"))
    assert root() == tmp_path / "there"
    monkeypatch.delenv("SIGN_STUDIO_RUNS")
    monkeypatch.chdir(tmp_path)
    assert root() == tmp_path / "runs"
