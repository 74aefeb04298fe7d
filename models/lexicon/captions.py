"""Captions of what is signed: WebVTT and SRT files, and a line below the picture.

The line never covers the signing: it is a strip added below the picture, as high as its two lines of text need.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from models.errors import LexiconError
from models.files import replacing, safe_name
from models.lettering import font_of
from models.lexicon.performance import Segment

Image = NDArray[np.uint8]

GROUND, BOX, EDGE, INK = (16, 18, 22), (0, 0, 0), (150, 156, 168), (255, 255, 255)
"""Colours of the strip, the box, its outline and the text: white on black, 21 : 1 (WCAG AAA wants 7 : 1)."""
TEXT_SHARE = 1 / 18
"""Height of the text over the picture's shorter side."""
SMALLEST_TEXT, LARGEST_TEXT = 9.0, 64.0
_LINES = 2


def to_webvtt(segments: Sequence[Segment]) -> str:
    """The segments as the text of a WebVTT file, a cue each. Segments without a gloss have no cue."""
    cues = [f"{_time(start, '.')} --> {_time(end, '.')}\n{_escaped(text)}\n" for start, end, text in _cues(segments)]
    return "\n".join(["WEBVTT\n", *cues])


def to_srt(segments: Sequence[Segment]) -> str:
    """The segments as the text of a SubRip (SRT) file, a cue each. Segments without a gloss have no cue."""
    cues = enumerate(_cues(segments), start=1)
    return "\n".join(
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{_one_line(text)}\n"
        for number, (start, end, text) in cues
    )


def write_captions(path: Path, segments: Sequence[Segment]) -> None:
    """Write captions as .vtt or .srt, by the name of the file. Raises LexiconError for any other name."""
    writers = {".vtt": to_webvtt, ".srt": to_srt}
    if path.suffix.lower() not in writers:
        raise LexiconError(f"{safe_name(path)}: captions are written as .vtt or .srt; choose one of these names.")
    with replacing(path) as temporary:
        temporary.write_text(writers[path.suffix.lower()](segments), encoding="utf-8")


def caption_at(segments: Sequence[Segment], time_ms: float) -> str:
    """The gloss that is signed at a time; empty between signs."""
    return next((segment.gloss for segment in segments if segment.start_ms <= time_ms < segment.end_ms), "")


def burn_caption(frame: Image, text: str) -> Image:
    """A picture (H, W, 3) uint8 RGB with the caption in a strip below it: (H + `caption_height`, W, 3).

    The height never depends on the text, so that all frames of a video are of one size; an empty text leaves the
    strip empty. Long texts wrap to two lines, get smaller, and end in … when even that does not help.
    """
    height, width = frame.shape[:2]
    return np.concatenate([frame, _strip(width, height, _one_line(text))])


def burn_captions(frames: Iterable[Image], segments: Sequence[Segment], fps: float) -> Iterator[Image]:
    """Every frame of a video with the gloss that is signed in it."""
    for index, frame in enumerate(frames):
        yield burn_caption(frame, caption_at(segments, 1000 * (index + 0.5) / fps))


def caption_height(width: int, height: int) -> int:
    """Pixels that a caption adds to a picture of this size; even, as video codecs want it."""
    return 2 * round(0.5 * (_LINES * 1.25 + 0.9) * _text_size(width, height))


@functools.lru_cache(maxsize=64)
def _strip(width: int, height: int, text: str) -> Image:
    picture = PillowImage.new("RGB", (width, caption_height(width, height)), GROUND)
    if text:
        pen, size = ImageDraw.Draw(picture), _text_size(width, height)
        lines, font = _fitted(text, size, width - 2 * size, pen)
        step, padding = 1.25 * font.size, 0.35 * size
        half = max(pen.textlength(line, font=font) for line in lines) / 2 + padding
        middle, tall = picture.height / 2, len(lines) * step / 2
        box = (width / 2 - half, middle - tall - padding / 2, width / 2 + half, middle + tall + padding / 2)
        pen.rounded_rectangle(box, radius=padding, fill=BOX, outline=EDGE, width=max(1, round(size / 16)))
        for index, line in enumerate(lines):
            y = middle - tall + (index + 0.5) * step
            pen.text((width / 2, y), line, fill=INK, font=font, anchor="mm")
    strip = np.array(picture, dtype=np.uint8)
    strip.flags.writeable = False  # shared by all frames of this caption
    return strip


def _fitted(text: str, size: float, room: float, pen: ImageDraw.ImageDraw) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """The text in at most two lines no wider than the room, in the largest font that does it, else shortened."""
    for share in (1.0, 0.85, 0.7):
        font = font_of(max(share * size, SMALLEST_TEXT))
        lines = _wrapped(text, lambda part, font=font: pen.textlength(part, font=font) <= room)  # type: ignore[misc]
        if len(lines) <= _LINES and all(pen.textlength(line, font=font) <= room for line in lines):
            return lines, font
    kept = [_cut(line, font, room, pen) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        kept[-1] = _cut(kept[-1] + " " + lines[_LINES], font, room, pen)
    return kept, font


def _wrapped(text: str, fits: Callable[[str], bool]) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and not fits(longer):
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(line: str, font: ImageFont.FreeTypeFont, room: float, pen: ImageDraw.ImageDraw) -> str:
    if pen.textlength(line, font=font) <= room:
        return line
    line = line[:400]
    while len(line) > 1 and pen.textlength(line + "…", font=font) > room:
        line = line[:-1]
    return line + "…"


def _text_size(width: int, height: int) -> float:
    return float(np.clip(TEXT_SHARE * min(width, height), SMALLEST_TEXT, LARGEST_TEXT))


def _cues(segments: Sequence[Segment]) -> list[tuple[int, int, str]]:
    """(start, end, text) in whole milliseconds, in order; every cue lasts at least one."""
    cues = []
    for segment in sorted(segments, key=lambda segment: segment.start_ms):
        start = max(0, round(segment.start_ms))
        if segment.gloss.strip():
            cues.append((start, max(round(segment.end_ms), start + 1), segment.gloss))
    return cues


def _time(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{rest:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
