"""From entries to the movement of two hands: holds, movements, transitions, sampled in time.

Each hand is handled in its own space: a right hand's; the weak hand's space is the mirror image, so that a symmetric
sign is one plan used twice. Paths are minimum-jerk (T. Flash and N. Hogan, "The coordination of arm movements", 1985),
orientations go by the shortest rotation, handshapes joint by joint. Between signs the handshape is ready before the
hand arrives, as in fluent signing. Shapes: T samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.lexicon import hand
from models.lexicon.arm import shoulder_girdle, solve_arm
from models.lexicon.body import Body, SignerStyle
from models.lexicon.phonology import Cycle, Spot

Array = NDArray[np.float64]
MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class HandPlan:
    """A posture in numbers: joints (21,) radians, rotation hand -> own space, and where it is."""

    joints: Array
    rotation: Rotation
    spot: Spot
    elbow: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One hand between two postures. `phase` 0.5 runs the cycles half a turn later (the alternating hand)."""

    start: HandPlan
    end: HandPlan
    arc_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cycles: tuple[Cycle, ...] = ()
    phase: float = 0.0
    transition: bool = False  # between signs: the wrist travels, the handshape leads


@dataclass(frozen=True, kw_only=True)
class HandTrack:
    """A hand over time in its own space: wrist (T, 3) m, axes (T, 3, 3) as columns, joints (T, 21), elbow lift (T,)."""

    wrist: Array
    axes: Array
    joints: Array
    elbow: Array


def minimum_jerk(phase: Array) -> Array:
    """Progress along a movement, 0 to 1, with rest and no acceleration at both ends."""
    phase = np.clip(phase, 0, 1)
    return phase**3 * (10 - 15 * phase + 6 * phase**2)


def sample_legs(strong: Leg, weak: Leg, phase: Array, style: SignerStyle) -> tuple[HandTrack, HandTrack]:
    """Both hands at the phases (T,) of one segment; the hand that is placed on the other one comes second."""
    if strong.transition or weak.transition:
        # Which hand is placed on which may change between signs, so each end is worked out for the pair of hands.
        ends = [_still_pair(strong, weak, end, style) for end in ("start", "end")]
        tracks = [
            _sample_leg(leg, phase, None, style, between=(ends[0][number], ends[1][number]))
            for number, leg in enumerate((strong, weak))
        ]
        return tracks[0], tracks[1]
    if _needs_other(weak):
        first = _sample_leg(strong, phase, None, style)
        return first, _sample_leg(weak, phase, first, style)
    second = _sample_leg(weak, phase, None, style)
    return _sample_leg(strong, phase, second, style), second


def _still_pair(strong: Leg, weak: Leg, end: str, style: SignerStyle) -> tuple[Array, Array]:
    """The wrists (1, 3) of both hands at the start or the end of a segment."""
    plans = [getattr(leg, end) for leg in (strong, weak)]
    still = [Leg(start=plan, end=plan) for plan in plans]
    tracks = sample_legs(still[0], still[1], np.zeros(1), style)
    return tracks[0].wrist, tracks[1].wrist


def _sample_leg(
    leg: Leg,
    phase: Array,
    other: HandTrack | None,
    style: SignerStyle,
    *,
    between: tuple[Array, Array] | None = None,
) -> HandTrack:
    """One hand at the phases (T,): from wrist to wrist where `between` says so, else along the plans' spots."""
    progress = minimum_jerk(phase)
    shape_progress = minimum_jerk(phase / 0.8) if leg.transition else progress
    turn_progress = minimum_jerk(phase / 0.9) if leg.transition else progress
    joints = _between(leg.start.joints, leg.end.joints, shape_progress)
    turn = leg.start.rotation.inv() * leg.end.rotation
    rotation = leg.start.rotation * Rotation.from_rotvec(turn.as_rotvec() * turn_progress[:, None])
    joints, rotation = _cycle_hand(leg, joints, rotation, phase)

    if between is not None:
        wrist = between[0] + (between[1] - between[0]) * progress[:, None]
    else:
        wrist = _wrist(leg.start, rotation, joints, other, style)
        wrist = wrist + (_wrist(leg.end, rotation, joints, other, style) - wrist) * progress[:, None]
    wrist = np.broadcast_to(wrist, (len(phase), 3))
    wrist = wrist + np.array(leg.arc_m) * (4 * progress * (1 - progress))[:, None]
    if leg.cycles:
        wrist = wrist + _cycle_path(leg, phase, other, style)
    elbow = leg.start.elbow + (leg.end.elbow - leg.start.elbow) * progress
    return HandTrack(wrist=wrist, axes=rotation.as_matrix(), joints=joints, elbow=elbow)


