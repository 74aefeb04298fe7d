"""A lexicon in a folder.

It is the ecosystem's own, so that the `spoken-to-signed` package works on it as it stands: a folder with
`.pose` files and an `index.csv` (UTF-8, commas, one line per sign and word) with these columns:

    path             of the .pose, relative to the folder
    spoken_language  of the word, such as en
    signed_language  of the sign, ISO 639-3, such as ase
    start, end       the part of the pose that counts, whole milliseconds; end 0 means to the last frame
    words            one spoken word (several words of a sign: several lines)
    glosses          the gloss; empty in some lexicons, then the word serves
    priority         the variant with the lowest number comes first
    segment_start, segment_end   optional: where the sign itself is, without the way from and to rest

Lines of one sign that differ only in the word are one `Entry`. A line that cannot be used becomes a sentence in
`Lexicon.problems`, and the others are read. `recordings` adds and removes; `embedded` is the lexicon written as
phonology, seen as a `Lexicon` too.
"""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PureWindowsPath

import numpy as np
from pose_format import Pose

from models.errors import LexiconError
from models.files import safe_name
from models.lexicon.signs import Entry, Lexicon, frame_at, upper
from models.pose.files import read_pose
from models.pose.landmarks import BODY, COMPONENTS, HANDS, with_arrays

INDEX = "index.csv"
COLUMNS = ("path", "spoken_language", "signed_language", "start", "end", "words", "glosses", "priority")
SEGMENT_COLUMNS = ("segment_start", "segment_end")
CACHED_BYTES = 32 * 1024**2
"""Poses up to this size are kept after reading, a few of them: many signs may be cut from one long pose."""


def open_lexicon(folder: str | os.PathLike[str]) -> Lexicon:
    """Read a lexicon's index; the poses are read when they are asked for.

    Lines that cannot be used are in `problems` of the result. Raises LexiconError when there is no index, or when it
    is no table with the columns above.
    """
    root = Path(os.path.realpath(folder))
    name = f"{safe_name(root)}/{INDEX}"
    lines = index_lines(root)
    columns = index_columns(lines, name)
    found: dict[tuple[object, ...], Entry] = {}
    problems: list[str] = []
    inside: dict[str, bool] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip(" ,"):
            continue
        try:
            entry = _parse(columns, line, number)
            _locate(root, entry.path, inside)
            key = (entry.path, entry.start_ms, entry.end_ms, entry.spoken_language, entry.signed_language, entry.gloss)
            found[key] = _merged(found[key], entry) if key in found else entry
        except ValueError as error:
            problems.append(f"{name}, line {number}: {error}.")
    return Lexicon(
        name=safe_name(root),
        entries=tuple(found.values()),
        load=lambda entry: _load(root, entry),
        problems=tuple(problems),
        folder=root,
    )


def index_lines(root: Path) -> list[str]:
    """The lines of a lexicon's index, without their ends and a byte-order mark; bytes that are no UTF-8 are surrogates.

    Raises LexiconError when it cannot be read.
    """
    try:
        text = (root / INDEX).read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except FileNotFoundError as error:
        raise LexiconError(
            f"{safe_name(root)} is no lexicon: there is no {INDEX} in it; choose another folder, "
            "or add a first sign with `signstudio lexicon add`."
        ) from error
    except OSError as error:
        raise LexiconError(f"{safe_name(root)}/{INDEX} cannot be read ({error.strerror or error}).") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


def index_columns(lines: Sequence[str], name: str) -> list[str]:
    """The names of the columns, in order. Raises LexiconError when one that is needed is missing."""
    try:
        columns = [cell.strip() for cell in split_line(lines[0])]
    except ValueError as error:
        raise LexiconError(f"{name}, line 1: {error}; expected the columns {', '.join(COLUMNS)}.") from error
    missing = [column for column in COLUMNS if column not in columns]
    if not missing:
        return columns
    for separator, words in ((";", "semicolons"), ("\t", "tabs")):
        if separator in lines[0]:
            raise LexiconError(f"{name} separates its columns by {words}; save it as CSV with commas, in UTF-8.")
    raise LexiconError(f"{name} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")


def split_line(line: str) -> list[str]:
    """The cells of one line. Raises ValueError for quotation marks that do not match and for text that is not UTF-8."""
    if any("\udc80" <= character <= "\udcff" for character in line) or "\0" in line:
        raise ValueError("the text is not UTF-8; save the file as CSV in UTF-8")
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"the quotation marks do not match ({error})") from error


def canonical(pose: Pose) -> Pose:
    """The pose with Holistic's components only, in their canonical order; itself when it is so already.

    Raises LexiconError when it has no body or no hand.
    """
    names = [component.name for component in pose.header.components]
    wanted = [name for name in COMPONENTS if name in names]
    if BODY not in wanted or not any(hand in wanted for hand in HANDS):
        raise LexiconError(
            f"The pose has {', '.join(names) or 'nothing'}; a sign needs MediaPipe Holistic's body and hands "
            "(`signstudio pose extract` writes them)."
        )
    return pose if names == wanted else pose.get_components(wanted)


