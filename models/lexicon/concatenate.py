"""Signs of a lexicon joined into one continuous performance.

Each clip is filled where a hand was lost for a moment, cut to its signing span, resampled to one rate and placed in
one picture with the shoulders of all signers alike. Between the clips come transitions in joint space
(`models.lexicon.transition`), before the first and after the last one rest. **The frames of a sign stay as they were
recorded** (up to the placing), except `SMOOTHED_FRAMES` on either side of a join, which are smoothed together
with the transition.

Differs from spoken-to-signed's `concatenate_poses`, which cuts at the most similar frames, bridges 0.07 s in a straight
line and then filters everything at 6 Hz: that rounds off fast movements inside the signs.

Shapes: T frames, K landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pose_format import Pose

from models.errors import LexiconError, PoseError
from models.lexicon.glossline import Pause
from models.lexicon.performance import Segment
from models.lexicon.placing import Array, Layout, Motion, common_landmarks, layout_of, place, pose_of, resample
from models.lexicon.stroke import fluent_span
from models.lexicon.transition import at_rest, transition
from models.pose.clean import FILLED_CONFIDENCE, MAX_GAP_MS, fill_hands
from models.pose.span import signing_span

MAX_CLIPS = 400
SMOOTHED_FRAMES = 2
_WINDOW, _ORDER = 7, 3
"""Savitzky-Golay: a cubic through seven frames leaves movements of signing speed as wide as they were."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One sign to join."""

    pose: Pose
    gloss: str = ""  # its name in the segments
    speed: float = 1.0  # 2: twice as fast
    span: tuple[int, int] | None = None
    """(start_frame, end_frame exclusive) of the sign itself where the lexicon knows it; None: by the movement."""

    def __post_init__(self) -> None:
        _check_speed(self.speed)


@dataclass(frozen=True, kw_only=True)
class JoinOptions:
    """How clips become one performance."""

    fps: float | None = None  # of the result; None: the highest rate among the clips
    size: int = 512  # side of the result's square picture in pixels
    speed: float = 1.0  # of all signs, on top of each clip's own; transitions follow
    trim: bool = True  # cut each clip to its signing span
    fluent: bool = True  # between signs, leave out the way from and back to rest
    fill_gap_ms: float = MAX_GAP_MS  # longest loss of a hand that is bridged; 0 bridges nothing
    rest_ms: float = 320.0  # rest before the first and after the last sign; 0 for none

    def __post_init__(self) -> None:
        _check_speed(self.speed)
        if self.fps is not None and not 1 <= self.fps <= 120:
            raise LexiconError(f"{self.fps:g} frames per second cannot be made; choose 1 to 120.")
        if not 32 <= self.size <= 4096:
            raise LexiconError(f"A picture of {self.size} pixels cannot be made; choose 32 to 4096.")
        if not 0 <= self.rest_ms <= 10_000 or not 0 <= self.fill_gap_ms <= 10_000:
            raise LexiconError(f"Rest {self.rest_ms:g} ms, gap {self.fill_gap_ms:g} ms: choose 0 to 10000 ms each.")


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The performance, and when each sign is made in it, in order; pauses, transitions and the way from and to rest
    belong to none."""

    pose: Pose
    segments: tuple[Segment, ...]


def concatenate(items: Sequence[Clip | Pose | Pause], options: JoinOptions | None = None) -> Joined:
    """Join clips and pauses into one pose, from rest to rest.

    Poses are Holistic ones of any size, rate and landmark set (576, 586 or 178; the landmarks that all have remain).
    A pause holds the last posture; before the first and after the last sign it lengthens the rest.
    Landmarks missing in a clip stay missing, but for hands: gaps up to `fill_gap_ms` are bridged, and a hand that only
    one side of a join shows comes from, or goes to, the other side's arm. What was not seen has lower confidence.
    Raises LexiconError for no clips or too many, PoseError for a clip that cannot be used (its number is named).
    """
    options = options or JoinOptions()
    clips = [_as_clip(item) for item in items if not isinstance(item, Pause)]
    if not 0 < len(clips) <= MAX_CLIPS:
        raise LexiconError(f"{len(clips)} signs were given to join; give 1 to {MAX_CLIPS} at a time.")
    for number, clip in enumerate(clips, start=1):
        _check_pose(clip, number)
    fps = options.fps or max(float(clip.pose.body.fps) for clip in clips)
    poses = common_landmarks([clip.pose for clip in clips])
    layout = layout_of(poses[0])
    signs = [
        _prepared(pose, clip, options, fps, layout, first=index == 0, last=index == len(clips) - 1)
        for index, (pose, clip) in enumerate(zip(poses, clips, strict=True))
    ]
    pieces = _pieces(items, signs, options, fps, layout)
    motion, spans = _strung(pieces, options, fps, layout)
    segments = tuple(
        Segment(gloss=clip.gloss, start_ms=1000 * start / fps, end_ms=1000 * end / fps)
        for clip, (start, end) in zip(clips, spans, strict=True)
    )
    return Joined(pose=pose_of(motion, poses[0], fps=fps, size=options.size), segments=segments)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A stretch of the result: stillness, or a clip and the frames (start, end exclusive) of the sign in it."""

    motion: Motion
    sign: tuple[int, int] | None = None


