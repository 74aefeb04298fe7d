"""OpenPose keypoints: from MediaPipe landmarks, and the map of them that ControlNet was trained on.

The layout is the one of ControlNet's OpenPose annotator: the 18 body keypoints of COCO with a neck ("COCO 18"),
21 keypoints per hand, 70 for the face (iBUG 68, then the right and the left pupil). "Left" is the person's left,
as in `hand_left_keypoints_2d`. Coordinates are pixels of the upright frame.

`draw_openpose` paints the same pixels as the renderer of controlnet-aux (a test compares the two). It is written
from that renderer's behaviour and shares no code with it: the licence of that code excludes commercial use.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.pose import landmarks

NUM_BODY, NUM_HAND, NUM_FACE = 18, 21, 70

BODY_NAMES = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
"""The COCO 18 keypoints. The neck is the middle of the shoulders; all others are MediaPipe landmarks by name."""

_BODY_LANDMARKS = (0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)  # of BODY_NAMES without the neck
_NUM_HOLISTIC = 2 * landmarks.NUM_BODY + landmarks.NUM_FACE + 2 * landmarks.NUM_HAND
RIGHT_PUPIL, LEFT_PUPIL = 68, 69
FACE_INDEX = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),  # jaw, right ear to left
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # right brow, left brow
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # bridge of the nose, nostrils
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # right eye, left eye
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
    *(468, 473),  # pupils: only a face mesh with irises (478 points) has them
)
"""FaceMesh landmark of each of the 70 face keypoints."""

HAND_NAMES = (
    "WRIST",
    *(f"THUMB_{joint}" for joint in ("CMC", "MCP", "IP", "TIP")),
    *(f"{finger}_{joint}" for finger in ("INDEX_FINGER", "MIDDLE_FINGER") for joint in ("MCP", "PIP", "DIP", "TIP")),
    *(f"{finger}_{joint}" for finger in ("RING_FINGER", "PINKY") for joint in ("MCP", "PIP", "DIP", "TIP")),
)
"""MediaPipe landmark of each of the 21 hand keypoints: both number a hand in the same order."""

_EYE_CORNERS = {RIGHT_PUPIL: (36, 39), LEFT_PUPIL: (42, 45)}

_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_BODY_COLORS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
_HAND_COLORS = tuple(tuple(255 * c for c in colorsys.hsv_to_rgb(i / 20, 1, 1)) for i in range(20))
_HALF_STICK, _JOINT_RADIUS, _FACE_RADIUS, _BONE_WIDTH = 4, 4, 3, 2  # px, whatever the canvas: as it was trained

Keypoints = NDArray[np.float32]
"""(K, 3): x and y in pixels, and a confidence in 0..1; a keypoint of confidence 0 is missing."""


@dataclass(frozen=True, kw_only=True)
class OpenPosePose:
    """The keypoints of one person in one frame; a hand or face that was not detected is None."""

    body: Keypoints  # (18, 3)
    left_hand: Keypoints | None = None  # (21, 3), the person's left
    right_hand: Keypoints | None = None  # (21, 3)
    face: Keypoints | None = None  # (70, 3)

    def __post_init__(self) -> None:
        parts = (("body", NUM_BODY), ("left_hand", NUM_HAND), ("right_hand", NUM_HAND), ("face", NUM_FACE))
        for name, count in parts:
            value = getattr(self, name)
            if (value is not None or name == "body") and np.shape(value) != (count, 3):
                raise ValueError(f"{name} must be ({count}, 3), got {np.shape(value)}")


def to_openpose(pose: Pose, *, min_confidence: float = 0.3) -> list[OpenPosePose]:
    """OpenPose keypoints of every frame of a MediaPipe Holistic pose, complete or reduced.

    Landmarks below `min_confidence` (MediaPipe guesses hips and legs outside the picture) and landmarks the pose
    does not carry come out missing. The neck is the middle of the shoulders, with the lower of their confidences.
    The pupils are the irises where the face has 478 points, else the middle of the corners of each eye.
    Raises PoseError when the pose has no body landmarks.
    """
    if not landmarks.has_component(pose, landmarks.BODY):
        raise PoseError("The pose has no POSE_LANDMARKS; OpenPose keypoints need a pose made by MediaPipe Holistic.")
    names = ["LEFT_SHOULDER", "RIGHT_SHOULDER", *(name.upper() for name in BODY_NAMES if name != "neck")]
    picked = _pick(pose, landmarks.BODY, names, min_confidence)
    shoulders, others = picked[:, :2], picked[:, 2:]
    neck = np.concatenate([shoulders[..., :2].mean(axis=1), shoulders[..., 2].min(axis=1, keepdims=True)], axis=1)
    neck[neck[:, 2] == 0] = 0
    body = np.insert(others, 1, neck, axis=1)
    left, right = (_hand(pose, name) for name in landmarks.HANDS)
    face = _face(pose)
    return [
        OpenPosePose(
            body=body[t],
            left_hand=_part(left, t),
            right_hand=_part(right, t),
            face=_part(face, t),
        )
        for t in range(len(body))
    ]


def from_openpose(poses: Sequence[OpenPosePose], width: int, height: int, *, fps: float) -> Pose:
    """A Holistic pose of OpenPose keypoints in pixels: body and hands, flat (z is 0), because OpenPose has no depth.

    The face is missing: 70 keypoints do not say where the other 398 landmarks are. Feet and fingers of the body's own
    landmarks are missing, too.
    """
    data = np.zeros((len(poses), _NUM_HOLISTIC, 3), np.float32)
    sure = np.zeros((len(poses), _NUM_HOLISTIC), np.float32)

    def put(frame: int, index: Sequence[int], keypoints: Keypoints) -> None:
        data[frame, index, :2], sure[frame, index] = keypoints[:, :2], keypoints[:, 2]

    hand = landmarks.NUM_BODY + landmarks.NUM_FACE
    left, right = range(hand, hand + NUM_HAND), range(hand + NUM_HAND, hand + 2 * NUM_HAND)
    without_neck = [index for index, name in enumerate(BODY_NAMES) if name != "neck"]
    for frame, person in enumerate(poses):
        put(frame, _BODY_LANDMARKS, person.body[without_neck])
        for index, keypoints in ((left, person.left_hand), (right, person.right_hand)):
            # A hand counts as a whole: MediaPipe finds all of it or nothing.
            if keypoints is not None and (keypoints[:, 2] > 0).all():
                put(frame, index, keypoints)
    return landmarks.holistic_pose(data, sure, fps=fps, width=width, height=height)


def draw_openpose(
    poses: Sequence[OpenPosePose], width: int, height: int, *, hands: bool = True, face: bool = True
) -> NDArray[np.uint8]:
    """The (height, width, 3) RGB map of these people on black that an OpenPose ControlNet expects.

    Stroke widths do not scale with the canvas: draw at the resolution of generation (512 px for SD 1.5), with
    keypoints scaled to it by `scale_keypoints`. Identical to controlnet-aux 0.0.10, pixel by pixel.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    for pose in poses:
        _draw_body(canvas, pose.body.astype(float))
        for hand in (pose.left_hand, pose.right_hand) if hands else ():
            if hand is not None:
                _draw_hand(canvas, _whole_pixels(hand))
        if face and pose.face is not None:
            for x, y in _whole_pixels(pose.face):
                if x > 0 and y > 0:
                    cv2.circle(canvas, (x, y), _FACE_RADIUS, (255, 255, 255), -1)
    return canvas


