"""What happens in the demo's clips: things, hands and the camera over time, and the boxes that annotators would draw.

Actions come in groups that only one stream can tell apart, because everything else is drawn from the same numbers:

- grasping, letting go, pointing: the same hands at the same place of the same things; only the fingers differ;
- picking up and pretending to: the same hand; only the thing moves, or does not;
- pushing to the right and to the left: each is the other in a mirror;
- turning the camera and a thing that slides: the same box in the picture; only the background moves, or does not.
  The camera turns to a window: a network that takes the mean over the picture sees light come, but no wall move.

Actions of such a group also have the same categories of things, so that no thing gives the action away. In the split
`compositional` the two halves of the categories change places.

Coordinates are pixels of a world that the picture is a window of; the camera is the window's upper left corner.
Nothing here draws: the boxes follow from the numbers. Shapes: F frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.lexicon.avatar_hand import palm_length
from models.lexicon.hand import hand_points
from models.lexicon.looks import Look

Array = NDArray[np.float64]
Side = Literal["left", "right"]

WIDTH, HEIGHT = 320, 240
SHORTEST, LONGEST = 24, 32
"""Frames of a clip."""
THINGS = (("cup", "ball", "book", "apple", "toy car"), ("box", "bottle", "phone", "banana", "candle"))
"""Both halves of the categories."""
TARGETS = ("plate", "pillow")
"""What each half is dropped onto."""
COVERS = ("cloth", "sheet of paper")
"""What each half is covered with."""

_SIZES = {
    "cup": (66, 60), "ball": (58, 58), "book": (74, 62), "apple": (54, 58), "toy car": (88, 46), "box": (72, 64),
    "bottle": (36, 86), "phone": (46, 80), "banana": (86, 46), "candle": (34, 70), "plate": (104, 30),
    "pillow": (108, 40),
}  # fmt: skip
# Degrees: abduction, MCP, PIP, DIP of the four fingers, then the thumb.
_OPEN = np.array([8, 10, 15, 8, 2, 8, 14, 8, -4, 10, 16, 8, -12, 12, 18, 8, 45, 25, 20, 5, 5], float)
_CLOSED = np.array([2, 55, 65, 35, 0, 58, 68, 38, -2, 60, 70, 38, -4, 62, 70, 38, 25, 50, 55, 30, 25], float)
_POINTING = np.array([2, 5, 6, 4, 0, 75, 92, 50, -2, 78, 92, 50, -4, 80, 92, 50, 20, 50, 60, 35, 35], float)
_GRIP = 0.45  # palm lengths before the knuckles: where the hand holds things


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An object that is annotated."""

    category: str
    width: int
    height: int
    at: Array
    """(F, 2): the middle of its lower edge."""
    near: int = 0
    """What is nearer hides what is farther."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """The hand of a clip."""

    side: Side
    palm: float
    """Its length from wrist to knuckles, pixels."""
    look: Look
    points: NDArray[np.float32]
    """(F, 21, 3), z growing away from the camera."""
    elbow: NDArray[np.float32]
    """(F, 3)"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip before it is drawn."""

    template: str
    """With brackets."""
    things: tuple[Thing, ...]
    """In the order of the placeholders."""
    hand: Hand | None
    camera: Array
    """(F, 2)"""
    room: float = 0.0
    """Where in the room, which has a window at its right, the world begins, pixels."""

    @property
    def num_frames(self) -> int:
        """F."""
        return len(self.camera)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """What stands in the brackets."""
        return tuple(thing.category for thing in self.things)

    def box(self, thing: Thing, frame: int) -> tuple[float, float, float, float]:
        """All of a thing in the picture's coordinates, hidden or not: x1, y1, x2, y2, whole pixels."""
        x, y = np.rint(thing.at[frame] - self.camera[frame])
        left = x - thing.width // 2
        return float(left), float(y - thing.height), float(left + thing.width), float(y)


