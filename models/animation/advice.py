"""What would make a target picture better, in sentences for a person who does not know the field."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.pose import landmarks

_DARK, _BRIGHT = 45, 225  # mean grey level of the person
_SOFT, _DETAIL_SIDE = 1.2, 160  # percent of detail; side of a face as it is judged, pixels
_SMALL_FACE = 48  # pixels from forehead to chin
_ROOM = 1.25  # shoulder widths beside the shoulders' middle that hands need


def advise(
    image: NDArray[np.uint8],
    pose: Pose,
    person: NDArray[np.float32],
    *,
    num_people: int,
    chosen: int,
    enlarged: float,
) -> tuple[str, ...]:
    """Sentences about a target: the picture, one frame of pose, the person's opacity, how many people were found,
    and how much the picture was enlarged. Empty when all is well."""
    points, sure = (values[0] for values in landmarks.component(pose, landmarks.BODY))
    return tuple(
        filter(
            None,
            [
                _several(num_people, chosen),
                _turned(points),
                _face(pose),
                _arms(points, sure),
                _room(points, image.shape),
                _light(image, person),
                _sharp(image, pose, enlarged),
            ],
        )
    )


def _several(num_people: int, chosen: int) -> str:
    if num_people < 2:
        return ""
    return (
        f"{num_people} people were found; number {chosen + 1} from the left will sign. Choose another one if you like."
    )


def _turned(points: NDArray[np.float32]) -> str:
    shoulders, ears = (float(np.linalg.norm((points[a] - points[b])[:2])) for a, b in ((11, 12), (7, 8)))
    if shoulders < 1.5 * ears:
        return "The person is turned to the side; a picture from the front gives better arms."
    return ""


def _face(pose: Pose) -> str:
    if not landmarks.seen(pose, landmarks.FACE)[0]:
        return (
            "The face was not found, so it will not move; a picture with an uncovered face, from the front, is better."
        )
    face = landmarks.component(pose, landmarks.FACE)[0][0]
    size = float(np.linalg.norm((face[10] - face[152])[:2]))
    if size < _SMALL_FACE:
        return f"The face is only {size:.0f} pixels high; a larger picture of the person keeps more of it."
    return ""


def _arms(points: NDArray[np.float32], sure: NDArray[np.float32]) -> str:
    left, right = points[landmarks.LEFT_WRIST], points[landmarks.RIGHT_WRIST]
    if sure[[landmarks.LEFT_WRIST, landmarks.RIGHT_WRIST]].min() > 0.5 and left[0] < right[0]:
        return "The arms are crossed; they are taken out of the picture best when they hang beside the body."
    if sure[[landmarks.LEFT_ELBOW, landmarks.RIGHT_ELBOW]].max() < 0.3:
        return "The arms are not in the picture; sleeves and hands will be guessed from what is seen."
    return ""


def _room(points: NDArray[np.float32], shape: tuple[int, ...]) -> str:
    height, width = shape[:2]
    left, right = points[landmarks.LEFT_SHOULDER, :2], points[landmarks.RIGHT_SHOULDER, :2]
    shoulders, (x, y) = float(np.linalg.norm(left - right)), (left + right) / 2
    missing = []
    if y + 0.9 * shoulders > height:
        missing.append("below the shoulders")
    if x - _ROOM * shoulders < 0 or x + _ROOM * shoulders > width:
        missing.append("beside the shoulders")
    if not missing:
        return ""
    return f"The picture ends close {' and '.join(missing)}, so hands will leave it; a wider picture shows all signing."


def _light(image: NDArray[np.uint8], person: NDArray[np.float32]) -> str:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[person > 0.5]
    level = float(grey.mean()) if len(grey) else 128.0
    if level < _DARK:
        return "The picture is very dark; more light on face and body gives a better result."
    if level > _BRIGHT:
        return "The picture is very bright; with less light, more of face and clothes is kept."
    return ""


def _sharp(image: NDArray[np.uint8], pose: Pose, enlarged: float) -> str:
    if enlarged > 1.6:
        return f"The person is small in the picture and was enlarged {enlarged:.1f} times; a larger picture is sharper."
    if (
        landmarks.seen(pose, landmarks.FACE)[0]
        and _detail(image, landmarks.component(pose, landmarks.FACE)[0][0]) < _SOFT
    ):
        return "The picture is blurred; a sharp one gives a better result."
    return ""


def _detail(image: NDArray[np.uint8], face: NDArray[np.float32]) -> float:
    """How much of the face's contrast is fine detail, percent: the variance of its Laplacian over its own variance."""
    height, width = image.shape[:2]
    low = np.clip(face[:, :2].min(axis=0), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(face[:, :2].max(axis=0), low + 2, (width, height)).astype(int)
    grey = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    scale = _DETAIL_SIDE / max(grey.shape)
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(100 * cv2.Laplacian(grey, cv2.CV_32F).var() / max(float(grey.astype(float).var()), 1.0))
