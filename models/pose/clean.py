"""Clean a pose: from everything the extractor saw to the signing, ready for lexicons and models.

Every step is a pure function Pose -> Pose. None of them changes its input, all of them keep the number of frames
(only `trim` shortens) and none of them invents a landmark (only `fill_hands` adds some, marked by their confidence).
The steps are pose-format's and pose-anonymization's own functions wherever those exist; what is added here
is what they leave to the caller: a copy, missing data, depths of different origin, and errors in words.

Shapes: T frames, K landmarks, C coordinates (x, y, z).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.pose_header import PoseHeader

from models.errors import PoseError
from models.pose.landmarks import (
    BODY,
    FACE,
    WORLD,
    component_slice,
    has_component,
    point_names,
    seen,
    with_arrays,
)
from models.pose.span import (
    HAND_OF,
    SIDES,
    Side,
    body_point,
    hand_seen,
    raised_hand,
    runs,
    shoulder_width,
    signing_span,
)

MAX_GAP_MS = 250.0
"""Longer than the usual loss of a hand to motion blur, shorter than most holds: a handshape rarely changes within."""
FILLED_CONFIDENCE = 0.5
PICTURE_WIDTH = 512


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """What `clean` does, in its order. The defaults are what the ecosystem's lexicons and models expect."""

    fill_gap_ms: float = MAX_GAP_MS
    """Longest gap of a hand that is filled, in milliseconds; 0 fills nothing."""
    reduce: bool = True
    """Keep arms, hands and the contours of the face (178 landmarks)."""
    join_wrists: bool = True
    """Put the arm's wrist where the hand's wrist was seen."""
    anonymize: bool = False
    """Give the signer average face and body proportions."""
    normalize: bool = True
    """Origin between the shoulders, shoulder width 1."""
    width: int | None = PICTURE_WIDTH
    """Side of the square picture the normalised signer is placed in, in pixels; None leaves out that step."""
    trim: bool = True
    """Keep the signing span."""

    def __post_init__(self) -> None:
        if not self.fill_gap_ms >= 0:
            raise PoseError(f"The longest gap to fill is {self.fill_gap_ms:g} ms; use 0 (fill nothing) or more.")
        if self.width is not None and not 16 <= self.width <= 65535:
            raise PoseError(f"A picture {self.width} pixels wide cannot be used; use 16 to 65535.")


def clean(pose: Pose, options: CleanOptions | None = None) -> Pose:
    """Fill, reduce, join wrists, anonymise, normalise, scale, trim: those that the options ask for, in this order.

    Trimming comes last, but by the span found in the pose as it came in: anonymising wants to see the signer at rest,
    and moves the elbows that the span is judged by.
    Raises PoseError when the pose cannot be used: no Holistic body, no frame with both shoulders.
    """
    options = options or CleanOptions()
    start, end = signing_span(pose) if options.trim else (0, len(pose.body.data))
    cleaned = fill_hands(pose, options.fill_gap_ms)
    if options.reduce:
        cleaned = reduce(cleaned)
    if options.join_wrists:
        cleaned = join_wrists(cleaned)
    if options.anonymize:
        cleaned = anonymize(cleaned)
    if options.normalize:
        cleaned = normalize(cleaned)
    if options.width is not None:
        cleaned = scale(cleaned, options.width)
    return _frames(cleaned, slice(start, end))


def trim(pose: Pose) -> Pose:
    """The frames of the signing span (`models.pose.span.signing_span`); all frames when no hand is ever raised.

    Raises PoseError when the pose has no Holistic body.
    """
    usable = _usable(pose)
    start, end = signing_span(usable)
    return _frames(usable, slice(start, end))


def reduce(pose: Pose) -> Pose:
    """Arms, hands and face contours: 178 of the 576 landmarks, without the world landmarks. Idempotent.

    Raises PoseError when the pose has no Holistic body.
    Source: `pose_format.utils.generic.reduce_holistic`.
    """
    from pose_format.utils.generic import reduce_holistic

    return _usable(reduce_holistic(_usable(pose)))


