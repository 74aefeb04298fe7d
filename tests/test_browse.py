"""Looking through the result of a run: what is found, what is shown, what is taken out and what is handed on."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic_signer import signer
from wlasl_toy import entry, write_list

from models.data.asked import WlaslOptions, content_of
from models.data.browse import ClipRow, GlossRow, Result, exclude, export_lexicon, open_result
from models.data.lexicons import write_lexicons
from models.data.manifest import Manifest, Row, State
from models.data.store import Store
from models.data.wlasl import read_wlasl
from models.data.work import in_this_process
from models.errors import SignError
from models.lexicon.index import open_lexicon
from models.pose.files import write_pose
from models.video import VideoReader, probe
from models.video_write import write_video

FPS = 25.0


def put(manifest: Manifest, folder: Path, item: str, split: str, hands: float, state: State, words: str = "") -> None:
    """The rows of an instance whose pose was extracted, and what cleaning made of it."""
    gloss, _, video_id = item.rpartition("-")
    about = {"gloss": gloss, "split": split, "signer": "7", "video_id": video_id}
    read = {"source": str(folder / "clip.mp4"), "from_store": False, "start_ms": 200, "end_ms": 1000, "crop": None}
    seen = {"frames": 20, "fps": FPS, "hands": hands, "body": 1.0, "notes": []}
    quality = {"verdict": "keep", "start_ms": 0, "end_ms": 800, "fps": FPS}
    raw, clean = f"poses/raw/{split}/{item}.pose", f"poses/processed/{split}/{item}.pose"
    info = {**about, **read, **seen, "quality": quality}
    manifest.put(Row(phase="extract", item=item, state="done", made_from="1", output=raw, info=info))
    pose = signer(seconds=0.8, signing=(0, 0.8))
    write_pose(folder / raw, pose)
    if state == "done":
        write_pose(folder / clean, pose)
    cleaned = {**about, "frames": 20, "fps": FPS, "duration_ms": 800.0} if state == "done" else about
    output = clean if state == "done" else ""
    manifest.put(Row(phase="clean", item=item, state=state, words=words, made_from="2", output=output, info=cleaned))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that is done: HOUSE with three kept clips and a broken one, BOOK rejected, CAT not come to."""
    listed = write_list(
        tmp_path / "list.json",
        *(
            entry(f"0000{at}", "house", signer_id=at, split=split)
            for at, split in enumerate(["train", "train", "test"])
        ),
        entry("00003", "house"),
        entry("00004", "book"),
        entry("00005", "cat"),
    )
    out = tmp_path / "out"
    out.mkdir()
    write_video(out / "clip.mp4", [np.full((240, 320, 3), 6 * at, np.uint8) for at in range(40)], fps=FPS)
    options = WlaslOptions(json=listed, out=out)
    data = read_wlasl(listed)
    with Manifest(out, writing=True) as manifest:
        texts = {"json": str(listed), "out": str(out), "phases": list(options.phases)}
        manifest.note("options", {**vars(options), **texts})
        manifest.note("list", {"name": "list.json", "content": content_of(listed)})
        put(manifest, out, "HOUSE-00000", "train", 0.7, "done")
        put(manifest, out, "HOUSE-00001", "train", 0.9, "done")
        put(manifest, out, "HOUSE-00002", "test", 0.8, "done")
        put(manifest, out, "BOOK-00004", "train", 0.2, "rejected", "Too little of the hands.")
        manifest.put(Row(phase="extract", item="HOUSE-00003", state="failed", words="No frame could be decoded."))
        write_lexicons(manifest, Store(str(out)), data.instances, engine=in_this_process)
    return out


@pytest.fixture
def result(folder: Path) -> Result:
    return open_result(folder)


def opened_zip(path: Path, into: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(into)
    return into


# --- Finding


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["nothing", "an empty folder"])
def test_a_folder_without_a_result_is_refused_in_words(tmp_path: Path, make: object) -> None:
    make(tmp_path / "none")  # type: ignore[operator]
    with pytest.raises(SignError, match="none holds no data set yet"):
        open_result(tmp_path / "none")
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_data_set_of_another_kind_is_refused(tmp_path: Path) -> None:
    with Manifest(tmp_path, writing=True) as manifest:
        manifest.note("options", {"words": "raw"})
    with pytest.raises(SignError, match="no run over WLASL"):
        open_result(tmp_path)


