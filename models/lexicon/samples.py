"""The sample clips that come with the studio: a short signed sentence by two drawn signers.

No video of a person ships with the project, so these stand in for one in the examples of the app, in tests and in
benchmarks. They are made by the project itself, so that making them again gives the same clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.lexicon.avatar import render_avatar
from models.lexicon.body import SignerStyle
from models.lexicon.looks import LOOKS, Look
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.spelling import spell
from models.video_write import write_video

FPS = 25
SIZE = 512


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample clip: who signs what."""

    name: str
    glosses: tuple[str, ...]
    spelled: str
    look: Look
    style: SignerStyle


SAMPLES = (
    Sample(
        name="hello-my-name-anna",
        glosses=("HELLO", "MY", "NAME"),
        spelled="ANNA",
        look=LOOKS["sofia"],
        style=SignerStyle(),
    ),
    Sample(
        name="hello-my-name-kofi",
        glosses=("HELLO", "MY", "NAME"),
        spelled="KOFI",
        look=LOOKS["kofi"],
        style=SignerStyle.random(7),
    ),
)


def render_samples(folder: Path) -> Iterator[Path]:
    """Render each sample clip into `folder` and yield its path (512 x 512 px, 25 frames/s)."""
    phonology = load_phonology()
    for sample in SAMPLES:
        entries = [phonology[gloss] for gloss in sample.glosses] + spell(sample.spelled, phonology)
        performance = perform(entries, sample.style, fps=FPS, width=SIZE, height=SIZE)
        path = folder / f"{sample.name}.mp4"
        write_video(path, render_avatar(performance.pose, sample.look), fps=FPS)
        yield path
