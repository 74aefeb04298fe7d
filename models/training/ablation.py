"""What each part of a model is worth: the same training without it, judged on the same clips.

A folder for each variant, which is a run like any other. What is finished is kept, what was stopped goes on, so the
same command may be given again. Every variant is trained once, with the same seed, data and steps: a difference
that is not much larger than the intervals is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import SignError
from models.files import read_json, replacing, write_json
from models.training.config import to_dict
from models.training.loop import fit
from models.training.options import LoopOptions
from models.training.run import Run, Status, Tell
from models.training.task import Task

Values = Mapping[str, Any]
TABLE = "ablation"
EVALUATION = "evaluation.json"


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is left out of a model, and what is told of each training."""

    model: str
    """What can be trained, by its name."""
    variants: Mapping[str, str]
    """What each variant is, in words, by its name."""
    configs: Callable[[Any], Mapping[str, Any]]
    """The training of each variant, from the one that was asked for."""
    prepare: Callable[[Any, Path, Tell | None], None]
    build: Callable[[Any, Path], tuple[Task, LoopOptions]]
    evaluate: Callable[[Run, str], Values]
    """Judges a run, told the command; writes RUN/evaluation/evaluation.json."""
    row: Callable[[Values], dict[str, Any]]
    """What of the evaluation stands in the table."""
    heads: tuple[str, ...]
    cells: Callable[[Values], tuple[str, ...]]
    """Of a row, as many as there are heads."""
    judged: Callable[[Values], str]
    """What a row was judged on, in words."""


def ablate(
    study: Study,
    config: Any,
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
    unknown = [name for name in names if name not in study.variants]
    if unknown:
        raise SignError(f"There is no variant {unknown[0]!r}; there are {', '.join(study.variants)}.")
    if steps is not None:
        config = replace(config, loop=replace(config.loop, steps=steps))
    chosen = {name: one for name, one in study.configs(config).items() if not names or name in names}
    runs = {name: _run(study.model, Path(out) / folder_name(name), name, one, data) for name, one in chosen.items()}
    study.prepare(config, data, tell)
    rows: list[dict[str, Any]] = []
    table: dict[str, Any] = {"command": command, "data": Path(data).name, "variants": rows}
    for place, (name, run) in enumerate(runs.items(), start=1):
        _train(study, run, chosen[name], data, _said(tell, f"{place} of {len(runs)}: {name}"))
        rows.append(_row(study, name, run, _evaluated(study, run, command)))
        _write(study, Path(out), table)  # so that what is done can be looked at
    return table


def folder_name(name: str) -> str:
    """Of a variant: ctc-only."""
    return name.lower().replace(" ", "-")


def _run(model: str, folder: Path, name: str, config: Any, data: Path) -> Run:
    run = Run(folder)
    settings = to_dict(config)
    if not (folder / "config.json").is_file():
        run.write_config({"model": model, "name": name, "data": str(Path(data).absolute()), "config": settings})
        return run
    before = run.config()
    if before.get("config") != json.loads(json.dumps(settings)) or before.get("data") != str(Path(data).absolute()):
        raise SignError(f"{folder} holds a run with other settings or data; choose another folder, or delete it.")
    return run


def _train(study: Study, run: Run, config: Any, data: Path, tell: Callable[[Status], None] | None) -> None:
    if run.status().state == "finished" and run.model.is_dir():
        return
    run.may_go_on()
    task, options = study.build(config, data)
    fit(task, options, run, tell)


def _evaluated(study: Study, run: Run, command: str) -> Values:
    path = run.evaluation / EVALUATION
    try:
        found: Values = read_json(path)
    except (OSError, ValueError):
        return study.evaluate(run, command)
    return found


def _row(study: Study, name: str, run: Run, made: Values) -> dict[str, Any]:
    lines = [one for one in run.metrics()[0] if "seconds" in one]
    best = run.status().best
    return {
        "variant": name,
        "about": study.variants[name],
        **study.row(made),
        "steps": run.status().step,
        "best_step": None if best is None else best.step,
        "minutes": lines[-1]["seconds"] / 60 if lines else None,
        "parameters": made["model"]["parameters"],
    }


def _write(study: Study, out: Path, table: Values) -> None:
    write_json(out / f"{TABLE}.json", table)
    with replacing(out / f"{TABLE}.md") as temporary:
        temporary.write_text("\n".join(markdown(study, table)) + "\n", encoding="utf-8")


def markdown(study: Study, table: Values) -> list[str]:
    """The table in Markdown, best read in a fixed-width font."""
    heads = ("variant", *study.heads, "steps (best)", "minutes", "parameters")
    cells = [heads, *(_cells(study, one) for one in table["variants"])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    about = [f"- {one['variant']}: {one['about']}" for one in table["variants"]]
    judged = study.judged(table["variants"][0]) if table["variants"] else "nothing"
    end = (
        f"Judged on {judged} of {table['data']}. One training of each, with one seed: what differs by less than the "
        "intervals is not shown to differ."
    )
    made = [lines[0], rule, *lines[1:], "", *about, "", end]
    return [*made, "", f"Made by `{table['command']}`"] if table["command"] else made


def percent(share: float | None) -> str:
    """A share in words."""
    return "not measured" if share is None else f"{100 * share:.1f} %"


def between(bounds: Sequence[float] | None) -> str:
    """An interval of shares in words; nothing where there is none."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f} %"


def _cells(study: Study, one: Values) -> tuple[str, ...]:
    best = "" if one["best_step"] is None else f" ({one['best_step']})"
    return (
        str(one["variant"]),
        *study.cells(one),
        f"{one['steps']}{best}",
        "" if one["minutes"] is None else f"{one['minutes']:.1f}",
        f"{one['parameters']:,}",
    )


def _said(tell: Tell | None, words: str) -> Callable[[Status], None] | None:
    return None if tell is None else lambda status: tell(words, status.step, status.steps)
