"""Clips of Something-Something as tensors: what a recognizer of hands, objects and scene learns from.

An item has the same shapes whatever the clip is, so torch's own collation makes batches of items. Time is T frames
spread evenly over the clip; a clip with fewer repeats some. Coordinates are shares of the picture's width and height,
and so fit frames of any size. What is not there is zero, and its mask is False.

Shapes: T frames, N objects, H = W = frame_size, S = crop_size.

    video_id, template   text
    label                () int64, the id in Labels; UNKNOWN where a clip has none
    numbers              (T,) int64, numbers of the frames, from 1
    size                 (2,) int64, width and height of the picture, pixels
    annotated            (T,) bool: the annotators have an entry for this frame
    frames               (T, 3, H, W) uint8 RGB, the whole picture; unless frame_size is None
    hands                (T, 2, 21, 3) float32: x, y and z (as a share of the width) of the left and right hand's joints
    hands_score          (T, 2) float32, how certain the model was; hands_mask: (T, 2) bool, whether it was found
    hand_boxes           (T, 2, 4) float32, x1 y1 x2 y2, in the annotators' order; hand_boxes_mask: (T, 2) bool
    boxes                (T, N, 4) float32, x1 y1 x2 y2; boxes_mask: (T, N) bool. A column is one object all the time
    slots                (N,) int64, which placeholder of the template an object is, from 0; UNKNOWN for an empty column
    categories           (N,) int64, what the object is, as an index of the names given; UNKNOWN for any other
    crops                (T, N, 3, S, S) uint8 RGB, squares around the boxes; only with crops=True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.data.something import UNKNOWN, Clip, Labels, find_videos, read_label_folder
from models.data.something_boxes import Boxes, Marked, VideoBoxes
from models.data.something_frames import FRAMES, chosen_frames, mark_of, numbers_of
from models.data.something_hands import hands_path, read_hands, square
from models.data.something_report import failed_ids
from models.data.work import fingerprint
from models.errors import SignError
from models.files import safe_name
from models.pose.landmarks import NUM_HAND
from models.video_decode import Frame

Item = dict[str, Any]
NUM_SIDES = 2


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """What an item holds. Raises SignError on values outside their range."""

    num_frames: int = 16
    """T."""
    frame_size: int | None = 224
    """Width and height of the whole picture, pixels, stretched to a square; None: no frames."""
    max_objects: int = 4
    """N; a clip's further objects are left out."""
    crops: bool = False
    """Whether to cut the objects out."""
    crop_size: int = 112
    """Width and height of an object's crop, pixels."""
    crop_margin: float = 0.1
    """Added on every side of an object's box, as a share of its longer side."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_frames <= 1000:
            raise SignError(f"{self.num_frames} frames of a clip were asked for; give 1 to 1000.")
        if not 1 <= self.max_objects <= 100:
            raise SignError(f"{self.max_objects} objects of a clip were asked for; give 1 to 100.")
        for side in (self.frame_size, self.crop_size):
            if side is not None and not 8 <= side <= 2048:
                raise SignError(f"Pictures of {side} pixels were asked for; give 8 to 2048.")


class SomethingClips(Dataset[Item]):
    """Items of clips, in the order given; see the top of this file. It works in the workers of a DataLoader.

    videos: where each clip lies, as `find_videos` has it. boxes: the merged annotations; without them there are no
    objects. hands: the folder given to `signstudio data something --out`, for the joints; without it, or where a clip
    has none there, no hand is found. categories: names of objects that get an id.
    Clips without a video or a label, in `without`, or (only_annotated) without boxes have no item: left_out says why.
    Raises SignError when an item cannot be read.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        videos: Mapping[str, Path],
        labels: Labels,
        *,
        boxes: Boxes | None = None,
        hands: Path | None = None,
        categories: Sequence[str] = (),
        only_annotated: bool = False,
        without: Collection[str] = (),
        keep_unlabelled: bool = False,
        options: ClipOptions | None = None,
    ) -> None:
        self.options = options or ClipOptions()
        self.labels = labels
        self._videos, self._boxes, self._hands = videos, boxes, hands
        self._categories = {name.casefold(): number for number, name in enumerate(categories)}
        annotated = set(boxes.ids()) if only_annotated and boxes is not None else set()
        self.left_out: dict[str, str] = {}
        kept = []
        for clip in clips:
            if clip.video_id not in videos:
                self.left_out[clip.video_id] = "no video"
            elif clip.video_id in without:
                self.left_out[clip.video_id] = "it could not be read"
            elif not keep_unlabelled and labels.id(clip.template) == UNKNOWN:
                self.left_out[clip.video_id] = "no label" if not clip.template else "its label is not among the labels"
            elif only_annotated and clip.video_id not in annotated:
                self.left_out[clip.video_id] = "no boxes"
            else:
                kept.append(clip)
        self.clips = tuple(kept)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Item:
        clip = self.clips[index]
        boxes = self._boxes.get(clip.video_id) if self._boxes is not None else None
        numbers, size, frames = self._pixels(self._videos[clip.video_id], clip.video_id)
        columns = (boxes.slots if boxes is not None else ())[: self.options.max_objects]
        item: Item = {
            "video_id": clip.video_id,
            "template": clip.template,
            "label": torch.tensor(self.labels.id(clip.template)),
            "numbers": torch.tensor(numbers),
            "size": torch.tensor(size),
            "annotated": torch.tensor([boxes is not None and number in boxes.frames for number in numbers]),
            "slots": _padded([_slot_number(slot) for slot in columns], self.options.max_objects),
            "categories": _padded(self._category_ids(boxes, columns), self.options.max_objects),
        }
        item |= self._joints(clip.video_id, numbers, size)
        marks = [boxes.at(number, *size) if boxes is not None else () for number in numbers]
        item |= self._marked(marks, columns, size)
        if self.options.frame_size is not None:
            side = self.options.frame_size
            item["frames"] = _stacked([_resized(frames[number], side) for number in numbers])
        if self.options.crops:
            item["crops"] = self._crops([frames[number] for number in numbers], item["boxes"], item["boxes_mask"])
        return item

    def made_from(self, index: int) -> str:
        """A short text that changes when the item would: with the video, its boxes, its joints, or the options."""
        video_id = self.clips[index].video_id
        joints = None if self._hands is None else hands_path(self._hands, video_id)
        return fingerprint(
            mark_of(self._videos[video_id]),
            self._boxes.mark(video_id) if self._boxes is not None else "",
            mark_of(joints) if joints is not None and joints.is_file() else "",
            self.labels.id(self.clips[index].template),
            asdict(self.options),
            list(self._categories.items()),
        )

    def _pixels(self, source: Path, video_id: str) -> tuple[list[int], tuple[int, int], dict[int, Frame]]:
        """Numbers of the frames chosen, (width, height), and the frames; none where no pixels are wanted."""
        if self.options.frame_size is None and not self.options.crops:
            path = None if self._hands is None else hands_path(self._hands, video_id)
            if path is not None and path.is_file():
                track = read_hands(path)
                return self._chosen(track.numbers.tolist()), (track.width, track.height), {}
            numbers, width, height = numbers_of(source)
            return self._chosen(numbers), (width, height), {}
        chosen: list[int] = []

        def choose(numbers: Sequence[int]) -> Sequence[int]:
            chosen.extend(self._chosen(numbers))
            return chosen

        frames = chosen_frames(source, choose)
        height, width = frames[chosen[0]].shape[:2]
        return chosen, (width, height), frames

    def _chosen(self, numbers: Sequence[int]) -> list[int]:
        return [numbers[place] for place in spread(len(numbers), self.options.num_frames)]

    def _joints(self, video_id: str, numbers: list[int], size: tuple[int, int]) -> Item:
        joints = np.zeros((len(numbers), NUM_SIDES, NUM_HAND, 3), np.float32)
        score = np.zeros((len(numbers), NUM_SIDES), np.float32)
        path = None if self._hands is None else hands_path(self._hands, video_id)
        if path is not None and path.is_file():
            track = read_hands(path)
            rows = {number: row for row, number in enumerate(track.numbers.tolist())}
            for place, number in enumerate(numbers):
                if number in rows:
                    joints[place], score[place] = track.joints[rows[number]], track.score[rows[number]]
        joints /= np.array([size[0], size[1], size[0]], np.float32)
        return {
            "hands": torch.from_numpy(joints),
            "hands_score": torch.from_numpy(score),
            "hands_mask": torch.from_numpy(score > 0),
        }

    def _marked(self, marks: list[tuple[Marked, ...]], columns: Sequence[str], size: tuple[int, int]) -> Item:
        shape = len(marks), self.options.max_objects
        boxes, mask = np.zeros((*shape, 4), np.float32), np.zeros(shape, bool)
        hands, hands_mask = np.zeros((len(marks), NUM_SIDES, 4), np.float32), np.zeros((len(marks), NUM_SIDES), bool)
        scale = np.array([*size, *size], np.float32)
        for row, found in enumerate(marks):
            objects = sorted((one for one in found if not one.is_hand), key=_area)  # of two in a slot, the larger
            for one in objects:
                if one.slot in columns:
                    column = columns.index(one.slot)
                    boxes[row, column], mask[row, column] = one.box / scale, True
            for side, one in enumerate([one for one in found if one.is_hand][:NUM_SIDES]):
                hands[row, side], hands_mask[row, side] = one.box / scale, True
        return {
            "boxes": torch.from_numpy(boxes),
            "boxes_mask": torch.from_numpy(mask),
            "hand_boxes": torch.from_numpy(hands),
            "hand_boxes_mask": torch.from_numpy(hands_mask),
        }

    def _crops(self, frames: Sequence[Frame], boxes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        side = self.options.crop_size
        crops = np.zeros((*mask.shape, side, side, 3), np.uint8)
        for row, column in mask.nonzero().tolist():
            height, width = frames[row].shape[:2]
            x1, y1, x2, y2 = (boxes[row, column].numpy() * [width, height, width, height]).tolist()
            cut, _ = square(frames[row], (x1, y1, x2, y2), self.options.crop_margin)
            crops[row, column] = _resized(cut, side)
        return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 1, 4, 2, 3)))

    def _category_ids(self, boxes: VideoBoxes | None, columns: Sequence[str]) -> list[int]:
        names = (
            {one.slot: one.category for found in boxes.marked.values() for one in found} if boxes is not None else {}
        )
        return [self._categories.get(names[slot].casefold(), UNKNOWN) for slot in columns]


