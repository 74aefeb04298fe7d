"""Live output of blocking work: order, stopping, errors, and a consumer that goes away."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from pathlib import Path

import pytest

from models.progress import Cancelled
from studio.ui.sessions import Session
from studio.ui.streaming import live, stream


@pytest.fixture
def page(tmp_path: Path) -> Session:
    return Session(folder=tmp_path / "page")


def test_the_newest_report_comes_and_the_result_is_last(page: Session) -> None:
    def work(tell, stopped):
        for number in range(5):
            tell(number)
            time.sleep(0.15)
        return "done"

    seen = list(stream(page, work))
    assert seen[-1] == "done"
    reports = seen[:-1]
    assert reports == sorted(set(reports))
    assert len(reports) >= 2


def test_the_work_knows_whose_request_it_serves(page: Session) -> None:
    visitor: ContextVar[str] = ContextVar("visitor", default="nobody")
    visitor.set("Anna")
    assert list(stream(page, lambda tell, stopped: visitor.get())) == ["Anna"]


def test_an_error_of_the_work_is_raised_where_it_is_shown(page: Session) -> None:
    def work(tell, stopped):
        raise ValueError("no such clip")

    with pytest.raises(ValueError, match="no such clip"):
        list(stream(page, work))


def test_a_consumer_that_goes_away_stops_the_work_and_does_not_wait_for_it(page: Session) -> None:
    told, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(tell, stopped):
        tell(1)
        _wait_for(stopped)
        told.set()
        go_on.wait(10)
        ended.set()

    reports = stream(page, work)
    assert next(reports) == 1
    reports.close()
    assert told.wait(10), "was never told to stop"
    assert not ended.is_set()
    assert page.runs, "it is still at work"
    go_on.set()
    _wait_for(lambda: not page.runs)


def test_stopping_a_page_stops_what_runs_and_not_what_comes_after(page: Session) -> None:
    page.stop()  # nothing runs yet

    def work(tell, stopped):
        assert not stopped()
        page.stop()
        assert stopped()
        raise Cancelled

    for _ in range(2):
        outputs = list(live(page, work, first=("first",), shown=lambda report: (report,), stopped=("stopped",)))
        assert outputs == [("first",), ("stopped",)]


def _wait_for(what) -> None:
    for _ in range(1000):
        if what():
            return
        time.sleep(0.01)
    pytest.fail("it never happened")
