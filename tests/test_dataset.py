"""Data sets of written signs: the same every time, whole, and taken up where they were left."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from models.errors import LexiconError
from models.lexicon.dataset import COLUMNS, DatasetOptions, describe_look, person, render_dataset
from models.lexicon.looks import LOOKS
from models.lexicon.performance import perform
from models.lexicon.phonology import SignEntry
from models.lexicon.phonology_files import load_phonology
from models.lexicon.workers import in_processes
from models.pose.files import read_pose
from models.pose.landmarks import BODY, component
from models.video import probe

POSES = DatasetOptions(signers=2, kind="poses", size=128)


@pytest.fixture(scope="module")
def entries() -> list[SignEntry]:
    phonology = load_phonology()
    return [phonology["HELLO"], phonology["NAME"]]


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_signer_is_the_same_in_every_sign_and_data_set_of_a_seed() -> None:
    assert person(3) == person(3)
    assert person(3).name == "signer03"
    seeds = {person(number, seed).seed for number in range(20) for seed in range(3)}
    assert len(seeds) == 60


def test_every_gloss_by_every_signer_with_a_line_each(entries: list[SignEntry], tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    takes = list(
        render_dataset(entries, tmp_path, POSES, workers=1, progress=lambda done, total: ticks.append((done, total)))
    )
    assert [take.made for take in takes] == [1, 1, 1, 1]
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]
    rows = manifest(tmp_path)
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == [
        f"{gloss}/signer0{number}.pose" for gloss in ("HELLO", "NAME") for number in (0, 1)
    ]
    signer = person(1)
    asked = perform([entries[0]], signer.style, width=128, height=128)
    there = read_pose(tmp_path / rows[1]["path"])
    assert np.array_equal(np.ma.getdata(there.body.data), np.ma.getdata(asked.pose.body.data))
    assert float(rows[1]["start_ms"]) == pytest.approx(asked.segments[0].start_ms, abs=0.5)
    assert rows[1]["seed"] == str(signer.seed)
    assert rows[1]["look"] == describe_look(signer.look)


def test_the_same_command_gives_the_same_files_on_any_number_of_processes(
    entries: list[SignEntry], tmp_path: Path
) -> None:
    list(render_dataset(entries, tmp_path / "one", POSES, workers=1))
    list(render_dataset(entries, tmp_path / "two", POSES, workers=2))
    one, two = (
        {path.relative_to(tmp_path / made): path.read_bytes() for path in (tmp_path / made).rglob("*.*")}
        for made in ("one", "two")
    )
    assert one and one == two


def test_an_interrupted_run_goes_on_and_a_broken_file_is_made_again(entries: list[SignEntry], tmp_path: Path) -> None:
    run = render_dataset(entries, tmp_path, POSES, workers=1)
    next(run)
    next(run)
    run.close()
    assert not (tmp_path / "manifest.csv").exists()
    assert [take.made for take in render_dataset(entries, tmp_path, POSES, workers=1)] == [0, 0, 1, 1]
    broken = tmp_path / "NAME" / "signer00.pose"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    takes = list(render_dataset(entries, tmp_path, POSES, workers=1))
    assert [(take.made, take.kept) for take in takes] == [(0, 1), (0, 1), (1, 0), (0, 1)]
    assert broken.read_bytes() == whole
    assert not list(tmp_path.rglob(".part-*"))


def test_clips_show_the_pose_frame_by_frame(entries: list[SignEntry], tmp_path: Path) -> None:
    options = DatasetOptions(signers=1, kind="both", size=128)
    (take,) = render_dataset(entries[:1], tmp_path, options, workers=1)
    assert take.made == 2
    clip, pose = probe(tmp_path / "HELLO" / "signer00.mp4"), read_pose(tmp_path / "HELLO" / "signer00.pose")
    assert (clip.num_frames, clip.width, clip.height, clip.fps) == (len(pose.body.data), 128, 128, 25)
    (again,) = render_dataset(entries[:1], tmp_path, options, workers=1)
    assert (again.made, again.kept) == (0, 2)


def test_poses_are_those_that_mediapipe_reads_in_the_clips(entries: list[SignEntry], tmp_path: Path) -> None:
    options = DatasetOptions(signers=1, kind="read", size=256)
    (take,) = render_dataset(entries[:1], tmp_path, options, workers=1)
    assert [row["path"] for row in take.rows] == ["HELLO/signer00.read.pose"]
    read = read_pose(tmp_path / "HELLO" / "signer00.read.pose")
    signer = person(0)
    asked = perform(entries[:1], signer.style, fps=25, width=256, height=256).pose
    assert len(read.body.data) == len(asked.body.data)
    (found, sure), (true, _) = component(read, BODY), component(asked, BODY)
    assert (sure > 0).all()
    off = np.linalg.norm((found - true)[:, 11:13, :2], axis=-1)
    assert 0 < off.mean() < 20  # near, and not the pose that was drawn
    (again,) = render_dataset(entries[:1], tmp_path, options, workers=1)
    assert (again.made, again.kept) == (0, 1)


def test_a_data_set_grows_and_the_manifest_follows_the_files(entries: list[SignEntry], tmp_path: Path) -> None:
    list(render_dataset(entries[:1], tmp_path, POSES, workers=1))
    list(render_dataset(entries[1:], tmp_path, DatasetOptions(signers=3, kind="poses", size=128), workers=1))
    assert len(manifest(tmp_path)) == 2 + 3
    (tmp_path / "HELLO" / "signer01.pose").unlink()
    list(render_dataset(entries[1:], tmp_path, POSES, workers=1))
    assert [row["path"] for row in manifest(tmp_path)][:2] == ["HELLO/signer00.pose", "NAME/signer00.pose"]


def test_two_data_sets_never_mix_in_one_folder(entries: list[SignEntry], tmp_path: Path) -> None:
    list(render_dataset(entries[:1], tmp_path / "set", POSES, workers=1))
    before = (tmp_path / "set" / "settings.json").read_bytes()
    with pytest.raises(LexiconError, match="holds a data set made with"):
        list(render_dataset(entries, tmp_path / "set", DatasetOptions(seed=1, kind="poses", size=128)))
    assert (tmp_path / "set" / "settings.json").read_bytes() == before
    with pytest.raises(LexiconError, match="holds other files"):
        list(render_dataset(entries, tmp_path, POSES))
    (tmp_path / "file").write_text("x")
    with pytest.raises(LexiconError, match="is a file"):
        list(render_dataset(entries, tmp_path / "file", POSES))
    assert json.loads(before) == {"seed": 0, "fps": 25, "size": 128}


@pytest.mark.parametrize("wrong", [{"signers": 0}, {"kind": "films"}, {"seed": -1}, {"size": 8}, {"fps": 0}])
def test_impossible_options_are_refused_with_the_value(wrong: dict[str, object]) -> None:
    with pytest.raises(LexiconError, match=str(next(iter(wrong.values())))):
        DatasetOptions(**wrong)  # type: ignore[arg-type]


def test_a_look_is_described_in_words() -> None:
    assert describe_look(LOOKS["kofi"]).startswith("skin=#52362a hair=#161313 shirt=#ced4dc hair_style=buzz")


def die_once(marker: Path, number: int) -> int:
    if number == 3 and not marker.exists():
        marker.touch()
        os._exit(3)
    return number


def test_work_of_a_lost_process_is_done_by_another(tmp_path: Path) -> None:
    tasks = [(tmp_path / "marker", number) for number in range(6)]
    assert sorted(in_processes(die_once, tasks, 2)) == list(range(6))
    assert (tmp_path / "marker").exists()


def test_what_a_task_raises_is_raised_and_a_lost_process_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_processes(divmod, [(1, 0), (1, 1)], 2))
    with pytest.raises(LexiconError, match="ended by the system"):
        list(in_processes(os._exit, [(3,), (3,)], 2))
    assert sorted(in_processes(divmod, [(7, 2), (9, 2), (5, 2)], 2)) == [(2, 1), (3, 1), (4, 1)]
