"""Runs over their steps, as small plots: one for each term of the loss, each measure, learning rates and gradients.

A line has a colour, a dash and a marker of its own, so that nobody depends on colour. Colours are names of the style
sheet, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from models.training.run import Best
from studio.texts import later, text
from studio.training_words import number
from studio.watching import Watched

MOST_RUNS = 6
"""As many as there are lines that can be told apart."""
_MOST_POINTS = 160
_INK, _SOFT, _GRID = "#0f0f01", "#0f0f02", "#0f0f03"
_COLOURS = tuple(f"#0f0e0{number}" for number in range(1, MOST_RUNS + 1))
_VARIABLES = {_INK: "--sign-ink", _SOFT: "--sign-soft", _GRID: "--sign-track"} | {
    colour: f"--run-{number}" for number, colour in enumerate(_COLOURS, start=1)
}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (10, 3)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "X")
_LOG_FROM = 50.0  # greatest over smallest value from which on an axis is logarithmic
_SIZE_IN = (4.4, 2.3)
_REST = 10.0  # times as long as a drawing took is nothing drawn
_KEPT = 8

Line = Mapping[str, Any]

_drawing = threading.Lock()  # the style of matplotlib is one for all threads


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What is drawn of one run."""

    name: str
    lines: Sequence[Line]
    """Of its metrics."""
    best: Best | None = None


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    curves: Sequence[tuple[str, list[tuple[float, float]]]]
    """Name, and points of step and value."""
    legend: bool = False
    first: bool = False
    """Whether curves belong to parts of one run rather than to runs."""


