"""The cameras that are watched now: one `LiveSession` each, a few at a time, freed when nobody looks any more.

Pictures come from pages by a way that has no queue, so what holds a queue back elsewhere is held here: how many
cameras there are, how many pictures of each may wait, how big a picture may be.
"""

from __future__ import annotations

import base64
import binascii
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pictures

from models.errors import SignError
from models.pose.holistic import Image
from models.recognition.live import LiveSession, LiveView
from models.recognition.results import Recognizer
from studio.texts import text

MAX_CAMERAS = 4
"""Cameras at one time; each needs about 170 MB and, on two cores, most of the processor."""
MAX_IN_FLIGHT = 2
"""Pictures of one camera that are here at one time: one is worked on, one waits. More are passed over."""
IDLE_S = 10.0
"""A camera that sent nothing for so long is taken as switched off."""
MAX_PICTURE_BYTES = 400_000
MAX_PICTURE_SIDE = 1024
_MAX_TOKEN = 64
_JPEG_URL = "data:image/jpeg;base64,"


class CameraOff(SignError):
    """The camera was switched off here, because it had sent nothing for a while; it may be opened again."""


@dataclass
class _Camera:
    """One camera: its session once there is one, and what is on its way to it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    session: LiveSession | None = None
    description: str = ""
    """Of the recognizer that watches."""
    ended: bool = False
    waiting: int = 0
    used_s: float = field(default_factory=time.monotonic)


class Cameras:
    """Live sessions by a token that the page made up. For use by any number of threads."""

    def __init__(self, *, most: int = MAX_CAMERAS, idle_s: float = IDLE_S) -> None:
        self._most, self._idle_s = most, idle_s
        self._cameras: dict[str, _Camera] = {}
        self._lock = threading.Lock()
        self._sweeping = False

    def __len__(self) -> int:
        return len(self._cameras)

    def open(self, token: str, recognizer: Callable[[], Recognizer]) -> str:
        """Begin to watch a camera with a recognizer; returns what watches it, in words. One that is watched already is
        watched on by the recognizer that it has.

        Raises SignError when there are too many.
        """
        if not (isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN):
            raise SignError(text("The camera has no proper name; load the page again."))
        chosen = recognizer()
        with self._lock:
            camera = self._cameras.get(token)
            if camera is None:
                if len(self._cameras) >= self._most:
                    raise SignError(
                        text(
                            "{most} cameras are being watched, which is all this studio can do at a time. Try again "
                            "when one of them is switched off.",
                            most=self._most,
                        )
                    )
                camera = self._cameras[token] = _Camera()
            camera.waiting += 1
        try:
            with camera.lock:
                if camera.ended:
                    raise CameraOff(text("The camera was switched off while it was starting; start it again."))
                if camera.session is None:
                    camera.session, camera.description = LiveSession(chosen), chosen.description
        except BaseException:
            with self._lock:
                if self._cameras.get(token) is camera:
                    del self._cameras[token]
            raise
        finally:
            self._done(camera)
        self._sweep_later()
        return camera.description

    def see(self, token: str, picture: Image, time_ms: float) -> LiveView | None:
        """What there is to show after the next picture of a camera; None when the picture was passed over, because
        enough of them wait. Raises CameraOff when the camera is not open."""
        with self._lock:
            camera = self._cameras.get(token)
            if camera is None:
                raise CameraOff(text("The camera sent nothing for a while and was switched off; start it again."))
            if camera.waiting >= MAX_IN_FLIGHT:
                return None
            camera.waiting += 1
        try:
            with camera.lock:
                if camera.session is None:
                    raise CameraOff(text("The camera was switched off; start it again."))
                return camera.session.see(picture, time_ms)
        finally:
            self._done(camera)

    def close(self, token: str) -> LiveView | None:
        """Stop to watch a camera; what was still being signed is settled. None when it was not open."""
        with self._lock:
            camera = self._cameras.pop(token, None)
        return None if camera is None else _ended(camera)

    def close_all(self) -> None:
        """Stop to watch every camera."""
        for token in list(self._cameras):
            self.close(token)

    def _done(self, camera: _Camera) -> None:
        with self._lock:
            camera.waiting -= 1
            camera.used_s = time.monotonic()

    def _sweep_later(self) -> None:
        with self._lock:
            if self._sweeping or not self._cameras:
                return
            self._sweeping = True
        timer = threading.Timer(self._idle_s / 5, self._sweep)
        timer.daemon = True
        timer.start()

    def _sweep(self) -> None:
        """Switch off what sent nothing for a while."""
        with self._lock:
            self._sweeping = False
            now = time.monotonic()
            idle = [
                token
                for token, camera in self._cameras.items()
                if camera.waiting == 0 and now - camera.used_s > self._idle_s
            ]
            ended = [self._cameras.pop(token) for token in idle]
        for camera in ended:
            _ended(camera)
        self._sweep_later()


def _ended(camera: _Camera) -> LiveView | None:
    """Close the session when the picture that is worked on is done."""
    with camera.lock:
        session, camera.session, camera.ended = camera.session, None, True
        if session is None:
            return None
        last = session.finish()
        session.close()
        return last


def read_picture(url: object) -> Image:
    """The picture (H, W, 3) RGB of a `data:image/jpeg;base64,` address; it comes from a page, so nothing is believed.

    Raises SignError when it is anything but a JPEG of at most MAX_PICTURE_BYTES and MAX_PICTURE_SIDE pixels a side.
    """
    if not isinstance(url, str) or not url.startswith(_JPEG_URL):
        raise SignError(text("The camera's picture is no JPEG."))
    if len(url) - len(_JPEG_URL) > MAX_PICTURE_BYTES * 4 / 3 + 4:
        raise SignError(text("The camera's picture is larger than {most} kB.", most=MAX_PICTURE_BYTES // 1000))
    try:
        data = base64.b64decode(url[len(_JPEG_URL) :], validate=True)
        with Pictures.open(io.BytesIO(data), formats=["JPEG"]) as picture:  # reads the header, no more
            if max(picture.size) > MAX_PICTURE_SIDE:
                size = "x".join(map(str, picture.size))
                raise SignError(
                    text(
                        "The camera's picture has {size} pixels; {most} a side are the most.",
                        size=size,
                        most=MAX_PICTURE_SIDE,
                    )
                )
            return np.asarray(picture.convert("RGB"))
    except (binascii.Error, OSError, SyntaxError, ValueError, Pictures.DecompressionBombError) as error:
        raise SignError(text("The camera's picture is no JPEG that can be read.")) from error
