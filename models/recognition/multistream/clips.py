"""Clips of a data folder as batches: hands, objects and scene of the same frames.

    DATA/videos/ID.webm     or ID/0001.jpg, …
    DATA/labels/*.json      labels.json and the splits, as Something-Something has them (also right in DATA)
    DATA/annotations/*.json the boxes, as Something-Else has them (optional: without, there are no objects)
    DATA/something/         what `signstudio data something` makes of these: boxes, joints of hands
    DATA/something/kept/    with data.keep: the chosen frames of each clip, as one file

A clip is moved, enlarged, mirrored and coloured as a whole: boxes and joints move with the pictures. Clips whose label
says left or right are never mirrored.

Shapes: B clips, T frames, N objects, H = W = size, S = crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.data.something import read_label_folder
from models.data.something_boxes import BOXES
from models.data.something_clips import ClipOptions, Item, SomethingClips, open_clips
from models.data.work import fingerprint
from models.errors import SignError
from models.files import replacing, safe_name
from models.recognition.multistream.config import STREAMS, DataOptions, MultiStreamConfig

VIDEOS, ANNOTATIONS, OUT, KEPT = "videos", "annotations", "something", "kept"
_SIDED = frozenset({"left", "right", "leftwards", "rightwards", "clockwise", "counterclockwise"})
_KEPT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Clips. What is not there is 0, and its mask is False."""

    context: Tensor
    """(B, T, 3, H, W) uint8 RGB, the whole picture."""
    context_mask: Tensor
    """(B, T) bool."""
    crops: Tensor
    """(B, T, N, 3, S, S) uint8 RGB, the objects."""
    boxes: Tensor
    """(B, T, N, 4) float32, x1 y1 x2 y2 as shares of the picture."""
    boxes_mask: Tensor
    """(B, T, N) bool."""
    hands: Tensor
    """(B, T, 2, 21, 3) float32, left and right: x, y, and z as a share of the width."""
    hands_mask: Tensor
    """(B, T, 2) bool."""
    aspect: Tensor
    """(B,) float32, height of the picture, in its widths."""
    labels: Tensor
    """(B,) int64; UNKNOWN where a clip has none."""


def as_batch(items: Sequence[Item]) -> Batch:
    """Items of `SomethingClips`, with frames and crops, as one batch."""

    def stacked(name: str) -> Tensor:
        return torch.stack([item[name] for item in items])

    frames, size = stacked("frames"), stacked("size").float()
    return Batch(
        context=frames,
        context_mask=torch.ones(frames.shape[:2], dtype=torch.bool),
        crops=stacked("crops"),
        boxes=stacked("boxes"),
        boxes_mask=stacked("boxes_mask"),
        hands=stacked("hands"),
        hands_mask=stacked("hands_mask"),
        aspect=size[:, 1] / size[:, 0],
        labels=stacked("label"),
    )


def without(batch: Batch, stream: str, chosen: Tensor | None = None) -> Batch:
    """The batch with nothing in a stream; chosen: (B,) bool, of these clips only."""
    mask = {"hands": "hands_mask", "objects": "boxes_mask", "context": "context_mask"}[stream]
    there: Tensor = getattr(batch, mask)
    gone = torch.ones(len(there), dtype=torch.bool, device=there.device) if chosen is None else chosen
    return replace(batch, **{mask: there & ~gone.view(-1, *[1] * (there.dim() - 1))})


