"""The pose that goes with a base action video: read from the video itself, or that of the sample it was made after.

MediaPipe reads no hands in small or unclear pictures. Then the pose of the sample stands in, brought to the frames of
the video, and it is said which of the two it is.

Shapes: T frames, K landmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pose_format import Pose
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from models.lexicon.placing import resample
from models.pose.extract import extract_pose
from models.pose.landmarks import (
    BODY,
    COMPONENTS,
    FACE,
    LEFT_HAND,
    NUM_BODY,
    NUM_FACE,
    NUM_HAND,
    RIGHT_HAND,
    WORLD,
    component,
    has_component,
    holistic_pose,
    with_arrays,
)
from models.pose.span import SIDES, hand_seen
from models.progress import Progress

PoseFrom = Literal["video", "sample"]
READABLE_PX = 192
"""In smaller pictures MediaPipe is not asked: what it says of them is chance."""
HANDS_READ = 0.8
"""Share of the sample's hands that have to be found in the video, for its own pose to be taken."""
_COUNTS = {BODY: NUM_BODY, FACE: NUM_FACE, LEFT_HAND: NUM_HAND, RIGHT_HAND: NUM_HAND, WORLD: NUM_BODY}


def pose_of_video(
    video: Path,
    side: int,
    meant: Pose,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[Pose, PoseFrom, float | None]:
    """The pose of a video; where it is from; and the share of hands that were found, None where nobody looked.

    side: of the pictures as they were made, pixels. meant: the whole pose of the sample, frame by frame as the video.
    Raises Cancelled.
    """
    if side < READABLE_PX:
        return meant, "sample", None
    found = extract_pose(video, None, progress, should_stop).pose
    share = hands_found(found, meant)
    return (found, "video", share) if share >= HANDS_READ else (meant, "sample", share)


def hands_found(found: Pose, meant: Pose) -> float:
    """Of all hands that one pose shows, the share that the other one shows in the same frame; 0 where there is none."""
    wanted = np.stack([hand_seen(meant, side) for side in SIDES])
    there = np.stack([hand_seen(found, side) for side in SIDES])
    return float((wanted & there).sum() / max(wanted.sum(), 1))


def in_frames(pose: Pose, frames: int, fps: float) -> Pose:
    """The same movement in so many frames at this rate, as `models.synthesis.motion.resampled` takes them."""
    own = len(pose.body.data)
    if frames == own:
        return with_arrays(pose, np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence), fps=fps)
    step = (own - 1) / (frames - 1)
    return resample(pose, fps, step * fps / float(pose.body.fps))


def enlarged(pose: Pose, times: int) -> Pose:
    """The pose in a picture so many times as large."""
    size = pose.header.dimensions
    data = np.array(np.ma.getdata(pose.body.data), np.float32)
    data[..., :2] *= times  # of the world's landmarks too, which are metres times the picture's size
    larger = PoseHeaderDimensions(width=size.width * times, height=size.height * times, depth=0)
    header = PoseHeader(version=pose.header.version, dimensions=larger, components=pose.header.components)
    return Pose(header, with_arrays(pose, data, np.ma.getdata(pose.body.confidence)).body)


def whole_pose(pose: Pose) -> Pose:
    """The pose with every component of Holistic, which joining and animating want; what it did not have is missing."""
    frames, size = len(pose.body.data), pose.header.dimensions
    points, sure = [], []
    for name in COMPONENTS:
        if has_component(pose, name):
            there, known = component(pose, name)
        else:
            there = np.zeros((frames, _COUNTS[name], 3), np.float32)
            known = np.zeros((frames, _COUNTS[name]), np.float32)
        points.append(there)
        sure.append(known)
    return holistic_pose(
        np.concatenate(points, axis=1),
        np.concatenate(sure, axis=1),
        fps=float(pose.body.fps),
        width=size.width,
        height=size.height,
    )
