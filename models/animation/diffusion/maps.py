"""Pose maps for ControlNet: the OpenPose drawing that it was trained on, of a pose that was fitted to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.pose import landmarks
from models.pose.openpose import draw_openpose, scale_keypoints, to_openpose

Image = NDArray[np.uint8]


def pose_maps(pose: Pose, width: int, height: int, frames: Iterable[int]) -> Iterator[Image]:
    """The map (height, width, 3) uint8 RGB of each of the frames, in their order."""
    index = list(frames)
    part = landmarks.with_arrays(pose, np.ma.getdata(pose.body.data)[index], np.ma.getdata(pose.body.confidence)[index])
    size = pose.header.dimensions
    scale = (width / size.width, height / size.height)
    for person in to_openpose(part):
        yield draw_openpose([scale_keypoints(person, scale)], width, height)
