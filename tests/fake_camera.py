"""A camera that plays a clip, and a recognizer that says its lines, for the tests and the benchmark of the Live tab."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from serving import ARGS

from models.recognition.results import Candidate, RecognizedSegment
from studio.cameras import Cameras
from studio.limits import Limits
from studio.ui.tabs import live
from studio.ui.theme import CSS, theme

Floats = NDArray[np.float32]


def camera_clip(clip: Path, folder: Path, *, width: int = 640, height: int = 480, fps: int = 30) -> Path:
    """The clip as Chromium's fake camera wants it: motion JPEG; it is played over and over."""
    target = folder / f"{clip.stem}.mjpeg"
    fit = f"fps={fps},scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:-1:-1:white"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(clip), "-vf", fit, "-q:v", "3"]
    subprocess.run([*command, str(target)], check=True)
    return target


def browser_arguments(camera: Path | None) -> list[str]:
    """Arguments of a Chromium whose camera plays a clip, or that has no camera (None)."""
    played = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
    others = [one for one in ARGS if not one.startswith("--use-fake-device")]
    return [*others, *(played if camera is not None else [])]


@contextmanager
def serve_tab(recognizer: Lines) -> Iterator[tuple[str, Cameras]]:
    """The address of a page with nothing but the Live tab, and the cameras that it watches."""
    kept: list[Cameras] = []

    def chosen(request: gr.Request) -> Lines:
        recognizer.pages.append(str(request.session_hash))
        return recognizer

    with gr.Blocks(title="Live", analytics_enabled=False) as page, gr.Tabs():
        with gr.Tab("Live", id="live"):
            kept.append(live.build(Limits(), chosen))
        with gr.Tab("Other", id="other"):
            gr.Markdown("Nothing.")
    _, url, _ = page.launch(
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        theme=theme(),
        css_paths=[CSS],
        run_history=False,
    )
    try:
        yield url.rstrip("/"), kept[0]
    finally:
        page.close()
        kept[0].close_all()


@dataclass
class Lines:
    """A recognizer that needs no signs: every `rows` rows it says its next line, and guesses it while it waits.

    A line of None is an unknown sign. Rows without a body are counted, but nothing is said.
    """

    lines: tuple[str | None, ...] = ("HELLO", "MY", None, "NAME")
    rows: int = 20
    streams: int = 0
    pages: list[str] = field(default_factory=list)
    description = "A recognizer for tests that says its lines."

    @property
    def glosses(self) -> tuple[str, ...]:
        return tuple(sorted(line for line in self.lines if line))

    def segments(self, rows: Floats) -> tuple[RecognizedSegment, ...]:
        stream = self.stream()
        return tuple(segment for row in rows for segment in stream.push(row)) + stream.flush()

    def stream(self) -> LinesStream:
        self.streams += 1
        return LinesStream(self)


class LinesStream:
    """One run through the lines."""

    def __init__(self, of: Lines) -> None:
        self.of, self.seen, self.begin = of, 0, 0
        self.said = 0

    @property
    def line(self) -> str | None:
        return self.of.lines[self.said % len(self.of.lines)]

    @property
    def activity(self) -> float:
        return min(1.0, (self.seen - self.begin) / self.of.rows)

    @property
    def signing(self) -> bool:
        return self.seen > self.begin

    @property
    def guess(self) -> Candidate | None:
        return Candidate(gloss=self.line, confidence=0.5, distance=1.0) if self.signing and self.line else None

    def push(self, row: Floats) -> tuple[RecognizedSegment, ...]:
        if not row.any():
            return ()
        self.seen += 1
        return self._say() if self.seen - self.begin >= self.of.rows else ()

    def flush(self) -> tuple[RecognizedSegment, ...]:
        return self._say() if self.signing else ()

    def _say(self) -> tuple[RecognizedSegment, ...]:
        sure, other = Candidate(gloss=self.line or "HOUSE", confidence=0.8, distance=1.0), "TREE"
        segment = RecognizedSegment(
            start_ms=40.0 * self.begin,
            end_ms=40.0 * self.seen,
            candidates=(sure, Candidate(gloss=other, confidence=0.1, distance=2.0)),
            known=self.line is not None,
        )
        self.said, self.begin = self.said + 1, self.seen
        return (segment,)
