"""Reading and writing clips: time, size, orientation, damage, names."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from hostile import PEAK
from simple_video_utils.frames import read_frames_exact
from simple_video_utils.metadata import video_metadata

from models import video_decode
from models.errors import VideoError
from models.video import ReadOptions, VideoReader, exact_rate, probe
from models.video_write import VideoWriter, write_video

REAL = os.environ.get("STUDIO_REAL_DATA")
BITS = 9
MS = Fraction(1, 1000)


def numbered(i: int) -> np.ndarray:
    """A picture that says its number: one white or black block per bit, which survives any codec."""
    return np.repeat(np.array([255 * (i >> bit & 1) for bit in range(BITS)], np.uint8), 16)[None, :, None] * np.ones(
        (32, 1, 3), np.uint8
    )


def number(frame: np.ndarray) -> int:
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    return sum(1 << bit for bit in range(BITS) if frame[16, bit * 16 + 8].mean() > 128)


def numbers(path: Path, options: ReadOptions | None = None) -> list[int]:
    with VideoReader(path, options) as clip:
        return [number(frame) for frame in clip]


def make(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    rate: Fraction | float = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    setup: Callable[[av.VideoStream], None] = lambda stream: None,
    **muxer: str,
) -> Path:
    rate = Fraction(rate).limit_denominator(1001)
    with av.open(str(path), "w", options=muxer) as container:
        fast = {"preset": "ultrafast", "crf": "18"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options={**fast, **(options or {})})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        setup(stream)
        time_base = time_base or 1 / rate
        stream.codec_context.time_base = time_base
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = (i if pts is None else pts[i]), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_numbered(path: Path, count: int, **how: object) -> Path:
    return make(path, [numbered(i) for i in range(count)], **how)  # type: ignore[arg-type]


# ---- time: constant rates


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("rate", [1, 12, Fraction(24000, 1001), 25, Fraction(359, 12), 29.97, 30, 59.94, 60, 240])
def test_a_constant_rate_clip_passes_through_frame_by_frame(tmp_path: Path, suffix: str, rate: float) -> None:
    rate = exact_rate(float(rate))
    path = make_numbered(tmp_path / f"clip{suffix}", 130, rate=rate)
    clip = VideoReader(path)
    assert clip.fps == pytest.approx(float(rate), abs=1e-3)
    assert not clip.info.variable_frame_rate
    assert [number(frame) for frame in clip] == list(range(130))
    assert clip.expected_frames == clip.info.num_frames == 130
    assert clip.info.duration_s == pytest.approx(130 / rate, abs=0.02)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "libx264", "yuv420p"),
        ("a.mkv", "libx265", "yuv420p"),
        ("a.mp4", "libx264", "yuv420p10le"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.h264", "libx264", "yuv420p"),
    ],
)
def test_containers_and_codecs_people_have_are_read(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = make_numbered(tmp_path / name, 40, codec=codec, pix_fmt=pix_fmt)
    clip = VideoReader(path)
    assert clip.fps == pytest.approx(25)
    assert [number(frame) for frame in clip] == list(range(40))
    assert (clip.width, clip.height) == (144, 32)
    assert clip.expected_frames == 40


def test_a_rate_that_is_almost_a_standard_one_gains_and_loses_no_frame(tmp_path: Path) -> None:
    rate = Fraction(10_000_000, 333_667)  # what Windows and many phones write for 29.97
    pts = [i * 333_667 for i in range(400)]
    path = make_numbered(tmp_path / "a.mp4", 400, pts=pts, time_base=Fraction(1, 10_000_000), rate=rate)
    assert numbers(path) == list(range(400))
    assert numbers(path, ReadOptions(fps=probe(path).fps)) == list(range(400))
    assert numbers(path, ReadOptions(fps=29.97, start_ms=300 * 1000 / probe(path).fps)) == list(range(300, 400))


def test_a_clip_longer_than_the_probe_passes_through_to_its_end(tmp_path: Path) -> None:
    # 29.97 in whole milliseconds, as WebM and Matroska store it: the rate must hold for all 2000 frames.
    pts = [round(i * 1001 / 30) for i in range(2000)]
    path = make(tmp_path / "a.mkv", [numbered(i % 512) for i in range(2000)], pts=pts, time_base=MS, rate=30)
    assert probe(path).fps == pytest.approx(30000 / 1001, abs=1e-4)
    assert numbers(path) == [i % 512 for i in range(2000)]


def test_jitter_within_a_quarter_frame_repeats_and_drops_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pts = [i * 40 + int(rng.integers(-4, 5)) + 4 for i in range(100)]
    path = make_numbered(tmp_path / "a.mkv", 100, pts=pts, time_base=MS)
    assert numbers(path) == list(range(100))
    assert probe(path).fps == pytest.approx(25)


def test_a_clip_whose_first_timestamp_is_not_zero_starts_at_its_first_frame(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mkv", 20, pts=[1700 + i * 40 for i in range(20)], time_base=MS)
    assert numbers(path) == list(range(20))
    assert numbers(path, ReadOptions(start_ms=400, end_ms=480)) == [10, 11]


def test_another_rate_takes_the_nearest_earlier_frame(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mp4", 12, rate=25)
    assert numbers(path, ReadOptions(fps=12.5)) == [0, 2, 4, 6, 8, 10]
    assert numbers(path, ReadOptions(fps=50)) == [i // 2 for i in range(24)]
    # Frame k at k / 10 s: 0, 100, 200, 300, 400 ms -> floor(k * 2.5).
    assert numbers(path, ReadOptions(fps=10)) == [0, 2, 5, 7, 10]
    for fps in (7.0, 10.0, 12.5, 24.0, 50.0, 240.0):
        clip = VideoReader(path, ReadOptions(fps=fps))
        assert len(list(clip)) == clip.expected_frames


# ---- time: variable rates


def test_a_variable_rate_clip_is_resampled_by_its_timestamps(tmp_path: Path) -> None:
    # 10 frames a second with a pause after frame 2 and a burst at 900 ms.
    pts = [0, 100, 200, 600, 700, 800, 900, 930, 960, 1000, 1100, 1200]
    path = make_numbered(tmp_path / "a.mkv", len(pts), pts=pts, time_base=MS)
    info = probe(path)
    assert info.variable_frame_rate
    assert info.fps == 10
    assert numbers(path) == [0, 1, 2, 2, 2, 2, 3, 4, 5, 6, 9, 10, 11]
    # At 20 frames a second: the frame shown at 950 ms began at 930.
    assert numbers(path, ReadOptions(fps=20, start_ms=850, end_ms=1050)) == [5, 6, 7, 9]


def test_a_phone_that_slows_down_in_the_dark_keeps_its_length(tmp_path: Path) -> None:
    times = np.cumsum([0] + [1 / 30] * 60 + [1 / 15] * 30)
    pts = [round(t * 90000) for t in times]
    path = make_numbered(tmp_path / "a.mp4", len(pts), pts=pts, time_base=Fraction(1, 90000), rate=30)
    clip = VideoReader(path)
    got = [number(frame) for frame in clip]
    assert clip.info.variable_frame_rate
    assert clip.fps == 30
    assert got == [*range(61), *(61 + i // 2 - 1 for i in range(1, 60)), *[90] * (len(got) - 120)]
    assert len(got) in (121, 122)
    assert abs(clip.expected_frames - len(got)) <= 1


def retimed(folder: Path, pts: Sequence[int]) -> Path:
    """A numbered clip whose packets say these times in ms, in whatever order."""
    path = folder / "a.mkv"
    source = make_numbered(folder / "source.avi", len(pts), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(source)) as given, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(given.streams.video[0])
        for i, packet in enumerate(p for p in given.demux(video=0) if p.size):
            packet.pts, packet.dts, packet.time_base, packet.stream = pts[i], i - 100, MS, stream
            written.mux(packet)
    return path


def test_duplicate_and_backward_timestamps_do_not_break_time(tmp_path: Path) -> None:
    pts = [0, 40, 80, 80, 160, 140, 240, 280, 320, 360]
    got = numbers(retimed(tmp_path, pts))
    assert len(got) == 10
    assert got == sorted(got)
    assert got[-4:] == [6, 7, 8, 9]


@pytest.mark.parametrize("jump_ms", [40_000_000, -3000])
def test_a_broken_clock_goes_on_with_the_next_frame(tmp_path: Path, jump_ms: int) -> None:
    pts = [5000 + i * 40 + (jump_ms if i >= 30 else 0) for i in range(60)]
    clip = VideoReader(retimed(tmp_path, pts))
    assert [number(frame) for frame in clip] == list(range(60))
    assert clip.expected_frames is not None
    assert clip.expected_frames < 100


@pytest.mark.parametrize(
    ("rate", "time_base", "fps"),
    [(90000, Fraction(1, 90000), 30), (1000, MS, 240), (480, Fraction(1, 480), 240)],
)
def test_absurd_rates_become_a_stated_constant_rate(tmp_path: Path, rate: int, time_base: Fraction, fps: float) -> None:
    path = make_numbered(tmp_path / "a.mp4", 48, rate=rate, time_base=time_base, pts=range(48))
    clip = VideoReader(path)
    assert clip.fps == fps
    got = [number(frame) for frame in clip]
    assert got[0] == 0
    if rate == 90000:  # timestamps nobody filmed: every frame counts
        assert got == list(range(48))
    if rate == 480:
        assert got == list(range(0, 48, 2))


def test_a_rate_in_the_header_that_the_timestamps_contradict_is_not_believed(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mkv", 50, rate=1000, pts=[i * 40 for i in range(50)], time_base=MS)
    assert probe(path).fps == 25
    assert numbers(path) == list(range(50))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif"])
def test_a_clip_of_one_frame(tmp_path: Path, name: str) -> None:
    gif = name.endswith("gif")
    path = make_numbered(tmp_path / name, 1, codec="gif" if gif else "libx264", pix_fmt="rgb8" if gif else "yuv420p")
    assert numbers(path) == [0]
    assert 1 <= probe(path).fps <= 240
    assert VideoReader(path).expected_frames == 1


# ---- parts of a clip


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "50", "bf": "3", "preset": "veryfast"}),
        ("a.mp4", "libx264", {"x264-params": "keyint=40:open-gop=1:bframes=3", "preset": "veryfast"}),
        ("a.webm", "libvpx", {"g": "60", "auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("a.mkv", "libx264", {"g": "999"}),
        ("a.ts", "libx264", {"g": "40", "bf": "2"}),
        ("a.avi", "mpeg4", {"g": "40"}),
    ],
)
def test_a_part_has_the_same_pixels_as_decoding_from_the_beginning(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = make_numbered(tmp_path / name, 250, codec=codec, options=options)
    whole = list(VideoReader(path))
    assert [number(frame) for frame in whole] == list(range(250))
    for first, last in [(0, 3), (49, 52), (120, 121), (199, 203), (248, 250)]:
        clip = VideoReader(path, ReadOptions(start_ms=first * 40, end_ms=last * 40))
        part = list(clip)
        assert [number(frame) for frame in part] == list(range(first, last))
        assert all(np.array_equal(a, b) for a, b in zip(part, whole[first:last], strict=True))
        assert clip.expected_frames == last - first


def test_a_part_of_a_variable_rate_clip_starts_with_the_frame_still_shown(tmp_path: Path) -> None:
    pts = [*range(0, 3000, 100), *range(9000, 12000, 100)]
    path = make_numbered(tmp_path / "a.mp4", len(pts), pts=pts, time_base=MS, options={"g": "10"})
    whole = numbers(path)
    for start in (0, 2900, 5000, 8950, 9000, 11000):
        assert numbers(path, ReadOptions(start_ms=start, end_ms=start + 500)) == whole[-(-start // 100) :][:5]


def test_a_late_seek_reads_only_the_end_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_numbered(tmp_path / "a.mp4", 500, options={"g": "25"})
    clip = VideoReader(path, ReadOptions(start_ms=19_000))
    decoded = []
    decode = video_decode.decode
    monkeypatch.setattr("models.video.decode", lambda *given: decoded.append(1) or decode(*given))
    assert [number(frame) for frame in clip] == list(range(475, 500))
    assert len(decoded) < 100


def test_a_part_outside_the_clip_is_refused_with_its_length(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mp4", 25)
    with pytest.raises(VideoError, match=r"no frame between 5000 ms and the end \(the clip lasts 1\.00 s\)"):
        list(VideoReader(path, ReadOptions(start_ms=5000)))
    assert numbers(path, ReadOptions(start_ms=960, end_ms=99_000)) == [24]


@pytest.mark.parametrize(
    "options", [{"fps": 0}, {"fps": -1}, {"fps": 1000}, {"fps": float("nan")}, {"start_ms": -1}, {"end_ms": 0},
                {"start_ms": float("nan")}, {"start_ms": 50, "end_ms": 40}, {"end_ms": float("inf")}]
)  # fmt: skip
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(VideoError):
        ReadOptions(**options)  # type: ignore[arg-type]


def test_crop_is_of_the_upright_picture_and_clipped_to_it(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", [quadrants()], setup=lambda s: s.set_display_rotation(90))
    whole = next(iter(VideoReader(path)))
    with VideoReader(path, ReadOptions(crop=(-5, 40, 30, 999))) as clip:
        assert (clip.width, clip.height) == (30, 56)
        part = next(iter(clip))
    assert part.flags.c_contiguous
    assert np.array_equal(part, whole[40:96, 0:30])
    for empty in [(10, 10, 10, 20), (64, 0, 90, 20), (-9, -9, 0, 0), (30, 5, 10, 20)]:
        with pytest.raises(VideoError, match="64 x 96"):
            VideoReader(path, ReadOptions(crop=empty))


def test_frames_belong_to_the_caller(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mp4", 5)
    kept = []
    for frame in VideoReader(path, ReadOptions(fps=50)):
        assert frame.flags.writeable
        kept.append((number(frame), frame.copy(), frame))
        frame[:16] = 0
    assert [i for i, _, _ in kept] == [i // 2 for i in range(10)]
    assert all(np.array_equal(a[16:], b[16:]) for _, a, b in kept)


def test_a_reader_can_be_read_twice_and_left_early(tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "a.mp4", 30)
    with VideoReader(path) as clip:
        assert number(next(iter(clip))) == 0
        assert [number(frame) for frame in clip] == list(range(30))
        running = iter(clip)
        next(running)
    with pytest.raises(StopIteration):
        next(running)


# ---- size and orientation


def quadrants(height: int = 64, width: int = 96) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 30, 30)
    image[: height // 2, width // 2 :] = (30, 200, 30)
    image[height // 2 :, : width // 2] = (30, 30, 200)
    image[height // 2 :, width // 2 :] = (200, 200, 30)
    return image


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_and_mirroring_are_as_ffmpeg_shows_them(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    path = make(tmp_path / "a.mp4", [quadrants()] * 3, setup=lambda s: s.set_display_rotation(degrees, hflip=mirrored))
    info = probe(path)
    assert (info.width, info.height) == ((64, 96) if degrees % 180 else (96, 64))
    raw = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    shown = np.frombuffer(raw, np.uint8).reshape(3, info.height, info.width, 3)
    for frame, expected in zip(VideoReader(path), shown, strict=True):
        assert frame.flags.c_contiguous
        assert np.abs(frame.astype(int) - expected)[8:24, 8:24].max() < 8
        assert np.abs(frame.astype(int) - expected)[-24:-8, 8:24].max() < 8
    if not mirrored:
        assert info.rotation_deg == -degrees % 360
        expected = np.stack(list(read_frames_exact(str(path))))
        assert np.array_equal(np.stack(list(VideoReader(path))), expected)


def test_pixels_that_are_not_square_are_stretched_before_turning(tmp_path: Path) -> None:
    def anamorphic(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        stream.set_display_rotation(90)

    path = make(tmp_path / "a.mp4", [quadrants()] * 2, setup=anamorphic)
    clip = VideoReader(path)
    assert (clip.width, clip.height) == (64, 144)
    frame = next(iter(clip))
    assert frame.shape == (144, 64, 3)
    upright = np.rot90(quadrants(64, 144))
    assert np.abs(frame[10:60, 4:28].astype(int) - upright[10:60, 4:28]).max() < 12


def test_a_recording_that_changes_its_size_keeps_the_size_it_began_with(tmp_path: Path) -> None:
    for name, size in [("a.h264", (64, 96)), ("b.h264", (96, 64))]:
        make(tmp_path / name, [quadrants(*size)] * 5)
    path = tmp_path / "both.h264"
    path.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    frames = list(VideoReader(path))
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    assert len(frames) == 10


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (17, 33), (7680, 16), (8192, 8)])
def test_any_size_is_written_and_read(tmp_path: Path, width: int, height: int) -> None:
    write_video(tmp_path / "a.mp4", [np.full((height, width, 3), 90, np.uint8)], fps=25)
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height) == (width + width % 2, height + height % 2)


# ---- the same pixels as pose-format


@pytest.mark.parametrize("size", [(64, 96), (480, 640), (90, 161)])
@pytest.mark.parametrize(("codec", "pix_fmt"), [("libx264", "yuv420p"), ("libx264", "yuv444p"), ("mjpeg", "yuvj420p")])
def test_pixels_and_metadata_agree_with_pose_formats_reader(
    tmp_path: Path, size: tuple[int, int], codec: str, pix_fmt: str
) -> None:
    height, width = (side + (side % 2 if pix_fmt == "yuv420p" else 0) for side in size)
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(6)]
    path = make(tmp_path / "a.mkv", pictures, codec=codec, pix_fmt=pix_fmt)
    assert_same_as_pose_format(path)


def assert_same_as_pose_format(path: Path) -> None:
    info, theirs = probe(path), video_metadata(str(path))
    assert (info.width, info.height) == (theirs.width, theirs.height)
    assert info.fps == pytest.approx(theirs.fps, abs=1e-6)
    assert info.num_frames == theirs.nb_frames
    count = 0
    for ours, expected in zip_longest(VideoReader(path), read_frames_exact(str(path))):
        assert np.array_equal(ours, expected)
        count += 1
    assert count == info.num_frames


# ---- damage


def damage(path: Path, target: Path, frames: range) -> Path:
    """A copy of a clip with the bytes of these packets overwritten."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for i in frames:
        position, size = packets[i]
        data[position : position + size] = bytes([0xFF]) * size
    target.write_bytes(data)
    return target


