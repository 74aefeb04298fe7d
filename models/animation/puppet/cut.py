"""The picture cut into what moves by itself: torso with its clothes, head, and the person's own two arms.

Arms are found by flooding from what surely is arm (around the bones, the hands) and what surely is torso or
background, so that the borders follow the picture's own edges. The torso behind them is then filled in with its own
cloth (`fill`), and nothing of the own arms stays but the roundings of the shoulders, which new arms grow out of.

Shapes: (H, W) masks are uint8 0 or 255 and layers (H, W, 4) uint8 RGBA, all in the picture's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.animation.puppet.fill import fill_cloth, spread_colours
from models.animation.puppet.outline import whole_torso
from models.animation.puppet.pixels import blurred, disc, grown, hull, lab, mask_of, shrunk
from models.animation.target import Image, Target
from models.lexicon.avatar_canvas import Array, polygon, stroke
from models.lexicon.avatar_figure import ARM, SIDES, Figure, figure
from models.pose import landmarks

# Half widths of arms in shoulder widths: upper arm at shoulder and elbow, forearm at elbow, middle and wrist.
UPPER_WIDTHS, LOWER_WIDTHS = (0.165, 0.125), (0.125, 0.114, 0.078)
SHOULDER_CAP = 0.15  # shoulder widths around a shoulder joint that stay with the torso
_BACKGROUND, _TORSO = 1, 2
_LABELS = {"left": 3, "right": 4}
_SURE_ARM = 0.60  # share of the usual half width that surely is arm
_ARM_LIMIT = 1.9  # beyond this many half widths nothing is arm
_SEEN, _GUESSED = 0.5, 0.4  # confidence of landmarks that are in the picture, and below which they are guesses
_HANDS = {"left": landmarks.LEFT_HAND, "right": landmarks.RIGHT_HAND}


@dataclass(frozen=True, kw_only=True)
class OwnArm:
    """One arm of the person in the picture."""

    mask: Image  # (H, W), hand included
    hand: Image  # (H, W), the hand alone
    joints: Array  # (3, 3) shoulder, elbow, wrist in px
    seen: tuple[bool, bool]  # whether elbow and wrist are really in the picture


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The parts of a picture."""

    figure: Figure  # the person's own posture, one frame
    unit: float  # px between the shoulders
    torso: Image  # (H, W, 4): what is left without arms and head, filled in
    head: Image  # (H, W, 4): head, hair and neck
    neck: Image  # (H, W): 255 on the head, fading out along the neck, 0 from the collar on
    arms: dict[str, OwnArm]
    cloth: Image  # (H, W): what surely is uncovered clothes of the torso


def cut(target: Target) -> Cut:
    """Cut a target's picture into parts. Raises PoseError when its pose shows no body."""
    height, width = target.image.shape[:2]
    own = figure(target.pose, width, height)
    unit = own.shoulders
    person = mask_of(target.person > 0.5)
    hands = {side: _hand_zone(target, own, side) for side in SIDES}
    labels = _flood(target, own, person, hands)
    _reclaim(labels, own, person, [side for side in SIDES if _elbow_shows(target, side)])
    arms = {side: _own_arm(target, own, labels, side, hands[side]) for side in SIDES}
    fade = _neck_fade(own, (height, width))
    either = arms["left"].mask | arms["right"].mask
    visible = mask_of((labels == _TORSO) & (person > 0) & (fade < 255))
    whole = whole_torso(visible, either, own.body[0], unit)
    rim = max(2, round(0.025 * unit))
    known = shrunk(visible, rim) & ~grown(either, rim)
    hole = whole & ~known & grown(either, 2 * rim)
    filled = fill_cloth(target.image, known, hole)
    alpha = _torso_alpha(target, own, whole, either, unit)
    alpha = np.minimum(alpha, _below_chin(own, alpha.shape))
    # On the shoulders the colours beside the torso's edge are the own arm's, and right.
    shoulders = np.maximum(*(_shoulder_cap(own, side, alpha.shape, 1.5) for side in SIDES))
    solid = shrunk(mask_of((alpha > 0.97) | ((shoulders > 0) & (target.person > 0.97))), 1)
    torso = np.dstack([spread_colours(filled, solid, 6), np.uint8(alpha * 255 + 0.5)])
    head_alpha = np.where(fade > 0, target.person, 0)
    head_alpha[either > 0] = 0
    solid = mask_of(target.person > 0.97)
    head = np.dstack([spread_colours(target.image, solid, 6), np.uint8(head_alpha * 255 + 0.5)])
    return Cut(figure=own, unit=unit, torso=torso, head=head, neck=fade, arms=arms, cloth=known)


