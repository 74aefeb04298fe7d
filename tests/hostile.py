"""Files that were made to break a reader, and a watch over what a reader opens: for the tests and for tests/fuzz."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np

_IN_OPEN, _NONBLOCK = 0x20, os.O_NONBLOCK


@contextmanager
def openings(path: Path) -> Iterator[list[bytes]]:
    """Whoever opens this file in the block, any library included, leaves an entry in the list (Linux only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(_NONBLOCK)
    assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(path), _IN_OPEN) >= 0
    seen: list[bytes] = []
    try:
        yield seen
        with suppress(BlockingIOError):
            seen.append(os.read(watch, 4096))
    finally:
        os.close(watch)


PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
"""An expression: the most memory that a process took so far, kB (Linux only). `ru_maxrss` would begin with the most
that its parent took, and so show nothing of a child of these tests."""


def most_memory_kb(*, anew: bool = False) -> int:
    """The most memory that this process took; anew: from now on. 0 where that cannot be told."""
    if sys.platform != "linux":
        return 0
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return int(eval(PEAK))


def clip(path: Path, *, frames: int = 5, side: int = 64, codec: str = "mpeg4", pixels: str = "yuv420p") -> Path:
    """A small video of grey frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = pixels
        for number in range(frames):
            grey = np.full((side, side, 3), 40 * number % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


def png(width: int, height: int, *, rows: int | None = None, depth: int = 8, color: int = 2) -> bytes:
    """A black PNG that says it has this size; `rows` of it are there, which take next to nothing."""
    channels = {0: 1, 2: 3, 6: 4}[color]
    packer, line = zlib.compressobj(9), b"\0" * (1 + (width * channels * depth + 7) // 8)
    pixels = b"".join(packer.compress(line) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def resized_png_frames(video: bytes, side: int, *, first: int) -> bytes:
    """A MOV of PNG frames in which, from frame `first` on, the frames say that they are larger than the video."""
    changed, place, number = bytearray(video), video.find(b"IHDR"), 0
    while place >= 0:
        if number >= first:
            changed[place + 4 : place + 12] = struct.pack(">II", side, side)
            changed[place + 17 : place + 21] = struct.pack(">I", zlib.crc32(bytes(changed[place : place + 17])))
        place, number = changed.find(b"IHDR", place + 1), number + 1
    return bytes(changed)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def component(
    name: str = "POSE_LANDMARKS",
    *,
    axes: str = "XYZC",
    points: Sequence[str] = ("NOSE", "CHIN"),
    limbs: Sequence[tuple[int, int]] = ((0, 1),),
) -> bytes:
    """A component of a .pose header as it is written."""
    return (
        _text(name)
        + _text(axes)
        + struct.pack("<HHH", len(points), len(limbs), 1)
        + b"".join(_text(point) for point in points)
        + b"".join(struct.pack("<HH", *limb) for limb in limbs)
        + struct.pack("<HHH", 1, 2, 3)
    )


def pose_file(
    components: Sequence[bytes] | None = None,
    *,
    version: float = 0.2,
    size: tuple[int, int, int] = (100, 100, 0),
    fps: float = 25,
    frames: int = 1,
    people: int = 1,
    data: bytes | None = None,
) -> bytes:
    """The bytes of a .pose file that says what is asked for, whatever data follow; by itself it is a good one."""
    components = [component()] if components is None else components
    head = struct.pack("<f3HH", version, *size, len(components)) + b"".join(components)
    data = np.array([[10, 20, 0], [30, 40, 0], [1, 1, 0]], "<f4").tobytes()[:32] if data is None else data
    if version == 0:
        return head + struct.pack("<HH", int(fps), frames) + data
    if version < 0.15:
        return head + struct.pack("<HHH", int(fps), frames % 65536, people) + data
    return head + struct.pack("<fIH", fps, frames, people) + data


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<H", len(raw)) + raw
