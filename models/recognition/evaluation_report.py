"""The report of an evaluation of a recognizer: the figures beside their aims, as sentences and as JSON.

A share, a rate or an area is 0..1. What was not measured is None, and the report says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files import replacing
from models.recognition.metrics import Confusion, Detection, Isolated, Latency, WordErrors

TOP_1, WER_WITH_PAUSES, WER_WITHOUT_PAUSES, UNKNOWN_AUROC, IDLE_AUROC, ENCODER_MS = 0.95, 0.07, 0.15, 0.97, 0.99, 10.0
"""The aims: at least, at most, at most, at least, at least, and at most for 95 % of the calls."""
NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A figure that has an aim."""

    name: str
    value: float | None
    aim: float
    show: Callable[[float], str]
    below: bool = False
    """The aim is not to be exceeded; otherwise it is to be reached."""
    told: str = ""
    """How the figure came about."""

    @property
    def mark(self) -> str:
        """Whether the aim is met, as a sign; a dot when nothing was measured."""
        if self.value is None:
            return "•"
        return "✔" if (self.value <= self.aim if self.below else self.value >= self.aim) else "✘"

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return NOT_MEASURED if self.value is None else self.show(self.value)

    @property
    def aimed(self) -> str:
        """The aim in words."""
        return f"aim: at {'most' if self.below else 'least'} {self.show(self.aim)}"

    def line(self) -> str:
        """All of it."""
        return f"{self.mark} {self.name}: {self.shown} ({'; '.join(filter(None, (self.told, self.aimed)))})"