def _flood(target: Target, own: Figure, person: Image, hands: dict[str, Image]) -> NDArray[np.int32]:
    """(H, W) labels: background, torso with head, and each arm."""
    height, width = person.shape
    unit, body = own.shoulders, own.body[0]
    markers = np.zeros((height, width), np.int32)
    markers[grown(person, 2) == 0] = _BACKGROUND
    sure = np.zeros((height, width), np.uint8)
    polygon(sure, _core(body, unit))
    markers[(sure > 127) & (person > 0)] = _TORSO
    markers[(_head_zone(own, (height, width)) > 127) & (person > 0)] = _TORSO
    for side in SIDES:
        distance = _arm_distance(target, own, side, (height, width))
        markers[(distance < _SURE_ARM) & (person > 0)] = _LABELS[side]
    for side in SIDES:
        markers[(hands[side] > 0) & (person > 0)] = _LABELS[side]
    picture = cv2.bilateralFilter(np.ascontiguousarray(target.image[..., ::-1]), 5, 20, 3)
    flooded = np.asarray(cv2.watershed(picture, markers), np.int32)
    for side in SIDES:
        far = _arm_distance(target, own, side, (height, width)) > _ARM_LIMIT
        flooded[(flooded == _LABELS[side]) & far & (hands[side] == 0)] = _TORSO
    # Border lines of the watershed go to whom most of their neighbours belong.
    line = flooded == -1
    for label in (_TORSO, *_LABELS.values()):
        near = grown((flooded == label).astype(np.uint8), 1) > 0
        flooded[line & near & (person > 0)] = label
    return flooded


def _reclaim(labels: NDArray[np.int32], own: Figure, person: Image, sides: list[str]) -> None:
    """Give the arms what the flood left of them: what lies outside of their bones, and shreds cut off from the torso.

    Changes `labels` in place.
    """
    unit = own.shoulders
    torso = ((labels == _TORSO) & (person > 0)).astype(np.uint8)
    thick = cv2.morphologyEx(torso, cv2.MORPH_OPEN, disc(max(1, round(0.07 * unit))))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(thick)
    largest = parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else thick > 0
    trunk = grown(largest.astype(np.uint8), max(2, round(0.09 * unit))) > 0
    middle = float(own.body[0, [11, 12], 0].mean())
    y = np.arange(person.shape[0], dtype=np.float32)
    x = np.arange(person.shape[1], dtype=np.float32)[None]
    for side in sides:
        shoulder, elbow, wrist = (own.body[0, i, :2] for i in ARM[side])
        outward = np.sign(shoulder[0] - middle)
        # The outermost of both bones in each row between shoulder and the lower end of the arm.
        lines = [_crossing(y, shoulder, elbow), _crossing(y, elbow, wrist)]
        bone = np.nanmax(np.stack([np.full_like(y, -1e6), *(line * outward for line in lines)]), axis=0)
        outside = (bone > -1e5)[:, None] & (x * outward > bone[:, None]) & (y > shoulder[1] + 0.2 * unit)[:, None]
        shred = ~trunk & ((x - shoulder[0]) * outward > -0.35 * unit) & (y > shoulder[1])[:, None]
        labels[(torso > 0) & (outside | shred)] = _LABELS[side]


def _crossing(y: Array, start: Array, end: Array) -> Array:
    """x of a line in each row, nan in the rows beside it."""
    top, bottom = (start, end) if start[1] <= end[1] else (end, start)
    return np.interp(y, [top[1], max(bottom[1], top[1] + 1e-3)], [top[0], bottom[0]], left=np.nan, right=np.nan)