def join_wrists(pose: Pose) -> Pose:
    """The body's wrists moved onto the hands' wrists wherever a hand was seen, which closes the gap in the arm.

    The body wrist keeps its own depth: a hand's depth is measured from its own wrist. Idempotent.
    Raises PoseError when the pose has no Holistic body.
    Source: `pose_format.utils.generic.correct_wrist`, which also overwrites the depth.
    """
    from pose_format.utils.generic import correct_wrist

    joined = _usable(pose)
    depth = np.ma.getdata(joined.body.data)[..., 2].copy()
    for side in SIDES:
        if has_component(joined, HAND_OF[side]):
            joined = correct_wrist(joined, side.upper())
    data = np.ma.getdata(joined.body.data).copy()
    body = component_slice(joined, BODY)
    data[:, :, body, 2] = depth[:, :, body]
    return with_arrays(joined, data, np.ma.getdata(joined.body.confidence))


def normalize(pose: Pose) -> Pose:
    """Origin at the mean middle of the shoulders, their mean distance 1, for the whole clip at once. Idempotent.

    The signer's movement stays: it is one shift and one factor for all frames, depth included. World landmarks are
    metres from the hip already and stay as they are.
    Raises PoseError when the pose has no Holistic body or never shows both shoulders.
    Source: `Pose.normalize` with `pose_format.utils.generic.pose_normalization_info`.
    """
    from pose_format.utils.generic import pose_normalization_info

    usable = _usable(pose)
    if shoulder_width(usable) is None:
        raise PoseError(
            f"None of the {len(usable.body.data)} frames shows both shoulders, so the pose cannot be normalised; "
            "film the signer from the front, from the hips up."
        )
    return _with_world_of(usable, _usable(pose).normalize(pose_normalization_info(usable.header)))


def scale(pose: Pose, width: int = PICTURE_WIDTH) -> Pose:
    """The normalised signer placed in a square picture: shoulders 40 % of its width, their middle in its middle.

    Normalises first, so scaling twice is scaling once. The header's width and height become `width`.
    Raises PoseError when the pose has no Holistic body or never shows both shoulders.
    Source: `pose_format.utils.generic.normalize_pose_size`.
    """
    from pose_format.utils.generic import normalize_pose_size

    normalized = normalize(pose)
    scaled = _usable(normalized)
    normalize_pose_size(scaled, width)
    return _with_world_of(normalized, scaled)


def anonymize(pose: Pose) -> Pose:
    """The signing with average face and body proportions, in a 512 px picture; hands and wrists move as they did.

    World landmarks are dropped: the lengths of the bones tell people apart. A way of moving still can: this
    is no guarantee that nobody recognises the signer.
    What is removed is measured in one frame, which has to show the face and the arms: the first one of
    those with both hands at rest, else the first (elbows are then left as they are). What is missing there is
    missing everywhere afterwards.
    Raises PoseError when no frame shows what is needed.
    Source: `pose_anonymization.appearance.remove_appearance`, which always measures in the first frame.
    """
    from pose_anonymization.appearance import remove_appearance

    usable = _usable(pose)
    usable = _usable(usable.get_components([entry.name for entry in usable.header.components if entry.name != WORLD]))
    raised = raised_hand(usable, "left") | raised_hand(usable, "right")
    reference = _reference_frame(usable, raised)
    # The published function takes the first frame, and its other steps do not mind the order: lend it that place.
    order = np.concatenate(([reference], np.delete(np.arange(len(raised)), reference)))
    anonymous = _frames(_usable(remove_appearance(_frames(usable, order))), np.argsort(order))
    if not raised[reference]:
        return anonymous
    # Measured in a raised arm, the "average" elbow would be one that hangs, and every frame would be bent by that.
    names, first = point_names(usable, BODY), component_slice(usable, BODY).start
    elbows = [first + names.index(f"{side.upper()}_ELBOW") for side in SIDES]
    return _with_points_of(scale(usable), anonymous, elbows)


