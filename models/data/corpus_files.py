"""The tables that continuous corpora come with, line by line: what is signed, by whom, and where the frames are.

    frames-csv   folder,gloss           a second header line is skipped, and that is said
    phoenix      name|video|start|end|speaker|orth|translation (2014 T), id|folder|signer|annotation (2014)
    stm          name channel signer start end GLOSS GLOSS …

Columns are found by their names. A line that cannot be used becomes a problem; the others are read.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from models.data.frame_folders import VIDEOS
from models.errors import SignError
from models.files import safe_name

Format = Literal["frames-csv", "phoenix", "stm"]
FORMATS: tuple[Format, ...] = ("frames-csv", "phoenix", "stm")

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("name", "id", "sentence_id", "sentence_name"),
    "video": ("video", "folder", "folder_name", "folder_path", "video_name", "video_id", "video_path", "path", "file"),
    "glosses": ("gloss", "glosses", "gloss_text", "gloss_eng", "gloss_english", "orth", "annotation", "label"),
    "signer": ("signer", "speaker", "signer_id", "participant", "participant_id", "person"),
    "text": ("translation", "text", "sentence"),
    "split": ("split", "subset", "partition"),
    "start": ("start",),
    "end": ("end",),
}
_STM = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+<[^>]*>)?(?:\s+(.*))?")
_FOREVER_S = 1e6  # an .stm says 1.79769e+308 for the end of a whole recording
_WHOLE = ("", "-1")  # what the columns start and end say of a whole recording


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that was found wrong, and is not hidden."""

    kind: str
    """line, twice, missing, empty, gaps, repeated, odd, broken, or shared."""
    id: str
    """Of the sentence; empty where it is of none."""
    where: str
    """File and line."""
    words: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line as it is written."""

    where: str
    id: str
    glosses: str
    video: str
    """A folder, a pattern of frames, or a video; relative."""
    signer: str = ""
    text: str = ""
    split: str = ""
    """Empty where the table has no such column."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file that was read."""

    path: Path
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    """What was decided, such as which line was skipped."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """Names of columns that the usual names do not find."""

    folder: str | None = None
    gloss: str | None = None


def read_table(path: Path, form: Format, columns: ColumnNames | None = None) -> Table:
    """The lines of a table. Raises SignError for a file that is no such table, with what is wrong where."""
    text = read_text(path)
    if form == "stm":
        return _stm(path, text)
    return _csv(path, text, "|" if form == "phoenix" else _delimiter(text), columns or ColumnNames())


def guess_format(path: Path) -> Format:
    """By the suffix, or by what separates the columns."""
    if path.suffix.lower() == ".stm":
        return "stm"
    return "phoenix" if _delimiter(read_text(path)) == "|" else "frames-csv"


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises SignError for any other encoding."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SignError(f"{safe_name(path)} cannot be read ({error.strerror}).") from error
    if raw.startswith(b"\x1f\x8b"):
        raise SignError(
            f"{safe_name(path)} is packed with gzip, as pickles are, which are not read; give its csv or stm."
        )
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        if not wide:
            return raw.decode("utf-8-sig")
        start = 0
    except UnicodeDecodeError as error:
        start = error.start
    line = raw.count(b"\n", 0, start) + 1
    name = "UTF-16" if wide else "Latin-1"
    raise SignError(
        f"{safe_name(path)}:{line} is not UTF-8 (byte 0x{raw[start]:02x}), it looks like {name}; "
        f"convert it, for example: iconv -f {name} -t UTF-8 OLD > NEW"
    )


def _delimiter(text: str) -> str:
    first = text.lstrip().split("\n", 1)[0]
    return max(",|;\t", key=first.count)


def _csv(path: Path, text: str, delimiter: str, asked: ColumnNames) -> Table:
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise SignError(f"{safe_name(path)}:{reader.line_num} is no line of a table ({error}).") from error
    start, place = _header(path, rows, asked)
    notes = [f"{safe_name(path)}:{rows[one][0]} is a header without the columns, skipped" for one in range(start)]
    names = {kind: rows[start][1][column] for kind, column in place.items()}
    notes.append(f"{safe_name(path)}: " + ", ".join(f"{kind} from {name!r}" for kind, name in names.items()))
    body = rows[start + 1 :]
    if body and _is_header(body[0][1], place):
        notes.append(f"{safe_name(path)}:{body[0][0]} is a second header, skipped: {delimiter.join(body[0][1])[:80]}")
        body = body[1:]
    width, lines, problems = len(rows[start][1]), [], []
    for number, row in body:
        where = f"{safe_name(path)}:{number}"
        found = _line(where, row, width, place)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            lines.append(found)
    return Table(path=path, lines=tuple(lines), notes=tuple(notes), problems=tuple(problems))


def _line(where: str, row: Sequence[str], width: int, place: Mapping[str, int]) -> Line | Problem:
    if len(row) != width:
        words = f"{len(row)} columns, and the header has {width}; left out"
        return Problem(kind="line", id="", where=where, words=words)
    cells = {kind: row[column] for kind, column in place.items()}
    video = cells.get("video") or cells.get("id", "")
    name = cells.get("id") or _name(video)
    if not name:
        return Problem(kind="line", id="", where=where, words="no name of a folder or video; left out")
    if cells.get("start", "") not in _WHOLE or cells.get("end", "") not in _WHOLE:
        words = (
            f"a part of a recording ({cells.get('start')} to {cells.get('end')}); only whole ones are read; left out"
        )
        return Problem(kind="line", id=name, where=where, words=words)
    kept = {kind: cells.get(kind, "") for kind in ("glosses", "signer", "text", "split")}
    return Line(where=where, id=name, video=video, **kept)


def _name(video: str) -> str:
    """NAME of NAME/1/*.png, of NAME/ and of NAME.mp4."""
    parts = [part for part in PurePosixPath(video.replace("\\", "/")).parts if not re.search(r"[*?\[]", part)]
    name = "/".join(parts)
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in VIDEOS else name


def _header(path: Path, rows: Sequence[tuple[int, list[str]]], asked: ColumnNames) -> tuple[int, dict[str, int]]:
    """Which of the first two lines names the columns, and where each is."""
    for number, (_, row) in enumerate(rows[:2]):
        place = _places(path, row, asked)
        if "glosses" in place and ("video" in place or "id" in place):
            return number, place
    if not rows:
        raise SignError(f"{safe_name(path)} is empty.")
    raise SignError(
        f"{safe_name(path)}: no columns of folders and glosses are found in {', '.join(map(repr, rows[0][1][:8]))}; "
        "name them with --folder-column and --gloss-column."
    )


def _places(path: Path, row: Sequence[str], asked: ColumnNames) -> dict[str, int]:
    names = [_plain(cell) for cell in row]
    place: dict[str, int] = {}
    for kind, known in _COLUMNS.items():
        wanted = {"video": asked.folder, "glosses": asked.gloss}.get(kind)
        if wanted is not None:
            found = [column for column, name in enumerate(names) if name == _plain(wanted)]
        elif kind == "glosses":
            found = [column for column, name in enumerate(names) if name in known or "gloss" in name]
            found = _of_the_language(path, names, found)
        else:
            found = [names.index(name) for name in known if name in names][:1]
        if len(found) > 1:
            several = ", ".join(repr(row[column]) for column in found)
            raise SignError(
                f"{safe_name(path)} has several columns of glosses ({several}); choose with --gloss-column."
            )
        if found:
            place[kind] = found[0]
    return place


def _of_the_language(path: Path, names: Sequence[str], found: list[int]) -> list[int]:
    """Of several columns of glosses, the one that ends as the file's name does: gloss_eng in train_gloss_eng.csv."""
    end = _plain(path.stem).rsplit("_", 1)[-1]
    fitting = [column for column in found if names[column].rsplit("_", 1)[-1] == end]
    return fitting if len(fitting) == 1 else found


def _is_header(row: Sequence[str], place: Mapping[str, int]) -> bool:
    """Whether a line names columns once more: by the cell of its folder alone, for VIDEO and NAME are glosses, too."""
    column = place["video"] if "video" in place else place["id"]
    cell = _plain(row[column]) if column < len(row) else ""
    return cell in _COLUMNS["id"] + _COLUMNS["video"] or cell.startswith("header")


def _plain(cell: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", cell.casefold()).strip("_")


def _stm(path: Path, text: str) -> Table:
    lines, problems = [], []
    for where, line in _numbered(path, text):
        found = _STM.fullmatch(line)
        try:
            whole = found is not None and float(found[4]) == 0 and float(found[5]) > _FOREVER_S
        except ValueError:
            found = None
        if found is None:
            words = "not: name channel signer start end glosses; left out"
            problems.append(Problem(kind="line", id="", where=where, words=words))
        elif not whole:
            words = f"a part of a recording ({found[4]} to {found[5]} s); only whole ones are read; left out"
            problems.append(Problem(kind="line", id=found[1], where=where, words=words))
        else:
            lines.append(Line(where=where, id=found[1], video=found[1], signer=found[3], glosses=found[6] or ""))
    if not lines:
        raise SignError(f"{safe_name(path)} holds no line of an .stm: name channel signer start end glosses.")
    return Table(path=path, lines=tuple(lines), problems=tuple(problems))


def _numbered(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.startswith(";;"):
            yield f"{safe_name(path)}:{number}", line.strip()
