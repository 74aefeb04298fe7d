"""How a data job stands, and what it would take, in words, for the terminal, its log and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.progress import duration
from studio.texts import later, text

if TYPE_CHECKING:
    from models.data.work import PhaseProgress
    from studio.preparing import Phase


def progress_words(now: PhaseProgress) -> str:
    """One line: the phase, how far it is, what went wrong, the time left."""
    left = [] if now.seconds_left is None or now.done >= now.total else [f"about {duration(now.seconds_left)} left"]
    return f"{now.phase}: {', '.join([f'{now.done} of {now.total}', *losses(now), *left])}"


def losses(now: PhaseProgress | Phase) -> list[str]:
    """What did not come through."""
    rejected = [text("{number} rejected", number=now.rejected)] if now.rejected else []
    failed = [text("{number} failed", number=now.failed)] if now.failed else []
    return [*rejected, *failed]


def phase_name(phase: str) -> str:
    """A phase, as a person reads it."""
    return text(_PHASES.get(phase, phase[:1].upper() + phase[1:].replace("_", " ")))


_PHASES = {
    "download": later("Download"),
    "extract": later("Extract"),
    "clean": later("Clean"),
    "lexicon": later("Lexicon"),
}


def plan_facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Counts and space of a plan; what the plan of another kind says in its own words comes as it is."""
    facts = []
    for name, value in found.items():
        if name in ("phases", "notes"):
            continue
        label = text(_LABELS.get(name, name.replace("_", " ").capitalize()))
        if isinstance(value, Mapping):
            facts.append((label, ", ".join(f"{part} {_count(one)}" for part, one in value.items()) or text("none")))
        elif name == "seconds":
            known = value is not None
            facts.append((label, text("about {time}", time=duration(value)) if known else text("not known yet")))
        elif name.endswith("bytes") or name.startswith("bytes"):
            facts.append((label, size(value)))
        else:
            facts.append((label, _count(value)))
    return facts


_LABELS = {
    "instances": later("Instances asked for"),
    "urls": later("Videos to fetch, by their URL"),
    "copies": later("Instances served by your videos"),
    "without_video": later("Instances without a video"),
    "glosses": later("Glosses"),
    "words": later("Words"),
    "clips": later("Clips"),
    "done": later("Done already"),
    "to_do": later("To do"),
    "signers": later("Signers that are known"),
    "splits": later("Clips by split"),
    "seconds": later("Time"),
    "bytes_needed": later("Space that is needed"),
    "free_bytes": later("Space that is free"),
}


def size(value: Any) -> str:
    """Bytes in words."""
    if not isinstance(value, int | float):
        return text("not known yet")
    number = float(value)
    for unit in (text("bytes"), "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.1f} {unit}" if unit in ("MB", "GB") else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _count(value: Any) -> str:
    return text("not known yet") if value is None else f"{value:,}" if isinstance(value, int) else str(value)
