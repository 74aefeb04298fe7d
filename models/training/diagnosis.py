"""What is wrong with a training run, in words: from its metrics, its state and the end of its log, nothing else.

Every finding says what is seen, with its numbers, and which field of the config to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeGuard

Kind = Literal["memory", "nan", "flat", "blank", "overfitting", "crash"]
Line = Mapping[str, Any]
"""One line of metrics.jsonl."""

LEAST_LINES = 30
"""Training lines after the warm-up, before which nothing is said of a loss that does not fall."""
LEAST_FALL = 0.02
"""Share of the loss; a smaller fall is none."""
NEAR_ONE = 0.95
"""Blank rate and word error rate from which on a model says nothing."""
WORSE = 0.05
"""Share of the validation metric by which it has to worsen before that is said."""
_AFTER_BEST = 4  # validations behind the best one before a worsening is believed
_BEST_FIRST = frozenset({"accuracy", "top1", "top5", "f1", "auroc"})  # higher is better, where the run does not say
_SMALLER = ("batch_size", "clips", "chunk", "frames", "size")  # fields that memory grows with, the best to lower first
_ENDED = ("finished", "stopped")
_LAST = 3  # lines of the log that are its end

_OUT_OF_MEMORY = re.compile(
    r"out of memory|MemoryError|can't allocate memory|cannot allocate memory|bad_alloc", re.IGNORECASE
)
_KILLED = re.compile(
    r"(?:^\W*|\d )Killed\b|SIGKILL|signal 9\b|exit(?:ed|s)?(?: with)?(?: code| status)?[ :=]*(?:-9|137)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ASKED_FOR = re.compile(r"[Tt]ried to allocate ([\d.]+ [KMGT]i?B)")
_TRACEBACK = "Traceback (most recent call last)"
_RANK = re.compile(r"^\[rank\d+\]: ?")
_LAUNCHERS = ("CalledProcessError", "ChildFailedError")  # what `accelerate launch` says of a program that failed


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    words: str
    """What is seen, with the numbers, and what to change."""


def diagnose(
    metrics: Sequence[Line], status: object = None, log_tail: str = "", config: Mapping[str, Any] | None = None
) -> tuple[Finding, ...]:
    """Everything that is wrong with a run; empty when nothing is.

    metrics: lines of metrics.jsonl. status: the run's Status, of which state, steps, best and words are used where it
    has them. log_tail: the end of log.txt. config: the run's own, so that its fields are called by their names.
    """
    train = [line for line in metrics if line.get("kind") == "train"]
    validation = [line for line in metrics if line.get("kind") == "validation"]
    names = _Names(config)
    findings = [_memory(train, status, log_tail, names) or _crash(train, status, log_tail)]
    findings.append(_nan(train, names))
    findings.append(_blank(train, validation, names))
    if not any(findings):
        findings.append(_flat(train, names))
    findings.append(_overfitting(train, validation, status, names))
    return tuple(finding for finding in findings if finding is not None)


class _Names:
    """Dotted names of the config's fields; without a config, the ones that are usual."""

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self._known = [] if config is None else list(_leaves(config))

    def of(self, field: str) -> str:
        """A field of the loop's options by its full name."""
        found = [name for name in self._known if name.split(".")[-1] == field]
        return f"`{found[0] if found else f'loop.{field}'}`"

    def smaller(self) -> str:
        """What to lower when memory runs out, and what to raise instead."""
        found = [name for last in _SMALLER for name in self._known if name.split(".")[-1] == last]
        words = " or ".join(f"`{name}`" for name in found[:3]) or "the batch size, the chunk of frames or the size"
        raised = self.of("accumulation")
        return f"Lower {words}; with {raised} raised by as much as the batch gets smaller, training stays the same."


def _memory(train: Sequence[Line], status: object, log_tail: str, names: _Names) -> Finding | None:
    text = _end_of_log(status, log_tail)
    if _OUT_OF_MEMORY.search(text):
        asked = _ASKED_FOR.search(text)
        seen = "Memory ran out" + (f" when {asked.group(1)} more were asked for" if asked else "")
    elif _KILLED.search(text):
        seen = "The system killed the process (signal 9), which it does when memory runs out"
    else:
        return None
    used = [line["memory_mb"] for line in train if _number(line.get("memory_mb"))]
    before = f"; {max(used):.0f} MB were in use before" if used else ""
    return Finding(kind="memory", words=f"{seen}{_at(train)}{before}. {names.smaller()}")


def _crash(train: Sequence[Line], status: object, log_tail: str) -> Finding | None:
    text = _end_of_log(status, log_tail)
    last = _last_exception(text)
    if last is None and getattr(status, "state", "unknown") == "failed":
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "the log says nothing")
    if last is None:
        return None
    return Finding(kind="crash", words=f"The program ended with an error{_at(train)}: {last}")


