"""A video of what the model saw: hands and objects on the picture, and below it the answer and where the model looked.

- The pictures are those that were filmed, in their own proportions; the model sees smaller squares of them.
- The hands are drawn as everywhere in the studio: the left is blue with round joints, the right is orange with square
  ones, and each has its letter at the wrist. Boxes of objects are solid and named; boxes of hands are dashed.
- Words are 14 pixels high at least, in a video 640 pixels wide or wider; `shown_panel` has what is below the picture.

Shapes: T frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.lettering import font_of
from models.lexicon.captions import GROUND, INK, burn_caption
from models.pose.draw import DrawStyle, Painter, skeleton_painter
from models.pose.landmarks import HANDS, NUM_HAND
from models.recognition.multistream.attention_figures import received
from models.recognition.multistream.shown_panel import cut, panel, percent
from models.video_write import VideoWriter

if TYPE_CHECKING:
    from models.recognition.multistream.recognizer import Seen

Frame = NDArray[np.uint8]
Box = tuple[float, float, float, float]

LEAST_HEIGHT, LEAST_WIDTH, LONGEST = 360, 640, 1280
"""Pixels: of the picture, of the video, and of the picture's longer side."""
_OBJECT, _RIM = (240, 228, 66), (12, 14, 18)
_SIDES = "LR"


class _Tag(NamedTuple):
    """Words at a place of the picture, pixels."""

    x: float
    y: float
    words: str
    centred: bool
    """On the place, and not above it, to its right."""


def write_shown(seen: Seen, out: Path, *, caption: bool = True) -> Path:
    """Write the chosen frames as a video (.mp4 is H.264), one after the other at `seen.fps`; returns its path.

    caption: whether the answer stands in large letters right below the picture.
    Raises VideoError when it cannot be written.
    """
    frames = shown_frames(seen, caption=caption)
    first = next(frames)
    height, width = first.shape[:2]
    about = {"title": _answer(seen), "comment": seen.description}
    with VideoWriter(out, fps=seen.fps, width=width, height=height, metadata=about) as clip:
        clip.write(first)
        for frame in frames:
            clip.write(frame)
    return out


def shown_frames(seen: Seen, *, caption: bool = True) -> Iterator[Frame]:
    """The pictures of that video, (H, W, 3) uint8 RGB, all of one size."""
    height, width = seen.pictures[0].shape[:2]
    size = _picture_size(width, height)
    paint = _hand_painter(seen, size)
    looks = received(seen)
    for place, picture in enumerate(seen.pictures):
        frame = _resized(picture, size)
        frame = _centred(_marked(frame, seen, place, paint), max(size[0], LEAST_WIDTH))
        if caption:
            frame = burn_caption(frame, _answer(seen))
        yield np.concatenate([frame, panel(seen, place, frame.shape[1], looks)])


def _answer(seen: Seen) -> str:
    if not seen.candidates:
        return "No answer"
    best = seen.candidates[0]
    return f"{best.label}: {percent(best.confidence)}"


