"""Everything the studio makes of a gloss line: the video, its .pose, captions, and another format if asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.lexicon.body import SignerStyle
from models.lexicon.captions import write_captions
from models.lexicon.glossline import Item
from models.lexicon.looks import find_look
from models.lexicon.performance import Segment
from models.lexicon.render import Kind, RenderOptions, render
from models.lexicon.signs import Lexicon
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.pose.files import write_pose
from models.progress import Progress

NAME = "signing"


@dataclass(frozen=True, kw_only=True)
class SentenceOptions:
    """Who signs, how, and what is made of it."""

    look: str = "sofia"
    signer: int = 0
    """0 is the usual signer; any other number is one with other proportions and habits."""
    left_handed: bool = False
    speed: float = 1.0
    letter_hold_ms: float = 200
    picture: Kind = "avatar"
    captions: Literal["burnt", "track", "none"] = "burnt"
    height: int = 512
    suffix: str = ".mp4"
    """Another format to make besides the MP4: .gif or .webm."""

    @property
    def utterance(self) -> UtteranceOptions:
        """The part about signing."""
        style = SignerStyle.random(self.signer) if self.signer else SignerStyle()
        return UtteranceOptions(
            style=replace(style, left_handed=self.left_handed or style.left_handed),
            speed=self.speed,
            letter_hold_s=self.letter_hold_ms / 1000,
        )

    @property
    def drawing(self) -> RenderOptions:
        """The part about the picture."""
        return RenderOptions(
            kind=self.picture, look=find_look(self.look), height=self.height, captions=self.captions == "burnt"
        )


@dataclass(frozen=True, kw_only=True)
class SentenceProducts:
    """Where everything was written, and when each gloss is signed."""

    video: Path
    pose: Path
    captions: Path
    other: Path | None
    subtitles: Path | None
    """The captions, when they belong to the video as a track."""
    segments: tuple[Segment, ...]
    duration_s: float
    seconds: float
    """How long it took to make."""

    @property
    def downloads(self) -> list[Path]:
        """The files worth keeping, most wanted first."""
        return [path for path in (self.video, self.other, self.pose, self.captions) if path is not None]


def make_sentence(
    items: Sequence[Item],
    lexicons: Sequence[Lexicon],
    folder: Path,
    options: SentenceOptions | None = None,
    tell: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SentenceProducts:
    """Sign the items and write video, .pose and captions into `folder`.

    Raises LexiconError for what cannot be signed or drawn, Cancelled when `should_stop` says so.
    """
    options = options or SentenceOptions()
    started = time.monotonic()
    drawing = options.drawing
    made = sign_line(items, lexicons, options.utterance)
    pose, captions = folder / f"{NAME}.pose", folder / f"{NAME}.vtt"
    write_pose(pose, made.pose)
    write_captions(captions, made.segments)
    video = folder / f"{NAME}.mp4"
    render(made.pose, made.segments, video, drawing, tell, should_stop)
    other = None
    if options.suffix != ".mp4":
        other = folder / f"{NAME}{options.suffix}"
        render(made.pose, made.segments, other, drawing, tell, should_stop)
    return SentenceProducts(
        video=video,
        pose=pose,
        captions=captions,
        other=other,
        subtitles=captions if options.captions == "track" else None,
        segments=made.segments,
        duration_s=len(made.pose.body.data) / float(made.pose.body.fps),
        seconds=time.monotonic() - started,
    )
