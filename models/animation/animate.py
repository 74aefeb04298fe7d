"""One picture and one base action video in, that person signing out: all engines behind one function.

Frames are kept as they are made, so that a run that was stopped, or cut off, goes on where it was; the video is
written from them at the end, also when only a part is there.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pose_format import Pose

from models.animation.driving import Driving
from models.animation.engines import Engine, EngineOptions, check_engine, engine_frames
from models.animation.fidelity import Fidelity, measure
from models.animation.frames import count_frames, frames_to_video, read_frames, write_frame, zip_frames
from models.animation.mark import draw_mark, provenance
from models.animation.retarget import RetargetOptions, retarget
from models.animation.target import Image, Target
from models.errors import VideoError
from models.files import read_json, slug, write_json
from models.lexicon.captions import write_captions
from models.lexicon.performance import Segment
from models.pose.files import write_pose
from models.pose.span import raised_hand
from models.progress import Cancelled, Meter, Progress

Step = Literal["Reading the clip", "Animating", "Writing the video", "Measuring"]
SETTINGS, FRAMES = "settings.json", "frames"
_BYTES_PER_PIXEL = 0.35  # of a frame at JPEG quality 95, generously
_PICTURE_EVERY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class AnimateOptions:
    """How the person is animated and what is made besides the video."""

    engine: Engine = "puppet"
    fitting: RetargetOptions = field(default_factory=RetargetOptions)
    of_engine: EngineOptions = field(default_factory=EngineOptions)
    captions: bool = True
    """The gloss that is signed, in a strip below the picture; only where the driving pose has glosses."""
    visible_mark: bool = False
    """A small word in the corner of every frame; the file says in its metadata that it is animated in any case."""
    measure: bool = True
    """Read the result with MediaPipe and report how faithful it is."""
    zip_frames: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far the work is, and the newest frame now and then."""

    step: Step
    progress: Progress
    picture: Image | None = None


Tell = Callable[[Report], None]
ShouldStop = Callable[[], bool]
Draw = Callable[..., Iterator[Image]]


@dataclass(frozen=True, kw_only=True)
class Animation:
    """Where everything was written."""

    video: Path
    pose: Path
    """The driving pose as fitted to the person, in the video's pixels."""
    captions: Path | None
    provenance: Path
    """What was made from what, and by which engine (JSON)."""
    fidelity_json: Path | None
    frames_zip: Path | None
    fidelity: Fidelity | None
    segments: tuple[Segment, ...]
    num_frames: int
    total_frames: int
    """More than `num_frames` when it was stopped."""
    fps: float
    seconds: float
    """How long making it took, without the measuring."""

    @property
    def complete(self) -> bool:
        """Whether all frames are there."""
        return self.num_frames == self.total_frames

    @property
    def downloads(self) -> list[Path]:
        """The files worth keeping, most wanted first."""
        files = (self.video, self.frames_zip, self.fidelity_json, self.pose, self.captions, self.provenance)
        return [path for path in files if path is not None]


def animate(
    target: Target,
    driving: Driving,
    folder: Path,
    options: AnimateOptions | None = None,
    tell: Tell | None = None,
    should_stop: ShouldStop | None = None,
    *,
    draw: Draw = engine_frames,
) -> Animation:
    """Animate the person and write all that belongs to it into `folder`. draw: makes frames, as `engine_frames` does.

    Called again with the same folder, picture, driving pose and options, it goes on after the frames that are there.
    When stopped, the video holds the frames done so far; stopped before the first, it raises Cancelled.
    Raises PictureError, PoseError, VideoError and WeightsError as the parts do, and VideoError when the disk has no
    room for the frames.
    """
    options = options or AnimateOptions()
    started = time.monotonic()
    check_engine(options.engine, options.of_engine)
    pose = retarget(driving.pose, target, options.fitting)
    total, fps = len(pose.body.data), float(pose.body.fps)
    frames = _frames_folder(folder, target, driving, options, total)
    done = _make_frames(target, pose, frames, options, tell, should_stop, draw)
    if not done:
        raise Cancelled
    segments = tuple(segment for segment in driving.segments if segment.start_ms < 1000 * done / fps)
    name = slug(driving.name)
    tags = provenance(driving.name, options.engine, {"of_engine": options.of_engine, "fitting": options.fitting})
    video = folder / f"{name}.mp4"
    frames_to_video(
        frames,
        video,
        fps=fps,
        segments=segments if options.captions else (),
        metadata=tags,
        progress=_teller(tell, "Writing the video"),
    )
    made = Animation(
        video=video,
        pose=folder / f"{name}.pose",
        captions=folder / f"{name}.vtt" if segments else None,
        provenance=folder / f"{name}-provenance.json",
        fidelity_json=None,
        frames_zip=zip_frames(frames, folder / f"{name}-frames.zip") if options.zip_frames else None,
        fidelity=None,
        segments=segments,
        num_frames=done,
        total_frames=total,
        fps=fps,
        seconds=time.monotonic() - started,
    )
    write_pose(made.pose, pose)
    if made.captions is not None:
        write_captions(made.captions, segments)
    write_json(made.provenance, tags)
    if not options.measure or not made.complete:
        return made
    return _measured(made, target, pose, frames, tell, should_stop)


