"""The report of `legibility`: what was found per gloss and in all, which glosses miss the aims, as text and JSON.

Shapes: N hands in frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

HANDS_FOUND = 0.97
BODY_AND_FACE = 1.0
FACING_DISTANCE = 0.15
"""The aims: share of hands found in signing frames, share of frames with body and face, and palm widths."""
FACING_DEG = 50.0
"""A hand faces the camera when its palm or its back is turned to it by no more than this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HandFrames:
    """A row for each hand that the sign uses in each of its frames, (N,) each."""

    left: NDArray[np.bool_]
    """The signer's left hand."""
    inside: NDArray[np.bool_]
    """The whole hand is in the picture; only then do the next columns count."""
    found: NDArray[np.bool_]
    swapped: NDArray[np.bool_]
    """What was read under the other hand's name lies on this hand, and nothing nearer under its own."""
    distance: NDArray[np.float64]
    """Palm widths; NaN where not found."""
    palm_deg: NDArray[np.float64]
    """Between palm and camera: 0 shows the palm, 90 the edge, 180 the back of the hand."""

    @classmethod
    def joined(cls, parts: Sequence[HandFrames]) -> HandFrames:
        """All rows of the parts."""
        columns = {entry.name: np.concatenate([getattr(part, entry.name) for part in parts]) for entry in fields(cls)}
        return cls(**columns)

    @property
    def facing(self) -> NDArray[np.bool_]:
        """(N,) whether the palm or the back faces the camera."""
        return np.minimum(self.palm_deg, 180 - self.palm_deg) <= FACING_DEG


