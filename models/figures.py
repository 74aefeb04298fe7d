"""What all figures share: how they look, and how they become files.

Everything is said by text, place, line or mark as well as by colour.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, facecolor=PAPER)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    FigureCanvasAgg(figure)
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


def plain(words: str, letters: int = 90) -> str:
    """Words that fit, and that are not read as a formula."""
    short = words if len(words) <= letters else f"{words[: letters - 1]}…"
    return short.replace("$", r"\$")
