"""Data sets prepared as jobs: the form's options, phases on the disk, stop and go on, and one queue with trainings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_data import TOY
from test_jobs import COMMAND as TRAINING
from test_jobs import pid, until, until_state, until_step

from models.data.manifest import Manifest
from models.errors import SignError
from models.training.run import Run
from studio import preparables, preparing
from studio.jobs import Jobs
from studio.preparing import Order

COMMAND = (sys.executable, str(Path(__file__).with_name("fake_data.py")))


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(preparables.PREPARABLES, "toys", TOY)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "runs", verb="data", command=COMMAND, grace_s=10.0)
    yield made
    for job in made.list():
        made.grace_s = 0.0
        made.stop(job.id)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A list of toys; what they are made of is no pose, which nothing here looks at."""
    (tmp_path / "clip.pose").write_bytes(b"pose")
    path = tmp_path / "toys.json"
    path.write_text(json.dumps({"toys": [["HOUSE", "train", "ana"]] * 5 + [["BAD", "test", "ben"]]}))
    return path


def order(source: Path, **changes: Any) -> Order:
    """Without the lexicons, which take longer than the rest."""
    out = changes.pop("out", source.parent / "made")
    phases = changes.pop("phases", ("extract", "clean"))
    return Order(kind="toys", source=str(source), out=str(out), phases=phases, changes=changes)


def test_a_job_goes_through_its_phases_and_says_how_far_it_is(jobs: Jobs, source: Path) -> None:
    job = preparing.launch(jobs, order(source))
    until_state(jobs, job, "finished")
    run = jobs.run(job)
    found = preparing.phases(run.folder)
    assert [(one.phase, one.state, one.done, one.total, one.rejected) for one in found] == [
        ("extract", "done", 6, 6, 0),
        ("clean", "done", 6, 6, 1),
    ]
    assert str(source.parent / "made" / "report.txt") in jobs.get(job).words
    assert "clean: 6 of 6, 1 rejected" in jobs.log_tail(job)
    assert preparing.result(run) == str(source.parent / "made")


def test_a_job_stops_when_asked_and_goes_on_where_it_was(jobs: Jobs, source: Path) -> None:
    job = preparing.launch(jobs, order(source, pause_s=0.4))
    until(lambda: any(one.done >= 2 for one in preparing.phases(jobs.root / job)), "two items")
    jobs.stop(job)
    first, second = preparing.phases(jobs.root / job)
    assert jobs.get(job).state == first.state == "stopped" and 2 <= first.done < 6 and second.state == "waiting"
    jobs.resume(job)
    until_state(jobs, job, "finished")
    with Manifest(source.parent / "made") as manifest:
        made = [row.item for row in manifest.rows("extract", "done")]
    assert made == ["BAD-005", *(f"HOUSE-00{number}" for number in range(5))]


def test_a_finished_job_can_go_on_and_tries_again_what_failed(jobs: Jobs, source: Path) -> None:
    job = preparing.launch(jobs, order(source, fault="sentence"))
    until_state(jobs, job, "finished")
    assert "1 failed; go on with the job to try it again" in jobs.get(job).words
    config = jobs.run(job).config()
    jobs.run(job).write_config({**config, "config": {**config["config"], "fault": ""}})
    jobs.resume(job)
    until(lambda: jobs.get(job).state == "finished" and "failed" not in jobs.get(job).words, str(jobs.get(job)))


def test_a_killed_job_is_seen_with_its_last_words_and_goes_on(jobs: Jobs, source: Path) -> None:
    job = preparing.launch(jobs, order(source, fault="hard"))
    until_state(jobs, job, "crashed")
    assert jobs.get(job).words.endswith("the last that it printed: the last words")
    config = jobs.run(job).config()
    jobs.run(job).write_config({**config, "config": {**config["config"], "fault": "", "pause_s": 0.5}})
    jobs.resume(job)
    until(lambda: any(one.done >= 3 for one in preparing.phases(jobs.root / job)), "a third item")
    os.kill(pid(jobs, job), signal.SIGKILL)
    until_state(jobs, job, "crashed")


def test_a_job_that_does_not_listen_is_ended(jobs: Jobs, source: Path) -> None:
    jobs.grace_s = 0.2
    job = preparing.launch(jobs, order(source, fault="deaf", pause_s=0.5))
    until(lambda: any(one.done for one in preparing.phases(jobs.root / job)), "an item")
    jobs.stop(job)
    assert jobs.get(job).state == "stopped" and "Ended at once" in jobs.get(job).words


