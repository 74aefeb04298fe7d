"""The figures of an evaluation: what was taken for what, each label, each stream, and how the training went.

Labels are sentences, so they stand at the rows; columns have their numbers. Everything is said by text, place or mark
as well as by colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.figures import BLUE, INK, PALE, Picture, over_steps, picture, plain, series, style, tally, write
from models.recognition.multistream.judging import FULL, combined
from models.training.ablation import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL, CONFUSED = 30, 25
"""So many labels are all shown in the figure of confusions; of more, so many that are confused most."""
BARS = 40
"""Labels that have a bar; of more, the weakest."""
_LETTERS = 46
_TOLD = 6  # things that a description names
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
    write(kept, folder)
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
        tally(axes, table, counts[shown].sum(axis=1), rows, columns, small=True)
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
        _bars(axes, [WITHOUT[one["variant"]] for one in rows], values, intervals, [percent(one) for one in values])
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
    axes.barh(places, [100 * (one or 0) for one in shares], height=0.62, color=PALE, edgecolor=BLUE, linewidth=0.8)
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
    held = series([one for one in lines if one.get("kind") == "validation"], "metrics")
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
            over_steps(axes, values, words)
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