def test_glosses_say_how_their_instances_fared(result: Result) -> None:
    assert result.glosses() == [
        GlossRow(gloss="BOOK", asked=1, kept=0, rejected=1, failed=0, best=""),
        GlossRow(gloss="CAT", asked=1, kept=0, rejected=0, failed=0, best=""),
        GlossRow(gloss="HOUSE", asked=4, kept=3, rejected=0, failed=1, best="HOUSE-00001"),
    ]


def test_glosses_are_filtered_by_text_split_and_state(result: Result) -> None:
    assert [row.gloss for row in result.glosses(" ou")] == ["HOUSE"]
    assert [row.gloss for row in result.glosses(state="rejected")] == ["BOOK"]
    assert [row.gloss for row in result.glosses(state="waiting")] == ["CAT"]
    (house,) = result.glosses(split="test")
    assert (house.gloss, house.asked, house.best) == ("HOUSE", 1, "HOUSE-00002")
    assert result.glosses("house", split="test", state="failed") == []
    assert result.glosses("%") == []


def test_clips_come_by_split_and_the_best_first(result: Result) -> None:
    rows = result.clips("HOUSE")
    assert [row.item for row in rows] == ["HOUSE-00001", "HOUSE-00000", "HOUSE-00003", "HOUSE-00002"]
    assert rows[0] == ClipRow(
        item="HOUSE-00001",
        split="train",
        signer="1",
        state="kept",
        why="",
        hands=0.9,
        duration_ms=800.0,
        excluded=False,
    )
    assert (rows[2].state, rows[2].why) == ("failed", "No frame could be decoded.")
    assert rows[2].hands is rows[2].duration_ms is None
    assert [row.item for row in result.clips("HOUSE", "test")] == ["HOUSE-00002"]
    assert result.clips("HOUS") == []


def test_a_result_whose_list_is_gone_still_shows_what_has_a_pose(folder: Path) -> None:
    (folder.parent / "list.json").unlink()
    rows = {row.gloss: (row.asked, row.kept) for row in open_result(folder).glosses()}
    assert rows == {"BOOK": (1, 0), "HOUSE": (3, 3)}


def test_a_list_that_was_changed_since_is_not_believed(folder: Path) -> None:
    write_list(folder.parent / "list.json", entry("00099", "zebra"))
    assert [row.gloss for row in open_result(folder).glosses()] == ["BOOK", "HOUSE"]


def test_what_a_run_adds_is_seen_at_once(result: Result) -> None:
    with Manifest(result.folder, writing=True) as manifest:
        put(manifest, result.folder, "CAT-00005", "train", 0.8, "done")
        assert [row.kept for row in result.glosses("cat")] == [1]


# --- Showing


def test_a_thumbnail_is_made_when_it_is_asked_for_and_kept(result: Result) -> None:
    path = result.thumbnail_of("HOUSE-00001")
    assert path.parent == result.folder / "report" / "thumbs"
    made = path.stat().st_mtime_ns
    assert result.thumbnail_of("HOUSE-00001") == path
    assert path.stat().st_mtime_ns == made
    # 200 ms into the video, and 400 ms from there: frame 15 of a video that brightens by 6 a frame.
    shown = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert abs(int(shown[96, 96]) - 90) <= 4


def test_pictures_of_signers_who_shall_be_anonymous_stay_out_of_the_report(folder: Path) -> None:
    with Manifest(folder, writing=True) as manifest:
        manifest.note("options", {**manifest.noted("options"), "anonymize": True})
    assert open_result(folder).thumbnail_of("HOUSE-00001").parent == folder / "thumbs"


@pytest.mark.parametrize("item", ["HOUSE-00003", "CAT-00005", "../../etc/passwd", "NO\nSUCH"])
def test_a_clip_without_a_pose_is_refused_in_words(result: Result, item: str, tmp_path: Path) -> None:
    with pytest.raises(SignError, match="no pose of this clip"):
        result.thumbnail_of(item)
    with pytest.raises(SignError, match="no pose of this clip"):
        result.side_by_side(item, tmp_path / "out.mp4")


