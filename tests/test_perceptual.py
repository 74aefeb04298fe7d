"""Perceptual distances: of real architectures with random weights, checked against what a distance has to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models.vgg import cfgs, make_layers
from transformers import Dinov2Config, Dinov2Model

from models.errors import WeightsError
from models.synthesis.perceptual import Network, distance, load

VGG_FILE = "model.safetensors"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG16 in its true size, whose file also holds a classifier, and a small DINOv2."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    (folder / "vgg16").mkdir()
    layers = make_layers(cfgs["D"])
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    tensors = {f"features.{name}": value for name, value in layers.state_dict().items()}
    save_file({**tensors, "head.fc.bias": torch.zeros(1000)}, folder / "vgg16" / VGG_FILE)
    Dinov2Model(
        Dinov2Config(
            hidden_size=24, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2
        )
    ).save_pretrained(folder / "dinov2-small")
    return folder


def pictures(count: int = 2, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Smooth blobs, not noise."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 1)


NETWORKS: tuple[Network, ...] = ("vgg", "dinov2")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_picture_is_not_apart_from_itself(name: Network, weights: Path) -> None:
    assert distance(load(name, weights), pictures(), pictures()) == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_the_more_a_picture_is_changed_the_further_it_is(name: Network, weights: Path) -> None:
    net, shown, other = load(name, weights), pictures(), pictures(seed=1)
    apart = [float(distance(net, shown.lerp(other, share), shown)) for share in (0.1, 0.3, 1.0)]
    assert 0 < apart[0] < apart[1] < apart[2] <= 4


@pytest.mark.parametrize("name", NETWORKS)
def test_following_the_gradient_brings_a_picture_closer_and_nothing_else_learns(name: Network, weights: Path) -> None:
    net, wanted = load(name, weights), pictures().requires_grad_()
    made = pictures(seed=1).requires_grad_()
    before = distance(net, made, wanted)
    before.backward()
    assert made.grad is not None
    assert torch.isfinite(made.grad).all()
    closer = made.detach() - 0.05 * made.grad / made.grad.abs().max()
    assert distance(net, closer, wanted) < before
    assert wanted.grad is None
    assert not any(one.requires_grad or one.grad is not None for one in net.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_pictures_give_finite_gradients(name: Network, weights: Path) -> None:
    made = torch.zeros(1, 3, 64, 64, requires_grad=True)
    distance(load(name, weights), made, torch.ones(1, 3, 64, 64)).backward()
    assert made.grad is not None
    assert torch.isfinite(made.grad).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_are_judged_one_by_one(name: Network, weights: Path) -> None:
    net, made, wanted = load(name, weights), pictures(3), pictures(3, seed=1)
    each = [distance(net, made[place : place + 1], wanted[place : place + 1]) for place in range(3)]
    torch.testing.assert_close(distance(net, made, wanted), torch.stack(each).mean())


def test_vggs_features_are_those_after_four_of_its_convolutions(weights: Path) -> None:
    shown = pictures()
    found = load("vgg", weights)(shown)
    assert [tuple(one.shape) for one in found] == [
        (2, 64, 64, 64),
        (2, 128, 32, 32),
        (2, 256, 16, 16),
        (2, 512, 8, 8),
    ]
    whole = make_layers(cfgs["D"])
    kept = load_file(weights / "vgg16" / VGG_FILE)
    whole.load_state_dict({name.removeprefix("features."): kept[name] for name in kept if name.startswith("features.")})
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    at = whole[:23]((shown - mean[:, None, None]) / std[:, None, None])  # the relu after the tenth convolution
    torch.testing.assert_close(found[-1], at)


def test_the_distance_is_worked_out_by_hand() -> None:
    class Plain(torch.nn.Module):
        def forward(self, shown: torch.Tensor) -> list[torch.Tensor]:
            return [shown, shown.flip(1)[:, :2]]

    # Over the channels (3, 4, 0) and (0, 0, 2): lengths 5 and 2, unit vectors at right angles, so 2 apart; of the
    # second layer (0, 4) and (2, 0): 2 apart as well. The second picture is only brighter, so not apart at all.
    made = torch.tensor([[3.0, 4.0, 0.0], [1.0, 2.0, 3.0]])[..., None, None].expand(-1, -1, 4, 4)
    wanted = torch.tensor([[0.0, 0.0, 2.0], [2.0, 4.0, 6.0]])[..., None, None].expand(-1, -1, 4, 4)
    torch.testing.assert_close(distance(Plain(), made, wanted), torch.tensor(1.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [32, 70, 100])
def test_dinov2_takes_pictures_of_any_size(weights: Path, side: int) -> None:
    places = -(-side // 14)
    found = load("dinov2", weights)(pictures(side=side))
    assert [tuple(one.shape) for one in found] == [(2, 24, places, places)] * 2


@pytest.mark.parametrize(("name", "pull"), [("vgg", "vgg16"), ("dinov2", "dinov2-small")])
def test_missing_weights_say_how_to_get_them(
    name: Network, pull: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match=f"signstudio weights pull {pull}"):
        load(name, tmp_path)


def test_weights_of_another_network_are_refused(weights: Path, tmp_path: Path) -> None:
    for name in ("vgg16", "dinov2-small"):
        (tmp_path / name).mkdir()
    whole = load_file(weights / "vgg16" / VGG_FILE)
    file = tmp_path / "vgg16" / VGG_FILE
    for changed, words in (
        ({**whole, "features.2.weight": torch.zeros(64, 64, 1, 1)}, "features.2.weight is"),
        ({name: value for name, value in whole.items() if name != "features.21.bias"}, "features.21.bias"),
    ):
        save_file(changed, file)
        with pytest.raises(WeightsError, match=words):
            load("vgg", tmp_path)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(WeightsError, match="vgg16 are broken"):
        load("vgg", tmp_path)
    settings = weights / "dinov2-small" / "config.json"
    (tmp_path / "dinov2-small" / "config.json").write_bytes(settings.read_bytes())
    save_file(
        {"embeddings.cls_token": torch.zeros(1, 1, 24)},
        tmp_path / "dinov2-small" / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(WeightsError, match="dinov2-small are broken"):
        load("dinov2", tmp_path)