class Source:
    """A data folder, opened. Raises SignError when it has no videos, no labels, or was not prepared."""

    def __init__(self, folder: Path, model: MultiStreamConfig, data: DataOptions) -> None:
        self.folder, self.model, self.data = Path(folder), model, data
        self.told = read_label_folder(self.folder)
        self.labels = self.told.labels.templates
        if not (self.out / BOXES).is_file():
            raise SignError(
                f"{safe_name(self.folder)} was not prepared: there is no {OUT}/{BOXES} in it; start a training on it, "
                f"or run `signstudio data something` with --out {OUT}."
            )

    @property
    def out(self) -> Path:
        """Where boxes and joints are."""
        return self.folder / OUT

    def clips(self, split: str) -> SomethingClips:
        """The clips of a split that have a video and a label. Raises SignError when there is no such split."""
        return open_clips(
            self.folder / VIDEOS,
            self.folder,
            self.out,
            split=split,
            only_annotated=False,
            options=clip_options(self.model),
        )

    def training(self) -> tuple[Clips, Clips]:
        """What is learned from, and what training is watched on."""
        train = self.clips(self.data.train)
        chosen = _evenly([self.told.labels.id(one.template) for one in train.clips], self.data.max_train)
        held = self.clips(self.data.validation) if self.data.validation in self.told.splits else train
        if held is train or not len(held):
            held, watched = train, chosen[::10][: self.data.max_validation or None]
            unseen = set(watched)
            chosen = [one for one in chosen if one not in unseen] or chosen
        else:
            watched = _evenly([self.told.labels.id(one.template) for one in held.clips], self.data.max_validation)
        return self.opened(train, chosen), self.opened(held, watched)

    def judged(self, split: str | None = None) -> Clips:
        """What is judged: `data.test`, or `data.validation` where no clip of it has a label."""
        names = [split] if split is not None else [self.data.test, self.data.validation]
        for name in names:
            if split is not None or name in self.told.splits:
                clips = self.clips(name)
                if len(clips):
                    return self.opened(clips, range(len(clips)))
        raise SignError(
            f"No clip of the split {names[0]} has a video and a label; {safe_name(self.folder)} has the splits "
            f"{', '.join(self.told.splits) or 'none'}."
        )

    def opened(self, clips: SomethingClips, chosen: Sequence[int]) -> Clips:
        """Some clips of a split, kept where that is asked for."""
        return Clips(clips, chosen, self.out / KEPT if self.data.keep else None)


class Clips:
    """Some clips of a split, as items; the frames chosen from each are kept as one file where there is a folder."""

    def __init__(self, clips: SomethingClips, chosen: Sequence[int], kept: Path | None = None) -> None:
        self._clips, self._chosen, self._kept = clips, list(chosen), kept
        self._marks: dict[int, str] = {}
        self.left_out = clips.left_out

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Item:
        place = self._chosen[index]
        if self._kept is None:
            return self._clips[place]
        path = self._path(place, self._kept)
        clip = self._clips.clips[place]
        known: Item = {"video_id": clip.video_id, "template": clip.template}
        if not path.is_file():
            item = self._clips[place]
            with replacing(path) as temporary:
                save_file({name: one for name, one in item.items() if isinstance(one, Tensor)}, temporary)
        return known | load_file(path)

    def parts(self, size: int) -> Iterator[list[Item]]:
        """All of them, so many at a time."""
        for start in range(0, len(self), size):
            yield [self[place] for place in range(start, min(start + size, len(self)))]

    @property
    def split(self) -> str:
        """The one they are of; there has to be a clip."""
        return self._clips.clips[self._chosen[0]].split

    @property
    def names(self) -> list[str]:
        """The ids of the clips."""
        return [self._clips.clips[place].video_id for place in self._chosen]

    @property
    def labels(self) -> list[int]:
        """The label of each."""
        return [self._clips.labels.id(self._clips.clips[place].template) for place in self._chosen]

    @property
    def mirrorable(self) -> list[bool]:
        """Whether each stays true to its label in a mirror."""
        words = [self._clips.clips[place].template.lower().split() for place in self._chosen]
        return [not _SIDED & set(one) for one in words]

    def _path(self, place: int, folder: Path) -> Path:
        """Another file when the clip, its boxes, its joints or the options change."""
        if place not in self._marks:
            self._marks[place] = fingerprint(_KEPT_VERSION, self._clips.made_from(place))
        return folder / f"{self._marks[place]}.safetensors"


def clip_options(model: MultiStreamConfig) -> ClipOptions:
    """What an item of this model holds."""
    return ClipOptions(
        num_frames=model.frames,
        frame_size=model.size,
        max_objects=model.max_objects,
        crops=True,
        crop_size=model.crop,
    )


