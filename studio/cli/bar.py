"""A progress bar on the terminal that takes the core's reports; shows nothing where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.animation.animate import Report
    from models.pose.batch import BatchProgress
    from models.progress import Progress


class Bar:
    """`with Bar("Drawing") as bar: work(progress=bar.frames)`."""

    def __init__(self, words: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
        screen = Console(stderr=True)
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=screen, transient=True, disable=not screen.is_terminal
        )
        self._task = self._bar.add_task(words, total=None, rate="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, words: str) -> None:
        """What is being done now."""
        self._bar.update(self._task, description=words)

    def part(self, words: str, done: int, total: int | None) -> None:
        """What is being done now, how much of it is done, and of how much; 0 or None where that cannot be counted."""
        self.say(words)
        if total:
            self.count(done, total)

    def frames(self, report: Progress) -> None:
        """Frames of one clip."""
        rate = f"{report.frames_per_s:.0f} frames/s"
        self._bar.update(self._task, completed=report.done_frames, total=report.total_frames, rate=rate)

    def report(self, report: Report) -> None:
        """Frames of one step of an animation."""
        self.say(report.step)
        self.frames(report.progress)

    def clips(self, report: BatchProgress) -> None:
        """Clips of a batch."""
        rate = f"{report.done_clips} of {report.num_clips} clips, {report.frames_per_s:.0f} frames/s"
        self._bar.update(self._task, completed=report.done_clips, total=report.num_clips, rate=rate)

    def count(self, done: int, total: int) -> None:
        """Anything else that is counted."""
        self._bar.update(self._task, completed=done, total=total, rate=f"{done} of {total}")