def test_packets_that_do_not_decode_are_skipped_and_the_rest_keeps_its_time(tmp_path: Path) -> None:
    whole = make_numbered(tmp_path / "a.mp4", 60, options={"g": "10", "bf": "0"})
    path = damage(whole, tmp_path / "b.mp4", range(20, 24))
    clip = VideoReader(path)
    got = [number(frame) for frame in clip]
    assert clip.skipped_packets
    assert len(got) == 60
    assert got[:20] == list(range(20))
    assert got[30:] == list(range(30, 60))


def test_a_clip_that_starts_damaged_gives_the_rest(tmp_path: Path) -> None:
    whole = make_numbered(tmp_path / "a.mp4", 60, options={"g": "10", "bf": "0"})
    got = numbers(damage(whole, tmp_path / "b.mp4", range(0, 10)))
    assert got[-50:] == list(range(10, 60))


def test_a_cut_off_clip_gives_the_frames_that_are_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pictures = [rng.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(50)]
    whole = make(tmp_path / "a.mp4", pictures, movflags="+faststart", options={"bf": "0"})
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    frames, expected = list(VideoReader(path)), list(VideoReader(whole))
    assert 15 < len(frames) < 35
    assert all(np.array_equal(a, b) for a, b in zip(frames[:-1], expected, strict=False))


