"""What is to be made of a word with a trained model: after what, how fast, from what it begins.

Words are folders' names, in anybody's spelling; a gloss is the word in upper case with hyphens for spaces.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from models.errors import SignError

if TYPE_CHECKING:
    from models.synthesis.sampling import SamplingOptions

Source = Literal["medoid", "barycentre"]
Begin = Literal["noise", "avatar", "clip"]

SLOWEST, FASTEST = 0.4, 2.0
LARGEST_PX = 2048
"""Of an enlarged video, a side."""
MOST_FRAMES = 600


def _sampling() -> SamplingOptions:
    from models.synthesis.sampling import SamplingOptions  # brings torch

    return SamplingOptions()


@dataclass(frozen=True, kw_only=True)
class BaseActionOptions:
    """What is made of a word. Raises SignError on values outside their range."""

    source: Source = "medoid"
    """Which embeddings: of the sample that is nearest to all others, or the mean of all, aligned to it in time."""
    speed: float = 1.0
    """2 is twice as fast: the movement is brought to half as many frames, and the model draws those."""
    frames: int | None = None
    """Of the video, as long as it lasts at this speed; None: as many a second as the samples have."""
    begin: Begin = "noise"
    """What the model begins from; other than noise, sampling.strength says how much of it is drawn anew."""
    clip: Path | None = None
    """What it begins from, for begin `clip`: a video, or a sample's folder."""
    enlarge: int = 1
    """The video is so many times as large as the model's pictures (Lanczos)."""
    sampling: SamplingOptions = field(default_factory=_sampling)

    def __post_init__(self) -> None:
        for name, kinds in (("source", Source), ("begin", Begin)):
            if getattr(self, name) not in get_args(kinds):
                raise SignError(f"{name} is {getattr(self, name)!r}; choose {' or '.join(get_args(kinds))}.")
        if not SLOWEST <= self.speed <= FASTEST:
            raise SignError(f"A speed of {self.speed:g} was asked for; choose {SLOWEST} (slow) to {FASTEST} (fast).")
        if self.frames is not None and not 2 <= self.frames <= MOST_FRAMES:
            raise SignError(f"A video of {self.frames} frames was asked for; choose 2 to {MOST_FRAMES}.")
        if not 1 <= self.enlarge <= 32:
            raise SignError(f"The video was to be {self.enlarge} times as large; choose a whole number from 1 to 32.")
        if (self.begin == "clip") != (self.clip is not None):
            raise SignError("Begin from a clip and name the clip, or do neither.")
        if self.begin != "noise" and self.sampling.strength >= 1:
            raise SignError("A strength of 1 leaves nothing of what it begins from; choose less, such as 0.6.")

    @property
    def plain(self) -> dict[str, Any]:
        """The options as values of JSON."""
        return {**asdict(self), "clip": None if self.clip is None else str(self.clip)}

    def check_size(self, size: int) -> None:
        """Raise SignError when pictures of this size, enlarged, would be too large for a video."""
        if size * self.enlarge > LARGEST_PX:
            raise SignError(
                f"The model's pictures of {size} px, {self.enlarge} times as large, are more than {LARGEST_PX} px; "
                f"enlarge them {LARGEST_PX // size} times at most."
            )


def find_word(words: Mapping[str, Any], word: str) -> str:
    """The word of a model as the model writes it. Raises SignError, naming what is near."""
    folded = {_folded(one): one for one in words}
    if word in words or _folded(word) in folded:
        return word if word in words else folded[_folded(word)]
    near = difflib.get_close_matches(_folded(word), folded, n=3)
    known = [folded[one] for one in near] or sorted(words)[:12]
    more = "" if near or len(words) <= len(known) else f" and {len(words) - len(known)} more"
    hint = "did you mean" if near else "it knows"
    raise SignError(f"The model does not know {word[:60]!r}; {hint} {', '.join(known)}{more}{'?' if near else '.'}")


def gloss_of(word: str) -> str:
    """The gloss for a word: upper case, hyphens for spaces."""
    return "-".join(word.replace("_", " ").split()).upper()


def _folded(word: str) -> str:
    return gloss_of(word).casefold()
