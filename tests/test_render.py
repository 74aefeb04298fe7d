"""A performance as a video: kinds, formats, captions, transparency; and the command that makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from models.errors import LexiconError
from models.lexicon.captions import caption_height
from models.lexicon.performance import Performance, perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.products import SentenceOptions, make_sentence
from models.lexicon.render import RenderOptions, render
from models.pose.files import read_pose
from models.progress import Cancelled
from models.video import VideoReader, probe


@pytest.fixture(scope="module")
def hello() -> Performance:
    return perform([load_phonology()["HELLO"]])


@pytest.mark.parametrize("kind", ["avatar", "skeleton", "openpose"])
def test_every_frame_of_the_pose_is_in_the_video(hello: Performance, kind: str, tmp_path: Path) -> None:
    frames = render(hello.pose, hello.segments, tmp_path / "a.mp4", RenderOptions(kind=kind, height=256))
    info = probe(tmp_path / "a.mp4")
    assert info.num_frames == frames == len(hello.pose.body.data)
    assert (info.width, info.height) == (256, 256 + caption_height(256, 256))
    assert info.fps == 25


def test_the_caption_shows_while_the_sign_is_made(hello: Performance, tmp_path: Path) -> None:
    render(hello.pose, hello.segments, tmp_path / "a.mp4", RenderOptions(kind="openpose", height=256))
    bright = [frame[256:].max() > 200 for frame in VideoReader(tmp_path / "a.mp4")]
    (segment,) = hello.segments
    assert not bright[0]
    assert not bright[-1]
    assert bright[round((segment.start_ms + segment.end_ms) / 2 / 40)]
    assert sum(bright) == pytest.approx((segment.end_ms - segment.start_ms) / 40, abs=2)


def test_a_gif_moves_and_png_frames_are_transparent(hello: Performance, tmp_path: Path) -> None:
    render(hello.pose, hello.segments, tmp_path / "a.gif", RenderOptions(height=128))
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames > 10
        assert gif.info["duration"] == 40
    clear = RenderOptions(height=128, captions=False, transparent=True)
    render(hello.pose, hello.segments, tmp_path / "frames", clear)
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files[:2]] == ["0001.png", "0002.png"]
    assert len(files) == len(hello.pose.body.data)
    picture = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (128, 128, 4)
    assert picture[0, 0, 3] == 0
    assert picture[100, 64, 3] == 255


def test_stopping_leaves_nothing_and_a_foreign_folder_is_kept(hello: Performance, tmp_path: Path) -> None:
    for name in ("a.mp4", "a.gif", "frames"):
        with pytest.raises(Cancelled):
            render(hello.pose, hello.segments, tmp_path / name, RenderOptions(height=128), should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(LexiconError, match="mine"):
        render(hello.pose, hello.segments, tmp_path / "mine", RenderOptions(height=128))
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    (tmp_path / "mine" / "letter.txt").rename(tmp_path / "mine" / "grandmother.png")
    with pytest.raises(LexiconError, match="mine"):
        render(hello.pose, hello.segments, tmp_path / "mine", RenderOptions(height=128))
    assert (tmp_path / "mine" / "grandmother.png").is_file(), "pictures of others are no frames of ours"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"kind": "puppet"}, "avatar"), ({"height": 20}, "128"), ({"transparent": True}, "captions")],
)
def test_what_cannot_be_drawn_is_said(options: dict, said: str) -> None:
    with pytest.raises(LexiconError, match=said):
        RenderOptions(**options)


def test_a_sentence_gives_video_pose_captions_and_the_other_format(tmp_path: Path) -> None:
    from models.lexicon.embedded import embedded_lexicon
    from models.lexicon.glossline import parse_gloss_line

    options = SentenceOptions(look="Kofi", signer=3, captions="track", height=256, suffix=".gif")
    made = make_sentence(parse_gloss_line("YES").items, [embedded_lexicon()], tmp_path, options)
    assert [path.name for path in made.downloads] == ["signing.mp4", "signing.gif", "signing.pose", "signing.vtt"]
    assert made.subtitles == made.captions
    assert "YES" in made.captions.read_text()
    assert len(read_pose(made.pose).body.data) == probe(made.video).num_frames
    assert probe(made.video).height == 256, "a track leaves the picture as it is"


def test_the_command_makes_a_video_that_ffmpeg_accepts(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    command = [
        sys.executable,
        "-m",
        "studio.cli",
        "synthesize",
        "HELLO MY NAME ANNA",
        "-o",
        str(out),
        "--height",
        "256",
    ]
    extra = ["--pose", str(tmp_path / "a.pose"), "--captions", str(tmp_path / "a.srt")]
    made = subprocess.run([*command, *extra], capture_output=True, text=True, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "Gloss line: HELLO MY NAME fs-ANNA" in made.stdout
    assert "ANNA has no sign here and is fingerspelled" in made.stderr
    checked = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(out), "-f", "null", "-"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0
    assert checked.stderr == ""
    assert len(read_pose(tmp_path / "a.pose").body.data) == probe(out).num_frames
    assert "A-N-N-A" in (tmp_path / "a.srt").read_text()


def test_text_on_the_command_line_shows_the_gloss_line_it_became(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "studio.cli",
        "synthesize",
        "I like coffee.",
        "--text",
        "-o",
        str(tmp_path / "a.mp4"),
    ]
    made = subprocess.run([*command, "--height", "128", "--picture", "skeleton"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert "Gloss line: " in made.stdout
    assert "LIKE COFFEE" in made.stdout
    assert np.mean([frame.mean() for frame in VideoReader(tmp_path / "a.mp4")]) > 1
