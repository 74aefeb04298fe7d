"""Batches of clips: frames moved, turned and coloured once per clip, never per frame, which would hide what moves.

Shapes: B clips, T frames, L glosses of the longest sentence.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import SignError
from models.recognition.features import DIRECTIONAL
from models.recognition.four_stage.clips import Clip, Frames, centre, load_frames

NO_LABEL = -1


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How different from what was filmed a clip may become; each is drawn once per clip."""

    speed: float = 0.2
    """Up to this much faster or slower, as a share."""
    shift: float = 0.06
    """Up to this far to each side, as a share of the picture."""
    zoom: float = 0.1
    """Up to this much larger or smaller, as a share."""
    turn_deg: float = 5.0
    """Up to this much either way, degrees."""
    light: float = 0.2
    """Brightness, contrast, and each colour channel, as a share."""
    mirror: bool = True
    """Half of the clips, unless a gloss in them says left or right."""

    def __post_init__(self) -> None:
        for name in ("speed", "shift", "zoom", "light"):
            if not 0 <= getattr(self, name) < 1:
                raise SignError(f"data.augmentation.{name} is {getattr(self, name)}; it is a share, from 0 to below 1.")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How clips become batches."""

    batch_size: int = 8
    """Clips at a time: lower it, and raise loop.accumulation, when memory runs out."""
    max_frames: int = 300
    """Longer clips are thinned out to so many frames."""
    max_clips: int = 0
    """Use only so many training clips; 0 for all."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.max_frames < 2 or self.max_clips < 0:
            raise SignError("data.batch_size has to be at least 1, data.max_frames 2, and data.max_clips 0.")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Clips, the shorter ones padded."""

    video: Tensor
    """(B, T, 3, H, W) uint8."""
    lengths: Tensor
    """(B,) frames of each."""
    targets: Tensor
    """(B, L) labels of CTC: number of the gloss + 1."""
    num_targets: Tensor
    """(B,)."""
    needed: Tensor
    """(B,) rows that CTC needs: glosses, and one more for each that comes twice in a row."""
    clips: Tensor
    """(B,) number of the clip among those it was drawn from."""
    frames: Tensor
    """(B, T) number of the kept frame that each is; -1 for padding."""


def rows_needed(targets: Sequence[int]) -> int:
    """Rows without which CTC has no path: one per label, and a blank between equal neighbours."""
    return len(targets) + sum(one == other for one, other in itertools.pairwise(targets))


class Batches:
    """Batches by number, of training clips in an order that is drawn anew for each epoch."""

    def __init__(
        self, clips: Sequence[Clip], frames: Sequence[Path], glosses: Sequence[str], size: int, options: DataOptions,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self._frames, self._size, self._options, self._seed = list(frames), size, options, seed
        place = {gloss: number for number, gloss in enumerate(glosses)}
        self.targets = [tuple(place[gloss] + 1 for gloss in clip.glosses) for clip in clips]
        self.mirrored = [not DIRECTIONAL & set(clip.glosses) for clip in clips]
        self.counts = [len(load_frames(path)) for path in self._frames]
        empty = [clip.path.name for clip, count in zip(clips, self.counts, strict=True) if count < 2]
        if empty:
            raise SignError(f"{empty[0]} has fewer than 2 frames; take it out of the list.")

    @property
    def per_epoch(self) -> int:
        """Batches in which every clip comes once; what does not fill a batch waits for the next epoch."""
        return max(1, len(self.targets) // self._options.batch_size)

    @property
    def infeasible(self) -> int:
        """Clips that CTC cannot learn from, because they have fewer frames than their glosses need."""
        most = self._options.max_frames
        return sum(min(count, most) < rows_needed(one) for count, one in zip(self.counts, self.targets, strict=True))

    def draw(self, number: int) -> Batch:
        """Training batch `number`, augmented."""
        epoch, place = divmod(number, self.per_epoch)
        order = np.random.default_rng([self._seed, 1, epoch]).permutation(len(self.targets))
        size = min(self._options.batch_size, len(order))
        rng = np.random.default_rng([self._seed, 2, number])
        chosen = order[place * size : (place + 1) * size].tolist()
        return self._batch([(one, *self._augmented(one, rng)) for one in chosen])

    def plain(self, chosen: Sequence[int]) -> Batch:
        """These clips as they are."""
        return self._batch([(one, *self._as_is(one)) for one in chosen])

    def _as_is(self, number: int) -> tuple[Frames, NDArray[np.int64]]:
        kept = load_frames(self._frames[number])
        index = even(len(kept), min(len(kept), self._options.max_frames))
        return centre(np.asarray(kept[index]), self._size), index

    def _augmented(self, number: int, rng: np.random.Generator) -> tuple[Frames, NDArray[np.int64]]:
        options = self._options.augmentation
        kept = load_frames(self._frames[number])
        speed = 1 + options.speed * rng.uniform(-1, 1)
        least = max(2, rows_needed(self.targets[number]))
        count = min(max(round(len(kept) / speed), min(least, len(kept))), self._options.max_frames)
        index = even(len(kept), count)
        mirror = bool(options.mirror and self.mirrored[number] and rng.random() < 0.5)
        matrix = _matrix(kept.shape[1], self._size, options, mirror, rng)
        gain = (1 + options.light * rng.uniform(-1, 1)) * (1 + options.light / 2 * rng.uniform(-1, 1, 3))
        table = np.clip(np.arange(256)[:, None] * gain + 255 * options.light / 2 * rng.uniform(-1, 1), 0, 255).astype(
            np.uint8
        )[:, None]
        moved = [
            cv2.LUT(
                cv2.warpAffine(
                    np.asarray(kept[one]), matrix, (self._size, self._size), borderMode=cv2.BORDER_REPLICATE
                ),
                table,
            )
            for one in index
        ]
        return np.stack(moved).astype(np.uint8), index

    def _batch(self, drawn: Sequence[tuple[int, Frames, NDArray[np.int64]]]) -> Batch:
        longest = max(len(frames) for _, frames, _ in drawn)
        most = max(len(self.targets[one]) for one, _, _ in drawn)
        video = np.zeros((len(drawn), longest, self._size, self._size, 3), np.uint8)
        index = np.full((len(drawn), longest), -1, np.int64)
        targets = np.zeros((len(drawn), most), np.int64)
        for place, (one, frames, numbers) in enumerate(drawn):
            video[place, : len(frames)] = frames
            index[place, : len(frames)] = numbers
            targets[place, : len(self.targets[one])] = self.targets[one]
        return Batch(
            video=torch.from_numpy(video).permute(0, 1, 4, 2, 3),
            lengths=torch.tensor([len(frames) for _, frames, _ in drawn]),
            targets=torch.from_numpy(targets),
            num_targets=torch.tensor([len(self.targets[one]) for one, _, _ in drawn]),
            needed=torch.tensor([rows_needed(self.targets[one]) for one, _, _ in drawn]),
            clips=torch.tensor([one for one, _, _ in drawn]),
            frames=torch.from_numpy(index),
        )


def even(total: int, count: int) -> NDArray[np.int64]:
    """`count` frame numbers at even steps from the first to the last of `total`."""
    return np.round(np.linspace(0, total - 1, count)).astype(np.int64)


def flat_labels(count: int, targets: Sequence[int]) -> NDArray[np.int64]:
    """Frames (count,) shared out evenly among the glosses: where alignment begins before there is any."""
    edges = np.linspace(0, count, len(targets) + 1).round().astype(int)
    labels = np.full(count, NO_LABEL, np.int64)
    for target, (start, end) in zip(targets, itertools.pairwise(edges), strict=True):
        labels[start:end] = target - 1
    return labels


def _matrix(side: int, size: int, options: Augmentation, mirror: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """From kept frames of this side to frames of this size: about the middle turned, scaled, then moved."""
    zoom = 1 + options.zoom * rng.uniform(-1, 1)
    turn = options.turn_deg * rng.uniform(-1, 1)
    matrix = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), turn, zoom), np.float64)
    matrix[:, 2] += (size - side) / 2 + options.shift * size * rng.uniform(-1, 1, 2)
    if mirror:
        matrix[0] *= -1
        matrix[0, 2] += size - 1
    return matrix
