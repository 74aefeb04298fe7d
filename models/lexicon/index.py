"""A lexicon: signs by gloss, by word and by handshape, each one a pose.

On disk it is the ecosystem's own, so that the `spoken-to-signed` package works on it as it stands: a folder with
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
import difflib
import math
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path, PureWindowsPath

import numpy as np
from pose_format import Pose

from models.errors import LexiconError
from models.files import safe_name
from models.pose.files import read_pose
from models.pose.landmarks import BODY, COMPONENTS, HANDS, with_arrays

INDEX = "index.csv"
COLUMNS = ("path", "spoken_language", "signed_language", "start", "end", "words", "glosses", "priority")
SEGMENT_COLUMNS = ("segment_start", "segment_end")
CACHED_BYTES = 32 * 1024**2
"""Poses up to this size are kept after reading, a few of them: many signs may be cut from one long pose."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One variant of one sign."""

    gloss: str
    words: tuple[str, ...] = ()
    path: str = ""
    """Of the .pose, relative to the lexicon's folder; empty for a sign that is performed, not recorded."""
    spoken_language: str = "en"
    signed_language: str = "ase"
    start_ms: int = 0
    end_ms: int = 0
    """0 means to the last frame."""
    segment_ms: tuple[int, int] | None = None
    """Where in the .pose the sign itself is, without the way from and to rest; None: not known."""
    priority: int = 0
    handshapes: tuple[str, ...] = ()
    """Known of written signs only."""
    theme: str = ""
    source: str = ""
    note: str = ""
    lines: tuple[int, ...] = ()
    """Lines of index.csv this entry comes from; the header is line 1."""

    def segment_frames(self, fps: float) -> tuple[int, int] | None:
        """(start_frame, end_frame exclusive) of the sign itself in the pose that `Lexicon.load` returns."""
        if self.segment_ms is None:
            return None
        first = frame_at(self.start_ms, fps)
        start, end = (frame_at(time, fps) - first for time in self.segment_ms)
        return max(0, start), end


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Signs in the order of their source. Variants of a gloss come in the order of their priority."""

    name: str
    entries: tuple[Entry, ...]
    load: Callable[[Entry], Pose] = field(repr=False)
    """The pose of an entry, its own copy. Raises LexiconError or PoseError when it cannot be read."""
    problems: tuple[str, ...] = ()
    """What was skipped, where and why."""
    folder: Path | None = None

    @cached_property
    def glosses(self) -> tuple[str, ...]:
        """Every gloss once, in alphabetical order."""
        return tuple(sorted(self._by_gloss))

    @cached_property
    def handshapes(self) -> tuple[str, ...]:
        """Every handshape that is known to be used, in alphabetical order."""
        return tuple(sorted({shape for entry in self.entries for shape in entry.handshapes}, key=str.casefold))

    def find(self, gloss: str) -> tuple[Entry, ...]:
        """The variants of a gloss, the preferred one first; none when the gloss is not there."""
        return self._by_gloss.get(upper(gloss), ())

    def find_word(self, word: str) -> tuple[Entry, ...]:
        """The signs for a spoken word, the preferred one first."""
        return self._by_word.get(_plain(word), ())

    def by_handshape(self, handshape: str) -> tuple[Entry, ...]:
        """The signs that use a handshape, those that begin with it first. Upper and lower case are the same."""
        wanted = handshape.strip().casefold()
        using = [entry for entry in self.entries if wanted in map(str.casefold, entry.handshapes)]
        return tuple(sorted(using, key=lambda entry: entry.handshapes[0].casefold() != wanted))

    def search(self, text: str) -> tuple[Entry, ...]:
        """Signs whose gloss or words hold the text, the closest first; every sign for an empty text."""
        ranked = []
        for order, entry in enumerate(self.entries):
            rank = _rank(_plain(text), _plain(entry.gloss), [_plain(word) for word in entry.words])
            if rank is not None:
                ranked.append((rank, entry.gloss, entry.priority, order))
        return tuple(self.entries[order] for *_, order in sorted(ranked))

    def only(self, *, signed_language: str | None = None, spoken_language: str | None = None) -> Lexicon:
        """The part of the lexicon in these languages."""
        kept = [
            entry
            for entry in self.entries
            if signed_language in (None, entry.signed_language) and spoken_language in (None, entry.spoken_language)
        ]
        return replace(self, entries=tuple(kept))

    @cached_property
    def _by_gloss(self) -> dict[str, tuple[Entry, ...]]:
        return _grouped((entry.gloss, entry) for entry in self.entries)

    @cached_property
    def _by_word(self) -> dict[str, tuple[Entry, ...]]:
        return _grouped((_plain(word), entry) for entry in self.entries for word in entry.words)


def find_first(lexicons: Sequence[Lexicon], gloss: str) -> tuple[Lexicon, Entry]:
    """The preferred variant of a gloss and the lexicon it is in: the first lexicon that has it wins.

    Raises LexiconError, naming the nearest glosses, when none has it.
    """
    for lexicon in lexicons:
        variants = lexicon.find(gloss)
        if variants:
            return lexicon, variants[0]
    raise unknown(lexicons, gloss)


def unknown(lexicons: Sequence[Lexicon], gloss: str) -> LexiconError:
    """The error for a gloss that no lexicon has, with the nearest ones."""
    close = nearest(lexicons, gloss)
    shown = upper(gloss)[:60]
    if close:
        return LexiconError(f"No sign for {shown}; nearest: {', '.join(close)}.")
    return LexiconError(f"No sign for {shown}, and none that is spelled like it; search by word, or fingerspell it.")


def nearest(lexicons: Sequence[Lexicon], gloss: str, count: int = 3) -> tuple[str, ...]:
    """Up to `count` glosses that are spelled like this one, or mean a word that is, the nearest first."""
    names: dict[str, list[str]] = defaultdict(list)
    for entry in (entry for lexicon in lexicons for entry in lexicon.entries):
        for name in (entry.gloss, *map(upper, entry.words)):
            names[name].append(entry.gloss)
    close = difflib.get_close_matches(upper(gloss)[:60], names, n=2 * count, cutoff=0.6)
    return tuple(dict.fromkeys(name for match in close for name in names[match]))[:count]


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
            entry = replace(_parse(columns, line), lines=(number,))
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


def upper(gloss: str) -> str:
    """A gloss as it is written here: upper case, composed characters, no space around it."""
    return unicodedata.normalize("NFC", gloss.strip().upper())


def frame_at(time_ms: float, fps: float) -> int:
    """The frame that begins nearest to a time. Other tools round times up, down or to the nearest: all are met."""
    return math.floor(time_ms * fps / 1000 + 0.5)


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


def _parse(columns: list[str], line: str) -> Entry:
    """One line as an entry. Raises ValueError with what is wrong."""
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
    segment = tuple(_whole(row, column) for column in SEGMENT_COLUMNS if row.get(column, "").strip())
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
        segment_ms=(segment[0], segment[1]) if len(segment) == 2 and segment != (start, end) else None,
        priority=priority,
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
    if not path or parts.drive or parts.root or ".." in parts.parts:
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


def _grouped(pairs: Iterable[tuple[str, Entry]]) -> dict[str, tuple[Entry, ...]]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for key, entry in pairs:
        groups[key].append(entry)
    return {key: tuple(sorted(group, key=lambda entry: entry.priority)) for key, group in groups.items()}


def _plain(text: str) -> str:
    """For comparing what people type: no case, THANK-YOU and "thank you" are the same."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("-", " ").replace("_", " ").split())


def _rank(text: str, gloss: str, words: list[str]) -> int | None:
    names = [gloss, *words]
    tests = (text == gloss, text in words, gloss.startswith(text), any(word.startswith(text) for word in words))
    for rank, passed in enumerate((*tests, any(text in name for name in names))):
        if passed:
            return rank
    return None
