"""Pose files: read with a clear error for anything wrong, write so that a half-written file is never left.

`.pose` is pose-format's binary format (version 0.2), written and read by that library. CSV is a long table for
spreadsheets and R: one row per frame and landmark.
"""

from __future__ import annotations

import csv
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pose_format import Pose
from pose_format.pose_header import PoseHeaderComponent

from models.errors import PoseError
from models.files import plain_cell, replacing, safe_name
from models.pose.landmarks import COMPONENTS, with_arrays

MAX_POSE_BYTES = 2 * 1024**3
"""A .pose of this size holds two and a half hours at 25 fps of full Holistic landmarks, eight of reduced ones."""
SLOWEST_FPS, FASTEST_FPS = 0.5, 1000.0
"""A rate outside of these is damage, and would make hours of a few frames when they are shown at another rate."""
_OLDEST = 0.05  # of versions: 0.1 and 0.2 are read
_FARTHEST = 1e6  # of a coordinate: where no picture has pixels any more
_LONGEST_NAME = 128
# What pose-format's reader raises on foreign or truncated bytes, depending on where they stop.
_FOREIGN = (struct.error, ValueError, TypeError, IndexError, KeyError, ArithmeticError, NotImplementedError)


def read_pose(path: str | os.PathLike[str]) -> Pose:
    """Read a `.pose` file whole.

    A landmark whose coordinates are no numbers, or beyond any picture, was not seen.
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
        raw = path.read_bytes()
        if struct.unpack_from("<f", raw)[0] < _OLDEST:  # it fills in what is missing: gigabytes of a few bytes
            raise PoseError(f"{name}: this is the first version of .pose files, which is not read; write it again.")
        pose = Pose.read(raw)
        frames, people, points, axes = pose.body.data.shape
        fps = float(pose.body.fps)
    except OSError as error:
        raise PoseError(f"{name}: cannot be read ({error.strerror or error}).") from error
    except _FOREIGN as error:
        raise PoseError(f"{name}: not a whole .pose file; write it again with `signstudio pose extract`.") from error
    if frames == 0 or people == 0 or points == 0:
        raise PoseError(f"{name}: the pose holds {frames} frames of {people} people; there is nothing to work on.")
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise PoseError(f"{name}: the frame rate in the file is {fps:g}; extract the pose again from its video.")
    if axes not in (2, 3):
        raise PoseError(f"{name}: its landmarks have {axes} coordinates; those with 2 or 3 are read.")
    if not all(_sound(component) for component in pose.header.components):
        raise PoseError(f"{name}: the header of this pose is damaged; extract the pose again from its video.")
    if axes == 2 and any(component.name in COMPONENTS for component in pose.header.components):
        raise PoseError(f"{name}: its landmarks have no depth, as Holistic's have; extract the pose again.")
    return _without_damage(pose)


def _sound(component: PoseHeaderComponent) -> bool:
    """Whether its names can be shown and its limbs connect points that it has."""
    names = [component.name, *component.points]
    ends = [end for limb in component.limbs for end in limb]
    return all(len(one) <= _LONGEST_NAME and one.isprintable() for one in names) and all(
        end < len(component.points) for end in ends
    )


def _without_damage(pose: Pose) -> Pose:
    """The pose itself, unless it has landmarks where none can be; those were not seen then."""
    data, confidence = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    with np.errstate(invalid="ignore"):
        good = (np.abs(data) <= _FARTHEST).all(axis=-1) & (confidence >= 0) & np.isfinite(confidence)
    if good.all():
        return pose
    return with_arrays(pose, np.where(good[..., None], data, 0), np.where(good, confidence, 0))


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
        yield [frame, time_ms, plain_cell(component), plain_cell(landmark), *place, f"{sure:.4f}"]
