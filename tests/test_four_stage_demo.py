"""The demo of the four-stage model: its data, and what it learns from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import SignError
from models.recognition.four_stage.clips import DRAWN, described, read_clips
from models.recognition.four_stage.demo_data import FPS, GLOSSES, DemoData, draw_demo, is_held_out
from models.recognition.four_stage.recipe import PRESETS, build, evaluate, prepare
from models.training import Run, fit
from models.training.config import to_dict
from models.video import probe

SMALL = DemoData(train_signers=1, validation_signers=1, test_signers=1, sentences=3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    draw_demo(folder, SMALL, workers=1)
    return folder


def test_signers_and_sentences_of_the_test_are_in_no_training_clip(drawn: Path) -> None:
    clips = read_clips(drawn)
    assert [sum(clip.split == split for clip in clips) for split in ("train", "validation", "test")] == [3, 3, 3]
    signers = {split: {clip.signer for clip in clips if clip.split == split} for split in ("train", "test")}
    assert not signers["train"] & signers["test"]
    for clip in clips:
        assert set(clip.glosses) <= set(GLOSSES)
        if len(clip.glosses) > 1:
            assert is_held_out(clip.glosses) == (clip.split != "train")
    assert {len(clip.glosses) for clip in clips} == {1, 2, 3}


def test_the_clips_are_videos_and_are_not_drawn_twice(drawn: Path) -> None:
    paths = [clip.path for clip in read_clips(drawn)]
    before = [path.stat().st_mtime_ns for path in paths]
    assert all(probe(path).fps == FPS for path in paths)
    draw_demo(drawn, SMALL, workers=1)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_clip_that_is_cut_off_is_drawn_again(drawn: Path) -> None:
    path = read_clips(drawn)[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    draw_demo(drawn, SMALL, workers=1)
    assert path.read_bytes() == whole


def test_it_says_that_no_person_was_seen(drawn: Path) -> None:
    clips = read_clips(drawn)
    assert all(clip.signer.startswith(DRAWN) for clip in clips)
    assert "3 signers that the studio drew; it has never seen a person" in described(clips)


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(SignError, match=r"data\.test_signers is 0"):
        DemoData(test_signers=0)


@pytest.mark.slow
def test_the_demo_reaches_its_aim_on_signers_and_sentences_that_it_has_not_seen(tmp_path: Path) -> None:
    config = PRESETS["demo"]
    prepare(config, tmp_path / "data")
    run = Run(tmp_path / "run")
    settings = {"model": "four-stage", "name": "demo", "data": str(tmp_path / "data"), "config": to_dict(config)}
    run.write_config(settings)
    task, options = build(config, tmp_path / "data")
    fit(task, options, run)
    assert evaluate(run)["word_error_rate"]["wer"] <= 0.15
