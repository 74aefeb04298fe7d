"""What MediaPipe reads in a drawn video: the pose of pictures, as if somebody had sent them in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from pose_format import Pose

from models.pose.holistic import HolisticSession, Image
from models.pose.landmarks import holistic_pose
from models.video import VideoReader
from models.video_write import write_video


def read_back(frames: Iterable[Image], *, fps: float, through_video: bool = False) -> Pose:
    """The pose that Holistic reads in (H, W, 3) RGB frames, as of a clip of their own; at least one frame.

    through_video: write and read an MP4 in between, as a user's clip would come.
    """
    if through_video:
        frames = _recorded(frames, fps)
    session = _session()
    session.reset()
    rows = []
    for image, points, sure in session.stream(frames):
        rows.append((points, sure))
        height, width = image.shape[:2]
    data, confidence = (np.stack(column) for column in zip(*rows, strict=True))
    return holistic_pose(data, confidence, fps=fps, width=width, height=height)


@cache
def _session() -> HolisticSession:
    """The reader of this process."""
    return HolisticSession(threads=1)


def _recorded(frames: Iterable[Image], fps: float) -> Iterator[Image]:
    """The frames as they come back from an MP4."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sign.mp4"
        write_video(path, frames, fps=fps)
        with VideoReader(path) as clip:
            yield from clip
