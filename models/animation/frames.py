"""Folders of numbered pictures, `0001.jpg …`: what long work is kept in, and what other tools read and write.

JPEG at quality 95 without colour subsampling is not to be told from the picture by eye and takes a third of a PNG.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.errors import VideoError
from models.files import replacing, safe_name
from models.lexicon.captions import burn_captions
from models.lexicon.performance import Segment
from models.pictures import read_picture
from models.progress import Cancelled, Meter, Progress, counted
from models.video import ReadOptions, VideoReader
from models.video_write import write_video

Image = NDArray[np.uint8]
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def frame_paths(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names (2.jpg before 10.jpg).

    Raises VideoError when there is none.
    """
    if not folder.is_dir():
        raise VideoError(f"{safe_name(folder)}: there is no such folder; give one with frames 0001.jpg, 0002.jpg …")
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
    if not found:
        raise VideoError(f"{safe_name(folder)}: no picture is in this folder; it needs frames 0001.jpg, 0002.jpg …")
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in _parts(path.stem)])


def _parts(name: str) -> list[str]:
    """Text and numbers by turns, text first, so that two names always compare."""
    return re.split(r"(\d+)", name)


def read_frame(path: Path) -> Image:
    """One frame as (H, W, 3) RGB. Raises PictureError for a file that is no picture."""
    return read_picture(path, "take it out of the folder")


def read_frames(folder: Path) -> Iterator[Image]:
    """The frames of a folder in order. Raises VideoError when one has another size than the first."""
    size: tuple[int, ...] | None = None
    for path in frame_paths(folder):
        frame = read_frame(path)
        size = size or frame.shape
        if frame.shape != size:
            raise VideoError(
                f"{safe_name(path)}: {frame.shape[1]} x {frame.shape[0]} pixels, the frames before it "
                f"{size[1]} x {size[0]}; all frames of a video are of one size."
            )
        yield frame


def frame_path(folder: Path, index: int) -> Path:
    """Where frame `index` (from 0) is kept: 0001.jpg is the first."""
    return folder / f"{index + 1:04}.jpg"


def write_frame(folder: Path, index: int, frame: Image) -> None:
    """Keep frame `index` (from 0). Raises VideoError when the disk refuses."""
    path = frame_path(folder, index)
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), _JPEG)
    assert encoded
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data.tobytes())
    except OSError as error:
        raise VideoError(f"{path.name}: cannot be written ({error}); check the folder and the free space.") from error


def write_picture(path: Path, frame: Image) -> None:
    """Write one frame as .png or .jpg. Raises VideoError for any other name."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise VideoError(f"{safe_name(path)}: pictures are written as PNG or JPEG; use a name in .png or .jpg.")
    with replacing(path) as temporary:
        PillowImage.fromarray(frame).save(temporary, quality=95)


def count_frames(folder: Path) -> int:
    """How many frames are there without a gap, from the first on."""
    count = 0
    while frame_path(folder, count).exists():
        count += 1
    return count


def frames_to_video(
    folder: Path,
    out: Path,
    *,
    fps: float = 25,
    segments: Sequence[Segment] = (),
    metadata: dict[str, str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Write the frames of a folder as a video, with a strip for captions when there are segments; returns how many.

    Raises VideoError for an empty folder, frames of different sizes, and what the disk refuses.
    """
    meter = Meter(len(frame_paths(folder)), progress)
    frames = read_frames(folder)
    if segments:
        frames = burn_captions(frames, segments, fps)
    count = write_video(out, counted(frames, meter), fps=fps, metadata=metadata)
    meter.finish()
    return count


def video_to_frames(
    video: Path,
    folder: Path,
    *,
    fps: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> int:
    """Write every frame of a video as `0001.jpg …`; returns how many. The folder has to be new or empty.

    Raises VideoError for a video that cannot be read and a folder that holds something, Cancelled when stopped; then
    the folder is left empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise VideoError(f"{safe_name(folder)}: there is something of this name already; choose a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with VideoReader(video, ReadOptions(fps=fps)) as reader:
            meter = Meter(reader.expected_frames, progress)
            for count, frame in enumerate(reader, start=1):
                if should_stop is not None and should_stop():
                    raise Cancelled
                write_frame(folder, count - 1, frame)
                meter.count()
    except BaseException:  # Ctrl-C, too; a folder with a part of the frames would be refused the next time
        for index in range(count):
            frame_path(folder, index).unlink(missing_ok=True)
        raise
    meter.finish()
    return count


def zip_frames(folder: Path, out: Path) -> Path:
    """All frames of a folder in one zip, stored as they are: JPEG does not get smaller."""
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for path in frame_paths(folder):
            archive.write(path, path.name)
    return out
