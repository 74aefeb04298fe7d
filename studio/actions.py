"""What the section "Actions with objects" and `signstudio actions` do: find a model, ask it, keep what it answered.

A clip of Something-Something is one action of a few seconds. Its boxes are found in the annotations by its id, which is
the name of its file, or of its folder of frames, unless another is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import figures
from models.errors import VideoError
from models.files import safe_name, slug, write_json
from models.progress import Cancelled
from models.video import ReadOptions, VideoReader
from studio import hosting
from studio.inputs import check_clip
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import later, text, texts
from studio.trained import Shelf, TrainedModel

if TYPE_CHECKING:
    from models.figures import Picture
    from models.recognition.multistream.recognizer import ActionRecognizer, Seen

KIND = "multistream"
NO_MODEL = later(
    "There is no model of actions here. Train one on the Train tab, or with "
    "`signstudio train run --model multistream --preset demo`."
)
DRAWN = later("It was trained on drawn clips and has never seen a filmed one: take what it says of yours as a guess.")
_ROOT = Path(__file__).parents[1] / "assets" / "multistream"
_MOST_BYTES = 2 << 30  # of a clip that is decoded, which is held whole

ShouldStop = Callable[[], bool]
Tell = Callable[[str, int, int], None]
"""Gets what is being done, how much of it is done, and of how much; 0 of 0 where that cannot be counted."""


@dataclass(frozen=True, kw_only=True)
class ActionModel(TrainedModel):
    """A model that can be chosen."""

    @property
    def about(self) -> str:
        """What it knows and what it learned from, in sentences."""
        found = self.told
        labels, said = found.get("labels"), str(found.get("trained_on") or "").strip()
        made = said or text("which does not say what it was trained on")
        if isinstance(labels, list):
            count = len(labels)
            whole = texts("A model of {number} label, {made}.", "A model of {number} labels, {made}.", count, made=made)
        else:
            whole = text("A model that names no labels, {made}.", made=made)
        return f"{whole} {text(DRAWN)}" if found.get("drawn") is True else whole


@dataclass(frozen=True, kw_only=True)
class ActionStep:
    """How far the work is."""

    words: str
    done: int = 0
    total: int = 0
    """0 where that cannot be counted."""


@dataclass(frozen=True, kw_only=True)
class ActionProducts:
    """What was recognized in a clip, and where everything was written."""

    seen: Seen
    drawn: bool
    """Whether the model was trained on drawn clips."""
    video: Path
    """The clip with hands, boxes and answer."""
    pictures: tuple[Picture, ...]
    """Where the model looked."""
    downloads: tuple[Path, ...]
    """The files worth keeping, most wanted first."""
    seconds: float = 0.0
    """That it took; 0 where nobody counted."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know beside the answer."""
        return tuple(map(text, (*((DRAWN,) if self.drawn else ()), *self.seen.remarks)))


def models(among: Jobs) -> list[ActionModel]:
    """The one that comes with the studio, and those that were trained here and have a model, newest first."""
    return _shelf().models(among)


def find_model(name: str | None, among: Jobs) -> ActionModel:
    """The model of this name; without one, the first. Raises SignError for one that is not there any more."""
    return _shelf().find(name, among)


def model_folder(name: str | None, among: Jobs) -> Path:
    """The folder of a model: by a run's name or folder, or by its own; None is what comes with the studio.

    Raises SignError when there is none.
    """
    return _shelf().folder(name, among)


def open_model(folder: Path) -> ActionRecognizer:
    """The model in a folder; the last one stays in memory. Raises WeightsError when it cannot be used."""
    return _opened(folder.absolute(), _shelf().written_ns(folder))


def clips_in(path: Path) -> list[Path]:
    """The clips that a path names: a video, a folder of frames (0001.jpg …), or all of both in a folder.

    Raises SignError for a folder without any.
    """
    from models.data.something import find_videos, frame_number

    if not path.is_dir() or any(frame_number(one.name) is not None for one in path.iterdir()):
        return [path]
    return list(find_videos(path).values())


def see(
    recognizer: ActionRecognizer,
    clip: Path,
    annotations: Path | None = None,
    video_id: str | None = None,
    *,
    hands: bool = True,
    tell: Tell | None = None,
    should_stop: ShouldStop | None = None,
) -> Seen:
    """What is done in a clip. annotations: JSON of Something-Else, a folder of such files, or of a boxes.sqlite.

    Raises VideoError for a clip that cannot be read or is no short action, SignError for annotations that are none, or
    have no boxes of this clip, Cancelled.
    """
    _check_length(clip)
    known = (video_id or "").strip() or (clip.name if clip.is_dir() else clip.stem)
    return recognizer.see(clip, annotations, known, hands=hands, tell=tell, should_stop=should_stop)


