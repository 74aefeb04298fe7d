"""Samples of words for training: a torch Dataset over what `signstudio data words` wrote.

    clips = WordClips("OUT", "train")
    for batch in DataLoader(clips, batch_size=4, shuffle=True, num_workers=2):
        batch["frames"]        (B, 3, T, S, S)   batch["label"]       (B,) int64, a number in clips.vocabulary
        batch["left_hand"]     (B, 3, T, H, H)   batch["left_seen"]   (B, T) bool, False where the crop is a guess
        batch["right_hand"]    (B, 3, T, H, H)   batch["right_seen"]  (B, T) bool, or black

Pictures are RGB: float32 from 0 to 1, or uint8, which is a quarter of the memory and of what workers hand over; divide
by 255 on the device then. A sample holds nothing open, so workers of a DataLoader may be forked or spawned.

Shapes: B batch, T frames, S side of the full picture, H side of a hand's crop.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.data.splits import SPLITS, Split
from models.data.word_samples import META, PARTS, Part, Sample, read_sample
from models.data.words import COLUMNS, INDEX
from models.errors import SignError
from models.files import safe_name
from models.pictures import read_picture
from models.video_decode import Frame, decode, opened, packets


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A line of the index."""

    path: str
    """The sample's folder, from that of the data set."""
    word: str
    signer: str
    """"" where it is not known."""
    split: str


class WordClips(Dataset[dict[str, Tensor]]):
    """The samples of a data set, or of one split of it. See the top of the module for what an item is.

    vocabulary: the words in the order of their labels; every word of the data set, sorted, unless given, so that all
    splits have the same labels. Raises SignError for a folder without an index, a split without a sample, a word that
    is not in the vocabulary; an item that is damaged raises it when it is read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: Split | None = None,
        *,
        dtype: Literal["float32", "uint8"] = "float32",
        vocabulary: Sequence[str] | None = None,
    ) -> None:
        if dtype not in ("float32", "uint8"):
            raise SignError(f"Samples cannot be given as {dtype!r}; choose float32 or uint8.")
        self.folder, self.dtype = Path(folder), dtype
        listed = read_index(self.folder)
        self.vocabulary = tuple(sorted({one.word for one in listed}) if vocabulary is None else vocabulary)
        self.clips = tuple(one for one in listed if split is None or one.split == split)
        if not self.clips:
            raise SignError(f"{safe_name(self.folder)} has no sample in the split {split!r}; choose another.")
        self._labels = {word: label for label, word in enumerate(self.vocabulary)}
        unknown = sorted({one.word for one in self.clips} - set(self._labels))
        if unknown:
            raise SignError(f"{len(unknown)} words are not in the vocabulary, such as {unknown[0]!r}; add them to it.")
        first = self.sample(0)
        self.num_frames, self.size, self.hand_size = len(first.numbers), first.size, first.hand_size

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample, listed = self.sample(index), self.clips[index]
        kind, usual = (len(sample.numbers), sample.size, sample.hand_size), (self.num_frames, self.size, self.hand_size)
        if kind != usual:
            raise SignError(
                f"{listed.path} has {kind[0]} frames of {kind[1]} and {kind[2]} px, the others {usual[0]} of "
                f"{usual[1]} and {usual[2]} px; run `signstudio data words` to its end."
            )
        item = {"frames" if part == "full" else part: self._pictures(index, part, sample) for part in PARTS}
        item |= {part.replace("hand", "seen"): torch.tensor(seen) for part, seen in sample.seen.items()}
        return item | {"label": torch.tensor(self._labels[listed.word])}

    def sample(self, index: int) -> Sample:
        """What is written about a sample: boxes, the clip's frames that it shows, where the signing is."""
        return read_sample(self.folder / self.clips[index].path / META)

    def _pictures(self, index: int, part: Part, sample: Sample) -> Tensor:
        folder = self.folder / self.clips[index].path
        side = sample.size if part == "full" else sample.hand_size
        found = _mp4_frames(folder / f"{part}.mp4") if sample.format == "mp4" else _jpeg_frames(folder / part)
        # An MP4 of an odd size has a row and a column more.
        pictures = [frame[:side, :side] for frame in found]
        if len(pictures) != len(sample.numbers) or any(frame.shape != (side, side, 3) for frame in pictures):
            raise SignError(
                f"{self.clips[index].path}: {part} does not hold {len(sample.numbers)} pictures of {side} px; delete "
                "the sample's folder and run `signstudio data words` again."
            )
        return self._tensor(np.stack(pictures))

    def _tensor(self, pictures: NDArray[np.uint8]) -> Tensor:
        channels_first = torch.from_numpy(pictures).permute(3, 0, 1, 2).contiguous()
        return channels_first if self.dtype == "uint8" else channels_first.float().div_(255)


def read_index(folder: Path) -> list[Listed]:
    """The lines of a data set's index. Raises SignError when there is none, or it is none of ours."""
    path = folder / INDEX
    if not path.is_file():
        raise SignError(f"{folder} has no {INDEX}; `signstudio data words` writes it when all samples are made.")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            if tuple(lines.fieldnames or ()) != COLUMNS:
                raise SignError(f"{path} does not have the columns {', '.join(COLUMNS)}; run `signstudio data words`.")
            listed = [Listed(**{name: str(line[name] or "") for name in COLUMNS}) for line in lines]
        root = folder.resolve()
        outside = next((one for one in listed if not (root / one.path).resolve().is_relative_to(root)), None)
    except (ValueError, csv.Error) as error:
        raise SignError(f"{path} is no table in UTF-8 ({error}); run `signstudio data words` again.") from error
    wrong = next((one for one in listed if one.split not in SPLITS), None)
    if wrong is not None:
        raise SignError(f"{path}: the split of {wrong.path} is {wrong.split!r}; it has to be {', '.join(SPLITS)}.")
    if outside is not None:
        raise SignError(f"{path}: {outside.path[:120]!r} leads out of the folder; run `signstudio data words` again.")
    return listed


def _jpeg_frames(folder: Path) -> Iterator[Frame]:
    for path in sorted(folder.glob("frame_*.jpg")):
        yield read_picture(path, "delete the sample's folder and run `signstudio data words` again")


def _mp4_frames(path: Path) -> Iterator[Frame]:
    """Frame by frame as they are stored; the times in the file are for players."""
    convert = VideoReformatter()
    with opened(path) as (container, stream):
        stream.codec_context.thread_count = 1  # whoever wants more at once has workers of the DataLoader
        for packet in packets(container, stream):
            for frame in decode(stream, packet) or ():
                yield np.asarray(convert.reformat(frame, format="rgb24").to_ndarray(), np.uint8)
