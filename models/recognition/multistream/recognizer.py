"""The multi-stream model as a recognizer of clips: what happens in one, and where the model looked.

A clip goes the way that the training data went: its boxes from annotations of Something-Else, the joints of its hands
from MediaPipe in these boxes. Without annotations there are no objects, and hands are looked for in the whole picture.

Shapes: T frames, S = 3 streams.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.something import FPS, Clip, labels_of
from models.data.something_boxes import BOXES, merge_one
from models.data.something_clips import Item, SomethingClips
from models.data.something_frames import chosen_frames
from models.data.something_hands import BoxedHands, HandWork, track_hands
from models.errors import SignError
from models.files import safe_name
from models.progress import Cancelled
from models.recognition.multistream.clips import as_batch, clip_options
from models.recognition.multistream.files import about, load_multistream
from models.recognition.multistream.network import MultiStream
from models.training.run import Tell
from models.training.task import to_device
from models.video_decode import Frame

_MOST = 5


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What may be happening."""

    label: str
    confidence: float
    """0 to 1, over all labels."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was recognized in a clip, and where the model looked."""

    video_id: str
    candidates: tuple[Candidate, ...]
    """The likeliest labels, surest first."""
    item: Item
    """See `models.data.something_clips`."""
    pictures: tuple[Frame, ...]
    """The T chosen frames as they were filmed, each (H, W, 3) uint8 RGB."""
    over_streams: NDArray[np.float32]
    """(S, T, S) what each stream hears from each, frame by frame; see `Looked`."""
    over_time: NDArray[np.float32]
    """(S, T, T) the same, from each frame."""
    present: NDArray[np.bool_]
    """(S, T) whether a stream had anything."""
    fps: float
    """At which the chosen frames last as long as the clip."""
    remarks: tuple[str, ...]
    """What was missing, in sentences."""
    description: str
    """Which model, and what it learned from."""


class ActionRecognizer:
    """See the page's head. drawn: whether the model learned from drawn clips only."""

    def __init__(self, model: MultiStream, description: str, drawn: bool) -> None:
        self.model, self.description, self.drawn = model.eval(), description, drawn
        self.labels = model.labels

    def see(
        self,
        video: Path,
        annotations: Path | None = None,
        video_id: str | None = None,
        *,
        hands: bool = True,
        tell: Tell | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Seen:
        """What happens in a clip, or in a folder of its frames (0001.jpg, …).

        annotations: of Something-Else, as JSON or merged, with this clip by its id; video_id: the file's stem unless
        given. hands: whether they are looked for. Raises SignError when the clip or the annotations cannot be read, or
        have nothing of each other; Cancelled.
        """
        video = Path(video)
        if not video.exists():
            raise SignError(f"{safe_name(video)} is not there.")
        video_id = video_id or video.stem
        say = _Steps(tell, should_stop)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            say("Reading the boxes", 0)
            boxes = None if annotations is None else merge_one(Path(annotations), video_id, folder / BOXES)
            if hands and self.model.config.hands:
                say("Looking for the hands", 1)
                where = None if boxes is None else boxes.path
                with BoxedHands() as finder:
                    track_hands(HandWork(video_id=video_id, source=video, boxes=where, out=folder), finder)
            say("Recognizing", 2)
            clips = SomethingClips(
                [Clip(video_id=video_id, split="")],
                {video_id: video},
                labels_of(self.labels),
                boxes=boxes,
                hands=folder,
                keep_unlabelled=True,
                options=clip_options(self.model.config),
            )
            item = clips[0]
            told = None if boxes is None else boxes.get(video_id)
            names = {} if told is None else {one.slot: one.category for marks in told.marked.values() for one in marks}
            item["category_names"] = [names.get(slot, "") for slot in (told.slots if told is not None else ())]
        made = self._seen(video, video_id, item, _remarks(item, self.model, annotated=boxes is not None, asked=hands))
        say("Recognizing", 3)
        return made

    def _seen(self, video: Path, video_id: str, item: Item, remarks: tuple[str, ...]) -> Seen:
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            outputs = self.model(to_device(as_batch([item]), device), look=True)
        looked = outputs.looked
        shares = outputs.logits[0].float().softmax(dim=-1).cpu()
        numbers = item["numbers"].tolist()
        every: list[int] = []

        def choose(known: Sequence[int]) -> list[int]:
            every.extend(known)
            return numbers

        frames = chosen_frames(video, choose)
        return Seen(
            video_id=video_id,
            candidates=tuple(
                Candidate(label=self.labels[one], confidence=float(shares[one]))
                for one in shares.argsort(descending=True)[:_MOST].tolist()
            ),
            item=item,
            pictures=tuple(frames[number] for number in numbers),
            over_streams=looked.over_streams[0].cpu().numpy(),
            over_time=looked.over_time[0].cpu().numpy(),
            present=looked.present[0].cpu().numpy(),
            fps=max(1.0, FPS * len(numbers) / len(every)),
            remarks=remarks,
            description=self.description,
        )


def open_recognizer(folder: Path) -> ActionRecognizer:
    """The recognizer of a model's folder. Raises WeightsError as `load_multistream`."""
    told = about(folder)
    description = f"A multi-stream model of {len(told.labels)} actions, {told.trained_on}."
    return ActionRecognizer(load_multistream(folder), description, told.drawn)


class _Steps:
    """Tells the steps of one clip, and stops between them."""

    def __init__(self, tell: Tell | None, should_stop: Callable[[], bool] | None) -> None:
        self._tell, self._should_stop = tell, should_stop

    def __call__(self, words: str, done: int) -> None:
        if self._should_stop is not None and self._should_stop():
            raise Cancelled
        if self._tell is not None:
            self._tell(words, done, 3)


def _remarks(item: Item, model: MultiStream, *, annotated: bool, asked: bool) -> tuple[str, ...]:
    """What the model had to do without."""
    count = len(item["numbers"])
    remarks = []
    if model.config.objects and not annotated:
        remarks.append("There are no boxes of objects; the answer goes by the hands and the scene alone.")
    elif model.config.objects:
        missing = count - int(item["annotated"].sum())
        if not item["boxes_mask"].any():
            remarks.append("The annotations have no object in these frames.")
        elif missing:
            remarks.append(f"{missing} of {count} frames have no annotation.")
    if model.config.hands and not asked:
        remarks.append("Hands were not looked for.")
    elif model.config.hands:
        found = int(item["hands_mask"].any(dim=1).sum())
        if found < count:
            remarks.append(f"A hand was found in {found} of {count} frames.")
    return tuple(remarks)
