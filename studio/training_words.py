"""How a run stands, in words, for the terminal, its log and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.progress import duration
from studio.texts import text

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
    """One run in a list: its id, its name, and how it stands."""
    parts = [*dict.fromkeys((job.id, job.name, job.state))]
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


def plan_facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a training would take, each with its name."""
    parts = ", ".join(f"{name} {count(value)}" for name, value in (found.get("parts") or {}).items())
    memory, whole = found.get("memory_mb"), count(found["parameters"])
    steps = text("{steps}, which is {epochs:.1f} times through the data", steps=found["steps"], epochs=found["epochs"])
    facts = [
        (text("Parameters"), f"{whole} ({parts})" if parts else whole),
        (text("Memory"), text("not measured") if memory is None else text("about {size:.0f} MB", size=memory)),
        (text("Steps"), steps),
    ]
    if found.get("seconds") is not None:
        words = text(
            "about {time} ({each:.3g} s a step on this machine, validations not counted)",
            time=duration(found["seconds"]),
            each=found["seconds_per_step"],
        )
        facts.append((text("Time"), words))
    return facts


def plan_notes(found: Mapping[str, Any]) -> list[str]:
    """What to know beside them."""
    words = found.get("words")
    return [text(words)] if words else []


def plan_lines(found: Mapping[str, Any]) -> list[str]:
    """A plan, one fact to a line."""
    return [*(f"{name}: {value}" for name, value in plan_facts(found)), *plan_notes(found)]


def number(value: Any) -> str:
    """A figure with as many digits as are worth reading; a dash for what is no number."""
    return f"{value:.4g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"


def count(value: int) -> str:
    """1234567 as 1.23 million."""
    if value >= 999_500:  # which would be 1e+03 thousand
        return text("{number:.3g} million", number=value / 1e6)
    return text("{number:.3g} thousand", number=value / 1e3) if value >= 10_000 else str(value)
