"""Everything that is made of a word with a trained model: the video, its .pose, a caption, a contact sheet.

    FOLDER/BOOK.mp4  BOOK.pose  BOOK.vtt  BOOK.jpg      frame i of the pose is frame i of the video
    FOLDER/BOOK.json                                    how it was made; written last

What is made after is never one arbitrary sample: the medoid of the word's samples, or their barycentre in its time.
Who makes many words asks `made_before` first, which knows what the same model made with the same options.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.work import fingerprint
from models.errors import LexiconError, SignError
from models.files import read_json, replacing, safe_name
from models.lexicon import recordings
from models.lexicon.captions import write_captions
from models.lexicon.index import INDEX, open_lexicon
from models.lexicon.performance import Segment
from models.lexicon.products import SentenceProducts
from models.lexicon.signs import Entry
from models.pose.files import read_pose, write_pose
from models.pose.span import signing_span
from models.progress import Cancelled
from models.synthesis.beginnings import clip_frames, drawn_signer
from models.synthesis.contact_sheet import write_contact_sheet
from models.synthesis.motion import Motion, resampled
from models.synthesis.options import MOST_FRAMES, BaseActionOptions, find_word, gloss_of
from models.synthesis.whole_pose import PoseFrom, enlarged, in_frames, pose_of_video, whole_pose
from models.video_write import write_video

if TYPE_CHECKING:
    from pose_format import Pose

    from models.synthesis.pipeline import BaseActionPipeline, WordExample

Images = NDArray[np.uint8]
ShouldStop = Callable[[], bool]

FOLDER = "base_action_videos"
_HIGHEST_FPS = 120.0
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class BaseActionProducts:
    """Where everything was written, and what it is."""

    word: str
    gloss: str
    video: Path
    pose: Path
    captions: Path
    sheet: Path
    """The contact sheet."""
    about: Path
    """How it was made."""
    segment: Segment
    """When the sign is signed."""
    num_frames: int
    fps: float
    size: int
    """Side of the video, pixels."""
    pose_from: PoseFrom
    hands_found: float | None
    """Share of the sample's hands that MediaPipe found in the video; None where nobody looked."""
    trained_on: str
    """What the model learned from, in words."""
    seconds: float
    """How long it took to make."""

    @property
    def downloads(self) -> list[Path]:
        """The files worth keeping, most wanted first."""
        return [self.video, self.pose, self.captions, self.sheet, self.about]

    @property
    def sentence(self) -> SentenceProducts:
        """The same as what the Synthesize tab makes, for whatever takes that."""
        return SentenceProducts(
            video=self.video,
            pose=self.pose,
            captions=self.captions,
            other=None,
            subtitles=self.captions,
            segments=(self.segment,),
            duration_s=self.num_frames / self.fps,
            seconds=self.seconds,
        )

    def lines(self) -> list[str]:
        """What there is to know of it, in sentences."""
        learned = self.trained_on or "trained on nobody says what"
        return [
            f"{self.num_frames} frames of {self.size} px, {self.num_frames / self.fps:.1f} s.",
            f"Drawn by a model {learned}; it is not a recording of a person.",
            pose_words(self.pose_from, self.hands_found),
        ]


@dataclass(frozen=True, kw_only=True)
class BaseActionStep:
    """What is being done, and how far it is."""

    words: str
    done: int
    total: int | None
    """None while it cannot be counted."""
    seconds_left: float | None


Tell = Callable[[BaseActionStep], None]


def make_base_action(
    pipeline: BaseActionPipeline,
    word: str,
    folder: Path,
    options: BaseActionOptions | None = None,
    tell: Tell | None = None,
    should_stop: ShouldStop | None = None,
    *,
    mark: str = "",
) -> BaseActionProducts:
    """Draw a word's base action video, and write everything that belongs to it.

    mark: of the model, for `made_before`.
    Raises SignError for a word that the model does not know, LexiconError for one that cannot be drawn to begin with,
    VideoError when the disk refuses, Cancelled: nothing is left behind then.
    """
    options, started = options or BaseActionOptions(), time.monotonic()
    known = find_word(pipeline.words, word)
    example = pipeline.words[known]
    motion, fps = _motion(example, options)
    pictures = _drawn(pipeline, known, motion, options, tell or _silent, should_stop)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as name:
        place = Path(name)
        about = _written(pipeline, known, pictures, fps, place, options, tell or _silent, should_stop)
        about |= {"key": _key(mark, known, options), "seconds": round(time.monotonic() - started, 2)}
        if should_stop is not None and should_stop():
            raise Cancelled
        said = folder / f"{_stem(known)}.json"
        said.unlink(missing_ok=True)  # it speaks of the files of before
        for path in sorted(place.iterdir()):
            path.replace(folder / path.name)
    with replacing(said) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_products(said)


