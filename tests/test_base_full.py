"""The full preset from samples to a drawn clip, on tiny weights in folders like the real ones'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from base_data import TRAINING, draw_words
from safetensors.torch import load_file
from test_published import CONFIG, weights

from models.errors import WeightsError
from models.synthesis.pipeline import BaseActionPipeline
from models.synthesis.recipe import PRESETS, build, prepare
from models.synthesis.sampling import SamplingOptions
from models.training import Run, fit

__all__ = ["weights"]  # a fixture

FULL = replace(TRAINING, model=replace(CONFIG, motion="animatediff"), loop=replace(TRAINING.loop, steps=2))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_words(tmp_path_factory.mktemp("words"), ("BOOK", "TREE"))


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_it_is_prepared_trained_kept_and_draws(data: Path, weights: Path, tmp_path: Path, precision: str) -> None:
    training = replace(FULL, loop=replace(FULL.loop, precision=precision))  # type: ignore[arg-type]
    prepare(training, data, weights=weights)
    assert not list((data / "base-action").glob("encoder-*")), "nothing is made that is published"
    run = Run(tmp_path / "run")
    fit(*build(training, data, weights), run)
    losses = run.metrics()[0][0]["losses"]
    assert set(losses) == {"full", "hands", "layout", "perceptual", "consistency"}
    assert all(np.isfinite(value) for value in losses.values())
    kept = load_file(run.model / "model.safetensors")
    assert any("lora_" in name for name in kept)
    assert not any("base_layer" in name for name in kept), "published layers stay where they are"
    assert not (run.model / "vae").exists()
    found = BaseActionPipeline.from_pretrained(run.model, weights)
    word = found.words["TREE"]
    made = found.generate(word.barycentre, word.reference, SamplingOptions(steps=2))
    assert made.shape == (20, 64, 64, 3)
    assert made.std() > 0


def test_without_the_weights_it_says_which_are_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.weights._cached", lambda _: None)
    with pytest.raises(WeightsError, match="stable-diffusion-v1-5"):
        prepare(FULL, data, weights=tmp_path)


def test_the_preset_is_what_was_asked_for() -> None:
    full = PRESETS["full"]
    assert (full.model.start, full.model.encoder, full.model.size) == ("published", "clip-vit-large-patch14", 256)
    assert full.model.train == "lora" and full.model.checkpointing
    assert full.loop.learning_rate == 1e-4 and full.loop.precision == "bf16"
    assert 8 <= full.loop.accumulation * full.data.batch_size <= 16
