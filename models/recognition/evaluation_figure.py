"""The report of an evaluation as one picture: the figures and their aims, the signers, the sentences, the confusions.

Everything is said by text or by place as well as by colour, so that the picture also reads without colours.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import SignError
from models.figures import BLUE, FAINT, INK, PAPER, alone, blank, outline, plain, ramp
from models.files import replacing, safe_name
from models.recognition.evaluation_report import (
    NOT_MEASURED,
    TOP_1,
    WER_WITH_PAUSES,
    WER_WITHOUT_PAUSES,
    Measure,
    RecognitionReport,
    counted,
    percent,
    percent_up,
    weakest_first,
)
from models.recognition.metrics import UNKNOWN, Confusion, Isolated, WordErrors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which stay apart for the usual colour blindnesses, each with its own hatching.
KINDS = (("substitutions", "#56b4e9", ""), ("deletions", "#e69f00", "////"), ("insertions", "#ffffff", "...."))
SIGNERS, CONFUSED = 12, 10
"""More signers or glosses than these are left out, which the picture says."""
LETTERS = 16
"""Longer names are cut."""
SUFFIXES = (".png", ".svg")


@alone
def write_figure(report: RecognitionReport, path: Path) -> None:
    """Draw a report into a .png (1200 x 820 pixels) or .svg file, with its lines as the description inside.

    Raises SignError for a file of another kind.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise SignError(f"{safe_name(path)}: the figure can be a .png or .svg file; choose such a name.")
    figure = blank((12, 8.2), dpi=100, pads=(0.12, 0.1))
    title = "Evaluation" + (f" of {report.recognizer}" if report.recognizer else "")
    figure.suptitle(plain(title, 110), color=INK, fontsize=14, fontweight="bold", x=0.012, ha="left")
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 6])
    ((left, right),) = below.subfigures(1, 2, squeeze=False)
    signers, sentences = left.subplots(2, 1, height_ratios=[1.9, 1])
    _draw_measures(above.subplots(), report.measures())
    _draw_signers(signers, report.isolated)
    _draw_sentences(sentences, report)
    _draw_confusions(right.subplots(), report.isolated)
    about = {"Title": title, "Description": "\n".join(report.lines())}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind[1:], facecolor=PAPER, metadata=about)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _draw_measures(axes: Axes, measures: tuple[Measure, ...]) -> None:
    """A column for each figure: its name, its value, its aim."""
    axes.set_axis_off()
    axes.set_xlim(0, len(measures))
    axes.set_ylim(0, 1)
    for place, one in enumerate(measures):
        axes.axvline(place, color=FAINT, linewidth=1)
        name, _, kind = one.name.partition(", ")
        axes.text(place + 0.06, 1, f"{name}\n{kind}", va="top", fontsize=9.5, color=INK, linespacing=1.25)
        unmeasured = one.value is None
        words = NOT_MEASURED if unmeasured else f"{one.mark} {one.shown}"
        axes.text(
            place + 0.06,
            0.36,
            words,
            va="center",
            fontsize=11 if unmeasured else 17,
            fontweight="normal" if unmeasured else "bold",
            color=INK,
        )
        axes.text(place + 0.06, 0, one.aimed, va="bottom", fontsize=9, color=INK)


def _draw_signers(axes: Axes, signs: Isolated | None) -> None:
    """A bar for each signer, the weakest on top, and the aim."""
    if signs is None or not signs.per_signer:
        _draw_nothing(axes, "Top-1 of each signer", NOT_MEASURED)
        return
    ranked = weakest_first(signs)
    shown = ranked[:SIGNERS]
    title = "Top-1 of each signer"
    if len(shown) < len(ranked):
        title += f": the {len(shown)} weakest of {len(ranked)}"
    rows = np.arange(len(shown))
    shares = [100 * share for _, share in shown]
    axes.barh(rows, shares, height=0.66, color=BLUE)
    for row, (_, share) in enumerate(shown):
        axes.text(101.5, row, percent(share), va="center", fontsize=9, color=INK)
    axes.axvline(100 * TOP_1, color=INK, linewidth=1.2, linestyle="--")
    axes.set_yticks(rows, [plain(signer, LETTERS) for signer, _ in shown])
    axes.set_ylim(max(len(shown), 3) - 0.4, -0.6)
    axes.set_xlim(0, 116)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel(f"per cent of the clips (dashed: the aim of {percent(TOP_1)})")
    _style(axes, title)


