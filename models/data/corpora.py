"""Continuous signing as corpora come: sentences with their glosses, and the frames or video of each.

`read_corpus` finds the tables of a folder (see `models.data.corpus_files`), reads every line to a `Sentence`, and looks
for its frames. Nothing that is wrong with one sentence stops the others, and nothing of it is kept quiet: it becomes a
`Problem` with file and line. Glosses stay as they are written, but for those of frames + CSV, which become upper case;
`markers` and `clean` change them only when asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

from models.data.corpus_files import FORMATS, ColumnNames, Format, Line, Problem, Table, read_table
from models.data.corpus_search import SPLIT_WORDS, Search, find_tables, split_in
from models.data.frame_folders import Place, list_frames
from models.data.gloss_cleaning import CLEAN, Clean, cleaned, is_marker
from models.data.splits import SPLITS, Split
from models.errors import SignError, VideoError
from models.files import safe_name
from models.video import probe


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A signed sentence."""

    id: str
    """One of its kind within the split."""
    split: Split
    signer: str
    """Empty when unknown."""
    glosses: tuple[str, ...]
    text: str = ""
    """In the spoken language; empty when there is none."""
    frames: Path | None = None
    """A folder of pictures, or a video; None when it was not found."""
    pattern: str = "*"
    """What the names of the pictures look like."""
    num_frames: int | None = None
    """None when there are no frames, or the video does not say."""
    where: str = ""
    """File and line that it was read from."""


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """How a corpus is read."""

    format: Format | Literal["auto"] = "auto"
    frames: Path | None = None
    """Where the folders of frames are, or the videos; looked for around the tables unless set."""
    markers: Literal["keep", "drop"] = "keep"
    """__ON__, __OFF__, __EMOTION__ and such, which are no signs."""
    clean: Clean = "none"
    columns: ColumnNames = field(default_factory=ColumnNames)

    def __post_init__(self) -> None:
        if self.format not in ("auto", *FORMATS):
            raise SignError(f"There is no format {self.format!r}; choose {', '.join(FORMATS)} or auto.")
        if self.markers not in ("keep", "drop"):
            raise SignError(f"Markers are {self.markers!r}; choose keep or drop.")
        if self.clean not in CLEAN:
            raise SignError(f"There is no cleaning {self.clean!r}; choose {', '.join(CLEAN)}.")
        if self.frames is not None and not self.frames.is_dir():
            raise SignError(f"{safe_name(self.frames)} is no folder; give the one that holds the frames.")


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Sentences that were read, and what was found on the way."""

    format: Format
    files: tuple[Path, ...]
    sentences: tuple[Sentence, ...]
    """By split, in the order of the files."""
    notes: tuple[str, ...]
    """What was decided, such as which line was skipped and where the frames are."""
    problems: tuple[Problem, ...]

    def of(self, split: Split) -> tuple[Sentence, ...]:
        """The sentences of a split."""
        return tuple(one for one in self.sentences if one.split == split)


def read_corpus(
    source: Path, options: CorpusOptions | None = None, tell: Callable[[int, int], None] | None = None
) -> Corpus:
    """The sentences of a folder, or of one table and those beside it that differ in the word for the split only.

    tell gets how many sentences' frames were looked for, of how many.
    Raises SignError when there is no table, or none that can be read.
    """
    options = options or CorpusOptions()
    form, paths = find_tables(source, options.format)
    tables = {path: read_table(path, form, options.columns) for path in paths}
    lines, problems = _lines(tables)
    if not lines:
        first = f"; {problems[0].where}: {problems[0].words}" if problems else ", there is none below the header"
        raise SignError(f"{safe_name(source)}: no line can be used{first}.")
    search = Search(options.frames)
    sentences: list[Sentence] = []
    for done, (path, split, line) in enumerate(lines, start=1):
        sentence, wrong = _sentence(line, split, form, options, partial(search.place, path, split))
        sentences.append(sentence)
        problems += wrong
        if tell is not None:
            tell(done, len(lines))
    if not any(one.frames for one in sentences):  # then it is said once, not of each
        problems = [one for one in problems if one.kind != "missing"]
    problems += _shared(sentences)
    return Corpus(
        format=form,
        files=tuple(paths),
        sentences=tuple(sorted(sentences, key=lambda one: SPLITS.index(one.split))),
        notes=(*(note for table in tables.values() for note in table.notes), *search.notes()),
        problems=tuple(problems),
    )


def vocabulary(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Every gloss of the training sentences, sorted. Raises SignError when there is none."""
    found = {gloss for one in sentences if one.split == "train" for gloss in one.glosses}
    if not found:
        raise SignError("No sentence is in the split train; there is nothing to learn from.")
    return tuple(sorted(found))


