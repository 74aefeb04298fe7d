"""What is kept beside a `.pose` file: `clip.pose.json` says what the pose was made from, and how.

It lets a batch skip what is done, and keeps the sharpness per frame, which the `.pose` format has no place for.
It is written after the pose, so that a pose with a record is a whole one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.files import read_json, replacing
from models.pose.extract import PoseOptions, PoseResult
from models.pose.files import write_pose

FORMAT = 1
"""Raised when the same clip and options would give another pose or record than before."""


def record_path(pose_path: str | os.PathLike[str]) -> Path:
    """Where the record of a `.pose` file is."""
    return Path(f"{os.fspath(pose_path)}.json")


def write_result(
    pose_path: str | os.PathLike[str], result: PoseResult, clip: str | os.PathLike[str], options: PoseOptions
) -> None:
    """Write a pose and its record; each appears whole or not at all."""
    pose_path, record = Path(pose_path), record_path(pose_path)
    record.unlink(missing_ok=True)  # it speaks of the pose that is being replaced
    write_pose(pose_path, result.pose)
    content = {
        **_made_from(clip, options),
        "pose_bytes": pose_path.stat().st_size,
        "num_frames": len(result.sharpness),
        "hands_lost": result.hands_lost,
        "hands_recovered": result.hands_recovered,
        "sharpness": [round(float(value), 2) for value in result.sharpness],
    }
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def read_record(pose_path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The record of a `.pose` file as written by `write_result`, or None when there is none that can be read."""
    try:
        content = read_json(record_path(pose_path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_sharpness(pose_path: str | os.PathLike[str], num_frames: int) -> NDArray[np.float32] | None:
    """(T,) sharpness per frame from the record, or None when it is not known for a pose of that many frames."""
    values = (read_record(pose_path) or {}).get("sharpness")
    if not isinstance(values, list) or len(values) != num_frames:
        return None
    try:
        return np.array(values, np.float32)
    except (TypeError, ValueError):
        return None


def is_current(pose_path: str | os.PathLike[str], clip: str | os.PathLike[str], options: PoseOptions) -> bool:
    """Whether the pose is there, whole, and made from this very file with these options by this version."""
    record = read_record(pose_path)
    if record is None:
        return False
    try:
        made_from = _made_from(clip, options)
        size = Path(pose_path).stat().st_size
    except OSError:
        return False
    return record.get("pose_bytes") == size and all(record.get(key) == value for key, value in made_from.items())


def _made_from(clip: str | os.PathLike[str], options: PoseOptions) -> dict[str, Any]:
    """What decides the pose, as JSON would give it back."""
    stat = Path(clip).stat()
    made_from = {
        "format": FORMAT,
        "mediapipe": version("mediapipe"),
        "clip": {"name": Path(clip).name, "bytes": stat.st_size, "modified_ns": stat.st_mtime_ns},
        "options": asdict(options),
    }
    return dict(json.loads(json.dumps(made_from)))