def _draw_sentences(axes: Axes, report: RecognitionReport) -> None:
    """A bar for each kind of sentences, made up of the kinds of errors, and its aim."""
    title = "Word error rate of sentences"
    parts = (
        ("with pauses", report.with_pauses, WER_WITH_PAUSES),
        ("without pauses", report.without_pauses, WER_WITHOUT_PAUSES),
    )
    if all(errors is None or errors.wer is None for _, errors, _ in parts):
        _draw_nothing(axes, title, NOT_MEASURED)
        return
    top = 1.5 * max(100 * max(aim, _rate(errors)) for _, errors, aim in parts)
    for row, (_, errors, aim) in enumerate(parts):
        axes.vlines(100 * aim, row - 0.42, row + 0.42, color=INK, linewidth=1.6, linestyle="--", zorder=3)
        if errors is None or errors.wer is None:
            axes.text(100 * aim + top / 60, row, NOT_MEASURED, va="center", fontsize=9, color=INK)
            continue
        left = 0.0
        for kind, colour, hatch in KINDS:
            share = 100 * getattr(errors, kind) / errors.reference_length
            if share:
                axes.barh(row, share, 0.5, left, facecolor=colour, edgecolor=INK, linewidth=0.8, hatch=hatch)
            left += share
        words = f"{percent_up(errors.wer)} of {counted(errors.reference_length, 'sign')}"
        axes.text(max(left, 100 * aim) + top / 60, row, words, va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(parts)), [name for name, _, _ in parts])
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, top)
    axes.set_xlabel("per cent of the signs (dashed: the aim)")
    _style(axes, title)
    _draw_kinds(axes, [errors for _, errors, _ in parts if errors is not None])


def _draw_kinds(axes: Axes, measured: list[WordErrors]) -> None:
    """What the parts of the bars are, and how many errors of each kind there were."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, edgecolor=INK, linewidth=0.8, hatch=hatch, label=_told(kind, measured))
        for kind, colour, hatch in KINDS
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.42),
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=2,
        columnspacing=1.2,
    )


def _told(kind: str, measured: list[WordErrors]) -> str:
    return f"{kind} ({' and '.join(str(getattr(errors, kind)) for errors in measured)})"


def _draw_confusions(axes: Axes, signs: Isolated | None) -> None:
    """Clips of the glosses of the most frequent confusions: signed (rows), and what they were taken for (columns)."""
    title = "Most confused signs"
    if signs is None or not signs.confusions:
        _draw_nothing(axes, title, NOT_MEASURED if signs is None else "no clip was confused")
        return
    columns, kept = _most_confused(signs.confusions)
    clips = {one.reference: one.clips for one in kept}
    rows = [name for name in columns if name in clips]  # of the others it is not known how often they were right
    counts = {(one.reference, one.predicted): one.count for one in kept}
    counts |= {(one.reference, one.reference): one.right for one in kept}
    shares = np.array([[counts.get((row, column), 0) / clips[row] for column in columns] for row in rows])
    axes.imshow(shares, cmap=ramp(), vmin=0, vmax=1, aspect="auto")
    for (row, column), count in counts.items():
        down, across, right = rows.index(row), columns.index(column), row == column
        if right:
            outline(axes, across - 0.5, down - 0.5, 1, 1)
        weight = "normal" if right else "bold"
        axes.text(across, down, str(count), ha="center", va="center", color=INK, fontweight=weight)
    axes.set_xticks(
        range(len(columns)), [plain(name, LETTERS) for name in columns], rotation=40, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(rows)), [plain(name, LETTERS) for name in rows])
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel(
        "taken for (framed: right; empty: none, or rarer;\nthe darker, the larger the share of the sign's clips)"
    )
    axes.set_ylabel("signed")
    _style(axes, f"{title}, clips")


def _most_confused(confusions: tuple[Confusion, ...]) -> tuple[list[str], list[Confusion]]:
    """The glosses of the first confusions, as many as fit, `UNKNOWN` last, and the confusions between them."""
    names: dict[str, None] = {}
    for one in confusions:
        grown = {**names, one.reference: None, one.predicted: None}
        if len(grown) <= CONFUSED:
            names = grown
    kept = [one for one in confusions if one.reference in names and one.predicted in names]
    return sorted(names, key=lambda name: (name == UNKNOWN, name)), kept


def _rate(errors: WordErrors | None) -> float:
    return 0.0 if errors is None or errors.wer is None else errors.wer


def _draw_nothing(axes: Axes, title: str, words: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=11, color=INK, transform=axes.transAxes)
    _style(axes, title)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)


def _style(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)
    axes.set_facecolor(PAPER)
    for spine in axes.spines.values():
        spine.set_visible(False)
