"""Putting signs into a lexicon folder, and taking them out.

A pose is written before the index names it, and deleted after the index no longer does, so that at no moment the index
points to nothing. The index is replaced in one step, by one writer at a time; its other lines stay as they are, also
those that could not be read.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from pose_format import Pose

from models.errors import LexiconError
from models.files import replacing, safe_name, slug
from models.lexicon.index import (
    COLUMNS,
    INDEX,
    SEGMENT_COLUMNS,
    canonical,
    index_columns,
    index_lines,
    open_lexicon,
    split_line,
)
from models.lexicon.signs import Entry, frame_at, unknown, upper
from models.pose.files import write_pose
from models.pose.span import signing_span

MARKS = "-_+#:.'()&?!"
"""What a gloss may have beside letters and digits, as in IX-1, #BACK or WALK++."""
LONGEST_NAME = 100
_LOCK = ".index.lock"
_WAIT_S = 10


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A sign to put into a lexicon. Raises LexiconError for a gloss, word or language that an index cannot hold."""

    pose: Pose
    """Holistic landmarks; the file keeps all frames."""
    gloss: str
    words: Sequence[str] = ()
    """The gloss in lower case unless given."""
    spoken_language: str = "en"
    signed_language: str = "ase"
    priority: int = 0
    """The variant with the lowest number comes first, and of equal ones the one added first."""
    span: tuple[int, int] | None = None
    """(start_frame, end_frame exclusive) of the part that counts; None: the whole pose."""
    segment: tuple[int, int] | None = None
    """(start_frame, end_frame exclusive) of the sign itself, without the way from and to rest; None: not known."""

    def __post_init__(self) -> None:
        gloss = checked_gloss(self.gloss)
        object.__setattr__(self, "gloss", gloss)
        words = self.words or (gloss.lower().replace("-", " "),)
        object.__setattr__(self, "words", tuple(dict.fromkeys(_checked_word(word) for word in words)))
        for code in (self.spoken_language, self.signed_language):
            if not (code.isascii() and code.replace("-", "").isalnum()):
                raise LexiconError(f"{code[:40]!r} is no language code; write one such as en (spoken) or ase (signed).")
        object.__setattr__(self, "pose", canonical(self.pose))
        frames = len(self.pose.body.data)
        for part in (self.span, self.segment):
            if part and not 0 <= part[0] < part[1] <= frames:
                raise LexiconError(f"Frames {part[0]} to {part[1]} are no part of a pose of {frames} frames.")


def checked_gloss(text: str) -> str:
    """A gloss in upper case. Raises LexiconError for text that cannot be one."""
    gloss = upper(text)
    fits = all(character.isalnum() or character in MARKS for character in gloss)
    if fits and 0 < len(gloss) <= LONGEST_NAME and (gloss[0].isalnum() or gloss[0] == "#"):
        return gloss
    meant = "-".join("".join(char if char.isalnum() else " " for char in gloss).split())[:LONGEST_NAME]
    raise LexiconError(
        f"{text[:60]!r} is no gloss; write one word of letters, digits and hyphens: {meant or 'MY-SIGN'}."
    )


def add(
    folder: str | os.PathLike[str],
    pose: Pose,
    gloss: str,
    *,
    words: Sequence[str] = (),
    spoken_language: str = "en",
    signed_language: str = "ase",
    priority: int = 0,
    span: tuple[int, int] | None = None,
) -> Entry:
    """Put one recorded sign into a lexicon folder, which is made when it is not there.

    The file keeps the whole pose; the index takes the frames of `span`, or the signing span unless given.
    Raises LexiconError for a gloss or pose that a lexicon cannot hold and when the folder cannot be written.
    """
    recording = Recording(
        pose=pose,
        gloss=gloss,
        words=words,
        spoken_language=spoken_language,
        signed_language=signed_language,
        priority=priority,
        span=span,
    )
    if span is None:
        recording = replace(recording, span=signing_span(recording.pose))
    return add_many(folder, [recording])[0]


def add_many(folder: str | os.PathLike[str], recordings: Iterable[Recording]) -> tuple[Entry, ...]:
    """Put signs into a lexicon folder, which is made when it is not there: all of them, or none when one fails.

    The recordings are taken one after the other, so they may be made on the way.
    Raises LexiconError when the folder cannot be written or holds an index that is none.
    """
    root = Path(os.path.realpath(folder))
    added: list[Entry] = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        _columns(root)
        try:
            for recording in recordings:
                path = _reserve(root, recording.gloss)
                added.append(_entry(recording, path.name))
                write_pose(path, recording.pose)
            with _locked(root):
                columns, lines = _columns(root)
                _write_index(root, [*lines, *(line for entry in added for line in _lines(entry, columns))])
        except BaseException:
            _delete_unlisted(root, [entry.path for entry in added])
            raise
    except OSError as error:
        raise LexiconError(f"{safe_name(root)} cannot be written ({error.strerror or error}).") from error
    return tuple(added)


def remove(folder: str | os.PathLike[str], gloss: str, variant: int = 1) -> Entry:
    """Take a sign out of a lexicon folder: the first variant of the gloss, or the one with this number.

    Its pose is deleted, unless another line of an index in the folder names it too.
    Raises LexiconError when it is not there or the folder cannot be written.
    """
    root = Path(os.path.realpath(folder))
    open_lexicon(root)  # a folder that is no lexicon gets no lock file
    try:
        with _locked(root):
            lexicon = open_lexicon(root)
            variants = lexicon.find(gloss)
            if not variants:
                raise unknown([lexicon], gloss)
            if not 1 <= variant <= len(variants):
                raise LexiconError(
                    f"There is no variant {variant} of {upper(gloss)}; the last one is number {len(variants)}."
                )
            entry = variants[variant - 1]
            kept = [line for number, line in enumerate(index_lines(root), start=1) if number not in entry.lines]
            _write_index(root, kept)
        _delete_unlisted(root, [entry.path])
    except OSError as error:
        raise LexiconError(f"{safe_name(root)} cannot be written ({error.strerror or error}).") from error
    return entry


def frames_between(pose: Pose, start_ms: float | None, end_ms: float | None) -> tuple[int, int]:
    """(start_frame, end_frame exclusive) of a part of a pose; None is its start or its end.

    Raises LexiconError when no frame lies between them.
    """
    fps, frames = float(pose.body.fps), len(pose.body.data)
    start = 0 if start_ms is None else max(0, frame_at(start_ms, fps))
    end = frames if end_ms is None else min(frames, frame_at(end_ms, fps))
    if start >= end:
        length_ms = 1000 * frames / fps
        raise LexiconError(
            f"There is no frame from {start_ms or 0:g} to {end_ms or length_ms:g} ms; the pose has {length_ms:.0f} ms."
        )
    return start, end


def time_of(frame: int, fps: float) -> int:
    """The first whole millisecond of a frame, as readers of indexes find it: the frame is `time // (1000 / fps)`."""
    frame_ms = 1000 / float(np.float32(fps))  # as precise as the .pose stores it
    time_ms = math.floor(frame * frame_ms)
    while time_ms // frame_ms < frame:
        time_ms += 1
    return time_ms


def _checked_word(text: str) -> str:
    word = " ".join(text.split())
    # A cell that begins with one of these is a formula to spreadsheets.
    if not word or len(word) > LONGEST_NAME or not word.isprintable() or word[0] in "=+-@":
        raise LexiconError(f"{text[:60]!r} is no word for a sign; write 1 to {LONGEST_NAME} letters, such as 'house'.")
    return word


def _entry(recording: Recording, path: str) -> Entry:
    fps, frames = float(recording.pose.body.fps), len(recording.pose.body.data)
    start, end = recording.span or (0, frames)
    segment = recording.segment
    return Entry(
        gloss=recording.gloss,
        words=tuple(recording.words),
        path=path,
        spoken_language=recording.spoken_language,
        signed_language=recording.signed_language,
        start_ms=time_of(start, fps),
        end_ms=time_of(end, fps),  # never 0, which costs other readers the last frame
        segment_ms=(time_of(segment[0], fps), time_of(segment[1], fps)) if segment else None,
        priority=recording.priority,
    )


def _lines(entry: Entry, columns: Sequence[str]) -> Iterator[str]:
    """The entry as lines of an index with these columns, one for each word."""
    segment = entry.segment_ms or (entry.start_ms, entry.end_ms)
    for word in entry.words:
        times = (entry.start_ms, entry.end_ms)
        row = (entry.path, entry.spoken_language, entry.signed_language, *times, word, entry.gloss, entry.priority)
        cells = dict(zip((*COLUMNS, *SEGMENT_COLUMNS), (*row, *segment), strict=True))
        yield _joined([cells.get(column, "") for column in columns])


def _joined(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _columns(root: Path) -> tuple[list[str], list[str]]:
    """The index's columns and all its lines; those of a new index when there is none."""
    if not (root / INDEX).exists():
        columns = [*COLUMNS, *SEGMENT_COLUMNS]
        return columns, [_joined(columns)]
    lines = index_lines(root)
    return index_columns(lines, f"{safe_name(root)}/{INDEX}"), lines