def made_before(folder: Path, word: str, options: BaseActionOptions, mark: str) -> BaseActionProducts | None:
    """What the model with this mark made of a word with the same options; None when that is not there, or not whole.

    word: as the model writes it.
    """
    about = folder / f"{_stem(word)}.json"
    try:
        same = read_json(about)["key"] == _key(mark, word, options)
        return read_products(about) if same else None
    except (OSError, ValueError, TypeError, KeyError, SignError):
        return None


def read_products(path: Path) -> BaseActionProducts:
    """What was made earlier, by any of its files. Raises SignError for files that were not made here."""
    about = path.with_suffix(".json")
    try:
        said: dict[str, Any] = read_json(about)
        files: dict[str, Any] = {name: path.with_suffix(suffix) for name, suffix in _SUFFIXES.items()}
        kept = {name: said[name] for name in _KEPT}
        found = BaseActionProducts(**files, about=about, segment=Segment(**said["segment"]), **kept)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SignError(
            f"{safe_name(path)} was not made by `signstudio base generate`, or its .json is missing or damaged; "
            "a clip of your own goes into a lexicon with `signstudio lexicon add`."
        ) from error
    missing = [file.name for file in found.downloads if not file.is_file()]
    if missing:
        raise SignError(f"{', '.join(missing)} is missing beside {safe_name(about)}; make the word again.")
    return found


def to_lexicon(
    made: BaseActionProducts,
    folder: Path,
    gloss: str = "",
    *,
    words: Iterable[str] = (),
    signed_language: str = "ase",
    spoken_language: str = "en",
    priority: int = 0,
) -> Entry:
    """Put what was made into a lexicon folder, where Synthesize and Animate find it; once, however often it is put.

    gloss: what to call it; the word in upper case unless given. Raises LexiconError.
    """
    gloss = recordings.checked_gloss(gloss or made.gloss)
    if (folder / INDEX).is_file():
        for entry in open_lexicon(folder).find(gloss):
            if (folder / entry.path).read_bytes() == made.pose.read_bytes():
                return entry
    return recordings.add(
        folder,
        read_pose(made.pose),
        gloss,
        words=tuple(words),
        signed_language=signed_language,
        spoken_language=spoken_language,
        priority=priority,
    )


def pose_words(pose_from: PoseFrom, hands_found: float | None) -> str:
    """Where a pose is from, and why, in a sentence."""
    if pose_from == "video":
        return f"The pose was read from the video by MediaPipe, which found {hands_found:.0%} of the hands."
    if hands_found is None:
        why = "the model's pictures are too small for MediaPipe"
    else:
        why = f"MediaPipe found {hands_found:.0%} of the hands in the video"
    return f"The pose is that of the sample it was made after, because {why}."


_SUFFIXES = {"video": ".mp4", "pose": ".pose", "captions": ".vtt", "sheet": ".jpg"}
_KEPT = ("word", "gloss", "num_frames", "fps", "size", "pose_from", "hands_found", "trained_on", "seconds")


def _motion(example: WordExample, options: BaseActionOptions) -> tuple[Motion, float]:
    """The embeddings of each frame to be drawn, and the frames a second of the video."""
    motion = example.medoid if options.source == "medoid" else example.barycentre
    frames = options.frames or min(max(2, round(len(motion) / options.speed)), MOST_FRAMES)
    fps = frames * motion.fps * options.speed / len(motion)
    if not 1 <= fps <= _HIGHEST_FPS:
        raise SignError(
            f"{frames} frames would play at {fps:.3g} a second; choose a number of frames and a speed that give "
            f"1 to {_HIGHEST_FPS:g}."
        )
    return resampled(motion, frames), fps


