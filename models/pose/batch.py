"""Many clips to poses, on all cores: `extract_many`.

Each worker process (`models.pool`) extracts one clip at a time and asks for the next, largest first, so that no core
waits at the end for one long clip. It has its own MediaPipe graph, which starts anew for every clip: a clip's pose
depends on nothing but the clip, and a worker that is killed takes only its clip with it. A script that calls this
needs the usual `if __name__ == "__main__":`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models.errors import PoseError
from models.files import safe_name
from models.pool import Ended, available_cores, in_workers
from models.pose.extract import PoseOptions, check_model
from models.pose.record import is_current, read_record
from models.pose.worker import PRELOAD, Done, Frames, Task, open_extractor


@dataclass(frozen=True, kw_only=True)
class ClipOutcome:
    """What became of one clip."""

    path: Path
    pose_path: Path | None
    """None when it failed."""
    error: str | None
    """One sentence for the report; None when it went well."""
    num_frames: int
    seconds: float
    skipped: bool = False
    """The pose was there already, made from the same file with the same options."""


@dataclass(frozen=True, kw_only=True)
class BatchProgress:
    """How far a batch is."""

    done_clips: int
    """Skipped and failed ones too."""
    num_clips: int
    failed_clips: int
    done_frames: int
    frames_per_s: float
    seconds_left: float | None
    """By the size of the files still to do; None until the first is done."""


def pose_paths(
    clips: Iterable[str | os.PathLike[str]],
    out_dir: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
) -> dict[Path, Path]:
    """Where each clip's pose goes: `out_dir/<name>.pose`, under the same sub-folders as the clip has under root.

    Clips that differ in suffix only (a.mp4, a.webm) keep it (a.mp4.pose, a.webm.pose).
    Raises PoseError when two clips would still write one file.
    """
    unique = dict.fromkeys(Path(clip) for clip in clips)
    places = {clip: Path(out_dir) / (clip.relative_to(root) if root else clip.name) for clip in unique}
    wanted = Counter(place.with_suffix(".pose") for place in places.values())
    paths = {
        clip: place.with_suffix(".pose") if wanted[place.with_suffix(".pose")] == 1 else Path(f"{place}.pose")
        for clip, place in places.items()
    }
    if len(set(paths.values())) < len(paths):
        twice = next(path for path, count in Counter(paths.values()).items() if count > 1)
        raise PoseError(f"{safe_name(twice)}: several clips would write this file; give their common folder as root")
    return paths


def extract_many(
    clips: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] | Mapping[Path, Path],
    options: PoseOptions | None = None,
    *,
    workers: int | None = None,
    resume: bool = True,
    progress: Callable[[BatchProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[ClipOutcome]:
    """Extract the poses of many clips; yields what became of each as it is known.

    out: a folder (see `pose_paths`) or the path of each clip's pose. Beside each pose, a record (`models.pose.record`)
    keeps what it was made from: with resume, a clip is skipped when its pose is still what it would give.
    A clip that fails, for whatever reason, has its outcome with an error, and the others go on. When the caller
    interrupts (Ctrl-C, closing the generator, should_stop), what was done stays and the workers end.
    Raises PoseError when nothing could be extracted at all (model not there, clashing paths).
    """
    options = options or PoseOptions()
    check_model(options)
    unique = list(dict.fromkeys(Path(clip) for clip in clips))
    paths = dict(out) if isinstance(out, Mapping) else pose_paths(unique, out)
    current = {clip for clip in unique if resume and is_current(paths[clip], clip, options)}
    tasks = sorted((Task(clip, paths[clip]) for clip in unique if clip not in current), key=lambda task: -task.size)
    meter = _Meter(len(current), tasks)
    num_workers = max(min(workers or available_cores(), len(tasks)), 1)
    for clip in sorted(current):
        frames = int((read_record(paths[clip]) or {}).get("num_frames", 0))
        yield ClipOutcome(path=clip, pose_path=paths[clip], error=None, num_frames=frames, seconds=0, skipped=True)
    with closing(_outcomes(tasks, options, num_workers, meter)) as outcomes:
        for outcome in outcomes:
            if outcome is not None:
                yield outcome
            if progress is not None:
                progress(meter.progress())
            if should_stop is not None and should_stop():
                return


def _outcomes(
    tasks: list[Task], options: PoseOptions, num_workers: int, meter: _Meter
) -> Generator[ClipOutcome | None, None, None]:
    """What became of each task, in the order of ending; None now and then while there is nothing to tell."""
    threads = max(available_cores() // num_workers, 1)
    opener = partial(open_extractor, options, threads)
    with closing(in_workers(tasks, opener, workers=num_workers, preload=PRELOAD)) as all_news:
        for news in all_news:
            if isinstance(news, Ended):
                yield _outcome(news, meter)
            else:
                if news is not None:
                    meter.hear(news.task, news.value)
                yield None


def _outcome(news: Ended, meter: _Meter) -> ClipOutcome:
    task: Task = news.task
    done: Done = news.result or Done(0, news.seconds, _how_it_died(task, news.died))
    meter.hear(task, done)
    return ClipOutcome(
        path=task.clip,
        pose_path=None if done.error else task.pose_path,
        error=done.error,
        num_frames=done.num_frames,
        seconds=done.seconds,
    )


def _how_it_died(task: Task, died: str | None) -> str:
    return (
        f"{safe_name(task.clip)}: the process working on it was ended by the system ({died}); "
        "try this clip alone, or re-export it as MP4 (H.264)"
    )


class _Meter:
    """Counts what the workers report. A clip's share of the work is taken by the size of its file."""

    def __init__(self, num_skipped: int, tasks: list[Task]) -> None:
        self._sizes = {task: task.size for task in tasks}
        self._num_clips = num_skipped + len(tasks)
        self._done, self._failed, self._frames, self._done_bytes = num_skipped, 0, 0, 0
        self._at_work: dict[Task, Frames] = {}
        self._start = time.monotonic()

    def hear(self, task: Task, news: Frames | Done) -> None:
        """Count one message about one clip."""
        if isinstance(news, Frames):
            self._at_work[task] = news
            return
        self._at_work.pop(task, None)
        self._done += 1
        self._failed += news.error is not None
        self._frames += news.num_frames
        self._done_bytes += self._sizes[task]

    def progress(self) -> BatchProgress:
        """How far the batch is now."""
        elapsed = max(time.monotonic() - self._start, 1e-9)
        frames = self._frames + sum(news.done for news in self._at_work.values())
        done = self._done_bytes + sum(
            self._sizes[task] * min(news.done / news.total, 1)  # a file may promise fewer frames than it has
            for task, news in self._at_work.items()
            if news.total
        )
        left = sum(self._sizes.values()) - done
        return BatchProgress(
            done_clips=self._done,
            num_clips=self._num_clips,
            failed_clips=self._failed,
            done_frames=frames,
            frames_per_s=frames / elapsed,
            seconds_left=elapsed * left / done if done else None,
        )
