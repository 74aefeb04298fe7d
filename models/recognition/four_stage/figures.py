"""The figures of an evaluation, one function each: attention, keyframes, losses, gradients, confusions, heat, model.

Shapes: T frames, K keyframes, G glosses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.figures import (
    FAINT,
    INK,
    LINES,
    Picture,
    legend,
    line,
    outline,
    over_steps,
    picture,
    plain,
    series,
    style,
    tally,
)
from models.recognition.decoding import token_spans
from models.recognition.four_stage import architecture
from models.recognition.four_stage.architecture import Layer
from models.recognition.four_stage.gradcam import Seen, overlay
from models.recognition.four_stage.model import FourStage
from models.recognition.four_stage.stage_metrics import Judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_STRIP = 10  # frames shown over the curve of motion
_CONFUSED = 20  # more glosses than these are left out, which the figure says


def attention(one: Judged, glosses: Sequence[str], name: str) -> Picture:
    """How like each frame is to each gloss of the sentence, and when CTC has which gloss."""
    labels = list(dict.fromkeys([*one.target, *one.heard.labels]))
    names = [glosses[label - 1] for label in labels]
    compared = one.heard.likeness.shape[1] > 0

    def draw(figure: Figure) -> None:
        if compared:
            above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1 + 0.35 * len(labels), 3])
            _likeness(figure, above, one, labels, names)
        else:
            below = figure.subplots()
        _posteriors(below, one, labels, names)

    told = " ".join(_when(one, glosses))
    alt = f"{' '.join(one.clip.glosses)}: {told}" if one.clip.glosses else "No gloss was recognized."
    caption = (
        "Above, the lighter a cell, the more a frame is like a gloss; framed, the keyframes that forced alignment "
        "gives to the gloss; small triangles, keyframes. Below, CTC's probability of each gloss in each keyframe."
        if compared
        else "CTC's probability of each gloss in each keyframe; this model does not compare frames with glosses."
    )
    height = 3.2 + (1.1 + 0.36 * len(labels) if compared else 0)
    title = f"Attention over time: {one.clip.path.name}"
    return picture(name, title, draw, alt=alt, caption=caption, size=(10, height))


def _when(one: Judged, glosses: Sequence[str]) -> list[str]:
    if one.path is None:
        return ["the keyframes are too few for an alignment."]
    times = one.times_s[one.heard.keyframes]
    spans = token_spans(one.path)
    return [f"{glosses[label - 1]} from {times[start]:.1f} to {times[end - 1]:.1f} s." for label, start, end in spans]


def _likeness(figure: Figure, axes: Axes, one: Judged, labels: Sequence[int], names: Sequence[str]) -> None:
    edges = _edges(one.times_s)
    values = one.heard.likeness[:, [label - 1 for label in labels]].T
    mesh = axes.pcolormesh(
        edges, np.arange(len(labels) + 1) - 0.5, values, cmap="cividis", vmin=-1, vmax=1, rasterized=True
    )
    if one.path is not None:
        for label, start, end in token_spans(one.path):
            left, right = edges[one.heard.keyframes[start]], edges[one.heard.keyframes[end - 1] + 1]
            outline(axes, left, labels.index(label) - 0.46, right - left, 0.92)
    axes.plot(
        one.times_s[one.heard.keyframes],
        np.full(len(one.heard.keyframes), -0.72),
        linestyle="",
        marker="v",
        markersize=4,
        color=INK,
        clip_on=False,
    )
    axes.set_yticks(range(len(labels)), [plain(gloss, 18) for gloss in names])
    axes.set_ylim(len(labels) - 0.5, -0.95)
    style(axes, "Likeness of frames to glosses", grid=False)
    bar = figure.colorbar(mesh, ax=axes, ticks=[-1, 0, 1], pad=0.01)
    bar.set_label("cosine", color=INK, fontsize=9)
    bar.ax.tick_params(labelsize=8, colors=INK)


def _posteriors(axes: Axes, one: Judged, labels: Sequence[int], names: Sequence[str]) -> None:
    times = one.times_s[one.heard.keyframes]
    share = np.exp(one.heard.log_probs.astype(np.float64))
    axes.fill_between(times, share[:, 0], color=FAINT, alpha=0.6, linewidth=0, label="blank (filled)")
    for place, (label, gloss) in enumerate(zip(labels, names, strict=True)):
        line(axes, times, share[:, label], place, plain(gloss, 18))
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel("seconds")
    axes.set_ylabel("probability")
    legend(axes)
    style(axes, "CTC in the keyframes")


def keyframes(one: Judged, frames: NDArray[np.uint8], name: str) -> Picture:
    """Which frames are kept and dropped, along the motion. frames: (T, H, W, 3) RGB."""
    is_kept = np.zeros(len(one.energy), bool)
    is_kept[one.heard.keyframes] = True

    def draw(figure: Figure) -> None:
        shown = min(_STRIP, len(frames))
        grid = figure.add_gridspec(3, shown, height_ratios=[1.25, 2.2, 1.3])
        for place, number in enumerate(np.linspace(0, len(frames) - 1, shown).round().astype(int)):
            _thumbnail(figure.add_subplot(grid[0, place]), frames[number], one.times_s[number], kept=is_kept[number])
        motion = figure.add_subplot(grid[1, :])
        _kept_along(motion, one.times_s, one.energy, is_kept)
        scores = figure.add_subplot(grid[2, :], sharex=motion)
        scores.plot(one.times_s, one.heard.scores, color=LINES[0][0], linewidth=1.4)
        scores.set_xlabel("seconds")
        scores.set_ylabel("score")
        style(scores, "What the ConvGRU says")

    total, count = len(is_kept), int(is_kept.sum())
    alt = f"{count} of {total} frames are kept. {_runs(one.times_s, ~is_kept)}"
    caption = (
        "Filled circles are kept, crosses are dropped; the curve is how much the picture changes from frame to frame. "
        "What is kept is chosen by the scores below, which learn from the motion and from CTC."
    )
    title = f"Keyframes: {one.clip.path.name}"
    return picture(name, title, draw, alt=alt, caption=caption, size=(10, 5.6))


def _thumbnail(axes: Axes, frame: NDArray[np.uint8], time_s: float, *, kept: bool) -> None:
    axes.imshow(frame, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{time_s:.1f} s", fontsize=8, color=INK, pad=2)
    axes.set_xlabel("kept" if kept else "dropped", fontsize=8, color=INK, labelpad=2)
    for spine in axes.spines.values():
        spine.set(color=INK, linewidth=2.0 if kept else 0.6, linestyle="-" if kept else ":")


def _kept_along(axes: Axes, times_s: Floats, energy: NDArray[np.float32], is_kept: NDArray[np.bool_]) -> None:
    axes.plot(times_s, energy, color="#6e7781", linewidth=1.2)
    axes.plot(
        times_s[is_kept], energy[is_kept], linestyle="", marker="o", markersize=5, color=LINES[0][0],
        label=f"kept ({is_kept.sum()})",
    )  # fmt: skip
    axes.plot(
        times_s[~is_kept], energy[~is_kept], linestyle="", marker="x", markersize=6, markeredgewidth=1.6,
        color=LINES[1][0], label=f"dropped ({(~is_kept).sum()})",
    )  # fmt: skip
    axes.set_ylabel("motion, of the most")
    axes.tick_params(labelbottom=False)
    legend(axes)
    style(axes, "Motion, and what is kept of it")


def _runs(times_s: Floats, chosen: NDArray[np.bool_]) -> str:
    spans = [(start, end) for label, start, end in token_spans(chosen.astype(np.int64)) if label]
    if not spans:
        return "None is dropped."
    shown = ", ".join(f"{times_s[start]:.1f} to {times_s[end - 1]:.1f} s" for start, end in spans[:8])
    return f"Dropped: {shown}{' and more' if len(spans) > 8 else ''}."


def losses(lines: Sequence[Mapping[str, Any]]) -> Picture | None:
    """Each term of the loss, its weight, and the validation, over the steps of training; None without such lines."""
    train = [one for one in lines if one.get("kind") == "train"]
    if not train:
        return None
    terms, weights = series(train, "losses"), series(train, "weights")
    learned = {name: value for name, value in weights.items() if len(set(value[1].tolist())) > 1}
    held = series([one for one in lines if one.get("kind") == "validation"], "metrics")
    wer = {"WER": held["wer"]} if "wer" in held else {}
    panels = [("Terms of the loss, not weighed", terms), ("Weights that are learned", learned), ("Validation", wer)]
    panels = [(words, values) for words, values in panels if values]

    def draw(figure: Figure) -> None:
        for axes, (words, values) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
            over_steps(axes, values, words)

    ends = "; ".join(f"{name} from {_first(value):.3g} to {_last(value):.3g}" for name, value in (terms | wer).items())
    caption = "Every term of the loss before it is multiplied by its weight. An axis is logarithmic where it says so."
    return picture(
        "losses", "How the losses went", draw, alt=f"{ends}.", caption=caption, size=(10, 1 + 2.7 * len(panels))
    )


def gradient_norms(lines: Sequence[Mapping[str, Any]]) -> Picture | None:
    """The norm of the gradient of each part of the model; None without such lines."""
    found = series([one for one in lines if one.get("kind") == "train"], "gradient_norms")
    if not found:
        return None
    ends = "; ".join(f"{name} from {_first(value):.3g} to {_last(value):.3g}" for name, value in found.items())
    caption = "Norm of the gradient of each part before it is clipped; “all” is what is clipped."
    return picture(
        "gradient-norms",
        "Norms of the gradients",
        lambda figure: over_steps(figure.subplots(), found, ""),
        alt=f"{ends}.",
        caption=caption,
        size=(10, 3.8),
    )


def _first(series: tuple[Floats, Floats]) -> float:
    return float(series[1][0])


def _last(series: tuple[Floats, Floats]) -> float:
    return float(series[1][-1])


def confusion(counts: Sequence[Mapping[str, Any]], glosses: Sequence[str]) -> Picture:
    """What was signed (rows) and what it was taken for (columns), of the glosses with most errors."""
    shown = _worst(counts, glosses)
    rows: list[str | None] = [*shown, None]
    table = np.zeros((len(rows), len(rows)), int)
    for one in counts:
        if one["reference"] in rows and one["hypothesis"] in rows:
            table[rows.index(one["reference"]), rows.index(one["hypothesis"])] += one["count"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [plain(one, 16) for one in shown]
        tally(axes, table, table.sum(axis=1), [*names, "(put in)"], [*names, "(left out)"])
        axes.set_xlabel("recognized (framed: right; rightmost: left out)")
        axes.set_ylabel("signed (lowest: put in)")

    wrong = [one for one in counts if one["reference"] != one["hypothesis"]]
    told = [
        f"{one['reference'] or 'nothing'} taken for {one['hypothesis'] or 'nothing'} {one['count']} times"
        for one in wrong
    ]
    alt = f"Most often: {'; '.join(told[:6])}." if told else "No gloss was confused."
    left = len(glosses) - len(shown)
    caption = "How often each gloss was taken for each; the darker, the larger the share of the row."
    if left:
        caption += f" {left} glosses with fewer errors are left out."
    side = 2.6 + 0.36 * len(rows)
    return picture("confusion", "What was taken for what", draw, alt=alt, caption=caption, size=(side + 0.8, side))


def _worst(counts: Sequence[Mapping[str, Any]], glosses: Sequence[str]) -> list[str]:
    errors = dict.fromkeys(glosses, 0)
    for one in counts:
        for gloss in {one["reference"], one["hypothesis"]} - {None}:
            errors[gloss] = errors.get(gloss, 0) + (one["count"] if one["reference"] != one["hypothesis"] else 0)
    return sorted(sorted(errors, key=lambda gloss: (-errors[gloss], gloss))[:_CONFUSED])


def looked_at(one: Judged, found: Sequence[Seen], frames: NDArray[np.uint8], name: str) -> Picture | None:
    """Where the model looked for each gloss that it recognized; None when it recognized none. frames: (T, H, W, 3)."""
    if not found:
        return None

    def draw(figure: Figure) -> None:
        for column, here in zip(figure.subplots(2, len(found), squeeze=False).T, found, strict=True):
            frame = frames[here.frame]
            column[0].imshow(frame)
            column[1].imshow(overlay(frame, here.heat))
            time_s = one.times_s[here.frame]
            column[0].set_title(plain(here.gloss, 18), fontsize=10, fontweight="bold", color=INK)
            column[0].set_xlabel(f"{time_s:.2f} s, p = {here.probability:.2f}", fontsize=9, color=INK)
            column[1].set_xlabel(_place(here.heat), fontsize=9, color=INK)
            for axes in column:
                axes.set_xticks([])
                axes.set_yticks([])

    told = [f"{here.gloss} at {one.times_s[here.frame]:.1f} s: {_place(here.heat)}" for here in found]
    caption = (
        "Grad-CAM on the ResNet's last maps, which are coarse: what spoke most for the gloss is light. Above the frame "
        "in which CTC finds the gloss likeliest, below the same with the heat map."
    )
    title = f"Where it looked: {one.clip.path.name}"
    size = (2.3 * max(2, len(found)), 5.6)
    return picture(name, title, draw, alt=". ".join(told) + ".", caption=caption, size=size, kind="png")


def _place(heat: NDArray[np.float32]) -> str:
    """Where a heat map is strongest, in words."""
    if not heat.any():
        return "nothing spoke for it"
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    down = ("top", "middle", "bottom")[min(2, int(3 * (row + 0.5) / heat.shape[0]))]
    across = ("left", "middle", "right")[min(2, int(3 * (column + 0.5) / heat.shape[1]))]
    return "strongest in the middle" if down == across else f"strongest {down} {across}"


def model_diagram(model: FourStage, video: Tensor) -> Picture:
    """The model as it was built. video: (T, 3, H, W) of one clip."""
    found = architecture.layers(model, video)
    total = sum(one.numel() for one in model.parameters())
    caption = (
        "Read off the built model while one clip went through it: what comes out of each part, and how many parameters "
        "it has."
    )

    def draw(figure: Figure) -> None:
        architecture.draw(figure.subplots(), found, tuple(video.shape), total)

    return picture("architecture", "The model", draw, alt=_described(found, total), caption=caption, size=(12, 5.4))


def _described(found: Sequence[Layer], total: int) -> str:
    told = [f"{one.title}: {architecture.shape_words(one.shape)}, {one.parameters:,} parameters" for one in found]
    return f"{total:,} parameters. {'; '.join(told)}."


def _edges(times_s: Floats) -> Floats:
    """Where the cells of frames begin and end, seconds."""
    if len(times_s) < 2:
        return np.asarray([times_s[0] - 0.02, times_s[0] + 0.02])
    middle = (times_s[1:] + times_s[:-1]) / 2
    return np.concatenate([[2 * times_s[0] - middle[0]], middle, [2 * times_s[-1] - middle[-1]]])