@dataclass(frozen=True, kw_only=True)
class RecognitionReport:
    """What was measured of a recognizer; None where it was not."""

    recognizer: str = ""
    """Which one, in words."""
    data: str = ""
    """What it was measured on, in words."""
    command: str = ""
    """What measures it again."""
    isolated: Isolated | None = None
    with_pauses: WordErrors | None = None
    """Sentences with a rest between the signs."""
    without_pauses: WordErrors | None = None
    unknown: Detection | None = None
    """Known signs against unknown ones."""
    idle: Detection | None = None
    """Signing against idleness."""
    latency: Latency | None = None
    """Of the encoder."""

    def lines(self) -> tuple[str, ...]:
        """The figures in sentences, each with its aim and whether it is met."""
        about = (("Recognizer", self.recognizer), ("Data", self.data), ("Measured by", self.command))
        signs, with_pauses, without_pauses, unknown, idle, encoder = (one.line() for one in self.measures())
        return (
            *(f"{name}: {words}" for name, words in about if words),
            signs,
            *self._isolated_lines(),
            with_pauses,
            without_pauses,
            unknown,
            *_accepted_line(self.unknown, "unknown", "known"),
            idle,
            *_accepted_line(self.idle, "idle", "signing"),
            encoder,
        )

    def measures(self) -> tuple[Measure, ...]:
        """The figures that have an aim: single signs, sentences with and without pauses, unknown, idle, encoder."""
        signs, unknown, idle, took = self.isolated, self.unknown, self.idle, self.latency
        return (
            Measure(
                name="Single signs, top-1",
                value=None if signs is None else signs.top1,
                aim=TOP_1,
                show=percent,
                told="" if signs is None else _told_clips(signs),
            ),
            _sentences("with pauses", self.with_pauses, WER_WITH_PAUSES),
            _sentences("without pauses", self.without_pauses, WER_WITHOUT_PAUSES),
            Measure(
                name="Unknown signs, AUROC",
                value=None if unknown is None else unknown.auroc,
                aim=UNKNOWN_AUROC,
                show=area,
                told="" if unknown is None else f"{unknown.num_positive} known, {unknown.num_negative} unknown",
            ),
            Measure(
                name="Idleness, AUROC",
                value=None if idle is None else idle.auroc,
                aim=IDLE_AUROC,
                show=area,
                told="" if idle is None else f"{idle.num_positive} signing, {idle.num_negative} idle",
            ),
            Measure(
                name="Encoder, p95",
                value=None if took is None else took.p95_ms,
                aim=ENCODER_MS,
                show=milliseconds,
                below=True,
                told="" if took is None else f"median {milliseconds(took.p50_ms)}, {counted(took.calls, 'call')}",
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, None for what was not measured, and the aims."""
        return {
            "recognizer": self.recognizer,
            "data": self.data,
            "command": self.command,
            "aims": {
                "top1": TOP_1,
                "wer_with_pauses": WER_WITH_PAUSES,
                "wer_without_pauses": WER_WITHOUT_PAUSES,
                "unknown_auroc": UNKNOWN_AUROC,
                "idle_auroc": IDLE_AUROC,
                "encoder_p95_ms": ENCODER_MS,
            },
            "isolated": _values(self.isolated),
            "continuous": {
                "with_pauses": _values(self.with_pauses),
                "without_pauses": _values(self.without_pauses),
            },
            "unknown": _values(self.unknown),
            "idle": _values(self.idle),
            "latency": _values(self.latency),
        }

    def write_json(self, path: Path) -> None:
        """The figures as a JSON file."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def _isolated_lines(self) -> Iterable[str]:
        signs = self.isolated
        if signs is None:
            return
        yield f"• Single signs, top-5: {percent(signs.top5)}"
        if signs.per_signer:
            yield "  Top-1 of each signer:"
            width = max(len(signer) for signer in signs.per_signer)
            yield from (f"    {signer.ljust(width)}  {percent(share):>7}" for signer, share in weakest_first(signs))
        if signs.confusions:
            yield "  Most confused:"
            for one in signs.confusions:
                yield f"    {one.reference} taken for {one.predicted} in {one.count} of {counted(one.clips, 'clip')}"


def weakest_first(signs: Isolated) -> list[tuple[str, float]]:
    """The signers and their top-1, those whose signs were recognized least first."""
    return sorted(signs.per_signer.items(), key=lambda pair: (pair[1], pair[0]))


def percent(share: float) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{math.floor(1000 * share + 1e-6) / 10:g} %"


def percent_up(rate: float) -> str:
    """Rounded up, so that 0 % means none."""
    return f"{math.ceil(1000 * rate - 1e-6) / 10:g} %"


def area(value: float) -> str:
    """Rounded down to three digits."""
    return f"{math.floor(1000 * value + 1e-6) / 1000:.3f}"


def milliseconds(value: float) -> str:
    """Rounded up."""
    return f"{math.ceil(10 * value - 1e-6) / 10:.1f} ms"


def counted(count: int, one: str, more: str | None = None) -> str:
    """A number of things in words."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def _sentences(name: str, errors: WordErrors | None, aim: float) -> Measure:
    told = ""
    if errors is not None:
        kinds = (errors.substitutions, errors.deletions, errors.insertions)
        words = ", ".join(map(counted, kinds, ("substitution", "deletion", "insertion")))
        told = f"{words} in {counted(errors.reference_length, 'sign')}"
    value = None if errors is None else errors.wer
    return Measure(name=f"Sentences {name}, WER", value=value, aim=aim, show=percent_up, below=True, told=told)


def _accepted_line(found: Detection | None, refused: str, accepted: str) -> Iterable[str]:
    if found is not None:
        shown = percent_up(found.fpr_at_95_tpr)
        yield f"• {refused.capitalize()} taken for {accepted} where 95 % of {accepted} is accepted: {shown}"


def _told_clips(signs: Isolated) -> str:
    signers = f" of {counted(len(signs.per_signer), 'signer')}" if signs.per_signer else ""
    return f"{counted(signs.num_clips, 'clip')}{signers}, {counted(signs.num_glosses, 'gloss', 'glosses')}"


def _values(part: Any) -> Any:
    """A part of the report as JSON takes it."""
    if isinstance(part, WordErrors):
        return _values({**vars(part), "reference_length": part.reference_length, "wer": part.wer})
    if isinstance(part, Mapping):
        return {name: _values(value) for name, value in part.items()}
    if isinstance(part, tuple):
        return [_values(value) for value in part]
    if isinstance(part, Isolated | Confusion | Detection | Latency):
        return _values(vars(part))
    return round(part, 4) if isinstance(part, float) else part
