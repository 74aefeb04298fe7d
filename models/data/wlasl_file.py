"""WLASL's list of instances: which part of which video shows which sign, by whom, and in which split.

The format is that of WLASL_v0.3.json, a list of {"gloss", "instances"}. What its numbers mean:

- `video_id` is WLASL's own; what a host knows the video by is in `url`. One address may serve many instances.
- `frame_start` counts from 1 and `frame_end` is the last frame of the instance, as WLASL's own preprocessing has it;
  -1 stands for the end of the video. They count 25 frames a second whatever the video's rate is. Here frames count from
  0 and the end is exclusive.
- `bbox` is (xmin, ymin, xmax, ymax) in the pixels of whichever size of the video WLASL had. Instances that are the same
  part of the same video may have boxes of different scale.

Source: Li et al., "Word-level Deep Sign Language Recognition from Video" (WACV 2020), https://github.com/dxli94/WLASL.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data.links import is_address
from models.data.splits import SPLITS, Split
from models.errors import LexiconError, SignError
from models.files import read_json, safe_name, slug
from models.lexicon.recordings import LONGEST_NAME, MARKS, checked_gloss
from models.video import MAX_FPS, Box

FPS = 25.0
"""Frames are counted at this rate unless an instance says another."""
_LAST = 10**8
"""Frame that no video has: more than a month of them."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One signing of one sign."""

    video_id: str
    """WLASL's; once in a list."""
    gloss: str
    """As lexicons have it: upper case, hyphens for spaces."""
    word: str
    """The gloss as the list writes it."""
    url: str
    source: str
    """The site it is from, such as aslpro."""
    split: Split
    signer: str
    """Empty when not known."""
    box: Box | None
    """The signer: xmin, ymin, xmax, ymax in pixels of the video as WLASL had it; None: the whole picture."""
    start_frame: int
    """From 0."""
    end_frame: int | None
    """Exclusive; None: to the end of the video."""
    fps: float
    """The rate that frames are counted at, whatever the video's is."""
    variation: int
    """Number of the dialect."""

    @property
    def item(self) -> str:
        """Its name, which is safe as a name of a file: ASCII letters, digits, - and _."""
        return f"{slug(self.gloss.replace('.', '-').replace('/', '-'))}-{self.video_id}"


@dataclass(frozen=True, kw_only=True)
class Wlasl:
    """A list of instances."""

    instances: tuple[Instance, ...]
    """In the order of the file."""
    glosses: tuple[str, ...]
    """In the order of the file: those of the most instances come first in WLASL's own."""
    problems: tuple[str, ...] = ()
    """What was wrong with the file and left out, one sentence for each kind."""


def read_wlasl(path: Path) -> Wlasl:
    """Read a list in the format of WLASL_v0.3.json, WLASL100.json and their like.

    An instance that is broken, or that has the id of an earlier one, is left out and told among the problems.
    Raises SignError for a file that cannot be read, or is none of these, or has no instance that can be used.
    """
    instances: list[Instance] = []
    words: dict[str, str] = {}
    taken: set[str] = set()
    problems = _Problems()
    for word, records in _entries(path):
        gloss = gloss_of(word)
        if gloss is None:
            problems.add("No gloss can be made of this word, left out", repr(word[:40]))
            continue
        if words.setdefault(gloss, word) != word:
            problems.add(f"Taken together with {words[gloss]!r}, as they make one gloss", repr(word[:40]))
        for number, record in enumerate(records, start=1):
            where = f"number {number} of {word[:40]!r}"
            try:
                instance = _instance(record, word, gloss)
            except _Broken as error:
                problems.add(f"{error}, left out", where)
                continue
            names = {instance.video_id.casefold(), instance.item.casefold()}
            if names & taken:
                problems.add("The video_id was there already, left out", f"{instance.video_id[:40]}, {where}")
                continue
            taken |= names
            if instance.box is None:
                problems.add("No box that can be used, so the whole picture is read", f"{instance.video_id}, {where}")
            instances.append(instance)
    if not instances:
        raise SignError(f"{safe_name(path)} has no instance that can be used. {' '.join(problems)}".strip())
    return Wlasl(instances=tuple(instances), glosses=tuple(words), problems=tuple(problems))


