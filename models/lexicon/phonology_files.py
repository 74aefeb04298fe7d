"""Reads and validates the YAML of a phonological lexicon (the vocabulary is explained in `phonology`).

A folder holds handshapes.yaml, places.yaml and any number of files of entries. Every mistake is reported with
the file, the entry, the key, the value seen and what is allowed there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import LexiconError
from models.lexicon import hand
from models.lexicon.phonology import (
    BASE,
    BOTH,
    BROWS,
    CYCLES,
    DIRECTIONS,
    HANDEDNESS,
    HEADS,
    MOUTHS,
    Cycle,
    Marks,
    Move,
    Phonology,
    Posture,
    SignEntry,
    Spot,
    Step,
    Vector,
)
from models.lexicon.phonology_tables import Where, load_handshapes, load_places, read_mapping, vector

EMBEDDED = Path(__file__).parents[2] / "assets" / "lexicon" / "ase"
HANDSHAPES_FILE, PLACES_FILE = "handshapes.yaml", "places.yaml"


def load_phonology(folder: Path = EMBEDDED) -> Phonology:
    """The written lexicon in a folder. Raises LexiconError for the first mistake found in it."""
    for name in (HANDSHAPES_FILE, PLACES_FILE):
        if not (folder / name).is_file():
            raise LexiconError(f"{folder} has no {name}; a lexicon of written signs needs it (copy the one for ase).")
    shapes = load_handshapes(folder / HANDSHAPES_FILE)
    places = load_places(folder / PLACES_FILE)
    entries: dict[str, SignEntry] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name in (HANDSHAPES_FILE, PLACES_FILE):
            continue
        for gloss, fields in read_mapping(path).items():
            if str(gloss) in entries:
                raise LexiconError(f"{path.name}: {gloss} is already in another file or above; rename one of them.")
            where = Where(file=path.name, entry=str(gloss), shapes=shapes, places=places)
            entries[str(gloss)] = _entry(where, fields, theme=path.stem)
    return Phonology(entries, shapes, places)


ENTRY_KEYS = ("words", "hands", "strong", "weak", "moves", "repeat", "hold_s", "brows", "mouth", "head")
ABOUT_KEYS = ("source", "note")
POSTURE_KEYS = ("shape", "palm", "fingers", "elbow", "at", "touch", "gap_cm", "offset_cm")
SPOT_KEYS = ("at", "touch", "gap_cm", "offset_cm")
MOVE_KEYS = ("to", "line", "arc", "shape", "palm", "fingers", "elbow", "time_s", *CYCLES)


def _entry(where: Where, value: object, *, theme: str) -> SignEntry:
    fields = where.fields(value, (*ENTRY_KEYS, *ABOUT_KEYS))
    if where.entry != where.entry.upper():
        raise LexiconError(f"{where.file}: {where.entry}: a gloss is written in upper case: {where.entry.upper()}.")
    if not fields.get("source"):
        where.under("source").fail(fields.get("source"), "the reference that describes this sign")
    hands = where.under("hands").one_of(fields.get("hands", "one"), HANDEDNESS)
    strong = _posture(where.under("strong"), fields.get("strong"))
    weak = None
    if hands in (BASE, BOTH):
        weak = _posture(where.under("weak"), fields.get("weak"))
    elif "weak" in fields:
        where.under("weak").fail("a posture", "only with hands: base or both")
    steps = _steps(where, fields.get("moves") or [], strong, weak)
    weak_moves = [step.weak for step in steps if step.weak]
    if weak is not None and _on_other(strong, [step.strong for step in steps]) and _on_other(weak, weak_moves):
        where.under("weak.at").fail(weak.spot.place.name, "a place on the body, as the strong hand is on the weak")
    words = fields.get("words") or [where.entry.lower().replace("-", " ")]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        where.under("words").fail(words, "a list of words (put yes, no, on, off and numbers in quotes)")
    hold = fields.get("hold_s")
    return SignEntry(
        gloss=where.entry,
        words=tuple(words),
        hands=hands,
        strong=strong,
        weak=weak,
        steps=steps,
        repeat=int(where.under("repeat").number(fields.get("repeat", 1), 1, 5)),
        hold_s=None if hold is None else where.under("hold_s").number(hold, 0, 3),
        marks=Marks(
            brows=where.under("brows").one_of(fields.get("brows", "neutral"), BROWS),
            mouth=where.under("mouth").one_of(fields.get("mouth", "neutral"), MOUTHS),
            head=where.under("head").one_of(fields.get("head", "neutral"), HEADS),
        ),
        theme=theme,
        source=str(fields["source"]),
        note=str(fields.get("note", "")),
    )


def _steps(where: Where, value: object, strong: Posture, weak: Posture | None) -> tuple[Step, ...]:
    if not isinstance(value, list):
        where.under("moves").fail(value, "a list of movements")
    steps = []
    for number, item in enumerate(value, 1):
        inside = where.under(f"moves[{number}]")
        fields = dict(inside.fields(item, (*MOVE_KEYS, "weak")))
        weak_fields = fields.pop("weak", None)
        if weak_fields is not None and weak is None:
            inside.under("weak").fail(weak_fields, "only with hands: base or both")
        move, strong = _move(inside, fields, strong)
        weak_move = None
        if weak is not None:
            weak_move, weak = _move(inside.under("weak"), weak_fields or {}, weak)
        steps.append(Step(strong=move, weak=weak_move))
    return tuple(steps)


def _on_other(start: Posture, moves: list[Move]) -> bool:
    """Whether a hand is ever placed on the other hand."""
    return any(spot.place.on == "other" for spot in (start.spot, *(move.to for move in moves if move.to)))


def _posture(where: Where, value: object) -> Posture:
    fields = where.fields(value, POSTURE_KEYS)
    for key in ("shape", "palm", "fingers", "at"):
        if key not in fields:
            where.under(key).fail(None, "a value (every starting posture names shape, palm, fingers and at)")
    palm, fingers = _orientation(where, fields["palm"], fields["fingers"])
    return Posture(
        shape=where.under("shape").shape(fields["shape"]),
        palm=palm,
        fingers=fingers,
        spot=_spot(where, {key: fields[key] for key in SPOT_KEYS if key in fields}),
        elbow=where.under("elbow").number(fields.get("elbow", 0), 0, 1),
    )


def _orientation(where: Where, palm: object, fingers: object) -> tuple[Vector, Vector]:
    """Palm and finger directions at right angles: the fingers as written, the palm turned to fit."""
    along = np.array(where.under("fingers").direction(fingers))
    facing = np.array(where.under("palm").direction(palm))
    facing = facing - along * (along @ facing)
    if np.linalg.norm(facing) < 0.25:
        where.under("palm").fail(palm, f"a direction across the fingers, which point {fingers}")
    return vector(facing / np.linalg.norm(facing)), vector(along)


def _spot(where: Where, fields: Mapping[str, Any], touch: str = "palm") -> Spot:
    name = str(fields["at"])
    place = where.places.get(name)
    if place is None:
        close = ", ".join(key for key in where.places if name.split(".")[-1].split("_")[-1] in key)
        where.under("at").fail(name, f"a place of {PLACES_FILE}" + (f", such as {close}" if close else ""))
    offset = np.zeros(3)
    inside = where.under("offset_cm")
    for direction, centimetres in inside.fields(fields.get("offset_cm", {}), tuple(DIRECTIONS)).items():
        offset += np.array(DIRECTIONS[direction]) * inside.under(direction).number(centimetres, -60, 60) / 100
    gap = 0.0 if place.on == "space" else 0.5
    return Spot(
        place=place,
        touch=where.under("touch").one_of(fields.get("touch", touch), hand.PARTS),
        gap_m=where.under("gap_cm").number(fields.get("gap_cm", gap), -3, 40) / 100,
        offset_m=vector(offset),
    )


def _move(where: Where, fields: Mapping[str, Any], before: Posture) -> tuple[Move, Posture]:
    """A move and the posture it ends in: what it does not name stays."""
    fields = where.fields(dict(fields), MOVE_KEYS)
    spot = before.spot
    if "to" in fields:
        inside = where.under("to")
        target = {"at": fields["to"]} if isinstance(fields["to"], str) else inside.mapping(fields["to"])
        spot = _spot(inside, inside.fields({"at": before.spot.place.name, **target}, SPOT_KEYS), before.spot.touch)
    turned = "palm" in fields or "fingers" in fields
    palm, fingers = before.palm, before.fingers
    if turned:
        if not {"palm", "fingers"} <= fields.keys():
            where.fail(sorted(fields), "palm and fingers together")
        palm, fingers = _orientation(where, fields["palm"], fields["fingers"])
    shape = where.under("shape").shape(fields["shape"]) if "shape" in fields else None
    elbow = where.under("elbow").number(fields["elbow"], 0, 1) if "elbow" in fields else None
    time_s = where.under("time_s").number(fields["time_s"], 0, 5) if "time_s" in fields else None
    move = Move(
        to=spot if "to" in fields else None,
        line_m=_length(where.under("line"), fields["line"]) if "line" in fields else None,
        arc_m=_length(where.under("arc"), fields["arc"]) if "arc" in fields else None,
        shape=shape,
        palm=palm if turned else None,
        fingers=fingers if turned else None,
        elbow=elbow,
        cycles=tuple(_cycle(where.under(kind), kind, fields[kind]) for kind in CYCLES if kind in fields),
        time_s=time_s,
    )
    after = Posture(
        shape=shape or before.shape,
        palm=palm,
        fingers=fingers,
        spot=spot,
        elbow=before.elbow if elbow is None else elbow,
    )
    return move, after


def _length(where: Where, value: object) -> Vector:
    fields = where.fields(value, ("along", "cm"))
    centimetres = where.under("cm").number(fields.get("cm"), 0.5, 60)
    return vector(np.array(where.under("along").direction(fields.get("along"))) * centimetres / 100)


_CYCLE_KEYS = {
    "circle": ("towards", "then", "radius_cm"),
    "shake": ("along", "cm"),
    "tap": ("along", "cm"),
    "twist": ("deg",),
    "bend": ("deg",),
    "swing": ("deg",),
    "wiggle": ("deg",),
    "pulse": ("shape",),
}
_SIZE_LIMITS = {"radius_cm": (0.5, 30), "cm": (0.3, 30), "deg": (2, 120)}


def _cycle(where: Where, kind: str, value: object) -> Cycle:
    fields = where.fields(value, (*_CYCLE_KEYS[kind], "times"))
    size = 0.0
    for key in _CYCLE_KEYS[kind]:
        if key in _SIZE_LIMITS:
            size = where.under(key).number(fields.get(key), *_SIZE_LIMITS[key])
            size = float(np.radians(size)) if key == "deg" else size / 100
    first = fields.get("towards") if kind == "circle" else fields.get("along")
    if first is None and kind in ("circle", "shake"):
        where.fail(value, "a mapping with " + ", ".join((*_CYCLE_KEYS[kind], "times")))
    then = None if kind != "circle" else where.under("then").direction(fields.get("then"))
    return Cycle(
        kind=kind,
        times=where.under("times").number(fields.get("times", 1), 0.25, 12),
        size=size,
        first=None if first is None else where.direction(first),
        then=then,
        shape=where.under("shape").shape(fields.get("shape")) if kind == "pulse" else None,
    )
