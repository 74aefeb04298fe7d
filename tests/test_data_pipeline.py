"""The WLASL pipeline as a whole, with poses that need no MediaPipe: phases, what is done again and what not, plans."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from synthetic_signer import RIGHT, signer, without
from wlasl_toy import entry, files_of, write_clip, write_list

from models.data import pipeline, report
from models.data.cuts import Cut
from models.data.download import source_name
from models.data.manifest import Manifest
from models.data.pipeline import PHASES, WlaslOptions, failures, plan, run
from models.data.poses import leading_hands
from models.data.store import Store
from models.data.work import Made, PhaseProgress, in_this_process
from models.errors import SignError
from models.lexicon.index import open_lexicon
from models.pose.files import write_pose
from models.pose.quality import assess
from models.progress import Cancelled
from models.video import probe

WITHOUT_DOWNLOAD = PHASES[1:]
WRITE_REPORT = report.write_report


def drawn(store: Store, calls: list[str], cut: Cut) -> Made:
    """Stands for the extraction: the signer of numbers, who loses the hand in videos whose id ends in 9."""
    calls.append(cut.item)
    if cut.video_id.endswith("8"):
        store.remove(cut.output)
        raise SignError(f"{cut.video_id} cannot be read")
    pose = signer()
    pose = without(pose, RIGHT, slice(20, 34)) if cut.video_id.endswith("9") else pose
    report = assess(pose)
    with store.writing(cut.output) as path:
        write_pose(path, pose)
    about = {"gloss": cut.gloss, "split": cut.split, "signer": cut.signer, "video_id": cut.video_id}
    measured = {"frames": 60, "fps": 25.0, "hands": leading_hands(report), "body": report.body_in_span}
    size = {"width": 640, "height": 480, "start_ms": cut.start_ms, "end_ms": cut.end_ms, "crop": None}
    at = {"source": cut.source.name, "from_store": cut.source.in_store, "notes": []}
    return Made(output=cut.output, info={**about, **measured, **size, **at, "quality": report.to_json()})


class World:
    """A list, the videos, and what the stand-in extraction was called with since `calls` was last emptied."""

    def __init__(self, folder: Path, clip: Path, calls: list[str]) -> None:
        self.folder, self.calls = folder, calls
        self.out, self.videos = folder / "out", folder / "videos"
        self.videos.mkdir()
        self.json = folder / "list.json"
        self._clip = clip

    def write(self, *entries: dict[str, Any], videos: bool = True) -> None:
        write_list(self.json, *entries)
        for one in entries if videos else ():
            self.video(one["video_id"])

    def video(self, video_id: str) -> None:
        (self.videos / f"{video_id}.mp4").write_bytes(self._clip.read_bytes())

    def options(self, **values: Any) -> WlaslOptions:
        plain = {"json": self.json, "out": self.out, "videos": self.videos, "phases": WITHOUT_DOWNLOAD}
        return WlaslOptions(**{**plain, **values})

    def run(self, **values: Any) -> Path:
        self.calls.clear()
        return run(self.options(**values))

    def items(self, phase: str, state: str = "done") -> list[str]:
        with Manifest(self.out) as manifest:
            return [row.item for row in manifest.rows(phase, state)]


@pytest.fixture(scope="session")
def clip(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", sample, frames=3, side=64)


@pytest.fixture
def world(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, clip, [])

    def extractor(store: Store) -> Callable[[], Callable[[Cut], Made]]:
        return lambda: partial(drawn, store, made.calls)

    def no_report(manifest: Manifest, *_: Any, **__: Any) -> Path:
        return manifest.folder / "report" / "index.html"

    monkeypatch.setattr(report, "write_report", no_report)  # drawing its figures takes longer than all the rest
    monkeypatch.setattr(pipeline, "extractor", extractor)
    monkeypatch.setattr(pipeline._Run, "engine", property(lambda _: in_this_process))
    return made


FOUR = (
    entry("00001", "house", signer_id=1),
    entry("00002", "house", signer_id=2, split="val"),
    entry("00003", "tree", signer_id=2),
    entry("00009", "tree", signer_id=3, split="test"),
)


def test_all_phases_lead_to_lexicons_and_a_report(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "write_report", WRITE_REPORT)
    world.write(*FOUR)
    page = world.run()
    assert page.is_file() and page.is_relative_to(world.out)
    assert world.items("extract") == ["HOUSE-00001", "HOUSE-00002", "TREE-00003", "TREE-00009"]
    assert world.items("clean", "rejected") == ["TREE-00009"]
    assert open_lexicon(world.out / "lexicons" / "train").glosses == ("HOUSE", "TREE")
    assert open_lexicon(world.out / "lexicons" / "val").glosses == ("HOUSE",)
    assert not (world.out / "lexicons" / "test").exists(), "its only instance was rejected"
    with Manifest(world.out) as manifest:
        row = manifest.get("clean", "TREE-00009")
        assert "leading hand" in row.words and "40%" in row.words
        assert manifest.noted("lexicons")["test"] == {"signs": 0, "glosses": 0}
        assert manifest.noted("options")["json"] == str(world.json)


def test_a_second_run_does_nothing_again_and_gives_the_same_files(world: World) -> None:
    world.write(*FOUR)
    world.run()
    before = files_of(world.out)
    world.run()
    assert world.calls == []
    assert files_of(world.out) == before


def test_phases_run_alone_one_after_the_other_give_what_all_together_give(world: World) -> None:
    world.write(*FOUR)
    for phase in WITHOUT_DOWNLOAD:
        world.run(phases=(phase,))
    apart = files_of(world.out)
    world.out = world.folder / "together"
    world.run()
    assert files_of(world.out) == apart


def test_other_limits_clean_again_and_extract_nothing(world: World) -> None:
    world.write(*FOUR)
    world.run()
    world.run(min_hands=0.1)
    assert world.calls == []
    assert world.items("clean", "rejected") == []
    assert open_lexicon(world.out / "lexicons" / "test").glosses == ("TREE",)
    world.run()
    assert not (world.out / "poses" / "processed" / "test" / "TREE-00009.pose").exists()
    assert not (world.out / "lexicons" / "test").exists()


def test_another_video_extracts_that_one_again_and_what_follows_from_it(world: World) -> None:
    world.write(*FOUR)
    world.run()
    with (world.videos / "00003.mp4").open("ab") as file:
        file.write(b"more")
    world.run()
    assert world.calls == ["TREE-00003"]


def test_another_way_to_cut_extracts_all_again(world: World) -> None:
    world.write(*FOUR)
    world.run()
    world.run(padding=0.2)
    assert len(world.calls) == 4


def test_another_list_in_the_same_folder_is_refused(world: World) -> None:
    world.write(*FOUR)
    world.run()
    world.json.rename(world.folder / "moved.json")
    world.json = world.folder / "moved.json"
    world.run()
    assert world.calls == [], "the same list under another name"
    write_list(world.json, *FOUR[:3])
    with pytest.raises(SignError, match=r"was begun with list\.json"):
        world.run()
    with pytest.raises(SignError, match=r"was begun with list\.json"):
        plan(world.options())


def test_a_folder_with_a_data_set_of_another_kind_is_refused(world: World) -> None:
    world.write(*FOUR)
    with Manifest(world.out, writing=True) as manifest:
        manifest.note("options", {"frames": 60})
    with pytest.raises(SignError, match="another kind"):
        world.run()


def test_fewer_instances_make_smaller_lexicons_and_more_do_only_the_new_ones(world: World) -> None:
    world.write(*FOUR)
    world.run(limit=1)
    assert sorted(world.calls) == ["HOUSE-00001", "HOUSE-00002", "TREE-00009"]
    world.run()
    assert world.calls == ["TREE-00003"]
    world.run(limit=1)
    assert open_lexicon(world.out / "lexicons" / "train").glosses == ("HOUSE",)
    assert (world.out / "poses" / "processed" / "train" / "TREE-00003.pose").is_file(), "work that was done is kept"


def test_a_new_split_moves_what_is_there_and_makes_nothing_again(world: World) -> None:
    # Signer 2 stands in train and val, so one of the two clips has to move.
    world.write(*FOUR)
    world.run()
    world.run(resplit=True)
    assert world.calls == []
    resplit_files = files_of(world.out)
    with Manifest(world.out) as manifest:
        rows = {row.item: row for row in manifest.rows("extract")}
    splits = {item: row.info["split"] for item, row in rows.items()}
    assert splits["HOUSE-00002"] == splits["TREE-00003"]
    for row in rows.values():
        assert row.output == f"poses/raw/{row.info['split']}/{row.item}.pose"
        assert (world.out / row.output).is_file()
    assert len(list((world.out / "poses" / "raw").rglob("*.pose"))) == 4
    world.out = world.folder / "at-once"
    world.run(resplit=True)
    assert files_of(world.out) == resplit_files


def test_a_move_that_was_interrupted_goes_on(world: World) -> None:
    world.write(*FOUR)
    world.run()
    with Manifest(world.out) as manifest:
        before = list(manifest.rows("extract"))
    world.run(resplit=True)
    moved = files_of(world.out)
    with Manifest(world.out, writing=True) as manifest:
        assert before != list(manifest.rows("extract"))
        for row in before:  # as if it had ended after the file was moved, before the row was written
            manifest.put(row)
    world.run(resplit=True)
    assert world.calls == []
    assert files_of(world.out) == moved


def test_what_the_user_excluded_is_in_no_lexicon(world: World) -> None:
    world.write(*FOUR)
    world.run()
    with Manifest(world.out, writing=True) as manifest:
        manifest.note("excluded", ["TREE-00003"])
    world.run(phases=("lexicon",))
    assert open_lexicon(world.out / "lexicons" / "train").glosses == ("HOUSE",)


def test_what_failed_is_tried_again_and_takes_its_clean_pose_with_it(world: World) -> None:
    world.write(entry("00001"), entry("00008", "tree"))
    world.run()
    assert world.items("extract", "failed") == ["TREE-00008"]
    assert [row.words for row in failures(world.options())] == ["00008 cannot be read"]
    assert failures(world.options(limit=1)) == [], "it was not asked for"
    world.run()
    assert world.calls == ["TREE-00008"]
    # A clean pose of a time when it could be read: nothing of it may stay.
    with Manifest(world.out, writing=True) as manifest:
        row = manifest.get("clean", "HOUSE-00001")
        manifest.put(
            type(row)(**{**vars(row), "item": "TREE-00008", "output": "poses/processed/train/TREE-00008.pose"})
        )
    Store(str(world.out)).link(row.output, "poses/processed/train/TREE-00008.pose")
    world.run()
    assert world.items("clean") == ["HOUSE-00001"]
    assert not (world.out / "poses" / "processed" / "train" / "TREE-00008.pose").exists()


def test_who_stops_keeps_what_is_done_and_goes_on_later(world: World) -> None:
    world.write(*FOUR)
    told: list[PhaseProgress] = []
    with pytest.raises(Cancelled):
        run(world.options(), told.append, lambda: len(world.calls) == 2)
    assert len(world.items("extract")) == 2
    world.run()
    assert len(world.calls) == 2
    assert told[0].total == 4


def test_instances_without_a_video_have_no_task_and_a_video_that_was_fetched_serves_many(world: World) -> None:
    url = "http://example.org/long.mp4"
    entries = [entry("00001", url=url, frame_end=20), entry("00002", url=url, frame_start=21), entry("00003")]
    world.write(*entries, videos=False)
    world.video("00007")
    with Store(str(world.out)).writing(source_name(url)) as path:
        path.write_bytes((world.videos / "00007.mp4").read_bytes())
    world.run()
    assert world.calls == ["HOUSE-00001", "HOUSE-00002"]
    with Manifest(world.out) as manifest:
        infos = [row.info for row in manifest.rows("extract")]
    assert [(info["start_ms"], info["end_ms"]) for info in infos] == [(0, 800), (800, None)]
    assert all(info["from_store"] and info["source"] == source_name(url) for info in infos)
    world.video("00001")
    world.run()
    assert world.calls == ["HOUSE-00001"], "the user's own copy comes first"


def test_cut_copies_are_written_only_when_asked_for(world: World) -> None:
    world.write(*FOUR)
    world.run()
    assert not (world.out / "videos").exists()
    world.run(keep_clips=True)
    assert world.calls == []
    kept = sorted(path.relative_to(world.out).as_posix() for path in (world.out / "videos").rglob("*.mp4"))
    assert kept[:2] == ["videos/test/TREE/00009.mp4", "videos/train/HOUSE/00001.mp4"] and len(kept) == 4
    assert probe(world.out / kept[0]).num_frames == 3


def test_a_plan_counts_what_a_run_then_does_and_touches_nothing(world: World) -> None:
    world.write(*FOUR, entry("00004", "tree"), videos=False)
    for one in FOUR:
        world.video(one["video_id"])
    first = plan(world.options())
    assert not world.out.exists()
    assert (first.instances, first.glosses) == ({"train": 3, "val": 1, "test": 1}, 2)
    assert (first.copies, first.urls, first.without_video) == (4, 1, 1)
    todo = {one.phase: (one.total, one.done, one.to_do) for one in first.phases}
    assert todo == {"extract": (4, 0, 4), "clean": (4, 0, 4), "lexicon": (4, 0, 4)}
    assert all(one.seconds is None for one in first.phases)
    assert first.bytes_needed > 4 * 60 * 9000 and first.free_bytes > 0
    json.dumps(vars(first)["notes"])
    world.run()
    manifest = (world.out / "manifest.sqlite").read_bytes()
    after = plan(world.options(min_hands=0.1, padding=0.2))
    todo = {one.phase: (one.total, one.done, one.to_do) for one in after.phases}
    assert todo == {"extract": (4, 0, 4), "clean": (4, 0, 4), "lexicon": (4, 0, 4)}
    extract = after.phases[0]
    assert extract.seconds is not None
    sizes = [path.stat().st_size for path in (world.out / "poses" / "raw").rglob("*.pose")]
    assert extract.bytes_needed == sum(sizes)
    nothing = {one.phase: (one.total, one.to_do) for one in plan(world.options()).phases}
    assert nothing == {"extract": (4, 0), "clean": (4, 0), "lexicon": (3, 0)}, "one was rejected"
    assert (world.out / "manifest.sqlite").read_bytes() == manifest


def test_a_plan_with_downloads_counts_the_instances_that_they_will_serve(world: World) -> None:
    url = "http://example.org/long.mp4"
    world.write(entry("00001", url=url), entry("00002", url=url), entry("00003"), videos=False)
    found = plan(world.options(phases=PHASES, videos=None))
    assert (found.urls, found.without_video) == (2, 0)
    assert [(one.phase, one.total) for one in found.phases[:2]] == [("download", 2), ("extract", 3)]
    assert found.phases[0].bytes_needed is None
    assert any("download" in note for note in found.notes)


def test_only_one_run_works_in_a_folder(world: World) -> None:
    world.write(*FOUR)
    with Manifest(world.out, writing=True), pytest.raises(SignError, match="already"):
        world.run()


def test_half_written_files_of_a_killed_run_are_swept_away(world: World) -> None:
    world.write(*FOUR)
    for folder in ("poses/raw/train", "lexicons/train", "videos/sources", "report"):
        (world.out / folder).mkdir(parents=True)
        (world.out / folder / ".part-0123.pose").write_bytes(b"half")
    world.run()
    assert not list(world.out.rglob(".part-*"))


def test_outputs_go_to_any_place_that_fsspec_knows(world: World) -> None:
    world.write(*FOUR)
    far = f"memory://wlasl-{os.getpid()}"
    world.run(store=far)
    names = Store(far).names("")
    assert "lexicons/train/index.csv" in names and "poses/raw/train/HOUSE-00001.pose" in names
    assert not (world.out / "poses").exists()
    world.run(store=far)
    assert world.calls == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": ("extract", "cook")},
        {"phases": ()},
        {"engine": "spark"},
        {"address": "auto"},
        {"limit": 0},
        {"workers": 0},
        {"padding": -0.1},
        {"padding": 8},
        {"min_hands": 40},
        {"width": 4},
    ],
)
def test_options_that_cannot_be_are_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(SignError):
        world.options(**wrong)


def test_a_folder_of_videos_that_is_none_is_refused(world: World) -> None:
    world.write(*FOUR)
    with pytest.raises(SignError, match="nowhere"):
        world.run(videos=world.folder / "nowhere")
