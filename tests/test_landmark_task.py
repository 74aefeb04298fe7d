"""Training of the landmark model: the same numbers as ever, rounds that go on, figures of what it has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_landmark_model import GLOSSES, TINY, take
from torch import Tensor

from models.errors import LexiconError, SignError, WeightsError
from models.recognition import landmark_data, landmark_task, recipe
from models.recognition.batches import Batches, BatchOptions
from models.recognition.corpus import Take, load_takes, vocabulary
from models.recognition.evaluate import unknown_threshold
from models.recognition.landmark_data import pieces, singles
from models.recognition.landmark_model import LandmarkModel
from models.recognition.landmark_recognizer import LandmarkRecognizer
from models.recognition.landmark_task import PRESETS, LandmarkTask, LandmarkTraining
from models.recognition.losses import LossOptions, losses
from models.recognition.model_files import load_model
from models.recognition.recipe import Recipe, train_model
from models.training import LoopOptions, Run, fit
from models.training.config import from_dict, to_dict

OPTIONS = LoopOptions(
    steps=12,
    learning_rate=1e-2,
    weight_decay=0.02,
    clip=2.0,
    mean_over=2,
    log_every=1,
    save_every=4,
    validate_every=6,
)
BEFORE = (111.0882, 101.8065, 65.2593, 61.6862, 81.9267, 65.5033, 36.7178, 26.2709, 41.8646, 48.1007, 38.2670, 36.5286)
"""Losses of twelve steps of the loop that this model had of its own, which made the weights that are shipped."""


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from accelerate.state import PartialState

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    PartialState._reset_state()
    yield
    PartialState._reset_state()


@pytest.fixture(scope="module")
def sentences() -> list[Take]:
    return [take(*order, signer=signer) for signer in (1, 2) for order in (GLOSSES, GLOSSES[::-1])]


@pytest.fixture(scope="module")
def signs() -> list[Take]:
    return [take(gloss, signer=3) for gloss in GLOSSES]


@pytest.fixture(scope="module")
def held() -> list[Take]:
    return [take(gloss, signer=4) for gloss in GLOSSES]


def tiny(
    sentences: list[Take], signs: list[Take], held: list[Take], options: LoopOptions = OPTIONS, **changes: Any
) -> LandmarkTask:
    torch.manual_seed(0)
    config = LandmarkTraining(batches=BatchOptions(clips=4), loop=options, **changes)
    batches = Batches(sentences, signs, GLOSSES, config.batches)
    return LandmarkTask(config, LandmarkModel(replace(TINY, dropout=0.1)), batches, held, GLOSSES)


def test_the_loop_gives_the_losses_that_made_the_shipped_model(
    sentences: list[Take], signs: list[Take], held: list[Take], tmp_path: Path
) -> None:
    run = Run(tmp_path)
    fit(tiny(sentences, signs, held), OPTIONS, run)
    found = [line for line in run.metrics()[0] if line["kind"] == "train"]
    assert [line["loss"] for line in found] == pytest.approx(BEFORE, rel=1e-4)
    last = found[-1]
    assert sum(last["weights"][name] * value for name, value in last["losses"].items()) == pytest.approx(last["loss"])
    assert last["weights"] == {name: LossOptions().weights()[name] for name in last["losses"]}
    assert last["weights"]["distillation"] == 10.0


def test_training_learns_and_a_stopped_run_ends_as_the_whole_one(
    sentences: list[Take], signs: list[Take], held: list[Take], tmp_path: Path
) -> None:
    whole, seen = tiny(sentences, signs, held), tiny(sentences, signs, held).batch(0)
    before = _gloss_loss(whole.landmark_model, seen)
    fit(whole, OPTIONS, Run(tmp_path / "whole"))
    assert _gloss_loss(whole.landmark_model, seen) < 0.9 * before

    class Killed(Exception):
        pass

    stopped = tiny(sentences, signs, held)
    drawn = stopped.batch

    def batch(number: int) -> Any:
        if number == 7:
            raise Killed
        return drawn(number)

    stopped.batch = batch  # type: ignore[method-assign]
    with pytest.raises(Killed):
        fit(stopped, OPTIONS, Run(tmp_path / "stopped"))
    again = tiny(sentences, signs, held)
    fit(again, OPTIONS, Run(tmp_path / "stopped"))
    for (name, one), other in zip(
        whole.landmark_model.named_parameters(), again.landmark_model.parameters(), strict=True
    ):
        assert torch.equal(one, other), name


def _gloss_loss(model: LandmarkModel, batch: Any) -> float:
    model.eval()
    return float(losses(model, model(batch.rows)[0], batch, LossOptions())["gloss"].detach())


def test_it_is_judged_by_what_it_has_not_seen_and_padding_does_not_matter(
    sentences: list[Take], signs: list[Take], held: list[Take]
) -> None:
    task = tiny(sentences, signs, held)
    task.model.eval()
    with torch.inference_mode():
        together = task.validate(task.model)
        alone = []
        for one in held:
            task.held = [one]
            alone.append(task.validate(task.model))
    assert together.keys() == {"wer", "top1", "loss", "blank_rate", "empty_rate"}
    for name in ("wer", "top1", "empty_rate"):  # one sign in each
        assert together[name] == pytest.approx(sum(one[name] for one in alone) / len(alone)), name


def test_a_model_that_says_nothing_is_judged_so(sentences: list[Take], signs: list[Take], held: list[Take]) -> None:
    task = tiny(sentences, signs, held)
    with torch.inference_mode():
        task.landmark_model.eval().contextual.bias[0] = 100.0
        found = task.validate(task.model)
    assert (found["wer"], found["blank_rate"], found["empty_rate"]) == (1.0, 1.0, 1.0)


def test_the_best_weights_are_a_model_that_recognizes(
    sentences: list[Take], signs: list[Take], held: list[Take], tmp_path: Path
) -> None:
    run = Run(tmp_path)
    task = tiny(sentences, signs, held)
    fit(task, OPTIONS, run)
    model, card = load_model(run.model)
    assert card.glosses == GLOSSES
    assert card.settings == {"steps": 12, "seed": 0, "signers": 52}
    assert "never seen a person" in card.trained_on
    recognizer = LandmarkRecognizer(model, card)
    assert card.unknown_below == pytest.approx(unknown_threshold(recognizer, held), abs=1e-4)
    found = recognizer.segments(held[0].rows)
    assert {one.gloss for one in found} <= {*GLOSSES, None}
    assert all(0 <= one.start_ms < one.end_ms for one in found)


def test_gradnorm_and_half_precision_take_this_model(
    sentences: list[Take], signs: list[Take], held: list[Take], tmp_path: Path
) -> None:
    options = replace(OPTIONS, steps=3, weighing="gradnorm", precision="bf16")
    task = tiny(sentences, signs, held, options)
    assert [tuple(one.shape) for one in task.shared()] == [(32, 32), (32,)]
    run = Run(tmp_path)
    fit(task, options, run)
    line = [line for line in run.metrics()[0] if line["kind"] == "train"][-1]
    given = LossOptions().weights()
    assert all(line["losses"][name] is not None for name in line["losses"])
    learned = [line["weights"][name] / given[name] for name in line["weights"]]
    assert sum(learned) == pytest.approx(len(learned))
    assert any(abs(one - 1) > 1e-3 for one in learned)


def test_every_preset_survives_json_and_says_what_cannot_be() -> None:
    assert list(PRESETS) == ["demo", "full-1", "full-2", "full-3"]
    for config in PRESETS.values():
        assert from_dict(LandmarkTraining, json.loads(json.dumps(to_dict(config)))) == config
    with pytest.raises(SignError, match="multiple of 4"):
        LandmarkTraining(width=30)
    for path, value, words in (
        (("batches", "clips"), 0, "batches.clips is 0"),
        (("batches", "signs"), [4, 1], "batches.signs 4 to 1"),
        (("batches", "idle_share"), 1.5, "batches.idle_share is 1.5"),
        (("batches", "augmentation", "speed"), [0, 1], "batches.augmentation.speed is 0"),
        (("batches", "augmentation", "lost_rows"), [5, 5], "lost_rows 5 to 5"),
        (("batches", "augmentation", "mirror"), 2, "batches.augmentation.mirror is 2"),
        (("loss", "temperature"), 0, "loss.temperature is 0"),
        (("loss", "smoothing"), 1, "loss.smoothing is 1"),
    ):
        told: Any = to_dict(PRESETS["demo"])
        inner = told
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        with pytest.raises(SignError, match=words):
            from_dict(LandmarkTraining, told)
    with pytest.raises(SignError, match="generator's coordinates alone"):
        LandmarkTraining(glosses=10)


def test_sentences_are_cut_into_pieces_with_every_sign_once(sentences: list[Take]) -> None:
    long = sentences[0]
    assert [one.glosses for one in singles([long])] == [(gloss,) for gloss in long.glosses]
    assert [len(one.rows) for one in singles([long])] == [end - start for _, start, end in long.spans]
    assert [one.glosses for one in pieces([long])] == [long.glosses]
    five = replace(long, spans=(*long.spans, ("HELLO", long.spans[-1][2], long.spans[-1][2] + 5)))
    assert [len(one.spans) for one in pieces([five])] == [4, 1]


# The demo, from nothing to its figures


@pytest.mark.slow
def test_a_demo_is_made_trained_and_judged(tmp_path: Path) -> None:
    whole = PRESETS["demo"]
    config = replace(
        whole,
        signers=1,
        glosses=5,
        width=16,
        batches=replace(whole.batches, clips=4),
        loop=replace(whole.loop, steps=4, validate_every=2),
    )
    data, run = tmp_path / "data", Run(tmp_path / "run")
    with pytest.raises(LexiconError):
        landmark_task.build(config, data)
    told: list[tuple[str, int, int]] = []
    landmark_task.prepare(config, data, lambda *one: told.append(one), workers=1)
    assert told[0] == ("Performing sentences", 1, 1)
    files = {path.name for path in data.iterdir()}
    assert files == {
        "generated-1-5-words.npz",
        "generated-2-from-2000-5-words.npz",
        "generated-2-from-2100-5-words.npz",
    }
    signers = [{one.signer for one in load_takes(data / name)} for name in sorted(files)]
    assert len(set.union(*signers)) == 5  # nobody is in two of them
    landmark_task.prepare(config, data, lambda *one: pytest.fail("made again"), workers=1)

    task, options = landmark_task.build(config, data)
    assert task.glosses == vocabulary()[:5]
    run.write_config({"model": "landmark", "preset": "demo", "data": str(data), "config": to_dict(config)})
    fit(task, options, run)
    found = landmark_task.evaluate(run)
    assert json.loads((run.evaluation / "evaluation.json").read_text()).keys() == found.keys()
    assert (run.evaluation / "evaluation.png").stat().st_size > 1000
    assert found["isolated"]["num_clips"] == 10
    assert found["continuous"]["without_pauses"]["wer"] is not None
    assert found["continuous"]["with_pauses"] is None

    onwards = replace(config, start=run.model)
    again, _ = landmark_task.build(onwards, data)
    kept = load_model(run.model)[0].state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in again.landmark_model.state_dict().items())
    assert all(one.requires_grad for one in again.landmark_model.parameters())
    landmark_task.prepare(replace(config, glosses=4), data, workers=1)
    with pytest.raises(WeightsError, match="other glosses"):
        landmark_task.build(replace(onwards, glosses=4), data)


# The three rounds


@pytest.fixture
def small(
    sentences: list[Take], signs: list[Take], held: list[Take], monkeypatch: pytest.MonkeyPatch
) -> dict[str, LandmarkTraining]:
    """Presets of the rounds with four glosses and little of everything."""
    monkeypatch.setattr(landmark_task, "words", lambda count: GLOSSES)
    monkeypatch.setattr(landmark_task, "generated_takes", lambda *_: sentences)
    monkeypatch.setattr(landmark_task, "read_signs", lambda *_: signs)
    monkeypatch.setattr(landmark_task, "choosing", lambda *_, read: held)
    made = {
        name: replace(
            one,
            width=16,
            batches=replace(one.batches, clips=3),
            loop=replace(one.loop, mean_over=3, save_every=1, log_every=1),
        )
        for name, one in PRESETS.items()
    }
    monkeypatch.setattr(recipe, "PRESETS", made)
    return made


def test_three_rounds_make_the_model_and_go_on_where_they_were_stopped(
    small: dict[str, LandmarkTraining], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Recipe(steps=(3, 4, 3))
    whole = train_model(tmp_path, tmp_path / "whole", plan)
    _, card = load_model(tmp_path / "whole")
    assert card.settings == {"steps": [3, 4, 3], "seed": 0, "signers": 52}
    for number, steps in enumerate(plan.steps, start=1):
        run = Run(tmp_path / "whole" / f"round-{number}")
        assert (run.status().state, run.status().step) == ("finished", steps)
        assert run.config()["preset"] == f"full-{number}"

    class Killed(Exception):
        pass

    drawn, left = Batches.draw, [5]

    def draw(self: Batches, number: int) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return drawn(self, number)

    monkeypatch.setattr(Batches, "draw", draw)
    with pytest.raises(Killed):
        train_model(tmp_path, tmp_path / "stopped", plan)
    assert Run(tmp_path / "stopped" / "round-2").status().step == 1
    left[0] = 5  # what is left to do: 2 steps of the second round, 3 of the third
    again = train_model(tmp_path, tmp_path / "stopped", plan)
    assert left[0] == 0
    for (name, one), other in zip(whole.model.named_parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other), name
    with pytest.raises(WeightsError, match="other settings"):
        train_model(tmp_path, tmp_path / "whole", replace(plan, steps=(3, 5, 3)))


def test_each_round_begins_with_the_mean_weights_of_the_one_before(
    small: dict[str, LandmarkTraining], tmp_path: Path
) -> None:
    train_model(tmp_path, tmp_path / "out", Recipe(steps=(3, 1, 1)))
    first = load_model(tmp_path / "out" / "round-1" / "model")[0].state_dict()
    second = Recipe(steps=(3, 1, 1)).rounds(tmp_path / "out")[1]
    assert second.start == tmp_path / "out" / "round-1" / "model"
    task, _ = landmark_task.build(second, tmp_path)
    begun: dict[str, Tensor] = task.landmark_model.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in begun.items())


def test_the_recipe_is_that_of_the_shipped_model(tmp_path: Path) -> None:
    first, second, third = Recipe().rounds(tmp_path)
    assert [one.loop.steps for one in (first, second, third)] == [1200, 1500, 1000]
    assert first.start is None
    assert first.batches == BatchOptions()
    assert second.batches.stranger_share == 0.12
    assert third.batches.signs == (1, 5)
    for one in (first, second, third):
        assert (one.signers, one.glosses, one.read, one.width) == (landmark_data.NUM_GENERATED, 0, True, 160)
        loop = one.loop
        assert (loop.learning_rate, loop.weight_decay, loop.clip, loop.mean_over) == (2e-3, 0.02, 2.0, 150)
        assert (loop.warmup, loop.accumulation, loop.precision, loop.weighing) == (0.1, 1, "no", "fixed")
