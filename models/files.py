"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 512 * 1024**2
"""More than any list of clips has; a file is read as a whole."""
DEEPEST = 64
"""Lists and objects within each other, in JSON."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block succeeds and vanishes when it fails.

    Creates the folder. The suffix is kept, because writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: str | os.PathLike[str], *, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """What a JSON file holds; a byte-order mark is passed over.

    Raises OSError, and ValueError for what is no JSON in UTF-8, is larger than this, or is nested deeper than DEEPEST
    lists and objects, which nobody writes and which would end in a RecursionError far from here.
    """
    path = Path(path)
    if (size := path.stat().st_size) > most_bytes:
        raise ValueError(f"{size / 1024**2:.0f} MB are more than the {most_bytes / 1024**2:.0f} MB that are read")
    return parse_json(path.read_text(encoding="utf-8-sig"))


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds. Raises ValueError as `read_json`."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    inside, depth = [found], 0
    while inside := [one for held in inside if isinstance(held, dict | list) for one in _values(held)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("it is nested too deep")
    return found


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Figures as a JSON file; numbers have six digits, and what is no number is null."""
    with replacing(path) as temporary:
        text = json.dumps(_rounded(values), indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def plain_cell(text: str) -> str:
    """Text for a table that people open: one that a spreadsheet would take for a formula gets an apostrophe before."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def safe_name(path: str | os.PathLike[str]) -> str:
    """The file's name on one line for messages: no folders, no control or direction-changing characters."""
    name = Path(path).name
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def slug(path: str | os.PathLike[str]) -> str:
    """The file's stem as a name that is safe in any folder: letters, digits, - and _ of ASCII, 1 to 60 of them."""
    stem = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in Path(path).stem)
    return stem.strip("-")[:60].rstrip("-") or "clip"


def own_names(paths: Sequence[Path], name: Callable[[Path], str] = slug) -> dict[Path, str]:
    """A name for what is made of each file: numbered where names are the same, to some disks also in capitals."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in dict.fromkeys(paths):
        own, number = name(path), 1
        while own.lower() in taken:
            number += 1
            own = f"{name(path)}-{number}"
        taken.add(own.lower())
        names[path] = own
    return names


def _values(held: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return held.values() if isinstance(held, dict) else held


def _rounded(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _rounded(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_rounded(value) for value in values]
    if isinstance(values, float):
        return float(f"{values:.6g}") if math.isfinite(values) else None
    return values
