"""Read clips as upright RGB frames at a constant rate, in constant memory.

Design choices:

- Time comes from the file's timestamps, counted from the first frame that decodes. A clip whose timestamps stay
  within a quarter of a frame of a steady beat has a constant rate and passes through frame by frame: frame i of
  the output is frame i of the clip. Any other clip has a variable rate: output frame k, at k / fps seconds, is
  the latest frame shown by then (nearest earlier), so gaps repeat a frame and bursts drop some.
- The stated rate is at most `MAX_FPS`. A rate in the header is believed only when the timestamps agree with it;
  timestamps that are missing, all the same, or over 1000 frames a second are replaced by counting frames.
- Rotation and mirroring (display matrix), and non-square pixels, are applied, as a player does.
- Packets that do not decode are skipped and counted; the frames around them keep their time.

Plain clips decode to exactly the pixels of `simple_video_utils.frames.read_frames_exact`, which pose-format reads with.
"""

from __future__ import annotations

import logging
import os
import statistics
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile, islice, pairwise
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from models.errors import VideoError
from models.files import safe_name
from models.video_decode import Frame, Turn, Upright, check_size, decode, opened, packets, turn_of, upright_size

logger = logging.getLogger(__name__)

Box = tuple[int, int, int, int]
"""xmin, ymin, xmax, ymax in pixels of the upright frame; max exclusive."""
MAX_FPS = 240
DEFAULT_FPS = Fraction(30)
STANDARD_RATES = tuple(map(Fraction, (5, 6, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)))
NTSC_RATES = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 60, 120, 240))

_PROBE_PACKETS = 600
_FASTEST = 1000  # frames per second; timestamps that claim more are not from a camera
_STEADY = 0.25  # of a frame: the most a timestamp of a constant-rate clip strays from its beat
_LONGEST_PAUSE_S = 600  # a longer step between two timestamps, or one back by over a second, is a broken clock
_PAUSES = 10  # times as long as all its frames may all the pauses of a clip be, and _LONGEST_PAUSE_S besides
_SEEK_MARGIN_S = 1
# Formats whose timestamps are the same after a seek; in the others a window is decoded from the beginning.
_SEEKABLE = ("mp4", "matroska")


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a clip is, without decoding it all."""

    path: Path
    width: int  # px, of the upright frame with square pixels
    height: int
    fps: float  # the constant rate the clip is read at unless another is asked for
    duration_s: float | None  # None where the file does not say
    num_frames: int | None  # frames stored; None where the file does not say
    rotation_deg: int  # clockwise turn that makes the stored picture upright: 0, 90, 180, 270
    variable_frame_rate: bool
    codec: str


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Which part of a clip to read, and how. Raises VideoError on values outside their range."""

    fps: float | None = None  # None: the clip's own constant rate
    start_ms: float = 0  # from the first frame of the clip
    end_ms: float | None = None  # exclusive; None: to the end
    crop: Box | None = None  # clipped to the image

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise VideoError(f"fps is {self.fps}; use a number above 0 and up to {MAX_FPS}")
        if not 0 <= self.start_ms < float("inf"):
            raise VideoError(f"start_ms is {self.start_ms}; use 0 or more milliseconds")
        if self.end_ms is not None and not self.start_ms < self.end_ms < float("inf"):
            raise VideoError(
                f"end_ms is {self.end_ms}; use milliseconds after start_ms, {self.start_ms}, or none to read to the end"
            )


@dataclass(frozen=True, kw_only=True)
class _Clock:
    """How timestamps become seconds since the first frame."""

    rate: Fraction  # frames per second
    variable: bool
    trusted: bool  # False: frames are counted instead
    tick: Fraction  # seconds, the unit of the timestamps
    origin: Fraction  # seconds, timestamp of the first frame
    slack: Fraction  # seconds a frame may be late and still count for an output frame


