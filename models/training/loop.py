"""The one loop that trains every model of the studio, on a processor, on a GPU, or on several machines.

    signstudio train run ...                         here
    accelerate launch -m studio.cli train run ...    as `accelerate config` was told

What happens in a step depends on its number alone: the batch, dropout, the learning rate. A run that was killed goes
on from its last checkpoint and gives the losses that it would have given.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from models.errors import SignError, WeightsError
from models.progress import Cancelled
from models.training.checkpoints import (
    Checkpoint,
    load_optimizer,
    optimizer_tensors,
    read_checkpoint,
    write_checkpoint,
)
from models.training.options import LoopOptions, changed, rate
from models.training.run import Best, Run, State, Status
from models.training.task import Batches, Part, Task, to_device
from models.training.weighing import GradNorm, gradient_norms
from models.training.window import Window

if TYPE_CHECKING:
    from models.training.events import Events

_TELL_EVERY_S = 1.0
_BAD_STEPS = 20  # without a finite gradient, after which it is no use going on


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """How a training ended."""

    step: int
    best: Best | None
    """None when nothing was validated."""


def fit(
    task: Task,
    options: LoopOptions,
    run: Run,
    tell: Callable[[Status], None] | None = None,
    *,
    then: Literal["finished", "evaluating"] = "finished",
) -> Fitted:
    """Train the model of a task, and keep the best weights in the run's folder; with weights averaged over steps, the
    task's model has them in the end. Goes on where the run's last checkpoint was made.

    then: what the run's state says when the training is done; a caller who goes on with it leaves nobody to believe
    that it has finished.

    Raises Cancelled after a checkpoint when the run is asked to stop, WeightsError for a checkpoint of other settings,
    SignError when the loss stays no number.
    """
    return _Loop(task, options, run, tell, then).go()


class _Loop:
    def __init__(
        self,
        task: Task,
        options: LoopOptions,
        run: Run,
        tell: Callable[[Status], None] | None,
        then: Literal["finished", "evaluating"],
    ) -> None:
        # Late: half a second.
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state()  # a program may train twice, with another precision
        self.task, self.options, self.run, self.tell, self.then = task, options, run, tell, then
        self.accelerator = Accelerator(
            mixed_precision=options.precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        if options.precision == "fp16" and self.accelerator.device.type == "cpu":
            raise SignError("loop.precision is fp16, which needs a GPU; choose no, or bf16.")
        torch.manual_seed(options.seed)
        self.parts = _checked(task.parts(), task.model)
        self.mean = copy.deepcopy(task.model).requires_grad_(False) if options.mean_over else None
        groups = [{"params": list(part.parameters), "name": name} for name, part in self.parts.items()]
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        if self.mean is not None:
            self.mean.to(self.accelerator.device)
        self.shared = list(task.shared())
        if options.weighing == "gradnorm" and not self.shared:
            raise SignError("loop.weighing is gradnorm, and this model has no layer that all terms share; use fixed.")
        self.gradnorm: GradNorm | None = None
        self.step = self.since_best = self.bad_steps = 0
        self.best: Best | None = None
        self.window = Window()
        self.seconds, self.begun, self.first = 0.0, 0.0, 0
        self.told = 0.0
        self.events: Events | None = None

    @property
    def main(self) -> bool:
        """Whether this process writes."""
        return bool(self.accelerator.is_main_process)

    def go(self) -> Fitted:
        """Train to the end."""
        self._resume()
        self.begun, self.first = time.monotonic(), self.step
        try:
            if self.main:
                from models.training.events import Events

                self.events = Events(self.run.events, after_step=self.step)
            batches = iter(self._loader())
            self.model.train()
            while self.step < self.options.steps and not self._out_of_patience():
                if self._everybody(self.run.should_stop()):
                    self._save()
                    self._tell("stopped", "Stopped; it can go on from here.", now=True)
                    raise Cancelled
                if (epoch := self._epoch(self.step)) != self._epoch(self.step - 1) or self.step == 0:
                    self.task.begin_epoch(self.accelerator.unwrap_model(self.model), epoch)
                    self.model.train()
                self._take(batches)
                if self.step % self._validate_every == 0 or self.step == self.options.steps:
                    self._validate()
                if self.step % self.options.save_every == 0:
                    self._save()
                self._tell("training", "")
            return self._finish()
        finally:
            if self.events is not None:
                self.events.close()

    @property
    def _validate_every(self) -> int:
        return self.options.validate_every or max(1, round(self.task.batches_per_epoch / self._batches_per_step))

    @property
    def _batches_per_step(self) -> int:
        return self.options.accumulation * int(self.accelerator.num_processes)

    def _epoch(self, step: int) -> int:
        return step * self._batches_per_step // max(1, self.task.batches_per_epoch)

    def _numbers(self) -> list[int]:
        """Of the batches that this process takes, from here to the end."""
        world, rank = int(self.accelerator.num_processes), int(self.accelerator.process_index)
        takes = range(self.step * self.options.accumulation, self.options.steps * self.options.accumulation)
        return [number * world + rank for number in takes]

    def _loader(self) -> torch.utils.data.DataLoader[Any]:
        return torch.utils.data.DataLoader(
            Batches(self.task, self._numbers()), batch_size=None, num_workers=self.options.workers
        )

    def _take(self, batches: Iterator[Any]) -> None:
        """One step of the optimizer."""
        options = self.options
        lr = options.learning_rate * rate(self.step / options.steps, options.warmup)
        for group, part in zip(self.optimizer.param_groups, self.parts.values(), strict=True):
            group["lr"] = lr * part.rate
        self.optimizer.zero_grad(set_to_none=True)
        for micro in range(options.accumulation):
            number = self.step * options.accumulation + micro
            torch.manual_seed(
                options.seed + number * int(self.accelerator.num_processes) + int(self.accelerator.process_index)
            )
            batch = to_device(next(batches), self.accelerator.device)
            last = micro == options.accumulation - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.model):
                self._backward(batch, first=micro == 0)
        norm = self._clip()
        if math.isfinite(norm):
            self.bad_steps = 0
            self.optimizer.step()
        elif (bad := self.bad_steps + 1) < _BAD_STEPS:
            self.bad_steps = bad
            if self.accelerator.scaler is not None:
                self.optimizer.step()  # which skips it, and lowers the scale
        else:
            self._log(norm, lr)
            raise SignError(
                f"The gradient has been no number for {_BAD_STEPS} steps, up to step {self.step + 1}; "
                "lower loop.learning_rate, or set loop.precision to no."
            )
        self.step += 1
        if self.mean is not None:
            _average(self.mean, self.accelerator.unwrap_model(self.model), _kept(self.step, options.mean_over))
        if self.step % options.log_every == 0 or self.step == options.steps:
            self._log(norm, lr)

    def _backward(self, batch: Any, *, first: bool) -> None:
        losses = self.task.losses(self.model, batch)
        if first:
            self._learn_weights(losses)
        weights = self._weights(losses)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        self.accelerator.backward(total / self.options.accumulation)
        self.window.add(float(total.detach()), {name: float(loss.detach()) for name, loss in losses.items()})

    def _weights(self, names: Iterable[str]) -> dict[str, float]:
        """Of these terms; those that are learned are relative to those that are given."""
        given = self.task.weights()
        learned = self.gradnorm.weights() if self.gradnorm is not None else {}
        return {name: given.get(name, 1.0) * learned.get(name, 1.0) for name in names}

    def _learn_weights(self, losses: Mapping[str, Tensor]) -> None:
        # Not while the learning rate rises: CTC falls to a tenth in these steps by learning to say nothing, and
        # GradNorm would take that for progress.
        if self.options.weighing == "fixed" or self.step < self.options.warmup * self.options.steps:
            return
        if self.gradnorm is None:
            apart = {*self.task.fixed_terms, *(name for name, weight in self.task.weights().items() if not weight)}
            self._new_gradnorm([name for name in losses if name not in apart])
        assert self.gradnorm is not None
        chosen = {name: losses[name] for name in self.gradnorm.names if name in losses}
        norms = gradient_norms(chosen, self.shared)
        mean = {
            name: self.accelerator.reduce(torch.stack([chosen[name].detach().float(), norms[name]]), "mean")
            for name in chosen
        }
        self.gradnorm.update(
            {name: float(value[0]) for name, value in mean.items()},
            {name: float(value[1]) for name, value in mean.items()},
        )

    def _new_gradnorm(self, names: list[str]) -> None:
        self.gradnorm = GradNorm(names, self.options.gradnorm_alpha, self.options.gradnorm_rate)

    def _clip(self) -> float:
        """The norm of the gradient, before it is clipped."""
        most = self.options.clip or float("inf")
        self.accelerator.unscale_gradients()  # which may be done once; accelerate's own clipping would do it again
        if (self.step + 1) % self.options.log_every == 0 or self.step + 1 == self.options.steps:
            self.window.norms = {name: _norm(part) for name, part in self.parts.items()}  # afterwards it is clipped
        return float(nn.utils.clip_grad_norm_(self.model.parameters(), most))

    def _log(self, norm: float, lr: float) -> None:
        now = self.seconds + time.monotonic() - self.begun
        loss, losses = self.window.means()
        batches = self.window.batches * int(self.accelerator.num_processes)
        line = {
            "kind": "train",
            "step": self.step,
            "epoch": round(self.step * self._batches_per_step / max(1, self.task.batches_per_epoch), 3),
            "seconds": round(now, 2),
            "loss": loss,
            "losses": losses,
            "weights": self._weights(losses),
            "learning_rates": {name: lr * part.rate for name, part in self.parts.items()},
            "gradient_norms": {**self.window.norms, "all": norm},
            "samples_per_s": round(batches * self.task.batch_size / max(now - self.window.since, 1e-6), 2),
            "memory_mb": _memory_mb(self.accelerator.device),
        }
        self.window = Window(since=now)
        self._write(line)

    def _validate(self) -> None:
        metrics: dict[str, float] = {}
        if self.main:
            judged = self._judged()
            judged.eval()
            with torch.inference_mode():
                metrics = self.task.validate(judged)
            self.model.train()
        self.accelerator.wait_for_everyone()
        value = self._shared_value(metrics.get(self.task.metric))
        if self.main and metrics:
            epoch = round(self.step * self._batches_per_step / max(1, self.task.batches_per_epoch), 3)
            seconds = round(self.seconds + time.monotonic() - self.begun, 2)
            self._write(
                {"kind": "validation", "step": self.step, "epoch": epoch, "seconds": seconds, "metrics": metrics}
            )
        if value is None:
            return
        if self._better(value):
            self.best, self.since_best = Best(metric=self.task.metric, value=value, step=self.step), 0
            self._keep()
        else:
            self.since_best += 1

    def _shared_value(self, value: float | None) -> float | None:
        """What the main process measured, on every process."""
        told = torch.tensor(
            [0.0 if value is None or not self.main else value, float(value is not None and self.main)],
            dtype=torch.float32 if self.accelerator.device.type == "mps" else torch.float64,
            device=self.accelerator.device,
        )
        if int(self.accelerator.num_processes) > 1:
            told = self.accelerator.reduce(told, "sum")
        return float(told[0]) if told[1] > 0 else None

    def _better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.best is None:
            return True
        return value > self.best.value if self.task.higher_is_better else value < self.best.value

    def _out_of_patience(self) -> bool:
        return 0 < self.options.patience <= self.since_best

    def _judged(self) -> nn.Module:
        """The weights that are judged and kept."""
        found: nn.Module = self.mean if self.mean is not None else self.accelerator.unwrap_model(self.model)
        return found

    def _keep(self) -> None:
        """Write the weights as they are now as the best ones."""
        if not self.main:
            return
        about = {"step": self.step, "best": None if self.best is None else asdict(self.best)}
        write_checkpoint(self.run.best, Checkpoint(groups={"model": self._judged().state_dict()}, about=about))
        self.task.save(self._judged(), self.run.model)

    def _finish(self) -> Fitted:
        self._save()
        if self.best is None:
            self._keep()
        if self.mean is not None:
            _average(self.accelerator.unwrap_model(self.model), self.mean, 0.0)
        self._tell(self.then, "", now=True)
        return Fitted(step=self.step, best=self.best)

    def _everybody(self, value: bool) -> bool:
        """Whether it is so on any process; all have to agree, or they wait for each other for ever."""
        if int(self.accelerator.num_processes) == 1:
            return value
        told = torch.tensor(float(value), device=self.accelerator.device)
        return float(self.accelerator.reduce(told, "sum")) > 0

    def _tell(self, state: State, words: str, *, now: bool = False) -> None:
        at = time.monotonic()
        if not self.main or (not now and at - self.told < _TELL_EVERY_S and self.step != self.first + 1):
            return
        self.told = at
        left = (at - self.begun) / max(1, self.step - self.first) * (self.options.steps - self.step)
        status = Status(
            state=state,
            step=self.step,
            steps=self.options.steps,
            seconds_left=left if state == "training" else None,
            best=self.best,
            words=words,
        )
        self.run.tell(status)
        if self.tell is not None:
            self.tell(status)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self.main:
            self.run.append(line)
            if self.events is not None:
                self.events.write(line)

    def _save(self) -> None:
        if not self.main:
            self.accelerator.wait_for_everyone()
            return
        groups: dict[str, Mapping[str, Tensor]] = {
            "model": self.accelerator.unwrap_model(self.model).state_dict(),
            "optimizer": optimizer_tensors(self.optimizer.optimizer),
            "task": self.task.state(),
        }
        if self.mean is not None:
            groups["mean"] = self.mean.state_dict()
        if self.gradnorm is not None:
            groups["gradnorm"] = self.gradnorm.state()
        scaler = self.accelerator.scaler
        about = {
            "step": self.step,
            "options": asdict(self.options),
            "seconds": self.seconds + time.monotonic() - self.begun,
            "best": None if self.best is None else asdict(self.best),
            "since_best": self.since_best,
            "bad_steps": self.bad_steps,
            "window": asdict(self.window),
            "gradnorm": None if self.gradnorm is None else self.gradnorm.names,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        write_checkpoint(self.run.last, Checkpoint(groups=groups, about=about))
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        if not self.run.last.is_file():
            if self.main:
                self.run.trim(0)
            return
        found = read_checkpoint(self.run.last)
        if others := changed(found.about["options"], self.options):
            raise WeightsError(
                f"The checkpoint of {self.run.folder.name} was made with other settings ({', '.join(others)}); "
                "begin a new run, or take these back."
            )
        _load(self.accelerator.unwrap_model(self.model), found.groups["model"], self.run)
        if self.mean is not None:
            _load(self.mean, found.groups["mean"], self.run)
        load_optimizer(self.optimizer.optimizer, found.groups.get("optimizer", {}))
        self.task.load_state(found.groups.get("task", {}))
        if found.about["gradnorm"] is not None:
            self._new_gradnorm(list(found.about["gradnorm"]))
            assert self.gradnorm is not None
            self.gradnorm.load_state(found.groups["gradnorm"])
        if found.about["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(found.about["scaler"])
        self.step, self.seconds = int(found.about["step"]), float(found.about["seconds"])
        self.since_best, self.bad_steps = int(found.about["since_best"]), int(found.about["bad_steps"])
        self.best = None if found.about["best"] is None else Best(**found.about["best"])
        self.window = Window(**found.about["window"])
        if self.main:
            self.run.trim(self.step)


def _checked(parts: Mapping[str, Part], model: nn.Module) -> Mapping[str, Part]:
    """Raises ValueError unless every parameter that is trained is in exactly one part."""
    listed = [id(one) for part in parts.values() for one in part.parameters]
    trained = {id(one) for one in model.parameters() if one.requires_grad}
    if len(listed) != len(set(listed)) or set(listed) != trained:
        raise ValueError("every parameter that is trained has to be in exactly one part")
    return parts


def _kept(step: int, over: int) -> float:
    """How much of the mean is kept in a step; less in the beginning, which is soon forgotten."""
    return min(1 - 1 / over, step / (step + 10))


def _average(mean: nn.Module, model: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
            kept.lerp_(new.detach(), 1 - keep)
        for kept_buffer, new_buffer in zip(mean.buffers(), model.buffers(), strict=True):
            kept_buffer.copy_(new_buffer)


def _norm(part: Part) -> float:
    found = [one.grad.float().norm() for one in part.parameters if one.grad is not None]
    return float(torch.stack(found).norm()) if found else 0.0


def _memory_mb(device: torch.device) -> float:
    """The most that was taken on a GPU; what this process takes now on a processor."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    import psutil

    return round(psutil.Process().memory_info().rss / 2**20, 1)


def _load(model: nn.Module, tensors: Mapping[str, Tensor], run: Run) -> None:
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise WeightsError(
            f"The checkpoint of {run.folder.name} is of a model of another shape; begin a new run."
        ) from error
