"""What was recognized, as files for others to work on: JSON, WebVTT captions, ELAN's .eaf, and a table (CSV).

A segment that is no known sign is in all of them, as such: "?" in ELAN and in the table, "(unknown sign)" in captions,
no gloss in JSON. Nobody who opens one of the files takes a rejected guess for an answer.
"""

from __future__ import annotations

import csv
import json
import math
import mimetypes
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from models.files import plain_cell, replacing, safe_name
from models.lexicon.captions import write_captions
from models.lexicon.performance import Segment
from models.recognition.results import UNKNOWN, Candidate, Recognition, RecognizedSegment

UNKNOWN_CAPTION = "(unknown sign)"
_MADE_BY = "Sign Studio"
_BEST = 3
_GLOSS, _CONFIDENCE, _ALTERNATIVES = "Gloss", "Confidence", "Alternatives"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
# ELAN writes all four into every file, used or not, and finds a type's constraint by this name.
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}


def to_json(recognition: Recognition, clip: str | None = None) -> dict[str, Any]:
    """The recognition as plain values for `json.dumps`; times in ms, confidence 0..1, None where there is no number."""
    return {
        "clip": clip,
        "duration_ms": round(recognition.duration_ms, 1),
        "recognizer": recognition.recognizer,
        "remarks": list(recognition.remarks),
        "glosses": list(recognition.glosses),
        "segments": [
            {
                "start_ms": round(segment.start_ms, 1),
                "end_ms": round(segment.end_ms, 1),
                "gloss": segment.gloss,
                "known": segment.known,
                "candidates": [
                    {"gloss": one.gloss, "confidence": _finite(one.confidence), "distance": _finite(one.distance)}
                    for one in segment.candidates
                ],
            }
            for segment in recognition.segments
        ],
    }


