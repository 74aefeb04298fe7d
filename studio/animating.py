"""What the Animate tab does: a picture and signing of one of three kinds in, the animation and what drove it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pose_format import Pose

from models.animation.animate import AnimateOptions, Animation, Report, animate, preview
from models.animation.driving import Driving, read_driving, sign_items
from models.animation.engines import Engine, EngineOptions, engine_frames
from models.animation.picture import load_picture
from models.animation.target import Image, Target, TargetOptions, read_target
from models.errors import PoseError, SignError
from models.files import safe_name
from models.lexicon.performance import Segment
from models.lexicon.products import SentenceProducts
from models.lexicon.signs import Lexicon
from models.pose.files import read_pose
from models.pose.preview import write_skeleton
from models.progress import Progress
from models.video import VideoReader
from models.video_write import write_video
from studio import hosting, signs
from studio.inputs import check_clip
from studio.limits import Limits
from studio.texts import text

GPU_S = 120.0
"""For how long a GPU is asked for where one is lent: what is not drawn by then is drawn by going on with the rest."""

Kind = Literal["line", "clip", "made"]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What is to be signed: a gloss line, an uploaded clip or .pose, or what the Synthesize tab made."""

    kind: Kind
    line: str = ""
    clip: str | None = None
    made: SentenceProducts | None = None

    def check(self) -> None:
        """Raise a SignError when there is nothing to be signed, before any work begins."""
        if self.kind == "line" and not self.line.strip():
            raise SignError(text("The gloss line is empty; write glosses such as HELLO MY NAME fs-ANNA."))
        if self.kind == "clip" and not self.clip:
            raise SignError(text("There is no clip yet; upload a signing video or a .pose file."))
        if self.kind == "made" and self.made is None:
            raise SignError(text("Nothing was sent from the Synthesize tab yet; make a video there, then send it."))


@dataclass(frozen=True, kw_only=True)
class Order:
    """All that the tab was asked for."""

    picture: str
    signing: Signing
    person: TargetOptions = field(default_factory=TargetOptions)
    options: AnimateOptions = field(default_factory=AnimateOptions)


@dataclass(frozen=True, kw_only=True)
class Made:
    """An animation, the video of what drove it, and what to call it in a list."""

    animation: Animation
    driven: Path
    name: str


def make(
    order: Order,
    folder: Path,
    among: Sequence[Lexicon],
    limits: Limits,
    tell: Callable[[Report], None],
    should_stop: ShouldStop,
) -> Made:
    """Read picture and signing, animate, and draw the driving pose. Raises as `animate` and the readers do."""
    target = read_target(load_picture(Path(order.picture)), order.person)
    driving = _driving(order.signing, among, limits, tell, should_stop)
    animation = animate(target, driving, folder, order.options, tell, should_stop, draw=_draw)
    return Made(
        animation=animation,
        driven=_driven(order.signing, driving, folder),
        name=f"{driving.name}, {order.options.engine}, {Path(order.picture).stem}",
    )


def look(order: Order, among: Sequence[Lexicon], limits: Limits) -> tuple[Image, Target]:
    """One frame of what `make` would make, and the target as it was read."""
    target = read_target(load_picture(Path(order.picture)), order.person)
    driving = _driving(order.signing, among, limits, lambda _: None, lambda: False)
    return preview(target, driving, order.options, draw=_draw), target


@hosting.gpu(seconds=GPU_S)
def _diffused(engine: Engine, target: Target, pose: Pose, options: EngineOptions | None, start: int) -> Iterator[Image]:
    yield from engine_frames(engine, target, pose, options, start=start)


def _draw(
    engine: Engine,
    target: Target,
    pose: Pose,
    options: EngineOptions | None = None,
    *,
    start: int = 0,
    should_stop: ShouldStop | None = None,
) -> Iterator[Image]:
    """As `engine_frames`; where a GPU is lent, the diffusion engines use it, and stop between two frames only."""
    if engine == "puppet" or not hosting.on_loan():
        yield from engine_frames(engine, target, pose, options, start=start, should_stop=should_stop)
    else:
        yield from _diffused(engine, target, pose, options, start)


def _driving(
    signing: Signing,
    among: Sequence[Lexicon],
    limits: Limits,
    tell: Callable[[Report], None],
    should_stop: ShouldStop,
) -> Driving:
    signing.check()
    if signing.kind == "line":
        return sign_items(signs.read_line(signing.line, among), among)
    if signing.made is not None and signing.kind == "made":
        made = signing.made
        return Driving(pose=read_pose(made.pose), segments=made.segments, name=_words(made.segments))
    source = Path(str(signing.clip))
    if source.suffix.lower() != ".pose":
        check_clip(source, limits)

    def read(progress: Progress) -> None:
        tell(Report(step="Reading the clip", progress=progress))

    driving = read_driving(source, tell=read, should_stop=should_stop)
    minutes = len(driving.pose.body.data) / float(driving.pose.body.fps) / 60
    if minutes > limits.max_clip_minutes:
        raise PoseError(
            text(
                "{name}: {minutes:.0f} minutes are more than the {most} accepted here; cut it, or use "
                "`signstudio animate`, which has no limit.",
                name=safe_name(source),
                minutes=minutes,
                most=limits.max_clip_minutes,
            )
        )
    return driving


def _words(segments: Sequence[Segment]) -> str:
    return " ".join(segment.gloss for segment in segments)


def _driven(signing: Signing, driving: Driving, folder: Path) -> Path:
    """The video of what drove it: a copy of the clip, what Synthesize made, or the pose drawn."""
    path = folder / "driving.mp4"
    if signing.kind == "made" and signing.made is not None:
        return signing.made.video
    if signing.kind == "clip" and not str(signing.clip).lower().endswith(".pose"):
        # Written again: what a page shows, Gradio gives to ffmpeg as it is, which follows playlists inside of files.
        with VideoReader(Path(str(signing.clip))) as clip:
            write_video(path, clip, fps=clip.fps)
        return path
    write_skeleton(driving.pose, path)
    return path