def scale_keypoints(
    pose: OpenPosePose, scale: float | tuple[float, float], offset: tuple[float, float] = (0.0, 0.0)
) -> OpenPosePose:
    """The pose on another canvas: x * scale_x + offset_x and y * scale_y + offset_y; missing keypoints stay missing."""

    def move(points: Keypoints) -> Keypoints:
        moved = points * np.append(np.broadcast_to(scale, 2), 1) + np.append(offset, 0)
        return np.where(points[:, 2:] > 0, moved, 0).astype(np.float32)

    hands_and_face = (pose.left_hand, pose.right_hand, pose.face)
    left, right, face = (None if points is None else move(points) for points in hands_and_face)
    return OpenPosePose(body=move(pose.body), left_hand=left, right_hand=right, face=face)


def fill_pupils(face: Keypoints) -> Keypoints:
    """Faces (..., 70, 3) with each missing pupil in the middle of the corners of its eye, where both were found."""
    face = face.copy()
    for pupil, corners in _EYE_CORNERS.items():
        pair = face[..., corners, :]
        both = (pair[..., 2] > 0).all(axis=-1)[..., None]
        middle = np.where(both, pair.mean(axis=-2), 0)
        face[..., pupil, :] = np.where(face[..., pupil, 2:] > 0, face[..., pupil, :], middle)
    return face


