"""What drives an animation: the pose of somebody signing, from a video, its frames, a `.pose` file or glosses."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.frames import frame_paths, read_frames
from models.errors import PoseError
from models.files import replacing, safe_name, slug
from models.lexicon.glossline import Item, parse_gloss_line
from models.lexicon.performance import Segment
from models.lexicon.signs import Lexicon
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.pose import landmarks
from models.pose.extract import PoseOptions, extract_pose, open_session
from models.pose.files import read_pose, write_pose
from models.pose.openpose import draw_openpose, from_openpose, scale_keypoints, to_openpose
from models.pose.openpose_json import read_openpose, write_frames
from models.pose.span import SIDES
from models.progress import Cancelled, Meter, Progress

Image = NDArray[np.uint8]
Tell = Callable[[Progress], None]
ShouldStop = Callable[[], bool]

FRAMES_PER_S = 25.0
"""Of a folder of frames, which does not say."""
_ARM = ("SHOULDER", "ELBOW", "WRIST")
_PREVIEW_SIDE = 512  # px of the longest side of a preview map: OpenPose's strokes suit this size


@dataclass(frozen=True, kw_only=True)
class Driving:
    """A movement to imitate."""

    pose: Pose
    """MediaPipe Holistic landmarks, complete or reduced, with both arms."""
    segments: tuple[Segment, ...] = ()
    """What is signed when, where that is known."""
    name: str
    """For people: the file's name or the glosses."""


def read_driving(
    source: Path, *, fps: float | None = None, should_stop: ShouldStop | None = None, tell: Tell | None = None
) -> Driving:
    """The driving pose of a base action video, a `.pose` file, or a folder: of frames (`0001.jpg …`), of OpenPose
    JSON, or one that `save_driving` wrote.

    fps: of a video, the rate to read it at (None: its own); of a folder, the rate of its frames (None: 25).
    A `.pose` file has its own. Memory holds a few frames however long the clip is.
    Raises VideoError and PictureError for what cannot be read or has frames of different sizes, PoseError for a pose
    without arms and a clip that shows nobody, Cancelled.
    """
    source = Path(source)
    saved = source / f"{source.name}.pose"
    if saved.is_file():
        pose = read_pose(saved)
    elif source.is_dir() and any(source.glob("*.json")):
        pose = _of_openpose(source, fps or FRAMES_PER_S)
    elif source.is_dir():
        pose = _of_folder(source, fps or FRAMES_PER_S, should_stop, tell)
    elif source.suffix.lower() == ".pose":
        pose = read_pose(source)
    else:
        pose = extract_pose(source, PoseOptions(fps=fps, refine_face=True), tell, should_stop).pose
    check_driving(pose, safe_name(source))
    return Driving(pose=pose, name=safe_name(source.stem if source.is_file() else source))


def sign_driving(line: str, lexicons: Sequence[Lexicon], *, fps: float = FRAMES_PER_S) -> Driving:
    """The driving pose of a gloss line such as HELLO MY NAME fs-ANNA. Raises LexiconError as `sign_line` does."""
    known = {gloss for lexicon in lexicons for gloss in lexicon.glosses}
    return sign_items(parse_gloss_line(line, known).items, lexicons, fps=fps)


def sign_items(items: Sequence[Item], lexicons: Sequence[Lexicon], *, fps: float = FRAMES_PER_S) -> Driving:
    """The driving pose of a gloss line that was read already. Raises LexiconError as `sign_line` does."""
    made = sign_line(items, lexicons, UtteranceOptions(fps=fps))
    return Driving(pose=made.pose, segments=made.segments, name=" ".join(segment.gloss for segment in made.segments))


