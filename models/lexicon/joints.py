"""Geometry of arms and hands that are given as landmarks: paths of least jerk, elbows, palms, finger bones.

A hand is its 21 landmarks (21, 3) in MediaPipe's order, in any unit that is the same for x, y and z. Its shape is the
directions and lengths of its 20 bones relative to the palm.

Shapes: N instants.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from models.lexicon.motion import minimum_jerk
from models.lexicon.placing import Array
from models.pose.landmarks import HAND_BONES

LEAST_TURN = 0.6
"""Radians: at the speed it joins with, a palm could turn this much farther than it has to; faster is a glitch."""


def quintic(start: Array, end: Array, start_step: Array, end_step: Array, phase: Array) -> Array:
    """(N, 3) the path of least jerk from (3,) to (3,) with given velocities (per whole path) and no acceleration at
    both ends, at the phases (N,) in 0..1."""
    t = phase[:, None]
    leave = t - 6 * t**3 + 8 * t**4 - 3 * t**5
    arrive = -4 * t**3 + 7 * t**4 - 3 * t**5
    return start + (end - start) * minimum_jerk(phase)[:, None] + leave * start_step + arrive * end_step


def elbow_of(shoulder: Array, wrist: Array, hint: Array, upper: Array, fore: Array) -> Array:
    """(N, 3) the elbow nearest to `hint` (N, 3) on the circle that the bone lengths (N,) leave it.

    A wrist out of reach stretches both bones alike.
    """
    reach = np.maximum(np.linalg.norm(wrist - shoulder, axis=1), 1e-9)
    line = (wrist - shoulder) / reach[:, None]
    along = np.clip((upper**2 - fore**2 + reach**2) / (2 * reach), -upper, upper)
    far = reach >= upper + fore
    along = np.where(far, reach * upper / np.maximum(upper + fore, 1e-9), along)
    off = np.sqrt(np.maximum(np.where(far, 0, upper**2 - along**2), 0))
    side = hint - shoulder
    side = side - line * (side * line).sum(axis=1, keepdims=True)
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return shoulder + line * along[:, None] + side * off[:, None]


def palm_axes(hand: Array) -> Rotation:
    """The rotation of a hand (21, 3): y from the wrist to the middle knuckle, z out of the plane of the knuckles."""
    along = hand[9] - hand[0]
    across = hand[5] - hand[17]
    along = along / (np.linalg.norm(along) or 1.0)
    out = np.cross(across, along)
    if np.linalg.norm(out) < 1e-6:  # a flat or wrong detection: any axis at right angles will do
        out = np.cross(along + np.array([0.3, 0.7, 0.1]), along)
    out = out / (np.linalg.norm(out) or 1.0)
    axes = np.stack([np.cross(along, out), along, out], axis=1)
    return Rotation.from_matrix(axes) if abs(np.linalg.det(axes)) > 0.5 else Rotation.identity()


def handshape_change(start: Array, end: Array) -> tuple[float, float]:
    """Two hands (21, 3): the angle the palm turns and the largest angle a finger bone turns in it, in radians."""
    turn = float((palm_axes(start).inv() * palm_axes(end)).magnitude())
    bones = [_directions(palm_axes(hand).inv().apply(_bones(hand))) for hand in (start, end)]
    return turn, float(np.arccos(np.clip((bones[0] * bones[1]).sum(axis=1), -1, 1)).max())


def blend_hands(
    start: Array, end: Array, phase: Array, leave: Array | None = None, arrive: Array | None = None
) -> Array:
    """(N, 21, 3) hands about their wrist between two hands (21, 3): palm by the shortest rotation, each bone's
    direction in the palm by the shortest arc, each bone's length between its two lengths.

    leave, arrive: how far (rotation vectors in the palm, radians per whole transition) the palm turns at the ends.
    """
    axes = [palm_axes(hand) for hand in (start, end)]
    turn = (axes[0].inv() * axes[1]).as_rotvec()
    most = float(np.linalg.norm(turn)) + LEAST_TURN
    still = np.zeros(3)
    ways = [limited(still if way is None else way, most) for way in (leave, arrive)]
    # A rotation that changes its axis on the way does not add up exactly; for less than half a turn it is close.
    palm = axes[0] * Rotation.from_rotvec(quintic(still, turn, ways[0], ways[1], phase))
    progress = minimum_jerk(phase)
    bones = [frame.inv().apply(_bones(hand)) for frame, hand in zip(axes, (start, end), strict=True)]
    lengths = [np.linalg.norm(bone, axis=1) for bone in bones]
    length = lengths[0] + (lengths[1] - lengths[0]) * progress[:, None]
    direction = _arc(_directions(bones[0]), _directions(bones[1]), progress)
    steps = np.einsum("nij,nkj->nki", palm.as_matrix(), direction * length[..., None])
    hand = np.zeros((len(phase), 21, 3))
    for (parent, child), step in zip(HAND_BONES, steps.swapaxes(0, 1), strict=True):
        hand[:, child] = hand[:, parent] + step
    return hand


def palm_turn(hands: Array) -> Array:
    """(3,) how the palm turns per frame over the hands (T, 21, 3), in its own axes."""
    if len(hands) < 2:
        return np.zeros(3)
    turn = palm_axes(hands[0]).inv() * palm_axes(hands[-1])
    return np.asarray(turn.as_rotvec() / (len(hands) - 1))


def shortest_rotation(a: Array, b: Array) -> Rotation:
    """The smallest rotation from direction a to direction b, both (3,)."""
    a, b = _directions(a[None])[0], _directions(b[None])[0]
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-9:
        return Rotation.identity()
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine))


def _arc(a: Array, b: Array, progress: Array) -> Array:
    """(N, J, 3) directions on the great circles from (J, 3) to (J, 3)."""
    angle = np.arccos(np.clip((a * b).sum(axis=1), -1, 1))
    sine = np.sin(angle)
    safe = np.where(sine > 1e-6, sine, 1.0)
    share = progress[:, None]
    first = np.where(sine > 1e-6, np.sin((1 - share) * angle) / safe, 1 - share)
    second = np.where(sine > 1e-6, np.sin(share * angle) / safe, share)
    return _directions(first[..., None] * a + second[..., None] * b)


def _bones(hand: Array) -> Array:
    parents, children = (list(ends) for ends in zip(*HAND_BONES, strict=True))
    return hand[children] - hand[parents]


def _directions(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def limited(vector: Array, longest: float) -> Array:
    length = float(np.linalg.norm(vector))
    return vector * min(1.0, longest / length) if length > 0 else vector
