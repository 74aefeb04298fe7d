"""What the landmark model is trained, chosen and judged on, with every signer in one place only.

    DATA/generated.npz      the generator's own coordinates, many signers: for training
    DATA/signs/             every sign by seven signers, drawn and read by MediaPipe: four for training, one to choose
                            where unknown begins, two for the figures
    DATA/sentences/         sentences by the same last two, drawn and read by MediaPipe

Reading what was drawn takes hours of computing; it goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from models.lexicon.dataset import DatasetOptions, render_dataset
from models.lexicon.phonology_files import load_phonology
from models.recognition.augment import cut
from models.recognition.corpus import (
    Take,
    generated,
    load_takes,
    read_sentences,
    read_signs,
    save_takes,
    vocabulary,
)
from models.recognition.evaluate import Held
from models.training.run import Tell

TRAINING, CHOOSING, TESTING = (0, 1, 2, 3), (4,), (5, 6)
"""Signers whose signs MediaPipe reads."""
FIRST_GENERATED, NUM_GENERATED = 1000, 48
FIRST_CHOOSING, FIRST_TESTING, NUM_HELD = 2000, 2100, 2
"""Signers that only the generator performs, where nothing is read."""
SENTENCES = 15
"""Of each signer, with pauses and without."""
_SIZE = 384
_SIGNS_IN_PIECE = 4
_MARGIN_ROWS = 3


def words(count: int = 0) -> tuple[str, ...]:
    """That many words of the vocabulary; all for 0."""
    return vocabulary()[: count or None]


def prepare_generated(
    data: Path, signers: int, glosses: int = 0, tell: Tell | None = None, workers: int | None = None
) -> None:
    """Have the signers that are learned from perform all words, or so many, unless they have."""
    _perform(data, FIRST_GENERATED, signers, glosses, "Performing sentences", tell, workers)


def prepare_held(data: Path, glosses: int, tell: Tell | None = None, workers: int | None = None) -> None:
    """Have other signers perform them, for where nothing is read."""
    for first in (FIRST_CHOOSING, FIRST_TESTING):
        _perform(data, first, NUM_HELD, glosses, "Performing sentences to judge by", tell, workers)


def prepare_read(data: Path, tell: Tell | None = None, workers: int | None = None) -> None:
    """Draw signs and sentences and read them with MediaPipe, as far as that was not done."""
    entries = list(load_phonology().values())
    options = DatasetOptions(signers=1 + max(TESTING), kind="read", fps=25, size=_SIZE)
    progress = counting(tell, "Drawing signs, reading them with MediaPipe")
    for _ in render_dataset(entries, data / "signs", options, workers=workers, progress=progress):
        pass
    for pauses in (False, True):
        with_them = "with" if pauses else "without"
        progress = counting(tell, f"Drawing sentences {with_them} pauses, reading them with MediaPipe")
        read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=pauses, workers=workers, progress=progress)


def generated_takes(data: Path, signers: int, glosses: int = 0) -> list[Take]:
    """What `prepare_generated` made. Raises LexiconError when it is not there."""
    return load_takes(_file(data, FIRST_GENERATED, signers, glosses))


def choosing(data: Path, glosses: int = 0, *, read: bool = True) -> list[Take]:
    """Of signers that are not learned from: single signs that were read, else pieces of sentences."""
    if read:
        return read_signs(data / "signs", CHOOSING, words(glosses))
    return pieces(load_takes(_file(data, FIRST_CHOOSING, NUM_HELD, glosses)))


def held_out(data: Path, glosses: int = 0, *, read: bool = True) -> Held:
    """Signs and sentences of the signers that nothing was trained or chosen on."""
    if not read:
        sentences = load_takes(_file(data, FIRST_TESTING, NUM_HELD, glosses))
        return Held(signs=singles(sentences), without_pauses=pieces(sentences))
    known = words(glosses)
    others = tuple(sorted(set(load_phonology()) - set(known)))
    return Held(
        signs=read_signs(data / "signs", TESTING, known),
        others=read_signs(data / "signs", TESTING, others),
        with_pauses=read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=True),
        without_pauses=read_sentences(data / "sentences", TESTING, count=SENTENCES, pauses=False),
    )


def pieces(takes: Sequence[Take]) -> list[Take]:
    """Long sentences cut into ones of a few signs."""
    return [
        cut(take, first[0][1] - _MARGIN_ROWS, first[-1][2] + _MARGIN_ROWS)
        for take in takes
        for start in range(0, len(take.spans), _SIGNS_IN_PIECE)
        for first in [take.spans[start : start + _SIGNS_IN_PIECE]]
    ]


def singles(takes: Sequence[Take]) -> list[Take]:
    """Every sign as a take of its own."""
    return [cut(take, start, end) for take in takes for _, start, end in take.spans]


def counting(tell: Tell | None, what: str) -> Callable[[int, int], None] | None:
    """`tell` for one thing that is done."""
    return None if tell is None else lambda done, total: tell(what, done, total)


def _perform(
    data: Path, first: int, signers: int, glosses: int, what: str, tell: Tell | None, workers: int | None
) -> None:
    path = _file(data, first, signers, glosses)
    if not path.is_file():
        numbers, progress = range(first, first + signers), counting(tell, what)
        save_takes(path, generated(numbers, glosses=words(glosses), workers=workers, progress=progress))


def _file(data: Path, first: int, signers: int, glosses: int) -> Path:
    whose = "" if first == FIRST_GENERATED else f"-from-{first}"
    return data / f"generated-{signers}{whose}{f'-{glosses}-words' if glosses else ''}.npz"
