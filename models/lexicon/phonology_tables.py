"""The vocabulary of a phonological lexicon: handshapes.yaml and places.yaml, and how any of its YAML is read.

Every mistake is reported with the file, the entry, the key, the value seen and what is allowed there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import yaml
from numpy.typing import NDArray

from models.errors import LexiconError
from models.lexicon import hand
from models.lexicon.phonology import DIRECTIONS, Handshape, Place, Vector

# The safe loader in C where PyYAML has it: ten times faster.
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where in the files we are, and which names may be used there."""

    file: str
    entry: str
    shapes: Mapping[str, Handshape] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    key: str = ""

    def under(self, key: str) -> Where:
        """The same entry, one key further in."""
        return replace(self, key=f"{self.key}.{key}" if self.key else key)

    def fail(self, value: object, allowed: str) -> NoReturn:
        """Raise the LexiconError that says what is wrong here."""
        raise LexiconError(f"{self.file}: {self.entry}: {self.key} is {value!r}; allowed: {allowed}.")

    def one_of(self, value: object, allowed: Collection[str]) -> str:
        """The value, when it is one of the names."""
        if not isinstance(value, str) or value not in allowed:
            self.fail(value, ", ".join(allowed))
        return value

    def number(self, value: object, low: float, high: float) -> float:
        """The value, when it is a number within the bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            self.fail(value, f"a number from {low:g} to {high:g}")
        return float(value)

    def numbers(self, value: object, count: int, low: float, high: float) -> list[float]:
        """The value, when it is a list of so many numbers within the bounds."""
        if not isinstance(value, list) or len(value) != count:
            self.fail(value, f"a list of {count} numbers")
        return [self.number(number, low, high) for number in value]

    def mapping(self, value: object) -> dict[Any, Any]:
        """The value, when it is a mapping."""
        if not isinstance(value, dict):
            self.fail(value, "a mapping from names to entries")
        return value

    def fields(self, value: object, allowed: Collection[str]) -> dict[str, Any]:
        """The value, when it is a mapping that has no other keys."""
        if not isinstance(value, dict):
            self.fail(value, "a mapping with " + ", ".join(allowed))
        for key in value:
            if key not in allowed:
                self.under(str(key)).fail(value[key], "only the keys " + ", ".join(allowed))
        return value

    def direction(self, value: object) -> Vector:
        """A unit vector from directions joined by hyphens; a direction named twice counts twice."""
        total = np.zeros(3)
        for word in str(value).split("-"):
            if word not in DIRECTIONS:
                self.fail(value, "directions joined by hyphens out of " + ", ".join(DIRECTIONS))
            total += DIRECTIONS[word]
        if not total.any():
            self.fail(value, "directions that do not cancel each other")
        return vector(total / np.linalg.norm(total))

    def shape(self, value: object) -> Handshape:
        """The handshape of this name (YAML reads an unquoted 5 as a number; a name is text)."""
        return self.shapes[self.one_of(str(value), self.shapes)]


def load_handshapes(path: Path) -> dict[str, Handshape]:
    """handshapes.yaml: `fingers` and `thumbs` name postures of one finger in degrees, `shapes` put them together."""
    where = Where(file=path.name, entry="handshapes")
    tables = where.fields(read_mapping(path), ("fingers", "thumbs", "shapes"))
    for name in ("fingers", "thumbs", "shapes"):
        where.under(name).mapping(tables.get(name))
    shapes: dict[str, Handshape] = {}
    for name, value in tables["shapes"].items():
        inside = Where(file=path.name, entry=str(name))
        fields = inside.fields(value, ("all", *hand.FINGERS, "thumb", "spread_deg", "abduct_deg"))
        spread = inside.under("spread_deg").number(fields.get("spread_deg", 0), -10, 30)
        abduct = fields.get("abduct_deg", [spread, 0.1 * spread, -0.7 * spread, -1.5 * spread])
        abduct = inside.under("abduct_deg").numbers(abduct, len(hand.FINGERS), -90, 90)
        degrees: list[float] = []
        for finger, sideways in zip(hand.FINGERS, abduct, strict=True):
            posture = fields.get(finger, fields.get("all"))
            degrees += [sideways, *_angles(inside.under(finger), posture, tables["fingers"], 3)]
        degrees += _angles(inside.under("thumb"), fields.get("thumb"), tables["thumbs"], 5)
        shapes[str(name)] = Handshape(name=str(name), joints=tuple(np.radians(degrees).tolist()))
    return shapes


def _angles(where: Where, value: object, table: Mapping[str, list[float]], count: int) -> list[float]:
    angles = value if isinstance(value, list) else table.get(str(value))
    if not isinstance(angles, list) or len(angles) != count:
        where.fail(value, f"{count} angles in degrees, or " + ", ".join(map(str, table)))
    return [where.number(angle, -90, 130) for angle in angles]


def load_places(path: Path) -> dict[str, Place]:
    """places.yaml: `head`, `torso` and `space` give each place its position [in, up, forward] in cm and its outside."""
    where = Where(file=path.name, entry="places")
    tables = where.fields(read_mapping(path), ("head", "torso", "space"))
    places: dict[str, Place] = {}
    for region, entries in tables.items():
        for name, value in where.under(region).mapping(entries).items():
            inside = Where(file=path.name, entry=str(name))
            fields = inside.fields(value, ("at_cm", "outside"))
            at = np.array(inside.under("at_cm").numbers(fields.get("at_cm"), 3, -100, 120)) / 100
            outside = np.array(inside.under("outside").direction(fields.get("outside", "forward")))
            place = Place(name=name, on=region, at=vector(at), normal=vector(outside))
            places[name] = place
            if abs(at[0]) > 1e-6:  # the same place on the side of the other hand
                across = np.array([-1, 1, 1])
                far = Place(name=f"far_{name}", on=region, at=vector(at * across), normal=vector(outside * across))
                places[far.name] = far
    for part in hand.PARTS:
        places[f"other.{part}"] = Place(name=f"other.{part}", on="other")
    places["other.elbow"] = Place(name="other.elbow", on="other")
    return places


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping, with its keys as text. Raises LexiconError for anything else."""
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_SAFE_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LexiconError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(loaded, dict):
        raise LexiconError(f"{path.name} holds {type(loaded).__name__}; expected a mapping from names to entries.")
    for key in loaded:
        if isinstance(key, bool):
            raise LexiconError(f"{path.name}: YAML reads an unquoted YES, NO, ON or OFF as {key}; put it in quotes.")
    return {str(key): value for key, value in loaded.items()}


def vector(values: NDArray[np.float64]) -> Vector:
    """Three numbers as a tuple of floats."""
    return (float(values[0]), float(values[1]), float(values[2]))
