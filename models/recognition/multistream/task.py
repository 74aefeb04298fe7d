"""The multi-stream model as something that the loop trains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.errors import SignError
from models.recognition.multistream.clips import Batch, Clips, Source, as_batch, changed, dropped
from models.recognition.multistream.config import MultiStreamTraining
from models.recognition.multistream.demo_data import is_drawn
from models.recognition.multistream.files import save_multistream
from models.recognition.multistream.network import MultiStream
from models.training import Part
from models.training.task import to_device


class MultiStreamTask:
    """See `models.training.Task`."""

    metric, higher_is_better = "top1", True
    fixed_terms: Sequence[str] = ()

    def __init__(self, config: MultiStreamTraining, source: Source, weights: Path | None = None) -> None:
        """weights: where published ones are looked for first. Raises SignError when there is nothing to learn from."""
        torch.manual_seed(config.loop.seed)
        self.config, self.source = config, source
        self.train, self.held = source.training()
        if not len(self.train):
            why = ", ".join(sorted(set(self.train.left_out.values()))) or "the split is empty"
            raise SignError(f"No clip of the split {config.data.train} can be learned from ({why}).")
        self.model = MultiStream(config.model, source.labels, weights)
        self.batch_size = min(config.data.batch_size, len(self.train))
        self.batches_per_epoch = max(1, len(self.train) // self.batch_size)

    def parts(self) -> dict[str, Part]:
        """The trunks, the graph of the hands, and what hears them."""
        trunks, graph, rest = list[nn.Parameter](), list[nn.Parameter](), list[nn.Parameter]()
        for name, one in self.model.named_parameters():
            part = trunks if "_trunk." in name else graph if name.startswith("hand_graph.") else rest
            part.append(one)
        parts = {"trunks": Part(parameters=trunks, rate=self.config.trunk_rate), "hands": Part(parameters=graph)}
        return {name: one for name, one in parts.items() if one.parameters} | {"fusion": Part(parameters=rest)}

    def batch(self, number: int) -> Batch:
        """See `Task`."""
        data, seed = self.config.data, self.config.loop.seed
        epoch, place = divmod(number, self.batches_per_epoch)
        order = np.random.default_rng([seed, 1, epoch]).permutation(len(self.train))
        rng = np.random.default_rng([seed, 2, number])
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size].tolist()
        items = [changed(self.train[one], rng, data, mirrorable=self._mirrorable[one]) for one in chosen]
        return dropped(as_batch(items), rng, data.drop)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See `Task`."""
        logits = model(batch).logits.float()
        return {"label": functional.cross_entropy(logits, batch.labels, label_smoothing=self.config.smoothing)}

    def weights(self) -> dict[str, float]:
        """See `Task`."""
        return {}

    def shared(self) -> list[nn.Parameter]:
        """See `Task`."""
        return []

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """See `Task`."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """How often the right label is the likeliest, and among the five likeliest."""
        assert isinstance(model, MultiStream)
        if not len(self.held):
            return {"top1": float("nan"), "top5": float("nan")}
        labels = np.array(self.held.labels)
        parts = self.held.parts(self.config.data.batch_size)
        logits = np.concatenate([answers(model, as_batch(part)) for part in parts])
        best = np.argsort(-logits, axis=1)[:, :5]
        return {
            "top1": float(np.mean(best[:, 0] == labels)),
            "top5": float(np.mean((best == labels[:, None]).any(axis=1))),
        }

    def state(self) -> dict[str, Tensor]:
        """See `Task`."""
        return {}

    def load_state(self, tensors: object) -> None:
        """See `Task`."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """See `Task`."""
        assert isinstance(model, MultiStream)
        drawn = is_drawn(self.source.folder)
        save_multistream(model, folder, trained_on=described(self.train, drawn), drawn=drawn)

    @cached_property
    def _mirrorable(self) -> list[bool]:
        return self.train.mirrorable


def answers(model: MultiStream, batch: Batch) -> NDArray[np.float32]:
    """(B, G) logits of clips."""
    with torch.inference_mode():
        found = model(to_device(batch, next(model.parameters()).device)).logits
    return np.asarray(found.float().cpu().numpy(), np.float32)


def described(clips: Clips, drawn: bool) -> str:
    """What a model learned from, in words."""
    count = f"trained on {len(clips)} clips of {len(set(clips.labels))} actions"
    return f"{count} that the studio drew; it has never seen a filmed one" if drawn else count
