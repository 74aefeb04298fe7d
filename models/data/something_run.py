"""Something-Something-v2 and Something-Else made ready: boxes merged, frames written, hands looked for, all reported.

    OUT/boxes.sqlite       the merged annotations
    OUT/frames/ID/*.jpg    only when asked for; models decode the clips themselves
    OUT/hands/ID.npz       joints, only when asked for
    OUT/something.json     the report
    OUT/manifest.sqlite    what became of every clip: phases frames, join, hands

The phase join sets the numbers of a clip's frames against the names that the annotators wrote. Of a video that is not
decoded anyway, it trusts the number of frames that the header promises. It reports what has no partner on either side.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from models.data.engines import EngineName, check_engine, open_engine
from models.data.manifest import Manifest
from models.data.something import Clip, find_videos, read_label_folder, read_subset
from models.data.something_boxes import BOXES, Boxes, find_parts, merge
from models.data.something_frames import (
    FRAMES,
    QUALITY,
    Estimate,
    FrameWork,
    estimate,
    frame_writer,
    mark_of,
    numbers_of,
    sweep_frames,
)
from models.data.something_hands import HandOptions, HandWork, hand_tracker
from models.data.something_report import NO_SPLIT, Chosen, summary, unknown_labels
from models.data.store import Store
from models.data.work import Engine, Made, PhaseProgress, Stop, Task, Tell, carry_out, fingerprint, in_this_process
from models.errors import SignError
from models.files import replacing
from models.progress import Cancelled

Mode = Literal["frames", "annotations", "both"]
MODES: tuple[Mode, ...] = ("frames", "annotations", "both")
REPORT = "something.json"
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SomethingOptions:
    """What to make of which clips. Raises SignError on values outside their range."""

    videos: Path
    """Folder of ID.webm, or of ID/0001.jpg."""
    out: Path
    annotations: Path | None = None
    """Folder of the parts of Something-Else."""
    labels: Path | None = None
    """Folder of label and split files; None: every clip in `videos`, without labels."""
    mode: Mode = "annotations"
    """frames: write them; annotations: merge, join, report; both."""
    hands: bool = False
    """Whether to look for hands in the boxes."""
    hand_options: HandOptions = field(default_factory=HandOptions)
    subset: str | None = None
    """A number: the first so many clips; or the name of a file of ids."""
    workers: int | None = None
    """Processes; None: one per core."""
    engine: EngineName = "local"
    address: str | None = None
    """Of the Ray cluster."""
    quality: int = QUALITY
    """Of JPEG, 1 to 100."""
    force: bool = False
    """Write frames even where the estimate says that the disk is too small."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SignError(f"There is no mode {self.mode!r}; choose {', '.join(MODES)}.")
        if self.annotations is None and (self.hands or self.mode != "frames"):
            raise SignError("Boxes need --annotations, the folder of Something-Else's files; or choose --mode frames.")
        check_engine(self.engine)
        if not 1 <= self.quality <= 100:
            raise SignError(f"The quality of JPEG is {self.quality}; give 1 to 100.")
        if self.workers is not None and self.workers < 1:
            raise SignError(f"{self.workers} workers were asked for; give 1 or more.")

    @property
    def writes_frames(self) -> bool:
        """Whether frames are asked for."""
        return self.mode != "annotations"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do."""

    asked: int
    found: int
    splits: Mapping[str, int]
    """Clips asked for in each."""
    labels: int
    labels_unknown: Mapping[str, int]
    """Templates of clips that are no label, and how many clips have them."""
    parts: Mapping[str, int]
    """Annotation files and their bytes."""
    merged_videos: int | None
    """Videos with boxes that were merged in an earlier run; None: nothing was."""
    frames: Estimate | None
    """Space for frames of the clips whose frames are not written yet; None: no frames are asked for."""


def choose(options: SomethingOptions) -> Chosen:
    """Which clips are asked for: those of the splits, or all, or a part of them; and which are there."""
    labels = read_label_folder(options.labels) if options.labels is not None else None
    videos = find_videos(options.videos.absolute())
    clips = labels.clips if labels is not None else ()
    if not clips:
        clips = tuple(Clip(video_id=video_id, split="") for video_id in videos)
    if options.subset is not None and options.subset.isdigit():
        if not int(options.subset):
            raise SignError("A subset of 0 clips was asked for; give 1 or more.")
        clips = clips[: int(options.subset)]
    elif options.subset is not None:
        known = {clip.video_id: clip for clip in clips}
        wanted = dict.fromkeys(read_subset(Path(options.subset)))
        clips = tuple(known.get(video_id, Clip(video_id=video_id, split="")) for video_id in wanted)
    found = {clip.video_id: videos[clip.video_id] for clip in clips if clip.video_id in videos}
    return Chosen(clips=clips, videos=found, labels=labels)


def plan(options: SomethingOptions) -> Plan:
    """What a run would do, without doing it; measures some clips when frames are asked for."""
    chosen = choose(options)
    parts = find_parts(options.annotations) if options.annotations is not None else ()
    merged = None
    with suppress(SignError):
        merged = len(Boxes(options.out))
    return Plan(
        asked=len(chosen.clips),
        found=len(chosen.videos),
        splits=dict(Counter(clip.split or NO_SPLIT for clip in chosen.clips)),
        labels=len(chosen.labels.labels.templates) if chosen.labels is not None else 0,
        labels_unknown=unknown_labels(chosen),
        parts={part.name: part.stat().st_size for part in parts},
        merged_videos=merged,
        frames=estimate(_to_write(options, chosen), options.out, quality=options.quality)
        if options.writes_frames
        else None,
    )


def run(options: SomethingOptions, tell: Tell | None = None, should_stop: Stop | None = None) -> dict[str, Any]:
    """Do what the options say, going on from an earlier run; returns the report, which is also in OUT/something.json.

    A clip that fails is in the report, and does not stop the others. Raises SignError when nothing can be done, and
    Cancelled when should_stop said so.
    """
    chosen = choose(options)
    parts = find_parts(options.annotations) if options.annotations is not None and options.mode != "frames" else ()
    store, engine = Store(str(options.out)), _engine(options)
    with Manifest(options.out, writing=True) as manifest:
        sweep_frames(options.out)
        work = partial(carry_out, manifest=manifest, store=store, engine=engine, tell=tell, should_stop=should_stop)
        if options.writes_frames:
            _check_space(options, chosen)
            work("frames", _frame_tasks(options, chosen), frame_writer, total=len(_videos_only(chosen)))
        boxes = None
        if parts:
            boxes = merge(parts, options.out / BOXES, _telling(tell, should_stop))
            annotated = [video_id for video_id in chosen.videos if video_id in boxes]
            work("join", _join_tasks(options, chosen, boxes, annotated), _joiner, total=len(annotated))
            if options.hands:
                make = hand_tracker(options.hand_options)
                work("hands", _hand_tasks(options, chosen, boxes, annotated), make, total=len(annotated))
        elif (options.out / BOXES).is_file():
            boxes = Boxes(options.out)
        report = summary(chosen, boxes, manifest)
    with replacing(options.out / REPORT) as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


@dataclass(frozen=True, kw_only=True)
class _Join:
    video_id: str
    source: Path
    boxes: Path


def _joiner() -> Callable[[_Join], Made]:
    return _join


def _join(work: _Join) -> Made:
    """Set the frames of a clip against the entries of its annotation."""
    boxes = Boxes(work.boxes).get(work.video_id)
    if boxes is None:
        raise SignError(f"Video {work.video_id} has no boxes any more; merge the annotations again.")
    numbers, width, height = numbers_of(work.source)
    entries, marks = set(boxes.frames), [boxes.at(number, width, height) for number in numbers]
    objects = Counter(sum(not one.is_hand for one in found) for found in marks)
    return Made(
        info={
            "frames": len(numbers),
            "without_entry": len(set(numbers) - entries),
            "entries_without_frame": len(entries - set(numbers)),
            "hand_boxes": sum(one.is_hand for found in marks for one in found),
            "object_boxes": sum(not one.is_hand for found in marks for one in found),
            **{f"objects:{count}": frames for count, frames in objects.items()},
        }
    )


def _frame_tasks(options: SomethingOptions, chosen: Chosen) -> Iterator[Task]:
    for video_id, source in _videos_only(chosen).items():
        work = FrameWork(video_id=video_id, source=source, out=options.out.absolute(), quality=options.quality)
        yield Task(item=video_id, made_from=fingerprint("frames", mark_of(source), options.quality), value=work)


def _join_tasks(options: SomethingOptions, chosen: Chosen, boxes: Boxes, ids: Sequence[str]) -> Iterator[Task]:
    for video_id in ids:
        written = options.out / FRAMES / video_id
        source = written if written.is_dir() else chosen.videos[video_id]
        work = _Join(video_id=video_id, source=source, boxes=boxes.path.absolute())
        yield Task(item=video_id, made_from=fingerprint("join", mark_of(source), boxes.mark(video_id)), value=work)


def _hand_tasks(options: SomethingOptions, chosen: Chosen, boxes: Boxes, ids: Sequence[str]) -> Iterator[Task]:
    for video_id in ids:
        source = chosen.videos[video_id]  # written frames have lost some detail
        work = HandWork(video_id=video_id, source=source, boxes=boxes.path.absolute(), out=options.out.absolute())
        made_from = fingerprint("hands", mark_of(source), boxes.mark(video_id), asdict(options.hand_options))
        yield Task(item=video_id, made_from=made_from, value=work)


def _videos_only(chosen: Chosen) -> dict[str, Path]:
    """Folders of frames are used as they are."""
    return {video_id: source for video_id, source in chosen.videos.items() if not source.is_dir()}


def _to_write(options: SomethingOptions, chosen: Chosen) -> list[Path]:
    sources = _videos_only(chosen)
    return [source for video_id, source in sources.items() if not (options.out / FRAMES / video_id).is_dir()]


def _check_space(options: SomethingOptions, chosen: Chosen) -> None:
    if options.force:
        return
    guess = estimate(_to_write(options, chosen), options.out, quality=options.quality)
    if guess.total_bytes > guess.free_bytes:
        raise SignError(
            f"The frames of {guess.clips} clips would take about {guess.total_bytes / 1e9:.1f} GB, and "
            f"{guess.free_bytes / 1e9:.1f} GB are free; take a --subset, let the clips be decoded, or use --force."
        )


def _engine(options: SomethingOptions) -> Engine:
    if options.engine == "local" and options.workers == 1:
        return in_this_process
    return open_engine(options.engine, options.workers, options.address)


def _telling(tell: Tell | None, should_stop: Stop | None) -> Callable[[str, int, int], None]:
    def told(_: str, read: int, size: int) -> None:
        if should_stop is not None and should_stop():
            raise Cancelled
        if tell is not None:
            tell(
                PhaseProgress(
                    phase="merge",
                    done=read // _MIB,
                    total=max(size // _MIB, 1),
                    failed=0,
                    rejected=0,
                    seconds_left=None,
                )
            )

    return told
