"""A lexicon folder: what is read, what is skipped and said, how signs are found, added and removed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose
from synthetic_signer import signer

from models.errors import LexiconError
from models.lexicon import recordings
from models.lexicon.index import COLUMNS, open_lexicon
from models.lexicon.recordings import Recording, add, add_many, checked_gloss, frames_between, remove, time_of
from models.lexicon.signs import Entry, find_first, frame_at
from models.pose import landmarks
from models.pose.files import read_pose, write_pose
from models.pose.span import signing_span

HEADER = ",".join(COLUMNS)


@pytest.fixture(scope="module")
def pose() -> Pose:
    return signer(seconds=2.0, fps=25)


@pytest.fixture
def folder(tmp_path: Path, pose: Pose) -> Path:
    """A lexicon folder with one pose in it and no index yet."""
    root = tmp_path / "signs"
    write_pose(root / "a.pose", pose)
    return root


def write_index(folder: Path, *rows: str, header: str = HEADER) -> None:
    (folder / "index.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def same(left: Pose, right: Pose) -> bool:
    return np.array_equal(np.ma.getdata(left.body.data), np.ma.getdata(right.body.data)) and np.array_equal(
        left.body.confidence, right.body.confidence
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".index.lock"}


# Reading


def test_lines_of_one_sign_are_one_entry_with_all_its_words(folder: Path) -> None:
    write_index(folder, "a.pose,en,ase,0,2000,hello,hello,3", "a.pose,en,ase,0,2000,hi,HELLO,1")
    lexicon = open_lexicon(folder)
    assert lexicon.problems == ()
    assert lexicon.entries == (
        Entry(gloss="HELLO", words=("hello", "hi"), path="a.pose", end_ms=2000, priority=1, lines=(2, 3)),
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("gone.pose,en,ase,0,2000,x,X,0", "'gone.pose' leads to no file"),
        ("/etc/passwd,en,ase,0,2000,x,X,0", "leads out of the lexicon's folder"),
        ("../secret.pose,en,ase,0,2000,x,X,0", "leads out of the lexicon's folder"),
        ("sub/../../secret.pose,en,ase,0,2000,x,X,0", "leads out of the lexicon's folder"),
        ("C:\\x.pose,en,ase,0,2000,x,X,0", "leads out of the lexicon's folder"),
        ("..\\x.pose,en,ase,0,2000,x,X,0", "leads out of the lexicon's folder"),
        ("link.pose,en,ase,0,2000,x,X,0", "out of the lexicon's folder through a link"),
        ("linked/secret.pose,en,ase,0,2000,x,X,0", "out of the lexicon's folder through a link"),
        ("loop.pose,en,ase,0,2000,x,X,0", "loop.pose"),
        ("sub,en,ase,0,2000,x,X,0", "is no file"),
        (f"{'x' * 5000}.pose,en,ase,0,2000,x,X,0", "leads to no file"),
        (",en,ase,0,2000,x,X,0", "there is no path"),
        ("gs://bucket/a.pose,en,ase,0,2000,x,X,0", "download the pose"),
        ("a.pose,en,ase,0.5,2000,x,X,0", "start is '0.5'; expected a whole number"),
        ("a.pose,en,ase,0,two,x,X,0", "end is 'two'"),
        ("a.pose,en,ase,0,2000,x,X,", "priority is ''"),
        ("a.pose,en,ase,-40,2000,x,X,0", "from -40 to 2000 ms is empty"),
        ("a.pose,en,ase,2000,1000,x,X,0", "from 2000 to 1000 ms is empty"),
        ("a.pose,en,ase,0,2000,,,0", "neither a word nor a gloss"),
        ("a.pose,,ase,0,2000,x,X,0", "a language is missing"),
        ("a.pose,en,ase,0,2000,x", "no value for glosses, priority"),
        ("a.pose,en,ase,0,2000,one,two,X,0", "9 values for 8 columns; put text with commas in quotation marks"),
        ("a.pose,en,ase,0,2000,one,two,X", "priority is 'X'"),
        ('a.pose,en,ase,0,2000,"x,X,0', "quotation marks do not match"),
        ("a.pose,en,ase,0,2000,good,GOOD,0", "the same as line 2"),
    ],
)
def test_a_broken_line_is_named_and_skipped_and_the_others_are_read(folder: Path, row: str, why: str) -> None:
    (folder / "sub").mkdir()
    (folder.parent / "secret.pose").write_bytes((folder / "a.pose").read_bytes())
    (folder / "link.pose").symlink_to(folder.parent / "secret.pose")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "loop.pose").symlink_to(folder / "loop.pose")
    write_index(folder, "a.pose,en,ase,0,2000,good,GOOD,0", row, "a.pose,en,ase,0,2000,last,LAST,0")
    lexicon = open_lexicon(folder)
    assert lexicon.glosses == ("GOOD", "LAST")
    (problem,) = lexicon.problems
    assert problem.startswith("signs/index.csv, line 3: ")
    assert why in problem


def test_a_link_inside_the_folder_is_fine(folder: Path, pose: Pose) -> None:
    (folder / "b.pose").symlink_to(folder / "a.pose")
    write_index(folder, "b.pose,en,ase,0,2000,x,X,0")
    lexicon = open_lexicon(folder)
    assert lexicon.problems == ()
    assert same(lexicon.load(lexicon.entries[0]), pose)


def test_a_line_that_is_not_utf_8_is_skipped_and_kept_when_the_index_is_written(folder: Path, pose: Pose) -> None:
    latin = "a.pose,de,gsg,0,2000,höflich,HÖFLICH,0".encode("latin-1")
    (folder / "index.csv").write_bytes(HEADER.encode() + b"\n" + latin + b"\na.pose,en,ase,0,0,x,X,0\n")
    lexicon = open_lexicon(folder)
    assert lexicon.glosses == ("X",)
    assert "line 2: the text is not UTF-8" in lexicon.problems[0]
    add(folder, pose, "NEW")
    assert latin in (folder / "index.csv").read_bytes().split(b"\n")


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder: Path) -> None:
    text = f"{HEADER}\r\na.pose,en,ase,0,2000,x,X,0\r\n\r\n,,,,,,,\r\n"
    (folder / "index.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    lexicon = open_lexicon(folder)
    assert (lexicon.glosses, lexicon.problems) == (("X",), ())


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no column path, spoken_language"),
        (b"path,start,end\n", "no column spoken_language, signed_language, words, glosses, priority"),
        (HEADER.replace(",", ";").encode(), "separates its columns by semicolons; save it as CSV with commas"),
        (HEADER.replace(",", "\t").encode(), "separates its columns by tabs"),
        (HEADER.encode("utf-16"), "UTF-8"),
        (bytes(range(256)) * 8, "UTF-8"),
    ],
)
def test_an_index_that_is_no_table_of_signs_is_an_error(folder: Path, content: bytes, what: str) -> None:
    (folder / "index.csv").write_bytes(content)
    with pytest.raises(LexiconError, match=what):
        open_lexicon(folder)


def test_no_index_and_no_folder_say_what_to_do(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(LexiconError, match=r"no index\.csv in it; choose another folder"):
            open_lexicon(place)
    (tmp_path / "index.csv").mkdir()
    with pytest.raises(LexiconError, match="cannot be read"):
        open_lexicon(tmp_path)


def test_an_empty_gloss_is_the_word_and_columns_may_come_in_any_order(folder: Path) -> None:
    row = "0,,guten Tag,2000,0,gsg,de,a.pose"
    write_index(folder, row, header=",".join(reversed(COLUMNS)))
    (entry,) = open_lexicon(folder).entries
    assert (entry.gloss, entry.words, entry.signed_language) == ("GUTEN-TAG", ("guten Tag",), "gsg")


def test_thousands_of_lines_are_read_and_each_broken_one_is_named(folder: Path) -> None:
    rows = [f"{'a' if i % 10 else 'gone'}.pose,en,ase,0,2000,word {i},SIGN-{i},0" for i in range(5000)]
    write_index(folder, *rows)
    lexicon = open_lexicon(folder)
    assert (len(lexicon.entries), len(lexicon.problems)) == (4500, 500)
    assert lexicon.find("sign-4999")[0].words == ("word 4999",)
    assert lexicon.problems[-1].startswith("signs/index.csv, line 4992: ")


# Poses


def test_start_and_end_cut_out_the_frames_between_them(folder: Path, pose: Pose) -> None:
    write_index(folder, "a.pose,en,ase,400,1200,cut,CUT,0", "a.pose,en,ase,0,0,all,ALL,0", "a.pose,en,ase,0,9000,x,X,0")
    lexicon = open_lexicon(folder)
    cut, whole, beyond = (lexicon.load(lexicon.find(gloss)[0]) for gloss in ("CUT", "ALL", "X"))
    assert np.array_equal(np.ma.getdata(cut.body.data), np.ma.getdata(pose.body.data)[10:30])
    assert same(whole, pose)
    assert same(beyond, pose)
    assert (cut.body.fps, cut.header.dimensions.width) == (25, 640)


def test_a_part_outside_of_the_pose_is_an_error_with_both_lengths(folder: Path) -> None:
    write_index(folder, "a.pose,en,ase,2100,2500,x,X,0")
    lexicon = open_lexicon(folder)
    with pytest.raises(LexiconError, match=r"X: the index takes 2100 to 2500 ms of a\.pose, which is 2000 ms long"):
        lexicon.load(lexicon.entries[0])


def test_changing_a_loaded_pose_changes_no_other(folder: Path, pose: Pose) -> None:
    write_index(folder, "a.pose,en,ase,0,2000,x,X,0")
    lexicon = open_lexicon(folder)
    first = lexicon.load(lexicon.entries[0])
    first.body.data[:] = 0
    first.body.confidence[:] = 0
    assert same(lexicon.load(lexicon.entries[0]), pose)


def test_a_pose_that_is_replaced_is_read_again(folder: Path) -> None:
    write_index(folder, "a.pose,en,ase,0,0,x,X,0")
    lexicon = open_lexicon(folder)
    lexicon.load(lexicon.entries[0])
    other = signer(seconds=1.2)
    write_pose(folder / "a.pose", other)
    assert same(lexicon.load(lexicon.entries[0]), other)


def test_a_pose_that_is_swapped_for_a_link_outside_is_not_read(folder: Path) -> None:
    write_index(folder, "a.pose,en,ase,0,0,x,X,0")
    lexicon = open_lexicon(folder)
    (folder / "a.pose").rename(folder.parent / "moved.pose")
    with pytest.raises(LexiconError, match="leads to no file"):
        lexicon.load(lexicon.entries[0])
    (folder / "a.pose").symlink_to(folder.parent / "moved.pose")
    with pytest.raises(LexiconError, match="through a link"):
        lexicon.load(lexicon.entries[0])


def test_components_in_another_order_come_out_canonical(folder: Path, pose: Pose) -> None:
    write_pose(folder / "b.pose", pose.get_components([landmarks.RIGHT_HAND, landmarks.LEFT_HAND, landmarks.BODY]))
    write_index(folder, "b.pose,en,ase,0,0,x,X,0")
    lexicon = open_lexicon(folder)
    loaded = lexicon.load(lexicon.entries[0])
    order = [component.name for component in loaded.header.components]
    assert order == [landmarks.BODY, landmarks.LEFT_HAND, landmarks.RIGHT_HAND]
    for name in order:
        assert np.array_equal(landmarks.component(loaded, name)[0], landmarks.component(pose, name)[0])


def test_a_pose_without_hands_is_no_sign(folder: Path, pose: Pose) -> None:
    bare = pose.get_components([landmarks.BODY, landmarks.FACE])
    write_pose(folder / "b.pose", bare)
    write_index(folder, "b.pose,en,ase,0,0,x,X,0")
    lexicon = open_lexicon(folder)
    with pytest.raises(LexiconError, match="needs MediaPipe Holistic's body and hands"):
        lexicon.load(lexicon.entries[0])
    with pytest.raises(LexiconError, match="needs MediaPipe Holistic's body and hands"):
        add(folder, bare, "BARE")


@pytest.mark.parametrize("fps", [12.5, 15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120])
def test_times_in_the_index_lead_back_to_the_frame_for_every_way_of_rounding(fps: float) -> None:
    stored = float(np.float32(fps))
    for frame in range(4000):
        time = time_of(frame, fps)
        assert frame_at(time, stored) == frame
        assert time // (1000 / stored) == frame  # spoken-to-signed
        assert frame_at(round(1000 * frame / fps), stored) == frame


# Looking up


@pytest.fixture
def animals(folder: Path) -> Path:
    write_index(
        folder,
        "a.pose,en,ase,0,2000,house,HOUSE,2",
        "a.pose,en,ase,0,1000,house,HOUSE,0",
        "a.pose,en,ase,0,2000,house,HORSE,0",
        "a.pose,en,ase,0,2000,light house,LIGHTHOUSE,0",
        "a.pose,en,ase,0,2000,thank you,THANK-YOU,0",
        "a.pose,de,gsg,0,1500,Haus,HOUSE,1",
        "a.pose,en,ase,0,2000,dwelling,HOME,0",
    )
    return folder


def test_variants_come_by_priority_whatever_the_case_of_the_gloss(animals: Path) -> None:
    lexicon = open_lexicon(animals)
    assert [entry.priority for entry in lexicon.find(" house ")] == [0, 1, 2]
    assert [entry.gloss for entry in lexicon.find_word("House")] == ["HOUSE", "HORSE", "HOUSE"]
    assert lexicon.find("HOUS") == ()


def test_search_takes_glosses_and_words_the_closest_first(animals: Path) -> None:
    lexicon = open_lexicon(animals)
    found = list(dict.fromkeys(entry.gloss for entry in lexicon.search("house")))
    assert found == ["HOUSE", "HORSE", "LIGHTHOUSE"]
    assert [entry.gloss for entry in lexicon.search("Thank-you")] == ["THANK-YOU"]
    assert [entry.gloss for entry in lexicon.search("dwell")] == ["HOME"]
    assert lexicon.search("xyzzy") == ()
    assert len(lexicon.search("  ")) == len(lexicon.entries)


def test_a_lexicon_of_several_languages_can_be_narrowed(animals: Path) -> None:
    german = open_lexicon(animals).only(signed_language="gsg")
    assert [entry.words for entry in german.find("HOUSE")] == [("Haus",)]
    assert german.glosses == ("HOUSE",)
    assert german.only(spoken_language="en").entries == ()


def test_the_first_lexicon_that_has_the_gloss_wins(animals: Path, tmp_path: Path, pose: Pose) -> None:
    add(tmp_path / "own", pose, "HOME")
    own, other = open_lexicon(tmp_path / "own"), open_lexicon(animals)
    assert find_first([own, other], "home")[0] is own
    assert find_first([other, own], "home")[0] is other
    assert find_first([own, other], "HORSE")[0] is other


def test_an_unknown_gloss_names_the_nearest(animals: Path) -> None:
    with pytest.raises(LexiconError, match=r"^No sign for HOSUE; nearest: HOUSE, HORSE"):
        find_first([open_lexicon(animals)], "Hosue")
    with pytest.raises(LexiconError, match=r"nearest: HOME"):
        find_first([open_lexicon(animals)], "dweling")  # by its word
    with pytest.raises(LexiconError, match=r"^No sign for QQQQ, and none .* fingerspell it"):
        find_first([open_lexicon(animals)], "QQQQ")


# Adding and removing


def test_a_recorded_sign_is_used_like_any_other(tmp_path: Path, pose: Pose) -> None:
    entry = add(tmp_path / "own", pose, "my-sign", words=["my sign", "mein Zeichen, ja"])
    lexicon = open_lexicon(tmp_path / "own")
    assert lexicon.problems == ()
    assert find_first([lexicon], "MY-SIGN")[1].words == ("my sign", "mein Zeichen, ja")
    start, end = signing_span(pose)
    loaded = lexicon.load(lexicon.entries[0])
    assert np.array_equal(np.ma.getdata(loaded.body.data), np.ma.getdata(pose.body.data)[start:end])
    assert (entry.start_ms, entry.end_ms) == (40 * start, 40 * end)
    assert 0 < start < end < 50
    assert same(read_pose(tmp_path / "own" / "my-sign.pose"), pose)  # the file keeps all frames
    assert (tmp_path / "own" / "index.csv").read_text().splitlines()[0].startswith(HEADER)


def test_variants_get_files_of_their_own_and_a_lower_priority_comes_first(tmp_path: Path, pose: Pose) -> None:
    for priority in (5, 5, 1):
        add(tmp_path, pose, "HOUSE", priority=priority)
    assert [entry.path for entry in open_lexicon(tmp_path).find("HOUSE")] == [
        "house-3.pose",
        "house.pose",
        "house-2.pose",
    ]


@pytest.mark.parametrize(
    ("gloss", "file"), [("ÄPFEL", "pfel.pose"), ("猫", "clip.pose"), ("#OK", "ok.pose"), ("A.B", "a-b.pose")]
)
def test_glosses_of_any_script_get_safe_file_names(tmp_path: Path, pose: Pose, gloss: str, file: str) -> None:
    assert add(tmp_path, pose, gloss).path == file
    assert open_lexicon(tmp_path).find(gloss.lower())[0].path == file


@pytest.mark.parametrize(
    "text", ["", "  ", "MY SIGN", "../UP", "A/B", "=SUM(A1)", "-X", "A,B", 'A"B', "A\nB", "X" * 101]
)
def test_text_that_is_no_gloss_is_refused_with_one_that_is(tmp_path: Path, pose: Pose, text: str) -> None:
    with pytest.raises(LexiconError, match="is no gloss; write one word of letters, digits and hyphens"):
        add(tmp_path / "own", pose, text)
    assert not (tmp_path / "own").exists()


def test_the_suggested_gloss_is_one() -> None:
    with pytest.raises(LexiconError, match="hyphens: MY-SIGN-2"):
        checked_gloss("my sign, 2!?/")
    assert checked_gloss(" walk++ ") == "WALK++"


@pytest.mark.parametrize("word", ["", "=1+1", "@x", "a\x00b", "w" * 101])
def test_words_that_an_index_cannot_hold_are_refused(tmp_path: Path, pose: Pose, word: str) -> None:
    with pytest.raises(LexiconError, match="is no word"):
        add(tmp_path, pose, "X", words=[word])


@pytest.mark.parametrize("span", [(-1, 5), (5, 5), (0, 51)])
def test_a_part_that_the_pose_does_not_have_is_refused(tmp_path: Path, pose: Pose, span: tuple[int, int]) -> None:
    with pytest.raises(LexiconError, match="are no part of a pose of 50 frames"):
        add(tmp_path, pose, "X", span=span)


def test_times_of_a_pose_become_frames(pose: Pose) -> None:
    assert frames_between(pose, 400, 1200) == (10, 30)
    assert frames_between(pose, None, 99999) == (0, 50)
    with pytest.raises(LexiconError, match="no frame from 3000 to 2000 ms; the pose has 2000 ms"):
        frames_between(pose, 3000, None)


def test_adding_keeps_every_other_line_and_foreign_column(folder: Path, pose: Pose) -> None:
    lines = [f"{HEADER},note", "a.pose,en,ase,0,2000,x,X,0,mine", "broken line", 'gone.pose,en,ase,0,1,"y, z",Y,0,']
    write_index(folder, *lines[1:], header=lines[0])
    add(folder, pose, "NEW")
    written = (folder / "index.csv").read_text().splitlines()
    assert written[:4] == lines
    assert written[4].startswith("new.pose,en,ase,")
    assert open_lexicon(folder).glosses == ("NEW", "X")


def test_a_folder_with_another_index_is_refused_before_anything_is_written(folder: Path, pose: Pose) -> None:
    (folder / "index.csv").write_text("name,age\n")
    with pytest.raises(LexiconError, match="no column path"):
        add(folder, pose, "X")
    assert files(folder) == {"index.csv", "a.pose"}


def test_when_one_recording_fails_none_is_added(folder: Path, pose: Pose) -> None:
    write_index(folder, "a.pose,en,ase,0,2000,x,X,0")
    before = (folder / "index.csv").read_bytes()

    def some() -> Iterator[Recording]:
        yield Recording(pose=pose, gloss="ONE")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_many(folder, some())
    assert files(folder) == {"index.csv", "a.pose"}
    assert (folder / "index.csv").read_bytes() == before


def test_when_the_index_cannot_be_replaced_the_pose_goes_too(
    folder: Path, pose: Pose, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_index(folder, "a.pose,en,ase,0,2000,x,X,0")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings, "_write_index", full)
    with pytest.raises(LexiconError, match="signs cannot be written \\(No space left on device\\)"):
        add(folder, pose, "NEW")
    assert files(folder) == {"index.csv", "a.pose"}
    with pytest.raises(LexiconError, match="cannot be written"):
        remove(folder, "X")
    assert files(folder) == {"index.csv", "a.pose"}


def test_removing_takes_the_variant_its_lines_and_its_pose(tmp_path: Path, pose: Pose) -> None:
    add(tmp_path, pose, "HOUSE", words=["house", "home"])
    add(tmp_path, pose, "HOUSE", words=["house", "home"])
    add(tmp_path, pose, "TREE")
    assert remove(tmp_path, "house", 2).path == "house-2.pose"
    assert files(tmp_path) == {"index.csv", "house.pose", "tree.pose"}
    lexicon = open_lexicon(tmp_path)
    assert [entry.words for entry in lexicon.entries] == [("house", "home"), ("tree",)]
    assert lexicon.problems == ()
    with pytest.raises(LexiconError, match="no variant 2 of HOUSE; the last one is number 1"):
        remove(tmp_path, "HOUSE", 2)
    with pytest.raises(LexiconError, match="No sign for TREES; nearest: TREE"):
        remove(tmp_path, "TREES")


def test_a_pose_that_another_sign_or_split_uses_stays(folder: Path) -> None:
    write_index(folder, "a.pose,en,ase,0,1000,x,X,0", "a.pose,en,ase,1000,2000,y,Y,0")
    remove(folder, "X")
    assert (folder / "a.pose").exists()
    (folder / "index_train.csv").write_text(f"{HEADER}\na.pose,en,ase,1000,2000,y,Y,0\n")
    remove(folder, "Y")
    assert (folder / "a.pose").exists()
    assert open_lexicon(folder).entries == ()


def test_a_pose_goes_although_a_longer_name_ends_like_it(tmp_path: Path, pose: Pose) -> None:
    add(tmp_path, pose, "BANANA")
    add(tmp_path, pose, "A")
    remove(tmp_path, "A")
    assert files(tmp_path) == {"index.csv", "banana.pose"}


def test_signs_added_at_the_same_time_are_all_there(tmp_path: Path, pose: Pose) -> None:
    threads = [threading.Thread(target=add, args=(tmp_path, pose, "SAME")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lexicon = open_lexicon(tmp_path)
    assert lexicon.problems == ()
    assert len({entry.path for entry in lexicon.find("SAME")}) == 8


def test_removing_from_a_folder_that_is_no_lexicon_leaves_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"no index\.csv"):
        remove(tmp_path, "X")
    assert list(tmp_path.iterdir()) == []
