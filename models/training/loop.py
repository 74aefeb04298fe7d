"""The one loop that trains every model of the studio, on a processor, on a GPU, or on several machines.

    signstudio train run ...                         here
    accelerate launch -m studio.cli train run ...    as `accelerate config` was told

What happens in a step depends on its number alone: the batch, dropout, the learning rate. A run that was killed goes
on from its last checkpoint and gives the losses that it would have given.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

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
from models.training.mean_weights import MeanWeights
from models.training.options import LoopOptions, changed, rate
from models.training.processes import of_main, on_any
from models.training.run import Best, Run, Status
from models.training.task import Batches, Part, Task, to_device
from models.training.telling import Telling
from models.training.weighing import Weighing
from models.training.window import Window

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
        self.task, self.options, self.run, self.then = task, options, run, then
        self.accelerator = Accelerator(
            mixed_precision=options.precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        if options.precision == "fp16" and self.accelerator.device.type == "cpu":
            raise SignError("loop.precision is fp16, which needs a GPU; choose no, or bf16.")
        torch.manual_seed(options.seed)
        self.parts = _checked(task.parts(), task.model)
        self.mean = MeanWeights(task.model, options.mean_over) if options.mean_over else None
        groups = [{"params": list(part.parameters), "name": name} for name, part in self.parts.items()]
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        if self.mean is not None:
            self.mean.model.to(self.accelerator.device)
        self.weighing = Weighing(task, options, lambda value: self.accelerator.reduce(value, "mean"))
        self.telling = Telling(run, options.steps, tell, main=self.main)
        self.step = self.since_best = self.bad_steps = 0
        self.best: Best | None = None
        self.window = Window()

    @property
    def main(self) -> bool:
        """Whether this process writes."""
        return bool(self.accelerator.is_main_process)

    def go(self) -> Fitted:
        """Train to the end."""
        seconds = self._resume()
        self.telling.begin(self.step, seconds)
        try:
            batches = iter(self._loader())
            self.model.train()
            while self.step < self.options.steps and not self._out_of_patience():
                if on_any(self.accelerator, self.run.should_stop()):
                    self._save()
                    self.telling.say("stopped", self.step, self.best, "Stopped; it can go on from here.", now=True)
                    raise Cancelled
                if (epoch := self._epoch(self.step)) != self._epoch(self.step - 1):
                    self.task.begin_epoch(self.accelerator.unwrap_model(self.model), epoch)
                    self.model.train()
                self._take(batches)
                if self.step % self._validate_every == 0 or self.step == self.options.steps:
                    self._validate()
                if self.step % self.options.save_every == 0:
                    self._save()
                self.telling.say("training", self.step, self.best)
            return self._finish()
        finally:
            self.telling.close()

    @property
    def _validate_every(self) -> int:
        return self.options.validate_every or max(1, round(self.task.batches_per_epoch / self._batches_per_step))

    @property
    def _batches_per_step(self) -> int:
        return self.options.accumulation * int(self.accelerator.num_processes)

    def _epoch(self, step: int) -> int:
        """The number of the epoch that a step is in, from 0; below 0 before the first step."""
        return step * self._batches_per_step // max(1, self.task.batches_per_epoch)

    @property
    def _epochs(self) -> float:
        """How often every example was seen until now."""
        return round(self.step * self._batches_per_step / max(1, self.task.batches_per_epoch), 3)

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
            self.mean.take(self.accelerator.unwrap_model(self.model), self.step)
        if self.step % options.log_every == 0 or self.step == options.steps:
            self._log(norm, lr)

    def _backward(self, batch: Any, *, first: bool) -> None:
        losses = self.task.losses(self.model, batch)
        if first:
            self.weighing.learn(losses, self.step)
        weights = self.weighing.weights(losses)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        self.accelerator.backward(total / self.options.accumulation)
        self.window.add(float(total.detach()), {name: float(loss.detach()) for name, loss in losses.items()})

    def _clip(self) -> float:
        """The norm of the gradient, before it is clipped."""
        most = self.options.clip or float("inf")
        self.accelerator.unscale_gradients()  # which may be done once; accelerate's own clipping would do it again
        if (self.step + 1) % self.options.log_every == 0 or self.step + 1 == self.options.steps:
            self.window.norms = {name: _norm(part) for name, part in self.parts.items()}  # afterwards it is clipped
        return float(nn.utils.clip_grad_norm_(self.model.parameters(), most))

    def _log(self, norm: float, lr: float) -> None:
        now = self.telling.seconds
        loss, losses = self.window.means()
        batches = self.window.batches * int(self.accelerator.num_processes)
        line = {
            "kind": "train",
            "step": self.step,
            "epoch": self._epochs,
            "seconds": round(now, 2),
            "loss": loss,
            "losses": losses,
            "weights": self.weighing.weights(losses),
            "learning_rates": {name: lr * part.rate for name, part in self.parts.items()},
            "gradient_norms": {**self.window.norms, "all": norm},
            "samples_per_s": round(batches * self.task.batch_size / max(now - self.window.since, 1e-6), 2),
            "memory_mb": _memory_mb(self.accelerator.device),
        }
        self.window = Window(since=now)
        self.telling.write(line)

    def _validate(self) -> None:
        metrics: dict[str, float] = {}
        if self.main:
            judged = self._judged()
            judged.eval()
            with torch.inference_mode():
                metrics = self.task.validate(judged)
            self.model.train()
        self.accelerator.wait_for_everyone()
        value = of_main(self.accelerator, metrics.get(self.task.metric))
        if metrics:
            now = {"step": self.step, "epoch": self._epochs, "seconds": round(self.telling.seconds, 2)}
            self.telling.write({"kind": "validation", **now, "metrics": metrics})
        if value is None:
            return
        if self._better(value):
            self.best, self.since_best = Best(metric=self.task.metric, value=value, step=self.step), 0
            self._keep()
        else:
            self.since_best += 1

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
        found: nn.Module = self.accelerator.unwrap_model(self.model) if self.mean is None else self.mean.model
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
            self.mean.give(self.accelerator.unwrap_model(self.model))
        self.telling.say(self.then, self.step, self.best, now=True)
        return Fitted(step=self.step, best=self.best)

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
            groups["mean"] = self.mean.model.state_dict()
        gradnorm = self.weighing.learned
        if gradnorm is not None:
            groups["gradnorm"] = gradnorm.state()
        scaler = self.accelerator.scaler
        about = {
            "step": self.step,
            "options": asdict(self.options),
            "seconds": self.telling.seconds,
            "best": None if self.best is None else asdict(self.best),
            "since_best": self.since_best,
            "bad_steps": self.bad_steps,
            "window": asdict(self.window),
            "gradnorm": None if gradnorm is None else gradnorm.names,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        write_checkpoint(self.run.last, Checkpoint(groups=groups, about=about))
        self.accelerator.wait_for_everyone()

    def _resume(self) -> float:
        """Go on where the last checkpoint was made; returns the seconds of training until then."""
        if not self.run.last.is_file():
            if self.main:
                self.run.trim(0)
            return 0.0
        found = read_checkpoint(self.run.last)
        if others := changed(found.about["options"], self.options):
            raise WeightsError(
                f"The checkpoint of {self.run.folder.name} was made with other settings ({', '.join(others)}); "
                "begin a new run, or take these back."
            )
        _load(self.accelerator.unwrap_model(self.model), found.groups["model"], self.run)
        if self.mean is not None:
            _load(self.mean.model, found.groups["mean"], self.run)
        load_optimizer(self.optimizer.optimizer, found.groups.get("optimizer", {}))
        self.task.load_state(found.groups.get("task", {}))
        if found.about["gradnorm"] is not None:
            self.weighing.resume(list(found.about["gradnorm"]), found.groups["gradnorm"])
        if found.about["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(found.about["scaler"])
        self.step = int(found.about["step"])
        self.since_best, self.bad_steps = int(found.about["since_best"]), int(found.about["bad_steps"])
        self.best = None if found.about["best"] is None else Best(**found.about["best"])
        self.window = Window(**found.about["window"])
        if self.main:
            self.run.trim(self.step)
        return float(found.about["seconds"])


def _checked(parts: Mapping[str, Part], model: nn.Module) -> Mapping[str, Part]:
    """Raises ValueError unless every parameter that is trained is in exactly one part."""
    listed = [id(one) for part in parts.values() for one in part.parameters]
    trained = {id(one) for one in model.parameters() if one.requires_grad}
    if len(listed) != len(set(listed)) or set(listed) != trained:
        raise ValueError("every parameter that is trained has to be in exactly one part")
    return parts


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
