"""Something-Something as it lies on disk: labels by their text, splits by their content, clips by their id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from something_toy import TEMPLATES, make, numbered, write_json

from models.data.manifest import Manifest
from models.data.something import (
    UNKNOWN,
    find_videos,
    frame_name,
    frame_number,
    labels_of,
    normalised,
    read_label_folder,
    read_subset,
)
from models.data.something_frames import FrameWork, estimate, frames_of, write_frames
from models.data.something_report import failed_ids
from models.data.something_run import SomethingOptions, plan, run
from models.data.stills import jpeg
from models.errors import SignError
from models.progress import Cancelled


def test_brackets_case_and_spaces_make_no_other_label() -> None:
    labels = labels_of(["Putting something on something", "Putting [something]  on [something]", "Closing something"])
    assert labels.templates == ("Closing something", "Putting something on something")
    assert labels.id("putting [something] on [something]") == 1
    assert labels.id("Opening something") == UNKNOWN
    assert normalised("Moving [part] of [something]") == "Moving part of something"


def test_files_whose_indices_differ_in_type_and_order_give_the_same_ids(tmp_path: Path) -> None:
    texts = sorted(normalised(template) for template in TEMPLATES)
    write_json(tmp_path / "official" / "labels.json", {text: str(place) for place, text in enumerate(texts)})
    write_json(tmp_path / "else" / "labels.json", {text: 40 + place for place, text in enumerate(reversed(texts))})
    official, other = (read_label_folder(tmp_path / name).labels for name in ("official", "else"))
    assert official == other
    assert [official.id(text) for text in texts] == [0, 1, 2]


@pytest.mark.parametrize(
    "folder", ["", "labels", "annotations", "20bn-something-something-download-package-labels/labels"]
)
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_either_name_of_folder_and_files_is_found(tmp_path: Path, folder: str, prefix: str) -> None:
    place = tmp_path / folder
    write_json(place / f"{prefix}labels.json", {"Closing something": "0"})
    write_json(place / f"{prefix}train.json", [{"id": "3", "template": "Closing [something]", "placeholders": ["a"]}])
    write_json(place / f"{prefix}test.json", [{"id": "4"}])
    write_json(place / "objectsA.json", ["paper", "bottle"])
    (place / "test-answers.csv").write_text("4;Closing something\n")
    told = read_label_folder(tmp_path)
    assert told.folder == place
    assert list(told.splits) == ["train", "test"]
    assert [(clip.video_id, clip.split, clip.template, clip.placeholders) for clip in told.clips] == [
        ("3", "train", "Closing something", ("a",)),
        ("4", "test", "Closing something", ()),
    ]


def test_files_of_boxes_among_the_labels_are_left_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "labels.json", {"Closing something": "0"})
    (tmp_path / "part1.json").write_text('{"151201": [{"name": "151201/0001.jpg", and over a gigabyte more')
    assert read_label_folder(tmp_path).labels.templates == ("Closing something",)


def test_without_a_label_file_the_templates_are_the_labels(tmp_path: Path) -> None:
    path = write_json(tmp_path / "few.json", [{"id": str(k), "template": text} for k, text in enumerate(TEMPLATES * 2)])
    assert len(read_label_folder(path).labels.templates) == 3


def test_a_folder_without_labels_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="no labels and no splits"):
        read_label_folder(tmp_path)
    write_json(tmp_path / "train.json", [{"id": "1"}, {"label": "no id"}])
    with pytest.raises(SignError, match=r"train\.json: entry 1 has no id"):
        read_label_folder(tmp_path)
    (tmp_path / "train.json").write_text("[{")
    with pytest.raises(SignError, match=r"train\.json cannot be read as JSON"):
        read_label_folder(tmp_path)


def test_clips_and_folders_of_frames_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    inner = tmp_path / "20bn-something-something-v2"
    for name in ("10.webm", "9.webm", "11.webm"):
        write_json(inner / name, 0)
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "0001.jpg").write_bytes(jpeg(numbered(1), 90))
    (tmp_path / "11").mkdir()  # holds no frames
    found = find_videos(tmp_path)
    assert [(name, path.name) for name, path in found.items()] == [("9", "9"), ("10", "10.webm"), ("11", "11.webm")]
    with pytest.raises(SignError, match="holds no clips"):
        find_videos(tmp_path / "11")


def test_names_of_frames_count_from_one() -> None:
    assert [frame_number(name) for name in ("2/0001.jpg", "0120.JPG", "0000.jpg", "cover.jpg")] == [1, 120, None, None]
    assert frame_number(frame_name(12345)) == 12345


def test_a_subset_is_a_list_of_ids_or_a_split_file(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("5\n3\n")
    assert read_subset(tmp_path / "ids.txt") == ("5", "3")
    assert read_subset(write_json(tmp_path / "split.json", [{"id": "7"}, {"id": "8"}])) == ("7", "8")
    with pytest.raises(SignError, match="There is no file"):
        read_subset(tmp_path / "none.txt")


def test_written_frames_are_those_of_the_clip_by_number(tmp_path: Path) -> None:
    make(tmp_path)
    source = tmp_path / "videos" / "1.webm"
    made = write_frames(FrameWork(video_id="1", source=source, out=tmp_path / "out", quality=95))
    folder = tmp_path / "out" / "frames" / "1"
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:04d}.jpg" for number in range(1, 13)]
    assert (made.output, made.info["frames"]) == ("frames/1/0001.jpg", 12)
    for (a, decoded), (b, written) in zip(frames_of(source), frames_of(folder), strict=True):
        assert a == b
        assert abs(decoded.astype(int) - written).mean() < 3


def test_a_clip_that_breaks_leaves_no_folder_of_frames(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(SignError):
        write_frames(FrameWork(video_id="7", source=tmp_path / "videos" / "7.webm", out=tmp_path / "out", quality=95))
    assert list((tmp_path / "out" / "frames").iterdir()) == []


def test_the_estimate_is_what_the_frames_take(tmp_path: Path) -> None:
    make(tmp_path)
    sources = [tmp_path / "videos" / f"{name}.webm" for name in ("1", "2", "7")]
    guess = estimate(sources, tmp_path / "not" / "there", quality=90)
    sizes = [
        write_frames(FrameWork(video_id=path.stem, source=path, out=tmp_path, quality=90)).info["bytes"]
        for path in sources[:2]
    ]
    assert (guess.clips, guess.measured, guess.total_bytes) == (3, 2, 1.5 * sum(sizes))
    assert sizes[0] == 12 * 4096


def options(root: Path, **more: object) -> SomethingOptions:
    given = {"annotations": root / "boxes", "labels": root, "workers": 1, **more}
    return SomethingOptions(videos=root / "videos", out=root / "out", **given)  # type: ignore[arg-type]


def test_the_report_tells_what_has_no_partner(tmp_path: Path) -> None:
    report = run(options(make(tmp_path)))
    assert report["videos"] == {
        "asked": 5,
        "found": 4,
        "annotated": 3,
        "found_and_annotated": 3,
        "not_found": ["99"],
    }
    assert report["splits"]["train"] == {"asked": 3, "found": 3, "annotated": 3}
    assert report["labels"] == {"number": 3, "unknown": {"Opening something": 1}, "clips_without": 1}
    # clip 2 has 12 frames and entries for 2 to 11 and 13; entry 11 has no boxes
    assert report["frames"] == {"frames": 24, "without_entry": 2, "entries_without_frame": 1}
    assert report["objects_per_frame"] == {"0": 3, "2": 21}
    assert report["boxes"] == {"hands": 21, "objects": 42}
    assert [one["video_id"] for one in report["failed"]] == ["7"]
    assert failed_ids(tmp_path / "out") == {"7"}
    assert json.loads((tmp_path / "out" / "something.json").read_text()) == report


def test_written_frames_are_joined_as_the_clip_is(tmp_path: Path) -> None:
    root = make(tmp_path)
    decoded = run(options(root))
    written = run(options(root, mode="both"))
    for name in ("frames", "objects_per_frame", "boxes", "videos"):
        assert written[name] == decoded[name]
    assert (written["written"]["clips"], written["written"]["frames"]) == (3, 33)
    assert run(options(root, mode="frames", annotations=None)) == written  # what was found out before stays told


def test_a_run_that_was_stopped_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    root, told = make(tmp_path), 0

    def stop() -> bool:
        nonlocal told
        told += 1
        return told > 2

    half = root / "out" / "frames" / ".part-killed"
    half.mkdir(parents=True)
    with pytest.raises(Cancelled):
        run(options(root, mode="both"), should_stop=stop)
    assert not half.exists()
    with Manifest(root / "out") as manifest:
        before = {row.item: row.seconds for row in manifest.rows("frames", "done")}
    assert 0 < len(before) < 3
    resumed = run(options(root, mode="both"))
    with Manifest(root / "out") as manifest:
        after = {row.item: row.seconds for row in manifest.rows("frames", "done")}
    assert before.items() <= after.items()
    other = tmp_path / "other"
    make(other)
    assert run(options(other, mode="both")) == resumed


def test_frames_that_do_not_fit_on_the_disk_are_refused_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path)

    class Full:
        free = 1000

    monkeypatch.setattr("models.data.something_frames.shutil.disk_usage", lambda _: Full)
    with pytest.raises(SignError, match="are free; take a --subset"):
        run(options(root, mode="frames"))
    assert run(options(root, mode="frames", force=True))["written"]["clips"] == 3


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    root = make(tmp_path)
    said = plan(options(root, mode="both", subset="3"))
    assert (said.asked, said.found, said.labels, said.merged_videos) == (3, 3, 3, None)
    assert list(said.parts) == ["bounding_box_smthsmth_part1.json", "bounding_box_smthsmth_part2.json"]
    assert said.frames is not None
    assert said.frames.clips == 3
    assert not (root / "out").exists()


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="--annotations"):
        options(tmp_path, annotations=None)
    with pytest.raises(SignError, match="no mode 'all'"):
        options(tmp_path, mode="all")


@pytest.mark.real
def test_the_real_label_files_agree_on_ids_though_not_on_indices(real_data: Path) -> None:
    splits = real_data / "annotations" / "something_else" / "code" / "dataset_splits"
    whole, few = read_label_folder(splits / "compositional"), read_label_folder(splits / "fewshot")
    assert whole.labels == few.labels
    assert len(whole.labels.templates) == 174
    assert {name: len(clips) for name, clips in few.splits.items()} == {
        "finetune_10shot_train": 860,
        "finetune_5shot_training": 430,
    }
    assert all(whole.labels.id(clip.template) != UNKNOWN for clip in few.clips)
    assert whole.labels.id("Approaching [something] with your camera") == 0
