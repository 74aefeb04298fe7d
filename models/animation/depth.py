"""Depth of a detected body, from the length of its bones.

MediaPipe's depth of arms is exaggerated, by a factor that changes from frame to frame. A bone that looks short points
towards the camera or away from it, and how much follows from its length; the detected depth only says which way
(C. Taylor, "Reconstruction of articulated objects from point correspondences in a single uncalibrated image", 2000).

Shapes: T frames. Points are (T, K, 3) in pixels, z growing away from the camera.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from models.animation.easing import Array, eased
from models.lexicon.avatar_figure import ARM
from models.pose.span import SIDES, Side

_SURE_WAY = 0.08  # shoulder widths of detected depth from which its direction is believed
_LONGEST = 1.15  # of the usual length: bones that come to the camera look longer than they are
_STEADY_S = 0.08
_TOUCHING, _APART = 0.6, 1.6  # palm lengths between palms in the picture
_OVER_FACE = (0.5, 0.7)  # heads from the middle of the face: hands within are before it


def lifted_arms(body: Array, unit: float, usual: tuple[float, float], fps: float) -> Array:
    """The body (T, 33, 3) with elbows and wrists at the depth that arms of one length put them.

    unit: shoulder width in px; usual: upper arm and forearm in shoulder widths, exceeded only where the picture shows
    longer ones.
    """
    lifted = body.copy()
    for side in SIDES:
        for start, end, share in zip(ARM[side][:2], ARM[side][1:], usual, strict=True):
            way = body[:, end] - body[:, start]
            flat = np.linalg.norm(way[:, :2], axis=-1)
            length = float(np.clip(np.percentile(flat, 95), share * unit, _LONGEST * share * unit))
            deep = np.sqrt(np.maximum(length**2 - flat**2, 0))
            depth = np.tanh(way[:, 2] / (_SURE_WAY * unit)) * deep
            # Next to a bone at right angles to the view a pixel of tremble is a palm of depth.
            smooth = gaussian_filter1d(depth, _STEADY_S * fps, mode="nearest")
            lifted[:, end, 2] = lifted[:, start, 2] + smooth
    return lifted


def settled_hands(
    body: Array, detected: Array, hands: dict[Side, Array], face: Array, sizes: tuple[float, float]
) -> Array:
    """The body with its wrists' depth put right where the picture says more than the bones do.

    Hands that meet in the picture meet in depth too, the nearer one as in `detected` (T, 33, 3); fingers over
    the face are before it. hands: (T, 21, 3) and face (T, K, 3) for where they are; sizes: palm and head in px.
    """
    palm, head = sizes
    settled = body.copy()
    left, right = ARM["left"][2], ARM["right"][2]
    palms = {side: hand[:, [0, 5, 9, 13, 17], :2].mean(axis=1) for side, hand in hands.items()}
    meet = _between(np.linalg.norm(palms["left"] - palms["right"], axis=-1) / palm, _TOUCHING, _APART)
    wanted = np.clip(detected[:, left, 2] - detected[:, right, 2], -palm, palm)
    wrong = meet * (body[:, left, 2] - body[:, right, 2] - wanted) / 2
    settled[:, left, 2] -= wrong
    settled[:, right, 2] += wrong
    middle, front = face[..., :2].mean(axis=1), face[..., 2].min(axis=1)
    for side in SIDES:
        wrist = settled[:, ARM[side][2], 2]
        over = _between(np.linalg.norm(hands[side][..., :2] - middle[:, None], axis=-1) / head, *_OVER_FACE)
        depth = wrist[:, None] + hands[side][..., 2] - hands[side][:, :1, 2]
        wrist -= (over * np.maximum(depth - front[:, None], 0)).max(axis=1)
    return settled


def _between(distance: Array, near: float, far: float) -> Array:
    """1 up to `near`, 0 from `far` on, smooth in between."""
    return eased((far - distance) / (far - near))
