"""The boxes of Something-Else, merged from its parts into one file that a worker reads one video of.

The four parts hold over 4 GB of JSON, {video id: [entries of frames]}. They are read one video after the other, in
constant memory, into SQLite: what has boxes takes 20 bytes a box, packed. A part that was interrupted is read again,
and what is there already is compared: so merging twice, or on, gives the same, and a video that stands in two parts
with different boxes is refused.

Frames are kept by the number in their name. A frame without an entry is told from one with an entry that has no
objects, and neither has any boxes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.something import begins_as_boxes, frame_name, frame_number, natural
from models.errors import SignError
from models.files import safe_name

HAND = "hand"
"""The slot of a hand; objects have "0000", "0001", … in the order of the placeholders."""
BOXES = "boxes.sqlite"
Part = Callable[[str, int, int], None]
"""Told about merging: the part's name, its bytes read and its bytes."""

_ROW = np.dtype([("frame", "<u2"), ("category", "<u2"), ("box", "<f4", (4,))])
_TABLES = """
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, size INTEGER NOT NULL, videos INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS videos (
  id TEXT PRIMARY KEY, part TEXT NOT NULL, words TEXT NOT NULL, frames BLOB NOT NULL, boxes BLOB NOT NULL
);
"""
_CHUNK = 1 << 20
_LONGEST = 1 << 26  # characters; the boxes of a video take about 25,000
_COMMIT_EVERY = 500
_MAX_FRAME = 65535
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Marked:
    """One box of a frame."""

    slot: str
    category: str
    """What it is, as the annotators wrote it."""
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the frame."""

    @property
    def is_hand(self) -> bool:
        """Whether it is a hand."""
        return self.slot == HAND


@dataclass(frozen=True, kw_only=True)
class VideoBoxes:
    """The boxes of a video."""

    video_id: str
    placeholders: tuple[str, ...]
    frames: tuple[int, ...]
    """Numbers of the frames that have an entry, from 1, sorted."""
    marked: Mapping[int, tuple[Marked, ...]]
    """Boxes of those that have any, as annotated: some reach out of the picture by rounding."""

    def at(self, frame: int, width: int, height: int) -> tuple[Marked, ...]:
        """The boxes of a frame (from 1) of this size, clipped to it; none where there is no entry."""
        clipped = (
            Marked(slot=one.slot, category=one.category, box=_clipped(one.box, width, height))
            for one in self.marked.get(frame, ())
        )
        return tuple(one for one in clipped if one.box[2] > one.box[0] and one.box[3] > one.box[1])

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """The slots of objects that have a box in any frame, sorted."""
        return tuple(sorted({one.slot for boxes in self.marked.values() for one in boxes if not one.is_hand}))


class Boxes:
    """The merged boxes. It can be pickled, and used in any process after a fork: each opens the file for itself.

    Raises SignError when there are none, or the file is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / BOXES if path.is_dir() else path
        self._base: sqlite3.Connection | None = None
        self._process = 0
        if not self.path.is_file():
            raise SignError(f"{safe_name(self.path)} is not there; run `signstudio data something` first.")
        self._run("SELECT id FROM videos LIMIT 1")

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.path, self._base, self._process = path, None, 0

    def __len__(self) -> int:
        return int(self._run("SELECT COUNT(*) FROM videos")[0][0])

    def __contains__(self, video_id: str) -> bool:
        return bool(self._run("SELECT 1 FROM videos WHERE id=?", (video_id,)))

    def ids(self) -> tuple[str, ...]:
        """Every video that has boxes, in the order of its number."""
        return tuple(sorted((row[0] for row in self._run("SELECT id FROM videos")), key=natural))

    def get(self, video_id: str) -> VideoBoxes | None:
        """The boxes of a video; None when it has not been annotated."""
        found = self._run("SELECT words, frames, boxes FROM videos WHERE id=?", (video_id,))
        return _unpacked(video_id, *found[0]) if found else None

    def mark(self, video_id: str) -> str:
        """A short text that is the same as long as the boxes of a video are."""
        found = self._run("SELECT words, frames, boxes FROM videos WHERE id=?", (video_id,))
        return f"{zlib.crc32(b''.join([found[0][0].encode(), *found[0][1:]])):08x}" if found else ""

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            if self._base is None or self._process != os.getpid():
                address = f"{self.path.absolute().as_uri()}?mode=ro"
                self._base, self._process = sqlite3.connect(address, uri=True, check_same_thread=False), os.getpid()
            return self._base.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise SignError(f"{safe_name(self.path)} cannot be read ({error}); remove it and merge again.") from error


