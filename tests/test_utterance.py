"""From a gloss line to one pose: order, pauses, speed, letters together, recordings among written signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import LexiconError
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import parse_gloss_line
from models.lexicon.index import open_lexicon
from models.lexicon.performance import Performance, perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.recordings import add
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.pose import landmarks


@pytest.fixture(scope="module")
def written():
    return embedded_lexicon()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lexicon with one recorded sign, MY-SIGN."""
    folder = tmp_path_factory.mktemp("own")
    recorded = perform([load_phonology()["MOTHER"]], width=640, height=480, fps=30)
    add(folder, recorded.pose, "MY-SIGN")
    return folder


def signed(line: str, lexicons: list, **options: float) -> Performance:
    return sign_line(parse_gloss_line(line).items, lexicons, UtteranceOptions(**options))


def test_items_become_segments_in_order_and_a_word_of_letters_is_one(written) -> None:
    made = signed("HELLO MY NAME fs-ANNA", [written])
    assert [one.gloss for one in made.segments] == ["HELLO", "MY", "NAME", "A-N-N-A"]
    times = [time for one in made.segments for time in (one.start_ms, one.end_ms)]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 1000 * len(made.pose.body.data) / 25


def test_a_recorded_sign_is_used_like_any_other(written, own: Path) -> None:
    made = signed("HELLO MY-SIGN THANK-YOU", [open_lexicon(own), written])
    assert [one.gloss for one in made.segments] == ["HELLO", "MY-SIGN", "THANK-YOU"]
    assert made.pose.body.fps == 25
    body, sure = landmarks.component(made.pose, landmarks.BODY)
    shoulders = np.linalg.norm(body[:, 11, :2] - body[:, 12, :2], axis=1)
    assert shoulders.std() / shoulders.mean() < 0.05, "one body, though one recording was wider"
    assert (sure[:, 11] > 0).all()


def test_the_first_lexicon_that_has_a_gloss_wins(written, own: Path, tmp_path: Path) -> None:
    add(tmp_path, perform([load_phonology()["MOTHER"]]).pose, "HELLO")
    mine = sign_line(parse_gloss_line("HELLO").items, [open_lexicon(tmp_path), written])
    theirs = sign_line(parse_gloss_line("HELLO").items, [written])
    high = [landmarks.component(made.pose, landmarks.RIGHT_HAND)[0][..., 1] for made in (mine, theirs)]
    assert high[0][high[0] > 0].min() != pytest.approx(high[1][high[1] > 0].min(), abs=2)


def test_a_comma_holds_the_sign_and_nothing_else_changes(written) -> None:
    plain, paused = (signed(line, [written]) for line in ("HELLO MY", "HELLO, MY"))
    longer_ms = 1000 * (len(paused.pose.body.data) - len(plain.pose.body.data)) / 25
    assert longer_ms == pytest.approx(250, abs=80)
    assert paused.segments[0].start_ms == plain.segments[0].start_ms


def test_of_several_pauses_in_a_row_the_longest_counts(written) -> None:
    lengths = {
        line: len(signed(line, [written]).pose.body.data) for line in ("HELLO . MY", "HELLO , . MY", "HELLO?! MY")
    }
    assert len(set(lengths.values())) == 1, lengths
    assert len(signed("HELLO, (800ms) MY", [written]).pose.body.data) == len(
        signed("HELLO (800ms) MY", [written]).pose.body.data
    )


@pytest.mark.parametrize("line", ["HELLO MY NAME", "HELLO MY-SIGN"])
def test_twice_the_speed_takes_clearly_less_time(written, own: Path, line: str) -> None:
    lexicons = [open_lexicon(own), written]
    usual, fast = (len(signed(line, lexicons, speed=speed).pose.body.data) for speed in (1.0, 2.0))
    assert fast < 0.75 * usual


def test_letters_stay_as_long_as_asked(written) -> None:
    short, long = (signed("fs-ANNA", [written], letter_hold_s=hold) for hold in (0.2, 0.6))
    grown_ms = (long.segments[0].end_ms - long.segments[0].start_ms) - (
        short.segments[0].end_ms - short.segments[0].start_ms
    )
    assert grown_ms == pytest.approx(4 * 400, abs=60)


def test_an_unknown_gloss_names_the_nearest_and_nothing_to_sign_is_said(written) -> None:
    with pytest.raises(LexiconError, match="HELLO"):
        signed("HELO", [written])
    with pytest.raises(LexiconError, match="nothing to sign"):
        sign_line([], [written])
    with pytest.raises(LexiconError, match=r"0\.4"):
        UtteranceOptions(speed=9)
