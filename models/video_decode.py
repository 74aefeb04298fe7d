"""Open clips and decode their packets into upright RGB arrays; `models.video` gives them their time.

Everything here is per file or per frame: what ffmpeg may open, which packets fail, which way is up.
The display matrix is read once per clip: PyAV 18 keeps a frame whose side data was looked at until garbage collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, cast

import av
import cv2
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from models.errors import VideoError
from models.files import safe_name

Frame = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

MAX_SIDE = 8192

# Left out on purpose: playlists (hls, concat, dash), which make ffmpeg open other files, and text shown as video (tty).
_FORMATS = (
    "mov,mp4,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,flv,live_flv,asf,ogg,swf,rm,dv,mxf,"
    "nut,wtv,mjpeg,mpjpeg,yuv4mpegpipe,vc1,h263,webp_anim,amv,nuv,smjpeg,mp3,wav,flac,aac,ac3,aiff,amr,caf"
)


class Upright:
    """Turns decoded frames into RGB arrays of the clip's upright size."""

    def __init__(self, width: int, height: int, turn: Turn) -> None:
        self._turn = turn
        self._width, self._height = (height, width) if turn.swaps else (width, height)
        self._convert = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Frame:
        # A plain conversion, with no size given, is what pose-format's reader does; frames of another size
        # (non-square pixels, or a recording that changed its size) are scaled to the clip's.
        if (frame.width, frame.height) == (self._width, self._height):
            rgb = self._convert.reformat(frame, format="rgb24")
        else:
            rgb = self._convert.reformat(
                frame, width=self._width, height=self._height, format="rgb24", interpolation="BICUBIC"
            )
        return self._turn.apply(cast(Frame, rgb.to_ndarray()))


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A display matrix, as what to do to an array: swap the axes, then flip them."""

    swaps: bool = False
    flips_x: bool = False
    flips_y: bool = False

    def apply(self, image: Frame) -> Frame:
        if self.swaps:
            image = cast(Frame, cv2.transpose(image))
        if self.flips_x or self.flips_y:
            image = cast(Frame, cv2.flip(image, -1 if self.flips_x and self.flips_y else int(self.flips_x)))
        return image

    @property
    def degrees(self) -> int:
        """Clockwise, of the rotation left when a mirroring is taken out."""
        if self.swaps:
            return 90 if self.flips_x else 270
        return 180 if self.flips_y else 0


def turn_of(frame: av.VideoFrame) -> Turn:
    """The frame's display matrix; angles that are not a quarter turn are ignored, as most players do."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn()
    # 3 x 3 row vectors (x, y, 1) in 16.16 fixed point: x' = a x + c y, y' = b x + d y.
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), "<i4")[:5])
    if not a and not d and b and c:
        return Turn(swaps=True, flips_x=c < 0, flips_y=b < 0)
    return Turn(flips_x=a < 0, flips_y=d < 0) if not b and not c else Turn()


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its video stream, decoding with a few threads. Raises VideoError."""
    name = safe_name(path)
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            kind = "a folder" if S_ISDIR(status.st_mode) else "a device or pipe"
            raise VideoError(f"{name}: this is {kind}; choose a video file")
        if status.st_size == 0:
            raise VideoError(f"{name}: the file is empty (0 bytes); copy or record it again")
        # An absolute path cannot be taken for a protocol ("http:...").
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        container = av.open(str(path.absolute()), metadata_errors="replace", container_options=options)
    except FileNotFoundError:
        raise VideoError(f"{name}: there is no such file; check the path") from None
    except PermissionError:
        raise VideoError(f"{name}: this program may not read the file; check its permissions") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{name}: {_why_unreadable(path)}") from error
    with container:
        # A cover picture of a music file counts as a video stream too.
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            if container.streams.audio:
                raise VideoError(f"{name}: the file has no picture (only sound); choose a video")
            raise VideoError(f"{name}: {_why_unreadable(path)}")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError(f"{name}: this program has no decoder for its picture; re-export it as MP4 (H.264)")
        # A frame may be larger than the header says: it is refused before there is memory for it.
        stream.codec_context.options = {"max_pixels": str(MAX_SIDE**2)}
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(4, os.cpu_count() or 1)  # each thread holds frames
        yield container, stream


def _why_unreadable(path: Path) -> str:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
    except (OSError, ValueError):
        return "the file cannot be opened; check its name and its disk"
    if head[4:8] == b"ftyp":
        return "the file is cut off (an MP4 whose index is missing or incomplete); record, export or upload it again"
    return f"not a video file this program can read ({size} bytes); re-export it as MP4 (H.264)"


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of a stream in file order, then None to flush the decoder; a cut-off file simply ends."""
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except (av.FFmpegError, OSError):
            packet = None
        # An empty packet (a repeated frame in AVI) would flush the decoder too early.
        if packet is None or packet.size:
            yield packet
        if packet is None:
            return


def decode(stream: Any, packet: Any) -> list[av.VideoFrame] | None:
    """The frames that a packet (None: the end) completes; None where it does not decode."""
    try:
        return list(stream.decode(packet))
    except EOFError:
        return []
    except (av.FFmpegError, ValueError):
        return None


def upright_size(stream: Any, frame: av.VideoFrame, turn: Turn) -> tuple[int, int]:
    """(width, height) of a frame as a player shows it: the stored width stretched to square pixels, then turned."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    # Within a percent nobody sees it, and beyond tenfold the header is wrong.
    stretch = aspect if abs(aspect - 1) > 0.01 and 0.1 <= aspect <= 10 else Fraction(1)
    width, height = max(1, round(frame.width * stretch)), frame.height
    return (height, width) if turn.swaps else (width, height)


def check_size(path: Path, width: int, height: int) -> None:
    """Raises VideoError for a picture without an extent, or one larger than MAX_SIDE."""
    if width < 1 or height < 1:
        raise VideoError(f"{safe_name(path)}: its picture is {width} x {height} pixels; re-export it as MP4 (H.264)")
    if max(width, height) > MAX_SIDE:
        raise VideoError(
            f"{safe_name(path)}: its picture is {width} x {height} pixels, over the limit of {MAX_SIDE} a side; "
            "scale it down first"
        )
