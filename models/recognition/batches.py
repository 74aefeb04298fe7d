"""Batches for training: sentences cut and joined anew every time, by signers who are changed anew every time.

Shapes: B clips, T rows, F features, S signs in the batch, L rows of the longest sign.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import SignError
from models.recognition.augment import Augmentation, augment, cut, join
from models.recognition.corpus import Take
from models.recognition.features import LAYOUT, PRESENT, SHAPE
from models.recognition.landmark_model import BEGIN, INSIDE, OUTSIDE

BEGIN_ROWS = 4
"""Rows at the start of a sign that are its beginning."""
IGNORED = -100  # what cross_entropy leaves out
STRANGER = -1
"""In place of a gloss: signing that is no sign of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Clips of different lengths, padded behind, and what is to be said of them."""

    rows: Tensor
    """(B, T, F)."""
    lengths: Tensor
    """(B,) rows of each clip."""
    activity: Tensor
    """(B, T) OUTSIDE, BEGIN or INSIDE; IGNORED in padding."""
    targets: Tensor
    """All glosses of all clips one after the other, as CTC labels 1..G; strangers are none."""
    target_lengths: Tensor
    """(B,) how many of them are of each clip."""
    clips: Tensor
    """(S,) which clip each sign is in."""
    spans: Tensor
    """(S, 2) first row, row after the last."""
    glosses: Tensor
    """(S,) 0..G-1, or STRANGER."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What a batch is made of."""

    clips: int = 24
    signs: tuple[int, int] = (1, 4)
    """Fewest and most signs in the clips of a batch."""
    read_share: float = 0.5
    """Share of clips that are joined from signs that MediaPipe has read."""
    idle_share: float = 0.3
    """Share of joined clips in which the hands come down between signs."""
    idle_rows: int = 12
    """Most rows before and behind the signs of those."""
    hold_share: float = 0.0
    """Share of joined signs whose end is held, as before a pause."""
    stranger_share: float = 0.0
    """Share of joined signs that are made into no sign at all, to learn what is unknown."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        fewest, most = self.signs
        if self.clips < 1 or self.idle_rows < 0 or not 1 <= fewest <= most:
            raise SignError(
                f"batches.clips is {self.clips}, batches.signs {fewest} to {most}, batches.idle_rows {self.idle_rows}; "
                "they have to be at least 1, from 1 up and rising, and at least 0."
            )
        for name in ("read_share", "idle_share", "hold_share", "stranger_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SignError(f"batches.{name} is {getattr(self, name)}; it is a share, 0 to 1.")


class Batches:
    """Draws batches, as many as are wanted. `generated` are sentences, `read` are single signs from rest to rest."""

    def __init__(
        self,
        generated: Sequence[Take],
        read: Sequence[Take],
        glosses: Sequence[str],
        options: BatchOptions | None = None,
        seed: int = 0,
    ) -> None:
        self._generated, self._read = list(generated), list(read)
        self._index = {gloss: number for number, gloss in enumerate(glosses)}
        self._options = options or BatchOptions()
        self._seed = seed
        self._of_signer: dict[str, list[Take]] = defaultdict(list)
        for take in self._read:
            self._of_signer[take.signer].append(take)

    @property
    def per_epoch(self) -> int:
        """After how many batches about as many signs were drawn as there are."""
        signs = sum(len(take.spans) for take in (*self._generated, *self._read))
        return max(1, round(signs / (self._options.clips * sum(self._options.signs) / 2)))

    def draw(self, number: int) -> Batch:
        """The batch of this number; always the same one."""
        rng = np.random.default_rng([self._seed, number])
        fewest, most = self._options.signs
        count = int(rng.integers(fewest, most + 1))  # the same for all clips, so that little is padded
        return collate([self._clip(count, rng) for _ in range(self._options.clips)], self._index)

    def _clip(self, count: int, rng: np.random.Generator) -> Take:
        options = self._options
        from_read = self._read and (not self._generated or rng.random() < options.read_share)
        take = self._joined(count, rng) if from_read else self._sentence(count, rng)
        return augment(take, options.augmentation, rng)

    def _sentence(self, count: int, rng: np.random.Generator) -> Take:
        """Some signs of a generated sentence, with a part of the way to the first and from the last."""
        whole = self._generated[int(rng.integers(len(self._generated)))]
        count = min(count, len(whole.spans))
        first = int(rng.integers(len(whole.spans) - count + 1))
        last = first + count - 1
        before = whole.spans[first - 1][2] if first else 0
        after = whole.spans[last + 1][1] if last + 1 < len(whole.spans) else len(whole.rows)
        start = int(rng.integers(before, whole.spans[first][1] + 1))
        end = int(rng.integers(whole.spans[last][2], after + 1))
        return cut(whole, start, end)

    def _joined(self, count: int, rng: np.random.Generator) -> Take:
        """Single signs of one signer, with the hands down in between or flowing from one to the next."""
        options = self._options
        signers = list(self._of_signer)
        own = self._of_signer[signers[int(rng.integers(len(signers)))]]
        takes = [own[int(number)] for number in rng.integers(0, len(own), count)]
        takes = [
            _stranger(take, own[int(rng.integers(len(own)))]) if rng.random() < options.stranger_share else take
            for take in takes
        ]
        if rng.random() < options.idle_share:
            return join([_trimmed(take, options.idle_rows, rng) for take in takes], [0] * (count - 1))
        gaps = [int(gap) for gap in rng.integers(3, 12, count - 1)]
        inner = [_trimmed(take, 3, rng) for take in takes]
        inner = [_held(take, int(rng.integers(6, 16))) if rng.random() < options.hold_share else take for take in inner]
        return join(inner, gaps)


def collate(takes: Sequence[Take], index: dict[str, int]) -> Batch:
    """A batch of takes whose glosses are in the index. Takes without a row have no place in it."""
    lengths = [len(take.rows) for take in takes]
    rows = np.zeros((len(takes), max(lengths), takes[0].rows.shape[1]), np.float32)
    activity = np.full(rows.shape[:2], IGNORED, np.int64)
    for number, take in enumerate(takes):
        rows[number, : lengths[number]] = take.rows
        activity[number, : lengths[number]] = _activity(take)
    signs = [(number, *span) for number, take in enumerate(takes) for span in take.spans]
    glosses = torch.tensor([index.get(gloss, STRANGER) for _, gloss, _, _ in signs], dtype=torch.long)
    known = [sum(gloss in index for gloss in take.glosses) for take in takes]
    return Batch(
        rows=torch.from_numpy(rows),
        lengths=torch.tensor(lengths),
        activity=torch.from_numpy(activity),
        targets=glosses[glosses != STRANGER] + 1,
        target_lengths=torch.tensor(known),
        clips=torch.tensor([number for number, _, _, _ in signs], dtype=torch.long),
        spans=torch.tensor([(start, end) for _, _, start, end in signs], dtype=torch.long).reshape(-1, 2),
        glosses=glosses,
    )


def signs_of(hidden: Tensor, clips: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    """The rows (S, L, D) of every sign in hidden (B, T, D), and weights (S, L) that are 0 behind its end."""
    lengths = (spans[:, 1] - spans[:, 0]).clamp_min(1)
    steps = torch.arange(int(lengths.max()), device=hidden.device)
    where = (spans[:, :1] + steps[None]).clamp_max(hidden.shape[1] - 1)
    weights = (steps[None] < lengths[:, None]).to(hidden.dtype)
    return hidden[clips[:, None], where], weights


def _activity(take: Take) -> NDArray[np.int64]:
    labels = np.full(len(take.rows), OUTSIDE, np.int64)
    for _, start, end in take.spans:
        labels[start:end] = INSIDE
        labels[start : min(start + BEGIN_ROWS, end)] = BEGIN
    return labels


def _stranger(take: Take, other: Take) -> Take:
    """The way of one sign with the handshapes of another, played backwards: signing, but no sign."""
    (_, start, end), (_, first, last) = take.spans[0], other.spans[0]
    rows = take.rows.copy()
    where = np.linspace(last - 1, first, end - start).round().astype(int)
    for side in ("left", "right"):
        shape = slice(LAYOUT[side].start, LAYOUT[side].start + SHAPE.stop)
        both = (rows[start:end, LAYOUT[side]][:, PRESENT] > 0) & (other.rows[where][:, LAYOUT[side]][:, PRESENT] > 0)
        rows[start:end, shape] = np.where(both[:, None], other.rows[where][:, shape], rows[start:end, shape])
    rows[start:end] = rows[start:end][::-1]
    return replace(take, rows=rows, spans=(("", start, end),))


def _held(take: Take, count: int) -> Take:
    """The sign with its last row held for so many more."""
    return replace(take, rows=np.concatenate([take.rows, np.repeat(take.rows[-1:], count, axis=0)]))


def _trimmed(take: Take, most: int, rng: np.random.Generator) -> Take:
    """The sign with up to so many rows before and behind it."""
    _, start, end = take.spans[0]
    before, behind = (int(count) for count in rng.integers(0, most + 1, 2))
    return cut(take, start - before, end + behind)
