"""A gloss line signed: from what a person wrote to one pose, whatever lexicons its signs come from.

Signs that are all written as phonology are performed in one go, which is how one hand already shapes the next sign
while the other still moves. As soon as one of them is a recording, every sign becomes a clip of its own and the
clips are joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from models.errors import LexiconError
from models.lexicon.body import SignerStyle
from models.lexicon.concatenate import Clip, JoinOptions, concatenate
from models.lexicon.glossline import Item, Pause, Spelled
from models.lexicon.performance import Performance, Segment, perform
from models.lexicon.phonology import Phonology, SignEntry
from models.lexicon.phonology_files import load_phonology
from models.lexicon.signs import Entry, Lexicon, find_first
from models.lexicon.spelling import LETTER_HOLD_S, spell
from models.lexicon.timeline import END_HOLD_S


@dataclass(frozen=True, kw_only=True)
class UtteranceOptions:
    """Who signs, how fast, and for what picture. Raises LexiconError for a speed outside of 0.4 to 2.5."""

    style: SignerStyle = field(default_factory=SignerStyle)
    speed: float = 1.0
    """2 is twice as fast as the signer's own tempo."""
    letter_hold_s: float = LETTER_HOLD_S
    """How long each fingerspelled letter stays, seconds, at speed 1."""
    fps: float = 25
    size: int = 512
    """Side of the square picture that the pose is made for, pixels."""

    def __post_init__(self) -> None:
        if not 0.4 <= self.speed <= 2.5:
            raise LexiconError(f"A speed of {self.speed:g} cannot be signed; choose 0.4 (slow) to 2.5 (fast).")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One sign or letter to make: written, or recorded in a lexicon."""

    item: int
    written: SignEntry | None
    source: tuple[Lexicon, Entry] | None
    pause_ms: int = 0  # after it


def sign_line(
    items: Sequence[Item],
    lexicons: Sequence[Lexicon],
    options: UtteranceOptions | None = None,
    *,
    phonology: Phonology | None = None,
) -> Performance:
    """Sign the items of a gloss line; lexicons are asked in their order, and the first that has a gloss wins.

    The segments are those of the items: a fingerspelled word is one, named by its letters (A-N-N-A); pauses have none.
    Raises LexiconError for a gloss that no lexicon has (with the nearest ones), nothing to sign, or too much of it.
    """
    options = options or UtteranceOptions()
    phonology = phonology or load_phonology()
    parts = list(_parts(items, lexicons, phonology, options))
    if not parts:
        raise LexiconError("There is nothing to sign yet; write a gloss line such as HELLO MY NAME fs-ANNA.")
    written = [_with_pause(part) for part in parts if part.written is not None]
    if len(written) == len(parts):
        style = replace(options.style, tempo=options.style.tempo * options.speed)
        made = perform(written, style, fps=options.fps, width=options.size, height=options.size)
    else:
        joining = JoinOptions(fps=options.fps, size=options.size, speed=options.speed)
        joined = concatenate(list(_clips(parts, options)), joining)
        made = Performance(pose=joined.pose, segments=joined.segments)
    return replace(made, segments=_by_item(made.segments, parts, items))


def _parts(
    items: Sequence[Item], lexicons: Sequence[Lexicon], phonology: Phonology, options: UtteranceOptions
) -> Iterator[_Part]:
    for number, item in enumerate(items):
        pause = _pause_after(items, number)
        if isinstance(item, Spelled):
            letters = spell(item.text, phonology, hold_s=options.letter_hold_s)
            yield from (_Part(item=number, written=letter, source=None) for letter in letters[:-1])
            yield _Part(item=number, written=letters[-1], source=None, pause_ms=pause)
        elif not isinstance(item, Pause):
            lexicon, entry = find_first(lexicons, item.gloss)
            recorded = bool(entry.path)
            yield _Part(
                item=number,
                written=None if recorded else phonology[entry.gloss],
                source=(lexicon, entry) if recorded else None,
                pause_ms=pause,
            )


def _pause_after(items: Sequence[Item], number: int) -> int:
    """Milliseconds of the longest of the pauses that follow an item: of a run such as `?!` one is heard."""
    longest = 0
    for item in islice(items, number + 1, None):
        if not isinstance(item, Pause):
            break
        longest = max(longest, item.ms)
    return longest


def _with_pause(part: _Part) -> SignEntry:
    """The written sign, its last posture held for the pause that follows."""
    assert part.written is not None
    if not part.pause_ms:
        return part.written
    hold_s = END_HOLD_S if part.written.hold_s is None else part.written.hold_s
    return replace(part.written, hold_s=hold_s + part.pause_ms / 1000)


def _clips(parts: Sequence[_Part], options: UtteranceOptions) -> Iterator[Clip | Pause]:
    """Every sign as a clip of its own."""
    for part in parts:
        if part.written is not None:
            made = perform([part.written], options.style, fps=options.fps, width=options.size, height=options.size)
            (segment,) = made.segments
            first, last = (round(time * options.fps / 1000) for time in (segment.start_ms, segment.end_ms))
            yield Clip(pose=made.pose, gloss=segment.gloss, span=(first, last))
        elif part.source is not None:
            lexicon, entry = part.source
            pose = lexicon.load(entry)
            span = entry.segment_frames(float(pose.body.fps))
            yield Clip(pose=pose, gloss=entry.gloss, span=span)
        if part.pause_ms:
            yield Pause(part.pause_ms)


def _by_item(segments: Sequence[Segment], parts: Sequence[_Part], items: Sequence[Item]) -> tuple[Segment, ...]:
    """One segment per item; the letters of a word together."""
    found: dict[int, Segment] = {}
    for segment, part in zip(segments, parts, strict=True):
        item = items[part.item]
        name = "-".join(item.text) if isinstance(item, Spelled) else segment.gloss
        start = found[part.item].start_ms if part.item in found else segment.start_ms
        found[part.item] = Segment(gloss=name, start_ms=start, end_ms=segment.end_ms)
    return tuple(found.values())
