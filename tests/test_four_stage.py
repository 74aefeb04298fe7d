"""The four-stage model: what each stage does, that padding changes nothing, that all of it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from four_stage_toy import PLACES, TINY, corpus, sentence, training
from torch import nn
from torch.nn import functional

from models.errors import SignError, WeightsError
from models.recognition.four_stage.backbone import Backbone
from models.recognition.four_stage.batches import (
    NO_LABEL,
    Augmentation,
    Batches,
    DataOptions,
    flat_labels,
    rows_needed,
)
from models.recognition.four_stage.clips import CLIPS, Clip, centre, fitted, read_clips, vocabulary, write_clips
from models.recognition.four_stage.config import FourStageConfig
from models.recognition.four_stage.files import load_four_stage, save_four_stage
from models.recognition.four_stage.glosses import written
from models.recognition.four_stage.keyframes import (
    ConvGRU,
    gate,
    keyframes,
    motion_energy,
    num_keyframes,
)
from models.recognition.four_stage.losses import LossOptions, align_loss, gloss_runs, gru_loss, losses
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.recipe import PRESETS, build, prepare, splits
from models.recognition.four_stage.recognizer import FourStageRecognizer
from models.training import Run, fit

GLOSSES = tuple(sorted(PLACES))


@pytest.fixture
def model() -> FourStage:
    torch.manual_seed(0)
    return FourStage(TINY, GLOSSES).eval()


def video(*lengths: int, longest: int | None = None, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    frames = np.zeros((len(lengths), longest or max(lengths), 3, TINY.size, TINY.size), np.uint8)
    for place, length in enumerate(lengths):
        frames[place, :length] = rng.integers(0, 255, frames[place, :length].shape)
    return torch.from_numpy(frames), torch.tensor(lengths)


def test_padding_changes_nothing_in_any_stage(model: FourStage) -> None:
    alone, length = video(9)
    padded = torch.randint(0, 255, (2, 15, 3, TINY.size, TINY.size), dtype=torch.uint8)
    padded[0, :9] = alone[0]
    with torch.inference_mode():
        one, two = model(alone, length), model(padded, torch.tensor([9, 15]))
    kept = int(one.kept[0])
    assert two.kept[0] == kept
    assert torch.equal(one.keyframes[0, :kept], two.keyframes[0, :kept])
    assert (two.keyframes[0, kept:] == -1).all()
    torch.testing.assert_close(one.scores[0], two.scores[0, :9])
    torch.testing.assert_close(one.aligned[0], two.aligned[0, :9])
    torch.testing.assert_close(one.ctc_logits[0, :kept], two.ctc_logits[0, :kept])
    torch.testing.assert_close(one.frame_logits[0, :kept], two.frame_logits[0, :kept])


def test_padding_changes_no_term_of_the_loss_and_no_gradient(tmp_path: Path) -> None:
    config = training()
    prepare(config, corpus(tmp_path))
    task, _ = build(config, tmp_path)
    task.model.double()
    batch = task.train.plain([0, 4])
    wider = torch.cat([batch.video, torch.randint(0, 255, batch.video[:, :6].shape, dtype=torch.uint8)], dim=1)
    longer = functional.pad(batch.frames, (0, 6), value=-1)
    found = []
    for one in (batch, type(batch)(**{**vars(batch), "video": wider, "frames": longer})):
        task.model.zero_grad()
        terms = losses(task.model, task.model(one.video, one.lengths, one.needed), one, task.labels(one), LossOptions())
        sum(terms.values()).backward()  # type: ignore[union-attr]
        found.append((terms, [p.grad.clone() for p in task.model.parameters() if p.grad is not None]))
    for name in found[0][0]:
        torch.testing.assert_close(found[0][0][name], found[1][0][name])
    for one, two in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, two)


def test_gradients_of_ctc_reach_every_stage(model: FourStage) -> None:
    model.train()
    frames, lengths = video(10, 8)
    outputs = model(frames, lengths)
    functional.ctc_loss(
        outputs.ctc_logits.log_softmax(-1).transpose(0, 1), torch.tensor([[1, 2], [3, 4]]), outputs.kept,
        torch.tensor([2, 2]),
    ).backward()  # fmt: skip
    for part in (
        model.backbone.resnet,
        model.backbone.reduce,
        model.frame,
        model.selector,
        model.lstm,
        model.classify,
        model.blank,
    ):
        assert max(float(p.grad.abs().max()) for p in part.parameters() if p.grad is not None) > 0, part


def test_chunks_and_checkpoints_change_neither_features_nor_statistics() -> None:
    frames, _ = video(11)
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        backbone = Backbone(FourStageConfig(**{**vars(TINY), "chunk": 4, "checkpointing": checkpointing}))
        backbone.train()
        features = backbone(frames[0])
        features.sum().backward()
        norms = [one for one in backbone.modules() if isinstance(one, nn.BatchNorm2d)]
        grads = [p.grad for p in backbone.parameters() if p.grad is not None]
        found.append((features, [one.running_mean for one in norms], grads, [one.num_batches_tracked for one in norms]))
    for one, two in zip(found[0], found[1], strict=True):
        torch.testing.assert_close(one, two)
    torch.manual_seed(1)
    whole = Backbone(TINY).eval()
    torch.manual_seed(1)
    pieces = Backbone(FourStageConfig(**{**vars(TINY), "chunk": 3})).eval()
    with torch.inference_mode():
        torch.testing.assert_close(whole(frames[0]), pieces(frames[0]))


def test_the_grid_keeps_its_size_through_the_gru() -> None:
    assert ConvGRU(5, 3)(torch.randn(2, 4, 5, 4, 4)).shape == (2, 4, 3, 4, 4)


def test_the_first_frame_has_a_score_that_its_content_does_not_change(model: FourStage) -> None:
    grids = torch.randn(1, 1, TINY.features, 4, 4)
    assert torch.equal(model.selector(grids), model.selector(grids + 3))
    assert model.selector(torch.randn(1, 7, TINY.features, 4, 4)).shape == (1, 7)


def test_keyframes_are_the_best_in_order_of_time() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.3, 0.8, 9.0], [0.5, 0.1, 0.9, 0.2, 0.3]])
    chosen = keyframes(scores, torch.tensor([4, 5]), torch.tensor([3, 2]))
    assert chosen.tolist() == [[1, 2, 3], [0, 2, -1]]  # 9.0 is padding


def test_a_share_of_the_frames_is_kept_and_as_many_as_are_needed_where_there_are_so_many() -> None:
    lengths = torch.tensor([10, 11, 3, 2])
    assert num_keyframes(lengths, 0.7).tolist() == [7, 8, 3, 2]
    assert num_keyframes(lengths, 0.7, torch.tensor([9, 2, 3, 5])).tolist() == [9, 8, 3, 2]
    assert rows_needed([3, 3, 1, 3, 3]) == 7


def test_the_gate_is_one_forwards_and_a_sigmoid_backwards() -> None:
    scores = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    opened = gate(scores)
    opened.sum().backward()
    assert opened.tolist() == [1, 1, 1]
    share = torch.sigmoid(scores.detach())
    torch.testing.assert_close(scores.grad, share * (1 - share))


def test_motion_energy_is_one_at_the_largest_change_and_none_where_nothing_moves() -> None:
    frames = torch.zeros(1, 4, 3, 2, 2, dtype=torch.uint8)
    frames[0, 1:] = 100
    frames[0, 2, :, 0] = 150
    energy = motion_energy(frames, torch.tensor([3]))
    torch.testing.assert_close(energy, torch.tensor([[0.0, 1.0, 0.25, 0.0]]))


def test_scores_that_are_the_energy_and_even_cost_least() -> None:
    energy, length = torch.tensor([[0.0, 1.0, 1.0, 0.0]]), torch.tensor([4])
    right, wrong = torch.tensor([[-5.0, 5.0, 5.0, -5.0]]), torch.tensor([[5.0, -5.0, -5.0, 5.0]])
    assert gru_loss(right, energy, length, 0) < 0.01 < gru_loss(wrong, energy, length, 0)
    even = torch.zeros(1, 4)
    torch.testing.assert_close(gru_loss(even, energy, length, 5.0), torch.tensor(2.0).log())  # its entropy is the most
    padded = gru_loss(functional.pad(right, (0, 3), value=9), functional.pad(energy, (0, 3)), length, 1.0)
    torch.testing.assert_close(padded, gru_loss(right, energy, length, 1.0))


def test_alignment_averages_the_frames_of_each_gloss() -> None:
    n = NO_LABEL
    labels = torch.tensor([[n, 1, 1, n, 0], [2, 2, n, n, n]])
    assert gloss_runs(labels).tolist() == [[0, 1, 3, 1], [0, 4, 5, 0], [1, 0, 2, 2]]
    glosses = torch.eye(3)
    aligned = torch.zeros(2, 5, 3)
    aligned[0, 1], aligned[0, 2] = torch.tensor([0.6, 0.8, 0]), torch.tensor([-0.6, 0.8, 0])  # together: gloss 1
    aligned[0, 4], aligned[1, :2] = glosses[0], glosses[2]
    wanted = -torch.log(torch.tensor(np.exp(10.0) / (np.exp(10.0) + 2)))
    torch.testing.assert_close(align_loss(aligned, labels, glosses, 0.1), wanted.float(), atol=1e-5, rtol=0)
    assert align_loss(aligned, torch.full_like(labels, n), glosses, 0.1) == 0


def test_glosses_share_the_frames_evenly_before_anything_is_known() -> None:
    assert flat_labels(6, [3, 1]).tolist() == [2, 2, 2, 0, 0, 0]


def test_glosses_are_read_as_words() -> None:
    assert [written(gloss) for gloss in ("THANK-YOU", "BOOK-2", "HOUSE", "3")] == ["thank you", "book", "house", "3"]


def test_a_clip_that_stands_still_still_does_after_augmentation(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (1, 36, 36, 3), np.uint8)
    np.save(tmp_path / "still.npy", np.repeat(frame, 12, axis=0))
    clip = Clip(path=Path("still.mp4"), glosses=("BALL",), signer="s", split="train")
    batches = Batches([clip], [tmp_path / "still.npy"], GLOSSES, 32, DataOptions(batch_size=1))
    drawn = [batches.draw(number) for number in range(3)]
    for batch in drawn:
        assert (batch.video == batch.video[:, :1]).all()
    assert not torch.equal(drawn[0].video[:, 0], drawn[1].video[:, 0])
    assert torch.equal(batches.draw(1).video, drawn[1].video)


def test_a_sign_that_says_left_or_right_is_never_mirrored(tmp_path: Path) -> None:
    frames = np.zeros((8, 36, 36, 3), np.uint8)
    frames[:, :, :18] = 255
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", frames)
    clips = [
        Clip(path=Path("a.mp4"), glosses=("LEFT",), signer="s", split="train"),
        Clip(path=Path("b.mp4"), glosses=("BALL",), signer="s", split="train"),
    ]
    only = Augmentation(speed=0, shift=0, zoom=0, turn_deg=0, light=0, mirror=True)
    batches = Batches(
        clips, [tmp_path / "a.npy", tmp_path / "b.npy"], ("BALL", "LEFT"), 32,
        DataOptions(batch_size=2, augmentation=only),
    )  # fmt: skip
    left_is_bright = {0: set(), 1: set()}
    for number in range(20):
        batch = batches.draw(number)
        for clip, picture in zip(batch.clips.tolist(), batch.video[:, 0], strict=True):
            left_is_bright[clip].add(bool(picture[..., 4].float().mean() > picture[..., -4].float().mean()))
    assert left_is_bright == {0: {True}, 1: {True, False}}


def test_what_ctc_cannot_learn_from_is_counted(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.zeros((3, 36, 36, 3), np.uint8))
    clip = Clip(path=Path("short.mp4"), glosses=("BALL", "BALL"), signer="s", split="train")
    paths = [tmp_path / "short.npy"]
    assert Batches([clip], paths, GLOSSES, 32, DataOptions()).infeasible == 0
    more = Clip(path=Path("short.mp4"), glosses=("BALL", "BALL", "DOOR"), signer="s", split="train")
    assert Batches([more], paths, GLOSSES, 32, DataOptions()).infeasible == 1


def test_clips_that_training_is_watched_on_are_not_learned_from(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    write_clips(folder / CLIPS, [clip for clip in read_clips(folder) if clip.split == "train"])
    clips, frames = splits(training(), folder)
    assert (len(clips["train"]), len(clips["validation"])) == (7, 1)
    assert not {clip.path for clip in clips["train"]} & {clip.path for clip in clips["validation"]}
    assert {name: len(one) for name, one in clips.items()} == {name: len(one) for name, one in frames.items()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the columns"),
        ("path,glosses,signer,split\n", "lists no clips"),
        ("path,glosses,signer,split\na.mp4,,anna,train\n", "clips.csv:2: no glosses"),
        ("path,glosses,signer,split\na.mp4,BALL,anna,dev\n", "split is 'dev'"),
        ("path,glosses,signer,split\n../a.mp4,BALL,anna,train\n", "outside of the folder"),
        (b"path,glosses,signer,split\n\xff\xfe.mp4,BALL,anna,train\n", "no table in UTF-8"),
    ],
)
def test_a_list_that_is_wrong_says_where(tmp_path: Path, text: str | bytes, words: str) -> None:
    (tmp_path / "clips.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SignError, match=words):
        read_clips(tmp_path)


def test_a_gloss_that_no_training_clip_has_is_refused() -> None:
    clips = [
        Clip(path=Path("a"), glosses=("BALL",), signer="s", split="train"),
        Clip(path=Path("b"), glosses=("DOOR",), signer="s", split="test"),
    ]
    with pytest.raises(SignError, match="DOOR"):
        vocabulary(clips)


def test_a_clip_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,glosses,signer,split\ngone.mp4,BALL,anna,train\n", encoding="utf-8")
    with pytest.raises(SignError, match=r"gone\.mp4"):
        prepare(training(), tmp_path)


def test_the_whole_picture_is_fitted_into_a_square() -> None:
    wide = np.full((20, 40, 3), 200, np.uint8)
    made = fitted(wide, 32)
    assert made.shape == (32, 32, 3)
    assert (made[8:24] == 200).all()
    assert (made[:7] == 0).all()
    assert centre(made, 16).shape == (16, 16, 3)


def test_without_published_weights_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_STUDIO_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="weights pull resnet-50"):
        FourStage(FourStageConfig(), GLOSSES)


def test_published_weights_are_loaded_from_a_folder(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, ResNetConfig, ResNetForImageClassification

    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="bottleneck")
    resnet = ResNetForImageClassification(shape)
    resnet.save_pretrained(tmp_path / "resnet-50")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(gloss.lower() for gloss in GLOSSES)]
    (tmp_path / "bert-base-uncased").mkdir()
    (tmp_path / "bert-base-uncased" / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (tmp_path / "bert-base-uncased" / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}', encoding="utf-8"
    )
    BertModel(
        BertConfig(
            vocab_size=len(words), hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        )
    ).save_pretrained(tmp_path / "bert-base-uncased")
    with pytest.raises(WeightsError, match=r"model\.block is basic, there it is bottleneck"):
        FourStage(FourStageConfig(**{**vars(TINY), "start": "pretrained"}), GLOSSES, weights=tmp_path)
    config = FourStageConfig(**{**vars(TINY), "start": "pretrained", "block": "bottleneck"})
    model = FourStage(config, GLOSSES, weights=tmp_path).eval()
    for name, value in resnet.resnet.state_dict().items():
        assert torch.equal(model.backbone.resnet.state_dict()[name], value)
    assert model.gloss_vectors.shape == (len(GLOSSES), 12)
    assert not isinstance(model.gloss_vectors, nn.Parameter)
    assert len({tuple(vector.tolist()) for vector in model.gloss_vectors}) == len(GLOSSES)
    save_four_stage(model, tmp_path / "saved", "published weights")
    frames, lengths = video(6)
    with torch.inference_mode():
        again = load_four_stage(tmp_path / "saved")(frames, lengths)
        torch.testing.assert_close(again.ctc_logits, model(frames, lengths).ctc_logits)
        torch.testing.assert_close(again.aligned, model(frames, lengths).aligned)


def test_the_presets_are_as_they_are_described() -> None:
    with torch.device("meta"):
        full = FourStage(FourStageConfig(**{**vars(PRESETS["full"].model), "start": "scratch"}), GLOSSES)
    resnet = sum(p.numel() for p in full.backbone.resnet.parameters())
    assert resnet == 23_508_032  # ResNet-50 without its classifier
    assert full.backbone.reduce.weight.shape == (512, 2048, 1, 1)
    assert PRESETS["full"].model.start == "pretrained"
    assert PRESETS["demo"].model.start == "scratch"


@pytest.mark.slow
def test_eight_clips_are_learned_by_heart(tmp_path: Path) -> None:
    config = training(steps=160, weighing="gradnorm")
    prepare(config, corpus(tmp_path / "data"))
    task, options = build(config, tmp_path / "data")
    fit(task, options, Run(tmp_path / "run"))
    task.model.eval()
    recognizer = FourStageRecognizer(task.model, "a toy")
    clips = [clip for clip in read_clips(tmp_path / "data") if clip.split == "train"]
    for clip in clips:
        assert recognizer.see(clip.path).recognition.glosses == clip.glosses
    _stream_agrees(recognizer, clips[-1].glosses)
    labels = task.labels(task.train.plain([0]))
    assert set(labels[0].tolist()) - {NO_LABEL} == {one - 1 for one in task.train.targets[0]}


def _stream_agrees(recognizer: FourStageRecognizer, wanted: tuple[str, ...]) -> None:
    stream = recognizer.stream()
    said = [segment for frame in sentence(wanted) for segment in stream.push(frame)] + list(stream.flush())
    assert tuple(segment.gloss for segment in said) == wanted


def test_a_training_that_goes_on_is_the_same(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    config = training(steps=9, weighing="gradnorm")
    prepare(config, corpus(tmp_path / "data"))
    metrics = []
    for name in ("whole", "killed"):
        task, options = build(config, tmp_path / "data")
        if name == "killed":
            task.train.draw = _dies_at(7, task.train.draw, Killed)  # type: ignore[method-assign]
            with pytest.raises(Killed):
                fit(task, options, Run(tmp_path / name))
            task, options = build(config, tmp_path / "data")
        fit(task, options, Run(tmp_path / name))
        metrics.append([line.get("losses") or line["metrics"] for line in Run(tmp_path / name).metrics()[0]])
    assert metrics[0] == metrics[1]


def _dies_at(number: int, draw, error: type[Exception]):  # type: ignore[no-untyped-def]
    def drawn(wanted: int):  # type: ignore[no-untyped-def]
        if wanted == number:
            raise error
        return draw(wanted)

    return drawn


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(SignError, match=r"model\.widths"):
        FourStageConfig(widths=(8,), depths=(1, 1))
    with pytest.raises(SignError, match=r"model\.keep"):
        FourStageConfig(keep=0)
    with pytest.raises(SignError, match=r"data\.batch_size"):
        DataOptions(batch_size=0)