def _nan(train: Sequence[Line], names: _Names) -> Finding | None:
    bad = [number for number, line in enumerate(train) if "loss" in line and not _number(line["loss"])]
    if not bad:
        return None
    first = train[bad[0]]
    terms = [name for name, value in (first.get("losses") or {}).items() if not _number(value)]
    words = (
        f"The loss is no number (NaN or infinite) in {len(bad)} of {len(train)} lines, first at step {first['step']}"
    )
    words += f", in {', '.join(terms)}" if terms else ""
    if bad[0]:
        before = train[bad[0] - 1]
        words += f"; at step {before['step']} it was {before['loss']:.4g}"
        norm = (before.get("gradient_norms") or {}).get("all")
        words += f", with a gradient of norm {norm:.3g}" if _number(norm) else ""
    rates = [rate for rate in (first.get("learning_rates") or {}).values() if _number(rate)]
    words += f". The learning rate was {max(rates):.2g}" if rates else ""
    rate, clip = names.of("learning_rate"), names.of("clip")
    precision = names.of("precision")
    return Finding(kind="nan", words=f"{words}. Lower {rate} or {clip}; with fp16, set {precision} to bf16 or no.")


def _blank(train: Sequence[Line], validation: Sequence[Line], names: _Names) -> Finding | None:
    ends = [line for line in validation if int(line["step"]) >= _warm(train)][-2:]
    if len(ends) < 2 or not all(_says_nothing(line["metrics"]) for line in ends):
        return None
    metrics = ends[-1]["metrics"]
    seen = [
        f"{words} {metrics[name]:.0%}"
        for name, words in (
            ("blank_rate", "of frames that are blank"),
            ("wer", "word error rate"),
            ("empty_rate", "of sentences in which nothing is said"),
        )
        if _number(metrics.get(name))
    ]
    return Finding(
        kind="blank",
        words=(
            f"The model says nothing: at steps {ends[0]['step']} and {ends[1]['step']} every frame is CTC's blank "
            f"({'; '.join(seen)}). All such models begin like this. When it lasts, raise {names.of('learning_rate')} "
            f"or {names.of('steps')}, begin with shorter sentences, and look whether clips have more frames than "
            "glosses."
        ),
    )


def _says_nothing(metrics: Mapping[str, Any]) -> bool:
    def high(name: str) -> bool:
        value = metrics.get(name)
        return _number(value) and value >= NEAR_ONE

    return high("empty_rate") or (high("blank_rate") and high("wer"))


def _flat(train: Sequence[Line], names: _Names) -> Finding | None:
    losses = _losses(train)
    warm = [value for step, value in losses if step >= _warm(train)]
    if len(warm) < LEAST_LINES:
        return None
    third = len(warm) // 3
    (first, first_error), (last, last_error) = _middle(warm[:third]), _middle(warm[-third:])
    start = median([value for _, value in losses[:3]])
    if start > 0 and last < 0.5 * start:  # it has fallen, only earlier
        return None
    sure = max(LEAST_FALL * abs(first), (first_error**2 + last_error**2) ** 0.5)
    if first - last >= sure:
        return None
    steps = [step for step, _ in losses if step >= _warm(train)]
    rates = [rate for line in train for rate in (line.get("learning_rates") or {}).values() if _number(rate)]
    told = f" at learning rates up to {max(rates):.2g}" if rates else ""
    return Finding(
        kind="flat",
        words=(
            f"The loss does not fall: its median is {first:.4g} in steps {steps[0]} to {steps[third - 1]} and "
            f"{last:.4g} in steps {steps[-third]} to {steps[-1]}{told}. Try {names.of('learning_rate')} ten times "
            "higher and ten times lower, and look at the gradient norms: a part whose norm is 0 is not reached."
        ),
    )


def _overfitting(train: Sequence[Line], validation: Sequence[Line], status: object, names: _Names) -> Finding | None:
    name, higher = _judged_by(validation, status)
    points = [
        (int(line["step"]), float(line["metrics"][name])) for line in validation if _number(line["metrics"].get(name))
    ]
    if len(points) <= _AFTER_BEST:
        return None
    sign = -1.0 if higher else 1.0
    badness = [sign * value for _, value in points]
    best = badness.index(min(badness))
    if best > len(points) - 1 - _AFTER_BEST:
        return None
    around, last = median(badness[max(best - 1, 0) : best + 2]), median(badness[-3:])
    if last - around < WORSE * max(abs(around), WORSE) or min(badness[-3:]) <= around:
        return None
    losses = _losses(train)
    before = [value for step, value in losses if step <= points[best][0]]
    behind = [value for step, value in losses if step > points[best][0]]
    if not before or not behind:
        return None
    then, now = median(before[-3:]), median(behind[-10:])
    if then - now < LEAST_FALL * abs(then):
        return None
    return Finding(
        kind="overfitting",
        words=(
            f"The model learns its examples by heart: since step {points[best][0]} the training loss fell from "
            f"{then:.4g} to {now:.4g}, but {name} on other examples went from {points[best][1]:.4g} to "
            f"{sign * last:.4g} at step {points[-1][0]}. The weights of step {points[best][0]} are kept. More signers "
            f"and sentences help most; or raise {names.of('weight_decay')} and dropout, or let {names.of('patience')} "
            "end the run."
        ),
    )


