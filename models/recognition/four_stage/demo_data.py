"""Sentences that the studio draws itself, for the demo: MP4 clips and a clips.csv, as one's own data would be.

Signers are in one split only. Of sentences of two signs and more, a fifth is kept out of training; a sentence of one
sign cannot be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import SignError, VideoError
from models.lexicon.avatar import render_avatar
from models.lexicon.dataset import person
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import Sign
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.lexicon.workers import in_processes
from models.recognition.four_stage.clips import CLIPS, DRAWN, Clip, write_clips
from models.video import probe
from models.video_write import write_video

GLOSSES = (
    "BOOK", "FATHER", "HELLO", "HOUSE", "MOTHER", "PLAY", "PLEASE", "TABLE", "THANK-YOU", "TREE", "WALK", "WORK"
)  # fmt: skip
FPS, _SIZE = 12.5, 128
_SEED = 6  # of the signers; the landmark model's come from another
_HELD_OUT = 5  # one sentence of so many
_LONGEST = 4


@dataclass(frozen=True, kw_only=True)
class DemoData:
    """How much is drawn."""

    train_signers: int = 40
    validation_signers: int = 4
    test_signers: int = 6
    sentences: int = 14
    """Of each signer, 1 to 4 signs long."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise SignError(f"data.{name} is {value}; it has to be at least 1.")


def draw_demo(
    folder: Path,
    options: DemoData | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw the clips that are not there yet, and write the list of all; returns its path."""
    options = options or DemoData()
    splits = {"train": options.train_signers, "validation": options.validation_signers, "test": options.test_signers}
    wanted: list[tuple[Path, int, Clip]] = []
    number = 0
    for split, count in splits.items():
        for _ in range(count):
            for index, glosses in enumerate(_sentences(number, split, options.sentences)):
                path = Path("clips") / f"{DRAWN}{number:03}-{index:02}.mp4"
                clip = Clip(path=path, glosses=glosses, signer=f"{DRAWN}{number:03}", split=split)
                wanted.append((Path(folder), number, clip))
            number += 1
    for done, _ in enumerate(in_processes(_draw, wanted, workers), start=1):
        if progress is not None:
            progress(done, len(wanted))
    write_clips(Path(folder) / CLIPS, [clip for _, _, clip in wanted])
    return Path(folder) / CLIPS


def _sentences(signer: int, split: str, count: int) -> list[tuple[str, ...]]:
    """Sentences of this split, drawn from the signer's number."""
    rng = np.random.default_rng([_SEED, signer])
    made: list[tuple[str, ...]] = []
    while len(made) < count:
        length = 1 + len(made) % _LONGEST
        glosses = tuple(str(one) for one in rng.choice(GLOSSES, length))
        if length == 1 or is_held_out(glosses) == (split != "train"):
            made.append(glosses)
    return made


def is_held_out(glosses: tuple[str, ...]) -> bool:
    """Whether the sentence is kept out of training."""
    return zlib.crc32(" ".join(glosses).encode()) % _HELD_OUT == 0


def _draw(folder: Path, number: int, clip: Clip) -> None:
    signer = person(number, _SEED)
    options = UtteranceOptions(style=signer.style, fps=FPS, size=_SIZE)
    made = sign_line([Sign(gloss) for gloss in clip.glosses], [embedded_lexicon()], options)
    path = folder / clip.path
    if not _is_whole(path, len(made.pose.body.data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, render_avatar(made.pose, signer.look), fps=FPS)


def _is_whole(path: Path, num_frames: int) -> bool:
    try:
        return path.is_file() and probe(path).num_frames == num_frames
    except VideoError:
        return False
