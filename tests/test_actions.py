"""Actions with objects, as the Recognize tab and the command line use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from actions_toy import DESCRIPTION, LABELS, NO_HANDS, TRAINED_ON, toy_model
from multistream_toy import MODEL
from something_toy import make

from models.errors import SignError, VideoError, WeightsError
from models.progress import Cancelled
from models.recognition.multistream.recognizer import Seen
from models.video import probe
from studio import actions, trained
from studio.jobs import Jobs
from studio.limits import Limits

T = MODEL.frames


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> actions.ActionModel:
    return actions.ActionModel(name="toy", title="Toy", folder=toy_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def seen(data: Path, model: actions.ActionModel) -> Seen:
    """What the toy makes of a clip."""
    recognizer = actions.open_model(model.folder)
    return actions.see(recognizer, data / "videos" / "1.webm", data / "boxes", hands=False)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setattr(actions, "_ROOT", tmp_path / "none")
    return Jobs(tmp_path / "runs")


def run_of(jobs: Jobs, kind: str = "multistream", name: str = "mine") -> Path:
    made = jobs.create(kind, "demo", {}, Path("data"), name)
    return toy_model(made.model)


def make_with(
    model: actions.ActionModel,
    data: Path,
    folder: Path,
    tell: Callable[[actions.ActionStep], None] = lambda _: None,
    *,
    stop: bool = False,
) -> actions.ActionProducts:
    clip = data / "videos" / "1.webm"
    return actions.make(model, clip, data / "boxes", "", folder, Limits(), tell, lambda: stop)


def test_a_clip_gives_video_values_and_figures(data: Path, model: actions.ActionModel, tmp_path: Path) -> None:
    steps: list[actions.ActionStep] = []
    made = make_with(model, data, tmp_path, steps.append)
    assert probe(made.video).num_frames == T
    assert [path.name for path in made.downloads[:2]] == ["1.mp4", "1.json"]
    assert len(made.pictures) == len(made.downloads) - 2 == 2
    assert all(path.is_file() and path.suffix in (".mp4", ".json", ".svg") for path in made.downloads)
    assert all(one.alt and one.caption for one in made.pictures)
    assert made.remarks == (actions.DRAWN, f"A hand was found in 0 of {T} frames.")
    assert steps[0] == actions.ActionStep(words="Loading the model")
    assert any(step.total for step in steps)
    values = json.loads(made.downloads[1].read_text(encoding="utf-8"))
    assert [one["label"] for one in values["labels"]] == [one.label for one in made.seen.candidates]


def test_the_values_say_labels_looks_and_what_the_model_learned_from(seen: Seen) -> None:
    looks = np.zeros((3, T, 3), np.float32)
    looks[1, :2], looks[1, 2:] = (0, 0, 1), (0.5, 0, 0.5)
    looks[2, :, 1] = 1
    there = np.array([[False] * T, [True, True, True, False], [True] * T])
    known = replace(seen, over_streams=looks, over_time=np.full((3, T, T), 0.25, np.float32), present=there)
    values = actions.values(known, True, Path("folder") / "1.webm")
    assert (values["clip"], values["video_id"], len(values["frames"])) == ("1.webm", "1", T)
    assert (values["recognizer"], values["trained_on_drawn_clips"]) == (DESCRIPTION, True)
    assert {one["label"] for one in values["labels"]} == set(LABELS)
    assert sum(one["confidence"] for one in values["labels"]) == pytest.approx(1)
    assert values["remarks"] == [NO_HANDS]
    told = values["attention"]
    assert told["hands"] is None  # they saw nothing
    assert told["objects"]["mean"] == pytest.approx({"hands": 1 / 6, "objects": 0, "context": 5 / 6})  # of 3 frames
    assert told["objects"]["over_streams"] == [[0, 0, 1], [0, 0, 1], [0.5, 0, 0.5], None]
    assert told["context"]["over_time"] == [[0.25] * T] * T
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_only_who_trained_on_drawn_clips_says_so(seen: Seen) -> None:
    def made(drawn: bool) -> actions.ActionProducts:
        return actions.ActionProducts(seen=seen, drawn=drawn, video=Path("a.mp4"), pictures=(), downloads=())

    assert made(True).remarks == (actions.DRAWN, NO_HANDS)
    assert made(False).remarks == (NO_HANDS,)


def test_a_clip_is_known_by_its_name_unless_an_id_is_given(data: Path, model: actions.ActionModel) -> None:
    recognizer, clip = actions.open_model(model.folder), data / "videos" / "10.webm"
    assert actions.see(recognizer, clip, data / "boxes", " 2 ", hands=False).video_id == "2"
    assert actions.see(recognizer, clip, None, "  ", hands=False).video_id == "10"
    with pytest.raises(SignError, match="no video '10'; they have 1, 7, 2"):
        actions.see(recognizer, clip, data / "boxes", hands=False)


def test_rubbish_and_what_is_too_much_to_hold_are_refused(
    data: Path, model: actions.ActionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer, clip = actions.open_model(model.folder), data / "videos" / "1.webm"
    with pytest.raises(VideoError, match=r"7\.webm"):
        actions.see(recognizer, data / "videos" / "7.webm", hands=False)
    monkeypatch.setattr(actions, "_MOST_BYTES", 12 * 64 * 48 * 3)  # its one second
    assert actions.see(recognizer, clip, hands=False).candidates
    monkeypatch.setattr(actions, "_MOST_BYTES", 12 * 64 * 48 * 3 - 1)
    with pytest.raises(VideoError, match=r"1\.webm is longer than the 1 s of 64 x 48 pixels"):
        actions.see(recognizer, clip, hands=False)


def test_who_stops_gets_no_files(data: Path, model: actions.ActionModel, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        make_with(model, data, tmp_path, stop=True)
    assert not list(tmp_path.iterdir())


def test_models_are_the_one_that_comes_along_and_runs_of_this_kind_that_have_one(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert actions.models(jobs) == []
    with pytest.raises(SignError, match="--model multistream --preset demo"):
        actions.find_model(None, jobs)
    run = run_of(jobs)
    run_of(jobs, "landmark", "other")
    jobs.create("multistream", "demo", {}, Path("data"), "empty")
    assert [one.title for one in actions.models(jobs)] == ["Your run mine"]
    assert actions.find_model(trained.name_of(run), jobs).folder == run
    monkeypatch.setattr(actions, "_ROOT", toy_model(tmp_path / "shipped"))
    assert [one.name for one in actions.models(jobs)] == [trained.SHIPPED, trained.name_of(run)]
    assert actions.find_model(None, jobs).name == trained.SHIPPED
    with pytest.raises(SignError, match="not here any more"):
        actions.find_model("run:gone", jobs)


def test_a_model_says_what_it_knows_and_what_it_was_trained_on(tmp_path: Path) -> None:
    def about(folder: Path) -> str:
        return actions.ActionModel(name="a", title="A", folder=folder).about

    assert about(toy_model(tmp_path / "drawn")) == f"A model of 3 labels, {TRAINED_ON}. {actions.DRAWN}"
    assert actions.DRAWN not in about(toy_model(tmp_path / "filmed", drawn=False))
    assert "does not say" in about(tmp_path)


def test_a_folder_is_found_by_run_by_name_and_by_itself(jobs: Jobs, tmp_path: Path) -> None:
    model = run_of(jobs)
    for name in ("mine", model.parent.name, str(model.parent), str(model)):
        assert actions.model_folder(name, jobs) == model
    with pytest.raises(WeightsError, match="no model of actions"):
        actions.model_folder(None, jobs)
    assert trained.kind_of(model.parent) == actions.KIND
    assert trained.kind_of(run_of(jobs, "landmark", "other").parent) == "landmark"
    assert trained.kind_of(tmp_path) == ""


def test_a_path_is_a_clip_a_folder_of_frames_or_a_folder_of_both(tmp_path: Path) -> None:
    frames = tmp_path / "clips" / "44"
    frames.mkdir(parents=True)
    (frames / "0001.jpg").write_bytes(b"")
    (tmp_path / "clips" / "5.webm").write_bytes(b"")
    assert actions.clips_in(frames) == [frames]
    assert actions.clips_in(tmp_path / "clips") == [tmp_path / "clips" / "5.webm", frames]
    assert actions.clips_in(tmp_path / "none.mp4") == [tmp_path / "none.mp4"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SignError, match="holds no clips"):
        actions.clips_in(tmp_path / "empty")


@pytest.mark.real
def test_a_folder_of_real_clips_is_seen_with_its_real_boxes(real_data: Path, model: actions.ActionModel) -> None:
    place = real_data / "annotations" / "something_else"
    clips = actions.clips_in(place / "videos")
    assert len(clips) == 13
    found = actions.see(actions.open_model(model.folder), clips[0], place / "annotations.json", hands=False)
    assert found.video_id == clips[0].name
    assert found.present[1].any()