def exact_rate(fps: float) -> Fraction:
    """The rate a rounded number means: 29.97 -> 30000/1001, 25.0 -> 25."""
    near = min((*STANDARD_RATES, *NTSC_RATES), key=lambda rate: abs(float(rate) - fps))
    return near if abs(float(near) - fps) < 0.005 else Fraction(fps).limit_denominator(1001)


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """What a clip is: one frame is decoded and at most the first few hundred packets are read.

    Raises:
        VideoError: the file is missing, empty, not a video, has no picture, or is larger than MAX_SIDE.
    """
    return _probe(Path(path))[0]


def stored_frames(path: str | os.PathLike[str], most: int) -> int:
    """How many frames a clip has, counted without decoding them, and no further than this. Raises VideoError."""
    with opened(Path(path)) as (container, stream):
        return sum(1 for packet in islice(packets(container, stream), most) if packet is not None)


class VideoReader:
    """Upright RGB frames of a clip at a constant rate, one at a time; iterate once or several times.

    `with VideoReader(path) as clip: for frame in clip: ...` yields fresh (height, width, 3) uint8 arrays.
    After a pass, `skipped_packets` says how many packets did not decode.

    Raises:
        VideoError: as `probe`; the crop is empty; no frame decodes in the chosen part.
    """

    def __init__(self, path: str | os.PathLike[str], options: ReadOptions | None = None) -> None:
        self.path = Path(path)
        self.options = options or ReadOptions()
        self.skipped_packets = 0
        self.info, self._clock, self._turn = _probe(self.path)
        fps = self.info.fps if self.options.fps is None else self.options.fps
        own = self._clock.rate
        self.rate = own if abs(float(own) - fps) < 0.005 else exact_rate(fps)
        self.fps = float(self.rate)
        self._box = _clip_box(self.options.crop, self.info)
        self.width, self.height = self._box[2] - self._box[0], self._box[3] - self._box[1]
        self._first = _slot(self.options.start_ms, self.rate)
        self._last = None if self.options.end_ms is None else _slot(self.options.end_ms, self.rate)
        self._pass: Generator[Frame] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._pass is not None:
            self._pass.close()  # and with it its file

    @property
    def expected_frames(self) -> int | None:
        """How many frames a pass should yield; None where the file does not say."""
        if self.info.num_frames and not self.info.variable_frame_rate:
            total = ceil(self.info.num_frames / self._clock.rate * self.rate)
        elif self.info.duration_s:
            total = max(1, ceil((Fraction(self.info.duration_s) - self._clock.slack) * self.rate))
        else:
            return None if self._last is None else max(0, self._last - self._first)
        return max(0, min(total, total if self._last is None else self._last) - self._first)

    def __iter__(self) -> Generator[Frame]:
        self._pass = self._read()
        return self._pass

    def _read(self) -> Generator[Frame]:
        count = 0
        upright = Upright(self.info.width, self.info.height, self._turn)
        xmin, ymin, xmax, ymax = self._box
        for frame in self._resampled():
            count += 1
            yield np.ascontiguousarray(upright(frame)[ymin:ymax, xmin:xmax])
        if self.skipped_packets:
            logger.warning("%s: %d packets did not decode and were skipped", safe_name(self.path), self.skipped_packets)
        if not count:
            end = "the end" if self.options.end_ms is None else f"{self.options.end_ms:g} ms"
            length = "" if self.info.duration_s is None else f" (the clip lasts {self.info.duration_s:.2f} s)"
            raise VideoError(
                f"{safe_name(self.path)}: no frame between {self.options.start_ms:g} ms and {end}{length}; "
                "choose another part, or re-export the clip as MP4 (H.264)"
            )

    def _resampled(self) -> Generator[av.VideoFrame]:
        """Output frame k, for k from first to last, is the latest frame of the clip shown at k / fps seconds."""
        slack = self._clock.slack
        slot, pending, end = self._first, None, Fraction(0)
        for start, end, frame in self._timed():  # noqa: B007  # the last one's end is used below
            shown_from = ceil((start - slack) * self.rate)
            if pending is not None:
                while slot < shown_from and (self._last is None or slot < self._last):
                    yield pending
                    slot += 1
            if self._last is not None and slot >= self._last:
                return
            pending = frame
        stop = max(1, ceil((end - slack) * self.rate))
        while pending is not None and slot < (stop if self._last is None else min(stop, self._last)):
            yield pending
            slot += 1

    def _timed(self) -> Generator[tuple[Fraction, Fraction, av.VideoFrame]]:
        """(start, end, frame) in seconds, beginning with a frame at or before the first output frame."""
        clock, period = self._clock, 1 / self._clock.rate
        shift, previous, paused = Fraction(0), None, Fraction(0)
        for count, frame in enumerate(self._decoded_from(self._first / self.rate)):
            start = _seconds(frame, clock.tick) if clock.trusted else None
            if start is None:
                start = Fraction(0) if previous is None else previous + period
            else:
                start += shift - clock.origin
            if previous is not None:
                paused += max(start - previous - period, Fraction(0))
                if (
                    not -1 <= start - previous <= _LONGEST_PAUSE_S
                    or paused > _LONGEST_PAUSE_S + _PAUSES * count * period
                ):
                    paused -= max(start - previous - period, Fraction(0))
                    shift += previous + period - start
                    start = previous + period
            if not clock.variable:
                start = round(start / period) * period
            start = max(start, previous or Fraction(0))
            previous = start
            yield start, start + (_shown_for(frame, clock) if clock.variable else period), frame

    def _decoded_from(self, start: Fraction) -> Generator[av.VideoFrame]:
        """Frames in order, beginning with one at or before `start` seconds: from a keyframe, or from the beginning."""
        if start > 2 * _SEEK_MARGIN_S and self._clock.trusted:
            with opened(self.path) as (container, stream):
                if any(name in container.format.name for name in _SEEKABLE):
                    target = self._clock.origin + start - _SEEK_MARGIN_S
                    with suppress(av.FFmpegError):  # then it still stands at the beginning
                        container.seek(int(target / stream.time_base), stream=stream)
                    frames = dropwhile(lambda frame: not frame.key_frame, self._decoded(container, stream))
                    first = next(frames, None)
                    found = None if first is None else _seconds(first, self._clock.tick)
                    if first is not None and found is not None and found - self._clock.origin <= start:
                        yield first
                        yield from frames
                        return
        with opened(self.path) as (container, stream):
            yield from self._decoded(container, stream)

    def _decoded(self, container: Any, stream: Any) -> Generator[av.VideoFrame]:
        self.skipped_packets = 0
        for packet in packets(container, stream):
            frames = decode(stream, packet)
            if frames is None:
                self.skipped_packets += 1
            else:
                yield from frames