@dataclass(frozen=True, kw_only=True)
class _Played:
    """What an action makes of a stage."""

    things: tuple[Thing, ...]
    grip: Array | None = None
    """(F, 2): where the hand holds; None: no hand."""
    closing: Array | None = None
    """(F,): 0 open to 1 closed; None: pointing."""
    pan: Array | None = None
    """(F,): how far the camera has turned to the right."""
    room: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """What is the same for all actions: time, chance, and where the hand comes from."""

    rng: np.random.Generator
    share: Array
    """(F,): 0 at the beginning of the clip, 1 at its end."""
    half: int
    """Of THINGS."""
    towards: Array
    """(2,): where the fingers point."""
    palm: float

    @property
    def from_below(self) -> bool:
        """Whether the arm comes from below, not from a side."""
        return bool(self.towards[1] < -0.7)

    def between(self, low: float, high: float) -> float:
        """A number by chance."""
        return float(self.rng.uniform(low, high))

    def step(self, start: float, length: float) -> Array:
        """(F,): from 0 to 1, smoothly."""
        share = np.clip((self.share - start) / length, 0, 1)
        return share * share * (3 - 2 * share)

    def thing(self) -> tuple[str, int, int]:
        """A category, and the size of one."""
        return self.sized(str(self.rng.choice(THINGS[self.half])))

    def sized(self, category: str) -> tuple[str, int, int]:
        """A category, and the size of one."""
        scale = self.between(0.85, 1.2)
        width, height = (round(side * scale) for side in _SIZES[category])
        return category, width, height

    def place(self, low: float, high: float) -> Array:
        """(2,): a place on the table; nearer to the camera where no arm comes from below."""
        return np.array(
            [self.between(low, high), self.between(138, 158) if self.from_below else self.between(150, 185)]
        )

    def still(self, at: Array) -> Array:
        """(F, 2): always at one place."""
        return np.tile(at, (len(self.share), 1))

    def hold(self, at: Array, width: int, height: int) -> Array:
        """(..., 2): where a hand holds a thing that stands at (..., 2): a little before its middle."""
        near = 0.2 * np.abs(self.towards) @ np.array([width / 2, height / 2])
        return at - np.array([0, height / 2]) - self.towards * near


def _touching(stage: _Stage, closing: Callable[[Array], Array | None]) -> _Played:
    """A hand at a thing; nothing but its fingers does anything."""
    category, width, height = stage.thing()
    at = stage.place(125, 195)
    closed = stage.step(stage.between(0.25, 0.45), stage.between(0.15, 0.25))
    thing = Thing(category=category, width=width, height=height, at=stage.still(at))
    return _Played(things=(thing,), grip=stage.still(stage.hold(at, width, height)), closing=closing(closed))


def _grasping(stage: _Stage) -> _Played:
    return _touching(stage, lambda closed: closed)


def _letting_go(stage: _Stage) -> _Played:
    return _touching(stage, lambda closed: 1 - closed)


def _pointing(stage: _Stage) -> _Played:
    return _touching(stage, lambda _: None)


def _lifting(stage: _Stage, takes: bool) -> _Played:
    """A hand comes, closes and goes up, with the thing or without."""
    category, width, height = stage.thing()
    at = stage.place(125, 195)
    coming = (1 - stage.step(0, stage.between(0.22, 0.3)))[:, None] * -stage.towards * stage.between(25, 45)
    start = stage.between(0.45, 0.55)
    up = stage.step(start, stage.between(0.3, 0.4))[:, None] * np.array([0, -stage.between(50, 75)])
    thing = Thing(category=category, width=width, height=height, at=at + (up if takes else 0 * up))
    closing = stage.step(start - stage.between(0.15, 0.2), 0.14)
    return _Played(things=(thing,), grip=stage.hold(at, width, height) + coming + up, closing=closing)


def _picking_up(stage: _Stage) -> _Played:
    return _lifting(stage, takes=True)


def _pretending(stage: _Stage) -> _Played:
    return _lifting(stage, takes=False)


def _pushing(stage: _Stage, direction: int) -> _Played:
    """A loose fist moves a thing along; its arm never comes from where the thing goes."""
    category, width, height = stage.thing()
    middle = WIDTH / 2
    at = stage.place(middle - 15, middle + 5)
    at[0] = middle + direction * (at[0] - middle)
    moved = stage.step(stage.between(0.15, 0.25), stage.between(0.5, 0.65)) * direction * stage.between(70, 95)
    way = np.stack([moved, 0 * moved], axis=1)
    closed = stage.between(0.55, 0.9)
    reach = 0.25 if stage.from_below else 0.4 - 0.65 * closed  # a fist is shorter than a loose hand
    beside = width / 2 + stage.palm * reach
    coming = (1 - stage.step(0, 0.18)) * stage.between(8, 20)
    grip = at + way - np.stack([direction * (beside + coming), np.full_like(moved, height * 0.45)], axis=1)
    thing = Thing(category=category, width=width, height=height, at=at + way)
    return _Played(things=(thing,), grip=grip, closing=np.full_like(moved, closed))