def test_a_clip_without_one_good_frame_is_refused(tmp_path: Path) -> None:
    whole = make_numbered(tmp_path / "a.mp4", 20)
    path = damage(whole, tmp_path / "noise.mp4", range(20))
    with pytest.raises(VideoError, match=r"noise\.mp4: no frame could be decoded \(20 packets"):
        probe(path)


def test_no_ending_of_a_file_escapes_as_another_exception(tmp_path: Path) -> None:
    data = make_numbered(tmp_path / "a.mp4", 10, movflags="+faststart").read_bytes()
    webm = make_numbered(tmp_path / "a.webm", 10, codec="libvpx").read_bytes()
    path = tmp_path / "cut"
    refused = 0
    for whole in (data, webm):
        for size in range(1, len(whole), len(whole) // 40):
            path.write_bytes(whole[:size])
            try:
                list(VideoReader(path))
            except VideoError as error:
                refused += 1
                assert str(error).startswith("cut: ")
    assert 0 < refused < 80


def sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(4000))
    return path


def cut_without_index(path: Path) -> Path:
    data = make_numbered(path, 10).read_bytes()  # the index comes last
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def text(path: Path, content: str = "I am a video\n" * 50) -> Path:
    path.write_text(content)
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda p: p / "none.mp4", r"^none\.mp4: there is no such file"),
        (lambda p: folder(p / "clips.mp4"), r"^clips\.mp4: this is a folder"),
        (lambda p: text(p / "empty.mp4", ""), r"^empty\.mp4: the file is empty \(0 bytes\)"),
        (lambda p: text(p / "notes.mp4"), r"^notes\.mp4: not a video file .*650 bytes"),
        (lambda p: text(p / "notes.txt"), r"^notes\.txt: not a video file"),
        (lambda p: text(p / "list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n"), "not a video file"),
        (lambda p: text(p / "list.mp4", "ffconcat version 1.0\nfile a.mp4\n"), "not a video file"),
        (lambda p: cut_without_index(p / "cut.mp4"), r"^cut\.mp4: the file is cut off"),
        (lambda p: p / ("x" * 300 + ".mp4"), "the file cannot be opened"),
        (lambda p: p / "nul\0.mp4", "the file cannot be opened"),
        (lambda p: fifo(p / "pipe.mp4"), r"^pipe\.mp4: this is a device or pipe"),
        (lambda p: sound(p / "voice.wav"), r"^voice\.wav: the file has no picture \(only sound\)"),
    ],
)
def test_each_unusable_file_is_refused_by_name_and_reason(
    tmp_path: Path, build: Callable[[Path], Path], reason: str
) -> None:
    make_numbered(tmp_path / "a.mp4", 2)
    path = build(tmp_path)
    with pytest.raises(VideoError, match=reason) as caught:
        VideoReader(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_picture_over_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    path = make(tmp_path / "wide.mkv", [np.zeros((8, 8200, 3), np.uint8)], codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(VideoError, match=r"wide\.mkv: its picture is 8200 x 8 pixels, over the limit of 8192"):
        probe(path)


def test_a_video_stream_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        container.start_encoding()
    with pytest.raises(VideoError, match=r"none\.mkv: "):
        probe(path)


@pytest.mark.parametrize(
    "name", ['it\'s "quoted".mp4', "two\nlines.mp4", "http:x.mp4", "手話 🤟.mp4", "%03d.mp4", "-i.mp4"]
)
def test_any_file_name_works_and_stays_on_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path / "in"))
    path = Path("..") / "in" / name
    assert write_video(path, [numbered(7)], fps=25) == 1
    assert numbers(path) == [7]
    assert numbers(Path(name)) == [7]
    path.write_text("broken")
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    assert ".." not in str(caught.value)


