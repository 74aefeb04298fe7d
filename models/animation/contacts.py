"""Hands put where they mean the same on another body.

Every point of the signing space is seen from the places of the driver's body that are near it: forehead, mouth, chin,
ears, shoulders, chest, and so on. Each of them says where the point is on the target: as far from the same place, in
the target's measure. Near a place its word is all that counts, so what touches goes on touching; far from all of them
the space around the shoulders is scaled as a whole. A hand is rigid in this: it goes where its points that are
closest to the body want it.

The weights are those of D. Shepard ("A two-dimensional interpolation function for irregularly-spaced data", 1968), with
moving frames instead of values; contact as what retargeting has to keep is from E. Ho, T. Komura and C. Tai
("Spatial relationship preserving character motion adaptation", 2010).

Shapes: T frames, P points of a hand, A places of a body. Points are (..., 3) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from models.animation.easing import eased
from models.animation.skeleton import Actor, Array
from models.pose.landmarks import LEFT_SHOULDER, RIGHT_SHOULDER
from models.pose.span import SIDES, Side

_FACE_PLACES = [10, 151, 9, 168, 1, 2, 13, 14, 17, 61, 291, 152, 175, 172, 397, 58, 288, 234, 454, 127, 356,
                50, 280, 205, 425, 33, 263, 133, 362, 105, 334, 54, 284, 93, 323, 132, 361]  # fmt: skip
_TORSO = [(side, down) for down in (0.12, 0.45, 0.80, 1.15) for side in (-0.32, 0.0, 0.32)]
_TORSO_DEPTH = 0.33  # skin of the chest before the shoulders, in shoulder widths

DEPTH_SHARE = 0.4
"""Distance in depth counts this much: a camera guesses it badly, and who looks sees what meets in the picture."""
NEAR = 0.25
"""Shoulder widths: at this distance a place has as much to say as the whole body."""
_TOUCH = 0.12  # shares of NEAR below which closer makes no difference: thickness of a finger
_REACH = 3.0  # shares of NEAR beyond which a place says nothing
_TOGETHER, _APART = 0.45, 1.6  # palm lengths between two hands that move as one, and that do not know each other
_STEADY_S = 0.05
_PALM = [0, 5, 9, 13, 17]
_CHUNK = 400  # frames at a time: memory


@dataclass(frozen=True, kw_only=True)
class Places:
    """Places of a body over time, and what a pixel of the driver is at each of them on the target."""

    points: Array  # (T, A, 3)
    sizes: Array  # (A,) px of one unit of measure there
    middle: Array  # (T, 3) between the shoulders
    unit: float


def places(person: Actor) -> Places:
    """Where a hand can touch somebody, measured in heads on the head and in shoulder widths on the trunk."""
    face, body, middle = person.face, person.body, person.middle
    across = body[:, LEFT_SHOULDER] - body[:, RIGHT_SHOULDER]
    across = across * np.array([1, 1, 0]) + np.array([1e-6, 0, 0])
    across = across / np.linalg.norm(across, axis=-1, keepdims=True)
    down = np.stack([-across[:, 1], across[:, 0], np.zeros(len(across))], axis=-1)
    ahead = np.array([0, 0, -_TORSO_DEPTH * person.unit])
    torso = [middle + person.unit * (side * across + along * down) + ahead for side, along in _TORSO]
    chin, crown = face[:, 152], face[:, 10] + 0.35 * (face[:, 10] - face[:, 152])
    neck = chin + 0.6 * (middle - chin)
    on_head = [*face[:, _FACE_PLACES].swapaxes(0, 1), crown, body[:, 7], body[:, 8]]
    on_trunk = [body[:, LEFT_SHOULDER], body[:, RIGHT_SHOULDER], neck, *torso]
    sizes = [person.head] * len(on_head) + [person.unit] * len(on_trunk)
    return Places(
        points=np.stack([*on_head, *on_trunk], axis=1).astype(np.float32),
        sizes=np.array(sizes, np.float32),
        middle=middle,
        unit=person.unit,
    )


def place_hand(hand: Array, here: Places, there: Places, scale: float, fps: float) -> tuple[Array, Array]:
    """Where the wrist of the target belongs, (T, 3), and how firmly the body holds the hand there, (T,) from 0.

    hand: (T, 21, 3) of the driver; scale: of the target's hand to the driver's.
    """
    parts = [
        _place(hand[start : start + _CHUNK], here, there, scale, slice(start, start + _CHUNK))
        for start in range(0, len(hand), _CHUNK)
    ]
    wrists, holds = (np.concatenate(part) for part in zip(*parts, strict=True))
    # What the places change about the plain way changes slowly: the hand passes from one to the next without a jolt.
    plain = there.middle + there.unit / here.unit * (hand[:, 0] - here.middle)
    return plain + gaussian_filter1d(wrists - plain, _STEADY_S * fps, axis=0, mode="nearest"), holds


def _place(hand: Array, here: Places, there: Places, scale: float, frames: slice) -> tuple[Array, Array]:
    points = np.concatenate([hand, hand[:, _PALM].mean(axis=1, keepdims=True)], axis=1)
    wanted, held = _mapped(points, here, there, frames)
    wrists = wanted - scale * (points - hand[:, :1])
    # Points that the body does not hold leave the word to the middle of the palm.
    say = held + np.append(np.full(hand.shape[1], 0.02), 1.0)
    wrist = (say[..., None] * wrists).sum(axis=1) / say.sum(axis=1)[:, None]
    return wrist, held.max(axis=1)


def _mapped(points: Array, here: Places, there: Places, frames: slice) -> tuple[Array, Array]:
    """Points (T, P, 3) of the driver's space in the target's, and how firmly the places hold them (T, P)."""
    offsets = points[:, :, None].astype(np.float32) - here.points[frames, None]
    away = np.linalg.norm(offsets * np.array([1, 1, DEPTH_SHARE], np.float32), axis=-1) / (NEAR * here.unit)
    held = np.clip(1 - away / _REACH, 0, None) ** 2 / (away**2 + _TOUCH**2) ** 2
    each = there.points[frames, None] + (there.sizes / here.sizes)[:, None] * offsets
    ratio = there.unit / here.unit
    whole = there.middle[frames, None] + ratio * (points - here.middle[frames, None])
    total = held.sum(axis=-1)
    return (whole + (held[..., None] * each).sum(axis=2)) / (1 + total)[..., None], total


def together(hands: dict[Side, Array], palm: float) -> Array:
    """(T,) from 0 to 1: how much the two hands (T, 21, 3) belong together, by the distance of their closest points."""
    parts = []
    for start in range(0, len(hands["left"]), _CHUNK):
        left, right = (hands[side][start : start + _CHUNK].astype(np.float32) for side in SIDES)
        gap = (left[:, :, None] - right[:, None]) * np.array([1, 1, DEPTH_SHARE], np.float32)
        parts.append(np.linalg.norm(gap, axis=-1).min(axis=(1, 2)) / palm)
    return eased((_APART - np.concatenate(parts)) / (_APART - _TOGETHER))


def keep_together(
    wrists: dict[Side, Array], holds: dict[Side, Array], hands: dict[Side, Array], share: Array, scale: float
) -> dict[Side, Array]:
    """The wrists (T, 3) moved so that hands that belong together keep their relation, in the measure of the hands.

    The hand that the body holds more firmly stays; without any, both go half of the way.
    """
    wanted = scale * (hands["right"][:, 0] - hands["left"][:, 0])
    wrong = share[:, None] * (wrists["right"] - wrists["left"] - wanted)
    firm = {side: hold + 1.0 for side, hold in holds.items()}
    moves_right = (firm["left"] / (firm["left"] + firm["right"]))[:, None]
    return {"left": wrists["left"] + (1 - moves_right) * wrong, "right": wrists["right"] - moves_right * wrong}


def on_forearm(
    wrist: Array, hand: Array, arm: tuple[Array, Array], there: tuple[Array, Array], scale: float, palm: float
) -> tuple[Array, Array]:
    """Where the wrist belongs when the hand touches the other forearm, (T, 3), and how much it does, (T,) 0 to 1.

    wrist: (T, 3) of the target by now; hand: (T, 21, 3) of the driver; arm, there: elbow and wrist (T, 3) of the
    other arm, driver's and target's. The hand is as far along the other forearm, and as far from it in its own measure.
    """
    bone, new_bone = arm[1] - arm[0], there[1] - there[0]
    offsets = hand - arm[0][:, None]
    along = np.einsum("tkc,tc->tk", offsets, bone) / np.maximum((bone**2).sum(axis=-1), 1e-9)[:, None]
    along = np.clip(along, 0, 1)[..., None]
    beside = offsets - along * bone[:, None]
    away = np.linalg.norm(beside * np.array([1, 1, DEPTH_SHARE]), axis=-1) / palm
    wanted = there[0][:, None] + along * new_bone[:, None] + scale * beside - scale * (hand - hand[:, :1])
    say = 1 / (away**2 + _TOUCH) ** 2
    place = (say[..., None] * wanted).sum(axis=1) / say.sum(axis=1)[:, None]
    share = eased((_APART - away.min(axis=1)) / (_APART - _TOGETHER))
    return wrist + share[:, None] * (place - wrist), share