def _core(body: Array, unit: float) -> Array:
    """What surely is torso, were there no arms before it: a polygon well inside shoulders and hips."""
    right, left, right_hip, left_hip = (body[i, :2] for i in (12, 11, 24, 23))
    low = np.array([0, 0.4 * unit], np.float32)

    def between(a: Array, b: Array, share: float) -> Array:
        return np.asarray(a + (b - a) * share, np.float32)

    return np.stack([
        between(right, left, 0.10), between(right, left, 0.90),
        between(between(left, left_hip, 0.3), between(right, right_hip, 0.3), 0.14),
        between(left_hip, right_hip, 0.0), between(left_hip, right_hip, 0.0) + low,
        between(right_hip, left_hip, 0.0) + low, between(right_hip, left_hip, 0.0),
        between(between(right, right_hip, 0.3), between(left, left_hip, 0.3), 0.14),
    ])  # fmt: skip


def _arm_distance(target: Target, own: Figure, side: str, shape: tuple[int, int]) -> Array:
    """(H, W) distance from the arm's bones in usual half widths; the shoulder's own half of the upper arm is free."""
    height, width = shape
    shoulder, elbow, wrist = (own.body[0, i, :2] for i in ARM[side])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    best = np.full(shape, 1e6, np.float32)
    bones: list[tuple[Array, Array, tuple[float, ...], float, float]]
    bones = [(shoulder, elbow, UPPER_WIDTHS, 0.30, 1.0), (elbow, wrist, LOWER_WIDTHS, 0.0, 1.0)]
    if not _elbow_shows(target, side):
        # Something stands before this arm: only its beginning is surely there.
        bones = [(shoulder, elbow, UPPER_WIDTHS, 0.30, 0.50)]
    for start, end, widths, free, stop in bones:
        along = end - start
        length2 = float(along @ along) + 1e-3
        share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length2, free, stop)
        radius = (widths[0] + (widths[-1] - widths[0]) * share) * own.shoulders
        distance = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]) / radius
        best = np.minimum(best, distance)
    return best


def _elbow_shows(target: Target, side: str) -> bool:
    _, confidence = landmarks.component(target.pose, landmarks.BODY)
    return bool(confidence[0, ARM[side][1]] > _GUESSED)


def _hand_zone(target: Target, own: Figure, side: str) -> Image:
    """(H, W) where the hand is: the hull of its landmarks, or a disc at the end of the forearm."""
    zone = np.zeros(target.image.shape[:2], np.uint8)
    palm = 0.27 * own.shoulders
    if landmarks.seen(target.pose, _HANDS[side])[0]:
        points = own.hands[side][0, :, :2]
        hull(zone, points)
        zone = grown(zone, max(1, round(0.22 * palm)))
        zone = _with_skin(target.image, zone, max(1, round(0.5 * palm)))
    elif _elbow_shows(target, side):
        wrist = own.body[0, ARM[side][2], :2]
        tip = own.body[0, 19 if side == "left" else 20, :2]
        stroke(zone, np.stack([wrist, tip]), 0.8 * palm)
        # Where fingers are is not known: they are what has the wrist's colours around it.
        zone = _with_skin(target.image, zone, max(1, round(1.2 * palm)))
    return zone


