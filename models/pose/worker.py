"""What a worker process of `models.pose.batch` does with one clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.errors import SignError
from models.files import safe_name
from models.pool import Say
from models.pose.extract import PoseOptions, extract_pose, open_session
from models.pose.holistic import HolisticSession
from models.pose.record import write_result
from models.progress import Progress

PRELOAD = (__name__, "mediapipe.python.solutions.holistic")
"""What processes that extract poses import; see `models.pool.in_workers`."""


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
    """The end of a clip: it is done, or failed with an error."""

    num_frames: int
    seconds: float
    error: str | None


def open_extractor(options: PoseOptions, threads: int) -> Callable[[Task, Say], Done]:
    """The function of one worker: extracts one clip after the other, says Frames meanwhile.

    threads: for MediaPipe's graph. With a worker on every core, one thread each is 6 % less work than many.
    """
    session: HolisticSession | None = None

    def extract(task: Task, say: Say) -> Done:
        nonlocal session
        start = time.monotonic()
        num_frames, error = 0, None
        try:
            session = session or open_session(options, threads=threads)
            num_frames = _extract(task, options, session, say)
        except SignError as problem:
            error = str(problem)
        except Exception as problem:  # noqa: BLE001  one bad file never stops a folder
            error = f"{safe_name(task.clip)}: {type(problem).__name__}: {problem}"
            session = None  # whatever happened, the next clip starts from nothing
        return Done(num_frames, time.monotonic() - start, error)

    return extract


def _extract(task: Task, options: PoseOptions, session: HolisticSession, say: Say) -> int:
    def tell(progress: Progress) -> None:
        say(Frames(progress.done_frames, progress.total_frames))

    result = extract_pose(task.clip, options, tell, session=session)
    write_result(task.pose_path, result, task.clip, options)
    return len(result.sharpness)
