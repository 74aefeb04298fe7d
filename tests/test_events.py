"""The metrics as TensorBoard reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.training.events import Events

TRAIN = {
    "kind": "train",
    "step": 10,
    "epoch": 0.5,
    "seconds": 2.0,
    "loss": 3.5,
    "losses": {"ctc": 3.0, "align": 0.5},
    "weights": {"ctc": 1.0, "align": 1.0},
    "learning_rates": {"backbone": 1e-4},
    "gradient_norms": {"backbone": 0.25, "all": 1.25},
    "samples_per_s": 8.0,
    "memory_mb": 512,
}
VALIDATION = {
    "kind": "validation",
    "step": 10,
    "epoch": 0.5,
    "seconds": 3.0,
    "metrics": {"wer": 0.5, "blank_rate": 0.75},
}


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as the page of TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_both_kinds_of_lines_become_scalars(tmp_path: Path) -> None:
    with Events(tmp_path / "events") as events:
        events.write(TRAIN)
        events.write(VALIDATION)
    found = read(tmp_path / "events")
    for tag, value in {
        "loss": 3.5,
        "loss_of/ctc": 3.0,
        "loss_of/align": 0.5,
        "weight/align": 1.0,
        "learning_rate/backbone": 1e-4,
        "gradient_norm/all": 1.25,
        "speed/samples_per_s": 8.0,
        "memory/mb": 512.0,
        "validation/wer": 0.5,
        "validation/blank_rate": 0.75,
    }.items():
        ((step, read_value),) = found[tag]
        assert (step, read_value) == (10, pytest.approx(value, rel=1e-6)), tag


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    with Events(tmp_path) as events:
        events.write({**TRAIN, "loss": None, "losses": {"ctc": float("nan"), "align": 0.5}, "gradient_norms": None})
    found = read(tmp_path)
    assert "loss" not in found
    assert "loss_of/ctc" not in found
    assert found["loss_of/align"] == [(10, 0.5)]


def test_a_run_that_goes_on_takes_back_later_steps(tmp_path: Path) -> None:
    with Events(tmp_path) as events:
        for step in (10, 20, 30, 40):
            events.write({**TRAIN, "step": step, "loss": float(step)})
    with Events(tmp_path, after_step=20) as events:
        for step in (30, 40):
            events.write({**TRAIN, "step": step, "loss": float(-step)})
    assert read(tmp_path)["loss"] == [(10, 10.0), (20, 20.0), (30, -30.0), (40, -40.0)]


def test_tensorboard_is_loaded_only_when_events_are_written() -> None:
    code = "import sys, models.training.events; sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