def _judged_by(validation: Sequence[Line], status: object) -> tuple[str, bool]:
    """The validation metric, and whether higher is better: read off the best that the run tells, else by its name."""
    present = {name for line in validation for name, value in line["metrics"].items() if _number(value)}
    best = getattr(status, "best", None)
    told: Callable[[str], Any] = best.get if isinstance(best, Mapping) else lambda key: getattr(best, key, None)
    name, value = (None, None) if best is None else (told("metric"), told("value"))
    if name in present and _number(value):
        values = [line["metrics"][name] for line in validation if _number(line["metrics"].get(name))]
        return str(name), abs(max(values) - value) < abs(min(values) - value)
    usual = [name for name in ("wer", "loss", *sorted(_BEST_FIRST)) if name in present]
    return (usual[0], usual[0] in _BEST_FIRST) if usual else ("loss", False)


def _losses(train: Sequence[Line]) -> list[tuple[int, float]]:
    """Step and loss of each line; the terms summed by the weights of the first line, as weights may be learned."""
    weights: Mapping[str, float] = next((line["weights"] for line in train if line.get("weights")), {})
    found = []
    for line in train:
        terms = line.get("losses") or {}
        learned = bool(line.get("weights")) and line["weights"] != weights and set(terms) <= set(weights)
        loss = (
            sum(weights[name] * value for name, value in terms.items() if _number(value)) if learned else line["loss"]
        )
        if _number(loss) and _number(line["loss"]):
            found.append((int(line["step"]), float(loss)))
    return found


def _warm(train: Sequence[Line]) -> int:
    """The step at which the learning rate is at its highest; 0 where it is not told."""
    rates = [
        (max(values), int(line["step"]))
        for line in train
        if (values := [rate for rate in (line.get("learning_rates") or {}).values() if _number(rate)])
    ]
    highest = max((rate for rate, _ in rates), default=0.0)
    return next((step for rate, step in rates if rate >= highest), 0)


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Median and its standard error, by the median distance from it."""
    middle = median(values)
    spread = 1.4826 * median([abs(value - middle) for value in values])
    return middle, 1.2533 * spread / len(values) ** 0.5


def _end_of_log(status: object, log_tail: str) -> str:
    """What of the log is about how the run ended. While it runs, that is what nothing comes after: after an error
    further up it was started again, and went on."""
    state = getattr(status, "state", "unknown")
    if state in _ENDED:
        return ""
    lines = [_RANK.sub("", line) for line in log_tail.splitlines() if line.strip()]
    if state in ("preparing", "training", "evaluating"):
        found = _exceptions(lines)
        lines = lines[found[-1][0] :] if found and found[-1][1] >= len(lines) - _LAST else lines[-_LAST:]
    words = getattr(status, "words", None) if state == "failed" else None
    return "\n".join([*lines, *([words] if words else [])])


def _last_exception(text: str) -> str | None:
    """The line behind the last traceback that is the program's own, not its launcher's."""
    lines = text.splitlines()
    found = [lines[end].strip() for _, end in _exceptions(lines)]
    own = [line for line in found if not any(name in line.split(":")[0] for name in _LAUNCHERS)]
    return own[-1] if own else found[-1] if found else None


def _exceptions(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Of each traceback, the line where it begins and the one that names the exception."""
    found, start = [], None
    for number, line in enumerate(lines):
        if _TRACEBACK in line:
            start = number
        elif start is not None and line and not line[0].isspace():
            found.append((start, number))
            start = None
    return found


def _at(train: Sequence[Line]) -> str:
    return f" after step {train[-1]['step']}" if train else " before the first step"


def _leaves(config: Mapping[str, Any], before: str = "") -> list[str]:
    found = []
    for name, value in config.items():
        found += _leaves(value, f"{before}{name}.") if isinstance(value, Mapping) else [f"{before}{name}"]
    return found


def _number(value: object) -> TypeGuard[float]:
    """Whether this is a finite number; NaN and infinity are written as null."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
