"""The four-stage recognizer: milliseconds per clip by stage, clips a second in training, peak memory.

The peer, in the same run, is a plain ResNet-50 + BiLSTM + CTC: the same ResNet on every frame of a padded batch, the
mean over the picture, a BiLSTM over all frames, CTC, and nothing else. On a GPU clips are 32 frames of 224 px, and the
goal is 50 ms for one; on a processor they are smaller, which the first line says. Weights are random, which takes the
same time.

    python benchmarks/four_stage.py
    python benchmarks/four_stage.py --frames 32 --size 224 --long 300     # on a GPU, also whether a long clip fits

Each training is a process of its own, so that its memory is its own: on a GPU the most that tensors took, on a
processor what the process took beyond itself and the model. "Tricks" are the ResNet in chunks whose activations are
computed again for the gradient. With them and without, padding never goes through the ResNet, and clip by clip there is
none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import ResNetConfig, ResNetModel

from models.recognition.decoding import prefix_beam
from models.recognition.four_stage.batches import Batch, flat_labels, rows_needed
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.losses import LossOptions, losses
from models.recognition.four_stage.model import FourStage

GLOSSES = tuple(f"G{number}" for number in range(100))
GOAL_MS = 50.0
PARTS = {
    "1 ResNet and 1 x 1 convolution": ("backbone",),
    "1 features of frames, comparison": ("frame", "align"),
    "2 ConvGRU, scores": ("selector",),
    "3 BiLSTM, gloss of each frame": ("lstm", "classify"),
    "4 blank of CTC": ("blank",),
}
DECODING = "4 prefix beam search"
TRAININGS = {
    "peer: plain ResNet-50 + BiLSTM + CTC": "peer",
    "four stages, with the tricks": "tricks",
    "four stages, without them": "plain",
    "four stages, clip by clip, without them": "single",
}


class Plain(nn.Module):
    """The peer."""

    def __init__(self, config: FourStageConfig) -> None:
        super().__init__()
        self.resnet = ResNetModel(
            ResNetConfig(
                embedding_size=config.stem,
                hidden_sizes=list(config.widths),
                depths=list(config.depths),
                layer_type=config.block,
            )
        )
        self.frame = nn.Linear(config.widths[-1], config.features)
        self.lstm = nn.LSTM(
            config.features, config.lstm, num_layers=config.lstm_layers, batch_first=True, bidirectional=True
        )
        self.ctc = nn.Linear(2 * config.lstm, len(GLOSSES) + 1)

    def forward(self, video: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, 3, H, W) uint8 to logits (B, T, V)."""
        pictures = video.flatten(0, 1).float() / 127.5 - 1
        maps = self.resnet(pictures).last_hidden_state.mean(dim=(-2, -1))
        frames = functional.relu(self.frame(maps)).view(*video.shape[:2], -1)
        packed = pack_padded_sequence(frames, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.ctc(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


def made_batch(clips: int, frames: int, size: int, device: torch.device) -> tuple[Batch, Tensor]:
    """Random clips, of which every other one is a quarter shorter, with four glosses each, and their labels."""
    rng = np.random.default_rng(0)
    lengths = [frames if number % 2 == 0 else max(8, frames * 3 // 4) for number in range(clips)]
    targets = [tuple(int(one) for one in 1 + rng.permutation(len(GLOSSES))[:4]) for _ in lengths]
    labels = np.full((clips, max(lengths)), -1, np.int64)
    for place, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        labels[place, :length] = flat_labels(length, target)
    video = torch.from_numpy(rng.integers(0, 256, (clips, max(lengths), 3, size, size), np.uint8))
    index = torch.arange(max(lengths))[None].expand(clips, -1)
    batch = Batch(
        video=video.to(device),
        lengths=torch.tensor(lengths, device=device),
        targets=torch.tensor(targets, device=device),
        num_targets=torch.tensor([4] * clips, device=device),
        needed=torch.tensor([rows_needed(one) for one in targets], device=device),
        clips=torch.arange(clips, device=device),
        frames=index.to(device),
    )
    return batch, torch.from_numpy(labels).to(device)


def wait(device: torch.device) -> float:
    """Now, when everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def times_ms(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Median of so many calls, after two that warm up."""
    found = []
    for number in range(repeats + 2):
        begun = wait(device)
        work()
        if number >= 2:
            found.append(1000 * (wait(device) - begun))
    return median(found)


@contextlib.contextmanager
def timed_parts(model: FourStage, device: torch.device, into: dict[str, list[float]]) -> Iterator[None]:
    """Adds what each part takes in a call, milliseconds."""
    begun: dict[str, float] = {}
    hooks = []
    for name, modules in PARTS.items():
        for module in modules:

            def start(*_: Any, key: str = module) -> None:
                begun[key] = wait(device)

            def end(*_: Any, key: str = module, name: str = name) -> None:
                into[name][-1] += 1000 * (wait(device) - begun[key])

            part = model.get_submodule(module)
            hooks += [part.register_forward_pre_hook(start), part.register_forward_hook(end)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def answering(config: FourStageConfig, frames: int, repeats: int, device: torch.device, precision: str) -> None:
    """Print what one clip takes, whole and by stage, and what the peer takes."""
    batch, _ = made_batch(1, frames, config.size, device)
    torch.manual_seed(0)
    model, peer = FourStage(config, GLOSSES).to(device).eval(), Plain(config).to(device).eval()

    def ours() -> None:
        logits = model(batch.video, batch.lengths).ctc_logits
        prefix_beam(logits[0].float().log_softmax(-1).cpu().numpy())

    def theirs() -> None:
        logits = peer(batch.video, batch.lengths)
        prefix_beam(logits[0].float().log_softmax(-1).cpu().numpy())

    with torch.inference_mode(), halved(device, precision):
        mine, other = times_ms(ours, device, repeats), times_ms(theirs, device, repeats)
        parts: dict[str, list[float]] = defaultdict(list)
        with timed_parts(model, device, parts):
            for _ in range(repeats + 2):
                for name in PARTS:
                    parts[name].append(0.0)
                model(batch.video, batch.lengths)
        log_probs = model(batch.video, batch.lengths).ctc_logits[0].float().log_softmax(-1).cpu().numpy()
        beam = times_ms(lambda: prefix_beam(log_probs), device, repeats)
    goal = f" (goal: {GOAL_MS:g} ms)" if device.type == "cuda" and (frames, config.size) == (32, 224) else ""
    print(
        f"One clip, precision {precision}: {mine:.1f} ms{goal}; peer {other:.1f} ms; ours is {mine / other:.2f} of it"
    )
    shown = {name: median(values[2:]) for name, values in parts.items()} | {DECODING: beam}
    for name, value in shown.items():
        print(f"  {name:<34} {value:8.2f} ms  {value / mine:6.1%}")
    rest = mine - sum(shown.values())
    print(f"  {'the rest: choice of keyframes, copies':<34} {max(0.0, rest):8.2f} ms  {max(0.0, rest) / mine:6.1%}")


def halved(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Half precision where it is asked for."""
    if precision == "no":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def train(
    kind: str, config: FourStageConfig, clips: int, frames: int, repeats: int, precision: str
) -> dict[str, float]:
    """Steps of one training; clips a second, and the most memory, MB. Runs in a process of its own."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind in ("plain", "single"):
        config = replace(config, chunk=1_000_000, checkpointing=False)
    torch.manual_seed(0)
    model: nn.Module = Plain(config) if kind == "peer" else FourStage(config, GLOSSES)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batches = [made_batch(1 if kind == "single" else clips, frames, config.size, device)]
    batches *= clips if kind == "single" else 1
    before = _memory_mb(device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        for batch, labels in batches:
            with halved(device, precision):
                loss = _loss(model, batch, labels)
            (loss / len(batches)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()

    try:
        took = times_ms(step, device, repeats)
    except torch.OutOfMemoryError:
        return {"clips_per_s": 0.0, "memory_mb": 0.0}
    after = _memory_mb(device)
    return {"clips_per_s": 1000 * clips / took, "memory_mb": after if device.type == "cuda" else after - before}


def _loss(model: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
    if isinstance(model, FourStage):
        found = losses(model, model(batch.video, batch.lengths, batch.needed), batch, labels, LossOptions())
        return torch.stack(list(found.values())).sum()
    log_probs = model(batch.video, batch.lengths).float().log_softmax(-1).transpose(0, 1)
    return functional.ctc_loss(log_probs, batch.targets, batch.lengths, batch.num_targets, zero_infinity=True)


def _memory_mb(device: torch.device) -> float:
    """The most so far: on a GPU what tensors took, on a processor what the process took."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def trainings(arguments: argparse.Namespace, clips: int, frames: int) -> None:
    """Print each training, in a process of its own, beside the peer."""
    print(f"Training, {clips} clip(s) of {frames} frames a step, precision {arguments.precision}:")
    peer: dict[str, float] = {}
    for words, kind in TRAININGS.items():
        if clips == 1 and kind == "single":
            continue
        command = [sys.executable, __file__, "--child", kind, "--clips", str(clips), "--frames", str(frames)]
        for name in ("size", "repeats", "precision", "chunk", "width"):
            command += [f"--{name}", str(getattr(arguments, name))]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            print(f"  {words:<42} failed: {(result.stderr.strip().splitlines() or ['killed'])[-1][:100]}")
            continue
        found = json.loads(result.stdout.splitlines()[-1])
        if not found["clips_per_s"]:
            print(f"  {words:<42} out of memory")
            continue
        peer = peer or (found if kind == "peer" else {})
        told = f"{found['clips_per_s']:8.2f} clips/s  {found['memory_mb']:8.0f} MB"
        if peer and kind != "peer":
            speed, memory = (found[name] / peer[name] for name in ("clips_per_s", "memory_mb"))
            told += f"  {speed:5.2f} times the peer's speed, {memory:5.2f} times its memory"
        print(f"  {words:<42} {told}")


def settings(arguments: argparse.Namespace) -> FourStageConfig:
    """The full model from scratch; with a width, a ResNet of that share of the channels."""
    share = arguments.width
    full = FourStageConfig(start="scratch", size=arguments.size, chunk=arguments.chunk)
    if share == 1:
        return full
    return replace(full, stem=int(full.stem * share), widths=tuple(int(one * share) for one in full.widths))


def main() -> None:
    """Print everything."""
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224 if gpu else 96, help="pixels")
    parser.add_argument("--frames", type=int, default=32 if gpu else 16, help="of a clip")
    parser.add_argument("--clips", type=int, default=8 if gpu else 2, help="of a step of training")
    parser.add_argument("--chunk", type=int, default=32 if gpu else 8, help="frames in the ResNet at once")
    parser.add_argument("--repeats", type=int, default=20 if gpu else 3)
    parser.add_argument("--precision", choices=("no", "bf16"), default="bf16" if gpu else "no", help="of training")
    parser.add_argument("--width", type=float, default=1.0, help="share of the channels of the ResNet, to try it out")
    parser.add_argument("--long", type=int, default=0, help="also train on one clip of so many frames")
    parser.add_argument("--child", choices=tuple(TRAININGS.values()), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = settings(arguments)
    if arguments.child:
        sizes = arguments.clips, arguments.frames, arguments.repeats, arguments.precision
        print(json.dumps(train(arguments.child, config, *sizes)))
        return
    device = torch.device("cuda" if gpu else "cpu")
    where = torch.cuda.get_device_name(device) if gpu else f"processor, {torch.get_num_threads()} threads"
    print(f"{where}; clips of {arguments.frames} frames, {config.size} px; {arguments.repeats} repeats, medians")
    for precision in ("no", "bf16") if gpu else ("no",):
        answering(config, arguments.frames, arguments.repeats, device, precision)
    trainings(arguments, arguments.clips, arguments.frames)
    if arguments.long:
        trainings(arguments, 1, arguments.long)


if __name__ == "__main__":
    main()
