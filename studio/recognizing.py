"""What the Recognize tab does: a clip or a .pose in; what was signed, as files, out. One or many."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pose_format import Pose

from models.errors import PoseError, SignError
from models.figures import Picture
from models.files import own_names, replacing, safe_name, slug
from models.lexicon.signs import Lexicon
from models.pose.batch import BatchProgress, extract_many
from models.pose.extract import extract_pose
from models.pose.files import read_pose, write_pose
from models.pose.preview import write_skeleton
from models.progress import Cancelled, Progress
from models.recognition.exports import write_csv, write_eaf, write_json, write_vtt
from models.recognition.results import Recognition, Recognizer
from studio.inputs import check_clip
from studio.limits import Limits
from studio.texts import later, text

ShouldStop = Callable[[], bool]
Ready = Callable[[Sequence[Lexicon]], Recognizer]
"""Makes the recognizer that knows the signs of these lexicons."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is being done, and how far it is where that can be counted."""

    words: str
    """In English; they go through `text` where they are shown."""
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """What was signed in a clip, and where everything was written."""

    video: Path
    """The clip itself, or the pose drawn."""
    recognition: Recognition
    captions: Path
    downloads: tuple[Path, ...]
    """The files worth keeping, most wanted first."""
    stages: tuple[Picture, ...] = ()
    """What each stage of a model of pictures looked at."""


@dataclass(frozen=True, kw_only=True)
class ClipRecognized:
    """One clip of a batch: what became of it."""

    name: str
    made: Recognized | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class BatchRecognized:
    """A batch under way or finished."""

    progress: BatchProgress | None
    clips: tuple[ClipRecognized, ...]
    recognizer: str
    archive: Path | None = None
    """The zip of all results; None while the batch is under way or when there is nothing to put in it."""


def ready(lexicons: Sequence[Lexicon], folder: Path | None = None) -> Recognizer:
    """The recognizer that comes with the studio, or the landmark model of a folder, and the signs of these lexicons."""
    from models.recognition.ready import ready_recognizer  # loads the model's libraries, which a start can do without

    return ready_recognizer(lexicons, folder)


def recognize_clip(
    source: str | Path,
    folder: Path,
    among: Sequence[Lexicon],
    limits: Limits,
    tell: Callable[[Step], None],
    should_stop: ShouldStop,
    *,
    make: Ready = ready,
) -> Recognized:
    """Recognize what is signed in a clip or .pose file, and write pose, JSON, captions, .eaf and table into `folder`.

    Raises VideoError and PoseError for what cannot be read or is more than the limits, WeightsError when there is no
    model, Cancelled.
    """
    source = Path(source)
    given = read_short_pose(source, limits) if is_pose(source) else None
    if given is None:
        check_clip(source, limits)
    tell(Step(words=later("Loading the recognizer …")))  # before the long work, which would be for nothing without it
    recognizer = make(among)
    if given is not None:
        pose, video = given, folder / f"{slug(source)}.mp4"
        write_skeleton(pose, video, progress=teller(tell, later("Drawing the pose")), should_stop=should_stop)
    else:
        pose, video = extract_pose(source, None, teller(tell, later("Reading the pose")), should_stop).pose, source
    tell(Step(words=later("Recognizing …")))
    pose_path = folder / f"{slug(source)}.pose"
    write_pose(pose_path, pose)
    made = _write(pose, pose_path, video, recognizer)
    if should_stop():
        raise Cancelled
    return made


def recognize_many(
    sources: Sequence[str | Path],
    folder: Path,
    among: Sequence[Lexicon],
    limits: Limits,
    tell: Callable[[BatchRecognized], None],
    should_stop: ShouldStop,
    *,
    make: Ready = ready,
) -> BatchRecognized:
    """`recognize_clip` for many clips, their poses read on all cores, and a zip of all results with a table.

    A clip that fails has its error and the others go on; when stopped, what is done so far is in the zip.
    """
    recognizer = make(among)
    places = _places([Path(source) for source in sources], folder)
    done: dict[Path, ClipRecognized] = {}
    latest: list[BatchProgress] = []

    def report(archive: Path | None = None) -> BatchRecognized:
        return BatchRecognized(
            progress=latest[-1] if latest else None,
            clips=_in_order(done, places),
            recognizer=recognizer.description,
            archive=archive,
        )

    def show(progress: BatchProgress) -> None:
        latest[:] = [progress]
        tell(report())

    videos = _videos(places, recognizer, limits, done)
    if videos and not should_stop():
        for outcome in extract_many(videos, videos, progress=show, should_stop=should_stop):
            done[outcome.path] = (
                ClipRecognized(name=safe_name(outcome.path), error=outcome.error)
                if outcome.pose_path is None
                else _of_pose(outcome.path, outcome.pose_path, recognizer)
            )
            tell(report())
    return report(_zip(folder / "recognized.zip", folder, _in_order(done, places)))


