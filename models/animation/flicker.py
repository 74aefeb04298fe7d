"""Which parts of a signer move, where optical flow is wrong: what is to be left out when flicker is measured.

Flicker itself is measured by `models.synthesis.metrics.FlickerMeter`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lexicon.avatar_figure import ARM, Figure


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