def _pushing_right(stage: _Stage) -> _Played:
    return _pushing(stage, 1)


def _pushing_left(stage: _Stage) -> _Played:
    return _pushing(stage, -1)


def _dropping(stage: _Stage) -> _Played:
    """A hand opens, and what it held falls onto something."""
    category, width, height = stage.thing()
    target, target_width, target_height = stage.sized(TARGETS[stage.half])
    ground = np.array([stage.between(130, 190), stage.between(205, 225)])
    lies = ground - np.array([stage.between(-8, 8), target_height * 0.55])
    held = lies - np.array([0, stage.between(60, 80)])
    drop = stage.between(0.35, 0.55)
    fallen = np.clip((stage.share - drop - 0.04) / stage.between(0.16, 0.22), 0, 1) ** 2
    at = held + fallen[:, None] * (lies - held)
    thing = Thing(category=category, width=width, height=height, at=at, near=1)
    below = Thing(category=target, width=target_width, height=target_height, at=stage.still(ground))
    grip = stage.still(stage.hold(held - np.array([0, 0.1 * height]), width, height))
    return _Played(things=(thing, below), grip=grip, closing=1 - stage.step(drop - 0.04, 0.12))


def _covering(stage: _Stage) -> _Played:
    """A hand carries something over a thing that is then hidden, and lets go."""
    category, width, height = stage.thing()
    at = np.array([WIDTH / 2 + stage.towards[0] * stage.between(5, 35), stage.between(165, 195)])
    cover_width, cover_height = round(1.25 * width + 8), round(1.15 * height + 8)
    over = stage.step(stage.between(0.1, 0.2), stage.between(0.4, 0.5))
    beside = -np.sign(stage.towards[0]) * (stage.between(0, 10) + (width + cover_width) / 2)
    way = np.stack([(1 - over) * beside, -np.sin(over * np.pi) * stage.between(10, 25) + 4], axis=1)
    thing = Thing(category=category, width=width, height=height, at=stage.still(at))
    cover = Thing(category=COVERS[stage.half], width=cover_width, height=cover_height, at=at + way, near=1)
    grip = at + way - np.array([0, 0.75 * cover_height]) - stage.towards * 0.1 * cover_width
    leaving = stage.step(0.78, 0.2)
    grip = grip - leaving[:, None] * stage.towards * stage.between(10, 25)
    return _Played(things=(thing, cover), grip=grip, closing=1 - stage.step(0.68, 0.12))


def _passing(stage: _Stage, turns: bool) -> _Played:
    """A thing goes to the left through the picture: because the camera turns, or by itself."""
    category, width, height = stage.thing()
    at = np.array([stage.between(215, 265), stage.between(150, 200)])
    start = stage.between(0.05, 0.15)
    moved = stage.step(start, stage.between(0.7, 0.85)) * stage.between(100, 160)
    way = np.stack([-moved, 0 * moved], axis=1)
    thing = Thing(category=category, width=width, height=height, at=at + (0 * way if turns else way))
    room = stage.between(0, 20 if turns else 175)  # with the window in sight or not, but never coming into it
    return _Played(things=(thing,), pan=moved if turns else None, room=room)


def _turning_camera(stage: _Stage) -> _Played:
    return _passing(stage, turns=True)


def _sliding(stage: _Stage) -> _Played:
    return _passing(stage, turns=False)


# Template (in the words of Something-Something where it has the action), half of the things outside of the
# compositional split, where the arm may come from, and what happens.
_ANYWHERE, _SIDES = ("below", "left", "right"), ("left", "right")
_ACTIONS: tuple[tuple[str, int, tuple[str, ...], Callable[[_Stage], _Played]], ...] = (
    ("Grasping [something]", 0, _ANYWHERE, _grasping),
    ("Letting go of [something]", 0, _ANYWHERE, _letting_go),
    ("Pointing at [something]", 0, _ANYWHERE, _pointing),
    ("Picking [something] up", 1, _ANYWHERE, _picking_up),
    ("Pretending to pick [something] up", 1, _ANYWHERE, _pretending),
    ("Pushing [something] from left to right", 0, ("below", "left"), _pushing_right),
    ("Pushing [something] from right to left", 0, ("below", "right"), _pushing_left),
    ("Dropping [something] onto [something]", 0, _SIDES, _dropping),
    ("Covering [something] with [something]", 1, _SIDES, _covering),
    ("Turning the camera right while filming [something]", 1, _ANYWHERE, _turning_camera),
    ("[Something] sliding along a flat surface from right to left", 1, _ANYWHERE, _sliding),
)
TEMPLATES = tuple(template for template, *_ in _ACTIONS)
"""With brackets."""


