"""From the end of one motion to the start of the next, in joint space, so that no bone shrinks on the way.

The wrists travel on minimum-jerk paths that leave and arrive with the velocity of the signs themselves (the quintic of
T. Flash and N. Hogan, "The coordination of arm movements", 1985, with moving ends). The elbow follows by two-bone
inverse kinematics. The palm turns by the shortest rotation, and every finger bone turns relative to the palm.
Torso and face go straight. All in 3-D: pixels with depth for what is in the picture, metres for world landmarks.

Shapes: N frames of the transition, K landmarks.
"""

from __future__ import annotations

import numpy as np

from models.lexicon.body import Body
from models.lexicon.joints import (
    blend_hands,
    elbow_of,
    handshape_change,
    limited,
    palm_turn,
    quintic,
    shortest_rotation,
)
from models.lexicon.motion import minimum_jerk
from models.lexicon.placing import SHOULDER_FRACTION, Arm, Array, Layout, Motion
from models.pose.landmarks import BODY

SHORTEST_S, LONGEST_S = 0.14, 1.2
WEAK_SHARE = 0.75
"""The slower hand's long way, mostly to or from rest, counts this much."""
FIRST_SIGHT = 0.05
"""Confidence a hand that fades in begins with, as a share of its own."""
LEAST_RUN = 0.5
"""Shoulder widths: at the speed it joins with, a wrist could go this much farther than its way; faster is a glitch."""
MOST_JERK = 800.0
"""Shoulder widths / s³: a transition takes at least as long as keeps wrists and fingers below it."""
_SPEED_FRAMES = 4


def transition(before: Motion, after: Motion, layout: Layout, *, fps: float, size: int, tempo: float = 1.0) -> Motion:
    """The frames strictly between the last of `before` and the first of `after`; at least two.

    A landmark that is missing at either end is missing on the way, except a hand: one that only one end
    shows moves with the forearm from or to the other end, and its confidence rises or falls.
    """
    start, end = _Edge(before, layout, last=True), _Edge(after, layout, last=False)
    seconds = duration_s(start, end, layout, fps=fps, size=size) / tempo
    count = max(2, round(seconds * fps) - 1)
    phase = np.arange(1, count + 1) / (count + 1)
    progress = minimum_jerk(phase)[:, None]
    points = start.points + (end.points - start.points) * progress[..., None]
    # Confidence 0 at either end makes 0.
    sure = np.repeat(np.minimum(start.sure, end.sure)[None], count, axis=0)
    frames = Motion(points=points, sure=sure)
    steps = (count + 1) / fps
    limit = SHOULDER_FRACTION * size
    for arm in layout.world_arms:
        _move_arm(frames, start, end, arm, phase, steps, fps, 2 * Body().shoulder_half_width_m)
    for arm in layout.body_arms:
        _move_arm(frames, start, end, arm, phase, steps, fps, limit)
        if arm.hand is not None:
            _move_hand(frames, start, end, arm, phase, steps * fps)
    share = start.depth_share + (end.depth_share - start.depth_share) * progress
    frames.points[:, layout.components[BODY], 2] /= share
    return frames


def duration_s(start: _Edge, end: _Edge, layout: Layout, *, fps: float, size: int) -> float:
    """Seconds a transition takes: longer the further a wrist travels, the palm turns and the fingers bend.

    The same times as between written signs (`motion.leg_duration_s`), in metres of a body of average shoulders,
    and longer where wrist or fingers would jerk: joined with the speed of the signs, or carried far by the palm's turn.
    """
    shoulders = SHOULDER_FRACTION * size
    needs = []
    for arm in layout.body_arms:
        times = [SHORTEST_S]
        wrist = start.sure[arm.wrist] > 0 and end.sure[arm.wrist] > 0
        if wrist:
            travel = float(np.linalg.norm((end.points - start.points)[arm.wrist, :2])) / shoulders
            times.append(0.10 + 0.58 * (2 * Body().shoulder_half_width_m * travel) ** 0.5)
        if arm.hand is not None and start.sees(arm.hand) and end.sees(arm.hand):
            turn, bend = handshape_change(start.points[arm.hand], end.points[arm.hand])
            times += [0.18 + 0.10 * turn] * (turn > 0.1) + [0.17 + 0.05 * bend] * (bend > 0.1)
        needs.append(max(times))
    seconds = max(max(needs) * WEAK_SHARE, min(needs))
    while seconds < LONGEST_S and _peak_jerk(start, end, layout, seconds, fps) > MOST_JERK * shoulders:
        seconds += 0.02
    return float(np.clip(seconds, SHORTEST_S, LONGEST_S))


