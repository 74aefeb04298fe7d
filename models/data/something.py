"""Something-Something-v2 as it lies on disk: labels, split files, clips or frame folders.

- A label is its text, without brackets and case: "Putting [something] on [something]" is "Putting something on
  something". The two label files that go round disagree on the index, in type and in order, so no index is read: the
  id of a label is its place among all texts sorted, which is also the index that Something-Something's file gives.
- Files are known by what is in them, not by their names: an object of text -> number is labels, a list of objects
  with an id is a split. So one reader serves both names of the official files (train.json and
  something-something-v2-train.json) and the splits of Something-Else. The folder is the one given, or one below it
  with a name of LABEL_FOLDERS.
- Frame k of a clip read at FPS, counted from 0, is the annotators' "%04d.jpg" % (k + 1).
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.errors import SignError
from models.files import read_json, safe_name

FPS = 12
"""The rate that Something-Else counts frames at."""
LABEL_FOLDERS = (
    "labels",
    "annotations",
    "something-something-v2-annotations",
    "20bn-something-something-download-package-labels/labels",
    "20bn-something-something-download-package-labels",
)
VIDEO_FOLDERS = ("20bn-something-something-v2", "videos", "frames")
UNKNOWN = -1
"""The id of no label."""
_SUFFIXES = (".webm", ".mp4", ".mkv", ".avi")
_FRAME = re.compile(r"0*([1-9]\d*)\.jpe?g", re.IGNORECASE)
_PREFIX = "something-something-v2-"


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of a data set. Raises SignError when two are the same text."""

    templates: tuple[str, ...]
    """As they are written, without brackets, sorted; the id of a label is its place."""

    def __post_init__(self) -> None:
        if len(self._ids) != len(self.templates):
            raise SignError("Two of the labels are the same but for case or brackets; take one of them out.")

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {_key(template): number for number, template in enumerate(self.templates)}

    def id(self, template: str) -> int:
        """The id of a label, with or without brackets; UNKNOWN when it is none of these."""
        return self._ids.get(_key(template), UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a split file says about a clip."""

    video_id: str
    split: str
    """The name of the file that lists it: train, validation, test, finetune_5shot_training."""
    template: str = ""
    """Without brackets; empty where it is not told, as in the test split."""
    placeholders: tuple[str, ...] = ()
    """What stood in the brackets, in order; the slot of an object is its place here."""


@dataclass(frozen=True, kw_only=True)
class LabelFolder:
    """What the files of a folder say."""

    folder: Path
    labels: Labels
    splits: Mapping[str, tuple[Clip, ...]]

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips, each once: as the first split that lists it has it."""
        found: dict[str, Clip] = {}
        for clips in self.splits.values():
            for clip in clips:
                found.setdefault(clip.video_id, clip)
        return tuple(found.values())


def normalised(template: str) -> str:
    """A template without brackets, with single spaces: "Moving [part] of [something]" -> "Moving part of something"."""
    return " ".join(template.replace("[", "").replace("]", "").replace("’", "'").split())


def labels_of(templates: Iterable[str]) -> Labels:
    """Labels of these texts, each once, however often and with whatever brackets it comes."""
    unique: dict[str, str] = {}
    for template in templates:
        unique.setdefault(_key(template), normalised(template))
    return Labels(templates=tuple(unique[key] for key in sorted(unique)))


def read_label_folder(path: Path) -> LabelFolder:
    """Labels and splits of a folder (or of a folder with a usual name below it), or of one JSON file.

    Where no file lists labels, the templates of the splits are the labels. Raises SignError when there is neither.
    """
    for folder in (path, *(path / name for name in LABEL_FOLDERS)):
        files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
        texts: list[str] = []
        splits: dict[str, tuple[Clip, ...]] = {}
        for file in files:
            if begins_as_boxes(file):
                continue  # over 1 GB each
            content = _json(file)
            if isinstance(content, dict) and content and all(_is_index(value) for value in content.values()):
                texts.extend(content)
            elif isinstance(content, list) and content and isinstance(content[0], dict) and "id" in content[0]:
                name = file.stem.removeprefix(_PREFIX)
                splits[name] = _split(file, name, content)
        if texts or splits:
            splits = _with_answers(folder, splits)
            texts = texts or [clip.template for clips in splits.values() for clip in clips if clip.template]
            return LabelFolder(folder=folder, labels=labels_of(texts), splits=_usual_order(splits))
    raise SignError(
        f"{safe_name(path)} has no labels and no splits (such as labels.json and train.json), nor has a folder "
        f"{LABEL_FOLDERS[0]} or {LABEL_FOLDERS[1]} in it; give the folder of the unpacked label files."
    )


def find_videos(path: Path) -> dict[str, Path]:
    """Every clip below a folder by its id: a folder of frames where there is one, else the video file.

    Ids are the names of the files and folders. The folders of VIDEO_FOLDERS in it are searched, too.
    Raises SignError when nothing is found.
    """
    files: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for place in (path, *(path / name for name in VIDEO_FOLDERS)):
        if not place.is_dir():
            continue
        with os.scandir(place) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  220,000 entries: no Path for each
                if entry.name.startswith(".") or entry.name in VIDEO_FOLDERS or entry.name in LABEL_FOLDERS:
                    continue
                if entry.is_dir():
                    if _has_frames(Path(entry.path)):
                        folders.setdefault(entry.name, Path(entry.path))
                elif suffix.lower() in _SUFFIXES:
                    files.setdefault(stem, Path(entry.path))
    if not files and not folders:
        raise SignError(
            f"{safe_name(path)} holds no clips (ID.webm) and no folders of frames (ID/0001.jpg); give the folder of "
            "the unpacked videos."
        )
    return dict(sorted({**files, **folders}.items(), key=lambda pair: natural(pair[0])))


def begins_as_boxes(path: Path) -> bool:
    """Whether a file begins as annotations do, {"id": [; labels have numbers there. Reads 4 kB of it."""
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(4096).lstrip()
    except (OSError, UnicodeDecodeError):
        return False
    if not head.startswith("{"):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(head[1:].lstrip())
    except json.JSONDecodeError:
        return False
    return head[1:].lstrip()[end:].lstrip(" \t\r\n:").startswith("[")


def natural(name: str) -> tuple[int, str]:
    """Sorts ids as numbers where they are numbers."""
    return (int(name), "") if name.isascii() and name.isdigit() else (10**18, name)


def frame_number(name: str) -> int | None:
    """The number, from 1, in the name of a frame: "2/0001.jpg" -> 1. None for any other name."""
    found = _FRAME.fullmatch(name.rsplit("/", 1)[-1])
    return int(found[1]) if found else None


def frame_name(number: int) -> str:
    """The name of a frame: 1 -> "0001.jpg"."""
    return f"{number:04d}.jpg"


def read_subset(path: Path) -> tuple[str, ...]:
    """Ids from a text file, one a line, or from a split file. Raises SignError when there are none."""
    if not path.is_file():
        raise SignError(f"There is no file {safe_name(path)}; --subset takes a number, or a file of video ids.")
    if path.suffix == ".json":
        content = _json(path)
        if isinstance(content, list) and content and all(isinstance(one, dict | str | int) for one in content):
            return tuple(str(one.get("id", "") if isinstance(one, dict) else one) for one in content)
        raise SignError(f"{safe_name(path)} is no list of videos; give one id a line, or a split file.")
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise SignError(f"{safe_name(path)} is no text in UTF-8 ({error}).") from error
    if not lines:
        raise SignError(f"{safe_name(path)} lists no video; write one id a line.")
    return tuple(lines)


def _key(template: str) -> str:
    return normalised(template).casefold()


def _is_index(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdigit())


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise SignError(f"{safe_name(path)} cannot be read as JSON ({error}); copy or download it again.") from error


def _split(path: Path, name: str, content: Sequence[Any]) -> tuple[Clip, ...]:
    clips = {}
    for number, one in enumerate(content):
        if not isinstance(one, dict) or not str(one.get("id", "")):
            raise SignError(f"{safe_name(path)}: entry {number} has no id, unlike the first; download the file again.")
        video_id = str(one["id"])
        clips[video_id] = Clip(
            video_id=video_id,
            split=name,
            template=normalised(str(one.get("template", ""))),
            placeholders=tuple(str(word) for word in one.get("placeholders", ())),
        )
    return tuple(clips.values())


def _with_answers(folder: Path, splits: dict[str, tuple[Clip, ...]]) -> dict[str, tuple[Clip, ...]]:
    """The test split, whose templates stand in a file of their own (id;template)."""
    path = folder / "test-answers.csv"
    if "test" not in splits or not path.is_file():
        return splits
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            answers = {
                line[0].strip(): normalised(line[1]) for line in csv.reader(file, delimiter=";") if len(line) > 1
            }
    except (UnicodeDecodeError, csv.Error) as error:
        raise SignError(f"{safe_name(path)} is no table in UTF-8 ({error}).") from error
    test = tuple(
        Clip(
            video_id=clip.video_id,
            split=clip.split,
            template=clip.template or answers.get(clip.video_id, ""),
            placeholders=clip.placeholders,
        )
        for clip in splits["test"]
    )
    return {**splits, "test": test}


def _usual_order(splits: Mapping[str, tuple[Clip, ...]]) -> dict[str, tuple[Clip, ...]]:
    first = [name for name in ("train", "validation", "test") if name in splits]
    return {name: splits[name] for name in (*first, *sorted(set(splits) - set(first)))}


def _has_frames(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(frame_number(entry.name) is not None for entry in entries)
