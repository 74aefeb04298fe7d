"""A training from its settings to its evaluation, here and on the command line, and what a page is shown of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from console import console
from toy_training import TOY

from models.errors import SignError
from models.progress import Cancelled
from models.training.run import Run, Status
from studio import trainables, training
from studio.jobs import Jobs
from studio.training import Order
from studio.training_words import count, job_line, losses_words, number, plan_lines, status_line
from studio.ui import training_view
from studio.ui.training_plots import MOST_RUNS, Curves, Plotter, plots
from studio.watching import Watch

COMMAND = (sys.executable, str(Path(__file__).with_name("toy_training.py")))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(trainables.TRAINABLES, "toy", TOY)
    monkeypatch.setenv("SIGN_STUDIO_RUNS", str(tmp_path / "runs"))


def toy_run(**changes: Any) -> Run:
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return training.create(Jobs(), Order(model="toy", preset="demo", changes=changed))


def train(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line, which knows the toy."""
    return console("train", *words)


def test_a_run_is_prepared_trained_judged_and_has_a_model() -> None:
    run, seen = toy_run(loop__steps="12"), []
    assert training.carry_out(run, seen.append).state == "finished"
    assert [one.state for one in seen][:2] == ["preparing", "preparing"]
    assert {"training", "evaluating"} <= {one.state for one in seen}
    assert [one.state for one in seen].count("finished") == 1, "it has not finished before it was judged"
    assert run.status().step == run.status().steps == 12
    assert json.loads((run.model / "model.json").read_text()) == {"width": 4}
    assert (run.evaluation / "evaluation.json").is_file()
    assert (training.demo_data("toy") / "2.txt").is_file(), "the demo data was made"
    assert [line["step"] for line in run.metrics()[0] if line["kind"] == "train"] == list(range(1, 13))


def test_a_run_that_is_stopped_goes_on_and_gives_the_same_losses() -> None:
    whole, parted = toy_run(loop__steps=20), toy_run(loop__steps=20)
    training.carry_out(whole)

    def stop(status: Status) -> None:
        if status.state == "training" and status.step == 1:
            parted.ask_to_stop()

    with pytest.raises(Cancelled):
        training.carry_out(parted, stop)
    assert parted.status().state == "stopped" and parted.status().step < 20
    parted.may_go_on()
    training.carry_out(parted)
    losses = [[line["loss"] for line in run.metrics()[0] if line["kind"] == "train"] for run in (whole, parted)]
    assert losses[0] == losses[1]


def test_what_goes_wrong_is_said_in_the_run() -> None:
    run = toy_run(fault="sentence")
    with pytest.raises(SignError):
        training.carry_out(run)
    assert (run.status().state, run.status().words) == ("failed", "The data ended in <b>batch</b> 5; add more.")
    run = toy_run(fault="bug")
    with pytest.raises(RuntimeError):
        training.carry_out(run)
    assert (run.status().state, run.status().words) == ("failed", "RuntimeError: a bug in the toy")


def test_an_evaluation_that_fails_does_not_take_the_model_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Run) -> dict[str, Any]:
        raise RuntimeError("no figures")

    monkeypatch.setattr("toy_training.ToyRecipe.evaluate", staticmethod(broken))
    run = toy_run(loop__steps=2)
    training.carry_out(run)
    assert run.status().state == "finished" and "evaluation failed: no figures" in run.status().words


def test_an_evaluation_that_is_stopped_does_not_take_the_model_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(run: Run) -> dict[str, Any]:
        raise Cancelled

    monkeypatch.setattr("toy_training.ToyRecipe.evaluate", staticmethod(stopped))
    run = toy_run(loop__steps=2)
    training.carry_out(run)
    assert run.status().state == "finished" and run.status().words == "Trained; the evaluation was stopped."


def test_an_order_is_checked_before_anything_is_made(tmp_path: Path) -> None:
    for order, said in (
        (Order(model="none", preset="demo"), "no model 'none'"),
        (Order(model="toy", preset="big"), "no preset 'big'; there are demo, slow"),
        (Order(model="toy", preset="demo", changes={"loop.steps": "many"}), "loop.steps is 'many'"),
        (Order(model="toy", preset="demo", changes={"loop.steps": "0"}), "loop.steps is 0; it has to be at least 1"),
        (Order(model="toy", preset="demo", data=str(tmp_path / "none")), "no such folder of data"),
    ):
        with pytest.raises(SignError, match=re.escape(said)):
            training.launch(Jobs(), order)
    assert Jobs().list() == []