def spot_position(spot: Spot, other: HandTrack | None, style: SignerStyle) -> tuple[Array, Array]:
    """Position and outward normal of a spot in own space: two arrays (T, 3), T = 1 unless it is on the other hand."""
    point, normal = _place(spot, other, style)
    offset = np.array(spot.offset_m)
    return point + normal * spot.gap_m + offset, normal


def leg_duration_s(leg: Leg, style: SignerStyle) -> float:
    """How long a segment takes: the further, the more turned, the more cycles, the longer; divided by the tempo."""
    distance = float(np.linalg.norm(rough_position(leg.end, style) - rough_position(leg.start, style)))
    distance += 0.08 * (leg.start.spot.place != leg.end.spot.place) + 1.2 * float(np.linalg.norm(leg.arc_m))
    angle = float((leg.start.rotation.inv() * leg.end.rotation).magnitude())
    bend = float(np.abs(leg.end.joints - leg.start.joints).max())
    times = [0.0]
    if distance > 0.005:
        times.append(0.10 + 0.58 * distance**0.5)
    if angle > 0.1:
        times.append(0.18 + 0.10 * angle)
    if bend > 0.1:
        times.append(0.17 + 0.05 * bend)
    cycles = sum(
        cycle.times * _CYCLE_S[cycle.kind] + cycle.times * 1.1 * cycle.size * (cycle.kind in _LONG)
        for cycle in leg.cycles[:1]
    )
    return max(*times, cycles) / style.tempo


_CYCLE_S = {
    "circle": 0.40,
    "shake": 0.26,
    "tap": 0.27,
    "twist": 0.28,
    "bend": 0.34,
    "swing": 0.28,
    "wiggle": 0.26,
    "pulse": 0.42,
}
_LONG = ("circle", "shake", "tap")


def moved(spot: Spot, by_m: Array) -> Spot:
    """The same spot shifted in own space."""
    offset = np.array(spot.offset_m) + by_m
    return replace(spot, offset_m=(float(offset[0]), float(offset[1]), float(offset[2])))


def _needs_other(leg: Leg) -> bool:
    return any(plan.spot.place.on == "other" for plan in (leg.start, leg.end))


def _between(start: Array, end: Array, progress: Array) -> Array:
    return start + (end - start) * progress[:, None]


def rough_position(plan: HandPlan, style: SignerStyle) -> Array:
    """(3,) a position good enough for timing: a spot on the other hand counts as in front of the chest."""
    if plan.spot.place.on == "other":
        return np.array([0.0, 0.28 + plan.spot.gap_m, 0.28]) + np.array(plan.spot.offset_m)
    return spot_position(plan.spot, None, style)[0][0]


def _wrist(plan: HandPlan, rotation: Rotation, joints: Array, other: HandTrack | None, style: SignerStyle) -> Array:
    """Where the wrist is so that the touching part is on the plan's spot. (T, 3)"""
    target, _ = spot_position(plan.spot, other, style)
    part = hand.part_point(hand.hand_points(joints), plan.spot.touch) * style.body.hand_scale
    return target - np.einsum("...ij,...j->...i", rotation.as_matrix(), part)


def _place(spot: Spot, other: HandTrack | None, style: SignerStyle) -> tuple[Array, Array]:
    """Position and normal of a place on this signer's body, own space, each (T, 3)."""
    body, place = style.body, spot.place
    at, normal = np.array(place.at), np.array(place.normal)[None]
    if place.on == "body":
        return at[None], normal
    if place.on == "head":
        return (body.face_centre + body.head_scale * at)[None], normal
    if place.on == "torso":
        return (at * _torso_scale(body))[None], normal
    if place.on == "space":
        reach = body.arm_length_m / Body().arm_length_m
        scale = _torso_scale(body)
        return (at * np.array([reach, scale[1], reach]))[None], normal
    if other is None:
        raise ValueError(f"{place.name}: each hand is placed on the other one; place one of them on the body")
    return _place_on_other(place.name.removeprefix("other."), other, body)


