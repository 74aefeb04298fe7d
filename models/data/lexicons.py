"""The phase `lexicon`: cleaned poses to one lexicon for each split, as the `spoken-to-signed` package loads them.

    lexicons/train/index.csv     the lexicon's index: see `models.lexicon.index`
    lexicons/train/*.pose        hard links to poses/processed/train, so they cost no space
    lexicons/index_train.csv     the same lines for all the splits in one folder: paths begin with train/

Several clips of a gloss are its variants: the best one has priority 0 and comes first (`_worth`). A pose is linked
before an index names it and removed after none does. What is held in memory is one short record for each pose.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from models.data.manifest import Manifest, Row
from models.data.poses import CLEAN, EXTRACT
from models.data.splits import SPLITS
from models.data.store import Store
from models.data.wlasl import Instance
from models.data.work import Engine, Made, Stop, Task, Tell, carry_out, fingerprint
from models.lexicon.index import COLUMNS, INDEX
from models.lexicon.recordings import time_of

LEXICON = "lexicon"
FOLDER = "lexicons"


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """One line of an index."""

    item: str
    gloss: str
    word: str
    end_ms: int
    worth: tuple[float, ...]
    """Smaller is better."""
    pose: str
    """Its name in the store."""
    made_from: str


def write_lexicons(
    manifest: Manifest,
    store: Store,
    instances: Iterable[Instance],
    *,
    engine: Engine,
    splits: Sequence[str] = SPLITS,
    excluded: Collection[str] = (),
    spoken_language: str = "en",
    signed_language: str = "ase",
    tell: Tell | None = None,
    should_stop: Stop | None = None,
) -> dict[str, dict[str, int]]:
    """Write the lexicon of each split from the rows of `clean`; returns how many signs and glosses each has.

    excluded: items to leave out. A split without a sign gets neither folder nor index, and counts 0.
    Raises Cancelled when should_stop said so: the lexicons are then as they were, or whole.
    """
    left_out = frozenset(excluded)
    signs = _signs(manifest, {one.item: one for one in instances if one.item not in left_out})
    tasks = [_link_task(split, sign) for split in splits for sign in signs.get(split, [])]
    carry_out(
        LEXICON,
        tasks,
        partial(_linking, store),
        total=len(tasks),
        manifest=manifest,
        store=store,
        engine=engine,
        tell=tell,
        should_stop=should_stop,
    )
    there = {row.item for row in manifest.rows(LEXICON, "done")}
    counts = {}
    for split in splits:
        linked = [sign for sign in signs.get(split, []) if sign.item in there]
        lines = [_line(sign, place, spoken_language, signed_language) for sign, place in _ranked(linked)]
        _write(store, f"{FOLDER}/{split}/{INDEX}", lines)
        _write(store, f"{FOLDER}/index_{split}.csv", [[f"{split}/{line[0]}", *line[1:]] for line in lines])
        counts[split] = {"signs": len(lines), "glosses": len({line[6] for line in lines})}
    _tidy(manifest, store, splits, {task.item: task.value[1] for task in tasks})
    return counts


def _signs(manifest: Manifest, wanted: Mapping[str, Instance]) -> dict[str, list[_Sign]]:
    """The signs of each split, read one row at a time."""
    found: dict[str, list[_Sign]] = defaultdict(list)
    for row in manifest.rows(CLEAN, "done"):
        instance, raw = wanted.get(row.item), manifest.get(EXTRACT, row.item)
        if instance is None or raw is None or raw.state != "done":
            continue
        sign = _Sign(
            item=row.item,
            gloss=instance.gloss,
            word=" ".join(instance.word.split()),
            end_ms=time_of(row.info["frames"], row.info["fps"]),  # never 0: that costs other readers the last frame
            worth=_worth(raw),
            pose=row.output,
            made_from=row.made_from,
        )
        found[instance.split].append(sign)
    return found


def _worth(raw: Row) -> tuple[float, ...]:
    """What orders the variants of a gloss, smaller first: the verdict, then how much of hands and body was seen.

    Rounded to percent, so that the order does not hang on noise; what is still equal is ordered by name.
    """
    verdict = ("keep", "review", "reject").index(raw.info["quality"]["verdict"])
    return (float(verdict), -round(raw.info["hands"], 2), -round(raw.info["body"], 2))


def _ranked(signs: Iterable[_Sign]) -> Iterator[tuple[_Sign, int]]:
    """The signs with their priority, from 0 up for each gloss; in the order of the index."""
    places: dict[str, int] = defaultdict(int)
    for sign in sorted(signs, key=lambda sign: (sign.gloss, sign.worth, sign.item)):
        yield sign, places[sign.gloss]
        places[sign.gloss] += 1


def _line(sign: _Sign, priority: int, spoken_language: str, signed_language: str) -> list[str]:
    """In the order of COLUMNS."""
    times = ("0", str(sign.end_ms))
    return [f"{sign.item}.pose", spoken_language, signed_language, *times, sign.word, sign.gloss, str(priority)]


def _write(store: Store, name: str, lines: list[list[str]]) -> None:
    """An index; none, and no older one, when it has no line."""
    if not lines:
        store.remove(name)
        return
    with store.writing(name) as made, made.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(lines)


def _tidy(manifest: Manifest, store: Store, splits: Iterable[str], made: Mapping[str, str]) -> None:
    """Take away the poses of earlier runs that no index names any more."""
    for row in list(manifest.rows(LEXICON)):
        if row.item not in made:
            manifest.forget(LEXICON, row.item)
    named = set(made.values())
    for split in splits:
        folder = f"{FOLDER}/{split}"
        for name in store.names(folder):
            if name.endswith(".pose") and name not in named:
                store.remove(name)
        if store.folder is not None:
            with suppress(OSError):  # not there, or not empty
                (store.folder / folder).rmdir()


def _link_task(split: str, sign: _Sign) -> Task:
    to = f"{FOLDER}/{split}/{sign.item}.pose"
    return Task(item=sign.item, made_from=fingerprint(sign.made_from, sign.pose, to), value=(sign.pose, to))


def _linking(store: Store) -> Callable[[tuple[str, str]], Made]:
    def link(names: tuple[str, str]) -> Made:
        store.link(*names)
        return Made(output=names[1])

    return link
