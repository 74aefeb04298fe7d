"""Look again for hands that Holistic lost.

Holistic finds a hand through the body landmarks of its wrist and fingers, and loses it when these are a little off,
or the hand is blurred or turned. Where the body's wrist is in the picture, the Hands model that comes with mediapipe
gets a square around the place where the hand must be (past the wrist, along the forearm) and searches it with its
own palm detector. What it finds counts only if its wrist is where the body's wrist is, it is of a believable size, on
the right side, and not the other hand again. Its landmarks get a confidence below 1, so that they can be told from
Holistic's own, which have 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pose.holistic import Image, native_log_silenced
from models.pose.landmarks import (
    LEFT_ELBOW,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NUM_BODY,
    NUM_HAND,
    RIGHT_ELBOW,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)

RECOVERED_CONFIDENCE = 0.9
"""A recovered landmark's confidence is this times the model's score for the hand."""

MIN_VISIBILITY = 0.5
MIN_SCORE = 0.6
# Lengths in units of the arm's scale (the longer of forearm and 0.6 shoulder widths; a hand is about 0.7 of it).
_SEARCH_SIDES = (2.0, 3.0)
_AHEAD_OF_WRIST = 0.35
_MAX_WRIST_ERROR = 0.4
# The model takes a fist or a hand seen from the edge for the other one; then only the place can vouch for it.
_MAX_WRIST_ERROR_OTHER_SIDE = 0.2
_PALM_LENGTH = (0.12, 0.75)
_SAME_HAND = 0.35  # of the palm's length
_MIDDLE_KNUCKLE = 9


@dataclass(frozen=True)
class _Side:
    """Where one hand and its arm are among the landmarks; what Hands calls the hand in a picture not mirrored."""

    wrist: int
    elbow: int
    hands_from_end: int
    label: str


_LEFT = _Side(LEFT_WRIST, LEFT_ELBOW, NUM_BODY + 2 * NUM_HAND, "Right")
_RIGHT = _Side(RIGHT_WRIST, RIGHT_ELBOW, NUM_BODY + NUM_HAND, "Left")


class HandFinder:
    """Finds lost hands, frame by frame and each frame by itself. A context manager.

    lost counts the hands looked for (one per hand and frame), recovered those that were found.
    """

    def __init__(self) -> None:
        self.lost = self.recovered = 0
        with native_log_silenced():
            from mediapipe.python.solutions.hands import Hands

            self._hands = Hands(static_image_mode=True, max_num_hands=2, min_detection_confidence=0.4)
            self._hands.process(np.zeros((64, 64, 3), np.uint8))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hands.close()

    def fill(self, image: Image, points: NDArray[np.float32], confidence: NDArray[np.float32]) -> None:
        """Fill in the hands missing from one frame, in place.

        image: (H, W, 3) RGB; points: (K, 3) and confidence: (K,) as HolisticSession gives them.
        """
        for side, other in ((_LEFT, _RIGHT), (_RIGHT, _LEFT)):
            hand, other_hand = _rows(points, side), _rows(points, other)
            if confidence[hand].any() or not _wrist_in_picture(image, points[side.wrist], confidence[side.wrist]):
                continue
            self.lost += 1
            taken = points[other_hand] if confidence[other_hand].any() else None
            found = self._find(image, points, side, taken)
            if found is not None:
                self.recovered += 1
                points[hand], confidence[hand] = found

    def _find(
        self, image: Image, points: NDArray[np.float32], side: _Side, taken: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float32], float] | None:
        wrist, elbow = points[side.wrist, :2], points[side.elbow, :2]
        shoulders = np.linalg.norm(points[LEFT_SHOULDER, :2] - points[RIGHT_SHOULDER, :2])
        scale = float(max(np.linalg.norm(wrist - elbow), 0.6 * shoulders))
        for search_side in _SEARCH_SIDES:
            crop, origin = _square(image, wrist + _AHEAD_OF_WRIST * (wrist - elbow), search_side * scale)
            if crop is None:
                continue
            # z is in units of the crop's width and is wanted in those of the frame's.
            to_frame = np.array([len(crop), len(crop), len(crop) / image.shape[1]])
            found = [
                (landmarks * to_frame + [*origin, 0], label == side.label, score)
                for landmarks, label, score in _candidates(self._hands.process(crop))
            ]
            fits = [hand for hand in found if _fits(hand, wrist, scale, taken)]
            if fits:
                landmarks, _, score = min(fits, key=lambda hand: float(np.linalg.norm(hand[0][0, :2] - wrist)))
                return landmarks.astype(np.float32), RECOVERED_CONFIDENCE * score
        return None


def _fits(
    hand: tuple[NDArray[np.float64], bool, float],
    wrist: NDArray[np.float32],
    scale: float,
    taken: NDArray[np.float32] | None,
) -> bool:
    """Whether a found hand (landmarks, is it the right one of the two, score) can be the one at this wrist."""
    landmarks, same_side, score = hand
    error = float(np.linalg.norm(landmarks[0, :2] - wrist)) / scale
    palm = float(np.linalg.norm(landmarks[_MIDDLE_KNUCKLE, :2] - landmarks[0, :2]))
    return (
        score >= MIN_SCORE
        and error <= (_MAX_WRIST_ERROR if same_side else _MAX_WRIST_ERROR_OTHER_SIDE)
        and _PALM_LENGTH[0] * scale <= palm <= _PALM_LENGTH[1] * scale
        and (taken is None or _distance(landmarks, taken) > _SAME_HAND * palm)
    )


def _rows(points: NDArray[np.float32], side: _Side) -> slice:
    first = len(points) - side.hands_from_end
    return slice(first, first + NUM_HAND)


def _wrist_in_picture(image: Image, wrist: NDArray[np.float32], visibility: float) -> bool:
    height, width = image.shape[:2]
    return bool(visibility >= MIN_VISIBILITY and 0 <= wrist[0] < width and 0 <= wrist[1] < height)


def _square(image: Image, centre: NDArray[np.float32], side: float) -> tuple[Image | None, tuple[int, int]]:
    """A square cut from the image, with the colour of the edge where it reaches beyond; and its corner (x, y)."""
    half = max(int(side / 2), 16)
    x0, y0 = int(centre[0]) - half, int(centre[1]) - half
    height, width = image.shape[:2]
    left, top = max(-x0, 0), max(-y0, 0)
    right, bottom = max(x0 + 2 * half - width, 0), max(y0 + 2 * half - height, 0)
    inside = image[y0 + top : y0 + 2 * half - bottom, x0 + left : x0 + 2 * half - right]
    if inside.size == 0:
        return None, (x0, y0)
    crop = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8), (x0, y0)


def _candidates(results: Any) -> list[tuple[NDArray[np.float64], str, float]]:
    """(21, 3) normalised landmarks, label and score of each hand that the Hands model found."""
    if not results.multi_hand_landmarks:
        return []
    return [
        (
            np.array([[mark.x, mark.y, mark.z] for mark in hand.landmark]),
            sort.classification[0].label,
            sort.classification[0].score,
        )
        for hand, sort in zip(results.multi_hand_landmarks, results.multi_handedness, strict=True)
    ]


def _distance(hand: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(hand[:, :2] - other[:, :2], axis=1).mean())
