"""Tiny Stable Diffusion parts with random weights, saved as the real ones are, so that the real code loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

WIDTH = 32  # of the text's embedding, and everything else that has to agree with it


def build(folder: Path) -> Path:
    """Write every set of weights that the diffusion engines can use into `folder`, under its name."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    _stable_diffusion(unet).save_pretrained(folder / "stable-diffusion-v1-5")
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    with torch.no_grad():  # its last layers start at zero, and then no map would ever reach the picture
        for block in [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]:
            torch.nn.init.normal_(block.weight, std=0.2)
        torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.2)
    controlnet.save_pretrained(folder / "controlnet-openpose")
    for name in ("animatediff", "animatelcm"):
        MotionAdapter(
            block_out_channels=(32, 64),
            motion_layers_per_block=1,
            motion_norm_num_groups=8,
            motion_num_attention_heads=4,
            motion_max_seq_length=32,
        ).save_pretrained(folder / name)
    AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4).save_pretrained(
        folder / "taesd"
    )
    _ip_adapter(unet, folder / "ip-adapter" / "models")
    for name in ("lcm-lora", "tcd-lora"):
        _lora(folder / name)
    return folder


def _stable_diffusion(unet: UNet2DConditionModel) -> StableDiffusionPipeline:
    tokenizer = _tokenizer()
    text = CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=WIDTH,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    return StableDiffusionPipeline(
        unet=unet,
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _tokenizer() -> CLIPTokenizer:
    """Single bytes and no merges: every prompt has tokens, and nothing is fetched."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[], model_max_length=77)


def _ip_adapter(unet: UNet2DConditionModel, folder: Path) -> None:
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            intermediate_size=37,
            patch_size=8,
        )
    )
    encoder.save_pretrained(folder / "image_encoder")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder / "image_encoder"
    )
    for kind in ("plus", "plus-face"):
        save_file(_ip_state(unet), folder / f"ip-adapter-{kind}_sd15.safetensors")


def _ip_state(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """The keys of an IP-Adapter plus: a resampler, and two projections for every cross attention."""

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape) * 0.05

    wide, head = 64, 64
    state = {
        "latents": some(1, 4, wide),
        "proj_in.weight": some(wide, WIDTH),
        "proj_in.bias": some(wide),
        "proj_out.weight": some(WIDTH, wide),
        "proj_out.bias": some(WIDTH),
        "norm_out.weight": torch.ones(WIDTH),
        "norm_out.bias": torch.zeros(WIDTH),
    }
    for layer in range(4):
        state |= {
            f"layers.{layer}.0.norm1.weight": torch.ones(wide),
            f"layers.{layer}.0.norm1.bias": torch.zeros(wide),
            f"layers.{layer}.0.norm2.weight": torch.ones(wide),
            f"layers.{layer}.0.norm2.bias": torch.zeros(wide),
            f"layers.{layer}.0.to_q.weight": some(head, wide),
            f"layers.{layer}.0.to_kv.weight": some(2 * head, wide),
            f"layers.{layer}.0.to_out.weight": some(wide, head),
            f"layers.{layer}.1.0.weight": torch.ones(wide),
            f"layers.{layer}.1.0.bias": torch.zeros(wide),
            f"layers.{layer}.1.1.weight": some(4 * wide, wide),
            f"layers.{layer}.1.3.weight": some(wide, 4 * wide),
        }
    found = {f"image_proj.{name}": value for name, value in state.items()}
    widths = unet.config.block_out_channels
    number = 1
    for name in unet.attn_processors:
        if name.endswith("attn1.processor"):
            continue
        if name.startswith("mid_block"):
            size = widths[-1]
        elif name.startswith("up_blocks"):
            size = widths[::-1][int(name[len("up_blocks.")])]
        else:
            size = widths[int(name[len("down_blocks.")])]
        for part in ("to_k_ip", "to_v_ip"):
            found[f"ip_adapter.{number}.{part}.weight"] = some(size, WIDTH)
        number += 2
    return found


def _lora(folder: Path) -> None:
    """A LoRA on the attention of the tiny UNet, with keys as diffusers saves them."""
    folder.mkdir(parents=True)
    state: dict[str, Any] = {}
    base = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    for part in ("to_q", "to_k", "to_v"):
        state[f"{base}.{part}.lora_A.weight"] = torch.randn(4, 32) * 0.1
        state[f"{base}.{part}.lora_B.weight"] = torch.randn(32, 4) * 0.1
    save_file(state, folder / "pytorch_lora_weights.safetensors")