def _draw_body(canvas: NDArray[np.uint8], body: NDArray[np.float64]) -> None:
    for (a, b), color in zip(_LIMBS, _BODY_COLORS, strict=False):
        if body[a, 2] <= 0 or body[b, 2] <= 0:
            continue
        (xa, ya), (xb, yb) = body[a, :2], body[b, :2]
        center = (int((xa + xb) / 2), int((ya + yb) / 2))
        half_length = int(math.hypot(xa - xb, ya - yb) / 2)
        angle = int(math.degrees(math.atan2(ya - yb, xa - xb)))
        outline = np.array(cv2.ellipse2Poly(center, (half_length, _HALF_STICK), angle, 0, 360, 1))
        cv2.fillConvexPoly(canvas, outline, [int(0.6 * c) for c in color])
    for (x, y, confidence), color in zip(body, _BODY_COLORS, strict=True):
        if confidence > 0:
            cv2.circle(canvas, (int(x), int(y)), _JOINT_RADIUS, color, -1)


def _draw_hand(canvas: NDArray[np.uint8], points: list[tuple[int, int]]) -> None:
    for (a, b), color in zip(landmarks.HAND_BONES, _HAND_COLORS, strict=True):
        # The annotator takes a point on or beyond the top or left border for a missing one.
        if min(*points[a], *points[b]) > 0:
            cv2.line(canvas, points[a], points[b], color, _BONE_WIDTH)
    for x, y in points:
        if x > 0 and y > 0:
            cv2.circle(canvas, (x, y), _JOINT_RADIUS, (0, 0, 255), -1)


def _whole_pixels(points: Keypoints) -> list[tuple[int, int]]:
    return [(int(x), int(y)) if confidence > 0 else (-1, -1) for x, y, confidence in points]


def _pick(pose: Pose, component: str, names: Sequence[str], min_confidence: float) -> Keypoints:
    """(T, K, 3) x, y, confidence of these landmarks; zeros for those below the limit or not in the pose."""
    points, confidence = landmarks.component(pose, component)
    stored = {name: index for index, name in enumerate(landmarks.point_names(pose, component))}
    picked = np.zeros((len(points), len(names), 3), np.float32)
    for k, name in enumerate(names):
        if name in stored:
            sure = np.where(confidence[:, stored[name]] >= min_confidence, confidence[:, stored[name]], 0)
            picked[:, k] = np.where(sure[:, None] > 0, np.c_[points[:, stored[name], :2], sure], 0)
    return picked


def _hand(pose: Pose, component: str) -> Keypoints | None:
    if not landmarks.has_component(pose, component):
        return None
    return _pick(pose, component, HAND_NAMES, 0.0)


def _face(pose: Pose) -> Keypoints | None:
    if not landmarks.has_component(pose, landmarks.FACE):
        return None
    face = _pick(pose, landmarks.FACE, [str(index) for index in FACE_INDEX], 0.0)
    return fill_pupils(face)


def _part(points: Keypoints | None, frame: int) -> Keypoints | None:
    return points[frame] if points is not None and (points[frame, :, 2] > 0).any() else None
