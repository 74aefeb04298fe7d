"""Base action videos: seconds and memory for a clip of 60 frames, of a step of training, and what fits into a GPU.

    python benchmarks/base_action.py            the network of the preset demo, on any machine
    python benchmarks/base_action.py --full     that of the preset full, in bf16; without a GPU one look at one window
    python benchmarks/base_action.py --train    steps of training of the preset full, which need a GPU
    python benchmarks/base_action.py --plan     the memory of all that, counted tensor by tensor and not measured

Weights are random, which takes the same time. The peer, in the same run, is diffusers' own way to a long clip: its
AnimateDiffPipeline with a UNetMotionModel of the same widths and the same VAE, FreeNoise with the same windows, and the
same steps and guidance. It is told 77 tokens of text a frame, ours 4 of motion; it has neither reference frame nor map.

Every run is a process of its own. Memory is, on a GPU, the most that tensors took; on a processor, the most that the
process took beyond what was loaded. `--plan` runs a step on tensors without content, of which every one is counted that
is alive; it leaves out what CUDA itself takes and what its allocator wastes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import full_size
import numpy as np
import psutil
import torch
from counting import Alive, fill
from torch import nn

from models.synthesis.codec import decode, new_codec
from models.synthesis.config import BaseActionConfig
from models.synthesis.features import embed
from models.synthesis.motion import Motion
from models.synthesis.network import BaseAction, new_unet
from models.synthesis.published import assembled, halve_frozen
from models.synthesis.recipe import PRESETS
from models.synthesis.sampling import SamplingOptions, draw

GB = 2**30
GUIDANCE = 1.5
FEATURES = {"demo": 128, "full": 768}
SIZES_GB = (8, 16, 24, 80)
DRAWING = "drawing, guided, bf16"
OVERHEAD_GB = 1.5
"""What CUDA and the allocator's gaps are taken to need."""
TRAININGS: dict[str, dict[str, Any]] = {
    "LoRA, frozen layers in bf16": {"train": "lora"},
    "LoRA, frozen layers in bf16, nothing computed twice": {"train": "lora", "checkpointing": False},
    "everything": {"train": "full"},
    "everything, nothing computed twice": {"train": "full", "checkpointing": False},
}


def settings(size: str) -> BaseActionConfig:
    """Of a preset; layers over time are new, which makes no difference to time and memory."""
    return replace(PRESETS[size].model, motion="new")


def model_of(size: str, config: BaseActionConfig) -> BaseAction:
    """Our model, with random weights."""
    unet = new_unet(config) if size == "demo" else assembled(config, full_size.unet(32))
    nn.init.normal_(unet.conv_out.weight, std=0.01)
    return BaseAction(config, unet, FEATURES[size])


def vae_of(size: str, config: BaseActionConfig) -> Any:
    """The decoder of a preset."""
    return (new_codec(config) if size == "demo" else full_size.vae()).eval().requires_grad_(False)


def device_() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half(size: str) -> contextlib.AbstractContextManager[Any]:
    """bf16 for the full size."""
    return torch.autocast(device_().type, torch.bfloat16) if size == "full" else contextlib.nullcontext()


@contextlib.contextmanager
def timed(into: dict[str, float]) -> Iterator[None]:
    """Adds what the work takes, on the clock and of the processor."""
    before, clock, processor = loaded(), time.perf_counter(), time.process_time()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    into |= {"seconds": time.perf_counter() - clock, "processor": time.process_time() - processor}
    into |= {"bytes": most(before), "loaded": before}


def loaded() -> float:
    """Memory before the work, bytes."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return 0.0
    return float(psutil.Process().memory_info().rss)


def most(before: float) -> float:
    """The most memory since, bytes."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    return max(0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)


def told(model: BaseAction, frames: int) -> Motion:
    """Embeddings of nothing in particular."""
    rng = np.random.default_rng(0)
    views = rng.standard_normal((frames, 3, model.features)).astype(np.float32)
    return Motion(views=views, seen=np.ones((frames, 3), bool), fps=25)


