"""A kind of data set that is prepared in moments, for tests of everything around it; run as a program, it is the
studio's command line with that kind in it.

The source is a JSON file: {"toys": [[gloss, split, signer], ...]}. Every item has the clip and the pose that lie beside
it, `clip.mp4` and `clip.pose`; those whose gloss is BAD are not good enough. The folder of the results is as the
pipeline of WLASL leaves it, so the real code reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from models.data.manifest import Manifest
from models.data.store import Store
from models.data.work import Made, Stop, Task, Tell, carry_out, in_this_process
from models.errors import SignError
from studio.preparables import PREPARABLES, Preparable

PHASES = ("extract", "clean", "lexicon")


@dataclass(frozen=True, kw_only=True)
class ToyOptions:
    """What to make of toys, and where."""

    json: Path
    out: Path
    videos: Path | None = None
    phases: tuple[str, ...] = PHASES
    limit: int | None = None
    """At most so many."""
    pause_s: float = 0.0
    """What an item takes at least, seconds."""
    fault: Literal["", "sentence", "hard", "deaf"] = ""
    """What goes wrong with the third item."""

    def __post_init__(self) -> None:
        if not self.phases or set(self.phases) - set(PHASES):
            raise SignError(f"The phases are {', '.join(self.phases) or 'none'}; choose from {', '.join(PHASES)}.")
        if self.limit is not None and self.limit < 1:
            raise SignError(f"limit is {self.limit}; give 1 or more.")


@dataclass(frozen=True, kw_only=True)
class ToyPhase:
    phase: str
    total: int
    done: int
    to_do: int
    bytes_needed: int | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class ToyPlan:
    glosses: int
    instances: dict[str, int]
    phases: tuple[ToyPhase, ...]
    bytes_needed: int
    free_bytes: int
    notes: tuple[str, ...]


class ToyCore:
    """As the core of a kind."""

    Options = ToyOptions

    @staticmethod
    def plan(options: ToyOptions) -> ToyPlan:
        toys = read(options)
        splits = [split for _, _, split, _ in toys]
        each = (("extract", 9_000_000, 3725.0), ("clean", None, None))
        return ToyPlan(
            glosses=len({gloss for _, gloss, _, _ in toys}),
            instances={split: splits.count(split) for split in dict.fromkeys(splits)},
            phases=tuple(
                ToyPhase(phase=phase, total=len(toys), done=0, to_do=len(toys), bytes_needed=size, seconds=seconds)
                for phase, size, seconds in each
            ),
            bytes_needed=9_000_000,
            free_bytes=shutil.disk_usage(options.json.parent).free,
            notes=("A note about <i>toys</i>.",),
        )

    @staticmethod
    def run(options: ToyOptions, tell: Tell | None = None, should_stop: Stop | None = None) -> Path:
        toys, store = read(options), Store(str(options.out))
        with Manifest(options.out, writing=True) as manifest:
            noted = {**asdict(options), "json": str(options.json), "out": str(options.out), "videos": None}
            manifest.note("options", noted)
            manifest.note("list", {"name": options.json.name, "content": "toys"})
            how: dict[str, Any] = {"manifest": manifest, "store": store, "engine": in_this_process, "tell": tell}
            how["should_stop"] = None if options.fault == "deaf" else should_stop
            for phase, make in (("extract", extract), ("clean", clean)):
                if phase not in options.phases:
                    continue
                ready = {row.item for row in manifest.rows("extract", "done")} if phase == "clean" else None
                tasks = [Task(item=toy[0], made_from="toy", value=toy) for toy in toys if not ready or toy[0] in ready]
                carry_out(phase, tasks, lambda make=make: make(options, store), total=len(tasks), **how)
            if "lexicon" in options.phases:
                write_lexicons(manifest, store, how)
        report = options.out / "report.txt"
        report.write_text("toys")
        return report


def read(options: ToyOptions) -> list[tuple[str, str, str, str]]:
    """Item, gloss, split and signer of each toy."""
    try:
        found = json.loads(options.json.read_text())["toys"]
    except (ValueError, KeyError, TypeError) as error:
        raise SignError(f"{options.json.name} is no list of toys; give one.") from error
    toys = [(f"{gloss}-{number:03d}", gloss, split, signer) for number, (gloss, split, signer) in enumerate(found)]
    return toys[: options.limit]


def extract(options: ToyOptions, store: Store) -> Callable[[Any], Made]:
    def one(toy: tuple[str, str, str, str]) -> Made:
        item, gloss, split, signer = toy
        time.sleep(options.pause_s)
        if item.endswith("-002") and options.fault == "sentence":
            raise RuntimeError("a <b>bug</b> in the toys")
        if item.endswith("-002") and options.fault == "hard":
            print("the last words", flush=True)
            os._exit(7)
        name = f"poses/raw/{split}/{item}.pose"
        with store.writing(name) as made:
            shutil.copyfile(options.json.parent / "clip.pose", made)
        seen = 0.1 if gloss == "BAD" else 0.9
        info = {"gloss": gloss, "split": split, "signer": signer, "video_id": item[-3:], "frames": 20, "fps": 25.0}
        info |= {"source": str(options.json.parent / "clip.mp4"), "from_store": False, "start_ms": 0, "end_ms": None}
        info |= {"crop": None, "hands": seen, "body": 1.0, "quality": {"verdict": "keep"}, "notes": []}
        return Made(output=name, info=info)

    return one


def clean(options: ToyOptions, store: Store) -> Callable[[Any], Made]:
    def one(toy: tuple[str, str, str, str]) -> Made:
        item, gloss, split, signer = toy
        if gloss == "BAD":
            return Made(state="rejected", words="The hands are seen in <b>10</b> % of its frames only.")
        name = f"poses/processed/{split}/{item}.pose"
        store.link(f"poses/raw/{split}/{item}.pose", name)
        info = {"gloss": gloss, "split": split, "signer": signer, "frames": 20, "fps": 25.0, "duration_ms": 800}
        return Made(output=name, info=info)

    return one


def write_lexicons(manifest: Manifest, store: Store, how: dict[str, Any]) -> None:
    """The lexicons of what was kept, by the real code."""
    from models.data import lexicons
    from models.data.browse import open_result

    told = {name: how[name] for name in ("tell", "should_stop")}
    instances = open_result(manifest.folder).instances
    out = manifest.noted("excluded") or ()
    lexicons.write_lexicons(manifest, store, instances, engine=in_this_process, excluded=out, **told)


TOY = Preparable(
    name="toys",
    title="Toys (JSON)",
    about="Lexicons of toys, in moments.",
    source="json",
    source_label="File of toys",
    source_help="A JSON file.",
    steps=ToyCore,
    videos="videos",
    is_file=True,
    browsable=True,
)

if __name__ == "__main__":
    PREPARABLES["toys"] = TOY
    from typer import Typer

    from studio.cli.data_run import run

    cli, data = Typer(), Typer()
    data.command()(run)
    data.callback()(lambda: None)
    cli.add_typer(data, name="data")
    cli.callback()(lambda: None)
    cli()
