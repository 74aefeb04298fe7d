"""The report on Something-Something: what was asked for, what is there, and what has no partner.

It speaks of the clips asked for, and of all that is known about them, in whichever run it was found out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data.manifest import Manifest
from models.data.something import UNKNOWN, Clip, LabelFolder
from models.data.something_boxes import Boxes
from models.data.something_hands import SIDES

NO_SPLIT = "no split"
PHASES = ("frames", "join", "hands")
_LISTED = 50  # ids that are named


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The clips that are asked for, and where they lie."""

    clips: tuple[Clip, ...]
    videos: Mapping[str, Path]
    """Of the clips asked for, those that are there."""
    labels: LabelFolder | None


def summary(chosen: Chosen, boxes: Boxes | None, manifest: Manifest) -> dict[str, Any]:
    """The report on the clips asked for, out of what the manifest knows. It can be written as JSON."""
    annotated = {clip.video_id for clip in chosen.clips if boxes is not None and clip.video_id in boxes}
    report: dict[str, Any] = {
        "videos": {
            "asked": len(chosen.clips),
            "found": len(chosen.videos),
            "annotated": len(annotated),
            "found_and_annotated": len(annotated & set(chosen.videos)),
            "not_found": [clip.video_id for clip in chosen.clips if clip.video_id not in chosen.videos][:_LISTED],
        },
        "splits": _split_counts(chosen, annotated),
        "labels": {
            "number": len(chosen.labels.labels.templates) if chosen.labels is not None else 0,
            "unknown": unknown_labels(chosen),
            "clips_without": sum(not clip.template for clip in chosen.clips),
        },
    }
    if boxes is not None:
        report |= _joined(_sums(manifest, "join", chosen.videos))
    seen, written = (_sums(manifest, phase, chosen.videos) for phase in ("hands", "frames"))
    if seen["clips"]:
        report["hands"] = {
            "boxes": seen["hand_boxes"],
            "boxes_with_hand": seen["boxes_with_hand"],
            "share": round(seen["boxes_with_hand"] / seen["hand_boxes"], 4) if seen["hand_boxes"] else None,
            "frames_with": {side: seen[side] for side in SIDES},
        }
    if written["clips"]:
        report["written"] = {name: written[name] for name in ("clips", "frames", "bytes")}
    report["failed"] = [
        {"video_id": row.item, "phase": phase, "words": row.words}
        for phase in PHASES
        for row in manifest.rows(phase, "failed")
        if row.item in chosen.videos
    ]
    return report


def unknown_labels(chosen: Chosen) -> dict[str, int]:
    """Templates of clips that are none of the labels, and how many clips have them."""
    if chosen.labels is None:
        return {}
    labels = chosen.labels.labels
    counts = Counter(clip.template for clip in chosen.clips if clip.template)
    return {template: count for template, count in sorted(counts.items()) if labels.id(template) == UNKNOWN}


def failed_ids(out: Path) -> frozenset[str]:
    """Clips that could not be read in an earlier run: what to give to `SomethingClips` as without."""
    with Manifest(out) as manifest:
        return frozenset(row.item for phase in PHASES for row in manifest.rows(phase, "failed"))


def _joined(sums: Counter[str]) -> dict[str, Any]:
    objects = {int(name.removeprefix("objects:")): sums[name] for name in sums if name.startswith("objects:")}
    return {
        "frames": {name: sums[name] for name in ("frames", "without_entry", "entries_without_frame")},
        "objects_per_frame": {str(count): objects[count] for count in sorted(objects)},
        "boxes": {"hands": sums["hand_boxes"], "objects": sums["object_boxes"]},
    }


def _split_counts(chosen: Chosen, annotated: set[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for clip in chosen.clips:
        one = counts.setdefault(clip.split or NO_SPLIT, {"asked": 0, "found": 0, "annotated": 0})
        one["asked"] += 1
        one["found"] += clip.video_id in chosen.videos
        one["annotated"] += clip.video_id in annotated
    return counts


def _sums(manifest: Manifest, phase: str, items: Mapping[str, Path]) -> Counter[str]:
    """What the rows of a phase measured, added up."""
    sums: Counter[str] = Counter()
    for row in manifest.rows(phase, "done"):
        if row.item in items:
            sums["clips"] += 1
            sums.update(row.info)
    return sums
