"""The result of a data job, for a page to look through: glosses, clips with pictures, what to take out, lexicons."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.data.manifest import Manifest
from models.errors import SignError
from models.files import slug
from studio.texts import text

if TYPE_CHECKING:
    from models.data.browse import ClipRow, GlossRow, Result
    from models.progress import Progress

SPLITS = ("train", "val", "test")
STATES = ("kept", "excluded", "rejected", "failed", "dead", "waiting")
"""What can have become of a clip; models.data.fates says what each means."""
SHOWN_GLOSSES, SHOWN_CLIPS = 200, 48
"""Most rows that a page is sent at once."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Glosses that were searched for."""

    rows: Sequence[GlossRow]
    """The first of them."""
    total: int
    clips: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A clip and how it looks."""

    clip: ClipRow
    picture: str
    """A data URI; empty where there is none."""


def glosses(folder: str, search: str, split: str, state: str) -> Found:
    """The glosses that hold a text and have a clip in this split and state; empty: any."""
    rows: list[GlossRow] = _opened(folder).glosses(search, split=split or None, state=state or None)  # type: ignore[arg-type]
    return Found(
        rows=rows[:SHOWN_GLOSSES],
        total=len(rows),
        clips=sum(row.asked for row in rows),
        kept=sum(row.kept for row in rows),
    )


def clips(folder: str, gloss: str, split: str, state: str) -> tuple[list[Seen], int]:
    """The first clips of a gloss with their pictures, and how many there are."""
    result = _opened(folder)
    rows = [one for one in result.clips(gloss, split or None) if state in ("", one.state)]
    return [Seen(clip=one, picture=_picture(result, one)) for one in rows[:SHOWN_CLIPS]], len(rows)


def side_by_side(
    folder: str, item: str, into: Path, progress: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> Path:
    """A video of a clip beside its skeleton."""
    made: Path = _opened(folder).side_by_side(
        item, into / f"{slug(item)}.mp4", progress=progress, should_stop=should_stop
    )
    return made


def exclude(folder: str, item: str, excluded: bool) -> None:
    """Take a clip out of the lexicons, or in again."""
    from models.data import browse

    browse.exclude(folder, item, excluded)


def export(folder: str, splits: Sequence[str], into: Path) -> list[Path]:
    """The lexicon of each split as a zip; those that there are. Raises SignError when there is none."""
    from models.data import browse

    if not splits:
        raise SignError(text("No lexicon is chosen; choose one or more."))
    made, why = [], ""
    for split in splits:
        try:
            made.append(browse.export_lexicon(folder, split, into / f"{slug(Path(folder).name)}-{split}.zip"))
        except SignError as error:
            why = why or str(error)
    if not made:
        raise SignError(why)
    return made


def _opened(folder: str) -> Result:
    with Manifest(folder) as manifest:
        options = json.dumps(manifest.noted("options"), sort_keys=True)
        return _open(folder, options, sum(manifest.counts("extract").values()))


@lru_cache(maxsize=4)
def _open(folder: str, _options: str, _extracted: int) -> Result:
    """The list of a large data set is read once. Another run over the folder may choose other instances of it; and
    where the list is gone, they are those that were extracted."""
    from models.data.browse import open_result

    return open_result(folder)


def _picture(result: Any, clip: ClipRow) -> str:
    try:
        path: Path = result.thumbnail_of(clip.item)
        return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except (SignError, OSError):  # not extracted, or its video is gone
        return ""
