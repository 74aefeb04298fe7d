"""An animated video says so: in its metadata, and in the picture where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from models.animation.mark import COMMENT, SOURCE_TYPES, draw_mark, provenance
from models.video_write import write_video


@pytest.mark.parametrize("engine", sorted(SOURCE_TYPES))
def test_the_files_metadata_say_how_it_was_made(engine: str, tmp_path: Path) -> None:
    tags = provenance("HELLO", engine, {"seed": 3})
    frames = [np.full((64, 64, 3), level, np.uint8) for level in (10, 200)]
    write_video(tmp_path / "a.mp4", frames, fps=25, metadata=tags)
    with av.open(str(tmp_path / "a.mp4")) as file:
        read = file.metadata
    assert read["comment"] == COMMENT
    assert "HELLO" in read["title"]
    (action,) = json.loads(read["description"])["data"]["actions"]
    assert action["digitalSourceType"] == SOURCE_TYPES[engine]
    assert action["parameters"] == {"engine": engine, "driving": "HELLO", "seed": "3"}


def test_diffusion_and_puppet_are_of_different_source() -> None:
    assert "rainedAlgorithmicMedia" in SOURCE_TYPES["controlnet"]
    assert "rainedAlgorithmicMedia" not in SOURCE_TYPES["puppet"]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_mark_is_readable_on_any_ground_and_leaves_the_rest(level: int) -> None:
    frame = np.full((300, 400, 3), level, np.uint8)
    marked = draw_mark(frame)
    assert (frame == level).all()
    corner = marked[:40, :120].astype(int)
    assert corner.max() - corner.min() > 120
    assert (marked[60:] == level).all()
    assert (marked[:, 200:] == level).all()


def test_a_tiny_frame_can_be_marked() -> None:
    assert draw_mark(np.zeros((16, 16, 3), np.uint8)).shape == (16, 16, 3)
