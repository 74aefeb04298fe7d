"""A signer made of numbers, for tests that need to know the truth: who moves which hand when, and what was seen."""

from __future__ import annotations

import numpy as np
from pose_format import Pose

from models.pose import landmarks

RISE_S = 0.2
"""The arm takes this long from rest to signing height."""
PALM = 40.0
"""Wrist to middle knuckle in pixels."""

SHOULDER = {"left": (380.0, 200.0), "right": (260.0, 200.0)}
REST = {"left": (400.0, 395.0), "right": (240.0, 395.0)}
FIRST = {"left": 33 + 468, "right": 33 + 468 + 21}


def hand_shape() -> np.ndarray:
    """(21, 3) landmarks about the wrist: four knuckles at one palm, fingers above them, a thumb to the side."""
    fingers = [(-0.6, 0.3), (-0.25, 1.0), (0.0, 1.0), (0.2, 0.95), (0.4, 0.85)]
    points = [(0.0, 0.0, 0.0)]
    for x, y in fingers:
        points += [(x * (1 + 0.1 * k), -(y + 0.3 * k), -0.02 * k) for k in range(4)]
    return np.array(points) * (PALM, PALM, 1)


def signer(
    *,
    seconds: float = 2.4,
    fps: float = 25.0,
    signing: tuple[float, float] = (0.8, 1.6),
    hands: tuple[str, ...] = ("right",),
    rest_visible: bool = False,
) -> Pose:
    """A pose of 640 x 480 px whose `hands` rise at signing[0] s, circle at the chest and are back at signing[1] s."""
    frames = round(seconds * fps)
    time = np.arange(frames) / fps
    data, confidence = np.zeros((frames, 576, 3)), np.zeros((frames, 576), np.float32)
    body = {11: (380, 200), 12: (260, 200), 13: (400, 300), 14: (240, 300), 23: (360, 400), 24: (280, 400)}
    data[:, :33, :2], confidence[:, :33] = (320, 120), 0.9
    for index, place in body.items():
        data[:, index, :2] = place
    angle = np.linspace(0, 2 * np.pi, 468)
    data[:, 33:501, :2] = np.stack([320 + 40 * np.cos(angle), 110 + 55 * np.sin(angle)], axis=1)
    confidence[:, 33:501] = 1
    data[:, 543:], confidence[:, 543:] = np.random.default_rng(0).uniform(-0.5, 0.5, (33, 3)), 0.9
    rise = np.clip(np.minimum(time - signing[0], signing[1] - time) / RISE_S, 0, 1)[:, None]
    circle = 30 * np.stack([np.cos(8 * time), np.sin(8 * time)], axis=1)
    for side, wrist_index in (("left", 15), ("right", 16)):
        up = np.array(SHOULDER[side]) + np.array([0, 40]) + circle
        wrist = REST[side] + rise * (up - REST[side]) if side in hands else np.tile(REST[side], (frames, 1))
        data[:, wrist_index, :2] = wrist
        there = (rise[:, 0] > 0) & (side in hands) | rest_visible
        hand = slice(FIRST[side], FIRST[side] + 21)
        data[:, hand] = hand_shape()
        data[:, hand, :2] += wrist[:, None]
        confidence[:, hand] = there[:, None]
    data[confidence == 0] = 0
    return landmarks.holistic_pose(data, confidence, fps=fps, width=640, height=480)


def without(pose: Pose, part: slice, frames: slice | list[int]) -> Pose:
    """A copy of the pose that did not see these landmarks in these frames."""
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence).copy()
    data[frames, :, part], confidence[frames, :, part] = 0, 0
    return landmarks.with_arrays(pose, data, confidence)


def moved(pose: Pose, factor: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Pose:
    """A copy of the pose nearer, farther or elsewhere in the picture; world landmarks stay metres."""
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence).copy()
    data[:, :, :543] = data[:, :, :543] * factor + (*shift, 0.0)
    return landmarks.with_arrays(pose, np.where(confidence[..., None] > 0, data, 0), confidence)


LEFT, RIGHT = (slice(FIRST[side], FIRST[side] + 21) for side in ("left", "right"))
BODY, FACE = slice(0, 33), slice(33, 501)
