"""What each stream of the multi-stream model is worth; see `models.training.ablation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.recognition.multistream.config import MultiStreamTraining
from models.recognition.multistream.evaluate import evaluate
from models.recognition.multistream.recipe import build, prepare
from models.training.ablation import Study, between, percent

VARIANTS: Mapping[str, str] = {
    "full": "hands, objects and context",
    "no hands": "trained without the joints of hands",
    "no objects": "trained without boxes and pictures of objects",
    "no context": "trained without the whole picture",
    "hands only": "nothing but the joints of hands",
    "objects only": "nothing but boxes and pictures of objects",
    "context only": "nothing but the whole picture",
}
_ON = {
    "full": (True, True, True),
    "no hands": (False, True, True),
    "no objects": (True, False, True),
    "no context": (True, True, False),
    "hands only": (True, False, False),
    "objects only": (False, True, False),
    "context only": (False, False, True),
}


def variants(config: MultiStreamTraining) -> dict[str, MultiStreamTraining]:
    """The training of each variant, by name."""
    return {
        name: replace(config, model=replace(config.model, hands=hands, objects=objects, context=context))
        for name, (hands, objects, context) in _ON.items()
    }


def _row(made: Mapping[str, Any]) -> dict[str, Any]:
    result, other = made["result"], made["compositional"]
    return {
        "top1": result["top1"],
        "interval_95": result["top1_interval_95"],
        "compositional_top1": None if other is None else other["top1"],
        "clips": result["clips"],
        "split": made["data"]["split"],
        "per_class": {one["name"]: one["top1"] for one in result["per_class"]},
    }


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    return percent(one["top1"]), between(one["interval_95"]), percent(one["compositional_top1"])


STUDY = Study(
    model="multistream",
    variants=VARIANTS,
    configs=variants,
    prepare=prepare,
    build=build,
    evaluate=lambda run, command: evaluate(run, command=command),
    row=_row,
    heads=("top-1", "95 %", "compositional"),
    cells=_cells,
    judged=lambda row: f"{row['clips']} clips of the split {row['split']}",
)
