"""What each stage of the four-stage model is worth; see `models.training.ablation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.recognition.four_stage.evaluate import evaluate
from models.recognition.four_stage.recipe import build, prepare
from models.recognition.four_stage.task import FourStageTraining
from models.training.ablation import Study, between, percent

VARIANTS: Mapping[str, str] = {
    "full": "all four stages, weights of the terms learned",
    "no selection": "every frame is a keyframe",
    "no alignment": "frames are not compared with glosses",
    "CTC only": "neither, and no loss but that of CTC",
    "fixed weights": "all four stages, weights of the terms as given",
}


def variants(config: FourStageTraining) -> dict[str, FourStageTraining]:
    """The training of each variant, by name."""
    full = replace(
        config,
        model=replace(config.model, select=True, align=True),
        loop=replace(config.loop, weighing="gradnorm"),
    )
    model, loss, fixed = full.model, full.loss, replace(full.loop, weighing="fixed")
    return {
        "full": full,
        "no selection": replace(full, model=replace(model, select=False), loss=replace(loss, gru=0.0)),
        "no alignment": replace(full, model=replace(model, align=False), loss=replace(loss, align=0.0)),
        "CTC only": replace(
            full,
            model=replace(model, select=False, align=False),
            loss=replace(loss, align=0.0, gru=0.0, cls=0.0, reg=0.0),
            loop=fixed,  # of one term there is nothing to weigh
        ),
        "fixed weights": replace(full, loop=fixed),
    }


def _row(made: Mapping[str, Any]) -> dict[str, Any]:
    rate = made["word_error_rate"]
    return {
        "wer": rate["wer"],
        "wer_interval_95": made["wer_interval_95"],
        **rate["error_types"],
        "total_words": rate["total_words"],
        "sentences_right": made["stage_metrics"]["stage4"]["sequence_accuracy"],
        "stage_metrics": made["stage_metrics"],
    }


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        percent(one["wer"]),
        between(one["wer_interval_95"]),
        f"{one['substitutions']} / {one['deletions']} / {one['insertions']}",
        percent(one["sentences_right"]),
    )


STUDY = Study(
    model="four-stage",
    variants=VARIANTS,
    configs=variants,
    prepare=prepare,
    build=build,
    evaluate=lambda run, command: evaluate(run, command=command),
    row=_row,
    heads=("WER", "95 %", "S / D / I", "sentences right"),
    cells=_cells,
    judged=lambda row: f"{row['total_words']} signs of the split test",
)