def _prepared(
    pose: Pose, clip: Clip, options: JoinOptions, fps: float, layout: Layout, *, first: bool, last: bool
) -> _Piece:
    """One clip: filled, trimmed, resampled, placed, its hands held to its ends."""
    whole = fill_hands(pose, options.fill_gap_ms)
    count = len(whole.body.data)
    start, end = signing_span(whole) if options.trim else (0, count)
    inner = _sign_span(whole, clip, start, end)
    if options.fluent:
        # The real way up from rest and down to it is better than an invented one: the first and last sign keep theirs.
        start, end = (min(start, inner[0]) if first else inner[0]), (max(end, inner[1]) if last else inner[1])
    speed = clip.speed * options.speed
    motion = place(resample(Pose(whole.header, whole.body[start:end]), fps, speed), whole, options.size)
    scale = fps / float(pose.body.fps) / speed
    sign_start = min(round(max(inner[0] - start, 0) * scale), len(motion) - 1)
    sign_end = max(len(motion) - round(max(end - inner[1], 0) * scale), sign_start + 1)
    return _Piece(
        motion=_held_to_ends(motion, layout, round(options.fill_gap_ms * fps / 1000)), sign=(sign_start, sign_end)
    )


def _sign_span(pose: Pose, clip: Clip, start: int, end: int) -> tuple[int, int]:
    """The frames of the sign itself: as given, else without the way from and to rest."""
    if clip.span is None:
        return fluent_span(pose, start, end)
    first, last = max(clip.span[0], 0), min(clip.span[1], len(pose.body.data))
    return (first, last) if first < last else (start, end)


def _held_to_ends(motion: Motion, layout: Layout, longest: int) -> Motion:
    """Hands that are lost for at most `longest` frames at an end of the clip keep their shape there, on their wrist.

    Otherwise they would vanish for these frames and come back in the transition.
    """
    points, sure = motion.points.copy(), motion.sure.copy()
    for arm in layout.body_arms:
        if arm.hand is None:
            continue
        frames = np.flatnonzero((sure[:, arm.hand] > 0).all(axis=1))
        if not len(frames):
            continue
        for source, gap in ((frames[0], range(0, frames[0])), (frames[-1], range(frames[-1] + 1, len(points)))):
            known = sure[[source, *gap], arm.wrist] > 0
            if len(gap) > longest or not known.all():
                continue
            for frame in gap:
                moved = points[frame, arm.wrist] - points[source, arm.wrist]
                points[frame, arm.hand] = points[source, arm.hand] + moved * np.array([1, 1, 0])
                sure[frame, arm.hand] = np.minimum(sure[source, arm.hand], FILLED_CONFIDENCE)
    return replace(motion, points=points, sure=sure)


