"""A small picture of every embedded sign, to find it by eye. Made once (`make thumbnails`) and kept in assets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2

from models.files import replacing, slug
from models.lexicon.avatar import draw_signer
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology import SignEntry
from models.lexicon.phonology_files import load_phonology
from models.pose.landmarks import RIGHT_HAND, component

THUMBNAILS = Path(__file__).resolve().parents[2] / "assets" / "thumbnails"
SIZE = 128
"""Pixels a side."""
_DRAWN = 384
_SIGNING_SPACE = (0.5, 0.43, 0.82)  # middle x, middle y and side of what is kept, over the drawing's side
_HAND_SIDE = 0.34  # of a letter or digit, which is all in the hand


def thumbnail_path(gloss: str) -> Path:
    """Where the picture of a sign is; it may not be there for a sign that was written since."""
    return THUMBNAILS / f"{slug(gloss.lower())}.jpg"


def write_thumbnails(progress: Callable[[int, int], None] | None = None) -> int:
    """Draw every embedded sign anew; returns how many there are."""
    entries: Sequence[SignEntry] = list(load_phonology().values())
    for done, entry in enumerate(entries, start=1):
        _write(entry)
        if progress is not None:
            progress(done, len(entries))
    wanted = {thumbnail_path(entry.gloss) for entry in entries}
    for path in set(THUMBNAILS.glob("*.jpg")) - wanted:
        path.unlink()
    return len(entries)


def _write(entry: SignEntry) -> None:
    made = perform([entry], width=_DRAWN, height=_DRAWN)
    (segment,) = made.segments
    frame = round((segment.start_ms + 0.45 * (segment.end_ms - segment.start_ms)) / 1000 * float(made.pose.body.fps))
    drawn = draw_signer(made.pose, frame, LOOKS["sofia"])
    x, y, side = _SIGNING_SPACE
    if entry.theme in ("fingerspelling", "numbers"):
        points, _ = component(made.pose, RIGHT_HAND)
        (x, y), side = points[frame, :, :2].mean(axis=0) / _DRAWN, _HAND_SIDE
    left, top = (round(min(max(middle - side / 2, 0), 1 - side) * _DRAWN) for middle in (x, y))
    kept = drawn[top : top + round(side * _DRAWN), left : left + round(side * _DRAWN)]
    small = cv2.resize(kept, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])
    with replacing(thumbnail_path(entry.gloss)) as temporary:
        temporary.write_bytes(data.tobytes())
