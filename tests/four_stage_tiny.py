"""A four-stage model of a few thousand numbers, clips of a moving square, and a run on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.recognition.four_stage.batches import DataOptions
from models.recognition.four_stage.clips import DRAWN, Clip, write_clips
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.recipe import build, prepare
from models.recognition.four_stage.task import FourStageTraining
from models.training import LoopOptions, Run, fit
from models.training.config import to_dict
from models.video_write import write_video

TINY = FourStageConfig(
    size=32, fps=12.5, start="scratch", block="basic", stem=8, widths=(8, 16), depths=(1, 1), features=16, aligned=8,
    memory=4, lstm=8, lstm_layers=1, chunk=64, checkpointing=False,
)  # fmt: skip
GLOSSES = ("DOWN", "RIGHT", "STAY")
TRAINING = FourStageTraining(
    model=TINY,
    data=DataOptions(batch_size=4, max_frames=40),
    loop=LoopOptions(steps=3, learning_rate=3e-3, log_every=1, validate_every=3, save_every=3),
)


def moving(glosses: tuple[str, ...], seed: int = 0, frames_each: int = 6, side: int = 64) -> np.ndarray:
    """Frames (T, H, W, 3) of a square that moves as the glosses say."""
    rng = np.random.default_rng(seed)
    top, left = rng.integers(2, 12, 2)
    grey = np.full((len(glosses) * frames_each, side, side, 3), 40, np.uint8)
    for number in range(len(grey)):
        gloss = glosses[number // frames_each]
        top, left = top + 2 * (gloss == "DOWN"), left + 2 * (gloss == "RIGHT")
        grey[number, top : top + 12, left : left + 12] = 230
    return grey


def draw_clips(folder: Path, *, signers: str = DRAWN + "{:03}") -> Path:
    """Four clips to train, two to validate, three to test, by three signers."""
    made = []
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    for signer, (split, count) in enumerate((("train", 4), ("validation", 2), ("test", 3))):
        for number in range(count):
            glosses = tuple(GLOSSES[(number + place) % 3] for place in range(1 + number % 3))
            name = signers.format(signer)
            path = Path("clips") / f"{name}-{number:02}.mp4"
            write_video(folder / path, moving(glosses, 10 * signer + number), fps=12.5)
            made.append(Clip(path=path, glosses=glosses, signer=name, split=split))
    write_clips(folder / "clips.csv", made)
    return folder


def trained_run(folder: Path, data: Path, training: FourStageTraining = TRAINING) -> Run:
    """A run of a few steps."""
    run = Run(folder)
    run.write_config({"model": "four-stage", "name": "A tiny run", "data": str(data), "config": to_dict(training)})
    prepare(training, data)
    task, options = build(training, data)
    fit(task, options, run)
    return run


def tiny_model(seed: int = 0, **changes: object) -> FourStage:
    """Without training."""
    torch.manual_seed(seed)
    return FourStage(replace(TINY, **changes), GLOSSES).eval()  # type: ignore[arg-type]
