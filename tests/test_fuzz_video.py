"""Whatever is uploaded as a video gives frames or a SignError, opens nothing else, and takes bounded memory."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hostile import PEAK, clip, openings, png, resized_png_frames
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import SignError, VideoError
from models.video import VideoReader, probe, stored_frames
from models.video_decode import MAX_SIDE
from studio.inputs import check_clip
from studio.limits import Limits

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify and resource limits are Linux's")
PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
    "hls-file": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "hls-key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="file://{path}"\n#EXTINF:9,\nx.ts\n#EXT-X-ENDLIST\n',
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "concat-protocol": "#EXTM3U\n#EXTINF:9,\nconcat:{path}|{path}\n#EXT-X-ENDLIST\n",
    "subfile": "#EXTM3U\n#EXTINF:9,\nsubfile,,start,0,end,9,,:{path}\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1" mimeType="video/mp4"><BaseURL>{path}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "pls": "[playlist]\nFile1={path}\nNumberOfEntries=1\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{path}"/></svg>',
    "subtitles": "WEBVTT\n\n00:00.000 --> 00:01.000\n{path}\n",
    "imf": '<AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><Asset>{path}</Asset></AssetMap>',
}


def frames(path: Path, most: int = 50) -> int:
    with VideoReader(path) as reader:
        return sum(1 for _ in islice(reader, most))


@linux
@pytest.mark.parametrize("ending", ["mp4", "m3u8"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_file_that_names_another_one_is_refused_and_the_other_is_never_opened(
    tmp_path: Path, kind: str, ending: str
) -> None:
    secret = clip(tmp_path / "secret.mp4")
    sent = tmp_path / f"sent.{ending}"
    sent.write_text(PLAYLISTS[kind].format(path=secret))
    with openings(secret) as opened, pytest.raises(VideoError):
        frames(sent)
    assert not opened


@linux
def test_the_watch_over_opened_files_sees_a_library_open_one(tmp_path: Path) -> None:
    secret = clip(tmp_path / "secret.mp4")
    with openings(secret) as opened:
        av.open(str(secret)).close()
    assert opened


@linux
def test_a_video_behind_a_playlist_is_read_as_the_video_that_it_is(tmp_path: Path) -> None:
    secret, sent = clip(tmp_path / "secret.mp4", frames=20), tmp_path / "both.ts"
    clip(sent, frames=7, codec="mpeg2video")
    sent.write_bytes(PLAYLISTS["hls"].format(path=secret).encode() + sent.read_bytes())
    with openings(secret) as opened:
        assert frames(sent) == 7
    assert not opened


@pytest.mark.parametrize("name", ["http:x.mp4", "concat:a|b.mp4", "file:x.mp4", "-i.mp4", "%03d.mp4"])
def test_a_name_that_looks_like_a_protocol_or_a_pattern_is_a_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "x.mp4").rename(tmp_path / name)
    assert frames(Path(name)) == 5


@linux
@pytest.mark.parametrize("first", [0, 1])
def test_frames_larger_than_they_may_be_take_no_memory(tmp_path: Path, first: int) -> None:
    video = clip(tmp_path / "small.mov", codec="png", pixels="rgb24").read_bytes()
    (tmp_path / "bomb.mov").write_bytes(resized_png_frames(video, 2 * MAX_SIDE, first=first))
    tell = (
        "import sys\nfrom models.errors import SignError\nfrom models.video import VideoReader\n"
        f"before = {PEAK}\n"
        "try:\n    print(sum(1 for _ in VideoReader(sys.argv[1])))\nexcept SignError:\n    print('refused')\n"
        f"print(({PEAK} - before) // 1024)"
    )
    said = subprocess.run([sys.executable, "-c", tell, tmp_path / "bomb.mov"], capture_output=True, text=True)
    seen, megabytes = said.stdout.split()
    assert seen == ("1" if first else "refused")
    assert int(megabytes) < (100 if first else 1000)  # ffmpeg itself looks at the first frame, once


@pytest.mark.parametrize("content", [png(50_000, 50_000, rows=1), b"", b"\0" * 5000, b"RIFF\xff\xff\xff\xffAVI LIST"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(VideoError):
        frames(tmp_path / "x.mp4")


def test_sizes_and_rates_in_a_header_that_lies_are_not_believed(tmp_path: Path) -> None:
    good = clip(tmp_path / "good.avi").read_bytes()
    for at, values in ((good.find(b"strf") + 12, (30_000, 30_000)), (good.find(b"strh") + 28, (1, 4_000_000_000))):
        changed = bytearray(good)
        changed[at : at + 8] = struct.pack("<II", *values)
        (tmp_path / "lies.avi").write_bytes(changed)
        assert frames(tmp_path / "lies.avi") == 5
        assert probe(tmp_path / "lies.avi").width == 64


def test_a_thousand_streams_are_one_clip(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(1000)]
        for stream in streams:
            stream.width = stream.height = 16
            stream.pix_fmt = "yuv420p"
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            container.mux(stream.encode(None))
    assert frames(path) == 1


def jumping(path: Path, stamps: list[int]) -> Path:
    """A clip of tiny frames shown at these times, in ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp in stamps:
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_pauses_do_not_make_hours_of_a_few_frames(tmp_path: Path) -> None:
    steps = [40, 40, 40, 590_000] * 100  # sixteen hours
    path = jumping(tmp_path / "pauses.mkv", [sum(steps[:count]) for count in range(len(steps))])
    with VideoReader(path) as reader:
        count = sum(1 for _ in reader)
    assert count < 25 * 600 + 12 * len(steps)


def test_a_clip_with_more_frames_than_it_may_have_is_refused_whatever_its_length_says(tmp_path: Path) -> None:
    path = jumping(tmp_path / "dense.mkv", list(range(16_000)))  # sixteen seconds
    assert stored_frames(path, 20_000) == 16_000
    assert stored_frames(path, 100) == 100
    with pytest.raises(VideoError, match="minutes"):
        check_clip(path, Limits(max_clip_minutes=1))
    check_clip(path, Limits(max_clip_minutes=2))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), ending=st.sampled_from(["mp4", "avi", "mkv", "mov", "ts"]))
def test_damage_anywhere_in_a_file_gives_frames_or_a_sign_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, ending: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damage"
    folder.mkdir(exist_ok=True)
    good = folder / f"good.{ending}"
    if not good.exists():
        clip(good, codec="mpeg2video" if ending == "ts" else "mpeg4")
    raw = bytearray(good.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), min_size=1, max_size=40)
    ):
        raw[place] = value
    (folder / f"bad.{ending}").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        frames(folder / f"bad.{ending}")
    except SignError as error:
        assert "bad" in str(error)
