"""What a base action video may begin from instead of noise: the drawn signer, or a clip of somebody who signs the word.

How much of it is left in the result is for the strength of the sampling to say (video-to-video).

Shapes: T frames, S side of the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.frame_folders import list_frames
from models.data.stills import letterboxed
from models.errors import LexiconError, SignError
from models.files import safe_name
from models.lexicon.avatar import render_avatar
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.pictures import read_picture
from models.progress import Cancelled
from models.synthesis.whole_pose import in_frames
from models.video import VideoReader

Images = NDArray[np.uint8]
_DRAWN_PX = 256  # drawn larger and reduced, as the clips of the demo data are


def drawn_signer(
    gloss: str, frames: int, size: int, should_stop: Callable[[], bool] | None = None, look: str = "sofia"
) -> Images:
    """(T, S, S, 3) RGB: the embedded sign of this gloss, drawn. Raises LexiconError when there is none, Cancelled."""
    phonology = load_phonology()
    if gloss not in phonology:
        raise LexiconError(
            f"{gloss} is none of the embedded signs, so no drawn signer can show it; begin from noise or from a clip."
        )
    made = perform([phonology[gloss]], width=_DRAWN_PX, height=_DRAWN_PX)
    pose = in_frames(made.pose, frames, float(made.pose.body.fps))
    drawn = []
    for picture in render_avatar(pose, LOOKS[look], height=max(size, _DRAWN_PX)):
        if should_stop is not None and should_stop():
            raise Cancelled
        drawn.append(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(drawn).astype(np.uint8)


def clip_frames(clip: Path, frames: int, size: int) -> Images:
    """(T, S, S, 3) RGB: frames of a clip, spread evenly, letterboxed as samples are.

    clip: a video, a sample's folder as `signstudio data words` writes it, or a folder of frames (`list_frames`).
    Raises VideoError for a clip that cannot be read, SignError for a folder without frames.
    """
    numbers = _spread(sum(1 for _ in _read(clip)), frames)
    wanted = set(numbers.tolist())
    kept = {number: letterboxed(frame, size) for number, frame in enumerate(_read(clip)) if number in wanted}
    return np.stack([kept[number] for number in numbers.tolist()])


def _read(clip: Path) -> Iterator[Images]:
    if not clip.is_dir():
        with VideoReader(clip) as reader:
            yield from reader
        return
    if (clip / "full.mp4").is_file():
        yield from _read(clip / "full.mp4")
        return
    folder = clip / "full" if (clip / "full").is_dir() else clip
    listing = list_frames(folder)
    names = listing.names or listing.odd  # by their numbers; pictures without any by their names
    if not names:
        raise SignError(f"{safe_name(clip)} holds no frames; name a clip, or a sample of `signstudio data words`.")
    for name in names:
        yield read_picture(folder / name, "take it out of the folder")


def _spread(have: int, want: int) -> NDArray[np.intp]:
    """Which of the frames there are to take, the first and the last included."""
    return np.round(np.linspace(0, have - 1, want)).astype(np.intp)
