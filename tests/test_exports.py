"""What was recognized as files: JSON, captions, a table, and an .eaf that keeps the rules of ELAN's format."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.recognition.exports import write_csv, write_eaf, write_json, write_vtt
from models.recognition.results import UNKNOWN, Candidate, Recognition, RecognizedSegment

# What EAFv3.0.xsd wants: the children of the document in this order, and these attributes at least.
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
REQUIRED = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "VERSION"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "TIME_SLOT": {"TIME_SLOT_ID"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "REF_ANNOTATION": {"ANNOTATION_ID", "ANNOTATION_REF"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    "CONSTRAINT": {"STEREOTYPE"},
}


def candidates(*pairs: tuple[str, float]) -> tuple[Candidate, ...]:
    return tuple(Candidate(gloss=gloss, confidence=sure, distance=1 - sure) for gloss, sure in pairs)


def segment(start_ms: float, end_ms: float, *pairs: tuple[str, float], known: bool = True) -> RecognizedSegment:
    return RecognizedSegment(start_ms=start_ms, end_ms=end_ms, candidates=candidates(*pairs), known=known)


def recognition(*segments: RecognizedSegment) -> Recognition:
    return Recognition(
        segments=segments, duration_ms=4000, recognizer="A test; it learned nothing.", remarks=("The light is low.",)
    )


SENTENCE = recognition(
    segment(400, 960.4, ("HELLO", 0.91), ("GOODBYE", 0.06), ("BYE", 0.03)),
    segment(960.4, 1500, ("MY", 0.4), ("YOUR", 0.35), known=False),
    segment(2000, 2600, ("TÜR&<NAME>", 0.77)),
)


def read_eaf(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_bytes())


def tier(document: ElementTree.Element, name: str) -> list[tuple[str, str]]:
    """(annotation id or the id it refers to, value) of each annotation."""
    found = next(one for one in document.iter("TIER") if one.get("TIER_ID") == name)
    notes = [*found.iter("ALIGNABLE_ANNOTATION"), *found.iter("REF_ANNOTATION")]
    return [
        (str(one.get("ANNOTATION_REF") or one.get("ANNOTATION_ID")), str(one.findtext("ANNOTATION_VALUE")))
        for one in notes
    ]


def check_rules(document: ElementTree.Element) -> None:
    """Raises AssertionError where the document breaks a rule of the format."""
    tags = [child.tag for child in document]
    assert list(dict.fromkeys(tags)) == ORDER
    assert sorted(tags, key=ORDER.index) == tags
    for element in document.iter():
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib), element.tag
    assert document.get("FORMAT") == document.get("VERSION") == "3.0"
    assert datetime.fromisoformat(str(document.get("DATE"))).tzinfo is not None
    header = document.find("HEADER")
    assert header is not None
    assert header.get("TIME_UNITS") == "milliseconds"
    # xs:ID: one space of names for slots, annotations and constraints.
    ids = [
        element.get(name)
        for element in document.iter()
        for name in ("TIME_SLOT_ID", "ANNOTATION_ID", "STEREOTYPE")
        if element.get(name)
    ]
    assert len(ids) == len(set(ids))
    slots = {slot.get("TIME_SLOT_ID"): int(str(slot.get("TIME_VALUE"))) for slot in document.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    assert all(value >= 0 for value in slots.values())
    types = {one.get("LINGUISTIC_TYPE_ID"): one for one in document.iter("LINGUISTIC_TYPE")}
    constraints = {one.get("STEREOTYPE") for one in document.iter("CONSTRAINT")}
    tiers = {one.get("TIER_ID"): one for one in document.iter("TIER")}
    last = 0
    for one in tiers.values():
        kind = types[one.get("LINGUISTIC_TYPE_REF")]
        if one.get("PARENT_REF") is None:
            assert kind.get("CONSTRAINTS") is None
            assert kind.get("TIME_ALIGNABLE") == "true"
        else:
            parents = {note.get("ANNOTATION_ID") for note in tiers[one.get("PARENT_REF")].iter("ALIGNABLE_ANNOTATION")}
            assert kind.get("CONSTRAINTS") in constraints
            assert kind.get("TIME_ALIGNABLE") == "false"
            refs = [note.get("ANNOTATION_REF") for note in one.iter("REF_ANNOTATION")]
            assert len(refs) == len(set(refs))  # 1-1
            assert set(refs) <= parents
            assert not list(one.iter("ALIGNABLE_ANNOTATION"))
        for note in one.iter("ALIGNABLE_ANNOTATION"):
            start, end = (slots[note.get(f"TIME_SLOT_REF{number}")] for number in (1, 2))
            assert last <= start < end
            last = end
    for one in document.iter("ANNOTATION"):
        assert len(one) == 1
        assert [child.tag for child in one[0]] == ["ANNOTATION_VALUE"]


def test_an_eaf_has_the_glosses_their_confidence_and_the_alternatives(tmp_path: Path) -> None:
    write_eaf(tmp_path / "clip.eaf", SENTENCE, "my clip.mp4")
    document = read_eaf(tmp_path / "clip.eaf")
    check_rules(document)
    glosses = tier(document, "Gloss")
    assert [value for _, value in glosses] == ["HELLO", UNKNOWN, "TÜR&<NAME>"]
    first, second, third = (name for name, _ in glosses)
    assert tier(document, "Confidence") == [(first, "0.91"), (third, "0.77")]
    assert tier(document, "Alternatives") == [(first, "GOODBYE 0.06 | BYE 0.03"), (second, "MY 0.40 | YOUR 0.35")]
    media = document.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.get("RELATIVE_MEDIA_URL") == "./my clip.mp4"
    assert media.get("MIME_TYPE") == "video/mp4"
    properties = {one.get("NAME"): one.text for one in document.iter("PROPERTY")}
    assert properties["recognizer"] == SENTENCE.recognizer
    assert int(str(properties["lastUsedAnnotationId"])) == len(list(document.iter("ANNOTATION")))


def test_the_times_in_an_eaf_are_those_of_the_segments(tmp_path: Path) -> None:
    write_eaf(tmp_path / "clip.eaf", SENTENCE)
    document = read_eaf(tmp_path / "clip.eaf")
    assert [slot.get("TIME_VALUE") for slot in document.iter("TIME_SLOT")] == [
        "400",
        "960",
        "960",
        "1500",
        "2000",
        "2600",
    ]
    assert document.find("HEADER/MEDIA_DESCRIPTOR") is None


@pytest.mark.parametrize(
    "segments",
    [
        (),
        (segment(0, 0.2, ("A", 1.0)),),
        (segment(100, 500, ("A", 1.0)), segment(300, 700, ("B", 1.0)), segment(300, 600, ("C", 1.0))),
        (segment(500, 600, ("B", 1.0)), segment(-3, 200, ("A", 1.0))),
        (segment(0, 100, known=False),),
        (segment(0, 100, ("A\x00\x1b\ud800", 1.0)),),
    ],
    ids=["nothing", "shorter than 1 ms", "overlapping", "out of order", "no candidates", "no characters of XML"],
)
def test_an_eaf_keeps_the_rules_whatever_was_recognized(
    tmp_path: Path, segments: tuple[RecognizedSegment, ...]
) -> None:
    write_eaf(tmp_path / "clip.eaf", recognition(*segments), "a.webm")
    document = read_eaf(tmp_path / "clip.eaf")
    check_rules(document)
    assert len(tier(document, "Gloss")) == len(segments)


def test_json_says_everything_and_gives_no_gloss_to_what_is_unknown(tmp_path: Path) -> None:
    write_json(tmp_path / "clip.json", SENTENCE, "clip.mp4")
    content = json.loads((tmp_path / "clip.json").read_text(encoding="utf-8"))
    assert content["clip"] == "clip.mp4"
    assert content["glosses"] == ["HELLO", "TÜR&<NAME>"]
    assert content["recognizer"] == SENTENCE.recognizer
    assert content["remarks"] == ["The light is low."]
    assert content["segments"][1]["gloss"] is None
    assert content["segments"][1]["candidates"][0] == {"gloss": "MY", "confidence": 0.4, "distance": 0.6}


def test_json_without_a_distance_is_still_json(tmp_path: Path) -> None:
    far = RecognizedSegment(
        start_ms=0,
        end_ms=10,
        candidates=(Candidate(gloss="A", confidence=0.5, distance=float("inf")),),
        known=False,
    )
    write_json(tmp_path / "clip.json", recognition(far))
    content = json.loads((tmp_path / "clip.json").read_text(), parse_constant=pytest.fail)
    assert content["segments"][0]["candidates"][0]["distance"] is None


def test_captions_say_when_a_sign_is_unknown(tmp_path: Path) -> None:
    write_vtt(tmp_path / "clip.vtt", SENTENCE)
    text = (tmp_path / "clip.vtt").read_text(encoding="utf-8")
    assert text.startswith("WEBVTT\n")
    assert "00:00:00.400 --> 00:00:00.960\nHELLO\n" in text
    assert "00:00:00.960 --> 00:00:01.500\n(unknown sign)\n" in text
    assert "TÜR&amp;&lt;NAME&gt;" in text


def test_the_table_has_a_row_for_each_segment(tmp_path: Path) -> None:
    write_csv(tmp_path / "clip.csv", SENTENCE)
    with (tmp_path / "clip.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["gloss"], row["known"]) for row in rows] == [("HELLO", "yes"), ("?", "no"), ("TÜR&<NAME>", "yes")]
    assert (rows[0]["start_ms"], rows[0]["end_ms"]) == ("400", "960")
    assert (rows[0]["gloss_3"], rows[0]["confidence_3"]) == ("BYE", "0.030")
    assert rows[2]["gloss_2"] == ""


def test_no_gloss_in_the_table_is_taken_for_a_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "clip.csv", recognition(segment(0, 400, ("=1+1", 0.9), ("@SUM", 0.1))))
    with (tmp_path / "clip.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["gloss"], row["gloss_1"], row["gloss_2"]) == ("'=1+1", "'=1+1", "'@SUM")
