"""Boxes of Something-Else: merged in constant memory, read by the name of the frame."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path

import pytest
from something_toy import entries, entry, make, mark, write_json

from models.data import something_boxes
from models.data.something_boxes import Boxes, find_parts, merge, videos_of
from models.errors import SignError


def content(path: Path) -> list[tuple]:
    with sqlite3.connect(path) as base:
        return base.execute("SELECT id, words, frames, boxes FROM videos ORDER BY id").fetchall()


def test_boxes_are_read_by_the_name_of_the_frame_and_clipped(tmp_path: Path) -> None:
    root = make(tmp_path)
    boxes = merge(find_parts(root / "boxes"), root / "boxes.sqlite")
    assert (len(boxes), boxes.ids()) == (3, ("1", "2", "7"))
    two = boxes.get("2")
    assert two is not None
    assert two.frames == (*range(2, 12), 13)
    assert (two.placeholders, two.slots) == (("cup", "table"), ("0000", "0001"))
    cup, table, hand = two.at(5, 64, 48)
    assert (cup.slot, cup.category, cup.box, cup.is_hand) == ("0000", "cup", (5, 8, 21, 24), False)
    assert table.box == (0, 30, 64, 48)
    assert (hand.is_hand, hand.box) == (True, (15, 10, 35, 30))
    assert two.at(1, 64, 48) == two.at(11, 64, 48) == two.at(12, 64, 48) == ()
    assert boxes.get("10") is None


def test_a_box_out_of_the_picture_is_no_box(tmp_path: Path) -> None:
    odd = [entry("5", 1, mark("0000", "cup", 70, 0, 80, 10), mark("0001", "pen", -9, -3, 6, 7))]
    boxes = merge([write_json(tmp_path / "a.json", {"5": odd})], tmp_path / "boxes.sqlite").get("5")
    assert boxes is not None
    assert [(one.category, one.box) for one in boxes.at(1, 64, 48)] == [("pen", (0, 0, 6, 7))]


def test_merging_reads_one_video_at_a_time_wherever_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_videos = {str(number): entries(str(number), range(1, number % 5 + 2)) for number in range(40)}
    path = write_json(tmp_path / "part.json", all_videos)
    for chunk in (1, 7, 997):
        monkeypatch.setattr(something_boxes, "_CHUNK", chunk)
        assert dict(videos_of(path)) == all_videos
    path.write_text(json.dumps(all_videos, indent=1))
    assert dict(videos_of(path)) == all_videos


def test_merging_goes_on_after_an_interruption_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(something_boxes, "_CHUNK", 2000)
    monkeypatch.setattr(something_boxes, "_COMMIT_EVERY", 3)
    parts = [
        write_json(
            tmp_path / f"part{k}.json", {str(10 * k + n): entries(str(10 * k + n), range(1, 4)) for n in range(9)}
        )
        for k in (1, 2)
    ]
    whole = merge(parts, tmp_path / "whole.sqlite").path

    def interrupt(name: str, read: int, size: int) -> None:
        if name == "part2.json" and read > size / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge(parts, tmp_path / "boxes.sqlite", interrupt)
    assert 9 <= len(content(tmp_path / "boxes.sqlite")) < 18
    told: list[str] = []
    merge(parts, tmp_path / "boxes.sqlite", lambda name, *_: told.append(name))
    assert set(told) == {"part2.json"}  # the first was whole
    assert content(tmp_path / "boxes.sqlite") == content(whole)


def test_a_video_twice_is_merged_once_and_refused_when_it_differs(tmp_path: Path) -> None:
    one = write_json(tmp_path / "one.json", {"3": entries("3", range(1, 4))})
    same = write_json(tmp_path / "same.json", {"3": entries("3", range(1, 4)), "4": entries("4", range(1, 2))})
    other = write_json(tmp_path / "other.json", {"3": entries("3", range(2, 5))})
    assert merge([one, same], tmp_path / "boxes.sqlite").ids() == ("3", "4")
    with pytest.raises(SignError, match=r"Video 3 in other\.json has other boxes .* merged from one"):
        merge([one, same, other], tmp_path / "boxes.sqlite")
    assert len(Boxes(tmp_path)) == 2


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"3": [entry("4", 1)]}, r"frame 4/0001\.jpg: in video 3"),
        ({"3": [entry("3", 1), entry("3", 1)]}, "has two entries"),
        ({"3": [{"name": "3/0001.jpg"}]}, "no annotation as Something-Else writes it"),
        ({"3": [entry("3", 1, mark("0000", "cup", 0, 0, float("nan"), 9))]}, "no annotation"),
    ],
)
def test_an_annotation_that_is_none_is_named(tmp_path: Path, broken: object, words: str) -> None:
    with pytest.raises(SignError, match=words):
        merge([write_json(tmp_path / "part.json", broken)], tmp_path / "boxes.sqlite")


def test_a_file_that_breaks_off_is_refused_and_what_came_before_is_no_whole_part(tmp_path: Path) -> None:
    path = write_json(tmp_path / "part.json", {str(number): entries(str(number), range(1, 4)) for number in range(5)})
    text = path.read_text()
    for damaged in (text[:-300], text[:-1], text.replace("labels", '"', 1), "[" + text):
        path.write_text(damaged)
        with pytest.raises(SignError, match=r"part\.json cannot be read as annotations"):
            list(videos_of(path))
    path.write_text(text)
    assert len(merge([path], tmp_path / "boxes.sqlite")) == 5


def test_parts_are_told_from_labels_by_their_content(tmp_path: Path) -> None:
    root = make(tmp_path)
    write_json(root / "boxes" / "labels.json", {"Closing something": "0"})
    write_json(root / "boxes" / "train.json", [{"id": "1"}])
    assert [part.name[-10:] for part in find_parts(root / "boxes")] == ["part1.json", "part2.json"]
    with pytest.raises(SignError, match="holds no annotations of Something-Else"):
        find_parts(root / "labels")


def test_boxes_go_to_other_processes_by_their_path(tmp_path: Path) -> None:
    root = make(tmp_path)
    boxes = merge(find_parts(root / "boxes"), root / "boxes.sqlite")
    assert pickle.loads(pickle.dumps(boxes)).get("1") == boxes.get("1")
    assert boxes.mark("1") not in ("", boxes.mark("2"))
    with pytest.raises(SignError, match="run `signstudio data something` first"):
        Boxes(tmp_path / "none")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "boxes.sqlite").write_bytes(b"no database, but some bytes" * 50)
    with pytest.raises(SignError, match="cannot be read"):
        Boxes(tmp_path / "bad")


@pytest.mark.real
def test_the_real_boxes_come_back_as_they_are_in_the_file(real_data: Path, tmp_path: Path) -> None:
    (part,) = find_parts(real_data / "annotations" / "something_else")
    boxes = merge([part], tmp_path / "boxes.sqlite")
    written = json.loads(part.read_text())
    assert set(boxes.ids()) == set(written)
    for video_id, frames in written.items():
        found = boxes.get(video_id)
        assert found is not None
        assert found.placeholders == tuple(frames[0]["gt_placeholders"])
        for frame in frames:
            number = int(frame["name"][-8:-4])
            assert [(one.slot, one.category) for one in found.marked.get(number, ())] == [
                (one["standard_category"], one["category"]) for one in frame["labels"]
            ]
            for one, label in zip(found.marked.get(number, ()), frame["labels"], strict=True):
                assert one.box == pytest.approx([label["box2d"][side] for side in ("x1", "y1", "x2", "y2")], abs=1e-4)
