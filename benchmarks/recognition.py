"""Recognition of real people: few examples by time warping, and the shipped model without any.

Needs STUDIO_REAL_DATA, a folder that has `asl_words/WORD/WORD__SIGNER__SOURCE.mp4` (clips of ASL words by many people)
and `holistic_mp_data/signer_NN.npz` (MediaPipe landmarks of people who recorded themselves). The peer, in the same
run, is plain time warping of the same rows, not mirrored, and with hands at rest as they are.

    STUDIO_REAL_DATA=... python benchmarks/recognition.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.pose import landmarks
from models.pose.extract import extract_pose
from models.pose.files import read_pose, write_pose
from models.recognition import dtw
from models.recognition.enrol import exemplar_of
from models.recognition.exemplar import Exemplar, ExemplarRecognizer
from models.recognition.features import Floats, features
from models.recognition.landmark_recognizer import LandmarkRecognizer, whole_span
from models.recognition.ready import ready_recognizer

WEBCAM = (640, 480)
Distances = Callable[[Sequence[Exemplar], Floats], Floats]


def ours(bank: Sequence[Exemplar], rows: Floats) -> Floats:
    """Distances as the studio has them."""
    return _recognizer(tuple(bank)).distances(rows)


def plain(bank: Sequence[Exemplar], rows: Floats) -> Floats:
    """Time warping of the rows as they are."""
    key = tuple(id(one) for one in bank)
    if key not in _plain:
        _plain.clear()
        _plain[key] = np.stack([_resampled(one.rows) for one in bank])
    return dtw.distances(_resampled(rows), _plain[key])


_plain: dict[tuple[int, ...], Floats] = {}
_ours: dict[tuple[int, ...], ExemplarRecognizer] = {}


def _recognizer(bank: tuple[Exemplar, ...]) -> ExemplarRecognizer:
    key = tuple(id(one) for one in bank)
    if key not in _ours:
        _ours.clear()
        _ours[key] = ExemplarRecognizer(bank)
    return _ours[key]


def _resampled(rows: Floats) -> Floats:
    where = np.linspace(0, len(rows) - 1, dtw.LENGTH).round().astype(int)
    return rows[where] * dtw.WEIGHTS


def accuracy(bank: Sequence[Exemplar], tests: Sequence[Exemplar], distances: Distances) -> float:
    """Share of tests whose nearest example has their gloss."""
    return float(np.mean([bank[int(np.argmin(distances(bank, one.rows)))].gloss == one.gloss for one in tests]))


def same_person(clips: dict[str, list[Exemplar]], shots: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean over people who have six words or more: examples and tests are theirs."""
    results: list[tuple[float, float]] = []
    for own in clips.values():
        bank, tests = [], []
        for gloss in sorted({one.gloss for one in own}):
            order = rng.permutation(np.array([one for one in own if one.gloss == gloss], dtype=object))
            if len(order) > shots:
                bank += list(order[:shots])
                tests += list(order[shots : shots + 6])
        if len({one.gloss for one in bank}) >= 6:
            results.append((accuracy(bank, tests, ours), accuracy(bank, tests, plain)))
    mine, peer = np.mean(results, axis=0)
    return float(mine), float(peer)


def other_people(
    clips: dict[str, list[Exemplar]], people: int, words: Sequence[str], rng: np.random.Generator, runs: int = 5
) -> tuple[float, float]:
    """Mean over draws of so many people, one example of each word from each; all the others are tests."""
    able = [who for who, own in clips.items() if set(words) <= {one.gloss for one in own}]
    results = []
    for _ in range(runs):
        order = rng.permutation(able)

        def drawn(who: str, gloss: str, count: int) -> list[Exemplar]:
            own = [one for one in clips[who] if one.gloss == gloss]
            return [own[int(index)] for index in rng.permutation(len(own))[:count]]

        bank = [one for who in order[:people] for word in words for one in drawn(who, word, 1)]
        tests = [one for who in order[people:] for word in words for one in drawn(who, word, 3)]
        results.append((accuracy(bank, tests, ours), accuracy(bank, tests, plain)))
    mine, peer = np.mean(results, axis=0)
    return float(mine), float(peer)


def recorded(folder: Path) -> dict[str, list[Exemplar]]:
    """People who recorded themselves, as exemplars, by person."""
    found: dict[str, list[Exemplar]] = defaultdict(list)
    for path in sorted(folder.glob("signer_*.npz")):
        with np.load(path, allow_pickle=False) as data:
            sequences, lengths, labels = data["X"], data["length"], data["label"]
        for values, length, label in zip(sequences, lengths, labels, strict=True):
            rows = features(_pose(values[:length].astype(np.float32))).rows
            found[path.stem].append(Exemplar(gloss=str(label), rows=rows))
    return found


