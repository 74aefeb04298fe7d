"""The parts of the full preset: tiny weights in folders like the real ones', loaded by the code for the real ones."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from tiny_diffusion import WIDTH, build
from transformers import CLIPConfig, CLIPModel

from models.errors import WeightsError
from models.synthesis.config import BaseActionConfig
from models.synthesis.network import BaseAction, extra_channels
from models.synthesis.pipeline import BaseActionPipeline, save_base_action
from models.synthesis.prepared import Frozen
from models.synthesis.published import BASE, MOTION, Parts, halve_frozen, load_clip, load_unet, load_vae, parts

FRAMES, SIDE, LATENTS = 6, 8, 4
CONFIG = BaseActionConfig(size=64, window=8, layout=16, layout_width=16, lora_rank=2, motion="new")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every set of weights, tiny."""
    folder = build(tmp_path_factory.mktemp("weights"))
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    # As OpenAI's repositories: both towers in one file.
    CLIPModel(
        CLIPConfig(
            text_config={**tower, "vocab_size": 50, "projection_dim": 24},
            vision_config={**tower, "image_size": 32, "patch_size": 8, "projection_dim": 24},
            projection_dim=24,
        )
    ).save_pretrained(folder / "clip-vit-large-patch14")
    return folder


def given(seed: int = 0, wide: bool = True) -> tuple[torch.Tensor, int, torch.Tensor]:
    """What a UNet takes: latents with the reference and the map, a time, tokens of every frame."""
    generator = torch.Generator().manual_seed(seed)
    channels = LATENTS + (extra_channels(CONFIG, LATENTS) if wide else 0)
    latents = torch.randn(1, channels, FRAMES, SIDE, SIDE, generator=generator)
    return latents, 500, torch.randn(FRAMES, 4, WIDTH, generator=generator)


