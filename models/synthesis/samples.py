"""Samples of words, as `signstudio data words` makes them, and what the base action model needs to know of them.

Shapes: T frames, S side of the pictures, m side of the map of the pose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_format import Pose
from torch import Tensor

from models.data.word_clips import WordClips
from models.data.word_samples import LANDMARKS
from models.errors import SignError
from models.files import safe_name
from models.pose.files import read_pose
from models.pose.landmarks import component
from models.pose.openpose import draw_openpose, scale_keypoints, to_openpose
from models.pose.span import HAND_OF, SIDES, hand_seen
from models.synthesis.config import BaseActionConfig

LEAST_SAMPLES = 2
"""Of a word: of one sample nobody can tell what belongs to the word and what to the signer."""
_ROOM = 0.35  # about a hand's landmarks, as a share of their extent


@dataclass(frozen=True, kw_only=True)
class WordSample:
    """One sample of a word."""

    number: int
    """In the data set."""
    path: Path
    word: str
    signer: str
    split: str


class Samples:
    """The samples of a data set that the model can learn from.

    Raises SignError for a folder without samples, of samples of other sizes than the model takes, or of mixed sizes.
    """

    def __init__(self, data: Path, config: BaseActionConfig) -> None:
        self.data = Path(data)
        self.clips = WordClips(self.data, dtype="uint8")
        self.num_frames = self.clips.num_frames
        if self.clips.size != config.size:
            raise SignError(
                f"{safe_name(self.data)} holds pictures of {self.clips.size} px, and model.size is {config.size}; set "
                f"it to {self.clips.size}, or run `signstudio data words` with --size {config.size}."
            )
        if self.num_frames < config.window:
            raise SignError(f"The samples have {self.num_frames} frames; model.window is {config.window}.")
        listed = [
            WordSample(number=number, path=self.data / one.path, word=one.word, signer=one.signer, split=one.split)
            for number, one in enumerate(self.clips.clips)
        ]
        shows_a_hand = {one.number: any(map(any, self.clips.sample(one.number).seen.values())) for one in listed}
        handless = [one for one in listed if not shows_a_hand[one.number]]
        kept = [one for one in listed if shows_a_hand[one.number]]
        counts = Counter(one.word for one in kept)
        alone = {one.word for one in listed if counts[one.word] < LEAST_SAMPLES}
        self.all = tuple(one for one in kept if one.word not in alone)
        self.notes = tuple(_left_out(handless, sorted(alone)))
        if not self.all:
            raise SignError(f"{safe_name(self.data)} holds nothing to learn from. " + " ".join(self.notes))
        self.words = tuple(sorted({one.word for one in self.all}))

    def of(self, split: str) -> tuple[WordSample, ...]:
        """The samples of a split: train, val or test."""
        return tuple(one for one in self.all if one.split == split)

    def views(self, sample: WordSample) -> tuple[Tensor, Tensor, Tensor]:
        """Full picture, left and right hand: (3, T, S, S) uint8 each; the hands of their own side."""
        item = self.clips[sample.number]
        return item["frames"], item["left_hand"], item["right_hand"]

    def seen(self, sample: WordSample) -> Tensor:
        """(T, 3) bool: the full picture always is; a hand where it was found."""
        hands = self.clips.sample(sample.number).seen
        sides = [torch.tensor(hands[f"{side}_hand"]) for side in ("left", "right")]
        return torch.stack([torch.ones_like(sides[0]), *sides], dim=1)

    def fps(self, sample: WordSample) -> float:
        """Frames a second at which the sample plays in the clip's time."""
        return self.clips.sample(sample.number).fps

    def pose(self, sample: WordSample) -> Pose:
        """Its landmarks, without the face, in pixels of the full picture."""
        return read_pose(sample.path / LANDMARKS)


def described(samples: tuple[WordSample, ...], drawn: bool) -> str:
    """What a model learned from, in words."""
    signers = len({one.signer for one in samples if one.signer})
    who = f"{signers} signers" if signers != 1 else "one signer"
    said = f"trained on {len(samples)} samples of {who if signers else 'unnamed signers'}"
    return f"{said} that the studio drew; it has never seen a person" if drawn else said


def pose_maps(pose: Pose, side: int) -> NDArray[np.uint8]:
    """(T, m, m, 3) the OpenPose drawing of body and hands of each frame."""
    # Strokes are so many pixels wide on any canvas; on one of twice the size they are still seen in the map.
    canvas = 2 * side
    scale = canvas / pose.header.dimensions.width
    maps = []
    for person in to_openpose(pose):
        drawn = draw_openpose([scale_keypoints(person, scale)], canvas, canvas, face=False)
        maps.append(cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA))
    return np.stack(maps).astype(np.uint8)


def hand_mask(pose: Pose, side: int) -> NDArray[np.bool_]:
    """(T, h, h) where the hands are, with room around them."""
    size = pose.header.dimensions.width
    mask = np.zeros((len(pose.body.data), side, side), bool)
    for one in SIDES:
        points = component(pose, HAND_OF[one])[0][..., :2] * side / size
        low, high = points.min(axis=1), points.max(axis=1)
        room = _ROOM * (high - low).max(axis=1, keepdims=True)
        lows, highs = np.floor(low - room).astype(int).clip(0, side), np.ceil(high + room).astype(int).clip(0, side)
        for frame in np.flatnonzero(hand_seen(pose, one)):
            (left, top), (right, bottom) = lows[frame], highs[frame]
            mask[frame, top:bottom, left:right] = True
    return mask


def _left_out(handless: list[WordSample], alone: list[str]) -> list[str]:
    said = []
    if handless:
        named = f"{handless[0].word}/{handless[0].path.name}"
        said.append(f"Samples in which no hand was found are left out: {len(handless)}, such as {named}.")
    if alone:
        said.append(f"Words with fewer than {LEAST_SAMPLES} samples are left out: {len(alone)}, such as {alone[0]}.")
    return said
