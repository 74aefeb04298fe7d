"""The loop: a run that was stopped or killed at any step ends as if it had not been, and every option does what it
says."""

from __future__ import annotations

import ast
import copy
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from loop_toy import Examples, ToyTask
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from models.errors import SignError, WeightsError
from models.progress import Cancelled
from models.training import LoopOptions, Part, Run, Status, fit
from models.training.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from models.training.options import rate
from models.training.task import to_device
from models.training.weighing import GradNorm, gradient_norms

ROOT = Path(__file__).parents[1]
OPTIONS = LoopOptions(steps=12, learning_rate=0.02, log_every=1, save_every=2, validate_every=3)
MEASURED = ("seconds", "samples_per_s", "memory_mb")
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulation": {"accumulation": 3},
    "mean": {"mean_over": 4},
    "gradnorm": {"weighing": "gradnorm", "gradnorm_alpha": 1.0},
    "bf16": {"precision": "bf16"},
    "all": {"accumulation": 2, "mean_over": 4, "weighing": "gradnorm", "log_every": 4, "save_every": 3, "clip": 0.1},
}


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Also on a machine with a GPU, where the last digits may differ."""
    from accelerate.state import PartialState

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    PartialState._reset_state()
    yield
    PartialState._reset_state()


def lines(run: Run, kind: str | None = None) -> list[dict[str, Any]]:
    """Lines of the metrics, without what a clock says."""
    return [
        {name: value for name, value in line.items() if name not in MEASURED}
        for line in run.metrics()[0]
        if kind in (None, line["kind"])
    ]


def weights(path: Path) -> dict[str, Tensor]:
    return dict(read_checkpoint(path).groups["model"])


def same(one: Run, other: Run) -> None:
    """Every number of two runs, to the last digit."""
    assert lines(one) == lines(other)
    assert lines(one)
    for name in ("last", "best"):
        first, second = (read_checkpoint(getattr(run, name)) for run in (one, other))
        for group in first.groups | second.groups:
            assert first.groups[group].keys() == second.groups[group].keys()
            for key, value in first.groups[group].items():
                assert torch.equal(value, second.groups[group][key]), f"{name}: {group}/{key}"
    kept, again = (load_file(run.model / "toy.safetensors") for run in (one, other))
    assert all(torch.equal(value, again[name]) for name, value in kept.items())


def trained(folder: Path, options: LoopOptions, **task: Any) -> tuple[Run, ToyTask]:
    toy, run = ToyTask(**task), Run(folder)
    fit(toy, options, run)
    return run, toy


class Killed(Exception):
    pass


class Fragile(ToyTask):
    """Dies before the losses of a step, as a power cut would: nothing is written."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.left = dies_at

    def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().losses(model, batch)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_any_step_and_resumed_a_run_is_the_same_run(kind: str, tmp_path: Path) -> None:
    options = replace(OPTIONS, **KINDS[kind])
    whole, _ = trained(tmp_path / "whole", options)
    for step in range(options.steps):
        run = Run(tmp_path / f"killed-{step}")
        with pytest.raises(Killed):
            fit(Fragile(step * options.accumulation + (options.accumulation - 1)), options, run)
        fit(ToyTask(), options, run)
        same(whole, run)


