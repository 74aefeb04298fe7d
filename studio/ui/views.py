"""Values of the core shown as HTML that a screen reader reads as well as an eye does. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from models.animation.animate import Animation
from models.animation.fidelity import Fidelity
from models.lexicon.performance import Segment
from models.pose.products import BatchProducts, ClipProducts
from models.pose.quality import QualityReport
from models.progress import Progress, duration

_VERDICTS = {
    "keep": "✔ Keep – good enough to work with",
    "review": "! Review – look at it before you use it",
    "reject": "✘ Reject – too much is missing",
}


STOPPED = "Stopped. Nothing was kept of this run."


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
    role = f'role="progressbar" aria-label="{escape(words)}" aria-valuemin="0" aria-valuemax="100"{value}'
    return (
        f'<div class="studio-progress"><div class="track" {role}>'
        f'<div class="fill" style="width:{width}%"></div></div>'
        f'<div class="words"><span>{escape(words)}</span><span>{escape(left)}</span></div></div>'
    )


def quality(report: QualityReport) -> str:
    """The verdict with its reasons and the main figures."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons)
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(report))
    return (
        f'<section class="verdict {report.verdict}" aria-label="Quality verdict">'
        f"<h3>{_VERDICTS[report.verdict]}</h3><ul>{reasons}</ul></section>"
        f'<dl class="facts">{facts}</dl>'
    )


def batch_progress(report: BatchProducts) -> str:
    """A bar while a batch is under way, a sentence when it is finished."""
    done = report.progress
    if done is None or done.done_clips == done.num_clips or report.archive is not None:
        failed = sum(clip.error is not None for clip in report.clips)
        return message(f"{len(report.clips) - failed} clips done, {failed} failed.")
    left = "" if done.seconds_left is None else f"about {duration(done.seconds_left)} left"
    words = f"{done.done_clips} of {done.num_clips} clips, {done.frames_per_s:.0f} frames/s"
    return bar(words, left, done.done_clips / done.num_clips)


def batch(clips: Sequence[ClipProducts]) -> str:
    """One row per clip of a batch: what became of it and why."""
    rows = "".join(_batch_row(clip) for clip in clips)
    return (
        '<table class="batch-table"><thead><tr><th scope="col">Clip</th><th scope="col">Verdict</th>'
        f'<th scope="col">Why</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _batch_row(clip: ClipProducts) -> str:
    report = clip.products.report if clip.products else None
    verdict = _VERDICTS[report.verdict] if report else "✘ Failed"
    why = " ".join(report.reasons) if report else str(clip.error)
    return f"<tr><td>{escape(clip.clip.name)}</td><td>{escape(verdict)}</td><td>{escape(why)}</td></tr>"


def _facts(report: QualityReport) -> list[tuple[str, str]]:
    return [
        ("Length", f"{report.num_frames} frames, {report.duration_s:.1f} s at {report.fps:.4g} frames/s"),
        ("Signing", f"{report.start_ms / 1000:.1f} s to {report.end_ms / 1000:.1f} s"),
        ("Leading hand", report.dominant or "not clear"),
        ("Body seen while signing", share(report.body_in_span)),
        ("Face seen while signing", share(report.face_in_span)),
        ("Left hand seen while it signs", share(report.left.seen_while_raised)),
        ("Right hand seen while it signs", share(report.right.seen_while_raised)),
        ("Longest loss of the left hand", _milliseconds(report.left.longest_gap_ms)),
        ("Longest loss of the right hand", _milliseconds(report.right.longest_gap_ms)),
        ("Blurred while signing", share(report.blur)),
    ]


def share(value: float | None) -> str:
    """A share 0..1 in percent; a dash where it was not measured or does not apply."""
    return "–" if value is None else f"{100 * value:.0f} %"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def notes(lines: Sequence[str]) -> str:
    """Remarks as a list; nothing when there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="notes" role="status"><ul>{items}</ul></div>' if lines else ""


def segments(signed: Sequence[Segment]) -> str:
    """When each gloss is signed, as a table."""
    rows = "".join(
        f"<tr><td>{escape(one.gloss)}</td><td>{one.start_ms / 1000:.2f} s</td><td>{one.end_ms / 1000:.2f} s</td></tr>"
        for one in signed
    )
    return (
        '<table class="batch-table"><thead><tr><th scope="col">Gloss</th><th scope="col">from</th>'
        f'<th scope="col">to</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def animated(made: Animation) -> str:
    """What became of an animation, in a sentence."""
    length, took = made.num_frames / made.fps, duration(made.seconds)
    if made.complete:
        return f"Done: {duration(length)} of signing, made in {took}."
    return (
        f"Stopped after {made.num_frames} of {made.total_frames} frames. They are in the video below; "
        "go on with the rest when you like."
    )


def advice(sentences: Sequence[str]) -> str:
    """What would make a picture better; a word of confirmation when there is nothing to say."""
    return notes(sentences) if sentences else message("✔ A good picture: one person, seen well.")


def fidelity(measured: Fidelity) -> str:
    """How faithful an animation is, one sentence per measure."""
    return (
        '<section class="fidelity" aria-label="How faithful it is"><h3>How faithful it is</h3>'
        f"{notes(measured.lines())}</section>"
    )
