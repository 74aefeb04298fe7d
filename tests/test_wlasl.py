"""WLASL's list: what its numbers mean, what is wrong with it, and what its splits share, shown on the real one."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from wlasl_toy import entry, write_list

from models.data.wlasl import SPLITS, Wlasl, choose, read_wlasl, resplit, shared
from models.errors import SignError
from models.lexicon.recordings import checked_gloss


def read(tmp_path: Path, *entries: dict[str, Any]) -> Wlasl:
    return read_wlasl(write_list(tmp_path / "WLASL.json", *entries))


def only(tmp_path: Path, **values: Any) -> Any:
    """The instance of a list with one instance."""
    return read(tmp_path, entry("00001", **values)).instances[0]


# --- what the numbers mean


def test_frames_count_from_one_and_the_last_one_belongs_to_the_instance(tmp_path: Path) -> None:
    """As WLASL's preprocessing: frames 3 to 5 are three frames, the third one of the video first."""
    one = only(tmp_path, frame_start=3, frame_end=5)
    assert (one.start_frame, one.end_frame, one.fps) == (2, 5, 25.0)
    single = only(tmp_path, frame_start=7, frame_end=7)
    assert (single.start_frame, single.end_frame) == (6, 7)


def test_minus_one_is_the_end_of_the_video(tmp_path: Path) -> None:
    one = only(tmp_path, frame_start=1, frame_end=-1)
    assert (one.start_frame, one.end_frame) == (0, None)


def test_an_instance_has_its_box_signer_and_address(tmp_path: Path) -> None:
    one = only(tmp_path, bbox=[10, 20, 110, 220], signer_id=0, variation_id=2, url=" https://youtu.be/0UsjUE-TXns ")
    assert one.box == (10, 20, 110, 220)
    assert (one.signer, one.variation, one.source, one.split) == ("0", 2, "toy", "train")
    assert one.url == "https://youtu.be/0UsjUE-TXns"


@pytest.mark.parametrize("signer", [-1, None, "anna"])
def test_a_signer_without_a_number_is_not_known(tmp_path: Path, signer: object) -> None:
    assert only(tmp_path, signer_id=signer).signer == ""


@pytest.mark.parametrize(
    ("word", "gloss", "item"),
    [
        ("book", "BOOK", "BOOK-00001"),
        ("don't want", "DON'T-WANT", "DON-T-WANT-00001"),
        ("t.v.", "T.V.", "T-V-00001"),
        ("all day / today", "ALL-DAY-TODAY", "ALL-DAY-TODAY-00001"),
        ("#back", "#BACK", "BACK-00001"),
        ("café", "CAFÉ", "CAF-00001"),
        ("手", "手", "clip-00001"),
        ("x" * 120, "X" * 100, "X" * 60 + "-00001"),
    ],
)
def test_a_word_becomes_a_gloss_and_a_name_for_files(tmp_path: Path, word: str, gloss: str, item: str) -> None:
    one = only(tmp_path, gloss=word)
    assert (one.word, one.gloss, one.item) == (word, gloss, item)
    assert checked_gloss(one.gloss) == one.gloss


