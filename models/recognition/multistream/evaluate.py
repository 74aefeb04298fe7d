"""How good the model of a run is on clips that it was not trained on: evaluation.json and report.html in its folder.

Beside the split itself, the compositional one is judged where there is one (verbs with objects that they were never
trained with, as Something-Else has it); and the split again with each stream masked, which says what the trained model
takes from it. What a model would make of the other streams, had it been trained without one, is another question: see
`ablation`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.errors import SignError
from models.files import write_json
from models.progress import Cancelled
from models.recognition.multistream.clips import Clips, Source
from models.recognition.multistream.config import MultiStreamTraining, Stream
from models.recognition.multistream.demo_data import is_drawn
from models.recognition.multistream.files import about, load_multistream
from models.recognition.multistream.judging import measured
from models.recognition.multistream.network import MultiStream
from models.recognition.multistream.task import answers
from models.training import Run
from models.training.config import from_dict, to_dict

EVALUATION, REPORT, COMPOSITIONAL = "evaluation.json", "report.html", "compositional"
_SHORT = frozenset({"clips", "k", "top1", "top1_interval_95", "top5", "top5_interval_95"})
Tell = Callable[[str, int, int], None]
"""Gets what is being done, how much is done, and of how much."""


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

    split: data.test of the run's settings unless given. command: what the page says that it was made by. pictures:
    without them only the JSON is written. Raises SignError when the run has no model, its data is gone, or no clip is
    in the split; Cancelled.
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
    judge = _Judge(model, max(1, config.data.batch_size), tell, should_stop)
    made = {
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command or f"signstudio train evaluate {run.folder.name}",
        "data": _told_data(clips, source, split),
        "model": _told_model(model, run),
        "result": judge(clips, "Judging the model"),
        "compositional": _compositional(source, split, judge),
        "streams_masked": {
            name: _short(judge(clips, f"Judging it without {name}", name))
            for name in (model.config.streams if len(model.config.streams) > 1 else ())
        },
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


class _Judge:
    """Judges clips, and tells how far it is."""

    def __init__(
        self, model: MultiStream, size: int, tell: Tell | None, should_stop: Callable[[], bool] | None
    ) -> None:
        self._model, self._size, self._tell, self._should_stop = model, size, tell, should_stop

    def __call__(self, clips: Clips, words: str, masked: Stream | None = None) -> dict[str, Any]:
        found = []
        for start in range(0, len(clips), self._size):
            if self._should_stop is not None and self._should_stop():
                raise Cancelled
            part = clips.part(range(start, min(start + self._size, len(clips))))
            found.append(answers(self._model, part, self._size, masked))
            if self._tell is not None:
                self._tell(words, start + len(part), len(clips))
        return measured(np.concatenate(found), np.array(clips.labels), self._model.labels, clips.names)


def _short(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key in _SHORT}


def _compositional(source: Source, split: str | None, judge: _Judge) -> dict[str, Any] | None:
    if split == COMPOSITIONAL or COMPOSITIONAL not in source.told.splits:
        return None
    return judge(source.judged(COMPOSITIONAL), "Judging new pairs of verb and object")


def _told_data(clips: Clips, source: Source, split: str | None) -> dict[str, Any]:
    boxed = found = without = 0
    for place in range(len(clips)):
        item = clips[place]
        without += not bool(item["annotated"].any())
        boxed += int(item["hand_boxes_mask"].any(dim=1).sum())
        found += int((item["hands_mask"].any(dim=1) & item["hand_boxes_mask"].any(dim=1)).sum())
    return {
        "folder": source.folder.name,
        "split": split or source.data.test,
        "clips": len(clips),
        "labels": len(set(clips.labels)),
        "drawn": is_drawn(source.folder),
        "without_boxes": without,
        "hands_found": found / boxed if boxed else None,
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
