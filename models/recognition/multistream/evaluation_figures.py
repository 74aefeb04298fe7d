"""The figures of an evaluation: what was taken for what, each label, each stream, and how the training went.

Labels are sentences, so they stand at the rows; columns have their numbers. Everything is said by text, place or mark
as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.figures import FAINT, INK, LINES, PAPER, Picture, picture, plain, style
from models.files import replacing
from models.recognition.multistream.judging import FULL, combined

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL, CONFUSED = 30, 25
"""So many labels are all shown in the figure of confusions; of more, so many that are confused most."""
BARS = 40
"""Labels that have a bar; of more, the weakest."""
_BLUE, _PALE = "#0072b2", "#7fbce6"  # words keep 8 : 1 on the pale one
_LETTERS = 46
_TOLD = 6  # things that a description names
_MARKS = 14  # on a line
_LOG_FROM = 50.0  # times that the largest value is the smallest, from which an axis is logarithmic
WITHOUT = {FULL: "all streams", "hands": "hands masked", "objects": "objects masked", "context": "context masked"}


def draw_figures(made: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], folder: Path) -> list[Picture]:
    """Draw every figure that there is something for, and write it into the folder.

    made: as `evaluation_page.write_page` takes it. metrics: the lines of the run.
    """
    drawn: list[Picture | None] = []
    if made["result"]["clips"]:
        drawn += [confusion(made["result"]), per_class(made["result"]), streams(made)]
    drawn.append(curves(metrics))
    kept = [one for one in drawn if one is not None]
    for one in kept:
        with replacing(folder / f"{one.name}.{one.kind}") as temporary:
            temporary.write_bytes(one.data)
    return kept


def confusion(result: Mapping[str, Any]) -> Picture:
    """What happened (rows) and what it was taken for (columns). result: of `measured`."""
    names, numbers = result["confusion"]["names"], result["confusion"]["labels"]
    counts = np.asarray(result["confusion"]["counts"], np.int64).reshape(len(names), len(names))
    shown = _most_confused(counts)
    table = counts[np.ix_(shown, shown)]
    rows = [f"{plain(names[one], _LETTERS)}  {numbers[one]}" for one in shown]
    columns = [str(numbers[one]) for one in shown]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _matrix(axes, table, counts[shown].sum(axis=1), rows, columns)
        axes.set_xlabel("taken for (number of the label; framed: right)")

    pairs = sorted(zip(*np.nonzero(counts), strict=True), key=lambda pair: (-counts[pair], pair))
    told = [
        f"“{names[row]}” taken for “{names[column]}” in {counts[row, column]} of {counts[row].sum()}"
        for row, column in pairs
        if row != column
    ]
    caption = (
        "Clips of each label, and what they were taken for; the darker, the larger the share of the label's clips."
    )
    if len(shown) < len(names):
        caption += f" The {len(shown)} labels that are confused most, of {len(names)} that occur or were answered."
    return picture(
        "confusion",
        "What was taken for what",
        draw,
        alt=f"Most often: {'; '.join(told[:_TOLD])}." if told else "No clip was taken for another label.",
        caption=caption,
        size=(5.4 + 0.3 * len(shown), 1.4 + 0.3 * len(shown)),
    )


def _most_confused(counts: NDArray[np.int64]) -> list[int]:
    if len(counts) <= ALL:
        return list(range(len(counts)))
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return sorted(np.argsort(-errors, kind="stable")[:CONFUSED].tolist())


def _matrix(
    axes: Axes, table: NDArray[np.int64], clips: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]
) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    ramp = LinearSegmentedColormap.from_list("share", [PAPER, _PALE])
    axes.imshow(table / np.maximum(clips, 1)[:, None], cmap=ramp, vmin=0, vmax=1, aspect="equal")
    for row, column in zip(*np.nonzero(table), strict=True):
        right = row == column
        if right:
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.4, zorder=3))
        weight = "normal" if right else "bold"
        count = str(table[row, column])
        axes.text(column, row, count, ha="center", va="center", color=INK, fontweight=weight, fontsize=8)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    style(axes, grid=False)
    axes.tick_params(labelsize=8)
    axes.grid(which="minor", color=FAINT, linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def per_class(result: Mapping[str, Any]) -> Picture:
    """The share of right answers of each label, the weakest on top, with its interval. result: of `measured`."""
    ranked = sorted(result["per_class"], key=lambda one: (one["top1"], -one["clips"], one["label"]))
    shown = ranked[:BARS]
    mean = result["mean_class_accuracy"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        words = [f"{plain(one['name'], _LETTERS)}  {one['label']}" for one in shown]
        values = [one["top1"] for one in shown]
        ends = [f"{one['right']} of {one['clips']}" for one in shown]
        _bars(axes, words, values, [one["top1_interval_95"] for one in shown], ends)
        axes.axvline(100 * mean, color=INK, linewidth=1.2, linestyle="--")
        axes.set_xlabel("per cent of the label's clips that are right (dashed: mean of all labels)")

    told = [f"“{one['name']}” {one['right']} of {one['clips']}" for one in shown]
    caption = "Thin lines: 95 % intervals of so many clips."
    if len(shown) < len(ranked):
        caption += f" The {len(shown)} weakest of {len(ranked)} labels."
    return picture(
        "labels",
        "Labels, the weakest first",
        draw,
        alt=f"Mean {100 * mean:.0f} %. The weakest: {'; '.join(told[:_TOLD])}.",
        caption=caption,
        size=(9.5, 1.1 + 0.27 * len(shown)),
    )


def streams(made: Mapping[str, Any]) -> Picture | None:
    """Top-1 of the whole model, and with each stream masked; None where no stream was masked."""
    masked = made.get("streams_masked") or {}
    rows = combined({FULL: made["result"], **masked})
    if len(rows) < 2 or rows[0]["top1"] is None:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        values = [one["top1"] for one in rows]
        intervals = [one["top1_interval_95"] for one in rows]
        ends = ["not measured" if value is None else f"{100 * value:.1f} %" for value in values]
        _bars(axes, [WITHOUT[one["variant"]] for one in rows], values, intervals, ends)
        axes.set_xlabel("top-1, per cent of the clips")

    told = [
        f"{WITHOUT[one['variant']]} {100 * one['top1']:.1f} %, {100 * (one['lost'] or 0):.1f} points less"
        for one in rows[1:]
        if one["top1"] is not None
    ]
    return picture(
        "streams",
        "What each stream is worth to this model",
        draw,
        alt=f"All streams {100 * rows[0]['top1']:.1f} %; {'; '.join(told)}.",
        caption="The same trained model, with one stream hidden from it in judging. A model trained without the stream "
        "might do better than that.",
        size=(9.5, 1.1 + 0.36 * len(rows)),
    )


def _bars(
    axes: Axes,
    words: Sequence[str],
    shares: Sequence[float | None],
    intervals: Sequence[Sequence[float] | None],
    ends: Sequence[str],
) -> None:
    """A bar for each share, the first on top, with its interval as a thin line and its words at the right edge."""
    places = np.arange(len(words))
    axes.barh(places, [100 * (one or 0) for one in shares], height=0.62, color=_PALE, edgecolor=_BLUE, linewidth=0.8)
    for place, (between, end) in enumerate(zip(intervals, ends, strict=True)):
        if between is not None:
            axes.plot([100 * between[0], 100 * between[1]], [place, place], color=INK, linewidth=1.2, marker="|")
        axes.text(102, place, end, va="center", fontsize=9, color=INK)
    axes.set_yticks(places, list(words))
    axes.set_ylim(len(words) - 0.45, -0.55)
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 25, 50, 75, 100])
    style(axes)
    axes.grid(visible=False, axis="y")


def curves(lines: Sequence[Mapping[str, Any]]) -> Picture | None:
    """The loss over the steps of training, and what was measured on the way; None without such lines."""
    train = [one for one in lines if one.get("kind") == "train" and one.get("loss") is not None]
    if not train:
        return None
    held = _series([one for one in lines if one.get("kind") == "validation"])
    steps = np.asarray([one["step"] for one in train], np.float64)
    losses = {"training": (steps, np.asarray([one["loss"] for one in train], np.float64))}
    if "loss" in held:
        losses["validation"] = held["loss"]
    shares = {
        name: value for name, value in held.items() if name != "loss" and 0 <= value[1].min() <= value[1].max() <= 1
    }
    panels = [("Loss", losses), ("Validation, shares", shares)]
    panels = [(words, values) for words, values in panels if values]

    def draw(figure: Figure) -> None:
        for axes, (words, values) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
            _lines(axes, values, words)
            if values is shares:
                axes.set_ylim(-0.02, 1.02)

    told = [
        f"{words.partition(',')[0].lower()}, {name}: from {y[0]:.3g} to {y[-1]:.3g}"
        for words, values in panels
        for name, (_, y) in values.items()
    ]
    return picture(
        "training",
        "How the training went",
        draw,
        alt=f"Over {int(steps[-1])} steps. {'; '.join(told)}.",
        caption="Clips that training shows are changed at random, and labels are smoothed, so its loss may be above "
        "that of the validation. An axis is logarithmic where it says so.",
        size=(10, 1 + 2.7 * len(panels)),
    )


def _series(lines: Sequence[Mapping[str, Any]]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Steps and values of each metric; what was no number is left out."""
    made = {}
    for name in dict.fromkeys(name for line in lines for name in line.get("metrics") or {}):
        told = [(one["step"], (one.get("metrics") or {}).get(name)) for one in lines]
        pairs = [(step, value) for step, value in told if value is not None and math.isfinite(value)]
        if pairs:
            steps, values = zip(*pairs, strict=True)
            made[name] = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    return made


def _lines(axes: Axes, found: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], words: str) -> None:
    for place, (name, (steps, values)) in enumerate(found.items()):
        colour, dashes, marker = LINES[place % len(LINES)]
        every = max(1, math.ceil(len(steps) / _MARKS))
        axes.plot(
            steps, values, color=colour, linestyle=dashes, marker=marker, markevery=every, markersize=4.5,
            linewidth=1.5, label=plain(name, 18),
        )  # fmt: skip
    values = np.concatenate([y for _, y in found.values()])
    if values.min() > 0 and values.max() / values.min() > _LOG_FROM:
        axes.set_yscale("log")
        words += " (logarithmic)"
    axes.set_xlabel("step")
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, labelcolor=INK, handlelength=3.4
    )
    style(axes, words)
