"""A camera that is watched: what is seen and said, jumps of the clock, tips; and the few that are watched at a time."""

from __future__ import annotations

import base64
import gc
import io
import threading
import time
import weakref
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from conftest import SAMPLES
from fake_camera import Lines, LinesStream
from PIL import Image as Pictures

from models.errors import SignError
from models.pose.holistic import Image
from models.recognition.live import AGREED_MS, LiveSession, LiveView
from models.recognition.results import UNKNOWN, Candidate
from studio.cameras import MAX_PICTURE_SIDE, CameraOff, Cameras, read_picture

STEP_MS = 40.0
BLANK = np.full((240, 320, 3), 200, np.uint8)


@pytest.fixture(scope="module")
def signing() -> list[Image]:
    """Pictures of a drawn signer whose hands are up."""
    reader = cv2.VideoCapture(str(SAMPLES / "hello-my-name-anna.mp4"))
    pictures = []
    while len(pictures) < 90:
        there, picture = reader.read()
        assert there
        pictures.append(cv2.cvtColor(cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB))
    return pictures[15:]


@pytest.fixture
def lines() -> Lines:
    return Lines(rows=10)


@pytest.fixture
def session(lines: Lines) -> Iterator[LiveSession]:
    opened = LiveSession(lines)
    yield opened
    opened.close()


def watch(session: LiveSession, pictures: list[Image], start_ms: float = 0.0) -> list[LiveView]:
    return [session.see(picture, start_ms + STEP_MS * index) for index, picture in enumerate(pictures)]


def test_a_signer_is_found_and_the_signs_come_out_with_their_times(session: LiveSession, signing: list[Image]) -> None:
    views = watch(session, signing[:45], start_ms=123_456.0)
    last = views[-1]
    assert last.body_found
    assert any(any(view.hands_found) for view in views)
    points = [point for view in views for hand in view.hands for point in hand]
    assert points
    assert all(-0.2 < x < 1.2 and -0.2 < y < 1.2 for x, y in points)
    left, right = last.body[:2]
    assert left[0] > right[0]  # the picture is not mirrored: the signer's left is on the right
    assert last.caption[:3] == ("HELLO", "MY", UNKNOWN)
    assert last.num_signs == len(last.caption)
    assert [segment.start_ms for segment in last.recent[:3]] == [0.0, 400.0, 800.0]
    assert last.fps == pytest.approx(1000 / STEP_MS)
    assert last.work_ms > 0
    assert last.tip is None


def test_nobody_in_the_picture_gives_a_tip_that_does_not_come_at_once(session: LiveSession) -> None:
    views = watch(session, [BLANK] * 20)
    assert views[5].tip is None
    assert "Nobody" in views[-1].tip
    assert not views[-1].body_found
    assert views[-1].caption == ()


def test_a_dark_picture_is_called_dark(session: LiveSession) -> None:
    assert "dark" in watch(session, [np.full_like(BLANK, 6)] * 20)[-1].tip


def test_a_signer_too_far_and_too_near_is_told_so(lines: Lines, signing: list[Image]) -> None:
    far = np.full((480, 640, 3), 200, np.uint8)
    far[150:310, 240:400] = cv2.resize(signing[0], (160, 160), interpolation=cv2.INTER_AREA)
    near = cv2.resize(signing[0][20:170, 85:235], (480, 480), interpolation=cv2.INTER_LINEAR)
    for picture, said in ((far, "far away"), (near, "too close")):
        session = LiveSession(lines)
        view = [session.see(picture, 100.0 * index) for index in range(20)][-1]
        session.close()
        assert view.body_found, said
        assert said in (view.tip or ""), said


def test_hands_that_stay_down_are_asked_for(session: LiveSession) -> None:
    reader = cv2.VideoCapture(str(SAMPLES / "hello-my-name-anna.mp4"))
    resting = cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2RGB)[:330]
    views = [session.see(resting, 100.0 * index) for index in range(35)]
    assert not any(views[-1].hands_found)
    assert views[10].tip is None
    assert "hands" in views[-1].tip