# ---- writing


def test_flat_colours_come_back_within_a_few_levels(tmp_path: Path) -> None:
    levels = (0, 16, 128, 235, 255)
    colours = [(r, g, b) for r in levels for g in levels for b in levels]
    pictures = [np.full((48, 64, 3), colour, np.uint8) for colour in colours]
    path = tmp_path / "a.mp4"
    write_video(path, pictures, fps=25)
    for colour, frame in zip(colours, VideoReader(path), strict=True):
        assert np.abs(frame.reshape(-1, 3).astype(int) - colour).max() <= 5, colour
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
        assert codec.pix_fmt == "yuv420p"
        assert codec.name == "h264"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("fps", "exact"), [(29.97, (30000, 1001)), (23.976, (24000, 1001)), (25, (25, 1)), (12.5, (25, 2))]
)
def test_the_written_rate_is_exact(tmp_path: Path, fps: float, exact: tuple[int, int]) -> None:
    path = tmp_path / "a.mp4"
    assert write_video(path, map(numbered, range(40)), fps=fps) == 40
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(*exact)
    assert numbers(path) == list(range(40))
    # Reading and writing again changes neither rate nor frames.
    with VideoReader(path) as clip:
        write_video(tmp_path / "b.mp4", clip, fps=clip.fps)
    assert numbers(tmp_path / "b.mp4") == list(range(40))
    assert probe(tmp_path / "b.mp4").fps == clip.fps


