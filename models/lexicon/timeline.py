"""A sequence of signs as one timeline: rest, transition, sign (hold, movements, hold), transition, ..., rest.

Everything random about a performance (placement, orientation, handshape and timing errors) is drawn here from
the style's seed; `motion` only evaluates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.lexicon import hand
from models.lexicon.body import SignerStyle
from models.lexicon.motion import HandPlan, HandTrack, Leg, leg_duration_s, moved, rough_position, sample_legs
from models.lexicon.phonology import ALTERNATING, ONE, Handshape, Marks, Move, Place, Posture, SignEntry, Spot, Vector

Array = NDArray[np.float64]

START_HOLD_S, END_HOLD_S = 0.07, 0.12
REST_S = 0.32
RELAXED = Handshape(
    name="relaxed",
    joints=tuple(
        np.radians([4, 25, 30, 15, 1, 30, 34, 18, -2, 34, 36, 18, -6, 38, 36, 18, 30, 20, 15, 15, 15]).tolist()
    ),
)
# Where a resting wrist is, in arm lengths from the shoulder, with palm and fingers.
RESTS: dict[str, tuple[Vector, Vector, Vector]] = {
    "lap": ((0.0, -0.90, 0.30), (0.35, -0.94, 0.0), (0.35, -0.1, 0.93)),
    "sides": ((-0.09, -0.97, 0.03), (0.95, 0.0, -0.2), (0.05, -1.0, 0.15)),
    "waist": ((-0.09, -0.76, 0.38), (0.2, -0.3, -0.93), (0.93, -0.25, 0.1)),
}


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of time with one leg of each hand. `sign` is the index of the entry, None between signs."""

    duration_s: float
    strong: Leg
    weak: Leg
    sign: int | None = None


