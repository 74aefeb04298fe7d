"""Write RGB frames as H.264 MP4, which every browser plays, or as VP9 WebM, which can be transparent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
import numpy as np

from models.errors import VideoError
from models.files import replacing, safe_name
from models.video import MAX_FPS, exact_rate
from models.video_decode import MAX_SIDE, Frame

_BT709, _LIMITED_RANGE = 1, 1
# Container, codec and its options by suffix. VP9 is only quick enough to wait for in its "realtime" mode.
_X264 = ("mp4", "libx264", {"preset": "veryfast"})
_VP9 = ("webm", "libvpx-vp9", {"b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"})
_FORMATS = {".mp4": _X264, ".m4v": _X264, ".mov": _X264, ".webm": _VP9}


class VideoWriter:
    """Writes (height, width, 3) uint8 RGB frames to an MP4: H.264, yuv420p, BT.709, index first (faststart).

    A name that ends in .webm gives VP9; with `alpha`, frames are RGBA and transparency is kept (WebM only).

    `with VideoWriter(path, fps=25, width=640, height=480) as clip: clip.write(frame)`. The file appears under its
    name when the block ends well; after an error, or without a frame, nothing is left and an older file stays.
    Odd sizes are padded to even by repeating the last row or column. `crf` 0–51: lower is better and larger.
    `metadata`: tags of the file; MP4 keeps title, artist, comment, description, date and a few others.

    Raises:
        VideoError: the rate, the size or the file name cannot be written; the disk refuses; no frame was written.
        ValueError: a frame of another shape or type.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fps: float,
        width: int,
        height: int,
        crf: int = 20,
        alpha: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.num_frames = 0
        if not 0 < fps <= MAX_FPS:
            raise VideoError(f"{safe_name(path)}: fps is {fps}; use a number above 0 and up to {MAX_FPS}")
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise VideoError(f"{safe_name(path)}: a picture of {width} x {height} pixels; use 1 to {MAX_SIDE} a side")
        if self.path.suffix.lower() not in _FORMATS:
            raise VideoError(f"{safe_name(path)}: videos are written as MP4 or WebM; use a name in .mp4 or .webm")
        self._format, self._codec, self._options = _FORMATS[self.path.suffix.lower()]
        if alpha and self._format != "webm":
            raise VideoError(f"{safe_name(path)}: MP4 cannot be transparent; use a name that ends in .webm")
        self._pixels = ("rgba", "yuva420p") if alpha else ("rgb24", "yuv420p")
        if self.path.is_dir():
            raise VideoError(f"{safe_name(path)}: this is a folder; choose a file name")
        self._rate = exact_rate(fps)
        self._shape = (height, width, 4 if alpha else 3)
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._crf = crf
        self._metadata = dict(metadata or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                temporary = stack.enter_context(replacing(self.path))
                self._container = stack.enter_context(
                    av.open(
                        str(temporary.absolute()), "w", format=self._format, options=_container_options(self._format)
                    )
                )
            except (av.FFmpegError, OSError) as error:
                raise self._refused(error) from error
            self._container.metadata.update(self._metadata)
            options = {"crf": str(self._crf), **self._options}
            self._stream = cast(Any, self._container.add_stream(self._codec, rate=self._rate, options=options))
            self._stream.height = self._shape[0] + self._padding[0][1]
            self._stream.width = self._shape[1] + self._padding[1][1]
            self._stream.pix_fmt = self._pixels[1]
            codec = self._stream.codec_context
            codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
            codec.color_range = _LIMITED_RANGE
            self._stack = stack.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Append one (height, width, 3) uint8 RGB frame, or RGBA with `alpha`."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.shape} {frame.dtype}, the video {self._shape} uint8")
        if self._padding[0][1] or self._padding[1][1]:
            frame = np.pad(frame, self._padding, mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=self._pixels[0]).reformat(
            format=self._pixels[1], dst_colorspace="ITU709", dst_color_range="MPEG"
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


def _container_options(container: str) -> dict[str, str]:
    return {"movflags": "+faststart"} if container == "mp4" else {}


def write_video(
    path: str | os.PathLike[str], frames: Iterable[Frame], *, fps: float, metadata: Mapping[str, str] | None = None
) -> int:
    """Write frames, all of the first one's size, with `VideoWriter`; returns how many.

    Raises: as `VideoWriter`.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise VideoError(f"{safe_name(path)}: there is no frame to write; give at least one")
    with VideoWriter(path, fps=fps, width=first.shape[1], height=first.shape[0], metadata=metadata) as clip:
        for frame in chain([first], rest):
            clip.write(frame)
    return clip.num_frames
