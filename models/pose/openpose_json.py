"""OpenPose's JSON of keypoints, written and read: a file per frame, or one file for a clip.

What the readers of such files expect:

- ControlNet's editors (sd-webui-controlnet, its openpose editor) read one frame: "COCO_18" keypoints in pixels with
  `canvas_width` and `canvas_height`; x = y = confidence = 0 for a missing keypoint. `write_frames` writes these.
- ComfyUI's pose nodes (comfyui_controlnet_aux, POSE_KEYPOINT) read the same frames as one list. `write_clip`.
- pose-format's `load_openpose_directory` and most research code read what OpenPose itself writes: "BODY_25", a file
  per frame named `{stem}_{frame:012d}_keypoints.json`, nothing else in the folder. `write_frames(body="BODY_25")`;
  the feet stay missing, and the middle of the hips is added.

Both follow OpenPose's output format 1.3; `hand_left` is the person's left hand.
Source: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.errors import PoseError
from models.files import read_json, replacing, safe_name
from models.pose.openpose import NUM_BODY, NUM_FACE, NUM_HAND, Keypoints, OpenPosePose

BodyModel = Literal["COCO_18", "BODY_25"]

# Keypoint of BODY_25 for each of COCO 18; BODY_25 adds the middle of the hips (8) and, at the end, six of the feet.
_BODY_25_INDEX = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
_MID_HIP, _RIGHT_HIP, _LEFT_HIP = 8, 9, 12
_PARTS = {
    "left_hand": ("hand_left_keypoints_2d", NUM_HAND),
    "right_hand": ("hand_right_keypoints_2d", NUM_HAND),
    "face": ("face_keypoints_2d", NUM_FACE),
}
_MAX_SIDE = 65_535
_FRAME_NUMBER = re.compile(r"(\d+)_keypoints$")
_MAX_FRAMES = 200_000  # two hours at 25 a second; those that are missing are made


@dataclass(frozen=True, kw_only=True)
class OpenPoseClip:
    """Keypoints of the first person in every frame; the canvas is None where the files do not say."""

    poses: list[OpenPosePose]
    width: int | None
    height: int | None


def frame_to_dict(
    people: Sequence[OpenPosePose], width: int, height: int, *, body: BodyModel = "COCO_18"
) -> dict[str, Any]:
    """One frame as OpenPose's dictionary, ready for `json.dump`; coordinates in pixels with three decimals."""
    return {
        "version": 1.3,
        "people": [_person_to_dict(person, body) for person in people],
        "canvas_width": width,
        "canvas_height": height,
    }


def write_frames(
    folder: Path,
    poses: Sequence[OpenPosePose],
    width: int,
    height: int,
    *,
    stem: str = "clip",
    body: BodyModel = "COCO_18",
) -> list[Path]:
    """Write `{stem}_{frame:012d}_keypoints.json` for every frame and return the files in order.

    Raises PoseError when the folder holds keypoint files that this would not overwrite: a reader would take them
    for frames of this clip.
    """
    files = [folder / f"{stem}_{frame:012d}_keypoints.json" for frame in range(len(poses))]
    others = sorted(set(folder.glob("*_keypoints.json")) - set(files)) if folder.is_dir() else []
    if others:
        raise PoseError(
            f"{safe_name(folder)} already holds keypoints of another clip ({safe_name(others[0])}); "
            "choose an empty folder."
        )
    for file, pose in zip(files, poses, strict=True):
        _write(file, frame_to_dict([pose], width, height, body=body))
    return files


def write_clip(
    path: Path, poses: Sequence[OpenPosePose], width: int, height: int, *, body: BodyModel = "COCO_18"
) -> None:
    """Write one JSON list with a dictionary for every frame."""
    _write(path, [frame_to_dict([pose], width, height, body=body) for pose in poses])


def read_openpose(path: Path) -> OpenPoseClip:
    """Read a folder of frame files, a single frame, or a file with a list of frames.

    COCO 18 and BODY_25 are told apart by their length; feet are dropped. Of several people the first is taken, a
    frame without people stays as a frame with every keypoint missing, and so does a number left out in a folder.
    Coordinates between 0 and 1, as some tools write them, are scaled to the canvas.
    Raises PoseError for anything that is not OpenPose JSON, with the file and the reason.
    """
    frames = _read_folder(path) if path.is_dir() else _read_file(path)
    if not frames:
        raise PoseError(f"{safe_name(path)}: there is no frame of OpenPose keypoints in it.")
    poses = [_read_frame(frame, where) for frame, where in frames]
    sizes = [size for size in (_canvas(frame) for frame, _ in frames) if size[0]]
    width, height = sizes[0] if sizes else (None, None)
    return OpenPoseClip(poses=poses, width=width, height=height)


def _person_to_dict(person: OpenPosePose, body: BodyModel) -> dict[str, Any]:
    keypoints = person.body if body == "COCO_18" else _to_body_25(person.body)
    lists: dict[str, Any] = {"person_id": [-1], "pose_keypoints_2d": _numbers(keypoints)}
    for name, (key, count) in _PARTS.items():
        part = getattr(person, name)
        lists[key] = _numbers(np.zeros((count, 3), np.float32) if part is None else part)
    for key in ("pose", "face", "hand_left", "hand_right"):
        lists[f"{key}_keypoints_3d"] = []
    return lists