# --- what is wrong with a list


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "book.mp4"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://[broken/1.mp4"}, "url"),
        ({"url": None}, "url"),
        ({"split": "dev"}, "split"),
        ({"video_id": "../00002"}, "video_id"),
        ({"video_id": 2}, "video_id"),
        ({"video_id": ""}, "video_id"),
        ({"frame_start": 0}, "frame_start"),
        ({"frame_start": 9, "frame_end": 8}, "frame_end"),
        ({"frame_end": 0}, "frame_end"),
        ({"frame_end": "end"}, "frame_end"),
        ({"fps": 0}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"fps": "25"}, "fps"),
    ],
)
def test_a_broken_instance_is_left_out_and_told(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    data = read(tmp_path, entry("00001"), entry("00002") | values, entry("00003"))
    assert [one.video_id for one in data.instances] == ["00001", "00003"]
    assert len(data.problems) == 1
    assert words in data.problems[0]
    assert "number 2 of 'house'" in data.problems[0]


@pytest.mark.parametrize("box", [None, [1, 2, 3], [5, 5, 5, 9], [9, 0, 5, 9], ["a", 0, 5, 9], [-9, 0, 0, 9]])
def test_an_instance_without_a_box_is_kept_and_told(tmp_path: Path, box: object) -> None:
    data = read(tmp_path, entry("00001", bbox=box))
    assert data.instances[0].box is None
    assert "whole picture" in data.problems[0]


def test_a_repeated_id_is_left_out_and_told(tmp_path: Path) -> None:
    data = read(tmp_path, entry("00001"), entry("00001", gloss="tree"), entry("a1"), entry("A1"))
    assert [one.item for one in data.instances] == ["HOUSE-00001", "HOUSE-a1"]
    assert len(data.problems) == 1
    assert "2 times" in data.problems[0]


def test_two_instances_never_share_a_name(tmp_path: Path) -> None:
    data = read(tmp_path, entry("b-1", gloss="a"), entry("1", gloss="a b"))
    assert [one.item for one in data.instances] == ["A-b-1"]
    assert "video_id" in data.problems[0]


def test_many_problems_of_one_kind_are_one_sentence(tmp_path: Path) -> None:
    data = read(tmp_path, entry("good"), *(entry(f"{number:05}", url="") for number in range(500)))
    assert data.problems == ("The url is no web address, left out: 500 times, first number 2 of 'house'.",)


def test_words_of_one_gloss_are_taken_together(tmp_path: Path) -> None:
    data = read(tmp_path, entry("00001", gloss="ice cream"), entry("00002", gloss="ICE-CREAM"))
    assert data.glosses == ("ICE-CREAM",)
    assert len(data.instances) == 2
    assert "'ICE-CREAM'" in data.problems[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("<!DOCTYPE html>", "no JSON"),
        ('{"05237": {"subset": "train", "action": [77, 1, 55]}}', "nslt"),
        ("[]", "no list of glosses"),
        ('{"gloss": "book"}', "no list of glosses"),
        ('[{"word": "book"}]', "entry 1 of 1 has no gloss"),
        ('[{"gloss": "book", "instances": []}, 7]', "entry 2 of 2 has no gloss"),
        ('[{"gloss": "book"}]', "'book' has no list of instances"),
        ('[{"gloss": "book", "instances": []}]', "no instance that can be used"),
        ('[{"gloss": "book", "instances": [7]}]', "no instance that can be used. No instance, left out"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_another_file_is_refused_with_what_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(SignError, match=r"list\.json") as error:
        read_wlasl(path)
    assert words in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="cannot be read"):
        read_wlasl(tmp_path / "none.json")


@pytest.mark.real
@pytest.mark.parametrize("name", ["nslt_100.json", "nslt_300.json", "nslt_2000.json"])
def test_nslt_files_are_refused_with_what_to_give_instead(real_data: Path, name: str) -> None:
    with pytest.raises(SignError, match=f"{name}.*WLASL_v0.3.json"):
        read_wlasl(real_data / "annotations" / "wlasl" / name)


# --- a part of it


def some(tmp_path: Path) -> Wlasl:
    """Three glosses, of which the first has most instances."""
    entries = [entry(f"b{number}", "book") for number in range(4)]
    entries += [entry(f"d{number}", "drink", split=SPLITS[number]) for number in range(3)]
    entries += [entry("i0", "ice cream"), entry("i1", "ice cream", split="test")]
    return read(tmp_path, *entries)


def ids(data: Wlasl) -> list[str]:
    return [one.video_id for one in data.instances]


def test_the_first_glosses_can_be_chosen(tmp_path: Path) -> None:
    data = choose(some(tmp_path), glosses="2")
    assert data.glosses == ("BOOK", "DRINK")
    assert ids(data) == ["b0", "b1", "b2", "b3", "d0", "d1", "d2"]
    with pytest.raises(SignError, match=r"first 100 glosses.*has 3"):
        choose(some(tmp_path), glosses="100")


def test_glosses_can_be_chosen_by_a_file(tmp_path: Path) -> None:
    chosen = tmp_path / "mine.txt"
    chosen.write_text("ICE-CREAM\n\n  drink\n", encoding="utf-8")
    data = choose(some(tmp_path), glosses=str(chosen))
    assert data.glosses == ("DRINK", "ICE-CREAM")
    chosen.write_text("0\tbook\n1\tice cream\n", encoding="utf-8")  # as WLASL's own class list
    assert choose(some(tmp_path), glosses=str(chosen)).glosses == ("BOOK", "ICE-CREAM")


def test_a_gloss_that_is_not_in_the_list_is_refused(tmp_path: Path) -> None:
    chosen = tmp_path / "mine.txt"
    chosen.write_text("book\nxylophone\n")
    with pytest.raises(SignError, match=r"mine\.txt asks for xylophone"):
        choose(some(tmp_path), glosses=str(chosen))
    chosen.write_text("\n")
    with pytest.raises(SignError, match=r"mine\.txt asks for nothing"):
        choose(some(tmp_path), glosses=str(chosen))
    with pytest.raises(SignError, match="neither a number"):
        choose(some(tmp_path), glosses=str(tmp_path / "none.txt"))


def test_a_limit_is_one_of_each_split_and_takes_the_glosses_in_turn(tmp_path: Path) -> None:
    data = choose(some(tmp_path), limit=2)
    assert ids(data) == ["b0", "d0", "d1", "d2", "i1"]
    assert ids(choose(some(tmp_path), limit=4)) == ["b0", "b1", "d0", "d1", "d2", "i0", "i1"]
    assert choose(some(tmp_path), limit=100).instances == some(tmp_path).instances
    assert choose(some(tmp_path), limit=1).glosses == ("BOOK", "DRINK")


@pytest.mark.real
def test_the_first_hundred_glosses_of_wlasl300_are_wlasl100(real_data: Path) -> None:
    folder = real_data / "annotations" / "wlasl"
    assert choose(read_wlasl(folder / "WLASL300.json"), glosses="100") == read_wlasl(folder / "WLASL100.json")


# --- what stands in several splits


def test_the_same_part_of_the_same_video_is_the_same_clip(tmp_path: Path) -> None:
    video = {"url": "https://www.youtube.com/watch?v=0UsjUE-TXns"}
    data = read(
        tmp_path,
        entry("0", **video, frame_start=10, frame_end=20),
        entry("1", **{**video, "url": "https://youtu.be/0UsjUE-TXns"}, frame_start=10, frame_end=20, split="val"),
        entry("2", **video, frame_start=10, frame_end=20, bbox=[0, 0, 9, 9]),
        entry("3", **video, frame_start=10, frame_end=21, split="test"),
        entry("4", url="http://a.org/1.mp4"),
        entry("5", url="http://a.org/1.mp4"),
    )
    assert shared(data).clips == (("0", "1", "2"),)


def test_signers_are_told_with_their_splits_when_there_are_several(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        *(entry(f"a{number}", signer_id=1, split=split) for number, split in enumerate(("test", "train"))),
        *(entry(f"b{number}", signer_id=2, split="val") for number in range(2)),
        *(entry(f"c{number}", signer_id=None, split=split) for number, split in enumerate(SPLITS)),
    )
    found = shared(data)
    assert found.signers == {"1": ("train", "test")}
    assert found.num_signers == 2


def test_a_new_split_keeps_signers_and_clips_together(tmp_path: Path) -> None:
    """Signers 0 and 1 have a clip in common; so have 2 and somebody who is not known."""
    entries = [
        entry(f"{signer}-{number}", f"word {number % 3}", signer_id=signer, split=SPLITS[number % 3])
        for signer in range(8)
        for number in range(12)
    ]
    clips = {"0-0": "x", "1-0": "x", "2-5": "y", "u-0": "y", "u-1": "z", "u-2": "z"}
    entries += [entry(f"u-{number}", "word 0", signer_id=None) for number in range(3)]
    for one in entries:
        if one["video_id"] in clips:
            one["url"] = f"http://a.org/{clips[one['video_id']]}.mp4"
    before = read(tmp_path, *entries)
    after = resplit(before)
    found = shared(after)
    assert not found.clips
    assert not found.signers
    assert found.num_signers == 8
    split = {one.video_id: one.split for one in after.instances}
    assert split["0-3"] == split["1-3"]
    assert split["2-3"] == split["u-0"]
    assert split["u-1"] == split["u-2"]
    assert {(one.video_id, one.gloss, one.signer) for one in after.instances} == {
        (one.video_id, one.gloss, one.signer) for one in before.instances
    }
    assert resplit(before) == after


@pytest.fixture(scope="module")
def wlasl100(real_data: Path) -> Wlasl:
    return read_wlasl(real_data / "annotations" / "wlasl" / "WLASL100.json")


@pytest.mark.real
def test_wlasl100_is_read_whole(wlasl100: Wlasl) -> None:
    assert (len(wlasl100.instances), len(wlasl100.glosses), wlasl100.problems) == (2038, 100, ())
    assert Counter(one.split for one in wlasl100.instances) == {"train": 1442, "val": 338, "test": 258}
    assert len({one.item for one in wlasl100.instances}) == 2038
    assert all(one.box and one.signer and one.fps == 25 for one in wlasl100.instances)


@pytest.mark.real
def test_nine_of_ten_instances_of_wlasl100_go_to_the_end_of_their_video(wlasl100: Wlasl) -> None:
    assert sum(one.end_frame is None for one in wlasl100.instances) == 1833
    assert sum(one.start_frame == 0 for one in wlasl100.instances) == 1903
    lengths = [one.end_frame - one.start_frame for one in wlasl100.instances if one.end_frame is not None]
    assert min(lengths) >= 10


@pytest.mark.real
def test_boxes_of_wlasl_are_left_top_right_bottom(wlasl100: Wlasl) -> None:
    """Signers are filmed from the hips up, so boxes end where the picture does: the fourth number is a usual height."""
    boxes = [one.box for one in wlasl100.instances if one.box]
    assert all(left < right and top < bottom for left, top, right, bottom in boxes)
    heights = {192, 240, 360, 480, 720, 1080}
    ends = [sum(box[corner] in heights for box in boxes) / len(boxes) for corner in range(4)]
    assert ends[3] > 0.8
    assert max(ends[:3]) < 0.05


@pytest.mark.real
def test_wlasl100_has_ten_clips_and_72_of_97_signers_in_several_splits(wlasl100: Wlasl) -> None:
    found = shared(wlasl100)
    assert len(found.clips) == 10
    assert sorted(map(len, found.clips)) == [2] * 10
    assert ("28119", "28120") in found.clips  # one clip; boxes of two scales, and two signer ids
    assert (len(found.signers), found.num_signers) == (72, 97)


@pytest.mark.real
def test_wlasl300_has_37_clips_and_89_of_109_signers_in_several_splits(real_data: Path) -> None:
    found = shared(read_wlasl(real_data / "annotations" / "wlasl" / "WLASL300.json"))
    assert (len(found.clips), len(found.signers), found.num_signers) == (37, 89, 109)


@pytest.mark.real
def test_the_new_split_of_wlasl100_shares_nothing_and_teaches_every_gloss(wlasl100: Wlasl) -> None:
    after = resplit(wlasl100)
    found = shared(after)
    assert (found.clips, found.signers) == ((), {})
    counts = Counter(one.split for one in after.instances)
    assert counts["train"] / 2038 == pytest.approx(0.70, abs=0.005)
    assert counts["val"] / 2038 == pytest.approx(0.15, abs=0.005)
    glosses: dict[str, set[str]] = defaultdict(set)
    for one in after.instances:
        glosses[one.split].add(one.gloss)
    assert len(glosses["train"]) == 100
    assert min(len(glosses["val"]), len(glosses["test"])) >= 98
