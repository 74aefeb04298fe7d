"""Hair of the avatar, in the head's own coordinates (x -1..1 over the cheeks, y -1 chin .. 1 forehead)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.lexicon.avatar_canvas import Array, Image, mixed, polygon, smooth, stroke
from models.lexicon.looks import Look

if TYPE_CHECKING:
    from models.lexicon.avatar_head import HeadFrame

# Right half (viewer's) of what shows behind the head, top to bottom; mirrored for the other half.
_BACK = {
    "crop": ((0, 1.52), (.45, 1.46), (.86, 1.20), (1.05, .80), (1.07, .35), (1.02, .05), (.80, -.10)),
    "side": ((0, 1.56), (.48, 1.50), (.90, 1.22), (1.09, .80), (1.10, .35), (1.04, .02), (.80, -.15)),
    "bob": ((0, 1.54), (.50, 1.48), (.94, 1.22), (1.16, .75), (1.24, .20), (1.27, -.40), (1.16, -.86), (.80, -.92)),
    "long": ((0, 1.54), (.50, 1.48), (.94, 1.22), (1.16, .75), (1.26, .10), (1.34, -.70), (1.38, -1.5), (1.10, -2.1),
             (.62, -2.0)),
    "bun": ((0, 1.50), (.46, 1.44), (.88, 1.20), (1.06, .80), (1.08, .35), (1.00, -.05), (.78, -.35)),
    "curls": ((0, 1.86), (.62, 1.78), (1.16, 1.44), (1.44, .90), (1.46, .25), (1.26, -.25), (.90, -.45)),
    "buzz": ((0, 1.36), (.44, 1.31), (.82, 1.10), (1.00, .75), (1.03, .35), (1.00, .05), (.80, -.05)),
}  # fmt: skip
# The hairline from the viewer's left ear over the forehead to the right ear (crown closed by the back outline).
_LINE = {
    "crop": ((-1.02, .10), (-.97, .40), (-.90, .72), (-.62, .93), (0, 1.00), (.62, .93), (.90, .72), (.97, .40),
             (1.02, .10)),
    "side": ((-1.03, .05), (-.98, .42), (-.92, .70), (-.74, .86), (-.44, 1.03), (.10, .98), (.58, .84), (.90, .60),
             (.98, .35), (1.03, .05)),
    "bob": ((-.98, -.84), (-.93, .10), (-.90, .55), (-.70, .70), (0, .72), (.70, .70), (.90, .55), (.93, .10),
            (.98, -.84)),
    "long": ((-1.02, -1.68), (-.96, -.70), (-.97, .15), (-.84, .62), (-.40, .95), (-.04, 1.10), (.36, .95), (.82, .62),
             (.97, .15), (.96, -.70), (1.02, -1.68)),
    "bun": ((-1.03, .10), (-.96, .45), (-.84, .78), (-.50, .98), (0, 1.04), (.50, .98), (.84, .78), (.96, .45),
            (1.03, .10)),
    "curls": ((-1.08, .05), (-.95, .40), (-.86, .72), (-.52, .90), (0, .94), (.52, .90), (.86, .72), (.95, .40),
              (1.08, .05)),
    "buzz": ((-1.00, .20), (-.93, .52), (-.80, .80), (-.48, .97), (0, 1.01), (.48, .97), (.80, .80), (.93, .52),
             (1.00, .20)),
}  # fmt: skip


_TEXTURE, _REACH = 320, 2.0  # size in px of the strands' picture, and what it spans of the head to each side
_CAP_ENDS = {"bob": -0.86, "long": -1.7}  # how far down the hair falls in front of neck and shoulders


def hair_back(image: Image, mask: Image, frame: HeadFrame, look: Look) -> None:
    """What shows behind the face, into image and mask in place."""
    outline = frame.at(_crown(look), drift=-0.16)
    polygon(image, outline, mixed(look.hair, (0, 0, 0), 0.35))
    polygon(mask, outline)
    if look.hair_style == "bun":
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        bun = frame.at(np.stack([0.42 * np.cos(turn), 1.66 + 0.27 * np.sin(turn)], axis=1), drift=-0.3)
        polygon(image, bun, mixed(look.hair, (0, 0, 0), 0.12))
        polygon(mask, bun)


def hair_front(image: Image, mask: Image, frame: HeadFrame, look: Look) -> None:
    """The cap of hair over skull and forehead, with a soft hairline and a few lit strands, in place."""
    line = frame.at(smooth(np.array(_LINE[look.hair_style], np.float32), closed=False, rounds=2), drift=0.14)
    crown = _crown(look)
    crown = crown[crown[:, 1] > _CAP_ENDS.get(look.hair_style, 0.12)]
    cap = np.concatenate([line, frame.at(crown[::-1], drift=-0.08)])
    shape = np.zeros(mask.shape, np.uint8)
    polygon(shape, cap)
    unit = float(np.linalg.norm(frame.right))
    blur = (0.05 if look.hair_style in ("buzz", "curls") else 0.018) * unit
    weight = cv2.GaussianBlur(shape, (0, 0), max(0.5, blur)) * np.float32(1 / 255)
    if look.hair_style == "buzz":
        weight *= 0.80
    hair = _shaded_hair(shape, frame, look)
    image[:] = cv2.blendLinear(hair, image, weight, 1 - weight)
    np.maximum(mask, shape, out=mask)


def _crown(look: Look) -> Array:
    """The outline of the hair from the viewer's lower left over the top to the lower right, in head coordinates."""
    half = np.array(_BACK[look.hair_style], np.float32)
    local = smooth(np.concatenate([(half * (-1, 1))[:0:-1], half]).astype(np.float32), closed=False, rounds=3)
    if look.hair_style == "curls":
        # Tight curls end in a bumpy edge.
        turn = np.arctan2(local[:, 1] - 0.4, local[:, 0])
        local = local * (1 + 0.022 * np.sin(17 * turn) + 0.014 * np.sin(29 * turn))[:, None]
    return np.asarray(local, np.float32)


