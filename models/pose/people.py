"""Who is in a picture: the faces, the people that belong to them, and a picture in which only one is left.

The face detector is MediaPipe's full-range one; it comes with the package.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pose.holistic import native_log_silenced
from models.video import Box

Image = NDArray[np.uint8]

_SURE = 0.6
_TILES = 2  # a face of a full-length group is small: look again at overlapping quarters
_WORTH_TILING = 400  # px of the longer side
_SAME = 0.3  # faces that overlap by so much are one
_LEAST = 0.35  # of the largest face: smaller ones are far behind, or no faces


def find_faces(picture: Image) -> list[Box]:
    """Boxes of the faces of the people in front, left to right; none when only Holistic could find somebody."""
    height, width = picture.shape[:2]
    found = _detect(picture, 0, 0)
    if max(height, width) >= _WORTH_TILING and min(height, width) > _TILES:
        step_y, step_x = height // (_TILES + 1), width // (_TILES + 1)
        for top in range(0, _TILES * step_y, step_y):
            for left in range(0, _TILES * step_x, step_x):
                tile = picture[top : top + 2 * step_y, left : left + 2 * step_x]
                found += _detect(np.ascontiguousarray(tile), left, top)
    kept: list[tuple[float, Box]] = []
    for score, box in sorted(found, reverse=True):
        if all(_overlap(box, other) < _SAME for _, other in kept):
            kept.append((score, box))
    largest = max((_area(box) for _, box in kept), default=0)
    return sorted(box for _, box in kept if _area(box) >= _LEAST**2 * largest)


def boxes(faces: list[Box], shape: tuple[int, ...]) -> tuple[Box, ...]:
    """The head and upper body that belong to each face, within the picture."""
    height, width = shape[:2]
    found = []
    for left, top, right, bottom in faces:
        size, middle = max(right - left, bottom - top), (left + right) / 2
        box = (middle - 1.9 * size, top - 0.8 * size, middle + 1.9 * size, bottom + 3.5 * size)
        found.append(
            (max(0, round(box[0])), max(0, round(box[1])), min(width, round(box[2])), min(height, round(box[3])))
        )
    return tuple(found)


def alone(picture: Image, faces: list[Box], chosen: int) -> Image:
    """The picture with the other people's heads and shoulders washed out, so that landmarks are the chosen one's."""
    if len(faces) < 2:
        return picture
    out = picture.copy()
    middle = [(left + right) / 2 for left, _, right, _ in faces]
    mine = (faces[chosen][2] - faces[chosen][0]) / 2
    wash = cv2.blur(picture, (2 * (picture.shape[1] // 8) + 1,) * 2)
    for index, (left, top, right, bottom) in enumerate(faces):
        if index == chosen:
            continue
        size = max(right - left, bottom - top)
        # As far as half way to the chosen person.
        limit = abs(middle[index] - middle[chosen]) / 2
        reach = min(1.9 * size, max(limit, abs(middle[index] - middle[chosen]) - 2.2 * mine))
        x0, x1 = round(max(0, middle[index] - 1.9 * size)), round(middle[index] + 1.9 * size)
        if middle[index] > middle[chosen]:
            x0 = round(middle[index] - reach)
        else:
            x1 = round(middle[index] + reach)
        y0, y1 = round(max(0, top - 0.8 * size)), round(bottom + 4 * size)
        out[y0:y1, max(x0, 0) : max(x1, 0)] = wash[y0:y1, max(x0, 0) : max(x1, 0)]
    return out


def _detect(picture: Image, left: int, top: int) -> list[tuple[float, Box]]:
    height, width = picture.shape[:2]
    with native_log_silenced():
        result = _detector().process(picture.copy())
    found = []
    for one in result.detections or ():
        box = one.location_data.relative_bounding_box
        x0, y0 = left + box.xmin * width, top + box.ymin * height
        corners = (round(x0), round(y0), round(x0 + box.width * width), round(y0 + box.height * height))
        if one.score[0] >= _SURE:
            found.append((float(one.score[0]), corners))
    return found


@cache
def _detector() -> Any:
    # Late: mediapipe takes seconds to import.
    from mediapipe.python.solutions.face_detection import FaceDetection

    return FaceDetection(min_detection_confidence=0.5, model_selection=1)


def _overlap(a: Box, b: Box) -> float:
    """Shared area over the smaller box."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0) / max(min(_area(a), _area(b)), 1)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