def _clip_box(crop: Box | None, info: VideoInfo) -> Box:
    xmin, ymin, xmax, ymax = crop or (0, 0, info.width, info.height)
    box = (max(0, int(xmin)), max(0, int(ymin)), min(info.width, int(xmax)), min(info.height, int(ymax)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise VideoError(
            f"{safe_name(info.path)}: the crop {tuple(crop or ())} holds nothing of the {info.width} x {info.height} "
            "picture; give xmin, ymin, xmax, ymax in pixels, inside it"
        )
    return box


def _slot(time_ms: float, rate: Fraction) -> int:
    """The first output frame at or after a time; a thousandth of a frame forgives rounded milliseconds."""
    return max(0, ceil(Fraction(time_ms) / 1000 * rate - Fraction(1, 1000)))


def _seconds(frame: av.VideoFrame, tick: Fraction) -> Fraction | None:
    stamp = frame.dts if frame.pts is None else frame.pts
    return None if stamp is None else stamp * tick


def _shown_for(frame: av.VideoFrame, clock: _Clock) -> Fraction:
    duration = (frame.duration or 0) * clock.tick
    return duration if 0 < duration <= _LONGEST_PAUSE_S else 1 / clock.rate


def _probe(path: Path) -> tuple[VideoInfo, _Clock, Turn]:
    with opened(path) as (container, stream):
        check_size(path, stream.width, stream.height)
        frame: av.VideoFrame | None = None
        stamps: list[Fraction] = []
        count, ended = 0, False
        for packet in packets(container, stream):
            if frame is None:
                frame = next(iter(decode(stream, packet) or ()), None)
            if packet is None:
                ended = True
            elif not packet.is_discard:  # cut away by an edit list
                count += 1
                stamp = packet.dts if packet.pts is None else packet.pts
                stamps += [] if stamp is None else [stamp * packet.time_base]
            if frame is not None and count >= _PROBE_PACKETS:
                break
        if frame is None:
            size = path.stat().st_size
            raise VideoError(
                f"{safe_name(path)}: no frame could be decoded ({count} packets in {size} bytes); "
                "re-export it as MP4 (H.264)"
            )
        turn = turn_of(frame)
        width, height = upright_size(stream, frame, turn)
        check_size(path, width, height)
        clock = _clock(stream, frame, stamps if ended else sorted(stamps)[:-32])
        duration_s = _duration_s(container, stream, clock, stamps if ended else None, count)
        num_frames = count if ended else stream.frames or None
        if num_frames is None and duration_s is not None and not clock.variable:
            num_frames = round(duration_s * clock.rate)
        info = VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=min(float(clock.rate), float(MAX_FPS)),
            duration_s=duration_s,
            num_frames=num_frames,
            rotation_deg=turn.degrees,
            variable_frame_rate=clock.variable,
            codec=stream.codec_context.codec.canonical_name,
        )
        return info, clock, turn


def _duration_s(container: Any, stream: Any, clock: _Clock, stamps: list[Fraction] | None, count: int) -> float | None:
    """From the packets where all were read (headers of cut-off files lie), else from the header."""
    if stamps is not None and clock.variable and len(stamps) > 1:
        steps = [after - before for before, after in pairwise(sorted(stamps))]
        return float(sum(step for step in steps if step <= _LONGEST_PAUSE_S) + 1 / clock.rate)
    if stamps is not None:
        return float(count / clock.rate)
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _clock(stream: Any, frame: av.VideoFrame, stamps: list[Fraction]) -> _Clock:
    """Judge the timestamps of the first packets (seconds, any order) and the rates that the header offers."""
    times = sorted(set(stamps))
    steps = [float(after - before) for before, after in pairwise(times)]
    header = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    hints: list[Fraction] = [rate for rate in header if rate is not None and 1 <= rate <= _FASTEST]
    origin = _seconds(frame, stream.time_base) or Fraction(0)
    tick = stream.time_base
    typical = statistics.median(steps) if steps else 0.0
    if typical < 1 / _FASTEST - 1e-6:
        rate = hints[0] if hints else DEFAULT_FPS
        return _Clock(rate=rate, variable=False, trusted=False, tick=tick, origin=origin, slack=Fraction(0))
    likely = _nearest_standard(max(1 / typical, 1.0))
    mean = exact_rate(len(steps) / float(times[-1] - times[0]))
    # Rounded, so that of rates that fit alike the header's comes first.
    rate = min((*hints, mean, likely), key=lambda rate: round(_stray(times, rate), 2))
    if _stray(times, rate) <= _STEADY:
        return _Clock(rate=rate, variable=False, trusted=True, tick=tick, origin=origin, slack=Fraction(0))
    # Timestamps are rounded to ticks, and cameras jitter: a tenth of a frame, 5 ms at most.
    slack = max(tick, min(Fraction(1, 200), 1 / likely / 10))
    return _Clock(rate=likely, variable=True, trusted=True, tick=tick, origin=origin, slack=slack)


def _stray(times: list[Fraction], rate: Fraction) -> float:
    """How far, in frames, timestamps stray from a steady beat that begins at the first one."""
    return max(abs(float((time - times[0]) * rate) - i) for i, time in enumerate(times))


def _nearest_standard(fps: float) -> Fraction:
    near = min(STANDARD_RATES, key=lambda rate: abs(float(rate) - fps))
    return near if abs(float(near) - fps) < 0.02 * fps else Fraction(fps).limit_denominator(1001)
