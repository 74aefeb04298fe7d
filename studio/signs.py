"""The signs the studio offers: those of the user, if a folder for them is set, and the embedded ones."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import GlossLine, Item, parse_gloss_line
from models.lexicon.index import INDEX, open_lexicon
from models.lexicon.recordings import add
from models.lexicon.signs import Entry, Lexicon
from models.lexicon.text import to_glosses, word_table
from models.lexicon.thumbnails import thumbnail_path
from models.pose.files import read_pose
from studio.texts import text

SHOWN = 24
"""Most signs shown for one search."""


@lru_cache(maxsize=1)
def embedded() -> Lexicon:
    """The embedded signs, read once."""
    return embedded_lexicon()


def shared_folder() -> Path | None:
    """The lexicon folder that everyone who uses this studio shares: SIGN_STUDIO_LEXICON, when it is set."""
    name = os.environ.get("SIGN_STUDIO_LEXICON")
    return Path(name) if name else None


def lexicons(*own: Path) -> list[Lexicon]:
    """All lexicons in the order they are asked: the given folders that hold one, the shared one, the embedded."""
    folders = [*own, *filter(None, [shared_folder()])]
    return [*(open_lexicon(folder) for folder in folders if (folder / INDEX).exists()), embedded()]


def keep(pose: str | Path, gloss: str, words: str, own: Path, folder: Path) -> tuple[str, str | None]:
    """Add an extracted sign to the shared lexicon if there is one, else to the page's own.

    Returns what became of it in words, and, for the page's own, a zip of that lexicon (written to `folder`), because
    it is forgotten with the page. Raises LexiconError and PoseError.
    """
    shared = shared_folder()
    entry = add(
        shared or own, read_pose(pose), gloss, words=[word.strip() for word in words.split(",") if word.strip()]
    )
    if shared is not None:
        return text("{gloss} is in the lexicon of this studio; use it in Synthesize.", gloss=entry.gloss), None
    packed = shutil.make_archive(str(folder / "lexicon"), "zip", own)
    kept = text(
        "{gloss} can be used in Synthesize until this page is closed; download it to keep it.", gloss=entry.gloss
    )
    return kept, packed


def known(among: Sequence[Lexicon]) -> set[str]:
    """Every gloss of these lexicons."""
    return {gloss for lexicon in among for gloss in lexicon.glosses}


def draft(sentence: str, among: Sequence[Lexicon]) -> GlossLine:
    """A gloss line for an English text. Raises LexiconError for a text that cannot be one."""
    return to_glosses(sentence, word_table((entry.gloss, entry.words) for one in among for entry in one.entries))


def read_line(line: str, among: Sequence[Lexicon]) -> tuple[Item, ...]:
    """The items of a gloss line that a person wrote. Raises LexiconError, naming what is near, for unknown signs."""
    return parse_gloss_line(line, known(among)).items


def found(words: str, among: Sequence[Lexicon]) -> list[dict[str, str]]:
    """Signs whose gloss or words hold these, as {gloss, words, picture}; the first few of all for an empty text."""
    entries: dict[str, Entry] = {}
    for lexicon in among:
        for entry in lexicon.search(words):
            entries.setdefault(entry.gloss, entry)
    return [
        {"gloss": entry.gloss, "words": ", ".join(entry.words), "picture": _picture(entry)}
        for entry in list(entries.values())[:SHOWN]
    ]


def _picture(entry: Entry) -> str:
    """A data URI of the sign's thumbnail; empty for a sign that has none, such as a recorded one."""
    path = thumbnail_path(entry.gloss)
    if entry.path or not path.exists():
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
