"""How good the model of a run is on clips that it was not trained on: evaluation.json and report.html in its folder."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from models.errors import SignError
from models.files import write_json
from models.recognition.four_stage.batches import Batches, rows_needed
from models.recognition.four_stage.clips import DRAWN, Clip
from models.recognition.four_stage.files import load_four_stage, trained_on
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.recipe import splits
from models.recognition.four_stage.stage_metrics import (
    Judged,
    Values,
    confusions,
    interval_95,
    judge,
    stage_metrics,
    word_error_rate,
)
from models.recognition.four_stage.task import FourStageTraining
from models.recognition.metrics import Step, comparison
from models.training import Run
from models.training.config import from_dict, to_dict
from models.training.run import Tell

EVALUATION, REPORT = "evaluation.json", "report.html"
_BATCH = 8


def evaluate(
    run: Run, split: str = "test", *, command: str = "", tell: Tell | None = None, pictures: bool = True
) -> Values:
    """Judge the model in RUN/model on a split of the data that the run was trained on, and write RUN/evaluation.

    command: what the page says that it was made by. pictures: without them only the JSON is written.
    Raises SignError when the run has no model, its data is gone, or no clip is in the split.
    """
    about = run.config()
    try:
        config, data = from_dict(FourStageTraining, about["config"]), Path(about["data"])
    except (KeyError, TypeError) as error:
        raise SignError(
            f"{run.folder.name}/config.json does not say what was trained, or on what ({error})."
        ) from error
    model = load_four_stage(run.model)
    clips, batches = held_out(model, config, data, split)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    found: list[Judged] = []
    for one in judge(model, clips, batches, min(_BATCH, config.data.batch_size)):
        found.append(one)
        if tell is not None:
            tell("Judging the model", len(found), len(clips))
    made = measured(found, model)
    made |= {
        "data": _told_data(clips, data, split, model.config.fps, batches),
        "model": _told_model(model, run),
        "command": command or f"signstudio train evaluate {run.folder.name}",
        "config": to_dict(config),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_json(run.evaluation / EVALUATION, made)
    if pictures:
        # Late: matplotlib takes a second.
        from models.recognition.four_stage.page import write_page
        from models.recognition.four_stage.pictures import draw_pictures

        drawn = draw_pictures(made, found, batches, model, run.metrics()[0], run.evaluation, tell)
        write_page(made, drawn, run.evaluation / REPORT)
    return made


def held_out(model: FourStage, config: FourStageTraining, data: Path, split: str) -> tuple[list[Clip], Batches]:
    """The clips of a split, ready for this model."""
    all_clips, all_frames = splits(config, data)
    if split not in all_clips:
        raise SignError(f"There is no split {split!r}; choose one of {', '.join(all_clips)}.")
    clips, frames = all_clips[split], all_frames[split]
    if not clips:
        raise SignError(f"No clip of {data.name} is in the split {split}; mark some in clips.csv, or choose another.")
    unknown = sorted({gloss for clip in clips for gloss in clip.glosses} - set(model.glosses))
    if unknown:
        raise SignError(
            f"{len(unknown)} glosses of the split {split} are unknown to the model ({', '.join(unknown[:5])}); the "
            "data has changed since it was trained."
        )
    return clips, Batches(clips, frames, model.glosses, model.config.size, config.data)


def measured(found: Sequence[Judged], model: FourStage) -> Values:
    """Every number of the evaluation."""
    references = [one.clip.glosses for one in found]
    hypotheses = [tuple(model.glosses[label - 1] for label in one.heard.labels) for one in found]
    steps = [comparison(one, other) for one, other in zip(references, hypotheses, strict=True)]
    errors = [sum(step.kind != "right" for step in one) for one in steps]
    signers = sorted({one.clip.signer for one in found})
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "word_error_rate": word_error_rate(references, hypotheses),
        "stage_metrics": stage_metrics(found, selects=model.config.select),
        "wer_interval_95": interval_95(errors, [len(one) for one in references]),
        "per_signer": {name: _of_signer(name, found, references, hypotheses) for name in signers},
        "infeasible": _infeasible(found),
        "confusions": confusions(steps),
        "sentences": [_sentence(*one) for one in zip(found, hypotheses, steps, strict=True)],
    }


def _of_signer(
    name: str, found: Sequence[Judged], references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> Values:
    places = [place for place, one in enumerate(found) if one.clip.signer == name]
    rate = word_error_rate([references[one] for one in places], [hypotheses[one] for one in places])
    return {"clips": len(places), **rate}


def _infeasible(found: Sequence[Judged]) -> Values:
    """Clips that CTC cannot get right, because they have fewer frames, or keyframes, than their glosses need."""
    few = [one for one in found if one.path is None]
    too_short = sum(len(one.heard.scores) < rows_needed(one.target) for one in few)
    return {
        "of_frames": too_short,
        "of_keyframes": len(few),
        "clips": len(found),
        "names": [one.clip.path.name for one in few],
    }


def _sentence(one: Judged, hypothesis: Sequence[str], steps: Sequence[Step]) -> Values:
    return {
        "clip": one.clip.path.name,
        "signer": one.clip.signer,
        "frames": len(one.heard.scores),
        "keyframes": len(one.heard.keyframes),
        "reference": list(one.clip.glosses),
        "hypothesis": list(hypothesis),
        "errors": sum(step.kind != "right" for step in steps),
        "steps": [step._asdict() for step in steps],
    }


def _told_data(clips: Sequence[Clip], data: Path, split: str, fps: float, batches: Batches) -> Values:
    return {
        "folder": data.name,
        "split": split,
        "clips": len(clips),
        "signers": len({clip.signer for clip in clips}),
        "signs": sum(len(clip.glosses) for clip in clips),
        "seconds": sum(batches.counts) / fps,
        "drawn": all(clip.signer.startswith(DRAWN) for clip in clips),
    }


def _told_model(model: FourStage, run: Run) -> Values:
    best = run.status().best
    return {
        "kind": "four-stage",
        "run": run.folder.name,
        "name": str(run.config().get("name") or run.folder.name),
        "parameters": sum(one.numel() for one in model.parameters()),
        "glosses": list(model.glosses),
        "start": model.config.start,
        "trained_on": trained_on(run.model),
        "config": to_dict(model.config),
        "step": None if best is None else best.step,
    }
