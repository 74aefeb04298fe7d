"""Joining signs: `models.lexicon.concatenate` beside spoken-to-signed's `concatenate_poses`, on the same clips.

    python benchmarks/concatenate.py                  # signs of the embedded lexicon, performed
    python benchmarks/concatenate.py --lexicon DIR    # a folder of .pose files
    STUDIO_REAL_DATA=DIR python benchmarks/concatenate.py --real

Per join: the peak jerk (third derivative) of wrists and fingertips from three frames before to three frames after
the transition, in shoulder widths / s³. Per sign: how far the hands of its own frames ended up from where they were
recorded (largest and mean, in % of the shoulder width), both sides scaled and shifted to the same shoulders; the two
frames next to a join, which we do smooth, are left out on both sides. The peer runs as it comes (signs
sped up to 0.8 s) and without speeding up; its frames can only be compared without.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pose_format import Pose

from models.lexicon.concatenate import SMOOTHED_FRAMES, Clip, JoinOptions, concatenate
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.placing import arrays, layout_of, resample
from models.pose.files import read_pose

GLOSSES = ("HELLO", "MY", "NAME", "WHAT", "MOTHER", "EAT", "APPLE", "THANK-YOU", "YOU", "WHERE", "FRIEND", "COFFEE")
TIPS = (0, 4, 8, 12, 16, 20)
REACH = 3


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A joined pose; per sign its frames (start, end) in it and the source frame its first frame is."""

    pose: Pose
    spans: list[tuple[int, int]]
    first: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lexicon", type=Path, help="a folder of .pose files; default: the embedded lexicon")
    parser.add_argument("--real", action="store_true", help="the real .pose lexicon under STUDIO_REAL_DATA")
    parser.add_argument("--fps", type=float, default=25)
    args = parser.parse_args()
    if args.real and "STUDIO_REAL_DATA" not in os.environ:
        sys.exit("set STUDIO_REAL_DATA to the folder of real clips")
    folder = Path(os.environ["STUDIO_REAL_DATA"], "pose_files", "spoken-to-signed") if args.real else args.lexicon
    clips, name = load(folder)
    clips = {gloss: resample(clip, args.fps) for gloss, clip in clips.items()}
    glosses, clips = list(clips), list(clips.values())
    rows = {
        "sign studio": ours(clips, fluent=True),
        "sign studio, fluent=False": ours(clips, fluent=False),
        "spoken-to-signed, own speed": peer(clips, None),
        "spoken-to-signed, as it comes": peer(clips, 0.8),
    }
    jerks = {name: join_jerks(row) for name, row in rows.items()}
    reference = float(np.mean(jerks["spoken-to-signed, own speed"]))
    print(f"{len(clips)} signs of {name}, {args.fps:g} fps: {' '.join(glosses)}\n")
    print(f"{'':32}{'peak jerk at joins':>22}{'ratio':>8}{'own frames moved':>22}{'length':>9}")
    print(f"{'':32}{'mean':>11}{'largest':>11}{'':>8}{'mean':>11}{'largest':>11}{'s':>9}")
    for title, row in rows.items():
        jerk = jerks[title]
        moved = None if title.endswith("comes") else displacement(row, clips)
        shown = "".join(f"{100 * value:10.2f}%" for value in moved) if moved else f"{'-':>11}{'-':>11}"
        seconds = len(row.pose.body.data) / args.fps
        print(f"{title:32}{jerk.mean():11.0f}{jerk.max():11.0f}{jerk.mean() / reference:8.2f}{shown}{seconds:9.1f}")


def load(folder: Path | None) -> tuple[dict[str, Pose], str]:
    """Signs to join, by gloss, and where they are from; of a folder, its .pose files."""
    if folder is None:
        lexicon = embedded_lexicon()
        return {gloss: lexicon.load(lexicon.find(gloss)[0]) for gloss in GLOSSES}, "the embedded lexicon"
    return {path.stem.upper(): read_pose(path) for path in sorted(folder.rglob("*.pose"))[:12]}, folder.name


def ours(clips: list[Pose], *, fluent: bool) -> Sequence:
    joined = concatenate([Clip(pose=clip) for clip in clips], JoinOptions(fluent=fluent))
    fps = joined.pose.body.fps
    spans = [(round(s.start_ms * fps / 1000), round(s.end_ms * fps / 1000)) for s in joined.segments]
    return Sequence(pose=joined.pose, spans=spans, first=[best_start(clip, joined.pose, s)
                                                          for clip, s in zip(clips, spans, strict=True)])  # fmt: skip


