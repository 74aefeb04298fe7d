"""How fast the avatar draws, and whether MediaPipe Holistic reads its hands back.

    python benchmarks/avatar.py                     # the project's own signs
    python benchmarks/avatar.py --poses FOLDER      # and .pose files of real people

Speed: frames/s at 256, 512 and 1080 px against the clip's own rate of 25 frames/s and against the time Holistic takes
to read the same frames in the same run, one process; and peak memory.
Read-back: each drawn frame goes through Holistic (complexity 1, tracking). Per set: the share of frames in which body
and face are found; the share of hands in the pose that are found; the mean distance of the 21 landmarks in palm widths
(index to little knuckle; 0.8 palm lengths for a hand seen edge-on).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pose_format import Pose

from models.lexicon.avatar import LOOKS, Signer
from models.lexicon.avatar_figure import SIDES
from models.lexicon.body import SignerStyle
from models.lexicon.hand import hand_points
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.spelling import spell
from models.pose import landmarks
from models.pose.files import read_pose

FPS = 25
SIGNS = ("HELLO", "MY", "NAME", "MOTHER", "FRIEND", "WATER", "EAT", "SCHOOL", "WHERE")
LETTERS = "BCDEFILOSVWY"
# Joint angles in degrees of four fingers (abduction, MCP, PIP, DIP) and the thumb, see models.lexicon.hand.
STRAIGHT, BENT, CURVED = (0, 0, 0, 0), (0, 85, 100, 55), (0, 45, 45, 25)
OUT, IN, OPPOSED = (45, 15, 20, 0, 0), (5, 45, 60, 30, 35), (25, 55, 60, 15, 15)
SHAPES = {
    "flat": ((6, 0, 2, 0), STRAIGHT, (-6, 0, 2, 0), (-12, 0, 2, 0), OUT),
    "fist": (BENT, BENT, BENT, BENT, IN),
    "point": (STRAIGHT, BENT, BENT, BENT, IN),
    "V": ((8, 0, 2, 0), (-8, 0, 2, 0), BENT, BENT, IN),
    "L": (STRAIGHT, BENT, BENT, BENT, OUT),
    "Y": (BENT, BENT, BENT, (-15, 0, 2, 0), OUT),
    "ILY": (STRAIGHT, BENT, BENT, (-10, 0, 2, 0), OUT),
    "O": ((0, 55, 55, 35),) * 4 + (OPPOSED,),
    "C": (CURVED,) * 4 + ((40, 45, 60, 0, 0),),
}
# Turns of the upright hand, palm to the camera: about its own axis, then towards the camera, then in the picture.
TURNS_DEG = {"palm": (0, 0, 0), "half": (50, 0, 10), "back": (180, 0, -10), "tilted": (0, 35, 25), "side": (75, 0, 0)}
HOLD = 4
"""Frames each posture is held, so that the tracker can find it."""


@dataclass
class Score:
    """What Holistic found in one set of frames."""

    frames: int = 0
    bodies: int = 0
    faces: int = 0
    asked: int = 0
    distances: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 / max(1, self.frames)
        found = len(self.distances)
        return (
            f"{self.frames:5d} frames  body {self.bodies * share:5.1f} %  face {self.faces * share:5.1f} %  "
            f"hands {100 * found / max(1, self.asked):5.1f} % of {self.asked:4d}  "
            f"distance {np.mean(self.distances or [np.nan]):.3f} (median {np.median(self.distances or [np.nan]):.3f})"
        )


def signs(glosses: Sequence[str], letters: str, fps: int) -> Pose:
    """The project's own signs, performed at 512 px."""
    phonology = load_phonology()
    entries = [phonology[gloss] for gloss in glosses] + (spell(letters, phonology) if letters else [])
    return perform(entries, SignerStyle(), fps=fps, width=512, height=512).pose


def postures() -> Pose:
    """Every handshape in every turn on both hands, held still before the shoulders of a standing signer."""
    still = signs(("HELLO",), "", FPS)
    data = np.ma.getdata(still.body.data)[:1, 0]
    confidence = np.ma.getdata(still.body.confidence)[:1, 0].copy()
    shapes = [(shape, turn) for shape in SHAPES.values() for turn in TURNS_DEG.values()]
    data, confidence = np.repeat(data, len(shapes), 0), np.repeat(confidence, len(shapes), 0)
    width = float(np.linalg.norm(data[0, 11, :2] - data[0, 12, :2]))
    scale = width / 0.36  # px per metre
    for row, (shape, turn) in zip(data, shapes, strict=True):
        local = hand_points(np.radians(np.concatenate(shape, dtype=float))[None])[0]
        turned = (local @ rotation(*turn).T) * (1, -1, -1) * scale  # y up, z to the viewer -> picture
        for sign, wrist, elbow, first in ((-1, 16, 14, 522), (1, 15, 13, 501)):
            place = row[11 if sign > 0 else 12, :2] + width * np.array([sign * 0.28, 0.30])
            row[first : first + 21] = turned * (-sign, 1, 1)
            row[first : first + 21, :2] += place
            row[first : first + 21, 2] /= 512
            row[wrist] = (*place, -0.7 * width / 512)
            row[elbow] = (*(place + width * np.array([sign * 0.12, 0.75])), -0.2 * width / 512)
    confidence[:, 501:543] = 1
    data, confidence = np.repeat(data, HOLD, 0), np.repeat(confidence, HOLD, 0)
    return landmarks.holistic_pose(data, confidence, fps=FPS, width=512, height=512)


