"""Joining signs: `models.lexicon.concatenate` beside spoken-to-signed's `concatenate_poses`, on the same clips.

    python benchmarks/concatenate.py                  # signs of the embedded lexicon, performed
    python benchmarks/concatenate.py --lexicon DIR    # a folder of .pose files
    STUDIO_REAL_DATA=DIR python benchmarks/concatenate.py --real

Two tables. In the first both tools get the signs without their way from and to rest, so that they join the same frames
(signs are not sped up). In the second both get whole clips and do what they do by default.

Per join: the peak jerk (third difference over four frames) of hand wrists and fingertips wherever it touches a frame
of the transition, in shoulder widths / s³; a hand that is not shown has none. Per sign: how far the hands of its own
frames ended up from where they were recorded (mean and largest, in % of the shoulder width), both sides scaled and
shifted to the same shoulders; the two frames next to a join, which we do smooth, are left out on both sides.
No hand: the share of frames between the first and the last sign that show no hand.
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
from models.lexicon.stroke import fluent_span
from models.pose.files import read_pose
from models.pose.span import signing_span

GLOSSES = ("HELLO", "MY", "NAME", "WHAT", "MOTHER", "EAT", "APPLE", "THANK-YOU", "YOU", "WHERE", "FRIEND", "COFFEE")
TIPS = (0, 4, 8, 12, 16, 20)


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
    cut = [sign_only(clip) for clip in clips]
    print(f"{len(clips)} signs of {name}, {args.fps:g} fps: {' '.join(glosses)}")
    same = JoinOptions(fluent=False, trim=False)
    print_table("The same frames", {"sign studio": ours(cut, same), "spoken-to-signed": peer(cut, None)}, cut)
    whole = {"sign studio": ours(clips, JoinOptions()), "spoken-to-signed": peer(clips, 0.8)}
    print_table("Whole clips, each tool as it comes", whole, None)


def print_table(title: str, rows: dict[str, Sequence], clips: list[Pose] | None) -> None:
    """One line per tool; `clips` where its frames can be compared with them."""
    print(f"\n{title:36}{'peak jerk at joins':>20}{'ratio':>7}{'own frames moved':>20}{'no hand':>9}{'length':>9}")
    print(f"{'':36}{'mean':>10}{'largest':>10}{'':>7}{'mean':>10}{'largest':>10}{'':>9}{'s':>9}")
    reference = float(join_jerks(rows["spoken-to-signed"]).mean())
    for name, row in rows.items():
        jerk = join_jerks(row)
        shown = f"{'-':>10}{'-':>10}"
        if clips is not None:
            shown = "".join(f"{100 * value:9.2f}%" for value in displacement(row, clips))
        _, known = hands(row.pose, range(row.spans[0][0], row.spans[-1][1]))
        seconds = len(row.pose.body.data) / row.pose.body.fps
        print(
            f"{name:36}{jerk.mean():10.0f}{jerk.max():10.0f}{jerk.mean() / reference:7.2f}{shown}"
            f"{100 * (1 - known.any(axis=1).mean()):8.1f}%{seconds:9.1f}"
        )


def sign_only(clip: Pose) -> Pose:
    """The clip without the way from and to rest."""
    start, end = fluent_span(clip, *signing_span(clip))
    return Pose(clip.header, clip.body[start:end])


def load(folder: Path | None) -> tuple[dict[str, Pose], str]:
    """Signs to join, by gloss, and where they are from; of a folder, its .pose files."""
    if folder is None:
        lexicon = embedded_lexicon()
        return {gloss: lexicon.load(lexicon.find(gloss)[0]) for gloss in GLOSSES}, "the embedded lexicon"
    return {path.stem.upper(): read_pose(path) for path in sorted(folder.rglob("*.pose"))[:12]}, folder.name


def ours(clips: list[Pose], options: JoinOptions) -> Sequence:
    """Our join, and where its signs are."""
    joined = concatenate([Clip(pose=clip) for clip in clips], options)
    fps = joined.pose.body.fps
    spans = [(round(s.start_ms * fps / 1000), round(s.end_ms * fps / 1000)) for s in joined.segments]
    return Sequence(pose=joined.pose, spans=spans, first=starts(clips, joined.pose, spans))


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
        length = cut[0] - start
        spans.append((now, now + length))
        now, start = now + length + padding, cut[1]
    assert now - padding == len(pose.body.data), "the peer cut elsewhere than this script thinks"
    return Sequence(pose=pose, spans=spans, first=starts(clips, pose, spans))


def starts(clips: list[Pose], joined: Pose, spans: list[tuple[int, int]]) -> list[int]:
    """The source frame of each sign's first frame."""
    return [best_start(clip, joined, span) for clip, span in zip(clips, spans, strict=True)]


def join_jerks(row: Sequence) -> np.ndarray:
    """(joins,) peak jerk around each."""
    points, known = hands(row.pose, range(len(row.pose.body.data)))
    jerk = np.linalg.norm(np.diff(points, n=3, axis=0), axis=-1) * row.pose.body.fps**3
    seen = known[3:] & known[2:-1] & known[1:-2] & known[:-3]
    jerk = np.where(seen, jerk, 0).max(axis=1)
    pairs = zip(row.spans[:-1], row.spans[1:], strict=True)
    return np.array([jerk[max(0, end - 3) : start].max() for (_, end), (start, _) in pairs])


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
