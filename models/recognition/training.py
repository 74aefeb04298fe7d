"""Training the landmark model: batches without end, one loop, a log that can be read while it runs.

FOLDER/metrics.jsonl has a line every few steps; the state is in training.safetensors and training.json,
so that a run that was stopped goes on where it was. Weights that are kept are the running mean of those trained.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.errors import WeightsError
from models.files import replacing
from models.progress import Cancelled
from models.recognition.batches import Batch, Batches
from models.recognition.landmark_model import LandmarkModel
from models.recognition.losses import LossOptions, losses

METRICS, STATE, STEP = "metrics.jsonl", "training.safetensors", "training.json"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long and how fast."""

    steps: int = 1500
    learning_rate: float = 2e-3
    """At its highest, after the first tenth of the steps."""
    weight_decay: float = 0.02
    clip: float = 2.0
    """Greatest norm of the gradient."""
    mean_over: int = 150
    """Steps over which the weights that are kept are averaged."""
    seed: int = 0
    log_every: int = 10
    save_every: int = 100
    loss: LossOptions = field(default_factory=LossOptions)

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.learning_rate < 1:
            raise ValueError(f"steps {self.steps}, learning_rate {self.learning_rate}: expected at least 1, and 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Step:
    """How training stands."""

    step: int
    steps: int
    seconds_left: float
    losses: dict[str, float]


def train(
    model: LandmarkModel,
    batches: Batches,
    folder: Path,
    options: TrainingOptions | None = None,
    tell: Callable[[Step], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> LandmarkModel:
    """Train the model in place and return the averaged one. Goes on where a run of the same options in the folder was
    stopped. Raises Cancelled after saving when should_stop says so, WeightsError for a folder of another run."""
    options = options or TrainingOptions()
    torch.manual_seed(options.seed)
    mean = _copy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    done = _resume(folder, model, mean, optimizer, options)
    started, first = time.monotonic(), done
    model.train()
    sums: dict[str, float] = {}
    while done < options.steps:
        if should_stop is not None and should_stop():
            _save(folder, model, mean, optimizer, options, done)
            raise Cancelled
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _schedule(done / options.steps)
        torch.manual_seed(
            options.seed + done
        )  # what is drawn depends on the step alone, so that a resumed run is the same run
        parts = _step(model, batches.draw(done), optimizer, options)
        done += 1
        _average(mean, model, min(1 - 1 / options.mean_over, done / (done + 10)))
        sums |= {name: sums.get(name, 0.0) + value for name, value in parts.items()}
        if done % options.log_every == 0 or done == options.steps:
            count = options.log_every if done % options.log_every == 0 else done % options.log_every
            left = (time.monotonic() - started) / (done - first) * (options.steps - done)
            told = Step(
                step=done, steps=options.steps, seconds_left=left, losses={k: v / count for k, v in sums.items()}
            )
            sums = {}
            _log(folder, told)
            if tell is not None:
                tell(told)
        if done % options.save_every == 0:
            _save(folder, model, mean, optimizer, options, done)
    _save(folder, model, mean, optimizer, options, done)
    return mean.eval()


def _step(
    model: LandmarkModel, batch: Batch, optimizer: torch.optim.Optimizer, options: TrainingOptions
) -> dict[str, float]:
    outputs, _ = model(batch.rows)
    parts = losses(model, outputs, batch, options.loss)
    total = torch.stack(list(parts.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), options.clip)
    optimizer.step()
    return {"total": float(total.detach()), **{name: float(value.detach()) for name, value in parts.items()}}


def _schedule(share: float) -> float:
    """Up over the first tenth, then down along a cosine."""
    return share / 0.1 if share < 0.1 else 0.5 * (1 + math.cos(math.pi * (share - 0.1) / 0.9)) + 1e-3


def _copy(model: LandmarkModel) -> LandmarkModel:
    copy = LandmarkModel(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.requires_grad_(False)


def _average(mean: LandmarkModel, model: LandmarkModel, keep: float) -> None:
    for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
        kept.lerp_(new.detach(), 1 - keep)


def _log(folder: Path, told: Step) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": told.step, **{k: round(v, 5) for k, v in told.losses.items()}}) + "\n")


def _save(
    folder: Path,
    model: LandmarkModel,
    mean: LandmarkModel,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    done: int,
) -> None:
    """Model, mean and the optimizer's two moments, in one file; then the step, which says that the file is whole."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"mean.{name}": value for name, value in mean.state_dict().items()}
    for number, parameter in enumerate(model.parameters()):
        moments = optimizer.state.get(parameter, {})
        tensors |= {f"{name}.{number}": moments[name] for name in ("exp_avg", "exp_avg_sq") if name in moments}
    with replacing(folder / STATE) as temporary:
        save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, temporary)
    with replacing(folder / STEP) as temporary:
        temporary.write_text(json.dumps({"step": done, "options": asdict(options)}), encoding="utf-8")


def _resume(
    folder: Path, model: LandmarkModel, mean: LandmarkModel, optimizer: torch.optim.Optimizer, options: TrainingOptions
) -> int:
    """Load what was saved, if anything was, and trim the log to it; returns the steps done."""
    if not (folder / STEP).is_file():
        return 0
    told = json.loads((folder / STEP).read_text(encoding="utf-8"))
    if told["options"] != asdict(options):
        raise WeightsError(f"{folder} holds a training with other options; choose another folder, or delete it.")
    tensors, done = load_file(folder / STATE), int(told["step"])
    for name, target in (("model.", model), ("mean.", mean)):
        target.load_state_dict(
            {key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)}
        )
    for number, parameter in enumerate(model.parameters()):
        optimizer.state[parameter] = {
            "step": torch.tensor(float(done)),
            **{
                name: tensors[f"{name}.{number}"] for name in ("exp_avg", "exp_avg_sq") if f"{name}.{number}" in tensors
            },
        }
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines() if (folder / METRICS).is_file() else []
    with replacing(folder / METRICS) as temporary:
        kept = [line for line in lines if json.loads(line)["step"] <= done]
        temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return done
