"""WLASL: a list of instances (`models.data.wlasl_file`), a part of it, and what its splits share.

The same clip: instances with the same video (`models.data.links.same_video`) and the same frames. Boxes are no part of
that, as they may be drawn in another size of the video; nor are signers: one clip of WLASL100 has two signer ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.data.links import same_video
from models.data.splits import SPLITS as SPLITS
from models.data.splits import Split as Split
from models.data.splits import by_signer
from models.data.wlasl_file import Instance as Instance
from models.data.wlasl_file import Wlasl as Wlasl
from models.data.wlasl_file import gloss_of
from models.data.wlasl_file import read_wlasl as read_wlasl
from models.errors import SignError
from models.files import safe_name


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What stands in more than one split."""

    clips: tuple[tuple[str, ...], ...]
    """Of each clip that does, the video ids of all instances that are this clip."""
    signers: Mapping[str, tuple[Split, ...]]
    """Of each signer who does, the splits."""
    num_signers: int
    """All that are known, also those of one split."""


def choose(data: Wlasl, *, glosses: str | None = None, limit: int | None = None) -> Wlasl:
    """A part of a list, in its order.

    glosses: a number, such as 100, for the first so many glosses; or the path of a text file with one gloss on each
    line, as glosses or as the words of the list (WLASL's own class list, with numbers before the words, will do).
    limit: at most so many instances of each split; every gloss gives one before any gives another.
    Raises SignError for glosses that are not in the list.
    """
    if glosses is not None:
        wanted = _first(data, int(glosses)) if glosses.strip().isdecimal() else _listed(data, Path(glosses))
        chosen = [one for one in data.instances if one.gloss in wanted]
        data = replace(data, instances=tuple(chosen), glosses=tuple(one for one in data.glosses if one in wanted))
    if limit is not None:
        chosen = _spread(data.instances, limit)
        there = {one.gloss for one in chosen}
        data = replace(data, instances=tuple(chosen), glosses=tuple(one for one in data.glosses if one in there))
    return data


def shared(data: Wlasl) -> Shared:
    """Clips and signers that stand in more than one split. What the same clip is, is said at the top of this file."""
    splits: dict[str, set[Split]] = defaultdict(set)
    for one in data.instances:
        if one.signer:
            splits[one.signer].add(one.split)
    several = {signer: found for signer, found in sorted(splits.items()) if len(found) > 1}
    return Shared(
        clips=tuple(
            tuple(one.video_id for one in clip) for clip in _clips(data) if len({one.split for one in clip}) > 1
        ),
        signers={signer: tuple(split for split in SPLITS if split in found) for signer, found in several.items()},
        num_signers=len(splits),
    )


def resplit(data: Wlasl, *, seed: int = 0) -> Wlasl:
    """The same instances in splits that share no signer and no clip; see `models.data.splits.by_signer`.

    Signers of the same clip count as one. Instances whose signer is not known are kept together by their video.
    """
    from scipy.cluster.hierarchy import DisjointSet

    people = DisjointSet(_person(one) for one in data.instances)
    for clip in _clips(data):
        for one in clip[1:]:
            people.merge(_person(clip[0]), _person(one))
    splits = by_signer(
        {one.video_id: people[_person(one)] for one in data.instances},
        labels={one.video_id: one.gloss for one in data.instances},
        seed=seed,
    )
    return replace(data, instances=tuple(replace(one, split=splits[one.video_id]) for one in data.instances))


def _person(one: Instance) -> str:
    return f"signer {one.signer}" if one.signer else f"video {same_video(one.url)}"


def _clips(data: Wlasl) -> list[list[Instance]]:
    """The instances, those of the same clip together."""
    clips: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for one in data.instances:
        clips[(same_video(one.url), one.start_frame, one.end_frame, one.fps)].append(one)
    return list(clips.values())


def _first(data: Wlasl, number: int) -> set[str]:
    if not 1 <= number <= len(data.glosses):
        raise SignError(
            f"The first {number} glosses are asked for, and the list has {len(data.glosses)}; ask for fewer."
        )
    return set(data.glosses[:number])


def _listed(data: Wlasl, path: Path) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SignError(
            f"{path}: neither a number of glosses nor a text file with one gloss on each line ({error})."
        ) from error
    words = [line.split("\t")[-1].strip() for line in lines]
    wanted = {word: gloss_of(word) for word in words if word}
    unknown = [word for word, gloss in wanted.items() if gloss not in data.glosses]
    if unknown or not wanted:
        some = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        raise SignError(
            f"{safe_name(path)} asks for {some or 'nothing'}, which the list of {len(data.glosses)} does not have."
        )
    return {gloss for gloss in wanted.values() if gloss is not None}


def _spread(instances: Sequence[Instance], limit: int) -> list[Instance]:
    """At most so many of each split, the glosses in turn; in the order of the list."""
    turn: dict[tuple[Split, str], int] = defaultdict(int)
    ranked: dict[Split, list[tuple[int, int]]] = defaultdict(list)
    for place, one in enumerate(instances):
        ranked[one.split].append((turn[(one.split, one.gloss)], place))
        turn[(one.split, one.gloss)] += 1
    return [instances[place] for place in sorted(p for ranks in ranked.values() for _, p in sorted(ranks)[:limit])]