def frames_needed(glosses: Sequence[object]) -> int:
    """Steps without which CTC has no path: one per gloss, and a blank between equal neighbours."""
    return len(glosses) + sum(one == other for one, other in pairwise(glosses))


def is_infeasible(sentence: Sentence, stride: int = 1) -> bool | None:
    """Whether CTC has no path, for a model that makes one step of `stride` frames; None when the frames are unknown."""
    if stride < 1:
        raise SignError(f"The stride is {stride}; give 1 or more frames a step.")
    if sentence.num_frames is None:
        return None
    return sentence.num_frames // stride < frames_needed(sentence.glosses)


def _lines(tables: Mapping[Path, Table]) -> tuple[list[tuple[Path, Split, Line]], list[Problem]]:
    """Lines with their table and split, each id once in a split."""
    lines: list[tuple[Path, Split, Line]] = []
    problems: list[Problem] = []
    seen: dict[tuple[Split, str], str] = {}
    for path, table in tables.items():
        problems += table.problems
        for line in table.lines:
            split = SPLIT_WORDS.get(line.split.casefold()) if line.split else split_in(path.name) or "train"
            if split is None:
                words = f"the split is {line.split!r}; it has to be train, val or test; left out"
                problems.append(Problem(kind="line", id=line.id, where=line.where, words=words))
            elif (before := seen.setdefault((split, line.id), line.where)) != line.where:
                words = f"stands in {split} already ({before}); left out"
                problems.append(Problem(kind="twice", id=line.id, where=line.where, words=words))
            else:
                lines.append((path, split, line))
    return lines, problems


def _sentence(
    line: Line, split: Split, form: Format, options: CorpusOptions, find: Callable[[str], Place | None]
) -> tuple[Sentence, list[Problem]]:
    written = line.glosses.upper() if form == "frames-csv" else line.glosses
    glosses = cleaned(written.split(), options.clean)
    if options.markers == "drop":
        glosses = tuple(one for one in glosses if not is_marker(one))
    sentence = Sentence(id=line.id, split=split, signer=line.signer, glosses=glosses, text=line.text, where=line.where)

    def problem(kind: str, words: str) -> Problem:
        return Problem(kind=kind, id=line.id, where=line.where, words=words)

    wrong = [] if glosses else [problem("line", "no glosses")]
    try:
        place = find(line.video)
    except (ValueError, OSError) as error:
        return sentence, [*wrong, problem("missing", str(error))]
    if place is None:
        return sentence, [*wrong, problem("missing", f"there is no folder or video {line.video}")]
    count, found = _counted(place)
    if count == 0:
        return sentence, [*wrong, *(problem(kind, words) for kind, words in found.items())]
    filmed = replace(sentence, frames=place.path, pattern=place.pattern, num_frames=count)
    return filmed, [*wrong, *(problem(kind, words) for kind, words in found.items())]


def _counted(place: Place) -> tuple[int | None, dict[str, str]]:
    """Frames of a folder or video, 0 when it cannot be used, and what is wrong with them."""
    if place.path.is_file():
        try:
            return probe(place.path).num_frames, {}
        except VideoError as error:
            return 0, {"broken": str(error)}
    try:
        listing = list_frames(place.path, place.pattern)
    except OSError as error:
        return 0, {"broken": f"{place.path.name} cannot be read ({error.strerror})"}
    told = listing.complaints()
    if not listing.names:
        told = {"empty": f"{place.path.name} holds no numbered picture", **told}
    return len(listing.names), told


def _shared(sentences: Sequence[Sentence]) -> list[Problem]:
    """Sentences of one name and the same glosses in several splits; folders that are only numbered may share a name."""
    splits: dict[tuple[str, tuple[str, ...]], list[Sentence]] = defaultdict(list)
    for one in sentences:
        splits[one.id, one.glosses].append(one)
    several = [found for found in splits.values() if len(found) > 1]
    return [
        Problem(
            kind="shared",
            id=found[0].id,
            where=found[1].where,
            words=f"stands in {' and '.join(one.split for one in found)}, with the same glosses",
        )
        for found in several
    ]
