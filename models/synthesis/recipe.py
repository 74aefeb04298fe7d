"""From a folder of words to a trained base action model: presets, data, task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from models.data.words import INDEX
from models.synthesis.config import BaseActionConfig, BaseActionTraining, DataOptions, LossOptions
from models.synthesis.demo_data import draw_demo
from models.synthesis.network import BaseAction, new_unet
from models.synthesis.perceptual import load
from models.synthesis.prepared import frozen, prepare_arrays
from models.synthesis.published import halve_frozen, load_unet
from models.synthesis.samples import Samples
from models.synthesis.task import BaseActionTask
from models.training import LoopOptions, Run
from models.training.run import Tell

PRESETS: Mapping[str, BaseActionTraining] = MappingProxyType(
    {
        "demo": BaseActionTraining(
            model=BaseActionConfig(
                start="scratch",
                size=64,
                window=10,
                encoder="small",
                prediction="sample",
                layout=64,
                layout_width=64,
                train="full",
                checkpointing=False,
            ),
            data=DataOptions(batch_size=4, colours=4, signers=36),
            loss=LossOptions(features="encoder", pixel_frames=1, snr_low=1, snr_high=1),
            loop=LoopOptions(steps=3600, learning_rate=8e-4, clip=1.0, mean_over=150, validate_every=600, log_every=10),
        ),
        "full": BaseActionTraining(
            loop=LoopOptions(
                steps=20_000,
                learning_rate=1e-4,
                weight_decay=0.01,
                warmup=0.02,
                clip=1.0,
                mean_over=1000,
                accumulation=8,
                precision="bf16",
                validate_every=500,
                save_every=250,
                workers=4,
            ),
        ),
    }
)


def prepare(config: BaseActionTraining, data: Path, tell: Tell | None = None, weights: Path | None = None) -> None:
    """Draw the demo's clips where the folder has no samples; train the small networks where none are published;
    compute what training reads."""
    say = tell or _silent
    if not (data / INDEX).is_file():
        draw_demo(data, say, size=config.model.size, signers=config.data.signers)
    samples = Samples(data, config.model)
    nets = frozen(samples, config.model, weights, say, colours=config.data.colours)
    prepare_arrays(samples, config.model, nets, say)


def build(config: BaseActionTraining, data: Path, weights: Path | None = None) -> tuple[BaseActionTask, LoopOptions]:
    """The task on prepared data. Raises SignError for data that cannot be used, WeightsError without published
    weights where they are asked for."""
    samples = Samples(data, config.model)
    nets = frozen(samples, config.model, weights, _silent, colours=config.data.colours)
    torch.manual_seed(config.loop.seed)
    if config.model.start == "published":
        unet = load_unet(config.model, int(nets.vae.config.latent_channels), weights)
        if config.loop.precision == "bf16":
            halve_frozen(unet)
    else:
        unet = new_unet(config.model)
    model = BaseAction(config.model, unet, int(nets.encoder.config.projection_dim))
    features = None
    if config.loss.perceptual and config.loss.features in ("vgg", "dinov2"):
        features = load(config.loss.features, weights)
    return BaseActionTask(config, samples, nets, model, features), config.loop


def evaluate(run: Run) -> dict[str, Any]:
    """Judge the run's model on the test split of its data; figures and a page are written to RUN/evaluation."""
    from models.synthesis.evaluate import evaluate as judge  # which needs what is above

    return judge(run, tell=run.teller(), should_stop=run.should_stop)


def _silent(_words: str, _done: int, _total: int) -> None:
    return None
