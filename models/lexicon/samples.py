"""The samples that come with the studio: clips of a signed sentence, and pictures of people, all of drawn signers.

No video or picture of a person ships with the project, so these stand in for them in the examples of the app, in
tests and in benchmarks. They are made by the project itself, so that making them again gives the same clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from models.files import replacing
from models.lexicon.avatar import Signer, render_avatar
from models.lexicon.body import SignerStyle
from models.lexicon.looks import LOOKS, Look
from models.lexicon.performance import perform
from models.lexicon.phonology_files import load_phonology
from models.lexicon.spelling import spell
from models.video_write import write_video

FPS = 25
SIZE = 512
PICTURE_SIZE = 768
PICTURES = (("mei", 5), ("kofi", 7), ("walter", 10))
"""Who is on the sample pictures: a look and a signer's number each, so that proportions differ."""

_ABOVE_HANDS = 0.855  # of a picture's height, with arms that hang


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
    """Render each sample into `folder` and yield its path: clips (512 px, 25 frames/s) and pictures (768 px wide)."""
    phonology = load_phonology()
    for sample in SAMPLES:
        entries = [phonology[gloss] for gloss in sample.glosses] + spell(sample.spelled, phonology)
        performance = perform(entries, sample.style, fps=FPS, width=SIZE, height=SIZE)
        path = folder / f"{sample.name}.mp4"
        write_video(path, render_avatar(performance.pose, sample.look), fps=FPS)
        yield path
    for name, signer in PICTURES:
        standing = perform([phonology["HELLO"]], SignerStyle.random(signer), fps=FPS, width=SIZE, height=SIZE)
        # Cut as a photograph of head and chest is: the hands are below the picture, all room beside it stays.
        drawn = Signer(standing.pose, LOOKS[name], width=PICTURE_SIZE, height=PICTURE_SIZE).frame(0)
        drawn = drawn[: round(PICTURE_SIZE * _ABOVE_HANDS)]
        path = folder / f"{name}.jpg"
        with replacing(path) as temporary:
            PillowImage.fromarray(drawn).save(temporary, quality=92)
        yield path
