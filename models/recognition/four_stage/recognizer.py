"""The four-stage model as a recognizer of videos: a clip, or frames that come one by one.

CTC names a sign in a keyframe or two, not from its beginning to its end: a segment reaches from there half-way to its
neighbours, and at most half a second. A clip that is longer than the model was trained on is read in windows that
overlap. The BiLSTM needs what comes after a sign, so a stream reads its window again every few frames, and says a sign
when two readings agree on it and it is old enough not to change.

Shapes: T frames, K keyframes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import VideoError
from models.files import safe_name
from models.progress import Cancelled
from models.recognition.decoding import Token, forced_align, path_tokens
from models.recognition.four_stage.clips import Clip, Frames, centre, fitted, kept_size
from models.recognition.four_stage.keyframes import motion_energy
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.stage_metrics import Judged, judged
from models.recognition.four_stage.task import Heard, heard
from models.recognition.results import Candidate, Recognition, RecognizedSegment
from models.video import ReadOptions, VideoReader

WINDOW, OVERLAP = 256, 64
"""Frames that are read together, and those that two windows share."""
_REACH_MS = 500  # of a segment, to each side of where CTC names it
_MOST = 3
_HOP_S, _OLD_S, _SEEN_S = 0.4, 0.8, 10.0  # of a stream: between readings; until a sign is said; length of its window


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was recognized in a clip, and what the stages made of its beginning."""

    recognition: Recognition
    beginning: Judged
    """The first window, aligned with what was recognized in it; for the figures."""
    frames: Frames
    """(T, H, W, 3) of the first window, as the model saw them."""


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A sign as CTC names it, in frames."""

    token: Token
    first: int
    last: int
    candidates: tuple[Candidate, ...]


class FourStageRecognizer:
    """See the page's head. description: what the model is and what it learned from."""

    def __init__(self, model: FourStage, description: str) -> None:
        self.model, self.description = model.eval(), description
        self.glosses = model.glosses

    def see(
        self,
        path: Path,
        progress: Callable[[int, int | None], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Seen:
        """What is signed in a video. Raises VideoError when it cannot be read, Cancelled.

        progress: gets the frames that were read, and of how many where the file says.
        """
        fps, total = self.model.config.fps, 0
        named: list[_Named] = []
        beginning: tuple[Judged, Frames] | None = None
        for first, frames, last in _windows(self._frames(path, progress, should_stop)):
            found, energy = self._hear(frames)
            low = first + (OVERLAP // 2 if first else 0)
            total = first + len(frames) - (0 if last else OVERLAP // 2)
            named += [one for one in self._named(found, first) if low <= (one.first + one.last) // 2 < total]
            beginning = beginning or (self._judged(path, found, energy), frames)
        if beginning is None:
            raise VideoError(f"{safe_name(path)}: no frame could be read; export it again as MP4 (H.264).")
        duration_ms = 1000 * total / fps
        segments = _segments(named, fps, duration_ms)
        remarks = () if segments else ("No sign that this model knows was found.",)
        recognition = Recognition(
            segments=segments, duration_ms=duration_ms, recognizer=self.description, remarks=remarks
        )
        return Seen(recognition=recognition, beginning=beginning[0], frames=beginning[1])

    def _judged(self, path: Path, found: Heard, energy: NDArray[np.float32]) -> Judged:
        glosses = tuple(self.glosses[label - 1] for label in found.labels)
        clip = Clip(path=path, glosses=glosses, signer="", split="test")
        times_s = np.arange(len(energy)) / self.model.config.fps
        return judged(clip, found, found.labels, energy, times_s)

    def stream(self) -> FourStageStream:
        """For a camera."""
        return FourStageStream(self)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _frames(
        self, path: Path, progress: Callable[[int, int | None], None] | None, should_stop: Callable[[], bool] | None
    ) -> Iterator[Frames]:
        size = self.model.config.size
        with VideoReader(path, ReadOptions(fps=self.model.config.fps)) as reader:
            for number, frame in enumerate(reader, start=1):
                if should_stop is not None and should_stop():
                    raise Cancelled
                if progress is not None:
                    progress(number, reader.expected_frames)
                yield centre(fitted(frame, kept_size(size)), size)

    def _hear(self, frames: Frames) -> tuple[Heard, NDArray[np.float32]]:
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].to(self._device)
        lengths = torch.tensor([len(frames)], device=self._device)
        with torch.inference_mode():
            (found,) = heard(self.model, self.model(video, lengths), lengths)
            energy = motion_energy(video, lengths)[0].cpu().numpy()
        return found, np.asarray(energy, np.float32)

    def _named(self, found: Heard, first: int) -> list[_Named]:
        """The signs of a window that begins at this frame."""
        if not found.labels:
            return []
        tokens = path_tokens(found.log_probs, forced_align(found.log_probs, found.labels))
        return [
            _Named(
                token=token,
                first=int(found.keyframes[token.start_row]) + first,
                last=int(found.keyframes[token.end_row - 1]) + first,
                candidates=self._candidates(found, token),
            )
            for token in tokens
        ]

    def _candidates(self, found: Heard, token: Token) -> tuple[Candidate, ...]:
        """The token's gloss, then the others that its rows may be, with their shares of what is no blank. The search
        sums over paths, so the first one's share need not be the greatest."""
        chances = np.exp(found.log_probs[token.start_row : token.end_row, 1:].astype(np.float64)).sum(axis=0)
        chances = chances / max(float(chances.sum()), 1e-9)
        best = sorted(range(len(chances)), key=lambda one: (one != token.label - 1, -chances[one]))[:_MOST]
        return tuple(
            Candidate(gloss=self.glosses[one], confidence=float(chances[one]), distance=1 - float(chances[one]))
            for one in best
        )


class FourStageStream:
    """Frames one by one; a sign is said once, when two readings agree on it."""

    def __init__(self, recognizer: FourStageRecognizer) -> None:
        self._recognizer, self._fps = recognizer, recognizer.model.config.fps
        self._grids: list[Tensor] = []
        self._first = self._told_until = 0
        self._before: list[_Named] = []
        self._hop = max(1, round(_HOP_S * self._fps))

    @property
    def guess(self) -> Candidate | None:
        """The newest sign that has not been said; it may still change."""
        waiting = [one for one in self._before if one.first >= self._told_until]
        return waiting[-1].candidates[0] if waiting else None

    def push(self, frame: Frames) -> tuple[RecognizedSegment, ...]:
        """The signs that are certain now; frame: (H, W, 3) RGB of any size. Times in ms since the first one."""
        model = self._recognizer.model
        with torch.inference_mode():
            picture = centre(fitted(frame, kept_size(model.config.size)), model.config.size)
            video = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(self._recognizer._device)
            self._grids.append(model.backbone(video))
        if (self._first + len(self._grids)) % self._hop:
            return ()
        said = self._say(self._read(), old=round(_OLD_S * self._fps), agreed=True)
        drop = max(0, len(self._grids) - round(_SEEN_S * self._fps))
        self._grids, self._first = self._grids[drop:], self._first + drop
        return said

    def flush(self) -> tuple[RecognizedSegment, ...]:
        """What was still open; nothing comes after it."""
        return self._say(self._read(), old=0, agreed=False) if self._grids else ()

    def _read(self) -> list[_Named]:
        grids = torch.cat(self._grids)[None]
        lengths = torch.tensor([grids.shape[1]], device=grids.device)
        model = self._recognizer.model
        with torch.inference_mode():
            (found,) = heard(model, model.after(grids, lengths), lengths)
        return self._recognizer._named(found, self._first)

    def _say(self, named: list[_Named], *, old: int, agreed: bool) -> tuple[RecognizedSegment, ...]:
        before, self._before = self._before, named
        now = self._first + len(self._grids)
        said = []
        for one in named:
            if (one.first + one.last) // 2 < self._told_until or one.last + old > now:
                continue
            same = any(
                one.token.label == other.token.label and one.first <= other.last + 2 and other.first <= one.last + 2
                for other in before
            )
            if agreed and not same:
                break  # what comes after it is not surer
            said.append(one)
            self._told_until = one.last + 2
        return _segments(said, self._fps, 1000 * now / self._fps)


def _windows(frames: Iterator[Frames]) -> Iterator[tuple[int, Frames, bool]]:
    """(number of the first frame, frames (T, H, W, 3), whether it is the last window)."""
    first, held = 0, list[Frames]()
    for frame in frames:
        if len(held) == WINDOW:
            yield first, np.stack(held), False
            first, held = first + WINDOW - OVERLAP, held[WINDOW - OVERLAP :]
        held.append(frame)
    if held:
        yield first, np.stack(held), True


def _segments(named: Sequence[_Named], fps: float, duration_ms: float) -> tuple[RecognizedSegment, ...]:
    step = 1000 / fps
    made = []
    for place, one in enumerate(named):
        start, end = one.first * step - _REACH_MS, (one.last + 1) * step + _REACH_MS
        if place:
            start = max(start, (named[place - 1].last + 1 + one.first) / 2 * step)
        if place + 1 < len(named):
            end = min(end, (one.last + 1 + named[place + 1].first) / 2 * step)
        made.append(
            RecognizedSegment(
                start_ms=max(0.0, start), end_ms=min(duration_ms, end), candidates=one.candidates, known=True
            )
        )
    return tuple(made)