def test_odd_sizes_repeat_their_last_row_and_column(tmp_path: Path) -> None:
    image = np.full((31, 45, 3), 40, np.uint8)
    image[:, -5:] = image[-5:] = 220
    write_video(tmp_path / "a.mp4", [image], fps=25)
    (frame,) = VideoReader(tmp_path / "a.mp4")
    assert frame.shape == (32, 46, 3)
    assert np.abs(frame[:, -1].astype(int) - 220).max() < 12
    assert np.abs(frame[-1].astype(int) - 220).max() < 12


def test_an_error_leaves_nothing_behind_and_an_older_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(KeyError), VideoWriter(path, fps=25, width=144, height=32) as clip:
        for i in range(60):
            clip.write(numbered(i))
        raise KeyError
    with pytest.raises(VideoError, match="no frame to write"), VideoWriter(path, fps=25, width=144, height=32):
        pass
    with pytest.raises(VideoError, match="no frame to write"):
        write_video(path, [], fps=25)
    with pytest.raises(ValueError, match="float64"):
        write_video(path, [numbered(0), numbered(0) / 255], fps=25)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"older"


def test_a_full_disk_is_reported_and_leaves_nothing_behind(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(VideoError, match=r"a\.mp4: cannot be written"):
            write_video(tmp_path / "a.mp4", (rng.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(100)), fps=25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "given"),
    [("a.mp4", {"fps": 0}), ("a.mp4", {"fps": 1000}), ("a.mp4", {"width": 0}), ("a.mp4", {"height": 9000}),
     ("a.avi", {}), ("a", {}), ("folder.mp4", {})],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str, given: dict[str, int]) -> None:
    folder(tmp_path / "folder.mp4")
    text(tmp_path / "file")
    with pytest.raises(VideoError, match="cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", [numbered(0)], fps=25)
    with pytest.raises(VideoError):
        VideoWriter(tmp_path / name, **{"fps": 25, "width": 64, "height": 64, **given})


