"""The model of actions that comes with the studio, on drawn clips that nothing was trained or chosen on."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.recognition.multistream.demo_scenes import TEMPLATES
from models.recognition.multistream.recognizer import ActionRecognizer, open_recognizer
from studio.inputs import sample_actions

ROOT = Path(__file__).parents[1] / "assets" / "multistream"
CLIPS, BOXES = sample_actions()


@pytest.fixture(scope="module")
def recognizer() -> ActionRecognizer:
    return open_recognizer(ROOT)


def test_it_says_that_it_has_never_seen_a_filmed_clip(recognizer: ActionRecognizer) -> None:
    assert recognizer.drawn
    assert "330 clips of 11 actions that the studio drew; it has never seen a filmed one" in recognizer.description
    assert len(recognizer.labels) == len(TEMPLATES) == 11
    assert sum(path.stat().st_size for path in ROOT.iterdir()) < 10e6


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("picking-a-phone-up", "Picking something up"),
        ("pointing-at-an-apple", "Pointing at something"),
        ("pushing-a-ball-to-the-left", "Pushing something from right to left"),
    ],
)
def test_the_sample_clips_are_recognized(recognizer: ActionRecognizer, name: str, label: str) -> None:
    seen = recognizer.see(next(path for path in CLIPS if path.stem == name), BOXES)
    assert seen.candidates[0].label == label
    assert seen.present.all(axis=1).sum() >= 1 and seen.present[1].any()


def test_without_the_hands_pointing_is_taken_for_something_else_or_less_sure(recognizer: ActionRecognizer) -> None:
    clip = next(path for path in CLIPS if path.stem.startswith("pointing"))
    whole, blind = recognizer.see(clip, BOXES), recognizer.see(clip, BOXES, hands=False)
    sure = {one.label: one.confidence for one in blind.candidates}
    assert sure.get("Pointing at something", 0.0) < whole.candidates[0].confidence


@pytest.mark.slow
def test_the_demo_learns_its_actions_from_nothing(tmp_path: Path) -> None:
    """About a quarter of an hour on two cores."""
    from models.recognition.multistream import recipe
    from models.recognition.multistream.evaluate import evaluate
    from models.training import Run, fit
    from models.training.config import to_dict

    config, data = recipe.PRESETS["demo"], tmp_path / "data"
    recipe.prepare(config, data)
    task, options = recipe.build(config, data)
    run = Run(tmp_path / "run")
    run.write_config({"model": "multistream", "name": "demo", "data": str(data), "config": to_dict(config)})
    fit(task, options, run)
    made = evaluate(run, pictures=False)
    assert made["result"]["clips"] == 110
    assert made["result"]["top1"] >= 0.9
    assert all(masked["top1"] < made["result"]["top1"] for masked in made["streams_masked"].values())