def fill_hands(pose: Pose, max_gap_ms: float = MAX_GAP_MS, confidence: float = FILLED_CONFIDENCE) -> Pose:
    """Short gaps of a hand filled in a straight line from the last to the next sight of it, carried by the arm's wrist.

    Only gaps of at most `max_gap_ms` with the hand seen on both sides; longer ones and those at the ends stay
    missing. Filled landmarks get `confidence` (below 1), so a reader can leave them out. Idempotent.
    The hand is interpolated relative to the body's wrist, which is tracked throughout and knows how the hand moved.
    Raises PoseError when the pose has no Holistic body; ValueError for a confidence outside 0..1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence of filled landmarks must lie between 0 and 1, got {confidence}")
    filled = _usable(pose)
    data = np.ma.getdata(filled.body.data).copy()
    sure = np.ma.getdata(filled.body.confidence).copy()
    for side in SIDES:
        if not has_component(filled, HAND_OF[side]):
            continue
        hand = component_slice(filled, HAND_OF[side])
        wrist, wrist_known = body_point(filled, f"{side.upper()}_WRIST")
        wrist[:, 2] = 0  # the hand's depth has another origin
        for start, end in _short_gaps(filled, side, max_gap_ms):
            span = slice(start - 1, end + 1)
            carrier = wrist[span] if wrist_known[span].all() else np.zeros_like(wrist[span])
            data[start:end, 0, hand] = _between(data[span, 0, hand] - carrier[:, None])[1:-1] + carrier[1:-1, None]
            ends = np.minimum(sure[start - 1, 0, hand], sure[end, 0, hand])
            sure[start:end, 0, hand] = np.minimum(ends, confidence)
    return with_arrays(filled, np.where(sure[..., None] > 0, data, 0), sure)


def _short_gaps(pose: Pose, side: Side, max_gap_ms: float) -> list[tuple[int, int]]:
    there = hand_seen(pose, side)
    gaps = runs(~there)
    longest = max_gap_ms * pose.body.fps / 1000 + 1e-6
    return [(start, end) for start, end in gaps if start > 0 and end < len(there) and end - start <= longest]


def _between(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T, K, C) with the frames between the first and the last on the straight line between those two."""
    share = np.linspace(0, 1, len(points))[:, None, None]
    return points[0] * (1 - share) + points[-1] * share


def _reference_frame(pose: Pose, raised: NDArray[np.bool_]) -> int:
    """The frame that `anonymize` measures the signer in."""
    good = np.ones(len(pose.body.data), dtype=bool)
    for name in ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_ELBOW", "RIGHT_ELBOW"):
        good &= body_point(pose, name)[1]
    if has_component(pose, FACE) and seen(pose, FACE).any():
        good &= seen(pose, FACE)
    if not good.any():
        raise PoseError(
            f"None of the {len(good)} frames shows the face together with both arms, so the signer cannot be made "
            "anonymous; film the signer from the front, from the hips up."
        )
    at_rest = good & ~raised
    return int(np.argmax(at_rest if at_rest.any() else good))


def _usable(pose: Pose) -> Pose:
    """A copy that shares nothing with its source; what is masked, not finite or of confidence 0 is all three: missing.

    Raises PoseError for a pose that is not Holistic, not of one person, or empty.
    """
    point_names(pose, BODY)
    frames, people, _, coordinates = pose.body.data.shape
    if coordinates != 3:
        raise PoseError(f"The pose has {coordinates} coordinates per landmark, expected x, y, z; extract it again.")
    if frames == 0 or people != 1:
        raise PoseError(f"The pose has {frames} frames of {people} people; one person in one frame or more is needed.")
    data = np.ma.getdata(pose.body.data).astype(np.float32)
    confidence = np.nan_to_num(np.ma.getdata(pose.body.confidence).astype(np.float32), posinf=0, neginf=0)
    missing = (confidence <= 0) | np.ma.getmaskarray(pose.body.data).any(axis=-1) | ~np.isfinite(data).all(axis=-1)
    # Some published steps write into the header's dimensions, which pose-format shares between copies.
    header = PoseHeader(pose.header.version, copy.copy(pose.header.dimensions), list(pose.header.components))
    data[missing], confidence[missing] = 0, 0
    return with_arrays(Pose(header, pose.body), data, confidence)


def _frames(pose: Pose, index: slice | NDArray[np.integer]) -> Pose:
    return with_arrays(pose, np.ma.getdata(pose.body.data)[index], np.ma.getdata(pose.body.confidence)[index])


def _with_world_of(source: Pose, changed: Pose) -> Pose:
    """`changed` with the world landmarks of `source`, where it has any."""
    return _with_points_of(source, changed, component_slice(source, WORLD) if has_component(source, WORLD) else [])


def _with_points_of(source: Pose, changed: Pose, points: list[int] | slice) -> Pose:
    """`changed` as a plain float32 pose, with the coordinates that `source` has at these landmarks."""
    data = np.ma.getdata(changed.body.data).astype(np.float32)
    data[:, :, points] = np.ma.getdata(source.body.data)[:, :, points]
    confidence = np.ma.getdata(changed.body.confidence)
    return with_arrays(changed, np.where(confidence[..., None] > 0, data, 0), confidence)
