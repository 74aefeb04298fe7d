"""The sign proper inside a clip: without the hands' way up from rest and back down.

Dictionary clips start and end at rest. Joined as they are, the hands would drop between any two signs, so between
signs each clip begins where the rising hand arrives and ends where the falling hand sets off.

Shapes: T frames.
"""

from __future__ import annotations

import numpy as np
from pose_format import Pose

from models.lexicon.placing import Array
from models.pose.span import SIDES, body_point, raised_hand, shoulder_width, wrist_speed

ARRIVED = 0.35
"""A rising hand has arrived once its speed has fallen to this share of its peak."""
STILL = 0.1
"""Below this share of its peak it stands."""
LEAST_RISE = 0.3
"""A hand that rises by less (in shoulder widths) was not at rest: the clip begins with the sign."""
LARGEST_SHARE = 0.4
"""Of the span that may be left out at either end: beyond it, the rise is part of the sign."""


def fluent_span(pose: Pose, start: int, end: int) -> tuple[int, int]:
    """(start_frame, end_frame exclusive) inside the given signing span, without the rise and the fall.

    With two hands, the one that arrives first and the one that sets off last decide. The given span where no
    hand clearly rises or falls. Raises PoseError when the pose has no arms.
    """
    width = shoulder_width(pose)
    if width is None:
        return start, end
    rises, falls = list[int](), list[int]()
    for side in SIDES:
        wrist, known = body_point(pose, f"{side.upper()}_WRIST")
        if not raised_hand(pose, side)[start:end].any() or not known[start:end].all():
            continue
        height = -wrist[start:end, 1] / width
        speed = wrist_speed(pose, side)[start:end]
        rises.append(_arrival(height, speed))
        falls.append(_arrival(height[::-1], speed[::-1]))
    cut = [min(ways) if ways else 0 for ways in (rises, falls)]
    return start + cut[0], end - cut[1]


def _arrival(height: Array, speed: Array) -> int:
    """The frame at which the hand that rises from frame 0 on has arrived; 0 when it does not rise or arrives late."""
    limit = int(LARGEST_SHARE * len(height))
    if limit < 2:
        return 0
    peak = int(np.argmax(speed[:limit]))
    slow = np.flatnonzero(speed[peak:limit] <= ARRIVED * speed[peak])
    if not len(slow):
        return 0
    arrived = peak + int(slow[0])
    # On until it is nearly still, or speeds up again: a hand in flight is blurred and joins badly.
    while arrived + 1 < limit and speed[arrived + 1] < speed[arrived] and speed[arrived] > STILL * speed[peak]:
        arrived += 1
    return arrived if height[arrived] - height[0] > LEAST_RISE else 0
