"""A signer's movement fitted to another person's body: that body's proportions, the same signs.

The head moves and the face speaks as the driver's do (`faces`); hands are put where they mean the same (`contacts`);
arms of the target's own length follow by two-bone inverse kinematics, their elbows as the driver holds them.

Shapes: T frames. Points are (T, K, 3) in pixels, z growing away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from pose_format import Pose

from models.animation.contacts import keep_together, on_forearm, place_hand, places, together
from models.animation.faces import move_head
from models.animation.skeleton import (
    HEAD_MESH,
    Actor,
    Array,
    actor,
    arm_lengths,
    bounded,
    mirrored,
    still,
    upright,
    usual_frames,
    with_arms,
)
from models.animation.smoothing import Smoothing, smoothed
from models.animation.target import Target
from models.errors import PoseError
from models.lexicon.avatar_figure import ARM
from models.lexicon.body import Body
from models.lexicon.joints import elbow_of
from models.lexicon.placing import resample
from models.pose import landmarks
from models.pose.landmarks import LEFT_HIP, RIGHT_HIP
from models.pose.span import SIDES, Side

LONGEST_REACH, SHORTEST_REACH = 0.985, 0.30
"""Of the arm's length: nobody signs with locked elbows, or with the wrist in the shoulder."""
MOST_SWAY = 0.15
"""Shoulder widths that a shoulder of the target may move with the driver's."""
_FIRM = 30.0  # a hold of the body (`contacts.place_hand`) against which a forearm has half a say
_TIPS: dict[Side, tuple[int, int, int]] = {"left": (17, 19, 21), "right": (18, 20, 22)}
_KNUCKLES = ((17, 18), (5, 6))  # little and index finger: the body's landmark is 0.6 of the one, 0.4 of the other


@dataclass(frozen=True, kw_only=True)
class RetargetOptions:
    """How a movement is fitted to a person."""

    smoothing: Smoothing = "auto"
    """Takes the tremble of detected landmarks out and leaves fast fingers alone; auto: only where there is some."""
    fps: float | None = None
    """Frames per second of the result; None keeps the driver's."""
    mirror: bool = False
    """Sign with the other hand, as in a mirror."""

    def __post_init__(self) -> None:
        if self.smoothing not in get_args(Smoothing):
            raise PoseError(f"smoothing is {self.smoothing!r}; use one of {', '.join(get_args(Smoothing))}")
        if self.fps is not None and not 1 <= self.fps <= 120:
            raise PoseError(f"{self.fps:g} frames per second were asked for; use 1 to 120")


def retarget(pose: Pose, target: Target, options: RetargetOptions | None = None) -> Pose:
    """The pose as the person of the target would sign it, in pixels of `target.image`.

    Every frame has the whole body, and the face where the target shows one; a hand is missing only where the driver's
    was lost for more than `skeleton.CARRIED_FRAMES` frames. Depth is in frame widths and not exaggerated.
    Raises PoseError when the pose shows no body or has no arms.
    """
    options = options or RetargetOptions()
    if options.fps is not None and options.fps != float(pose.body.fps):
        pose = resample(pose, options.fps)
    fps = float(pose.body.fps)
    driver = smoothed(actor(pose), fps, options.smoothing)
    if options.mirror:
        driver = mirrored(driver)
    _, sure = landmarks.component(target.pose, landmarks.BODY)
    person = upright(actor(with_arms(target.pose)))
    fitted = _signing(_posture(driver, person), driver, arm_lengths(person, sure[0]), fps)
    height, width = target.image.shape[:2]
    return _as_pose(fitted, sure[0], fps=fps, width=width, height=height)


def _posture(driver: Actor, person: Actor) -> Actor:
    """The target over time with the driver's shoulders, head and face; the arms still where they were."""
    fitted = still(person, len(driver))
    for side in SIDES:
        shoulder = ARM[side][0]
        sway = driver.body[:, shoulder] - np.median(driver.body[usual_frames(driver, side), shoulder], axis=0)
        fitted.body[:, shoulder] += bounded(person.unit / driver.unit * sway, MOST_SWAY * person.unit)
    face, pivots, turns = move_head(driver, person, fitted.middle - person.middle)
    head = list(range(len(HEAD_MESH)))
    turned = np.einsum("tij,kj->tki", turns.as_matrix(), person.body[0, head] - pivots[-1])
    fitted.body[:, head] = turned + pivots[:-1, None]
    return replace(fitted, face=face)