def _pieces(
    items: Sequence[Clip | Pose | Pause], signs: Sequence[_Piece], options: JoinOptions, fps: float, layout: Layout
) -> list[_Piece]:
    """Rest, signs and pauses in order; pauses before the first and after the last sign are rest."""
    before, after, pieces, done = options.rest_ms, options.rest_ms, list[_Piece](), 0
    for item in items:
        if not isinstance(item, Pause):
            pieces.append(signs[done])
            done += 1
        elif done == 0:
            before += item.ms
        elif done == len(signs):
            after += item.ms
        else:
            pieces.append(_still(signs[done - 1].motion, -1, item.ms / options.speed, fps))
    if before:
        pieces.insert(0, _still(at_rest(signs[0].motion, 0, layout), 0, before, fps))
    if after:
        pieces.append(_still(at_rest(signs[-1].motion, -1, layout), 0, after, fps))
    return pieces


def _still(motion: Motion, frame: int, milliseconds: float, fps: float) -> _Piece:
    repeats = [frame] * max(1, round(milliseconds * fps / 1000))
    return _Piece(motion=replace(motion, points=motion.points[repeats], sure=motion.sure[repeats]))


def _strung(
    pieces: Sequence[_Piece], options: JoinOptions, fps: float, layout: Layout
) -> tuple[Motion, list[tuple[int, int]]]:
    """The pieces with transitions between them, and the frames of each sign in the whole."""
    motions, spans, joins, now = list[Motion](), list[tuple[int, int]](), list[tuple[int, int]](), 0
    for piece in pieces:
        if motions:
            motions.append(
                transition(motions[-1], piece.motion, layout, fps=fps, size=options.size, tempo=options.speed)
            )
            joins.append((now, now + len(motions[-1])))
            now += len(motions[-1])
        if piece.sign is not None:
            spans.append((now + piece.sign[0], now + piece.sign[1]))
        motions.append(piece.motion)
        now += len(piece.motion)
    points = np.concatenate([motion.points for motion in motions])
    sure = np.concatenate([motion.sure for motion in motions])
    return Motion(points=_smoothed(points, sure, joins), sure=sure), spans


def _smoothed(points: Array, sure: Array, joins: Sequence[tuple[int, int]]) -> Array:
    """Savitzky-Golay where a transition (start, end) meets what it joins: `SMOOTHED_FRAMES` to both sides, fading out.

    The middle of a transition is smooth by itself, and a filter over coordinates would shrink a hand that turns fast.
    """
    from scipy.signal import savgol_filter  # late: it brings all of scipy's statistics

    result = points.copy()
    for seam in (frame for join in joins for frame in join):
        reach = SMOOTHED_FRAMES + _WINDOW // 2
        window = slice(max(0, seam - reach), min(len(points), seam + reach))
        if window.stop - window.start < _WINDOW:
            continue
        beyond = np.abs(np.arange(window.start, window.stop) + 0.5 - seam) - 0.5  # 0 for the two frames at the seam
        share = np.clip(1 - beyond / SMOOTHED_FRAMES, 0, 1)[:, None, None]
        known = (sure[window] > 0).all(axis=0)
        # The window reaches beyond every frame that is changed, so what the filter does at its ends never shows.
        smooth = savgol_filter(points[window][:, known], _WINDOW, _ORDER, axis=0, mode="nearest")
        result[window][:, known] += share * (smooth - points[window][:, known])
    return result


def _as_clip(item: Clip | Pose) -> Clip:
    return item if isinstance(item, Clip) else Clip(pose=item)


def _check_pose(clip: Clip, number: int) -> None:
    name = f"Sign {number}" + (f" ({clip.gloss})" if clip.gloss else "")
    frames, people, _, coordinates = clip.pose.body.data.shape
    if frames == 0 or people != 1 or coordinates != 3:
        raise PoseError(
            f"{name} has {frames} frames, {people} people and {coordinates} coordinates; a clip needs one frame "
            "or more of one person in x, y, z. Extract its pose again."
        )
    if not 0 < float(clip.pose.body.fps) < 1000:
        raise PoseError(f"{name} says {clip.pose.body.fps} frames per second; extract its pose again.")


def _check_speed(speed: float) -> None:
    if not 0.25 <= speed <= 4:
        raise LexiconError(f"A speed of {speed:g} cannot be signed; choose 0.25 (slow) to 4 (fast).")
