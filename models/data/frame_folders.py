"""A sentence as a folder of pictures: which of them are its frames, in which order, and where the folder is.

Frames are in the order of their numbers, whatever the width of the digits. Names may hold other numbers too
(`heute.avi_pid0_fn000054-0.png`): the one that differs from file to file is the number of the frame.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath, PureWindowsPath

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
VIDEOS = (".mp4", ".webm", ".avi", ".mov", ".mkv", ".mpg", ".m4v")

_DIGITS = re.compile(r"\d+")
_SHOWN = 5
_FAR = 10  # numbers for each frame, from which on they are hardly counts


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The frames of a folder."""

    names: tuple[str, ...]
    """File names in the order of the frames."""
    gaps: tuple[int, ...] = ()
    """Numbers between the first and the last that are not there."""
    scattered: bool = False
    """Numbered so far apart that they may be times; gaps are not told then."""
    repeated: tuple[str, ...] = ()
    """Files whose number another file has; they are left out."""
    odd: tuple[str, ...] = ()
    """Pictures without such a number; they are left out."""

    def complaints(self) -> dict[str, str]:
        """What is wrong with the numbering, in words, by kind: gaps, repeated, odd."""
        told = {}
        if self.gaps:
            told["gaps"] = f"{len(self.gaps)} frames are missing in between: {_ranges(self.gaps)}"
        if self.scattered:
            span = f"from {self.names[0]} to {self.names[-1]}"
            told["gaps"] = f"{len(self.names)} frames, {span}: unless these are times, most are missing"
        if self.repeated:
            told["repeated"] = f"{len(self.repeated)} frames come twice; left out: {_few(self.repeated)}"
        if self.odd:
            told["odd"] = f"{len(self.odd)} pictures are not numbered like the others; left out: {_few(self.odd)}"
        return told


def list_frames(folder: Path, pattern: str = "*") -> Listing:
    """The numbered pictures of a folder whose names fit the pattern. Raises OSError when it cannot be read."""
    with os.scandir(folder) as entries:
        found = sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in PICTURES
            and fnmatch(entry.name, pattern)
            and entry.is_file()
        )
    return in_order(found)


def in_order(names: Sequence[str]) -> Listing:
    """These file names by the number of the frame."""
    numbers = {name: tuple(map(int, _DIGITS.findall(Path(name).stem))) for name in names}
    usual = Counter(len(found) for found in numbers.values() if found).most_common(1)
    width = usual[0][0] if usual else 0
    kept = [name for name in names if width and len(numbers[name]) == width]
    odd = tuple(name for name in names if not width or len(numbers[name]) != width)
    fields = [place for place in range(width) if len({numbers[name][place] for name in kept}) > 1] or [width - 1]
    first: dict[tuple[int, ...], str] = {}
    repeated = []
    for name in kept:
        key = tuple(numbers[name][place] for place in fields)
        if key in first:
            repeated.append(name)
        else:
            first[key] = name
    order = sorted(first)
    gaps = _gaps([key[0] for key in order]) if len(fields) == 1 else ()
    return Listing(
        names=tuple(first[key] for key in order),
        gaps=gaps or (),
        scattered=gaps is None,
        repeated=tuple(repeated),
        odd=odd,
    )


def _gaps(numbers: Sequence[int]) -> tuple[int, ...] | None:
    """What is missing; nothing of frames that were kept at a steady step (0, 2, 4). None: too much to be believed."""
    if not numbers:
        return ()
    step = math.gcd(*(after - before for before, after in itertools.pairwise(numbers))) or 1
    whole = range(numbers[0], numbers[-1], step)
    if len(whole) > _FAR * len(numbers):
        return None
    there = set(numbers)
    return tuple(one for one in whole if one not in there)


def _ranges(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return _few([str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs])


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the frames of a sentence are."""

    path: Path
    """A folder, or a video."""
    root: Path
    """The one of the roots that it was found in."""
    pattern: str = "*"
    """What the names of its frames look like."""


def names_in(root: Path) -> frozenset[str]:
    """What lies in a folder; of videos, also the name without the suffix."""
    try:
        names = [entry.name for entry in os.scandir(root)]
    except OSError:
        return frozenset()
    return frozenset((*names, *(Path(name).stem for name in names if Path(name).suffix.lower() in VIDEOS)))


def find_place(video: str, roots: Mapping[Path, Container[str]]) -> Place | None:
    """Where a table's `NAME`, `NAME/1/*.png` or `NAME.mp4` is below the first of the roots that has it.

    `NAME/1/*.png` is also found without the 1, and NAME in NAME/1 where that is all there is: PHOENIX 2014 T says the
    one and is the other. roots: with what is in each (`names_in`), so that few of them have to be searched.
    Raises ValueError for a name that leads out of the roots.
    """
    parts = PurePosixPath(video.replace("\\", "/")).parts
    if not parts or ".." in parts or PurePosixPath(video).is_absolute() or PureWindowsPath(video).drive:
        raise ValueError(f"{video!r} leads out of the folder of frames")
    pattern = "*"
    if any(char in parts[-1] for char in "*?["):
        parts, pattern = parts[:-1], parts[-1]
    names = [Path(*parts)] if parts else []
    if len(parts) > 1 and pattern != "*":
        names.append(Path(*parts[:-1]))
    for root in (root for root, inside in roots.items() if parts and parts[0] in inside):
        for name in names:
            found = _found(root / name)
            if found is not None:
                return Place(path=found, root=root, pattern="*" if found.is_file() else pattern)
    return None


def _found(path: Path) -> Path | None:
    """The folder or the video of this name."""
    if path.is_dir():
        return _inner(path)
    if path.suffix.lower() in VIDEOS and path.is_file():
        return path
    videos = (path.with_name(path.name + suffix) for suffix in VIDEOS)
    return next((video for video in videos if video.is_file()), None)


def _inner(folder: Path) -> Path:
    """The folder, or the only folder in it where it holds nothing else."""
    with os.scandir(folder) as entries:
        inside = [entry for entry, _ in zip((one for one in entries if one.name[0] != "."), range(2), strict=False)]
    return folder / inside[0].name if len(inside) == 1 and inside[0].is_dir() else folder
