"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def safe_name(path: str | os.PathLike[str]) -> str:
    """The file's name on one line for messages: no folders, no control or direction-changing characters."""
    name = Path(path).name
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def slug(path: str | os.PathLike[str]) -> str:
    """The file's stem as a name that is safe in any folder: letters, digits, - and _ of ASCII, 1 to 60 of them."""
    stem = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in Path(path).stem)
    return stem.strip("-")[:60].rstrip("-") or "clip"