def peer(clips: list[Pose], max_sign_seconds: float | None) -> Sequence:
    """The peer, and where its joins are: the lengths that its own steps give."""
    from pose_format.utils.generic import reduce_holistic
    from spoken_to_signed.gloss_to_pose import concatenate as steps
    from spoken_to_signed.gloss_to_pose.smoothing import create_padding, find_best_connection_point

    with contextlib.redirect_stdout(io.StringIO()):
        pose = steps.concatenate_poses([clip.copy() for clip in clips], max_sign_seconds=max_sign_seconds)
        parts = [steps.normalize_pose(reduce_holistic(clip.copy())) for clip in clips]
    last = len(parts) - 1
    trimmed = [
        steps.process_sign(part, keep_onset=i == 0, keep_offset=i == last, max_sign_seconds=max_sign_seconds)
        for i, part in enumerate(parts)
    ]
    padding = len(create_padding(0.07, trimmed[0]).data)
    spans, start, now = [], 0, 0
    for index, part in enumerate(trimmed):
        cut = (len(part.body.data), 0)
        if index < last:
            cut = find_best_connection_point(part, trimmed[index + 1])
            part.body, trimmed[index].body = part.body[: cut[0]], part.body[: cut[0]]
        length = cut[0] - start
        spans.append((now, now + length))
        now, start = now + length + padding, cut[1]
        if index < last:
            trimmed[index + 1].body = trimmed[index + 1].body
    assert now - padding == len(pose.body.data), "the peer cut elsewhere than this script thinks"
    return Sequence(pose=pose, spans=spans, first=[best_start(clip, pose, s)
                                                   for clip, s in zip(clips, spans, strict=True)])  # fmt: skip


def join_jerks(row: Sequence) -> np.ndarray:
    """(joins,) peak jerk around each."""
    points, known = hands(row.pose, range(len(row.pose.body.data)))
    jerk = np.linalg.norm(np.diff(points, n=3, axis=0), axis=-1) * row.pose.body.fps**3
    seen = known[3:] & known[2:-1] & known[1:-2] & known[:-3]
    jerk = np.where(seen, jerk, 0).max(axis=1)
    pairs = zip(row.spans[:-1], row.spans[1:], strict=True)
    return np.array([jerk[max(0, end - REACH - 3) : start + REACH].max() for (_, end), (start, _) in pairs])


def displacement(row: Sequence, clips: list[Pose]) -> tuple[float, float]:
    """(mean, largest) distance of hand landmarks between the joined pose and the clips, in shoulder widths."""
    distances = []
    for (start, end), first, clip in zip(row.spans, row.first, clips, strict=True):
        start, first, end = start + SMOOTHED_FRAMES, first + SMOOTHED_FRAMES, end - SMOOTHED_FRAMES
        there, there_known = hands(row.pose, range(start, end), every=True)
        here, here_known = hands(clip, range(first, first + end - start), every=True)
        distances.append(np.linalg.norm(there - here, axis=-1)[there_known & here_known])
    together = np.concatenate(distances)
    return float(together.mean()), float(together.max())


def best_start(clip: Pose, joined: Pose, span: tuple[int, int]) -> int:
    """The frame of the clip that the span begins with: where the hands differ least."""
    there, there_known = hands(joined, range(*span))
    length = span[1] - span[0]
    scores = []
    for first in range(len(clip.body.data) - length + 1):
        here, here_known = hands(clip, range(first, first + length))
        both = there_known & here_known
        scores.append(np.linalg.norm(there - here, axis=-1)[both].mean() if both.any() else np.inf)
    return int(np.argmin(scores)) if scores else 0


def hands(pose: Pose, frames: range, *, every: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(T, J, 2) hand landmarks in shoulder widths from the shoulders' middle, and (T, J) whether they are seen."""
    data, sure = arrays(pose)
    arms = layout_of(pose).body_arms
    index = [arm.hand.start + tip for arm in arms if arm.hand for tip in (range(21) if every else TIPS)]
    ends = data[frames.start : frames.stop][:, [arm.shoulder for arm in arms], :2]
    width = np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1))
    middle = np.median(ends.mean(axis=1), axis=0)
    window = slice(frames.start, frames.stop)
    return (data[window][:, index, :2] - middle) / width, sure[window][:, index] > 0


if __name__ == "__main__":
    main()
