"""OpenPose and DWPose of controlnet-aux as other sources of keypoints, where their weights are on this machine.

MediaPipe is the studio's own detector; these two are for comparing with ControlNet's annotators. Neither downloads
anything here: the weights are files in one folder, named as published. They are read as plain tensors only: each
file is first loaded with `weights_only=True`, so a file that carries code is refused before the library opens it.

- "openpose": `body_pose_model.pth`, `hand_pose_model.pth`, `facenet.pth` (lllyasviel/Annotators). The library's code
  for it is licensed for non-commercial use only; look up the licence of the weights before you use them.
- "dwpose": in controlnet-aux 0.0.10 it runs on OpenMMLab (mmcv, mmdet, mmpose), which is not among the studio's
  dependencies: mmcv has no ready-made package on PyPI and has to be compiled.

controlnet-aux is imported late: it imports all its detectors, which takes seconds.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import WeightsError
from models.pose.openpose import NUM_BODY, NUM_FACE, NUM_HAND, Keypoints, OpenPosePose, fill_pupils
from models.progress import Meter, Progress
from models.video import VideoReader

DetectorName = Literal["openpose", "dwpose"]

_FILES: dict[DetectorName, tuple[str, ...]] = {
    "openpose": ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"),
    "dwpose": ("yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth", "dw-ll_ucoco_384.pth"),
}
_PACKAGES: dict[DetectorName, tuple[str, ...]] = {
    "openpose": ("controlnet_aux",),
    "dwpose": ("controlnet_aux", "mmcv", "mmdet", "mmpose"),
}
_RESOLUTION, _MULTIPLE = 512, 64  # px of the shorter side, and what both sides are rounded to: as the annotators run
_FACE_THRESHOLD = 0.05
_DWPOSE_THRESHOLD = 0.3
_DWPOSE_PARTS = {
    "body": slice(0, 18),
    "face": slice(24, 92),
    "left_hand": slice(92, 113),
    "right_hand": slice(113, 134),
}


@dataclass(frozen=True, kw_only=True)
class DetectorInfo:
    """Whether a detector can run here; if not, one sentence on what to do."""

    name: DetectorName
    ready: bool
    what_to_do: str  # empty when ready


def available(weights_folder: Path) -> list[DetectorInfo]:
    """What each detector lacks on this machine, if anything. Looks for files and packages only, and loads neither."""
    lacks = {name: _lacking(name, weights_folder) for name in _FILES}
    return [DetectorInfo(name=name, ready=not lack, what_to_do=lack) for name, lack in lacks.items()]


def detect_clip(
    name: DetectorName,
    path: str | os.PathLike[str],
    weights_folder: Path,
    progress: Callable[[Progress], None] | None = None,
) -> list[OpenPosePose]:
    """`detect_frame` for every frame of a clip, in order. Raises WeightsError and VideoError."""
    with VideoReader(path) as clip:
        meter = Meter(clip.expected_frames, progress)
        people = []
        for image in clip:
            people.append(detect_frame(name, image, weights_folder))
            meter.count()
        meter.finish()
    return people


def detect_frame(name: DetectorName, image: NDArray[np.uint8], weights_folder: Path) -> OpenPosePose:
    """Keypoints of the most certain person in an (H, W, 3) uint8 RGB image, in its pixels.

    Where nobody is found every keypoint is missing. "openpose" tells no confidence: what it finds has 1. The detector
    stays loaded between calls. Raises WeightsError when it is not `available`, or a file is not its weights.
    """
    if name not in _FILES:
        raise WeightsError(f"There is no detector {name!r}; choose one of {', '.join(_FILES)}.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    lack = _lacking(name, weights_folder)
    if lack:
        raise WeightsError(lack)
    resized = _at_resolution(image)
    height, width = image.shape[:2]
    if name == "openpose":
        people = _load_openpose(weights_folder).detect_poses(resized, include_hand=True, include_face=True)
        return from_openpose_result(people, width, height)
    keypoints, scores = _load_dwpose(weights_folder).pose_estimation(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
    scale = np.array([width / resized.shape[1], height / resized.shape[0]])
    return from_dwpose_result(np.asarray(keypoints) * scale, np.asarray(scores))


def from_openpose_result(people: Sequence[Any], width: int, height: int) -> OpenPosePose:
    """The person of the highest score among controlnet-aux's PoseResult, whose coordinates are fractions of the image.

    A keypoint is missing where it is None or, in hands and faces, negative.
    """
    if not people:
        return OpenPosePose(body=np.zeros((NUM_BODY, 3), np.float32))
    best = max(people, key=lambda person: person.body.total_score)

    def part(found: Sequence[Any] | None, count: int) -> Keypoints | None:
        if found is None or len(found) < count:
            return None
        keypoints = np.zeros((count, 3), np.float32)
        for k, point in enumerate(found[:count]):
            if point is not None and point.x >= 0 and point.y >= 0:
                keypoints[k] = (point.x * width, point.y * height, 1)
        return keypoints if keypoints[:, 2].any() else None

    body = part(best.body.keypoints, NUM_BODY)
    return OpenPosePose(
        body=np.zeros((NUM_BODY, 3), np.float32) if body is None else body,
        left_hand=part(best.left_hand, NUM_HAND),
        right_hand=part(best.right_hand, NUM_HAND),
        face=part(best.face, NUM_FACE),
    )


def from_dwpose_result(keypoints: NDArray[np.floating], scores: NDArray[np.floating]) -> OpenPosePose:
    """The person of the highest mean body score of DWPose's (people, 134, 2) pixels and (people, 134) scores.

    The order is COCO-WholeBody's with the body rearranged to COCO 18: body, six of the feet (dropped), 68 of the
    face, left hand, right hand. Below a score of 0.3, as in the annotator, a keypoint is missing.
    """
    if not len(scores):
        return OpenPosePose(body=np.zeros((NUM_BODY, 3), np.float32))
    best = int(scores[:, _DWPOSE_PARTS["body"]].mean(axis=1).argmax())
    sure = np.where(scores[best] >= _DWPOSE_THRESHOLD, np.clip(scores[best], 0, 1), 0)
    points = np.concatenate([keypoints[best], sure[:, None]], axis=1).astype(np.float32)
    points[sure == 0] = 0
    parts = {name: points[span] for name, span in _DWPOSE_PARTS.items()}
    found = {name: part if part[:, 2].any() else None for name, part in parts.items()}
    face = found["face"]
    if face is not None:
        face = fill_pupils(np.concatenate([face, np.zeros((2, 3), np.float32)]))
    return OpenPosePose(body=parts["body"], left_hand=found["left_hand"], right_hand=found["right_hand"], face=face)


def _lacking(name: DetectorName, folder: Path) -> str:
    packages = [package for package in _PACKAGES[name] if importlib.util.find_spec(package) is None]
    if packages:
        return f"{name} needs the packages {', '.join(packages)}, which are not installed" + (
            " and which the studio does not install; OpenMMLab's `mim install` does." if name == "dwpose" else "."
        )
    files = [file for file in _FILES[name] if not (folder / file).is_file()]
    if files:
        return f"{name} needs its weights: place {', '.join(files)} in {folder}."
    return ""


@lru_cache(maxsize=1)
def _load_openpose(folder: Path) -> Any:
    body, hand, face = (folder / file for file in _FILES["openpose"])
    for file in (body, hand, face):
        _check_plain_tensors(file)
    from controlnet_aux import OpenposeDetector

    try:
        detector = OpenposeDetector.from_pretrained(str(folder))
    except (KeyError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise WeightsError(
            f"The weights in {folder} do not fit OpenPose ({reason}); place the published files."
        ) from error
    # The library leaves out the keypoints of a face it did not find, which moves all others to wrong places.
    detector.face_estimation.compute_peaks_from_heatmaps = face_peaks
    return detector


@lru_cache(maxsize=1)
def _load_dwpose(folder: Path) -> Any:
    person, keypoints = (folder / file for file in _FILES["dwpose"])
    for file in (person, keypoints):
        _check_plain_tensors(file)
    from controlnet_aux import DWposeDetector

    return DWposeDetector(det_ckpt=str(person), pose_ckpt=str(keypoints))


def face_peaks(heatmaps: NDArray[np.floating]) -> NDArray[np.int64]:
    """(70, 2) x, y of the peak of each (H, W) heat map of the face; (0, 0) where it was not found."""
    maps = heatmaps[:NUM_FACE]
    flat = maps.reshape(len(maps), -1)
    y, x = np.unravel_index(flat.argmax(axis=1), maps.shape[1:])
    return np.where((flat.max(axis=1) > _FACE_THRESHOLD)[:, None], np.stack([x, y], axis=1), 0)


def _check_plain_tensors(path: Path) -> None:
    """Refuse a file that is more than a dictionary of tensors, without running anything in it.

    The library calls `torch.load` without `weights_only`, whose default an environment variable can turn off. What
    passes here names nothing but tensor types, so it is harmless however it is loaded afterwards.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise WeightsError(f"{path.name} is not a plain file of weights ({reason}); download it again.") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path.name} holds a {type(state).__name__}, not weights; place the published file.")


def _at_resolution(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _RESOLUTION / min(image.shape[:2])
    height, width = (max(round(side * scale / _MULTIPLE), 1) * _MULTIPLE for side in image.shape[:2])
    method = cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
