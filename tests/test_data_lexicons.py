"""Cleaned poses to lexicons, one for each split: ours and the `spoken-to-signed` package read them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pose_format import Pose
from spoken_to_signed.gloss_to_pose import CoverageType, CSVPoseLookup
from spoken_to_signed.text_to_gloss.types import GlossItem
from synthetic_signer import signer

from models.data.lexicons import write_lexicons
from models.data.manifest import Manifest, Row
from models.data.poses import processed_name
from models.data.store import Store
from models.data.wlasl import Instance
from models.data.work import in_this_process
from models.lexicon.index import COLUMNS, open_lexicon
from models.pose.clean import clean
from models.pose.files import read_pose, write_pose
from models.pose.quality import assess
from models.progress import Cancelled


@dataclass
class Made:
    """A data set whose poses are clean already."""

    manifest: Manifest
    store: Store
    instances: list[Instance]

    @property
    def root(self) -> Path:
        assert self.store.folder is not None
        return self.store.folder / "lexicons"

    def write(self, **how: Any) -> dict[str, dict[str, int]]:
        return write_lexicons(self.manifest, self.store, self.instances, **{"engine": in_this_process, **how})

    def add(
        self,
        video_id: str,
        gloss: str = "HOUSE",
        *,
        split: str = "train",
        word: str | None = None,
        pose: Pose | None = None,
        state: str = "done",
        verdict: str = "keep",
        hands: float = 1.0,
        body: float = 1.0,
    ) -> Instance:
        """An instance with its rows and, unless it was rejected, its pose."""
        one = Instance(
            video_id=video_id,
            gloss=gloss,
            word=gloss.lower() if word is None else word,
            url="http://example.org/1.mp4",
            source="toy",
            split=split,
            signer="",
            box=None,
            start_frame=0,
            end_frame=None,
            fps=25.0,
            variation=0,
        )
        pose = clean(signer()) if pose is None else pose
        quality = {**assess(signer()).to_json(), "verdict": verdict}
        info = {"hands": hands, "body": body, "quality": quality}
        about = {"frames": len(pose.body.data), "fps": float(pose.body.fps)}
        output = processed_name(one) if state == "done" else ""
        self.manifest.put(Row(phase="extract", item=one.item, state="done", output="raw", info=info))
        self.manifest.put(Row(phase="clean", item=one.item, state=state, made_from="a", output=output, info=about))
        if output:
            with self.store.writing(output) as path:
                write_pose(path, pose)
        self.instances.append(one)
        return one


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    with Manifest(tmp_path, writing=True) as manifest:
        yield Made(manifest=manifest, store=Store(str(tmp_path)), instances=[])


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(left: Pose, right: Pose) -> bool:
    return all(
        np.array_equal(np.ma.getdata(a), np.ma.getdata(b))
        for a, b in ((left.body.data, right.body.data), (left.body.confidence, right.body.confidence))
    )


@pytest.mark.parametrize("fps", [12.5, 23.976, 25, 29.97, 50])
def test_ours_and_the_package_load_every_pose_whole(made: Made, fps: float) -> None:
    for number, seconds in enumerate((1.03, 2.4)):
        made.add(f"0000{number}", f"SIGN-{number}", pose=signer(seconds=seconds, fps=fps))
    made.write()
    lexicon, lookup = open_lexicon(made.root / "train"), CSVPoseLookup(str(made.root / "train"))
    assert lexicon.problems == ()
    for one in made.instances:
        whole = read_pose(made.store.folder / processed_name(one))
        found = lookup.lookup_sequence([GlossItem(word=one.word, gloss=one.gloss)], "en", "ase")[0]
        assert found.coverage == CoverageType.LEXICON
        (entry,) = lexicon.find(one.gloss)
        assert same(found.pose, whole)
        assert same(lexicon.load(entry), whole)


def test_the_index_has_the_columns_of_the_package_and_one_line_for_each_pose(made: Made) -> None:
    made.add("00001", "ICE-CREAM", word="ice cream")
    made.add("00002", "SAY-A-B", word='say "a, b"')
    assert made.write()["train"] == {"signs": 2, "glosses": 2}
    assert (made.root / "train" / "index.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    first, second = lines(made.root / "train" / "index.csv")
    length = 40 * len(clean(signer()).body.data)
    assert first == {
        "path": f"{made.instances[0].item}.pose",
        "spoken_language": "en",
        "signed_language": "ase",
        "start": "0",
        "end": str(length),
        "words": "ice cream",
        "glosses": "ICE-CREAM",
        "priority": "0",
    }
    assert second["words"] == 'say "a, b"'
    assert open_lexicon(made.root / "train").problems == ()


def test_the_best_clip_of_a_gloss_comes_first_and_equal_ones_in_the_order_of_their_names(made: Made) -> None:
    made.add("00001", verdict="reject", hands=1.0)
    made.add("00002", verdict="review", hands=0.95)
    made.add("00003", hands=0.801, body=0.9)
    made.add("00004", hands=0.90)
    made.add("00005", hands=0.804, body=0.9)
    made.add("00006", "TREE", hands=0.5)
    made.write()
    order = [(line["glosses"], line["path"][-10:-5], line["priority"]) for line in lines(made.root / "index_train.csv")]
    house = ["00004", "00003", "00005", "00002", "00001"]
    assert order == [*(("HOUSE", name, str(place)) for place, name in enumerate(house)), ("TREE", "00006", "0")]
    best = CSVPoseLookup(str(made.root / "train")).lookup("house", "HOUSE", "en", "ase").pose
    assert same(best, read_pose(made.store.folder / processed_name(made.instances[3])))


def test_each_split_is_a_lexicon_of_its_own_and_all_are_listed_beside_each_other(made: Made) -> None:
    made.add("00001", split="train")
    made.add("00002", split="val")
    counts = made.write()
    assert counts == {
        "train": {"signs": 1, "glosses": 1},
        "val": {"signs": 1, "glosses": 1},
        "test": {"signs": 0, "glosses": 0},
    }
    assert {path.name for path in made.root.iterdir()} == {"train", "val", "index_train.csv", "index_val.csv"}
    for split in ("train", "val"):
        (line,) = lines(made.root / f"index_{split}.csv")
        assert line["path"].startswith(f"{split}/")
        assert (made.root / line["path"]).is_file()
        assert len(open_lexicon(made.root / split).entries) == 1


def test_poses_are_linked_and_take_no_room(made: Made) -> None:
    one = made.add("00001")
    made.write()
    linked = made.root / "train" / f"{one.item}.pose"
    assert linked.samefile(made.store.folder / processed_name(one))


def test_a_second_run_takes_away_what_is_rejected_or_excluded_now(made: Made) -> None:
    kept, rejected, excluded = (made.add(f"0000{number}") for number in range(3))
    only = made.add("00009", split="val")
    made.write()
    made.manifest.put(Row(phase="clean", item=rejected.item, state="rejected"))
    foreign = made.root / "train" / "README.txt"
    foreign.write_text("mine")
    assert made.write(excluded={excluded.item, only.item})["train"]["signs"] == 1
    assert {path.name for path in (made.root / "train").iterdir()} == {
        "index.csv",
        "README.txt",
        f"{kept.item}.pose",
    }
    assert not (made.root / "val").exists() and not (made.root / "index_val.csv").exists()
    assert [row.item for row in made.manifest.rows("lexicon")] == [kept.item]


def test_a_pose_that_was_made_anew_is_linked_anew(made: Made) -> None:
    one = made.add("00001")
    made.write()
    other = signer(seconds=1.5)
    with made.store.writing(processed_name(one)) as path:
        write_pose(path, other)
    row = made.manifest.get("clean", one.item)
    made.manifest.put(Row(phase="clean", item=one.item, state="done", made_from="b", output=row.output, info=row.info))
    made.write()
    assert same(read_pose(made.root / "train" / f"{one.item}.pose"), other)


def test_a_pose_that_is_gone_has_failed_and_no_index_names_it(made: Made) -> None:
    kept, gone = made.add("00001"), made.add("00002")
    made.store.remove(processed_name(gone))
    assert made.write()["train"]["signs"] == 1
    assert [line["path"] for line in lines(made.root / "train" / "index.csv")] == [f"{kept.item}.pose"]
    assert made.manifest.get("lexicon", gone.item).state == "failed"


def test_what_was_not_asked_for_is_left_out(made: Made) -> None:
    made.add("00001")
    asked = made.add("00002")
    made.instances = [asked]
    assert made.write()["train"]["signs"] == 1


def test_who_stops_keeps_the_lexicons_of_before(made: Made) -> None:
    made.add("00001")
    made.write()
    before = (made.root / "train" / "index.csv").read_bytes()
    made.add("00002")
    with pytest.raises(Cancelled):
        made.write(should_stop=lambda: True)
    assert (made.root / "train" / "index.csv").read_bytes() == before
    assert open_lexicon(made.root / "train").problems == ()


def test_the_same_rows_give_the_same_bytes(made: Made) -> None:
    for number in range(4):
        made.add(f"0000{number}", hands=number / 4)
    made.write()
    before = (made.root / "index_train.csv").read_bytes()
    made.instances.reverse()
    made.write()
    assert (made.root / "index_train.csv").read_bytes() == before


def test_lexicons_go_to_any_place_that_fsspec_knows(made: Made) -> None:
    one = made.add("00001")
    far = Store("memory://wlasl-lexicons")
    with far.writing(processed_name(one)) as path:
        write_pose(path, signer())
    write_lexicons(made.manifest, far, made.instances, engine=in_this_process)
    assert far.names("lexicons") == [
        "lexicons/index_train.csv",
        f"lexicons/train/{one.item}.pose",
        "lexicons/train/index.csv",
    ]
