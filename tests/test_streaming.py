"""Live output of blocking work: order, stopping, errors, and a consumer that goes away."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar

import pytest

from models.progress import Cancelled
from studio.ui.streaming import live, stream


def test_the_newest_report_comes_and_the_result_is_last() -> None:
    def work(tell):
        for number in range(5):
            tell(number)
            time.sleep(0.15)
        return "done"

    seen = list(stream(work, threading.Event()))
    assert seen[-1] == "done"
    reports = seen[:-1]
    assert reports == sorted(set(reports))
    assert len(reports) >= 2


def test_the_work_knows_whose_request_it_serves() -> None:
    visitor: ContextVar[str] = ContextVar("visitor", default="nobody")
    visitor.set("Anna")
    assert list(stream(lambda tell: visitor.get(), threading.Event())) == ["Anna"]


def test_an_error_of_the_work_is_raised_where_it_is_shown() -> None:
    def work(tell):
        raise ValueError("no such clip")

    with pytest.raises(ValueError, match="no such clip"):
        list(stream(work, threading.Event()))


def test_a_consumer_that_goes_away_stops_the_work() -> None:
    stop, ended = threading.Event(), threading.Event()

    def work(tell):
        tell(1)
        assert stop.wait(10), "was never told to stop"
        ended.set()

    reports = stream(work, stop)
    assert next(reports) == 1
    reports.close()
    assert ended.is_set()


def test_live_shows_first_then_reports_then_stopped() -> None:
    stop = threading.Event()
    stop.set()  # of an earlier run

    def work(tell):
        assert not stop.is_set()
        raise Cancelled

    outputs = list(live(work, stop, first=("first",), shown=lambda report: (report,), stopped=("stopped",)))
    assert outputs == [("first",), ("stopped",)]
