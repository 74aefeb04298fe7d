"""What the landmark model learns from and is judged on: rows of signing with the span of every sign.

Three kinds, all of drawn signers:

    generated   sentences straight from the generator's coordinates: many signers, cheap
    signs       single signs, drawn, written as MP4 and read by MediaPipe: what `lexicon render --kind read` makes
    sentences   sentences, drawn, written as MP4 and read by MediaPipe

Signers are numbered, and a number is one body, way of signing, camera and look everywhere (`dataset.person`), so
holding out numbers holds out signers.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import LexiconError
from models.files import replacing
from models.lexicon.avatar import render_avatar
from models.lexicon.dataset import MANIFEST, READ, person
from models.lexicon.embedded import embedded_lexicon
from models.lexicon.glossline import Item, Pause, Sign
from models.lexicon.performance import Performance, Segment
from models.lexicon.phonology_files import load_phonology
from models.lexicon.readback import read_back
from models.lexicon.utterance import UtteranceOptions, sign_line
from models.lexicon.workers import in_processes
from models.pose.files import read_pose, write_pose
from models.recognition.features import FPS, NUM_FEATURES, STEP_MS, Features, Floats, features

NOT_WORDS = ("fingerspelling", "numbers")
"""Themes of handshapes that stand for letters and digits. Several are one handshape (O and 0, V and 2, W and 6), and
spelled words are run together, so a recognizer of signs leaves them out; they serve as signs that it does not know."""
PAUSE_MS = 500
_GENERATED_SIZE, _READ_SIZE = 512, 384  # px
_SIGNS_TOGETHER = 24  # in one generated sentence; only the file is long, training takes a few at a time

Span = tuple[str, int, int]
"""A sign: gloss, first row, row after the last."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """Signing of one signer with the span of every sign."""

    rows: Floats
    """(T, NUM_FEATURES)."""
    spans: tuple[Span, ...]
    signer: str

    @property
    def glosses(self) -> tuple[str, ...]:
        """What is signed, in order."""
        return tuple(gloss for gloss, _, _ in self.spans)


def vocabulary() -> tuple[str, ...]:
    """Glosses of the embedded lexicon that are words, sorted."""
    return tuple(sorted(entry.gloss for entry in load_phonology().values() if entry.theme not in NOT_WORDS))


def generated(
    signers: Sequence[int],
    *,
    glosses: Sequence[str] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Take]:
    """Every word, or every one of the glosses, by every signer, in sentences in random order, from the generator's own
    coordinates."""
    takes: list[Take] = []
    tasks = [(number, seed, tuple(glosses or vocabulary())) for number in signers]
    for done, made in enumerate(in_processes(_generate, tasks, workers), start=1):
        takes += made
        if progress is not None:
            progress(done, len(tasks))
    return takes


def read_signs(folder: Path, signers: Sequence[int], glosses: Sequence[str] | None = None) -> list[Take]:
    """Single signs that MediaPipe has read, of a folder that `signstudio lexicon render --kind read` filled.

    Raises LexiconError when the folder has no such data.
    """
    wanted = {person(number).name for number in signers}
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        raise LexiconError(
            f"{folder} has no {MANIFEST}; make it with `signstudio lexicon render --kind read -o {folder}`."
        )
    with manifest.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    root, takes = Path(folder).resolve(), []
    for line in listed:
        try:
            path, segment = (root / line["path"]).resolve(), _segment(line)
        except (KeyError, TypeError, ValueError) as error:
            raise LexiconError(
                f"{folder}/{MANIFEST} has a line that lacks a value, or has one that cannot be ({error}); render the "
                "signs again."
            ) from error
        if not path.is_relative_to(root):
            raise LexiconError(f"{folder}/{MANIFEST}: {line['path'][:120]!r} leads out of the folder.")
        if line["signer"] in wanted and path.name.endswith(READ) and (glosses is None or segment.gloss in glosses):
            takes.append(_take(features(read_pose(path)), [segment], line["signer"]))
    if not takes:
        raise LexiconError(f"{folder} has no signs of {', '.join(sorted(wanted))}; render more signers.")
    return takes


def _segment(line: dict[str, str]) -> Segment:
    return Segment(gloss=line["gloss"], start_ms=float(line["start_ms"]), end_ms=float(line["end_ms"]))


def read_sentences(
    folder: Path,
    signers: Sequence[int],
    *,
    count: int = 20,
    pauses: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Take]:
    """`count` sentences of each signer as MediaPipe reads them; drawn and read where the folder does not have them yet.

    With pauses, half a second is held after each sign.
    """
    tasks = [(Path(folder), number, index, pauses) for number in signers for index in range(count)]
    takes = []
    for done, take in enumerate(in_processes(_sentence, tasks, workers), start=1):
        takes.append(take)
        if progress is not None:
            progress(done, len(tasks))
    return sorted(takes, key=lambda take: (take.signer, take.glosses))


def save_takes(path: Path, takes: Sequence[Take]) -> None:
    """Write takes into one .npz; rows as half floats, which is finer than landmarks are sure."""
    glosses = sorted({gloss for take in takes for gloss in take.glosses})
    index = {gloss: number for number, gloss in enumerate(glosses)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            rows=np.concatenate([take.rows for take in takes]).astype(np.float16),
            lengths=np.array([len(take.rows) for take in takes]),
            signers=np.array([take.signer for take in takes]),
            glosses=np.array(glosses),
            spans=np.array(
                [
                    (number, index[gloss], start, end)
                    for number, take in enumerate(takes)
                    for gloss, start, end in take.spans
                ]
            ),
        )


def load_takes(path: Path) -> list[Take]:
    """What `save_takes` wrote. Raises LexiconError for another file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            rows, lengths, signers, glosses, spans = (
                data[name] for name in ("rows", "lengths", "signers", "glosses", "spans")
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise LexiconError(f"{path}: not a set of takes ({error}); make it again.") from None
    if rows.ndim != 2 or rows.shape[1] != NUM_FEATURES:
        raise LexiconError(f"{path}: rows of {rows.shape[-1]} numbers, this version has {NUM_FEATURES}; make it again.")
    ends = np.cumsum(lengths)
    of_take: list[list[Span]] = [[] for _ in lengths]
    for number, gloss, start, end in spans.tolist():
        of_take[number].append((str(glosses[gloss]), start, end))
    return [
        Take(
            rows=rows[end - length : end].astype(np.float32), spans=tuple(of_take[number]), signer=str(signers[number])
        )
        for number, (length, end) in enumerate(zip(lengths, ends, strict=True))
    ]


def _generate(number: int, seed: int, glosses: tuple[str, ...]) -> list[Take]:
    """Every gloss once by one signer, in sentences of random order, with a pause here and there."""
    rng = np.random.default_rng([seed, number])
    order = rng.permutation(glosses)
    signer = person(number, seed)
    return [
        _take(features(made.pose), made.segments, signer.name)
        for start in range(0, len(order), _SIGNS_TOGETHER)
        for made in [_perform(order[start : start + _SIGNS_TOGETHER], number, seed, rng.random(_SIGNS_TOGETHER) < 0.25)]
    ]


def _perform(
    glosses: NDArray[np.str_], number: int, seed: int, pauses: NDArray[np.bool_], size: int = _GENERATED_SIZE
) -> Performance:
    items: list[Item] = []
    for gloss, pause in zip(glosses.tolist(), pauses.tolist(), strict=False):
        items += [Sign(gloss), Pause(PAUSE_MS)] if pause else [Sign(gloss)]
    options = UtteranceOptions(style=person(number, seed).style, fps=FPS, size=size)
    return sign_line(items, [embedded_lexicon()], options)


def _sentence(folder: Path, number: int, index: int, pauses: bool) -> Take:
    """One sentence of one signer, read from the folder or made there."""
    rng = np.random.default_rng([number, index, pauses])
    glosses = rng.choice(vocabulary(), size=int(rng.integers(3, 7)), replace=False)
    made = _perform(glosses, number, 0, np.full(len(glosses), pauses), _READ_SIZE)
    signer = person(number)
    path = folder / ("pauses" if pauses else "flowing") / f"{signer.name}-{index:03}{READ}"
    read = _whole(path, len(made.pose.body.data))
    if read is None:
        read = read_back(render_avatar(made.pose, signer.look), fps=FPS, through_video=True)
        write_pose(path, read)
    return _take(features(read), made.segments, signer.name)


def _whole(path: Path, num_frames: int) -> Pose | None:
    """The pose, when it was written before and is of the same sentence."""
    if not path.is_file():
        return None
    pose = read_pose(path)
    return pose if len(pose.body.data) == num_frames else None


def _take(found: Features, segments: Sequence[Segment], signer: str) -> Take:
    def row(ms: float) -> int:
        return int(np.clip(round(ms / STEP_MS), 0, len(found)))

    spans = [(segment.gloss, row(segment.start_ms), row(segment.end_ms)) for segment in segments]
    return Take(rows=found.rows, spans=tuple(span for span in spans if span[2] > span[1]), signer=signer)
