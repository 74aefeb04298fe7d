"""How fast the puppet engine makes a photograph sign, beside the video's own rate and other ways to draw frames.

    python benchmarks/puppet.py                       # scikit-image's astronaut
    python benchmarks/puppet.py PICTURE ... --frames 50

Per size (longest side in px): frames/s, wall and CPU, and their ratio to the 25 frames/s of the video; the time to
prepare a target; peak memory of the process. Beside it, in the same run on the same frames: this project's drawn signer
(`models.lexicon.avatar`), and a piecewise affine warp of the picture by its body and hand landmarks, the classic way
to animate one (`skimage.transform.PiecewiseAffineTransform`).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pose_format import Pose
from skimage.data import astronaut
from skimage.transform import PiecewiseAffineTransform, warp

from models.animation.picture import load_picture
from models.animation.puppet.engine import Puppet
from models.animation.retarget import retarget
from models.animation.target import Target, TargetOptions, read_target
from models.lexicon.avatar import LOOKS, Signer
from models.lexicon.avatar_figure import figure
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import parse_gloss_line
from models.lexicon.utterance import sign_line

LINE = "HELLO MY NAME fs-ANNA"
BODY = [0, 2, 5, 11, 12, 13, 14, 15, 16, 23, 24]
PEER_FRAMES = 2
"""The classic warp takes seconds a frame."""


def rate(draw: Callable[[int], object], frames: range) -> tuple[float, float]:
    """Frames per second of wall clock and of CPU time."""
    draw(frames.start)
    wall, cpu = time.perf_counter(), time.process_time()
    for index in frames:
        draw(index)
    return len(frames) / (time.perf_counter() - wall), len(frames) / (time.process_time() - cpu)


def classic_warp(target: Target, pose: Pose) -> Callable[[int], object]:
    """Frames as a piecewise affine warp of the whole picture from the target's landmarks to the pose's."""
    height, width = target.image.shape[:2]
    own, now = figure(target.pose, width, height), figure(pose, width, height)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)

    def points(body: np.ndarray, hands: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([corners, body[BODY, :2], *[hand[::4, :2] for hand in hands]])

    rest = points(own.body[0], [own.hands[side][0] for side in ("left", "right")])

    def draw(index: int) -> object:
        moved = points(now.body[index], [now.hands[side][index] for side in ("left", "right")])
        return warp(target.image, PiecewiseAffineTransform.from_estimate(moved, rest))

    return draw


def report(name: str, picture: np.ndarray, pose: Pose, side: int, frames: range) -> None:
    """Print the figures of one picture at one size."""
    target = read_target(picture, TargetOptions(side=side))
    fitted = retarget(pose, target)
    start = time.perf_counter()
    puppet = Puppet(target, fitted)
    prepared = time.perf_counter() - start
    size = f"{target.image.shape[1]}x{target.image.shape[0]}"
    fps = float(pose.body.fps)
    rows = [("puppet", *rate(puppet.frame, frames))]
    height, width = target.image.shape[:2]
    signer = Signer(pose, LOOKS["alex"], width=min(width, height), height=min(width, height))
    rows.append(("drawn signer", *rate(signer.frame, frames)))
    if side <= 512:
        rows.append(("piecewise affine warp", *rate(classic_warp(target, fitted), frames[:PEER_FRAMES])))
    print(f"\n{name} {size}, prepared in {prepared:.2f} s")
    for label, wall, cpu in rows:
        speed = f"{wall:7.2f} frames/s ({wall / fps:.2f} x real time), {cpu:7.2f} per CPU second"
        print(f"  {label:24s} {speed}, puppet {rows[0][1] / wall:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--sides", type=int, nargs="*", default=[512, 1024])
    args = parser.parse_args()
    pose = sign_line(parse_gloss_line(LINE).items, [embedded_lexicon()]).pose
    frames = range(10, min(10 + args.frames, len(pose.body.data)))
    pictures = [(path.name, load_picture(path)) for path in args.pictures] or [("astronaut", astronaut())]
    for name, picture in pictures:
        for side in args.sides:
            report(name, picture, pose, side, frames)
    print(f"\npeak memory of everything: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
