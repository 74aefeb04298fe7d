"""A WLASL of a few instances for tests: clips of the drawn signer that MediaPipe reads in half a second, and a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2

from models.video import ReadOptions, VideoReader
from models.video_write import write_video

SIDE = 256
FRAMES = 14


def entry(video_id: str, gloss: str = "house", **values: Any) -> dict[str, Any]:
    """One instance as the list writes it, with its gloss; the signer is in the train split unless said."""
    plain = {
        "bbox": [0, 0, SIDE, SIDE],
        "fps": 25,
        "frame_start": 1,
        "frame_end": -1,
        "instance_id": 0,
        "signer_id": 1,
        "source": "toy",
        "split": "train",
        "url": f"http://127.0.0.1:1/{video_id}.mp4",
        "variation_id": 0,
        "video_id": video_id,
    }
    return {"gloss": gloss, **plain, **values}


def write_list(path: Path, *entries: dict[str, Any]) -> Path:
    """The list, in WLASL's format: instances gathered by gloss, in the order given."""
    glosses: dict[str, list[dict[str, Any]]] = {}
    for one in entries:
        rest = {name: value for name, value in one.items() if name != "gloss"}
        glosses.setdefault(one["gloss"], []).append(rest)
    path.write_text(json.dumps([{"gloss": gloss, "instances": rest} for gloss, rest in glosses.items()]))
    return path


def write_clip(path: Path, sample: Path, *, start_ms: float = 1400, frames: int = FRAMES, side: int = SIDE) -> Path:
    """A small part of a clip of the drawn signer, at 25 frames a second. From 1.4 s on, the right hand signs."""
    with VideoReader(sample, ReadOptions(start_ms=start_ms, end_ms=start_ms + 40 * frames)) as clip:
        write_video(path, (cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in clip), fps=25)
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest's, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "manifest" not in path.name
    }
