"""Where a corpus keeps its tables, and where their frames are: the folders that are usual, tried in turn."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Literal

from models.data.corpus_files import Format, guess_format
from models.data.frame_folders import Place, find_place, names_in
from models.data.splits import SPLITS, Split
from models.errors import SignError
from models.files import safe_name

SPLIT_WORDS: Mapping[str, Split] = {
    "train": "train", "training": "train", "dev": "val", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_TABLES: Mapping[Format, tuple[str, ...]] = {
    "phoenix": ("*.corpus.csv",), "frames-csv": ("*gloss*.csv", "*.csv", "*.tsv"), "stm": ("*.stm",)
}  # fmt: skip
_TABLE_FOLDERS = ("", "annotation*/", "annotation*/*/", "evaluation/", "*/annotation*/*/", "*/evaluation/")
_FRAME_FOLDERS = ("", "frames/", "videos/", "features/fullFrame*/", "features/*/")
_LEVELS_UP = 3  # from PHOENIX-2014-T/annotations/manual to PHOENIX-2014-T


def find_tables(source: Path, form: Format | Literal["auto"] = "auto") -> tuple[Format, list[Path]]:
    """The tables of a corpus and their format. Raises SignError when there is none, or two for one split."""
    if source.is_file():
        if form == "auto":
            form = guess_format(source)
        return form, _of_one_corpus(source, [source, *_siblings(source)])
    if not source.is_dir():
        raise SignError(f"{safe_name(source)} is not there; give a folder or a table.")
    for one in _TABLES if form == "auto" else (form,):
        for pattern in _TABLES[one]:
            for folder in _TABLE_FOLDERS:
                found = sorted(path for path in source.glob(folder + pattern) if path.name[0] != ".")
                if one == "frames-csv" and not (len(found) == 1 and "gloss" in pattern):
                    found = [path for path in found if split_in(path.name)]
                if found:
                    return one, _of_one_corpus(source, found)
    raise SignError(
        f"{safe_name(source)} holds no table of a corpus: no train_gloss_eng.csv or the like, *.corpus.csv or *.stm; "
        "give the table itself."
    )


def split_in(name: str) -> Split | None:
    """The split that a file's name speaks of; None when it speaks of none."""
    words = re.split(r"[^a-z]+", name.casefold())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)


def _of_one_corpus(source: Path, found: Iterable[Path]) -> list[Path]:
    """The tables that differ in the word for the split only; those for most splits when there are several corpora."""
    corpora: dict[str, dict[Split | None, Path]] = defaultdict(dict)
    for path in found:
        before = corpora[_without_split(path.name)].setdefault(split_in(path.name), path)
        if before != path:
            both = f"{safe_name(before)} and {safe_name(path)}"
            raise SignError(f"{both} are both for {split_in(path.name)}; move one of them away.")
    most = max(map(len, corpora.values()))
    fullest = [one for one in corpora.values() if len(one) == most]
    if len(fullest) > 1:
        names = ", ".join(safe_name(min(one.values())) for one in fullest[:4])
        raise SignError(
            f"{safe_name(source)} holds tables of {len(fullest)} corpora ({names}); give one of them as the source, "
            "and those of the other splits are found by its name."
        )
    return [fullest[0][split] for split in (*SPLITS, None) if split in fullest[0]]


def _siblings(path: Path) -> list[Path]:
    """Tables of the other splits: the same name but for the word for the split."""
    if split_in(path.name) is None:
        return []
    name = _without_split(path.name)
    beside = (one for one in sorted(path.parent.iterdir()) if one.is_file() and _without_split(one.name) == name)
    return [one for one in beside if split_in(one.name) not in (None, split_in(path.name))]


def _without_split(name: str) -> str:
    words = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
    return re.sub(rf"(?<![a-z])(?:{words})(?![a-z])", "*", name.casefold(), count=1)


class Search:
    """Where frames are looked for, and how many were found where."""

    def __init__(self, frames: Path | None) -> None:
        self._frames = frames
        self._roots: dict[tuple[Path, Split], dict[Path, frozenset[str]]] = {}
        self._found: Counter[Path] = Counter()

    def _roots_of(self, table: Path, split: Split) -> Mapping[Path, Container[str]]:
        if (table, split) not in self._roots:
            levels = table.absolute().parents[:_LEVELS_UP]
            found = _roots([self._frames] if self._frames else levels, split)
            self._roots[table, split] = {root: names_in(root) for root in found}
        return self._roots[table, split]

    def place(self, table: Path, split: Split, video: str) -> Place | None:
        """Where the frames of a sentence are; None when they are nowhere. Raises as `find_place`."""
        place = find_place(video, self._roots_of(table, split))
        if place is not None:
            self._found[place.root] += 1
        return place

    def notes(self) -> list[str]:
        """Where frames were found, in words."""
        if not self._found:
            return ["No frames are found for any sentence; say where they are with --frames."]
        return [f"frames of {count} sentences are in {place}" for place, count in self._found.most_common(6)]


def _roots(bases: Iterable[Path], split: Split) -> list[Path]:
    words = [word for word, meant in SPLIT_WORDS.items() if meant == split]
    found: dict[Path, None] = {}
    for base in bases:
        for folder in _FRAME_FOLDERS:
            for place in sorted(base.glob(folder)) if folder else [base]:
                found |= dict.fromkeys(place / word for word in words if (place / word).is_dir())
                if place.is_dir():
                    found[place] = None
    return list(found)