def changed(item: Item, rng: np.random.Generator, data: DataOptions, *, mirrorable: bool) -> Item:
    """A clip as it might as well have been filmed: mirrored, moved, enlarged, in another light."""
    made: Mapping[str, Any] = item
    if data.mirror and mirrorable and rng.random() < 0.5:
        made = _mirrored(made)
    if data.shift:
        made = _moved(made, 1 + data.shift * rng.random(), data.shift * rng.uniform(-1, 1, 2))
    if data.light:
        made = _lit(made, rng, data.light)
    return dict(made)


def dropped(batch: Batch, rng: np.random.Generator, share: float) -> Batch:
    """The batch in which a stream of this share of the clips is left out, at most one of each clip."""
    free = torch.ones_like(batch.labels, dtype=torch.bool)
    for place, name in enumerate(STREAMS):
        drawn = torch.from_numpy(rng.random(len(batch.labels)) < share / (1 - share * place))
        batch = without(batch, name, drawn & free)
        free = free & ~drawn
    return batch


def _mirrored(item: Mapping[str, Any]) -> dict[str, Any]:
    boxes, hands = item["boxes"].clone(), item["hands"].flip(1).clone()
    boxes[..., [0, 2]] = 1 - boxes[..., [2, 0]]
    boxes[~item["boxes_mask"]] = 0
    mask = item["hands_mask"].flip(1)
    hands[..., 0] = (1 - hands[..., 0]) * mask[..., None]
    return {
        **item,
        "frames": item["frames"].flip(-1),
        "crops": item["crops"].flip(-1),
        "boxes": boxes,
        "hands": hands,
        "hands_mask": mask,
    }


def _moved(item: Mapping[str, Any], zoom: float, offset: Any) -> dict[str, Any]:
    """Enlarged by `zoom` about the middle, then moved by `offset`, shares of the picture."""
    side = item["frames"].shape[-1]
    xy = torch.tensor(offset, dtype=torch.float32)
    theta = torch.tensor([[1 / zoom, 0, -2 * xy[0] / zoom], [0, 1 / zoom, -2 * xy[1] / zoom]])
    grid = torch.nn.functional.affine_grid(theta[None], [1, 3, side, side], align_corners=False)
    frames = torch.nn.functional.grid_sample(
        item["frames"].float(), grid.expand(len(item["frames"]), -1, -1, -1), padding_mode="border", align_corners=False
    )
    boxes = (((item["boxes"].unflatten(-1, (2, 2)) - 0.5) * zoom + 0.5 + xy).clamp(0, 1)).flatten(-2)
    hands = item["hands"].clone()
    hands[..., :2] = (hands[..., :2] - 0.5) * zoom + 0.5 + xy
    hands[..., 2] *= zoom
    return {
        **item,
        "frames": frames.round().clamp(0, 255).to(torch.uint8),
        "boxes": boxes * item["boxes_mask"][..., None],
        "hands": hands * item["hands_mask"][..., None, None],
    }


def _lit(item: Mapping[str, Any], rng: np.random.Generator, light: float) -> dict[str, Any]:
    gain = (1 + light * rng.uniform(-1, 1)) * (1 + light / 2 * rng.uniform(-1, 1, 3))
    offset = 255 * light / 2 * rng.uniform(-1, 1)
    table = np.clip(np.arange(256)[None] * gain[:, None] + offset, 0, 255).astype(np.uint8)
    made = dict(item)
    for name in ("frames", "crops"):
        pictures = item[name].numpy()
        lit = np.stack([table[channel][np.take(pictures, channel, -3)] for channel in range(3)], axis=-3)
        made[name] = torch.from_numpy(lit)
    made["crops"] = made["crops"] * item["boxes_mask"][..., None, None, None]
    return made


def _evenly(labels: Sequence[int], most: int) -> list[int]:
    """Places of at most so many clips, as even over the labels as they go, in their order; 0: of all."""
    places = range(len(labels))
    if not most or most >= len(labels):
        return list(places)
    seen: dict[int, int] = {}
    ranked = []
    for place in places:
        ranked.append((seen.get(labels[place], 0), place))
        seen[labels[place]] = seen.get(labels[place], 0) + 1
    return sorted(place for _, place in sorted(ranked)[:most])
