"""A training run as it lies on disk: whoever looks, another page or another program, sees the same.

config.json     what is trained, on what, and every setting
metrics.jsonl   a line for some steps ("kind": "train") and for each validation ("kind": "validation")
status.json     how it stands; replaced as a whole
log.txt         what the process printed
checkpoints/    last.safetensors, from which it goes on, and best.safetensors
model/          the best weights as the model's own folder
evaluation/     figures and a page, once it was evaluated
events/         the metrics for TensorBoard
STOP            while this file is there, the loop saves and ends
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.errors import SignError
from models.files import parse_json, read_json, replacing, safe_name

State = Literal["unknown", "queued", "preparing", "training", "evaluating", "finished", "stopped", "failed"]
CONFIG, METRICS, STATUS, LOG, STOP = "config.json", "metrics.jsonl", "status.json", "log.txt", "STOP"
Tell = Callable[[str, int, int], None]
"""Gets what is being done, how much is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best validation so far."""

    metric: str
    value: float
    step: int


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a run stands."""

    state: State = "unknown"
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    best: Best | None = None
    words: str = ""
    """What is being done, or what went wrong."""


class Run:
    """A run's folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def last(self) -> Path:
        """The checkpoint from which training goes on."""
        return self.folder / "checkpoints" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights of the best validation."""
        return self.folder / "checkpoints" / "best.safetensors"

    @property
    def model(self) -> Path:
        """The best weights as the model's own folder."""
        return self.folder / "model"

    @property
    def evaluation(self) -> Path:
        """What the evaluation wrote."""
        return self.folder / "evaluation"

    @property
    def events(self) -> Path:
        """For TensorBoard."""
        return self.folder / "events"

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.folder / LOG

    def config(self) -> dict[str, Any]:
        """What was written by `write_config`. Raises SignError when the folder holds no run."""
        try:
            found = read_json(self.folder / CONFIG)
        except FileNotFoundError as error:
            raise SignError(f"{safe_name(self.folder)}: no {CONFIG} is in it, so it is no training run.") from error
        except (ValueError, OSError) as error:
            raise SignError(f"{safe_name(self.folder)}/{CONFIG} cannot be read ({error}).") from error
        if not isinstance(found, dict):
            raise SignError(f"{safe_name(self.folder)}/{CONFIG} holds no settings.")
        return found

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Keep what is trained."""
        _write(self.folder / CONFIG, config)

    def status(self) -> Status:
        """How it stands; unknown when nothing was said yet."""
        try:
            found = read_json(self.folder / STATUS)
            best = found.pop("best", None)
            return Status(**found, best=None if best is None else Best(**best))
        except (OSError, ValueError, TypeError, AttributeError):
            return Status()

    def tell(self, status: Status) -> None:
        """Say how it stands."""
        _write(self.folder / STATUS, asdict(status))

    def say(self, **changes: Any) -> Status:
        """Say what has changed."""
        status = replace(self.status(), **changes)
        self.tell(status)
        return status

    def metrics(self, after_bytes: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The lines from a place in the file on, and the place after them. A line that is being written is left for
        the next time; one that cannot be read is skipped."""
        try:
            with (self.folder / METRICS).open("rb") as file:
                file.seek(after_bytes)
                text = file.read()
        except OSError:
            return [], after_bytes
        whole = text[: text.rfind(b"\n") + 1]
        lines = []
        for line in whole.splitlines():
            try:
                found = parse_json(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                lines.append(found)
        return lines, after_bytes + len(whole)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics; what is no number is null in it."""
        path = self.folder / METRICS
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(line), allow_nan=False) + "\n")

    def trim(self, step: int) -> None:
        """Take back the metrics of later steps, which a run that goes on from a checkpoint makes again."""
        if not (self.folder / METRICS).is_file():
            return
        kept = [line for line in self.metrics()[0] if line.get("step", 0) <= step]
        with replacing(self.folder / METRICS) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def teller(self) -> Tell:
        """Says it as the words of the status: once a second, and at the end."""
        told = 0.0

        def tell(words: str, done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told >= 1 or done == total:
                told = time.monotonic()
                self.say(words=f"{words}: {done} of {total}")

        return tell

    def should_stop(self) -> bool:
        """Whether somebody asked it to stop."""
        return (self.folder / STOP).exists()

    def ask_to_stop(self) -> None:
        """It saves and ends after the step that it is in."""
        (self.folder / STOP).touch()

    def may_go_on(self) -> None:
        """Take back `ask_to_stop`."""
        (self.folder / STOP).unlink(missing_ok=True)


def _write(path: Path, values: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_finite(values), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(values: Any) -> Any:
    """With null for NaN and infinity, which JSON has not."""
    if isinstance(values, Mapping):
        return {str(name): _finite(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    if isinstance(values, float):
        return value if math.isfinite(value := round(values, 7) if abs(values) > 1e-3 else values) else None
    return values
