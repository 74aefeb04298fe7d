"""The base action model as something that the loop trains."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.errors import SignError
from models.synthesis.config import BaseActionTraining
from models.synthesis.demo_data import is_drawn
from models.synthesis.losses import Batch, Critics, EncoderFeatures, losses
from models.synthesis.motion import Motion
from models.synthesis.network import BaseAction
from models.synthesis.pipeline import WordExample, example, save_base_action
from models.synthesis.prepared import Frozen, array_path, read_motion, read_window
from models.synthesis.samples import Samples, WordSample, described
from models.synthesis.schedule import STEPS, alphas, clean_latents, noise, noisy
from models.training import Part

_JUDGED_AT = (250, 500, 750, 999)  # steps of the schedule
_JUDGED = 12  # samples at most
_FITTED_TO = 400  # samples, about, that tell how embeddings differ


class BaseActionTask:
    """See `models.training.Task`."""

    metric, higher_is_better = "error", False
    fixed_terms: Sequence[str] = ()

    def __init__(
        self, config: BaseActionTraining, samples: Samples, nets: Frozen, model: BaseAction, features: nn.Module | None
    ) -> None:
        """nets: as they were when the samples' arrays were made. features: of the perceptual term."""
        torch.manual_seed(config.loop.seed)
        self.config, self.samples, self.nets, self.model = config, samples, nets, model
        self.train = samples.of("train")
        if not self.train:
            raise SignError("No sample is in the split train; there is nothing to learn from.")
        held = samples.of("val") or samples.of("test") or self.train
        self.held = held[:: max(1, math.ceil(len(held) / _JUDGED))]
        self.batch_size = config.data.batch_size
        self.batches_per_epoch = math.ceil(len(self.train) / self.batch_size)
        spread = [self._motion(one) for one in self.train[:: max(1, len(self.train) // _FITTED_TO)]]
        model.embed.fit(torch.stack([motion for motion, _ in spread]), torch.stack([seen for _, seen in spread]))
        self._alphas = alphas()
        if config.loss.features == "encoder":
            features = EncoderFeatures(nets.encoder)
        self._critics = Critics(vae=nets.vae, encoder=nets.encoder, features=features)

    def parts(self) -> dict[str, Part]:
        """The UNet, and what tells it."""
        told = [*self.model.embed.parameters(), self.model.nothing]
        return {
            "unet": Part(parameters=[one for one in self.model.unet.parameters() if one.requires_grad]),
            "motion": Part(parameters=told),
            "layout": Part(parameters=list(self.model.draw.parameters())),
        }

    def batch(self, number: int) -> Batch:
        """See `Task`: every epoch shows every sample once, in an order of its own."""
        data, seed = self.config.data, self.config.loop.seed
        epoch, place = divmod(number, self.batches_per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(self.train))
        chosen = [self.train[order[(place * data.batch_size + index) % len(order)]] for index in range(data.batch_size)]
        rng = np.random.default_rng([seed, 1, number])
        length, frames = self.config.model.window, self.samples.num_frames
        starts = rng.integers(0, frames - length + 1, len(chosen))
        return self._drawn(chosen, starts, rng.integers(0, STEPS, len(chosen)), rng)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See `Task`."""
        self._move(batch.latents.device)
        alpha = self._alphas[batch.times.cpu()].to(batch.latents.device)
        given = noisy(batch.latents, batch.noise, alpha)
        answer, layout = model(
            given,
            batch.times,
            batch.reference,
            batch.motion,
            batch.seen,
            batch.frames,
            drop=batch.drop,
            true_layout=batch.layout,
            given_layout=batch.given_layout,
        )
        clean = clean_latents(answer.float(), given, batch.reference, alpha, self.config.model.prediction)
        return losses(clean, layout, batch, alpha, self.config.loss, self._critics)

    def weights(self) -> dict[str, float]:
        """See `Task`."""
        loss = self.config.loss
        names = ("full", "hands", "layout", "perceptual", "consistency")
        return {name: getattr(loss, name) for name in names}

    def shared(self) -> list[nn.Parameter]:
        """Nothing: the weights of the terms are given."""
        return []

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """See `Task`."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Squared error of the clean latents over several amounts of noise, on samples that are not trained on; then
        with the embeddings of another word, and with none: the further these two are above, the more is in them."""
        assert isinstance(model, BaseAction)
        found: dict[str, list[float]] = defaultdict(list)
        device = next(model.parameters()).device
        half = torch.autocast(device.type, torch.bfloat16, enabled=self.config.loop.precision == "bf16")
        for place, sample in enumerate(self.held):
            rng = np.random.default_rng([7, place])
            start = int(rng.integers(0, self.samples.num_frames - self.config.model.window + 1))
            count = len(_JUDGED_AT)
            batch = self._drawn([sample] * count, np.full(count, start), np.array(_JUDGED_AT), rng, plain=True)
            other = next((one for one in self.held[place:] + self.held if one.word != sample.word), sample)
            wrong = self._motion(other)
            for name, (motion, seen) in {
                "error": (batch.motion, batch.seen),
                "error_other_word": tuple(one[None].expand(count, *one.shape) for one in wrong),
                "error_no_motion": (torch.zeros_like(batch.motion), torch.zeros_like(batch.seen)),
            }.items():
                with half:
                    error = self._error(model, batch, motion, seen, device, drop=name == "error_no_motion")
                found[name].append(error)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def state(self) -> dict[str, Tensor]:
        """See `Task`."""
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """See `Task`."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """See `Task`."""
        assert isinstance(model, BaseAction)
        drawn = is_drawn(self.samples.data)
        save_base_action(folder, model, self.nets, self.examples, trained_on=described(self.train, drawn), drawn=drawn)

    @cached_property
    def examples(self) -> dict[str, WordExample]:
        """What the training samples of each word have in common."""
        made = {}
        for word in self.samples.words:
            of_word = [one for one in self.train if one.word == word]
            if of_word:
                made[word] = example(self.samples, of_word, [self.motion(one) for one in of_word])
        return made

    def motion(self, sample: WordSample) -> Motion:
        """The embeddings of a sample."""
        views, seen = self._motion(sample)
        return Motion(views=views.numpy(), seen=seen.numpy(), fps=self.samples.fps(sample))

    def _error(
        self, model: BaseAction, batch: Batch, motion: Tensor, seen: Tensor, device: torch.device, *, drop: bool
    ) -> float:
        alpha = self._alphas[batch.times].to(device)
        clean, reference = batch.latents.to(device), batch.reference.to(device)
        given = noisy(clean, batch.noise.to(device), alpha)
        told = model.told(motion.to(device), seen.to(device), batch.frames.to(device))
        told = model.dropped(told, torch.full((len(given),), drop, device=device))
        answer = model.answer(given, batch.times.to(device), reference, told)
        made = clean_latents(answer.float(), given, reference, alpha, self.config.model.prediction)
        return float(((made - clean) ** 2).mean())

    def _drawn(
        self,
        chosen: Sequence[WordSample],
        starts: np.ndarray[tuple[int], np.dtype[np.int64]],
        times: np.ndarray[tuple[int], np.dtype[np.int64]],
        rng: np.random.Generator,
        *,
        plain: bool = False,
    ) -> Batch:
        """plain: nothing is dropped or given."""
        data, length = self.config.data, self.config.model.window
        paths = [array_path(self.samples, self.nets, one) for one in chosen]
        colourings = [0 if plain else int(rng.integers(data.colours)) for _ in chosen]
        windows = [
            read_window(path, int(start), length, colouring)
            for path, start, colouring in zip(paths, starts, colourings, strict=True)
        ]
        motions = [read_motion(path) for path in paths]
        latents = torch.stack([one.latents for one in windows])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        places = [rng.permutation(length)[: self.config.loss.pixel_frames] for _ in chosen]
        return Batch(
            latents=latents,
            reference=torch.stack([one.reference for one in windows]),
            motion=torch.stack([motion for motion, _ in motions]),
            seen=torch.stack([seen for _, seen in motions]),
            frames=torch.from_numpy(starts)[:, None] + torch.arange(length),
            layout=torch.stack([one.layout for one in windows]),
            hands=torch.stack([one.hands for one in windows]),
            noise=noise(latents.shape, data.shared_noise, generator),
            times=torch.from_numpy(times),
            drop=torch.from_numpy(rng.random(len(chosen)) < (0 if plain else data.drop)),
            given_layout=torch.from_numpy(rng.random(len(chosen)) < (0 if plain else data.true_layout)),
            pixels=torch.from_numpy(np.stack(places)),
        )

    def _motion(self, sample: WordSample) -> tuple[Tensor, Tensor]:
        return read_motion(array_path(self.samples, self.nets, sample))

    def _move(self, device: torch.device) -> None:
        """The frozen networks to where the batch is."""
        for net in (self.nets.vae, self.nets.encoder, self._critics.features):
            if net is not None and next(net.parameters()).device != device:
                net.to(device)
