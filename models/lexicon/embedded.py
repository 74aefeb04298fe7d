"""The lexicon that comes with the studio: written signs, performed when they are asked for, or written to a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_format import Pose

from models.errors import LexiconError
from models.files import safe_name
from models.lexicon.body import SignerStyle
from models.lexicon.index import INDEX, open_lexicon
from models.lexicon.performance import Performance, perform, sign_frames
from models.lexicon.phonology import Phonology, SignEntry
from models.lexicon.phonology_files import load_phonology
from models.lexicon.recordings import Recording, add_many
from models.lexicon.signs import Entry, Lexicon, unknown

NAME = "embedded"
SPELLED_PRIORITY = 1
"""Letters and digits stand behind signs: the word I is the pronoun, before it is the letter."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """How written signs are recorded."""

    fps: float = 25
    width: int = 512
    height: int = 512


def embedded_lexicon(
    style: SignerStyle | None = None, *, camera: Camera | None = None, phonology: Phonology | None = None
) -> Lexicon:
    """The written signs as a lexicon; `load` performs one, from rest to rest.

    phonology: the embedded one unless given. Raises LexiconError when its files cannot be read.
    """
    phonology = load_phonology() if phonology is None else phonology
    filmed = camera or Camera()

    def load(entry: Entry) -> Pose:
        if entry.gloss not in phonology:
            raise unknown([lexicon], entry.gloss)
        return _perform(phonology[entry.gloss], style, filmed).pose

    lexicon = Lexicon(name=NAME, entries=tuple(_entry(sign) for sign in phonology.values()), load=load)
    return lexicon


def export_lexicon(
    folder: str | os.PathLike[str],
    style: SignerStyle | None = None,
    *,
    glosses: Sequence[str] | None = None,
    camera: Camera | None = None,
    phonology: Phonology | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Lexicon:
    """Perform the written signs, letters and digits, and write them as a lexicon folder; all of them unless named.

    The index gives, beside the whole performance, where the sign itself is. progress gets the number of signs that
    are done and of all. Raises LexiconError when a gloss is not there, or when the folder has an index already.
    """
    phonology = load_phonology() if phonology is None else phonology
    if (Path(folder) / INDEX).exists():
        raise LexiconError(f"{safe_name(folder)} holds a lexicon already; choose a new folder, or move that one away.")
    wanted = [entry.gloss for entry in _find_all(embedded_lexicon(phonology=phonology), glosses)]

    def recordings() -> Iterator[Recording]:
        for done, gloss in enumerate(wanted, start=1):
            yield _recording(phonology[gloss], style, camera or Camera())
            if progress is not None:
                progress(done, len(wanted))

    add_many(folder, recordings())
    return open_lexicon(folder)


def _find_all(lexicon: Lexicon, glosses: Sequence[str] | None) -> list[Entry]:
    if glosses is None:
        return list(lexicon.entries)
    if not glosses:
        raise LexiconError("No sign was asked for; name at least one gloss.")
    missing = [gloss for gloss in glosses if not lexicon.find(gloss)]
    if missing:
        raise unknown([lexicon], missing[0])
    return list({entry.gloss: entry for gloss in glosses for entry in lexicon.find(gloss)}.values())


def _perform(sign: SignEntry, style: SignerStyle | None, camera: Camera) -> Performance:
    return perform([sign], style, fps=camera.fps, width=camera.width, height=camera.height)


def _recording(sign: SignEntry, style: SignerStyle | None, camera: Camera) -> Recording:
    performance = _perform(sign, style, camera)
    return Recording(
        pose=performance.pose,
        gloss=sign.gloss,
        words=sign.words,
        priority=_priority(sign),
        segment=sign_frames(performance),
    )


def _entry(sign: SignEntry) -> Entry:
    return Entry(
        gloss=sign.gloss,
        words=sign.words,
        priority=_priority(sign),
        handshapes=sign.shapes,
        theme=sign.theme,
        source=sign.source,
        note=sign.note,
    )


def _priority(sign: SignEntry) -> int:
    return SPELLED_PRIORITY if len(sign.gloss) == 1 else 0
