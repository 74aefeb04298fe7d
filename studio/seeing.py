"""What the Recognize tab does with a model of pictures: a clip in; what was signed, and what the stages saw, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.errors import SignError
from models.figures import write
from models.files import slug
from models.lexicon.signs import Lexicon
from models.model_folder import DESCRIPTION
from models.progress import Cancelled, Meter
from studio.inputs import check_clip
from studio.jobs import Jobs
from studio.limits import Limits
from studio.recognizing import (
    Ready,
    Recognized,
    ShouldStop,
    Step,
    is_pose,
    ready,
    recognize_clip,
    teller,
    write_recognition,
)
from studio.texts import later, text
from studio.trained import name_of

LANDMARKS, SHIPPED = "landmarks", "four-stage"
"""What recognizers are called that come with the studio."""
_ROOT = Path(__file__).parents[1] / "assets" / "four_stage"
_KINDS = {"four-stage": later("Pictures: your run {name}"), "landmark": later("Landmarks: your run {name}")}


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A recognizer that can be chosen."""

    name: str
    title: str
    folder: Path | None = None
    """Of its model; None for the landmark model that comes with the studio."""
    of_pictures: bool = False
    """Whether it looks at the video itself rather than at landmarks."""


def engines(among: Jobs) -> list[Engine]:
    """Those that come with the studio, and those that were trained here and have a model, newest first."""
    found = [Engine(name=LANDMARKS, title=text("Landmarks: everyday signs, and those that you taught"))]
    if (_ROOT / DESCRIPTION).is_file():
        title = text("Pictures: the four-stage model, a demo of a few signs")
        found.append(Engine(name=SHIPPED, title=title, folder=_ROOT, of_pictures=True))
    for job in among.list():
        folder = among.run(job.id).model
        if job.model in _KINDS and (folder / DESCRIPTION).is_file():
            title = text(_KINDS[job.model], name=job.name or job.id)
            of_pictures = job.model == "four-stage"
            found.append(Engine(name=name_of(folder), title=title, folder=folder, of_pictures=of_pictures))
    return found


def find_engine(name: str, among: Jobs) -> Engine:
    """The recognizer of this name. Raises SignError for one that is not there any more."""
    for engine in engines(among):
        if engine.name == name:
            return engine
    raise SignError(text("This recognizer is not here any more; choose another one."))


def recognize_with(
    engine: Engine,
    source: str | Path,
    folder: Path,
    among: Sequence[Lexicon],
    limits: Limits,
    tell: Callable[[Step], None],
    should_stop: ShouldStop,
    *,
    make: Ready = ready,
) -> Recognized:
    """Recognize what is signed in a clip with a recognizer that was chosen; `make` is for the one that comes with the
    studio. Raises as `see_clip` and `recognize_clip`."""
    if engine.of_pictures and engine.folder is not None:
        return see_clip(source, folder, engine.folder, limits, tell, should_stop)
    ready_one = make if engine.folder is None else partial(ready, folder=engine.folder)
    return recognize_clip(source, folder, among, limits, tell, should_stop, make=ready_one)


def see_clip(
    source: str | Path,
    folder: Path,
    model: Path,
    limits: Limits,
    tell: Callable[[Step], None],
    should_stop: ShouldStop,
) -> Recognized:
    """Recognize what is signed in a clip by its pictures, and write JSON, captions, .eaf, table and figures of the
    stages into `folder`.

    Raises SignError for a .pose file and a model that is none, VideoError for a clip that cannot be read or is more
    than the limits, Cancelled.
    """
    # Late: seconds.
    from models.recognition.four_stage import figures
    from models.recognition.four_stage.files import load_four_stage, trained_on
    from models.recognition.four_stage.recognizer import FourStageRecognizer

    source = Path(source)
    if is_pose(source):
        raise SignError(text("The four-stage model looks at pictures, and a .pose file has none; give it the video."))
    check_clip(source, limits)
    tell(Step(words=later("Loading the recognizer …")))
    recognizer = FourStageRecognizer(load_four_stage(model), trained_on(model))
    meter = Meter(None, teller(tell, later("Reading the pictures")))
    seen = recognizer.see(source, lambda _done, _total: meter.count(), should_stop)
    meter.finish()
    tell(Step(words=later("Drawing what it looked at …")))
    pictures = [
        figures.keyframes(seen.beginning, seen.frames, "keyframes"),
        figures.attention(seen.beginning, recognizer.glosses, "attention"),
    ]
    files = write(pictures, folder)
    if should_stop():
        raise Cancelled
    made = write_recognition(seen.recognition, folder / slug(source), source)
    return replace(made, stages=tuple(pictures), downloads=(*made.downloads, *files))