def make_scene(action: int, rng: np.random.Generator, *, swapped: bool = False) -> Scene:
    """A clip of an action, an index of TEMPLATES; swapped: with the other half of the things."""
    template, half, origins, play = _ACTIONS[action]
    num_frames = int(rng.integers(SHORTEST, LONGEST + 1))
    origin = str(rng.choice(origins))
    lean = rng.uniform(-25, 25) if origin == "below" else rng.uniform(-15, 15)
    turn = np.radians({"below": 0, "left": 90, "right": -90}[origin] + lean)
    towards = np.array([np.sin(turn), -np.cos(turn)])
    palm = float(rng.uniform(48, 58))
    stage = _Stage(rng=rng, share=np.linspace(0, 1, num_frames), half=half ^ swapped, towards=towards, palm=palm)
    played = play(stage)
    camera = _wobble(rng, num_frames, rng.uniform(1, 2))
    if played.pan is not None:
        camera[:, 0] += played.pan
    hand = _hand(stage, played, origin, turn) if played.grip is not None else None
    return Scene(template=template, things=played.things, hand=hand, camera=camera, room=played.room)


def _hand(stage: _Stage, played: _Played, origin: str, turn: float) -> Hand:
    """A hand with this grip. Palm or back look to the camera, never an edge: so a detector can read it."""
    rng, count = stage.rng, len(stage.share)
    assert played.grip is not None
    side: Side = "right" if rng.random() < 0.5 else "left"
    back = origin == "below" or side != origin
    joints = np.tile(_POINTING, (count, 1))
    if played.closing is not None:
        joints = _OPEN + played.closing[:, None] * (_CLOSED - _OPEN)
    joints = joints + rng.normal(0, 2.5, 21) + np.concatenate([_wobble(rng, count, 1.5) for _ in range(11)], 1)[:, :21]
    local = hand_points(np.radians(joints))
    roll, pitch = np.radians((180 if back else 0) + rng.uniform(-22, 22)), np.radians(rng.uniform(5, 22))
    turned = local @ _about(1, roll).T * [1, -1, -1]
    if side == "left":
        turned = turned * [-1, 1, 1]
    turned = turned @ (_about(2, turn) @ _about(0, pitch)).T
    turned *= stage.palm / palm_length(np.asarray(local, np.float32)).mean()
    knuckle = turned[:, 9:10]
    grip = played.grip + _wobble(rng, count, rng.uniform(1.5, 4))
    at = np.concatenate([grip - _GRIP * stage.palm * stage.towards, np.zeros((count, 1))], axis=1)
    points = turned - knuckle + at[:, None]
    bent = np.radians(rng.uniform(-20, 20))
    away = _about(2, bent)[:2, :2] @ -stage.towards * 5 * stage.palm
    elbow = points[:, 0] + np.array([*away, 0.6 * stage.palm])
    return Hand(
        side=side,
        palm=stage.palm,
        look=Look.random(int(rng.integers(1 << 30))),
        points=points.astype(np.float32),
        elbow=elbow.astype(np.float32),
    )


def _wobble(rng: np.random.Generator, count: int, size: float) -> Array:
    """(count, 2) of a slow unsteady movement, up to about `size`."""
    time = np.arange(count)[:, None]
    waves = [
        weight * np.sin(time * 2 * np.pi / rng.uniform(*periods, 2) + rng.uniform(0, 2 * np.pi, 2))
        for weight, periods in ((0.6, (14, 40)), (0.4, (4, 9)))
    ]
    return np.asarray(size * (waves[0] + waves[1]))


def _about(axis: int, angle: float) -> Array:
    """A rotation by an angle about x (0), y (1) or z (2)."""
    turned = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turned[first, first] = turned[second, second] = np.cos(angle)
    turned[first, second], turned[second, first] = -np.sin(angle), np.sin(angle)
    return turned
