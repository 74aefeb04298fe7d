"""The body model without its segmentation head gives the same numbers, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.pose.graph import body_model
from models.pose.holistic import HolisticSession
from models.pose.pruned import SCORE_OUTPUT, SEGMENTATION_OUTPUT, without_segmentation
from models.video import ReadOptions, VideoReader


@pytest.fixture(scope="module")
def original() -> bytes:
    return body_model(1).read_bytes()


def outputs(model: bytes, image: np.ndarray) -> tuple[list[np.ndarray], int]:
    """All outputs of a model for an image, and how many operators it has."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found = [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]
    return found, len({entry["index"] for entry in interpreter._get_ops_details()})


def test_every_other_output_is_the_same_and_the_work_is_less(original: bytes) -> None:
    pruned = without_segmentation(original)
    assert pruned is not None
    assert len(pruned) == len(original)
    image = np.random.default_rng(3).random((1, 256, 256, 3), dtype=np.float32)
    (before, operators_before), (after, operators_after) = outputs(original, image), outputs(pruned, image)
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        if number != SEGMENTATION_OUTPUT:
            assert np.array_equal(one, other), number
    assert np.array_equal(after[SEGMENTATION_OUTPUT], before[SCORE_OUTPUT])
    assert before[SEGMENTATION_OUTPUT].shape == (1, 256, 256, 1)
    assert operators_after < operators_before - 40


def test_landmarks_of_a_signer_are_the_same(sample: Path) -> None:
    with VideoReader(sample, ReadOptions(start_ms=1000, end_ms=1400)) as clip:
        frames = list(clip)
    found = []
    for prune in (False, True):
        with HolisticSession(prune=prune) as session:
            found.append([(points, confidence) for _, points, confidence in session.stream(frames)])
    assert found[0][-1][1].any()
    for whole, pruned in zip(*found, strict=True):
        assert np.array_equal(whole[0], pruned[0])
        assert np.array_equal(whole[1], pruned[1])


def test_a_model_it_was_not_tried_on_is_left_alone(original: bytes) -> None:
    assert without_segmentation(original[:-1] + b"\0\0") is None
    assert without_segmentation(b"") is None
