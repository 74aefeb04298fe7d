"""Whether a machine can read the signing: what was asked of the avatar against what MediaPipe Holistic reads.

Every entry is signed alone by each signer, drawn, and read back, from a little before the sign to its end. Counted
are the frames of the sign itself and the hands that the sign uses, where the whole hand is in the picture.

Distances are in palm widths, the unit in which a hand is the same size near and far, large and small: the mean over
the 21 landmarks of the distance in the picture between asked and read, over the true palm width, which is the
distance of landmarks 5 and 17 (knuckles of the index and the little finger) as asked, in three dimensions, in pixels,
the median over the sign. So a hand that is seen edge-on has the same unit as one seen from the front.

Source: own work; the landmarks are those of `models.pose.landmarks`. Shapes: T frames, N hands in frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.lexicon.avatar import Signer
from models.lexicon.check import check_entry
from models.lexicon.dataset import Person, person
from models.lexicon.legibility_report import GlossLegibility, HandFrames, LegibilityReport
from models.lexicon.performance import perform, sign_frames
from models.lexicon.phonology import ONE, SignEntry
from models.lexicon.readback import read_back
from models.lexicon.workers import in_processes
from models.pose.landmarks import BODY, FACE, component, seen, with_arrays
from models.pose.span import HAND_OF, SIDES, Side

Floats = NDArray[np.float64]

LEAD_IN_S = 0.5
"""What is read before the sign: a reader that follows a hand has found it by then, as it would in a longer clip."""
NEAR_PALMS = 1.0
"""A hand read under the other hand's name is a swap when it lies this near."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How the lexicon is checked."""

    signers: int = 1
    """The reference signer, then ones drawn at random."""
    fps: float = 25
    size: int = 512
    through_video: bool = False
    """Write and read an MP4 in between, as a user's clip would come."""


def check_legibility(
    entries: Sequence[SignEntry],
    options: CheckOptions | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LegibilityReport:
    """Draw and read back the entries; the report is in their order.

    workers: processes, one per core unless set. progress gets the number of signs read and of all.
    Raises LexiconError when a process is ended by the system.
    """
    options = options or CheckOptions()
    people = [Person(number=0, seed=None), *(person(number) for number in range(1, options.signers))]
    tasks = [(entry, signer, options) for entry in entries for signer in people]
    found: dict[str, list[GlossLegibility]] = {entry.gloss: [] for entry in entries}
    for done, reading in enumerate(in_processes(read_sign, tasks, workers), start=1):
        found[reading.gloss].append(reading)
        if progress is not None:
            progress(done, len(tasks))
    return LegibilityReport(
        glosses=tuple(GlossLegibility.pooled(gloss, readings) for gloss, readings in found.items()),
        signers=options.signers,
        fps=options.fps,
        size=options.size,
        through_video=options.through_video,
    )


def read_sign(entry: SignEntry, signer: Person, options: CheckOptions) -> GlossLegibility:
    """Draw one sign by one signer and read it back."""
    performance = perform([entry], signer.style, fps=options.fps, width=options.size, height=options.size)
    start, end = sign_frames(performance)
    lead = max(0, start - round(LEAD_IN_S * options.fps))
    drawn = Signer(performance.pose, signer.look)
    frames = (drawn.frame(index) for index in range(lead, end))
    read = read_back(frames, fps=options.fps, through_video=options.through_video)
    asked = _cut(performance.pose, start, end)
    hands: tuple[Side, Side] = ("left", "right") if signer.style.left_handed else ("right", "left")  # the strong first
    used = hands[:1] if entry.hands == ONE else hands
    return compare(entry.gloss, asked, _cut(read, start - lead, end - lead), used, problems=tuple(check_entry(entry)))


def compare(
    gloss: str, asked: Pose, read: Pose, used: Iterable[Side] = SIDES, problems: tuple[str, ...] = ()
) -> GlossLegibility:
    """What was asked against what was read, over frames that are all of the sign.

    asked, read: Holistic poses of the same T frames and size. used: the hands that count, "left" and "right".
    """
    if len(asked.body.data) != len(read.body.data):
        raise ValueError(f"{len(asked.body.data)} frames were asked and {len(read.body.data)} read")
    parts = [_hand_frames(asked, read, side) for side in used]
    return GlossLegibility(
        gloss=gloss,
        frames=len(asked.body.data),
        body=int(seen(read, BODY).sum()),
        face=int(seen(read, FACE).sum()),
        hands=HandFrames.joined(parts),
        problems=problems,
    )


def _hand_frames(asked: Pose, read: Pose, side: Side) -> HandFrames:
    """One hand in all T frames."""
    other: Side = "right" if side == "left" else "left"
    size = np.array([asked.header.dimensions.width, asked.header.dimensions.height])
    seen_at, sure = component(asked, HAND_OF[side])
    points = seen_at * np.array([1.0, 1.0, size[0]])  # z as pixels, too
    inside = ((points[..., :2] >= 0) & (points[..., :2] < size)).all(axis=(1, 2)) & (sure > 0).all(axis=1)
    widths = np.linalg.norm(points[:, 5] - points[:, 17], axis=-1)
    palm = float(np.median(widths[inside])) if inside.any() else math.nan
    own, swapped = (_distance(points, component(read, HAND_OF[name]), palm) for name in (side, other))
    found = seen(read, HAND_OF[side])
    return HandFrames(
        left=np.full(len(points), side == "left"),
        inside=inside,
        found=found & inside,
        swapped=inside & (swapped < NEAR_PALMS) & ~(own <= swapped),
        distance=np.where(inside, own, math.nan),
        palm_deg=_palm_deg(points, side),
    )


def _distance(points: Floats, read: tuple[NDArray[np.float32], NDArray[np.float32]], palm: float) -> Floats:
    """(T,) mean distance in the picture from points (T, 21, 3) to what was read, palm widths; NaN where nothing was."""
    gaps = np.linalg.norm(points[..., :2] - read[0][..., :2], axis=-1).mean(axis=1) / palm
    return np.where((read[1] > 0).all(axis=1), gaps, math.nan)


def _palm_deg(points: Floats, side: str) -> Floats:
    """(T,) angle between where the palm faces and the camera: 0 shows the palm, 90 the edge, 180 the back."""
    normal = np.cross(points[:, 5] - points[:, 0], points[:, 17] - points[:, 0])
    towards = normal[:, 2] * (1 if side == "left" else -1)
    length = np.maximum(np.linalg.norm(normal, axis=-1), 1e-9)
    return np.asarray(np.degrees(np.arccos(np.clip(towards / length, -1, 1))))


def _cut(pose: Pose, start: int, end: int) -> Pose:
    data, confidence = np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)
    return with_arrays(pose, data[start:end], confidence[start:end])
