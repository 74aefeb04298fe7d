"""A pose in, what was signed in it out, with what the user should know about it."""

from __future__ import annotations

from pathlib import Path

from pose_format import Pose

from models.recognition.bystanders import bystanders
from models.recognition.features import STEP_MS, Features, features
from models.recognition.results import Recognition, Recognizer

_SHORTEST_ROWS = 5
_RARE = 0.2  # share of rows with a body, or of signing rows with a hand, under which the user is told


def recognize(pose: Pose, recognizer: Recognizer, clip: Path | None = None) -> Recognition:
    """Recognize what is signed in a pose. clip: the video it is of, to tell when several people are in it.

    Raises PoseError when the pose has no body landmarks at all, VideoError for a clip that cannot be read.
    """
    found = features(pose)
    segments = recognizer.segments(found.rows)
    return Recognition(
        segments=segments,
        duration_ms=1000 * len(pose.body.data) / float(pose.body.fps),
        recognizer=recognizer.description,
        remarks=(*_remarks(found, len(segments)), *filter(None, [bystanders(clip, pose) if clip else None])),
    )


def _remarks(found: Features, num_segments: int) -> tuple[str, ...]:
    """What explains a result that is empty or poor."""
    bodies = found.rows.any(axis=1)
    hands = found.hands.any(axis=1)
    if len(found) < _SHORTEST_ROWS:
        return (f"The clip lasts {len(found) * STEP_MS:.0f} ms, which is shorter than any sign.",)
    if bodies.mean() < _RARE:
        return ("Nobody was found in most of the clip; film one signer from the hips up, from the front.",)
    if not hands.any():
        return ("Hands were never found; film them in good light, inside the picture.",)
    remarks = []
    if not num_segments:
        remarks.append("No signing was found: the hands stay low or are seldom seen.")
    elif hands[bodies].mean() < _RARE:
        remarks.append("Hands were seldom found, so answers are unsure.")
    return tuple(remarks)
