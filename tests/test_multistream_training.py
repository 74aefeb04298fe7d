"""From a data folder to a trained multi-stream model, and to what it says of a clip."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from multistream_toy import MODEL, TRAINING, data
from something_toy import entries, write_json

from models.data.something_run import SomethingOptions, run
from models.errors import SignError, WeightsError
from models.model_folder import described
from models.recognition.multistream import recipe
from models.recognition.multistream.clips import OUT, Source, as_batch, changed, dropped
from models.recognition.multistream.config import STREAMS, DataOptions
from models.recognition.multistream.evaluate import evaluate
from models.recognition.multistream.files import KIND, about, load_multistream, save_multistream
from models.recognition.multistream.network import MultiStream
from models.training import Run, fit
from models.training.config import to_dict


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run_folder = Run(tmp_path_factory.mktemp("runs") / "one")
    run_folder.write_config({"model": "multistream", "name": "one", "data": str(folder), "config": to_dict(TRAINING)})
    task, options = recipe.build(TRAINING, folder)
    fit(task, options, run_folder)
    return run_folder


def source(folder: Path, **changes: object) -> Source:
    return Source(folder, MODEL, replace(TRAINING.data, **changes))


def test_a_clip_without_boxes_is_learned_from_without_objects(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(folder, other)
    told = [{"id": one, "template": "Closing [something]", "label": ""} for one in ("2", "10")]
    write_json(other / "labels" / "train.json", told)
    clips = source(other, keep=False).judged("train")
    made = as_batch([clips[0], clips[1]])
    assert made.boxes_mask.any(dim=-1).any(dim=-1).tolist() == [True, False]
    assert made.labels.tolist() == [0, 0]
    assert made.context_mask.all()


def test_kept_frames_are_read_again_until_the_boxes_change(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(folder, other)
    first = source(other).judged("train")[0]
    kept = list((other / OUT / "kept").iterdir())
    assert len(kept) == 1
    again = source(other).judged("train")[0]
    assert all(torch.equal(first[name], again[name]) for name in first if isinstance(first[name], torch.Tensor))
    assert set(first) == set(again)
    moved = {"1": [{**one, "labels": one["labels"][1:]} for one in entries("1", range(1, 13))]}
    for part in (other / "annotations").glob("*.json"):
        part.unlink()
    (other / OUT / "boxes.sqlite").unlink()
    write_json(other / "annotations" / "part.json", moved)
    run(SomethingOptions(videos=other / "videos", annotations=other / "annotations", labels=other, out=other / OUT))
    assert int(source(other).judged("train")[0]["boxes_mask"].sum()) < int(first["boxes_mask"].sum())


def test_boxes_and_joints_move_with_the_picture() -> None:
    side = 64
    frames = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    frames[..., 16:32, 8:24] = 255
    hands = torch.zeros(1, 2, 21, 3)
    hands[:, 0] = torch.tensor([16 / side, 24 / side, 0.1])
    item = {
        "frames": frames,
        "boxes": torch.tensor([[[8, 16, 24, 32], [0, 0, 0, 0]]]) / side,
        "boxes_mask": torch.tensor([[True, False]]),
        "crops": torch.full((1, 2, 3, 48, 48), 9, dtype=torch.uint8),
        "hands": hands,
        "hands_mask": torch.tensor([[True, False]]),
    }
    options = DataOptions(light=0.0, shift=0.2)
    for seed in range(12):
        made = changed(item, np.random.default_rng(seed), options, mirrorable=True)
        rows, columns = (made["frames"][0, 0] > 127).nonzero().T
        seen = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / side
        assert torch.allclose(seen, made["boxes"][0, 0], atol=1.6 / side)
        there = int(made["hands_mask"][0].nonzero())
        middle = (made["boxes"][0, 0, :2] + made["boxes"][0, 0, 2:]) / 2
        if seen.min() > 0 and seen.max() < 1:  # a box ends at the edge, a hand does not
            assert torch.allclose(made["hands"][0, there, 0, :2], middle, atol=1.6 / side)
        assert not made["boxes"][0, 1].any()
        assert not made["hands"][0, 1 - there].any()
    sides = {
        int(changed(item, np.random.default_rng(seed), options, mirrorable=True)["hands_mask"][0].nonzero())
        for seed in range(12)
    }
    assert sides == {0, 1}


def test_a_label_that_says_left_or_right_is_never_mirrored(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(folder, other)
    names = ["Pushing something from left to right", "Closing something"]
    write_json(other / "labels" / "labels.json", {name: str(place) for place, name in enumerate(names)})
    told = [{"id": one, "template": names[place], "label": ""} for place, one in enumerate(("1", "2"))]
    write_json(other / "labels" / "train.json", told)
    assert source(other).judged("train").mirrorable == [False, True]


def test_at_most_one_stream_of_a_clip_is_left_out_and_as_often_as_asked(folder: Path) -> None:
    item = source(folder).judged("train")[0]
    item = {**item, "hands_mask": torch.ones_like(item["hands_mask"])}
    made = dropped(as_batch([item] * 600), np.random.default_rng(0), 0.2)
    gone = torch.stack(
        [~made.hands_mask.flatten(1).any(1), ~made.boxes_mask.flatten(1).any(1), ~made.context_mask.any(1)], dim=1
    )
    assert gone.sum(dim=1).max() == 1
    assert gone.float().mean(dim=0).tolist() == pytest.approx([0.2, 0.2, 0.2], abs=0.05)
    assert torch.equal(dropped(made, np.random.default_rng(0), 0.0).hands_mask, made.hands_mask)


def test_fewer_clips_are_drawn_evenly_from_the_labels(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(folder, other)
    for number in range(20, 26):
        shutil.copy(other / "videos" / "1.webm", other / "videos" / f"{number}.webm")
    ids = [str(number) for number in range(20, 26)]
    told = [{"id": one, "template": "Closing [something]", "label": ""} for one in ids[:5]]
    write_json(
        other / "labels" / "train.json",
        [*told, {"id": ids[5], "template": "Moving [part] of [something]", "label": ""}],
    )
    train, _ = source(other, max_train=3, validation="none").training()
    assert len(set(train.labels)) == 2


def test_a_batch_depends_on_its_number_alone(folder: Path) -> None:
    one, _ = recipe.build(TRAINING, folder)
    other, _ = recipe.build(TRAINING, folder)
    for number in (0, 3):
        given, again = one.batch(number), other.batch(number)
        assert all(torch.equal(value, getattr(again, name)) for name, value in vars(given).items())


def test_a_run_is_trained_judged_and_its_model_used(trained: Run, folder: Path) -> None:
    assert trained.status().state == "finished"
    told = about(trained.model)
    assert told.labels == source(folder).labels
    assert not told.drawn and "1 clips of 1 actions" in told.trained_on, "the other one is for validation"
    made = evaluate(trained, "train")
    assert made["result"]["clips"] == 2
    assert set(made["streams_masked"]) == set(STREAMS)
    assert made["model"]["parameters"] == sum(one.numel() for one in load_multistream(trained.model).parameters())
    page = (trained.evaluation / "report.html").read_text(encoding="utf-8")
    assert "Closing something" in page


def test_an_evaluation_names_the_split_that_was_judged_in_place_of_one_without_labels(
    trained: Run, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained.folder, tmp_path / "one")
    run = Run(tmp_path / "one")
    config = replace(TRAINING, data=replace(TRAINING.data, validation="train"))
    run.write_config({"model": "multistream", "name": "one", "data": str(folder), "config": to_dict(config)})
    made = evaluate(run, pictures=False)
    assert (made["data"]["split"], made["result"]["clips"]) == ("train", 2)


def test_a_split_without_clips_cannot_be_judged(trained: Run) -> None:
    with pytest.raises(SignError, match="No clip of the split validation"):
        evaluate(trained, "validation")
    with pytest.raises(SignError, match="no split 'nothing'"):
        evaluate(trained, "nothing")


def test_a_clip_whose_label_is_not_in_the_list_is_left_out_and_said_so(folder: Path) -> None:
    clips = source(folder).clips("validation")
    assert len(clips) == 0
    assert clips.left_out == {"10": "its label is not among the labels"}


def test_what_is_saved_answers_the_same(trained: Run, folder: Path, tmp_path: Path) -> None:
    model = load_multistream(trained.model)
    save_multistream(model, tmp_path / "half", trained_on="trained on two clips", drawn=True, half=True)
    again, given = load_multistream(tmp_path / "half"), as_batch([source(folder).judged("train")[0]])
    with torch.inference_mode():
        assert torch.allclose(model(given).logits, again(given).logits, atol=0.02)
    assert about(tmp_path / "half").drawn
    size = {name: (place / "model.safetensors").stat().st_size for name, place in
            {"whole": trained.model, "half": tmp_path / "half"}.items()}  # fmt: skip
    assert size["half"] < 0.75 * size["whole"]


def test_a_broken_model_is_told_in_words(trained: Run, tmp_path: Path) -> None:
    assert described(trained.model)["kind"] == KIND
    assert described(tmp_path) == {}
    with pytest.raises(WeightsError, match="holds no model"):
        load_multistream(tmp_path)
    shutil.copytree(trained.model, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="cut off"):
        load_multistream(tmp_path / "cut")
    other = MultiStream(replace(MODEL, lstm=16), ("a", "b"))
    save_multistream(other, tmp_path / "other", trained_on="", drawn=False)
    shutil.copy(trained.model / "model.safetensors", tmp_path / "other" / "model.safetensors")
    with pytest.raises(WeightsError, match="another model"):
        load_multistream(tmp_path / "other")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(SignError, match=r"no folder videos, and holds thesis.doc"):
        recipe.prepare(TRAINING, tmp_path)
    (tmp_path / "videos").mkdir()
    with pytest.raises(SignError, match="no folder annotations"):
        recipe.prepare(TRAINING, tmp_path)


def test_data_that_was_not_prepared_is_told_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "labels", tmp_path / "labels")
    shutil.copytree(folder / "videos", tmp_path / "videos")
    with pytest.raises(SignError, match="was not prepared"):
        recipe.build(TRAINING, tmp_path)


def test_labels_that_changed_since_the_training_are_refused(trained: Run, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(folder, other)
    write_json(other / "labels" / "labels.json", {"Closing something": "0"})
    run_folder = Run(tmp_path / "run")
    shutil.copytree(trained.folder, run_folder.folder)
    run_folder.write_config({**trained.config(), "data": str(other)})
    with pytest.raises(SignError, match="labels of data have changed"):
        evaluate(run_folder, "train")


def test_presets_fit_what_they_are_for() -> None:
    small, large = recipe.PRESETS["4gb"], recipe.PRESETS["8gb"]
    assert (small.data.batch_size, small.model.size, small.model.frames, small.loop.accumulation) == (2, 112, 10, 4)
    assert small.loop.precision != "no" and small.model.start == "published"
    assert large.model.size == 224 and 20 <= large.model.frames <= 30
    assert next(iter(recipe.PRESETS)) == "demo"


@pytest.mark.real
def test_real_clips_with_their_boxes_are_prepared_learned_from_and_judged(real_data: Path, tmp_path: Path) -> None:
    place, folder = real_data / "annotations" / "something_else", tmp_path / "data"
    labels = json.loads((place / "code/dataset_splits/compositional/labels.json").read_text(encoding="utf-8"))
    told = json.loads((place / "annotations.json").read_text(encoding="utf-8"))
    ids = sorted(told)[:3]
    for video_id in ids:
        shutil.copytree(place / "videos" / video_id, folder / "videos" / video_id)
    write_json(folder / "annotations" / "part1.json", {video_id: told[video_id] for video_id in ids})
    write_json(folder / "labels" / "labels.json", labels)
    # What happens in these clips is not known here: the labels are made up.
    clips = [{"id": one, "template": name, "label": ""} for one, name in zip(ids, sorted(labels), strict=False)]
    write_json(folder / "labels" / "train.json", clips[:2])
    write_json(folder / "labels" / "test.json", clips[2:])
    recipe.prepare(TRAINING, folder)
    task, options = recipe.build(TRAINING, folder)
    assert len(task.model.labels) == 174
    assert task.batch(0).boxes_mask.any() and task.batch(0).hands_mask.any()
    done = Run(tmp_path / "run")
    done.write_config({"model": "multistream", "name": "real", "data": str(folder), "config": to_dict(TRAINING)})
    fit(task, options, done)
    made = evaluate(done, pictures=False)
    assert made["result"]["clips"] == 1 and not made["data"]["drawn"]
    assert made["data"]["hands_found"] is None or 0 <= made["data"]["hands_found"] <= 1
