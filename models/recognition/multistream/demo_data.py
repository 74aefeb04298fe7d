"""Clips that the studio draws itself, for the demo: laid out as Something-Something with the boxes of Something-Else.

    DATA/videos/ID.webm
    DATA/labels/labels.json, train.json, validation.json, test.json, compositional.json
    DATA/annotations/drawn.json
    DATA/drawn.json            that the clips are drawn, and from which seed

Everything about a clip follows from the seed and its id, and so nothing else needs to be kept: the files beside the
videos are written anew each time, and are the same each time. What an id says: 1 to 4 for the split, two digits for
the action, three for the clip. More clips of a split leave those as they are that are there already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.something import FPS, frame_name, normalised
from models.errors import SignError, VideoError
from models.files import read_json, replacing, safe_name
from models.lexicon.workers import in_processes
from models.recognition.multistream.demo_drawing import draw_scene
from models.recognition.multistream.demo_scenes import HEIGHT, TEMPLATES, WIDTH, Scene, make_scene
from models.video import probe
from models.video_write import write_video

__all__ = ["DRAWN", "TEMPLATES", "DemoData", "draw_demo", "is_drawn"]

DRAWN = "drawn.json"
"""The file that says that the clips of a folder are drawn."""
_VERSION = 1  # of what is drawn: folders of another one are not gone on with
_SPLITS = ("train", "validation", "test", "compositional")
_SCENE, _PIXELS, _ANNOTATORS = range(3)  # what chance is used for
_UNTOLD = 0.03  # share of the frames that the annotators left out or left empty
_CARELESS = 0.6  # px that they are off by
_ROUND_HAND = 0.17  # palm lengths from the joints to the skin
_SMALLEST = 6  # px of a thing that an annotator still draws a box around
_HIDDEN = 0.85  # share of a thing behind another from which on it counts as hidden

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class DemoData:
    """How much is drawn."""

    train_per_class: int = 30
    validation_per_class: int = 6
    test_per_class: int = 10
    compositional_per_class: int = 6
    """Clips of each action with categories of things that it has in no other split."""
    seed: int = 9

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name == "seed" and not 0 <= value < 1 << 32:
                raise SignError(f"data.seed is {value}; give a number from 0 to {(1 << 32) - 1}.")
            if name != "seed" and not 1 <= value <= 999:
                raise SignError(f"data.{name} is {value}; give 1 to 999.")


def draw_demo(
    folder: Path,
    options: DemoData | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw the clips that are not there yet, and write labels, splits and boxes of all; returns the folder.

    Raises SignError where the folder holds other clips.
    """
    options, folder = options or DemoData(), Path(folder)
    _claim(folder, options)
    splits = {name: _ids(place, vars(options)[f"{name}_per_class"]) for place, name in enumerate(_SPLITS, start=1)}
    ids = [video_id for of_split in splits.values() for video_id in of_split]
    scenes = {video_id: _scene(options.seed, video_id) for video_id in ids}
    _write_labels(folder / "labels", splits, scenes)
    entries = {video_id: _entries(options.seed, video_id, scene) for video_id, scene in scenes.items()}
    _write(folder / "annotations" / DRAWN, entries, indent=None)
    tasks = [(folder / "videos" / f"{video_id}.webm", options.seed, video_id) for video_id in ids]
    for done, _ in enumerate(in_processes(_draw, tasks, workers), start=1):
        if progress is not None:
            progress(done, len(tasks))
    return folder


def is_drawn(folder: Path) -> bool:
    """Whether the clips of a data folder are drawn. Raises SignError when the file that says so cannot be read."""
    return bool(_about(Path(folder)).get("drawn"))


def _about(folder: Path) -> dict[str, Any]:
    path = folder / DRAWN
    try:
        about = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SignError(f"{safe_name(path)} cannot be read as JSON ({error}); remove it and draw again.") from error
    return about if isinstance(about, dict) else {}


def _claim(folder: Path, options: DemoData) -> None:
    """Say that the clips are drawn, before the first one is."""
    about = _about(folder)
    if not about and any((folder / name).exists() for name in ("videos", "labels", "annotations")):
        raise SignError(f"{safe_name(folder)} holds clips that are not the demo's; give a new folder.")
    if about and (about.get("seed"), about.get("version")) != (options.seed, _VERSION):
        raise SignError(
            f"{safe_name(folder)} was drawn from seed {about.get('seed')} (version {about.get('version')}), and now "
            f"{options.seed} (version {_VERSION}) is asked for; give a new folder."
        )
    counts = {name: value for name, value in asdict(options).items() if name != "seed"}
    _write(folder / DRAWN, {"drawn": True, "seed": options.seed, "version": _VERSION, "counts": counts})


