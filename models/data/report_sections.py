"""Sections of the page of a run's report: what was lost and why, training examples, signers, durations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.data.wlasl import SPLITS
from models.pages import NOTHING, counted, percent, table

_FATES = {"rejected": "Rejected", "failed": "Failed", "dead": "Dead", "notes": "Note"}
_REASONS = (
    (
        ("rejected", "failed", "dead"),
        "Why instances were lost, the most frequent reasons first. … stands for a number or name that differs from "
        "clip to clip; share is of the clips with the same fate. Of each fate the 20 most frequent reasons are shown; "
        "report.json has all, and “lost” in it every single clip.",
    ),
    (
        ("notes",),
        "What was noted about clips that were extracted all the same. Share is of the extracted.",
    ),
)
_GROUPS_SHOWN, _REASONS_SHOWN = 200, 20
_LONG = 15
"""A table with more rows than these scrolls."""


def reasons(report: Mapping[str, Any]) -> Iterable[str]:
    """Why instances were lost, and what was noted of others."""
    total = report["all"]
    for keys, caption in _REASONS:
        rows = [_reason(key, one, total) for key in keys for one in report["reasons"][key][:_REASONS_SHOWN]]
        if rows:
            yield from table(caption, ("Kind", "In words", "Clips", "Share", "For example"), rows, words=(1, 4))
    if not any(report["reasons"][key] for key in _REASONS[0][0]):
        yield "<p>Nothing was rejected, failed or dead.</p>"


def training(report: Mapping[str, Any]) -> Iterable[str]:
    """Glosses that nothing can learn."""
    without = set(report["no_training"])
    if not without:
        yield "<p>Every gloss has at least one kept clip in train.</p>"
        return
    rows = [row for row in report["glosses"] if row["gloss"] in without]
    yield (
        f"<p>{counted(len(rows), 'gloss has', 'glosses have')} no kept clip in train. A model cannot learn such a "
        "gloss, and can only fail when it is tested on it.</p>"
    )
    heads = ("Gloss", "Asked in train", "Found in train", "Extracted in train", "Kept in val", "Kept in test")
    cells = (
        (
            row["gloss"],
            *(f"{row['splits']['train'][key]:,}" for key in ("asked", "found", "extracted")),
            *(f"{row['splits'][split]['kept']:,}" for split in ("val", "test")),
        )
        for row in rows
    )
    yield from table("Glosses without a training example.", heads, cells, tall=len(rows) > _LONG)


def signers(report: Mapping[str, Any]) -> Iterable[str]:
    """How many signers there are."""
    rows = [(split, report["splits"][split]) for split in SPLITS] + [("all", report["all"])]
    yield from table(
        "Signers, as far as the data set names them, and glosses.",
        ("Split", "Signers asked", "Signers kept", "Glosses asked", "Glosses kept"),
        (
            (name, *(f"{one[key]:,}" for key in ("signers", "kept_signers", "glosses", "kept_glosses")))
            for name, one in rows
        ),
    )
    counts = Counter(row["kept_signers"] for row in report["glosses"])
    yield from table(
        "Signers per gloss, among what was kept. A gloss by one signer teaches that person’s signing.",
        ("Signers", "Glosses"),
        ((f"{signers:,}", f"{glosses:,}") for signers, glosses in sorted(counts.items())),
        tall=len(counts) > _LONG,
    )


def shared(report: Mapping[str, Any]) -> Iterable[str]:
    """What stands in several splits."""
    found = report["shared"]
    clips, people = found["clips"], found["signers"]
    yield (
        f"<p>{counted(len(clips), 'clip')} and {len(people):,} of {counted(found['num_signers'], 'signer')} stand "
        "in more than one split of what was asked for. What a model has seen in train it does not have to recognize "
        "in test, so that figures on such splits are too good.</p>"
    )
    if report["options"].get("resplit"):
        yield "<p>These are not WLASL’s own splits: they were made anew, so that no signer is in two of them.</p>"
    elif clips or people:
        yield "<p>A run with --resplit puts the same clips into splits that share no signer.</p>"
    if clips:
        yield from table(
            f"Clips that are the same part of the same video, in several splits{_first(clips)}.",
            ("Clip", "Splits"),
            (
                (", ".join(one["item"] for one in group), ", ".join(one["split"] for one in group))
                for group in clips[:_GROUPS_SHOWN]
            ),
            words=(1,),
            tall=len(clips) > _LONG,
        )
    if people:
        yield from table(
            f"Signers in several splits{_first(people)}.",
            ("Signer", "Splits"),
            ((name, ", ".join(splits)) for name, splits in list(people.items())[:_GROUPS_SHOWN]),
            words=(1,),
            tall=len(people) > _LONG,
        )


def durations(report: Mapping[str, Any]) -> Iterable[str]:
    """How long the clips are, and their rates."""
    found = report["durations"]
    rows = [
        (f"{split}, {name}", f"{one['clips']:,}", *(_seconds(one[key]) for key in ("shortest_ms", "median_ms")),
         _seconds(one["longest_ms"]), f"{one['total_ms'] / 60000:.1f} min")
        for split in SPLITS
        for name, one in (("extracted", found["extracted"][split]), ("kept", found["kept"][split]))
    ]  # fmt: skip
    yield from table(
        "Durations: extracted is the clip as it was cut out of its video, kept is what trimming left of it.",
        ("Clips", "Number", "Shortest", "Median", "Longest", "In all"),
        rows,
    )
    if report["fps"]:
        yield from table(
            "Frames per second of the extracted clips. Fast movements fall between the frames of slow clips.",
            ("Frames per second", "Clips"),
            ((fps, f"{clips:,}") for fps, clips in report["fps"].items()),
        )


def _reason(key: str, one: Mapping[str, Any], total: Mapping[str, int]) -> tuple[str, ...]:
    share = percent(one["clips"], total["extracted" if key == "notes" else key])
    return _FATES[key], one["why"], f"{one['clips']:,}", share, ", ".join(one["examples"])


def _first(groups: Sequence[Any] | Mapping[str, Any]) -> str:
    return f", the first {_GROUPS_SHOWN} of {len(groups):,}" if len(groups) > _GROUPS_SHOWN else ""


def _seconds(time_ms: float | None) -> str:
    return NOTHING if time_ms is None else f"{time_ms / 1000:.2f} s"
