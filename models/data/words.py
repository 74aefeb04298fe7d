"""Folders of words to samples for training: raw/WORD/person01.mp4 to OUT/WORD/person01/, and one index.csv.

    path,word,signer,split
    HELLO/person01,HELLO,person01,train

Samples are made one clip at a time (`models.data.word_samples`), in any order and on any machine; the manifest knows
which are done. The index is written at the end, out of what is in the folder of words now: signers by
`models.data.word_signers`, splits by `models.data.splits`, both from all clips, so that a clip that fails, or is
done in a second run, moves no other clip to another split. Samples of other options are not in any index: it is taken
away when the options change, until all samples are of one kind again.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.data.engines import EngineName, check_engine, open_engine
from models.data.manifest import FILE, Manifest, Row
from models.data.splits import by_signer
from models.data.store import Store, free_bytes
from models.data.word_samples import VERSION, Format, SampleOptions, WordClip, sampler
from models.data.word_signers import FROM_NAMES, Signers, find_signers
from models.data.work import Stop, Task, Tell, carry_out, fingerprint, is_current
from models.errors import SignError
from models.files import safe_name
from models.pool import available_cores

PHASE = "words"
INDEX = "index.csv"
COLUMNS = ("path", "word", "signer", "split")
SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg"}
    | {".ts", ".mts", ".wmv", ".flv", ".swf", ".ogv", ".3gp", ".gif"}
)
BITS_PER_PIXEL: dict[Format, float] = {"jpeg": 1.5, "mp4": 0.18}
"""Of samples with the usual quality, for an estimate before there is anything to measure."""


@dataclass(frozen=True, kw_only=True)
class WordOptions:
    """What to make of a folder of words, and where. Raises SignError for what cannot be."""

    raw: Path
    """Folder with a folder of clips for each word."""
    out: Path
    """Folder of the manifest, and of all that is made unless `store` is given."""
    frames: int = 60
    """See `models.data.word_samples.SampleOptions`; so the next five."""
    size: int = 256
    hand_size: int = 128
    format: Format = "jpeg"
    quality: int = 95
    crf: int = 18
    signers: str = FROM_NAMES
    """names: from the names of the files; none: not known; or the path of a table with the columns path and signer."""
    workers: int | None = None
    """Processes; None: one for each core."""
    engine: EngineName = "local"
    address: str | None = None
    """Of the Ray cluster."""
    store: str | None = None
    """URL that samples and index are written to."""

    def __post_init__(self) -> None:
        if not Path(self.raw).is_dir():
            raise SignError(f"{self.raw} is no folder; give the one that holds a folder of clips for each word.")
        if Path(self.raw).resolve() == Path(self.out).resolve():
            raise SignError(f"{self.out} is the folder of the clips, too; give another one for the samples.")
        check_engine(self.engine)
        if self.workers is not None and self.workers < 1:
            raise SignError(f"{self.workers} workers were asked for; give 1 or more.")
        _ = self.sample  # it checks its own

    @property
    def sample(self) -> SampleOptions:
        """What each sample is."""
        return SampleOptions(
            frames=self.frames,
            size=self.size,
            hand_size=self.hand_size,
            format=self.format,
            quality=self.quality,
            crf=self.crf,
        )

    def open_store(self) -> Store:
        """Where samples go."""
        return Store(self.store or str(self.out))


@dataclass(frozen=True, kw_only=True)
class WordPlan:
    """What a run would do."""

    words: int
    clips: int
    done: int
    """With a sample that is still good."""
    to_do: int
    signers: int
    """Known ones."""
    splits: Mapping[str, int]
    """Clips by split."""
    bytes_needed: int
    free_bytes: int
    """On the disk of the folder."""
    seconds: float | None
    """By what earlier runs into the folder took; None when there were none."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WordSummary:
    """What is there after a run."""

    samples: int
    with_a_hand: int
    """Samples in which MediaPipe found a hand in any frame."""
    with_both: int
    failed: tuple[Row, ...]
    """Clips that could not be read; the next run tries them again."""