def _in_order(done: Mapping[Path, ClipRecognized], places: Mapping[Path, Path]) -> tuple[ClipRecognized, ...]:
    """What became of the clips so far, in the order in which they were sent."""
    return tuple(done[source] for source in places if source in done)


def _videos(
    places: Mapping[Path, Path], recognizer: Recognizer, limits: Limits, done: dict[Path, ClipRecognized]
) -> dict[Path, Path]:
    """The clips whose pose has to be read, with its place; .pose files, and what cannot be read, are done at once."""
    videos: dict[Path, Path] = {}
    for source, place in places.items():
        try:
            if is_pose(source):
                write_pose(place, read_short_pose(source, limits))
                done[source] = _of_pose(source, place, recognizer)
            else:
                check_clip(source, limits)
                videos[source] = place
        except SignError as error:
            done[source] = ClipRecognized(name=safe_name(source), error=str(error))
    return videos


def is_pose(path: Path) -> bool:
    """Whether it is a .pose file rather than a video."""
    return path.suffix.lower() == ".pose"


def read_short_pose(path: Path, limits: Limits) -> Pose:
    """Read a .pose file. Raises PoseError when it is none, or longer than the browser may send."""
    pose = read_pose(path)
    minutes = len(pose.body.data) / float(pose.body.fps) / 60
    if minutes > limits.max_clip_minutes:
        raise PoseError(
            text(
                "{name}: {minutes:.0f} minutes are more than the {most} accepted here; cut it, or use "
                "`signstudio recognize run`, which has no limit.",
                name=safe_name(path),
                minutes=minutes,
                most=limits.max_clip_minutes,
            )
        )
    return pose


def _write(pose: Pose, pose_path: Path, video: Path, recognizer: Recognizer) -> Recognized:
    """Recognize a pose, and write what was recognized beside it."""
    from models.recognition.recognize import recognize

    own = video.parent == pose_path.parent  # drawn of a .pose, not a clip that somebody filmed
    recognition = recognize(pose, recognizer, None if own or is_pose(video) else video)
    made = write_recognition(recognition, pose_path.with_suffix(""), video)
    return replace(made, downloads=(*made.downloads, pose_path, *([video] if own else [])))


def write_recognition(recognition: Recognition, stem: Path, video: Path) -> Recognized:
    """Write what was recognized in a video as STEM.eaf, .vtt, .csv and .json."""
    table, captions, elan, values = (
        stem.parent / f"{stem.name}{suffix}" for suffix in (".csv", ".vtt", ".eaf", ".json")
    )
    write_eaf(elan, recognition, None if is_pose(video) else safe_name(video))
    write_vtt(captions, recognition)
    write_json(values, recognition, safe_name(video))
    write_csv(table, recognition)
    return Recognized(
        video=video, recognition=recognition, captions=captions, downloads=(elan, captions, table, values)
    )


def teller(tell: Callable[[Step], None], words: str) -> Callable[[Progress], None]:
    """Tells progress as a step of this name."""
    return lambda progress: tell(Step(words=words, progress=progress))


def _of_pose(source: Path, pose_path: Path, recognizer: Recognizer) -> ClipRecognized:
    """What is in a clip of a batch whose pose was read."""
    try:
        made = _write(read_pose(pose_path), pose_path, source, recognizer)
    except SignError as error:
        return ClipRecognized(name=safe_name(source), error=str(error))
    return ClipRecognized(name=safe_name(source), made=made)


def _places(sources: Sequence[Path], folder: Path) -> Mapping[Path, Path]:
    """A folder and a pose path for each clip, numbered where names are the same."""
    places = {source: folder / name / f"{name}.pose" for source, name in own_names(sources).items()}
    for place in places.values():
        place.parent.mkdir(parents=True)
    return places


def _zip(path: Path, folder: Path, clips: Sequence[ClipRecognized]) -> Path | None:
    """All results, and a table of what was found in each clip. None when no clip went well."""
    finished = [clip.made for clip in clips if clip.made is not None]
    if not finished:
        return None
    lines = ["clip\tglosses\tremarks"]
    for clip in clips:
        found = clip.made.recognition if clip.made else None
        glosses = " ".join(segment.gloss or "?" for segment in found.segments) if found else ""
        remarks = " ".join(found.remarks) if found else str(clip.error)
        lines.append(f"{clip.name}\t{glosses}\t{remarks}".replace("\n", " "))
    lines.append(f"# {finished[0].recognition.recognizer}".replace("\n", " "))
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glosses.tsv", "\n".join(lines) + "\n")
        for made in finished:
            for file in made.downloads:
                archive.write(file, file.relative_to(folder))
    return path
