"""The arm: where the elbow goes, given shoulder, wrist and the hand's orientation (two-bone inverse kinematics).

Modelled for a right arm in body axes: x to the signer's left, y up, z forward, metres; a left arm is solved in
the mirror. Two bones of fixed length leave one freedom, the swivel of the elbow about the line from shoulder to wrist.
A person lets the elbow hang, and turns it only as far as the wrist needs: the swivel that costs least is found
on a grid for all frames at once by dynamic programming, so that it never jumps.

Source: D. Tolani, A. Goswami, N. Badler, "Real-time inverse kinematics techniques for anthropomorphic limbs", 2000.
Shapes: T frames, S swivel angles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Array = NDArray[np.float64]

MAX_REACH = 0.985  # of the arm's length: nobody signs with locked elbows
MIN_REACH = 0.30
SWIVELS_RAD = np.radians(np.linspace(-110, 110, 45))
SWIVEL_SMOOTHING_S = 0.08
HANGING = np.array([-0.40, -1.0, -0.32])  # out, down and a little back: where an elbow hangs by itself
LIFTED = np.array([-1.0, -0.15, -0.1])

# Comfort (one unit of cost) and anatomical limits, degrees.
FLEXION_COMFORT_DEG, FLEXION_LIMITS_DEG = 50.0, (-80.0, 85.0)
DEVIATION_COMFORT_DEG, DEVIATION_LIMITS_DEG = 22.0, (-40.0, 28.0)  # towards the little finger, towards the thumb
ROLL_COMFORT_DEG, ROLL_LIMITS_DEG = 70.0, (-100.0, 100.0)  # supination, pronation


@dataclass(frozen=True, kw_only=True)
class ArmPose:
    """A solved arm. Points (T, 3) in metres, angles (T,) in radians."""

    shoulder: Array
    elbow: Array
    wrist: Array
    stretch: Array  # distance asked for over the arm's length: above MAX_REACH the wrist could not get there
    flexion: Array  # of the wrist, towards the palm
    deviation: Array  # of the wrist, towards the thumb
    roll: Array  # of the forearm, 0 with the thumb up, positive with the palm down


def shoulder_girdle(rest: Array, wrist: Array, arm_length_m: float) -> Array:
    """The shoulder gives: up to 3 cm up with a raised arm, up to 5 cm towards a far wrist. (T, 3) metres."""
    to_wrist = wrist - rest
    distance = np.linalg.norm(to_wrist, axis=-1, keepdims=True)
    raised = np.clip((wrist[:, 1:2] - rest[1]) / 0.30, 0, 1)
    far = np.clip((distance / arm_length_m - 0.80) / 0.25, 0, 1)
    towards = to_wrist / np.maximum(distance, 1e-9)
    return rest + far * 0.05 * towards + raised * np.array([0.0, 0.03, 0.0])


def solve_arm(
    shoulder: Array,
    wrist: Array,
    hand_axes: Array,
    *,
    upper_arm_m: float,
    forearm_m: float,
    elbow_out: Array,
    step_s: float = 0.04,
) -> ArmPose:
    """The elbow for every frame.

    shoulder, wrist: (T, 3). hand_axes: (T, 3, 3), columns thumb side, fingers, palm. elbow_out: (T,) 0 lets the elbow
    hang, 1 lifts it sideways to the height of the shoulder. step_s: time between frames. A wrist out of reach is
    pulled in along the line to the shoulder; `stretch` says by how much it was too far.
    """
    length = upper_arm_m + forearm_m
    line = wrist - shoulder
    asked = np.linalg.norm(line, axis=1)
    direction = line / np.maximum(asked, 1e-9)[:, None]
    distance = np.clip(asked, MIN_REACH * length, MAX_REACH * length)
    wrist = shoulder + direction * distance[:, None]

    centre, first, second = _elbow_circle(shoulder, direction, distance, upper_arm_m, forearm_m, elbow_out)

    def elbow_at(swivel: Array) -> Array:  # (T, S) -> (T, S, 3)
        return (
            centre[:, None] + np.cos(swivel)[..., None] * first[:, None] + np.sin(swivel)[..., None] * second[:, None]
        )

    grid = np.broadcast_to(SWIVELS_RAD, (len(wrist), len(SWIVELS_RAD)))
    swivel = _least_cost_path(_cost(elbow_at(grid), shoulder, wrist, hand_axes, grid), step_s)
    elbow = elbow_at(swivel[:, None])
    flexion, deviation, roll = wrist_angles(elbow, shoulder, wrist, hand_axes)
    return ArmPose(
        shoulder=shoulder,
        elbow=elbow[:, 0],
        wrist=wrist,
        stretch=asked / length,
        flexion=flexion[:, 0],
        deviation=deviation[:, 0],
        roll=roll[:, 0],
    )


def _elbow_circle(
    shoulder: Array, direction: Array, distance: Array, upper_arm_m: float, forearm_m: float, elbow_out: Array
) -> tuple[Array, Array, Array]:
    """Centre and two radii at right angles, each (T, 3), of the circle of possible elbows; it hangs at the first."""
    along = (upper_arm_m**2 - forearm_m**2 + distance**2) / (2 * distance)
    radius = np.sqrt(np.maximum(upper_arm_m**2 - along**2, 0))[:, None]
    hang = HANGING + elbow_out[:, None] * (LIFTED - HANGING)
    first = radius * _unit(hang - direction * np.sum(hang * direction, axis=1, keepdims=True))
    return shoulder + direction * along[:, None], first, np.cross(direction, first)


def wrist_angles(elbow: Array, shoulder: Array, wrist: Array, hand_axes: Array) -> tuple[Array, Array, Array]:
    """Flexion and deviation of the wrist and roll of the forearm, each (T, S) radians, for elbows (T, S, 3)."""
    forearm = _unit(wrist[:, None] - elbow)
    upper_arm = _unit(elbow - shoulder[:, None])
    thumb, fingers, palm = (np.einsum("tsc,tc->ts", forearm, hand_axes[:, :, axis]) for axis in range(3))
    flexion = np.arctan2(-palm, np.hypot(fingers, thumb) * np.where(fingers < 0, -1, 1))
    deviation = np.arcsin(np.clip(-thumb, -1, 1))
    hinge = _unit(np.cross(upper_arm, forearm))  # points outwards when the forearm is bent forwards
    level = np.einsum("tsc,tc->ts", hinge, hand_axes[:, :, 0])
    upright = np.einsum("tsc,tc->ts", np.cross(hinge, forearm), hand_axes[:, :, 0])
    return flexion, deviation, np.arctan2(-level, upright)


def _cost(elbow: Array, shoulder: Array, wrist: Array, hand_axes: Array, swivel: Array) -> Array:
    """(T, S): discomfort of the wrist, plus what it takes to hold the elbow away from where it hangs."""
    flexion, deviation, roll = (np.degrees(angle) for angle in wrist_angles(elbow, shoulder, wrist, hand_axes))
    cost = (flexion / FLEXION_COMFORT_DEG) ** 2 + (deviation / DEVIATION_COMFORT_DEG) ** 2
    cost += 0.6 * (roll / ROLL_COMFORT_DEG) ** 2 + 2.6 * (np.degrees(swivel) / 45.0) ** 2
    for angle, (low, high) in (
        (flexion, FLEXION_LIMITS_DEG),
        (deviation, DEVIATION_LIMITS_DEG),
        (roll, ROLL_LIMITS_DEG),
    ):
        cost += (np.maximum(angle - high, 0) + np.maximum(low - angle, 0)) / 4.0
    above_shoulder = np.maximum(elbow[..., 1] - shoulder[:, None, 1], 0)
    inside_trunk = np.maximum(elbow[..., 0] + 0.13, 0) * np.where(elbow[..., 2] < 0.14, 120, 40)
    return cost + 60 * above_shoulder + inside_trunk


def _least_cost_path(cost: Array, step_s: float) -> Array:
    """(T,) swivel angles: the cheapest path through the (T, S) grid where turning costs too (Viterbi), smoothed."""
    # The price of turning is that of a speed, so that the path does not depend on the frame rate.
    turning = 30.0 * (0.04 / step_s) ** 2 * (SWIVELS_RAD[:, None] - SWIVELS_RAD[None]) ** 2
    total = cost[0]
    back = np.zeros(cost.shape, dtype=int)
    for frame in range(1, len(cost)):
        options = total[:, None] + turning
        back[frame] = options.argmin(axis=0)
        total = options.min(axis=0) + cost[frame]
    path = np.empty(len(cost), dtype=int)
    path[-1] = int(total.argmin())
    for frame in range(len(cost) - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return gaussian_filter1d(SWIVELS_RAD[path], SWIVEL_SMOOTHING_S / step_s, mode="nearest")


def _unit(vector: Array) -> Array:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
