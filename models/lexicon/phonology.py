"""Signs written as phonology: what an entry says, as dataclasses.

An entry describes one sign from the point of view of the hand that signs it: the strong hand is written as a right
hand, the weak hand as a left hand seen in the mirror, so that a symmetric sign is the same text twice. Directions are
up, down, forward, back (to the signer), in (across the body) and out (to the hand's own side), joined by hyphens;
"far_" places lie on the side of the other hand. Lengths in the files are centimetres, angles degrees, times seconds;
here they are metres, radians and seconds.

`phonology_files` reads the YAML; `motion` turns entries into hand movements. After the Move-Hold model of
S. Liddell and R. Johnson, "American Sign Language: the phonological base", 1989; parameters after W. Stokoe, 1960.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Vector = tuple[float, float, float]

ONE, SYMMETRIC, ALTERNATING, BASE, BOTH = "one", "symmetric", "alternating", "base", "both"
HANDEDNESS = {
    ONE: "the weak hand rests",
    SYMMETRIC: "the weak hand mirrors the strong hand",
    ALTERNATING: "the weak hand mirrors it, half a cycle apart",
    BASE: "the weak hand has its own posture and stays",
    BOTH: "the weak hand has its own posture and moves",
}
BROWS = ("neutral", "raise", "furrow")
MOUTHS = ("neutral", "smile", "open", "oo", "mm", "th", "puff", "down", "cha")
HEADS = ("neutral", "nod", "shake", "tilt", "forward", "back")

DIRECTIONS: dict[str, Vector] = {
    "up": (0, 1, 0),
    "down": (0, -1, 0),
    "forward": (0, 0, 1),
    "back": (0, 0, -1),
    "in": (1, 0, 0),
    "out": (-1, 0, 0),
}


@dataclass(frozen=True, kw_only=True)
class Handshape:
    """A named handshape: 21 joint angles in radians (order in `hand`)."""

    name: str
    joints: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A named location on the reference body, in metres, and the direction that points away from the skin.

    on: "head" (relative to the face's centre), "torso" and "space" (body axes), "body" (this signer's own metres), or
    "other" (a part of the other hand or arm: then `at` is unused).
    """

    name: str
    on: str
    at: Vector = (0.0, 0.0, 0.0)
    normal: Vector = (0.0, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a part of the hand is: on a place, lifted off it by a gap, shifted by an offset in body axes."""

    place: Place
    touch: str = "palm"
    gap_m: float = 0.005
    offset_m: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Posture:
    """A hand at one instant. Palm and fingers are unit vectors at right angles; elbow 0 hangs, 1 is lifted sideways."""

    shape: Handshape
    palm: Vector
    fingers: Vector
    spot: Spot
    elbow: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """A repeated component of a movement, on top of its path.

    kind     what it does                                          size
    circle   round a circle that starts along `first`, then `then`  radius in metres
    shake    to and fro along `first`                               half the travel in metres
    tap      away along `first` (or off the skin) and back          distance in metres
    twist    the forearm turns to and fro                           half the angle in radians
    bend     the wrist flexes and comes back                        angle in radians
    swing    the wrist tilts to and fro, thumb to little finger     half the angle in radians
    wiggle   the fingers flutter one after the other                angle in radians
    pulse    the handshape becomes `shape` and comes back           -
    """

    kind: str
    times: float
    size: float = 0.0
    first: Vector | None = None
    then: Vector | None = None
    shape: Handshape | None = None


CYCLES = ("circle", "shake", "tap", "twist", "bend", "swing", "wiggle", "pulse")


@dataclass(frozen=True, kw_only=True)
class Move:
    """One movement segment of one hand: what changes between its start and its end, and what cycles meanwhile."""

    to: Spot | None = None
    line_m: Vector | None = None
    arc_m: Vector | None = None  # how far and where the middle of the path bulges
    shape: Handshape | None = None
    palm: Vector | None = None
    fingers: Vector | None = None
    elbow: float | None = None
    cycles: tuple[Cycle, ...] = ()
    time_s: float | None = None  # None: from the distance travelled and the number of cycles


@dataclass(frozen=True, kw_only=True)
class Step:
    """One movement segment of both hands; `weak` is None where the weak hand copies or rests."""

    strong: Move
    weak: Move | None = None


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Non-manual marks: brows, mouth and head over the whole sign."""

    brows: str = "neutral"
    mouth: str = "neutral"
    head: str = "neutral"


@dataclass(frozen=True, kw_only=True)
class SignEntry:
    """One sign. `strong` and `weak` are the postures it starts in; `repeat` says how often the steps are made."""

    gloss: str
    words: tuple[str, ...]
    hands: str
    strong: Posture
    weak: Posture | None = None
    steps: tuple[Step, ...] = ()
    repeat: int = 1
    hold_s: float | None = None  # how long the last posture stays; None: the usual short hold
    marks: Marks = field(default_factory=Marks)
    theme: str = ""
    source: str = ""
    note: str = ""  # what is simplified

    @property
    def shapes(self) -> tuple[str, ...]:
        """Names of all handshapes the sign uses, in order of appearance, each once."""
        moves = [move for step in self.steps for move in (step.strong, step.weak) if move]
        cycled = [cycle.shape for move in moves for cycle in move.cycles]
        start = [posture.shape for posture in (self.strong, self.weak) if posture]
        names = [shape.name for shape in (*start, *(move.shape for move in moves), *cycled) if shape]
        return tuple(dict.fromkeys(names))


class Phonology(Mapping[str, SignEntry]):
    """A lexicon of written signs: gloss -> entry, with the handshapes and places that its entries may use."""

    def __init__(
        self, entries: Mapping[str, SignEntry], handshapes: Mapping[str, Handshape], places: Mapping[str, Place]
    ) -> None:
        self._entries, self.handshapes, self.places = dict(entries), dict(handshapes), dict(places)

    def __getitem__(self, gloss: str) -> SignEntry:
        return self._entries[gloss]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
