"""Signs that a person teaches the studio from a few clips: an ordinary lexicon folder, to keep or to delete."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import SignError
from models.files import safe_name
from models.lexicon.index import INDEX, open_lexicon
from models.lexicon.recordings import checked_gloss, remove
from models.progress import Cancelled, Progress
from studio.inputs import check_clip
from studio.limits import Limits
from studio.recognizing import ShouldStop, Step
from studio.texts import later, text

MOST_CLIPS = 5
"""Most clips of one sign at a time."""


@dataclass(frozen=True, kw_only=True)
class TaughtClip:
    """What became of one clip of a sign that was taught."""

    name: str
    accepted: bool
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What became of a sign that was taught."""

    gloss: str
    clips: tuple[TaughtClip, ...]

    @property
    def accepted(self) -> int:
        """How many of the clips were taken."""
        return sum(clip.accepted for clip in self.clips)


def teach(
    clips: Sequence[str | Path],
    gloss: str,
    lexicon: Path,
    limits: Limits,
    tell: Callable[[Step], None],
    should_stop: ShouldStop,
) -> Taught:
    """Learn a sign from a few clips into a lexicon folder, which is made when it is not there.

    Clips that cannot be used are told in the result, and the others are learned.
    Raises LexiconError for a gloss that cannot be one, SignError for too many clips, Cancelled: nothing is kept then.
    """
    from models.recognition.enrol import enrol

    gloss = checked_gloss(gloss)
    if len(clips) > MOST_CLIPS:
        raise SignError(
            text(
                "{number} clips are more than the {most} of one sign; take some away.",
                number=len(clips),
                most=MOST_CLIPS,
            )
        )
    refused = _refused(clips, limits)

    def report(progress: Progress) -> None:
        if should_stop():
            raise Cancelled
        tell(Step(words=later("Reading the clips"), progress=progress))

    kept = [number for number in range(len(clips)) if number not in refused]
    learned = enrol([Path(clips[number]) for number in kept], gloss, lexicon, report) if kept else []
    judged = refused | {
        number: TaughtClip(name=safe_name(one.path), accepted=one.accepted, verdict=one.verdict)
        for number, one in zip(kept, learned, strict=True)
    }
    return Taught(gloss=gloss, clips=tuple(judged[number] for number in range(len(clips))))


def _refused(clips: Sequence[str | Path], limits: Limits) -> dict[int, TaughtClip]:
    """The clips that are no video, or longer than the browser may send, by their number in the list."""
    refused = {}
    for number, clip in enumerate(clips):
        try:
            check_clip(clip, limits)
        except SignError as error:
            refused[number] = TaughtClip(name=safe_name(clip), accepted=False, verdict=str(error))
    return refused


def taught(lexicon: Path) -> dict[str, int]:
    """The signs that were taught on a page, and of each how many recordings there are."""
    if not (lexicon / INDEX).exists():
        return {}
    found: dict[str, int] = {}
    for entry in open_lexicon(lexicon).entries:
        found[entry.gloss] = found.get(entry.gloss, 0) + 1
    return dict(sorted(found.items()))


def forget(lexicon: Path, gloss: str) -> None:
    """Delete every recording of a sign that was taught. Raises LexiconError when there is none."""
    for _ in range(max(1, taught(lexicon).get(gloss, 0))):
        remove(lexicon, gloss)


def packed(lexicon: Path, folder: Path) -> Path | None:
    """A zip of the signs that were taught, written to `folder`; None when there are none."""
    if not taught(lexicon):
        return None
    path = folder / "my-signs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(lexicon.iterdir()):
            if not file.name.startswith("."):  # such as the lock of the index
                archive.write(file, file.name)
    return path