def find_parts(path: Path) -> tuple[Path, ...]:
    """The annotation files of a folder, or the one given: JSON that begins with {"id": [. Raises SignError."""
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    parts = tuple(file for file in files if begins_as_boxes(file))
    if not parts:
        raise SignError(
            f"{safe_name(path)} holds no annotations of Something-Else (bounding_box_smthsmth_part1.json to part4, or "
            "annotations.json); give the folder they were downloaded to."
        )
    return parts


def merge(parts: Sequence[Path], to: Path, tell: Part | None = None) -> Boxes:
    """Merge parts into one file, or go on with it. A part merged before, of the same name and size, is not read again.

    Raises SignError for a part that is no annotation, and for a video with different boxes in two parts.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(to, isolation_level=None)) as base:
            base.executescript(_TABLES)
            done = dict(base.execute("SELECT name, size FROM parts").fetchall())
            for part in parts:
                if done.get(part.name) != part.stat().st_size:
                    _merge_one(base, part, tell)
    except sqlite3.DatabaseError as error:
        raise SignError(f"{safe_name(to)} cannot be written ({error}); remove it and merge again.") from error
    return Boxes(to)


def merge_one(annotations: Path, video_id: str, to: Path) -> Boxes:
    """The boxes of one video, from a file of annotations, a folder of such, or boxes that were merged, as a file.

    Raises SignError when there are none of this video, and names some that there are.
    """
    merged = annotations if annotations.suffix == ".sqlite" else annotations / BOXES
    if merged.is_file():
        boxes = Boxes(merged)
        if video_id in boxes:
            return boxes
        raise _unknown(video_id, boxes.ids()[:_NAMED])
    others: list[str] = []
    for part in find_parts(annotations):
        for found, entries in videos_of(part):
            if found == video_id:
                own = to.with_suffix(".json")
                own.write_text(json.dumps({found: entries}), encoding="utf-8")
                return merge([own], to)
            others += [found] if len(others) < _NAMED else []
    raise _unknown(video_id, others)


def videos_of(part: Path, tell: Part | None = None) -> Iterator[tuple[str, Any]]:
    """(video id, entries) of an annotation file, one video in memory at a time. Raises SignError for broken JSON."""
    size, read = part.stat().st_size, 0
    decoder, text, at, ended = json.JSONDecoder(), "", 0, False
    with part.open(encoding="utf-8") as file:
        try:
            if file.read(1) != "{":
                raise ValueError("it does not begin with {")
            while True:
                found = _next_pair(decoder, text, at)
                if found is not None:
                    key, value, at = found
                    yield key, value
                    continue
                if ended:
                    if text[at:].strip() not in ("}", ",}"):
                        raise ValueError(f"it breaks off or is damaged after {read} characters")
                    return
                if len(text) - at > _LONGEST:
                    raise ValueError(f"it is damaged before character {read}")
                chunk = file.read(max(_CHUNK, len(text) - at))  # doubles, so that a long video is not tried often
                text, at, ended, read = text[at:] + chunk, 0, not chunk, read + len(chunk)
                if tell is not None:
                    tell(part.name, min(read, size), size)
        except (ValueError, RecursionError) as error:
            raise SignError(f"{safe_name(part)} cannot be read as annotations: {error}; download it again.") from error


def _unknown(video_id: str, others: Sequence[str]) -> SignError:
    return SignError(
        f"The annotations have no video {video_id[:40]!r}; they have {', '.join(one[:40] for one in others)} …; "
        "name the video as they do."
    )


def _next_pair(decoder: json.JSONDecoder, text: str, at: int) -> tuple[str, Any, int] | None:
    """The next "key": value of an object from a place on, and where it ends; None when it is not all there."""
    try:
        key, end = decoder.raw_decode(text, _skipped(text, at, " \t\r\n,"))
        value, end = decoder.raw_decode(text, _skipped(text, end, " \t\r\n:"))
    except json.JSONDecodeError:
        return None
    return (key, value, end) if isinstance(key, str) else None


def _skipped(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at


def _merge_one(base: sqlite3.Connection, part: Path, tell: Part | None) -> None:
    count = 0
    base.execute("BEGIN")
    try:
        for video_id, entries in videos_of(part, tell):
            words, frames, boxes = _packed(part, video_id, entries)
            there = base.execute("SELECT part, words, frames, boxes FROM videos WHERE id=?", (video_id,)).fetchone()
            if there is None:
                base.execute("INSERT INTO videos VALUES (?,?,?,?,?)", (video_id, part.name, words, frames, boxes))
            elif (there[1], there[2], there[3]) != (words, frames, boxes):
                before = f"was merged from {there[0]}" if there[0] != part.name else "was merged before"
                raise SignError(
                    f"Video {video_id} in {safe_name(part)} has other boxes than the one that {before}; take one of "
                    "them away, or remove boxes.sqlite when a file was replaced by a newer one."
                )
            count += 1
            if count % _COMMIT_EVERY == 0:
                base.execute("COMMIT")
                base.execute("BEGIN")
        base.execute("INSERT OR REPLACE INTO parts VALUES (?,?,?)", (part.name, part.stat().st_size, count))
        base.execute("COMMIT")
    except BaseException:
        if base.in_transaction:
            base.execute("ROLLBACK")
        raise


def _packed(part: Path, video_id: str, entries: Any) -> tuple[str, bytes, bytes]:
    """The entries of a video as (words as JSON, frame numbers, rows of boxes). Raises SignError with the frame."""
    where = f"{safe_name(part)}, video {video_id}"
    try:
        placeholders = list(entries[0].get("gt_placeholders", ())) if entries else []
        categories: dict[tuple[str, str], int] = {}
        frames, rows = [], []
        for entry in entries:
            where = f"{safe_name(part)}, frame {entry['name']}"
            number = frame_number(entry["name"])
            if (
                number is None
                or number > _MAX_FRAME
                or entry["name"].rsplit("/", 1)[0] not in (video_id, entry["name"])
            ):
                raise SignError(
                    f"{where}: in video {video_id} it should be {video_id}/{frame_name(1)} or another number."
                )
            frames.append(number)
            for mark in entry["labels"]:
                slot = str(mark.get("standard_category") or mark["category"])
                category = categories.setdefault((slot, str(mark["category"])), len(categories))
                box = tuple(float(mark["box2d"][side]) for side in ("x1", "y1", "x2", "y2"))
                if not np.isfinite(box).all():
                    raise ValueError(f"a box of {box}")
                rows.append((number, category, box))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise SignError(
            f"{where}: no annotation as Something-Else writes it ({error!r}); download it again."
        ) from error
    twice = [number for number, count in Counter(frames).items() if count > 1]
    if twice:
        raise SignError(f"{safe_name(part)}: frame {video_id}/{frame_name(twice[0])} has two entries; take one out.")
    words = json.dumps([placeholders, list(categories)], ensure_ascii=False)
    return words, np.array(sorted(frames), "<u2").tobytes(), zlib.compress(np.array(rows, _ROW).tobytes(), 6)


def _unpacked(video_id: str, words: str, frames: bytes, boxes: bytes) -> VideoBoxes:
    placeholders, categories = json.loads(words)
    marked: dict[int, list[Marked]] = {}
    rows: NDArray[Any] = np.frombuffer(zlib.decompress(boxes), _ROW)
    for row in rows:
        slot, category = categories[row["category"]]
        x1, y1, x2, y2 = (float(side) for side in row["box"])
        marked.setdefault(int(row["frame"]), []).append(Marked(slot=slot, category=category, box=(x1, y1, x2, y2)))
    return VideoBoxes(
        video_id=video_id,
        placeholders=tuple(placeholders),
        frames=tuple(np.frombuffer(frames, "<u2").tolist()),
        marked={frame: tuple(found) for frame, found in marked.items()},
    )


def _clipped(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height)