def ours(size: str, frames: int, steps: int) -> dict[str, float]:
    """A clip by our sampler, from embeddings to pictures."""
    config, device = settings(size), device_()
    torch.manual_seed(0)
    model = model_of(size, config).eval().requires_grad_(False)
    vae = vae_of(size, config)
    if size == "full":
        halve_frozen(model)
    model.to(device)
    vae.to(device)
    reference = torch.randn(int(vae.config.latent_channels), config.latent_side, config.latent_side, device=device)
    options = SamplingOptions(steps=steps, guidance=GUIDANCE)
    found: dict[str, float] = {}
    with torch.inference_mode(), half(size), timed(found):
        latents = draw(model, told(model, frames), reference, options)
        if size == "full":  # the demo's codec takes next to no time, and the peer has none like it
            decode(vae, latents)
    return found


def peer(size: str, frames: int, steps: int) -> dict[str, float]:
    """A clip by diffusers' pipeline."""
    from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter, UNetMotionModel

    config, device = settings(size), device_()
    torch.manual_seed(0)
    vae = vae_of(size, config)
    if size == "demo":
        vae = scale_of(config)
        like = dict(new_unet(config).config)
        unet = UNetMotionModel.from_config({**like, "in_channels": config.latents})
    else:
        unet = UNetMotionModel.from_unet2d(full_size.unet(32))
    text, tokenizer = text_encoder(int(unet.config.cross_attention_dim))
    # The pipeline asks for an adapter and takes a UNet that has its layers already: this one is never used.
    adapter = MotionAdapter(block_out_channels=(32,), motion_layers_per_block=1, motion_num_attention_heads=4)
    pipe = AnimateDiffPipeline(vae, text, tokenizer, unet, adapter, DDIMScheduler(beta_schedule="scaled_linear"))
    pipe.to(device, torch.bfloat16 if size == "full" else torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_free_noise(context_length=config.window, context_stride=config.window - config.window // 4)
    found: dict[str, float] = {}
    with half(size), timed(found):
        pipe(
            "a person signs",
            num_frames=frames,
            height=config.size,
            width=config.size,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            decode_chunk_size=16,
            generator=torch.Generator("cpu").manual_seed(0),
            output_type="np" if size == "full" else "latent",
        )
    return found


def scale_of(config: BaseActionConfig) -> Any:
    """An AutoencoderKL that nothing is decoded with: the pipeline asks it how much smaller latents are."""
    from diffusers import AutoencoderKL

    stages = config.patch.bit_length()
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=(8,) * stages,
        latent_channels=config.latents,
        norm_num_groups=8,
    )


def text_encoder(width: int) -> tuple[Any, Any]:
    """A small text encoder of the right width: it runs once and is no part of what is compared."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    words = {chr(33 + index): index for index in range(94)} | {"<|startoftext|>": 94, "<|endoftext|>": 95}
    vocabulary = {**words, **{f"{word}</w>": 96 + index for index, word in enumerate(list(words)[:94])}}
    text = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=94,
        eos_token_id=95,
        pad_token_id=95,
    )
    return CLIPTextModel(text).eval(), CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def window(size: str, *_: int) -> dict[str, float]:
    """One look at one window, without guidance."""
    config, device = settings(size), device_()
    torch.manual_seed(0)
    model = model_of(size, config).eval().requires_grad_(False)
    halve_frozen(model)
    model.to(device)
    found: dict[str, float] = {}
    with torch.inference_mode(), half(size):
        motion = torch.randn(1, config.window, 3, model.features, device=device)
        shown = model.told(motion, torch.ones(motion.shape[:3], dtype=torch.bool, device=device))
        noisy = torch.randn(1, config.window, 4, config.latent_side, config.latent_side, device=device)
        with timed(found):
            model.answer(noisy, torch.tensor([500], device=device), noisy[:, 0], shown)
    return found


def train_step(model: BaseAction, optimizer: torch.optim.Optimizer | None, batch: int, device: torch.device) -> None:
    """Squared error of a window of so many clips, and a step."""
    config = model.config
    motion = torch.randn(batch, 60, 3, model.features, device=device)
    frames = torch.arange(config.window, device=device).expand(batch, -1)
    noisy = torch.randn(batch, config.window, 4, config.latent_side, config.latent_side, device=device)
    with torch.autocast(device.type, torch.bfloat16):
        shown = model.told(motion, torch.ones(motion.shape[:3], dtype=torch.bool, device=device), frames)
        made = model.answer(noisy, torch.full((batch,), 500, device=device), noisy[:, 0], shown)
    (made.float().square().mean() + shown.layout.float().square().mean()).backward()
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def train(words: str, repeats: int) -> dict[str, float]:
    """Steps of training of the full size, one clip each."""
    config, device = replace(settings("full"), **TRAININGS[words]), device_()
    torch.manual_seed(0)
    model = model_of("full", config).train()
    if config.train == "lora":
        halve_frozen(model.unet)
    model.to(device)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-5)
    found: dict[str, float] = {}
    try:
        train_step(model, optimizer, 1, device)
        with timed(found):
            for _ in range(repeats):
                train_step(model, optimizer, 1, device)
    except torch.OutOfMemoryError:
        return {"seconds": 0.0, "bytes": 0.0}
    return {**found, "seconds": found["seconds"] / repeats}


def counted(words: str, batch: int) -> dict[str, float]:
    """A step of training, or a look of the sampler, on tensors without content: GB."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    drawing = words == DRAWING
    config = replace(settings("full"), **TRAININGS.get(words, {}))
    with torch.device("meta"):
        model = model_of("full", config).train(not drawing)
    if drawing:
        model.requires_grad_(False)
    if drawing or config.train == "lora":
        halve_frozen(model)
    with FakeTensorMode(), Alive() as alive:
        fill(model)
        weights = alive.now
        if drawing:
            with torch.inference_mode():
                _look(model, 2 * batch)
        else:
            train_step(model, None, batch, torch.device("cpu"))
        learning = sum(one.nbytes for one in model.parameters() if one.requires_grad)
        # AdamW keeps two numbers for each that learns; they are there while the next step's layers are computed.
        return {"weights": weights / GB, "most": (alive.most + 2 * learning) / GB}


def counted_pixels(frames: int) -> dict[str, float]:
    """Decoding frames for the terms on pixels, with gradients, and embedding them: GB."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    large = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=768,
    )
    with torch.device("meta"):
        nets = nn.ModuleList([full_size.vae(), CLIPVisionModelWithProjection(large)]).eval().requires_grad_(False)
    side = settings("full").latent_side
    with FakeTensorMode(), Alive() as alive:
        fill(nets)
        weights = alive.now
        latents = torch.randn(frames, 4, side, side, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            made = decode(nets[0], latents)
            found = embed(nets[1], made)
        (found.float().sum() + made.float().square().sum()).backward()
        return {"weights": weights / GB, "most": alive.most / GB}


def _look(model: BaseAction, batch: int) -> None:
    config = model.config
    motion = torch.randn(batch, config.window, 3, model.features)
    noisy = torch.randn(batch, config.window, 4, config.latent_side, config.latent_side)
    with torch.autocast("cpu", torch.bfloat16):
        shown = model.told(motion, torch.ones(motion.shape[:3], dtype=torch.bool))
        model.answer(noisy, torch.full((batch,), 500), noisy[:, 0], shown)


def child(arguments: argparse.Namespace, *what: str) -> dict[str, float] | None:
    """A run in a process of its own; None, and a line that says why, when it failed."""
    command = [sys.executable, __file__, "--child", *what]
    for name in ("frames", "steps", "repeats", "threads"):
        command += [f"--{name}", str(getattr(arguments, name))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"  {' '.join(what)} failed: {(result.stderr.strip().splitlines() or ['killed'])[-1][:200]}")
        return None
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def generating(arguments: argparse.Namespace, size: str) -> None:
    """Print a clip of ours beside the peer's."""
    config, frames = settings(size), arguments.frames
    print(f"{frames} frames of {config.size} px, windows of {config.window}, {arguments.steps} steps of DDIM, guided:")
    mine, other = child(arguments, "ours", size), child(arguments, "peer", size)
    for words, found in (("this studio's sampler", mine), ("peer: AnimateDiffPipeline with FreeNoise", other)):
        if found:
            rate, memory = frames / found["seconds"], found["bytes"] / 1e6
            times = f"{found['seconds']:8.1f} s, {found['processor']:8.1f} s of the processor"
            print(f"  {words:<42} {times}, {rate:6.2f} frames/s, {memory:6.0f} MB", flush=True)
    if mine and other:
        # On a processor that others use as well, the clock says little.
        unit = "seconds" if torch.cuda.is_available() else "processor"
        print(
            f"  ours is {other[unit] / mine[unit]:.2f} times as fast, "
            f"with {mine['bytes'] / max(1.0, other['bytes']):.2f} of the memory"
        )


def full(arguments: argparse.Namespace) -> None:
    """Print what the full size takes."""
    if torch.cuda.is_available():
        generating(arguments, "full")
        return
    print("There is no GPU: of the full size only one look at one window is measured, without guidance, in bf16.")
    found = child(arguments, "window", "full")
    if found:
        print(
            f"  {found['seconds']:.1f} s, {found['processor']:.1f} s of the processor, {found['bytes'] / 1e6:.0f} MB "
            f"beyond the {found['loaded'] / 1e6:.0f} MB of the process with the model"
        )


def trainings(arguments: argparse.Namespace) -> None:
    """Print steps of training of the full size."""
    if not torch.cuda.is_available():
        print("There is no GPU: training of the full size is not measured; --plan counts its memory.")
        return
    print(f"Training at full size, one clip of {settings('full').window} frames a step, bf16:")
    for words in TRAININGS:
        found = child(arguments, "train", words)
        if found:
            told = (
                f"{found['seconds']:7.2f} s/step {found['bytes'] / GB:6.1f} GB" if found["bytes"] else "out of memory"
            )
            print(f"  {words:<52} {told}")


def plan(arguments: argparse.Namespace) -> None:
    """Print the memory of the UNet and what tells it, counted."""
    config = settings("full")
    print(f"Counted, not measured, at {config.size} px. VAE, CLIP and a mean of the weights come on top.")
    rows = [(DRAWING, 1), *((words, batch) for words in TRAININGS for batch in (1, 4))]
    for words, batch in rows:
        found = child(arguments, "counted", words, str(batch))
        if found:
            need = found["most"] + OVERHEAD_GB
            fits = next((f"{size} GB" for size in SIZES_GB if need <= size), f"more than {SIZES_GB[-1]} GB")
            print(
                f"  {words:<52} {batch} x {config.window} frames: weights {found['weights']:4.1f} GB, "
                f"at most {found['most']:5.1f} GB; fits into {fits}",
                flush=True,
            )
    frames = PRESETS["full"].loss.pixel_frames
    found = child(arguments, "pixels", str(frames))
    if found:
        print(
            f"  on top, in training: VAE and CLIP {found['weights']:.1f} GB, with {frames} frames decoded at most "
            f"{found['most']:.1f} GB"
        )


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the full size")
    parser.add_argument("--train", action="store_true", help="steps of training of the full size")
    parser.add_argument("--plan", action="store_true", help="count the memory of the full size")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5, help="steps of training")
    parser.add_argument("--threads", type=int, default=0, help="of a processor; 0 for all")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.child:
        kind, what, *rest = arguments.child
        if kind == "train":
            found = train(what, arguments.repeats)
        elif kind == "counted":
            found = counted(what, int(rest[0]))
        elif kind == "pixels":
            found = counted_pixels(int(what))
        else:
            found = {"ours": ours, "peer": peer, "window": window}[kind](what, arguments.frames, arguments.steps)
        print(json.dumps(found))
        return
    where = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} processor threads"
    )
    print(f"{where}; random weights, which take the same time")
    if arguments.full:
        full(arguments)
    if arguments.train:
        trainings(arguments)
    if arguments.plan:
        plan(arguments)
    if not (arguments.full or arguments.train or arguments.plan):
        generating(arguments, "demo")


if __name__ == "__main__":
    main()
