"""The base action model: it begins as a repeated frame, listens to every embedding, trains, is kept, and draws."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from base_data import GLOSSES, SIGNERS, TRAINING, draw_words, write_sample
from base_toy import CONFIG, FRAMES, toy_pipeline
from pose_format import Pose

from models.errors import SignError, WeightsError
from models.model_folder import described
from models.progress import Cancelled
from models.synthesis.losses import Critics, losses
from models.synthesis.network import BaseAction, Told, extra_channels, new_unet, widened
from models.synthesis.pipeline import KIND, BaseActionPipeline
from models.synthesis.prepared import array_path, read_motion, read_window
from models.synthesis.recipe import PRESETS, build, prepare
from models.synthesis.samples import Samples, hand_mask, pose_maps
from models.synthesis.sampling import SamplingOptions, draw
from models.synthesis.schedule import STEPS, alphas, clean_latents, noise, noisy, scheduler
from models.synthesis.task import BaseActionTask
from models.training import Run, fit
from models.training.config import from_dict, to_dict

WINDOW, CHANNELS, SIDE = CONFIG.window, CONFIG.latents, CONFIG.latent_side


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = draw_words(tmp_path_factory.mktemp("words"))
    prepare(TRAINING, folder)
    return folder


@pytest.fixture(scope="module")
def task(data: Path) -> BaseActionTask:
    return build(TRAINING, data)[0]


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("runs") / "one")
    made.write_config({"model": "base-action", "config": to_dict(TRAINING), "data": str(data)})
    fit(*build(TRAINING, data), made)
    return made


@pytest.fixture
def told_by() -> Iterator[BaseAction]:
    torch.manual_seed(0)
    config = replace(CONFIG, prediction="sample")
    model = BaseAction(config, new_unet(config), config.encoder_width).eval()
    # It begins by repeating the reference; to see what reaches the picture it has to say something.
    torch.nn.init.normal_(model.unet.conv_out.weight, std=0.1)
    yield model.requires_grad_(False)


def latents(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def told(model: BaseAction, frames: int = WINDOW, change: int | None = None) -> Told:
    motion = latents(1, frames, 3, CONFIG.encoder_width)
    if change is not None:
        motion[:, change] += 2
    return model.told(motion, torch.ones(motion.shape[:3], dtype=torch.bool))


def test_untrained_it_repeats_the_reference_frame() -> None:
    model = BaseAction(CONFIG, new_unet(CONFIG), CONFIG.encoder_width).eval()
    given, still, table = latents(1, WINDOW, CHANNELS, SIDE, SIDE), latents(1, CHANNELS, SIDE, SIDE), alphas()
    with torch.no_grad():
        answer = model.answer(given, torch.tensor([700]), still, told(model))
    made = clean_latents(answer, given, still, table[[700]], "sample")
    assert torch.equal(made, still[:, None].expand_as(made))


def test_the_embedding_of_a_frame_changes_that_frame_most(told_by: BaseAction) -> None:
    given, still, at = latents(1, WINDOW, CHANNELS, SIDE, SIDE), latents(1, CHANNELS, SIDE, SIDE), torch.tensor([700])
    plain = told_by.answer(given, at, still, told(told_by))
    changed = told_by.answer(given, at, still, told(told_by, change=5))
    moved = (changed - plain).abs().mean(dim=(0, 2, 3, 4))
    assert int(moved.argmax()) == 5
    assert moved[5] > 2 * moved[[0, 1, 10, 11, 12, 13, 14, 15]].max()


def test_the_map_is_drawn_out_of_the_embeddings_and_dropping_them_leaves_nothing(told_by: BaseAction) -> None:
    one, other = told(told_by), told(told_by, change=5)
    assert not torch.allclose(one.layout[:, 5], other.layout[:, 5])
    none = told_by.dropped(one, torch.tensor([True]))
    same = told_by.dropped(other, torch.tensor([True]))
    assert torch.equal(none.tokens, same.tokens)
    assert not none.layout.any()
    kept = told_by.dropped(one, torch.tensor([False]))
    assert torch.equal(kept.tokens, one.tokens)


def test_what_was_not_seen_cannot_be_heard(told_by: BaseAction) -> None:
    motion = latents(1, WINDOW, 3, CONFIG.encoder_width)
    seen = torch.ones((1, WINDOW, 3), dtype=torch.bool)
    seen[:, :, 1] = False
    other = motion.clone()
    other[:, :, 1] = 7.0
    assert torch.equal(told_by.told(motion, seen).tokens, told_by.told(other, seen).tokens)


def test_a_wider_first_convolution_changes_nothing_before_it_is_trained() -> None:
    from diffusers import UNetMotionModel

    torch.manual_seed(0)
    unet = UNetMotionModel(
        in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"), cross_attention_dim=16,
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"), num_attention_heads=2, motion_num_attention_heads=2,
    ).eval()  # fmt: skip
    given, tokens, extra = latents(1, 4, 3, 8, 8), latents(3, 2, 16), extra_channels(CONFIG, 4)
    with torch.no_grad():
        before = unet(given, 10, tokens).sample
        wide = widened(unet, extra)
        after = wide(torch.cat([given, latents(1, extra, 3, 8, 8)], dim=1), 10, tokens).sample
    assert torch.equal(before, after)
    assert wide.config.in_channels == 4 + extra


@pytest.mark.parametrize("prediction", ["sample", "v_prediction"])
@pytest.mark.parametrize("time", [0, 400, 999])
def test_a_true_answer_gives_the_clean_latents_back(prediction: str, time: int) -> None:
    table = alphas().double()[[time]]
    clean, still = latents(1, 4, 2, 8, 8).double(), latents(1, 2, 8, 8).double() * 0.5
    chance = noise((1, 4, 2, 8, 8), 0.6).double()
    given = noisy(clean, chance, table)
    a, s = table.sqrt(), (1 - table).sqrt()
    answer = clean - still[:, None] if prediction == "sample" else a * chance - s * clean + s * still[:, None]
    found = clean_latents(answer, given, still, table, prediction)  # type: ignore[arg-type]
    assert torch.allclose(found, clean, atol=1e-6)


def test_the_schedule_ends_in_noise_alone_and_its_noise_is_shared_in_part() -> None:
    table = alphas()
    assert len(table) == STEPS
    assert table[-1] == 0
    assert (table.diff() < 0).all()
    drawn = noise((400, 2, 1, 8, 8), 0.6, torch.Generator().manual_seed(0))
    assert float(drawn.var()) == pytest.approx(1, abs=0.02)
    assert float((drawn[:, 0] * drawn[:, 1]).mean()) == pytest.approx(0.6, abs=0.02)
    with pytest.raises(SignError, match="ddim, dpm, lcm"):
        scheduler("euler")  # type: ignore[arg-type]


@pytest.mark.parametrize("sampler", ["ddim", "dpm", "lcm"])
def test_samplers_arrive_at_what_a_perfect_model_says(sampler: str, told_by: BaseAction, monkeypatch) -> None:
    clip = latents(FRAMES, CHANNELS, SIDE, SIDE)
    starts = iter(range(10_000))

    def knows(noisy_: torch.Tensor, times: torch.Tensor, reference: torch.Tensor, told: Told) -> torch.Tensor:
        start = next(starts) % 2 * (FRAMES - WINDOW)  # the windows come in turn
        return clip[None, start : start + WINDOW] - reference[:, None]

    monkeypatch.setattr(told_by, "answer", knows)
    motion = toy_pipeline().words["BOOK"].medoid
    options = SamplingOptions(sampler=sampler, steps=6, guidance=1)  # type: ignore[arg-type]
    made = draw(told_by, motion, latents(CHANNELS, SIDE, SIDE), options)
    assert (made - clip).abs().max() < 0.2  # ddim leaves its last bit of noise
    assert (made - clip).abs().mean() < 0.03


def test_the_same_seed_draws_the_same_clip_and_little_strength_keeps_what_was_given() -> None:
    pipeline = toy_pipeline()
    word = pipeline.words["BOOK"]
    made = pipeline.generate(word.medoid, word.reference, SamplingOptions(steps=2))
    assert made.shape == (FRAMES, CONFIG.size, CONFIG.size, 3)
    assert not np.array_equal(made, pipeline.generate(word.barycentre, word.reference, SamplingOptions(steps=2)))
    assert not np.array_equal(made, pipeline.generate(word.medoid, word.reference, SamplingOptions(steps=2, seed=1)))
    assert np.array_equal(made, pipeline.generate(word.medoid, word.reference, SamplingOptions(steps=2)))
    begin = latents(FRAMES, CHANNELS, SIDE, SIDE)
    little, much = (
        draw(
            pipeline.model, word.medoid, latents(CHANNELS, SIDE, SIDE),
            SamplingOptions(steps=20, strength=strength, sampler="ddim"), begin=begin,
        )
        for strength in (0.05, 1.0)
    )  # fmt: skip
    assert (little - begin).abs().mean() < 0.5 * (much - begin).abs().mean()


def test_drawing_stops_when_it_is_asked_to() -> None:
    pipeline = toy_pipeline()
    word, steps = pipeline.words["BOOK"], []
    with pytest.raises(Cancelled):
        pipeline.generate(
            word.medoid, word.reference, SamplingOptions(steps=9),
            on_step=lambda done, total: steps.append((done, total)), should_stop=lambda: len(steps) == 2,
        )  # fmt: skip
    assert steps == [(1, 9), (2, 9)]


def test_maps_and_masks_are_where_the_hands_are(data: Path) -> None:
    samples = Samples(data, CONFIG)
    pose = samples.pose(samples.all[0])
    drawn, mask = pose_maps(pose, 64), hand_mask(pose, 64)
    assert drawn.shape == (FRAMES, 64, 64, 3)
    assert 0 < mask.mean() < 0.5
    alone = pose_maps(_without_hands(pose), 64)
    hands = np.abs(drawn.astype(int) - alone).max(axis=-1) > 40
    assert hands.any()
    assert (hands & mask).sum() > 0.95 * hands.sum()


def _without_hands(pose: Pose) -> Pose:
    return pose.get_components(["POSE_LANDMARKS", "POSE_WORLD_LANDMARKS"])


def test_arrays_are_made_once_and_again_when_a_sample_changes(data: Path, task: BaseActionTask) -> None:
    sample = task.train[0]
    path = array_path(task.samples, task.nets, sample)
    motion, seen = read_motion(path)
    assert motion.shape == (FRAMES, 3, CONFIG.encoder_width)
    assert torch.allclose(motion.norm(dim=-1), torch.tensor(CONFIG.encoder_width**0.5), atol=0.02)
    assert seen[:, 0].all()
    window = read_window(path, 3, WINDOW)
    assert window.latents.shape == (WINDOW, CHANNELS, SIDE, SIDE)
    assert window.layout.min() >= -1
    made = path.stat().st_mtime_ns
    prepare(TRAINING, data)
    assert path.stat().st_mtime_ns == made
    meta = sample.path / "meta.json"
    about = json.loads(meta.read_text(encoding="utf-8"))
    meta.write_text(json.dumps(about | {"source_fps": 11.0}), encoding="utf-8")
    held = [one for one in task.samples.all if one.split == "train"][1]
    other = array_path(task.samples, task.nets, held).stat().st_mtime_ns
    from models.synthesis.prepared import prepare_arrays

    prepare_arrays(task.samples, CONFIG, task.nets, lambda *_: None)
    assert path.stat().st_mtime_ns != made
    assert array_path(task.samples, task.nets, held).stat().st_mtime_ns == other
    meta.write_text(json.dumps(about), encoding="utf-8")
    prepare_arrays(task.samples, CONFIG, task.nets, lambda *_: None)


def test_batches_depend_on_their_number_alone_and_an_epoch_shows_every_sample(task: BaseActionTask) -> None:
    one, again, other = task.batch(3), task.batch(3), task.batch(4)
    assert torch.equal(one.noise, again.noise)
    assert torch.equal(one.latents, again.latents)
    assert not torch.equal(one.noise, other.noise)
    shown = [task.batch(number).motion for number in range(task.batches_per_epoch)]
    assert len({tuple(one[:, 0, 0].tolist()) for batch in shown for one in batch}) == len(task.train)


def test_terms_without_weight_are_not_computed_and_noisy_frames_are_not_decoded(task: BaseActionTask) -> None:
    batch = task.batch(0)
    clean = batch.latents + 0.1
    critics = Critics(vae=None, encoder=None, features=None)  # whoever decodes with it fails
    only = replace(TRAINING.loss, hands=0, layout=0, perceptual=0, consistency=0)
    assert set(losses(clean, batch.layout, batch, alphas()[batch.times], only, critics)) == {"full"}
    dark = replace(batch, times=torch.full_like(batch.times, 999))
    found = losses(clean, batch.layout, dark, alphas()[dark.times], TRAINING.loss, critics)
    assert float(found["consistency"]) == 0
    assert float(found["layout"]) == 0
    assert float(found["full"]) == pytest.approx(0.01 * TRAINING.loss.snr_low, rel=1e-3)
    assert float(found["hands"]) == pytest.approx(0.01 * TRAINING.loss.snr_low, rel=1e-3)


def test_the_loss_of_hands_sees_only_hands(task: BaseActionTask) -> None:
    batch = task.batch(1)
    away = batch.latents + (1 - batch.hands)
    only = replace(TRAINING.loss, full=0, layout=0, perceptual=0, consistency=0)
    critics = Critics(vae=None, encoder=None, features=None)
    assert float(losses(away, batch.layout, batch, alphas()[batch.times], only, critics)["hands"]) == 0


def test_pixel_terms_teach_the_latents(task: BaseActionTask) -> None:
    batch = task.batch(2)
    light = replace(batch, times=torch.full_like(batch.times, 10), drop=torch.zeros_like(batch.drop))
    clean = (batch.latents + 0.3 * torch.randn_like(batch.latents)).requires_grad_()
    found = losses(clean, batch.layout, light, alphas()[light.times], TRAINING.loss, task._critics)
    (found["perceptual"] + found["consistency"]).backward()
    assert clean.grad is not None
    assert (clean.grad.abs().sum(dim=(2, 3, 4)) > 0).sum() == len(clean) * TRAINING.loss.pixel_frames


def test_training_writes_a_model_that_says_what_it_learned_from(run: Run) -> None:
    lines = run.metrics()[0]
    assert {"full", "hands", "layout", "perceptual", "consistency"} == set(lines[0]["losses"])
    judged = [line["metrics"] for line in lines if line["kind"] == "validation"]
    assert {"error", "error_other_word", "error_no_motion"} == set(judged[0])
    assert described(run.model)["kind"] == KIND
    made = BaseActionPipeline.from_pretrained(run.model)
    assert set(made.words) == set(GLOSSES)
    assert made.words["BOOK"].samples == 3
    assert made.trained_on == "trained on 9 samples of 3 signers"
    word = made.word("TREE")
    assert made.generate(word.medoid, word.reference, SamplingOptions(steps=1)).shape[0] == FRAMES
    with pytest.raises(SignError, match="BOOK, HELLO, TREE"):
        made.word("HOUSE")


def test_a_model_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = toy_pipeline()
    kept.save_pretrained(tmp_path / "model")
    found = BaseActionPipeline.from_pretrained(tmp_path / "model")
    word, back = kept.words["BOOK"], found.words["BOOK"]
    assert np.array_equal(word.reference, back.reference)
    assert np.allclose(word.barycentre.views, back.barycentre.views, atol=2e-3)
    assert found.trained_on == kept.trained_on
    options = SamplingOptions(steps=2)
    one = kept.generate(back.medoid, word.reference, options)
    assert np.array_equal(one, found.generate(back.medoid, word.reference, options))


def test_in_half_precision_it_draws_nearly_the_same() -> None:
    options = SamplingOptions(steps=2)
    word = toy_pipeline().words["BOOK"]
    whole = toy_pipeline().generate(word.medoid, word.reference, options)
    half = toy_pipeline().to("cpu", half=True).generate(word.medoid, word.reference, options)
    difference = np.abs(whole.astype(int) - half)
    assert difference.mean() < 3
    assert not np.array_equal(whole, half)


def test_what_does_not_fit_is_said_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(WeightsError, match=r"model\.json"):
        BaseActionPipeline.from_pretrained(folder)
    toy_pipeline().save_pretrained(folder)
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    for changed, words in (
        ({"kind": "four-stage"}, "no base action model"),
        ({"format": 99}, "format 99"),
        ({"config": about["config"] | {"widths": [64]}}, "weights of another model"),
        ({"config": about["config"] | {"size": 63}}, "size"),
    ):
        (folder / "model.json").write_text(json.dumps(about | changed), encoding="utf-8")
        with pytest.raises(WeightsError, match=words):
            BaseActionPipeline.from_pretrained(folder)
    (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError, match="cut off"):
        BaseActionPipeline.from_pretrained(folder)
    pipeline = toy_pipeline()
    word = pipeline.words["BOOK"]
    with pytest.raises(SignError, match="64 x 64"):
        pipeline.generate(word.medoid, word.reference[:32])
    with pytest.raises(SignError, match="20 frames"):
        pipeline.generate(word.medoid, word.reference, begin=np.zeros((3, 64, 64, 3), np.uint8))


def test_data_that_cannot_be_learned_from_is_refused_in_words(tmp_path: Path) -> None:
    data = draw_words(tmp_path / "data", GLOSSES[:2])
    lines = (data / "index.csv").read_text(encoding="utf-8").splitlines()
    alone = [line for line in lines if not line.startswith("HELLO/") or line.startswith("HELLO/anna")]
    (data / "index.csv").write_text("\n".join(alone) + "\n", encoding="utf-8")
    samples = Samples(data, CONFIG)
    assert samples.words == ("BOOK",)
    assert "fewer than 2 samples are left out: 1, such as HELLO" in " ".join(samples.notes)

    for signer in SIGNERS:
        meta = data / "BOOK" / signer / "meta.json"
        about = json.loads(meta.read_text(encoding="utf-8"))
        hidden = {part: [False] * FRAMES for part in about["seen"]}
        meta.write_text(json.dumps(about | {"seen": hidden}), encoding="utf-8")
    with pytest.raises(SignError, match="no hand was found"):
        Samples(data, CONFIG)

    with pytest.raises(SignError, match=r"64 px, and model\.size is 128"):
        Samples(data, replace(CONFIG, size=128, layout=32))
    with pytest.raises(SignError, match="20 frames"):
        Samples(data, replace(CONFIG, window=24))

    shutil.rmtree(data)
    mixed = draw_words(tmp_path / "data", GLOSSES[:1])
    write_sample(mixed, "BOOK", "ben", size=96)
    samples = Samples(mixed, CONFIG)
    with pytest.raises(SignError, match="96"):
        [samples.views(one) for one in samples.all]


def test_settings_that_cannot_be_are_named() -> None:
    for changes, words in (
        ({"window": 40}, "32 frames"),
        ({"encoder": "clip-vit-base-patch32"}, "encoder"),
        ({"layout": 10}, "layout"),
        ({"widths": (30,)}, "widths"),
    ):
        with pytest.raises(SignError, match=words):
            replace(CONFIG, **changes)  # type: ignore[arg-type]
    for name, preset in PRESETS.items():
        assert from_dict(type(preset), to_dict(preset)) == preset, name
    assert KIND == "base-action"
