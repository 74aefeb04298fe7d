"""Folders of words to samples: what is in a sample, who signs, which split, and going on after an interruption."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from word_toy import BLUE, RED, after, known, signing, tree, write_words

from models.data.manifest import Manifest
from models.data.stills import fitted
from models.data.store import Store
from models.data.word_samples import LANDMARKS, META, SampleOptions, WordClip, middles, read_sample
from models.data.word_signers import find_signers
from models.data.words import INDEX, PHASE, WordOptions, find_clips, plan, run, summary
from models.errors import SignError
from models.pose.files import read_pose
from models.pose.landmarks import FACE, LEFT_HAND, RIGHT_HAND, component, has_component
from models.progress import Cancelled
from models.video import VideoReader, probe

CLIPS = ("HELLO/person01.mp4", "HELLO/person02.mp4", "THANK YOU/person01.mp4", "THANK YOU/person03.mp4")
SMALL = {"frames": 12, "size": 64, "hand_size": 32}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of two words, and one that is none."""
    folder = tmp_path_factory.mktemp("raw")
    write_words(folder, CLIPS)
    (folder / "HELLO" / "person04.mp4").write_bytes(b"no video")
    return folder


def picture(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)


def lines(out: Path) -> list[dict[str, str]]:
    with (out / INDEX).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def clip(source: str) -> WordClip:
    word, name = source.split("/")
    return WordClip(word=word, name=Path(name).stem, path=Path(source), source=source)


def test_frames_are_even_in_time_and_a_short_clip_repeats_them() -> None:
    assert middles(4, 2) == [1, 3]
    assert middles(60, 60) == list(range(60))
    assert middles(3, 6) == [0, 0, 1, 1, 2, 2]
    assert middles(1, 3) == [0, 0, 0]
    many = np.diff(middles(1000, 60))
    assert set(many) == {16, 17}


def test_the_picture_keeps_its_proportions() -> None:
    assert fitted(1920, 1080, 256) == (0, 56, 256, 200)
    assert fitted(480, 640, 64) == (8, 0, 56, 64)
    assert fitted(50, 50, 64) == (0, 0, 64, 64)


