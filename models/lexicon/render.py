"""A performance as a video: the drawn signer, a skeleton, or the OpenPose map; captioned; in the usual formats.

By the name of the file: .mp4 plays everywhere, .webm can be transparent, .gif goes into slides and chats, and a name
without a suffix is a folder of PNG frames (`0001.png`, ...), which can be transparent too.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pose_format import Pose

from models.errors import LexiconError, VideoError
from models.files import replacing, safe_name
from models.lexicon.avatar import render_avatar
from models.lexicon.captions import burn_captions
from models.lexicon.looks import LOOKS, Look
from models.lexicon.performance import Segment
from models.pose.draw import fit_pose, plain_ground, skeleton_painter
from models.pose.openpose import draw_openpose, to_openpose
from models.progress import Cancelled, Meter, Progress
from models.video_write import VideoWriter

Image = NDArray[np.uint8]
Kind = Literal["avatar", "skeleton", "openpose"]
SMALLEST, LARGEST = 128, 2160
_FRAME_NAME = re.compile(r"\d{4,}\.png")


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """What is drawn, and how large. Raises LexiconError for what cannot be drawn."""

    kind: Kind = "avatar"
    look: Look = field(default_factory=lambda: LOOKS["sofia"])
    height: int = 512
    """Of the picture without captions, pixels."""
    captions: bool = True
    """The gloss that is signed, in a strip below the picture."""
    transparent: bool = False
    """No background: the drawn signer as WebM or PNG, without captions."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise LexiconError(f"There is no picture {self.kind!r}; choose one of {', '.join(get_args(Kind))}.")
        if not SMALLEST <= self.height <= LARGEST:
            raise LexiconError(f"A picture {self.height} pixels high cannot be made; choose {SMALLEST} to {LARGEST}.")
        if self.transparent and (self.kind != "avatar" or self.captions):
            raise LexiconError("Only the drawn signer without captions can be transparent; change one of the three.")


def render(
    pose: Pose,
    segments: Sequence[Segment],
    out: Path,
    options: RenderOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> int:
    """Draw every frame of a pose into `out` and return how many there are.

    Raises LexiconError for a name or options that do not fit, VideoError when the disk refuses, Cancelled when
    `should_stop` says so; nothing is left behind then.
    """
    options = options or RenderOptions()
    fps = float(pose.body.fps)
    suffix = out.suffix.lower()
    if options.transparent and suffix not in (".webm", ""):
        raise LexiconError(f"{safe_name(out)}: only WebM and PNG frames can be transparent; use a .webm or a folder.")
    meter = Meter(len(pose.body.data), progress)
    pictures = _counted(_captioned(_pictures(pose, options), segments, fps, options), meter, should_stop)
    try:
        if suffix == ".gif":
            _write_gif(out, pictures, fps)
        elif suffix == "":
            _write_frames(out, pictures)
        else:
            _write_video(out, pictures, fps, alpha=options.transparent)
    except OSError as error:
        reason = error.strerror or error
        raise VideoError(
            f"{safe_name(out)}: cannot be written ({reason}); check the folder and the free space"
        ) from error
    meter.finish()
    return len(pose.body.data)


def _pictures(pose: Pose, options: RenderOptions) -> Iterator[Image]:
    size = pose.header.dimensions
    width = round(options.height * size.width / max(size.height, 1))
    if options.kind == "avatar":
        yield from render_avatar(pose, options.look, height=options.height, background=not options.transparent)
        return
    fitted = fit_pose(pose, width, options.height)
    if options.kind == "openpose":
        for person in to_openpose(fitted):
            yield draw_openpose([person], width, options.height)
        return
    paint, ground = skeleton_painter(fitted), plain_ground(width, options.height)
    for frame in range(len(pose.body.data)):
        yield paint(ground, frame)


def _captioned(
    pictures: Iterator[Image], segments: Sequence[Segment], fps: float, options: RenderOptions
) -> Iterator[Image]:
    return burn_captions(pictures, segments, fps) if options.captions else pictures


def _counted(pictures: Iterable[Image], meter: Meter, should_stop: Callable[[], bool] | None) -> Iterator[Image]:
    for picture in pictures:
        if should_stop is not None and should_stop():
            raise Cancelled
        yield picture
        meter.count()


def _write_video(out: Path, pictures: Iterator[Image], fps: float, *, alpha: bool) -> None:
    first = next(pictures)
    with VideoWriter(out, fps=fps, width=first.shape[1], height=first.shape[0], alpha=alpha) as writer:
        for picture in itertools.chain([first], pictures):
            writer.write(picture)


def _write_gif(out: Path, pictures: Iterator[Image], fps: float) -> None:
    """An endless GIF. Its clock ticks in hundredths of a second, so the rate is the nearest that it has."""
    frames = (PillowImage.fromarray(picture).quantize(128, dither=PillowImage.Dither.NONE) for picture in pictures)
    first = next(frames)
    with replacing(out) as temporary:
        first.save(temporary, save_all=True, append_images=frames, duration=round(100 / fps) * 10, loop=0)


def _write_frames(out: Path, pictures: Iterator[Image]) -> None:
    """A folder of PNGs that appears when all are written; an older folder of frames gives way, no other does."""
    if out.exists() and (not out.is_dir() or not all(_FRAME_NAME.fullmatch(path.name) for path in out.iterdir())):
        raise LexiconError(f"{safe_name(out)}: there is something else of this name; choose a new folder.")
    with replacing(out) as temporary:
        temporary.mkdir()
        try:
            for number, picture in enumerate(pictures, start=1):
                codes = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
                _, data = cv2.imencode(".png", cv2.cvtColor(picture, codes))
                (temporary / f"{number:04d}.png").write_bytes(data.tobytes())
        except BaseException:
            shutil.rmtree(temporary)
            raise
        if out.is_dir():
            shutil.rmtree(out)
