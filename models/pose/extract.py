"""From one clip to its landmarks: `extract_pose`.

The frames are decoded in this thread while MediaPipe's threads work on the frames before (`HolisticSession.stream`),
so decoding costs no time of its own, and memory holds a handful of frames however long the clip is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import PoseError
from models.pose.graph import available_complexities, body_model
from models.pose.holistic import HolisticSession, Image
from models.pose.landmarks import holistic_pose
from models.pose.recover import HandFinder
from models.pose.sharpness import frame_sharpness
from models.progress import Cancelled, Meter, Progress
from models.video import Box, ReadOptions, VideoInfo, VideoReader


@dataclass(frozen=True, kw_only=True)
class PoseOptions:
    """How to extract a pose. The pose is in the coordinates of the clip after cropping."""

    fps: float | None = None
    """Frames per second of the pose; None keeps the clip's own."""
    start_ms: float = 0
    end_ms: float | None = None
    crop: Box | None = None
    """xmin, ymin, xmax, ymax in pixels of the upright frame; max exclusive."""
    complexity: int = 1
    """MediaPipe's model_complexity; see `available_complexities`."""
    refine_face: bool = False
    """Irises too: 478 face landmarks instead of 468."""
    face: bool = True
    """False leaves the face unseen and is faster."""
    recover_hands: bool = False
    """Look again for hands that Holistic lost; see `models.pose.recover`."""
    min_detection_confidence: float = 0.5
    min_tracking_confidence: float = 0.5

    def __post_init__(self) -> None:
        if self.complexity not in (0, 1, 2):
            raise PoseError(f"complexity is {self.complexity}; use 0 (fast), 1 or 2 (accurate)")
        for name in ("min_detection_confidence", "min_tracking_confidence"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PoseError(f"{name} is {value}; use a number from 0 to 1")
        if self.refine_face and not self.face:
            raise PoseError("refine_face needs the face; leave one of the two options out")
        _ = self.reading  # the reader checks its own

    @property
    def reading(self) -> ReadOptions:
        """What the reader needs to know."""
        return ReadOptions(fps=self.fps, start_ms=self.start_ms, end_ms=self.end_ms, crop=self.crop)


@dataclass(frozen=True, kw_only=True)
class PoseResult:
    """The landmarks of one clip."""

    pose: Pose
    """Frame i is frame i of the clip as read; what was not seen is masked, with confidence 0."""
    sharpness: NDArray[np.float32]
    """(T,) see `models.pose.sharpness`."""
    info: VideoInfo
    hands_lost: int
    """Hands that Holistic lost although their wrist was in the picture, counted per frame; 0 unless recovering."""
    hands_recovered: int
    """How many of these were found again; their confidence is below 1."""


FrameCallback = Callable[[int, Image, NDArray[np.float32], NDArray[np.float32]], None]
"""Gets frame number, image (H, W, 3), landmarks (K, 3) and confidence (K,) in the order of `models.pose.landmarks`."""


def check_model(options: PoseOptions) -> None:
    """Raises PoseError when the body model of these options is not on this machine."""
    there = ", ".join(str(level) for level in available_complexities())
    if options.complexity not in available_complexities():
        raise PoseError(
            f"complexity {options.complexity}: its model is not in the mediapipe package, which has {there}; "
            f"use that, or put {body_model(options.complexity).name} into {body_model(options.complexity).parent}"
        )


def open_session(options: PoseOptions, *, threads: int | None = None) -> HolisticSession:
    """A Holistic session for these options; threads as in HolisticSession. Raises PoseError as `check_model`."""
    check_model(options)
    return HolisticSession(
        complexity=options.complexity,
        refine_face=options.refine_face,
        face=options.face,
        min_detection_confidence=options.min_detection_confidence,
        min_tracking_confidence=options.min_tracking_confidence,
        threads=threads,
    )


def extract_pose(
    path: str | os.PathLike[str],
    options: PoseOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    on_frame: FrameCallback | None = None,
    session: HolisticSession | None = None,
) -> PoseResult:
    """The landmarks of the most prominent person in a clip, equal to those of pose-format's `video_to_pose`.

    progress is told about ten times a second, on_frame every frame (for a preview), should_stop is asked every frame.
    session: one opened with the same options, to save opening one per clip; it is reset first, so that the result
    never depends on the clip before.
    Raises VideoError (unreadable clip), PoseError (model not there), Cancelled.
    """
    options = options or PoseOptions()
    with ExitStack() as stack:
        reader = stack.enter_context(VideoReader(path, options.reading))
        if session is None:
            session = stack.enter_context(open_session(options))
        else:
            session.reset()
        finder = stack.enter_context(HandFinder()) if options.recover_hands else None
        meter = Meter(reader.expected_frames, progress)
        all_points, all_confidence, sharpness = [], [], []
        for number, (image, points, confidence) in enumerate(session.stream(_until(reader, should_stop))):
            if finder is not None:
                finder.fill(image, points, confidence)
            all_points.append(points)
            all_confidence.append(confidence)
            sharpness.append(frame_sharpness(image, points, confidence))
            if on_frame is not None:
                on_frame(number, image, points, confidence)
            meter.count()
        meter.finish()
    pose = holistic_pose(
        np.stack(all_points), np.stack(all_confidence), fps=reader.fps, width=reader.width, height=reader.height
    )
    return PoseResult(
        pose=pose,
        sharpness=np.array(sharpness, np.float32),
        info=reader.info,
        hands_lost=finder.lost if finder else 0,
        hands_recovered=finder.recovered if finder else 0,
    )


def _until(frames: VideoReader, should_stop: Callable[[], bool] | None) -> Iterator[Image]:
    for frame in frames:
        if should_stop is not None and should_stop():
            raise Cancelled
        yield frame
