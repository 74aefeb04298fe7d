"""The frames of a clip by the number in their name, from a folder of JPEGs or decoded from the video.

Both give the same: frame k from 0 of the video at 12 fps is number k + 1. Decoding is the default, as the frames of
all 220,847 clips take far more space than the clips do (`estimate` measures it on some of them). Written frames
appear as a whole folder or not at all.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.something import FPS, frame_name, frame_number
from models.data.stills import jpeg
from models.data.store import free_bytes
from models.data.work import Made
from models.errors import SignError
from models.files import safe_name
from models.pictures import read_picture
from models.video import ReadOptions, VideoReader
from models.video_decode import Frame

FRAMES = "frames"
"""Where frames are written: frames/ID/0001.jpg."""
QUALITY = 90
_BLOCK = 4096
_PART = ".part-"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How much space frames will take."""

    clips: int
    measured: int
    """How many of them were measured."""
    bytes_per_clip: float
    total_bytes: float
    """As the disk counts: whole blocks of 4096 bytes."""
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class FrameWork:
    """What is to be written for one clip. It can be pickled."""

    video_id: str
    source: Path
    out: Path
    quality: int


def frames_of(source: Path) -> Iterator[tuple[int, Frame]]:
    """(number, (H, W, 3) uint8 RGB) of every frame in order. Raises SignError when one cannot be read."""
    if source.is_dir():
        for number, path in _files(source):
            yield number, _read(path)
        return
    with VideoReader(source, ReadOptions(fps=FPS)) as clip:
        yield from enumerate(clip, start=1)


def chosen_frames(source: Path, choose: Callable[[Sequence[int]], Sequence[int]]) -> dict[int, Frame]:
    """The frames whose numbers `choose` picks out of all numbers, as {number: (H, W, 3)}.

    Of a folder only these are read; of a video every frame is decoded and for a moment held, which for its
    2 to 6 seconds is some 15 MB.
    """
    if source.is_dir():
        files = dict(_files(source))
        return {number: _read(files[number]) for number in dict.fromkeys(choose(tuple(files)))}
    frames = dict(frames_of(source))
    return {number: frames[number] for number in dict.fromkeys(choose(tuple(frames)))}


def numbers_of(source: Path) -> tuple[tuple[int, ...], int, int]:
    """(numbers of all frames, width, height) without decoding them all; of a video, as many as its header promises."""
    if source.is_dir():
        files = _files(source)
        height, width = _read(files[0][1]).shape[:2]
        return tuple(number for number, _ in files), width, height
    with VideoReader(source, ReadOptions(fps=FPS)) as clip:
        count = clip.expected_frames
        if count is None:
            count = sum(1 for _ in clip)
        return tuple(range(1, count + 1)), clip.width, clip.height


def write_frames(work: FrameWork) -> Made:
    """Write the frames of a clip as OUT/frames/ID/0001.jpg, …"""
    place = work.out / FRAMES / work.video_id
    count = size = 0
    with _whole_folder(place) as folder:
        for number, frame in frames_of(work.source):
            data = jpeg(frame, work.quality)
            (folder / frame_name(number)).write_bytes(data)
            count, size = count + 1, size + _on_disk(len(data))
    return Made(output=f"{FRAMES}/{work.video_id}/{frame_name(1)}", info={"frames": count, "bytes": size})


def frame_writer() -> Callable[[FrameWork], Made]:
    """What a worker does, for `models.data.work`."""
    return write_frames


def estimate(sources: Sequence[Path], out: Path, *, quality: int = QUALITY, sample: int = 24) -> Estimate:
    """How much space the frames of these clips will take, judged by some of them spread over all.

    Clips that cannot be read are not measured, and take the mean of the others.
    """
    count, sizes = min(sample, len(sources)), []
    for source in (sources[place * len(sources) // count] for place in range(count)):
        with suppress(SignError):
            sizes.append(sum(_on_disk(len(jpeg(frame, quality))) for _, frame in frames_of(source)))
    mean = float(np.mean(sizes)) if sizes else 0.0
    return Estimate(
        clips=len(sources),
        measured=len(sizes),
        bytes_per_clip=mean,
        total_bytes=mean * len(sources),
        free_bytes=free_bytes(out),
    )


def sweep_frames(out: Path) -> None:
    """Remove folders that a killed run left half written. Only for whoever works here alone."""
    for folder in (out / FRAMES).glob(f"{_PART}*"):
        shutil.rmtree(folder)


def mark_of(source: Path) -> str:
    """A short text that changes when a clip is replaced: its name and size, or the names of its frames."""
    if source.is_dir():
        numbers = [number for number, _ in _files(source)]
        return f"{source.name}/{len(numbers)}/{numbers[-1]}"
    return f"{source.name}/{source.stat().st_size}"


def _files(folder: Path) -> list[tuple[int, Path]]:
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = frame_number(path.name)
        if number is not None:
            found.setdefault(number, path)
    if not found:
        raise SignError(f"{safe_name(folder)} holds no frames (0001.jpg, …); remove it, so that the video is used.")
    return sorted(found.items())


def _read(path: Path) -> Frame:
    return read_picture(path, "write the frames again")


@contextmanager
def _whole_folder(place: Path) -> Iterator[Path]:
    """A folder that takes its place when the block succeeds, and vanishes when it fails."""
    temporary = place.with_name(f"{_PART}{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