def _write_index(root: Path, lines: Sequence[str]) -> None:
    with replacing(root / INDEX) as temporary:
        temporary.write_bytes(("\n".join(lines) + "\n").encode("utf-8", errors="surrogateescape"))


def _reserve(root: Path, gloss: str) -> Path:
    """A new, empty file with a free name that is made of the gloss; nobody else gets the same one."""
    stem = slug(gloss.replace("/", "-").replace(".", "-")).lower()
    for number in count(1):
        path = root / (f"{stem}.pose" if number == 1 else f"{stem}-{number}.pose")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() has no end")


def _delete_unlisted(root: Path, paths: Sequence[str]) -> None:
    """Delete those of the poses that no index in the folder names (there may be one for each split, too)."""
    listed: set[str] = set()
    for index in root.glob("*.csv"):
        for line in index.read_bytes().decode("utf-8-sig", errors="replace").splitlines():
            try:
                listed.update(split_line(line))
            except ValueError:
                listed.update(path for path in paths if path in line)
    for path in set(paths) - listed:
        (root / path).unlink(missing_ok=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Keep others from writing the index meanwhile; readers never wait."""
    try:
        with FileLock(root / _LOCK, timeout=_WAIT_S):
            yield
    except Timeout as error:
        raise LexiconError(f"{safe_name(root)} is being changed by another program; try again in a moment.") from error