class Plotter:
    """Draws the runs that are looked at, no more often than the processor can well spare from training them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, str] = OrderedDict()
        self._drawn_s = self._cost_s = 0.0
        self._lock = threading.Lock()

    def is_drawn(self, before: Any, now: Any) -> bool:
        """Whether a page that shows `before` need not be sent `now`, or not yet."""
        return before == now or (_same_runs(before, now) and not self._is_time())

    def plots(self, before: Any, now: Any, watched: Sequence[Watched]) -> tuple[Any, str | None]:
        """What the page shows then, and the drawing, None when it stays. before, now: tokens of Watch."""
        if self.is_drawn(before, now):
            return before, None
        with self._lock:
            if now not in self._kept:
                begun = time.monotonic()
                curves = [Curves(name=one.job.name, lines=one.lines, best=one.job.best) for one in watched]
                self._kept[now] = plots(curves)
                self._drawn_s = time.monotonic()
                self._cost_s = self._drawn_s - begun
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return now, self._kept[now]

    def _is_time(self) -> bool:
        return time.monotonic() - self._drawn_s >= _REST * self._cost_s


def _same_runs(before: Any, now: Any) -> bool:
    return before is not None and [one[0] for one in before] == [one[0] for one in now]


def plots(runs: Sequence[Curves]) -> str:
    """All plots of up to MOST_RUNS runs as HTML; empty when nothing was measured yet."""
    panels = [panel for panel in _panels(runs[:MOST_RUNS]) if any(points for _, points in panel.curves)]
    if not panels:
        return ""
    figures = "".join(_figure(panel) for panel in panels)
    return f'{legend([run.name for run in runs]) if len(runs) > 1 else ""}<div class="plots">{figures}</div>'


def legend(names: Sequence[str]) -> str:
    """Which line is which run."""
    label = text("Lines")
    items = "".join(
        f'<li><svg class="swatch" aria-hidden="true" width="44" height="12" viewBox="0 0 44 12">{_swatch(place)}</svg>'
        f"{escape(name)} <small>({escape(text(_STYLE_WORDS[place]))})</small></li>"
        for place, name in enumerate(names[:MOST_RUNS])
    )
    return f'<ul class="run-legend" aria-label="{escape(label)}">{items}</ul>'


_STYLE_WORDS = (
    later("solid, circles"),
    later("dashed, squares"),
    later("dotted, triangles"),
    later("dash and dot, diamonds"),
    later("long dashes, triangles down"),
    later("dash and two dots, crosses"),
)
_SWATCH_DASHES = ("", "8 3", "2 3", "9 3 2 3", "14 4", "6 2 2 2 2 2")
_SWATCH_MARKS = (
    '<circle cx="22" cy="6" r="4" {}/>',
    '<rect x="18" y="2" width="8" height="8" {}/>',
    '<path d="M22 1l5 9h-10z" {}/>',
    '<path d="M22 1l5 5-5 5-5-5z" {}/>',
    '<path d="M22 11l5-9h-10z" {}/>',
    '<path d="M18 2l8 8m0-8l-8 8" stroke-width="3" {}/>',
)


def _swatch(place: int) -> str:
    # On each part: the page's own rules give every part a colour, so that none is inherited.
    colour = f'style="fill:var(--run-{place + 1});stroke:var(--run-{place + 1})"'
    dash = f' stroke-dasharray="{_SWATCH_DASHES[place]}"' if _SWATCH_DASHES[place] else ""
    return f'<path d="M0 6h44" stroke-width="2"{dash} {colour}/>{_SWATCH_MARKS[place].format(colour)}'


def _panels(runs: Sequence[Curves]) -> list[_Panel]:
    """Measures first, then losses, then how it learns."""
    measures = _names(runs, "metrics", "validation")
    chief = [run.best.metric for run in runs if run.best is not None]
    measures.sort(key=lambda name: name not in chief)
    panels = [
        _of_runs(runs, text("Validation: {name}", name=name), _inside("metrics", name), "validation")
        for name in measures
    ]
    terms = _names(runs, "losses", "train")
    panels.append(_of_runs(runs, text("Loss"), lambda line: line.get("loss")))
    if terms != ["loss"] and (len(terms) > 1 or len(runs) > 1):
        panels += [_of_runs(runs, text("Loss: {name}", name=name), _inside("losses", name)) for name in terms]
    for title, field in ((text("Learning rate"), "learning_rates"), (text("Norm of the gradient"), "gradient_norms")):
        if len(runs) == 1:
            panels.append(_of_parts(runs[0], title, field))
        else:
            panels.append(_of_runs(runs, title, lambda line, field=field: _whole(line.get(field))))
    if len(runs) == 1 and _varies(runs[0].lines):
        panels.append(_of_parts(runs[0], text("Weights of the terms"), "weights"))
    return panels


def _of_runs(runs: Sequence[Curves], title: str, value: Callable[[Line], Any], kind: str = "train") -> _Panel:
    return _Panel(title=title, curves=[(run.name, _points(run.lines, value, kind)) for run in runs])


def _of_parts(run: Curves, title: str, field: str) -> _Panel:
    names = _names([run], field, "train")[:MOST_RUNS]
    curves = [(name, _points(run.lines, _inside(field, name), "train")) for name in names]
    return _Panel(title=title, curves=curves, legend=len(names) > 1, first=True)


def _inside(field: str, name: str) -> Callable[[Line], Any]:
    return lambda line: (line.get(field) or {}).get(name)


def _whole(values: Any) -> Any:
    """Of all parts: the one called so, or the greatest."""
    if not isinstance(values, Mapping) or not values:
        return None
    return values.get("all", max((one for one in values.values() if _is_number(one)), default=None))


def _names(runs: Sequence[Curves], field: str, kind: str) -> list[str]:
    """Of what the lines measure, in the order in which it first appears."""
    found: dict[str, None] = {}
    for run in runs:
        for line in [line for line in run.lines if line.get("kind") == kind][-3:]:
            if isinstance(values := line.get(field), Mapping):
                found |= dict.fromkeys(map(str, values))
    return list(found)


def _points(lines: Sequence[Line], value: Callable[[Line], Any], kind: str) -> list[tuple[float, float]]:
    """Steps and values, thinned out to what a small plot can show, the newest one kept."""
    found = [(line.get("step"), value(line)) for line in lines if line.get("kind") == kind]
    points = [(float(step), float(seen)) for step, seen in found if _is_number(step) and _is_number(seen)]
    each = math.ceil(len(points) / _MOST_POINTS)
    return points if each <= 1 else [*points[:-1:each], points[-1]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _varies(lines: Sequence[Line]) -> bool:
    weights = [line["weights"] for line in lines if line.get("kind") == "train" and line.get("weights")]
    return bool(weights) and any(one != weights[0] for one in weights)


def _figure(panel: _Panel) -> str:
    """A plot with its title, and in words what it shows."""
    told = "; ".join(_told(name, points) for name, points in panel.curves if points)
    words = text("{title}, over steps. {told}.", title=panel.title, told=told)
    newest = "" if len(panel.curves) > 1 else f" <strong>{number(panel.curves[0][1][-1][1])}</strong>"
    return (
        f"<figure><figcaption>{escape(panel.title)}{newest}</figcaption>"
        f'<div role="img" aria-label="{escape(words)}">{_svg(panel)}</div></figure>'
    )


def _told(name: str, points: list[tuple[float, float]]) -> str:
    (first, begun), (last, ended) = points[0], points[-1]
    return text(
        "{name}: from {begun} at step {first:.0f} to {ended} at step {last:.0f}",
        name=name,
        begun=number(begun),
        first=first,
        ended=number(ended),
        last=last,
    )


def _svg(panel: _Panel) -> str:
    # Late: a second. A Figure of its own, without pyplot, may be drawn on any thread.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": panel.title,
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": _INK,
        "axes.labelcolor": _SOFT,
        "axes.edgecolor": _SOFT,
        "xtick.color": _SOFT,
        "ytick.color": _SOFT,
        "grid.color": _GRID,
        "legend.fontsize": 8,
        "legend.framealpha": 0.0,
        "legend.edgecolor": _GRID,
        "axes.formatter.limits": (-3, 4),
    }
    with _drawing, mpl.rc_context(style):
        figure = Figure(figsize=_SIZE_IN)
        figure.subplots_adjust(left=0.13, right=0.98, top=0.95, bottom=0.2)
        figure.patch.set_alpha(0)
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for place, (name, points) in enumerate(panel.curves):
            if not points:
                continue
            steps, values = zip(*points, strict=True)
            style_ = place % MOST_RUNS
            axes.plot(
                steps,
                values,
                color=_COLOURS[style_],
                linestyle=_DASHES[style_],
                linewidth=1.6,
                marker=_MARKERS[style_],
                markersize=4,
                markevery=max(1, len(points) // 6),
                label=name,
            )
        seen = [value for _, points in panel.curves for _, value in points]
        if min(seen) > 0 and max(seen) / min(seen) > _LOG_FROM:
            axes.set_yscale("log")
        axes.grid(True, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel(text("step"))
        if panel.legend:
            axes.legend(loc="best", handlelength=3.2)
        drawn = io.StringIO()
        canvas.print_svg(drawn, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inlined(drawn.getvalue())


def _inlined(svg: str) -> str:
    """The drawing as a part of a page: its colours are the page's, its parts have no names that could clash."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true" focusable="false">', svg
    )
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var({name})")
    return svg
