"""The demo's clips: what the files say, what the pictures show, and that drawing goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.something import FPS, UNKNOWN, read_label_folder
from models.data.something_clips import ClipOptions, open_clips
from models.data.something_run import SomethingOptions, run
from models.errors import SignError
from models.recognition.multistream import demo_data
from models.recognition.multistream.demo_data import TEMPLATES, DemoData, draw_demo, is_drawn
from models.recognition.multistream.demo_drawing import draw_scene
from models.recognition.multistream.demo_scenes import HEIGHT, WIDTH, Scene, make_scene
from models.video import probe

SMALL = DemoData(train_per_class=1, validation_per_class=1, test_per_class=1, compositional_per_class=1)
GRASP, LET_GO, POINT, PICK, PRETEND, _, _, DROP, COVER, TURN, SLIDE = range(len(TEMPLATES))


def scene(action: int, seed: int = 0, *, swapped: bool = False) -> Scene:
    return make_scene(action, np.random.default_rng([seed, 4]), swapped=swapped)


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the clips of two actions: drawing all takes a while."""
    whole = demo_data._ids
    monkeypatch.setattr(demo_data, "_ids", lambda *asked: [one for one in whole(*asked) if one[1:3] in ("02", "09")])


@pytest.fixture(scope="module")
def undrawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of a demo but the videos."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_data, "_draw", lambda *_: None)
        options = replace(SMALL, train_per_class=12, compositional_per_class=12)
        return draw_demo(tmp_path_factory.mktemp("demo"), options, workers=1)


def test_annotations_have_the_schema_of_something_else(undrawn: Path) -> None:
    boxes = content(undrawn / "annotations" / "drawn.json")
    entries = [entry for found in boxes.values() for entry in found]
    keys = {"name", "labels", "gt_placeholders", "nr_instances", "task_index", "split", "url"}
    assert all(set(entry) == keys and entry["nr_instances"] == len(entry["labels"]) for entry in entries)
    marks = [mark for entry in entries for mark in entry["labels"]]
    assert {frozenset(mark) for mark in marks} == {
        frozenset({"box2d", "gt_annotation", "category", "standard_category"})
    }
    assert {(mark["gt_annotation"], mark["standard_category"]) for mark in marks} == {
        ("object hand", "hand"), ("object 0", "0000"), ("object 1", "0001"),
    }  # fmt: skip
    assert all(mark["category"] in (*entry["gt_placeholders"], "hand") for entry in entries for mark in entry["labels"])
    for box in (mark["box2d"] for mark in marks):
        assert 0 <= box["x1"] < box["x2"] <= WIDTH and 0 <= box["y1"] < box["y2"] <= HEIGHT
    frames = sum(demo_data._scene(SMALL.seed, video_id).num_frames for video_id in boxes)
    without = frames - sum(bool(entry["labels"]) for entry in entries)
    assert 0.01 < without / frames < 0.06 and len(entries) < frames


@pytest.mark.real
def test_keys_are_those_of_the_real_annotations(undrawn: Path, real_data: Path) -> None:
    def keys(path: Path) -> tuple[set[str], set[str], set[str]]:
        entries = [entry for found in content(path).values() for entry in found]
        marks = [mark for entry in entries for mark in entry["labels"]]
        return (
            {key for entry in entries for key in entry},
            {key for mark in marks for key in mark},
            {key for mark in marks for key in mark["box2d"]},
        )

    real = real_data / "annotations" / "something_else" / "annotations.json"
    assert keys(undrawn / "annotations" / "drawn.json") == keys(real)


def test_every_split_has_every_label_and_shares_no_clip(undrawn: Path) -> None:
    told = read_label_folder(undrawn / "labels")
    assert set(told.splits) == {"train", "validation", "test", "compositional"}
    for clips in told.splits.values():
        assert {told.labels.id(clip.template) for clip in clips} == set(range(len(TEMPLATES)))
    ids = [clip.video_id for clips in told.splits.values() for clip in clips]
    assert len(ids) == len(set(ids)) and told.labels.id(TEMPLATES[0]) != UNKNOWN
    text = content(undrawn / "labels" / "train.json")
    assert not any("[" in clip["label"] for clip in text)


