"""Teaching a sign from a few clips: each is judged first, and kept in an ordinary lexicon folder.

What was taught needs no training, and works with whatever else reads lexicons: Synthesize signs it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_format import Pose

from models.errors import SignError
from models.lexicon.recordings import Recording, add_many, checked_gloss
from models.lexicon.signs import Lexicon
from models.pose.extract import PoseOptions, extract_pose
from models.pose.files import read_pose
from models.pose.quality import assess
from models.pose.span import signing_span
from models.progress import Progress
from models.recognition.exemplar import Exemplar
from models.recognition.features import DIRECTIONAL, FPS, features

_ROW_MARGIN = 2  # of the features' rows, beside the span


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """What became of one clip of a sign."""

    path: Path
    verdict: str
    """How well hands and body could be followed, in sentences."""
    accepted: bool
    """False when the clip is of no use; nothing of it was kept."""
    start_ms: float = 0.0
    end_ms: float = 0.0
    """The span that was taken for the sign."""


def enrol(
    clips: Sequence[Path], gloss: str, lexicon: Path, tell: Callable[[Progress], None] | None = None
) -> list[Enrolled]:
    """Learn a sign from clips, or from .pose files, into a lexicon folder, which is made when it is not there.

    Clips that cannot be used are told in the result and left out. Raises LexiconError for a gloss that cannot be one,
    SignError when there is no clip, and what `tell` raises.
    """
    gloss = checked_gloss(gloss)
    if not clips:
        raise SignError("There is no clip to learn from; record or upload one to five of them.")
    results: list[Enrolled] = []
    recordings: list[Recording] = []
    for path in clips:
        result, pose = _judge(Path(path), tell)
        results.append(result)
        if pose is not None and result.accepted:
            recordings.append(Recording(pose=pose, gloss=gloss, span=signing_span(pose)))
    if recordings:
        add_many(lexicon, recordings)
    return results


def exemplars_of(lexicon: Lexicon) -> list[Exemplar]:
    """Every recording of a lexicon as an exemplar; signs that are only written have none."""
    found = []
    for entry in lexicon.entries:
        if not entry.path:
            continue
        pose = lexicon.load(entry)
        start, end = entry.segment_frames(float(pose.body.fps)) or signing_span(pose)
        exemplar = exemplar_of(pose, entry.gloss, (start, end), source=f"{lexicon.name}: {entry.path}")
        if len(exemplar.rows):
            found.append(exemplar)
    return found


def exemplar_of(pose: Pose, gloss: str, span: tuple[int, int] | None = None, *, source: str = "") -> Exemplar:
    """A pose of one sign as an exemplar. span: its frames; the signing span unless given."""
    start, end = span or signing_span(pose)
    found = features(pose)
    per_frame = FPS / float(pose.body.fps)
    rows = found.rows[max(0, round(start * per_frame) - _ROW_MARGIN) : round(end * per_frame) + _ROW_MARGIN]
    return Exemplar(gloss=gloss, rows=rows, directional=gloss in DIRECTIONAL, source=source)


def _judge(path: Path, tell: Callable[[Progress], None] | None) -> tuple[Enrolled, Pose | None]:
    """One clip: its pose when it is of use, and why."""
    try:
        if path.suffix.lower() == ".pose":
            pose, sharpness = read_pose(path), None
        else:
            made = extract_pose(path, PoseOptions(), tell)
            pose, sharpness = made.pose, made.sharpness
        report = assess(pose, sharpness)
    except SignError as error:
        return Enrolled(path=path, verdict=str(error), accepted=False), None
    words = " ".join([report.lines()[0], *report.reasons])
    return (
        Enrolled(
            path=path,
            verdict=words,
            accepted=report.verdict != "reject",
            start_ms=report.start_ms,
            end_ms=report.end_ms,
        ),
        pose,
    )
