"""Values of the core shown as HTML that a screen reader reads as well as an eye does. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TypeVar

from models.animation.animate import Animation
from models.animation.fidelity import Fidelity
from models.lexicon.performance import Segment
from models.pose.batch import BatchProgress
from models.pose.products import BatchProducts, ClipProducts
from models.pose.quality import QualityReport
from models.progress import Progress, duration
from studio.texts import later, text, texts

T = TypeVar("T")

_VERDICTS = {
    "keep": later("✔ Keep – good enough to work with"),
    "review": later("! Review – look at it before you use it"),
    "reject": later("✘ Reject – too much is missing"),
}
_HANDS = {"left": later("left"), "right": later("right")}

STOPPED = later("Stopped. Nothing was kept of this run.")


def choices(among: Sequence[tuple[str, T]]) -> list[tuple[str, T]]:
    """What can be chosen, (label, value) each, with the labels in the language of the studio."""
    return [(text(label), value) for label, value in among]


def message(words: str) -> str:
    """One line where progress was."""
    return f'<div class="studio-progress" role="status">{escape(words)}</div>'


def progress(label: str, report: Progress) -> str:
    """A progress bar with frames, frames/s and time left in words."""
    total = report.total_frames
    counted = {"step": label, "done": report.done_frames, "total": total, "rate": f"{report.frames_per_s:.0f}"}
    if total:
        return bar(
            text("{step}: {done} of {total} frames, {rate} frames/s", **counted),
            time_left(report.seconds_left),
            report.done_frames / total,
        )
    return bar(text("{step}: {done} frames, {rate} frames/s", **counted), time_left(report.seconds_left), None)


def time_left(seconds: float | None) -> str:
    """How long work still takes, in words; empty while that is not known."""
    return "" if seconds is None else text("about {time} left", time=duration(seconds))


def in_queue(state: str, ahead: int) -> str:
    """The state of what waits, with how much comes before it."""
    if not ahead:
        return text("{state} – next", state=state)
    return text("{state} – {number} before it", state=state, number=ahead)


def when(moment: str) -> str:
    """A moment in ISO 8601, as a clock here shows it; what is none comes back as it is."""
    try:
        return text("{when:%d %b %H:%M}", when=datetime.fromisoformat(moment).astimezone())
    except ValueError:
        return moment


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
        f'<section class="verdict {report.verdict}" aria-label="{escape(text("Quality verdict"))}">'
        f"<h3>{escape(text(_VERDICTS[report.verdict]))}</h3><ul>{reasons}</ul></section>"
        f'<dl class="facts">{facts}</dl>'
    )


def batch_progress(report: BatchProducts) -> str:
    """A bar while a batch is under way, a sentence when it is finished."""
    done = report.progress
    if done is None or done.done_clips == done.num_clips or report.archive is not None:
        return message(batch_done([clip.error for clip in report.clips]))
    return clips_bar(done)


def batch_done(errors: Sequence[str | None]) -> str:
    """How a batch ended, in a sentence; errors: one for each clip, None for a clip that went well."""
    failed = sum(error is not None for error in errors)
    return texts(
        "{number} clip done, {failed} failed.",
        "{number} clips done, {failed} failed.",
        len(errors) - failed,
        failed=failed,
    )


def clips_bar(done: BatchProgress) -> str:
    """How far a batch of clips is."""
    words = text(
        "{done} of {total} clips, {rate} frames/s",
        done=done.done_clips,
        total=done.num_clips,
        rate=f"{done.frames_per_s:.0f}",
    )
    return bar(words, time_left(done.seconds_left), done.done_clips / done.num_clips)


def batch(clips: Sequence[ClipProducts]) -> str:
    """One row per clip of a batch: what became of it and why."""
    rows = "".join(_batch_row(clip) for clip in clips)
    return f'<table class="batch-table">{head(text("Clip"), text("Verdict"), text("Why"))}<tbody>{rows}</tbody></table>'


def head(*columns: str) -> str:
    """The head of a table."""
    cells = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    return f"<thead><tr>{cells}</tr></thead>"


def table(label: str, caption: str, columns: Sequence[str], rows: str, classes: str) -> str:
    """A table that scrolls by itself where it is too wide, with mouse, touch and keyboard. rows: HTML."""
    return (
        f'<div class="segments-scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="batch-table {classes}"><caption>{escape(caption)}</caption>'
        f"{head(*columns)}<tbody>{rows}</tbody></table></div>"
    )


def about(title: str, words: str) -> str:
    """What can be chosen, and what it is."""
    return f'<p class="train-about"><strong>{escape(title)}.</strong> {escape(words)}</p>'


def printed(label: str, log: str) -> str:
    """The end of a log, the newest line in view."""
    shown = log or text("Nothing was printed yet.")
    return (
        f'<div class="run-log" tabindex="0" role="region" aria-label="{escape(label)}"><pre>{escape(shown)}</pre></div>'
    )


def _batch_row(clip: ClipProducts) -> str:
    report = clip.products.report if clip.products else None
    verdict = text(_VERDICTS[report.verdict]) if report else text("✘ Failed")
    why = " ".join(report.reasons) if report else str(clip.error)
    return f"<tr><td>{escape(clip.clip.name)}</td><td>{escape(verdict)}</td><td>{escape(why)}</td></tr>"


def _facts(report: QualityReport) -> list[tuple[str, str]]:
    return [
        (
            text("Length"),
            text(
                "{number} frames, {seconds:.1f} s at {rate:.4g} frames/s",
                number=report.num_frames,
                seconds=report.duration_s,
                rate=report.fps,
            ),
        ),
        (text("Signing"), from_to(f"{report.start_ms / 1000:.1f}", f"{report.end_ms / 1000:.1f}")),
        (text("Leading hand"), text(_HANDS[report.dominant]) if report.dominant else text("not clear")),
        (text("Body seen while signing"), share(report.body_in_span)),
        (text("Face seen while signing"), share(report.face_in_span)),
        (text("Left hand seen while it signs"), share(report.left.seen_while_raised)),
        (text("Right hand seen while it signs"), share(report.right.seen_while_raised)),
        (text("Longest loss of the left hand"), _milliseconds(report.left.longest_gap_ms)),
        (text("Longest loss of the right hand"), _milliseconds(report.right.longest_gap_ms)),
        (text("Blurred while signing"), share(report.blur)),
    ]


def from_to(start_s: str, end_s: str) -> str:
    """A span of time; the seconds as they are to be shown."""
    return text("{start} s to {end} s", start=start_s, end=end_s)


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
    return f'<table class="batch-table">{head(text("Gloss"), text("from"), text("to"))}<tbody>{rows}</tbody></table>'


def animated(made: Animation) -> str:
    """What became of an animation, in a sentence."""
    length, took = made.num_frames / made.fps, duration(made.seconds)
    if made.complete:
        return text("Done: {length} of signing, made in {took}.", length=duration(length), took=took)
    return text(
        "Stopped after {done} of {total} frames. They are in the video below; go on with the rest when you like.",
        done=made.num_frames,
        total=made.total_frames,
    )


def advice(sentences: Sequence[str]) -> str:
    """What would make a picture better; a word of confirmation when there is nothing to say."""
    return notes(sentences) if sentences else message(text("✔ A good picture: one person, seen well."))


def fidelity(measured: Fidelity) -> str:
    """How faithful an animation is, one sentence per measure."""
    name = escape(text("How faithful it is"))
    return f'<section class="fidelity" aria-label="{name}"><h3>{name}</h3>{notes(measured.lines())}</section>'