def make(
    model: ActionModel,
    clip: Path,
    annotations: Path | None,
    video_id: str | None,
    folder: Path,
    limits: Limits,
    tell: Callable[[ActionStep], None],
    should_stop: ShouldStop,
) -> ActionProducts:
    """Recognize what is done in an uploaded clip, and write it all into `folder`. Raises as `see`, WeightsError."""
    check_clip(clip, limits)
    tell(ActionStep(words=later("Loading the model")))
    start, recognizer = time.monotonic(), open_model(model.folder)

    def told(words: str, done: int, total: int) -> None:
        tell(ActionStep(words=words, done=done, total=total))

    seen = see(recognizer, clip, annotations, video_id, tell=told, should_stop=should_stop)
    if should_stop():
        raise Cancelled
    tell(ActionStep(words=later("Drawing where it looked")))
    made = write(seen, recognizer.drawn, clip, folder / slug(clip))
    return replace(made, seconds=time.monotonic() - start)


def write(seen: Seen, drawn: bool, clip: Path, stem: Path) -> ActionProducts:
    """Write what was recognized in a clip as STEM.mp4, STEM.json and STEM-<figure>.svg."""
    # Late: matplotlib takes a second.
    from models.recognition.multistream.attention_figures import pictures_of
    from models.recognition.multistream.showing import write_shown

    video, told = (stem.parent / f"{stem.name}{suffix}" for suffix in (".mp4", ".json"))
    write_shown(seen, video)
    write_json(told, values(seen, drawn, clip))
    pictures = pictures_of(seen)
    named = [replace(one, name=f"{stem.name}-{one.name}") for one in pictures]
    drawings = figures.write(named, stem.parent)
    return ActionProducts(
        seen=seen,
        drawn=drawn,
        video=video,
        pictures=pictures,
        downloads=(video, told, *drawings),
    )


def values(seen: Seen, drawn: bool, clip: Path) -> dict[str, Any]:
    """What was recognized as plain values: confidences and shares 0..1, None for a stream that saw nothing.

    attention: of each stream, in each chosen frame, how its look was shared out among the others; `mean` is over the
    frames in which it had anything.
    """
    return {
        "clip": safe_name(clip),
        "video_id": seen.video_id,
        "recognizer": seen.description,
        "trained_on_drawn_clips": drawn,
        "labels": [{"label": one.label, "confidence": float(one.confidence)} for one in seen.candidates],
        "remarks": list(seen.remarks),
        "frames": [int(number) for number in seen.item["numbers"]],
        "fps": float(seen.fps),
        "attention": _attention(seen),
    }


def _attention(seen: Seen) -> dict[str, Any]:
    from models.recognition.multistream.config import STREAMS

    made: dict[str, Any] = {}
    for place, stream in enumerate(STREAMS):
        there = seen.present[place]
        if not there.any():
            made[stream] = None
            continue
        shares = seen.over_streams[place]
        mean = shares[there].mean(0)
        made[stream] = {
            "mean": {name: float(mean[at]) for at, name in enumerate(STREAMS)},
            "over_streams": [row.tolist() if known else None for row, known in zip(shares, there, strict=True)],
            "over_time": [
                row.tolist() if known else None for row, known in zip(seen.over_time[place], there, strict=True)
            ],
        }
    return made


def _check_length(clip: Path) -> None:
    """Raise a VideoError for a video that would fill the memory: every frame of a clip is held at once."""
    from models.data.something import FPS

    if clip.is_dir():
        return
    with VideoReader(clip, ReadOptions(fps=FPS)) as frames:
        most = _MOST_BYTES // (frames.width * frames.height * 3)
        count = frames.expected_frames
        if count is None:  # what a browser records does not say
            count = sum(1 for _ in islice(frames, most + 1))
        if count > most:
            words = text(
                "{clip} is longer than the {seconds:.0f} s of {width} x {height} pixels that are looked at as one "
                "action; cut it to the action, which takes 2 to 6 s, or make its picture smaller.",
                clip=safe_name(clip),
                seconds=most / FPS,
                width=frames.width,
                height=frames.height,
            )
            raise VideoError(words)


@lru_cache(maxsize=1)
def _opened(folder: Path, _written_ns: int) -> ActionRecognizer:
    from models.recognition.multistream.recognizer import open_recognizer

    found = open_recognizer(folder)
    found.model.to(hosting.device())
    return found


def _shelf() -> Shelf[ActionModel]:
    return Shelf(make=ActionModel, kind=KIND, shipped=_ROOT, what=later("model of actions"), none=NO_MODEL)