def _shaded_hair(shape: Image, frame: HeadFrame, look: Look) -> Image:
    """The hair's colour with strands of light running from the crown."""
    corners = frame.at([(-_REACH, _REACH), (_REACH, _REACH), (-_REACH, -_REACH)], drift=0.05)
    side = float(_TEXTURE)
    turn = cv2.getAffineTransform(np.array([(0, 0), (side, 0), (0, side)], np.float32), corners)
    strands = cv2.warpAffine(_strands(look.hair_style), turn, shape.shape[::-1], flags=cv2.INTER_LINEAR)
    table = np.linspace(look.hair, mixed(look.hair, (255, 236, 214), 0.10), 256).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(cv2.merge([strands] * 3), table), np.uint8)


@lru_cache(maxsize=16)
def _strands(style: str) -> Image:
    """How bright the hair's strands are, over x and y from -_REACH to _REACH of the head."""
    image = np.zeros((_TEXTURE, _TEXTURE), np.uint8)
    rng = np.random.default_rng(7)
    scale = _TEXTURE / (2 * _REACH)
    root = -0.35 if style == "side" else 0.0
    for _ in range(150 if style in ("curls", "buzz") else 60):
        if style in ("curls", "buzz"):
            turn = np.linspace(0, rng.uniform(3, 5.5), 7) + rng.uniform(0, 6)
            centre = rng.uniform((-1.4, -0.2), (1.4, 1.85))
            path = centre + np.stack([0.07 * np.cos(turn), 0.06 * np.sin(turn)], axis=1)
        else:
            end, low = rng.uniform(-1.3, 1.3), rng.uniform(-0.2, 0.9)
            if style in ("long", "bob"):
                low = rng.uniform(-1.9, 0.4)
            path = np.array([(root, 1.5), ((root + end) * 0.62, 1.46 - 0.2 * abs(end)), (end * 1.02, 0.9), (end, low)])
            path = smooth(path.astype(np.float32), closed=False, rounds=2)
        line = np.stack([(path[:, 0] + _REACH) * scale, (_REACH - path[:, 1]) * scale], axis=1).astype(np.float32)
        stroke(image, line, 2, int(rng.integers(110, 255)))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.4), np.uint8)