def _entries(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """The words of a list with their records. Raises SignError for anything but such a list."""
    name = safe_name(path)
    try:
        content = read_json(path)
    except OSError as error:
        raise SignError(f"{path} cannot be read ({error.strerror}); give the path of WLASL_v0.3.json.") from error
    except ValueError as error:
        raise SignError(f"{name} is no JSON ({error}); download WLASL_v0.3.json again, as a raw file.") from error
    if isinstance(content, dict) and any(isinstance(one, dict) and "subset" in one for one in content.values()):
        raise SignError(
            f"{name} is one of WLASL's nslt files, which have neither addresses nor signers; give WLASL_v0.3.json, "
            "with --glosses 100 or the like for a part of it."
        )
    if not isinstance(content, list) or not content:
        raise SignError(f"{name} is no list of glosses with their instances; give WLASL_v0.3.json.")
    for number, entry in enumerate(content, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("gloss"), str):
            raise SignError(f"{name}: entry {number} of {len(content)} has no gloss; give WLASL_v0.3.json.")
        if not isinstance(entry.get("instances"), list):
            raise SignError(f"{name}: {entry['gloss'][:40]!r} has no list of instances; give WLASL_v0.3.json.")
        yield entry["gloss"], entry["instances"]


def gloss_of(word: str) -> str | None:
    """A word as a gloss of a lexicon; None when nothing of it can be in one."""
    plain = "-".join("".join(char if char.isalnum() or char in MARKS else " " for char in word).split())
    try:
        return checked_gloss(plain.lstrip(MARKS.replace("#", ""))[:LONGEST_NAME])
    except LexiconError:
        return None


def _instance(record: Any, word: str, gloss: str) -> Instance:
    """Raises _Broken with what is wrong."""
    if not isinstance(record, dict):
        raise _Broken("No instance")
    video_id, url, split = (record.get(name) for name in ("video_id", "url", "split"))
    if not isinstance(video_id, str) or not _ID.fullmatch(video_id):
        raise _Broken("The video_id is no plain text of letters and digits")
    if not isinstance(url, str) or not is_address(url):
        raise _Broken("The url is no web address")
    if split not in SPLITS:
        raise _Broken(f"The split is none of {', '.join(SPLITS)}")
    first, last = _whole(record.get("frame_start", 1)), _whole(record.get("frame_end", -1))
    if first is None or last is None or first < 1 or last > _LAST or (last != -1 and last < first):
        raise _Broken("frame_start and frame_end are no range of frames")
    fps = record.get("fps", FPS)
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= MAX_FPS:
        raise _Broken("fps is no frame rate")
    signer, variation = _whole(record.get("signer_id")), _whole(record.get("variation_id"))
    return Instance(
        video_id=video_id,
        gloss=gloss,
        word=word,
        url=url.strip(),
        source=str(record.get("source") or ""),
        split=split,
        signer="" if signer is None or signer < 0 else str(signer),
        box=_box(record.get("bbox")),
        start_frame=first - 1,
        end_frame=None if last == -1 else last,
        fps=float(fps),
        variation=variation or 0,
    )


def _whole(value: object) -> int | None:
    """A whole number; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _box(value: object) -> Box | None:
    corners = [_whole(one) for one in value] if isinstance(value, list) else []
    if len(corners) != 4 or None in corners:
        return None
    left, top, right, bottom = (max(corner or 0, 0) for corner in corners)
    return (left, top, right, bottom) if left < right and top < bottom else None


class _Broken(Exception):
    """A record that no instance can be made of; says why in a few words."""


class _Problems:
    """Counts what is wrong; iterates over one sentence for each kind."""

    def __init__(self) -> None:
        self._where: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, where: str) -> None:
        self._where[kind].append(where)

    def __iter__(self) -> Iterator[str]:
        for kind, where in self._where.items():
            yield f"{kind}: {where[0]}." if len(where) == 1 else f"{kind}: {len(where)} times, first {where[0]}."
