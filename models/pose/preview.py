"""Preview videos: the landmarks over the clip, beside it, or alone.

Everything streams: one frame is in memory at a time, however long the clip.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from pose_format import Pose

from models.errors import PoseError
from models.pose.draw import GROUNDS, Ground, Image, canvas_size, draw_joint, fit_pose, plain_ground, skeleton_painter
from models.pose.openpose import draw_openpose, to_openpose
from models.pose.strokes import LEFT_COLOR, NEUTRAL_ON_LIGHT, RIGHT_COLOR, SHAPES, DrawStyle, Side
from models.progress import Cancelled, Meter, Progress
from models.video import ReadOptions, VideoReader
from models.video_write import VideoWriter

Mode = Literal["overlay", "skeleton", "side_by_side"]
Tell = Callable[[Progress], None]
Stop = Callable[[], bool]

_SMALLEST_SIDE = 480  # smaller clips are enlarged to this: a hand of 20 pixels cannot be read
_ASPECT_TOLERANCE = 0.03
_LEGEND_SIDES: tuple[Side, ...] = ("RIGHT", "LEFT")  # as they lie in the picture of a signer who faces the camera


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """How a preview looks."""

    style: DrawStyle = field(default_factory=DrawStyle)
    ground: Ground = "dark"  # behind a skeleton
    longest_side: int = 720  # px, of each picture; smaller clips are not enlarged beyond 480
    legend: bool = True  # a line below the picture that says which hand is which
    labels: tuple[str, str] = ("Right hand", "Left hand")

    def __post_init__(self) -> None:
        if not 64 <= self.longest_side <= 4096:
            raise PoseError(f"A preview of {self.longest_side} px is not possible; choose 64 to 4096.")
        if self.ground not in GROUNDS:
            raise PoseError(f"There is no ground {self.ground!r}; choose one of {', '.join(GROUNDS)}.")


def write_preview(
    video: str | os.PathLike[str],
    pose: Pose,
    out: str | os.PathLike[str],
    mode: Mode = "overlay",
    options: PreviewOptions | None = None,
    *,
    reading: ReadOptions | None = None,
    progress: Tell | None = None,
    should_stop: Stop | None = None,
) -> int:
    """Write the clip with its landmarks as an MP4 and return the number of frames.

    `reading` is what the pose was extracted with (crop, start, end): the first frame read is frame 0 of the pose.
    The preview has the rate of the clip as read; a pose of another rate is sampled at the middle of each frame, and
    frames after its end stay bare. The pose's coordinates are scaled from the size in its header.
    Raises VideoError (clip or output), PoseError (the pose does not belong to this clip), Cancelled when
    `should_stop` said so; nothing is left behind then.
    """
    if mode not in ("overlay", "skeleton", "side_by_side"):
        raise PoseError(f"There is no preview {mode!r}; choose overlay, skeleton or side_by_side.")
    options = options or PreviewOptions()
    with VideoReader(video, reading) as clip:
        _check_shape(pose, clip.width, clip.height)
        rate = _rate(pose)
        width, height = _panel_size(clip.width, clip.height, options.longest_side)
        pictures = _pictures(clip, pose, rate, mode, (width, height), options)
        columns = 2 if mode == "side_by_side" else 1
        return _write(
            out, pictures, clip.fps, (columns * width, height), options, clip.expected_frames, progress, should_stop
        )


def write_skeleton(
    pose: Pose,
    out: str | os.PathLike[str],
    options: PreviewOptions | None = None,
    *,
    progress: Tell | None = None,
    should_stop: Stop | None = None,
) -> int:
    """Write a pose alone as an MP4 of a skeleton on plain ground, at its own rate; returns the number of frames.

    The picture has the proportions of the pose's frame; a pose without one (normalised) fills the picture.
    Raises PoseError (nothing to draw), VideoError, Cancelled; nothing is left behind then.
    """
    options = options or PreviewOptions()
    width, height = canvas_size(pose, options.longest_side)
    paint = skeleton_painter(fit_pose(pose, width, height), _style_on_ground(options))
    ground = plain_ground(width, height, options.ground)
    total = len(pose.body.data)
    pictures = (paint(ground, frame) for frame in range(total))
    return _write(out, pictures, _rate(pose), (width, height), options, total, progress, should_stop)


def write_openpose_video(
    pose: Pose,
    out: str | os.PathLike[str],
    longest_side: int = 512,
    *,
    progress: Tell | None = None,
    should_stop: Stop | None = None,
) -> int:
    """Write the OpenPose maps of a pose (`models.pose.openpose`) as an MP4, for ControlNet tools that read videos.

    Raises as `write_skeleton`. Video compression blurs the maps a little; a diffusion pipeline should draw its own.
    """
    width, height = canvas_size(pose, longest_side)
    fitted = fit_pose(pose, width, height)
    pictures = (draw_openpose([person], width, height) for person in to_openpose(fitted))
    total = len(pose.body.data)
    options = PreviewOptions(legend=False)
    return _write(out, pictures, _rate(pose), (width, height), options, total, progress, should_stop)


def _pictures(
    clip: VideoReader, pose: Pose, rate: float, mode: Mode, size: tuple[int, int], options: PreviewOptions
) -> Iterator[Image]:
    over_video = skeleton_painter(pose, options.style)
    on_ground = skeleton_painter(pose, _style_on_ground(options))
    ground = plain_ground(*size, options.ground)
    for i, image in enumerate(clip):
        frame = int((i + 0.5) * rate / clip.fps)
        if mode == "skeleton":
            yield on_ground(ground, frame)
            continue
        picture = _resized(image, size)
        yield over_video(picture, frame) if mode == "overlay" else np.hstack([picture, on_ground(ground, frame)])


def _write(
    out: str | os.PathLike[str],
    pictures: Iterable[Image],
    fps: float,
    size: tuple[int, int],
    options: PreviewOptions,
    total: int | None,
    progress: Tell | None,
    should_stop: Stop | None,
) -> int:
    legend = _legend(size[0], options) if options.legend else plain_ground(size[0], 0)
    meter = Meter(total, progress)
    with VideoWriter(out, fps=fps, width=size[0], height=size[1] + len(legend)) as writer:
        for picture in pictures:
            if should_stop is not None and should_stop():
                raise Cancelled
            writer.write(np.vstack([picture, legend]))
            meter.count()
        meter.finish()
    return writer.num_frames


def _legend(width: int, options: PreviewOptions) -> Image:
    """A strip that names both hands, with the shape and colour of their joints; even in height."""
    size = float(min(np.clip(width / 30, 15, 26), width / 16))  # and both names fit side by side
    strip = plain_ground(width, 2 * round(0.9 * size), options.ground)
    middle = strip.shape[0] / 2
    font = ImageFont.load_default(size)
    text = PillowImage.fromarray(strip)
    pen = ImageDraw.Draw(text)
    ink = _style_on_ground(options).neutral
    starts = []
    for k, label in enumerate(options.labels):
        length = pen.textlength(label, font=font) + 1.2 * size
        x = width * (2 * k + 1) / 4 - length / 2
        starts.append(x)
        pen.text((x + 1.2 * size, middle), label, fill=ink, font=font, anchor="lm")
    strip = np.array(text)
    for x, side in zip(starts, _LEGEND_SIDES, strict=True):
        center = (x + 0.4 * size, middle)
        draw_joint(strip, center, 0.36 * size, RIGHT_COLOR if side == "RIGHT" else LEFT_COLOR, SHAPES[side])
    return strip


def _style_on_ground(options: PreviewOptions) -> DrawStyle:
    return replace(options.style, neutral=NEUTRAL_ON_LIGHT) if options.ground == "light" else options.style


def _panel_size(width: int, height: int, longest_side: int) -> tuple[int, int]:
    longest = max(width, height)
    wanted = min(max(longest, _SMALLEST_SIDE), longest_side)
    wide, high = (max(2 * round(side * wanted / longest / 2), 2) for side in (width, height))
    return wide, high


def _resized(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[1::-1] == size:
        return image
    smaller = size[0] < image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.uint8)


def _rate(pose: Pose) -> float:
    rate = float(pose.body.fps)
    if not 0 < rate < float("inf"):
        raise PoseError(f"The pose says {rate} frames per second; extract it again or set its rate.")
    return rate


def _check_shape(pose: Pose, width: int, height: int) -> None:
    own = pose.header.dimensions
    if own.width < 1 or own.height < 1 or abs(own.width / own.height / (width / height) - 1) > _ASPECT_TOLERANCE:
        raise PoseError(
            f"The pose was made for {own.width} x {own.height} pixels, the clip (as cropped) has {width} x {height}; "
            "give the clip and the crop that the pose was extracted with."
        )
