"""Sentences as tensors: what is padded, what is masked, and that CTC takes it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.data.corpora import Sentence
from models.data.sentences import BLANK, ByLength, FrameOptions, SentenceFrames, collate, fitted, loader
from models.errors import SignError
from models.video_write import write_video

GLOSSES = ("HELLO", "NAME")


def sentence(folder: Path, count: int, glosses: tuple[str, ...], split: str = "train") -> Sentence:
    """Frames of one grey each: 10, 20, 30 …, whose names sort by number and not by text."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"frame_{number}.png"), np.full((20, 40, 3), 10 * number, np.uint8))
    return Sentence(
        id=folder.name, split=split, signer="s", glosses=glosses, frames=folder, num_frames=count, where="x.csv:2"
    )  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> SentenceFrames:
    sentences = [
        sentence(tmp_path / "a", 11, ("HELLO", "NAME")),
        sentence(tmp_path / "b", 4, ("NAME",)),
        sentence(tmp_path / "c", 6, ("NAME", "BREAD", "NAME"), "test"),
    ]
    return SentenceFrames(sentences, GLOSSES, FrameOptions(size=16, fit="resize"))


def test_frames_are_in_the_order_of_their_numbers(data: SentenceFrames) -> None:
    frames = data[0].frames
    assert (frames.shape, frames.dtype) == ((11, 3, 16, 16), torch.uint8)
    assert frames[:, 0, 8, 8].tolist() == [10 * number for number in range(1, 12)]


def test_a_batch_holds_each_sentence_and_padding_that_the_masks_leave_out(data: SentenceFrames) -> None:
    batch = collate([data[number] for number in range(3)])
    assert batch.frames.shape == (3, 11, 3, 16, 16)
    assert batch.lengths.tolist() == [11, 4, 6] == batch.mask.sum(1).tolist()
    assert not batch.frames[~batch.mask].any() and batch.frames[batch.mask].any(dim=(1)).flatten(1).any(1).all()
    for number in range(3):
        alone = data[number]
        assert torch.equal(batch.frames[number][batch.mask[number]], alone.frames)
        assert torch.equal(batch.targets[number][batch.target_mask[number]], alone.labels)
    unknown = len(GLOSSES) + 1
    assert batch.targets.tolist() == [[1, 2, BLANK], [2, BLANK, BLANK], [2, unknown, 2]]
    assert batch.joined_targets.tolist() == [1, 2, 2, 2, unknown, 2]
    assert batch.glosses[2] == ("NAME", "BREAD", "NAME")
    assert data.num_labels == unknown + 1


def test_ctc_gives_the_same_loss_for_both_forms_of_the_targets_and_whatever_the_padding_holds(
    data: SentenceFrames,
) -> None:
    batch = collate([data[number] for number in range(3)])
    torch.manual_seed(0)
    scores = torch.randn(11, 3, data.num_labels).log_softmax(-1)
    ctc = torch.nn.CTCLoss(blank=BLANK)
    padded = ctc(scores, batch.targets, batch.lengths, batch.num_targets)
    assert torch.isfinite(padded)
    torch.testing.assert_close(padded, ctc(scores, batch.joined_targets, batch.lengths, batch.num_targets))
    other = scores.clone()
    other[~batch.mask.T] = torch.randn(int((~batch.mask).sum()), data.num_labels).log_softmax(-1)
    torch.testing.assert_close(padded, ctc(other, batch.targets, batch.lengths, batch.num_targets))


def test_letterbox_keeps_proportions_and_resize_fills_the_square() -> None:
    picture = np.full((20, 40, 3), 200, np.uint8)
    boxed, stretched = fitted(picture, 16, "letterbox"), fitted(picture, 16, "resize")
    assert boxed.shape == stretched.shape == (16, 16, 3)
    assert (boxed[4:12] == 200).all() and not boxed[:4].any() and not boxed[12:].any()
    assert (stretched == 200).all()
    assert fitted(np.full((4, 4, 3), 7, np.uint8), 16, "letterbox").min() == 7


def test_one_frame_of_several_is_taken_and_counted_so(data: SentenceFrames) -> None:
    thin = SentenceFrames(data.sentences, GLOSSES, FrameOptions(size=8, every=4))
    assert thin.lengths == [3, 1, 2] == [len(thin[number].frames) for number in range(3)]


def test_a_video_is_read_as_a_folder_is(tmp_path: Path) -> None:
    frames = np.stack([np.full((32, 32, 3), 40 * number, np.uint8) for number in range(1, 6)])
    write_video(tmp_path / "a.mp4", iter(frames), fps=10)
    one = Sentence(id="a", split="train", signer="", glosses=("NAME",), frames=tmp_path / "a.mp4", num_frames=5)
    found = SentenceFrames([one], GLOSSES, FrameOptions(size=32, every=2))[0].frames
    assert found.shape == (3, 3, 32, 32)
    assert np.allclose(found.float().mean(dim=(1, 2, 3)), [40, 120, 200], atol=4)


def test_what_cannot_be_read_is_said(data: SentenceFrames, tmp_path: Path) -> None:
    (tmp_path / "b" / "frame_2.png").write_bytes(b"no picture")
    with pytest.raises(SignError, match=r"b/frame_2\.png cannot be read as a picture"):
        data[1]
    (tmp_path / "c").rename(tmp_path / "d")
    with pytest.raises(SignError, match=r"x\.csv:2: the frames of c are gone"):
        data[2]
    empty = Sentence(id="e", split="train", signer="", glosses=("A",), where="x.csv:9")
    with pytest.raises(SignError, match=r"1 sentences have no frames or no glosses, the first is e \(x\.csv:9\)"):
        SentenceFrames([empty], GLOSSES)
    with pytest.raises(SignError, match="letterbox or resize"):
        FrameOptions(fit="crop")  # type: ignore[arg-type]


def test_batches_by_length_take_each_sentence_once_and_pad_less() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 300, 203).tolist()

    def padding(batches: list[list[int]]) -> int:
        return sum(
            max(lengths[one] for one in batch) * len(batch) - sum(lengths[one] for one in batch) for batch in batches
        )

    sorted_ones, plain = ByLength(lengths, 8, bucket=10), ByLength(lengths, 8, bucket=1)
    first, second = list(sorted_ones), list(sorted_ones)
    for batches in (first, second, list(plain)):
        assert sorted(one for batch in batches for one in batch) == list(range(203))
        assert len(batches) == len(sorted_ones) == 26
    assert first != second
    assert padding(first) < padding(list(plain)) / 3
    again = ByLength(lengths, 8, bucket=10)
    again.epoch = 1
    assert list(again) == second


def test_a_loader_gives_the_sentences_of_an_epoch(data: SentenceFrames) -> None:
    in_order = [batch.ids for batch in loader(data, 2, shuffle=False)]
    assert in_order == [("a", "b"), ("c",)]
    mixed = [one for batch in loader(data, 2, shuffle=True, bucket=2) for one in batch.ids]
    assert sorted(mixed) == ["a", "b", "c"]
