"""What to cut out of a video for one instance: which frames, and which part of the picture.

Design choices:

- Frame numbers count at the instance's own rate (WLASL: 25 a second) whatever the file's rate is, so they become times.
- A copy that carries the instance's own name (`video_id.mp4`) was cut by whoever passed it on: its frame range is left
  alone.
- The box is enlarged by `PADDING` on each side before it is clipped to the picture. WLASL's boxes come from a person
  detector: without padding 1 in 1,300 of the hands seen in 22 of its clips lay partly outside, with half of it none.
- A box is only used where it surely speaks of this very picture. Boxes are in the pixels of whichever size of the
  video WLASL had, and the file at hand may have another (a smaller copy, or what its host offers now): such a box
  would cut off hands without a word. It can be told: signers are filmed from the hips up, so boxes end at the lower
  edge of the picture (99 % of WLASL300's within 2 % of a usual height). Where a box does not, the whole picture is
  read, which loses nothing that was measured, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.data.store import Store
from models.data.wlasl import Instance
from models.errors import SignError
from models.files import safe_name
from models.video import Box, VideoInfo

PADDING = 0.08
"""Of the box's size, on each side."""
LOWEST = 0.9
"""A box reaches down to at least this share of its picture's height."""
BEYOND = 1.02
"""A box may end this much outside of its picture: it was rounded, and drawn a little generously."""
LONGER = 1.5
"""A copy that lasts longer than the instance by this factor, and a second, was perhaps not cut."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The video that an instance is in."""

    name: str
    """An absolute path, or a name in the store."""
    in_store: bool
    """A video that was downloaded whole; else a copy that carries the instance's name and is cut already."""
    stamp: tuple[int, ...]
    """Bytes, and for a file of the user's the time of its last change (ns): another stamp is another video."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """One instance to cut out of its video."""

    item: str
    video_id: str
    gloss: str
    split: str
    signer: str
    source: Source
    start_ms: float
    end_ms: float | None
    """None: to the end."""
    box: Box | None
    """Pixels of the video it was drawn in; None: the whole picture."""
    padding: float
    """Of the box's size, on each side."""
    output: str
    """Name of the file to make, in the store."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is read of a video."""

    start_ms: float
    end_ms: float | None
    crop: Box | None
    notes: tuple[str, ...]
    """What was left out of what the instance asks for, and why."""


def cut_of(instance: Instance, source: Source, *, padding: float | None, output: str) -> Cut:
    """The cut of an instance. padding None: never crop."""
    return Cut(
        item=instance.item,
        video_id=instance.video_id,
        gloss=instance.gloss,
        split=instance.split,
        signer=instance.signer,
        source=source,
        start_ms=1000 * instance.start_frame / instance.fps,
        end_ms=None if instance.end_frame is None else 1000 * instance.end_frame / instance.fps,
        box=None if padding is None else instance.box,
        padding=padding or 0.0,
        output=output,
    )


def cuts_of(
    instances: Iterable[Instance],
    sources: Mapping[str, Source],
    *,
    padding: float | None,
    name: Callable[[Instance], str],
) -> Iterator[Cut]:
    """The cuts of those instances whose video is there.

    sources: by `Instance.item`. padding: None never crops. name: where what is made of an instance goes.
    """
    for instance in instances:
        source = sources.get(instance.item)
        if source is not None:
            yield cut_of(instance, source, padding=padding, output=name(instance))


def decides(cut: Cut) -> dict[str, Any]:
    """What decides what is read of a video; not what it is called and where it goes, which may change later."""
    source = (cut.source.name.rsplit("/", 1)[-1], cut.source.in_store, *cut.source.stamp)
    unnamed = replace(cut, output="", split="", gloss="", signer="")
    return asdict(unnamed) | {"source": source}


def part_of(cut: Cut, video: VideoInfo) -> Part:
    """Which part of a video to read. Raises SignError when the instance lies beyond the end of it."""
    crop, crop_notes = _crop(cut, video)
    if not cut.source.in_store:
        return Part(start_ms=0, end_ms=None, crop=crop, notes=(*_uncut(cut, video), *crop_notes))
    length_ms = math.inf if video.duration_s is None else 1000 * video.duration_s
    if cut.start_ms >= length_ms:
        raise SignError(
            f"{cut.item}: the instance begins at {cut.start_ms / 1000:.2f} s, and {safe_name(video.path)} ends at "
            f"{length_ms / 1000:.2f} s; it is not the video that the list means. Remove it to have it downloaded again."
        )
    return Part(start_ms=cut.start_ms, end_ms=cut.end_ms, crop=crop, notes=tuple(crop_notes))


def reading(store: Store, cut: Cut) -> AbstractContextManager[Path]:
    """The path of the cut's video, on this machine."""
    return store.reading(cut.source.name) if cut.source.in_store else nullcontext(Path(cut.source.name))


def read_of(cut: Cut, part: Part) -> dict[str, Any]:
    """What was read, for the manifest."""
    return {
        "start_ms": part.start_ms,
        "end_ms": part.end_ms,
        "crop": None if part.crop is None else list(part.crop),
        "source": cut.source.name,
        "from_store": cut.source.in_store,
        "notes": list(part.notes),
    }


def padded(box: Box, padding: float, width: int, height: int) -> Box:
    """The box, larger by a share of its size on each side, clipped to the picture and in whole pixels."""
    left, top, right, bottom = box
    wide, high = padding * (right - left), padding * (bottom - top)
    return (
        max(0, math.floor(left - wide)),
        max(0, math.floor(top - high)),
        min(width, math.ceil(right + wide)),
        min(height, math.ceil(bottom + high)),
    )


def _crop(cut: Cut, video: VideoInfo) -> tuple[Box | None, list[str]]:
    if cut.box is None:
        return None, []
    right, down = cut.box[2:]
    fits = right <= BEYOND * video.width and LOWEST * video.height <= down <= BEYOND * video.height
    box = padded(cut.box, cut.padding, video.width, video.height)
    if fits and box[0] < box[2] and box[1] < box[3]:
        return box, []
    return None, [
        f"The box {list(cut.box)} was not used: it was drawn in a picture about {down} px high, and this one has "
        f"{video.width} x {video.height} px."
    ]


def _uncut(cut: Cut, video: VideoInfo) -> list[str]:
    if cut.end_ms is None or video.duration_s is None:
        return []
    wanted = (cut.end_ms - cut.start_ms) / 1000
    if video.duration_s <= LONGER * wanted + 1:
        return []
    return [
        f"The copy lasts {video.duration_s:.1f} s and the instance {wanted:.1f} s: it was taken whole, and is perhaps "
        "not cut yet."
    ]
