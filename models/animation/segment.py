"""Who in the picture is the person: an opacity per pixel, with hair and hands.

MediaPipe's selfie segmentation knows the person coarsely (256 x 256). Landmarks know where arms and hands are. What is
sure of both seeds GrabCut (Rother et al., 2004), which finds the edge in the picture's colours, and a guided filter
(He et al., 2010) makes it soft where hair is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.pose import landmarks
from models.pose.holistic import native_log_silenced

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]

_WORK_SIDE = 512  # GrabCut's time grows with the pixels; the guided filter brings the edge to the full size
_SURE, _NONE = 0.92, 0.06
_FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))
_ARMS = ((landmarks.LEFT_SHOULDER, landmarks.LEFT_ELBOW, landmarks.LEFT_WRIST),
         (landmarks.RIGHT_SHOULDER, landmarks.RIGHT_ELBOW, landmarks.RIGHT_WRIST))  # fmt: skip


def person_mask(image: Image, pose: Pose) -> Mask:
    """(H, W) float32 opacity, 0..1, of the person whose landmarks these are; (H, W, 3) RGB and one frame of pose."""
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    coarse = np.asarray(cv2.resize(_selfie(small), size, interpolation=cv2.INTER_LINEAR), np.float32)
    limbs, near = _limbs(pose, scale, size)
    coarse = np.where(near, np.maximum(coarse, 0.5), coarse)  # where a hand may be, colours decide
    mine = _connected(coarse > 0.3, limbs)
    coarse = np.where(mine | near, coarse, np.float32(0))
    sure = ((coarse > _SURE) & mine) | limbs
    edge = _cut(small, coarse, sure)
    full = np.asarray(cv2.resize(edge, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    radius = max(2, round(0.006 * max(height, width)))
    soft = guided_filter(image, full, radius, 40.0)
    alpha = np.clip((soft - 0.15) / 0.7, 0, 1)
    # Far inside and far outside of the edge nothing is doubtful; the filter leaks there where colours are alike.
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    inside = cv2.erode((full > 0.5).astype(np.uint8), kernel)
    outside = cv2.dilate((full > 0.5).astype(np.uint8), kernel) == 0
    alpha[inside > 0], alpha[outside] = 1, 0
    return np.asarray(alpha, np.float32)


def guided_filter(guide: Image, mask: Mask, radius: int, eps: float) -> Mask:
    """The mask (H, W), redrawn along the edges of the guide (H, W, 3): in every square of 2 radius + 1 pixels it is a
    linear function of the colours. eps: variance of colour (levels squared) below which there is no edge.

    Source: He, Sun and Tang, "Guided Image Filtering" (2013), with a colour guide. OpenCV's is in its contrib modules,
    which another flavour of the same package takes away when it is installed later.
    """
    colours = guide.astype(np.float32)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1)), np.float32)

    mean_colour, mean_mask = mean(colours), mean(mask)
    pairs = {(a, b): mean(colours[..., a] * colours[..., b]) for a in range(3) for b in range(a, 3)}
    covariance = np.empty((*mask.shape, 3, 3), np.float32)
    for (a, b), product in pairs.items():
        covariance[..., a, b] = covariance[..., b, a] = product - mean_colour[..., a] * mean_colour[..., b]
    covariance += eps * np.eye(3, dtype=np.float32)
    shared = mean(colours * mask[..., None]) - mean_colour * mean_mask[..., None]
    slope = np.linalg.solve(covariance, shared[..., None])[..., 0]
    offset = mean_mask - (slope * mean_colour).sum(axis=-1)
    return np.asarray((mean(slope) * colours).sum(axis=-1) + mean(offset), np.float32)


def _selfie(image: Image) -> Mask:
    with native_log_silenced():
        result = _segmenter().process(image.copy())
    return np.asarray(result.segmentation_mask, np.float32)


@cache
def _segmenter() -> Any:
    # Late: mediapipe takes seconds to import.
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    return SelfieSegmentation(model_selection=0)


def _limbs(pose: Pose, scale: float, size: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Thin lines that are the person for sure, and thick ones that an arm or a hand fills at most."""
    body, body_sure = landmarks.component(pose, landmarks.BODY)
    shoulders = float(np.linalg.norm((body[0, 11] - body[0, 12])[:2])) * scale
    thin, thick = np.zeros(size[::-1], np.uint8), np.zeros(size[::-1], np.uint8)

    def draw(points: NDArray[np.float32], width: float, room: float) -> None:
        line = [np.round(points[:, :2] * scale).astype(np.int32)]
        cv2.polylines(thin, line, False, (1,), max(1, round(width)))
        cv2.polylines(thick, line, False, (1,), max(3, round(room)))

    for arm in _ARMS:
        if (body_sure[0, list(arm)] > 0.6).all():
            draw(body[0, list(arm)], 0.05 * shoulders, 0.32 * shoulders)
    for name in landmarks.HANDS:
        hand, sure = landmarks.component(pose, name)
        if (sure > 0).all():
            palm = float(np.linalg.norm((hand[0, 9] - hand[0, 0])[:2])) * scale
            for finger in _FINGERS:
                draw(hand[0, list(finger)], 0.10 * palm, 0.55 * palm)
    if (body_sure[0, [11, 12]] > 0.5).all():
        draw(body[0, [11, 12]], 0.05 * shoulders, 0.05 * shoulders)
        draw(np.stack([body[0, 0], body[0, [11, 12]].mean(axis=0)]), 0.05 * shoulders, 0.05 * shoulders)
    return thin > 0, thick > 0


def _connected(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that hold a seed; all of it when there is no seed in it."""
    _, labels = cv2.connectedComponents((mask | seeds).astype(np.uint8))
    wanted = np.unique(labels[seeds & (labels > 0)])
    return np.isin(labels, wanted) if len(wanted) else mask


def _cut(image: Image, coarse: Mask, sure: NDArray[np.bool_]) -> Mask:
    """0 or 1 per pixel by colours, where the coarse mask is not sure."""
    marks = np.full(coarse.shape, cv2.GC_PR_BGD, np.uint8)
    marks[coarse > 0.5] = cv2.GC_PR_FGD
    marks[coarse < _NONE] = cv2.GC_BGD
    marks[sure] = cv2.GC_FGD
    if not (marks == cv2.GC_BGD).any() or not (marks == cv2.GC_FGD).any():
        return np.asarray(coarse, np.float32)
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, marks, (0, 0, 1, 1), background, foreground, 3, cv2.GC_INIT_WITH_MASK)
    found = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    # Colours alone make holes in clothes that look like the wall; the coarse mask knows better well inside.
    found[(cv2.erode((coarse > 0.85).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)] = 1
    return np.asarray(_connected(found > 0, sure), np.float32)
