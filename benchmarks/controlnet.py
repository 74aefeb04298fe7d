"""How long the diffusion engines take for a frame, and with how much memory, option by option.

    python benchmarks/controlnet.py                     a GPU: the full-size networks, 512 px
    python benchmarks/controlnet.py --side 128 --steps 2 --frames 1    a CPU: minutes

The networks have the real sizes and random weights, so that no download is needed: time and memory are those of the
real ones, the pictures are noise. The peer is what a user of diffusers would write: the ControlNet pipeline called for
every frame, with 20 steps and its own defaults.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import full_size
import numpy as np
import psutil

from models.animation.diffusion.cost import counted
from models.animation.diffusion.img2img import controlnet_frames
from models.animation.diffusion.maps import pose_maps
from models.animation.diffusion.options import DiffusionOptions
from models.animation.diffusion.pipelines import chosen_device, load, quiet
from models.animation.target import Target
from models.lexicon.avatar import Signer
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pose import landmarks


def main() -> None:
    """Build the networks, run the peer and every option, print a line each."""
    options = _arguments()
    plain = DiffusionOptions(
        side=options.side, steps=options.steps, strength=0.8, batch=1, hand_passes=0, safety_checker=False
    )
    few = {"scheduler": "lcm", "guidance_scale": 1.0, "steps": max(2, options.steps // 5)}
    runs: dict[str, dict[str, Any]] = {
        "as the presets": {},
        "batch of 4": {"batch": 4},
        "attention slicing": {"attention_slicing": True},
        "bf16": {"dtype": "bf16"},
        "without guidance": {"guidance_scale": 1.0},
        "LCM, a fifth of the steps": few,
        "LCM, batch of 4, small decoder": {**few, "batch": 4, "tiny_vae": True},
        "inner layers every 2nd step": {"cache_interval": 2},
        "inner layers every 3rd step": {"cache_interval": 3},
    }
    if _on_gpu():
        runs |= {"CPU offload": {"cpu_offload": True}, "compiled": {"compile": True}}
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        build(folder)
        target, pose = _person(options.side)
        print(f"{options.side} px, {options.steps} steps at strength {plain.strength}, {options.frames} frames each")
        print(f"device {chosen_device(plain)[0]}, networks of full size with random weights")
        base = _peer(folder, plain, target, pose, options.frames)
        print(f"{'diffusers, frame by frame':34} {base:7.2f} s/frame")
        for words, changes in runs.items():
            try:
                seconds, cost, memory = _run(folder, replace(plain, **changes), target, pose, options.frames)
            except ImportError as error:
                print(f"{words:34} left out: {error}")
                continue
            print(f"{words:34} {seconds:7.2f} s/frame, {base / seconds:5.2f} times as fast; {memory:6.0f} MB; {cost}")


def build(folder: Path) -> None:
    """Stable Diffusion 1.5, ControlNet, LCM's LoRA stand-in, the small decoder: full size, random, half floats."""
    import torch
    from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, StableDiffusionPipeline
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    half = torch.bfloat16
    unet, vae = full_size.unet(64).to(half), full_size.vae().to(half)
    words = {chr(33 + index): index for index in range(94)} | {"<|startoftext|>": 94, "<|endoftext|>": 95}
    tokenizer = CLIPTokenizer(
        vocab={**words, **{f"{word}</w>": 96 + index for index, word in enumerate(list(words)[:94])}},
        merges=[],
        model_max_length=77,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            bos_token_id=94,
            eos_token_id=95,
            pad_token_id=95,
        )
    ).to(half)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    StableDiffusionPipeline(
        unet=unet,
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder / "stable-diffusion-v1-5")
    ControlNetModel.from_unet(unet).to(half).save_pretrained(folder / "controlnet-openpose")
    AutoencoderTiny().to(half).save_pretrained(folder / "taesd")
    (folder / "lcm-lora").mkdir()
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    lora = {f"{layer}.lora_A.weight": torch.zeros(4, 320), f"{layer}.lora_B.weight": torch.zeros(320, 4)}
    save_file(lora, folder / "lcm-lora" / "pytorch_lora_weights.safetensors")


def _peer(folder: Path, options: DiffusionOptions, target: Target, pose: Any, frames: int) -> float:
    """Seconds per frame of the pipeline called frame by frame, as it comes."""
    import torch
    from PIL import Image

    pipe = load("controlnet", options, folder)
    picture = Image.fromarray(target.image)
    started = time.monotonic()
    for drawn in pose_maps(pose, options.side, options.side, range(frames)):
        pipe(
            prompt=options.prompt,
            negative_prompt=options.negative_prompt,
            image=picture,
            control_image=Image.fromarray(drawn),
            strength=options.strength,
            guidance_scale=options.guidance_scale,
            num_inference_steps=options.steps,
            generator=torch.Generator("cpu").manual_seed(0),
        )
    return (time.monotonic() - started) / frames


def _run(folder: Path, options: DiffusionOptions, target: Target, pose: Any, frames: int) -> tuple[float, str, float]:
    """Seconds per frame, evaluations per frame in words, and peak memory in MB (a GPU's own, else the process's)."""
    import torch

    if _on_gpu():
        torch.cuda.reset_peak_memory_stats()
    pipe = load("controlnet", options, folder)
    count = max(frames, options.batch)
    started = time.monotonic()
    with counted(pipe) as cost:
        list(islice(controlnet_frames(pipe, target, pose, lambda _: target.image, options), count))
        cost.frames = count
    seconds = (time.monotonic() - started) / count
    memory = torch.cuda.max_memory_allocated() if _on_gpu() else psutil.Process().memory_info().rss
    return seconds, cost.line(), memory / 1e6


def _person(side: int) -> tuple[Target, Any]:
    pose = perform([load_phonology()["HELLO"]], fps=25, width=side, height=side).pose
    image = Signer(pose, LOOKS["kofi"], width=side, height=side).frame(0)
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    still = landmarks.with_arrays(pose, data[:1], sure[:1])
    person = np.ones(image.shape[:2], np.float32)
    return Target(image=image, pose=still, person=person, people=((0, 0, side, side),), chosen=0), pose


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frames", type=int, default=4, help="frames per option")
    return parser.parse_args()


if __name__ == "__main__":
    main()
