"""ControlNet frame by frame, on tiny random weights that are saved and loaded as the real ones are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusing import SIDE, cut, person, signing
from numpy.typing import NDArray
from pose_format import Pose
from tiny_diffusion import build

from models.animation.diffusion.cost import counted
from models.animation.diffusion.img2img import controlnet_frames
from models.animation.diffusion.options import PRESETS, DiffusionOptions
from models.animation.diffusion.pipelines import load, needed
from models.errors import SignError, WeightsError
from models.pose.landmarks import with_arrays
from models.progress import Cancelled
from models.weights import quiet

OPTIONS = DiffusionOptions(steps=4, strength=0.5, side=64, batch=2, guidance_scale=3.0, prompt="a person signs")
Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def pose() -> Pose:
    return cut(signing(), 16, 21)


@pytest.fixture(scope="module")
def draw(tiny: Path, pose: Pose) -> Callable[..., Frames]:
    """Frames drawn with some options changed."""
    target = person()

    def drawn(
        changes: dict[str, Any] | None = None,
        count: int = 2,
        driven: Pose = pose,
        image: NDArray[np.uint8] | None = None,
        **more: Any,
    ) -> Frames:
        options = replace(OPTIONS, **(changes or {}))
        with quiet():
            pipe = load("controlnet", options, tiny)
            shown = target.image if image is None else image
            return list(islice(controlnet_frames(pipe, target, driven, lambda _: shown, options, **more), count))

    return drawn


@pytest.fixture(scope="module")
def plain(draw: Callable[..., Frames]) -> Frames:
    return draw(count=5)


def difference(a: Frames, b: Frames) -> float:
    return float(np.mean([np.abs(x.astype(float) - y).mean() for x, y in zip(a, b, strict=False)]))


def test_frames_have_the_targets_size(plain: Frames) -> None:
    assert [frame.shape for frame in plain] == [(SIDE, SIDE, 3)] * 5
    assert all(frame.dtype == np.uint8 for frame in plain)


def test_the_seed_decides(draw: Callable[..., Frames], plain: Frames) -> None:
    assert difference(draw(), plain) == 0
    assert difference(draw({"seed": 1}), plain) > 0


def test_a_run_that_starts_later_gives_the_same_frames(draw: Callable[..., Frames], plain: Frames) -> None:
    assert difference(draw(count=3, start=2), plain[2:]) == 0


def test_the_batch_changes_nothing_that_is_seen(draw: Callable[..., Frames], plain: Frames) -> None:
    assert difference(draw({"batch": 1}), plain) < 1


def test_the_pose_reaches_the_picture_through_the_controlnet(draw: Callable[..., Frames], pose: Pose) -> None:
    other = cut(signing("THANK-YOU"), 10, 15)
    assert difference(draw(driven=other), draw()) > 0
    off = {"controlnet_conditioning_scale": 0.0}
    assert difference(draw(off, driven=other), draw(off)) == 0


def test_the_first_picture_matters(draw: Callable[..., Frames], plain: Frames) -> None:
    assert difference(draw(image=np.zeros((SIDE, SIDE, 3), np.uint8)), plain) > 1


def test_frames_share_their_noise_unless_told_otherwise(draw: Callable[..., Frames], pose: Pose) -> None:
    data, sure = (np.ma.getdata(part)[[0, 0]] for part in (pose.body.data, pose.body.confidence))
    twice = with_arrays(pose, data, sure)
    same = draw(driven=twice)
    assert difference(same[:1], same[1:]) == 0
    own = draw({"shared_noise": False}, driven=twice)
    assert difference(own[:1], own[1:]) > 0


def test_a_carried_frame_is_drawn_from_the_one_before(draw: Callable[..., Frames], plain: Frames) -> None:
    carried = draw({"carry": 0.5})
    assert difference(carried[:1], plain[:1]) < 1  # nothing to carry yet
    assert difference(carried[1:], plain[1:2]) > 1  # which way it leans, a tiny network cannot show


@pytest.mark.parametrize("scheduler", ["unipc", "ddim", "euler", "dpm", "lcm", "tcd"])
def test_every_scheduler_draws(draw: Callable[..., Frames], scheduler: str) -> None:
    (frame,) = draw({"scheduler": scheduler}, count=1)
    assert frame.std() > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"ip_adapter": "plus"},
        {"ip_adapter": "plus-face"},
        {"tiny_vae": True},
        {"scheduler": "tcd"},  # with its LoRA
        {"dtype": "bf16"},
        {"guidance_scale": 1.0},
    ],
)
def test_every_option_reaches_the_picture(draw: Callable[..., Frames], plain: Frames, changes: dict[str, Any]) -> None:
    assert difference(draw(changes, count=1), plain) > 0


def test_a_lora_is_more_than_its_scheduler(tiny: Path) -> None:
    with quiet():
        pipe = load("controlnet", replace(OPTIONS, scheduler="lcm"), tiny)
        bare = load("controlnet", OPTIONS, tiny)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    changed = pipe.unet.get_submodule(name)
    weight = getattr(changed, "base_layer", changed).weight
    assert not np.allclose(weight.detach().numpy(), bare.unet.get_submodule(name).weight.detach().numpy())


def test_the_identity_adapter_looks_at_the_person(tiny: Path, pose: Pose) -> None:
    options = replace(OPTIONS, ip_adapter="plus", ip_adapter_scale=1.0)
    found = []
    for image in (person().image, 255 - person().image):
        with quiet():
            pipe = load("controlnet", options, tiny)
            target = replace(person(), image=image)
            found.append(list(islice(controlnet_frames(pipe, target, pose, lambda _: person().image, options), 1)))
    assert difference(found[0], found[1]) > 0


def test_attention_slicing_gives_the_same_picture(draw: Callable[..., Frames], plain: Frames) -> None:
    assert difference(draw({"attention_slicing": True}, count=1), plain) < 1


def test_stopping_ends_the_run_within_a_step(tiny: Path, pose: Pose) -> None:
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        return len(steps) >= 3

    options = replace(OPTIONS, steps=40, strength=1.0)
    with quiet():
        pipe = load("controlnet", options, tiny)
    target = person()
    frames = controlnet_frames(
        pipe,
        target,
        pose,
        lambda _: target.image,
        options,
        should_stop=stop,
    )
    with pytest.raises(Cancelled), counted(pipe) as cost:
        next(frames)
    assert cost.unet == 3 * 2 * 2  # steps, twice for guidance, frames of a batch


def test_evaluations_are_counted(tiny: Path, pose: Pose) -> None:
    with quiet():
        pipe = load("controlnet", OPTIONS, tiny)
    target = person()
    with counted(pipe) as cost:
        list(islice(controlnet_frames(pipe, target, pose, lambda _: target.image, OPTIONS), 2))
        cost.frames = 2
    assert (cost.unet, cost.controlnet, cost.unet_inner) == (8, 8, 8)  # 2 steps, twice for guidance, 2 frames
    assert cost.line().startswith("4.0 UNet evaluations per frame")


def test_reusing_inner_layers_computes_them_less(tiny: Path, pose: Pose) -> None:
    pytest.importorskip("DeepCache")
    options = replace(OPTIONS, cache_interval=2, steps=8)
    with quiet():
        pipe = load("controlnet", options, tiny)
    target = person()
    with counted(pipe) as cost:
        list(islice(controlnet_frames(pipe, target, pose, lambda _: target.image, options), 2))
    assert cost.unet_inner == cost.unet / 2


def test_missing_weights_are_named_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.weights._cached", lambda _: None)
    with pytest.raises(WeightsError, match=r"stable-diffusion-v1-5.*pull stable-diffusion-v1-5.*puppet"):
        load("controlnet", OPTIONS, tmp_path)


def test_broken_weights_are_a_sentence(tmp_path: Path) -> None:
    folder = build(tmp_path)
    path = folder / "controlnet-openpose" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"broken.*weights pull"), quiet():
        load("controlnet", OPTIONS, folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_what_a_cpu_cannot_do_is_said(tiny: Path) -> None:
    for changes, said in (
        ({"cpu_offload": True}, "without a GPU"),
        ({"dtype": "fp16"}, "bf16"),
        ({"device": "cuda"}, "CUDA"),
    ):
        options = replace(OPTIONS, **changes)
        with pytest.raises(SignError, match=said), quiet():
            load("controlnet", options, tiny)


def test_every_preset_names_the_weights_it_needs() -> None:
    assert set(needed("controlnet", PRESETS["preview"])) >= {"lcm-lora", "taesd"}
    assert "animatelcm" in needed("animatediff", PRESETS["preview"])
    assert "ip-adapter" in needed("controlnet", PRESETS["best"])
    assert "lcm-lora" not in needed("animatediff", PRESETS["preview"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strength": 0}, "strength"),
        ({"steps": 0}, "steps"),
        ({"scheduler": "ancestral"}, "unipc"),
        ({"overlap": 16}, "half"),
        ({"side": 10_000}, "side"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SignError, match=said):
        replace(OPTIONS, **changes)


def test_a_preset_takes_changes_and_ignores_what_is_not_set() -> None:
    assert DiffusionOptions.of_preset("balanced", steps=7, strength=None) == replace(PRESETS["balanced"], steps=7)
    with pytest.raises(SignError, match="preview"):
        DiffusionOptions.of_preset("fastest")
