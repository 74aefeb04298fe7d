"""The joints of the hands in a clip, looked for where the annotators drew a box around a hand.

Each box, made square and wider, is cut out and given to the Hands model that comes with mediapipe, every frame by
itself; a box in which nothing is found is tried once more with a narrower cut. Measured on the 13 public clips of
Something-Else (every third frame, 116 boxes): a margin of 0 finds 28 %, 0.25 54 %, 0.5 56 %, 0.5 and then 0.25 59 %,
the whole picture 56 %. What is missed are hands of which a few fingers or the wrist alone are in the picture, and
blurred ones. A found hand counts only when its joints lie in the box that it was looked for in.

The joints are those of `mediapipe.solutions.hands`: 0 wrist, 1–4 thumb, … 17–20 little finger. Which hand it is, is
the model's opinion, for a picture that is not mirrored; where two hands of a frame are taken for the same side, the
more certain one keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.something_boxes import Boxes
from models.data.something_frames import frames_of
from models.data.work import Made, Make
from models.errors import SignError
from models.files import replacing, safe_name
from models.pose.holistic import native_log_silenced
from models.pose.landmarks import NUM_HAND
from models.video_decode import Frame

HANDS = "hands"
"""Where joints are kept: hands/ID.npz."""
SIDES = ("left", "right")
"""The signer's hands, in the order of the arrays."""
Box = tuple[float, float, float, float]

_SMALLEST = 16  # px, half the side of a cut
# Joints beside the box belong to something else: true hands had 95 % of them inside, the two false ones 71 and 76 %.
_INSIDE = 0.8
_GROWN = 0.15  # of the box's longer side: how far a joint may be out of the box and still count as in it
_SMALLEST_HAND = 0.3  # of the box's longer side
_SAME_HAND = 0.35  # of the palm's length
_MIDDLE_KNUCKLE = 9


@dataclass(frozen=True, kw_only=True)
class HandOptions:
    """How hands are looked for. Raises SignError on values outside their range."""

    margins: tuple[float, ...] = (0.5, 0.25)
    """Added on every side of a box, as a share of its longer side; one after the other until a hand is found."""
    min_score: float = 0.5
    """Below it the model's palm detector sees nothing."""

    def __post_init__(self) -> None:
        if not self.margins or not all(0 <= margin <= 3 for margin in self.margins):
            raise SignError(f"The margins around a hand are {self.margins}; give numbers from 0 to 3.")
        if not 0 < self.min_score < 1:
            raise SignError(f"The score a hand needs is {self.min_score}; give a number between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A hand that was found."""

    joints: NDArray[np.float32]
    """(21, 3): x, y in pixels of the whole picture; z on the same scale, 0 at the wrist, smaller is nearer."""
    score: float
    """How certain the model is of which hand it is, 0.5 to 1."""
    side: int
    """Index in SIDES."""


@dataclass(frozen=True, kw_only=True)
class HandTrack:
    """The hands of a clip, for all its frames F."""

    numbers: NDArray[np.int32]
    """(F,) numbers of the frames, from 1."""
    joints: NDArray[np.float32]
    """(F, 2, 21, 3) as `Hand.joints`, left and right; zeros where the score is 0."""
    score: NDArray[np.float32]
    """(F, 2); 0: not found, or no box to look in."""
    width: int
    height: int
    """Of the picture, pixels."""


@dataclass(frozen=True, kw_only=True)
class HandWork:
    """One clip to look for hands in. It can be pickled."""

    video_id: str
    source: Path
    boxes: Path | None
    """The merged boxes to look in; None: the whole picture, where small hands are overlooked."""
    out: Path


class BoxedHands:
    """Finds hands in boxes of single pictures. A context manager.

    tracking: the pictures are a video, and a hand is looked for near where it was.
    """

    def __init__(self, options: HandOptions | None = None, *, tracking: bool = False) -> None:
        self.options = options or HandOptions()
        with native_log_silenced():
            from mediapipe.python.solutions.hands import Hands

            self._hands = Hands(
                static_image_mode=not tracking, max_num_hands=2, min_detection_confidence=self.options.min_score
            )
            self._hands.process(np.zeros((64, 64, 3), np.uint8))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the model."""
        self._hands.close()

    def find(self, image: Frame, box: Box) -> list[Hand]:
        """The hands in a box (x1, y1, x2, y2) of an (H, W, 3) uint8 RGB picture, at most two."""
        for margin in self.options.margins:
            cut, corner = square(image, box, margin)
            if not cut.size:
                return []
            found = self._hands_in(cut, corner)
            inside = [hand for hand in found if lies_in(hand.joints, box)]
            if inside:
                return inside
        return []

    def find_anywhere(self, image: Frame) -> list[Hand]:
        """The hands in a whole (H, W, 3) uint8 RGB picture, at most two; small ones are overlooked."""
        return self._hands_in(*square(image, (0, 0, image.shape[1], image.shape[0]), 0))

    def _hands_in(self, cut: Frame, corner: tuple[int, int]) -> list[Hand]:
        return [
            Hand(
                joints=(points * len(cut) + [*corner, 0]).astype(np.float32),
                score=score,
                side=SIDES.index("right" if label == "Left" else "left"),  # the model thinks of a mirror
            )
            for points, label, score in _detected(self._hands.process(cut))
        ]


def square(image: Frame, box: Box, margin: float) -> tuple[Frame, tuple[int, int]]:
    """A square around a box, with its corner (x, y); beyond the picture, the colour of its edge goes on.

    margin: added on every side, as a share of the box's longer side. Empty where the box is out of the picture.
    """
    x1, y1, x2, y2 = box
    half = max(int(max(x2 - x1, y2 - y1) * (0.5 + margin)), _SMALLEST)
    left, top = int((x1 + x2) / 2) - half, int((y1 + y2) / 2) - half
    height, width = image.shape[:2]
    before = max(-left, 0), max(-top, 0)
    after = max(left + 2 * half - width, 0), max(top + 2 * half - height, 0)
    inside = image[max(top, 0) : top + 2 * half - after[1], max(left, 0) : left + 2 * half - after[0]]
    if not inside.size:
        return inside, (left, top)
    cut = cv2.copyMakeBorder(inside, before[1], after[1], before[0], after[0], cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8), (left, top)


def placed(hands: list[Hand]) -> dict[int, Hand]:
    """At most one hand a side: the more certain come first, and the same hand found twice counts once."""
    places: dict[int, Hand] = {}
    for hand in sorted(hands, key=lambda one: -one.score):
        if any(_same(hand, other) for other in places.values()) or len(places) == len(SIDES):
            continue
        places[hand.side if hand.side not in places else 1 - hand.side] = hand
    return places


def track_hands(work: HandWork, finder: BoxedHands) -> Made:
    """Look for the hands of a clip, and keep them in OUT/hands/ID.npz."""
    boxes = None if work.boxes is None else Boxes(work.boxes).get(work.video_id)
    if boxes is None and work.boxes is not None:
        raise SignError(f"Video {work.video_id} has no boxes any more; merge the annotations again.")
    numbers, joints, scores, asked, found, width, height = [], [], [], 0, 0, 0, 0
    for number, frame in frames_of(work.source):
        height, width = frame.shape[:2]
        if boxes is None:
            wanted: list[Box] = [(0, 0, width, height)]
            hits = [finder.find_anywhere(frame)]
        else:
            wanted = [one.box for one in boxes.at(number, width, height) if one.is_hand]
            hits = [finder.find(frame, box) for box in wanted]
        asked, found = asked + len(wanted), found + sum(bool(hit) for hit in hits)
        frame_joints, frame_score = np.zeros((2, NUM_HAND, 3), np.float32), np.zeros(2, np.float32)
        for side, hand in placed([hand for hit in hits for hand in hit]).items():
            frame_joints[side], frame_score[side] = hand.joints, hand.score
        numbers.append(number)
        joints.append(frame_joints)
        scores.append(frame_score)
    track = HandTrack(
        numbers=np.array(numbers, np.int32),
        joints=np.stack(joints),
        score=np.stack(scores),
        width=width,
        height=height,
    )
    write_hands(hands_path(work.out, work.video_id), track)
    seen = {side: int((track.score[:, index] > 0).sum()) for index, side in enumerate(SIDES)}
    return Made(
        output=f"{HANDS}/{work.video_id}.npz",
        info={"frames": len(numbers), "hand_boxes": asked, "boxes_with_hand": found, **seen},
    )


def hand_tracker(options: HandOptions | None = None) -> Make:
    """What gives a worker its function, for `models.data.work`; the worker holds one opened model."""
    return partial(_opened, options or HandOptions())


def _opened(options: HandOptions) -> Callable[[HandWork], Made]:
    return partial(_track, BoxedHands(options))


def _track(finder: BoxedHands, work: HandWork) -> Made:
    return track_hands(work, finder)


def hands_path(out: Path, video_id: str) -> Path:
    """Where the joints of a clip are."""
    return out / HANDS / f"{video_id}.npz"


def write_hands(path: Path, track: HandTrack) -> None:
    """Keep the hands of a clip."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            numbers=track.numbers,
            joints=track.joints,
            score=track.score,
            size=np.array([track.width, track.height], np.int32),
        )


