"""A folder of words as `signstudio data words` leaves it, drawn in a moment: coloured hands on the landmarks of a
written sign."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
from base_toy import CONFIG, FPS, FRAMES, faceless
from numpy.typing import NDArray
from pose_format import Pose

from models.data.word_samples import LANDMARKS, META, VERSION, Sample
from models.pose.files import write_pose
from models.pose.landmarks import component
from models.pose.span import HAND_OF, SIDES
from models.synthesis.config import BaseActionTraining, DataOptions, LossOptions
from models.training import LoopOptions

GLOSSES = ("BOOK", "HELLO", "TREE")
SIGNERS = {"anna": "train", "ben": "train", "carla": "train", "dora": "val", "emil": "test"}
SHIRTS = {
    "anna": (200, 40, 40),
    "ben": (40, 160, 40),
    "carla": (40, 40, 200),
    "dora": (160, 160, 20),
    "emil": (90,) * 3,
}
TRAINING = BaseActionTraining(
    model=replace(CONFIG, encoder_steps=2),
    data=DataOptions(batch_size=2, colours=2),
    loss=LossOptions(features="encoder", pixel_frames=1),
    loop=LoopOptions(steps=4, learning_rate=2e-3, log_every=1, validate_every=2, save_every=2, mean_over=2),
)


def draw_words(folder: Path, glosses: tuple[str, ...] = GLOSSES) -> Path:
    """Every gloss by every signer."""
    lines = ["path,word,signer,split"]
    for gloss in glosses:
        for signer, split in SIGNERS.items():
            write_sample(folder, gloss, signer)
            lines.append(f"{gloss}/{signer},{gloss},{signer},{split}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_sample(folder: Path, gloss: str, signer: str, size: int = CONFIG.size) -> None:
    """One sample."""
    pose, place = faceless(gloss), folder / gloss / signer
    frames = pictures(pose, SHIRTS[signer], size)
    hands = {side: component(pose, HAND_OF[side]) for side in SIDES}
    boxes = {}
    for side, (points, _) in hands.items():
        middle = points[..., :2].mean(axis=1) * size / CONFIG.size
        boxes[f"{side}_hand"] = [tuple(np.round([x - 8, y - 8, x + 8, y + 8]).astype(int).tolist()) for x, y in middle]
    parts = {"full": frames} | {part: np.stack(list(map(_cut, frames, found))) for part, found in boxes.items()}
    for part, shown in parts.items():
        (place / part).mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(shown, start=1):
            cv2.imwrite(str(place / part / f"frame_{number:04d}.jpg"), np.ascontiguousarray(frame[..., ::-1]))
    write_pose(place / LANDMARKS, pose)
    sample = Sample(
        version=VERSION, word=gloss, source=f"{gloss}/{signer}.mp4", width=size, height=size, source_fps=FPS,
        source_frames=FRAMES, span_ms=(0, 1000 * FRAMES / FPS), signing=(0, FRAMES), fps=FPS,
        numbers=list(range(FRAMES)), format="jpeg", size=size, hand_size=16, picture=(0, 0, size, size),
        seen={f"{side}_hand": (sure > 0).any(axis=1).tolist() for side, (_, sure) in hands.items()}, boxes=boxes,
    )  # fmt: skip
    (place / META).write_text(json.dumps(asdict(sample)), encoding="utf-8")


def pictures(pose: Pose, shirt: tuple[int, ...], size: int = CONFIG.size) -> NDArray[np.uint8]:
    """(T, S, S, 3) a shirt, and dots for the hands."""
    frames = np.full((len(pose.body.data), size, size, 3), 220, np.uint8)
    for number, frame in enumerate(frames):
        cv2.rectangle(frame, (size // 3, size // 3), (2 * size // 3, size - 1), shirt, -1)
        for side in SIDES:
            x, y = component(pose, HAND_OF[side])[0][number, :, :2].mean(axis=0) * size / CONFIG.size
            cv2.circle(frame, (round(float(x)), round(float(y))), size // 10, (150, 90, 60), -1)
    return frames


def _cut(frame: NDArray[np.uint8], box: tuple[int, ...]) -> NDArray[np.uint8]:
    padded = np.pad(frame, ((16, 16), (16, 16), (0, 0)))
    left, top = (int(np.clip(value, -16, len(frame))) + 16 for value in box[:2])
    return np.asarray(padded[top : top + 16, left : left + 16], np.uint8)
