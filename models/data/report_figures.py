"""The figures of a run's report. Everything is said by place, text or hatching as well as by colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.figures import FAINT, INK, Picture, picture, style
from models.pages import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which stay apart for the usual colour blindnesses, each with its own hatching.
_KINDS = (
    ("kept", "kept", "#0072b2", ""),
    ("rejected", "rejected", "#e69f00", "////"),
    ("excluded", "taken out by you", "#ffffff", "...."),
    ("others", "not cleaned yet, or failed", FAINT, "xxxx"),
)
_MOST_CLIPS = 20
"""Glosses with this many training clips or more stand in one bar."""


@dataclass(frozen=True, kw_only=True)
class TabledPicture:
    """A figure for a page, and the same as a table."""

    picture: Picture
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def pictures(report: Mapping[str, Any]) -> list[TabledPicture]:
    """The figures of a report, those with nothing to show left out."""
    return [one for one in (_hands(report), _durations(report), _training(report)) if one is not None]


def _hands(report: Mapping[str, Any]) -> TabledPicture | None:
    found = report["hands"]
    bins = found["bins"]
    kinds = [kind for kind in _KINDS if any(found[kind[0]])]
    if not kinds:
        return None
    names = [f"{100 * at // bins} to {100 * (at + 1) // bins} %" for at in range(bins)]
    limit = report["options"].get("min_hands")

    def draw(axes: Axes) -> None:
        bottom = np.zeros(bins)
        for key, label, colour, hatch in kinds:
            axes.bar(
                np.arange(bins) + 0.5, found[key], 0.9, bottom,
                label=label, facecolor=colour, edgecolor=INK, linewidth=0.8, hatch=hatch,
            )  # fmt: skip
            bottom += found[key]
        if limit is not None:
            axes.axvline(limit * bins, color=INK, linewidth=1.4, linestyle="--", label=f"limit, {100 * limit:g} %")
        axes.set_xticks(range(bins + 1), [f"{100 * at // bins}" for at in range(bins + 1)])
        axes.set_xlabel("leading hand seen, per cent of the frames in which it signs")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")

    total = sum(sum(found[kind[0]]) for kind in kinds)
    best = sum(found[kind[0]][-1] for kind in kinds)
    return TabledPicture(
        picture=_drawn(
            "hands",
            "How well the hands were seen",
            draw,
            alt=f"Bars: of {counted(total, 'clip')} with a pose, {best} show the leading hand in {names[-1]} of its "
            "signing. The table below has all bars.",
            caption="Clips by how well the hand that leads was followed: the share of the frames in which it signs "
            "that show it. The further left a clip, the more of the sign is missing.",
        ),
        heads=("Hands seen", *(label for _, label, _, _ in kinds)),
        rows=tuple((name, *(str(found[kind[0]][at]) for kind in kinds)) for at, name in enumerate(names)),
    )


def _durations(report: Mapping[str, Any]) -> TabledPicture | None:
    bins, width_s = report["durations"]["kept_bins"], report["durations"]["bin_ms"] / 1000
    if not any(bins):
        return None
    open_end = len(bins) - 1
    last = max(at for at, clips in enumerate(bins) if clips)
    shown = list(bins[: last + 1])
    names = [
        f"{at * width_s:g} s and more" if at == open_end else f"{at * width_s:g} to {(at + 1) * width_s:g} s"
        for at in range(len(shown))
    ]

    def draw(axes: Axes) -> None:
        _, _, colour, hatch = _KINDS[0]
        places = width_s * (np.arange(len(shown)) + 0.5)
        axes.bar(places, shown, 0.9 * width_s, facecolor=colour, edgecolor=INK, linewidth=0.8, hatch=hatch)
        more = " (the last bar: and longer)" if last == open_end else ""
        axes.set_xlabel(f"seconds, after trimming{more}")

    most = max(range(len(shown)), key=shown.__getitem__)
    return TabledPicture(
        picture=_drawn(
            "durations",
            "How long the kept clips are",
            draw,
            alt=f"Bars: most of the {counted(sum(shown), 'kept clip')}, {shown[most]}, last {names[most]}. "
            "The table below has all bars.",
            caption="Kept clips by duration. One sign lasts about half a second to two seconds; much longer clips "
            "often hold more than the sign.",
        ),
        heads=("Duration", "Kept clips"),
        rows=tuple((name, str(clips)) for name, clips in zip(names, shown, strict=True)),
    )


def _training(report: Mapping[str, Any]) -> TabledPicture | None:
    found = Counter(min(row["splits"]["train"]["kept"], _MOST_CLIPS) for row in report["glosses"])
    if not found:
        return None
    shown = [found.get(clips, 0) for clips in range(max(found) + 1)]
    names = [f"{clips} and more" if clips == _MOST_CLIPS else str(clips) for clips in range(len(shown))]

    def draw(axes: Axes) -> None:
        _, _, colour, hatch = _KINDS[0]
        axes.bar(range(len(shown)), shown, 0.9, facecolor=colour, edgecolor=INK, linewidth=0.8, hatch=hatch)
        axes.set_xticks(range(len(shown)), [name.replace(" and more", "+") for name in names])
        axes.set_xlabel("kept clips in train")
        axes.set_ylabel("glosses")

    return TabledPicture(
        picture=_drawn(
            "training",
            "How many training clips a gloss has",
            draw,
            alt=f"Bars: {counted(shown[0], 'gloss', 'glosses')} of {sum(shown)} have no clip in train. "
            "The table below has all bars.",
            caption="Glosses by the number of their kept clips in train. A model learns little of a gloss with few.",
        ),
        heads=("Kept clips in train", "Glosses"),
        rows=tuple((name, str(glosses)) for name, glosses in zip(names, shown, strict=True)),
    )


def _drawn(name: str, title: str, draw: Callable[[Axes], None], *, alt: str, caption: str) -> Picture:
    """One pair of axes for counts, of clips unless it is said."""

    def whole(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        axes.set_ylabel("clips")
        draw(axes)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        style(axes, grid=False)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)

    return picture(name, title, whole, alt=alt, caption=caption, size=(7.2, 2.9))
