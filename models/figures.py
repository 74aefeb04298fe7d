"""What all figures share: how they look, and how they become files.

Everything is said by text, place, line or mark as well as by colour.
"""

from __future__ import annotations

import base64
import functools
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
Floats = NDArray[np.float64]

PAPER, INK, FAINT = "#ffffff", "#1f2328", "#d8dce1"
# Okabe and Ito's colours that are dark enough for lines on white; each always with its own line and mark.
LINES = (
    ("#0072b2", "-", "o"),
    ("#b34700", "--", "s"),
    ("#00735c", "-.", "^"),
    ("#8f3f71", ":", "D"),
    ("#1f2328", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("#6b6b00", (0, (1, 1)), "P"),
    ("#3b5bb5", (0, (8, 2)), "X"),
)
BLUE, PALE = "#0072b2", "#7fbce6"
"""For areas; words keep 8 : 1 on the pale one."""
_LOG_FROM = 50.0  # times that the largest value is the smallest, from which an axis is logarithmic
_MARKS = 14  # on a line


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure, ready to be written or put into a page."""

    name: str
    """Of its file, without the suffix."""
    title: str
    alt: str
    """What is to be seen, for who does not see it."""
    caption: str
    kind: Literal["svg", "png"]
    data: bytes


def alone(draw: Callable[P, T]) -> Callable[P, T]:
    """Have what draws figures do it in one thread, one after the other.

    Matplotlib is not made for several, and keeps fonts open, and in memory, for every thread that it was ever used in:
    a server, which has a thread for each run, would collect them.
    """

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        return _artist(os.getpid()).submit(draw, *args, **kwargs).result()

    return drawn


@functools.cache
def _artist(process: int) -> ThreadPoolExecutor:
    """A process that was forked has none of the threads of the other."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"figures-{process}")


def blank(
    size: tuple[float, float], *, dpi: int = 110, paper: str = PAPER, pads: tuple[float, float] = (0.08, 0.08)
) -> Figure:
    """An empty figure of this size in inches, with so much room between its parts, that nothing else shares."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, facecolor=paper)  # the object interface throughout: pyplot would keep it
    figure.set_layout_engine("constrained", w_pad=pads[0], h_pad=pads[1])
    FigureCanvasAgg(figure)
    return figure


@alone
def picture(
    name: str,
    title: str,
    draw: Callable[[Figure], None],
    *,
    alt: str,
    caption: str,
    size: tuple[float, float],
    kind: Literal["svg", "png"] = "svg",
) -> Picture:
    """Draw a figure of this size in inches, without anything that other requests share."""
    import matplotlib

    figure = blank(size)
    draw(figure)
    buffer = io.BytesIO()
    about: dict[str, Any] = {"Title": title, "Description": alt}
    with matplotlib.rc_context({"svg.hashsalt": name}):  # the same figure gives the same file
        figure.savefig(buffer, format=kind, facecolor=PAPER, metadata=about | ({"Date": None} if kind == "svg" else {}))
    return Picture(name=name, title=title, alt=alt, caption=caption, kind=kind, data=buffer.getvalue())


def in_page(one: Picture) -> str:
    """The figure as HTML, with all its bytes."""
    kind = "image/svg+xml" if one.kind == "svg" else "image/png"
    inline = base64.b64encode(one.data).decode("ascii")
    return (
        f"<figure><h3>{escape(one.title)}</h3>"
        f'<img alt="{escape(one.alt, quote=True)}" src="data:{kind};base64,{inline}">'
        f"<figcaption>{escape(one.caption)}</figcaption></figure>"
    )


def write(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write pictures as files of a folder, under their names."""
    paths = [folder / f"{one.name}.{one.kind}" for one in pictures]
    for one, path in zip(pictures, paths, strict=True):
        with replacing(path) as temporary:
            temporary.write_bytes(one.data)
    return paths


def style(axes: Axes, title: str = "", *, grid: bool = True) -> None:
    """As all figures look."""
    axes.set_title(plain(title), loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.tick_params(colors=INK, labelsize=9, length=3, color=FAINT)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)
    axes.set_facecolor(PAPER)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=FAINT)
    if grid:
        axes.grid(color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)


