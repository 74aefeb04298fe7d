"""What a training will take, before it is started: parameters, memory, steps, and time from a few measured steps.

The model and the task are left as they were. The time is without validations, which differ too much between models.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from models.training.options import LoopOptions
from models.training.task import Task, to_device
from models.training.weighing import gradient_norms

_SAMPLE_EVERY_S = 0.002
_ENOUGH_S = 60.0  # of measuring; after that, the steps that are done have to do
_MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training will take."""

    parameters: int
    """Of the whole model, trained or not."""
    parts: Mapping[str, int]
    """Trained parameters of each part."""
    memory_mb: float | None
    """The most that training takes: on a processor what it takes beyond the program itself, on a GPU all of it. None
    when it could not be measured."""
    steps: int
    epochs: float
    """How often every example is seen."""
    seconds: float | None
    """Of all steps, without validations. None when it could not be measured."""
    seconds_per_step: float | None
    words: str = ""
    """Why something could not be measured."""


def plan(task: Task, options: LoopOptions, measured_steps: int = 3) -> Plan:
    """Measure a few steps on this machine, on one GPU if there is one.

    Raises SignError when the task cannot make a batch. Memory that runs out is told in `words`.
    """
    if measured_steps < 1:
        raise ValueError(f"measured_steps {measured_steps}: expected at least 1")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    words, per_step, memory = "", None, None
    with _as_it_was(task, device):
        weights = _weights_bytes(task.model)
        mean = weights if options.mean_over else 0
        meter = _Memory(device, mean if device.type == "cuda" else weights + mean)
        try:
            with meter:
                per_step = _seconds_per_step(task, options, device, measured_steps)
            memory = meter.most_mb
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            words = "Memory ran out in the first step, so that time could not be measured; lower the batch size."
    return Plan(
        parameters=sum(one.numel() for one in task.model.parameters()),
        parts={name: sum(one.numel() for one in part.parameters) for name, part in task.parts().items()},
        memory_mb=memory,
        steps=options.steps,
        epochs=options.steps * options.accumulation / max(1, task.batches_per_epoch),
        seconds=None if per_step is None else per_step * options.steps,
        seconds_per_step=per_step,
        words=words,
    )


def _seconds_per_step(task: Task, options: LoopOptions, device: torch.device, count: int) -> float:
    """Median of the measured steps; the first, which warms up, counts only when it is the only one."""
    task.begin_epoch(task.model, 0)
    task.model.train()
    parameters = [one for part in task.parts().values() for one in part.parameters]
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    times: list[float] = []
    for number in range(count + 1):
        started = _now(device)
        batch = task.batch(number)
        drawn = _now(device)
        _learn_from(task, options, to_device(batch, device), device)
        learned = _now(device)
        nn.utils.clip_grad_norm_(parameters, options.clip or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        drawing, learning, moving = drawn - started, learned - drawn, _now(device) - learned
        per_batch = max(drawing / options.workers, learning) if options.workers else drawing + learning
        times.append(per_batch * options.accumulation + moving)
        if sum(times) / options.accumulation > _ENOUGH_S:
            break
    return median(times[1:] or times)


def _learn_from(task: Task, options: LoopOptions, batch: Any, device: torch.device) -> None:
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(options.precision)
    with contextlib.nullcontext() if half is None else torch.autocast(device.type, dtype=half):
        losses = task.losses(task.model, batch)
    if options.weighing == "gradnorm" and task.shared():
        gradient_norms(losses, task.shared())
    weights = task.weights()
    torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum().backward()


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@contextlib.contextmanager
def _as_it_was(task: Task, device: torch.device) -> Iterator[None]:
    """The model on the device; afterwards it, the task and the dice are as they were before."""
    model = task.model
    before, modes = copy.deepcopy(model.state_dict()), {name: one.training for name, one in model.named_modules()}
    home = next((one.device for one in model.parameters()), torch.device("cpu"))
    gradients = [(one, one.grad, one.requires_grad) for one in model.parameters()]
    kept: dict[str, Tensor] = {name: value.detach().clone() for name, value in task.state().items()}
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            model.zero_grad(set_to_none=True)
            model.to(device)
            yield
    finally:
        model.to(home)
        model.load_state_dict(before)
        for name, one in model.named_modules():
            one.training = modes[name]
        for parameter, gradient, needed in gradients:
            parameter.grad = gradient
            parameter.requires_grad_(needed)
        task.load_state(kept)
        if device.type == "cuda":
            torch.cuda.empty_cache()


class _Memory:
    """The most memory while the block runs: on a GPU what torch allocates, else how much the process grows, looked at
    again and again. `more` is what it does not see."""

    def __init__(self, device: torch.device, more: int) -> None:
        self._device, self._more = device, more
        self._stop = threading.Event()
        self._most = 0
        self.most_mb = 0.0

    def __enter__(self) -> _Memory:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return self
        # Late: it comes with accelerate, which nothing but training needs.
        import psutil

        process = psutil.Process()
        self._before = self._most = process.memory_info().rss

        def look() -> None:
            while not self._stop.wait(_SAMPLE_EVERY_S):
                self._most = max(self._most, process.memory_info().rss)

        self._watch = threading.Thread(target=look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            self.most_mb = (torch.cuda.max_memory_allocated(self._device) + self._more) / _MB
            return
        self._stop.set()
        self._watch.join()
        self.most_mb = (self._most - self._before + self._more) / _MB


def _weights_bytes(model: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in (*model.parameters(), *model.buffers()))


def _is_out_of_memory(error: Exception) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in words
