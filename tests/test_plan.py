"""What a training will take is measured, and leaves no trace."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from loop_toy import Examples, ToyTask
from torch import Tensor, nn

from models.training.options import LoopOptions
from models.training.plan import plan


def count(*modules: nn.Module) -> int:
    return sum(one.numel() for module in modules for one in module.parameters())


def test_parameters_steps_and_epochs_are_counted() -> None:
    task = ToyTask()
    toy = task.model
    made = plan(task, LoopOptions(steps=60, accumulation=2))
    assert made.parameters == count(toy) == 6 * 16 + 16 + 32 + 16 * 8 + 8 + 8 + 1 + 24 + 3
    assert made.parts == {"body": count(toy.body), "heads": count(toy.last, toy.value, toy.label)}
    assert (made.steps, made.epochs) == (60, 24.0)
    assert made.seconds == pytest.approx(60 * made.seconds_per_step)
    assert made.seconds > 0
    assert made.words == ""


def test_parameters_that_are_not_trained_count_in_the_whole_only() -> None:
    class Frozen(ToyTask):
        def __init__(self) -> None:
            super().__init__()
            self.model.add_module("frozen", nn.Linear(100, 100).requires_grad_(False))

    made = plan(Frozen(), LoopOptions(steps=5))
    assert made.parameters == sum(made.parts.values()) + 100 * 100 + 100


@pytest.mark.parametrize("weighing", ["fixed", "gradnorm"])
def test_planning_leaves_model_task_and_dice_as_they_were(weighing: str) -> None:
    task = ToyTask()
    task.model.eval()
    task.model.body.train()
    task.offset = torch.tensor([0.25])
    before = copy.deepcopy(task.model.state_dict())
    grown = task.model.value.weight.grad = torch.ones_like(task.model.value.weight)
    dice = torch.get_rng_state()
    plan(task, LoopOptions(steps=5, weighing=weighing, learning_rate=0.5))
    assert torch.equal(torch.get_rng_state(), dice)
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())
    assert task.model.value.weight.grad is grown
    assert task.model.last.weight.grad is None
    assert torch.equal(grown, torch.ones_like(grown))
    assert not task.model.training
    assert task.model.body.training
    assert task.offset.tolist() == [0.25]


class Big(ToyTask):
    """60 MB, and as much again for their exponential, are held while a step is taken."""

    def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
        held = torch.ones(60 * 2**18, requires_grad=True)
        losses = super().losses(model, batch)
        return {**losses, "held": (held.exp().sum() * 0)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there it is measured on the GPU")
def test_memory_is_what_a_step_takes() -> None:
    plan(ToyTask(), LoopOptions(steps=5))  # what torch loads only once
    small, big = plan(ToyTask(), LoopOptions(steps=5)), plan(Big(), LoopOptions(steps=5))
    assert small.memory_mb is not None
    assert big.memory_mb is not None
    assert small.memory_mb < 50
    assert 100 < big.memory_mb - small.memory_mb < 400


def test_memory_that_runs_out_is_said_and_other_mistakes_are_not_hidden() -> None:
    class Hungry(ToyTask):
        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    class Broken(ToyTask):
        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    made = plan(Hungry(), LoopOptions(steps=5))
    assert (made.seconds, made.seconds_per_step, made.memory_mb) == (None, None, None)
    assert "batch size" in made.words
    assert made.parameters > 0
    with pytest.raises(RuntimeError, match="shapes"):
        plan(Broken(), LoopOptions(steps=5))
    with pytest.raises(ValueError, match="measured_steps"):
        plan(ToyTask(), LoopOptions(steps=5), measured_steps=0)


def test_the_first_step_warms_up_and_slow_tasks_are_measured_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Slow(ToyTask):
        """The first batch takes 30 s, the others 8 s, by a clock of its own."""

        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            clock[0] += 30 if self.drawn == [0] else 8
            return super().losses(model, batch)

    monkeypatch.setattr("models.training.plan._now", lambda device: clock[0])
    task = Slow()
    made = plan(task, LoopOptions(steps=10, accumulation=2), measured_steps=3)
    assert (made.seconds_per_step, made.seconds) == (16.0, 160.0)
    assert task.drawn == [0, 1, 2, 3]
    clock[0], task = 0.0, Slow()
    assert plan(task, LoopOptions(steps=10), measured_steps=50).seconds_per_step == 8.0
    assert len(task.drawn) == 5


def test_workers_prepare_batches_while_others_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Loading(ToyTask):
        def batch(self, number: int) -> Examples:
            clock[0] += 4 if number < 10_000 else 0
            return super().batch(number)

        def losses(self, model: nn.Module, batch: Examples) -> dict[str, Tensor]:
            clock[0] += 1
            return super().losses(model, batch)

    monkeypatch.setattr("models.training.plan._now", lambda device: clock[0])
    options = LoopOptions(steps=10)
    assert plan(Loading(), options).seconds_per_step == 5
    assert plan(Loading(), dataclasses.replace(options, workers=2)).seconds_per_step == 2
    assert plan(Loading(), dataclasses.replace(options, workers=8)).seconds_per_step == 1