def test_compositional_pairs_are_unseen_and_their_things_are_not(undrawn: Path) -> None:
    pairs: dict[str, set[tuple[str, int, str]]] = {}
    for split, clips in read_label_folder(undrawn / "labels").splits.items():
        pairs[split] = {(one.template, slot, thing) for one in clips for slot, thing in enumerate(one.placeholders)}
    assert not pairs["compositional"] & (pairs["train"] | pairs["validation"] | pairs["test"])
    first = {split: {thing for _, slot, thing in found if slot == 0} for split, found in pairs.items()}
    assert first["compositional"] == first["train"]


def test_only_the_fingers_tell_grasping_letting_go_and_pointing_apart() -> None:
    grasp, let_go, point = (scene(action) for action in (GRASP, LET_GO, POINT))
    assert grasp.placeholders == let_go.placeholders == point.placeholders
    for other in (let_go, point):
        np.testing.assert_array_equal(grasp.things[0].at, other.things[0].at)
        assert grasp.hand is not None and other.hand is not None
        wrists = np.abs(grasp.hand.points[:, 0] - other.hand.points[:, 0]).max()
        assert wrists < 0.1 * grasp.hand.palm < np.abs(grasp.hand.points - other.hand.points).max()


def test_only_the_thing_tells_picking_up_from_pretending() -> None:
    picked, pretended = scene(PICK), scene(PRETEND)
    assert picked.hand is not None and pretended.hand is not None
    np.testing.assert_array_equal(picked.hand.points, pretended.hand.points)
    rise = np.ptp(picked.things[0].at[:, 1])
    assert rise > 40 and np.ptp(pretended.things[0].at) == np.ptp(pretended.things[0].at[0])


def test_only_the_room_tells_a_turning_camera_from_a_sliding_thing() -> None:
    turning, sliding = scene(TURN), scene(SLIDE)
    boxes = [[one.box(one.things[0], frame) for frame in range(one.num_frames)] for one in (turning, sliding)]
    np.testing.assert_allclose(boxes[0], boxes[1], atol=1)
    assert np.ptp(turning.camera[:, 0]) > 90 and np.ptp(sliding.camera[:, 0]) < 5


def test_a_covered_thing_loses_its_box_and_what_covers_it_does_not() -> None:
    one = scene(COVER)
    rng = np.random.default_rng(0)
    first, last = (demo_data._marks(one, frame, rng) for frame in (0, one.num_frames - 1))
    assert [mark["standard_category"] for mark in first] == ["0000", "0001", "hand"]
    assert [mark["standard_category"] for mark in last] == ["0001", "hand"]


def test_what_is_dropped_falls_onto_the_other() -> None:
    one = scene(DROP)
    thing, below = one.things
    assert thing.at[0, 1] + 50 < thing.at[-1, 1] < below.at[-1, 1]
    assert thing.at[-1, 1] > below.at[-1, 1] - below.height