def _parse(columns: list[str], line: str, number: int) -> Entry:
    """The line with this number as an entry. Raises ValueError with what is wrong."""
    cells = split_line(line)
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise ValueError(f"{len(cells)} values for {len(columns)} columns; put text with commas in quotation marks")
    row = dict(zip(columns, cells, strict=False))
    missing = [column for column in COLUMNS if column not in row]
    if missing:
        raise ValueError(f"there is no value for {', '.join(missing)}")
    start, end, priority = (_whole(row, column) for column in ("start", "end", "priority"))
    if start < 0 or end < 0 or (end and end <= start):
        raise ValueError(f"the part from {start} to {end} ms is empty; end is more than start, or 0 for the whole pose")
    segment = [_whole(row, column) for column in SEGMENT_COLUMNS if row.get(column, "").strip()]
    if len(segment) == 2 and not 0 <= segment[0] < segment[1]:
        raise ValueError(f"the sign itself, from {segment[0]} to {segment[1]} ms, is empty; leave both out if unknown")
    word, gloss = row["words"].strip(), upper(row["glosses"] or row["words"])
    if not gloss:
        raise ValueError("there is neither a word nor a gloss")
    languages = [row[column].strip() for column in ("spoken_language", "signed_language")]
    if not all(languages):
        raise ValueError("a language is missing; write codes such as en and ase")
    return Entry(
        gloss="-".join(gloss.split()),
        words=(word,) if word else (),
        path=row["path"],
        spoken_language=languages[0],
        signed_language=languages[1],
        start_ms=start,
        end_ms=end,
        # Equal to the whole part is how indexes say that nothing is known of the sign itself.
        segment_ms=(segment[0], segment[1]) if len(segment) == 2 and segment != [start, end] else None,
        priority=priority,
        lines=(number,),
    )


def _whole(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise ValueError(f"{column} is {row[column][:40]!r}; expected a whole number") from None


def _merged(entry: Entry, line: Entry) -> Entry:
    """The entry with the word of one more line. Raises ValueError when the line says nothing new."""
    if set(line.words) <= set(entry.words):
        raise ValueError(f"the same as line {entry.lines[0]}")
    return replace(
        entry,
        words=entry.words + line.words,
        lines=entry.lines + line.lines,
        priority=min(entry.priority, line.priority),
    )


def _locate(root: Path, path: str, inside: dict[str, bool]) -> Path:
    """The file in the lexicon's folder. `inside` remembers folders that were looked at.

    Raises ValueError when there is no file, or when it lies outside of the folder, also through a link.
    """
    shown = f"the path {path[:120]!r}"
    if "://" in path:
        raise ValueError(f"{shown} is not in this folder; download the pose into it")
    parts = PureWindowsPath(path)  # knows drives and both slashes
    if not path:
        raise ValueError("there is no path")
    if parts.drive or parts.root or ".." in parts.parts:
        raise ValueError(f"{shown} leads out of the lexicon's folder")
    file, parent = root / path, os.path.dirname(path)  # noqa: PTH120 - as it is written: it is the key
    if parent not in inside:
        inside[parent] = Path(os.path.realpath(root / parent)).is_relative_to(root)
    try:
        kind = file.lstat().st_mode
        linked_out = stat.S_ISLNK(kind) and not Path(os.path.realpath(file)).is_relative_to(root)
        if not inside[parent] or linked_out:
            raise ValueError(f"{shown} leads out of the lexicon's folder through a link")
        if not stat.S_ISREG(file.stat().st_mode if stat.S_ISLNK(kind) else kind):
            raise ValueError(f"{shown} is no file")
    except OSError as error:
        raise ValueError(f"{shown} leads to no file; put the pose there, or remove the line") from error
    return file


def _load(root: Path, entry: Entry) -> Pose:
    try:
        file = _locate(root, entry.path, {})
        info = file.stat()
    except (OSError, ValueError) as error:
        raise LexiconError(f"{entry.gloss}: {error}.") from error
    read = _read_cached if info.st_size <= CACHED_BYTES else _read_cached.__wrapped__
    pose = read(str(file), info.st_mtime_ns, info.st_size)
    fps, frames = float(pose.body.fps), len(pose.body.data)
    first = frame_at(entry.start_ms, fps)
    last = min(frames, frame_at(entry.end_ms, fps)) if entry.end_ms else frames
    if first >= last:
        raise LexiconError(
            f"{entry.gloss}: the index takes {entry.start_ms} to {entry.end_ms} ms of {safe_name(file)}, which is "
            f"{1000 * frames / fps:.0f} ms long; correct start and end in {INDEX}."
        )
    data = np.ma.getdata(pose.body.data)[first:last].copy()
    return with_arrays(pose, data, np.ma.getdata(pose.body.confidence)[first:last].copy())


@lru_cache(maxsize=8)
def _read_cached(path: str, _mtime_ns: int, _size: int) -> Pose:
    return canonical(read_pose(path))
