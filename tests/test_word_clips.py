"""The Dataset over samples of words: shapes, values, labels, DataLoader workers, and words for what is damaged."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch.utils.data import DataLoader
from word_toy import BLUE, RED, known, write_words

from models.data.word_clips import WordClips
from models.data.word_samples import META
from models.data.words import INDEX, WordOptions, run
from models.errors import SignError

SMALL = {"frames": 6, "size": 64, "hand_size": 32}
CLIPS = [f"{word}/person{number}.mp4" for word in ("HELLO", "BYE") for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The same six clips of three signers in both formats."""
    folder = tmp_path_factory.mktemp("data")
    write_words(folder / "raw", CLIPS)
    kinds: tuple[Literal["jpeg", "mp4"], ...] = ("jpeg", "mp4")
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        for kind in kinds:
            run(WordOptions(raw=folder / "raw", out=folder / kind, format=kind, **SMALL))
    yield {kind: folder / kind for kind in kinds}


@pytest.fixture
def copy(data: dict[str, Path], tmp_path: Path) -> Path:
    """A data set to damage."""
    return Path(shutil.copytree(data["jpeg"], tmp_path / "copy"))


def test_an_item_shows_the_hands_and_says_where_they_were_seen(data: dict[str, Path]) -> None:
    item = WordClips(data["jpeg"])[0]
    assert {name: tuple(value.shape) for name, value in item.items()} == {
        "frames": (3, 6, 64, 64),
        "left_hand": (3, 6, 32, 32),
        "right_hand": (3, 6, 32, 32),
        "left_seen": (6,),
        "right_seen": (6,),
        "label": (),
    }
    assert item["frames"].dtype == torch.float32
    assert (item["left_seen"].dtype, item["label"].dtype) == (torch.bool, torch.int64)
    assert 0 <= item["frames"].min() < item["frames"].max() <= 1
    assert 0 < item["left_seen"].sum() < 6
    for hand, colour in (("left", BLUE), ("right", RED)):
        middle = item[f"{hand}_hand"][:, item[f"{hand}_seen"], 14:18, 14:18].mean(dim=(1, 2, 3))
        assert torch.allclose(middle, torch.tensor(colour) / 255, atol=0.15)


@pytest.mark.parametrize("kind", ["jpeg", "mp4"])
def test_both_types_hold_the_same_values(kind: str, data: dict[str, Path]) -> None:
    whole, bytes_ = WordClips(data[kind])[1], WordClips(data[kind], dtype="uint8")[1]
    assert bytes_["left_hand"].dtype == torch.uint8
    for name in ("frames", "left_hand", "right_hand"):
        assert torch.equal(bytes_[name].float() / 255, whole[name])


def test_mp4_gives_nearly_the_pictures_of_jpeg(data: dict[str, Path]) -> None:
    for index in range(6):
        jpeg, mp4 = WordClips(data["jpeg"])[index], WordClips(data["mp4"])[index]
        for name in ("frames", "left_hand", "right_hand"):
            assert (jpeg[name] - mp4[name]).abs().mean() < 6 / 255
        assert all(torch.equal(jpeg[name], mp4[name]) for name in ("left_seen", "right_seen", "label"))


def test_an_odd_size_comes_back_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    write_words(tmp_path / "raw", CLIPS[:1])
    run(WordOptions(raw=tmp_path / "raw", out=tmp_path / "out", format="mp4", frames=3, size=63, hand_size=31))
    item = WordClips(tmp_path / "out")[0]
    assert (item["frames"].shape, item["left_hand"].shape) == ((3, 3, 63, 63), (3, 3, 31, 31))


def test_labels_are_the_same_in_every_split_and_splits_share_no_signer(data: dict[str, Path]) -> None:
    parts = [WordClips(data["jpeg"], split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert {part.vocabulary for part in parts} == {("BYE", "HELLO")}
    assert len({clip.signer for part in parts for clip in part.clips}) == 3
    for part in parts:
        assert len({clip.signer for clip in part.clips}) == 1
        for index, clip in enumerate(part.clips):
            assert part.vocabulary[int(part[index]["label"])] == clip.word
    other = WordClips(data["jpeg"], "train", vocabulary=["HELLO", "MORE", "BYE"])
    assert sorted(int(other[index]["label"]) for index in range(2)) == [0, 2]


def test_workers_of_a_data_loader_make_batches(data: dict[str, Path]) -> None:
    clips = WordClips(data["mp4"], dtype="uint8")
    clips[0]  # whatever this opened must not be in the workers' way
    sent = pickle.loads(pickle.dumps(clips))  # as a worker that is spawned gets it
    loader = DataLoader(sent, batch_size=4, num_workers=2, multiprocessing_context="fork")
    first, last = list(loader)
    assert first["frames"].shape == (4, 3, 6, 64, 64)
    assert first["left_seen"].shape == (4, 6)
    assert torch.cat([first["label"], last["label"]]).tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(first["right_hand"][2], clips[2]["right_hand"])


def test_what_cannot_be_is_refused_in_words(data: dict[str, Path], copy: Path, tmp_path: Path) -> None:
    with pytest.raises(SignError, match=r"has no index\.csv"):
        WordClips(tmp_path)
    with pytest.raises(SignError, match="float16"):
        WordClips(copy, dtype="float16")  # type: ignore[arg-type]
    with pytest.raises(SignError, match="no sample in the split 'dev'"):
        WordClips(copy, "dev")  # type: ignore[arg-type]
    with pytest.raises(SignError, match="'BYE'"):
        WordClips(copy, vocabulary=["HELLO"])
    (copy / INDEX).write_text("path,word,signer,split\na/b,a,,dev\n")
    with pytest.raises(SignError, match="'dev'"):
        WordClips(copy)
    (copy / INDEX).write_text("path,split\n")
    with pytest.raises(SignError, match="columns"):
        WordClips(copy)


def test_a_damaged_sample_is_named_when_it_is_read(copy: Path) -> None:
    clips = WordClips(copy)
    folders = [copy / clip.path for clip in clips.clips]
    (folders[0] / "full" / "frame_0003.jpg").unlink()
    (folders[1] / "left_hand" / "frame_0001.jpg").write_bytes(b"no picture")
    (folders[2] / META).unlink()
    meta = json.loads((folders[3] / META).read_text())
    (folders[3] / META).write_text(json.dumps(meta | {"size": 128}))
    for index, words in enumerate(
        ["full does not hold 6", "cannot be read as a picture", "has no meta", "64 and 32 px"]
    ):
        with pytest.raises(SignError, match=words):
            clips[index]
    assert clips[4]["frames"].shape == (3, 6, 64, 64)