def read_hands(path: Path) -> HandTrack:
    """The hands of a clip. Raises SignError when the file is not there, or none of ours."""
    try:
        with np.load(path, allow_pickle=False) as file:
            numbers, joints, score, size = (file[name] for name in ("numbers", "joints", "score", "size"))
    except FileNotFoundError:
        raise SignError(f"{safe_name(path)} is not there; run `signstudio data something --hands` first.") from None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise SignError(
            f"{safe_name(path)} cannot be read ({error}); remove it and look for the hands again."
        ) from error
    if joints.shape != (len(numbers), 2, NUM_HAND, 3) or score.shape != (len(numbers), 2):
        raise SignError(f"{safe_name(path)} holds {joints.shape} joints; remove it and look for the hands again.")
    return HandTrack(numbers=numbers, joints=joints, score=score, width=int(size[0]), height=int(size[1]))


def lies_in(joints: NDArray[np.float32], box: Box) -> bool:
    """Whether a hand (21, 3) is the one of a box: nearly all joints are in it, and it is not much smaller."""
    x1, y1, x2, y2 = box
    slack = _GROWN * max(x2 - x1, y2 - y1)
    x, y = joints[:, 0], joints[:, 1]
    inside = (x >= x1 - slack) & (x <= x2 + slack) & (y >= y1 - slack) & (y <= y2 + slack)
    extent = max(float(np.ptp(x)), float(np.ptp(y)))
    return bool(inside.mean() >= _INSIDE and extent >= _SMALLEST_HAND * max(x2 - x1, y2 - y1))


def _same(hand: Hand, other: Hand) -> bool:
    palm = float(np.linalg.norm(hand.joints[_MIDDLE_KNUCKLE, :2] - hand.joints[0, :2]))
    apart = np.linalg.norm(hand.joints[:, :2] - other.joints[:, :2], axis=1).mean()
    return bool(apart < _SAME_HAND * palm)


def _detected(results: Any) -> list[tuple[NDArray[np.float64], str, float]]:
    """(21, 3) joints as shares of the picture's side, label and score of each hand that the model found."""
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