def write_json(path: Path, recognition: Recognition, clip: str | None = None) -> None:
    """Write all that was recognized as JSON; `clip` is the name of what it was recognized in."""
    with replacing(path) as temporary:
        content = json.dumps(to_json(recognition, clip), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(content + "\n", encoding="utf-8")


def write_vtt(path: Path, recognition: Recognition) -> None:
    """Write WebVTT captions, a cue for each segment. Raises LexiconError when the name does not end in .vtt or .srt."""
    cues = [
        Segment(gloss=segment.gloss or UNKNOWN_CAPTION, start_ms=segment.start_ms, end_ms=segment.end_ms)
        for segment in recognition.segments
    ]
    write_captions(path, cues)


def write_csv(path: Path, recognition: Recognition) -> None:
    """Write a table with a row for each segment: its times in ms, its gloss ("?": not known), and the best three."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        places = range(1, _BEST + 1)
        table.writerow(["segment", "start_ms", "end_ms", "gloss", "known", *_columns(places)])
        for number, segment in enumerate(recognition.segments, start=1):
            table.writerow([
                number,
                round(segment.start_ms),
                round(segment.end_ms),
                plain_cell(segment.gloss or UNKNOWN),
                "yes" if segment.known else "no",
                *(cell for place in places for cell in _cells(segment.candidates, place)),
            ])  # fmt: skip


def write_eaf(path: Path, recognition: Recognition, media: str | None = None) -> None:
    """Write an ELAN Annotation Format 3.0 document with the tiers Gloss, Confidence and Alternatives.

    media: the file name of the clip. ELAN looks for it beside the .eaf; without one it asks.
    Confidence and Alternatives are symbolically associated with Gloss: each of their annotations belongs to one gloss
    and moves with it. A gloss of "?" has no confidence, only alternatives.
    Source: The Language Archive, "ELAN Annotation Format, EAF 3.0" and EAFv3.0.xsd.
    """
    document = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": _MADE_BY,
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    segments = _apart(recognition.segments)
    header = ElementTree.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    tiers = _tiers(segments)
    if media is not None:
        header.append(_media(media))
    last = sum(len(tier) for tier in tiers)
    for name, value in {"recognizer": recognition.recognizer, "lastUsedAnnotationId": str(last)}.items():
        ElementTree.SubElement(header, "PROPERTY", NAME=name).text = _clean(value)
    document.append(_time_order(segments))
    document.extend(tiers)
    ElementTree.SubElement(
        document, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="gloss", TIME_ALIGNABLE="true"
    )
    ElementTree.SubElement(
        document,
        "LINGUISTIC_TYPE",
        CONSTRAINTS="Symbolic_Association",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="about-gloss",
        TIME_ALIGNABLE="false",
    )
    for stereotype, description in _CONSTRAINTS.items():
        ElementTree.SubElement(document, "CONSTRAINT", DESCRIPTION=description, STEREOTYPE=stereotype)
    ElementTree.register_namespace("xsi", _XSI)
    ElementTree.indent(document, "    ")
    with replacing(path) as temporary:
        ElementTree.ElementTree(document).write(temporary, encoding="UTF-8", xml_declaration=True)


def _media(name: str) -> ElementTree.Element:
    """The clip, as ELAN itself writes it: a file name is not percent-encoded."""
    name = _clean(safe_name(name))
    return ElementTree.Element(
        "MEDIA_DESCRIPTOR",
        MEDIA_URL=f"file:///{name}",
        MIME_TYPE=mimetypes.guess_type(name)[0] or "unknown",
        RELATIVE_MEDIA_URL=f"./{name}",
    )


def _apart(segments: Sequence[RecognizedSegment]) -> list[tuple[int, int, RecognizedSegment]]:
    """Start and end in whole ms: annotations of a tier last at least 1 ms, and never overlap."""
    found: list[tuple[int, int, RecognizedSegment]] = []
    for segment in sorted(segments, key=lambda segment: segment.start_ms):
        start = max(0, round(segment.start_ms))
        if found:
            first, end, before = found[-1]
            start = max(start, first + 1)
            found[-1] = (first, min(end, start), before)
        found.append((start, max(round(segment.end_ms), start + 1), segment))
    return found


def _time_order(segments: Sequence[tuple[int, int, RecognizedSegment]]) -> ElementTree.Element:
    """Two slots of its own for each gloss, in order of time: ts1 and ts2 for the first, ts3 and ts4 for the second.

    Glosses that touch do not share a slot, because moving the border of one would move the other's in ELAN.
    """
    order = ElementTree.Element("TIME_ORDER")
    for number, time_ms in enumerate((time for start, end, _ in segments for time in (start, end)), start=1):
        ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(time_ms))
    return order


def _tiers(segments: Sequence[tuple[int, int, RecognizedSegment]]) -> list[ElementTree.Element]:
    glosses = ElementTree.Element(
        "TIER", ANNOTATOR=_MADE_BY, LINGUISTIC_TYPE_REF="gloss", PARTICIPANT="", TIER_ID=_GLOSS
    )
    confidence, alternatives = (
        ElementTree.Element(
            "TIER",
            ANNOTATOR=_MADE_BY,
            LINGUISTIC_TYPE_REF="about-gloss",
            PARENT_REF=_GLOSS,
            PARTICIPANT="",
            TIER_ID=name,
        )
        for name in (_CONFIDENCE, _ALTERNATIVES)
    )
    numbers = count(1)
    for place, (_, _, segment) in enumerate(segments):
        parent = f"a{next(numbers)}"
        holder = ElementTree.SubElement(ElementTree.SubElement(glosses, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
        holder.attrib.update(
            ANNOTATION_ID=parent, TIME_SLOT_REF1=f"ts{2 * place + 1}", TIME_SLOT_REF2=f"ts{2 * place + 2}"
        )
        ElementTree.SubElement(holder, "ANNOTATION_VALUE").text = _clean(segment.gloss or UNKNOWN)
        others = segment.candidates
        if segment.gloss is not None:
            _associate(confidence, f"a{next(numbers)}", parent, f"{others[0].confidence:.2f}")
            others = others[1:]
        if others:
            value = " | ".join(f"{one.gloss} {one.confidence:.2f}" for one in others)
            _associate(alternatives, f"a{next(numbers)}", parent, value)
    return [glosses, confidence, alternatives]


def _associate(tier: ElementTree.Element, name: str, parent: str, value: str) -> None:
    """Add an annotation that belongs to another one."""
    holder = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), "REF_ANNOTATION")
    holder.attrib.update(ANNOTATION_ID=name, ANNOTATION_REF=parent)
    ElementTree.SubElement(holder, "ANNOTATION_VALUE").text = _clean(value)


def _columns(places: range) -> list[str]:
    return [f"{name}_{place}" for place in places for name in ("gloss", "confidence")]


def _cells(candidates: Sequence[Candidate], place: int) -> tuple[str, str]:
    """Gloss and confidence of the candidate at a place, counted from 1; empty when there are fewer."""
    if place > len(candidates):
        return "", ""
    return plain_cell(candidates[place - 1].gloss), f"{candidates[place - 1].confidence:.3f}"


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return round(float(value), 4) if math.isfinite(value) else None


def _clean(text: str) -> str:
    """XML cannot hold control characters and halves of characters, however they are written."""
    bad = {char for char in text if char in "\ufffe\uffff" or unicodedata.category(char) in ("Cc", "Cs")} - {"\t", "\n"}
    return "".join("\N{REPLACEMENT CHARACTER}" if char in bad else char for char in text)
