"""Pictures through a published network, in chunks, so that memory does not grow with the length of a clip.

With checkpointing the activations of a chunk are computed again when gradients are; the running statistics of batch
normalisation are not counted twice.

Shapes: N pictures, C channels, H x W pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import ResNetConfig

from models.errors import WeightsError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of the colours, 0 to 1, that most published networks were trained with."""
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""The same of those that take -1 to 1."""


class Trunk(nn.Module):
    """Pictures (N, 3, H, W) uint8 to what `read` takes of the network's answer, (N, …)."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        read: Callable[[nn.Module, Tensor], Tensor],
        *,
        colours: tuple[Sequence[float], Sequence[float]] = IMAGENET,
        chunk: int,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        self.network, self.read, self.chunk, self.checkpointing = network, read, chunk, checkpointing
        nn.Module.to(network, memory_format=torch.channels_last)  # a third faster on a processor
        self.register_buffer("mean", torch.tensor(colours[0]).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(colours[1]).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return in_chunks(self._read, self.network, pictures, self.chunk, checkpointing=self.checkpointing)

    def _read(self, pictures: Tensor) -> Tensor:
        normalised = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return self.read(self.network, normalised)


def in_chunks(
    read: Callable[[Tensor], Tensor], network: nn.Module, pictures: Tensor, chunk: int, *, checkpointing: bool
) -> Tensor:
    """What `read` makes of pictures (N, …), so many at a time; it runs `network`."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return contextlib.nullcontext(), _frozen_statistics(network)

    parts = []
    for some in pictures.split(chunk):
        if checkpointing and network.training and torch.is_grad_enabled():
            parts.append(checkpoint(read, some, use_reentrant=False, context_fn=contexts))
        else:
            parts.append(read(some))
    return torch.cat(parts)


def check_resnet(found: ResNetConfig, *, block: str, stem: int, widths: Sequence[int], depths: Sequence[int]) -> None:
    """Raises WeightsError unless a published model has the shape of the settings, by which it is loaded again."""
    shapes = {
        "block": (found.layer_type, block),
        "stem": (found.embedding_size, stem),
        "widths": (list(found.hidden_sizes or ()), list(widths)),
        "depths": (list(found.depths or ()), list(depths)),
    }
    wrong = [
        f"model.{name} is {wanted}, there it is {there}" for name, (there, wanted) in shapes.items() if there != wanted
    ]
    if wrong:
        raise WeightsError(f"The ResNet in the weights folder has another shape: {'; '.join(wrong)}.")


@contextlib.contextmanager
def _frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch normalisation as in training, but its running statistics stay."""
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    kept = [one.momentum for one in norms]
    counts = [one.num_batches_tracked.clone() for one in norms if one.num_batches_tracked is not None]
    for one in norms:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, momentum, count in zip(norms, kept, counts, strict=True):
            one.momentum = momentum
            one.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