def _with_skin(image: Image, zone: Image, reach: int) -> Image:
    """The zone of a hand with what joins it and has its colours: fingers that the landmarks missed."""
    x, y, width, height = cv2.boundingRect(zone)
    window = (slice(max(0, y - reach), y + height + reach), slice(max(0, x - reach), x + width + reach))
    colours = lab(image[window])
    inside = shrunk(zone[window], max(1, reach // 3)) > 0
    if not inside.any():
        return zone
    weights = np.array([0.4, 1, 1], np.float32)
    distance = np.linalg.norm((colours - np.median(colours[inside], axis=0)) * weights, axis=-1)
    for limit in (14, 9, 6):
        like = distance < limit
        _, parts = cv2.connectedComponents((like | inside).astype(np.uint8))
        joined = np.isin(parts, np.unique(parts[inside])) & like & (zone[window] == 0)
        # More than some fingers is a background of the same colour.
        if joined.sum() < 0.35 * (zone > 0).sum():
            result = zone.copy()
            result[window] |= grown(joined.astype(np.uint8) * 255, 1)
            return result
    return zone


def _own_arm(target: Target, own: Figure, labels: NDArray[np.int32], side: str, hand: Image) -> OwnArm:
    mask = mask_of(labels == _LABELS[side])
    height, width = mask.shape
    _, confidence = landmarks.component(target.pose, landmarks.BODY)
    joints = own.body[0, list(ARM[side])]

    def shows(index: int, point: Array) -> bool:
        return bool(confidence[0, index] > _SEEN and 0 <= point[0] < width and 0 <= point[1] < height)

    seen = (shows(ARM[side][1], joints[1]), shows(ARM[side][2], joints[2]))
    return OwnArm(mask=mask | hand, hand=hand, joints=joints, seen=seen)


def _torso_alpha(target: Target, own: Figure, whole: Image, arms: Image, unit: float) -> Array:
    """(H, W) opacity: the picture's own edges where they are the torso's, new soft ones where an arm was taken away."""
    edge = blurred(whole, max(0.8, 0.008 * unit)).astype(np.float32) / 255
    taken = grown(arms, max(2, round(0.05 * unit))) > 0
    alpha = np.where(
        taken, np.minimum(np.clip(edge * 2 - 0.5, 0, 1), np.maximum(target.person, arms > 0)), target.person
    )
    for side in SIDES:
        cap = _shoulder_cap(own, side, whole.shape)
        alpha = np.maximum(alpha, np.minimum(cap, target.person))
    return np.asarray(alpha, np.float32)


def _shoulder_cap(own: Figure, side: str, shape: tuple[int, ...], size: float = 1.0) -> Array:
    """(H, W) 1 around the shoulder joint, and on top of it as far as the shoulder is round: arms grow out of it."""
    joint, elbow = (own.body[0, i, :2] for i in ARM[side][:2])
    along = (elbow - joint) / (float(np.linalg.norm(elbow - joint)) + 1e-6)
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(x - joint[0], y - joint[1]).astype(np.float32)
    ahead = (x - joint[0]) * along[0] + (y - joint[1]) * along[1]
    cap = np.clip(size * SHOULDER_CAP * own.shoulders - distance + 0.5, 0, 1)
    top = np.clip(1.7 * SHOULDER_CAP * own.shoulders - distance + 0.5, 0, 1)
    top *= np.clip(0.03 * own.shoulders - ahead + 0.5, 0, 1)
    return np.asarray(np.maximum(cap, top), np.float32)


def _neck_fade(own: Figure, shape: tuple[int, int]) -> Image:
    """(H, W) 255 on the head, 0 on the trunk, fading along the neck; hair beside the neck fades out sooner."""
    face, body = own.face[0], own.body[0]
    chin, collar = face[152, :2], float(body[[11, 12], 1].mean())
    gap = max(collar - float(chin[1]), 0.15 * own.head)
    width = float(np.abs(face[234, 0] - face[454, 0])) + 1e-3
    y, x = np.ogrid[: shape[0], : shape[1]]
    beside = np.clip((np.abs(x - chin[0]) / width - 0.45) / 0.25, 0, 1).astype(np.float32)
    top = float(chin[1]) + 0.12 * gap
    bottom = float(chin[1]) + (0.52 - 0.15 * beside) * gap
    return np.asarray(np.clip((bottom - y) / (bottom - top), 0, 1) * 255, np.uint8)


def _below_chin(own: Figure, shape: tuple[int, ...]) -> Array:
    """(H, 1) 1 below the chin, 0 above: the torso goes on a little way up behind the head."""
    chin = float(own.face[0, 152, 1])
    gap = max(float(own.body[0, [11, 12], 1].mean()) - chin, 0.15 * own.head)
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    return np.clip((y - chin) / max(2.0, 0.10 * gap), 0, 1)


def _head_zone(own: Figure, shape: tuple[int, int]) -> Image:
    zone = np.zeros(shape, np.uint8)
    hull(zone, own.face[0, :, :2])
    return zone
