"""The judges of a data set: made once of its real training clips, kept beside it, and asked about any clip.

    DATA/judges-<mark>/hands.safetensors   where the hands are (`HandReader`), its threshold in the file's head
    DATA/judges-<mark>/words.safetensors   which word is signed (`SignClassifier`), the words in the file's head

The mark is of the samples and of the way judges are made. Each file is written when its net is done; what is there is
not made again. How good the judges themselves are is measured on real clips that they never saw, wherever they are
asked about generated ones: that is the floor of a distance and the ceiling of a share.

Shapes: T frames, K landmarks, S side of the pictures, W words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_format import Pose
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from models.data.word_samples import META, middles
from models.data.words import INDEX
from models.files import replacing
from models.pose.landmarks import (
    BODY,
    LEFT_ELBOW,
    LEFT_HAND,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NUM_BODY,
    NUM_FACE,
    NUM_HAND,
    RIGHT_ELBOW,
    RIGHT_HAND,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    component,
    holistic_pose,
)
from models.synthesis.judge_nets import HANDS, POINTS, SIDE, SWAP, HandReader, SignClassifier, changed, smeared
from models.synthesis.samples import Samples, WordSample
from models.training.run import Tell

VERSION = 1
"""Of the way judges are made; another one makes them again."""
HAND_STEPS, WORD_STEPS = 900, 1500
MOST_CLIPS = 2000
"""Clips that judges learn from, because all their frames are held in memory: 1.5 GB."""
FOUND = 0.95
"""Share of the hands of real clips that the threshold of the hand reader lets through."""
STEPS_OF_CLIP = 16
"""Frames of a clip that the classifier sees, even in time."""
_FRAMES, _CLIPS = 40, 16  # of a batch
_SMEARED = 0.25  # share of the frames whose hands are smeared
_ARMS = (LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST)
_AT = 256  # frames that a judge sees at once


@dataclass(frozen=True, kw_only=True)
class Judges:
    """What both judges say of a clip (T, S, S, 3) uint8."""

    hands: HandReader
    threshold: float
    """Above this probability a hand counts as found."""
    classifier: SignClassifier
    words: tuple[str, ...]
    mark: str
    """Of the samples they learned from, and of the way they were made."""

    def read(self, frames: NDArray[np.uint8], fps: float) -> Pose:
        """Arms and hands as a Holistic pose in pixels of the frames; a hand that cannot be told has confidence 0."""
        size = frames.shape[1]
        with torch.inference_mode():
            parts = [self.hands(part.float() / 255) for part in small(frames).split(_AT)]
        points = torch.cat([one for one, _ in parts]).numpy() * size
        told = torch.cat([one for _, one in parts]).sigmoid().numpy() >= self.threshold
        data = np.zeros((len(frames), 2 * NUM_BODY + NUM_FACE + HANDS, 3), np.float32)
        sure = np.zeros(data.shape[:2], np.float32)
        data[:, list(_ARMS), :2], sure[:, list(_ARMS)] = points[:, HANDS:], 1
        first = NUM_BODY + NUM_FACE
        data[:, first : first + HANDS, :2] = points[:, :HANDS]
        sure[:, first : first + HANDS] = np.repeat(told, NUM_HAND, axis=1)
        return holistic_pose(data, sure, fps=fps, width=size, height=size)

    def shares(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(W,) how likely each word is."""
        at = middles(len(frames), STEPS_OF_CLIP)
        with torch.inference_mode():
            logits, _ = self.classifier(small(frames[at])[None].float() / 255)
        return np.asarray(logits[0].double().softmax(dim=0).numpy())

    def word(self, frames: NDArray[np.uint8]) -> str:
        """The likeliest word."""
        return self.words[int(self.shares(frames).argmax())]


