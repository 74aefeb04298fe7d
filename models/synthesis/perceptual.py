"""How different two pictures look: the distance of what a network that knows pictures makes of them.

The features of every layer are scaled to length 1 along their channels, and their squared distance is averaged over
places, pictures and layers: 0 for the same, at most 4. That is the distance of Zhang et al., "The Unreasonable
Effectiveness of Deep Features as a Perceptual Metric" (CVPR 2018), without the weights per channel that LPIPS has
learned from people's judgements, so its numbers are not LPIPS and are not called so.

    vgg      VGG16 (Simonyan and Zisserman, 2015), after relu1_2, relu2_2, relu3_3 and relu4_3
    dinov2   DINOv2 (Oquab et al., 2024), patch tokens of the middle and of the last layer

All of it is differentiable in the pictures, and nothing of it learns. Memory grows with the number of pictures: give
few.

Shapes: N pictures, S side, C channels, h and w places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import WeightsError
from models.weights import find

Network = Literal["vgg", "dinov2"]
WEIGHTS: dict[Network, str] = {"vgg": "vgg16", "dinov2": "dinov2-small"}
"""The name of each network's weights."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_VGG_AFTER = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3, relu4_3
_NONE = 1e-6  # squared length below which features count as nothing: the gradient stays bounded


def load(name: Network, weights: Path | None = None) -> nn.Module:
    """A frozen network that takes pictures (N, 3, S, S) of 0 to 1 and gives a list of features (N, C, h, w).

    Raises WeightsError when its weights are missing or of another network.
    """
    folder = find(WEIGHTS[name], weights)
    network: nn.Module = Vgg(folder) if name == "vgg" else Dinov2(folder)
    return network.eval().requires_grad_(False)


def distance(network: nn.Module, made: Tensor, wanted: Tensor) -> Tensor:
    """How different the pictures (N, 3, S, S) of 0 to 1 look, one number; the gradient goes to `made`."""
    with torch.no_grad():
        targets = [_of_length_one(one) for one in network(wanted)]
    apart = [
        (_of_length_one(one) - target).square().sum(dim=1).mean()
        for one, target in zip(network(made), targets, strict=True)
    ]
    return torch.stack(apart).mean()


class Vgg(nn.Module):
    """VGG16 as far as relu4_3."""

    def __init__(self, folder: Path) -> None:
        from torchvision.models.vgg import cfgs, make_layers

        super().__init__()
        self.layers = make_layers(cfgs["D"])[: max(_VGG_AFTER) + 1]
        self.layers.load_state_dict(_vgg_weights(folder, self.layers))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """See `load`."""
        found, at = [], _as_of_imagenet(pictures)
        for number, layer in enumerate(self.layers):
            at = layer(at)
            if number in _VGG_AFTER:
                found.append(at)
        return found


class Dinov2(nn.Module):
    """DINOv2's patch tokens; the picture is enlarged to whole patches."""

    def __init__(self, folder: Path) -> None:
        from transformers import Dinov2Model

        super().__init__()
        network: Any = Dinov2Model  # its annotations do not know of output_loading_info
        try:
            self.model, told = network.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise _other("dinov2-small", str(error).splitlines()[0][:200]) from error
        if told["missing_keys"] or told["mismatched_keys"]:
            raise _other("dinov2-small", "layers are missing in the file")

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """See `load`."""
        patch = int(self.model.config.patch_size)
        side = patch * -(-pictures.shape[-1] // patch)
        given = functional.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True)
        said = self.model(_as_of_imagenet(given), output_hidden_states=True)
        return token_maps([said.hidden_states[len(said.hidden_states) // 2], said.last_hidden_state])


def _as_of_imagenet(pictures: Tensor) -> Tensor:
    mean, std = (torch.tensor(one, device=pictures.device).reshape(3, 1, 1) for one in (_MEAN, _STD))
    return (pictures - mean) / std


def token_maps(tokens: Sequence[Tensor]) -> list[Tensor]:
    """(N, 1 + h * h, C), the first of them of the whole picture -> (N, C, h, h)."""
    side = round((tokens[0].shape[1] - 1) ** 0.5)
    return [one[:, 1:].transpose(1, 2).unflatten(2, (side, side)) for one in tokens]


def _of_length_one(features: Tensor) -> Tensor:
    found = features.float()
    return found * (found.square().sum(dim=1, keepdim=True) + _NONE).rsqrt()


def _vgg_weights(folder: Path, layers: nn.Module) -> dict[str, Tensor]:
    """What of the file belongs to these layers: most of it is the classifier."""
    from safetensors import SafetensorError, safe_open

    wanted = layers.state_dict()
    try:
        with safe_open(sorted(folder.rglob("*.safetensors"))[0], framework="pt") as file:
            found = {name: file.get_tensor(f"features.{name}") for name in wanted}
    except (SafetensorError, OSError) as error:
        raise _other("vgg16", str(error)[:200]) from error
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise _other("vgg16", f"features.{name} is {tuple(value.shape)}, not {tuple(wanted[name].shape)}")
    return found


def _other(name: str, why: str) -> WeightsError:
    return WeightsError(
        f"The weights {name} are broken or of another network: {why}. Fetch them again with "
        f"`signstudio weights pull {name}`."
    )