def check_driving(pose: Pose, name: str) -> None:
    """Raises PoseError, in words, for a pose that nobody can be moved by; `name` is what to call it."""
    if not landmarks.has_component(pose, landmarks.BODY):
        parts = ", ".join(component.name for component in pose.header.components[:4])
        raise PoseError(
            f"{name}: driving a person takes MediaPipe Holistic landmarks ({landmarks.BODY} and hands), and this pose "
            f"has {parts}; extract it again from its video with `signstudio pose extract`."
        )
    names = landmarks.point_names(pose, landmarks.BODY)
    arms = [f"{side.upper()}_{joint}" for side in SIDES for joint in _ARM]
    missing = [joint for joint in arms if joint not in names]
    if missing:
        raise PoseError(f"{name}: the pose has no {', '.join(missing)}; extract it again with all landmarks.")
    frames, people, _, coordinates = pose.body.data.shape
    if people != 1 or coordinates != 3:
        raise PoseError(
            f"{name}: {people} people in {coordinates} coordinates; driving takes one person in x, y and z. "
            "Extract the pose again with `signstudio pose extract`."
        )
    _, sure = landmarks.component(pose, landmarks.BODY)
    seen = (sure[:, [names.index(joint) for joint in arms]] > 0).any(axis=0).reshape(2, len(_ARM))
    if not (seen.all(axis=1).any() and seen[:, 0].all()):
        raise PoseError(
            f"{name}: none of the {frames} frames shows a person with shoulders and an arm; take a clip of one "
            "signer, seen from the front from the hips up."
        )


def save_driving(driving: Driving, folder: Path) -> Path:
    """Write `{name}/pose_json/*.json` (OpenPose), `{name}/pose_png/*.png` (its maps) and `{name}/{name}.pose`.

    Returns the folder `{name}` in `folder`; what an earlier run wrote there is replaced.
    """
    name = slug(driving.name)
    place = folder / name
    size = driving.pose.header.dimensions
    keypoints = to_openpose(driving.pose)
    with _replacing_folder(place / "pose_json") as temporary:
        write_frames(temporary, keypoints, size.width, size.height, stem=name)
    scale = _PREVIEW_SIDE / max(size.width, size.height)
    width, height = round(scale * size.width), round(scale * size.height)
    with _replacing_folder(place / "pose_png") as temporary:
        for frame, person in enumerate(keypoints, start=1):
            drawn = draw_openpose([scale_keypoints(person, scale)], width, height)
            encoded, data = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
            assert encoded
            with replacing(temporary / f"{frame:04}.png") as path:
                path.write_bytes(data.tobytes())
    write_pose(place / f"{name}.pose", driving.pose)
    return place


def _of_openpose(folder: Path, fps: float) -> Pose:
    clip = read_openpose(folder)
    if clip.width is None or clip.height is None:
        far = max(float(person.body[:, :2].max()) for person in clip.poses)
        return from_openpose(clip.poses, round(far) + 1, round(far) + 1, fps=fps)
    return from_openpose(clip.poses, clip.width, clip.height, fps=fps)


def _of_folder(folder: Path, fps: float, should_stop: ShouldStop | None, tell: Tell | None) -> Pose:
    meter = Meter(len(frame_paths(folder)), tell)
    points, sure = [], []
    with open_session(PoseOptions(refine_face=True)) as session:
        for image, found, confidence in session.stream(_until(read_frames(folder), should_stop)):
            points.append(found)
            sure.append(confidence)
            height, width = image.shape[:2]
            meter.count()
    meter.finish()
    return landmarks.holistic_pose(np.stack(points), np.stack(sure), fps=fps, width=width, height=height)


def _until(frames: Iterator[Image], should_stop: ShouldStop | None) -> Iterator[Image]:
    for frame in frames:
        if should_stop is not None and should_stop():
            raise Cancelled
        yield frame


@contextmanager
def _replacing_folder(place: Path) -> Iterator[Path]:
    """A folder beside `place` that takes its place when the block succeeds and vanishes when it fails."""
    temporary = place.with_name(f".part-{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if place.exists():
            shutil.rmtree(place)
        temporary.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
