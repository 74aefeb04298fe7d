"""Continuous signing for PyTorch: sentences as frames and labels, and batches of sentences of different lengths.

Labels are those of CTC: 0 is the blank, the glosses of train are 1 to G, and G + 1 is every gloss that train does not
have, so that a sentence of val or test with such a gloss can still be judged. Frames are uint8; padding is 0.

Shapes: B sentences, T frames of the longest, H and W pixels, L glosses of the longest, G glosses of train.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from models.data.corpora import Sentence
from models.data.frame_folders import list_frames
from models.data.stills import letterboxed
from models.errors import SignError
from models.pictures import read_picture
from models.video import VideoReader

BLANK = 0
Fit = Literal["letterbox", "resize"]


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """How frames are read."""

    size: int = 224
    """Height and width, pixels."""
    fit: Fit = "letterbox"
    """letterbox: the whole picture in its proportions, on black. resize: stretched to the square."""
    every: int = 1
    """Take one frame of so many."""

    def __post_init__(self) -> None:
        if self.size < 1 or self.every < 1:
            raise SignError(f"The size is {self.size} px, one frame of {self.every} is taken; give 1 or more for both.")
        if self.fit not in ("letterbox", "resize"):
            raise SignError(f"Frames cannot be fitted by {self.fit!r}; choose letterbox or resize.")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sentence as tensors."""

    id: str
    glosses: tuple[str, ...]
    frames: Tensor
    """(T, 3, H, W) uint8, RGB."""
    labels: Tensor
    """(L,) int64."""


@dataclass(frozen=True, kw_only=True)
class SentenceBatch:
    """Sentences, the shorter ones padded at the end."""

    ids: tuple[str, ...]
    glosses: tuple[tuple[str, ...], ...]
    """As they are written, also those without a label of their own: what a word error rate is counted against."""
    frames: Tensor
    """(B, T, 3, H, W) uint8."""
    lengths: Tensor
    """(B,) frames of each."""
    mask: Tensor
    """(B, T) bool, True where there is a frame."""
    targets: Tensor
    """(B, L) int64 labels, padded with the blank; torch's CTCLoss takes them so."""
    num_targets: Tensor
    """(B,) glosses of each."""
    target_mask: Tensor
    """(B, L) bool, True where there is a gloss."""

    @property
    def joined_targets(self) -> Tensor:
        """(sum of num_targets,): the labels one after the other, the other form that CTCLoss takes."""
        return self.targets[self.target_mask]


class SentenceFrames(Dataset[Sample]):
    """The frames and labels of sentences, read when they are asked for.

    sentences: with frames and glosses each; choose them, for instance without those that CTC cannot learn from.
    glosses: the vocabulary, of train only (`models.data.corpora.vocabulary`).
    Raises SignError for a sentence without frames or glosses; reading one that is broken raises it, too.
    """

    def __init__(
        self, sentences: Sequence[Sentence], glosses: Sequence[str], options: FrameOptions | None = None
    ) -> None:
        self.sentences, self.options = tuple(sentences), options or FrameOptions()
        self.glosses = tuple(glosses)
        self._labels = {gloss: number for number, gloss in enumerate(self.glosses, start=BLANK + 1)}
        bad = [one for one in self.sentences if one.frames is None or not one.glosses]
        if bad:
            words = f"{len(bad)} sentences have no frames or no glosses, the first is {bad[0].id} ({bad[0].where})"
            raise SignError(f"{words}; leave them out.")

    @property
    def num_labels(self) -> int:
        """The blank, the glosses, and the label of unknown ones: what a model has to tell apart."""
        return len(self.glosses) + 2

    @property
    def lengths(self) -> list[int]:
        """Frames of each sentence; 0 for a video that does not say."""
        return [-(-(one.num_frames or 0) // self.options.every) for one in self.sentences]

    def labels(self, glosses: Sequence[str]) -> list[int]:
        """The label of each gloss."""
        return [self._labels.get(gloss, len(self.glosses) + 1) for gloss in glosses]

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, number: int) -> Sample:
        one = self.sentences[number]
        frames = np.stack(list(read_frames(one, self.options)))
        return Sample(
            id=one.id,
            glosses=one.glosses,
            frames=torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(),
            labels=torch.tensor(self.labels(one.glosses), dtype=torch.int64),
        )


def read_frames(sentence: Sentence, options: FrameOptions) -> Iterator[NDArray[np.uint8]]:
    """The frames (size, size, 3) RGB of a sentence. Raises SignError, as for one without a readable frame."""
    assert sentence.frames is not None
    if sentence.frames.is_file():
        with VideoReader(sentence.frames) as reader:
            for number, frame in enumerate(reader):
                if number % options.every == 0:
                    yield fitted(frame, options.size, options.fit)
        return
    try:
        names = list_frames(sentence.frames, sentence.pattern).names
    except OSError as error:
        raise SignError(f"{sentence.where}: the frames of {sentence.id} are gone ({error.strerror}).") from error
    if not names:
        raise SignError(f"{sentence.where}: the frames of {sentence.id} are gone.")
    for name in names[:: options.every]:
        yield fitted(read_picture(sentence.frames / name), options.size, options.fit)


def fitted(picture: NDArray[np.uint8], size: int, fit: Fit) -> NDArray[np.uint8]:
    """The picture (H, W, 3) as a square."""
    if fit == "letterbox":
        return letterboxed(picture, size, enlarge=cv2.INTER_LINEAR)
    way = cv2.INTER_AREA if size < max(picture.shape[:2]) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way), np.uint8)