def test_killed_again_and_again_a_run_is_the_same_run(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole", OPTIONS)
    run, deaths = Run(tmp_path / "killed"), 0
    for _ in range(20):
        try:
            fit(Fragile(3), OPTIONS, run)
            break
        except Killed:
            deaths += 1
    assert deaths == 5  # two steps are kept each time
    same(whole, run)


def test_killed_while_it_validates_and_keeps_a_run_is_the_same_run(tmp_path: Path) -> None:
    class DiesKeeping(ToyTask):
        def save(self, model: nn.Module, folder: Path) -> None:
            if self.validated == 3:
                raise Killed
            super().save(model, folder)

    errors = (0.9, 0.8, 0.7, 0.75)
    options = replace(OPTIONS, save_every=5)
    whole, _ = trained(tmp_path / "whole", options, errors=errors)
    run = Run(tmp_path / "killed")
    with pytest.raises(Killed):
        fit(DiesKeeping(errors=errors), options, run)
    fit(ToyTask(errors=errors), options, run)
    same(whole, run)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_killed_by_the_system_goes_on_as_the_same_run(tmp_path: Path) -> None:
    loop = {"steps": 12, "learning_rate": 0.02, "validate_every": 3} | KINDS["all"]
    run = Run(tmp_path / "killed")
    process = toy_process(run.folder, loop, kill_at=15)
    assert process.returncode == -signal.SIGKILL
    assert run.last.is_file()
    with (run.folder / "metrics.jsonl").open("a") as file:  # torn while it was written
        file.write('{"kind": "train", "step": 9, "lo')
    assert toy_process(run.folder, loop).returncode == 0
    whole, _ = trained(tmp_path / "whole", LoopOptions(**loop))
    same(whole, run)
    assert run.status().state == "finished"


def toy_process(folder: Path, loop: dict[str, Any], *launch: str, **task: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    return subprocess.run(
        [
            *(launch or (sys.executable,)),
            str(ROOT / "tests" / "loop_toy.py"),
            str(folder),
            json.dumps({"loop": loop, "task": task}),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_metrics_of_steps_behind_the_checkpoint_are_taken_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(Killed):
        fit(Fragile(8), replace(OPTIONS, save_every=5), run)
    assert lines(run)[-1]["step"] == 8
    seen = run.metrics()[1]
    with pytest.raises(Killed):
        fit(Fragile(0), replace(OPTIONS, save_every=5), run)
    assert [line["step"] for line in lines(run, "train")] == [1, 2, 3, 4, 5]
    assert [line["step"] for line in lines(run, "validation")] == [3]
    assert run.metrics()[1] < seen


def test_a_new_run_in_an_old_folder_begins_with_empty_metrics(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, replace(OPTIONS, steps=3))
    run.last.unlink()
    fit(ToyTask(), replace(OPTIONS, steps=2), run)
    assert [line["step"] for line in lines(run, "train")] == [1, 2]


def test_the_seed_is_all_that_a_run_depends_on(tmp_path: Path) -> None:
    one, _ = trained(tmp_path / "one", OPTIONS)
    torch.rand(17)
    other, _ = trained(tmp_path / "other", OPTIONS)
    same(one, other)
    third, _ = trained(tmp_path / "third", replace(OPTIONS, seed=1))
    assert lines(third)[0]["loss"] != lines(one)[0]["loss"]


def test_neither_writing_more_often_nor_workers_change_a_run(tmp_path: Path) -> None:
    one, _ = trained(tmp_path / "one", OPTIONS)
    other, _ = trained(tmp_path / "other", replace(OPTIONS, save_every=1, workers=2))
    assert lines(one) == lines(other)
    rarely, _ = trained(tmp_path / "rarely", replace(OPTIONS, log_every=4))
    each = [line["losses"]["value"] for line in lines(one, "train")]
    for number, line in enumerate(lines(rarely, "train")):
        assert line["losses"]["value"] == pytest.approx(sum(each[4 * number : 4 * number + 4]) / 4, abs=1e-6)


def test_a_line_of_the_metrics_tells_everything(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, replace(OPTIONS, accumulation=2))
    line = run.metrics()[0][-2]
    assert line["kind"] == "train"
    assert (line["step"], line["epoch"]) == (12, 4.8)
    assert line["losses"].keys() == {"value", "label"}
    assert line["weights"] == {"value": 2.0, "label": 1.0}
    assert line["loss"] == pytest.approx(2 * line["losses"]["value"] + line["losses"]["label"], abs=1e-5)
    assert line["gradient_norms"].keys() == {"body", "heads", "all"}
    norms = line["gradient_norms"]
    assert norms["all"] == pytest.approx(math.hypot(norms["body"], norms["heads"]), rel=1e-4)
    assert min(line["samples_per_s"], line["memory_mb"], line["seconds"]) > 0
    judged = run.metrics()[0][-1]
    assert (judged["kind"], judged["step"]) == ("validation", 12)
    assert judged["metrics"].keys() == {"error", "count"}


def test_the_events_for_tensorboard_have_each_step_once(tmp_path: Path) -> None:
    from test_events import read

    run = Run(tmp_path)
    with pytest.raises(Killed):
        fit(Fragile(8), replace(OPTIONS, save_every=5), run)
    fit(ToyTask(), replace(OPTIONS, save_every=5), run)
    found = read(run.events)
    assert [step for step, _ in found["loss"]] == list(range(1, 13))
    assert [step for step, _ in found["validation/error"]] == [3, 6, 9, 12]
    for (_, value), line in zip(found["loss"], lines(run, "train"), strict=True):
        assert value == pytest.approx(line["loss"], rel=1e-5)


def test_parts_learn_at_rates_of_their_own_along_warmup_and_cosine(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, replace(OPTIONS, steps=20, warmup=0.2))
    heads = [line["learning_rates"]["heads"] / 0.02 for line in lines(run, "train")]
    body = [line["learning_rates"]["body"] / 0.02 for line in lines(run, "train")]
    assert heads[:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1.001], abs=1e-4)
    assert heads[12] == pytest.approx(0.5 + 1e-3, abs=1e-4)
    assert heads[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 15 / 16)) + 1e-3, abs=1e-4)
    assert heads[4:] == sorted(heads[4:], reverse=True)
    assert body == pytest.approx([0.1 * one for one in heads], abs=1e-4)
    assert rate(0.0, 0.0) == pytest.approx(1.001)


def test_a_part_moves_by_its_rate(tmp_path: Path) -> None:
    """AdamW's first steps are as long as the learning rate, whatever the gradient."""
    task = ToyTask()
    toy = task.model
    before = copy.deepcopy(toy)
    fit(task, LoopOptions(steps=1, learning_rate=0.01, warmup=0.0, weight_decay=0.0), Run(tmp_path))
    for layer, length in (("last", 0.01001), ("body.0", 0.001001)):
        moved = (toy.get_submodule(layer).weight - before.get_submodule(layer).weight).detach().abs()
        assert float(moved.max()) == pytest.approx(length, rel=1e-3), layer


def test_the_gradient_is_clipped_to_its_norm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any) -> Any:
        gradients = [one.grad for group in self.param_groups for one in group["params"] if one.grad is not None]
        seen.append(float(torch.stack([one.norm() for one in gradients]).norm()))
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run, _ = trained(tmp_path / "one", replace(OPTIONS, clip=0.05))
    told = [line["gradient_norms"]["all"] for line in lines(run, "train")]
    assert min(told) > 0.05  # told as it was before
    assert seen == pytest.approx([0.05] * 12, rel=1e-3)
    seen.clear()
    run, _ = trained(tmp_path / "other", replace(OPTIONS, clip=0.0))
    assert seen == pytest.approx([line["gradient_norms"]["all"] for line in lines(run, "train")], rel=1e-4)