def _drawn(
    pipeline: BaseActionPipeline,
    word: str,
    motion: Motion,
    options: BaseActionOptions,
    tell: Tell,
    should_stop: ShouldStop | None,
) -> Images:
    """(T, S, S, 3) the frames of the video."""
    size, begin = pipeline.config.size, None
    options.check_size(size)
    if options.begin == "avatar":
        tell(BaseActionStep(words="Drawing what it begins from", done=0, total=None, seconds_left=None))
        begin = drawn_signer(gloss_of(word), len(motion), size, should_stop)
    elif options.clip is not None:
        begin = clip_frames(options.clip, len(motion), size)
    started = time.monotonic()

    def on_step(done: int, total: int) -> None:
        left = (time.monotonic() - started) / done * (total - done) if done else None
        tell(BaseActionStep(words=f"Drawing {word}", done=done, total=total, seconds_left=left))

    from models.synthesis.sampling import settled  # late: it brings torch, and a page that starts needs none

    sampling = settled(options.sampling, pipeline.config)
    on_step(0, sampling.steps or 0)
    reference = pipeline.words[word].reference
    return pipeline.generate(motion, reference, sampling, begin=begin, on_step=on_step, should_stop=should_stop)


def _written(
    pipeline: BaseActionPipeline,
    word: str,
    pictures: Images,
    fps: float,
    folder: Path,
    options: BaseActionOptions,
    tell: Tell,
    should_stop: ShouldStop | None,
) -> dict[str, Any]:
    """Write the video and what belongs to it; returns what there is to say of it."""
    paths = {name: folder / f"{_stem(word)}{suffix}" for name, suffix in _SUFFIXES.items()}
    size = pictures.shape[1] * options.enlarge
    from models.synthesis.sampling import settled  # late, as above

    tags = {"title": word, "comment": f"Drawn by a model {pipeline.trained_on}; it is not a recording of a person."}
    write_video(paths["video"], (_larger(one, size) for one in pictures), fps=fps, metadata=tags)
    meant = enlarged(whole_pose(in_frames(pipeline.words[word].pose, len(pictures), fps)), options.enlarge)
    tell(BaseActionStep(words="Reading its pose", done=0, total=None, seconds_left=None))
    pose, pose_from, share = pose_of_video(paths["video"], pictures.shape[1], meant, None, should_stop)
    write_pose(paths["pose"], pose)
    segment = _segment(pose, gloss_of(word))
    write_captions(paths["captions"], [segment])
    title = f"{gloss_of(word)}  ·  {len(pictures)} frames, {len(pictures) / fps:.1f} s  ·  drawn by a model"
    write_contact_sheet(paths["sheet"], pictures, fps, title)
    return {
        "version": _VERSION,
        "word": word,
        "gloss": gloss_of(word),
        "num_frames": len(pictures),
        "fps": fps,
        "size": size,
        "pose_from": pose_from,
        "hands_found": share,
        "segment": asdict(segment),
        "trained_on": pipeline.trained_on,
        "options": replace(options, sampling=settled(options.sampling, pipeline.config)).plain,
    }


def _segment(pose: Pose, gloss: str) -> Segment:
    start, end = signing_span(pose)
    fps = float(pose.body.fps)
    return Segment(gloss=gloss, start_ms=round(1000 * start / fps, 3), end_ms=round(1000 * end / fps, 3))


def _larger(picture: Images, size: int) -> Images:
    if picture.shape[0] == size:
        return picture
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LANCZOS4).astype(np.uint8)


def _key(mark: str, word: str, options: BaseActionOptions) -> str:
    of_clip = None
    if options.clip is not None and options.clip.is_file():
        info = options.clip.stat()
        of_clip = [info.st_size, info.st_mtime_ns]
    return fingerprint(_VERSION, mark, word, options.plain, of_clip)


def _stem(word: str) -> str:
    """The word as a file's name."""
    name = "".join(char if char.isalnum() or char in "-_" else "-" for char in word).strip("-")[:60]
    if not name:
        raise LexiconError(f"{word[:60]!r} cannot be the name of a file; rename the word's folder and train again.")
    return name


def _silent(_step: BaseActionStep) -> None:
    return None