def _ids(split: int, count: int) -> list[str]:
    return [f"{split}{action:02}{clip:03}" for action in range(len(TEMPLATES)) for clip in range(count)]


def _chance(seed: int, video_id: str, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, int(video_id), purpose])


def _scene(seed: int, video_id: str) -> Scene:
    swapped = _SPLITS[int(video_id[0]) - 1] == "compositional"
    return make_scene(int(video_id[1:3]), _chance(seed, video_id, _SCENE), swapped=swapped)


def _draw(path: Path, seed: int, video_id: str) -> None:
    scene = _scene(seed, video_id)
    if not _is_whole(path, scene.num_frames):
        write_video(path, draw_scene(scene, _chance(seed, video_id, _PIXELS)), fps=FPS)


def _is_whole(path: Path, num_frames: int) -> bool:
    try:
        return path.is_file() and probe(path).num_frames == num_frames
    except VideoError:
        return False


def _write_labels(folder: Path, splits: dict[str, list[str]], scenes: dict[str, Scene]) -> None:
    names = sorted(normalised(template) for template in TEMPLATES)
    _write(folder / "labels.json", {name: str(number) for number, name in enumerate(names)})
    for split, ids in splits.items():
        _write(folder / f"{split}.json", [_told(video_id, scenes[video_id]) for video_id in ids])


def _told(video_id: str, scene: Scene) -> dict[str, Any]:
    """What a split file says about a clip."""
    label = scene.template
    for thing in scene.placeholders:
        label = label.replace("[something]", thing, 1).replace("[Something]", thing.capitalize(), 1)
    return {"id": video_id, "label": label, "template": scene.template, "placeholders": list(scene.placeholders)}


def _entries(seed: int, video_id: str, scene: Scene) -> list[dict[str, Any]]:
    """What the annotation says about the frames of a clip."""
    rng = _chance(seed, video_id, _ANNOTATORS)
    entries = []
    for frame in range(scene.num_frames):
        untold, left_out = rng.random() < _UNTOLD, rng.random() < 0.5
        marks = [] if untold else _marks(scene, frame, rng)
        if not (untold and left_out):
            entries.append(
                {
                    "name": f"{video_id}/{frame_name(frame + 1)}",
                    "labels": marks,
                    "gt_placeholders": list(scene.placeholders),
                    "nr_instances": len(marks),
                    "task_index": 0,
                    "split": "drawn",
                    "url": "",
                }
            )
    return entries


def _marks(scene: Scene, frame: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The boxes of a frame: things by their slot, then the hand."""
    found: list[tuple[str, str, str, Box | None]] = []
    for slot, thing in enumerate(scene.things):
        hiding = [scene.box(other, frame) for other in scene.things if other.near > thing.near]
        found.append((f"object {slot}", thing.category, f"{slot:04}", _visible(scene.box(thing, frame), hiding)))
    if scene.hand is not None:
        joints = scene.hand.points[frame, :, :2] - scene.camera[frame]
        around = _ROUND_HAND * scene.hand.palm
        low, high = joints.min(axis=0) - around, joints.max(axis=0) + around
        found.append(("object hand", "hand", "hand", (float(low[0]), float(low[1]), float(high[0]), float(high[1]))))
    marks = []
    for name, category, standard, box in found:
        off = rng.normal(0, _CARELESS, 4)
        drawn = _inside(box, off) if box is not None else None
        if drawn is not None:
            corners = dict(zip(("x1", "y1", "x2", "y2"), drawn, strict=True))
            mark = {"box2d": corners, "gt_annotation": name, "category": category, "standard_category": standard}
            marks.append(mark)
    return marks


def _visible(box: Box, hiding: Sequence[Box]) -> Box | None:
    """What is left of a box beside others that hide its full height; None where nearly nothing is."""
    x1, y1, x2, y2 = box
    width = x2 - x1
    for left, top, right, bottom in hiding:
        if min(bottom, y2) - max(top, y1) < _HIDDEN * (y2 - y1):
            continue
        if left <= x1:
            x1 = max(x1, right)
        elif right >= x2:
            x2 = min(x2, left)
    return (x1, y1, x2, y2) if x2 - x1 > (1 - _HIDDEN) * width else None


def _inside(box: Box, off: np.ndarray) -> tuple[float, ...] | None:
    """A box as drawn by hand within the picture; None where too little of it is there."""
    size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], float)
    x1, y1, x2, y2 = np.clip(np.array(box) + off, 0, size).round(3).tolist()
    return (x1, y1, x2, y2) if min(x2 - x1, y2 - y1) >= _SMALLEST else None


def _write(path: Path, content: Any, indent: int | None = 1) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