@pytest.mark.parametrize("kept", [True, False])
def test_two_batches_of_two_are_one_of_four(kept: bool, tmp_path: Path) -> None:
    """Where the loss is a mean over the batch and no layer looks at the whole of it."""
    common: dict[str, Any] = {"dropout": 0.0, "norm": not kept, "batches_per_epoch": 1000}
    four, _ = trained(tmp_path / "four", OPTIONS, batch_size=4, **common)
    halves, _ = trained(tmp_path / "two", replace(OPTIONS, accumulation=2), batch_size=2, **common)
    close = [
        torch.allclose(value, weights(halves.last)[name], atol=1e-5)
        for name, value in weights(four.last).items()
        if value.is_floating_point()
    ]
    assert all(close) == kept
    if kept:
        for one, other in zip(lines(four, "train"), lines(halves, "train"), strict=True):
            assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)


def test_weights_that_are_kept_are_the_mean_of_those_trained(tmp_path: Path) -> None:
    """Against a mean that is taken here, over the weights after each step."""
    options = replace(OPTIONS, steps=6, mean_over=4, validate_every=1)
    seen: list[dict[str, Tensor]] = []

    class Watched(ToyTask):
        def validate(self, model: nn.Module) -> dict[str, float]:
            seen.append({name: value.clone() for name, value in self.model.named_parameters()})
            assert model is not self.model
            return super().validate(model)

    task = Watched()
    mean = {name: value.detach().clone() for name, value in task.model.named_parameters()}
    run = Run(tmp_path)
    fit(task, options, run)
    for step, now in enumerate(seen, start=1):
        keep = min(1 - 1 / 4, step / (step + 10))
        mean = {name: keep * value + (1 - keep) * now[name] for name, value in mean.items()}
    last = read_checkpoint(run.last)
    for name, value in mean.items():
        assert torch.allclose(last.groups["mean"][name], value, atol=1e-6), name
        assert torch.allclose(dict(task.model.named_parameters())[name], value, atol=1e-6), name
        assert not torch.allclose(last.groups["model"][name], value, atol=1e-6), name