def rotation(turn_deg: float, tilt_deg: float, roll_deg: float) -> np.ndarray:
    """(3, 3) about y, then x, then z."""
    (cy, cx, cz), (sy, sx, sz) = (f(np.radians([turn_deg, tilt_deg, roll_deg])) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def read_back(signer: Signer, pose: Pose, frames: Iterator[int] | range, score: Score) -> None:
    """Add what Holistic finds in these frames to the score."""
    import mediapipe as mp

    asked = {side: landmarks.seen(pose, f"{side.upper()}_HAND_LANDMARKS") for side in SIDES}
    with mp.solutions.holistic.Holistic(static_image_mode=False, model_complexity=1) as holistic:
        for index in frames:
            result = holistic.process(signer.frame(index))
            score.frames += 1
            score.bodies += result.pose_landmarks is not None
            score.faces += result.face_landmarks is not None
            for side, found in (("left", result.left_hand_landmarks), ("right", result.right_hand_landmarks)):
                score.asked += bool(asked[side][index])
                if asked[side][index] and found:
                    points = np.array([(p.x * signer.width, p.y * signer.height) for p in found.landmark])
                    score.distances.append(distance(points, signer, side, index))


def distance(points: np.ndarray, signer: Signer, side: str, index: int) -> float:
    """Mean distance of (21, 2) read landmarks to those asked for, in palm widths."""
    wanted, palm = signer.figure.hands[side][index, :, :2], float(signer.figure.palms[side][index])
    across = float(np.linalg.norm(wanted[5] - wanted[17]))
    return float(np.linalg.norm(points - wanted, axis=1).mean()) / (across if across > 0.45 * palm else 0.8 * palm)


def speed(pose: Pose, size: int) -> str:
    """Frames/s of drawing at one size, everything included."""
    signer = Signer(pose, LOOKS["alex"], height=size)
    signer.frame(0)
    frames = np.linspace(0, signer.num_frames - 1, min(signer.num_frames, 60)).astype(int)
    start, cpu = time.perf_counter(), time.process_time()
    drawn = [signer.frame(int(index)) for index in frames]
    per_frame, cpu_frame = ((t() - s) / len(frames) for t, s in ((time.perf_counter, start), (time.process_time, cpu)))
    reading = reading_s(drawn[::3])
    return (
        f"{signer.width}x{signer.height}: {1 / per_frame:6.1f} frames/s ({per_frame * 1e3:.1f} ms, "
        f"{cpu_frame * 1e3:.1f} CPU-ms), {1 / per_frame / FPS:.2f} x the clip's own {FPS} frames/s, "
        f"{reading / per_frame:.1f} x as fast as Holistic reads"
    )


def reading_s(frames: Sequence[np.ndarray]) -> float:
    """Seconds per frame of Holistic, the first frame (its start) left out."""
    import mediapipe as mp

    with mp.solutions.holistic.Holistic(static_image_mode=False, model_complexity=1) as holistic:
        holistic.process(frames[0])
        start = time.perf_counter()
        for frame in frames[1:]:
            holistic.process(frame)
    return (time.perf_counter() - start) / (len(frames) - 1)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poses", type=Path, help="folder of .pose files of real people, read back as well")
    parser.add_argument("--max-frames", type=int, default=60, help="of each real clip, from its middle")
    parser.add_argument("--size", type=int, default=512, help="height in px of the pictures that are read back")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clip = signs(SIGNS[:4], "", FPS)
    for size in (256, 512, 1080):
        Signer(clip, LOOKS["alex"], height=size).frame(0)
    # Before Holistic comes in: this is the avatar's own.
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    for size in (256, 512, 1080):
        print(speed(clip, size))

    sets = {"signs": signs(SIGNS, "", 12), "spelling": signs((), LETTERS, 12), "postures": postures()}
    for number, (name, pose) in enumerate(sets.items()):
        score = Score()
        look = list(LOOKS.values())[number % len(LOOKS)]
        signer = Signer(pose, look, height=options.size)
        read_back(signer, pose, range(signer.num_frames), score)
        print(f"{name:24s} {score}")
    total = Score()
    for number, path in enumerate(sorted(options.poses.glob("*.pose")) if options.poses else []):
        pose, score = read_pose(path), Score()
        signer = Signer(pose, list(LOOKS.values())[number % len(LOOKS)], height=options.size)
        first = max(0, (signer.num_frames - options.max_frames) // 2)
        read_back(signer, pose, range(first, min(signer.num_frames, first + options.max_frames)), score)
        print(f"{path.stem[:24]:24s} {score}")
        for name in ("frames", "bodies", "faces", "asked", "distances"):
            setattr(total, name, getattr(total, name) + getattr(score, name))
    if total.frames:
        print(f"{'real, together':24s} {total}")


if __name__ == "__main__":
    main()
