"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Figures as a JSON file; numbers have six digits, and what is no number is null."""
    with replacing(path) as temporary:
        text = json.dumps(_rounded(values), indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def safe_name(path: str | os.PathLike[str]) -> str:
    """The file's name on one line for messages: no folders, no control or direction-changing characters."""
    name = Path(path).name
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def slug(path: str | os.PathLike[str]) -> str:
    """The file's stem as a name that is safe in any folder: letters, digits, - and _ of ASCII, 1 to 60 of them."""
    stem = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in Path(path).stem)
    return stem.strip("-")[:60].rstrip("-") or "clip"


def _rounded(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _rounded(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_rounded(value) for value in values]
    if isinstance(values, float):
        return float(f"{values:.6g}") if math.isfinite(values) else None
    return values
