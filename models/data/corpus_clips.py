"""A corpus as a folder that recognizers train on: clips.csv, and a video of every sentence.

    DIR/clips.csv                    path,glosses,signer,split as the four-stage recognizer reads it
    DIR/clips/train/ID.mp4           made of a folder of frames, or the same file as a video that was there
    DIR/manifest.sqlite              what is made, so that an interrupted run goes on

clips.csv is a format of its reader's, and that reader wants every gloss of its validation and test to be in training,
and a gloss in every line: sentences that have none, or no frames, are left out of it, by name.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.corpora import Corpus, Sentence
from models.data.frame_folders import list_frames
from models.data.manifest import Manifest
from models.data.store import Store
from models.data.work import Engine, Made, Stop, Task, Tell, carry_out, fingerprint, in_this_process
from models.errors import SignError
from models.files import replacing, slug
from models.pictures import read_picture
from models.video_write import write_video

PHASE = "clips"
CLIPS, COLUMNS = "clips.csv", ("path", "glosses", "signer", "split")
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}
FPS = 25.0


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a worker makes a clip of."""

    source: Path
    """A folder of pictures, or a video."""
    pattern: str
    name: str
    """Of the clip in the store."""
    fps: float


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a corpus's sentences."""

    clips: int
    """Lines of clips.csv."""
    left_out: dict[str, tuple[str, ...]]
    """Why a sentence is not in clips.csv, and the split/id of those."""
    failed: tuple[str, ...]
    """What went wrong with a clip, in words."""


def write_corpus(
    corpus: Corpus,
    out: Path,
    *,
    fps: float = FPS,
    engine: Engine = in_this_process,
    tell: Tell | None = None,
    should_stop: Stop | None = None,
) -> Written:
    """Write the clips and clips.csv of a corpus; what an earlier run wrote and is still right is left alone.

    fps: frames per second that the folders of pictures were taken at; videos keep theirs.
    Raises SignError when there is nothing to write, Cancelled when should_stop said so.
    """
    chosen, left_out = usable(corpus)
    if not chosen:
        reasons = ", ".join(f"{len(ids)} {why}" for why, ids in left_out.items())
        raise SignError(f"No sentence can be used: {reasons}.")
    store = Store(str(out))
    with Manifest(out, writing=True) as manifest:
        store.sweep("clips")
        carry_out(
            PHASE, tasks(chosen, float(fps)), partial(_maker, store), total=len(chosen), manifest=manifest, store=store,
            engine=engine, tell=tell, should_stop=should_stop,
        )  # fmt: skip
        wanted = {_item(one) for one in chosen}
        failed = {row.item: row.words for row in manifest.rows(PHASE) if row.item in wanted and row.state != "done"}
    chosen, left_out = usable(corpus, failed)
    _write_list(out / CLIPS, chosen)
    return Written(clips=len(chosen), left_out=left_out, failed=tuple(failed.values()))


def usable(corpus: Corpus, failed: Container[str] = ()) -> tuple[list[Sentence], dict[str, tuple[str, ...]]]:
    """The sentences that clips.csv can hold, and split/id of the others by the reason. failed: split/id, too."""
    whole: list[Sentence] = []
    left_out: dict[str, list[str]] = defaultdict(list)

    def leave(one: Sentence, why: str) -> None:
        left_out[why].append(_item(one))

    for one in corpus.sentences:
        if one.frames is None:
            leave(one, "without frames")
        elif not one.glosses:
            leave(one, "without glosses")
        elif one.num_frames == 1:
            leave(one, "of a single frame")
        elif _item(one) in failed:
            leave(one, "that failed")
        else:
            whole.append(one)
    known = {gloss for one in whole if one.split == "train" for gloss in one.glosses}
    chosen = []
    for one in whole:
        if known.issuperset(one.glosses):
            chosen.append(one)
        else:
            leave(one, "with glosses that no training clip has")
    return chosen, {why: tuple(items) for why, items in left_out.items()}


def tasks(sentences: Iterable[Sentence], fps: float) -> Iterator[Task]:
    """One clip per sentence."""
    for one in sentences:
        assert one.frames is not None
        film = Film(source=one.frames, pattern=one.pattern, name=_clip(one), fps=fps)
        rate = [] if one.frames.is_file() else [fps]
        yield Task(item=_item(one), made_from=fingerprint(film.name, *rate, _state(one)), value=film)


def _item(sentence: Sentence) -> str:
    return f"{sentence.split}/{sentence.id}"


def _clip(sentence: Sentence) -> str:
    """Where its clip goes. An id that cannot be a file name gets a mark, so that no two become the same."""
    place, name = sentence.frames, sentence.id
    assert place is not None
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        name = f"{slug(name + '.x')}-{fingerprint(name)[:8]}"
    return f"clips/{sentence.split}/{name}{place.suffix.lower() if place.is_file() else '.mp4'}"


def _state(sentence: Sentence) -> list[Any]:
    """What the source looks like: changes when a frame is added, taken away or written anew."""
    place = sentence.frames
    assert place is not None
    try:
        names = [] if place.is_file() else list_frames(place, sentence.pattern).names
        told = [(path.name, path.stat()) for path in [place / name for name in names] or [place]]
    except OSError as error:  # the worker will find the same, and its words become those of the failure
        return [str(place), str(error)]
    return [str(place), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in told]]


def _maker(store: Store) -> Any:
    return partial(_make, store)


def _make(store: Store, film: Film) -> Made:
    with store.writing(film.name) as path:
        if film.source.is_file():
            _same_file(film.source, path)
            return Made(output=film.name)
        names = list_frames(film.source, film.pattern).names
        count = write_video(path, _pictures([film.source / name for name in names]), fps=film.fps)
    return Made(output=film.name, info={"frames": count})


def _pictures(paths: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for path in paths:
        picture = read_picture(path)
        shape = shape or picture.shape
        if picture.shape != shape:
            size, first = (f"{one[1]} x {one[0]}" for one in (picture.shape, shape))
            raise SignError(f"{path.parent.name}/{path.name} is {size} px, and the first frame {first}.")
        yield picture


def _same_file(source: Path, path: Path) -> None:
    """A hard link, which takes no space, or a copy. No symbolic link: clips.csv may not lead out of its folder."""
    try:
        os.link(source.resolve(), path)
    except OSError:
        shutil.copyfile(source, path)


def _write_list(path: Path, sentences: Sequence[Sentence]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in sentences:
            table.writerow((_clip(one), " ".join(one.glosses), one.signer, SPLIT_NAMES[one.split]))
