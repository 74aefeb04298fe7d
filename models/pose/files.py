"""Pose files: read with a clear error for anything wrong, write so that a half-written file is never left.

`.pose` is pose-format's binary format (version 0.2), written and read by that library. CSV is a long table for
spreadsheets and R: one row per frame and landmark.
"""

from __future__ import annotations

import csv
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pose_format import Pose

from models.errors import PoseError
from models.files import replacing, safe_name

MAX_POSE_BYTES = 2 * 1024**3
"""A .pose of this size holds over a day of Holistic landmarks reduced, or 25 hours at 25 fps of full ones."""


def read_pose(path: str | os.PathLike[str]) -> Pose:
    """Read a `.pose` file whole.

    Raises PoseError when the file is missing, is no .pose file, is cut short, or holds no person or frame.
    """
    path = Path(path)
    name = safe_name(path)
    try:
        size = path.stat().st_size
        if size > MAX_POSE_BYTES:
            raise PoseError(
                f"{name}: {size / 1024**3:.1f} GB is more than the {MAX_POSE_BYTES >> 30} GB a pose may have."
            )
        pose = Pose.read(path.read_bytes())
        frames, people = pose.body.data.shape[:2]
        fps = float(pose.body.fps)
    except OSError as error:
        raise PoseError(f"{name}: cannot be read ({error.strerror or error}).") from error
    except (struct.error, ValueError, TypeError, IndexError, KeyError, OverflowError, NotImplementedError) as error:
        # What pose-format's reader raises on foreign or truncated bytes, depending on where they stop.
        raise PoseError(f"{name}: not a whole .pose file; write it again with `signstudio pose extract`.") from error
    if frames == 0 or people == 0 or pose.body.data.shape[2] == 0:
        raise PoseError(f"{name}: the pose holds {frames} frames of {people} people; there is nothing to work on.")
    if not math.isfinite(fps) or fps <= 0:
        raise PoseError(f"{name}: the frame rate in the file is {fps:g}; extract the pose again from its video.")
    return pose


def write_pose(path: str | os.PathLike[str], pose: Pose) -> None:
    """Write a `.pose` file through a temporary name in the same folder and a rename."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        pose.write(file)


def write_csv(path: str | os.PathLike[str], pose: Pose) -> None:
    """Write the landmarks of the first person as a table.

    Columns: frame, time_ms, component, landmark, x, y, z, confidence, in the units of `models.pose.landmarks`.
    A landmark that was not seen has empty coordinates and confidence 0.
    """
    names = [(entry.name, point) for entry in pose.header.components for point in entry.points]
    data = np.ma.getdata(pose.body.data)[:, 0, :, :3]
    confidence = np.ma.getdata(pose.body.confidence)[:, 0]
    axes = ["x", "y", "z"][: data.shape[-1]]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["frame", "time_ms", "component", "landmark", *axes, "confidence"])
        for frame in range(len(data)):
            time_ms = f"{1000 * frame / pose.body.fps:.1f}"
            table.writerows(_rows(frame, time_ms, names, data[frame], confidence[frame]))


def _rows(
    frame: int, time_ms: str, names: list[tuple[str, str]], points: np.ndarray, confidence: np.ndarray
) -> Iterator[list[Any]]:
    for (component, landmark), point, sure in zip(names, points, confidence, strict=True):
        place = [f"{value:.4f}" for value in point] if sure > 0 else [""] * len(point)
        yield [frame, time_ms, component, landmark, *place, f"{sure:.4f}"]
