"""The landmark set of MediaPipe Holistic as `pose_format.Pose`: names, order, reading, building.

Every pose in the project has these components in this order, because the ecosystem's tools rely on it
(spoken-to-signed scrambles any other order silently):

    POSE_LANDMARKS 33 · FACE_LANDMARKS 468 (478 with irises) · LEFT_HAND_LANDMARKS 21 ·
    RIGHT_HAND_LANDMARKS 21 · POSE_WORLD_LANDMARKS 33

Coordinates: x to the right and y down in pixels of the upright frame; z is MediaPipe's relative depth in
units of the frame width (smaller is nearer the camera; origin mid-hip for the body, wrist for a hand).
World landmarks have their origin mid-hip; z is metres, and x and y are metres times the frame's width and height,
because that is what pose-format's files hold. "Left" is the signer's left. A landmark that was not seen has
confidence 0 and is masked.

Shapes: T frames, K landmarks, C coordinates (x, y, z).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from models.errors import PoseError

BODY = "POSE_LANDMARKS"
FACE = "FACE_LANDMARKS"
LEFT_HAND = "LEFT_HAND_LANDMARKS"
RIGHT_HAND = "RIGHT_HAND_LANDMARKS"
WORLD = "POSE_WORLD_LANDMARKS"
COMPONENTS = (BODY, FACE, LEFT_HAND, RIGHT_HAND, WORLD)
HANDS = (LEFT_HAND, RIGHT_HAND)

NUM_BODY = 33
NUM_FACE = 468
NUM_IRISES = 10
NUM_HAND = 21

# POSE_LANDMARKS indices used across the project (mediapipe.solutions.pose.PoseLandmark).
NOSE = 0
LEFT_SHOULDER, RIGHT_SHOULDER = 11, 12
LEFT_ELBOW, RIGHT_ELBOW = 13, 14
LEFT_WRIST, RIGHT_WRIST = 15, 16
LEFT_HIP, RIGHT_HIP = 23, 24

FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
"""Landmarks of a hand by finger, the thumb first, each from the palm outwards; 0 is the wrist."""
HAND_BONES = tuple(bone for finger in FINGERS for bone in pairwise((0, *finger)))
"""The 20 bones of a hand, finger by finger, each from the wrist outwards: (parent, child) landmark."""

Points = NDArray[np.float32]
"""(T, K, 3) coordinates."""
Confidence = NDArray[np.float32]
"""(T, K) in 0..1; 0 means the landmark was not seen."""


def has_component(pose: Pose, name: str) -> bool:
    """Whether the pose has a component of this name."""
    return any(component.name == name for component in pose.header.components)


def point_names(pose: Pose, name: str) -> list[str]:
    """Names of the landmarks of one component, in order. Raises PoseError when it is not there."""
    for component in pose.header.components:
        if component.name == name:
            return list(component.points)
    raise _missing(pose, name)


def component(pose: Pose, name: str) -> tuple[Points, Confidence]:
    """One component of the first person: (T, K, 3) coordinates and (T, K) confidence, as copies.

    Coordinates of landmarks that were not seen are 0; look at the confidence before using them.
    Raises PoseError when the component is not in the pose.
    """
    part = component_slice(pose, name)
    data = np.ma.getdata(pose.body.data)[:, 0, part, :3]
    confidence = np.ma.getdata(pose.body.confidence)[:, 0, part]
    # A copy, so that a caller may edit it; unseen points read as 0 whatever the file stored there.
    points = np.where(confidence[..., None] > 0, data, 0).astype(np.float32)
    return points, confidence.astype(np.float32)


def component_slice(pose: Pose, name: str) -> slice:
    """Where the component's landmarks are in `pose.body.data`. Raises PoseError when it is not there."""
    start = 0
    for entry in pose.header.components:
        if entry.name == name:
            return slice(start, start + len(entry.points))
        start += len(entry.points)
    raise _missing(pose, name)


def component_start(pose: Pose, name: str) -> int:
    """Index of the component's first landmark in `pose.body.data`. Raises PoseError when it is not there."""
    return int(component_slice(pose, name).start)


def of_world(pose: Pose) -> NDArray[np.bool_]:
    """(K,) which landmarks are world landmarks, that is, metres instead of places in the picture."""
    chosen = np.zeros(sum(len(entry.points) for entry in pose.header.components), dtype=bool)
    if has_component(pose, WORLD):
        chosen[component_slice(pose, WORLD)] = True
    return chosen


def seen(pose: Pose, name: str) -> NDArray[np.bool_]:
    """(T,) whether the component was detected in each frame (any landmark with confidence above 0)."""
    _, confidence = component(pose, name)
    return np.asarray((confidence > 0).any(axis=1))


def holistic_pose(
    data: NDArray[np.floating], confidence: NDArray[np.floating], *, fps: float, width: int, height: int
) -> Pose:
    """A Holistic pose from arrays in the canonical order.

    data: (T, K, 3), confidence: (T, K), with K = 576 landmarks, or 586 with irises; units as in the module
    docstring. The header equals the one that pose-format's `video_to_pose` writes.
    Raises ValueError for any other number of landmarks.
    """
    # Late: this module of pose-format imports mediapipe, which takes seconds.
    from pose_format.utils.holistic import holistic_components

    total = 2 * NUM_BODY + NUM_FACE + 2 * NUM_HAND
    extra = data.shape[1] - total
    if data.ndim != 3 or extra not in (0, NUM_IRISES) or confidence.shape != data.shape[:2]:
        wanted = f"(T, {total} or {total + NUM_IRISES}, 3) and (T, K)"
        raise ValueError(f"expected {wanted}, got {data.shape} and {confidence.shape}")
    header = PoseHeader(
        version=0.2,
        dimensions=PoseHeaderDimensions(width=width, height=height, depth=0),
        components=holistic_components("XYZC", extra),
    )
    body = NumPyPoseBody(
        fps=float(fps),
        data=np.asarray(data, dtype=np.float32)[:, None],
        confidence=np.asarray(confidence, dtype=np.float32)[:, None],
    )
    return Pose(header, body)


def with_arrays(
    pose: Pose, data: NDArray[np.floating], confidence: NDArray[np.floating], *, fps: float | None = None
) -> Pose:
    """A pose with the same header and other arrays: data (T, people, K, C), confidence (T, people, K)."""
    body = NumPyPoseBody(
        fps=float(pose.body.fps if fps is None else fps),
        data=np.asarray(data, dtype=np.float32),
        confidence=np.asarray(confidence, dtype=np.float32),
    )
    return Pose(pose.header, body)


def _missing(pose: Pose, name: str) -> PoseError:
    names = ", ".join(entry.name for entry in pose.header.components) or "nothing"
    return PoseError(f"The pose has no {name} (it has {names}); extract it again with `signstudio pose extract`.")
