"""Whether a body can make a sign: reach, joint limits, and hands that go through head, trunk or each other.

The check signs the entry exactly as written (no sloppiness) on the reference body and looks at every moment of it.
Shapes: T samples, B points along the bones of a hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.lexicon import arm as arms
from models.lexicon import hand
from models.lexicon.body import Body, SignerStyle
from models.lexicon.motion import MIRROR
from models.lexicon.performance import Skeleton, build_skeleton
from models.lexicon.phonology import ONE, SignEntry
from models.lexicon.timeline import build_timeline
from models.pose.landmarks import HAND_BONES

Array = NDArray[np.float64]

EXACT = SignerStyle(sloppiness=0.0)
SAMPLES_PER_S = 50
ANGLE_TOLERANCE_DEG = 8.0  # the limits are those of an average joint
REACH_TOLERANCE = 0.03  # of the arm's length: the trunk leans a little
SKIN_TOLERANCE_M = 0.012  # bones run under the skin, and skin gives
FINGER_GAP_M = 0.004  # bones of two hands that come nearer than this go through each other

_BONES = np.array([*HAND_BONES, (5, 9), (9, 13), (13, 17)])


def check_entry(entry: SignEntry) -> list[str]:
    """What a body cannot do in this sign; empty when it can. Each message starts with the gloss."""
    skeleton = _sampled(entry)
    problems: list[str] = []
    for number, side in enumerate(_hands_used(entry)):
        problems += [f"{side} hand: {problem}" for problem in _arm_problems(skeleton, number)]
        problems += [f"{side} hand: {problem}" for problem in _shape_problems(skeleton, number)]
        points = _hand_in_own_space(skeleton, number)
        problems += [f"{side} hand: {problem}" for problem in _body_problems(points, EXACT.body)]
    if len(_hands_used(entry)) == 2:
        gap = _gap_between_hands(*skeleton.hands)
        if gap < FINGER_GAP_M:
            problems.append(f"the hands go through each other (bones come within {1000 * gap:.0f} mm)")
    return [f"{entry.gloss}: {problem}" for problem in problems]


def _hands_used(entry: SignEntry) -> tuple[str, ...]:
    return ("strong",) if entry.hands == ONE else ("strong", "weak")


def _sampled(entry: SignEntry) -> Skeleton:
    """The entry between its first and last hold, arms solved on those moments alone."""
    timeline = build_timeline([entry], EXACT)
    (span,) = timeline.spans([entry])
    count = max(3, round((span.end_s - span.start_s) * SAMPLES_PER_S))
    return build_skeleton(timeline, [entry], np.linspace(span.start_s, span.end_s - 1e-6, count), EXACT)


def _arm_problems(skeleton: Skeleton, number: int) -> list[str]:
    pose = skeleton.arms[number]
    problems = []
    beyond = float(pose.stretch.max()) - arms.MAX_REACH
    if beyond > REACH_TOLERANCE:
        problems.append(f"out of reach by {100 * beyond * EXACT.body.arm_length_m:.0f} cm")
    for name, angle, (low, high) in (
        ("wrist flexion", pose.flexion, arms.FLEXION_LIMITS_DEG),
        ("wrist deviation", pose.deviation, arms.DEVIATION_LIMITS_DEG),
        ("forearm roll", pose.roll, arms.ROLL_LIMITS_DEG),
    ):
        lowest, highest = _range_deg(angle)
        if lowest < low - ANGLE_TOLERANCE_DEG or highest > high + ANGLE_TOLERANCE_DEG:
            problems.append(f"{name} goes from {lowest:.0f}° to {highest:.0f}°; a wrist does {low:.0f}° to {high:.0f}°")
    return problems


def _shape_problems(skeleton: Skeleton, number: int) -> list[str]:
    joints = skeleton.tracks[number].joints
    low, high = hand.joint_limits()
    tolerance = np.radians(1.0)
    wrong = np.flatnonzero((joints < low - tolerance).any(axis=0) | (joints > high + tolerance).any(axis=0))
    return [
        f"{hand.joint_name(int(index))} goes from {np.degrees(joints[:, index].min()):.0f}° to "
        f"{np.degrees(joints[:, index].max()):.0f}°; a joint does {np.degrees(low[index]):.0f}° to "
        f"{np.degrees(high[index]):.0f}°"
        for index in wrong
    ]


def _body_problems(points: Array, body: Body) -> list[str]:
    """Hand points (T, 21, 3) in own space against the head and the trunk (both are the same in the mirror)."""
    problems = []
    centre, radii = body.skull
    depth = (1 - np.linalg.norm((points - centre) / radii, axis=-1)) * radii.min()
    if depth.max() > SKIN_TOLERANCE_M:
        problems.append(f"goes {100 * depth.max():.1f} cm into the head")
    half_width = 0.80 * body.shoulder_half_width_m
    inside = (np.abs(points[..., 0]) < half_width) & (points[..., 1] > 0) & (points[..., 1] < body.shoulder_height_m)
    # The trunk is deepest at the breastbone and rounds off to the sides.
    surface = body.chest_depth_m * np.sqrt(np.clip(1 - (points[..., 0] / (1.5 * half_width)) ** 2, 0, 1))
    depth = np.where(inside, surface - points[..., 2], 0)
    if depth.max() > SKIN_TOLERANCE_M:
        problems.append(f"goes {100 * depth.max():.1f} cm into the trunk")
    return problems


def _hand_in_own_space(skeleton: Skeleton, number: int) -> Array:
    return skeleton.hands[0] if number == 0 else skeleton.hands[1] * MIRROR


def _gap_between_hands(right: Array, left: Array) -> float:
    """The smallest distance between points along the bones of the two hands at one moment, metres."""
    share = np.linspace(0, 1, 7)[:, None, None]

    def along_bones(points: Array) -> Array:  # (21, 3) -> (B, 3)
        start, end = points[_BONES[:, 0]], points[_BONES[:, 1]]
        return (start + share * (end - start)).reshape(-1, 3)

    gaps = [
        np.linalg.norm(along_bones(one)[:, None] - along_bones(other)[None], axis=-1).min()
        for one, other in zip(right[::2], left[::2], strict=True)
    ]
    return float(min(gaps))


def _range_deg(angle: Array) -> tuple[float, float]:
    return float(np.degrees(angle.min())), float(np.degrees(angle.max()))