def legend(axes: Axes) -> None:
    """What each line is, at the right of the axes."""
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, labelcolor=INK, handlelength=3.4
    )


def line(axes: Axes, x: Floats, y: Floats, place: int, label: str) -> None:
    """The line at this place of `LINES`, with its marks."""
    colour, dashes, marker = LINES[place % len(LINES)]
    every = max(1, math.ceil(len(x) / _MARKS))
    offset = (place * every // 4) % every  # so that marks of lines that run together do not lie on each other
    axes.plot(
        x, y, color=colour, linestyle=dashes, marker=marker, markevery=(offset, every), markersize=4.5, linewidth=1.5,
        label=label,
    )  # fmt: skip


def series(lines: Sequence[Mapping[str, Any]], key: str) -> dict[str, tuple[Floats, Floats]]:
    """Steps and values by name, of what the lines of a run have under a key; what was no number is left out."""
    made = {}
    for name in dict.fromkeys(name for one in lines for name in one.get(key) or {}):
        told = [(one["step"], (one.get(key) or {}).get(name)) for one in lines]
        pairs = [(step, value) for step, value in told if value is not None and math.isfinite(value)]
        if pairs:
            steps, values = zip(*pairs, strict=True)
            made[name] = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    return made


def over_steps(axes: Axes, found: Mapping[str, tuple[Floats, Floats]], title: str) -> None:
    """Draw a line for each series, on a logarithmic axis where an even one would hide the small values."""
    for place, (name, (steps, values)) in enumerate(found.items()):
        line(axes, steps, values, place, plain(name, 18))
    if wants_log(np.concatenate([values for _, values in found.values()])):
        axes.set_yscale("log")
        title = f"{title} (logarithmic)" if title else "logarithmic"
    axes.set_xlabel("step")
    legend(axes)
    style(axes, title)


def wants_log(values: Floats) -> bool:
    """Whether they span so much that an even axis would hide the small ones."""
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > _LOG_FROM)


def tally(
    axes: Axes,
    table: NDArray[np.integer],
    of: NDArray[np.integer],
    down: Sequence[str],
    across: Sequence[str],
    *,
    small: bool = False,
) -> None:
    """Draw how often each row was taken for each column; the darker, the larger the share; what is right is framed.

    table: counts (R, C). of: (R,) what they are shares of. small: for many rows, with names of columns that are short.
    """
    axes.imshow(table / np.maximum(of, 1)[:, None], cmap=ramp(), vmin=0, vmax=1, aspect="equal")
    for row, column in zip(*np.nonzero(table), strict=True):
        right = row == column
        if right:
            outline(axes, column - 0.5, row - 0.5, 1, 1)
        words, weight = str(table[row, column]), "normal" if right else "bold"
        size = 8 if small else 10
        axes.text(column, row, words, ha="center", va="center", color=INK, fontweight=weight, fontsize=size)
    if small:
        axes.set_xticks(range(len(across)), across)
    else:
        axes.set_xticks(range(len(across)), across, rotation=45, ha="right")
    axes.set_yticks(range(len(down)), down)
    axes.set_xticks(np.arange(len(across) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(down) + 1) - 0.5, minor=True)
    style(axes, grid=False)
    if small:
        axes.tick_params(labelsize=8)
    axes.grid(which="minor", color=FAINT, linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def outline(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Draw a line around a part of the axes."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, bottom), width, height, fill=False, edgecolor=INK, linewidth=1.4, zorder=3))


def ramp() -> LinearSegmentedColormap:
    """From paper for 0 to the strongest colour under words for 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("share", [PAPER, PALE])


def plain(words: str, letters: int = 90) -> str:
    """Words that fit, and that are not read as a formula."""
    short = words if len(words) <= letters else f"{words[: letters - 1]}…"
    return short.replace("$", r"\$")
