"""Who signs in each clip of a folder of words: from a table, or from what all file names have in common.

A name counts only where the whole data set agrees on how names are written; a pattern that fits nine files of ten says
nothing reliable about any of them. The patterns, in the order of trying:

    hello/hello__anna__web.mp4              word, two underscores, signer
    hello/person01.mp4, hello/p7_take2.mp4  a label and a number: person, signer, subject, participant, user, or P first
    hello/anna.mp4, hello/anna_2.mp4        a plain name, which must come back in other words for most clips

File numbers alone (hello/01.mp4) are no signers. Whoever knows better gives a table, or says that nothing is known.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.data.word_samples import WordClip
from models.errors import SignError
from models.files import safe_name

FROM_NAMES, NONE = "names", "none"
COLUMNS = ("path", "signer")

_LABELLED = re.compile(r"(?:^p|(?:^|[^a-z])(?:person|signer|subject|participant|user))[-_ ]?\d+")
_NOT_A_NAME = re.compile(
    r"(take|rep|repetition|trial|clip|video|vid|sample|seq|sequence|img|image|mov|movie|frame|rec|recording|record"
    r"|file|copy|new|final|test|train|val|front|side|view|cam|camera|webcam|v|c|r|t|s)"
)
_FITS_NEARLY = 0.8
_COMES_BACK = 0.5


@dataclass(frozen=True, kw_only=True)
class Signers:
    """Who signs in each clip."""

    of: Mapping[str, str]
    """By item; "" where it is not known."""
    how: str
    """One sentence: how many signers, and where they were taken from."""

    @property
    def count(self) -> int:
        """Signers that are known."""
        return len(set(self.of.values()) - {""})


def find_signers(clips: Sequence[WordClip], choice: str = FROM_NAMES) -> Signers:
    """Who signs. choice: "names" (of files), "none", or the path of a table with the columns path and signer.

    Raises SignError when the table cannot be read.
    """
    if choice == NONE:
        return _unknown(clips, "Signers are not known")
    if choice == FROM_NAMES:
        return _by_names(clips)
    return _by_table(clips, Path(choice))


def _by_names(clips: Sequence[WordClip]) -> Signers:
    nearly = ""
    for pattern, words in _PATTERNS:
        found = {clip.item: pattern(clip) for clip in clips}
        misfits = [clip for clip in clips if not found[clip.item]]
        if not misfits and (pattern is not _plain_name or _come_back(clips, found)):
            names = sorted(set(found.values()))
            shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            return Signers(of=found, how=f"{_counted(len(names))} by file name, {words}: {shown}.")
        if misfits and len(misfits) < (1 - _FITS_NEARLY) * len(clips):
            nearly = nearly or f": {len(misfits)} file names, such as {safe_name(misfits[0].path)}, do not fit {words}"
    return _unknown(clips, f"Signers are not known: the file names do not say them{nearly}")


def _by_table(clips: Sequence[WordClip], path: Path) -> Signers:
    known: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            if not set(COLUMNS) <= set(lines.fieldnames or ()):
                raise SignError(f"{safe_name(path)} is no table of {' and '.join(COLUMNS)}; write these column names.")
            for line in lines:
                known[str(line["path"] or "").strip().replace("\\", "/")] = str(line["signer"] or "").strip()
    except OSError as error:
        raise SignError(f"{path}: this table of signers cannot be read ({error.strerror}); check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SignError(f"{safe_name(path)} is no table in UTF-8 ({error}).") from error
    of = {clip.item: known.get(clip.source, "") for clip in clips}
    if known and not any(of.values()):
        raise SignError(
            f"{safe_name(path)} names none of the clips: {next(iter(known))!r}; write paths like {clips[0].source!r}."
        )
    missing = sum(not signer for signer in of.values())
    words = f"; clips whose signer is not known: {missing}" if missing else ""
    return Signers(of=of, how=f"{_counted(len(set(of.values()) - {''}))} by {safe_name(path)}{words}.")


def _unknown(clips: Sequence[WordClip], words: str) -> Signers:
    return Signers(of=dict.fromkeys((clip.item for clip in clips), ""), how=f"{words}.")


def _after_the_word(clip: WordClip) -> str:
    first, *rest = clip.path.stem.split("__")
    return rest[0].strip() if rest and _plain(first) == _plain(clip.word) else ""


def _labelled(clip: WordClip) -> str:
    found = _LABELLED.search(clip.path.stem.casefold())
    return re.sub(r"[^a-z0-9]", "", found.group()) if found else ""


def _plain_name(clip: WordClip) -> str:
    """The stem without the word and without a number at its end; "" when that is no name."""
    parts = [part for part in re.split(r"[-_ ().]+", clip.path.stem.casefold()) if part]
    word = [part for part in re.split(r"[-_ ().]+", clip.word.casefold()) if part]
    if parts[: len(word)] == word:
        parts = parts[len(word) :]
    if parts and parts[-1].isdigit():
        parts = parts[:-1]
    names = "__" not in clip.path.stem and all(part.isalpha() and not _NOT_A_NAME.fullmatch(part) for part in parts)
    return "-".join(parts) if names else ""


def _come_back(clips: Sequence[WordClip], found: Mapping[str, str]) -> bool:
    """Whether most clips have a name that other words have too: what differs from word to word is no person."""
    words: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        words[found[clip.item]].add(clip.word)
    return sum(len(words[found[clip.item]]) > 1 for clip in clips) >= _COMES_BACK * len(clips)


_PATTERNS: tuple[tuple[Callable[[WordClip], str], str], ...] = (
    (_after_the_word, "written word__signer"),
    (_labelled, "written as a label and a number"),
    (_plain_name, "written as plain names"),
)


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _counted(signers: int) -> str:
    return "One signer" if signers == 1 else f"{signers} signers"
