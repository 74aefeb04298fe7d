"""From a data folder to a trained multi-stream model: presets, data, task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.data.something_run import SomethingOptions
from models.data.something_run import run as make_ready
from models.data.work import PhaseProgress
from models.errors import SignError
from models.files import safe_name
from models.recognition.multistream.clips import ANNOTATIONS, OUT, VIDEOS, Clips, Source
from models.recognition.multistream.config import DataOptions, MultiStreamConfig, MultiStreamTraining
from models.recognition.multistream.demo_data import DRAWN, draw_demo, is_drawn
from models.recognition.multistream.task import MultiStreamTask
from models.training import LoopOptions, Run
from models.training.run import Tell

_PHASES = {"merge": "Merging the boxes", "join": "Setting boxes against frames", "hands": "Looking for the hands"}

_ON_GPU = LoopOptions(
    steps=80_000,
    learning_rate=3e-4,
    precision="fp16",
    mean_over=1000,
    validate_every=2000,
    patience=8,
    log_every=20,
    save_every=500,
)

PRESETS: Mapping[str, MultiStreamTraining] = MappingProxyType(
    {
        "demo": MultiStreamTraining(
            model=MultiStreamConfig(
                start="scratch",
                frames=16,
                size=64,
                crop=48,
                max_objects=2,
                stem=16,
                widths=(16, 32, 64),
                depths=(1, 1, 1),
                multiplier=0.35,
                graph=64,
                object_features=64,
                width=128,
                heads=4,
                lstm=128,
                hidden=128,
                dropout=0.2,
                chunk=512,
            ),
            data=DataOptions(batch_size=8, keep=True),
            loop=LoopOptions(steps=700, learning_rate=1e-3, mean_over=50, validate_every=100, log_every=10),
            trunk_rate=1.0,
            smoothing=0.05,
        ),
        "8gb": MultiStreamTraining(
            model=MultiStreamConfig(frames=24),
            data=DataOptions(batch_size=2),
            loop=replace(_ON_GPU, accumulation=8, workers=4),
        ),
        "4gb": MultiStreamTraining(
            model=MultiStreamConfig(frames=10, size=112, chunk=32, checkpointing=True),
            data=DataOptions(batch_size=2),
            loop=replace(_ON_GPU, accumulation=4, workers=2),
        ),
    }
)


def prepare(config: MultiStreamTraining, data: Path, tell: Tell | None = None) -> None:
    """Draw the demo's clips into an empty folder; merge boxes and look for hands; keep the chosen frames if asked.

    What is done is not done again. Raises SignError for a folder that holds something else.
    """
    say = tell or _silent
    if not (data / VIDEOS).is_dir() or is_drawn(data):
        _check_empty(data)
        draw_demo(data, progress=lambda done, total: say("Drawing clips", done, total))
    annotations = data / ANNOTATIONS
    if not annotations.is_dir():
        raise SignError(
            f"{safe_name(data)} has no folder {ANNOTATIONS} with the boxes of Something-Else; put "
            "bounding_box_smthsmth_part1.json to part4 there."
        )
    options = SomethingOptions(
        videos=data / VIDEOS, annotations=annotations, labels=data, out=data / OUT, hands=config.model.hands
    )
    make_ready(options, lambda one: _told(say, one))
    if config.data.keep:
        source = Source(data, config.model, config.data)
        for words, clips in zip(("Keeping clips", "Keeping clips to judge"), source.training(), strict=True):
            _keep(clips, words, say)


def build(config: MultiStreamTraining, data: Path, weights: Path | None = None) -> tuple[MultiStreamTask, LoopOptions]:
    """The task on prepared data. Raises SignError for data that cannot be used, WeightsError without published
    weights where they are asked for."""
    return MultiStreamTask(config, Source(data, config.model, config.data), weights), config.loop


def evaluate(run: Run) -> dict[str, Any]:
    """Judge the run's model on the test split of its data; figures and a page are written to RUN/evaluation."""
    from models.recognition.multistream.evaluate import evaluate as judge  # which needs what is above

    return judge(run, tell=run.teller(), should_stop=run.should_stop)


def _keep(clips: Clips, words: str, say: Tell) -> None:
    for place in range(len(clips)):
        clips[place]
        say(words, place + 1, len(clips))


def _told(say: Tell, one: PhaseProgress) -> None:
    say(_PHASES.get(one.phase, one.phase), one.done, one.total)


def _check_empty(data: Path) -> None:
    """Raises SignError for a folder of somebody's files: the demo is not drawn among them."""
    known = {DRAWN, VIDEOS, ANNOTATIONS, OUT, "labels"}
    other = sorted(one.name for one in data.iterdir() if one.name not in known) if data.is_dir() else []
    if other:
        raise SignError(
            f"{safe_name(data)} has no folder {VIDEOS}, and holds {safe_name(other[0])}; name a folder with {VIDEOS}, "
            f"labels and {ANNOTATIONS}, or an empty one for the demo."
        )


def _silent(_words: str, _done: int, _total: int) -> None:
    return None
