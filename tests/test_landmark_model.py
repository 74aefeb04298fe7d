"""The landmark model: pieces give what the whole gives, and padding reaches nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from signing import performance

from models.errors import LexiconError, WeightsError
from models.model_folder import DESCRIPTION, WEIGHTS
from models.recognition.augment import Augmentation, augment, cut, join, with_speeds
from models.recognition.batches import Batches, BatchOptions, collate, signs_of
from models.recognition.corpus import Take, load_takes, save_takes, vocabulary
from models.recognition.features import LAYOUT, NUM_FEATURES, STEP_MS, features
from models.recognition.landmark_model import LandmarkModel, LandmarkModelConfig
from models.recognition.losses import LossOptions, contrast, distillation, losses
from models.recognition.model_files import ModelCard, load_model, save_model

GLOSSES = ("EAT", "HELLO", "NO", "YES")
TINY = LandmarkModelConfig(
    num_glosses=len(GLOSSES), width=32, dilations=(1, 2), attention_blocks=1, past=12, dropout=0.0
)


@pytest.fixture
def model() -> LandmarkModel:
    torch.manual_seed(0)
    return LandmarkModel(TINY).eval()


def take(*glosses: str, signer: int = 0) -> Take:
    made = performance(*glosses, signer=signer)
    spans = tuple((one.gloss, round(one.start_ms / STEP_MS), round(one.end_ms / STEP_MS)) for one in made.segments)
    return Take(rows=features(made.pose).rows, spans=spans, signer=f"signer{signer:02d}")


@pytest.fixture(scope="module")
def sentences() -> list[Take]:
    return [take(*order, signer=signer) for signer in (1, 2) for order in (GLOSSES, GLOSSES[::-1])]


@pytest.fixture(scope="module")
def signs() -> list[Take]:
    return [take(gloss, signer=3) for gloss in GLOSSES]


@pytest.mark.parametrize("pieces", [(1,) * 40, (7, 1, 32), (39, 1), (20, 20)])
def test_a_clip_in_pieces_gives_what_the_whole_gives(model: LandmarkModel, pieces: tuple[int, ...]) -> None:
    rows = torch.randn(2, 40, NUM_FEATURES)
    whole, last = model(rows)
    state, parts = None, []
    for piece in rows.split(pieces, dim=1):
        said, state = model(piece, state)
        parts.append(said)
    for name in ("activity", "visual", "contextual", "hidden"):
        joined = torch.cat([getattr(one, name) for one in parts], dim=1)
        assert torch.allclose(joined, getattr(whole, name), atol=1e-5), name
    assert state is not None
    assert torch.allclose(state.recurrent, last.recurrent, atol=1e-5)


def test_padding_and_neighbours_never_change_a_result(model: LandmarkModel) -> None:
    rows = torch.randn(1, 30, NUM_FEATURES)
    alone, _ = model(rows)
    padded = torch.cat([rows, torch.full((1, 25, NUM_FEATURES), 9.0)], dim=1)
    together, _ = model(torch.cat([padded, torch.randn_like(padded)]))
    assert torch.allclose(together.contextual[:1, :30], alone.contextual, atol=1e-5)
    assert torch.allclose(together.activity[:1, :30], alone.activity, atol=1e-5)


def test_the_embedding_of_a_sign_sees_only_its_rows(model: LandmarkModel) -> None:
    hidden = torch.randn(1, 20, TINY.width)
    rows, weights = signs_of(hidden, torch.tensor([0, 0]), torch.tensor([[3, 9], [3, 15]]))
    both = model.embed(rows, weights)
    hidden[:, 9:] = 100
    rows, weights = signs_of(hidden, torch.tensor([0, 0]), torch.tensor([[3, 9], [3, 15]]))
    changed = model.embed(rows, weights)
    assert torch.allclose(both[0], changed[0], atol=1e-5)
    assert not torch.allclose(both[1], changed[1], atol=1e-2)
    assert torch.allclose(both.norm(dim=1), torch.ones(2))


def test_contrast_is_that_of_its_definition() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(6, 5), dim=-1)
    glosses = torch.tensor([0, 0, 1, 2, 1, 1])
    terms = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        total = sum(math.exp(float(embeddings[i] @ embeddings[j]) / 0.1) for j in others)
        same = [j for j in others if glosses[j] == glosses[i]]
        if same:
            terms.append(-np.mean([float(embeddings[i] @ embeddings[j]) / 0.1 - math.log(total) for j in same]))
    assert float(contrast(embeddings, glosses)) == pytest.approx(float(np.mean(terms)), rel=1e-4)
    assert float(contrast(embeddings[:2], torch.tensor([0, 1]))) == 0


def test_distillation_is_nothing_between_equals_and_ignores_padding(model: LandmarkModel) -> None:
    said, _ = model(torch.randn(2, 10, NUM_FEATURES))
    real = torch.arange(10)[None] < torch.tensor([[10], [6]])
    same = replace(said, visual=said.contextual)
    assert float(distillation(same, real, 8.0).detach()) == pytest.approx(0, abs=1e-6)
    noisy = said.visual.clone()
    noisy[1, 6:] = 50
    changed = distillation(replace(said, visual=noisy), real, 8.0)
    assert float(distillation(said, real, 8.0).detach()) == pytest.approx(float(changed.detach()))


def test_losses_do_not_depend_on_padding(model: LandmarkModel, sentences: list[Take]) -> None:
    index = {gloss: number for number, gloss in enumerate(GLOSSES)}
    short, long = cut(sentences[0], 0, 60), sentences[1]
    alone = collate([short], index)
    together = collate([short, long], index)
    first = replace(
        together,
        rows=together.rows[:1],
        lengths=together.lengths[:1],
        activity=together.activity[:1],
        target_lengths=together.target_lengths[:1],
        targets=together.targets[: len(short.spans)],
        clips=together.clips[: len(short.spans)],
        spans=together.spans[: len(short.spans)],
        glosses=together.glosses[: len(short.spans)],
    )
    assert first.rows.shape[1] > alone.rows.shape[1]
    one, other = (losses(model, model(batch.rows)[0], batch, LossOptions()) for batch in (alone, first))
    for name in one:
        assert float(one[name].detach()) == pytest.approx(float(other[name].detach()), rel=1e-4, abs=1e-6), name


def test_a_batch_of_strangers_alone_has_no_loss_that_is_no_number(model: LandmarkModel, signs: list[Take]) -> None:
    strange = [replace(one, spans=tuple(("", start, end) for _, start, end in one.spans)) for one in signs]
    batch = collate(strange, {gloss: number for number, gloss in enumerate(GLOSSES)})
    found = losses(model, model(batch.rows)[0], batch, LossOptions())
    assert found.keys() == {"contextual", "visual", "distillation", "activity", "stranger"}
    assert all(torch.isfinite(one) for one in found.values())


def test_batches_are_drawn_anew_and_always_the_same(sentences: list[Take], signs: list[Take]) -> None:
    options = BatchOptions(clips=6)
    one, same = (Batches(sentences, signs, GLOSSES, options, seed=1) for _ in range(2))
    assert torch.equal(one.draw(3).rows, same.draw(3).rows)
    assert one.draw(3).rows.shape != one.draw(4).rows.shape or not torch.equal(one.draw(3).rows, one.draw(4).rows)
    for number in range(12):
        batch = one.draw(number)
        assert (batch.spans[:, 0] < batch.spans[:, 1]).all()
        assert (batch.spans[:, 1] <= batch.lengths[batch.clips]).all()
        assert int(batch.target_lengths.sum()) == len(batch.targets) == len(batch.glosses)
        for clip, (start, end) in zip(batch.clips.tolist(), batch.spans.tolist(), strict=True):
            assert (batch.activity[clip, start:end] > 0).all()


def test_augmentation_keeps_signs_in_place_and_empty_rows_empty(signs: list[Take]) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([signs[0].rows, np.zeros((10, NUM_FEATURES), np.float32)])
    for _ in range(20):
        made = augment(replace(signs[0], rows=rows), Augmentation(), rng)
        (_, start, end) = made.spans[0]
        assert 0 <= start < end <= len(made.rows)
        assert 0.55 < len(made.rows) / len(rows) < 1.75
        assert not made.rows[-2:].any()
        assert np.isfinite(made.rows).all()
    still = Augmentation(
        speed=(1, 1), warp=0, turn_deg=0, hand_turn_deg=0, stretch=0, shift=0, mirror=0, lost_hand=0, slow_camera=0
    )
    assert np.allclose(augment(signs[0], still, rng).rows, signs[0].rows, atol=1e-4)


def test_joined_takes_have_their_signs_in_order(signs: list[Take]) -> None:
    made = join(signs[:3], [4, 0])
    assert made.glosses == tuple(one.glosses[0] for one in signs[:3])
    assert len(made.rows) == sum(len(one.rows) for one in signs[:3]) + 4
    (_, start, end) = made.spans[1]
    inner = slice(LAYOUT["body"].start, LAYOUT["speed"].start)
    (_, first, last) = signs[1].spans[0]
    assert np.allclose(made.rows[start:end, inner], signs[1].rows[first:last, inner])
    assert np.allclose(with_speeds(made.rows), made.rows)


def test_takes_survive_being_saved(sentences: list[Take], tmp_path: Path) -> None:
    save_takes(tmp_path / "takes.npz", sentences)
    again = load_takes(tmp_path / "takes.npz")
    assert [(one.spans, one.signer) for one in again] == [(one.spans, one.signer) for one in sentences]
    assert all(np.allclose(a.rows, b.rows, atol=5e-3) for a, b in zip(again, sentences, strict=True))
    (tmp_path / "bad.npz").write_bytes((tmp_path / "takes.npz").read_bytes()[:500])
    with pytest.raises(LexiconError, match="make it again"):
        load_takes(tmp_path / "bad.npz")


def test_the_vocabulary_has_words_and_no_letters() -> None:
    assert "HELLO" in vocabulary()
    assert not {"A", "7"} & set(vocabulary())
    assert len(vocabulary()) >= 120


def test_a_model_survives_being_saved_and_broken_files_are_told(model: LandmarkModel, tmp_path: Path) -> None:
    card = ModelCard(glosses=GLOSSES, config=TINY, trained_on="Nothing.", unknown_below=0.4)
    save_model(tmp_path, model, card)
    again, read = load_model(tmp_path)
    assert read == card
    rows = torch.randn(1, 9, NUM_FEATURES)
    assert torch.allclose(again(rows)[0].contextual, model(rows)[0].contextual, atol=1e-6)

    weights = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError, match="cut off"):
        load_model(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match="has no"):
        load_model(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(weights)

    told = json.loads((tmp_path / DESCRIPTION).read_text())
    for change, words in (
        ({"format": 0}, "another version"),
        ({"config": {**told["config"], "width": 64}}, "another model"),
        ({"glosses": None}, "of another kind"),
        ({"glosses": list(GLOSSES[1:])}, "3 glosses, and a network for 4"),
    ):
        (tmp_path / DESCRIPTION).write_text(json.dumps({**told, **change}))
        with pytest.raises(WeightsError, match=words):
            load_model(tmp_path)
    (tmp_path / DESCRIPTION).write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_model(tmp_path)
    with pytest.raises(WeightsError, match="no model"):
        load_model(tmp_path / "nowhere")
