"""The quality report as one picture: what was seen when, how fast the hands moved, where the signing is.

Everything is said twice, by place or text and by colour, so that the picture also reads without colours.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.figures import alone, blank
from models.files import replacing
from models.pose.landmarks import BODY, FACE, has_component, seen
from models.pose.quality import HandQuality, QualityReport, signing_frames
from models.pose.span import SIDES, hand_seen, runs, wrist_speed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]


@dataclass(frozen=True, kw_only=True)
class _Palette:
    paper: str
    ink: str
    faint: str
    body: str
    left: str
    right: str


# Okabe and Ito's colours, which stay apart for the usual colour blindnesses; lighter ones on dark paper.
_PALETTES: dict[Theme, _Palette] = {
    "light": _Palette(paper="#ffffff", ink="#1f2328", faint="#d8dce1", body="#5b6570", left="#0072b2", right="#c24e00"),
    "dark": _Palette(paper="#16191d", ink="#e8eaed", faint="#3a4149", body="#a3adb8", left="#56b4e9", right="#e69f00"),
}
LABELLED_GAP = 0.05
"""Gaps shorter than this share of the clip are drawn without their length, which would not fit."""


@alone
def quality_png(pose: Pose, report: QualityReport, theme: Theme = "light") -> bytes:
    """The figure as PNG bytes, 1000 x 560 px. `report` is `assess(pose)`.

    Raises PoseError when the pose has no Holistic body.
    """
    palette = _PALETTES[theme]
    figure = blank((10, 5.6), dpi=100, paper=palette.paper, pads=(0.1, 0.06))
    parts, speed = figure.subplots(2, 1, sharex=True, height_ratios=[1.35, 1])
    _draw_title(figure, report, palette)
    _draw_parts(parts, pose, report, palette)
    _draw_speed(speed, pose, palette)
    for axes in (parts, speed):
        _draw_span(axes, report, palette)
        _style(axes, palette)
    parts.text(
        (report.start_ms + report.end_ms) / 2000,
        3.38,
        f"signing {report.start_ms / 1000:.1f}–{report.end_ms / 1000:.1f} s",
        ha="center",
        va="top",
        fontsize=9,
        color=palette.ink,
    )
    speed.set_xlim(0, report.duration_s)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=palette.paper)
    return buffer.getvalue()


def write_quality_png(path: str | os.PathLike[str], pose: Pose, report: QualityReport, theme: Theme = "light") -> None:
    """Write the figure to a file, through a temporary name and a rename."""
    image = quality_png(pose, report, theme)
    with replacing(path) as temporary:
        temporary.write_bytes(image)


def _draw_title(figure: Figure, report: QualityReport, palette: _Palette) -> None:
    mark = {"keep": "✓", "review": "?", "reject": "✗"}[report.verdict]
    title = f"{mark} {report.verdict.capitalize()}"
    if report.reasons:
        first, *rest = report.reasons
        more = f" (and {len(rest)} more)" if rest else ""
        title += f": {first.partition(';')[0].rstrip('.')}{more}"
    figure.suptitle(title, color=palette.ink, fontsize=13, fontweight="bold", x=0.012, ha="left")


def _draw_parts(axes: Axes, pose: Pose, report: QualityReport, palette: _Palette) -> None:
    """One row per part: a bar where it was seen, hatched where it is missing from the signing, else an empty track."""
    frames = np.arange(report.num_frames) * 1000 / report.fps
    span = (frames >= report.start_ms - 1e-6) & (frames < report.end_ms - 1e-6)
    face = seen(pose, FACE) if has_component(pose, FACE) else np.zeros(report.num_frames, dtype=bool)
    signing = signing_frames(pose)
    rows = [
        ("body", seen(pose, BODY), span, palette.body, f"{100 * report.body_in_span:.0f} %"),
        ("face", face, span, palette.body, f"{100 * report.face_in_span:.0f} %"),
        ("left hand", hand_seen(pose, "left"), signing["left"], palette.left, _hand_share(report.left)),
        ("right hand", hand_seen(pose, "right"), signing["right"], palette.right, _hand_share(report.right)),
    ]
    for row, (_, there, wanted, colour, _) in enumerate(rows):
        axes.broken_barh([(0, report.duration_s)], (row - 0.3, 0.6), facecolor="none", edgecolor=palette.faint)
        axes.broken_barh(_seconds(there, report.fps), (row - 0.3, 0.6), facecolor=colour)
        axes.broken_barh(
            _seconds(wanted & ~there, report.fps),
            (row - 0.3, 0.6),
            facecolor=palette.paper,
            edgecolor=colour,
            hatch="////",
            linewidth=0.8,
        )
        _label_gaps(axes, row, wanted & ~there, report, palette)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.25, -0.5)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(rows)), [words for *_, words in rows])
    _style(right, palette)
    axes.set_title("Bar: seen. Hatched: missing while signing.", loc="left", fontsize=10, color=palette.ink)
    axes.set_title("Seen while signing", loc="right", fontsize=10, color=palette.ink)


def _seconds(flags: NDArray[np.bool_], fps: float) -> list[tuple[float, float]]:
    """(start, length) in seconds of every stretch of True."""
    return [(start / fps, (end - start) / fps) for start, end in runs(flags)]


def _hand_share(hand: HandQuality) -> str:
    return "at rest" if hand.seen_while_raised is None else f"{100 * hand.seen_while_raised:.0f} %"


def _label_gaps(axes: Axes, row: int, missing: NDArray[np.bool_], report: QualityReport, palette: _Palette) -> None:
    """The length of every gap that leaves room for it."""
    for start, length in _seconds(missing, report.fps):
        if length >= LABELLED_GAP * report.duration_s:
            axes.text(
                start + length / 2,
                row,
                f"{length:.1f} s",
                ha="center",
                va="center",
                fontsize=8,
                color=palette.ink,
                bbox={"facecolor": palette.paper, "edgecolor": "none", "pad": 1.5},
            )


def _draw_speed(axes: Axes, pose: Pose, palette: _Palette) -> None:
    """The speed of both wrists: a strong line where the hand was seen, a thin one where the arm is all there is."""
    times = (np.arange(len(pose.body.data)) + 0.5) / float(pose.body.fps)
    top = 0.0
    for side, colour, line in zip(SIDES, (palette.left, palette.right), ("--", "-"), strict=True):
        speed, there = wrist_speed(pose, side), hand_seen(pose, side)
        top = max(top, float(speed[there].max(initial=0)))
        axes.plot(times, speed, line, color=colour, linewidth=0.7, alpha=0.7)
        axes.plot(times, np.where(there, speed, np.nan), line, color=colour, linewidth=2, label=f"{side} wrist")
    axes.set_ylim(0, max(1.0, 1.35 * top))
    axes.set_xlabel("seconds")
    title = "Wrist speed in shoulder widths per second (thin: hand not seen)"
    axes.set_title(title, loc="left", fontsize=10, color=palette.ink)
    axes.legend(loc="upper right", ncols=2, frameon=False, labelcolor=palette.ink, fontsize=9, handlelength=3)


def _draw_span(axes: Axes, report: QualityReport, palette: _Palette) -> None:
    start, end = report.start_ms / 1000, report.end_ms / 1000
    axes.axvspan(start, end, color=palette.ink, alpha=0.07, linewidth=0, zorder=0)
    for place in (start, end):
        axes.axvline(place, color=palette.ink, linewidth=1, linestyle=":", zorder=3)


def _style(axes: Any, palette: _Palette) -> None:
    axes.tick_params(colors=palette.ink, labelsize=9, length=0)
    axes.xaxis.label.set_color(palette.ink)
    axes.set_facecolor(palette.paper)
    for spine in axes.spines.values():
        spine.set_visible(False)
