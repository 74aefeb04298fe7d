"""One clip of a word to one sample: the whole picture and both hands, as so many frames of one size.

    WORD/SAMPLE/full/frame_0001.jpg …   left_hand/ …   right_hand/ …      or full.mp4, left_hand.mp4, right_hand.mp4
    WORD/SAMPLE/landmarks.pose                                            of these frames, in pixels of the full picture
    WORD/SAMPLE/meta.json                                                 a `Sample`; written last

Design choices:

- The clip is divided into as many equal spans as there are frames wanted, and the frame in the middle of each is
  taken: even in time, the clip's own frames, none mixed of two. A clip with fewer repeats frames.
- The full picture keeps its proportions and gets black bars (letterboxed): stretching would change the shape of hands
  and movements, and cutting the sides off would lose hands. Where the picture lies in the square is written down.
- The hands are cut from the clip's own pixels, not from the small full picture. Left is the signer's left; a clip that
  was mirrored shows the other hand, and nothing in it says so.
- Landmarks come from every frame of the clip, because tracking from frame to frame finds more hands; then the clip is
  decoded once more for the pictures, so that memory holds a few frames however long it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pose_format import Pose
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from models.data.hand_boxes import HandBoxes, crop, hand_boxes
from models.data.stills import fitted, jpeg, letterboxed
from models.data.store import Store
from models.data.work import Made, Make
from models.errors import SignError
from models.files import read_json, safe_name
from models.pose.extract import PoseOptions, PoseResult, extract_pose, open_session
from models.pose.files import write_pose
from models.pose.holistic import HolisticSession
from models.pose.landmarks import FACE, WORLD, component_start, with_arrays
from models.pose.span import signing_span
from models.video import MAX_FPS, Box, VideoReader
from models.video_decode import Frame
from models.video_write import VideoWriter

Format = Literal["jpeg", "mp4"]
Part = Literal["full", "left_hand", "right_hand"]
PARTS: tuple[Part, ...] = get_args(Part)
META, LANDMARKS = "meta.json", "landmarks.pose"
VERSION = 2
"""Of the way samples are made; another one makes them again."""

_POSE = PoseOptions(face=False)


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What a sample is. Raises SignError on values outside their range."""

    frames: int = 60
    size: int = 256
    """Side of the full picture, pixels."""
    hand_size: int = 128
    """Side of the hands' crops, pixels."""
    format: Format = "jpeg"
    quality: int = 95
    """Of the JPEG files, 1 to 100."""
    crf: int = 18
    """Of the MP4 files, 0 to 51: lower is better and larger."""

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 9999:
            raise SignError(f"A sample of {self.frames} frames was asked for; give 1 to 9999.")
        for name in ("size", "hand_size"):
            if not 16 <= getattr(self, name) <= 4096:
                raise SignError(f"{name} is {getattr(self, name)} pixels; give 16 to 4096.")
        if self.format not in get_args(Format):
            raise SignError(f"There is no format {self.format!r}; choose {' or '.join(get_args(Format))}.")
        if not 1 <= self.quality <= 100:
            raise SignError(f"The JPEG quality is {self.quality}; give 1 to 100.")
        if not 0 <= self.crf <= 51:
            raise SignError(f"The MP4's crf is {self.crf}; give 0 (best) to 51.")

    @property
    def deciding(self) -> dict[str, Any]:
        """The options that this format's files depend on."""
        unused = "quality" if self.format == "mp4" else "crf"
        return {name: value for name, value in asdict(self).items() if name != unused}