def stirred(unet: Any) -> Any:
    """As after some training: what was zero is not."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return unet


def test_everything_is_loaded_from_a_folder(weights: Path) -> None:
    found = parts(CONFIG, weights)
    assert isinstance(found, Parts)
    assert found.unet.config.in_channels == LATENTS + extra_channels(CONFIG, LATENTS)
    assert found.encoder.config.projection_dim == 24
    assert found.vae.config.latent_channels == LATENTS
    assert not any(one.requires_grad for net in (found.vae, found.encoder) for one in net.parameters())


@pytest.mark.parametrize("train", ["lora", "full"])
def test_a_new_unet_says_of_every_frame_what_stable_diffusions_own_says(weights: Path, train: str) -> None:
    flat = UNet2DConditionModel.from_pretrained(weights / BASE, subfolder="unet").eval()
    unet = load_unet(replace(CONFIG, train=train), LATENTS, weights).eval()  # type: ignore[arg-type]
    latents, time, tokens = given()
    with torch.inference_mode():
        said = unet(latents, time, tokens).sample
        wanted = flat(latents[0, :LATENTS].transpose(0, 1), time, tokens).sample
    torch.testing.assert_close(said[0].transpose(0, 1), wanted, atol=1e-4, rtol=1e-4)


def test_animatediffs_layers_are_taken_over_and_widening_changes_nothing(weights: Path) -> None:
    from diffusers import UNetMotionModel

    unet = load_unet(replace(CONFIG, motion="animatediff"), LATENTS, weights).eval()
    plain = UNetMotionModel.from_unet2d(
        UNet2DConditionModel.from_pretrained(weights / BASE, subfolder="unet"),
        MotionAdapter.from_pretrained(weights / MOTION),
    ).eval()
    latents, time, tokens = given()
    with torch.inference_mode():
        said, wanted = unet(latents, time, tokens).sample, plain(latents[:, :LATENTS], time, tokens).sample
        alone = load_unet(CONFIG, LATENTS, weights).eval()(latents, time, tokens).sample
    torch.testing.assert_close(said, wanted, atol=1e-4, rtol=1e-4)
    assert (said - alone).abs().max() > 1e-2  # the layers over time do say something


def test_tokens_reach_their_own_frame_most(weights: Path) -> None:
    unet = load_unet(replace(CONFIG, motion="animatediff"), LATENTS, weights).eval()
    latents, time, tokens = given()
    others = tokens.clone()
    others[2] += 1
    with torch.inference_mode():
        change = (unet(latents, time, others).sample - unet(latents, time, tokens).sample).abs().mean(dim=(0, 1, 3, 4))
    assert change[2] > 0
    assert change[2] > 3 * torch.cat([change[:2], change[3:]]).max()


def test_with_lora_only_what_is_new_learns(weights: Path) -> None:
    unet = load_unet(CONFIG, LATENTS, weights)
    learns = {name for name, one in unet.named_parameters() if one.requires_grad}
    assert {name for name in learns if "lora_" in name}
    assert {name for name in learns if "motion_modules" in name}
    assert all(any(part in name for part in ("lora_", "motion_modules", "conv_in.", "conv_out.")) for name in learns)
    assert not any("lora_" in name and "motion_modules" in name for name in learns)
    spatial = {name for name, _ in unet.named_parameters() if ".attentions." in name and "lora_" not in name}
    assert spatial
    assert not spatial & learns


def test_everything_learns_without_lora(weights: Path) -> None:
    unet = load_unet(replace(CONFIG, train="full"), LATENTS, weights)
    assert all(one.requires_grad for one in unet.parameters())
    assert not any("lora_" in name for name, _ in unet.named_parameters())


@pytest.mark.parametrize("train", ["lora", "full"])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_gradients_reach_everything_that_learns(weights: Path, train: str, checkpointing: bool) -> None:
    config = replace(CONFIG, train=train, checkpointing=checkpointing)  # type: ignore[arg-type]
    model = BaseAction(config, stirred(load_unet(config, LATENTS, weights)), 24).train()
    assert model.unet.is_gradient_checkpointing == checkpointing
    told = model.told(torch.randn(1, FRAMES, 3, 24), torch.ones(1, FRAMES, 3, dtype=torch.bool))
    noisy = torch.randn(1, FRAMES, LATENTS, SIDE, SIDE)
    said = model.answer(noisy, torch.tensor([300]), noisy[:, 0], told)
    said.square().mean().backward()
    lost = [
        name
        for name, one in model.named_parameters()
        if one.requires_grad
        and name.startswith(("unet.", "embed.views", "draw."))
        and (one.grad is None or not one.grad.abs().sum() > 0)
    ]
    assert not lost
    assert not [name for name, one in model.named_parameters() if not one.requires_grad and one.grad is not None]


def test_checkpointing_changes_no_gradient(weights: Path) -> None:
    found = []
    for checkpointing in (True, False):
        torch.manual_seed(0)
        unet = stirred(load_unet(replace(CONFIG, checkpointing=checkpointing), LATENTS, weights)).train()
        unet(*given()).sample.square().mean().backward()
        found.append({name: one.grad for name, one in unet.named_parameters() if one.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], msg=name)


def test_checkpointing_keeps_little_of_any_layer(weights: Path) -> None:
    kept = {}
    for checkpointing in (True, False):
        unet = stirred(load_unet(replace(CONFIG, train="full", checkpointing=checkpointing), LATENTS, weights)).train()
        ours = {one.data_ptr() for one in unet.parameters()}
        held: dict[int, int] = {}

        def note(one: torch.Tensor, held: dict[int, int] = held, ours: set[int] = ours) -> torch.Tensor:
            if one.data_ptr() not in ours:
                held[one.data_ptr()] = one.nbytes
            return one

        with torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
            said = unet(*given()).sample
        kept[checkpointing] = sum(held.values())
        del said
    assert kept[True] < 0.3 * kept[False]


def test_a_copy_for_the_mean_of_the_weights_is_a_model_of_its_own(weights: Path) -> None:
    unet = stirred(load_unet(CONFIG, LATENTS, weights)).eval()
    with torch.inference_mode():
        before = unet(*given()).sample
    copy = deepcopy(unet)
    with torch.no_grad():
        for name, parameter in copy.named_parameters():
            if "motion_modules" in name:
                parameter.zero_()
    with torch.inference_mode():
        assert torch.equal(unet(*given()).sample, before)
        assert (copy(*given()).sample - before).abs().max() > 1e-3


def test_what_learned_is_all_that_has_to_be_kept(weights: Path, tmp_path: Path) -> None:
    trained = stirred(load_unet(CONFIG, LATENTS, weights)).eval()
    kept = {name: one.detach() for name, one in trained.named_parameters() if one.requires_grad}
    save_file({name: one.contiguous() for name, one in kept.items()}, tmp_path / "learned.safetensors")
    again = load_unet(CONFIG, LATENTS, weights).eval()
    before = again(*given()).sample
    unknown = again.load_state_dict(load_file(tmp_path / "learned.safetensors"), strict=False).unexpected_keys
    assert not unknown
    with torch.inference_mode():
        said = trained(*given()).sample
        assert (said - before).abs().max() > 1e-2
        assert torch.equal(again(*given()).sample, said)


def test_a_model_that_was_saved_draws_the_same_and_its_file_holds_no_published_layers(
    weights: Path, tmp_path: Path
) -> None:
    found = parts(CONFIG, weights)
    model = BaseAction(CONFIG, stirred(found.unet), 24).eval()
    nets = Frozen(vae=found.vae, encoder=found.encoder, mark="", features=tmp_path, colours=1)
    save_base_action(tmp_path / "model", model, nets, {}, trained_on="nothing", drawn=False)
    again = BaseActionPipeline.from_pretrained(tmp_path / "model", weights).model
    motion, seen = torch.randn(1, FRAMES, 3, 24), torch.ones(1, FRAMES, 3, dtype=torch.bool)
    noisy, time = torch.randn(1, FRAMES, LATENTS, SIDE, SIDE), torch.tensor([300])
    with torch.inference_mode():
        said, wanted = (one.answer(noisy, time, noisy[:, 0], one.told(motion, seen)) for one in (again, model))
    assert torch.equal(said, wanted)
    kept = load_file(tmp_path / "model" / "model.safetensors")
    assert not [name for name in kept if name.endswith("base_layer.weight") or ".resnets." in name]


def test_frozen_layers_can_be_kept_in_half_precision(weights: Path) -> None:
    unet = stirred(load_unet(CONFIG, LATENTS, weights)).train()
    with torch.inference_mode():
        whole = unet(*given()).sample
    frozen = sum(one.nbytes for one in unet.parameters() if not one.requires_grad)
    halve_frozen(unet)
    assert sum(one.nbytes for one in unet.parameters() if not one.requires_grad) < 0.55 * frozen
    assert all(one.dtype == torch.float32 for one in unet.parameters() if one.requires_grad)
    with torch.autocast("cpu", torch.bfloat16):
        said = unet(*given()).sample
    assert (said.float() - whole).abs().mean() < 0.05 * whole.abs().mean()
    said.float().square().mean().backward()
    assert all(one.grad is not None for one in unet.parameters() if one.requires_grad)


def copied(weights: Path, tmp_path: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(weights / name, tmp_path / name)
    return tmp_path


def test_missing_weights_say_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match=f"signstudio weights pull {BASE}"):
        parts(CONFIG, tmp_path)


def test_a_file_that_lacks_layers_is_no_weights(weights: Path, tmp_path: Path) -> None:
    folder = copied(weights, tmp_path, BASE, "clip-vit-large-patch14", MOTION)
    for path, load in (
        (folder / BASE / "unet" / "diffusion_pytorch_model.safetensors", lambda: load_unet(CONFIG, LATENTS, folder)),
        (folder / BASE / "vae" / "diffusion_pytorch_model.safetensors", lambda: load_vae(folder)),
        (folder / "clip-vit-large-patch14" / "model.safetensors", lambda: load_clip(CONFIG, folder)),
        (
            folder / MOTION / "diffusion_pytorch_model.safetensors",
            lambda: load_unet(replace(CONFIG, motion="animatediff"), LATENTS, folder),
        ),
    ):
        whole = load_file(path)
        lacking = next(name for name in whole if "text" not in name and name.endswith("weight"))
        save_file({name: value for name, value in whole.items() if name != lacking}, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match="broken or of another model"):
            load()
        save_file(whole, path, metadata={"format": "pt"})


def test_a_file_that_is_cut_off_is_no_weights(weights: Path, tmp_path: Path) -> None:
    folder = copied(weights, tmp_path, BASE)
    path = folder / BASE / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=f"{BASE} are broken"):
        load_unet(CONFIG, LATENTS, folder)


def test_a_unet_of_another_family_is_refused(weights: Path, tmp_path: Path) -> None:
    folder = copied(weights, tmp_path, BASE)
    tiny: dict[str, Any] = {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "norm_num_groups": 8,
    }
    large = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
    }
    for changes, words in (
        (large, "Stable Diffusion XL"),
        ({"in_channels": 9}, "takes 9 channels"),
        ({"cross_attention_dim": (16, 32)}, "one number"),
    ):
        UNet2DConditionModel(**{**tiny, **changes}).save_pretrained(folder / BASE / "unet")
        with pytest.raises(WeightsError, match=words):
            load_unet(CONFIG, LATENTS, folder)


def test_motion_layers_that_do_not_fit_the_unet_are_refused(weights: Path, tmp_path: Path) -> None:
    folder = copied(weights, tmp_path, BASE)
    config = replace(CONFIG, motion="animatediff")
    for changes, words in (
        ({"block_out_channels": (32, 32)}, "channels are"),
        ({"motion_max_seq_length": 4}, "sees 4 frames"),
        ({"motion_layers_per_block": 2}, "layers per block"),
    ):
        settings: dict[str, Any] = {
            "block_out_channels": (32, 64),
            "motion_layers_per_block": 1,
            "motion_norm_num_groups": 8,
            "motion_num_attention_heads": 4,
            **changes,
        }
        MotionAdapter(**settings).save_pretrained(folder / MOTION)
        with pytest.raises(WeightsError, match=words):
            load_unet(config, LATENTS, folder)


def test_a_vae_of_another_scale_is_refused(weights: Path, tmp_path: Path) -> None:
    folder = copied(weights, tmp_path, BASE)
    AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
    ).save_pretrained(folder / BASE / "vae")
    with pytest.raises(WeightsError, match="2 times smaller"):
        load_vae(folder)