def test_a_guess_is_shown_when_it_has_held(session: LiveSession, signing: list[Image]) -> None:
    views = watch(session, signing[:10])
    waited = int(AGREED_MS / STEP_MS)
    assert [view.guess for view in views[:waited]] == [None] * waited
    assert views[waited].guess == "HELLO"


def test_a_guess_that_flickers_is_never_shown(signing: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    def flickering(stream: LinesStream) -> Candidate:
        return Candidate(gloss="HOUSE" if stream.seen % 4 < 2 else "TREE", confidence=0.5, distance=1.0)

    monkeypatch.setattr(LinesStream, "guess", property(flickering))
    session = LiveSession(Lines(rows=1000))
    assert {view.guess for view in watch(session, signing[:20])} == {None}
    session.close()


@pytest.mark.parametrize("jump_ms", [-60_000.0, 1500.0])
def test_a_jump_of_the_clock_ends_what_was_signed_and_begins_anew(
    lines: Lines, session: LiveSession, signing: list[Image], jump_ms: float
) -> None:
    before = watch(session, signing[:15])[-1]
    assert before.caption == ("HELLO",)
    view = session.see(signing[15], before.time_ms + jump_ms)
    assert lines.streams == 2
    assert view.caption == ("HELLO", "MY")  # the second was still being made
    assert view.fps == 0
    assert view.guess is None
    after = watch(session, signing[16:30], view.time_ms + STEP_MS)[-1]
    assert lines.streams == 2
    assert after.caption == ("HELLO", "MY", "HELLO")
    assert after.recent[-1].start_ms == view.time_ms


def test_after_a_jump_the_same_pictures_look_as_they_did_at_first(lines: Lines, signing: list[Image]) -> None:
    session = LiveSession(lines)
    first = watch(session, signing[:8])
    again = watch(session, signing[:8], start_ms=100_000.0)
    session.close()
    assert [view.hands for view in again] == [view.hands for view in first]
    assert [view.body for view in again] == [view.body for view in first]


def test_a_picture_that_was_overtaken_changes_nothing(session: LiveSession, signing: list[Image]) -> None:
    newest = watch(session, signing[:5])[-1]
    assert session.see(BLANK, newest.time_ms - STEP_MS / 2) is newest
    assert session.see(BLANK, newest.time_ms) is newest


def test_two_sessions_know_nothing_of_each_other(lines: Lines, signing: list[Image]) -> None:
    alone = LiveSession(Lines(rows=10))
    expected = watch(alone, signing[:15])
    alone.close()
    first, second = LiveSession(lines), LiveSession(lines)
    for index, picture in enumerate(signing[:15]):
        seen = first.see(picture, STEP_MS * index)
        nobody = second.see(BLANK, 1e6 + 100 * index)
        assert seen.hands == expected[index].hands
        assert not nobody.body_found
    assert seen.caption == ("HELLO",)
    assert nobody.caption == ()
    first.close()
    second.close()


def test_finishing_settles_the_sign_that_was_being_made(session: LiveSession, signing: list[Image]) -> None:
    watch(session, signing[:5])
    last = session.finish()
    assert last.caption == ("HELLO",)
    assert not last.body_found
    assert session.finish().num_signs == 1


def test_a_closed_session_refuses_and_closes_twice(lines: Lines) -> None:
    session = LiveSession(lines)
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.see(BLANK, 0.0)


def test_closing_gives_the_memory_back(lines: Lines) -> None:
    session = LiveSession(lines)
    session.see(BLANK, 0.0)
    holistic = weakref.ref(session._holistic)  # about 170 MB
    session.close()
    del session
    gc.collect()
    assert holistic() is None


def test_a_time_that_is_no_number_is_refused(session: LiveSession) -> None:
    with pytest.raises(ValueError, match="nan"):
        session.see(BLANK, float("nan"))


def test_a_session_that_sees_nothing_can_be_finished(session: LiveSession) -> None:
    assert session.finish().caption == ()


class TestCameras:
    """Several at once, bounded and freed."""

    def test_the_one_too_many_is_refused_in_words_until_one_is_off(self, lines: Lines) -> None:
        cameras = Cameras(most=2)
        assert cameras.open("a", lambda: lines) == lines.description
        cameras.open("b", lambda: lines)
        cameras.open("a", lambda: lines)  # the same again
        with pytest.raises(SignError, match="2 cameras are being watched"):
            cameras.open("c", lambda: lines)
        cameras.close("a")
        cameras.open("c", lambda: lines)
        assert len(cameras) == 2
        cameras.close_all()
        assert len(cameras) == 0

    def test_a_camera_that_is_watched_says_by_whom(self, lines: Lines) -> None:
        class Others(Lines):
            description = "Another one."

        cameras = Cameras()
        cameras.open("a", lambda: lines)
        assert cameras.open("a", lambda: Others()) == lines.description
        cameras.close_all()

    def test_a_camera_that_is_not_open_is_called_off(self, lines: Lines) -> None:
        cameras = Cameras()
        with pytest.raises(CameraOff):
            cameras.see("a", BLANK, 0.0)
        assert cameras.close("a") is None
        for token in ("", "x" * 65, None):
            with pytest.raises(SignError, match="name"):
                cameras.open(token, lambda: lines)

    def test_a_silent_camera_is_switched_off(self, lines: Lines) -> None:
        cameras = Cameras(idle_s=2.0)
        cameras.open("a", lambda: lines)
        cameras.see("a", BLANK, 0.0)
        for _ in range(600):
            if not len(cameras):
                break
            time.sleep(0.05)
        with pytest.raises(CameraOff):
            cameras.see("a", BLANK, 40.0)

    def test_closing_gives_the_sign_that_was_being_made(self, lines: Lines, signing: list[Image]) -> None:
        cameras = Cameras()
        cameras.open("a", lambda: lines)
        for index in range(5):
            cameras.see("a", signing[index], STEP_MS * index)
        assert cameras.close("a").caption == ("HELLO",)

    def test_a_third_picture_is_passed_over_while_two_are_here(
        self, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        working, go_on = threading.Semaphore(0), threading.Event()

        def slow(session: LiveSession, image: Image, time_ms: float) -> LiveView:
            working.release()
            assert go_on.wait(30)
            return LiveView(time_ms=time_ms)

        monkeypatch.setattr(LiveSession, "see", slow)
        cameras = Cameras()
        cameras.open("a", lambda: lines)
        answers: list[LiveView | None] = []
        threads = [
            threading.Thread(target=lambda: answers.append(cameras.see("a", BLANK, 1.0)), daemon=True) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        assert working.acquire(timeout=30)
        for _ in range(200):
            if cameras._cameras["a"].waiting == 2:
                break
            time.sleep(0.05)
        assert cameras.see("a", BLANK, 2.0) is None
        go_on.set()
        for thread in threads:
            thread.join(30)
        assert [answer.time_ms for answer in answers if answer] == [1.0, 1.0]
        cameras.close_all()

    def test_a_recognizer_that_does_not_load_leaves_no_camera_behind(self) -> None:
        def broken() -> Lines:
            raise SignError("The weights are truncated.")

        cameras = Cameras()
        with pytest.raises(SignError, match="truncated"):
            cameras.open("a", broken)
        assert len(cameras) == 0


def url(data: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def encoded(picture: Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Pictures.fromarray(picture).save(buffer, kind)
    return buffer.getvalue()


def test_a_jpeg_is_read_in_rgb() -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    picture = read_picture(url(encoded(red)))
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - red).max() < 8


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (None, "no JPEG"),
        ("http://example.org/x.jpg", "no JPEG"),
        ("data:image/jpeg;base64,!!!", "no JPEG"),
        (url(b""), "no JPEG"),
        (url(encoded(BLANK, "PNG")), "no JPEG"),
        (url(encoded(BLANK, "PNG"), "png"), "no JPEG"),
        (url(encoded(BLANK)[:400]), "no JPEG"),
        (url(b"\xff\xd8" + bytes(500_000)), "400 kB"),
        (url(encoded(np.zeros((8, MAX_PICTURE_SIDE + 1, 3), np.uint8))), "1025x8"),
    ],
)
def test_what_is_no_small_jpeg_is_refused(sent: object, said: str) -> None:
    with pytest.raises(SignError, match=said):
        read_picture(sent)