def test_on_a_server_no_place_can_be_named() -> None:
    with pytest.raises(SignError, match="only the demo data"):
        training.check_hosted(Order(model="toy", preset="demo", data="/etc"))
    training.check_hosted(Order(model="toy", preset="demo", changes={"loop.steps": "3"}))


def test_a_run_of_a_newer_studio_says_what_it_does_not_know() -> None:
    run = toy_run()
    settings = run.config()
    run.write_config({**settings, "config": {**settings["config"], "colour": 3}})
    with pytest.raises(SignError, match="no setting colour"):
        training.settings(run)
    run.write_config({"name": "x"})
    with pytest.raises(SignError, match="does not say 'model'"):
        training.settings(run)


def test_a_plan_is_made_in_a_process_of_its_own() -> None:
    said: list[str] = []
    order = Order(model="toy", preset="demo", changes={"loop.steps": 7, "loop.patience": "2"})
    found = training.plan_apart(Jobs(command=COMMAND), order, said.append, lambda: False)
    assert (found["steps"], found["parameters"], found["parts"]) == (7, 49, {"body": 40, "head": 9})
    assert any("Making toys" in line for line in said)
    lines = plan_lines(found)
    assert lines[0] == "Parameters: 49 (body 40, head 9)"
    assert "7, which is 0.7 times" in lines[2]


def test_a_plan_finds_the_program_and_the_runs_wherever_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    code = "import json, os; print(json.dumps({name: os.environ[name] for name in ('PYTHONPATH', 'SIGN_STUDIO_RUNS')}))"
    jobs = Jobs(tmp_path / "mine", command=(sys.executable, "-c", code))
    found = training.plan_apart(jobs, Order(model="toy", preset="demo"), print, lambda: False)
    assert found["PYTHONPATH"].split(os.pathsep) == [str(Path(training.__file__).parents[1]), "elsewhere"]
    assert found["SIGN_STUDIO_RUNS"] == str(tmp_path / "mine")