def test_deleting_a_job_leaves_its_data_set_alone(jobs: Jobs, source: Path) -> None:
    job = preparing.launch(jobs, order(source, limit=1))
    until_state(jobs, job, "finished")
    jobs.delete(job)
    assert jobs.list() == [] and (source.parent / "made" / "poses" / "raw" / "train" / "HOUSE-000.pose").is_file()


def test_trainings_and_data_jobs_wait_for_each_other_but_are_not_in_one_list(jobs: Jobs, source: Path) -> None:
    trainings = Jobs(jobs.home, command=TRAINING, grace_s=10.0)
    training = trainings.launch("toy", "demo", {"steps": 1000, "pause": 0.05}, jobs.home)
    until_step(trainings, training)
    job = preparing.launch(jobs, order(source, limit=1))
    later = trainings.launch("toy", "demo", {"steps": 1, "pause": 0.0}, jobs.home)
    until(lambda: (jobs.get(job).ahead, trainings.get(later).ahead) == (0, 1), "one behind the other")
    assert jobs.get(job).state == "queued"
    assert [one.id for one in jobs.list()] == [job] and jobs.list()[0].ahead == 0
    assert {one.id: one.ahead for one in trainings.list()} == {training: 0, later: 1}
    with pytest.raises(SignError, match="There is no run"):
        trainings.get(job)
    trainings.stop(training)
    until_state(jobs, job, "finished")
    until_state(trainings, later, "finished")


def test_the_queue_has_one_end_for_both_kinds(jobs: Jobs, source: Path) -> None:
    trainings = Jobs(jobs.home, command=TRAINING, grace_s=10.0, longest_queue=1)
    training = trainings.launch("toy", "demo", {"steps": 1000, "pause": 0.05}, jobs.home)
    until_step(trainings, training)
    preparing.launch(jobs, order(source))
    with pytest.raises(SignError, match="1 run is waiting already"):
        trainings.launch("toy", "demo", {"steps": 1}, jobs.home)
    trainings.stop(training)


def test_the_command_carries_a_job_out_and_ends_well_when_it_is_asked_to(jobs: Jobs, source: Path) -> None:
    options = order(source, pause_s=0.3).options()
    run = jobs.create("toys", "", {**vars(options), "json": str(options.json), "out": str(options.out)}, options.out)
    command = [*COMMAND, "data", "run", "--run", str(run.folder)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: any(one.done for one in preparing.phases(run.folder)), "an item")
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130 and f"To go on: signstudio data run --run {run.folder}" in said
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(source.parent / "made" / "report.txt")


def test_a_folder_without_a_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="is no data job"):
        preparing.settings(Run(tmp_path))
    Run(tmp_path).write_config({"model": "toys", "config": {"jsom": "x"}})
    with pytest.raises(SignError, match=r"no setting jsom; do you mean json\?"):
        preparing.settings(Run(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": ""}, "is missing; fill in “File of toys”"),
        ({"source": "/none/at <b>all"}, "no such file"),
        ({"source": "a\0b"}, "cannot be the name"),
        ({"source": "~nobody-of-that-name/x"}, "nobody-of-that-name"),
        ({"out": " "}, "folder for the results is missing"),
        ({"out": __file__}, "is a file"),
        ({"videos": "/none"}, "no such folder of videos"),
        ({"phases": ()}, "The phases are none"),
        ({"phases": ("dance",)}, "The phases are dance"),
        ({"changes": {"limit": "0"}}, "limit is 0"),
        ({"changes": {"limit": "9" * 400}}, "limit"),
        ({"changes": {"limit": "many"}}, "limit is 'many'; it has to be a whole number"),
        ({"changes": {"limits": "1"}}, "do you mean limit"),
        ({"kind": "<b>"}, "There is no kind of data '<b>'"),
    ],
)
def test_rubbish_in_an_order_gives_a_sentence(source: Path, changes: dict[str, Any], said: str) -> None:
    usual: dict[str, Any] = {"kind": "toys", "source": str(source), "out": str(source.parent / "made")}
    with pytest.raises(SignError) as raised:
        Order(**(usual | changes)).options()
    assert said in str(raised.value)


def test_places_and_phases_are_asked_for_apart_from_the_other_options(source: Path) -> None:
    assert [one.path for one in preparing.fields("toys")] == ["limit", "pause_s", "fault"]
    assert preparing.phases_of("toys") == ("extract", "clean", "lexicon")
    options = order(source, limit="3", out="~/made").options()
    assert (options.json, options.out, options.limit) == (source, Path.home() / "made", 3)


def test_a_torn_list_of_phases_is_none(tmp_path: Path) -> None:
    assert preparing.phases(tmp_path) == []
    (tmp_path / "phases.json").write_text('[{"phase": "extr')
    assert preparing.phases(tmp_path) == []
