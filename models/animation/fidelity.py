"""How faithful an animated video is: does it show the pose that it was asked for, is it the same person, is it steady.

The video is read by MediaPipe Holistic, as a viewer of another kind, and compared with the pose that drove it, fitted
to the person; the face is compared with the picture; and what should be still is looked at for flicker. It works for
any engine and for videos of other tools.

Body landmarks count as right within a share of the shoulder width, after the PCK of Yang and Ramanan, "Articulated
Human Detection with Flexible Mixtures of Parts" (2013). Hands are measured as in `models.lexicon.legibility`.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.animation.flicker import moving_parts
from models.animation.identity import FaceOf
from models.animation.target import Image, Target
from models.errors import VideoError
from models.files import safe_name, write_json
from models.lexicon.avatar_figure import Figure, figure
from models.lexicon.legibility import compare
from models.pose import landmarks
from models.pose.holistic import HolisticSession
from models.pose.span import HAND_OF, SIDES, raised_hand
from models.progress import Cancelled, Meter, Progress
from models.synthesis.metrics import FlickerMeter
from models.video import VideoReader

HANDS_FOUND, HAND_DISTANCE, PCK_10, SAME_FACE, STEADY = 0.95, 0.15, 0.90, 0.80, 2.0
"""The aims: shares of hands read and of body landmarks right, palm widths, structural similarity, grey levels."""
MAX_FRAMES = 300
"""More frames than this are sampled in pieces, because reading them takes as long as they last."""
_PIECE, _LEAST_PIECES = 50, 4  # frames in a piece (a tracker needs neighbours), and how many pieces at least
_LEAD = 8  # frames read before each piece, so that the tracker has found the hands
_UPPER = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16)  # nose, eyes, ears, shoulders, elbows, wrists

Embed = Callable[[Image], NDArray[np.floating]]


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """What was measured; NaN where there was nothing to measure."""

    frames: int
    """Frames measured."""
    total_frames: int
    body_found: float
    """Share of frames with a body."""
    face_found: float
    hands_found: float
    """Share of the raised hands wholly in the picture that were read."""
    left_found: float
    right_found: float
    pck_10: float
    """Share of upper-body landmarks within 0.1 shoulder widths of where they were asked."""
    pck_20: float
    hand_distance_palms: float
    """Mean distance of the landmarks of hands facing the camera, palm widths."""
    all_hands_distance_palms: float
    face_similarity: float
    """Structural similarity of the face with the picture's, mean over frames; 1 is the same."""
    face_colour_difference: float
    """CIELAB distance of the face's mean colour; about 2 is just noticeable."""
    embedding_similarity: float
    """Cosine similarity of an image model's embedding of frame and picture, where such a model was given."""
    flicker_levels: float
    """Flow-warped difference of neighbouring frames outside of moving parts, grey levels of 255."""

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, None for NaN, and what they were read with."""
        figures = {name: _rounded(value) for name, value in vars(self).items()}
        return {**figures, "read_with": f"mediapipe {importlib.metadata.version('mediapipe')} Holistic"}

    def write_json(self, path: Path) -> None:
        """The figures as a JSON file."""
        write_json(path, self.to_dict())

    def lines(self) -> tuple[str, ...]:
        """The figures in sentences, each with the aim and whether it is met."""
        told = [
            _line("Hands read in {} of the frames in which they are up", self.hands_found, HANDS_FOUND, _percent),
            _line("Fingers {} palm widths from where they should be", self.hand_distance_palms, -HAND_DISTANCE, _plain),
            _line("{} of the body's points where they should be", self.pck_10, PCK_10, _percent),
            _line("Face {} like the picture's (structural similarity)", self.face_similarity, SAME_FACE, _plain),
            _line("Flicker of {} grey levels in what should be still", self.flicker_levels, -STEADY, _plain),
        ]
        if not math.isnan(self.embedding_similarity):
            told.append(f"• Frame and picture alike to {self.embedding_similarity:.2f} for the image model.")
        if self.frames < self.total_frames:
            told.append(f"• Measured on {self.frames} of {self.total_frames} frames, in pieces over the whole video.")
        return tuple(line for line in told if line)


def measure(
    frames: Iterable[Image] | Path,
    pose: Pose,
    target: Target | None = None,
    *,
    embed: Embed | None = None,
    max_frames: int = MAX_FRAMES,
    should_stop: Callable[[], bool] | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> Fidelity:
    """Measure a video against the pose (T frames) that it was to show, in its own pixels, and the person's picture.

    frames: (H, W, 3) RGB, or the path of a video. A video of another size is taken as scaled; one that is as wide and
    higher has captions below, which are cut off. Raises VideoError when it has another number of frames, Cancelled
    when stopped.
    """
    total = len(pose.body.data)
    size = pose.header.dimensions
    fig = figure(pose, size.width, size.height)
    wanted = _sample(total, max_frames)
    leading = {index - before for index in wanted for before in range(1, min(_LEAD, index) + 1)} - wanted
    progress = Meter(len(wanted) + len(leading), tell)
    count = 0
    with HolisticSession() as session:
        meter = _Meter(session, pose, fig, target, embed)
        for count, frame in enumerate(_fitted(frames, size.width, size.height), start=1):
            if should_stop is not None and should_stop():
                raise Cancelled
            index = count - 1
            if index in wanted:
                meter.add(index, frame)
                progress.count()
            elif index in leading:
                session.process(frame)  # so that the tracker has found the hands when they count
                progress.count()
    if count != total:
        name = safe_name(frames) if isinstance(frames, Path) else "The video"
        raise VideoError(f"{name} has {count} frames and the pose {total}; measure a video against its own pose.")
    progress.finish()
    return meter.result(total)


def compare_table(results: Mapping[str, Fidelity]) -> list[tuple[str, ...]]:
    """A table of results: a row of names, then a row per measure."""
    rows: list[tuple[str, ...]] = [("", *results)]
    for name in Fidelity.__dataclass_fields__:
        values = [getattr(one, name) for one in results.values()]
        shown = tuple("–" if math.isnan(value) else f"{value:.3f}".rstrip("0").rstrip(".") for value in values)
        rows.append((name.replace("_", " "), *shown))
    return rows


class _Meter:
    """Reads frames and compares them, piece by piece."""

    def __init__(
        self, session: HolisticSession, pose: Pose, fig: Figure, target: Target | None, embed: Embed | None
    ) -> None:
        self._asked = _only_raised(pose)
        self._fig, self._embed, self._target = fig, embed, target
        self._session = session
        self._flicker = FlickerMeter()
        self._last = -2
        self._read: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []
        self._faces: list[tuple[float, float]] = []
        self._embedded: list[float] = []
        self._reference: FaceOf | None = None
        if target is not None and landmarks.seen(target.pose, landmarks.FACE)[0]:
            self._reference = FaceOf(target.image, landmarks.component(target.pose, landmarks.FACE)[0][0])
        self._picture = None if embed is None or target is None else _unit(embed(target.image))

    def add(self, index: int, frame: Image) -> None:
        """A frame to be measured."""
        points, sure = self._session.process(frame)
        self._read.append((index, points, sure))
        if index != self._last + 1:
            self._flicker.cut()
        self._flicker.add(frame, moving_parts(self._fig, index))
        self._last = index
        face = slice(landmarks.NUM_BODY, landmarks.NUM_BODY + landmarks.NUM_FACE)
        if self._reference is not None and (sure[face] > 0).all():
            reference, seen = self._reference, points[face]
            self._faces.append((reference.similarity(frame, seen), reference.colour_difference(frame, seen)))
        if self._embed is not None and self._picture is not None:
            self._embedded.append(float(_unit(self._embed(frame)) @ self._picture))

    def result(self, total: int) -> Fidelity:
        """All frames that were added, together."""
        index = [one[0] for one in self._read]
        size = self._asked.header.dimensions
        data, sure = np.stack([one[1] for one in self._read]), np.stack([one[2] for one in self._read])
        read = landmarks.holistic_pose(data, sure, fps=self._asked.body.fps, width=size.width, height=size.height)
        asked = landmarks.with_arrays(
            self._asked,
            np.ma.getdata(self._asked.body.data)[index],
            np.ma.getdata(self._asked.body.confidence)[index],
        )
        hands = compare("video", asked, read)
        pck_10, pck_20 = _pck(asked, read, self._fig.shoulders)
        faces = np.array(self._faces).reshape(-1, 2)
        return Fidelity(
            frames=len(index),
            total_frames=total,
            body_found=hands.body / len(index),
            face_found=hands.face / len(index),
            hands_found=hands.found(),
            left_found=hands.found(left=True),
            right_found=hands.found(left=False),
            pck_10=pck_10,
            pck_20=pck_20,
            hand_distance_palms=hands.facing_distance,
            all_hands_distance_palms=hands.distance,
            face_similarity=float(faces[:, 0].mean()) if len(faces) else math.nan,
            face_colour_difference=float(faces[:, 1].mean()) if len(faces) else math.nan,
            embedding_similarity=float(np.mean(self._embedded)) if self._embedded else math.nan,
            flicker_levels=self._flicker.error,
        )


def _only_raised(pose: Pose) -> Pose:
    """The pose without hands at rest, which nobody reads; all of them where no hand is ever up: signs can be low."""
    data, sure = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence).copy()
    raised = {side: raised_hand(pose, side) for side in SIDES}
    if not any(up.any() for up in raised.values()):
        return pose
    for side, up in raised.items():
        start = landmarks.component_start(pose, HAND_OF[side])
        sure[~up, :, start : start + landmarks.NUM_HAND] = 0
    return landmarks.with_arrays(pose, data, sure)


def _pck(asked: Pose, read: Pose, shoulders: float) -> tuple[float, float]:
    """Shares of upper-body landmarks in the picture within 0.1 and 0.2 shoulder widths; what was not read is wrong."""
    size = asked.header.dimensions
    upper = list(_UPPER)
    points, wanted = (values[:, upper] for values in landmarks.component(asked, landmarks.BODY))
    found, sure = (values[:, upper] for values in landmarks.component(read, landmarks.BODY))
    points, found = points[..., :2], found[..., :2]
    inside = ((points >= 0) & (points < (size.width, size.height))).all(axis=-1) & (wanted > 0)
    apart = np.where(sure > 0, np.linalg.norm(points - found, axis=-1), math.inf)[inside] / shoulders
    return (float((apart < 0.1).mean()), float((apart < 0.2).mean())) if len(apart) else (math.nan, math.nan)


def _sample(total: int, most: int) -> frozenset[int]:
    """Indices of the frames to measure: all, or pieces spread evenly over the video."""
    if total <= most:
        return frozenset(range(total))
    piece = min(_PIECE, max(1, most // _LEAST_PIECES))
    starts = np.linspace(0, total - piece, most // piece).round().astype(int)
    return frozenset(int(start) + step for start in starts for step in range(piece))


def _fitted(frames: Iterable[Image] | Path, width: int, height: int) -> Iterator[Image]:
    """The frames in the size of the pose, captions cut off."""
    if isinstance(frames, Path):
        with VideoReader(frames) as video:
            yield from _fitted(video, width, height)
        return
    for frame in frames:
        part = frame[:height] if frame.shape[1] == width and frame.shape[0] > height else frame
        if abs(part.shape[1] * height / (part.shape[0] * width) - 1) > 0.02:
            raise VideoError(
                f"The video is {part.shape[1]} x {part.shape[0]} pixels and the pose {width} x {height}; measure a "
                "video against its own pose."
            )
        if part.shape[:2] != (height, width):
            part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        yield np.ascontiguousarray(part)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    flat = np.asarray(vector, np.float64).ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-12)


def _rounded(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(value, 4)


def _line(words: str, value: float, aim: float, show: Callable[[float], str]) -> str:
    """A figure with its aim; a negative aim is one to stay below."""
    if math.isnan(value):
        return ""
    met = value <= -aim if aim < 0 else value >= aim
    compared = "at most" if aim < 0 else "at least"
    return f"{'✔' if met else '✘'} {words.format(show(value))} (aim: {compared} {show(abs(aim))})."


def _percent(value: float) -> str:
    return f"{math.floor(1000 * value + 1e-6) / 10:g} %"


def _plain(value: float) -> str:
    return f"{value:.2f}"
