"""The Inception network that FID is defined on, where its weights are here.

It is TensorFlow's of 5 December 2015 (Heusel et al., 2017), not torchvision's: 1008 classes, averages that do not count
the padding, and in the last block a maximum in place of an average. A Fréchet distance on any other network's features
is not called FID in this project.

Shapes: N pictures, S side.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from models.errors import WeightsError
from models.weights import find

NAME = "fid-inception"
SIDE = 299
_BATCH = 32
_AVERAGED = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7b")
_MAXIMUM = "Mixed_7c"


class Inception(nn.Module):
    """Pictures to the 2048 numbers before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import inception_v3

        net: Any = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
        for name in _AVERAGED:
            _pooled(getattr(net, name), _average)
        _pooled(getattr(net, _MAXIMUM), _largest)
        self.net = net
        self.before_last: Tensor | None = None
        net.avgpool.register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _given: Any, made: Tensor) -> None:
        self.before_last = made

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) of 0 to 1 -> (N, 2048)."""
        given = functional.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        self.net(given * 2 - 1)
        assert self.before_last is not None
        return self.before_last.flatten(1)


def load_inception(weights: Path | None = None) -> Inception:
    """The network with its weights. Raises WeightsError when they are not here, or are another network's."""
    folder = find(NAME, weights)
    try:
        tensors = load_file(sorted(folder.rglob("*.safetensors"))[0])
        net = Inception()
        net.net.load_state_dict({name: value for name, value in tensors.items() if not name.startswith("AuxLogits.")})
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"The weights {NAME} are broken, or of another network ({str(error)[:160]}); fetch them again with "
            f"`signstudio weights pull {NAME}`."
        ) from error
    return net.eval().requires_grad_(False)


def features(net: Inception, pictures: Tensor) -> Tensor:
    """(N, 3, S, S) uint8 -> (N, 2048) on the CPU, in batches."""
    device = next(net.parameters()).device
    with torch.inference_mode():
        return torch.cat([net(part.to(device).float() / 255).cpu() for part in pictures.split(_BATCH)])


def _pooled(block: Any, pool: Callable[[Tensor], Tensor]) -> None:
    """Have the block's last branch look at what it gets in this way."""
    plain = block._forward

    def forward(given: Tensor) -> list[Tensor]:
        made: list[Tensor] = plain(given)
        made[-1] = block.branch_pool(pool(given))
        return made

    block._forward = forward


def _average(given: Tensor) -> Tensor:
    return functional.avg_pool2d(given, 3, stride=1, padding=1, count_include_pad=False)


def _largest(given: Tensor) -> Tensor:
    return functional.max_pool2d(given, 3, stride=1, padding=1)