def test_a_clip_stands_beside_its_skeleton_for_the_time_it_was_extracted(result: Result, tmp_path: Path) -> None:
    path = result.side_by_side("HOUSE-00001", tmp_path / "beside.mp4")
    video = probe(path)
    assert (video.num_frames, video.fps) == (20, FPS)  # 200 to 1000 ms of the video
    with VideoReader(path) as clip:
        frame = next(iter(clip)).astype(int)
    left, right = np.split(frame[: int(0.8 * len(frame))], 2, axis=1)
    assert abs(left.mean() - 30) < 4 and left.std() < 4  # frame 5 of the video, grey
    assert right.max() - right.min() > 100  # a skeleton on dark ground


def test_a_video_that_is_gone_is_told_and_nothing_is_left_behind(result: Result, tmp_path: Path) -> None:
    (result.folder / "clip.mp4").unlink()
    with pytest.raises(SignError, match=r"clip\.mp4"):
        result.side_by_side("HOUSE-00001", tmp_path / "beside.mp4")
    assert not list(tmp_path.glob("*.mp4"))


# --- Taking out, and handing on


def test_a_clip_can_be_taken_out_and_in_again(result: Result) -> None:
    exclude(result.folder, "HOUSE-00001", True)
    exclude(result.folder, "HOUSE-00001", True)
    (house,) = result.glosses("house")
    assert (house.kept, house.best) == (2, "HOUSE-00002")
    best = result.clips("HOUSE")[0]
    assert (best.state, best.excluded, best.duration_ms) == ("excluded", True, 800.0)
    exclude(result.folder, "HOUSE-00001", False)
    assert result.clips("HOUSE")[0].state == "kept"


def test_what_is_no_clip_of_the_run_is_not_taken_out(result: Result) -> None:
    with pytest.raises(SignError, match="there is no such clip"):
        exclude(result.folder, "ZEBRA-1", True)
    with Manifest(result.folder) as manifest:
        assert not manifest.noted("excluded")


def test_nothing_is_taken_out_while_a_run_works(result: Result) -> None:
    with Manifest(result.folder, writing=True), pytest.raises(SignError, match="being worked on"):
        exclude(result.folder, "HOUSE-00001", True)


def test_a_lexicon_is_handed_on_as_a_zip_that_is_one(result: Result, tmp_path: Path) -> None:
    path = export_lexicon(result.folder, "train", tmp_path / "train.zip")
    lexicon = open_lexicon(opened_zip(path, tmp_path / "unpacked"))
    assert not lexicon.problems
    assert [(entry.gloss, entry.path) for entry in lexicon.entries] == [
        ("HOUSE", "HOUSE-00001.pose"),
        ("HOUSE", "HOUSE-00000.pose"),
    ]
    assert (tmp_path / "unpacked" / "index.csv").read_bytes() == (
        result.folder / "lexicons" / "train" / "index.csv"
    ).read_bytes()
    pose = (result.folder / "poses" / "processed" / "train" / "HOUSE-00000.pose").read_bytes()
    assert (tmp_path / "unpacked" / "HOUSE-00000.pose").read_bytes() == pose
    again = export_lexicon(result.folder, "train", tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()


def test_a_clip_that_was_taken_out_is_not_handed_on(result: Result, tmp_path: Path) -> None:
    exclude(result.folder, "HOUSE-00001", True)
    unpacked = opened_zip(export_lexicon(result.folder, "train", tmp_path / "a.zip"), tmp_path / "unpacked")
    assert sorted(path.name for path in unpacked.iterdir()) == ["HOUSE-00000.pose", "index.csv"]
    with (unpacked / "index.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["HOUSE-00000.pose"]
    exclude(result.folder, "HOUSE-00000", True)
    with pytest.raises(SignError, match="Every clip of train"):
        export_lexicon(result.folder, "train", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(("split", "words"), [("val", "no lexicon of val"), ("../train", "no split")])
def test_a_lexicon_that_is_not_there_is_refused_in_words(
    result: Result, split: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SignError, match=words):
        export_lexicon(result.folder, split, tmp_path / "a.zip")
