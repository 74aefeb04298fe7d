"""From a folder of clips to a trained four-stage model: presets, data, task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.recognition.four_stage.batches import DataOptions
from models.recognition.four_stage.clips import CLIPS, Clip, keep_frames, kept_size, read_clips, vocabulary
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.demo_data import FPS, draw_demo
from models.recognition.four_stage.task import FourStageTask, FourStageTraining
from models.training import LoopOptions, Run
from models.training.run import Tell

PRESETS: Mapping[str, FourStageTraining] = MappingProxyType(
    {
        "demo": FourStageTraining(
            model=FourStageConfig(
                size=64,
                fps=FPS / 2,
                start="scratch",
                block="basic",
                stem=32,
                widths=(32, 64, 128),
                depths=(1, 1, 1),
                chunk=512,
                checkpointing=False,
                features=128,
                aligned=64,
                memory=32,
                lstm=128,
                lstm_layers=1,
                dropout=0.2,
            ),
            data=DataOptions(batch_size=8, max_frames=120),
            loop=LoopOptions(
                steps=1200, learning_rate=1e-3, mean_over=50, weighing="gradnorm", validate_every=100, log_every=10
            ),
        ),
        "full": FourStageTraining(
            loop=LoopOptions(
                steps=40_000,
                learning_rate=3e-4,
                accumulation=4,
                precision="bf16",
                mean_over=500,
                weighing="gradnorm",
                validate_every=1000,
                patience=10,
                log_every=20,
                save_every=500,
                workers=4,
            ),
            data=DataOptions(batch_size=2),
            backbone_rate=0.1,
        ),
    }
)


def prepare(config: FourStageTraining, data: Path, tell: Tell | None = None) -> None:
    """Draw the demo's clips where the folder has none; decode every clip once."""
    if not (data / CLIPS).is_file():
        draw_demo(data, progress=_of(tell, "Drawing sentences"))
    clips = read_clips(data)
    keep_frames(data, clips, kept_size(config.model.size), config.model.fps, _of(tell, "Reading the clips"))


def build(config: FourStageTraining, data: Path, weights: Path | None = None) -> tuple[FourStageTask, LoopOptions]:
    """The task on prepared data. Raises SignError for a list that is wrong, WeightsError without published weights."""
    clips, frames = splits(config, data)
    glosses = vocabulary([clip for one in clips.values() for clip in one])
    return FourStageTask(config, clips, frames, glosses, weights), config.loop


def splits(config: FourStageTraining, data: Path) -> tuple[dict[str, list[Clip]], dict[str, list[Path]]]:
    """Clips and kept frames by split. Where no clip is for validation, the last tenth of those for training is kept out
    of it for that; an only clip is in both."""
    clips: dict[str, list[Clip]] = {"train": [], "validation": [], "test": []}
    for clip in read_clips(data):
        clips[clip.split].append(clip)
    if config.data.max_clips:
        clips["train"] = clips["train"][: config.data.max_clips]
    if not clips["validation"]:
        held = max(1, len(clips["train"]) // 10)
        clips["train"], clips["validation"] = clips["train"][:-held] or clips["train"], clips["train"][-held:]
    size, fps = kept_size(config.model.size), config.model.fps
    return clips, {name: keep_frames(data, one, size, fps) for name, one in clips.items()}


def evaluate(run: Run) -> dict[str, Any]:
    """Judge the run's model on the test split of its data, or on validation where nothing is marked as test; the
    figures and a page are written to RUN/evaluation."""
    from models.recognition.four_stage.evaluate import evaluate as judge  # which needs what is above

    has_test = any(clip.split == "test" for clip in read_clips(Path(run.config()["data"])))
    return judge(run, "test" if has_test else "validation")


def _of(tell: Tell | None, words: str) -> Callable[[int, int], None] | None:
    return None if tell is None else lambda done, total: tell(words, done, total)