def _place_on_other(part: str, other: HandTrack, body: Body) -> tuple[Array, Array]:
    if part == "elbow":
        shoulder = shoulder_girdle(body.shoulder, other.wrist, body.arm_length_m)
        arm = solve_arm(
            shoulder,
            other.wrist,
            other.axes,
            upper_arm_m=body.upper_arm_m,
            forearm_m=body.forearm_m,
            elbow_out=other.elbow,
        )
        down = np.broadcast_to(np.array([0.0, -1.0, 0.0]), arm.elbow.shape)
        return arm.elbow * MIRROR, down
    local = hand.part_point(hand.hand_points(other.joints), part) * body.hand_scale
    point = other.wrist + np.einsum("tij,tj->ti", other.axes, local)
    direction = np.array(hand.PART_NORMALS.get(part, hand.FINGERTIP_NORMAL))
    return point * MIRROR, (other.axes @ direction) * MIRROR


def _torso_scale(body: Body) -> Array:
    reference = Body()
    return np.array(
        [
            body.shoulder_half_width_m / reference.shoulder_half_width_m,
            body.shoulder_height_m / reference.shoulder_height_m,
            body.chest_depth_m / reference.chest_depth_m,
        ]
    )


def _cycle_path(leg: Leg, phase: Array, other: HandTrack | None, style: SignerStyle) -> Array:
    """(T, 3) what the cycles add to the wrist's path."""
    added = np.zeros((len(phase), 3))
    for cycle in leg.cycles:
        # Cycles start and stop softly but do not slow down in between.
        turn = 2 * np.pi * (cycle.times * _steady(phase) + leg.phase)
        size = cycle.size * style.amplitude
        if cycle.kind == "shake" and cycle.first is not None:
            added += np.sin(turn)[:, None] * size * np.array(cycle.first)
        elif cycle.kind == "circle" and cycle.first is not None and cycle.then is not None:
            first, then = np.array(cycle.first), np.array(cycle.then)
            added += size * (np.sin(turn)[:, None] * first + (1 - np.cos(turn))[:, None] * then)
        elif cycle.kind == "tap":
            away = spot_position(leg.start.spot, other, style)[1] if cycle.first is None else np.array(cycle.first)
            added += size * (1 - np.cos(turn))[:, None] / 2 * away
    return added


def _cycle_hand(leg: Leg, joints: Array, rotation: Rotation, phase: Array) -> tuple[Array, Rotation]:
    """What the cycles do to the handshape (T, 21) and to the orientation."""
    for cycle in leg.cycles:
        turn = 2 * np.pi * (cycle.times * _steady(phase) + leg.phase)
        there_and_back = (1 - np.cos(turn)) / 2
        if cycle.kind == "twist":
            rotation = rotation * Rotation.from_rotvec(np.outer(cycle.size * np.sin(turn), [0, 1, 0]))
        elif cycle.kind == "bend":
            rotation = rotation * Rotation.from_rotvec(np.outer(cycle.size * there_and_back, [1, 0, 0]))
        elif cycle.kind == "swing":
            rotation = rotation * Rotation.from_rotvec(np.outer(cycle.size * np.sin(turn), [0, 0, 1]))
        elif cycle.kind == "pulse" and cycle.shape is not None:
            joints = joints + (np.array(cycle.shape.joints) - joints) * there_and_back[:, None]
        elif cycle.kind == "wiggle":
            joints = joints.copy()
            envelope = np.sin(np.pi * np.clip(phase, 0, 1)) ** 0.5
            for finger in range(4):
                flutter = cycle.size * envelope * (1 - np.cos(turn + finger * 1.4)) / 2
                joints[:, 4 * finger + 1] += flutter
                joints[:, 4 * finger + 2] += 0.4 * flutter
    return joints, rotation


def _steady(phase: Array) -> Array:
    """Progress of a cycle: nearly even, with a soft start and end."""
    phase = np.clip(phase, 0, 1)
    return 0.75 * phase + 0.25 * minimum_jerk(phase)
