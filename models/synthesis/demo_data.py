"""Words that the studio draws itself, for the demo: a folder of clips per word, read like anybody's own clips.

DATA/drawn/HELLO/signer00.mp4 …      rendered signers, by `models.lexicon.dataset`
DATA/HELLO/signer00/…, index.csv     the samples that `signstudio data words` makes of them
"""

from __future__ import annotations

from pathlib import Path

from models.data.words import INDEX, WordOptions, run
from models.lexicon.dataset import SETTINGS, DatasetOptions, render_dataset
from models.lexicon.phonology_files import load_phonology
from models.training.run import Tell

GLOSSES = ("BOOK", "FATHER", "HELLO", "HOUSE", "MOTHER", "PLAY", "PLEASE", "THANK-YOU", "TREE", "WORK")
DRAWN = "drawn"
_SEED = 8  # of the signers; those of the recognizers come from others
_CLIP_PX = 256


def draw_demo(
    folder: Path,
    tell: Tell,
    *,
    size: int,
    frames: int = 60,
    signers: int = 24,
    glosses: tuple[str, ...] = GLOSSES,
    workers: int | None = None,
) -> Path:
    """Draw the clips that are not there yet and make their samples, full pictures and hands of `size` pixels; returns
    the index."""
    phonology = load_phonology()
    options = DatasetOptions(signers=signers, kind="clips", seed=_SEED, size=_CLIP_PX)
    signs = [phonology[gloss] for gloss in glosses]
    drawing = render_dataset(
        signs, folder / DRAWN, options, workers=workers, progress=lambda done, of: tell("Drawing signers", done, of)
    )
    for _ in drawing:
        pass
    words = WordOptions(raw=folder / DRAWN, out=folder, frames=frames, size=size, hand_size=size, workers=workers)
    run(words, lambda phase: tell("Reading the clips", phase.done, phase.total))
    return folder / INDEX


def is_drawn(folder: Path) -> bool:
    """Whether the samples in the folder are of signers that the studio drew."""
    return (folder / DRAWN / SETTINGS).is_file()
