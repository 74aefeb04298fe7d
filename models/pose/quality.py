"""How good a pose is, judged where it matters: the hands that sign, while they sign.

A mean over all landmarks says little: the body is nearly always found, and a hand's confidence is 1 whenever it is
found at all. So the verdict looks at the hands that are raised during the signing span. A hand at rest, out of the
picture or behind the back, is normal: most one-handed signs look like that.

Shapes: T frames, K landmarks, C coordinates (x, y, z).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.pose.landmarks import BODY, FACE, component, has_component, seen
from models.pose.span import (
    HAND_OF,
    SIDES,
    Side,
    body_point,
    dominant_hand,
    hand_seen,
    raised_hand,
    runs,
    shoulder_width,
    signing_span,
)

Verdict = Literal["keep", "review", "reject"]


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Where a clip stops being good enough. Shares are 0..1 of the frames named.

    Set by looking at 40 clips of five sign languages.
    """

    body_review: float = 0.9
    """Body seen, of the signing span."""
    body_reject: float = 0.5
    hand_review: float = 0.7
    """A signing hand seen, of the frames in which it is raised."""
    hand_reject: float = 0.4
    face_review: float = 0.5
    """Face seen, of the signing span."""
    gap_review_ms: float = 400.0
    """Longest time a signing hand is lost while raised."""
    jitter_review: float = 0.12
    """Trembling of a signing hand, in palm lengths (a landmark noise of this standard deviation)."""
    border: float = 0.01
    """A wrist nearer to the edge than this share of the frame, or beyond it, is out of the picture."""
    out_of_frame_review: float = 0.15
    """A signing hand out of the picture, of the frames in which it is raised."""
    out_of_frame_reject: float = 0.5
    blurred_hand: float = 10.0
    """Below this sharpness (`models.pose.sharpness`) fingers can no longer be told apart."""
    blur_review: float = 0.5
    """Blurred frames, of those in the signing span that show a hand."""
    active_share: float = 0.25
    """A hand signs when it is raised for at least this share of the time that the other hand is."""
    shortest_ms: float = 200.0
    """A shorter clip cannot hold a sign."""
    slowest_fps: float = 15.0
    """Below this, fast movements fall between the frames."""


@dataclass(frozen=True, kw_only=True)
class HandQuality:
    """One hand. Figures that need the hand to be raised are None when it never is."""

    seen: float
    """Share of all frames."""
    seen_in_span: float
    """Share of the frames of the signing span."""
    active: bool
    """Whether the hand takes part in the signing, and is therefore judged."""
    seen_while_raised: float | None
    longest_gap_ms: float | None
    """Longest time without the hand while it is raised."""
    jitter: float | None
    """Standard deviation of landmark noise in palm lengths; None with fewer than three seen frames in a row."""
    out_of_frame: float | None
    """Share of the raised frames with the wrist at or beyond the edge; None for poses that are not in pixels."""


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """What was seen, and whether the clip can be used. Shares are 0..1; left and right are the signer's."""

    num_frames: int
    fps: float
    duration_s: float
    start_ms: float
    """Start of the signing span."""
    end_ms: float
    body: float
    """Share of all frames."""
    body_in_span: float
    face: float
    face_in_span: float
    left: HandQuality
    right: HandQuality
    dominant: Side | None
    """The hand that leads in this clip, where that is clear."""
    blur: float | None
    """Share of blurred frames among those in the span that show a hand; None when that was not measured."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why the verdict is not `keep`, each with what to do about it."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain values for `json.dumps`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report in sentences, the verdict first."""
        verdict = {
            "keep": "Keep: the signing hands and the body were followed well.",
            "review": "Review: usable, but look at it before you rely on it.",
            "reject": "Reject: this clip cannot be used as it is.",
        }[self.verdict]
        signing = (
            f"{self.num_frames} frames at {self.fps:.3g} per second ({self.duration_s:.1f} s); "
            f"signing from {self.start_ms / 1000:.1f} s to {self.end_ms / 1000:.1f} s."
        )
        parts = f"In the signing the body was seen {_percent(self.body_in_span)} of the time, the face"
        hands = "; ".join(_hand_words(side, hand) for side, hand in (("left", self.left), ("right", self.right)))
        leading = "" if self.dominant is None else f" The {self.dominant} hand leads."
        blur = (
            [] if self.blur is None else [f"Where a hand was seen, it was blurred {_percent(self.blur)} of the time."]
        )
        return [
            verdict,
            *self.reasons,
            signing,
            f"{parts} {_percent(self.face_in_span)}.",
            f"{hands[0].upper()}{hands[1:]}.{leading}",
            *blur,
        ]


