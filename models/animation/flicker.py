"""How much a video flickers where nothing moves: what is left when optical flow has explained the motion.

The error is the warping error of Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018), on grey levels
and outside of the parts that a pose says are moving, because there the flow itself is wrong.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lexicon.avatar_figure import ARM, Figure

Image = NDArray[np.uint8]

_SIDE = 256  # enough for flicker, and flow costs by the pixel
_FLOW = cv2.DISOPTICAL_FLOW_PRESET_FAST


class FlickerMeter:
    """Takes consecutive frames; `error` is the mean over all pairs, in grey levels of 255, NaN before two frames."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(_FLOW)
        self._before: tuple[NDArray[np.uint8], NDArray[np.bool_]] | None = None
        self._errors: list[float] = []

    def cut(self) -> None:
        """The next frame does not follow the last one."""
        self._before = None

    def add(self, frame: Image, moving: NDArray[np.bool_]) -> None:
        """The next frame (H, W, 3), and where parts move (H, W)."""
        scale = min(1.0, _SIDE / max(frame.shape[:2]))
        size = (max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale)))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        masked = cv2.resize(moving.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        if self._before is not None:
            before, moved = self._before
            still = ~(masked | moved)
            if still.any():
                self._errors.append(self._warped_error(before, grey, still))
        self._before = grey, masked

    @property
    def error(self) -> float:
        """Mean absolute difference of frames after warping, grey levels of 255."""
        return float(np.mean(self._errors)) if self._errors else float("nan")

    def _warped_error(self, before: NDArray[np.uint8], now: NDArray[np.uint8], still: NDArray[np.bool_]) -> float:
        flow = np.asarray(self._flow.calc(now, before, np.zeros((*now.shape, 2), np.float32)), np.float32)
        rows, columns = np.mgrid[0 : now.shape[0], 0 : now.shape[1]].astype(np.float32)
        warped = cv2.remap(
            before, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return float(np.abs(warped.astype(np.float32) - now)[still].mean())


def moving_parts(fig: Figure, index: int) -> NDArray[np.bool_]:
    """(H, W) where the arms, hands and head of a pose are in a frame, with room around them."""
    mask = np.zeros((fig.height, fig.width), np.uint8)
    wide = max(3, round(0.45 * fig.shoulders))
    for side, joints in ARM.items():
        line = np.round(fig.body[index, list(joints), :2]).astype(np.int32)
        cv2.polylines(mask, [line], False, (1,), wide)
        hull = cv2.convexHull(np.round(fig.hands[side][index, :, :2]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, (1,))
        cv2.polylines(mask, [hull], True, (1,), wide)
    face = cv2.convexHull(np.round(fig.face[index, :, :2]).astype(np.int32))
    cv2.fillConvexPoly(mask, face, (1,))
    cv2.polylines(mask, [face], True, (1,), wide)
    return mask > 0