@dataclass(frozen=True, kw_only=True)
class WordClip:
    """A clip of a word."""

    word: str
    name: str
    """Of the sample: the file's stem, or its whole name where two files of the word have the same stem."""
    path: Path
    source: str
    """The path from the folder of words, with slashes."""

    @property
    def item(self) -> str:
        """The sample's folder."""
        return f"{self.word}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What meta.json says."""

    version: int
    word: str
    source: str
    """The clip, from the folder of words."""
    width: int
    height: int
    """Of the clip, pixels, upright."""
    source_fps: float
    source_frames: int
    span_ms: tuple[float, float]
    """The part of the clip that is shown: all of it."""
    signing: tuple[int, int]
    """First frame of the sample in which a hand is raised, and the one after the last; all frames when none is."""
    fps: float
    """Of the sample, in the clip's time."""
    numbers: list[int]
    """The clip's frame that each frame of the sample shows, from 0."""
    format: Format
    size: int
    hand_size: int
    picture: Box
    """xmin, ymin, xmax, ymax of the clip's picture in the full square; black around it."""
    seen: dict[str, list[bool]]
    """By part (left_hand, right_hand): whether MediaPipe found the hand in the frame."""
    boxes: dict[str, list[Box] | None]
    """By part: what is shown, pixels of the clip; beyond its edges where it is smaller. None, and black frames, for a
    hand that was never found."""


def sampler(store: Store, options: SampleOptions, threads: int | None = None) -> Make:
    """Makes samples of `WordClip`s in a store. threads: of MediaPipe, in each worker; None is one per core."""
    return partial(_opened, store, options, threads)


