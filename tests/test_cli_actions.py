"""`signstudio actions` as a person types it, with a model that has learned nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from actions_toy import DESCRIPTION, LABELS, NO_BOXES, NO_HANDS, toy_model
from console import console
from multistream_toy import MODEL
from something_toy import make

from models.video import probe
from studio import actions
from studio.jobs import Jobs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def no_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_ROOT", tmp_path / "none")
    monkeypatch.setenv("SIGN_STUDIO_RUNS", str(tmp_path / "runs"))


def run_of(model: Path) -> str:
    """A training run whose model is this one; its id."""
    made = Jobs().create("multistream", "demo", {}, Path("data"), "mine")
    made.model.symlink_to(model)
    return made.folder.name


def clip_lines(text: str) -> list[str]:
    return [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")]


def test_the_likeliest_labels_are_printed_with_what_was_missing(model: Path, data: Path) -> None:
    done = console("actions", "recognize", data / "videos" / "1.webm", "-m", model, "--no-hands")
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    found = [re.fullmatch(r" +(\d+\.\d)%  (.+)", line) for line in lines[:3]]
    assert first == "1.webm:"
    assert {one[2] for one in found if one} == set(LABELS)
    sureness = [float(one[1]) for one in found if one]
    assert sureness == sorted(sureness, reverse=True)
    assert sum(sureness) == pytest.approx(100, abs=0.2)
    assert [line.strip() for line in lines[3:]] == [actions.DRAWN, NO_BOXES, NO_HANDS]
    assert done.stderr.strip() == DESCRIPTION


def test_out_holds_video_values_and_figures_of_each_clip_whatever_it_is_called(
    model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(data / "videos" / "1.webm", tmp_path / "other")
    clips = (data / "videos" / "1.webm", tmp_path / "other" / "1.webm")
    words = ("-m", model, "-a", data / "boxes", "-o", "made", "--no-hands")
    done = console("actions", "recognize", *clips, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"1.webm: {Path('made') / '1-2.mp4'}" in done.stdout
    for name in ("1", "1-2"):
        assert probe(tmp_path / "made" / f"{name}.mp4").num_frames == MODEL.frames
        assert json.loads((tmp_path / "made" / f"{name}.json").read_text())["video_id"] == "1"
        assert len(list((tmp_path / "made").glob(f"{name}-[a-z]*.svg"))) == 2


def test_clips_that_fail_are_named_and_the_others_go_on(model: Path, data: Path) -> None:
    words = ("-m", model, "-a", data / "boxes", "--no-hands")
    done = console("actions", "recognize", "none.mp4", data / "videos", *words)
    assert done.returncode == 1
    assert clip_lines(done.stdout) == ["1.webm", "2.webm"]
    failed = {line.split(":")[0]: line for line in done.stderr.splitlines()}
    assert "7.webm" in failed
    assert "there is no such file" in failed["none.mp4"]
    assert "no video '10'; they have 1, 7, 2" in failed["10.webm"]


def test_json_is_a_list_of_all_clips_and_nothing_else(model: Path, data: Path) -> None:
    clips = (data / "videos" / "2.webm", data / "videos" / "7.webm")
    done = console("actions", "recognize", *clips, "-m", model, "--no-hands", "--json")
    (found,) = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["clip"], found["attention"]["hands"]) == ("2.webm", None)
    assert found["trained_on_drawn_clips"] is True


def test_the_id_says_whose_boxes_they_are(model: Path, data: Path) -> None:
    clip, boxes = data / "videos" / "10.webm", data / "boxes" / "bounding_box_smthsmth_part1.json"
    done = console("actions", "recognize", clip, "-m", model, "-a", boxes, "--id", "1", "--no-hands", "--json")
    (found,) = json.loads(done.stdout)
    assert (found["clip"], found["video_id"]) == ("10.webm", "1")
    assert found["attention"]["objects"] is not None


def test_stopping_is_said_and_is_no_failure_of_a_clip(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def see(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(actions, "see", see)
    done = console("actions", "recognize", data / "videos" / "1.webm", "-m", model)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Stopped" in done.stderr


def test_labels_are_listed_one_a_line_and_what_the_model_was_trained_on_beside_them(
    model: Path, tmp_path: Path
) -> None:
    for name in (model, run_of(model), "mine"):
        done = console("actions", "labels", name, cwd=tmp_path)
        assert done.stdout.splitlines() == list(LABELS)
        assert done.stderr.splitlines() == [DESCRIPTION, actions.DRAWN]


def measured(top1: float) -> dict[str, object]:
    """What an evaluation says of some clips."""
    return {"clips": 8, "labels": 4, "k": 4, "top1": top1, "top1_interval_95": [top1 - 0.25, top1 + 0.125], "top5": 1.0}


def test_evaluate_says_how_good_it_is_what_each_stream_is_worth_and_by_what_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def judge(run, split, *, command, tell, pictures):
        asked.update(run=run.folder.name, split=split, command=command, pictures=pictures)
        tell("Judging", 1, 2)
        masked = {"hands": measured(0.375), "objects": measured(0.875)}
        data = {"split": "test", "drawn": True}
        return {"data": data, "result": measured(0.75), "compositional": measured(0.5), "streams_masked": masked}

    monkeypatch.setattr("models.recognition.multistream.evaluate.evaluate", judge)
    run = run_of(model)
    done = console("actions", "evaluate", "mine", "--split", "test", "--no-pictures", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "8 clips of 4 labels, split test",
        "  top-1 75.0 % (95 % interval: 50.0 % to 87.5 %)",
        "  top-4 100.0 %",
        "The clips are drawn: this says nothing of filmed ones.",
        "Known actions with other objects:",
        "  top-1 50.0 % (95 % interval: 25.0 % to 62.5 %)",
        "  top-4 100.0 %",
        "Without the stream of hands: top-1 37.5 %, 37.5 points lost",
        "Without the stream of objects: top-1 87.5 %, 12.5 points won",
    ]
    assert done.stderr.strip().endswith(str(Path(run) / "evaluation" / "evaluation.json"))
    command = "signstudio actions evaluate mine --split test --no-pictures"
    assert asked == {"run": run, "split": "test", "command": command, "pictures": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("labels",), "There is no model of actions here"),
        (("labels", "nobody"), "There is no run and no folder 'nobody'"),
        (("labels", "runs"), "holds no model of actions"),
        (("labels", "other"), "is a run of landmark"),
        (("labels", "empty"), "has no model yet"),
        (("recognize", "a.webm"), "There is no model of actions here"),
        (("recognize", "a.webm", "b.webm", "--id", "1"), "cannot share the id '1'"),
        (("recognize", "a.webm", "-m", "model", "-a", "none.json"), "There is no file or folder none.json"),
        (("evaluate", "nobody"), "There is no run"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    other = Jobs().create("landmark", "demo", {}, Path("data"), "other").model
    other.mkdir()
    Jobs().create("multistream", "demo", {}, Path("data"), "empty")
    done = console("actions", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_model_is_said_in_words(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    done = console("actions", "labels", "cut", cwd=tmp_path)
    assert done.returncode == 2
    assert "cut/model.safetensors" in done.stderr
