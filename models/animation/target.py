"""The picture of the person who is to sign: read, understood and checked before any work begins."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.advice import advise
from models.animation.segment import person_mask
from models.errors import PictureError
from models.pose import landmarks, people
from models.pose.holistic import HolisticSession
from models.video import Box

Image = NDArray[np.uint8]

SMALLEST_SIDE, LARGEST_SIDE = 128, 2048
_LOOKS = 3  # a tracker that sees the same picture again settles
_WIDTH, _ABOVE, _BELOW = 3.8, 1.5, 2.2  # the signing space in shoulder widths: across, above and below the shoulders
_FULL_BODY = 1.3  # a picture this much larger than the signing space, on either axis, is cut to it
_MOST_ENLARGED = 3.0
_SURE = 0.5
_LOOKING = threading.Lock()  # pictures are read by several pages at a time, and there is one reader


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """How a picture is read. Raises PictureError for a size that cannot be made."""

    side: int = 768
    """Longest side of the result, pixels; a small picture is enlarged to it, three times at most."""
    person: int | None = None
    """Index of the person, from the left; None is the largest one."""
    framing: Literal["auto", "keep"] = "auto"
    """auto: a picture in which the person is small is cut to the space that signing takes."""

    def __post_init__(self) -> None:
        if not SMALLEST_SIDE <= self.side <= LARGEST_SIDE:
            raise PictureError(
                f"A video with a side of {self.side} pixels cannot be made; choose {SMALLEST_SIDE} to {LARGEST_SIDE}."
            )
        if self.framing not in ("auto", "keep"):
            raise PictureError(f"There is no framing {self.framing!r}; choose auto or keep.")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A picture ready to be animated."""

    image: Image
    """(H, W, 3) uint8 RGB, upright, both sides even; the animated video has this size."""
    pose: Pose
    """One frame of Holistic landmarks of the chosen person, in pixels of `image`; what was not found is masked."""
    person: NDArray[np.float32]
    """(H, W) opacity of the chosen person, 0..1, hair included."""
    people: tuple[Box, ...]
    """Everyone found, left to right, as boxes in the picture that was read."""
    chosen: int
    """Index into `people`."""
    advice: tuple[str, ...] = ()
    """What would make the result better, in words; empty when the picture is good."""


def read_target(picture: Image, options: TargetOptions | None = None) -> Target:
    """Find the person in a picture (H, W, 3) uint8 RGB, frame and cut them out.

    Raises PictureError when nobody is found, nobody's shoulders are seen, or the chosen person is not there.
    """
    options = options or TargetOptions()
    faces = _real(picture, people.find_faces(picture))
    found = people.boxes(faces, picture.shape)
    chosen = _choose(faces, options.person)
    around = people.alone(picture, faces, chosen)
    body = _landmarks(around)
    _check(body)
    crop = _framing(body, picture.shape, options.framing)
    image, shown = _cut(picture, crop, options.side), _cut(around, crop, options.side)
    pose = _landmarks(shown)
    _check(pose)
    height, width = image.shape[:2]
    if not found:
        found = ((crop[0], crop[1], crop[2], crop[3]),)
    person = person_mask(shown, pose)
    enlarged = max(width, height) / max(crop[2] - crop[0], crop[3] - crop[1])
    return Target(
        image=image,
        pose=pose,
        person=person,
        people=found,
        chosen=chosen,
        advice=advise(image, pose, person, num_people=len(found), chosen=chosen, enlarged=enlarged),
    )


def _real(picture: Image, faces: list[Box]) -> list[Box]:
    """Those faces among several that have landmarks where the detector saw them; hands are taken for faces, too."""
    if len(faces) < 2:
        return faces
    kept = []
    for (left, top, right, bottom), crop in zip(faces, people.boxes(faces, picture.shape), strict=True):
        pose = _landmarks(np.ascontiguousarray(picture[crop[1] : crop[3], crop[0] : crop[2]]))
        x, y = landmarks.component(pose, landmarks.FACE)[0][0].mean(axis=0)[:2] + crop[:2]
        if landmarks.seen(pose, landmarks.FACE)[0] and left <= x <= right and top <= y <= bottom:
            kept.append((left, top, right, bottom))
    return kept


def _choose(faces: list[Box], person: int | None) -> int:
    if person is not None and not 0 <= person < max(len(faces), 1):
        raise PictureError(
            f"There is no person {person + 1} in this picture; {max(len(faces), 1)} found, counted from the left."
        )
    if person is not None or not faces:
        return person or 0
    return int(np.argmax([(right - left) * (bottom - top) for left, top, right, bottom in faces]))


def _landmarks(image: Image) -> Pose:
    """One frame of landmarks of the person in the picture."""
    with _LOOKING:
        session = _session()
        session.reset()
        for _ in range(_LOOKS):
            points, confidence = session.process(image)
    height, width = image.shape[:2]
    return landmarks.holistic_pose(points[None], confidence[None], fps=25, width=width, height=height)


@cache
def _session() -> HolisticSession:
    """The reader of this process; for who holds `_LOOKING`."""
    return HolisticSession(min_detection_confidence=0.4)


def _check(pose: Pose) -> None:
    """Raise PictureError unless head and shoulders of a person are there."""
    _, sure = landmarks.component(pose, landmarks.BODY)
    face = landmarks.seen(pose, landmarks.FACE)[0]
    shoulders = sure[0, [landmarks.LEFT_SHOULDER, landmarks.RIGHT_SHOULDER]]
    if not face and (sure[0, landmarks.NOSE] < _SURE or shoulders.min() < 0.9):
        raise PictureError(
            "No person was found in this picture; use one of a person from the front, with head, shoulders and chest."
        )
    if shoulders.min() < _SURE:
        raise PictureError(
            "The person's shoulders are not in the picture; use one that shows head, shoulders and chest."
        )


def _framing(pose: Pose, shape: tuple[int, ...], framing: str) -> Box:
    """The part of the picture that the video shows."""
    height, width = shape[:2]
    points, _ = landmarks.component(pose, landmarks.BODY)
    left, right = points[0, landmarks.LEFT_SHOULDER, :2], points[0, landmarks.RIGHT_SHOULDER, :2]
    shoulders = float(np.linalg.norm(left - right))
    (x, y), space = (left + right) / 2, (_WIDTH * shoulders, (_ABOVE + _BELOW) * shoulders)
    if framing == "keep" or max(width / space[0], height / space[1]) < _FULL_BODY:
        return 0, 0, width, height
    box = (x - space[0] / 2, y - _ABOVE * shoulders, x + space[0] / 2, y + _BELOW * shoulders)
    low, high = np.clip(box[:2], 0, None), np.minimum(box[2:], (width, height))
    return round(low[0]), round(low[1]), round(high[0]), round(high[1])


def _cut(picture: Image, crop: Box, side: int) -> Image:
    """The crop at the wanted size, both sides even."""
    part = picture[crop[1] : crop[3], crop[0] : crop[2]]
    height, width = part.shape[:2]
    scale = min(side / max(height, width), _MOST_ENLARGED)
    size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    return np.ascontiguousarray(cv2.resize(part, size, interpolation=method), np.uint8)