def middles(length: int, count: int) -> list[int]:
    """Which of so many frames to take: those in the middles of `count` equal spans; some more than once where there
    are fewer."""
    return [(2 * index + 1) * length // (2 * count) for index in range(count)]


def read_sample(path: Path) -> Sample:
    """A meta.json. Raises SignError when it is missing or is none of ours."""
    try:
        found = read_json(path)
        for name in ("span_ms", "signing", "picture"):
            found[name] = tuple(found[name])
        found["boxes"] = {part: boxes and [tuple(box) for box in boxes] for part, boxes in found["boxes"].items()}
        return Sample(**found)
    except FileNotFoundError:
        raise SignError(f"{path.parent.name} has no {path.name}; run `signstudio data words` again.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignError(f"{path.parent.name}/{path.name} cannot be used ({error}); delete it and run again.") from error


def _opened(store: Store, options: SampleOptions, threads: int | None) -> Callable[[WordClip], Made]:
    session: HolisticSession | None = None

    def work(clip: WordClip) -> Made:
        nonlocal session
        session = session or open_session(_POSE, threads=threads)
        try:
            return make_sample(clip, store, options, session)
        except SignError:
            raise
        except Exception:
            session = None  # whatever happened, the next clip starts from nothing
            raise

    return work


def make_sample(clip: WordClip, store: Store, options: SampleOptions, session: HolisticSession) -> Made:
    """Write a sample in place of what is in its folder. session: without the face.

    Raises VideoError when the clip cannot be read.
    """
    result = extract_pose(clip.path, _POSE, session=session)
    sample = _described(clip, result, options)
    meta = f"{clip.item}/{META}"
    store.remove(meta)
    for name in store.names(clip.item):  # of other options, or of a process that was killed
        store.remove(name)
    written = _write_pictures(clip, sample, store, options)
    with store.writing(f"{clip.item}/{LANDMARKS}") as path:
        write_pose(path, _placed(result.pose, sample))
    with store.writing(meta) as path:
        path.write_text(json.dumps(asdict(sample)) + "\n", encoding="utf-8")
    shares = {part: round(sum(seen) / len(seen), 4) for part, seen in sample.seen.items()}
    return Made(output=meta, info={"word": clip.word, "source": clip.source, "bytes": written, "seen": shares})


def _described(clip: WordClip, result: PoseResult, options: SampleOptions) -> Sample:
    """The sample to be made of a clip with these landmarks."""
    length, fps = len(result.pose.body.data), float(result.pose.body.fps)
    numbers = middles(length, options.frames)
    hands = {f"{side}_hand": found for side, found in hand_boxes(result.pose).items()}
    start, end = signing_span(result.pose)
    shown = [place for place, number in enumerate(numbers) if start <= number < end]
    return Sample(
        version=VERSION,
        word=clip.word,
        source=clip.source,
        width=result.info.width,
        height=result.info.height,
        source_fps=fps,
        source_frames=length,
        span_ms=(0.0, round(1000 * length / fps, 3)),
        signing=(shown[0], shown[-1] + 1) if shown else (0, options.frames),
        fps=round(options.frames * fps / length, 6),
        numbers=numbers,
        format=options.format,
        size=options.size,
        hand_size=options.hand_size,
        picture=fitted(result.info.width, result.info.height, options.size),
        seen={part: found.seen[numbers].tolist() for part, found in hands.items()},
        boxes={part: _at(found, numbers) for part, found in hands.items()},
    )


def _placed(pose: Pose, sample: Sample) -> Pose:
    """The pose in the frames of the sample, without the face, which nobody looked for, in pixels of the full square."""
    kept = pose.get_components([one.name for one in pose.header.components if one.name != FACE])
    data = np.array(np.ma.getdata(kept.body.data)[sample.numbers], np.float32)
    left, top, right, _ = sample.picture
    world = component_start(kept, WORLD)  # the last one
    data[:, :, :world, :2] = data[:, :, :world, :2] * ((right - left) / sample.width) + (left, top)
    data[:, :, :world, 2] *= (right - left) / sample.size  # depth is in widths of the picture
    data[:, :, world:, :2] *= (sample.size / sample.width, sample.size / sample.height)  # metres times its size
    size = PoseHeaderDimensions(width=sample.size, height=sample.size, depth=0)
    header = PoseHeader(version=kept.header.version, dimensions=size, components=kept.header.components)
    confidence = np.ma.getdata(kept.body.confidence)[sample.numbers]
    return Pose(header, with_arrays(kept, data, confidence, fps=sample.fps).body)


def _at(found: HandBoxes, numbers: list[int]) -> list[Box] | None:
    if found.boxes is None:
        return None
    return [(int(box[0]), int(box[1]), int(box[2]), int(box[3])) for box in found.boxes[numbers]]


def _write_pictures(clip: WordClip, sample: Sample, store: Store, options: SampleOptions) -> int:
    """Decode the clip and write the frames that the sample takes of it; returns the bytes written."""
    sides = {part: options.size if part == "full" else options.hand_size for part in PARTS}
    place, sizes = 0, [0]
    with ExitStack() as stack:
        outs = {
            part: stack.enter_context(_writing(store, f"{clip.item}/{part}", sides[part], sample.fps, options, sizes))
            for part in PARTS
        }
        with VideoReader(clip.path, _POSE.reading) as reader:
            for number, frame in enumerate(reader):
                while place < len(sample.numbers) and sample.numbers[place] == number:
                    for part, write in outs.items():
                        write(_picture(frame, part, place, sample))
                    place += 1
    if place < len(sample.numbers):
        raise SignError(f"{safe_name(clip.path)}: the file changed while it was being read; run again.")
    return sum(sizes)


def _picture(frame: Frame, part: Part, place: int, sample: Sample) -> Frame:
    """What one part of the sample shows in one frame."""
    if part == "full":
        return letterboxed(frame, sample.size)
    boxes = sample.boxes[part]
    if boxes is None:
        return np.zeros((sample.hand_size, sample.hand_size, 3), np.uint8)
    return crop(frame, boxes[place], sample.hand_size)


@contextmanager
def _writing(
    store: Store, name: str, side: int, fps: float, options: SampleOptions, sizes: list[int]
) -> Iterator[Callable[[Frame], None]]:
    """A function that takes the frames of one part; sizes gets the bytes of each file."""
    if options.format == "mp4":
        with store.writing(f"{name}.mp4") as path:
            # A player's rate has limits; meta.json has the exact one.
            with VideoWriter(path, fps=min(max(fps, 1.0), MAX_FPS), width=side, height=side, crf=options.crf) as video:
                yield video.write
            sizes.append(path.stat().st_size)
        return
    count = 0

    def write(frame: Frame) -> None:
        nonlocal count
        count += 1
        data = jpeg(frame, options.quality)
        with store.writing(f"{name}/frame_{count:04d}.jpg") as path:
            path.write_bytes(data)
        sizes.append(len(data))

    yield write
