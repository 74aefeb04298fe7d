"""Contact sheets of a lexicon: a strip of key frames for each sign, to look through hundreds of signs by eye.

The frames of a strip are where the hands are after equal shares of the sign, counted half by time and half by the way
that they go: holds and quick movements both show, and the first and the last frame always do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from models.errors import LexiconError
from models.files import replacing, safe_name
from models.lexicon.avatar import Signer
from models.lexicon.dataset import Person
from models.lexicon.performance import Performance, perform, sign_frames
from models.lexicon.phonology import HANDEDNESS, ONE, SignEntry
from models.pose.landmarks import HANDS, component

PAPER, INK, QUIET, RULE = (255, 255, 255), (24, 28, 34), (104, 112, 124), (222, 226, 231)
MARGIN, GAP, LABEL = 30, 3, 46
"""Pixels: around the page and between strips, between frames, and for the words above a strip."""
DRAWN = 512
"""Frames are drawn at this size and reduced, so that they look as the video does."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """What a sheet looks like. Raises LexiconError on values outside their range."""

    frames: int = 5
    cell: int = 200
    """Side of a frame, pixels."""
    rows: int = 8
    """Strips above each other on a page."""
    columns: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.frames <= 12:
            raise LexiconError(f"{self.frames} frames of each sign were asked for; give 2 to 12.")
        if not (64 <= self.cell <= 512 and 1 <= self.rows <= 40 and 1 <= self.columns <= 4):
            raise LexiconError("A sheet has frames of 64 to 512 px, 1 to 40 rows and 1 to 4 columns.")


def write_sheets(
    path: str | os.PathLike[str],
    entries: Sequence[SignEntry],
    options: SheetOptions | None = None,
    signer: Person | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the contact sheet of the entries; the paths of its pages.

    One page has the name that was asked for, several are name-1, name-2, … progress gets signs drawn and of all.
    Raises LexiconError when there is no entry, or for a file name that is no picture's.
    """
    path, options = Path(path), options or SheetOptions()
    if path.suffix.lower() not in SUFFIXES:
        raise LexiconError(f"{safe_name(path)}: a sheet is a picture; use a name that ends in {', '.join(SUFFIXES)}.")
    if not entries:
        raise LexiconError("No sign was asked for; name at least one gloss.")
    strips = _counted(entries, options, signer or Person(number=0, seed=None), progress)
    per_page = options.rows * options.columns
    num_pages = -(-len(entries) // per_page)
    written = []
    for number in range(num_pages):
        count = min(per_page, len(entries) - number * per_page)
        page = _page([next(strips) for _ in range(count)], options)
        target = path if num_pages == 1 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
        with replacing(target) as temporary:
            page.save(temporary)
        written.append(target)
    return written


def key_frames(performance: Performance, count: int) -> list[int]:
    """Indices of `count` telling frames of the only sign of a performance, the first and the last included."""
    start, end = sign_frames(performance)
    way = np.zeros(end - start)
    for name in HANDS:
        points, sure = component(performance.pose, name)
        both = (sure[start + 1 : end] > 0).all(axis=1) & (sure[start : end - 1] > 0).all(axis=1)
        steps = np.linalg.norm(np.diff(points[start:end, :, :2], axis=0), axis=-1).mean(axis=1)
        way[1:] += np.where(both, steps, 0)
    shares = np.linspace(0, 1, end - start)
    if way.sum() > 0:
        shares = 0.5 * shares + 0.5 * np.cumsum(way) / way.sum()
    return [start + int(np.abs(shares - share).argmin()) for share in np.linspace(0, 1, count)]


def strip(entry: SignEntry, signer: Person, options: SheetOptions) -> PillowImage.Image:
    """The words and key frames of one sign."""
    performance = perform([entry], signer.style, width=DRAWN, height=DRAWN)
    drawn = Signer(performance.pose, signer.look)
    picture = PillowImage.new("RGB", _strip_size(options), PAPER)
    (segment,) = performance.segments
    for place, index in enumerate(key_frames(performance, options.frames)):
        cell = _reduced(drawn.frame(index), options.cell)
        picture.paste(cell, (place * (options.cell + GAP), LABEL))
    pen = ImageDraw.Draw(picture)
    pen.text((0, 2), entry.gloss, INK, _font(20))
    hands = "one hand" if entry.hands == ONE else f"{entry.hands}: {HANDEDNESS[entry.hands]}"
    seconds = (segment.end_ms - segment.start_ms) / 1000
    about = f"{', '.join(entry.words)}  ·  {' > '.join(entry.shapes)}  ·  {hands}  ·  {seconds:.2f} s"
    pen.text((0, 25), _shortened(about, picture.width, _font(12)), QUIET, _font(12))
    return picture


def _counted(
    entries: Sequence[SignEntry], options: SheetOptions, signer: Person, progress: Callable[[int, int], None] | None
) -> Iterator[PillowImage.Image]:
    for done, entry in enumerate(entries, start=1):
        drawn = strip(entry, signer, options)
        if progress is not None:
            progress(done, len(entries))
        yield drawn


def _page(strips: Sequence[PillowImage.Image], options: SheetOptions) -> PillowImage.Image:
    """Strips under each other, the first column first."""
    width, height = _strip_size(options)
    columns = min(options.columns, len(strips))
    rows = -(-len(strips) // columns)
    size = (columns * (width + MARGIN) + MARGIN, rows * (height + MARGIN) + MARGIN)
    page = PillowImage.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    for number, picture in enumerate(strips):
        column, row = divmod(number, rows)
        x, y = MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN)
        if row:
            pen.line((x, y - MARGIN // 2, x + width - 1, y - MARGIN // 2), RULE)
        page.paste(picture, (x, y))
    return page


def _strip_size(options: SheetOptions) -> tuple[int, int]:
    return options.frames * (options.cell + GAP) - GAP, LABEL + options.cell


def _reduced(frame: NDArray[np.uint8], side: int) -> PillowImage.Image:
    return PillowImage.fromarray(frame).resize((side, side), PillowImage.Resampling.LANCZOS)


def _shortened(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font