def judges_of(
    samples: Samples, tell: Tell | None = None, *, hand_steps: int = HAND_STEPS, word_steps: int = WORD_STEPS
) -> Judges:
    """The judges of a data set, from its folder or made now; a few minutes on a CPU."""
    mark = _mark(samples, hand_steps, word_steps)
    folder = samples.data / f"judges-{mark}"
    shown: list[Shown] = []

    def clips() -> Shown:
        if not shown:
            shown.append(load(samples, _chosen(samples.of("train")), tell))
        return shown[0]

    hands = HandReader()
    about = _kept(hands, folder / "hands.safetensors")
    if about is None:
        _train_hands(hands, clips(), hand_steps, tell)
        about = {"threshold": str(_threshold(hands, samples, tell))}
        _keep(hands, folder / "hands.safetensors", about)
    words = tuple(sorted({one.word for one in samples.of("train")}))
    classifier = SignClassifier(len(words))
    if _kept(classifier, folder / "words.safetensors") is None:
        _train_classifier(classifier, clips(), word_steps, tell)
        _keep(classifier, folder / "words.safetensors", {"words": json.dumps(words)})
    threshold = float(about["threshold"])
    return Judges(hands=hands.eval(), threshold=threshold, classifier=classifier.eval(), words=words, mark=mark)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Clips as the judges see them."""

    frames: Tensor
    """(C, T, 3, 64, 64) uint8."""
    points: Tensor
    """(C, T, K, 2) shares of the side."""
    known: Tensor
    """(C, T, K) bool."""
    labels: Tensor
    """(C,) place of the word among the training words."""


def load(samples: Samples, chosen: Sequence[WordSample], tell: Tell | None = None) -> Shown:
    """The frames and landmarks of these samples, in memory."""
    words = sorted({one.word for one in samples.of("train")})
    frames, points, known = [], [], []
    for number, sample in enumerate(chosen, start=1):
        if tell is not None:
            tell("Reading clips for the judges", number, len(chosen))
        frames.append(small(samples.views(sample)[0].permute(1, 2, 3, 0).numpy()))
        at, sure = _landmarks(samples.pose(sample))
        points.append(torch.from_numpy(at / samples.clips.size))
        known.append(torch.from_numpy(sure))
    return Shown(
        frames=torch.stack(frames),
        points=torch.stack(points).float(),
        known=torch.stack(known),
        labels=torch.tensor([words.index(one.word) if one.word in words else -1 for one in chosen]),
    )


def small(frames: NDArray[np.uint8]) -> Tensor:
    """(T, S, S, 3) -> (T, 3, 64, 64) uint8."""
    if frames.shape[1] != SIDE:
        way = cv2.INTER_AREA if frames.shape[1] > SIDE else cv2.INTER_CUBIC
        frames = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=way) for one in frames])
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def _landmarks(pose: Pose) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(T, K, 2) pixels, (T, K) known."""
    arms, arm_sure = component(pose, BODY)
    (left, left_sure), (right, right_sure) = (component(pose, hand) for hand in (LEFT_HAND, RIGHT_HAND))
    points = np.concatenate([left, right, arms[:, list(_ARMS)]], axis=1)[..., :2]
    known = np.concatenate([left_sure > 0, right_sure > 0, arm_sure[:, list(_ARMS)] > 0.5], axis=1)
    return points, known


def _chosen(train: Sequence[WordSample]) -> list[WordSample]:
    """At most MOST_CLIPS, spread evenly over the data set."""
    if len(train) <= MOST_CLIPS:
        return list(train)
    return [train[place] for place in middles(len(train), MOST_CLIPS)]


def _train_hands(net: HandReader, shown: Shown, steps: int, tell: Tell | None) -> None:
    frames, points, known = (one.flatten(0, 1) for one in (shown.frames, shown.points, shown.known))

    def loss(generator: torch.Generator) -> Tensor:
        at = torch.randint(len(frames), (_FRAMES,), generator=generator)
        given, where, flipped = changed(frames[at].float() / 255, points[at], generator)
        sure = torch.where(flipped[:, None], known[at][:, list(SWAP)], known[at])
        found = torch.stack([sure[:, :NUM_HAND].all(dim=1), sure[:, NUM_HAND:HANDS].all(dim=1)], dim=1)
        smear = torch.rand(_FRAMES, generator=generator) < _SMEARED
        given = torch.where(_near(where, found, given.shape[-1]) & smear[:, None, None, None], smeared(given), given)
        counted = sure & ((where > 0) & (where < 1)).all(dim=-1)
        counted[:, :HANDS] &= ~smear[:, None]
        said, told = net(given)
        wrong = ((said - where).abs().sum(dim=-1) * counted).sum() / counted.sum().clamp(min=1)
        return 10 * wrong + 0.2 * functional.binary_cross_entropy_with_logits(
            told, (found & ~smear[:, None]).to(told.dtype)
        )

    _train(net, loss, steps, 3e-3, "Training a judge of hands", tell)


