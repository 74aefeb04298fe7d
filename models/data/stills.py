"""Single pictures as data sets keep them: whole, in a square with bars beside them, and as JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from models.video import Box
from models.video_decode import Frame


def fitted(width: int, height: int, size: int) -> Box:
    """Where a picture of this size lies in a square when it is scaled to just fit: xmin, ymin, xmax, ymax."""
    scale = size / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - wide) // 2, (size - high) // 2
    return left, top, left + wide, top + high


def letterboxed(frame: Frame, size: int, *, ground: int = 0, enlarge: int = cv2.INTER_CUBIC) -> Frame:
    """A frame (H, W, 3) in a square, as `fitted` says.

    ground: grey level of the bars. enlarge: OpenCV's way to make a picture larger; smaller ones are averages of areas.
    """
    height, width = frame.shape[:2]
    left, top, right, bottom = fitted(width, height, size)
    way = cv2.INTER_AREA if size < max(height, width) else enlarge
    made = np.full((size, size, 3), ground, np.uint8)
    made[top:bottom, left:right] = cv2.resize(frame, (right - left, bottom - top), interpolation=way)
    return made


def jpeg(frame: Frame, quality: int) -> bytes:
    """An RGB frame as JPEG. quality: 1 to 100."""
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert encoded
    return data.tobytes()