def _picture_size(width: int, height: int) -> tuple[int, int]:
    """Even width and height of the picture in the video: the clip's own, unless that is too small or too large."""
    scale = min(max(1.0, LEAST_HEIGHT / height), LONGEST / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def _resized(picture: Frame, size: tuple[int, int]) -> Frame:
    """A copy, to draw on."""
    way = cv2.INTER_AREA if picture.shape[0] > size[1] else cv2.INTER_CUBIC
    return np.array(cv2.resize(np.ascontiguousarray(picture), size, interpolation=way), np.uint8)


def _centred(frame: Frame, width: int) -> Frame:
    left = (width - frame.shape[1]) // 2
    made = np.full((frame.shape[0], width, 3), GROUND, np.uint8)
    made[:, left : left + frame.shape[1]] = frame
    return made


def _hand_painter(seen: Seen, size: tuple[int, int]) -> Painter:
    """Draws the hands of a frame, as a pose that has nothing but hands."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    names = [str(joint) for joint in range(NUM_HAND)]
    parts = [PoseHeaderComponent(name, names, [], [], "XYZC") for name in HANDS]
    header = PoseHeader(version=0.2, dimensions=PoseHeaderDimensions(*size, 0), components=parts)
    joints, mask = seen.item["hands"].numpy(), seen.item["hands_mask"].numpy()
    data = (joints * [size[0], size[1], size[0]]).reshape(len(joints), 1, 2 * NUM_HAND, 3).astype(np.float32)
    sure = np.repeat(mask, NUM_HAND, axis=1).astype(np.float32)[:, None]
    return skeleton_painter(Pose(header, NumPyPoseBody(seen.fps, data, sure)), DrawStyle(body=False, face=False))


def _marked(frame: Frame, seen: Seen, place: int, paint: Painter) -> Frame:
    """The frame with the boxes of objects and hands, the hands, and their words."""
    item, (height, width) = seen.item, frame.shape[:2]
    scale = np.array([width, height, width, height], np.float32)
    unit = max(1, round(height / 360))
    tags = []
    for box, there in zip(item["hand_boxes"][place].numpy(), item["hand_boxes_mask"][place].tolist(), strict=True):
        if there:
            _dashed(frame, _corners(box * scale, frame, unit), unit)
    names = _object_names(seen)
    for box, there, name in zip(item["boxes"][place].numpy(), item["boxes_mask"][place].tolist(), names, strict=True):
        if there:
            x1, y1, x2, y2 = _corners(box * scale, frame, unit)
            for color, thick in ((_RIM, 4 * unit), (_OBJECT, 2 * unit)):
                cv2.rectangle(frame, (round(x1), round(y1)), (round(x2), round(y2)), color, thick, cv2.LINE_AA)
            tags.append(_Tag(x1, y1, name, centred=False))
    frame = paint(frame, place)
    for side, there in enumerate(item["hands_mask"][place].tolist()):
        if there:
            joints = item["hands"][place, side].numpy()[:, :2] * [width, height]
            away = joints[0] - joints[9]  # from the middle knuckle to the wrist, and on
            x, y = joints[0] + away / max(float(np.linalg.norm(away)), 1e-6) * 14 * unit
            tags.append(_Tag(float(x), float(y), _SIDES[side], centred=True))
    return _tagged(frame, tags, 14 * unit)


def _corners(box: NDArray[np.float32], frame: Frame, unit: int) -> Box:
    """The box, moved in where its lines would be outside the picture."""
    height, width = frame.shape[:2]
    x1, y1, x2, y2 = np.clip(box, unit, np.array([width, height, width, height]) - 1 - unit).tolist()
    return x1, y1, x2, y2


def _dashed(frame: Frame, box: Box, unit: int) -> None:
    """A rectangle of dashes, drawn onto the frame."""
    x1, y1, x2, y2 = box
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)])
    for color, thick in ((_RIM, 4 * unit), (INK, 2 * unit)):
        for begin, end in pairwise(corners):
            count = max(1, round(float(np.linalg.norm(end - begin)) / (14 * unit)))
            for number in range(count):
                first, last = (begin + (end - begin) * (number + at) / count for at in (0.0, 0.55))
                ends = [(round(float(x)), round(float(y))) for x, y in (first, last)]
                cv2.line(frame, ends[0], ends[1], color, thick, cv2.LINE_AA)


def _object_names(seen: Seen) -> list[str]:
    """Of each column of boxes: its number in the label's placeholders, from 1, and what it is where that is known."""
    slots = seen.item["slots"].tolist()
    names: Sequence[str] = seen.item.get("category_names", ())
    told = [*names, *[""] * (len(slots) - len(names))]
    return [f"{slot + 1 if slot >= 0 else '?'} {name}".strip() for slot, name in zip(slots, told, strict=False)]


def _tagged(frame: Frame, tags: Sequence[_Tag], size: int) -> Frame:
    """The frame with words on dark ground, all of them inside the picture."""
    page = Image.fromarray(frame)
    pen, font = ImageDraw.Draw(page), font_of(size)
    for x, y, told, centred in tags:
        words = cut(told, font, page.width / 2)
        wide, high = font.getlength(words) + 8, 1.35 * size
        left, top = (x - wide / 2, y - high / 2) if centred else (x, y - high)
        left, top = max(0, min(left, page.width - wide)), max(0, min(top, page.height - high))
        pen.rectangle((left, top, left + wide, top + high), fill=GROUND)
        pen.text((left + wide / 2, top + high / 2), words, fill=INK, font=font, anchor="mm")
    return np.array(page, np.uint8)
