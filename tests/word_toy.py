"""A folder of words whose clips show what is known: blue left hands, red right hands, and how much time has passed.

The landmarks are those the pictures are drawn from, so that no detector is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from pose_format import Pose
from synthetic_signer import LEFT, RIGHT, signer

from models.data.work import in_this_process
from models.pose.extract import PoseResult
from models.pose.landmarks import component_start, with_arrays
from models.video import probe
from models.video_write import write_video

FPS = 25.0
WIDTH, HEIGHT = 640, 480
BLUE, RED, GROUND = (30, 40, 220), (220, 40, 30), (90, 120, 90)
PALMS = {"left": (15, (17, 19)), "right": (16, (18, 20))}
"""The wrist, and the knuckles of little and index finger, among the body's landmarks."""


def signing(hands: Sequence[str] = ("left", "right"), seconds: float = 1.2) -> Pose:
    """A signer whose arms have knuckles."""
    pose = signer(seconds=seconds, fps=FPS, signing=(0.2, seconds - 0.2), hands=tuple(hands))
    data, confidence = np.ma.getdata(pose.body.data).copy(), np.asarray(pose.body.confidence)
    first = component_start(pose, "POSE_LANDMARKS")
    for wrist, knuckles in PALMS.values():
        for knuckle in knuckles:
            data[:, :, first + knuckle] = data[:, :, first + wrist] + (0, -40, 0)
    return with_arrays(pose, data, confidence)


def write_clip(path: Path, pose: Pose) -> None:
    """Draw the hands of a pose, and a bar that grows from the left at the top."""
    frames = []
    for number in range(len(pose.body.data)):
        frame = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
        frame[:20, : 1 + number * 8] = 255
        for hand, colour in ((LEFT, BLUE), (RIGHT, RED)):
            if np.asarray(pose.body.confidence)[number, 0, hand].any():
                points = np.ma.getdata(pose.body.data)[number, 0, hand, :2]
                (left, top), (right, bottom) = points.min(0).astype(int), points.max(0).astype(int) + 1
                frame[max(top, 0) : bottom, max(left, 0) : right] = colour
        frames.append(frame)
    write_video(path, frames, fps=FPS)


def write_words(raw: Path, clips: Sequence[str], hands: Sequence[str] = ("left", "right")) -> None:
    """Clips by their paths from the folder of words; of three lengths, in turn."""
    for number, clip in enumerate(clips):
        (raw / clip).parent.mkdir(parents=True, exist_ok=True)
        (raw / clip).write_bytes(drawn(tuple(hands), 0.8 + 0.2 * (number % 3)))


@cache
def drawn(hands: tuple[str, ...], seconds: float) -> bytes:
    """The file of a clip."""
    with TemporaryDirectory() as folder:
        write_clip(Path(folder) / "clip.mp4", signing(hands, seconds))
        return (Path(folder) / "clip.mp4").read_bytes()


def known(monkeypatch: pytest.MonkeyPatch, hands: Sequence[str] = ("left", "right")) -> list[str]:
    """Samples are made here, from the landmarks that the clips are drawn from; the names of clips that were read."""
    read: list[str] = []

    def extract(path: Path, *_: object, **__: object) -> PoseResult:
        info = probe(path)
        assert info.num_frames is not None
        read.append(path.name)
        pose = signing(hands, info.num_frames / FPS)
        return PoseResult(pose=pose, sharpness=np.zeros(0, np.float32), info=info, hands_lost=0, hands_recovered=0)

    def no_session(*_: object, **__: object) -> object:
        return object()

    monkeypatch.setattr("models.data.word_samples.extract_pose", extract)
    monkeypatch.setattr("models.data.word_samples.open_session", no_session)
    monkeypatch.setattr("models.data.words.open_engine", lambda *_: in_this_process)
    return read


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a data set but the manifest, with its content."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "manifest" not in path.name)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def after(count: int) -> Callable[[], bool]:
    """Says that it is time to stop once it was asked so often."""
    asked = iter(range(count))
    return lambda: next(asked, None) is None
