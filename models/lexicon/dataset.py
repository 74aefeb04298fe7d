"""A data set of the written signs: every gloss by many signers, as clips, poses, or what MediaPipe reads in the clips.

    DIR/GLOSS/signer03.mp4, DIR/GLOSS/signer03.pose     one sign, from rest to rest
    DIR/GLOSS/signer03.read.pose                        as MediaPipe reads it from such a clip
    DIR/manifest.csv                                    a line per file: COLUMNS
    DIR/settings.json                                   what must not change between two runs into one folder

A signer has one body, way of signing, camera and look over all glosses, drawn from the seed of the data set and the
signer's number: the same command gives the same data set, and a larger one holds the smaller one.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from models.errors import LexiconError, SignError
from models.files import read_json, replacing, safe_name
from models.lexicon.avatar import render_avatar
from models.lexicon.body import SignerStyle
from models.lexicon.looks import LOOKS, Look
from models.lexicon.performance import Performance, perform
from models.lexicon.phonology import SignEntry
from models.lexicon.readback import read_back
from models.lexicon.workers import in_processes
from models.pose.files import read_pose, write_pose
from models.video import probe
from models.video_write import write_video

Kind = Literal["poses", "clips", "both", "read"]
READ = ".read.pose"
SUFFIXES: dict[str, tuple[str, ...]] = {
    "poses": (".pose",), "clips": (".mp4",), "both": (".mp4", ".pose"), "read": (READ,)
}  # fmt: skip
COLUMNS = ("path", "gloss", "signer", "seed", "start_ms", "end_ms", "fps", "look")
MANIFEST, SETTINGS = "manifest.csv", "settings.json"
MAX_SIGNERS = 1000


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signer: how they sign and how they look."""

    number: int
    seed: int | None
    """What style and look are drawn from; None for the reference signer."""
    style: SignerStyle = field(default_factory=SignerStyle)
    look: Look = LOOKS["alex"]

    @property
    def name(self) -> str:
        """The signer's id in file names."""
        return f"signer{self.number:02d}"


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """What to render. Raises LexiconError on values outside their range."""

    signers: int = 20
    kind: Kind = "both"
    seed: int = 0
    fps: float = 25
    size: int = 512
    """Width and height of the picture, pixels."""

    def __post_init__(self) -> None:
        if not 1 <= self.signers <= MAX_SIGNERS:
            raise LexiconError(f"{self.signers} signers were asked for; give 1 to {MAX_SIGNERS}.")
        if self.kind not in SUFFIXES:
            raise LexiconError(f"There is no kind {self.kind!r}; choose {', '.join(SUFFIXES)}.")
        if self.seed < 0:
            raise LexiconError(f"The seed is {self.seed}; give a whole number from 0 up.")
        if not (1 <= self.fps <= 120 and 64 <= self.size <= 2048):
            raise LexiconError(f"{self.fps:g} frames/s at {self.size} px; give 1 to 120 frames/s and 64 to 2048 px.")


@dataclass(frozen=True, kw_only=True)
class Take:
    """One sign by one signer: the manifest's lines, and how many files were made and found made already."""

    gloss: str
    rows: tuple[dict[str, str], ...]
    made: int
    kept: int


def person(number: int, seed: int = 0) -> Person:
    """The signer of this number in the data set of this seed. Data sets of different seeds share no signer."""
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return Person(number=number, seed=drawn, style=SignerStyle.random(drawn), look=Look.random(drawn))


def render_dataset(
    entries: Sequence[SignEntry],
    folder: str | os.PathLike[str],
    options: DatasetOptions | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Take]:
    """Render every entry by every signer into the folder; yields each take as it is done.

    Files that are there and whole are kept, so an interrupted run goes on where it stopped. The manifest is written
    when all is done and keeps the lines of earlier runs into the folder. progress gets takes done and of all.
    workers: processes, one per core unless set. Raises LexiconError when the folder holds a data set of other
    settings, SignError of any kind when a file cannot be written.
    """
    options = options or DatasetOptions()
    root = Path(folder)
    _claim(root, options)
    people = [person(number, options.seed) for number in range(options.signers)]
    tasks = [(root, entry, signer, options) for entry, signer in product(entries, people)]
    rows: list[dict[str, str]] = []
    for done, take in enumerate(in_processes(_take, tasks, workers), start=1):
        rows += take.rows
        if progress is not None:
            progress(done, len(tasks))
        yield take
    _write_manifest(root, rows)


