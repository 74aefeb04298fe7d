"""How good the model of a run is on clips that it was not trained on: evaluation.json and report.html in its folder.

Beside the split itself, the compositional one is judged where there is one (verbs with objects that they were never
trained with, as Something-Else has it); and the split again with each stream masked, which says what the trained model
takes from it. What a model would make of the other streams, had it been trained without one, is another question: see
`ablation`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import SignError
from models.files import write_json
from models.progress import Cancelled
from models.recognition.multistream.clips import Clips, Source, as_batch, without
from models.recognition.multistream.config import MultiStreamTraining, Stream
from models.recognition.multistream.demo_data import is_drawn
from models.recognition.multistream.files import about, load_multistream
from models.recognition.multistream.judging import measured
from models.recognition.multistream.network import MultiStream
from models.recognition.multistream.task import answers
from models.training import Run
from models.training.config import from_dict, to_dict
from models.training.run import Tell

EVALUATION, REPORT, COMPOSITIONAL = "evaluation.json", "report.html", "compositional"
_SHORT = ("clips", "k", "top1", "top1_interval_95", "top5", "top5_interval_95")


def evaluate(
    run: Run,
    split: str | None = None,
    *,
    command: str = "",
    tell: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
    pictures: bool = True,
) -> dict[str, Any]:
    """Judge the model in RUN/model on a split of the data that the run was trained on, and write RUN/evaluation.

    split: as `Source.judged` takes it. command: what the page says that it was made by. pictures: without them only the
    JSON is written. Raises SignError when the run has no model, its data is gone, or no clip is in the split, and
    Cancelled.
    """
    told = run.config()
    try:
        config, data = from_dict(MultiStreamTraining, told["config"]), Path(told["data"])
    except (KeyError, TypeError) as error:
        raise SignError(
            f"{run.folder.name}/config.json does not say what was trained, or on what ({error})."
        ) from error
    model = load_multistream(run.model)
    source = Source(data, model.config, config.data)
    if source.labels != model.labels:
        raise SignError(f"The labels of {data.name} have changed since the model was trained; train it again.")
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    clips = source.judged(split)
    judge = _Judge(model, config.data.batch_size, tell, should_stop)
    hidden = model.config.streams if len(model.config.streams) > 1 else ()
    judged = judge(clips, "Judging the model", hidden)
    made = {
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command or f"signstudio train evaluate {run.folder.name}",
        "data": _told_data(clips, source, judged),
        "model": _told_model(model, run),
        "result": judged.result,
        "compositional": _compositional(source, clips.split, judge),
        "streams_masked": judged.masked,
        "config": to_dict(config),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_json(run.evaluation / EVALUATION, made)
    if pictures:
        # Late: matplotlib takes a second.
        from models.recognition.multistream.evaluation_figures import draw_figures
        from models.recognition.multistream.evaluation_page import write_page

        write_page(made, draw_figures(made, run.metrics()[0], run.evaluation), run.evaluation / REPORT)
    return made


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What the model says of clips, and what there was to see in them."""

    result: dict[str, Any]
    masked: dict[str, dict[str, Any]]
    """The same with nothing in a stream, by its name, in short."""
    without_boxes: int
    """Clips."""
    hands_found: float | None
    """Share of the frames with a box around a hand in which joints were found."""


class _Judge:
    """Judges clips, and tells how far it is. Each clip is read once, however many streams are masked."""

    def __init__(
        self, model: MultiStream, size: int, tell: Tell | None, should_stop: Callable[[], bool] | None
    ) -> None:
        self._model, self._size, self._tell, self._should_stop = model, size, tell, should_stop

    def __call__(self, clips: Clips, words: str, hidden: Sequence[Stream] = ()) -> _Judged:
        logits: list[NDArray[np.float32]] = []
        masked: dict[Stream, list[NDArray[np.float32]]] = {name: [] for name in hidden}
        without_boxes = boxed = found = done = 0
        for items in clips.parts(self._size):
            if self._should_stop is not None and self._should_stop():
                raise Cancelled
            batch = as_batch(items)
            logits.append(answers(self._model, batch))
            for name in hidden:
                masked[name].append(answers(self._model, without(batch, name)))
            for item in items:
                without_boxes += not bool(item["annotated"].any())
                hand = item["hand_boxes_mask"].any(dim=1)
                boxed, found = boxed + int(hand.sum()), found + int((hand & item["hands_mask"].any(dim=1)).sum())
            done += len(items)
            if self._tell is not None:
                self._tell(words, done, len(clips))

        def judged(parts: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
            return measured(np.concatenate(parts), np.array(clips.labels), self._model.labels, clips.names)

        return _Judged(
            result=judged(logits),
            masked={name: _short(judged(parts)) for name, parts in masked.items()},
            without_boxes=without_boxes,
            hands_found=found / boxed if boxed else None,
        )


def _short(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result[key] for key in _SHORT}


def _compositional(source: Source, split: str, judge: _Judge) -> dict[str, Any] | None:
    if split == COMPOSITIONAL or COMPOSITIONAL not in source.told.splits:
        return None
    return judge(source.judged(COMPOSITIONAL), "Judging new pairs of verb and object").result


def _told_data(clips: Clips, source: Source, judged: _Judged) -> dict[str, Any]:
    return {
        "folder": source.folder.name,
        "split": clips.split,
        "clips": len(clips),
        "labels": len(set(clips.labels)),
        "drawn": is_drawn(source.folder),
        "without_boxes": judged.without_boxes,
        "hands_found": judged.hands_found,
    }


def _told_model(model: MultiStream, run: Run) -> dict[str, Any]:
    best = run.status().best
    return {
        "kind": "multistream",
        "run": run.folder.name,
        "name": str(run.config().get("name") or run.folder.name),
        "parameters": sum(one.numel() for one in model.parameters()),
        "streams": list(model.config.streams),
        "trained_on": about(run.model).trained_on,
        "config": to_dict(model.config),
        "step": None if best is None else best.step,
    }
