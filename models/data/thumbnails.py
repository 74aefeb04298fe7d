"""A small square picture of a clip at a time, to know it again by eye."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data.manifest import Row
from models.data.stills import jpeg, letterboxed
from models.data.store import Store
from models.data.work import fingerprint
from models.errors import SignError
from models.files import replacing, safe_name
from models.video import Box, ReadOptions, VideoReader, probe

SIDE = 192
"""Pixels a side, unless asked otherwise."""
_QUALITY = 82
_GROUND = 24  # grey level beside a picture that is not square


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The part of a video that an extracted pose was made from."""

    source: str
    """A path, or a name in the store."""
    from_store: bool
    start_ms: float
    end_ms: float | None
    """None: to the end."""
    crop: Box | None
    middle_ms: float
    """Of the signing, in the video."""

    @classmethod
    def of(cls, row: Row) -> Clip:
        """Of a row of the phase `extract`. Raises SignError when the row does not say it."""
        info = row.info
        if not info.get("source"):
            raise SignError(f"{row.item}: no video is known for this clip; extract it again.")
        start, end = float(info.get("start_ms") or 0), info.get("end_ms")
        xmin, ymin, xmax, ymax = (int(side) for side in info.get("crop") or (0, 0, 0, 0))
        return cls(
            source=str(info["source"]),
            from_store=bool(info.get("from_store")),
            start_ms=start,
            end_ms=None if end is None else float(end),
            crop=(xmin, ymin, xmax, ymax) if info.get("crop") else None,
            middle_ms=start + _middle_ms(info),
        )

    @property
    def reading(self) -> ReadOptions:
        """How to read the part."""
        return ReadOptions(start_ms=self.start_ms, end_ms=self.end_ms, crop=self.crop)

    @contextmanager
    def video(self, store: Store) -> Iterator[Path]:
        """The video as a file on this machine. Raises SignError when it is gone."""
        if self.from_store:
            with store.reading(self.source) as path:
                yield path
            return
        path = Path(self.source)
        if not path.is_file():
            raise SignError(f"{safe_name(path)}: this video is not where it was when its pose was made; put it back.")
        yield path


def thumbnail(source: str | os.PathLike[str], *, at_ms: float, crop: Box | None = None, side: int = SIDE) -> bytes:
    """The frame shown at a time, as a JPEG of side x side pixels; what is not square gets dark bars.

    at_ms: from the first frame of the video. crop: in pixels of its upright frame.
    Raises VideoError when the video cannot be read, or shows nothing at that time or in that crop.
    """
    if side < 16:
        raise ValueError(f"a thumbnail of {side} pixels shows nothing; give 16 or more")
    beat_ms = 1000 / probe(source).fps
    start_ms = beat_ms * math.floor(max(at_ms, 0) / beat_ms + 1e-6)
    with VideoReader(source, ReadOptions(start_ms=start_ms, crop=crop)) as clip:
        frame = next(iter(clip))
    return jpeg(letterboxed(frame, side, ground=_GROUND), _QUALITY)


def thumbnail_name(row: Row) -> str:
    """The file name of a clip's thumbnail; it says what is shown, so that another part has another name."""
    clip = Clip.of(row)
    shown = fingerprint(Path(clip.source).name, clip.middle_ms, clip.crop)[:8]
    return f"{row.item}-{shown}.jpg"


def write_thumbnail(row: Row, store: Store, folder: Path) -> Path:
    """The thumbnail of an extracted clip in the middle of its signing, in a folder; one that is there is kept.

    row: of the phase `extract`. Raises SignError when there is no picture to take.
    """
    path = folder / thumbnail_name(row)
    if not path.is_file():
        clip = Clip.of(row)
        with clip.video(store) as video:
            picture = thumbnail(video, at_ms=clip.middle_ms, crop=clip.crop)
        with replacing(path) as temporary:
            temporary.write_bytes(picture)
    return path


def _middle_ms(info: Mapping[str, Any]) -> float:
    """Middle of the signing, from the start of the part that was extracted."""
    quality = info.get("quality") or {}
    start, end = quality.get("start_ms"), quality.get("end_ms")
    if start is not None and end is not None and end > start:
        return (float(start) + float(end)) / 2
    return 500 * float(info.get("frames") or 0) / float(info.get("fps") or 25)