def describe_look(look: Look) -> str:
    """A look in a few words for the manifest: colours in hexadecimal RGB."""
    colours = {"skin": look.skin, "hair": look.hair, "shirt": look.shirt}
    parts = [f"{name}=#{red:02x}{green:02x}{blue:02x}" for name, (red, green, blue) in colours.items()]
    return " ".join([*parts, f"hair_style={look.hair_style}", f"neckline={look.neckline}", f"sleeve={look.sleeve}"])


def _take(root: Path, entry: SignEntry, signer: Person, options: DatasetOptions) -> Take:
    """Perform the sign, and write what is not there yet."""
    performance = perform([entry], signer.style, fps=options.fps, width=options.size, height=options.size)
    made, rows = 0, []
    for suffix in SUFFIXES[options.kind]:
        path = root / entry.gloss / f"{signer.name}{suffix}"
        if not _is_whole(path, performance):
            made += 1
            if suffix == READ:
                drawn = render_avatar(performance.pose, signer.look)
                write_pose(path, read_back(drawn, fps=options.fps, through_video=True))
            elif suffix == ".pose":
                write_pose(path, performance.pose)
            else:
                write_video(path, render_avatar(performance.pose, signer.look), fps=options.fps)
        rows.append(_row(path.relative_to(root), performance, signer, options))
    return Take(gloss=entry.gloss, rows=tuple(rows), made=made, kept=len(rows) - made)


def _is_whole(path: Path, performance: Performance) -> bool:
    """Whether the file is there and holds as many frames of the same size as the performance."""
    pose = performance.pose
    wanted = (len(pose.body.data), pose.header.dimensions.width, pose.header.dimensions.height)
    if not path.is_file():
        return False
    try:
        if path.suffix == ".pose":
            there = read_pose(path)
            size = there.header.dimensions
            return (len(there.body.data), size.width, size.height) == wanted
        clip = probe(path)
    except SignError:
        return False
    return (clip.num_frames, clip.width, clip.height) == wanted


def _row(path: Path, performance: Performance, signer: Person, options: DatasetOptions) -> dict[str, str]:
    (segment,) = performance.segments
    values = (
        path.as_posix(),
        segment.gloss,
        signer.name,
        str(signer.seed),
        f"{segment.start_ms:.0f}",
        f"{segment.end_ms:.0f}",
        f"{options.fps:g}",
        describe_look(signer.look),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _claim(root: Path, options: DatasetOptions) -> None:
    """Note the settings in the folder. Raises LexiconError when it was made with others, or holds other things."""
    settings = {"seed": options.seed, "fps": options.fps, "size": options.size}
    path = root / SETTINGS
    if root.exists() and not root.is_dir():
        raise LexiconError(f"{safe_name(root)} is a file; give a folder for the data set.")
    if not path.exists():
        if root.exists() and any(root.iterdir()):
            raise LexiconError(f"{safe_name(root)} holds other files; give a new or empty folder for the data set.")
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return
    try:
        before = read_json(path)
    except (OSError, ValueError) as error:
        raise LexiconError(
            f"{safe_name(root)}/{SETTINGS} cannot be read ({error}); give another folder, or remove this one."
        ) from None
    if before != settings:
        raise LexiconError(
            f"{safe_name(root)} holds a data set made with {before}, and {settings} is asked for; give another folder."
        )


def _write_manifest(root: Path, rows: Sequence[dict[str, str]]) -> None:
    """The lines of this run, and those of earlier runs whose files are still there, by path."""
    path = root / MANIFEST
    lines = {row["path"]: row for row in _read_manifest(path) if (root / row["path"]).is_file()}
    lines |= {row["path"]: row for row in rows}
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines[key] for key in sorted(lines))


def _read_manifest(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if tuple(row) == COLUMNS and None not in row.values()]
