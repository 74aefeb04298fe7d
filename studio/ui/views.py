"""Values of the core shown as HTML that a screen reader reads as well as an eye does. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from models.pose.batch import ClipOutcome
from models.pose.extract import Progress
from models.pose.quality import QualityReport

_VERDICTS = {
    "keep": "✔ Keep – good enough to work with",
    "review": "! Review – look at it before you use it",
    "reject": "✘ Reject – too much is missing",
}


def message(text: str) -> str:
    """One line where progress was."""
    return f'<div class="studio-progress" role="status">{escape(text)}</div>'


def progress(label: str, report: Progress) -> str:
    """A progress bar with frames, frames/s and time left in words."""
    total = report.total_frames
    frames = f"{report.done_frames} of {total} frames" if total else f"{report.done_frames} frames"
    left = "" if report.seconds_left is None else f"about {duration(report.seconds_left)} left"
    return bar(
        f"{label}: {frames}, {report.frames_per_s:.0f} frames/s", left, report.done_frames / total if total else None
    )


def bar(words: str, left: str, share: float | None) -> str:
    """A progress bar; share is 0..1, None while the end is not known."""
    percent = None if share is None else round(100 * min(max(share, 0.0), 1.0))
    value = "" if percent is None else f' aria-valuenow="{percent}"'
    width = 100 if percent is None else percent
    return (
        '<div class="studio-progress">'
        f'<div class="track" role="progressbar" aria-label="{escape(words)}" aria-valuemin="0" aria-valuemax="100"{value}>'
        f'<div class="fill" style="width:{width}%"></div></div>'
        f'<div class="words"><span>{escape(words)}</span><span>{escape(left)}</span></div></div>'
    )


def duration(seconds: float) -> str:
    """Seconds in words: 8 s, 2 min 5 s, 1 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def quality(report: QualityReport) -> str:
    """The verdict with its reasons and the main figures."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons)
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(report))
    return (
        f'<section class="verdict {report.verdict}" aria-label="Quality verdict">'
        f"<h3>{_VERDICTS[report.verdict]}</h3><ul>{reasons}</ul></section>"
        f'<dl class="facts">{facts}</dl>'
    )


def batch(outcomes: Sequence[tuple[ClipOutcome, QualityReport | None]]) -> str:
    """One row per clip of a batch: what became of it and why."""
    rows = "".join(
        f"<tr><td>{escape(outcome.path.name)}</td><td>{escape(_VERDICTS[report.verdict] if report else '✘ Failed')}</td>"
        f"<td>{escape(' '.join(report.reasons) if report else str(outcome.error))}</td></tr>"
        for outcome, report in outcomes
    )
    return (
        '<table class="batch-table"><thead><tr><th scope="col">Clip</th><th scope="col">Verdict</th>'
        f'<th scope="col">Why</th></tr></thead><tbody>{rows}</tbody></table>'
    )