def _pose(values: NDArray[np.float32]) -> Pose:
    """Body 33 x 4, left and right hand 21 x 3, of the picture's size, 0 where not found."""
    count = len(values)
    body, hands = values[:, :132].reshape(count, 33, 4), values[:, 132:].reshape(count, 2, 21, 3)
    total = 2 * landmarks.NUM_BODY + landmarks.NUM_FACE + 2 * landmarks.NUM_HAND
    points, sure = np.zeros((count, total, 3), np.float32), np.zeros((count, total), np.float32)
    points[:, :33] = body[..., :3]
    sure[:, :33] = np.maximum(body[..., 3], 0.01) * body.any(axis=(1, 2))[:, None]
    first = landmarks.NUM_BODY + landmarks.NUM_FACE
    points[:, first : first + 42] = hands.reshape(count, 42, 3)
    sure[:, first : first + 42] = np.repeat(hands.any(axis=(2, 3)), 21, axis=1)
    points[..., :2] *= WEBCAM
    return landmarks.holistic_pose(points, sure, fps=25, width=WEBCAM[0], height=WEBCAM[1])


def filmed(folder: Path, cache: Path) -> list[tuple[str, str, Pose]]:
    """Word, signer and pose of every clip."""
    found = []
    for clip in sorted(folder.rglob("*.mp4")):
        path = cache / f"{clip.stem}.pose"
        if not path.is_file():
            write_pose(path, extract_pose(clip).pose)
        word = clip.parent.name.upper().replace("_", "-")
        found.append((word, clip.stem.split("__")[1], read_pose(path)))
    return found


def without_examples(clips: Sequence[tuple[str, str, Pose]], recognizer: LandmarkRecognizer) -> str:
    """The shipped model on clips of words that it has."""
    glosses = recognizer.card.glosses
    known = [(word, pose) for word, _, pose in clips if word in glosses]
    best = among = 0
    for word, pose in known:
        said, _ = recognizer.say(features(pose).rows)
        order = np.argsort(-recognizer.scores(said, *whole_span(said.activity))[0])
        best += glosses[order[0]] == word
        among += word in [glosses[index] for index in order[:5]]
    words = len({word for word, _ in known})
    return f"{len(known)} clips of {words} words: top-1 {best / len(known):.1%}, top-5 {among / len(known):.1%}"


def one_example(clips: Sequence[tuple[str, str, Pose]], rng: np.random.Generator) -> tuple[int, float, float]:
    """One example of each word that two people or more sign; the other people's clips are tests."""
    exemplars = [(who, exemplar_of(pose, word)) for word, who, pose in clips]
    by_word: dict[str, list[tuple[str, Exemplar]]] = defaultdict(list)
    for who, one in exemplars:
        by_word[one.gloss].append((who, one))
    shared = {word: own for word, own in by_word.items() if len({who for who, _ in own}) >= 2}
    results = []
    for _ in range(5):
        bank, tests = [], []
        for own in shared.values():
            who, example = own[int(rng.integers(len(own)))]
            bank.append(example)
            tests += [one for other, one in own if other != who]
        results.append((accuracy(bank, tests, ours), accuracy(bank, tests, plain)))
    mine, peer = np.mean(results, axis=0)
    return len(shared), float(mine), float(peer)


def main() -> None:
    """Print everything there is data for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder for the poses of the clips, to run it again faster")
    cache = parser.parse_args().cache
    data = Path(os.environ["STUDIO_REAL_DATA"])
    rng = np.random.default_rng(0)
    people = recorded(data / "holistic_mp_data")
    print(f"{sum(map(len, people.values()))} recordings of {len(people)} people (landmarks)")
    for shots in (1, 3, 5):
        mine, peer = same_person(people, shots, rng)
        print(f"  {shots} example(s) of each word by the same person: top-1 {mine:.1%}, plain {peer:.1%}")
    for count in (1, 5, 10):
        mine, peer = other_people(people, count, ("hello", "iloveyou", "thanks"), rng)
        print(f"  3 words, examples by {count} other people: top-1 {mine:.1%}, plain {peer:.1%}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = cache or Path(temporary)
        clips = filmed(data / "asl_words", folder)
    print(f"{len(clips)} clips of {len({who for _, who, _ in clips})} people (video)")
    words, mine, peer = one_example(clips, rng)
    print(f"  {words} words, one example by another person: top-1 {mine:.1%}, plain {peer:.1%}")
    print(f"  the shipped model, which has seen drawn signers only: {without_examples(clips, ready_recognizer())}")


if __name__ == "__main__":
    main()
