"""What a person typed or uploaded, checked and turned into values of the core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.errors import SignError, VideoError
from models.files import safe_name
from models.video import Box, probe
from studio.limits import Limits

SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"


VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".mpg"}
    | {".mpeg", ".ts", ".mts", ".wmv", ".flv", ".swf", ".ogv", ".3gp"}
)


def find(paths: Sequence[Path], suffixes: frozenset[str]) -> list[Path]:
    """Files with these suffixes: those named, those in folders named (at any depth), and matches of patterns.

    A file that is named outright is taken whatever its suffix. Raises SignError for a path that leads to nothing.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file())
        elif path.exists():
            inside = [path]
        else:
            inside = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not inside:
            raise SignError(f"{path}: there is no such file, or no {' '.join(sorted(suffixes))} file in it.")
        found += inside
    return list(dict.fromkeys(found))


def sample_clips() -> list[Path]:
    """The clips of drawn signers that come with the studio."""
    return sorted(SAMPLES.glob("*.mp4"))


def sample_pictures() -> list[Path]:
    """The pictures of drawn signers that come with the studio."""
    return sorted(SAMPLES.glob("*.jpg"))


def sample_actions() -> tuple[list[Path], Path]:
    """The drawn clips of actions that come with the studio, and their boxes as Something-Else has them."""
    folder = SAMPLES / "actions"
    return sorted(folder.glob("*.webm")), folder / "annotations.json"


def check_clip(path: str | Path, limits: Limits) -> None:
    """Raise a SignError when a clip is too large or too long for the browser, or is no video at all."""
    path = Path(path)
    size_mb = path.stat().st_size / 1024**2
    if size_mb > limits.max_upload_mb:
        raise VideoError(
            f"{safe_name(path)}: {size_mb:.0f} MB is more than the {limits.max_upload_mb} MB accepted here."
        )
    length_s = probe(path).duration_s
    if length_s is not None and length_s > 60 * limits.max_clip_minutes:
        raise VideoError(
            f"{safe_name(path)}: {length_s / 60:.0f} minutes is more than the {limits.max_clip_minutes} accepted here; "
            "cut it, or use `signstudio pose extract`, which has no limit."
        )


def check_batch(paths: Sequence[str], limits: Limits) -> None:
    """Raise a SignError when there are more clips than one batch may have."""
    if len(paths) > limits.max_batch_clips:
        raise SignError(
            f"{len(paths)} clips are more than the {limits.max_batch_clips} of one batch; send fewer at a time, or use "
            "`signstudio pose extract`, which has no limit."
        )


def parse_crop(text: str | None) -> Box | None:
    """ "left, top, right, bottom" in pixels as a box; None for an empty text. Raises SignError for anything else."""
    if not text or not text.strip():
        return None
    try:
        left, top, right, bottom = (int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise SignError(f"The crop {text!r} is not four whole numbers; write left, top, right, bottom.") from error
    if left >= right or top >= bottom:
        raise SignError(f"The crop {text!r} is empty; right has to be more than left, and bottom more than top.")
    return left, top, right, bottom
