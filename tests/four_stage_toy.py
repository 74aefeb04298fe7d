"""A four-stage model that is small enough to train in a test, and clips that it can learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.recognition.four_stage.batches import Augmentation, DataOptions
from models.recognition.four_stage.clips import CLIPS, Clip, write_clips
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.files import save_four_stage
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.task import FourStageTraining
from models.training import LoopOptions, Run
from models.video_write import write_video

TINY = FourStageConfig(
    size=32,
    fps=10,
    start="scratch",
    block="basic",
    stem=8,
    widths=(8, 16),
    depths=(1, 1),
    chunk=64,
    checkpointing=False,
    features=32,
    aligned=8,
    memory=4,
    lstm=24,
    lstm_layers=1,
    dropout=0.0,
)
STILL = Augmentation(speed=0, shift=0, zoom=0, turn_deg=0, light=0, mirror=False)
PLACES = {"BALL": (6, 6), "DOOR": (6, 22), "FISH": (22, 6), "TREE": (22, 22)}


def untrained_run(root: Path, name: str = "first") -> Path:
    """A run whose model has learned nothing, and answers whatever it answers; returns the model's folder."""
    torch.manual_seed(3)
    run = Run(root / name)
    run.write_config({"model": "four-stage", "preset": "demo", "name": name, "config": {}, "data": "demo"})
    net = FourStage(TINY, tuple(sorted(PLACES)))
    net.blank.bias.data[0] = -3.0  # it answers something
    save_four_stage(net, run.model, "trained on nothing at all")
    return run.model


def training(steps: int = 10, **loop: object) -> FourStageTraining:
    options = {"steps": steps, "learning_rate": 5e-3, "validate_every": steps, "save_every": 5, "log_every": 1} | loop
    return FourStageTraining(
        model=TINY,
        data=DataOptions(batch_size=4, augmentation=STILL),
        loop=LoopOptions(**options),  # type: ignore[arg-type]
        align_after=1,
    )


def sentence(glosses: tuple[str, ...], side: int = 36, gap: int = 2, sign: int = 5) -> NDArray[np.uint8]:
    """A bright square that goes to the place of each gloss and shivers there: (T, side, side, 3)."""
    frames = [np.full((side, side, 3), 40, np.uint8) for _ in range(gap)]
    for gloss in glosses:
        top, left = PLACES[gloss]
        for step in range(sign):
            frame = np.full((side, side, 3), 40, np.uint8)
            frame[top + step % 2 : top + 9, left : left + 9] = (230, 200, 60)
            frames.append(frame)
        frames += [np.full((side, side, 3), 40, np.uint8) for _ in range(gap)]
    return np.stack(frames)


def corpus(folder: Path, count: int = 8, seed: int = 0) -> Path:
    """A folder of `count` clips for training, of which two are for validation and for the test again."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        glosses = tuple(str(one) for one in rng.choice(sorted(PLACES), 1 + number % 3))
        path = Path("clips") / f"clip{number}.mp4"
        (folder / "clips").mkdir(parents=True, exist_ok=True)
        write_video(folder / path, iter(sentence(glosses)), fps=10)
        clips.append(Clip(path=path, glosses=glosses, signer="toy", split="train"))
    clips += [
        Clip(path=one.path, glosses=one.glosses, signer="toy", split=split)
        for split in ("validation", "test")
        for one in clips[:2]
    ]
    write_clips(folder / CLIPS, clips)
    return folder