def test_a_sample_has_the_frames_and_the_hands_of_its_clip(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch)
    run(WordOptions(raw=raw, out=tmp_path, **SMALL))
    folder = tmp_path / "THANK YOU" / "person01"
    for part, side in (("full", 64), ("left_hand", 32), ("right_hand", 32)):
        names = sorted(path.name for path in (folder / part).iterdir())
        assert names == [f"frame_{number:04d}.jpg" for number in range(1, 13)]
        assert {picture(folder / part / name).shape for name in names} == {(side, side, 3)}
    sample = read_sample(folder / META)
    source = list(VideoReader(raw / sample.source))
    assert (sample.word, sample.source, sample.source_frames) == ("THANK YOU", "THANK YOU/person01.mp4", len(source))
    assert sample.fps == pytest.approx(12 / (len(source) / 25), abs=1e-5)
    left, top, right, bottom = sample.picture
    for place, number in enumerate(sample.numbers):
        full = picture(folder / "full" / f"frame_{place + 1:04d}.jpg")
        assert full[: top - 1].max() < 24, "black above the picture"
        wanted = cv2.resize(source[number], (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(full[top:bottom, left:right] - wanted).mean() < 4
    seen = [place for place in range(12) if sample.seen["left_hand"][place] and sample.seen["right_hand"][place]]
    assert 0 < len(seen) < 12
    assert sample.signing[0] <= seen[0]
    assert seen[-1] < sample.signing[1]
    for place in seen:
        for part, colour in (("left_hand", BLUE), ("right_hand", RED)):
            middle = picture(folder / part / f"frame_{place + 1:04d}.jpg")[12:20, 12:20]
            assert np.abs(middle.mean(axis=(0, 1)) - colour).max() < 60


def test_the_landmarks_of_a_sample_lie_in_its_picture(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch)
    run(WordOptions(raw=raw, out=tmp_path, **SMALL))
    folder = tmp_path / "THANK YOU" / "person01"
    sample, pose = read_sample(folder / META), read_pose(folder / LANDMARKS)
    assert (len(pose.body.data), pose.header.dimensions.width, pose.header.dimensions.height) == (12, 64, 64)
    assert float(pose.body.fps) == pytest.approx(sample.fps)
    assert not has_component(pose, FACE)
    source = signing(seconds=sample.source_frames / 25)
    for hand, colour, part in ((LEFT_HAND, BLUE, "left_hand"), (RIGHT_HAND, RED, "right_hand")):
        points, sure = component(pose, hand)
        assert (sure > 0).any(axis=1).tolist() == sample.seen[part]
        place = sample.seen[part].index(True)
        x, y = points[place, :, :2].mean(axis=0).round().astype(int)
        full = picture(folder / "full" / f"frame_{place + 1:04d}.jpg")
        assert np.abs(full[y, x] - colour).max() < 60
        # Depth is in widths of the picture, which is as wide as the square here.
        assert np.allclose(points[..., 2], component(source, hand)[0][sample.numbers][..., 2], atol=1e-6)


def test_the_index_names_who_signs_and_no_signer_is_in_two_splits(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch)
    assert run(WordOptions(raw=raw, out=tmp_path, **SMALL)) == tmp_path / INDEX
    found = lines(tmp_path)
    assert [(line["path"], line["word"], line["signer"]) for line in found] == [
        ("HELLO/person01", "HELLO", "person01"),
        ("HELLO/person02", "HELLO", "person02"),
        ("THANK YOU/person01", "THANK YOU", "person01"),
        ("THANK YOU/person03", "THANK YOU", "person03"),
    ]
    assert len({(line["signer"], line["split"]) for line in found}) == 3


def test_a_broken_clip_is_a_row_with_words_and_the_next_run_tries_it_again(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = WordOptions(raw=raw, out=tmp_path, **SMALL)
    known(monkeypatch)
    run(options)
    done = summary(options)
    assert (done.samples, done.with_a_hand, done.with_both) == (4, 4, 4)
    assert [row.item for row in done.failed] == ["HELLO/person04"]
    assert "person04.mp4" in done.failed[0].words
    assert not (tmp_path / "HELLO" / "person04").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    read = known(monkeypatch)
    run(options)
    assert not read, "what is done is left alone; the broken one could not even be probed"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == before


def test_a_hand_that_is_never_found_is_black_and_said_to_be_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words(tmp_path / "raw", ["HELLO/anna.mp4"], hands=["right"])
    known(monkeypatch, hands=["right"])
    options = WordOptions(raw=tmp_path / "raw", out=tmp_path / "out", **SMALL)
    run(options)
    folder = tmp_path / "out" / "HELLO" / "anna"
    sample = read_sample(folder / META)
    assert sample.boxes["left_hand"] is None
    assert not any(sample.seen["left_hand"])
    assert any(sample.seen["right_hand"])
    assert not np.any([picture(path) for path in (folder / "left_hand").iterdir()])
    assert summary(options).with_both == 0


def test_mp4_holds_the_same_frames_in_three_files(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    run(WordOptions(raw=raw, out=tmp_path / "jpeg", **SMALL))
    run(WordOptions(raw=raw, out=tmp_path / "mp4", format="mp4", **SMALL))
    folder = tmp_path / "mp4" / "HELLO" / "person01"
    assert sorted(path.name for path in folder.iterdir()) == [
        "full.mp4", LANDMARKS, "left_hand.mp4", META, "right_hand.mp4"
    ]  # fmt: skip
    assert probe(folder / "full.mp4").duration_s == pytest.approx(0.8, rel=0.05), "it plays in the clip's time"
    for part in ("full", "left_hand", "right_hand"):
        frames = list(VideoReader(folder / f"{part}.mp4"))
        assert len(frames) == 12
        for place, frame in enumerate(frames, start=1):
            jpeg = picture(tmp_path / "jpeg" / "HELLO" / "person01" / part / f"frame_{place:04d}.jpg")
            assert np.abs(frame.astype(int) - jpeg).mean() < 6


@pytest.mark.parametrize("kind", ["jpeg", "mp4"])
def test_a_run_that_was_stopped_goes_on_to_the_same_result(
    kind: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch)
    # Not smaller: of a picture of two macroblocks a side, the encoder makes another file now and then.
    sizes = SMALL if kind == "jpeg" else {"frames": 12, "size": 256, "hand_size": 128}
    whole = WordOptions(raw=raw, out=tmp_path / "whole", format=kind, **sizes)  # type: ignore[arg-type]
    run(whole)
    options = replace(whole, out=tmp_path / "stopped")
    with pytest.raises(Cancelled):
        run(options, should_stop=after(2))
    assert not (options.out / INDEX).exists()
    with Manifest(options.out) as manifest:
        done = [row.item for row in manifest.rows(PHASE, "done")]
    assert 0 < len(done) < 4
    # As kill -9 leaves it: half of a sample, half of a file, half of an index; and a sample without its row's file.
    waiting = next(item for item in ("HELLO/person01", "THANK YOU/person03") if item not in done)
    (options.out / waiting / "full").mkdir(parents=True, exist_ok=True)
    (options.out / waiting / "full" / "frame_0099.jpg").write_bytes(b"old")
    (options.out / waiting / "full" / ".part-1.jpg").write_bytes(b"ha")
    (options.out / ".part-2.csv").write_bytes(b"path,w")
    (options.out / done[0] / META).unlink()
    run(options)
    assert tree(options.out) == tree(whole.out)


def test_other_options_make_the_samples_again_and_leave_no_index_of_both_kinds(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch)
    options = WordOptions(raw=raw, out=tmp_path, **SMALL)
    run(options)
    fewer = replace(options, frames=5)
    with pytest.raises(Cancelled):
        run(fewer, should_stop=after(2))
    assert not (tmp_path / INDEX).exists()
    run(fewer)
    assert {len(list(folder.iterdir())) for folder in tmp_path.glob("*/*/full")} == {5}
    assert len(lines(tmp_path)) == 4
    read = known(monkeypatch)
    run(replace(fewer, crf=30))
    assert not read, "JPEG files do not depend on the crf"


def test_a_clip_that_changed_is_made_again_and_one_that_is_gone_leaves_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    write_words(raw, CLIPS[:3])
    options = WordOptions(raw=raw, out=tmp_path / "out", **SMALL)
    known(monkeypatch)
    run(options)
    write_words(raw, ["HELLO/other.mp4", "HELLO/person02.mp4"])
    os.utime(raw / CLIPS[1], ns=(1, 1))
    (raw / "HELLO" / "other.mp4").unlink()
    (raw / CLIPS[0]).unlink()
    read = known(monkeypatch)
    run(options)
    assert set(read) == {"person02.mp4"}
    assert [line["path"] for line in lines(options.out)] == ["HELLO/person02", "THANK YOU/person01"]


def test_samples_can_go_to_a_store_elsewhere(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    run(WordOptions(raw=raw, out=tmp_path / "here", **SMALL))
    there = f"file://{tmp_path / 'there'}"
    run(WordOptions(raw=raw, out=tmp_path / "out", store=there, format="mp4", **SMALL))
    assert (tmp_path / "out" / INDEX).read_bytes() == (tmp_path / "here" / INDEX).read_bytes()
    names = Store(there).names("")
    assert INDEX in names
    assert len(names) == 1 + 4 * 5
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_a_plan_counts_and_writes_nothing(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    options = WordOptions(raw=raw, out=tmp_path / "out", **SMALL)
    before = plan(options)
    assert not (tmp_path / "out").exists()
    assert (before.words, before.clips, before.done, before.to_do, before.signers) == (2, 5, 0, 5, 4)
    assert before.seconds is None
    assert sum(before.splits.values()) == 5
    run(options)
    now = plan(options)
    assert (now.done, now.to_do) == (4, 1)
    pictures = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.jpg"))
    assert now.bytes_needed == pytest.approx(pictures / 4, abs=1)


def test_clips_of_one_stem_keep_their_suffix_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    for name in ("HELLO/a.mp4", "HELLO/a.webm", "HELLO/b.MOV", "HELLO/notes.txt", "loose.mp4", "DEEP/x/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    clips, notes = find_clips(tmp_path)
    assert [one.item for one in clips] == ["HELLO/a.mp4", "HELLO/a.webm", "HELLO/b"]
    assert "loose.mp4" in notes[0]
    assert "DEEP" in notes[1]


@pytest.mark.parametrize(
    ("sources", "signers"),
    [
        (["go/go__anna__web.mp4", "ice_cream/ice_cream__ben.mp4"], ["anna", "ben"]),
        (["go/person01.mp4", "go/person02_take2.mp4", "hi/go person-3.mp4"], ["person01", "person02", "person3"]),
        (["go/p1_a.mp4", "go/P2.mp4"], ["p1", "p2"]),
        (["go/anna.mp4", "hi/Anna_2.mp4", "hi/hi-ben.mp4", "go/go_ben_1.mp4"], ["anna", "anna", "ben", "ben"]),
        (["go/01.mp4", "go/02.mp4", "hi/01.mp4"], None),
        (["go/take1.mp4", "hi/take1.mp4"], None),
        (["go/front.mp4", "hi/front.mp4"], None),
        (["go/anna.mp4", "hi/ben.mp4"], None),
        (["go/go__anna.mp4", "hi/hi__anna.mp4", "hi/other.mp4"], None),
        (["go/temp01.mp4", "go/stop2.mp4"], None),
    ],
)
def test_signers_are_what_all_file_names_agree_on(sources: list[str], signers: list[str] | None) -> None:
    clips = [clip(source) for source in sources]
    found = find_signers(clips)
    assert [found.of[one.item] for one in clips] == (signers or [""] * len(clips))
    assert found.count == len(set(signers or []))


def test_one_name_that_does_not_fit_is_named() -> None:
    clips = [clip(f"go/go__s{number}.mp4") for number in range(9)] + [clip("go/strange.mp4")]
    found = find_signers(clips)
    assert found.count == 0
    assert "strange.mp4" in found.how


def test_a_table_says_who_signs_and_none_says_that_nobody_knows(tmp_path: Path) -> None:
    clips = [clip("go/person01.mp4"), clip("go/person02.mp4"), clip("hi/person01.mp4")]
    table = tmp_path / "signers.csv"
    table.write_text("signer,path\nanna,go/person01.mp4\nanna,hi\\person01.mp4\n", encoding="utf-8-sig")
    found = find_signers(clips, str(table))
    assert [found.of[one.item] for one in clips] == ["anna", "", "anna"]
    assert "not known: 1" in found.how
    assert find_signers(clips, "none").count == 0
    for content, words in (("a,b\n", "path and signer"), ("path,signer\nx.mp4,anna\n", "go/person01.mp4")):
        table.write_text(content)
        with pytest.raises(SignError, match=words):
            find_signers(clips, str(table))
    with pytest.raises(SignError, match="cannot be read"):
        find_signers(clips, str(tmp_path / "nowhere.csv"))


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "raw" / "HELLO").mkdir(parents=True)
    with pytest.raises(SignError, match="no folder"):
        WordOptions(raw=tmp_path / "nowhere", out=tmp_path / "out")
    with pytest.raises(SignError, match="another one"):
        WordOptions(raw=tmp_path / "raw", out=tmp_path / "x" / ".." / "raw")
    with pytest.raises(SignError, match="WORD/clip"):
        run(WordOptions(raw=tmp_path / "raw", out=tmp_path / "out"))
    for wrong in ({"frames": 0}, {"size": 8}, {"hand_size": 9000}, {"format": "png"}, {"quality": 0}, {"crf": 60}):
        with pytest.raises(SignError):
            SampleOptions(**wrong)  # type: ignore[arg-type]


def test_a_meta_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="has no"):
        read_sample(tmp_path / META)
    (tmp_path / META).write_text('{"word": 1}')
    with pytest.raises(SignError, match="cannot be used"):
        read_sample(tmp_path / META)
