"""How a run stands, in words, for the terminal, its log and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.progress import duration

if TYPE_CHECKING:
    from models.training.run import Status
    from studio.jobs import Job


def status_line(status: Status, losses: str) -> str:
    """One line: the state, the step, the losses, the time left."""
    parts = [status.state]
    if status.steps:
        parts.append(f"step {status.step} of {status.steps}")
    if losses and status.state == "training":
        parts.append(losses)
    if status.seconds_left is not None:
        parts.append(f"about {duration(status.seconds_left)} left")
    if status.words:
        parts.append(status.words)
    return " · ".join(parts)


def job_line(job: Job) -> str:
    """One run in a list."""
    parts = [job.id, job.state]
    if job.steps:
        parts.append(f"step {job.step} of {job.steps}")
    if job.best is not None:
        parts.append(f"best {job.best.metric} {number(job.best.value)} at step {job.best.step}")
    if job.seconds_left is not None and not job.ended:
        parts.append(f"about {duration(job.seconds_left)} left")
    if job.words:
        parts.append(job.words)
    return " · ".join(parts)


def losses_words(line: Mapping[str, Any]) -> str:
    """The loss, and its terms where there are several."""
    terms = line.get("losses") or {}
    each = ", ".join(f"{name} {number(value)}" for name, value in terms.items())
    return f"loss {number(line.get('loss'))}" + (f" ({each})" if len(terms) > 1 else "")


def validation_words(line: Mapping[str, Any]) -> str:
    """What a validation measured."""
    each = ", ".join(f"{name} {number(value)}" for name, value in (line.get("metrics") or {}).items())
    return f"validation at step {line.get('step')}: {each}"


def plan_lines(found: Mapping[str, Any]) -> list[str]:
    """A plan, one fact to a line."""
    parts = ", ".join(f"{name} {count(value)}" for name, value in (found.get("parts") or {}).items())
    memory = found.get("memory_mb")
    lines = [
        f"Parameters: {count(found['parameters'])}{f' ({parts})' if parts else ''}",
        f"Memory: {'not measured' if memory is None else f'about {memory:.0f} MB'}",
        f"Steps: {found['steps']}, which is {found['epochs']:.1f} times through the data",
    ]
    if found.get("seconds") is not None:
        each = f" ({found['seconds_per_step']:.3g} s a step on this machine, validations not counted)"
        lines.append(f"Time: about {duration(found['seconds'])}{each}")
    return [*lines, *filter(None, [found.get("words")])]


def number(value: Any) -> str:
    """A figure with as many digits as are worth reading; a dash for what is no number."""
    return f"{value:.4g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"


def count(value: int) -> str:
    """1234567 as 1.23 million."""
    if value >= 1_000_000:
        return f"{value / 1e6:.3g} million"
    return f"{value / 1e3:.3g} thousand" if value >= 10_000 else str(value)
