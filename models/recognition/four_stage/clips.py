"""Continuous signing as it lies on disk: videos, and a clips.csv that says what is signed in each.

    path,glosses,signer,split
    clips/anna-03.mp4,HELLO MY NAME,anna,train

path is relative to the list; glosses are separated by spaces; split is train, validation or test. Frames are read at
one rate and size, and kept beside the list so that they are decoded once.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import SignError
from models.files import replacing, safe_name
from models.video import ReadOptions, VideoReader

CLIPS = "clips.csv"
COLUMNS = ("path", "glosses", "signer", "split")
Split = Literal["train", "validation", "test"]
Frames = NDArray[np.uint8]
MARGIN = 9 / 8
"""Frames are kept this much larger than the model takes them, so that they can be moved and turned."""
DRAWN = "drawn-"
"""What the names of signers begin with whom the studio drew."""
_MAX_FRAMES = 100_000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video and what is signed in it."""

    path: Path
    glosses: tuple[str, ...]
    signer: str
    split: str


def read_clips(path: Path) -> list[Clip]:
    """The clips of a list, with whole paths. Raises SignError that names the line for one that is wrong."""
    path = path / CLIPS if path.is_dir() else path
    if not path.is_file():
        raise SignError(f"{safe_name(path.parent)} has no {CLIPS}; it is a table of {', '.join(COLUMNS)}.")
    root, clips = path.parent.resolve(), []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise SignError(f"{safe_name(path)} lacks the columns {', '.join(missing)}.")
            for number, line in enumerate(lines, start=2):
                clips.append(_clip(root, {name: str(line[name] or "") for name in COLUMNS}, f"{path.name}:{number}"))
    except (ValueError, csv.Error) as error:
        raise SignError(f"{safe_name(path)} is no table in UTF-8 ({error}).") from error
    if not clips:
        raise SignError(f"{safe_name(path)} lists no clips.")
    return clips


def _clip(root: Path, line: dict[str, str], where: str) -> Clip:
    glosses = tuple(line["glosses"].split())
    if not glosses:
        raise SignError(f"{where}: no glosses; write what is signed, separated by spaces.")
    if line["split"] not in get_args(Split):
        raise SignError(f"{where}: the split is {line['split']!r}; it has to be {', '.join(get_args(Split))}.")
    path = (root / line["path"]).resolve()
    if not path.is_relative_to(root):
        raise SignError(f"{where}: {safe_name(path)} lies outside of the folder of the list.")
    return Clip(path=path, glosses=glosses, signer=line["signer"], split=line["split"])


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write a list; paths are written as they are."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([clip.path.as_posix(), " ".join(clip.glosses), clip.signer, clip.split] for clip in clips)


def described(clips: Sequence[Clip]) -> str:
    """What a model learned from, in words: how many clips and signers, and whether they are people."""
    count, signers = len(clips), {clip.signer for clip in clips}
    drawn = [one for one in signers if one.startswith(DRAWN)]
    who = f"{len(signers)} signers" if len(signers) != 1 else "one signer"
    if len(drawn) == len(signers):
        return f"trained on {count} clips of {who} that the studio drew; it has never seen a person"
    return f"trained on {count} clips of {who}" + (f", {len(drawn)} of them drawn by the studio" if drawn else "")


def vocabulary(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Every gloss of the training clips, sorted. Raises SignError when another split has one that is not among them."""
    known = {gloss for clip in clips if clip.split == "train" for gloss in clip.glosses}
    if not known:
        raise SignError("No clip is in the split train; there is nothing to learn from.")
    others = sorted({gloss for clip in clips for gloss in clip.glosses} - known)
    if others:
        shown = ", ".join(others[:5])
        raise SignError(f"{len(others)} glosses are in no training clip ({shown}); take them out, or add clips.")
    return tuple(sorted(known))


def read_frames(path: Path, size: int, fps: float) -> Frames:
    """The frames (T, size, size, 3) RGB of a video at this rate; the whole picture, on black where it is not square.

    Raises VideoError when it cannot be read.
    """
    frames = []
    with VideoReader(path, ReadOptions(fps=fps)) as reader:
        for frame in reader:
            frames.append(fitted(frame, size))
            if len(frames) >= _MAX_FRAMES:
                break
    return np.stack(frames) if frames else np.zeros((0, size, size, 3), np.uint8)


def fitted(image: Frames, size: int) -> Frames:
    """The picture (H, W, 3) in the middle of a black square of this size."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(image, shape, interpolation=way), np.uint8)
    if small.shape[:2] == (size, size):
        return small
    made = np.zeros((size, size, 3), np.uint8)
    top, left = (size - shape[1]) // 2, (size - shape[0]) // 2
    made[top : top + shape[1], left : left + shape[0]] = small
    return made


def centre(frames: Frames, size: int) -> Frames:
    """The middle (..., size, size, 3) of frames (..., H, W, 3) that are larger."""
    top, left = (frames.shape[-3] - size) // 2, (frames.shape[-2] - size) // 2
    return frames[..., top : top + size, left : left + size, :]


def kept_size(size: int) -> int:
    """Side of the kept frames of a model that takes this size, pixels."""
    return round(size * MARGIN)


def keep_frames(
    folder: Path,
    clips: Sequence[Clip],
    size: int,
    fps: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Decode every clip once into FOLDER/frames-SIZE-FPS/; returns the .npy of each. What is there is kept."""
    place = folder / f"frames-{size}px-{fps:g}"
    paths = []
    for done, clip in enumerate(clips, start=1):
        path = place / f"{clip.path.stem}-{_mark(clip.path)}.npy"
        if not path.is_file():
            frames = read_frames(clip.path, size, fps)
            with replacing(path) as temporary:
                np.save(temporary, frames, allow_pickle=False)
        paths.append(path)
        if progress is not None:
            progress(done, len(clips))
    return paths


def _mark(path: Path) -> str:
    """Tells files of the same name apart, and a file from what was there before."""
    import hashlib

    told = path.stat() if path.is_file() else None
    if told is None:
        raise SignError(f"{safe_name(path)} is in {CLIPS}, and not in the folder.")
    return hashlib.sha256(f"{path}|{told.st_size}|{told.st_mtime_ns}".encode()).hexdigest()[:10]


def load_frames(path: Path) -> Frames:
    """Kept frames, mapped into memory."""
    found: Frames = np.load(path, mmap_mode="r", allow_pickle=False)
    return found