def collate(samples: Sequence[Sample]) -> SentenceBatch:
    """Samples as one batch: the `collate_fn` of a DataLoader."""
    lengths = torch.tensor([len(one.frames) for one in samples])
    num_targets = torch.tensor([len(one.labels) for one in samples])
    pad = torch.nn.utils.rnn.pad_sequence
    frames = pad([one.frames for one in samples], batch_first=True)
    targets = pad([one.labels for one in samples], batch_first=True, padding_value=BLANK)
    return SentenceBatch(
        ids=tuple(one.id for one in samples),
        glosses=tuple(one.glosses for one in samples),
        frames=frames,
        lengths=lengths,
        mask=torch.arange(frames.shape[1])[None] < lengths[:, None],
        targets=targets,
        num_targets=num_targets,
        target_mask=torch.arange(targets.shape[1])[None] < num_targets[:, None],
    )


class ByLength(Sampler[list[int]]):
    """Batches of sentences of about the same length, which are padded less; in another order in each epoch.

    Sentences are shuffled, those of `bucket` batches are sorted by length and cut into batches, and the batches are
    shuffled. bucket 1 is no sorting at all. Every sentence comes once in an epoch; `epoch` may be set, to go on.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, *, bucket: int = 20, seed: int = 0) -> None:
        if batch_size < 1 or bucket < 1:
            raise SignError(f"A batch of {batch_size}, a bucket of {bucket} batches; give 1 or more for both.")
        self.epoch = 0
        self._lengths, self._size, self._bucket, self._seed = list(lengths), batch_size, bucket, seed

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"{self._seed}/{self.epoch}")
        self.epoch += 1
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        batches = []
        step = self._size * self._bucket
        for start in range(0, len(order), step):
            chunk = order[start : start + step]
            if self._bucket > 1:
                chunk.sort(key=self._lengths.__getitem__)
            batches += [chunk[place : place + self._size] for place in range(0, len(chunk), self._size)]
        rng.shuffle(batches)
        return iter(batches)


def loader(
    data: SentenceFrames, batch_size: int, *, shuffle: bool, bucket: int = 1, workers: int = 0, seed: int = 0
) -> DataLoader[SentenceBatch]:
    """Batches of a data set; with shuffle, by `ByLength`, else in its order. workers: processes that read ahead."""
    if not shuffle:
        return DataLoader(data, batch_size, collate_fn=collate, num_workers=workers)  # type: ignore[arg-type]
    batches = ByLength(data.lengths, batch_size, bucket=bucket, seed=seed)
    return DataLoader(data, batch_sampler=batches, collate_fn=collate, num_workers=workers)  # type: ignore[arg-type]
