"""The report of a run over WLASL: what was asked for, what came through, what was lost and why.

`report/report.json` holds every figure; `report/index.html` is the page made of it, with pictures in `report/thumbs`.
Both depend on nothing but the rows of the manifest and the data: no clock, no names of folders. So the same run gives
the same bytes wherever and whenever it is made, and a report can be passed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.data.asked import excluded
from models.data.download import videos_in
from models.data.fates import follow
from models.data.manifest import Manifest
from models.data.report_page import write_page
from models.data.report_tally import HAND_BINS, Tally
from models.data.store import Store
from models.data.thumbnails import write_thumbnail
from models.data.wlasl import SPLITS, Wlasl, shared
from models.errors import SignError
from models.files import replacing, safe_name

FOLDER, THUMBS = "report", "thumbs"
# What says where a run was made and how fast, not what came of it.
_UNTOLD = {
    *("json", "out", "videos", "phases", "workers", "engine", "address", "store", "keep_clips", "retry_dead"),
}


def write_report(manifest: Manifest, store: Store, data: Wlasl, *, videos: Path | None = None) -> Path:
    """Write the report of a run into the manifest's folder; returns the path of its page.

    data: the instances that were asked for, with the splits that they were put into. videos: the folder with videos
    that the user brought, where there is one. Clips are taken one at a time.
    """
    folder = manifest.folder / FOLDER
    report = gather(manifest, data, videos=videos)
    if report["options"].get("anonymize"):
        _sweep(folder / THUMBS, set())
    else:
        _add_thumbnails(report["examples"], manifest, store, folder)
    with replacing(folder / "report.json") as temporary:
        temporary.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(report, folder / "index.html")
    return folder / "index.html"


def gather(manifest: Manifest, data: Wlasl, *, videos: Path | None = None) -> dict[str, Any]:
    """All figures, as JSON takes them; pictures are not made yet."""
    have = videos_in(videos) if videos is not None else {}
    tally = Tally()
    for one in follow(manifest, data.instances, have=have, excluded=excluded(manifest)):
        tally.add(one)
    return {
        "format": 1,
        "options": _told(manifest.noted("options") or {}),
        **tally.totals(data.glosses),
        "reasons": tally.reasons(),
        "shared": _shared(data),
        "durations": tally.durations(),
        "fps": {f"{fps:g}": clips for fps, clips in sorted(tally.fps.items())},
        "hands": {"bins": HAND_BINS, **{name: list(bins) for name, bins in tally.hands.items()}},
        "examples": tally.examples(),
        "problems": list(data.problems),
        "lost": tally.lost,
    }


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that decide what came of a run, without the folders of this machine."""
    told = {name: value for name, value in sorted(options.items()) if name not in _UNTOLD}
    if isinstance(told.get("glosses"), str):
        told["glosses"] = safe_name(told["glosses"])  # 100, or a file
    return told


def _shared(data: Wlasl) -> dict[str, Any]:
    """Clips and signers of several splits, in what was asked for."""
    found = shared(data)
    places = {one.video_id: one for one in data.instances}
    groups = [sorted((SPLITS.index(places[one].split), places[one].item) for one in group) for group in found.clips]
    signers = sorted(found.signers.items(), key=lambda pair: (len(pair[0]), pair[0]))  # 2 before 10
    return {
        "clips": [[{"item": item, "split": SPLITS[split]} for split, item in group] for group in groups],
        "signers": {name: list(splits) for name, splits in signers},
        "num_signers": found.num_signers,
    }


def _add_thumbnails(examples: Mapping[str, list[dict[str, Any]]], manifest: Manifest, store: Store, at: Path) -> None:
    """Make the pictures of the examples, and remove those of earlier reports."""
    used = set()
    for one in _each(examples):
        row = manifest.get("extract", one["item"])
        assert row is not None
        try:
            path = write_thumbnail(row, store, at / THUMBS)
        except SignError as error:
            one["no_thumb"] = str(error)
        else:
            one["thumb"] = f"{THUMBS}/{path.name}"
            used.add(path.name)
    _sweep(at / THUMBS, used)


def _each(examples: Mapping[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for clips in examples.values():
        yield from clips


def _sweep(folder: Path, used: set[str]) -> None:
    for path in sorted(folder.glob("*.jpg")):
        if path.name not in used:
            path.unlink()