@dataclass(frozen=True, kw_only=True, eq=False)
class GlossLegibility:
    """How well one gloss is read, over all its signers."""

    gloss: str
    frames: int
    """Signing frames."""
    body: int
    """Of them, with a body found."""
    face: int
    hands: HandFrames
    problems: tuple[str, ...] = ()
    """Why a body cannot make this sign (`check_entry`)."""

    @classmethod
    def pooled(cls, gloss: str, parts: Sequence[GlossLegibility]) -> GlossLegibility:
        """Several readings as one."""
        return cls(
            gloss=gloss,
            frames=sum(part.frames for part in parts),
            body=sum(part.body for part in parts),
            face=sum(part.face for part in parts),
            hands=HandFrames.joined([part.hands for part in parts]),
            problems=tuple(dict.fromkeys(problem for part in parts for problem in part.problems)),
        )

    def found(self, left: bool | None = None) -> float:
        """Share of the hands in the picture that were found: of one side, or of both. NaN when there is none."""
        counted = self.hands.inside if left is None else self.hands.inside & (self.hands.left == left)
        return _mean(self.hands.found[counted])

    @property
    def distance(self) -> float:
        """Mean distance of the hands that were found, palm widths; NaN when there is none."""
        return _mean(self.hands.distance[self.hands.found])

    @property
    def facing_distance(self) -> float:
        """The same of those that face the camera."""
        return _mean(self.hands.distance[self.hands.found & self.hands.facing])

    @property
    def misses(self) -> tuple[str, ...]:
        """Which aims it misses, in words."""
        found, facing = self.found(), self.facing_distance
        told = (
            (not self.hands.inside.any(), "hands outside the picture"),
            (found < HANDS_FOUND, f"hands found {_percent(found)}"),
            (self.body < self.frames, f"body {_percent(self.body / max(self.frames, 1))}"),
            (self.face < self.frames, f"face {_percent(self.face / max(self.frames, 1))}"),
            (facing > FACING_DISTANCE, f"distance {facing:.2f}"),
        )
        return tuple(words for missed, words in told if missed)

    def values(self) -> dict[str, Any]:
        """The figures by name; None where there is nothing to count."""
        hands = self.hands
        palms, backs = hands.found & (hands.palm_deg <= FACING_DEG), hands.found & (hands.palm_deg >= 180 - FACING_DEG)
        numbers = {
            "hands_found": self.found(),
            "left_found": self.found(left=True),
            "right_found": self.found(left=False),
            "distance_palms": self.distance,
            "facing_distance_palms": self.facing_distance,
            "palm_distance_palms": _mean(hands.distance[palms]),
            "back_distance_palms": _mean(hands.distance[backs]),
            "left_distance_palms": _mean(hands.distance[hands.found & hands.left]),
            "right_distance_palms": _mean(hands.distance[hands.found & ~hands.left]),
            "body": self.body / max(self.frames, 1),
            "face": self.face / max(self.frames, 1),
        }
        return {
            "gloss": self.gloss,
            "frames": self.frames,
            "hands": int(hands.inside.sum()),
            "hands_outside": int((~hands.inside).sum()),
            "hands_facing": int((hands.inside & hands.facing).sum()),
            "swapped": int(hands.swapped.sum()),
            **{name: None if math.isnan(value) else round(value, 4) for name, value in numbers.items()},
            "misses": list(self.misses),
            "problems": list(self.problems),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class LegibilityReport:
    """How well a lexicon is read."""

    glosses: tuple[GlossLegibility, ...]
    signers: int
    fps: float
    size: int
    through_video: bool

    @property
    def total(self) -> GlossLegibility:
        """All glosses pooled, so that a long sign counts for more."""
        return GlossLegibility.pooled("all", self.glosses)

    @property
    def missing(self) -> tuple[GlossLegibility, ...]:
        """The glosses that miss an aim, the least found first."""
        missing = [gloss for gloss in self.glosses if gloss.misses]
        return tuple(sorted(missing, key=lambda gloss: (np.nan_to_num(gloss.found(), nan=-1), -gloss.distance)))

    @property
    def problems(self) -> tuple[str, ...]:
        """What a body cannot do, over all glosses."""
        return tuple(problem for gloss in self.glosses for problem in gloss.problems)

    def to_json(self) -> str:
        """The whole report."""
        aims = {"hands_found": HANDS_FOUND, "body": BODY_AND_FACE, "face": BODY_AND_FACE}
        settings = {"signers": self.signers, "fps": self.fps, "size": self.size, "through_video": self.through_video}
        report = {
            "settings": settings,
            "aims": {**aims, "facing_distance_palms": FACING_DISTANCE, "facing_deg": FACING_DEG},
            "total": self.total.values(),
            "missing": [gloss.gloss for gloss in self.missing],
            "glosses": [gloss.values() for gloss in self.glosses],
        }
        return json.dumps(report, indent=1) + "\n"

    def table(self) -> str:
        """A line per gloss, and the totals."""
        head = ("gloss", "frames", "left", "right", "distance", "facing", "body", "face", "swaps", "outside", "misses")
        rows = [head, *(_cells(gloss) for gloss in self.glosses), _cells(self.total)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
        lines = [_line(row, widths) for row in rows]
        return "\n".join([lines[0], *lines[1:-1], "-" * len(lines[0]), lines[-1]])

    def summary(self) -> str:
        """The totals against the aims, in a few lines."""
        total = self.total.values()
        who = "1 signer" if self.signers == 1 else f"{self.signers} signers"
        through = ", through MP4" if self.through_video else ""
        return "\n".join(
            [
                f"{len(self.glosses)} glosses, {who}, {self.size} px, {self.fps:g} frames/s{through}: "
                f"{total['frames']} signing frames, {total['hands']} hands in the picture, "
                f"{total['hands_outside']} not or partly",
                f"hands found     {_percent(total['hands_found'])} (aim {_percent(HANDS_FOUND)}); "
                f"left {_percent(total['left_found'])}, right {_percent(total['right_found'])}; "
                f"{total['swapped']} read as the other hand",
                f"body, face      {_percent(total['body'])}, {_percent(total['face'])} (aim 100 %)",
                f"distance        {_palms(total['facing_distance_palms'])} palm widths for hands facing the camera "
                f"(aim {FACING_DISTANCE}): palm {_palms(total['palm_distance_palms'])}, "
                f"back {_palms(total['back_distance_palms'])}; all hands {_palms(total['distance_palms'])}",
                f"glosses that reach all aims: {len(self.glosses) - len(self.missing)} of {len(self.glosses)}",
            ]
        )


def _cells(gloss: GlossLegibility) -> tuple[str, ...]:
    values = gloss.values()
    shares = [_percent(values[name]) for name in ("left_found", "right_found")]
    distances = [_palms(values[name]) for name in ("distance_palms", "facing_distance_palms")]
    whole = [_percent(values[name]) for name in ("body", "face")]
    counts = (str(values["swapped"] or "–"), str(values["hands_outside"] or "–"))
    return gloss.gloss, str(gloss.frames), *shares, *distances, *whole, *counts, "; ".join(gloss.misses)


def _line(row: Sequence[str], widths: Iterable[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], list(widths)[1:], strict=False)]
    return "  ".join([row[0].ljust(next(iter(widths))), *numbers, row[-1]]).rstrip()


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _percent(share: float | None) -> str:
    """Rounded down, so that 100 % means all."""
    return "–" if share is None or math.isnan(share) else f"{math.floor(1000 * share + 1e-6) / 10:g} %"


def _palms(distance: float | None) -> str:
    return "–" if distance is None else f"{distance:.3f}"