def preview(
    target: Target, driving: Driving, options: AnimateOptions | None = None, *, draw: Draw = engine_frames
) -> Image:
    """One frame of what `animate` would make, with the hands up: to look at before a long run. (H, W, 3) RGB."""
    options = options or AnimateOptions()
    check_engine(options.engine, options.of_engine)
    pose = retarget(driving.pose, target, options.fitting)
    told = telling_frame(driving) * float(pose.body.fps) / float(driving.pose.body.fps)
    start = min(round(told), len(pose.body.data) - 1)
    return next(draw(options.engine, target, pose, options.of_engine, start=start))


def telling_frame(driving: Driving) -> int:
    """The driving pose's frame that says most about the signing: amid the longest time that a hand is up."""
    raised = raised_hand(driving.pose, "left") | raised_hand(driving.pose, "right")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], raised, [False]])))
    if not len(edges):
        return len(raised) // 2
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest]) // 2


def _make_frames(
    target: Target,
    pose: Pose,
    frames: Path,
    options: AnimateOptions,
    tell: Tell | None,
    should_stop: ShouldStop | None,
    draw: Draw,
) -> int:
    """Make the frames that are missing; returns how many are there in the end."""
    total = len(pose.body.data)
    start = min(count_frames(frames), total)
    newest: list[Image] = []
    shown_s = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal shown_s
        if tell is None:
            return
        picture = None
        if newest and time.monotonic() - shown_s >= _PICTURE_EVERY_S:
            shown_s, picture = time.monotonic(), newest[0]
        done = start + progress.done_frames
        tell(
            Report(step="Animating", progress=replace(progress, done_frames=done, total_frames=total), picture=picture)
        )

    meter = Meter(total - start, report)
    try:
        if start < total:
            made = draw(options.engine, target, pose, options.of_engine, start=start, should_stop=should_stop)
            for index, frame in enumerate(made, start=start):
                newest[:] = [draw_mark(frame) if options.visible_mark else frame]
                write_frame(frames, index, newest[0])
                meter.count()
                if should_stop is not None and should_stop():
                    raise Cancelled
    except Cancelled:
        return count_frames(frames)
    meter.finish()
    return total


def _made_with(settings: Path) -> Any:
    try:
        return read_json(settings)
    except (OSError, ValueError):  # cut off, or of somebody else: then its frames are not of this run
        return None


def _frames_folder(folder: Path, target: Target, driving: Driving, options: AnimateOptions, total: int) -> Path:
    """The folder of frames: kept when it is from the same run, emptied when it is from another one."""
    frames = folder / FRAMES
    key = _key(target, driving, options)
    settings = folder / SETTINGS
    if frames.exists() and _made_with(settings) != key:
        shutil.rmtree(frames)
    frames.mkdir(parents=True, exist_ok=True)
    write_json(settings, key)
    height, width = target.image.shape[:2]
    missing = total - count_frames(frames)
    wanted, free = _BYTES_PER_PIXEL * missing * width * height, shutil.disk_usage(frames).free
    if wanted > free:
        raise VideoError(
            f"{missing} frames of {width} x {height} pixels need about {wanted / 1e6:.0f} MB while they are made, and "
            f"{free / 1e6:.0f} MB are free; make room, take a smaller picture or a shorter clip."
        )
    return frames


def _key(target: Target, driving: Driving, options: AnimateOptions) -> dict[str, str]:
    """What the frames depend on."""
    picture = hashlib.sha256(target.image.tobytes() + target.person.tobytes()).hexdigest()
    pose = hashlib.sha256(np.ascontiguousarray(np.ma.filled(driving.pose.body.data, 0.0)).tobytes()).hexdigest()
    made = (options.engine, options.fitting, options.of_engine, options.visible_mark)
    return {"picture": picture, "pose": pose, "fps": str(driving.pose.body.fps), "options": repr(made)}


def _measured(
    made: Animation,
    target: Target,
    pose: Pose,
    frames: Path,
    tell: Tell | None,
    should_stop: ShouldStop | None,
) -> Animation:
    """The animation with its fidelity; without it when measuring was stopped, because the video is done."""
    try:
        fidelity = measure(read_frames(frames), pose, target, should_stop=should_stop, tell=_teller(tell, "Measuring"))
    except Cancelled:
        return made
    path = made.video.with_name(f"{made.video.stem}-fidelity.json")
    fidelity.write_json(path)
    return replace(made, fidelity=fidelity, fidelity_json=path)


def _teller(tell: Tell | None, step: Step) -> Callable[[Progress], None] | None:
    return None if tell is None else lambda progress: tell(Report(step=step, progress=progress))
