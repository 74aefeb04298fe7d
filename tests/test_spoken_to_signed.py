"""The `spoken-to-signed` package works on our lexicon folders as they stand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose
from spoken_to_signed import bin as spoken_to_signed
from spoken_to_signed.gloss_to_pose import CoverageType, CSVPoseLookup, concatenate_poses, gloss_to_pose
from spoken_to_signed.text_to_gloss.types import GlossItem
from synthetic_signer import signer

from models.lexicon.embedded import export_lexicon
from models.lexicon.index import open_lexicon
from models.lexicon.recordings import Recording, add, add_many
from models.pose import landmarks
from models.pose.files import read_pose

SIGNS = ["HELLO", "MY", "NAME", "A", "N"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some embedded signs and letters, and a sign recorded by the user."""
    root = tmp_path_factory.mktemp("lexicon")
    export_lexicon(root / "ase", glosses=SIGNS)
    add(root / "ase", signer(), "MY-SIGN")
    return root / "ase"


def arrays(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    return np.ma.getdata(pose.body.data), np.ma.getdata(pose.body.confidence)


def same(left: Pose, right: Pose) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(left), arrays(right), strict=True))


def test_its_lookup_finds_the_same_poses_as_ours_whole_and_in_order(folder: Path) -> None:
    lexicon, lookup = open_lexicon(folder), CSVPoseLookup(str(folder))
    order = ["NAME", "MY-SIGN", "HELLO", "N", "A", "MY"]
    results = lookup.lookup_sequence([GlossItem(word=gloss, gloss=gloss) for gloss in order], "en", "ase")
    for gloss, result in zip(order, results, strict=True):
        (entry,) = lexicon.find(gloss)
        assert result.coverage == CoverageType.LEXICON
        assert same(result.pose, lexicon.load(entry))
        assert tuple(component.name for component in result.pose.header.components) == landmarks.COMPONENTS
        assert result.signing_span == entry.segment_frames(25)
        if gloss != "MY-SIGN":  # performed from rest to rest, and all of it is there
            assert same(result.pose, read_pose(folder / entry.path))


def test_it_finds_signs_by_each_of_their_words(folder: Path) -> None:
    lookup = CSVPoseLookup(str(folder))
    by_word = [lookup.lookup(word, "", "en", "ase") for word in ("hi", "mine", "my sign")]
    by_gloss = [lookup.lookup("", gloss, "en", "ase") for gloss in ("HELLO", "my", "My-Sign")]
    assert all(same(left.pose, right.pose) for left, right in zip(by_word, by_gloss, strict=True))


@pytest.mark.parametrize("fps", [12.5, 23.976, 25, 29.97, 30, 50, 60])
def test_it_loses_no_frame_at_any_frame_rate(tmp_path: Path, fps: float) -> None:
    poses = [signer(seconds=seconds, fps=fps) for seconds in (1.03, 1.37, 2.11)]
    frames = [len(pose.body.data) for pose in poses]
    add_many(
        tmp_path,
        [
            *(Recording(pose=pose, gloss=f"WHOLE-{i}") for i, pose in enumerate(poses)),
            *(
                Recording(pose=pose, gloss=f"PART-{i}", span=(7, len(pose.body.data) - 3))
                for i, pose in enumerate(poses)
            ),
        ],
    )
    lexicon, lookup = open_lexicon(tmp_path), CSVPoseLookup(str(tmp_path))
    for kind, lost in (("WHOLE", 0), ("PART", 10)):
        for number, count in enumerate(frames):
            gloss = f"{kind}-{number}"
            found = lookup.lookup("", gloss, "en", "ase").pose
            assert len(found.body.data) == count - lost
            assert same(found, lexicon.load(lexicon.find(gloss)[0]))


def test_variants_come_by_the_same_priority(tmp_path: Path) -> None:
    long, short = signer(seconds=2), signer(seconds=1.6)
    add(tmp_path, long, "HOUSE", priority=2, span=(0, 50))
    add(tmp_path, short, "HOUSE", priority=1, span=(0, 40))
    found = CSVPoseLookup(str(tmp_path)).lookup("house", "HOUSE", "en", "ase").pose
    lexicon = open_lexicon(tmp_path)
    assert same(found, lexicon.load(lexicon.find("HOUSE")[0]))
    assert len(found.body.data) == 40


def test_gloss_to_pose_joins_our_poses_in_the_order_of_the_glosses(folder: Path) -> None:
    lexicon, lookup = open_lexicon(folder), CSVPoseLookup(str(folder))
    glosses = ["HELLO", "MY-SIGN", "NAME"]
    entries = [lexicon.find(gloss)[0] for gloss in glosses]
    joined = gloss_to_pose([GlossItem(word=gloss, gloss=gloss) for gloss in glosses], lookup, "en", "ase").pose
    spans = [entry.segment_frames(25) for entry in entries]
    expected = concatenate_poses([lexicon.load(entry) for entry in entries], signing_spans=spans)
    backwards = concatenate_poses([lexicon.load(entry) for entry in reversed(entries)], signing_spans=spans[::-1])
    assert same(joined, expected)
    assert not same(joined, backwards)
    order = [component.name for component in joined.header.components]
    assert order == [name for name in landmarks.COMPONENTS if name in order]


def test_text_to_gloss_to_pose_signs_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"text": "hi my name a n", "glosser": "simple", "lexicon": folder, "pose": tmp_path / "out.pose"}
    options |= {"spoken-language": "en", "signed-language": "ase"}
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    monkeypatch.setattr(
        sys, "argv", ["text_to_gloss_to_pose", *arguments, "--coverage-info", "--disable-fingerspelling"]
    )
    spoken_to_signed.text_to_gloss_to_pose()
    assert "Coverage: 1.000 (5/5 tokens matched)" in capsys.readouterr().out
    pose = read_pose(tmp_path / "out.pose")
    assert landmarks.seen(pose, landmarks.RIGHT_HAND).any()
    # Rest, five signs of at most 0.8 s each, rest: longer than the longest of them, shorter than all from rest to rest.
    lengths = [len(read_pose(folder / f"{gloss.lower()}.pose").body.data) for gloss in SIGNS]
    assert max(lengths) < len(pose.body.data) < sum(lengths)