def find_clips(raw: Path, out: Path | None = None) -> tuple[list[WordClip], tuple[str, ...]]:
    """The clips of a folder of words, in order, and sentences about what is left out. out: is no word.

    Raises SignError when there are none.
    """
    clips: list[WordClip] = []
    empty: list[str] = []
    for folder in sorted(path for path in raw.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if out is not None and folder.resolve() == out.resolve():
            continue
        files = [path for path in _videos(folder) if "\\" not in f"{folder.name}{path.name}"]  # no name in a store
        stems = Counter(path.stem for path in files)
        named = [(path, path.stem if stems[path.stem] == 1 else path.name) for path in files]
        word = folder.name
        clips += [WordClip(word=word, name=name, path=path, source=f"{word}/{path.name}") for path, name in named]
        empty += [] if files else [word]
    if not clips:
        raise SignError(f"{safe_name(raw)} holds no WORD/clip.mp4: a folder for each word, with its clips in it.")
    return clips, tuple(_left_out(raw, empty))


def plan(options: WordOptions) -> WordPlan:
    """What `run` would do with these options. Raises SignError as it does, but when somebody works in the folder."""
    clips, notes = find_clips(options.raw, options.out)
    signers = find_signers(clips, options.signers)
    tasks, store, seconds, done = _tasks(clips, options.sample), options.open_store(), None, 0
    sizes: list[int] = []
    if (options.out / FILE).is_file():
        with Manifest(options.out) as manifest:
            rows = ((task, manifest.get(PHASE, task.item)) for task in tasks)
            good = [row for task, row in rows if row and is_current(row, task, store, {"failed"})]
            done = len(good)
            sizes = [int(row.info.get("bytes", 0)) for row in good]
            seconds = sum(row.seconds for row in good) / done if done else None
    each = sum(sizes) / len(sizes) if sizes else _bytes_of_a_sample(options.sample)
    to_do = len(tasks) - done
    return WordPlan(
        words=len({clip.word for clip in clips}),
        clips=len(clips),
        done=done,
        to_do=to_do,
        signers=signers.count,
        splits=dict(Counter(_splits(clips, signers).values())),
        bytes_needed=round(to_do * each),
        free_bytes=free_bytes(options.out),
        seconds=None if seconds is None else to_do * seconds / (options.workers or available_cores()),
        notes=(*_said(signers), *notes),
    )


def run(options: WordOptions, tell: Tell | None = None, should_stop: Stop | None = None) -> Path:
    """Make what is not there yet, and write the index; returns its path; with a store elsewhere there is a copy there.

    A clip that cannot be read is a row of the manifest that failed, and is not in the index.
    Raises SignError when nothing can be done at all, and Cancelled when should_stop said so.
    """
    clips, notes = find_clips(options.raw, options.out)
    signers, store = find_signers(clips, options.signers), options.open_store()
    tasks = _tasks(clips, options.sample)
    with Manifest(options.out, writing=True) as manifest:
        for half in options.out.glob(".part-*"):  # an index, of a process that was killed
            half.unlink()
        _forget_others(manifest, {task.item for task in tasks})
        if manifest.noted("sample") not in (None, options.sample.deciding):
            store.remove(INDEX)
            (options.out / INDEX).unlink(missing_ok=True)
        manifest.note("sample", options.sample.deciding)
        manifest.note("notes", [*_said(signers), *notes])
        carry_out(
            PHASE,
            tasks,
            sampler(store, options.sample, _threads(options, len(tasks))),
            total=len(tasks),
            manifest=manifest,
            store=store,
            engine=open_engine(options.engine, options.workers, options.address),
            tell=tell,
            should_stop=should_stop,
        )
        made = {row.item for row in manifest.rows(PHASE, "done")}
        lines = _index_lines([clip for clip in clips if clip.item in made], signers, _splits(clips, signers))
        for place in {Store(str(options.out)), store}:
            with place.writing(INDEX) as path:
                path.write_text(lines, encoding="utf-8", newline="")
    return options.out / INDEX


def summary(options: WordOptions) -> WordSummary:
    """What the last run left. Raises SignError when there was none."""
    samples = with_a_hand = with_both = 0
    with Manifest(options.out) as manifest:
        for row in manifest.rows(PHASE, "done"):
            found = sum(share > 0 for share in row.info.get("seen", {}).values())
            samples, with_a_hand, with_both = samples + 1, with_a_hand + (found > 0), with_both + (found > 1)
        failed = tuple(manifest.rows(PHASE, "failed"))
    return WordSummary(samples=samples, with_a_hand=with_a_hand, with_both=with_both, failed=failed)


def _videos(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def _left_out(raw: Path, empty: Sequence[str]) -> list[str]:
    words = []
    loose = _videos(raw)
    if loose:
        words.append(f"Clips in no word's folder are left out: {len(loose)}, such as {safe_name(loose[0])}.")
    if empty:
        shown = ", ".join(map(safe_name, empty[:5]))
        words.append(f"Folders without a clip directly in them are left out: {len(empty)}, such as {shown}.")
    return words


def _tasks(clips: Sequence[WordClip], options: SampleOptions) -> list[Task]:
    """Largest file first, so that no core waits at the end for one long clip."""
    sized: list[tuple[int, Task]] = []
    for clip in clips:
        told = clip.path.stat()
        mark = fingerprint(VERSION, clip.source, told.st_size, told.st_mtime_ns, options.deciding)
        sized.append((told.st_size, Task(item=clip.item, made_from=mark, value=clip)))
    return [task for _, task in sorted(sized, key=lambda one: -one[0])]


def _splits(clips: Sequence[WordClip], signers: Signers) -> Mapping[str, str]:
    return by_signer(dict(signers.of), labels={clip.item: clip.word for clip in clips})


def _said(signers: Signers) -> list[str]:
    """How signers were found, and what that means for the splits."""
    if not signers.count:
        return [signers.how, "Clips are split one by one, so the splits may share signers."]
    if signers.count < 3:
        return [signers.how, "With fewer than three signers, not every split can have one of its own."]
    return [signers.how]


def _bytes_of_a_sample(options: SampleOptions) -> float:
    pixels = options.frames * (options.size**2 + 2 * options.hand_size**2)
    return pixels * BITS_PER_PIXEL[options.format] / 8


def _forget_others(manifest: Manifest, items: set[str]) -> None:
    """Rows of clips that are not in the folder of words any more; their samples stay, and are in no index."""
    gone = [row.item for row in manifest.rows(PHASE) if row.item not in items]
    with manifest.together():
        for item in gone:
            manifest.forget(PHASE, item)


def _index_lines(clips: Sequence[WordClip], signers: Signers, splits: Mapping[str, str]) -> str:
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow(COLUMNS)
    table.writerows((clip.item, clip.word, signers.of[clip.item], splits[clip.item]) for clip in clips)
    return lines.getvalue()


def _threads(options: WordOptions, tasks: int) -> int:
    """Of MediaPipe in each worker: with a worker on every core, one each."""
    workers = min(options.workers or available_cores(), max(tasks, 1))
    return max(available_cores() // workers, 1) if options.engine == "local" else 1
