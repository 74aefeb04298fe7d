"""The written signs seen as a lexicon, and written to a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import LexiconError
from models.lexicon.body import SignerStyle
from models.lexicon.embedded import Camera, embedded_lexicon, export_lexicon
from models.lexicon.index import open_lexicon
from models.lexicon.performance import perform
from models.lexicon.phonology import Phonology
from models.lexicon.phonology_files import load_phonology
from models.lexicon.recordings import add
from models.lexicon.signs import Lexicon, find_first
from models.pose import landmarks

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def phonology() -> Phonology:
    return load_phonology()


@pytest.fixture(scope="module")
def lexicon(phonology: Phonology) -> Lexicon:
    return embedded_lexicon(phonology=phonology)


def test_every_written_sign_and_letter_can_be_found(lexicon: Lexicon, phonology: Phonology) -> None:
    assert lexicon.glosses == tuple(sorted(phonology))
    assert all(lexicon.find(letter.lower())[0].gloss == letter for letter in LETTERS)
    assert all(entry.source and entry.theme and entry.handshapes for entry in lexicon.entries)


def test_signs_are_found_by_gloss_word_and_handshape(lexicon: Lexicon, phonology: Phonology) -> None:
    assert lexicon.find("hello")[0].words == phonology["HELLO"].words
    assert lexicon.find_word("hi")[0].gloss == "HELLO"
    assert "THANK-YOU" in [entry.gloss for entry in lexicon.search("thank")]
    with_y = lexicon.by_handshape("y")
    assert {entry.gloss for entry in with_y} == {g for g, sign in phonology.items() if "Y" in sign.shapes}
    begins = [entry.handshapes[0] == "Y" for entry in with_y]
    assert begins == sorted(begins, reverse=True)
    assert begins[0]
    assert lexicon.by_handshape("no-such-shape") == ()
    assert "flat-B" in lexicon.handshapes


def test_letters_stand_behind_signs_for_the_same_word(lexicon: Lexicon, phonology: Phonology) -> None:
    sign = next(gloss for gloss, entry in phonology.items() if "i" in map(str.lower, entry.words) and gloss != "I")
    assert [entry.gloss for entry in lexicon.find_word("I")] == [sign, "I"]


def test_loading_performs_the_sign_in_the_style_asked_for(phonology: Phonology) -> None:
    style, camera = SignerStyle(left_handed=True, tempo=1.5), Camera(fps=30, width=320, height=240)
    signer = embedded_lexicon(style, camera=camera, phonology=phonology)
    pose = signer.load(signer.find("HELLO")[0])
    expected = perform([phonology["HELLO"]], style, fps=30, width=320, height=240).pose
    assert np.array_equal(pose.body.data, expected.body.data)
    assert (pose.body.fps, pose.header.dimensions.width, pose.header.dimensions.height) == (30, 320, 240)


def test_signs_of_the_user_come_before_the_embedded_ones(tmp_path: Path, lexicon: Lexicon) -> None:
    add(tmp_path, lexicon.load(lexicon.find("NAME")[0]), "HELLO")
    own = open_lexicon(tmp_path)
    assert find_first([own, lexicon], "HELLO")[0] is own
    assert find_first([own, lexicon], "NAME")[0] is lexicon
    with pytest.raises(LexiconError, match=r"^No sign for HELO; nearest: HELLO"):
        find_first([own, lexicon], "HELO")


def test_an_exported_lexicon_holds_the_performances_and_says_where_the_sign_is(
    tmp_path: Path, lexicon: Lexicon, phonology: Phonology
) -> None:
    told: list[tuple[int, int]] = []
    exported = export_lexicon(
        tmp_path / "ase",
        glosses=["hello", "A", "HELLO"],
        phonology=phonology,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (exported.glosses, exported.problems, told) == (("A", "HELLO"), (), [(1, 2), (2, 2)])
    for gloss in exported.glosses:
        (entry,) = exported.find(gloss)
        pose, expected = exported.load(entry), perform([phonology[gloss]])
        assert np.array_equal(np.ma.getdata(pose.body.data), np.ma.getdata(expected.pose.body.data))
        assert tuple(component.name for component in pose.header.components) == landmarks.COMPONENTS
        span = entry.segment_frames(25)
        assert span is not None
        assert 40 * span[0] == pytest.approx(expected.segments[0].start_ms, abs=40)
        assert 40 * span[1] == pytest.approx(expected.segments[0].end_ms, abs=40)
        assert entry.words == lexicon.find(gloss)[0].words
        assert entry.priority == lexicon.find(gloss)[0].priority


def test_exporting_over_a_lexicon_or_an_unknown_sign_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"No sign for HELO; nearest: HELLO"):
        export_lexicon(tmp_path / "new", glosses=["A", "HELO"])
    assert not (tmp_path / "new").exists()
    (tmp_path / "index.csv").write_text("mine")
    with pytest.raises(LexiconError, match="holds a lexicon already"):
        export_lexicon(tmp_path, glosses=["A"])
    assert (tmp_path / "index.csv").read_text() == "mine"
