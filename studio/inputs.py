"""What a person typed or uploaded, checked and turned into values of the core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.errors import SignError, VideoError
from models.files import safe_name
from models.video import MAX_FPS, Box, probe, stored_frames
from studio.limits import Limits
from studio.texts import text

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
            text(
                "{name}: {size:.0f} MB is more than the {most} MB accepted here.",
                name=safe_name(path),
                size=size_mb,
                most=limits.max_upload_mb,
            )
        )
    length_s, longest_s = probe(path).duration_s, 60 * limits.max_clip_minutes
    if not length_s or length_s <= longest_s:  # which is what the file says of itself
        length_s = stored_frames(path, longest_s * MAX_FPS + 1) / MAX_FPS
    if length_s > longest_s:
        raise VideoError(
            text(
                "{name}: {minutes:.0f} minutes is more than the {most} accepted here; cut it, or use `signstudio pose "
                "extract`, which has no limit.",
                name=safe_name(path),
                minutes=length_s / 60,
                most=limits.max_clip_minutes,
            )
        )


def check_batch(paths: Sequence[str], limits: Limits) -> None:
    """Raise a SignError when there are more clips than one batch may have."""
    if len(paths) > limits.max_batch_clips:
        raise SignError(
            text(
                "{number} clips are more than the {most} of one batch; send fewer at a time, or use `signstudio pose "
                "extract`, which has no limit.",
                number=len(paths),
                most=limits.max_batch_clips,
            )
        )


def parse_crop(written: str | None) -> Box | None:
    """ "left, top, right, bottom" in pixels as a box; None for an empty text. Raises SignError for anything else."""
    if not written or not written.strip():
        return None
    try:
        left, top, right, bottom = (int(part) for part in written.replace(",", " ").split())
    except ValueError as error:
        raise SignError(
            text("The crop {written!r} is not four whole numbers; write left, top, right, bottom.", written=written)
        ) from error
    if left >= right or top >= bottom:
        raise SignError(
            text(
                "The crop {written!r} is empty; right has to be more than left, and bottom more than top.",
                written=written,
            )
        )
    return left, top, right, bottom
