"""All 33 body landmarks and the whole face mesh, from poses that lack some of them.

The ecosystem's usual reduced pose keeps arms, hands and the contours of the face (178 landmarks): no nose, no ears, no
finger landmarks of the body. What is missing is put where the rest says it must be. Shapes: T frames, points (T, K, 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.lexicon.avatar_canvas import Array
from models.lexicon.face import neutral_face
from models.pose import landmarks

Seen = NDArray[np.bool_]

_MIN_FACE = 20  # landmarks of a face, well spread, from which the rest follows
_MESH_NAMES = frozenset(str(index) for index in range(landmarks.NUM_FACE))

# Body landmarks that are points of the face mesh: nose, eyes, ears, mouth.
_FROM_FACE = {0: 1, 1: 362, 2: 386, 3: 263, 4: 133, 5: 159, 6: 33, 7: 454, 8: 234, 9: 291, 10: 61}
_ARMS = (11, 12, 13, 14, 15, 16)
# Finger landmarks of the body: on from the wrist (second) as seen from the elbow (first), to the side of the thumb.
_FINGERS = {17: (13, 15, -1), 19: (13, 15, 1), 21: (13, 15, 1), 18: (14, 16, 1), 20: (14, 16, -1), 22: (14, 16, -1)}


def nearest(seen: Seen) -> NDArray[np.int64]:
    """(T,) index of the nearest frame where `seen` (T,) holds; there must be one."""
    where = np.flatnonzero(seen)
    right = np.clip(np.searchsorted(where, np.arange(len(seen))), 0, len(where) - 1)
    left = np.maximum(right - 1, 0)
    frames = np.arange(len(seen))
    closer = np.abs(where[left] - frames) <= np.abs(where[right] - frames)
    return np.where(closer, where[left], where[right])


def complete_face(pose: Pose) -> tuple[Array, Seen]:
    """The face mesh (T, 468 or 478, 3) and where it was seen (T,); all unseen when the pose has no face."""
    frames = len(pose.body.data)
    if not landmarks.has_component(pose, landmarks.FACE):
        return np.zeros((frames, landmarks.NUM_FACE, 3), np.float32), np.zeros(frames, bool)
    points, confidence = landmarks.component(pose, landmarks.FACE)
    seen = (confidence > 0).any(axis=1)
    if points.shape[1] >= landmarks.NUM_FACE:
        return points, seen
    names = landmarks.point_names(pose, landmarks.FACE)
    columns = [column for column, name in enumerate(names) if name in _MESH_NAMES]
    present = [int(names[column]) for column in columns]
    if len(present) < _MIN_FACE:
        return np.zeros((frames, landmarks.NUM_FACE, 3), np.float32), np.zeros(frames, bool)
    # The affine map of the face at rest onto the landmarks there are places the others.
    rest = np.concatenate([neutral_face(), np.ones((landmarks.NUM_FACE, 1))], axis=1)
    maps = np.linalg.pinv(rest[present]) @ points[:, columns]
    mesh = (rest @ maps).astype(np.float32)
    mesh[:, present] = points[:, columns]
    return mesh, seen


def complete_body(pose: Pose, face: Array, face_seen: Seen) -> tuple[Array, Seen]:
    """All body landmarks (T, 33, 3), and in which frames the body was seen (T,).

    face (T, K, 3) and face_seen (T,) as `complete_face` gives them, in the pose's own units.
    Raises PoseError when the pose has no arms or other landmarks than Holistic's, or no frame shows a body.
    """
    data, confidence = landmarks.component(pose, landmarks.BODY)
    index = _body_indices(landmarks.point_names(pose, landmarks.BODY))
    points, known = np.zeros((len(data), landmarks.NUM_BODY, 3), np.float32), np.zeros(landmarks.NUM_BODY, bool)
    body_seen = (confidence > 0).any(axis=1)
    if not body_seen.any():
        raise PoseError(f"No body was seen in any of the {len(data)} frames, so there is nobody to draw.")
    for column, landmark in enumerate(index):
        there = confidence[:, column] > 0
        if there.any():
            points[:, landmark] = data[nearest(there), column]
            known[landmark] = True
    if not known[list(_ARMS)].all():
        raise PoseError("The pose has no shoulders, elbows and wrists to draw; extract it again with all landmarks.")
    _fill_body(points, known, face[nearest(face_seen)] if face_seen.any() else None)
    return points, body_seen


def _body_indices(names: list[str]) -> list[int]:
    if len(names) == landmarks.NUM_BODY:
        return list(range(landmarks.NUM_BODY))
    # Late: this module of pose-format imports mediapipe, which takes seconds.
    from pose_format.utils.holistic import BODY_POINTS

    unknown = [name for name in names if name not in BODY_POINTS]
    if unknown:
        named = ", ".join(unknown[:3])
        raise PoseError(f"The pose's body has {named}, which MediaPipe Holistic has not; extract it again.")
    return [list(BODY_POINTS).index(name) for name in names]


def _fill_body(points: Array, known: Seen, face: Array | None) -> None:
    """Put the landmarks that are not known where they should be, in place."""
    middle = (points[:, 11] + points[:, 12]) / 2
    across = points[:, 11] - points[:, 12]
    width = np.linalg.norm(across[:, :2], axis=-1, keepdims=True)
    down = np.concatenate([np.zeros_like(width), width, np.zeros_like(width)], axis=1)
    for landmark, source in _FROM_FACE.items():
        if not known[landmark]:
            points[:, landmark] = face[:, source] if face is not None else middle - 0.62 * down
            # A face's depth starts at its own middle: half a shoulder width before the shoulders, as MediaPipe has it.
            points[:, landmark, 2] = middle[:, 2]
    if face is None:
        for ear, side in ((7, 0.5), (8, -0.5)):
            if not known[ear]:
                points[:, ear] = middle - 0.68 * down + side * 0.46 * across
    for hip, shoulder in ((23, 11), (24, 12)):
        if not known[hip]:
            points[:, hip] = middle + 0.72 * (points[:, shoulder] - middle) + 1.5 * down
    for finger, (elbow, wrist, side) in _FINGERS.items():
        if not known[finger]:
            along = 0.3 * (points[:, wrist] - points[:, elbow])
            turned = np.stack([-along[:, 1], along[:, 0], np.zeros(len(along), np.float32)], axis=-1)
            points[:, finger] = points[:, wrist] + along - 0.35 * side * turned
