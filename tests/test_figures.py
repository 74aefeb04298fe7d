"""Figures are drawn one after the other, in one thread, whoever asks."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.figures import Picture, alone, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def a_figure(title: str) -> Picture:
    def draw(figure: Figure) -> None:
        figure.subplots().set_title(title, fontweight="bold")

    return picture("one", title, draw, alt="", caption="", size=(2, 2), kind="png")


def open_fonts() -> int:
    return sum(os.path.realpath(one).endswith(".ttf") for one in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="looks at open files as Linux shows them")
def test_threads_that_draw_leave_no_fonts_open() -> None:
    a_figure("first")
    before = open_fonts()
    assert before > 0, "the fonts that are in use are open"
    threads = [threading.Thread(target=a_figure, args=(f"figure {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert open_fonts() == before


def test_what_goes_wrong_is_told_to_whoever_asked() -> None:
    @alone
    def drawn() -> None:
        raise ValueError("no paper")

    with pytest.raises(ValueError, match="no paper"):
        drawn()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_draws_for_itself() -> None:
    a_figure("of the parent")
    child = os.fork()
    if child == 0:
        os._exit(0 if a_figure("of the child").data else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