def test_a_plan_that_fails_says_why_and_can_be_stopped() -> None:
    jobs = Jobs(command=COMMAND)
    with pytest.raises(SignError, match=r"loop\.clip is -1"):
        training.plan_apart(jobs, Order(model="toy", preset="demo", changes={"loop.clip": -1}), print, lambda: False)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        training.plan_apart(jobs, Order(model="toy", preset="slow"), print, stop.is_set)
    killed = Jobs(command=(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    with pytest.raises(SignError, match="signal 9, as when memory runs out"):
        training.plan_apart(killed, Order(model="toy", preset="demo"), print, lambda: False)


def test_the_command_line_trains_judges_and_takes_the_model_out(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    done = train("run", "--model", "toy", "--set", "loop.steps=12", "--out", str(out), "--name", "Mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out / "model")
    assert re.search(r"training · step \d+ of 12 · loss .* \(fit .*, small .*\)", done.stderr)
    assert "validation at step 10: error" in done.stderr
    assert json.loads(train("evaluate", str(out)).stdout) == {"error": 0.1}
    assert train("export", str(out), "-o", str(tmp_path / "model")).returncode == 0
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == b"weights"
    again = train("export", str(out), "-o", str(tmp_path / "model"))
    assert again.returncode == 2 and "there already" in again.stderr


def test_a_run_is_called_by_its_name_its_id_or_its_folder(tmp_path: Path) -> None:
    run = training.create(Jobs(), Order(model="toy", preset="demo", name="first", changes={"loop.steps": 2}))
    training.carry_out(run)
    for place, name in enumerate(("first", run.folder.name, str(run.folder))):
        done = train("evaluate", name)
        assert done.returncode == 0, done.stderr
        assert train("export", name, "-o", str(tmp_path / str(place))).returncode == 0
        assert f"{run.folder.name}: finished" in train("stop", name).stdout


def test_the_command_line_says_what_is_wrong_in_a_line(tmp_path: Path) -> None:
    for words, said in (
        (("run",), "Name it by --model: "),
        (("run", "--model", "toy", "--set", "loop.steps"), "write it as SETTING=VALUE"),
        (("run", "--model", "toy", "--set", "loop.steeps=3"), "do you mean loop.steps?"),
        (("run", "--run", str(tmp_path)), "it is no training run"),
        (("stop", "../x"), "There is no run and no folder '../x'; `signstudio train list` names the runs."),
        (("export", "gone", "-o", "x"), "There is no run and no folder 'gone'"),
    ):
        done = train(*words)
        assert done.returncode == 2, done
        assert said in done.stderr and done.stderr.count("\n") == 1


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = ("run", "--model", "toy", "--preset", "slow", "--set", "loop.steps=60", "--out", str(tmp_path / "mine"))
    child = subprocess.Popen([*COMMAND, "train", *words], stderr=subprocess.PIPE, text=True)
    run = Run(tmp_path / "mine")
    for _ in range(600):
        if run.status().step >= 2:
            break
        time.sleep(0.1)
    else:
        child.kill()
        pytest.fail("it never trained")
    os.kill(child.pid, signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert f"To go on: signstudio train run --run {run.folder}" in said
    assert run.status().state == "stopped" and run.last.is_file()
    assert train("run", "--run", str(run.folder)).returncode == 0
    steps = [line["step"] for line in run.metrics()[0] if line["kind"] == "train"]
    assert steps == list(range(1, 61))


def test_a_list_names_runs_and_models() -> None:
    toy_run()
    assert "toy-demo-" in train("list").stdout
    verbs = train("--help").stdout
    assert all(verb in verbs for verb in ("run", "plan", "list", "stop", "resume", "evaluate", "export"))


def test_the_downloads_are_zips_of_the_model_and_the_evaluation(tmp_path: Path) -> None:
    run = toy_run(loop__steps=2)
    with pytest.raises(SignError, match="has no model yet"):
        training.downloads(run, tmp_path)
    training.carry_out(run)
    model, evaluation = training.downloads(run, tmp_path)
    with zipfile.ZipFile(model) as archive:
        assert sorted(archive.namelist()) == [f"{run.folder.name}/model.{end}" for end in ("json", "safetensors")]
    with zipfile.ZipFile(evaluation) as archive:
        assert f"{run.folder.name}/report.html" in archive.namelist()


def test_metrics_are_read_once_and_again_when_they_were_trimmed() -> None:
    run, watch = toy_run(), Watch(Jobs())
    for step in range(1, 6):
        run.append({"kind": "train", "step": step, "loss": 1.0})
    assert len(watch.look(run.folder.name).lines) == 5
    first = watch.token([run.folder.name])
    assert watch.token([run.folder.name]) == first
    run.trim(2)
    run.append({"kind": "train", "step": 3, "loss": 2.0})
    assert [line["step"] for line in watch.look(run.folder.name).lines] == [1, 2, 3]
    assert watch.token([run.folder.name]) != first
    assert watch.look_at(["gone", run.folder.name, "../x"])[0].job.id == run.folder.name


def test_what_is_wrong_with_a_run_is_said_with_the_setting_to_change() -> None:
    run = toy_run()
    for step in range(1, 40):
        run.append({"kind": "train", "step": step, "loss": None if step > 30 else 1.0, "losses": {"fit": None}})
    run.say(state="failed", words="The gradient is no number.")
    watched = Watch(Jobs()).look(run.folder.name)
    assert any("loop.learning_rate" in words for words in watched.findings)
    shown = training_view.detail([watched])
    assert "<code>loop.learning_rate</code>" in shown and "✘ Failed" in shown


def test_texts_of_runs_are_escaped() -> None:
    jobs = Jobs()
    run = jobs.create("<i>m", "<i>p", {}, jobs.root, "<i>name")
    run.say(state="failed", words="<i>words")
    run.log.write_text("<i>log")
    run.append({"kind": "train", "step": 1, "loss": 1.0, "losses": {"<i>term": 1.0, "b": 2.0}})
    run.append({"kind": "validation", "step": 1, "metrics": {"<i>metric": 1.0}})
    watched = Watch(jobs).look_at([run.folder.name])
    curves = [Curves(name=one.job.name, lines=one.lines) for one in watched * 2]
    for html in (
        training_view.runs(jobs.list()),
        training_view.detail(watched),
        training_view.newest(watched),
        training_view.log(watched),
        plots(curves),
        training_view.form(training.fields("toy", "demo"), {"<i>a": "<i>b"}),
        training_view.about("<i>", "<i>", "<i>"),
    ):
        assert "<i>" not in html


def test_every_term_measure_rate_and_norm_has_a_plot() -> None:
    line = {"kind": "train", "losses": {"fit": 1.0, "small": 2.0}, "learning_rates": {"body": 0.1}}
    lines = [{**line, "step": n, "loss": 3.0 / n, "gradient_norms": {"body": 1.0, "all": 2.0}} for n in range(1, 900)]
    lines += [{"kind": "validation", "step": 100, "metrics": {"loss": 1.0, "wer": 0.5}}]
    drawn = plots([Curves(name="a", lines=lines)])
    titles = re.findall(r"<figcaption>([^<]+)", drawn)
    assert [title.strip() for title in titles] == [
        *("Validation: loss", "Validation: wer", "Loss", "Loss: fit", "Loss: small"),
        *("Learning rate", "Norm of the gradient"),
    ]
    assert "Loss, over steps. a: from 3 at step 1 to 0.003337 at step 899." in drawn
    assert "var(--run-1)" in drawn and "#0f0" not in drawn and "<script" not in drawn
    assert len(drawn) < 200_000


def test_several_runs_share_their_plots_and_differ_without_colour() -> None:
    lines = [{"kind": "train", "step": n, "loss": 1.0 / n} for n in range(1, 30)]
    drawn = plots([Curves(name=f"run {number}", lines=lines) for number in range(MOST_RUNS + 2)])
    assert drawn.count("<figure>") == 1
    assert drawn.count('class="swatch"') == MOST_RUNS
    dashes = re.findall(r"stroke-dasharray: ([\d., ]+)[^\"]*stroke: var\(--run-(\d)\)|stroke: var\(--run-(\d)\)", drawn)
    assert {one for found in dashes for one in found[1:] if one} == {str(n) for n in range(1, MOST_RUNS + 1)}
    assert "dashed, squares" in drawn


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{}],
        [{"kind": "train"}],
        [{"kind": "train", "step": 1, "loss": None, "losses": {"a": None}, "learning_rates": None}],
        [{"kind": "train", "step": "x", "loss": "y", "losses": "z"}, {"kind": "validation", "metrics": None}],
        [{"kind": "train", "step": 1, "loss": 0.0}, {"kind": "train", "step": 2, "loss": -1e300}],
    ],
)
def test_metrics_that_are_odd_are_shown_as_far_as_they_go(lines: list[dict[str, Any]]) -> None:
    run = toy_run()
    for line in lines:
        run.append(line)
    watched = Watch(Jobs()).look_at([run.folder.name])
    assert isinstance(plots([Curves(name="a", lines=lines)] * 2), str)
    assert watched[0].job.name in training_view.detail(watched)
    assert "<table" in training_view.newest(watched) or "Nothing was measured yet." in training_view.newest(watched)
    assert training_view.log(watched)


def test_plots_are_drawn_no_more_often_than_can_be_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    run, plotter, watch = toy_run(), Plotter(), Watch(Jobs())
    ids, drawn, clock = [run.folder.name], [], [100.0]

    def draw(*_: Any) -> str:
        clock[0] += 0.02
        drawn.append(1)
        return "drawn"

    monkeypatch.setattr("studio.ui.training_plots.plots", draw)
    monkeypatch.setattr("studio.ui.training_plots.time", SimpleNamespace(monotonic=lambda: clock[0]))
    run.append({"kind": "train", "step": 1, "loss": 1.0})
    shown, html = plotter.plots(None, watch.token(ids), watch.look_at(ids))
    assert html == "drawn"
    run.append({"kind": "train", "step": 2})
    assert plotter.plots(shown, watch.token(ids), watch.look_at(ids)) == (shown, None), "it is too soon"
    clock[0] += 0.4
    newer, html = plotter.plots(shown, watch.token(ids), watch.look_at(ids))
    assert html == "drawn" and newer != shown
    assert plotter.plots(None, newer, [])[1] == "drawn", "a second page gets the same drawing"
    assert len(drawn) == 2


def test_words_for_the_terminal() -> None:
    status = Status(state="training", step=40, steps=600, seconds_left=185.0)
    assert status_line(status, "loss 2") == "training · step 40 of 600 · loss 2 · about 3 min 5 s left"
    assert losses_words({"loss": 2.31234, "losses": {"a": 1.0, "b": None}}) == "loss 2.312 (a 1, b –)"
    assert losses_words({"loss": 2.0, "losses": {"a": 1.0}}) == "loss 2"
    assert (number(True), number(float(3)), count(9999), count(25_600), count(23_500_000)) == (
        *("–", "3", "9999"),
        *("25.6 thousand", "23.5 million"),
    )
    assert (count(999_400), count(999_700)) == ("999 thousand", "1 million")
    job = Watch(Jobs()).look(stopped().folder.name).job
    assert job_line(replace(job, name="first")).startswith(f"{job.id} · first · stopped")
    assert job_line(replace(job, name=job.id)).startswith(f"{job.id} · stopped")


def stopped() -> Run:
    run = toy_run()
    run.say(state="stopped", step=3, steps=9)
    return run


def test_a_form_holds_every_setting() -> None:
    drawn = training_view.form(training.fields("toy", "demo"), {})
    paths = re.findall(r'data-path="([^"]+)"', drawn)
    assert len(paths) == len(set(paths)) == len(training.fields("toy", "demo"))
    assert "loop.learning_rate" in paths and drawn.index("pause_s") < drawn.index("loop.steps")
    assert drawn.count("<label") == len(paths)