def assess(
    pose: Pose, sharpness: NDArray[np.float32] | None = None, limits: QualityLimits | None = None
) -> QualityReport:
    """Measure a pose as it came from the extractor, and judge it.

    sharpness: (T,) of each frame, as `models.pose.sharpness` measures it.
    Assess before cleaning: filled hands count as seen.
    Raises PoseError when the pose has no Holistic body; ValueError when the sharpness has another length.
    """
    limits = limits or QualityLimits()
    frames = len(pose.body.data)
    if sharpness is not None and np.shape(sharpness) != (frames,):
        raise ValueError(f"expected sharpness ({frames},), got {np.shape(sharpness)}")
    fps = float(pose.body.fps)
    start, end = signing_span(pose)
    span = slice(start, end)
    raised = signing_frames(pose, limits)
    hands = {side: _hand_quality(pose, side, span, raised, limits) for side in SIDES}
    body = seen(pose, BODY)
    face = seen(pose, FACE) if has_component(pose, FACE) else np.zeros(frames, dtype=bool)
    measured: dict[str, Any] = {
        "num_frames": frames,
        "fps": fps,
        "duration_s": frames / fps,
        "start_ms": 1000 * start / fps,
        "end_ms": 1000 * end / fps,
        "body": _share(body),
        "body_in_span": _share(body[span]),
        "face": _share(face),
        "face_in_span": _share(face[span]),
        "left": hands["left"],
        "right": hands["right"],
        "dominant": dominant_hand(pose),
        "blur": None if sharpness is None else _blur(pose, sharpness, span, limits),
    }
    rejections, reviews = _judge(QualityReport(**measured, verdict="keep"), limits)
    verdict: Verdict = "reject" if rejections else "review" if reviews else "keep"
    return QualityReport(**measured, verdict=verdict, reasons=(*rejections, *reviews))


def signing_frames(pose: Pose, limits: QualityLimits | None = None) -> dict[Side, NDArray[np.bool_]]:
    """(T,) per hand: the frames in which it signs; none for a hand that only stirs while the other signs.

    Where no arm is ever raised (a sign made low, or a picture cut at the elbows), every hand that is
    seen at all signs throughout.
    Raises PoseError when the pose has no Holistic body.
    """
    limits = limits or QualityLimits()
    raised = {side: raised_hand(pose, side) for side in SIDES}
    most = max(int(flags.sum()) for flags in raised.values())
    if most == 0:
        seen_at_all = {side: hand_seen(pose, side) for side in SIDES}
        return {side: np.full_like(there, there.any()) for side, there in seen_at_all.items()}
    return {
        side: flags if flags.sum() >= limits.active_share * most else np.zeros_like(flags)
        for side, flags in raised.items()
    }


def _hand_quality(
    pose: Pose, side: Side, span: slice, signing: dict[Side, NDArray[np.bool_]], limits: QualityLimits
) -> HandQuality:
    there, raised = hand_seen(pose, side), signing[side]
    gaps = [end - start for start, end in runs(raised & ~there)]
    active = bool(raised.any())
    return HandQuality(
        seen=_share(there),
        seen_in_span=_share(there[span]),
        active=active,
        seen_while_raised=_share(there[raised]) if active else None,
        longest_gap_ms=1000 * max(gaps, default=0) / float(pose.body.fps) if active else None,
        jitter=_jitter(pose, side),
        out_of_frame=_out_of_frame(pose, side, raised, limits.border) if active else None,
    )


def _jitter(pose: Pose, side: Side) -> float | None:
    """Standard deviation of the landmarks' noise, in palm lengths (wrist to middle knuckle).

    The second difference over time of independent noise has sqrt(6) times its deviation, and that of smooth motion
    is small. The hand's common movement is taken out first and the median over time taken last, so a fast sign, which
    moves the hand as a whole and for moments, does not count as trembling.
    """
    there = hand_seen(pose, side)
    middle = np.flatnonzero(there[:-2] & there[1:-1] & there[2:]) + 1 if len(there) > 2 else np.zeros(0, dtype=int)
    if not len(middle):
        return None
    points = component(pose, HAND_OF[side])[0][..., :2].astype(np.float64)
    palm = float(np.percentile(np.linalg.norm(points[there, 0] - points[there, 9], axis=1), 80))
    if palm <= 0:
        return None
    inner = points - points.mean(axis=1, keepdims=True)
    bend = inner[middle - 1] - 2 * inner[middle] + inner[middle + 1]
    return float(np.median(np.sqrt((bend**2).mean(axis=(1, 2))))) / np.sqrt(6) / palm