def test_training_ends_when_it_gets_no_better_and_the_best_is_kept(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    class Watched(ToyTask):
        def validate(self, model: nn.Module) -> dict[str, float]:
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
            return super().validate(model)

    run = Run(tmp_path)
    options = replace(OPTIONS, steps=40, patience=2)
    task = Watched(errors=(0.9, 0.5, 0.6, 0.4, 0.4, 0.7, 0.1, 0.1))
    fitted = fit(task, options, run)
    assert (fitted.step, len(seen)) == (18, 6)
    assert fitted.best is not None
    assert (fitted.best.metric, fitted.best.value, fitted.best.step) == ("error", 0.4, 12)
    assert run.status().best == fitted.best
    for name, value in load_file(run.model / "toy.safetensors").items():
        assert torch.equal(value, seen[3][name])
        assert torch.equal(weights(run.best)[name], seen[3][name])
    again = fit(Watched(errors=(0.0,) * 9), options, run)
    assert again == fitted


def test_patience_outlives_a_kill(tmp_path: Path) -> None:
    errors = (0.9, 0.5, 0.6, 0.7, 0.8, 0.1)
    options = replace(OPTIONS, steps=40, patience=3)
    task = ToyTask(errors=errors, nan_from=None)
    run = Run(tmp_path)

    class Dies(Fragile):
        def __init__(self) -> None:
            super().__init__(11)
            self.errors = errors

    with pytest.raises(Killed):
        fit(Dies(), options, run)
    assert fit(task, options, run).step == 15


def test_higher_may_be_better(tmp_path: Path) -> None:
    task = ToyTask(errors=(0.1, 0.5, 0.3, float("nan")))
    task.higher_is_better = True
    fitted = fit(task, OPTIONS, Run(tmp_path))
    assert fitted.best is not None
    assert (fitted.best.value, fitted.best.step) == (0.5, 6)


def test_a_validation_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    run = Run(tmp_path)
    fitted = fit(ToyTask(errors=(float("nan"), 0.5, float("inf"), 0.6)), OPTIONS, run)
    assert fitted.best is not None
    assert fitted.best.step == 6
    assert lines(run, "validation")[0]["metrics"]["error"] is None


def test_the_run_stops_when_asked_and_goes_on(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole", OPTIONS)
    run = Run(tmp_path / "stopped")

    class Asking(ToyTask):
        def batch(self, number: int) -> Examples:
            if number == 4:
                run.ask_to_stop()
            return super().batch(number)

    told: list[Status] = []
    with pytest.raises(Cancelled):
        fit(Asking(), replace(OPTIONS, save_every=100), run, told.append)
    assert (run.status().state, run.status().step, told[-1].state) == ("stopped", 5, "stopped")
    assert read_checkpoint(run.last).about["step"] == 5
    with pytest.raises(Cancelled):
        fit(ToyTask(), OPTIONS, run)
    run.may_go_on()
    fit(ToyTask(), OPTIONS, run)
    same(whole, run)
    assert (run.status().state, run.status().step, run.status().seconds_left) == ("finished", 12, None)


def test_an_epoch_begins_once_and_again_only_where_it_did(tmp_path: Path) -> None:
    _, task = trained(tmp_path / "whole", OPTIONS)
    assert task.epochs == [0, 1, 2]
    run = Run(tmp_path / "killed")
    with pytest.raises(Killed):
        fit(Fragile(9), OPTIONS, run)
    again = ToyTask()
    fit(again, OPTIONS, run)
    assert again.epochs == [2]  # the checkpoint is of step 8, in the middle of epoch 1
    assert again.drawn == [8, 9, 10, 11]
    _, task = trained(tmp_path / "more", replace(OPTIONS, accumulation=2))
    assert task.epochs == [0, 1, 2, 3, 4]


def test_validations_come_once_an_epoch_unless_told(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, replace(OPTIONS, validate_every=0))
    assert [line["step"] for line in lines(run, "validation")] == [5, 10, 12]


def test_half_precision_runs_on_a_processor(tmp_path: Path) -> None:
    types: set[torch.dtype] = set()

    class Typed(ToyTask):
        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            hook = self.model.last.register_forward_hook(lambda _, __, out: types.add(out.dtype))
            losses = super().losses(model, batch)
            hook.remove()
            return losses

    run = Run(tmp_path / "half")
    fit(Typed(), replace(OPTIONS, precision="bf16"), run)
    assert types == {torch.bfloat16}
    full, _ = trained(tmp_path / "full", OPTIONS)
    for one, other in zip(lines(run, "train"), lines(full, "train"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.2)
    assert all(value.dtype != torch.bfloat16 for value in weights(run.last).values())
    fit(ToyTask(), OPTIONS, Run(tmp_path / "after"))  # the program may train once more, in full


def test_a_loss_that_stays_no_number_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(SignError, match=r"loop\.learning_rate"):
        fit(ToyTask(nan_from=3), replace(OPTIONS, steps=60), run)
    last = lines(run, "train")[-1]
    assert last["loss"] is None
    assert last["step"] < 30
    assert all(torch.isfinite(value).all() for value in weights(run.last).values() if value.is_floating_point())


def test_a_checkpoint_of_other_settings_or_another_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, OPTIONS)
    with pytest.raises(WeightsError, match=r"other settings.*loop\.learning_rate was 0\.02"):
        fit(ToyTask(), replace(OPTIONS, learning_rate=0.01), run)
    with pytest.raises(WeightsError, match=r"loop\.steps was 12"):
        fit(ToyTask(), replace(OPTIONS, steps=13), run)
    with pytest.raises(WeightsError, match="another shape"):
        fit(ToyTask(norm=False), OPTIONS, run)
    fit(ToyTask(), replace(OPTIONS, log_every=7, save_every=50), run)


def test_a_broken_checkpoint_is_told(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, OPTIONS)
    whole = run.last.read_bytes()
    for broken in (b"", whole[:100], whole[:-40], b"x" * 500):
        run.last.write_bytes(broken)
        with pytest.raises(WeightsError, match=r"last\.safetensors is no checkpoint"):
            fit(ToyTask(), OPTIONS, run)
    write_checkpoint(run.last, Checkpoint(groups={"model": {"a": torch.ones(2)}}, about={"step": 1}))
    assert read_checkpoint(run.last).groups["model"]["a"].tolist() == [1, 1]


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = trained(tmp_path, OPTIONS)
    before = run.last.read_bytes()

    def torn(tensors: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.training.checkpoints.save_file", torn)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(run.last, Checkpoint(groups={}, about={}))
    assert run.last.read_bytes() == before
    assert not list(run.last.parent.glob(".part*"))


def test_nothing_in_training_unpickles() -> None:
    for path in [*(ROOT / "models" / "training").glob("*.py"), ROOT / "models" / "recognition" / "landmark_task.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not {"pickle", "joblib", "dill"} & set(names), path.name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in (("torch", "load"), ("torch", "save")), path.name


def test_a_parameter_in_no_part_or_in_two_is_a_mistake(tmp_path: Path) -> None:
    class Wrong(ToyTask):
        def parts(self) -> dict[str, Part]:
            parts = super().parts()
            return {"heads": parts["heads"]} if self.only is None else parts | {"again": parts["heads"]}

    for task in (Wrong(), Wrong(only="value")):
        with pytest.raises(ValueError, match="exactly one part"):
            fit(task, OPTIONS, Run(tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, r"loop\.steps is 0"),
        ({"learning_rate": 1.5}, r"loop\.learning_rate is 1\.5"),
        ({"warmup": 1.0}, r"loop\.warmup is 1"),
        ({"accumulation": 0}, r"loop\.accumulation"),
        ({"clip": -1.0}, r"loop\.clip"),
    ],
)
def test_settings_that_cannot_be_are_told_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SignError, match=words):
        LoopOptions(**changes)


def test_a_batch_of_any_shape_goes_to_the_device() -> None:
    one = torch.ones(2)
    examples = Examples(seen=one, value=one, label=one)
    moved = to_device({"all": [examples, (one, "HELLO", 3)]}, torch.device("meta"))
    assert moved["all"][0].seen.device.type == "meta"
    assert moved["all"][1][0].device.type == "meta"
    assert moved["all"][1][1:] == ("HELLO", 3)


# GradNorm


def test_gradnorm_is_that_of_the_paper_by_hand() -> None:
    """Chen et al. 2018, one step after L(0), written out with its loss |w G - mean(w G) r^alpha| and Adam of torch."""
    alpha, speed = 1.5, 0.025
    first, second = {"a": 4.0, "b": 1.0, "c": 2.0}, {"a": 2.0, "b": 0.9, "c": 2.2}
    norms = [{"a": 3.0, "b": 0.5, "c": 1.0}, {"a": 2.5, "b": 0.7, "c": 1.0}]
    ours = GradNorm(list(first), alpha, speed)
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([w], lr=speed)
    for losses, g in ((first, norms[0]), (second, norms[1])):
        ours.update(losses, g)
        ratio = torch.tensor([losses[name] / first[name] for name in first], dtype=torch.float64)
        pulled = w * torch.tensor(list(g.values()), dtype=torch.float64)
        target = (pulled.mean() * (ratio / ratio.mean()) ** alpha).detach()
        adam.zero_grad()
        (pulled - target).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            w.mul_(3 / w.sum())
        assert list(ours.weights().values()) == pytest.approx(w.tolist(), rel=1e-9)
    assert sum(ours.weights().values()) == pytest.approx(3)
    assert ours.weights()["a"] < 1 < ours.weights()["b"]


def test_gradient_norms_are_those_of_the_shared_layer() -> None:
    layer = nn.Linear(2, 1, bias=False)
    out = layer(torch.tensor([[3.0, 4.0]]))
    losses = {"one": 2 * out.sum(), "other": out.sum() * 0 + 1, "none": torch.tensor(3.0)}
    norms = gradient_norms(losses, list(layer.parameters()))
    assert {name: float(value) for name, value in norms.items()} == {"one": 10.0, "other": 0.0, "none": 0.0}
    assert layer.weight.grad is None


def test_gradnorm_balances_terms_of_different_size(tmp_path: Path) -> None:
    """The toy problem of the paper: the same regression, one term a hundred times the other. With the gradient and the
    target the wrong way round, one weight would get everything within a few steps."""

    class Unequal(ToyTask):
        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            value, label = model(batch.seen)
            return {
                "big": 100 * functional.mse_loss(value, batch.value),
                "small": functional.mse_loss(label[:, 0], batch.value),
            }

        def weights(self) -> dict[str, float]:
            return {}

    options = replace(
        OPTIONS, steps=300, weighing="gradnorm", gradnorm_alpha=0.0, learning_rate=1e-3, validate_every=300
    )
    run = Run(tmp_path)
    fit(Unequal(dropout=0.0, norm=False, batch_size=16), options, run)
    told = lines(run, "train")
    for line in told:
        assert sum(line["weights"].values()) == pytest.approx(2, abs=1e-4)
        assert min(line["weights"].values()) > 0
    big, small = told[-1]["weights"]["big"], told[-1]["weights"]["small"]
    assert 0.002 < big / small < 0.1  # 1/100, where both heads learn alike
    assert abs(told[5]["weights"]["big"] - 1) < 0.2  # and it goes there slowly


def test_gradnorm_begins_when_the_warm_up_is_over(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, replace(OPTIONS, weighing="gradnorm", warmup=0.5))
    moved = [line["weights"] != {"value": 2.0, "label": 1.0} for line in lines(run, "train")]
    assert moved == [False] * 6 + [True] * 6


def test_gradnorm_leaves_regularisers_alone_and_needs_a_shared_layer(tmp_path: Path) -> None:
    class Apart(ToyTask):
        fixed_terms = ("value",)

    class Alone(ToyTask):
        def shared(self) -> list[nn.Parameter]:
            return []

    options = replace(OPTIONS, weighing="gradnorm")
    run = Run(tmp_path / "apart")
    fit(Apart(), options, run)
    assert {line["weights"]["value"] for line in lines(run, "train")} == {2.0}
    with pytest.raises(SignError, match=r"loop\.weighing"):
        fit(Alone(), options, Run(tmp_path / "alone"))


# Several processes


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batches(tmp_path: Path) -> None:
    """Two batches of 4 in each step, like one process that accumulates two; also when one of the two was killed. With
    torch's own launcher, which accelerate uses for GPUs; for processors it takes MPI."""
    launch = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    loop = {"steps": 8, "learning_rate": 0.02, "log_every": 1, "save_every": 3, "validate_every": 4, "mean_over": 4}
    task = {"dropout": 0.0, "norm": False, "batches_per_epoch": 1000}
    run = Run(tmp_path / "two")
    for changes in ({"kill_at": 9}, {}):  # the second time it goes on from step 3
        done = toy_process(run.folder, loop, *launch, **task, **changes)
        assert (done.returncode != 0) == bool(changes), done.stderr
        assert read_checkpoint(run.last).about["step"] == (3 if changes else 8)
    assert [line["step"] for line in lines(run, "train")] == list(range(1, 9))
    assert [line["step"] for line in lines(run, "validation")] == [4, 8]
    assert run.status().state == "finished"
    one, _ = trained(tmp_path / "one", LoopOptions(**loop, accumulation=2), **task)
    for name, value in weights(one.last).items():
        assert torch.allclose(value, weights(run.last)[name], atol=1e-5), name
    assert lines(run)[-1]["epoch"] == lines(one)[-1]["epoch"]


@pytest.mark.slow
def test_two_processes_agree_on_learned_weights_on_stopping_and_on_patience(tmp_path: Path) -> None:
    launch = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    loop = {"steps": 40, "learning_rate": 0.02, "validate_every": 2, "patience": 2, "weighing": "gradnorm"}
    run = Run(tmp_path)
    done = toy_process(run.folder, loop, *launch, errors=[0.5, 0.4, 0.6, 0.7, 0.1])
    assert done.returncode == 0, done.stderr
    assert run.status().step == 8
    assert sum(read_checkpoint(run.last).groups["gradnorm"]["values"].tolist()) == pytest.approx(2)
    other = Run(tmp_path / "asked")
    other.folder.mkdir()
    other.ask_to_stop()
    assert toy_process(other.folder, loop, *launch).returncode != 0
    assert other.status().state == "stopped"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_fp16_wants_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(SignError, match=r"loop\.precision is fp16, which needs a GPU"):
        trained(tmp_path / "run", LoopOptions(precision="fp16"))
