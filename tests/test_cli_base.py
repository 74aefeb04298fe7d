"""`signstudio base` as a person types it, with a model that has learned nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from base_toy import FRAMES, TRAINED_ON, toy_model
from console import console

from models.lexicon.index import open_lexicon
from models.pose.files import read_pose
from models.video import probe
from studio import base_actions
from studio.jobs import Jobs

QUICK = ("--steps", "1", "--guidance", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def no_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_actions, "_ROOT", tmp_path / "none")
    monkeypatch.setenv("SIGN_STUDIO_RUNS", str(tmp_path / "runs"))


def run_of(model: Path, kind: str = "base-action") -> str:
    """A training run whose model is this one; its id."""
    made = Jobs().create(kind, "demo", {}, Path("data"), "mine")
    made.model.symlink_to(model)
    return made.folder.name


def test_words_are_drawn_and_signed_in_a_sentence(model: Path, tmp_path: Path) -> None:
    done = console("base", "generate", "--all", "-m", model, *QUICK, "--enlarge", "2", "-l", "own", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("BOOK", "thank-you"):
        video = tmp_path / "base_action_videos" / f"{name}.mp4"
        assert (probe(video).num_frames, probe(video).width) == (FRAMES, 128)
        assert len(read_pose(video.with_suffix(".pose")).body.data) == FRAMES
        assert video.with_suffix(".jpg").is_file()
    assert TRAINED_ON in done.stdout
    assert [entry.gloss for entry in open_lexicon(tmp_path / "own").entries] == ["BOOK", "THANK-YOU"]
    line = ("synthesize", "BOOK THANK-YOU", "-l", "own", "-o", "out.mp4", "--height", "128", "--no-burn")
    assert console(*line, cwd=tmp_path).returncode == 0
    assert (probe(tmp_path / "out.mp4").num_frames or 0) > FRAMES


def test_the_same_again_draws_nothing_anew(model: Path, tmp_path: Path) -> None:
    command = ("base", "generate", "book", "-m", model, *QUICK, "-l", "own")
    console(*command, cwd=tmp_path)
    video = tmp_path / "base_action_videos" / "BOOK.mp4"
    written = video.stat().st_mtime_ns
    again = console(*command, cwd=tmp_path)
    assert again.returncode == 0
    assert "BOOK.mp4" in again.stdout
    assert video.stat().st_mtime_ns == written
    assert len(open_lexicon(tmp_path / "own").entries) == 1
    console(*command, "--seed", "1", cwd=tmp_path)
    assert video.stat().st_mtime_ns > written


def test_one_word_that_fails_does_not_stop_the_others(model: Path, tmp_path: Path) -> None:
    done = console("base", "generate", "bok", "thank you", "-m", model, *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert "did you mean BOOK?" in done.stderr
    assert (tmp_path / "base_action_videos" / "thank-you.mp4").is_file()


def test_words_lists_them_and_what_the_model_was_trained_on(model: Path, tmp_path: Path) -> None:
    done = console("base", "words", model, cwd=tmp_path)
    assert re.search(r"^BOOK +7 samples, 20 frames, 2\.0 s$", done.stdout, re.MULTILINE)
    assert f"This model was {TRAINED_ON}; its pictures have 64 px." in done.stdout


def test_a_run_is_named_by_its_name_its_id_or_its_folder(model: Path, tmp_path: Path) -> None:
    run = run_of(model)
    for name in ("mine", run, tmp_path / "runs" / run):
        assert "BOOK" in console("base", "words", name, cwd=tmp_path).stdout


def test_add_puts_a_video_that_was_made_into_a_lexicon(model: Path, tmp_path: Path) -> None:
    console("base", "generate", "BOOK", "-m", model, *QUICK, "-o", "made", cwd=tmp_path)
    done = console("base", "add", "made/BOOK.mp4", "-g", "volume", "--word", "volume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (entry,) = open_lexicon(tmp_path / "lexicon").entries
    assert (entry.gloss, entry.words) == ("VOLUME", ("volume",))
    failed = console("base", "add", "made/BOOK.mp4", "made/OTHER.mp4", cwd=tmp_path)
    assert failed.returncode == 1
    assert "OTHER.mp4 was not made by" in failed.stderr
    assert len(open_lexicon(tmp_path / "lexicon").entries) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("words",), "There is no base action model here"),
        (("words", "nobody"), "There is no run and no folder 'nobody'"),
        (("words", "."), "holds no base action model"),
        (("generate",), "Which words?"),
        (("generate", "BOOK", "--speed", "9"), "speed of 9"),
        (("generate", "BOOK", "--sampler", "best"), "no sampler 'best'"),
        (("generate", "BOOK", "--begin", "avatar", "--strength", "1"), "strength of 1"),
        (("add", "a.mp4", "b.mp4", "-g", "X"), "cannot share one gloss"),
        (("evaluate", "nobody"), "There is no run"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = console("base", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_of_another_kind_or_without_a_model_is_refused(model: Path, tmp_path: Path) -> None:
    other = run_of(model, "landmark")
    assert "is a run of landmark" in console("base", "words", other, cwd=tmp_path).stderr
    empty = Jobs().create("base-action", "demo", {}, Path("data"), "empty")
    assert "has no model yet" in console("base", "words", empty.folder.name, cwd=tmp_path).stderr


def test_a_damaged_model_is_said_in_words(model: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(model, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    done = console("base", "generate", "BOOK", "-m", "cut", *QUICK, cwd=tmp_path)
    assert done.returncode == 2
    assert "cut/model.safetensors" in done.stderr
    about = json.loads((model / "model.json").read_text())
    (tmp_path / "cut" / "model.json").write_text(json.dumps(about | {"format": 99}))
    assert "format 99" in console("base", "words", "cut", cwd=tmp_path).stderr


def test_evaluate_judges_a_run_and_says_by_what_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def judge(run, split, *, command, tell, limit, options, weights):
        asked.update(run=run.folder.name, split=split, command=command, limit=limit, steps=options.steps)
        tell("Drawing", 1, 2)
        return {"accuracy": 0.5, "config": {"long": True}}

    monkeypatch.setattr("models.synthesis.evaluate.evaluate", judge)
    run = run_of(model)
    done = console("base", "evaluate", "mine", "--split", "val", "--limit", "3", "--steps", "4", cwd=tmp_path)
    assert json.loads(done.stdout) == {"accuracy": 0.5}
    assert asked == {
        "run": run,
        "split": "val",
        "command": "signstudio base evaluate mine --split val --limit 3 --steps 4",
        "limit": 3,
        "steps": 4,
    }