@dataclass(frozen=True, kw_only=True)
class SignSpan:
    """When a sign is made, from the start of its first hold to the end of its last, in seconds."""

    start_s: float
    end_s: float
    marks: Marks


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The phases of a whole performance."""

    phases: tuple[Phase, ...]

    @property
    def duration_s(self) -> float:
        """Length of the performance."""
        return float(sum(phase.duration_s for phase in self.phases))

    def spans(self, entries: Sequence[SignEntry]) -> list[SignSpan]:
        """The span of each entry, in order."""
        spans: list[SignSpan] = []
        now = 0.0
        bounds: dict[int, tuple[float, float]] = {}
        for phase in self.phases:
            if phase.sign is not None:
                start, _ = bounds.get(phase.sign, (now, now))
                bounds[phase.sign] = (start, now + phase.duration_s)
            now += phase.duration_s
        for index, entry in enumerate(entries):
            start, end = bounds[index]
            spans.append(SignSpan(start_s=start, end_s=end, marks=entry.marks))
        return spans

    def sample(self, times_s: Array, style: SignerStyle) -> tuple[HandTrack, HandTrack]:
        """Strong and weak hand at the times (T,), increasing, each in its own space."""
        starts = np.concatenate([[0.0], np.cumsum([phase.duration_s for phase in self.phases])])
        which = np.clip(np.searchsorted(starts, times_s, side="right") - 1, 0, len(self.phases) - 1)
        parts: list[tuple[HandTrack, HandTrack]] = []
        for index in np.unique(which):
            phase = self.phases[index]
            local = (times_s[which == index] - starts[index]) / max(phase.duration_s, 1e-6)
            parts.append(sample_legs(phase.strong, phase.weak, local, style))
        return _joined([strong for strong, _ in parts]), _joined([weak for _, weak in parts])


def build_timeline(entries: Sequence[SignEntry], style: SignerStyle) -> Timeline:
    """The timeline of a performance: rest, the signs with their transitions, rest."""
    rng = np.random.default_rng([style.seed, 1])
    rest = _resting(style.hands_rest, style)
    waiting = _resting("waist", style)  # where the weak hand waits when the next sign needs it
    phases = [_still(rest, rest, REST_S)]
    for index, entry in enumerate(entries):
        following = entries[index + 1] if index + 1 < len(entries) else None
        idle = rest if following is None or following.hands == ONE else waiting
        sign = _sign(entry, idle, style, rng, index)
        phases.append(_transition(phases[-1], sign[0], style))
        phases += sign
    ending = _still(rest, rest, REST_S)
    phases += [_transition(phases[-1], ending, style), ending]
    return Timeline(phases=tuple(phases))


def _sign(entry: SignEntry, idle: HandPlan, style: SignerStyle, rng: np.random.Generator, index: int) -> list[Phase]:
    """The phases of one sign: hold, its movements (as often as it repeats), hold."""
    strong = _Walker(_plan(entry.strong), style, rng)
    weak = _Walker(_plan(entry.weak), style, rng) if entry.weak else None
    phases: list[Phase] = []

    def add(strong_leg: Leg, weak_leg: Leg, duration_s: float | None) -> None:
        if duration_s is None:
            lengths = [leg_duration_s(strong_leg, style)]
            if entry.hands != ONE:
                lengths.append(leg_duration_s(weak_leg, style))
            duration_s = max(lengths) * float(np.clip(rng.normal(1, 0.25 * style.sloppiness), 0.7, 1.4))
        phases.append(Phase(duration_s=duration_s, strong=strong_leg, weak=weak_leg, sign=index))

    def other(leg: Leg, move: Move | None) -> Leg:
        if weak is not None:
            return weak.leg(move or Move())
        if entry.hands == ONE:
            return Leg(start=idle, end=idle)
        if entry.hands == ALTERNATING:
            return replace(leg, start=leg.end, end=leg.start, phase=0.5)
        return leg

    opening = strong.leg(Move())
    for turn in range(entry.repeat):
        if turn:
            strong_back, weak_back = strong.back(), weak.back() if weak else None
            add(strong_back, weak_back or other(strong_back, None), None)
        for step in entry.steps:
            leg = strong.leg(step.strong)
            time_s = step.strong.time_s
            add(leg, other(leg, step.weak), None if time_s is None else time_s / style.tempo)
    if not phases:
        add(opening, other(opening, None), 0.0)
    first, last = phases[0], phases[-1]
    opening_phase = _still(_at(first.strong, 0.0), _at(first.weak, 0.0), START_HOLD_S / style.tempo, index)
    hold_s = END_HOLD_S if entry.hold_s is None else entry.hold_s
    closing_phase = _still(_at(last.strong, 1.0), _at(last.weak, 1.0), hold_s / style.tempo, index)
    return [opening_phase, *phases, closing_phase]


class _Walker:
    """One hand on its way through the steps of a sign: knows the posture it is in, and its signer's mistakes."""

    def __init__(self, start: HandPlan, style: SignerStyle, rng: np.random.Generator) -> None:
        self._style, self._sloppy = style, style.sloppiness
        contact = 0.35 if start.spot.place.on in ("head", "other") else 1.0
        self._offset = rng.normal(0, 0.014 * self._sloppy * contact, 3)
        self._turn = Rotation.from_rotvec(rng.normal(0, np.radians(8) * self._sloppy, 3))
        self._joints = rng.normal(0, np.radians(7) * self._sloppy, hand.NUM_JOINTS)
        self._start = self._here = self._imperfect(start)

    def leg(self, move: Move) -> Leg:
        """The leg of a move from where the hand is, and step to its end."""
        start = self._here
        spot = start.spot
        if move.to is not None:
            spot = moved(move.to, self._offset)
        if move.line_m is not None:
            spot = moved(spot, np.array(move.line_m) * self._style.amplitude)
        end = replace(start, spot=spot)
        if move.shape is not None:
            end = replace(end, joints=self._joints_of(np.array(move.shape.joints)))
        if move.palm is not None and move.fingers is not None:
            end = replace(end, rotation=_rotation(move.palm, move.fingers) * self._turn)
        if move.elbow is not None:
            end = replace(end, elbow=move.elbow)
        self._here = end
        arc = np.array(move.arc_m or (0, 0, 0)) * self._style.amplitude
        return Leg(start=start, end=end, arc_m=(float(arc[0]), float(arc[1]), float(arc[2])), cycles=move.cycles)

    def back(self) -> Leg:
        """The leg back to the start of the sign, for another repetition."""
        leg = Leg(start=self._here, end=self._start, transition=True)
        self._here = self._start
        return leg

    def _imperfect(self, plan: HandPlan) -> HandPlan:
        return replace(
            plan,
            joints=self._joints_of(plan.joints),
            rotation=plan.rotation * self._turn,
            spot=moved(plan.spot, self._offset),
        )

    def _joints_of(self, joints: Array) -> Array:
        low, high = hand.joint_limits()
        return np.clip(joints + self._joints, np.minimum(low, joints), np.maximum(high, joints))