def _signing(person: Actor, driver: Actor, bones: tuple[float, float], fps: float) -> Actor:
    """The target with hands and arms where they mean what the driver's mean."""
    here, there = places(driver), places(person)
    scale = person.palm / driver.palm
    placed = {side: place_hand(driver.hands[side], here, there, scale, fps) for side in SIDES}
    holds = {side: hold for side, (_, hold) in placed.items()}
    near = together(driver.hands, driver.palm)
    wrists = keep_together({side: wrist for side, (wrist, _) in placed.items()}, holds, driver.hands, near, scale)
    wrists = _within_reach(wrists, person, sum(bones), near)
    elbows = {side: _elbow(wrists[side], person, driver, bones, side) for side in SIDES}
    moved = {}
    for side, other in ((SIDES[0], SIDES[1]), (SIDES[1], SIDES[0])):
        arm = driver.body[:, ARM[other][1]], driver.hands[other][:, 0]
        touching, _ = on_forearm(
            wrists[side], driver.hands[side], arm, (elbows[other], wrists[other]), scale, driver.palm
        )
        # Hands that hold each other, and what the body holds, are right already.
        free = (1 - near) / (1 + holds[side] / _FIRM)
        moved[side] = wrists[side] + free[:, None] * (touching - wrists[side])
    wrists = _within_reach(moved, person, sum(bones), near)
    hands = {side: wrists[side][:, None] + scale * _shape(driver.hands[side]) for side in SIDES}
    for side in SIDES:
        _write_arm(person.body, side, _elbow(wrists[side], person, driver, bones, side), hands[side])
    return replace(person, hands=hands, hands_sure=driver.hands_sure)


def _elbow(wrist: Array, person: Actor, driver: Actor, bones: tuple[float, float], side: Side) -> Array:
    """(T, 3) the elbow, swung about the line from shoulder to wrist to where the driver's is."""
    shoulder, elbow, _ = ARM[side]
    start = person.body[:, shoulder]
    hint = start + person.unit / driver.unit * (driver.body[:, elbow] - driver.body[:, shoulder])
    upper, fore = (np.full(len(start), length) for length in bones)
    return elbow_of(start, wrist, hint, upper, fore)


def _write_arm(body: Array, side: Side, elbow: Array, hand: Array) -> None:
    """Elbow, wrist and the body's own finger landmarks, in place."""
    body[:, ARM[side][1]], body[:, ARM[side][2]] = elbow, hand[:, 0]
    little, index, thumb = _TIPS[side]
    for tip, (knuckle, joint) in zip((little, index), _KNUCKLES, strict=True):
        body[:, tip] = 0.6 * hand[:, knuckle] + 0.4 * hand[:, joint]
    body[:, thumb] = hand[:, 2:4].mean(axis=1)


def _shape(hand: Array) -> Array:
    return hand - hand[:, :1]


def _within_reach(wrists: dict[Side, Array], person: Actor, length: float, near: Array) -> dict[Side, Array]:
    """Wrists that the arms can get to; of two hands that belong together, both move when one has to."""

    def reached() -> dict[Side, Array]:
        return {side: _reached(wrists[side], person.body[:, ARM[side][0]], length) for side in SIDES}

    for _ in range(2):
        allowed = reached()
        left, right = (near[:, None] * (allowed[side] - wrists[side]) for side in ("left", "right"))
        wrists = {"left": allowed["left"] + right, "right": allowed["right"] + left}
    return reached()


def _reached(wrist: Array, shoulder: Array, length: float) -> Array:
    """The wrist (T, 3) within reach: first less or more depth, which nobody sees, then a shorter way in the picture."""
    way = wrist - shoulder
    flat, depth = np.linalg.norm(way[:, :2], axis=-1), way[:, 2]
    longest, shortest = LONGEST_REACH * length, SHORTEST_REACH * length
    way[:, :2] *= np.minimum(1, longest / np.maximum(flat, 1e-9))[:, None]
    flat = np.minimum(flat, longest)
    depth = np.clip(depth, -np.sqrt(longest**2 - flat**2), np.sqrt(longest**2 - flat**2))
    least = np.sqrt(np.maximum(shortest**2 - flat**2, 0))
    way[:, 2] = np.where(np.abs(depth) < least, -least, depth)
    return shoulder + way


def _as_pose(person: Actor, sure: Array, *, fps: float, width: int, height: int) -> Pose:
    """Landmarks as `models.lexicon.performance` writes them: depth in widths, hands from their wrist, faces from their
    middle, world landmarks in metres times the picture's size."""
    stretch = np.array([1, 1, 1 / width])
    face = person.face.copy()
    face[..., 2] -= face[..., 2].mean(axis=1, keepdims=True)
    hands = [person.hands[side].copy() for side in SIDES]
    for hand in hands:
        hand[..., 2] -= hand[:, :1, 2]
    hips = person.body[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    metres = 2 * Body().shoulder_half_width_m / person.unit
    world = (person.body - hips) * metres * np.array([width, height, 1])
    inside = ((person.body[..., :2] > 0) & (person.body[..., :2] < (width, height))).all(axis=-1)
    visible = np.where(inside, 0.99, 0.2)
    visible[:, RIGHT_HIP + 1 :] = np.minimum(visible, np.maximum(sure, 0.02))[:, RIGHT_HIP + 1 :]
    shown = [np.repeat(person.hands_sure[side][:, None], landmarks.NUM_HAND, axis=1) for side in SIDES]
    faces = np.full(face.shape[:2], float(person.has_face))
    data = np.concatenate([*(points * stretch for points in (person.body, face, *hands)), world], axis=1)
    confidence = np.concatenate([visible, faces, *shown, visible], axis=1)
    data = np.where(confidence[..., None] > 0, data, 0)
    return landmarks.holistic_pose(data, confidence, fps=fps, width=width, height=height)
