"""The base action model that comes with the studio: what it is, and that what it draws moves as it is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from console import console
from numpy.typing import NDArray

from models.synthesis.demo_data import GLOSSES
from models.synthesis.pipeline import BaseActionPipeline, WordExample
from models.synthesis.samples import hand_mask
from models.synthesis.sampling import SamplingOptions
from studio import base_actions

SHIPPED = base_actions._ROOT
FEW = SamplingOptions(steps=4, guidance=1)


@pytest.fixture(scope="module")
def pipeline() -> BaseActionPipeline:
    return BaseActionPipeline.from_pretrained(SHIPPED)


def changed(frames: NDArray[np.uint8], word: WordExample) -> NDArray[np.float64]:
    """(T, S, S) by how many grey levels a clip differs from its first frame."""
    return np.abs(frames.astype(float) - word.reference).mean(axis=-1)


def test_it_says_what_it_learned_from_and_is_small(pipeline: BaseActionPipeline) -> None:
    assert set(pipeline.words) == set(GLOSSES)
    assert pipeline.drawn
    assert pipeline.trained_on.endswith("signers that the studio drew; it has never seen a person")
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 20 * 2**20
    about = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    assert sorted(about["words"]) == sorted(GLOSSES)


def test_something_moves_where_the_hands_of_the_sample_are_and_little_elsewhere(pipeline: BaseActionPipeline) -> None:
    word = pipeline.word("HELLO")
    made = changed(pipeline.generate(word.medoid, word.reference, FEW), word)
    hands = hand_mask(word.pose, pipeline.config.size)
    raised = hands & (np.arange(pipeline.config.size)[:, None] < 0.6 * pipeline.config.size)
    assert raised.any()
    assert made[raised].mean() > 3 * made[~hands].mean()


def test_the_motion_of_another_word_draws_another_clip(pipeline: BaseActionPipeline) -> None:
    word, other = pipeline.word("HELLO"), pipeline.word("BOOK")
    own = changed(pipeline.generate(word.medoid, word.reference, FEW), word)
    wrong = changed(pipeline.generate(other.medoid, word.reference, FEW), word)
    raised = hand_mask(word.pose, pipeline.config.size) & (np.arange(pipeline.config.size)[:, None] < 24)
    assert own[raised].mean() > 1.5 * wrong[raised].mean()


def test_the_command_line_uses_it_unless_another_is_named() -> None:
    found = console("base", "words")
    assert all(gloss in found.stdout for gloss in GLOSSES)
    assert "never seen a person" in found.stdout