def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make(path, [np.zeros((720, 1280, 3), np.uint8)] * 240)  # 660 MB of frames
    script = (
        "import sys; from models.video import VideoReader\n"
        f"peak = lambda: {PEAK}\n"
        "for i, frame in enumerate(VideoReader(sys.argv[1])):\n"
        "    if i == 40: early = peak()\n"
        "print(peak() - early)"
    )
    grown = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True).stdout
    assert int(grown) < 60_000  # KiB


def test_webm_keeps_transparency(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, 32:] = (200, 30, 40, 255)
    with VideoWriter(tmp_path / "a.webm", fps=25, width=64, height=48, alpha=True) as clip:
        for _ in range(3):
            clip.write(picture)
    with av.open(str(tmp_path / "a.webm")) as container:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    back = frames[0].to_ndarray(format="rgba")
    assert back[:, :28, 3].max() < 20
    assert back[:, 36:, 3].min() > 235
    with pytest.raises(VideoError, match="transparent"):
        VideoWriter(tmp_path / "a.mp4", fps=25, width=64, height=48, alpha=True)


# ---- real clips


def real_clips() -> list[Path]:
    root = Path(REAL or "/nonexistent")
    return sorted([*root.glob("original_quality/*.mp4"), *root.glob("pose_files/**/test_video.mp4")])


@pytest.mark.real
@pytest.mark.parametrize("path", real_clips(), ids=lambda path: path.stem)
def test_real_clips_have_the_pixels_and_metadata_of_pose_formats_reader(path: Path) -> None:
    assert_same_as_pose_format(path)


@pytest.mark.real
def test_a_part_of_a_real_clip_is_the_same_as_decoding_from_the_beginning() -> None:
    path = Path(REAL or "") / "original_quality" / "work__kiri_man_portrait.mp4"
    whole = list(VideoReader(path))
    part = list(VideoReader(path, ReadOptions(start_ms=200 * 1000 / 30, end_ms=210 * 1000 / 30)))
    assert len(part) == 10
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[200:], strict=False))
