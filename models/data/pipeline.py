"""WLASL from its list of instances to lexicons and a report: `run`; and what that would take: `plan`.

Four phases, each alone or one after the other; what was made, and from what, is in the folder's manifest. A run takes
up where the one before it ended, however that was. A result that does not fit the options any more (another limit,
another box) is made again, and only that, and what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.data.asked import DOWNLOAD, PHASES, Asked, WlaslOptions, ask, check_list, content_of, excluded, sources
from models.data.download import download_tasks, fetcher, in_threads
from models.data.engines import open_engine
from models.data.kept_clips import CLIPS, clip_name, clip_tasks, clipper
from models.data.lexicons import FOLDER as LEXICONS
from models.data.lexicons import LEXICON, write_lexicons
from models.data.manifest import Manifest, Row
from models.data.planning import Plan, plan
from models.data.poses import (
    CLEAN,
    EXTRACT,
    clean_tasks,
    cleaner,
    extract_tasks,
    extractor,
    processed_name,
    raw_name,
)
from models.data.store import Store
from models.data.wlasl import SPLITS, Instance
from models.data.work import Engine, Make, Stop, Task, Tell, carry_out, in_this_process
from models.files import safe_name

__all__ = ["PHASES", "Plan", "WlaslOptions", "failures", "plan", "run"]

FETCHED_AT_ONCE = 8
"""Downloads at a time unless set; each host is asked once at a time."""


def run(options: WlaslOptions, tell: Tell | None = None, should_stop: Stop | None = None) -> Path:
    """Carry out the phases in order and write the report; returns the path of its page.

    Raises SignError for a list that cannot be read or another than the folder was begun with, and when somebody else
    works in the folder; Cancelled when should_stop said so. What is done is kept then; call it again to go on.
    """
    from models.data.report import write_report

    asked, store = ask(options), options.open_store()
    with Manifest(options.out, writing=True) as manifest:
        _claim(manifest, options)
        for one, folder in (
            (store, "videos"),
            (store, "poses"),
            (store, LEXICONS),
            (Store(str(options.out)), "report"),
        ):
            one.sweep(folder)
        _follow_splits(manifest, store, asked.data.instances)
        run_of = _Run(options=options, asked=asked, store=store, manifest=manifest, tell=tell, should_stop=should_stop)
        for phase, work in zip(PHASES, (_download, _extract, _clean, _lexicon), strict=True):
            if phase in options.phases:
                work(run_of)
        return write_report(manifest, store, asked.data, videos=options.videos)


def failures(options: WlaslOptions) -> list[Row]:
    """The rows that failed, of what these options ask for; the next run tries them again."""
    asked = ask(options)
    items = {task.item for task in download_tasks(asked.data.instances, asked.have)}
    items |= {one.item for one in asked.data.instances}
    with Manifest(options.out) as manifest:
        phases = (DOWNLOAD, EXTRACT, CLIPS, CLEAN, LEXICON)
        return [row for phase in phases for row in manifest.rows(phase, "failed") if row.item in items]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all phases of a run work with."""

    options: WlaslOptions
    asked: Asked
    store: Store
    manifest: Manifest
    tell: Tell | None
    should_stop: Stop | None

    def carry_out(
        self,
        phase: str,
        tasks: Iterable[Task],
        make: Make,
        *,
        total: int,
        engine: Engine | None = None,
        again: frozenset[str] = frozenset({"failed"}),
    ) -> None:
        """One phase; by the engine of the options unless another is given."""
        carry_out(
            phase,
            tasks,
            make,
            total=total,
            manifest=self.manifest,
            store=self.store,
            tell=self.tell,
            should_stop=self.should_stop,
            engine=engine or self.engine,
            again=again,
        )

    @property
    def engine(self) -> Engine:
        """What works on many cores."""
        return open_engine(self.options.engine, self.options.workers, self.options.address)


def _download(run: _Run) -> None:
    tasks = download_tasks(run.asked.data.instances, run.asked.have)
    engine = in_threads(run.options.workers or FETCHED_AT_ONCE)
    make = fetcher(run.store)
    run.carry_out(DOWNLOAD, tasks, make, total=len(tasks), engine=engine, again=run.options.again)


def _extract(run: _Run) -> None:
    found, instances = sources(run.asked, run.store), run.asked.data.instances
    padding = run.options.box_padding
    run.carry_out(EXTRACT, extract_tasks(instances, found, padding=padding), extractor(run.store), total=len(found))
    if run.options.keep_clips:
        run.carry_out(CLIPS, clip_tasks(instances, found, padding=padding), clipper(run.store), total=len(found))


def _clean(run: _Run) -> None:
    total = 0
    for instance in run.asked.data.instances:
        raw, clean = (run.manifest.get(phase, instance.item) for phase in (EXTRACT, CLEAN))
        if raw is not None and raw.state == "done":
            total += 1
        elif clean is not None:  # made from a raw pose that could not be made again
            run.store.remove(processed_name(instance))
            run.manifest.forget(CLEAN, instance.item)
    options = run.options
    tasks = clean_tasks(run.asked.data.instances, run.manifest, limits=options.limits, options=options.cleaning)
    run.carry_out(CLEAN, tasks, cleaner(run.store), total=total)


def _lexicon(run: _Run) -> None:
    counts = write_lexicons(
        run.manifest,
        run.store,
        run.asked.data.instances,
        engine=run.engine if run.store.folder is None else in_this_process,  # links are made in no time
        splits=SPLITS,
        excluded=excluded(run.manifest),
        tell=run.tell,
        should_stop=run.should_stop,
    )
    run.manifest.note("lexicons", counts)


def _claim(manifest: Manifest, options: WlaslOptions) -> None:
    """Note the list and the options. Raises SignError as `check_list`."""
    check_list(manifest, options)
    manifest.note(
        "list", manifest.noted("list") or {"name": safe_name(options.json), "content": content_of(options.json)}
    )
    texts = {name: str(getattr(options, name).absolute()) for name in ("json", "out")}
    videos = None if options.videos is None else str(options.videos.absolute())
    manifest.note("options", {**asdict(options), **texts, "videos": videos})


def _follow_splits(manifest: Manifest, store: Store, instances: Iterable[Instance]) -> None:
    """Move what was made of instances that are in another split now; it is the same wherever it lies.

    The row is written last: who is interrupted finds the file under its new name, and only writes the row.
    """
    names: dict[str, Callable[[Instance], str]] = {EXTRACT: raw_name, CLIPS: clip_name, CLEAN: processed_name}
    for instance in instances:
        for phase, name in names.items():
            row = manifest.get(phase, instance.item)
            if row is None or row.info.get("split") in (None, instance.split):
                continue
            wanted = name(instance) if row.output else ""
            if wanted and store.size(row.output) is not None:
                store.link(row.output, wanted)
                store.remove(row.output)
            manifest.put(replace(row, output=wanted, info={**row.info, "split": instance.split}))
