"""Write RGB frames as H.264 MP4 that every browser plays."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from models.errors import VideoError
from models.files import replacing, safe_name
from models.video import MAX_FPS, exact_rate
from models.video_decode import MAX_SIDE, Frame

_BT709, _LIMITED_RANGE = 1, 1


class VideoWriter:
    """Writes (height, width, 3) uint8 RGB frames to an MP4: H.264, yuv420p, BT.709, index first (faststart).

    `with VideoWriter(path, fps=25, width=640, height=480) as clip: clip.write(frame)`. The file appears under its
    name when the block ends well; after an error, or without a frame, nothing is left and an older file stays.
    Odd sizes are padded to even by repeating the last row or column. `crf` 0–51: lower is better and larger.

    Raises:
        VideoError: the rate, the size or the file name cannot be written; the disk refuses; no frame was written.
        ValueError: a frame of another shape or type.
    """

    def __init__(self, path: str | os.PathLike[str], *, fps: float, width: int, height: int, crf: int = 20) -> None:
        self.path = Path(path)
        self.num_frames = 0
        if not 0 < fps <= MAX_FPS:
            raise VideoError(f"{safe_name(path)}: fps is {fps}; use a number above 0 and up to {MAX_FPS}")
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise VideoError(f"{safe_name(path)}: a picture of {width} x {height} pixels; use 1 to {MAX_SIDE} a side")
        if self.path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
            raise VideoError(f"{safe_name(path)}: videos are written as MP4; use a name that ends in .mp4")
        if self.path.is_dir():
            raise VideoError(f"{safe_name(path)}: this is a folder; choose a file name")
        self._rate = exact_rate(fps)
        self._shape = (height, width, 3)
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._crf = crf
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                temporary = stack.enter_context(replacing(self.path))
                self._container = stack.enter_context(
                    av.open(str(temporary.absolute()), "w", format="mp4", options={"movflags": "+faststart"})
                )
            except (av.FFmpegError, OSError) as error:
                raise self._refused(error) from error
            self._stream = self._container.add_stream(
                "libx264", rate=self._rate, options={"crf": str(self._crf), "preset": "veryfast"}
            )
            self._stream.height = self._shape[0] + self._padding[0][1]
            self._stream.width = self._shape[1] + self._padding[1][1]
            self._stream.pix_fmt = "yuv420p"
            codec = self._stream.codec_context
            codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
            codec.color_range = _LIMITED_RANGE
            self._stack = stack.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Append one (height, width, 3) uint8 RGB frame."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.shape} {frame.dtype}, the video {self._shape} uint8")
        if self._padding[0][1] or self._padding[1][1]:
            frame = np.pad(frame, self._padding, mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        picture.pts, picture.time_base = self.num_frames, 1 / self._rate
        try:
            self._container.mux(self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self.num_frames += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            # Closing an unfinished file may fail too; the first error is the one to report.
            with suppress(av.FFmpegError, OSError):
                self._stack.__exit__(kind, error, tb)
            return
        try:
            with self._stack:
                if not self.num_frames:
                    raise VideoError(f"{safe_name(self.path)}: there is no frame to write; give at least one")
                self._container.mux(self._stream.encode(None))
        except (av.FFmpegError, OSError) as refused:
            raise self._refused(refused) from refused

    def _refused(self, error: Exception) -> VideoError:
        return VideoError(f"{safe_name(self.path)}: cannot be written ({error}); check the folder and the free space")


def write_video(path: str | os.PathLike[str], frames: Iterable[Frame], *, fps: float) -> int:
    """Write frames, all of the first one's size, with `VideoWriter`; returns how many.

    Raises: as `VideoWriter`.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise VideoError(f"{safe_name(path)}: there is no frame to write; give at least one")
    with VideoWriter(path, fps=fps, width=first.shape[1], height=first.shape[0]) as clip:
        for frame in chain([first], rest):
            clip.write(frame)
    return clip.num_frames
