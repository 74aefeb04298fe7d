"""What each stage is worth: the same training without it, judged on the same clips.

A folder for each variant, which is a run like any other. What is finished is kept, what was stopped goes on, so the
same command may be given again. Every variant is trained once, with the same seed, data and steps: a difference
that is not much larger than the intervals is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.errors import SignError
from models.files import replacing, write_json
from models.recognition.four_stage.evaluate import EVALUATION, evaluate
from models.recognition.four_stage.recipe import build, prepare
from models.recognition.four_stage.task import FourStageTraining
from models.training import Run, Status, fit
from models.training.config import to_dict

Tell = Callable[[str, int, int], None]
"""Gets what is being done, how much is done, and of how much."""
TABLE = "ablation"
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


def ablate(
    config: FourStageTraining,
    data: Path,
    out: Path,
    steps: int | None = None,
    tell: Tell | None = None,
    *,
    names: Sequence[str] = (),
    command: str = "",
) -> dict[str, Any]:
    """Train and judge every variant, or those that are named, in folders of OUT; write OUT/ablation.json and .md.

    steps: of each training, in place of the config's. Returns what the JSON holds. Raises SignError for a folder with
    runs of other settings, and what training raises; Cancelled after a checkpoint when OUT/<variant>/STOP is there.
    """
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise SignError(f"There is no variant {unknown[0]!r}; there are {', '.join(VARIANTS)}.")
    if steps is not None:
        config = replace(config, loop=replace(config.loop, steps=steps))
    chosen = {name: one for name, one in variants(config).items() if not names or name in names}
    runs = {name: _run(Path(out) / folder_name(name), name, one, data) for name, one in chosen.items()}
    prepare(config, data, tell)
    rows: list[dict[str, Any]] = []
    for place, (name, run) in enumerate(runs.items(), start=1):
        _train(run, chosen[name], data, _said(tell, f"{place} of {len(runs)}: {name}"))
        rows.append(_row(name, run, _evaluated(run, command)))
        _write(Path(out), _table(rows, data, command))  # so that what is done can be looked at
    return _table(rows, data, command)


def folder_name(name: str) -> str:
    """Of a variant: ctc-only."""
    return name.lower().replace(" ", "-")


def _run(folder: Path, name: str, config: FourStageTraining, data: Path) -> Run:
    run = Run(folder)
    settings = to_dict(config)
    if not (folder / "config.json").is_file():
        run.write_config({"model": "four-stage", "name": name, "data": str(Path(data).absolute()), "config": settings})
        return run
    before = run.config()
    if before.get("config") != json.loads(json.dumps(settings)) or before.get("data") != str(Path(data).absolute()):
        raise SignError(f"{folder} holds a run with other settings or data; choose another folder, or delete it.")
    return run


def _train(run: Run, config: FourStageTraining, data: Path, tell: Callable[[Status], None] | None) -> None:
    if run.status().state == "finished" and run.model.is_dir():
        return
    run.may_go_on()
    task, options = build(config, data)
    fit(task, options, run, tell)


def _evaluated(run: Run, command: str) -> dict[str, Any]:
    path = run.evaluation / EVALUATION
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return evaluate(run, command=command)
    return found


def _row(name: str, run: Run, made: Mapping[str, Any]) -> dict[str, Any]:
    lines = [one for one in run.metrics()[0] if "seconds" in one]
    best = run.status().best
    rate = made["word_error_rate"]
    return {
        "variant": name,
        "about": VARIANTS[name],
        "wer": rate["wer"],
        "wer_interval_95": made["wer_interval_95"],
        **rate["error_types"],
        "total_words": rate["total_words"],
        "sentences_right": made["stage_metrics"]["stage4"]["sequence_accuracy"],
        "steps": run.status().step,
        "best_step": None if best is None else best.step,
        "minutes": lines[-1]["seconds"] / 60 if lines else None,
        "parameters": made["model"]["parameters"],
        "stage_metrics": made["stage_metrics"],
    }


def _table(rows: Sequence[Mapping[str, Any]], data: Path, command: str) -> dict[str, Any]:
    return {"command": command, "data": Path(data).name, "split": "test", "variants": list(rows)}


def _write(out: Path, table: Mapping[str, Any]) -> None:
    write_json(out / f"{TABLE}.json", table)
    with replacing(out / f"{TABLE}.md") as temporary:
        temporary.write_text("\n".join(markdown(table)) + "\n", encoding="utf-8")


def markdown(table: Mapping[str, Any]) -> list[str]:
    """The table in Markdown, best read in a fixed-width font."""
    heads = ("variant", "WER", "95 %", "S / D / I", "sentences right", "steps (best)", "minutes", "parameters")
    cells = [heads, *(_cells(one) for one in table["variants"])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    about = [f"- {one['variant']}: {one['about']}" for one in table["variants"]]
    words = table["variants"][0]["total_words"] if table["variants"] else 0
    end = (
        f"Split {table['split']} of {table['data']}, {words} signs. One training of each, with one seed: what differs "
        "by less than the intervals is not shown to differ."
    )
    made = [lines[0], rule, *lines[1:], "", *about, "", end]
    return [*made, "", f"Made by `{table['command']}`"] if table["command"] else made


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    between = one["wer_interval_95"]
    best = "" if one["best_step"] is None else f" ({one['best_step']})"
    return (
        str(one["variant"]),
        _percent(one["wer"]),
        "" if between is None else f"{100 * between[0]:.1f}–{100 * between[1]:.1f} %",
        f"{one['substitutions']} / {one['deletions']} / {one['insertions']}",
        _percent(one["sentences_right"]),
        f"{one['steps']}{best}",
        "" if one["minutes"] is None else f"{one['minutes']:.1f}",
        f"{one['parameters']:,}",
    )


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.1f} %"


def _said(tell: Tell | None, words: str) -> Callable[[Status], None] | None:
    return None if tell is None else lambda status: tell(words, status.step, status.steps)
