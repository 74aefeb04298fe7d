"""Contact sheets: telling frames, every sign once, pages of a bounded size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import LexiconError
from models.lexicon.performance import perform, sign_frames
from models.lexicon.phonology import SignEntry
from models.lexicon.phonology_files import load_phonology
from models.lexicon.sheet import SheetOptions, key_frames, write_sheets
from models.pose.landmarks import RIGHT_HAND, component


@pytest.fixture(scope="module")
def entries() -> list[SignEntry]:
    phonology = load_phonology()
    return [phonology[gloss] for gloss in ("HELLO", "NAME", "A")]


def test_key_frames_are_of_the_sign_in_order_with_both_ends(entries: list[SignEntry]) -> None:
    for entry in entries:
        performance = perform([entry])
        start, end = sign_frames(performance)
        frames = key_frames(performance, 5)
        assert (frames[0], frames[-1], len(frames)) == (start, end - 1, 5)
        assert frames == sorted(frames)


def test_key_frames_follow_the_hand_where_it_moves(entries: list[SignEntry]) -> None:
    performance = perform(entries[:1])
    start, end = sign_frames(performance)
    points, _ = component(performance.pose, RIGHT_HAND)
    evenly = np.linspace(start, end - 1, 5).round().astype(int)

    def longest_step(frames: np.ndarray | list[int]) -> float:
        return float(np.linalg.norm(np.diff(points[frames, 0, :2], axis=0), axis=-1).max())

    assert longest_step(key_frames(performance, 5)) < longest_step(evenly)


def test_a_long_sheet_is_split_into_pages_and_shows_every_sign(entries: list[SignEntry], tmp_path: Path) -> None:
    options = SheetOptions(frames=2, cell=64, rows=2, columns=1)
    ticks: list[int] = []
    pages = write_sheets(
        tmp_path / "sheet.png", entries, options, progress=lambda done, total: ticks.append(10 * done + total)
    )
    assert [page.name for page in pages] == ["sheet-1.png", "sheet-2.png"]
    assert ticks == [13, 23, 33]
    first, second = (np.array(Image.open(page)) for page in pages)
    assert first.shape[0] > second.shape[0]
    assert first.shape[1] == second.shape[1]
    assert (second < 250).any()


def test_one_page_has_the_name_that_was_asked_for(entries: list[SignEntry], tmp_path: Path) -> None:
    options = SheetOptions(frames=3, cell=64)
    assert write_sheets(tmp_path / "new" / "s.jpg", entries[:1], options) == [tmp_path / "new" / "s.jpg"]
    assert Image.open(tmp_path / "new" / "s.jpg").format == "JPEG"


def test_what_cannot_be_drawn_is_told(entries: list[SignEntry], tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"sheet\.pdf: a sheet is a picture"):
        write_sheets(tmp_path / "sheet.pdf", entries)
    with pytest.raises(LexiconError, match="No sign"):
        write_sheets(tmp_path / "sheet.png", [])
    with pytest.raises(LexiconError, match="1 frames"):
        SheetOptions(frames=1)