def _train_classifier(net: SignClassifier, shown: Shown, steps: int, tell: Tell | None) -> None:
    clips, length = shown.frames.shape[:2]
    each = min(_CLIPS, clips)

    def loss(generator: torch.Generator) -> Tensor:
        at = torch.randperm(clips, generator=generator)[:each]
        # A little faster or slower, and never quite the same frames.
        pace = 0.85 + 0.15 * torch.rand((each, 1), generator=generator)
        start = (1 - pace) * torch.rand((each, 1), generator=generator)
        spots = (torch.arange(STEPS_OF_CLIP) + torch.rand((each, STEPS_OF_CLIP), generator=generator)) / STEPS_OF_CLIP
        when = ((start + pace * spots) * length).long().clamp(max=length - 1)
        rows = at[:, None].expand_as(when)
        taken, where, known = (one[rows, when].flatten(0, 1) for one in (shown.frames, shown.points, shown.known))
        given, where, flipped = changed(taken.float() / 255, where, generator, frames=STEPS_OF_CLIP)
        sure = torch.where(flipped[:, None], known[:, list(SWAP)], known)
        logits, said = net(given.unflatten(0, (each, STEPS_OF_CLIP)))
        wrong = ((said.flatten(0, 1) - where).abs().sum(dim=-1) * sure).sum() / sure.sum().clamp(min=1)
        return functional.cross_entropy(logits, shown.labels[at], label_smoothing=0.05) + 5 * wrong

    _train(net, loss, steps, 3e-3, "Training a judge of words", tell)


def _train(
    net: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    steps: int,
    rate: float,
    words: str,
    tell: Tell | None,
) -> None:
    """From the same beginning every time."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in net.modules():
            if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Linear):
                part.reset_parameters()
        net.train().to(memory_format=torch.channels_last)  # a third faster on a CPU
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(steps, 2), pct_start=0.15)
        for step in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss(generator).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if tell is not None:
                tell(words, step + 1, steps)
    net.eval().to(memory_format=torch.contiguous_format)


def _near(points: Tensor, found: Tensor, side: int) -> Tensor:
    """(N, 1, S, S) where the found hands are, with room around them."""
    at = (torch.arange(side) + 0.5) / side
    mask = torch.zeros(len(points), side, side, dtype=torch.bool)
    for place in range(2):
        hand = points[:, place * NUM_HAND : (place + 1) * NUM_HAND]
        low, high = hand.amin(dim=1) - 0.03, hand.amax(dim=1) + 0.03
        inside = [(at > low[:, axis, None]) & (at < high[:, axis, None]) for axis in (0, 1)]
        mask |= inside[1][:, :, None] & inside[0][:, None, :] & found[:, place, None, None]
    return mask[:, None]


def _threshold(net: HandReader, samples: Samples, tell: Tell | None) -> float:
    """The probability above which nearly all hands of real clips are, which were not learned from where there are
    such."""
    shown = load(samples, _chosen(samples.of("val") or samples.of("train")), tell)
    told = []
    with torch.inference_mode():
        for frames, known in zip(shown.frames, shown.known, strict=True):
            sure = net(frames.float() / 255)[1].sigmoid()
            hands = torch.stack([known[:, :NUM_HAND].all(dim=1), known[:, NUM_HAND:HANDS].all(dim=1)], dim=1)
            told.append(sure[hands])
    return float(torch.cat(told).quantile(1 - FOUND))


def _mark(samples: Samples, *steps: int) -> str:
    """Of the samples and the way judges are made."""
    made = hashlib.sha256(f"{VERSION} {steps} {SIDE} {POINTS}".encode())
    made.update((samples.data / INDEX).read_bytes())
    for sample in (*samples.of("train"), *samples.of("val")):
        made.update((sample.path / META).read_bytes())  # written anew whenever the pictures are
    return made.hexdigest()[:10]


def _kept(net: nn.Module, path: Path) -> dict[str, str] | None:
    """Load a judge that is there; None where none is, or it is no such net."""
    try:
        with safe_open(path, "pt") as file:
            about = dict(file.metadata() or {})
        net.load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError, RuntimeError):
        return None
    return about


def _keep(net: nn.Module, path: Path, about: dict[str, str]) -> None:
    with replacing(path) as temporary:
        save_file(net.state_dict(), temporary, metadata=about)
