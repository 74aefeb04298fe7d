"""The outline of the torso where arms lay over it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.pixels import blurred, grown, mask_of, smooth_line
from models.animation.target import Image
from models.lexicon.avatar_canvas import Array

_ARMPIT = 0.45  # share of the way from shoulder to hip
_BAY = 0.25  # shoulder widths: bays in the outline up to twice as high are where a hand lay
_SLACK = 0.03  # shoulder widths that the visible torso may stick out of its outline

Rows = NDArray[np.bool_]


def whole_torso(visible: Image, arms: Image, body: Array, unit: float) -> Image:
    """The torso as it would be seen without arms before it, (H, W) 0 or 255.

    visible, arms: (H, W) masks of what shows of the torso, and of both arms; body: (33, 3) landmarks in px; unit: px
    between the shoulders. Each side's outline is trusted where background lies beside it, and goes straight on
    between such rows where an arm lies over it; the armpits reach as far out as the shoulders.
    """
    whole = visible.copy()
    beside_arms = grown(arms, max(1, round(0.05 * unit))) > 0
    middle = int(np.clip(body[[11, 12], 0].mean(), 1, visible.shape[1] - 2))
    rows = np.arange(visible.shape[0])
    for sign, shoulder, hip in ((-1, body[12, :2], body[24, :2]), (1, body[11, :2], body[23, :2])):
        # Columns from the middle of the body outwards, so that both sides are handled alike.
        outwards = np.s_[:, middle::sign]
        half, blocked = visible[outwards] > 0, arms[outwards] > 0
        armpit = shoulder + (hip - shoulder) * _ARMPIT - np.array([sign * 0.04 * unit, 0])
        corners = [(float(y), sign * (float(x) - middle)) for x, y in (shoulder, armpit)]
        outline, trusted = _outline(half, blocked, corners, unit)
        across = np.arange(half.shape[1])[None]
        inside = (across <= outline[:, None]) & (rows > shoulder[1] - 0.02 * unit)[:, None]
        whole[outwards][inside & (half | blocked)] = 255
        beyond = (across > outline[:, None] + _SLACK * unit) & ((rows > armpit[1]) & ~trusted)[:, None]
        whole[outwards][beyond & beside_arms[outwards]] = 0
    soft = blurred(whole, max(1.0, 0.025 * unit))
    whole[beside_arms] = mask_of(soft > 127)[beside_arms]
    return whole


def _outline(
    half: NDArray[np.bool_], blocked: NDArray[np.bool_], corners: list[tuple[float, float]], unit: float
) -> tuple[Array, Rows]:
    """Columns of the edge of half a torso in each row, and the rows in which it is really seen.

    corners: (row, column) of shoulder and armpit.
    """
    rows = np.arange(len(half))
    (top, top_edge), (armpit, armpit_edge) = corners
    edge = np.where(half.any(axis=1), half.shape[1] - 1 - np.argmax(half[:, ::-1], axis=1), 0).astype(np.float32)
    beside = np.minimum(edge.astype(int) + max(2, round(0.02 * unit)), half.shape[1] - 1)
    trusted = half.any(axis=1) & ~blocked[rows, beside] & (rows > armpit)
    last = int(rows[trusted][-1]) + 1 if trusted.any() else int(armpit) + 1
    # Below the last trusted row nothing is known: what shows beside the arm, without the bays that fingers leave.
    window = 2 * max(1, round(_BAY * unit)) + 1
    hull = np.asarray(cv2.dilate(edge[:, None], np.ones((window, 1), np.uint8)), np.float32).ravel()
    below = np.clip(last, 0, len(rows))
    known = np.concatenate([edge[trusted], hull[below:]])
    if len(known):
        armpit_edge = max(armpit_edge, float(np.median(known[:6])))
    places = np.concatenate([[top - 0.02 * unit, armpit], rows[trusted], rows[below:]])
    line = np.interp(rows, places, np.concatenate([[top_edge, armpit_edge], known]))
    return smooth_line(np.asarray(line, np.float32), max(1.0, 0.03 * unit)), trusted
