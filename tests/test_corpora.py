"""Corpora as they lie on disk: every line becomes a sentence or a problem, and nothing is counted wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from wlasl_toy import files_of

from models.data.corpora import CorpusOptions, Sentence, frames_needed, is_infeasible, read_corpus, vocabulary
from models.data.corpus_clips import CLIPS, usable, write_corpus
from models.data.corpus_files import ColumnNames
from models.data.corpus_report import report_corpus
from models.data.frame_folders import find_place, in_order, names_in
from models.data.gloss_cleaning import cleaned
from models.data.manifest import Manifest
from models.data.work import Made, Outcome, in_this_process
from models.errors import SignError
from models.video import probe
from models.video_write import write_video

HEADER = "name|video|start|end|speaker|orth|translation"


def draw(folder: Path, count: int, *, name: str = "frame_{:03}.jpg", first: int = 1, side: tuple[int, int] = (24, 32)):
    """Frames that get brighter by their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        cv2.imwrite(str(folder / name.format(number)), np.full((*side, 3), 10 * number, np.uint8))
    return folder


def table(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Frames + CSV: three sentences to train, one to test, with an odd second header."""
    table(
        tmp_path / "train_gloss_eng.csv",
        "folder,gloss",
        "header_row,header_content",
        "video_001,hello world",
        "video_002,name name",
        'video_003,"thank-you"',
    )
    table(tmp_path / "test_gloss_eng.csv", "folder,gloss", "video_001,hello bread")
    draw(tmp_path / "train" / "video_001", 12)
    draw(tmp_path / "train" / "video_002", 2)
    draw(tmp_path / "train" / "video_003", 5)
    draw(tmp_path / "test" / "video_001", 4)
    return tmp_path


def kinds(corpus) -> list[tuple[str, str, str]]:
    return [(one.kind, one.id, one.where) for one in corpus.problems]


def test_a_second_header_is_skipped_and_that_is_said(plain: Path) -> None:
    corpus = read_corpus(plain)
    assert corpus.format == "frames-csv"
    assert [(one.split, one.id, one.glosses, one.num_frames) for one in corpus.sentences] == [
        ("train", "video_001", ("HELLO", "WORLD"), 12),
        ("train", "video_002", ("NAME", "NAME"), 2),
        ("train", "video_003", ("THANK-YOU",), 5),
        ("test", "video_001", ("HELLO", "BREAD"), 4),
    ]
    assert not corpus.problems
    assert f"frames of 3 sentences are in {plain / 'train'}" in corpus.notes
    assert any(note.startswith("train_gloss_eng.csv:2 is a second header, skipped") for note in corpus.notes)
    assert not any("test_gloss_eng.csv:2" in note for note in corpus.notes)
    assert corpus.sentences[0].where == "train_gloss_eng.csv:3"


def test_a_header_of_numbers_above_the_real_one_is_skipped(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "a", 3)
    path = table(tmp_path / "train_gloss_eng.csv", "0,1,2", "folder,gloss_de,gloss_eng", "a,hallo,hello")
    corpus = read_corpus(path)
    assert [one.glosses for one in corpus.sentences] == [("HELLO",)]
    assert any("train_gloss_eng.csv:1 is a header without the columns" in note for note in corpus.notes)
    other = read_corpus(path, CorpusOptions(columns=ColumnNames(gloss="gloss_de")))
    assert [one.glosses for one in other.sentences] == [("HALLO",)]


def test_a_first_sentence_that_reads_like_a_header_is_kept(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "v1", 3)
    assert [
        one.glosses for one in read_corpus(table(tmp_path / "train.csv", "folder,gloss", "v1,video")).sentences
    ] == [("VIDEO",)]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("a,b", "c,d"), "no columns of folders and glosses are found in 'a', 'b'"),
        (("folder,gloss1,gloss2", "a,b,c"), r"several columns of glosses \('gloss1', 'gloss2'\)"),
        (("",), "is empty"),
        (("folder,gloss",), "no line can be used, there is none below the header"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_with_what_is_wrong(tmp_path: Path, lines, said: str) -> None:
    with pytest.raises(SignError, match=said):
        read_corpus(table(tmp_path / "train.csv", *lines), CorpusOptions(format="frames-csv"))


def test_utf_8_is_read_with_and_without_a_mark_and_latin_1_is_refused_with_its_line(tmp_path: Path) -> None:
    lines = ("folder,gloss", "a,SCHÖN", "b,GRÜN")
    draw(tmp_path / "train" / "a", 2)
    for encoding in ("utf-8", "utf-8-sig"):
        corpus = read_corpus(table(tmp_path / "train.csv", *lines, encoding=encoding))
        assert [one.glosses for one in corpus.sentences] == [("SCHÖN",), ("GRÜN",)]
    with pytest.raises(SignError, match=r"train\.csv:2 is not UTF-8 \(byte 0xd6\), it looks like Latin-1"):
        read_corpus(table(tmp_path / "train.csv", *lines, encoding="latin-1"))
    with pytest.raises(SignError, match="looks like UTF-16"):
        read_corpus(table(tmp_path / "train.csv", *lines, encoding="utf-16"))
    (tmp_path / "train.csv").write_bytes(b"\x1f\x8b\x08pickle")
    with pytest.raises(SignError, match="pickles are, which are not read"):
        read_corpus(tmp_path / "train.csv")


def test_what_is_wrong_with_a_sentence_is_said_with_its_line_and_stops_nothing(tmp_path: Path) -> None:
    table(
        tmp_path / "train.csv",
        "folder,gloss",
        "good,A",
        "gone,A",
        "hollow,A",
        "good,B",
        "silent,",
        "short",
        "../../etc,A",
        "holes,A",
        "noise,A",
    )
    for name in ("good", "silent"):
        draw(tmp_path / "train" / name, 2)
    (tmp_path / "train" / "hollow").mkdir()
    draw(tmp_path / "train" / "holes", 2)
    draw(tmp_path / "train" / "holes", 1, first=5)
    draw(tmp_path / "train" / "holes", 1, name="frame_{}.jpg")
    (tmp_path / "train" / "noise.mp4").write_bytes(b"no video")
    corpus = read_corpus(tmp_path)
    assert sorted(kinds(corpus)) == [
        ("broken", "noise", "train.csv:10"),
        ("empty", "hollow", "train.csv:4"),
        ("gaps", "holes", "train.csv:9"),
        ("line", "", "train.csv:7"),
        ("line", "silent", "train.csv:6"),
        ("missing", "../../etc", "train.csv:8"),
        ("missing", "gone", "train.csv:3"),
        ("repeated", "holes", "train.csv:9"),
        ("twice", "good", "train.csv:5"),
    ]
    words = {one.kind: one.words for one in corpus.problems}
    assert words["gaps"] == "2 frames are missing in between: 3–4"
    assert words["repeated"] == "1 frames come twice; left out: frame_1.jpg"
    counted = report_corpus(corpus).splits["train"]
    assert counted.missing == ("gone", "hollow", "../../etc", "noise")
    assert counted.without_glosses == ("silent",)


def test_frames_are_in_the_order_of_their_numbers() -> None:
    assert in_order(["f_10.png", "f_9.png", "f_1.png"]).names == ("f_1.png", "f_9.png", "f_10.png")
    phoenix = [f"01April_2010_heute.avi_pid0_fn{number:06}-0.png" for number in (3, 1, 2)]
    assert in_order(phoenix).names == tuple(sorted(phoenix))
    assert not in_order(phoenix).complaints()
    steps = in_order(["f0.png", "f2.png", "f4.png", "f8.png"])
    assert steps.gaps == (6,)
    clock = in_order(["1700000000000.jpg", "1700000000040.jpg", "1700000000081.jpg"])
    assert clock.gaps == () and "unless these are times, most are missing" in clock.complaints()["gaps"]
    mixed = in_order(["f_1.png", "f_1.jpg", "thumb.png", "f_2.png"])
    assert (mixed.names, mixed.repeated, mixed.odd) == (("f_1.png", "f_2.png"), ("f_1.jpg",), ("thumb.png",))
    assert in_order([]).names == () == in_order(["cover.png"]).names


def test_phoenix_2014_t_is_read_with_its_frames_where_its_download_has_them(tmp_path: Path) -> None:
    root = tmp_path / "PHOENIX-2014-T"
    line = '{0}|{0}/1/*.png|-1|-1|Signer01|HEUTE neg-REGEN|"heute kein regen'
    for split in ("train", "dev"):
        path = root / "annotations" / "manual" / f"PHOENIX-2014-T.{split}.corpus.csv"
        table(path, HEADER, line.format("one-1"))
        draw(root / "features" / "fullFrame-210x260px" / split / "one-1", 3, name="images{:04}.png")
        draw(root / "features" / "handFrame" / split / "one-1", 2, name="images{:04}.png")
    table(root / "annotations" / "manual" / "PHOENIX-2014-T.train-complex-annotation.corpus.csv", HEADER)
    corpus = read_corpus(tmp_path)
    assert [path.name for path in corpus.files] == [
        "PHOENIX-2014-T.train.corpus.csv",
        "PHOENIX-2014-T.dev.corpus.csv",
    ]
    first = corpus.sentences[0]
    assert first.frames == root / "features" / "fullFrame-210x260px" / "train" / "one-1"
    assert (first.num_frames, first.signer, first.text) == (3, "Signer01", '"heute kein regen')
    assert first.glosses == ("HEUTE", "neg-REGEN")
    assert [one.split for one in corpus.sentences] == ["train", "val"]
    assert kinds(corpus) == [("shared", "one-1", "PHOENIX-2014-T.dev.corpus.csv:2")]


def test_phoenix_2014_is_read_with_its_other_columns_and_the_folder_of_its_pattern(tmp_path: Path) -> None:
    path = tmp_path / "train.corpus.csv"
    table(path, "id|folder|signer|annotation", "s-0|s-0/1/*.png|Signer04|__ON__ REGEN __OFF__")
    draw(tmp_path / "frames" / "s-0" / "1", 4, name="s.avi_fn{:06}-0.png")
    draw(tmp_path / "frames" / "s-0" / "1", 1, name="s.avi_fn{:06}-0.jpg")
    (one,) = read_corpus(path).sentences
    assert (one.frames, one.num_frames) == (tmp_path / "frames" / "s-0" / "1", 4)
    assert one.glosses == ("__ON__", "REGEN", "__OFF__")
    (dropped,) = read_corpus(path, CorpusOptions(markers="drop")).sentences
    assert dropped.glosses == ("REGEN",)


def test_an_stm_is_read_and_parts_of_recordings_are_left_out_and_said(tmp_path: Path) -> None:
    path = table(
        tmp_path / "x-train.stm",
        ";; a comment",
        "a 1 Signer01 0.0 1.79769e+308 __ON__ REGEN",
        "b 1 Signer01 0.0 1.79769e+308",
        "c 1 Signer01 1.5 2.5 REGEN",
        "d 1 Signer02 0.0 1.79769e+308 <o,f0,female> SONNE",
        "what is this",
    )
    corpus = read_corpus(path)
    assert [(one.id, one.signer, one.glosses) for one in corpus.sentences] == [
        ("a", "Signer01", ("__ON__", "REGEN")),
        ("b", "Signer01", ()),
        ("d", "Signer02", ("SONNE",)),
    ]
    assert kinds(corpus) == [
        ("line", "c", "x-train.stm:4"),
        ("line", "", "x-train.stm:6"),
        ("line", "b", "x-train.stm:3"),
    ]
    with pytest.raises(SignError, match="no line of an"):
        read_corpus(table(tmp_path / "empty.stm", ";; nothing"))


def test_a_table_brings_those_of_the_other_splits_and_two_corpora_are_told_apart(tmp_path: Path) -> None:
    line = "{} 1 s 0.0 1.79769e+308 A"
    for name in ("2014-train", "2014-dev", "2014-T-train", "2014-T-dev"):
        table(tmp_path / f"{name}.stm", line.format(name))
    found = read_corpus(tmp_path / "2014-dev.stm")
    assert [path.name for path in found.files] == ["2014-train.stm", "2014-dev.stm"]
    with pytest.raises(SignError, match="holds tables of 2 corpora"):
        read_corpus(tmp_path)


def test_a_column_for_the_split_is_followed(tmp_path: Path) -> None:
    path = table(tmp_path / "all.csv", "folder,gloss,split", "1,A,train", "1,B,dev", "2,A,summer")
    draw(tmp_path / "train" / "1", 2)
    draw(tmp_path / "val" / "1", 3)
    corpus = read_corpus(path)
    assert [(one.split, one.num_frames) for one in corpus.sentences] == [("train", 2), ("val", 3)]
    assert ("line", "2", "all.csv:4") in kinds(corpus)


def test_places_lead_nowhere_else(tmp_path: Path) -> None:
    for name in ("../x", "/etc", "C:\\x", ""):
        with pytest.raises(ValueError, match="leads out"):
            find_place(name, {tmp_path: names_in(tmp_path)})


# Worked by hand from what the evaluation scripts of the corpora say they do.
@pytest.mark.parametrize(
    ("way", "written", "simple"),
    [
        ("none", "loc-NORD A S __ON__", "loc-NORD A S __ON__"),
        ("phoenix-2014", "__ON__ loc-NORDRAUM poss-MEIN __EMOTION__ S0NNE", "__ON__ NORD MEIN SONNE"),
        ("phoenix-2014", "WIE AUSSEHEN ZEIGEN RAUM HABEN2", "WIE-AUSSEHEN ZEIGEN-BILDSCHIRM RAUM HABEN"),
        ("phoenix-2014", "REGEN REGEN REGEN NICHT-VIEL NICHT-VIEL", "REGEN NICHT-VIEL NICHT-VIEL"),
        ("phoenix-2014", "HEUTE S H MORGEN SCH+H E", "HEUTE S+H MORGEN SCH+H+E"),
        ("phoenix-2014-t", "__ON__ cl-KOMMEN poss-EUCH neg-HABEN WEHEN-PLUSPLUS", "KOMMEN poss-EUCH neg-HABEN WEHEN"),
        ("phoenix-2014-t", "NORDRAUM NORD RAUM", "NORD RAUM"),
    ],
)
def test_cleaning_is_what_the_scripts_of_the_corpora_do(way, written: str, simple: str) -> None:
    assert " ".join(cleaned(written.split(), way)) == simple


@pytest.mark.parametrize("glosses", [("A",), ("A", "B"), ("A", "A"), ("A", "A", "A", "B")])
@pytest.mark.parametrize("stride", [1, 3])
def test_infeasible_is_where_ctc_has_no_path(glosses: tuple[str, ...], stride: int) -> None:
    labels = torch.tensor([["_", "A", "B"].index(gloss) for gloss in glosses])
    for num_frames in range(1, 3 * 7):
        steps = num_frames // stride
        sentence = Sentence(id="x", split="train", signer="", glosses=glosses, num_frames=num_frames)
        if steps == 0:
            assert is_infeasible(sentence, stride)
            continue
        scores = torch.zeros(steps, 1, 3).log_softmax(-1)
        loss = torch.nn.functional.ctc_loss(scores, labels[None], torch.tensor([steps]), torch.tensor([len(labels)]))
        assert is_infeasible(sentence, stride) == bool(loss.isinf())
    assert frames_needed(glosses) >= len(glosses)


def test_the_report_counts_what_is_there(plain: Path) -> None:
    corpus = read_corpus(plain)
    counted = report_corpus(corpus, stride=2)
    train, test = counted.splits["train"], counted.splits["test"]
    assert (train.running_glosses, train.gloss_types, train.singletons) == (5, 4, 3)
    assert (train.frames.min, train.frames.median, train.frames.max, train.total_frames) == (2, 5, 12, 19)
    assert train.infeasible == ("video_002",)
    assert (test.unknown_types, test.unknown_running, test.unknown) == (("BREAD",), 1, ("video_001",))
    assert test.infeasible == ()
    assert counted.glosses == vocabulary(corpus.sentences) == ("HELLO", "NAME", "THANK-YOU", "WORLD")
    said = "\n".join(counted.lines())
    assert "CTC-infeasible at 2 frames per step: 1 (video_002)" in said
    assert "unknown to train: 1 types, 1 running, in 1 sentences" in said


def test_signers_of_several_splits_are_told_however_they_are_written(tmp_path: Path) -> None:
    table(tmp_path / "train.stm", "a 1 Signer05 0.0 1.79769e+308 A", "b 1 Signer06 0.0 1.79769e+308 A")
    table(tmp_path / "dev.stm", "c 1 signer05 0.0 1.79769e+308 A")
    assert report_corpus(read_corpus(tmp_path)).shared_signers == ("signer05",)


def test_clips_are_written_listed_and_left_alone_the_next_time(plain: Path, tmp_path: Path) -> None:
    out, made = tmp_path / "out", []

    def engine(make, tasks):
        for outcome in in_this_process(make, tasks):
            made.append(outcome.task.item)
            yield outcome

    corpus = read_corpus(plain)
    written = write_corpus(corpus, out, fps=25, engine=engine)
    assert (written.clips, written.failed) == (3, ())
    assert written.left_out == {"with glosses that no training clip has": ("test/video_001",)}
    assert (out / CLIPS).read_text(encoding="utf-8").splitlines() == [
        "path,glosses,signer,split",
        "clips/train/video_001.mp4,HELLO WORLD,,train",
        "clips/train/video_002.mp4,NAME NAME,,train",
        "clips/train/video_003.mp4,THANK-YOU,,train",
    ]
    clip = probe(out / "clips/train/video_001.mp4")
    assert (clip.num_frames, clip.fps, clip.width, clip.height) == (12, 25, 32, 24)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*.mp4"))}
    made.clear()
    write_corpus(corpus, out, engine=engine)
    assert made == []
    draw(plain / "train" / "video_003", 1, first=6)
    write_corpus(read_corpus(plain), out, engine=engine)
    assert made == ["train/video_003"]
    assert [path for path in before if path.read_bytes() != before[path]] == [out / "clips/train/video_003.mp4"]


def test_an_interrupted_run_goes_on_to_the_same_files(plain: Path, tmp_path: Path) -> None:
    corpus = read_corpus(plain)
    write_corpus(corpus, tmp_path / "whole")

    def dying(make, tasks):
        for number, outcome in enumerate(in_this_process(make, tasks)):
            if number == 1:
                (tmp_path / "out" / "clips" / "train" / ".part-0.mp4").write_bytes(b"half")
                raise KeyboardInterrupt
            yield outcome

    with pytest.raises(KeyboardInterrupt):
        write_corpus(corpus, tmp_path / "out", engine=dying)
    assert not (tmp_path / "out" / CLIPS).exists()
    write_corpus(corpus, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_clip_that_fails_is_named_and_glosses_only_it_has_leave_the_list(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", "folder,gloss", "a,A", "b,B", "c,C", "ä ö,A")
    table(tmp_path / "val.csv", "folder,gloss", "d,B", "e,A")
    for split, name in (("train", "a"), ("train", "b"), ("train", "c"), ("train", "ä ö"), ("val", "d"), ("val", "e")):
        draw(tmp_path / split / name, 3)
    (tmp_path / "train" / "b" / "frame_002.jpg").write_bytes(b"no picture")
    draw(tmp_path / "train" / "c", 1, first=4, side=(48, 64))
    written = write_corpus(read_corpus(tmp_path), tmp_path / "out")
    assert written.left_out == {
        "that failed": ("train/b", "train/c"),
        "with glosses that no training clip has": ("val/d",),
    }
    assert written.failed == (
        "b/frame_002.jpg cannot be read as a picture; replace it.",
        "c/frame_004.jpg is 64 x 48 px, and the first frame 32 x 24.",
    )
    paths = [line.split(",")[0] for line in (tmp_path / "out" / CLIPS).read_text("utf-8").splitlines()[1:]]
    assert len(paths) == 3 == len(set(paths))
    assert all(path.isascii() and (tmp_path / "out" / path).is_file() for path in paths)
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.counts("clips")["failed"] == 2


def test_videos_become_clips_as_they_are(tmp_path: Path) -> None:
    frames = np.zeros((6, 32, 32, 3), np.uint8)
    (tmp_path / "train").mkdir()
    write_video(tmp_path / "train" / "a.webm", iter(frames), fps=10)
    corpus = read_corpus(table(tmp_path / "train.csv", "folder,gloss", "a,A B"))
    assert corpus.sentences[0].frames == tmp_path / "train" / "a.webm"
    write_corpus(corpus, tmp_path / "out")
    clip = tmp_path / "out" / "clips" / "train" / "a.webm"
    assert clip.read_bytes() == (tmp_path / "train" / "a.webm").read_bytes()
    assert not clip.is_symlink()


def test_sentences_of_a_single_frame_are_no_clips(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", "folder,gloss", "a,A", "b,B")
    draw(tmp_path / "train" / "a", 1)
    draw(tmp_path / "train" / "b", 2)
    chosen, left_out = usable(read_corpus(tmp_path))
    assert [one.id for one in chosen] == ["b"]
    assert left_out == {"of a single frame": ("train/a",)}


def test_frames_that_vanish_meanwhile_fail_alone(plain: Path, tmp_path: Path) -> None:
    corpus = read_corpus(plain)
    (plain / "train" / "video_001").rename(plain / "elsewhere")
    seen: list[Outcome] = []

    def engine(make, tasks):
        for outcome in in_this_process(make, tasks):
            assert isinstance(outcome.made, Made)
            seen.append(outcome)
            yield outcome

    written = write_corpus(corpus, tmp_path / "out", engine=engine)
    assert [one.made.state for one in seen] == ["failed", "done", "done"]
    assert len(written.failed) == 1 and "train/video_001" in written.left_out["that failed"]


@pytest.mark.real
def test_the_counts_of_the_real_tables_are_those_of_the_papers(real_data: Path) -> None:
    folder = real_data / "annotations" / "phoenix"
    corpus = read_corpus(folder / "phoenix2014-T-groundtruth-train.stm")
    counted = report_corpus(corpus).splits
    assert {name: one.sentences for name, one in counted.items()} == {"train": 7096, "val": 519, "test": 642}
    assert (counted["train"].gloss_types, counted["train"].singletons) == (1085, 355)
    assert [counted[name].unknown_running for name in ("val", "test")] == [14, 19]
    older = report_corpus(read_corpus(folder / "phoenix2014-groundtruth-dev.stm")).splits
    assert {name: one.sentences for name, one in older.items()} == {"train": 5671, "val": 540, "test": 629}
    with pytest.raises(SignError, match="not read"):
        read_corpus(folder / "phoenix14t.dev")
    dummy = read_corpus(real_data / "pose_files" / "sl-datasets-dummy")
    assert (dummy.format, len(dummy.sentences), [one.kind for one in dummy.problems]) == ("phoenix", 3, ["shared"])