def _out_of_frame(pose: Pose, side: Side, raised: NDArray[np.bool_], border: float) -> float | None:
    size = np.array([pose.header.dimensions.width, pose.header.dimensions.height], dtype=np.float64)
    # A normalised pose keeps the header's picture but no longer lives in it: shoulders a few units wide give it away.
    if size.min() <= 0 or (shoulder_width(pose) or 0) < 8:
        return None
    wrist, known = body_point(pose, f"{side.upper()}_WRIST")
    place = wrist[:, :2] / size
    outside = ((place < border) | (place > 1 - border)).any(axis=1) & known
    # Where the hand itself is seen it is in the picture, whatever the arm's extrapolated wrist says.
    return _share((outside & ~hand_seen(pose, side))[raised])


def _blur(pose: Pose, sharpness: NDArray[np.float32], span: slice, limits: QualityLimits) -> float | None:
    # Without a hand the sharpness is that of the trunk, whose patterns and buttons measure ten times as sharp.
    shown = (hand_seen(pose, "left") | hand_seen(pose, "right"))[span]
    return _share(np.asarray(sharpness[span][shown] < limits.blurred_hand)) if shown.any() else None


def _judge(report: QualityReport, limits: QualityLimits) -> tuple[list[str], list[str]]:
    """(reasons to reject, reasons to review), the weightiest first."""
    reject: list[str] = []
    review: list[str] = []
    if report.duration_s * 1000 < limits.shortest_ms:
        reject.append(f"The clip lasts {report.duration_s * 1000:.0f} ms, too short for a sign; use a longer clip.")
    if report.body_in_span < limits.body_review:
        words = f"The body is missing in {_percent(1 - report.body_in_span)} of the signing"
        advice = "film one person from the front, from the hips up, in good light."
        (reject if report.body_in_span < limits.body_reject else review).append(f"{words}; {advice}")
    for side, hand in (("left", report.left), ("right", report.right)):
        if hand.active:
            # A supporting hand often only holds; without it the sign is incomplete, but not lost.
            leads = report.dominant in (side, None)
            _judge_hand(side, hand, limits, reject if leads else review, review)
    if not (report.left.active or report.right.active):
        reject.append("No signing was found: no hand is raised or seen; check that the hands are in the picture.")
    if report.face_in_span < limits.face_review:
        missing = _percent(1 - report.face_in_span)
        review.append(
            f"The face is missing in {missing} of the signing, so mouth and brows are lost; let the signer face the "
            "camera, with nothing before the face."
        )
    if report.blur is not None and report.blur > limits.blur_review:
        review.append(
            f"The hands are blurred or too small to tell the fingers apart in {_percent(report.blur)} of the signing; "
            "use brighter light, a faster shutter or a larger picture of the signer."
        )
    if report.fps < limits.slowest_fps:
        review.append(
            f"Only {report.fps:.3g} frames per second: fast movements fall between frames; film at 25 or more."
        )
    return reject, review


def _judge_hand(side: str, hand: HandQuality, limits: QualityLimits, reject: list[str], review: list[str]) -> None:
    there, outside, gap = hand.seen_while_raised or 0.0, hand.out_of_frame or 0.0, hand.longest_gap_ms or 0.0
    if outside > limits.out_of_frame_review:
        words = f"The {side} hand is out of the picture in {_percent(outside)} of its signing"
        advice = "step back or widen the picture."
        (reject if outside > limits.out_of_frame_reject else review).append(f"{words}; {advice}")
    if there < limits.hand_review:
        words = f"The {side} hand is missing in {_percent(1 - there)} of its signing"
        advice = "try brighter light, a plain background, or filming closer with the hands in the picture."
        (reject if there < limits.hand_reject else review).append(f"{words}; {advice}")
    elif gap > limits.gap_review_ms:
        review.append(
            f"The {side} hand is lost for {gap / 1000:.1f} s at a stretch; check that part of the sign in the preview."
        )
    if hand.jitter is not None and hand.jitter > limits.jitter_review:
        review.append(
            f"The {side} hand trembles by {_percent(hand.jitter)} of a palm from frame to frame; "
            "use a sharper or larger picture of the signer."
        )


def _hand_words(side: str, hand: HandQuality) -> str:
    if not hand.active:
        return f"the {side} hand stays at rest"
    return f"the {side} hand was seen {_percent(hand.seen_while_raised or 0.0)} of the time it signs"


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