def open_clips(
    videos: Path,
    labels: Path,
    out: Path,
    *,
    split: str,
    categories: Sequence[str] = (),
    only_annotated: bool = True,
    options: ClipOptions | None = None,
) -> SomethingClips:
    """The clips of a split, with the boxes, the hands and the written frames of `signstudio data something --out`.

    split: the name of its file: train, validation, finetune_5shot_training. Clips that failed there are left out.
    Raises SignError when there is no such split, or no boxes.
    """
    told = read_label_folder(labels)
    if split not in told.splits:
        known = ", ".join(told.splits) or "none"
        raise SignError(f"{safe_name(told.folder)} has no split {split!r}; it has {known}.")
    written = out / FRAMES
    return SomethingClips(
        told.splits[split],
        {**find_videos(videos), **(find_videos(written) if written.is_dir() else {})},
        told.labels,
        boxes=Boxes(out),
        hands=out,
        categories=categories,
        only_annotated=only_annotated,
        without=failed_ids(out),
        options=options,
    )


def spread(count: int, num_frames: int) -> list[int]:
    """Places of num_frames frames out of count: the middle of each of as many equal pieces of the clip."""
    if count < 1:
        raise ValueError("a clip without frames")
    return [int((piece + 0.5) * count / num_frames) for piece in range(num_frames)]


def _slot_number(slot: str) -> int:
    return int(slot) if slot.isascii() and slot.isdigit() else UNKNOWN


def _padded(values: Sequence[int], length: int) -> torch.Tensor:
    return torch.tensor([*values, *[UNKNOWN] * (length - len(values))])


def _area(one: Marked) -> float:
    x1, y1, x2, y2 = one.box
    return (x2 - x1) * (y2 - y1)


def _resized(image: Frame, side: int) -> NDArray[np.uint8]:
    way = cv2.INTER_AREA if max(image.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=way), np.uint8)


def _stacked(images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """(T, 3, H, W) of pictures (H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))
