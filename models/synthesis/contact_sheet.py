"""The contact sheet of a base action video: frames in equal steps, with their numbers, to look at or to print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from models.files import replacing

FRAMES = 12
"""On a sheet; the first and the last of the video are among them."""
_COLUMNS, _LEAST_CELL, _LARGEST_CELL = 4, 160, 320  # pixels
_MARGIN, _GAP, _TITLE, _LABEL = 16, 8, 34, 22
_PAPER, _INK = (255, 255, 255), (24, 28, 34)


def sheet_frames(frames: int) -> list[int]:
    """Numbers, from 0, of the frames on a sheet of a video with so many."""
    count = min(FRAMES, frames)
    return [int(number) for number in np.round(np.linspace(0, frames - 1, count))]


def write_contact_sheet(path: Path, pictures: NDArray[np.uint8], fps: float, title: str) -> None:
    """pictures: (T, S, S, 3) RGB. Frames are numbered from 1, as players of frames do."""
    chosen = sheet_frames(len(pictures))
    cell = min(max(pictures.shape[1], _LEAST_CELL), _LARGEST_CELL)
    rows = -(-len(chosen) // _COLUMNS)
    width = 2 * _MARGIN + _COLUMNS * (cell + _GAP) - _GAP
    page = PillowImage.new("RGB", (width, 2 * _MARGIN + _TITLE + rows * (cell + _LABEL)), _PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(18))
    for place, number in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        left, top = _MARGIN + column * (cell + _GAP), _MARGIN + _TITLE + row * (cell + _LABEL)
        picture = PillowImage.fromarray(pictures[number])
        page.paste(picture.resize((cell, cell), PillowImage.Resampling.LANCZOS), (left, top))
        label = f"frame {number + 1}, {number / fps:.2f} s"
        pen.text((left, top + cell + 3), label, _INK, ImageFont.load_default(13))
    with replacing(path) as temporary:
        page.save(temporary, quality=92)