def _numbers(keypoints: Keypoints) -> list[float]:
    found = np.where(keypoints[:, 2:] > 0, keypoints, 0)
    return [round(float(value), 3) for value in found.ravel()]


def _to_body_25(body: Keypoints) -> Keypoints:
    full = np.zeros((25, 3), np.float32)
    full[_BODY_25_INDEX] = body
    hips = full[[_RIGHT_HIP, _LEFT_HIP]]
    if (hips[:, 2] > 0).all():
        full[_MID_HIP] = (*hips[:, :2].mean(axis=0), hips[:, 2].min())
    return full


def _write(path: Path, value: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def _read_folder(folder: Path) -> list[tuple[dict[str, Any], str]]:
    numbered: dict[int, Path] = {}
    for file in sorted(folder.glob("*_keypoints.json")):
        match = _FRAME_NUMBER.search(file.stem)
        if match is None or int(match[1]) >= _MAX_FRAMES:
            raise PoseError(
                f"{safe_name(file)}: expected a name that ends in a frame number, as clip_000000000017_keypoints."
            )
        before = numbered.setdefault(int(match[1]), file)
        if before != file:
            raise PoseError(
                f"{safe_name(folder)} holds frame {int(match[1])} twice ({safe_name(before)}, {safe_name(file)}); "
                "put the frames of each clip into a folder of their own."
            )
    if not numbered:
        return []
    nobody: dict[str, Any] = {"people": []}
    frames: list[tuple[dict[str, Any], str]] = []
    for number in range(max(numbered) + 1):
        found = _read_file(numbered[number]) if number in numbered else [(nobody, "")]
        if len(found) != 1:
            raise PoseError(
                f"{safe_name(numbered[number])}: expected one frame in a file of a folder, found {len(found)}."
            )
        frames += found
    return frames


def _read_file(path: Path) -> list[tuple[dict[str, Any], str]]:
    """The frames of a file, each with words for where it is."""
    try:
        value = read_json(path)
    except OSError as error:
        raise PoseError(f"{safe_name(path)} cannot be read ({error.strerror or error}); check its name.") from None
    except ValueError as error:
        raise PoseError(f"{safe_name(path)} is not JSON ({error}).") from None
    frames, name = value if isinstance(value, list) else [value], safe_name(path)
    return [(frame, f"{name}, frame {i}" if len(frames) > 1 else name) for i, frame in enumerate(frames)]


def _read_frame(frame: Any, where: str) -> OpenPosePose:
    people = frame.get("people") if isinstance(frame, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise PoseError(f'{where}: this is not OpenPose JSON (it has no list of "people").')
    if not people:
        return OpenPosePose(body=np.zeros((NUM_BODY, 3), np.float32))
    canvas = _canvas(frame)
    body = _keypoints(people[0], "pose_keypoints_2d", (NUM_BODY, 25), canvas, where)
    if body is None:
        body = np.zeros((NUM_BODY, 3), np.float32)
    elif len(body) == 25:
        body = body[_BODY_25_INDEX]
    left, right = (_keypoints(people[0], _PARTS[n][0], (NUM_HAND,), canvas, where) for n in ("left_hand", "right_hand"))
    face = _keypoints(people[0], "face_keypoints_2d", (NUM_FACE, 68), canvas, where)
    if face is not None and len(face) == 68:  # iBUG alone, without pupils, as DWPose writes it
        face = np.concatenate([face, np.zeros((2, 3), np.float32)])
    return OpenPosePose(body=body, left_hand=left, right_hand=right, face=face)


def _canvas(frame: dict[str, Any]) -> tuple[int | None, int | None]:
    """Width and height in pixels, where the frame says both."""
    size = (frame.get("canvas_width"), frame.get("canvas_height"))
    if all(isinstance(side, int | float) and 1 <= side <= _MAX_SIDE for side in size):
        return int(size[0]), int(size[1])  # type: ignore[arg-type]
    return None, None


def _keypoints(
    person: dict[str, Any], key: str, counts: tuple[int, ...], canvas: tuple[Any, Any], where: str
) -> Keypoints | None:
    """(K, 3) keypoints in pixels, or None where the list is absent or nothing in it was found."""
    numbers = person.get(key) or []
    if numbers == []:
        return None
    whole = isinstance(numbers, list) and all(isinstance(n, int | float) for n in numbers)
    if not whole or len(numbers) not in [3 * count for count in counts]:
        wanted = " or ".join(str(3 * count) for count in counts)
        got = f"{len(numbers)} numbers" if whole else "something else"
        raise PoseError(f"{where}: {key} must be a list of {wanted} numbers, got {got}.")
    try:
        keypoints = np.array(numbers, np.float32).reshape(-1, 3)
    except OverflowError:
        raise PoseError(f"{where}: {key} has a number that no picture has pixels for.") from None
    keypoints[~np.isfinite(keypoints).all(axis=1)] = 0
    found = keypoints[:, 2] > 0
    if not found.any():
        return None
    if all(canvas) and np.abs(keypoints[found, :2]).max() <= 1:
        keypoints[:, :2] *= np.array(canvas, np.float32)
    keypoints[~found] = 0
    return keypoints
