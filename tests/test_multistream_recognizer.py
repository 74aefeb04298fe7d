"""What the multi-stream recognizer says of a clip, with boxes and without, and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from actions_toy import LABELS
from multistream_toy import MODEL, data
from something_toy import entries, write_json

from models.data.something_frames import frames_of
from models.data.stills import jpeg
from models.errors import SignError
from models.progress import Cancelled
from models.recognition.multistream.clips import OUT
from models.recognition.multistream.network import MultiStream
from models.recognition.multistream.recognizer import ActionRecognizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recognizer() -> ActionRecognizer:
    torch.manual_seed(0)
    return ActionRecognizer(MultiStream(MODEL, LABELS), "A model of noise.", drawn=False)


def test_every_label_has_its_share_and_frames_are_as_filmed(recognizer: ActionRecognizer, folder: Path) -> None:
    seen = recognizer.see(folder / "videos" / "1.webm", folder / "annotations", hands=False)
    assert seen.video_id == "1"
    assert {one.label for one in seen.candidates} == set(LABELS)
    sureness = [one.confidence for one in seen.candidates]
    assert sum(sureness) == pytest.approx(1) and sureness == sorted(sureness, reverse=True)
    assert [picture.shape for picture in seen.pictures] == [(48, 64, 3)] * 4
    assert seen.fps == pytest.approx(12 * 4 / 12)
    assert seen.present[1].all() and not seen.present[0].any()
    assert np.allclose(seen.over_streams[2].sum(-1), 1, atol=1e-5)
    assert seen.remarks == ("Hands were not looked for.",)
    assert seen.description == "A model of noise."


def test_without_annotations_it_says_what_it_went_by(recognizer: ActionRecognizer, folder: Path) -> None:
    seen = recognizer.see(folder / "videos" / "1.webm")
    assert not seen.present[1].any()
    assert any("no boxes of objects" in one for one in seen.remarks)
    assert any("hand was found in 0 of 4 frames" in one for one in seen.remarks)


def test_merged_boxes_and_json_give_the_same_answer(recognizer: ActionRecognizer, folder: Path) -> None:
    video = folder / "videos" / "2.webm"
    merged = recognizer.see(video, folder / OUT, hands=False)
    part = recognizer.see(video, folder / "annotations" / "bounding_box_smthsmth_part2.json", hands=False)
    assert merged.candidates == part.candidates
    assert "3 of 4 frames" not in str(merged.remarks)


def test_a_clip_that_is_not_annotated_names_some_that_are(recognizer: ActionRecognizer, folder: Path) -> None:
    for place in (folder / "annotations", folder / OUT):
        with pytest.raises(SignError, match=r"no video 'mine'; they have 1, .*2"):
            recognizer.see(folder / "videos" / "1.webm", place, "mine")


def test_the_id_may_be_another_than_the_file(recognizer: ActionRecognizer, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "videos" / "1.webm", tmp_path / "kitchen.webm")
    own = recognizer.see(folder / "videos" / "1.webm", folder / "annotations", hands=False)
    seen = recognizer.see(tmp_path / "kitchen.webm", folder / "annotations", "1", hands=False)
    assert seen.candidates == own.candidates


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "left"])
def test_boxes_that_are_no_numbers_are_refused(
    recognizer: ActionRecognizer, folder: Path, tmp_path: Path, value: object
) -> None:
    told = entries("1", range(1, 13))
    told[3]["labels"][0]["box2d"]["x1"] = value
    path = write_json(tmp_path / "boxes.json", {"1": told})
    with pytest.raises(SignError, match=r"frame 1/0004\.jpg"):
        recognizer.see(folder / "videos" / "1.webm", path, hands=False)


def test_boxes_outside_of_the_picture_are_cut_or_left_out(
    recognizer: ActionRecognizer, folder: Path, tmp_path: Path
) -> None:
    told = entries("1", range(1, 13))
    for one in told:
        one["labels"][0]["box2d"] = {"x1": -30, "y1": -20, "x2": 12, "y2": 300}
        one["labels"][1]["box2d"] = {"x1": 500, "y1": 500, "x2": 600, "y2": 600}
    path = write_json(tmp_path / "boxes.json", {"1": told})
    seen = recognizer.see(folder / "videos" / "1.webm", path, hands=False)
    assert torch.allclose(seen.item["boxes"][0, 0], torch.tensor([0, 0, 12 / 64, 1]))
    assert seen.item["boxes_mask"].tolist() == [[True, False]] * 4


def test_frames_without_an_entry_are_counted(recognizer: ActionRecognizer, folder: Path, tmp_path: Path) -> None:
    path = write_json(tmp_path / "boxes.json", {"1": entries("1", range(1, 7))})
    seen = recognizer.see(folder / "videos" / "1.webm", path, hands=False)
    assert "2 of 4 frames have no annotation." in seen.remarks


def test_frames_that_are_missing_in_a_folder_are_passed_over(
    recognizer: ActionRecognizer, folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "1"
    place.mkdir()
    kept = [1, 2, 5, 6, 9, 12]
    for number, frame in frames_of(folder / "videos" / "1.webm"):
        if number in kept:
            (place / f"{number:04}.jpg").write_bytes(jpeg(frame, 95))
    seen = recognizer.see(place, folder / "annotations", "1", hands=False)
    assert set(seen.item["numbers"].tolist()) <= set(kept)
    assert seen.present[1].all()
    with pytest.raises(SignError):
        (tmp_path / "empty").mkdir()
        recognizer.see(tmp_path / "empty", hands=False)


def test_rubbish_is_told_in_words(recognizer: ActionRecognizer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "no.webm").write_bytes(b"no video")
    (tmp_path / "no.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(SignError):
        recognizer.see(tmp_path / "no.webm", hands=False)
    with pytest.raises(SignError, match="holds no annotations of Something-Else"):
        recognizer.see(folder / "videos" / "1.webm", tmp_path / "no.json", hands=False)
    with pytest.raises(SignError, match=r"gone.webm is not there"):
        recognizer.see(tmp_path / "gone.webm")


def test_it_can_be_stopped(recognizer: ActionRecognizer, folder: Path) -> None:
    with pytest.raises(Cancelled):
        recognizer.see(folder / "videos" / "1.webm", should_stop=lambda: True)


@pytest.mark.real
def test_the_whole_path_runs_on_real_clips(recognizer: ActionRecognizer, real_data: Path) -> None:
    place = real_data / "annotations" / "something_else"
    told = json.loads((place / "annotations.json").read_text(encoding="utf-8"))
    found = 0
    for video_id in sorted(told)[:2]:
        seen = recognizer.see(place / "videos" / video_id, place / "annotations.json", video_id)
        assert seen.present[1].any() and len(seen.pictures) == MODEL.frames
        assert np.isfinite([one.confidence for one in seen.candidates]).all()
        found += int(seen.present[0].sum())
    assert found
