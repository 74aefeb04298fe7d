"""Why a segment was taken for a sign: the segment beside the lexicon's own way to sign it, for a person to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pose_format import Pose

from models.errors import SignError
from models.files import slug
from models.lexicon.glossline import Sign
from models.lexicon.recordings import frames_between
from models.lexicon.render import RenderOptions, render
from models.lexicon.signs import Entry, Lexicon, find_first
from models.lexicon.utterance import sign_line
from models.pose.preview import PreviewOptions, write_skeleton
from models.recognition.results import Candidate, RecognizedSegment
from models.video import ReadOptions, VideoReader
from models.video_write import VideoWriter
from studio.recognizing import Recognized
from studio.texts import text

ALONGSIDE_PX = 360
"""Height of the two videos."""
MARGIN_MS = 160
"""What is shown of both before and after the sign: enough to see where it comes from."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A segment of a clip and the lexicon's way to sign a gloss, to be looked at side by side."""

    segment: RecognizedSegment
    candidate: Candidate
    clip: Path
    sign: Path
    recorded: bool
    """Whether the sign is a recording, drawn as a skeleton; else it is written, and signed by the drawn signer."""


def compare(made: Recognized, segment: int, candidate: int, folder: Path, among: Sequence[Lexicon]) -> Comparison:
    """Put a segment of the clip beside the sign that a candidate stands for.

    Raises LexiconError when no lexicon has the sign, SignError when there is no such segment or candidate.
    """
    segments = made.recognition.segments
    if not (0 <= segment < len(segments) and 0 <= candidate < len(segments[segment].candidates)):
        raise SignError(text("This segment is not there any more; recognize the clip again."))
    chosen = segments[segment]
    gloss = chosen.candidates[candidate].gloss
    lexicon, entry = find_first(among, gloss)
    clip, sign = folder / f"segment-{segment + 1}.mp4", folder / f"sign-{slug(gloss)}.mp4"
    _cut(made.video, chosen, clip)
    if entry.path:
        write_skeleton(_recorded(lexicon, entry), sign, PreviewOptions(longest_side=ALONGSIDE_PX, legend=False))
    else:
        render(_performed(lexicon, entry), (), sign, RenderOptions(height=ALONGSIDE_PX, captions=False))
    return Comparison(
        segment=chosen,
        candidate=chosen.candidates[candidate],
        clip=clip,
        sign=sign,
        recorded=bool(entry.path),
    )


def _cut(video: Path, segment: RecognizedSegment, out: Path) -> None:
    """The segment's part of the clip, no higher than it is shown."""
    reading = ReadOptions(start_ms=max(0.0, segment.start_ms - MARGIN_MS), end_ms=segment.end_ms + MARGIN_MS)
    with VideoReader(video, reading) as clip:
        share = min(1.0, ALONGSIDE_PX / clip.height)
        width, height = max(2, round(share * clip.width)), max(2, round(share * clip.height))
        with VideoWriter(out, fps=clip.fps, width=width, height=height) as writer:
            for frame in clip:
                writer.write(np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8))


def _recorded(lexicon: Lexicon, entry: Entry) -> Pose:
    """A recorded sign without most of the way from and to rest, where it is known where that is."""
    pose = lexicon.load(entry)
    fps = float(pose.body.fps)
    start, end = entry.segment_frames(fps) or (0, len(pose.body.data))
    return _around(pose, 1000 * start / fps, 1000 * end / fps)


def _performed(lexicon: Lexicon, entry: Entry) -> Pose:
    """A written sign without most of the way from and to rest."""
    performed = sign_line([Sign(entry.gloss)], [lexicon])
    (segment,) = performed.segments
    return _around(performed.pose, segment.start_ms, segment.end_ms)


def _around(pose: Pose, start_ms: float, end_ms: float) -> Pose:
    """The part of a pose that a segment of a clip is compared with: as much before and after is shown of both."""
    start, end = frames_between(pose, max(0.0, start_ms - MARGIN_MS), end_ms + MARGIN_MS)
    return Pose(header=pose.header, body=pose.body[start:end])
