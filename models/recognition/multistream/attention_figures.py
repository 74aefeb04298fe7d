"""Where the model looked, as figures: each stream at the others over time, and each stream at the frames of the clip.

Shapes: T frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.figures import FAINT, INK, Picture, legend, line, picture, style
from models.recognition.multistream.config import STREAMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from models.recognition.multistream.recognizer import Seen


def pictures_of(seen: Seen) -> tuple[Picture, ...]:
    """The figures of a clip, of the streams that are there and have something to look at; none where there is none."""
    there = [at for at in range(len(STREAMS)) if seen.over_time[at][seen.present[at]].any()]
    if not there:
        return ()
    over_time = _over_time(seen, there)
    return (over_time,) if len(there) == 1 else (_over_streams(seen, there), over_time)


def received(seen: Seen) -> NDArray[np.float32]:
    """(T,) how much each frame is looked at: its share of the looks of all streams, in all frames where they are there.

    It sums to 1; zeros where no stream ever had another to look at.
    """
    rows = seen.over_time[seen.present & (seen.over_time.sum(axis=-1) > 0)]
    return rows.mean(axis=0).astype(np.float32) if len(rows) else np.zeros(seen.present.shape[1], np.float32)


def _over_streams(seen: Seen, there: list[int]) -> Picture:
    """A panel for each stream that looks, with a line for each other one that it looks at."""
    times = np.arange(seen.present.shape[1]) / seen.fps

    def draw(figure: Figure) -> None:
        for at, axes in zip(there, figure.subplots(len(there), 1, sharex=True, squeeze=False)[:, 0], strict=True):
            for to in there:
                if to != at:
                    shares = np.where(seen.present[at], 100 * seen.over_streams[at, :, to], np.nan)
                    line(axes, times, shares, to, STREAMS[to])
            _absent(axes, times, seen.present[at])
            axes.set_ylim(-4, 104)
            axes.set_ylabel("% of its look")
            legend(axes)
            style(axes, f"{STREAMS[at].capitalize()}: how its look is shared")
            if at == there[-1]:
                axes.set_xlabel("seconds")

    told = []
    for at in there:
        shares = seen.over_streams[at][seen.present[at]].mean(axis=0)
        words = ", ".join(f"{STREAMS[to]} {100 * shares[to]:.0f} %" for to in there if to != at)
        told.append(f"{STREAMS[at]} to {words}{_missing(seen, at)}")
    return picture(
        "look-streams",
        "Where each stream looks",
        draw,
        alt=f"Mean over the clip: {'; '.join(told)}.",
        caption="Each stream looks at the others, in all frames; the shares add up to 100 %. Hatched: the stream has "
        "nothing in these frames. Attention tells what was compared, not why the model answers what it does.",
        size=(9.5, 0.8 + 1.9 * len(there)),
    )


def _absent(axes: Axes, times: NDArray[np.float64], present: NDArray[np.bool_]) -> None:
    half = 0.5 * (times[1] - times[0]) if len(times) > 1 else 0.5
    for time in times[~present]:
        axes.axvspan(time - half, time + half, facecolor="none", edgecolor=FAINT, hatch="///", linewidth=0)
    axes.set_xlim(times[0] - half, times[-1] + half)


def _missing(seen: Seen, at: int) -> str:
    count = int((~seen.present[at]).sum())
    return f" (nothing of it in {count} of {seen.present.shape[1]} frames)" if count else ""


def _over_time(seen: Seen, there: list[int]) -> Picture:
    """A map for each stream: the frame that looks down, the frame that is looked at across."""
    frames = seen.present.shape[1]
    most = max(float(seen.over_time[at][seen.present[at]].max()) for at in there)

    def draw(figure: Figure) -> None:
        row = figure.subplots(1, len(there), squeeze=False)[0]
        for at, axes in zip(there, row, strict=True):
            shown = np.where(seen.present[at][:, None], 100 * seen.over_time[at], np.nan)
            axes.set_facecolor(FAINT)
            mesh = axes.imshow(shown, cmap="cividis", vmin=0, vmax=100 * most, interpolation="nearest")
            ticks = _ticks(frames)
            axes.set_xticks(ticks, [str(one + 1) for one in ticks])
            axes.set_yticks(ticks, [str(one + 1) for one in ticks])
            axes.set_xlabel("looked at: frame")
            axes.set_ylabel("looking: frame" if at == there[0] else "")
            style(axes, STREAMS[at].capitalize(), grid=False)
            for place in np.flatnonzero(~seen.present[at]).tolist():
                axes.axhspan(place - 0.5, place + 0.5, facecolor="none", edgecolor=INK, hatch="////", linewidth=0)
        bar = figure.colorbar(mesh, ax=row.tolist(), pad=0.02, shrink=0.85)
        bar.set_label("% of the look", color=INK, fontsize=9)
        bar.ax.tick_params(labelsize=8, colors=INK)

    told = [_most_looked_at(seen, at) for at in there]
    return picture(
        "look-time",
        "Which frames each stream looks at",
        draw,
        alt=f"{'; '.join(told)}. Even would be {100 / frames:.0f} % for each of {frames} frames.",
        caption="A row is a frame of the stream, a column the frame of the other streams that it looks at; the "
        "lighter, the more. Each row adds up to 100 %. Hatched: the stream has nothing in this frame.",
        size=(1.4 + 3.4 * len(there), 3.9),
    )


def _ticks(frames: int) -> list[int]:
    step = max(1, round(frames / 6))
    return list(range(0, frames, step))


def _most_looked_at(seen: Seen, at: int) -> str:
    mean = seen.over_time[at][seen.present[at]].mean(axis=0)
    frame = int(mean.argmax())
    verb = "look" if STREAMS[at] != "context" else "looks"
    return (
        f"{STREAMS[at]} {verb} most at frame {frame + 1} ({frame / seen.fps:.1f} s), {100 * float(mean[frame]):.0f} %"
    )