@pytest.mark.parametrize("action", [SLIDE, DROP])
def test_boxes_agree_with_the_pixels(action: int) -> None:
    one = scene(action, seed=3)
    one = replace(one, hand=None, camera=one.camera[:1])
    # The same numbers of chance draw the room first: without the things, only they are missing.
    with_things = next(iter(draw_scene(one, np.random.default_rng(1)))).astype(int)
    moved = tuple(replace(thing, at=thing.at - (0, -2000)) for thing in one.things)
    without = next(iter(draw_scene(replace(one, things=moved), np.random.default_rng(1)))).astype(int)
    differs = np.abs(with_things - without).max(axis=-1) > 24
    for thing in one.things:
        x1, y1, x2, y2 = (int(value) for value in one.box(thing, 0))
        rows, columns = differs[y1 - 20 : y1 + thing.height // 2], differs[y1 : y1 + thing.height // 2]
        # Its shadow is below and beside: the upper edge, and the sides of its upper half, are the thing's own.
        assert abs(int(np.argmax(rows[:, x1:x2].any(axis=1))) - 20) <= 3
        found = np.flatnonzero(columns.any(axis=0))
        assert abs(found[0] - x1) <= 4 and abs(found[-1] + 1 - min(x2, WIDTH)) <= 4
        assert differs[y2 - 4 : y2, x1:x2].any()


def test_the_same_number_draws_the_same_pictures_and_another_does_not() -> None:
    def drawn(seed: int, video_id: str) -> np.ndarray:
        made = demo_data._scene(seed, video_id)
        made = replace(made, camera=made.camera[:2])
        return np.stack(list(draw_scene(made, demo_data._chance(seed, video_id, 1))))

    first = drawn(9, "100000")
    np.testing.assert_array_equal(first, drawn(9, "100000"))
    assert first.shape == (2, HEIGHT, WIDTH, 3) and first.dtype == np.uint8
    assert (first != drawn(9, "100001")).any() and (first != drawn(10, "100000")).any()


@pytest.mark.usefixtures("few")
def test_it_goes_on_where_it_was_stopped_and_the_pipeline_opens_it(tmp_path: Path) -> None:
    folder, drawn = tmp_path / "demo", []

    def stop(done: int, total: int) -> None:
        drawn.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_demo(folder, SMALL, workers=1, progress=stop)
    assert is_drawn(folder) and drawn[-1] == (3, 8)
    boxes = (folder / "annotations" / "drawn.json").read_bytes()
    first, *_ = whole = sorted((folder / "videos").glob("*.webm"))
    kept = [path.stat().st_mtime_ns for path in whole]
    first.write_bytes(first.read_bytes()[:2000])
    draw_demo(folder, SMALL, workers=1)
    assert (folder / "annotations" / "drawn.json").read_bytes() == boxes
    assert [path.stat().st_mtime_ns for path in whole[1:]] == kept[1:]
    assert probe(first).num_frames == demo_data._scene(SMALL.seed, first.stem).num_frames
    assert probe(first).fps == FPS and len(list((folder / "videos").iterdir())) == 8

    places = {name: folder / name for name in ("videos", "annotations", "labels")}
    report = run(SomethingOptions(**places, out=folder / "something", workers=1))
    assert report["videos"]["found_and_annotated"] == 8
    options = ClipOptions(num_frames=4, frame_size=64, crops=True, crop_size=32)
    clips = open_clips(places["videos"], places["labels"], folder / "something", split="train", options=options)
    item = clips[0]
    assert len(clips) == 2 and item["boxes_mask"].any() and item["crops"].any() and item["label"] != UNKNOWN


def test_more_clips_leave_those_as_they_are_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_data, "_draw", lambda *_: None)
    before = content(draw_demo(tmp_path, SMALL, workers=1) / "annotations" / "drawn.json")
    after = content(draw_demo(tmp_path, replace(SMALL, train_per_class=2), workers=1) / "annotations" / "drawn.json")
    assert len(after) == len(before) + len(TEMPLATES)
    assert {video_id: after[video_id] for video_id in before} == before


def test_a_folder_of_other_clips_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_data, "_draw", lambda *_: None)
    (tmp_path / "own" / "videos").mkdir(parents=True)
    assert not is_drawn(tmp_path / "own")
    with pytest.raises(SignError, match="not the demo's"):
        draw_demo(tmp_path / "own", SMALL, workers=1)
    draw_demo(tmp_path / "demo", SMALL, workers=1)
    with pytest.raises(SignError, match="from seed 9"):
        draw_demo(tmp_path / "demo", replace(SMALL, seed=10), workers=1)
    (tmp_path / "demo" / "drawn.json").write_text("{", encoding="utf-8")
    with pytest.raises(SignError, match="cannot be read as JSON"):
        is_drawn(tmp_path / "demo")


@pytest.mark.parametrize(("name", "value"), [("train_per_class", 0), ("test_per_class", 1000), ("seed", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(SignError, match=name):
        DemoData(**{name: value})
