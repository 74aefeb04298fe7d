"""A small Something-Something with Something-Else's boxes, for tests: clips whose frames tell their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.video_decode import Frame
from models.video_write import write_video

WIDTH, HEIGHT = 64, 48
TEMPLATES = ("Putting [something] on [something]", "Closing [something]", "Moving [part] of [something]")


def numbered(number: int) -> Frame:
    """Frame `number`, from 1: one square of a 6 x 4 grid is white."""
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    row, column = divmod(number - 1, 6)
    frame[row * 12 : row * 12 + 12, column * 10 : column * 10 + 10] = 255
    return frame


def number_in(frame: Any) -> int:
    """The number that a frame (48, 64, 3) tells."""
    cells = np.asarray(frame, float)[:, :60].mean(-1).reshape(4, 12, 6, 10).mean((1, 3))
    return int(cells.argmax()) + 1


def mark(slot: str, category: str, x1: float, y1: float, x2: float, y2: float) -> dict[str, Any]:
    """A box as Something-Else writes it."""
    box = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return {"box2d": box, "gt_annotation": f"object {slot}", "category": category, "standard_category": slot}


def entry(video_id: str, number: int, *marks: dict[str, Any]) -> dict[str, Any]:
    """A frame's entry as Something-Else writes it."""
    words = {"gt_placeholders": ["cup", "table"], "nr_instances": len(marks), "task_index": 1, "split": "s", "url": ""}
    return {"name": f"{video_id}/{number:04d}.jpg", "labels": list(marks), **words}


def entries(video_id: str, numbers: range) -> list[dict[str, Any]]:
    """Entries of frames with a cup that moves to the right, a table and a hand."""
    return [
        entry(
            video_id,
            number,
            mark("0000", "cup", number, 8, number + 16, 24),
            mark("0001", "table", 0, 30, 64.00000001, 48),
            mark("hand", "hand", number + 10, 10, number + 30, 30),
        )
        for number in numbers
    ]


def write_json(path: Path, content: Any) -> Path:
    """A JSON file, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def make(root: Path) -> Path:
    """Clips 1 and 2 (12 frames), 10 (9 frames, no boxes) and 7 (broken), boxes in two parts, labels in labels/."""
    for video_id, count in (("1", 12), ("2", 12), ("10", 9)):
        path = root / "videos" / f"{video_id}.webm"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, [numbered(number) for number in range(1, count + 1)], fps=12)
    (root / "videos" / "7.webm").write_bytes(b"no video")
    first, second = (root / "boxes" / f"bounding_box_smthsmth_part{number}.json" for number in (1, 2))
    write_json(first, {"1": entries("1", range(1, 13)), "7": entries("7", range(1, 3))})
    write_json(second, {"2": [*entries("2", range(2, 11)), entry("2", 11), *entries("2", range(13, 14))]})
    plain = [template.replace("[", "").replace("]", "") for template in TEMPLATES]
    write_json(root / "labels" / "labels.json", {template: str(place) for place, template in enumerate(sorted(plain))})
    told = [("1", 0), ("7", 1), ("2", 1)]
    train = [{"id": one, "label": "", "template": TEMPLATES[k], "placeholders": ["cup", "table"]} for one, k in told]
    write_json(root / "labels" / "train.json", train)
    write_json(root / "labels" / "validation.json", [{"id": "10", "template": "Opening [something]", "label": ""}])
    write_json(root / "labels" / "test.json", [{"id": "99"}])
    return root