def _transition(before: Phase, after: Phase, style: SignerStyle) -> Phase:
    """Between signs: as long as the further hand needs, bulging away from body and face, and hands from each other."""
    strong, weak = (
        Leg(start=_at(start, 1.0), end=_at(end, 0.0), transition=True)
        for start, end in ((before.strong, after.strong), (before.weak, after.weak))
    )
    travels = [
        float(np.linalg.norm(rough_position(leg.end, style) - rough_position(leg.start, style)))
        for leg in (strong, weak)
    ]
    needs = [leg_duration_s(leg, style) for leg in (strong, weak)]
    arcs = [(-0.2 * min(travels), 0.0, 0.14 * travel) for travel in travels]
    # The weak hand's long way to its resting place does not hold the strong hand up.
    duration_s = max(needs[0], 0.75 * needs[1], 0.14 / style.tempo)
    strong, weak = (replace(leg, arc_m=arc) for leg, arc in zip((strong, weak), arcs, strict=True))
    return Phase(duration_s=duration_s, strong=strong, weak=weak)


def _at(leg: Leg, phase: float) -> HandPlan:
    """The posture a leg starts (0) or ends (1) in, cycles included where they move the hand's home (a half circle)."""
    plan = leg.start if phase == 0 else leg.end
    for cycle in leg.cycles:
        turn = 2 * np.pi * (cycle.times * phase + leg.phase)
        first, then = np.array(cycle.first or (0, 0, 0)), np.array(cycle.then or (0, 0, 0))
        if cycle.kind == "circle":
            plan = replace(plan, spot=moved(plan.spot, cycle.size * (np.sin(turn) * first + (1 - np.cos(turn)) * then)))
        elif cycle.kind == "shake":
            plan = replace(plan, spot=moved(plan.spot, cycle.size * np.sin(turn) * first))
    return plan


def _still(strong: HandPlan, weak: HandPlan, duration_s: float, sign: int | None = None) -> Phase:
    return Phase(duration_s=duration_s, strong=Leg(start=strong, end=strong), weak=Leg(start=weak, end=weak), sign=sign)


def _resting(name: str, style: SignerStyle) -> HandPlan:
    """A relaxed hand at one of the resting places."""
    offset, palm, fingers = RESTS[name]
    wrist = style.body.shoulder + np.array(offset) * style.body.arm_length_m
    place = Place(name=name, on="body", at=(float(wrist[0]), float(wrist[1]), float(wrist[2])))
    spot = Spot(place=place, touch="wrist", gap_m=0.0)
    return HandPlan(joints=np.array(RELAXED.joints), rotation=_rotation(palm, fingers), spot=spot)


def _plan(posture: Posture) -> HandPlan:
    return HandPlan(
        joints=np.array(posture.shape.joints),
        rotation=_rotation(posture.palm, posture.fingers),
        spot=posture.spot,
        elbow=posture.elbow,
    )


def _rotation(palm: Vector, fingers: Vector) -> Rotation:
    """Hand axes (thumb side, fingers, palm) as columns; the palm is turned to be at right angles to the fingers."""
    along = np.array(fingers) / np.linalg.norm(fingers)
    facing = np.array(palm) - along * (along @ np.array(palm))
    facing = facing / np.linalg.norm(facing)
    return Rotation.from_matrix(np.stack([np.cross(along, facing), along, facing], axis=1))


def _joined(tracks: Sequence[HandTrack]) -> HandTrack:
    return HandTrack(
        wrist=np.concatenate([track.wrist for track in tracks]),
        axes=np.concatenate([track.axes for track in tracks]),
        joints=np.concatenate([track.joints for track in tracks]),
        elbow=np.concatenate([track.elbow for track in tracks]),
    )
