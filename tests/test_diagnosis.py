"""What is wrong with a run, from its metrics and log: every finding with the series that has to cause it, and one that
comes near and must not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.training.diagnosis import Finding, diagnose
from models.training.run import Best, Run, Status

CONFIG = {"batch_size": 8, "model": {"chunk": 32}, "loop": {"learning_rate": 1e-3, "accumulation": 1}}


def train(step: int, loss: float | None, rate: float = 1e-3, **more: Any) -> dict[str, Any]:
    return {"kind": "train", "step": step, "loss": loss, "learning_rates": {"all": rate}, **more}


def validation(step: int, **metrics: float | None) -> dict[str, Any]:
    return {"kind": "validation", "step": step, "metrics": metrics}


def kinds(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.kind for finding in findings]


FALLING = [train(10 * n, 5 * math.exp(-n / 20)) for n in range(1, 61)]
OUT_OF_MEMORY = """step 40, loss 3.1
Traceback (most recent call last):
  File "/studio/models/training/loop.py", line 90, in fit
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB
"""
CRASH = """step 40, loss 3.1
Traceback (most recent call last):
  File "/studio/models/recognition/batches.py", line 12, in draw
    raise KeyError("HELLO")
KeyError: 'HELLO'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/studio/models/training/loop.py", line 90, in fit
    batch = task.batch(number)
ValueError: batch 41 has no clip
"""
LAUNCHED = """Traceback (most recent call last):
  File "/venv/bin/accelerate", line 6, in <module>
    sys.exit(main())
subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1.
"""


def test_nothing_is_wrong_with_a_run_that_learns_or_has_not_begun() -> None:
    judged = [validation(100 * n, wer=1 / n, blank_rate=0.96) for n in range(1, 7)]
    assert diagnose(FALLING + judged, Status(state="training"), "step 600, loss 0.3\n") == ()
    assert diagnose([], Status(), "") == ()


@pytest.mark.parametrize(
    "log",
    [
        OUT_OF_MEMORY,
        OUT_OF_MEMORY + LAUNCHED,
        "loading\nMemoryError: Unable to allocate 12.0 GiB for an array\n",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory\n",
        "step 40\nKilled\n",
        "bash: line 1:  4242 Killed                  signstudio train run\n",
        "The process ended with exit code -9.\n",
        "returned non-zero exit status 137.\n",
        "subprocess.CalledProcessError: Command died with <Signals.SIGKILL: 9>.\n",
    ],
)
def test_memory_that_ran_out_is_told_with_what_to_lower(log: str) -> None:
    metrics = [train(30, 3.0, memory_mb=5200), train(40, 2.9, memory_mb=5312)]
    (found,) = diagnose(metrics, Status(state="failed", step=40), log, CONFIG)
    assert found.kind == "memory"
    assert "after step 40" in found.words
    assert "5312 MB" in found.words
    assert "`batch_size` or `model.chunk`" in found.words
    assert "`loop.accumulation`" in found.words
    if log.startswith(OUT_OF_MEMORY):
        assert "2.50 GiB" in found.words


def test_without_a_config_memory_is_told_in_words() -> None:
    (found,) = diagnose([], Status(state="failed"), OUT_OF_MEMORY)
    assert "before the first step" in found.words
    assert "the batch size" in found.words
    assert "`loop.accumulation`" in found.words


@pytest.mark.parametrize(
    ("state", "log"),
    [
        ("finished", OUT_OF_MEMORY),  # of an earlier start
        ("training", OUT_OF_MEMORY + "Goes on from step 40.\nstep 50\nstep 60\nstep 70\n"),
        ("failed", "Skilled signers only\nMemory: 8 GB\nexit code 0\nsigns: 137\nsignstudio: no data\n"),
    ],
)
def test_what_only_looks_like_memory_is_not_told_as_such(state: Any, log: str) -> None:
    assert "memory" not in kinds(diagnose(FALLING, Status(state=state), log))


def test_while_the_run_is_said_to_train_an_error_at_the_end_of_its_log_counts() -> None:
    assert kinds(diagnose(FALLING, Status(state="training"), OUT_OF_MEMORY)) == ["memory"]
    assert kinds(diagnose(FALLING, Status(state="training"), CRASH)) == ["crash"]
    assert kinds(diagnose(FALLING, Status(state="training"), CRASH + "step 50\nstep 60\nstep 70\n")) == []


@pytest.mark.parametrize("log", [CRASH, CRASH + LAUNCHED, "".join(f"[rank0]: {line}\n" for line in CRASH.splitlines())])
def test_a_crash_is_told_by_the_last_line_of_its_own_traceback(log: str) -> None:
    (found,) = diagnose([train(40, 3.1)], Status(state="failed", step=40), log)
    assert found.kind == "crash"
    assert found.words.endswith("after step 40: ValueError: batch 41 has no clip")


def test_a_run_that_failed_by_a_users_mistake_tells_its_sentence() -> None:
    (found,) = diagnose([], Status(state="failed"), "signstudio: data has no manifest; make it first.\n\n")
    assert found.kind == "crash"
    assert "data has no manifest" in found.words
    assert diagnose([], Status(state="stopped"), "signstudio: stopped\n") == ()


def test_the_reason_that_the_run_itself_gives_counts_when_it_failed() -> None:
    assert kinds(diagnose([], Status(state="failed", words="exit code -9"), "step 40\n")) == ["memory"]
    assert kinds(diagnose([], Status(state="training", words="exit code -9"), "step 40\n")) == []


def test_a_loss_that_is_no_number_is_told_with_its_step_and_terms() -> None:
    metrics = [
        train(10, 4.0, gradient_norms={"all": 12.0}),
        train(20, 523.0, gradient_norms={"all": 8123.0}),
        train(30, None, rate=0.02, losses={"ctc": None, "align": 1.0}),
        train(40, None, rate=0.02, losses={"ctc": None, "align": None}),
    ]
    (found,) = diagnose(metrics, Status(state="training"), "", CONFIG)
    assert found.kind == "nan"
    for words in ("2 of 4", "step 30, in ctc;", "at step 20 it was 523", "8.12e+03", "0.02", "`loop.learning_rate`"):
        assert words in found.words, words


def test_a_gradient_that_overflowed_once_in_half_precision_is_no_nan() -> None:
    metrics = [train(10, 4.0, gradient_norms={"all": None}), train(20, 3.0, gradient_norms={"all": 2.0})]
    assert diagnose(metrics, Status(state="training"), "") == ()


def noisy(level: np.ndarray, spread: float, seed: int = 0) -> list[dict[str, Any]]:
    """A loss with warm-up of the learning rate over the first 6 of these lines."""
    values = level * (1 + spread * np.random.default_rng(seed).normal(size=len(level)))
    return [train(10 * (n + 1), float(value), rate=1e-3 * min(1, (n + 1) / 6)) for n, value in enumerate(values)]


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.2])
def test_a_loss_that_does_not_fall_is_told_with_its_medians(spread: float) -> None:
    metrics = noisy(np.full(90, 3.0), spread)
    (found,) = diagnose(metrics, Status(state="training"), "", CONFIG)
    assert found.kind == "flat"
    assert "steps 60 to" in found.words
    assert "up to 0.001" in found.words
    if not spread:
        assert "median is 3 in" in found.words


def test_a_loss_that_rises_does_not_fall_and_single_low_lines_are_not_believed() -> None:
    assert kinds(diagnose(noisy(np.linspace(3, 5, 90), 0.02), Status(), "")) == ["flat"]
    metrics = noisy(np.full(90, 3.0), 0.0)
    metrics[-5]["loss"] = metrics[-20]["loss"] = 0.01
    assert kinds(diagnose(metrics, Status(), "")) == ["flat"]


@pytest.mark.parametrize(
    "metrics",
    [
        noisy(np.linspace(3, 2.4, 90), 0.05),  # slowly
        noisy(np.full(30, 3.0), 0.0),  # too soon to say
        noisy(np.concatenate([np.linspace(9, 2, 6), np.full(84, 1.9)]), 0.0),  # already there at the end of the warm-up
    ],
)
def test_a_loss_that_falls_slowly_early_or_not_yet_is_not_told(metrics: list[dict[str, Any]]) -> None:
    assert diagnose(metrics, Status(state="training"), "") == ()


def test_with_learned_weights_the_terms_count_not_their_weighted_sum() -> None:
    """GradNorm raises the weight of the term that has fallen least, so the sum may rise while every term falls."""
    metrics = []
    for n in range(60):
        ctc, weight = 3 * math.exp(-n / 60), 1 + n / 20
        metrics.append(train(n, weight * ctc, losses={"ctc": ctc}, weights={"ctc": weight}))
    assert metrics[-1]["loss"] > metrics[0]["loss"]
    assert diagnose(metrics, Status(), "") == ()
    for line in metrics:
        line["weights"] = {"ctc": 1.0}
    assert kinds(diagnose(metrics, Status(), "")) == ["flat"]


@pytest.mark.parametrize("ends", [{"blank_rate": 0.999, "wer": 1.0}, {"empty_rate": 1.0}])
def test_a_model_that_says_nothing_is_told(ends: dict[str, float]) -> None:
    metrics = [*FALLING, validation(100, wer=1.2, blank_rate=0.4), validation(400, **ends), validation(600, **ends)]
    (found,) = diagnose(metrics, Status(state="training"), "")
    assert found.kind == "blank"
    assert "steps 400 and 600" in found.words
    assert "100%" in found.words


@pytest.mark.parametrize(
    "ends",
    [
        [validation(400, blank_rate=0.97, wer=0.2), validation(600, blank_rate=0.97, wer=0.1)],  # peaks are thin
        [validation(400, blank_rate=0.3, wer=1.1), validation(600, blank_rate=0.3, wer=1.0)],  # it says, but wrongly
        [validation(400, blank_rate=1.0, wer=1.0), validation(600, blank_rate=0.9, wer=0.9)],  # it begins to speak
        [validation(600, blank_rate=1.0, wer=1.0)],  # once only
        [validation(400, blank_rate=None, wer=1.0), validation(600, blank_rate=None, wer=1.0)],
    ],
)
def test_blanks_with_words_between_them_or_at_the_very_start_are_none(ends: list[dict[str, Any]]) -> None:
    assert diagnose(FALLING + ends, Status(state="training"), "") == ()


def test_a_model_in_its_warm_up_may_say_nothing() -> None:
    metrics = noisy(np.linspace(9, 5, 12), 0.0)
    ends = [validation(step, blank_rate=1.0, wer=1.0) for step in (20, 40, 50)]
    assert diagnose(metrics + ends, Status(state="training"), "") == ()


def judged(values: list[float], name: str = "wer") -> list[dict[str, Any]]:
    return [validation(50 * (n + 1), **{name: value}) for n, value in enumerate(values)]


OVERFIT = [0.8, 0.5, 0.4, 0.3, 0.31, 0.3, 0.36, 0.4, 0.41, 0.42, 0.45]


def test_overfitting_is_told_with_both_curves() -> None:
    status = Status(state="training", best=Best(metric="wer", value=0.3, step=200))
    (found,) = diagnose(FALLING + judged(OVERFIT), status, "", CONFIG)
    assert found.kind == "overfitting"
    assert "since step 200" in found.words
    assert "wer on other examples went from 0.3 to 0.42 at step 550" in found.words
    accuracy = [1 - value for value in OVERFIT]
    status = Status(state="training", best=Best(metric="frames", value=0.7, step=200))
    (found,) = diagnose(FALLING + judged(accuracy, "frames"), status, "")
    assert "frames on other examples went from 0.7 to 0.58" in found.words
    assert kinds(diagnose(FALLING + judged(accuracy, "accuracy"), Status(), "")) == ["overfitting"]


@pytest.mark.parametrize(
    "metrics",
    [
        FALLING + judged([0.8, 0.5, 0.4, 0.3, 0.31, 0.3, 0.3, 0.305, 0.3, 0.31, 0.305]),  # no worse
        FALLING + judged(OVERFIT[:7]),  # worse three times only
        FALLING + judged([0.8, 0.5, 0.2, 0.4, 0.38, 0.36, 0.35, 0.34, 0.33, 0.33, 0.32]),  # one lucky validation
        FALLING + judged([0.02, 0.001, 0.001, 0.001, 0.002, 0.002, 0.002, 0.002]),  # next to nothing
        [train(10 * n, 5 * max(math.exp(-n / 20), 0.4)) for n in range(1, 61)] + judged(OVERFIT),  # training stands too
    ],
)
def test_a_validation_that_stands_or_a_training_that_does_too_is_no_overfitting(metrics: list[dict[str, Any]]) -> None:
    assert "overfitting" not in kinds(diagnose(metrics, Status(state="training"), ""))


def test_a_run_on_disk_is_diagnosed(tmp_path: Any) -> None:
    run = Run(tmp_path)
    run.append(train(10, 4.0))
    run.append(train(20, float("nan")))
    run.tell(Status(state="training", step=20))
    assert kinds(diagnose(run.metrics()[0], run.status(), "")) == ["nan"]
