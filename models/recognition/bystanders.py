"""More than one person in a clip: MediaPipe follows one of them, and the user should know which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pose_format import Pose

from models.pose import landmarks
from models.pose.people import find_faces
from models.video import ReadOptions, VideoReader

_LOOKS = (0.3, 0.5, 0.7)  # of the clip's length


def bystanders(clip: Path, pose: Pose) -> str | None:
    """A sentence when several people are in most of three frames of the clip that the pose is of; None for one or none.

    Raises VideoError when the clip cannot be read.
    """
    fps, num_frames = float(pose.body.fps), len(pose.body.data)
    noses, sure = landmarks.component(pose, landmarks.BODY)
    several, told = 0, ""
    for share in _LOOKS:
        frame = int(share * (num_frames - 1))
        time_ms = 1000 * frame / fps
        with VideoReader(clip, ReadOptions(start_ms=round(time_ms), end_ms=round(time_ms + 1500 / fps))) as reader:
            picture = next(iter(reader), None)
        if picture is None:
            continue
        faces = find_faces(picture)
        if len(faces) < 2:
            continue
        several += 1
        if sure[frame, landmarks.NOSE] > 0:
            told = _which(faces, noses[frame, landmarks.NOSE])
    return told if several >= 2 and told else None


def _which(faces: list[tuple[int, int, int, int]], nose: np.ndarray) -> str:
    middles = [(left + right) / 2 for left, _, right, _ in faces]
    sizes = [(right - left) * (bottom - top) for left, top, right, bottom in faces]
    chosen = int(np.argmin([abs(middle - float(nose[0])) for middle in middles]))
    size = "the largest" if sizes[chosen] == max(sizes) else "not the largest"
    return (
        f"{len(faces)} people are in the picture; number {chosen + 1} from the left was followed, who is {size}. "
        "Crop the clip if another one signs."
    )
