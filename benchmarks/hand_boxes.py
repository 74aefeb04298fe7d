"""What a box around the hand is worth to MediaPipe's hands: how often they are found, and how long it takes.

    STUDIO_REAL_DATA=... python benchmarks/hand_boxes.py
    python benchmarks/hand_boxes.py --videos FOLDER --annotations FOLDER --every 3

Each frame of the clips of Something-Else that has a box around a hand is read in three ways, one after the other, by
the same model on one core:

    box        the box, made square and wider, cut out (`BoxedHands.find`, as the studio does)
    picture    the whole picture, every frame by itself
    tracking   the whole picture, as a video: the hand is looked for near where it was

A hand counts as found when its joints lie in the box by the rule that the studio has for it (four of five of them,
a little beside it counts, too, and not much smaller than the box). Time is that of the model alone, without decoding.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.data.something import find_videos
from models.data.something_boxes import BOXES, find_parts, merge
from models.data.something_frames import frames_of
from models.data.something_hands import BoxedHands, Hand, HandOptions, lies_in

Frame = Any
Box = tuple[float, float, float, float]


def main() -> None:
    """Read every frame in every way, and print a table."""
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        boxes = merge(find_parts(asked.annotations), Path(folder) / BOXES)
        wanted = []
        for video_id, source in find_videos(asked.videos).items():
            told = boxes.get(video_id)
            if told is None:
                continue
            for number, frame in frames_of(source):
                height, width = frame.shape[:2]
                hands = [one.box for one in told.at(number, width, height) if one.is_hand]
                if hands and number % asked.every == 0:
                    wanted.append((video_id, frame, hands))
    clips = len({video_id for video_id, _, _ in wanted})
    print(f"{sum(len(hands) for _, _, hands in wanted)} boxes in {len(wanted)} frames of {clips} clips\n")
    rows = {
        "box": _read(wanted, BoxedHands(), lambda finder, frame, box: finder.find(frame, box)),
        "box, one cut": _read(
            wanted, BoxedHands(HandOptions(margins=(0.5,))), lambda finder, frame, box: finder.find(frame, box)
        ),
        "picture": _read(wanted, BoxedHands(), lambda finder, frame, _: finder.find_anywhere(frame), once=True),
        "tracking": _read(
            wanted, BoxedHands(tracking=True), lambda finder, frame, _: finder.find_anywhere(frame), once=True
        ),
    }
    base = rows["picture"]
    print(
        f"{'way':<14}{'found':>9}{'ms a frame':>12}{'ms a hand':>11}{'found, to picture':>19}{'speed, to picture':>19}"
    )
    for name, (found, frame_ms, hand_ms) in rows.items():
        print(
            f"{name:<14}{100 * found:>7.1f} %{frame_ms:>12.1f}{hand_ms:>11.1f}"
            f"{found / max(base[0], 1e-9):>17.2f} x{base[1] / frame_ms:>17.2f} x"
        )


def _read(
    wanted: list[tuple[str, Frame, list[Box]]],
    finder: BoxedHands,
    find: Callable[[BoxedHands, Frame, Box], list[Hand]],
    *,
    once: bool = False,
) -> tuple[float, float, float]:
    """Share of the boxes in which a hand was found, milliseconds a frame and a found hand. once: a frame is read once,
    whatever boxes it has."""
    hits = asked = 0
    spent = []
    with finder:
        for _, frame, boxes in wanted:
            started = time.perf_counter()
            found = [find(finder, frame, box) for box in (boxes[:1] if once else boxes)]
            spent.append(time.perf_counter() - started)
            for place, box in enumerate(boxes):
                hands = found[0] if once else found[place]
                hits += any(lies_in(hand.joints, box) for hand in hands)
                asked += 1
    return hits / asked, 1000 * float(np.mean(spent)), 1000 * sum(spent) / max(hits, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a box around the hand is worth to MediaPipe's hands.")
    real = os.environ.get("STUDIO_REAL_DATA")
    place = Path(real) / "annotations" / "something_else" if real else None
    parser.add_argument("--videos", type=Path, default=place and place / "videos", help="folder of clips or of frames")
    parser.add_argument("--annotations", type=Path, default=place, help="folder of Something-Else's files")
    parser.add_argument("--every", type=int, default=1, help="take every so many frames")
    asked = parser.parse_args()
    if asked.videos is None or asked.every < 1:
        parser.error("name --videos and --annotations, or set STUDIO_REAL_DATA; --every is 1 or more")
    return asked


if __name__ == "__main__":
    main()