def _peak_jerk(start: _Edge, end: _Edge, layout: Layout, seconds: float, fps: float) -> float:
    """The largest third derivative of the quintics (`quintic`) of wrists and hands, in pixels / s³."""
    phase = np.linspace(0, 1, 5)[:, None, None]
    largest = 0.0
    for arm in layout.body_arms:
        index = [arm.wrist, *(range(arm.hand.start, arm.hand.stop) if arm.hand else ())]
        known = (start.sure[index] > 0) & (end.sure[index] > 0)
        way = (end.points - start.points)[index][known]
        leave, arrive = (edge.per_frame[arm.wrist] * fps * seconds for edge in (start, end))
        jerk = (
            way * (60 - 360 * phase + 360 * phase**2)
            + leave * (-36 + 192 * phase - 180 * phase**2)
            + arrive * (-24 + 168 * phase - 180 * phase**2)
        )
        if known.any():
            largest = max(largest, float(np.linalg.norm(jerk[..., :2], axis=-1).max()) / seconds**3)
    return largest


class _Edge:
    """A motion at its join: positions (K, 3) with arms of one length, confidence (K,), velocity (K, 3) per frame."""

    def __init__(self, motion: Motion, layout: Layout, *, last: bool) -> None:
        frame = len(motion) - 1 if last else 0
        self.points, self.sure = motion.points[frame].copy(), motion.sure[frame].copy()
        count = min(_SPEED_FRAMES, len(motion))
        window = slice(len(motion) - count, None) if last else slice(0, count)
        known = (motion.sure[window] > 0).all(axis=0)
        times = np.arange(count) - (count - 1) / 2
        # The slope of the straight line through the frames at the edge: one difference would be mostly tremble.
        slope = np.einsum("t,tkc->kc", times, motion.points[window]) / max(float((times**2).sum()), 1.0)
        self.per_frame = np.where(known[:, None], slope, 0.0)
        self.depth_share = motion.depth_share
        for values in (self.points, self.per_frame):
            values[layout.components[BODY], 2] *= motion.depth_share
        self.turns = {arm.hand.start: palm_turn(motion.points[window, arm.hand])
                      for arm in layout.body_arms if arm.hand and known[arm.hand].all()}  # fmt: skip

    def sees(self, part: slice) -> bool:
        """Whether all landmarks of a part are there."""
        return bool((self.sure[part] > 0).all())


def _move_arm(
    frames: Motion, start: _Edge, end: _Edge, arm: Arm, phase: Array, seconds: float, fps: float, shoulders: float
) -> None:
    """Write wrist, elbow and the body's knuckles of one arm into `frames` (N)."""
    joints = [arm.shoulder, arm.elbow, arm.wrist]
    if not (start.sure[joints] > 0).all() or not (end.sure[joints] > 0).all():
        return
    travel = float(np.linalg.norm(end.points[arm.wrist] - start.points[arm.wrist]))
    leave, arrive = (
        limited(edge.per_frame[arm.wrist] * fps * seconds, travel + LEAST_RUN * shoulders) for edge in (start, end)
    )
    wrist = quintic(start.points[arm.wrist], end.points[arm.wrist], leave, arrive, phase)
    for tip in arm.tips:
        offset = frames.points[:, tip] - frames.points[:, arm.wrist]
        frames.points[:, tip] = wrist + offset
    lengths = []
    for bone in ((arm.shoulder, arm.elbow), (arm.elbow, arm.wrist)):
        ends = [float(np.linalg.norm(edge.points[bone[1]] - edge.points[bone[0]])) for edge in (start, end)]
        lengths.append(ends[0] + (ends[1] - ends[0]) * minimum_jerk(phase))
    frames.points[:, arm.wrist] = wrist
    frames.points[:, arm.elbow] = elbow_of(
        frames.points[:, arm.shoulder], wrist, frames.points[:, arm.elbow], lengths[0], lengths[1]
    )


