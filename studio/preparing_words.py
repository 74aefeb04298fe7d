"""How a data job stands, and what it would take, in words, for the terminal, its log and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.progress import duration

if TYPE_CHECKING:
    from models.data.work import PhaseProgress
    from studio.preparing import Phase


def progress_words(now: PhaseProgress) -> str:
    """One line: the phase, how far it is, what went wrong, the time left."""
    left = [] if now.seconds_left is None or now.done >= now.total else [f"about {duration(now.seconds_left)} left"]
    return f"{now.phase}: {', '.join([f'{now.done} of {now.total}', *losses(now), *left])}"


def losses(now: PhaseProgress | Phase) -> list[str]:
    """What did not come through."""
    counts = (("rejected", now.rejected), ("failed", now.failed))
    return [f"{count} {name}" for name, count in counts if count]


def plan_facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Counts and space of a plan; what the plan of another kind says in its own words comes as it is."""
    facts = []
    for name, value in found.items():
        if name in ("phases", "notes"):
            continue
        label = _LABELS.get(name, name.replace("_", " ").capitalize())
        if isinstance(value, Mapping):
            facts.append((label, ", ".join(f"{part} {_count(one)}" for part, one in value.items()) or "none"))
        elif name == "seconds":
            facts.append((label, "not known yet" if value is None else f"about {duration(value)}"))
        elif name.endswith("bytes") or name.startswith("bytes"):
            facts.append((label, size(value)))
        else:
            facts.append((label, _count(value)))
    return facts


_LABELS = {
    "instances": "Instances asked for",
    "urls": "Videos to fetch, by their URL",
    "copies": "Instances served by your videos",
    "without_video": "Instances without a video",
    "done": "Done already",
    "signers": "Signers that are known",
    "splits": "Clips by split",
    "seconds": "Time",
    "bytes_needed": "Space that is needed",
    "free_bytes": "Space that is free",
}


def size(value: Any) -> str:
    """Bytes in words."""
    if not isinstance(value, int | float):
        return "not known yet"
    number = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("bytes", "kB") else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _count(value: Any) -> str:
    return "not known yet" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
