"""AnimateDiff with ControlNet, on tiny random weights: any length, any start, no seam, and it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusing import SIDE, cut, person, signing
from numpy.typing import NDArray
from pose_format import Pose
from tiny_diffusion import build

from models.animation.diffusion.options import DiffusionOptions
from models.animation.diffusion.pipelines import load
from models.animation.diffusion.temporal import animatediff_frames
from models.progress import Cancelled
from models.weights import quiet

OPTIONS = DiffusionOptions(
    steps=4, strength=0.5, side=64, guidance_scale=1.0, window=8, overlap=3, prompt="a person signs"
)
Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = build(tmp_path_factory.mktemp("weights"))
    with quiet():
        yield load("animatediff", OPTIONS, folder)


@pytest.fixture(scope="module")
def draw(pipe: Any) -> Callable[..., Frames]:
    target, whole = person(), signing()

    def drawn(total: int, count: int | None = None, driven: Pose | None = None, **more: Any) -> Frames:
        pose = cut(driven or whole, 10, 10 + total)
        options = replace(OPTIONS, **more.pop("changes", {}))
        frames = animatediff_frames(pipe, target, pose, lambda _: target.image, options, **more)
        return list(islice(frames, count))

    return drawn


@pytest.fixture(scope="module")
def clip(draw: Callable[..., Frames]) -> Frames:
    return draw(19)


@pytest.mark.parametrize("total", [1, 5, 8, 9])
def test_a_clip_of_any_length_has_all_its_frames(draw: Callable[..., Frames], total: int) -> None:
    frames = draw(total)
    assert [frame.shape for frame in frames] == [(SIDE, SIDE, 3)] * total
    assert all(frame.std() > 0 for frame in frames)


def test_the_seed_decides(draw: Callable[..., Frames], clip: Frames) -> None:
    assert (np.stack(draw(19)) == np.stack(clip)).all()
    assert (np.stack(draw(19, changes={"seed": 1})) != np.stack(clip)).any()


def test_a_run_that_starts_anywhere_gives_the_same_frames(draw: Callable[..., Frames], clip: Frames) -> None:
    for start in (4, 7, 13):
        assert (np.stack(draw(19, start=start)) == np.stack(clip[start:])).all()


def test_no_seam_shows_between_windows(clip: Frames) -> None:
    steps = np.abs(np.diff(np.stack(clip).astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < 4 * np.median(steps) + 1


def test_the_pose_reaches_the_picture(draw: Callable[..., Frames]) -> None:
    a, b = (np.stack(draw(8, driven=signing(gloss))) for gloss in ("HELLO", "THANK-YOU"))
    assert (a != b).any()


def test_stopping_ends_the_run_within_a_step(draw: Callable[..., Frames]) -> None:
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        return True

    with pytest.raises(Cancelled):
        draw(19, should_stop=stop)
    assert len(steps) == 2, "after the first step, and at the end of the window"


def test_the_person_reaches_the_picture_through_the_adapter(tmp_path: Path) -> None:
    options = replace(OPTIONS, ip_adapter="plus", ip_adapter_scale=1.0)
    pose, found = cut(signing(), 10, 14), []
    with quiet():
        adapted = load("animatediff", options, build(tmp_path))
        for image in (person().image, 255 - person().image):
            target = replace(person(), image=image)
            found.append(np.stack(list(animatediff_frames(adapted, target, pose, lambda _: person().image, options))))
    assert (found[0] != found[1]).any()
