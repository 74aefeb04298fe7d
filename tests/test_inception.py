"""The network of FID: its pools are TensorFlow's, it is loaded from safetensors, and nothing else is called FID."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import WeightsError
from models.synthesis.inception import NAME, Inception, features, load_inception
from models.synthesis.metrics import FID, frechet_report


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of chance."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / NAME).mkdir()
    torch.manual_seed(0)
    net = Inception().net
    save_file(net.state_dict(), folder / NAME / "fid_inception.safetensors")
    return folder


def test_averages_do_not_count_the_padding_and_the_last_block_takes_the_largest() -> None:
    net = Inception().net.eval()
    for name, corner in (("Mixed_5b", 1.0), ("Mixed_7b", 1.0), ("Mixed_7c", 1.0)):
        block, seen = getattr(net, name), []
        block.branch_pool.register_forward_hook(lambda _, given, __, seen=seen: seen.append(given[0]))
        channels = block.branch_pool.conv.in_channels
        with torch.no_grad():
            block(torch.ones(1, channels, 5, 5))
        assert float(seen[-1][0, 0, 0, 0]) == corner, name  # 4/9 where the padding is counted
        picture = torch.zeros(1, channels, 5, 5)
        picture[:, :, 2, 2] = 9
        with torch.no_grad():
            block(picture)
        assert float(seen[-1][0, 0, 2, 2]) == (9 if name == "Mixed_7c" else 1), name


def test_it_is_loaded_from_safetensors_and_gives_2048_numbers(weights: Path) -> None:
    net = load_inception(weights)
    pictures = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    found = features(net, pictures)
    assert found.shape == (3, 2048)
    assert torch.allclose(found[1:2], features(net, pictures[1:2]), atol=1e-4)


def test_other_weights_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    save_file({"fc.weight": torch.zeros(3)}, tmp_path / NAME / "fid_inception.safetensors")
    with pytest.raises(WeightsError, match="another network"):
        load_inception(tmp_path)


def test_only_its_own_features_are_called_fid() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(30, 4)) for _ in range(4)]
    assert frechet_report(clips, clips, "small things", "abab")["measure"] == "Fréchet distance on small things"
    assert frechet_report(clips, clips, "", "abab", measure=FID)["measure"] == "FID"