def _move_hand(frames: Motion, start: _Edge, end: _Edge, arm: Arm, phase: Array, steps: float) -> None:
    """Write one hand's landmarks into `frames`: carried by the arm's wrist, turned and reshaped bone by bone.

    steps: length of the transition in frames.
    """
    part, progress = arm.hand or slice(0), minimum_jerk(phase)
    shown = [start.sees(part), end.sees(part)]
    if not any(shown):
        return
    if all(shown):
        hands, sure = (start.points[part], end.points[part]), frames.sure[:, part]
    else:
        seen, blind = (start, end) if shown[0] else (end, start)
        carried = _carried(seen, blind, arm)
        if carried is None:
            return
        hands = (start.points[part], carried) if shown[0] else (carried, end.points[part])
        share = FIRST_SIGHT + (1 - FIRST_SIGHT) * (1 - progress if shown[0] else progress)
        sure = seen.sure[part] * share[:, None]
    still = np.zeros(3)
    turns = [edge.turns.get(part.start, still) * steps if all(shown) else still for edge in (start, end)]
    shape = blend_hands(hands[0], hands[1], phase, *turns)
    tied = start.sure[arm.wrist] > 0 and end.sure[arm.wrist] > 0
    if tied:
        offsets = [hand[0] - edge.points[arm.wrist] for hand, edge in zip(hands, (start, end), strict=True)]
        root = frames.points[:, arm.wrist] + offsets[0] + (offsets[1] - offsets[0]) * progress[:, None]
    else:
        root = hands[0][0] + (hands[1][0] - hands[0][0]) * progress[:, None]
    # A hand's depth is measured from its own wrist, whatever the arm does.
    root[:, 2] = hands[0][0, 2] + (hands[1][0, 2] - hands[0][0, 2]) * progress
    frames.points[:, part] = root[:, None] + shape
    frames.sure[:, part] = sure


def _carried(seen: _Edge, blind: _Edge, arm: Arm) -> Array | None:
    """The hand that `seen` shows, as the forearm of `blind` would carry it: same handshape, same bend of the wrist."""
    part, joints = arm.hand or slice(0), [arm.elbow, arm.wrist]
    if not (seen.sure[joints] > 0).all() or not (blind.sure[joints] > 0).all():
        return None
    forearms = [edge.points[arm.wrist] - edge.points[arm.elbow] for edge in (seen, blind)]
    hand = seen.points[part]
    root = blind.points[arm.wrist] + hand[0] - seen.points[arm.wrist]
    root[2] = hand[0, 2]
    return root + shortest_rotation(forearms[0], forearms[1]).apply(hand - hand[0])


REST_DIRECTION = (0.08, 0.96, -0.28)
"""From a shoulder to its wrist at rest: down, a little inwards (here: to the right) and forward."""
REST_STRETCH = 0.98
"""Of the arm's length: an arm that hangs is hardly bent."""


def at_rest(motion: Motion, frame: int, layout: Layout) -> Motion:
    """One frame: the signer of `motion` as in that frame, but with hanging arms and the hands out of sight.

    The arms are as long as they usually look in the clip. An arm that the frame does not show stays missing.
    """
    points, sure = motion.points[[frame]].copy(), motion.sure[[frame]].copy()
    every = motion.points.copy()
    body = layout.components[BODY]
    for values in (points, every):
        values[:, body, 2] *= motion.depth_share
    for arm in (*layout.body_arms, *layout.world_arms):
        if arm.hand is not None:
            sure[:, arm.hand] = 0
        joints = [arm.shoulder, arm.elbow, arm.wrist]
        known = (motion.sure[:, joints] > 0).all(axis=1)
        if not known[frame]:
            continue
        upper, fore = (
            np.percentile(np.linalg.norm(every[known, a] - every[known, b], axis=1), 90, keepdims=True)
            for a, b in ((arm.elbow, arm.shoulder), (arm.wrist, arm.elbow))
        )
        inwards = 1.0 if arm.side == "right" else -1.0
        direction = np.array(REST_DIRECTION) * (inwards, 1, 1)
        wrist = points[:, arm.shoulder] + REST_STRETCH * (upper + fore) * direction / np.linalg.norm(direction)
        outwards = points[:, arm.shoulder] + np.array([-inwards, 0.0, 0.2]) * upper
        for tip in arm.tips:
            points[:, tip] += wrist - points[:, arm.wrist]
        points[:, arm.elbow] = elbow_of(points[:, arm.shoulder], wrist, outwards, upper, fore)
        points[:, arm.wrist] = wrist
    points[:, body, 2] /= motion.depth_share
    return Motion(points=points, sure=sure, depth_share=motion.depth_share)
