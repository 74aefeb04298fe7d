"""The worker process of `models.pose.batch`."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import NoReturn

from models.errors import SignError
from models.pose.extract import PoseOptions, extract_pose, open_session
from models.pose.holistic import HolisticSession
from models.pose.record import write_result
from models.progress import Progress


@dataclass(frozen=True)
class Task:
    """One clip, and where its pose goes."""

    clip: Path
    pose_path: Path

    @property
    def size(self) -> int:
        """Bytes of the clip; 0 when it is not there."""
        try:
            return self.clip.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True)
class Frames:
    """News from a worker: how many frames of its clip are done, and of how many (None: not known)."""

    done: int
    total: int | None


@dataclass(frozen=True)
class Done:
    """News from a worker: its clip is done, or failed with an error."""

    num_frames: int
    seconds: float
    error: str | None


def work(pipe: Connection, options: PoseOptions, threads: int) -> None:
    """Take tasks from the pipe until it says None or breaks; answer each with some Frames and one Done.

    threads: for MediaPipe's graph. With a worker on every core, one thread each is 6 % less work than many.
    """
    import cv2

    # Ctrl-C reaches every process of a terminal; the parent decides, and asks to terminate.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _native_log_off()
    cv2.setNumThreads(1)
    session: HolisticSession | None = None
    while True:
        try:
            task = pipe.recv()
        except EOFError:  # the parent is gone
            return
        if task is None:
            return
        start = time.monotonic()
        num_frames, error = 0, None
        try:
            session = session or open_session(options, threads=threads)
            num_frames = _extract(task, options, session, pipe)
        except BrokenPipeError:  # the parent is gone
            return
        except SignError as problem:
            error = str(problem)
        except Exception as problem:  # noqa: BLE001  one bad file never stops a folder
            error = f"{task.clip.name}: {type(problem).__name__}: {problem}"
            session = None  # whatever happened, the next clip starts from nothing
        pipe.send(Done(num_frames, time.monotonic() - start, error))


def _extract(task: Task, options: PoseOptions, session: HolisticSession, pipe: Connection) -> int:
    def tell(progress: Progress) -> None:
        pipe.send(Frames(progress.done_frames, progress.total_frames))

    result = extract_pose(task.clip, options, tell, session=session)
    write_result(task.pose_path, result, task.clip, options)
    return len(result.sharpness)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # As an exception, so that half-written temporary files are removed on the way out.
    sys.exit(128 + number)


def _native_log_off() -> None:
    """Python's messages keep the standard error; what C++ code writes to it goes nowhere."""
    try:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    except OSError:  # there is none
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
