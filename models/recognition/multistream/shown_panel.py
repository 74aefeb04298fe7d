"""What stands below the picture in a video of what the model saw: the likeliest labels, and where it looks.

Where it looks is said in numbers and by lengths: of each stream in this frame, how its look is shared between the
others; and over the clip, how much each frame is looked at. Words are light on dark, 7 : 1 at least.

Shapes: T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.lettering import font_of
from models.lexicon.captions import EDGE, GROUND, INK
from models.recognition.multistream.config import STREAMS

if TYPE_CHECKING:
    from models.recognition.multistream.recognizer import Seen

SMALLEST = 14
"""Pixels of letters."""
_SOFT, _BAR, _TROUGH, _DEEP = (186, 194, 206), (86, 180, 233), (44, 48, 56), (10, 74, 116)
_NAMES, _LABELS = 0.17, 0.68  # share of the width that is for the words before a bar
_MOST_LINES = 60  # of a page
_LEGEND = (
    "L, round joints: left hand. R, square joints: right hand. Solid box: object, with its place in the label. "
    "Dashed box: where hands are."
)


def panel(seen: Seen, place: int, width: int, looks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, width, 3) uint8 RGB, for the frame at this place; all frames of a clip get the same height.

    looks: (T,) how much each frame is looked at; it sums to 1.
    """
    size = max(SMALLEST, round(width / 44))
    notes = (_LEGEND, seen.description, *seen.remarks)
    page = _Page(width, size)
    page.heading("Likeliest labels")
    for one in seen.candidates:
        page.bar(one.label, one.confidence)
    page.heading(f"Where each stream looks: frame {place + 1} of {len(looks)}, {place / seen.fps:.1f} s")
    for at, name in enumerate(STREAMS):
        shares = [(other, float(seen.over_streams[at, place, to])) for to, other in enumerate(STREAMS) if to != at]
        if not seen.present[at, place]:
            page.divided(name, [], f"no {name} in this {'frame' if seen.present[at].any() else 'clip'}")
        else:
            page.divided(name, [one for one in shares if one[1] > 0], "no other stream to look at")
    page.heading(f"How the look is shared between frames: {percent(float(looks[place]))} for this one")
    page.strip(looks, place)
    for words in notes:
        page.note(words)
    return page.filled()


class _Page:
    """A picture that is filled from top to bottom, line by line, and ends where the last one does."""

    def __init__(self, width: int, size: int) -> None:
        self.size, self.step = size, round(1.5 * size)
        self.left, self.right, self.y = size, width - size, size / 2
        self.image = Image.new("RGB", (width, _MOST_LINES * self.step), GROUND)
        self.pen = ImageDraw.Draw(self.image)
        self.font, self.small = font_of(size), font_of(max(SMALLEST, round(0.88 * size)))

    def filled(self) -> NDArray[np.uint8]:
        """What is filled, of an even height, as video codecs want it."""
        return np.array(self.image, np.uint8)[: 2 * round((self.y + self.size) / 2)]

    def heading(self, words: str) -> None:
        """What the lines below it are."""
        self.y += 0.25 * self.step
        self._words(words, self.small, _SOFT, self.right - self.left)
        self.y += self.step

    def note(self, words: str) -> None:
        """Small letters, in up to three narrow lines."""
        for line in wrapped(words, self.small, self.right - self.left, 3):
            self._words(line, self.small, _SOFT, self.right - self.left)
            self.y += 0.85 * self.step

    def bar(self, words: str, share: float) -> None:
        """Words, in up to two lines, a bar of this share of what there is room for, and the share in numbers."""
        start, stop = self._start(_LABELS), self.right - 3.6 * self.size
        middle, half = self.y + self.step / 2, 0.36 * self.size
        room = start - self.left - self.size / 2
        lines = wrapped(words, self.font, room, 2)
        for line in lines[:-1]:
            self._words(line, self.font, INK, room)
            self.y += 0.75 * self.step
        self._words(lines[-1], self.font, INK, room)
        self._box(start, middle - half, stop, middle + half, _TROUGH)
        if share > 0:
            self._box(start, middle - half, start + share * (stop - start), middle + half, _BAR)
        self.pen.text((self.right, middle), percent(share), fill=INK, font=self.font, anchor="rm")
        self.y += self.step

    def divided(self, words: str, parts: Sequence[tuple[str, float]], nothing: str) -> None:
        """Words, then a bar that is divided between at most two parts, whose names and shares stand inside it."""
        start, top, bottom = self._start(_NAMES), self.y + 0.08 * self.step, self.y + 0.92 * self.step
        middle, gap = self.y + self.step / 2, 0.4 * self.size
        self._words(words.capitalize(), self.font, INK, start - self.left)
        if parts:
            whole = sum(share for _, share in parts)
            self._box(start, top, self.right, bottom, _TROUGH)
            self._box(start, top, start + parts[0][1] / whole * (self.right - start), bottom, _DEEP)
            for at, anchor, (name, share) in zip((start + gap, self.right - gap), ("lm", "rm"), parts, strict=False):
                self.pen.text((at, middle), f"{name} {percent(share)}", fill=INK, font=self.font, anchor=anchor)
        else:
            self.pen.text((start + gap, middle), nothing, fill=_SOFT, font=self.font, anchor="lm")
        self.y += self.step

    def strip(self, values: NDArray[np.float32], here: int) -> None:
        """A column for each value, the largest as high as a line; that of this frame is white, above a triangle."""
        wide, bottom = (self.right - self.left) / len(values), self.y + 1.1 * self.step
        for place, value in enumerate(values / max(float(values.max()), 1e-6)):
            left, high = self.left + place * wide, max(1.0, float(value) * self.step)
            fill = INK if place == here else _BAR
            self.pen.rectangle((left + 1, bottom - high, max(left + 1, left + wide - 2), bottom), fill=fill)
        middle, half, tip = self.left + (here + 0.5) * wide, 0.35 * self.size, bottom + 0.2 * self.size
        self.pen.polygon(((middle, tip), (middle - half, tip + half), (middle + half, tip + half)), fill=INK)
        self.y += 1.7 * self.step

    def _start(self, share: float) -> float:
        return self.left + share * (self.right - self.left)

    def _words(self, words: str, font: ImageFont.FreeTypeFont, color: tuple[int, int, int], room: float) -> None:
        place = (self.left, self.y + self.step / 2)
        self.pen.text(place, cut(words, font, room), fill=color, font=font, anchor="lm")

    def _box(self, left: float, top: float, right: float, bottom: float, fill: tuple[int, int, int]) -> None:
        self.pen.rectangle((left, top, right, bottom), fill=fill, outline=EDGE)


def cut(words: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """As much of the words as there is room for."""
    shown = " ".join(words.split())[:400]
    if font.getlength(shown) <= room:
        return shown
    while len(shown) > 1 and font.getlength(shown + "…") > room:
        shown = shown[:-1]
    return shown.rstrip() + "…"


def wrapped(words: str, font: ImageFont.FreeTypeFont, room: float, most: int) -> list[str]:
    """The words in lines that have room, at most so many, the last one cut; one empty line for none."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(lines) == most or not lines[-1] or font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return [cut(line, font, room) for line in lines]


def percent(share: float) -> str:
    """Rounded, but never to a 0 or a 100 that it is not."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"
