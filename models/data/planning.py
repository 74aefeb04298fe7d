"""What a run of the WLASL pipeline would take: instances, bytes and hours, without doing any of it.

Bytes and hours are judged by what earlier runs into the same folder measured. Before there is anything to measure,
bytes are those of full Holistic landmarks at the usual length of a clip, and hours are not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from statistics import mean

from models.data.asked import DOWNLOAD, Asked, WlaslOptions, ask, check_list, excluded, sources
from models.data.cuts import Source
from models.data.download import download_tasks, source_name
from models.data.lexicons import LEXICON
from models.data.manifest import FILE, Manifest, Row
from models.data.poses import CLEAN, EXTRACT, clean_tasks, extract_tasks
from models.data.splits import SPLITS
from models.data.store import Store, free_bytes
from models.data.work import Task, is_current
from models.pool import available_cores

FRAMES = 65
"""Frames of a clip of WLASL: the median of 109."""
BYTES = {EXTRACT: 15_000 + FRAMES * 9_216, CLEAN: 2_700 + FRAMES * 2_848}
"""Of a pose of that length: the header, and 576 or 178 landmarks a frame with x, y, z and confidence."""
MEASURED = 200
"""So many results of a phase are looked at."""


@dataclass(frozen=True, kw_only=True)
class PhasePlan:
    """What one phase would do."""

    phase: str
    total: int
    """Items: URLs for download, else instances."""
    done: int
    """With a result that is still good, rejected and dead ones too."""
    to_do: int
    bytes_needed: int | None
    """None: not known before some are done."""
    seconds: float | None
    """None: not known before some are done."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do."""

    glosses: int
    instances: dict[str, int]
    """Asked for, by split."""
    urls: int
    """That serve those of them which are not among the user's videos."""
    copies: int
    """Instances served by the user's videos."""
    without_video: int
    """Instances whose video is not here, and will not be fetched by this run."""
    phases: tuple[PhasePlan, ...]
    bytes_needed: int
    """Of all phases, as far as known."""
    free_bytes: int
    """On the disk of the folder."""
    notes: tuple[str, ...]
    """How this was estimated, and what is wrong with the list."""


def plan(options: WlaslOptions) -> Plan:
    """What `run` would do with these options. Raises SignError as it does, but when somebody works in the folder."""
    asked, store = ask(options), options.open_store()
    with ExitStack() as stack:
        manifest = None
        if (options.out / FILE).is_file():
            manifest = stack.enter_context(Manifest(options.out))
            check_list(manifest, options)
        look = _Look(manifest=manifest, store=store, options=options)
        found, fetching = sources(asked, store), download_tasks(asked.data.instances, asked.have)
        coming = _coming(look, asked, found, fetching)
        phases = tuple(_phases(look, asked, found, fetching, coming))
    splits = Counter(one.split for one in asked.data.instances)
    return Plan(
        glosses=len(asked.data.glosses),
        instances={split: count for split in SPLITS if (count := splits[split])},
        urls=len(fetching),
        copies=sum(one.video_id in asked.have for one in asked.data.instances),
        without_video=len(asked.data.instances) - len(found) - coming,
        phases=phases,
        bytes_needed=sum(one.bytes_needed or 0 for one in phases),
        free_bytes=free_bytes(options.out),
        notes=(*_notes(phases), *asked.data.problems),
    )


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What is there already."""

    manifest: Manifest | None
    """None: nothing was done in the folder before."""
    store: Store
    options: WlaslOptions

    def done(self, phase: str, tasks: Iterable[Task], again: Collection[str] = ("failed",)) -> set[str]:
        """The items of those tasks that have a result which is still good."""
        if self.manifest is None:
            return set()
        rows = ((task, self.manifest.get(phase, task.item)) for task in tasks)
        return {task.item for task, row in rows if row and is_current(row, task, self.store, frozenset(again))}

    def measured(self, phase: str) -> Iterator[Row]:
        """Some results of earlier runs."""
        return iter(()) if self.manifest is None else islice(self.manifest.rows(phase, "done"), MEASURED)

    def bytes_each(self, phase: str) -> float | None:
        """Mean size of what a phase makes; None where nothing tells."""
        if phase == LEXICON and self.store.folder is not None:
            return 0  # hard links
        sizes = [self.store.size(row.output) or 0 for row in self.measured(CLEAN if phase == LEXICON else phase)]
        if sizes:
            return mean(sizes)
        return BYTES.get(phase)

    def plan(self, phase: str, total: int, done: int, workers: int = 1) -> PhasePlan:
        """A phase's plan by what one of its items takes."""
        seconds, each = [row.seconds for row in self.measured(phase)], self.bytes_each(phase)
        to_do = max(total - done, 0)
        return PhasePlan(
            phase=phase,
            total=total,
            done=done,
            to_do=to_do,
            bytes_needed=0 if not to_do else None if each is None else round(to_do * each),
            seconds=to_do * mean(seconds) / workers if seconds else None,
        )


def _coming(look: _Look, asked: Asked, found: Mapping[str, Source], fetching: Sequence[Task]) -> int:
    """How many instances have no video yet, and are served by what this run will fetch."""
    if DOWNLOAD not in look.options.phases:
        return 0
    to_fetch = {task.item for task in fetching} - look.done(DOWNLOAD, fetching, look.options.again)
    missing = (one for one in asked.data.instances if one.item not in found)
    return sum(source_name(one.url) in to_fetch for one in missing)


def _phases(
    look: _Look, asked: Asked, found: Mapping[str, Source], fetching: Sequence[Task], coming: int
) -> Iterator[PhasePlan]:
    """The phases that were chosen; each takes what the one before it will have left."""
    options, instances = look.options, asked.data.instances
    workers = options.workers or available_cores()
    if DOWNLOAD in options.phases:
        yield look.plan(DOWNLOAD, len(fetching), len(look.done(DOWNLOAD, fetching, options.again)))
    extracted = {row.item for row in look.manifest.rows(EXTRACT, "done")} if look.manifest else set()
    ready = sum(one.item in extracted for one in instances)
    if EXTRACT in options.phases:
        tasks = extract_tasks(instances, found, padding=options.box_padding)
        done = look.done(EXTRACT, tasks)
        ready = len(found) + coming
        yield look.plan(EXTRACT, ready, len(done), workers)
    cleaned = set()
    if look.manifest is not None:
        tasks = clean_tasks(instances, look.manifest, limits=options.limits, options=options.cleaning)
        cleaned = look.done(CLEAN, tasks)
    if CLEAN in options.phases:
        yield look.plan(CLEAN, ready, len(cleaned), workers)
    if LEXICON in options.phases:
        linked, left_out = set(), set()
        if look.manifest is not None:
            linked = {row.item for row in look.manifest.rows(LEXICON, "done")}
            left_out = {row.item for row in look.manifest.rows(CLEAN, "rejected")} | excluded(look.manifest)
        yield look.plan(LEXICON, ready - len(left_out & cleaned), len((linked & cleaned) - left_out))


def _notes(phases: Iterable[PhasePlan]) -> Iterator[str]:
    """How bytes and hours were found."""
    for one in phases:
        if one.to_do and one.bytes_needed is None:
            yield f"How many bytes the {one.phase} takes is not known before some is done."
        if one.to_do and one.seconds is None and one.phase != LEXICON:  # which takes seconds
            yield f"How long the {one.phase} takes is not known before some is done."
    yield f"Bytes are those of earlier results in this folder, else those of poses of {FRAMES} frames."
