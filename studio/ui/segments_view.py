"""What was recognized, shown: segments over the video's time axis, a table to compare from, signs that were taught.

All of it is plain HTML with real buttons, so that keyboard and screen reader work without anything added. What is not
known is hatched, has a dashed border and says so in words. Every text is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from models.figures import Picture
from models.recognition.results import Candidate, Recognition, RecognizedSegment
from studio.comparing import Comparison
from studio.recognizing import BatchRecognized, ClipRecognized, Step
from studio.teaching import Taught
from studio.texts import text, texts
from studio.ui import views

PX_PER_S = 140
"""Least width of a second on the time axis: a short sign still has room for its gloss; longer clips scroll."""
TICK_S = 1

# The video whose id is in data-video plays the segment of the button that was pressed, and stops at its end. While any
# part of the clip plays, a line shows where, and the segment that is playing is marked. Arrow keys go from one segment
# to the next, so that Tab need not pass through hundreds of them. Events of media do not bubble: they are captured.
_TIMELINE_JS = """
let until = null;
const axis = () => element.querySelector('.segments-axis');
const video = () => document.querySelector(`#${axis()?.dataset.video} video`);
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-start]');
  const clip = video();
  if (!button || !clip) return;
  until = Number(button.dataset.end) / 1000;
  clip.currentTime = Number(button.dataset.start) / 1000;
  clip.play();
});
element.addEventListener('keydown', (event) => {
  const step = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}[event.key];
  const button = event.target.closest('button[data-start]');
  if (step === undefined || !button) return;
  const all = [...element.querySelectorAll('button[data-start]')];
  const next = all[Math.min(Math.max(all.indexOf(button) + step, 0), all.length - 1)];
  all.forEach((one) => { one.tabIndex = one === next ? 0 : -1; });
  next.focus();
  event.preventDefault();
});
document.addEventListener('timeupdate', (event) => {
  if (!axis() || event.target !== video()) return;
  const now = event.target.currentTime;
  if (until !== null && now >= until) { event.target.pause(); until = null; }
  const line = element.querySelector('.segments-now');
  line.style.left = `${100 * now / Number(axis().dataset.seconds)}%`;
  line.hidden = false;
  const box = line.closest('.segments-scroll');
  const x = line.offsetLeft - box.scrollLeft;
  if (!event.target.paused && (x < 0 || x > box.clientWidth)) box.scrollLeft = line.offsetLeft - 40;
  for (const button of element.querySelectorAll('button[data-start]')) {
    const on = now * 1000 >= Number(button.dataset.start) && now * 1000 < Number(button.dataset.end);
    if (on) button.setAttribute('aria-current', 'time'); else button.removeAttribute('aria-current');
  }
}, true);
"""

# Which data-* a pressed button has is what `select` carries.
_BUTTONS_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-event]');
  if (button) trigger('select', {...button.dataset});
});
"""


def timeline_component(**settings: Any) -> gr.HTML:
    """Where `timeline` is shown: a press on a segment plays it in the video."""
    return gr.HTML(js_on_load=_TIMELINE_JS, **settings)


def buttons_component(**settings: Any) -> gr.HTML:
    """Where a table with buttons is shown; `select` carries the data-* of the pressed one."""
    return gr.HTML(js_on_load=_BUTTONS_JS, **settings)


def step(report: Step) -> str:
    """How far a recognition is."""
    words = text(report.words)
    return views.message(words) if report.progress is None else views.progress(words, report.progress)


def summary(recognition: Recognition) -> str:
    """What was found, in a sentence."""
    total, known = len(recognition.segments), len(recognition.glosses)
    if total == 0:
        return views.message(text("No sign was found in this clip."))
    if known == total:
        glosses = " ".join(recognition.glosses)
        return views.message(
            texts("{number} sign found: {glosses}", "{number} signs found: {glosses}", total, glosses=glosses)
        )
    glosses = " ".join(segment.gloss or text("(unknown)") for segment in recognition.segments)
    return views.message(
        texts(
            "{number} sign found, {unknown} of them unknown: {glosses}",
            "{number} signs found, {unknown} of them unknown: {glosses}",
            total,
            unknown=total - known,
            glosses=glosses,
        )
    )


def about(recognizer: str, remarks: Sequence[str] = ()) -> str:
    """Who says so, beside every answer: the recognizer and what it learned from; then what else to know."""
    by = text("Recognized by:")
    return f'<p class="recognizer"><strong>{by}</strong> {escape(recognizer)}</p>{views.notes(remarks)}'


def timeline(recognition: Recognition, video: str) -> str:
    """The segments over the time axis of the video in the component with this id; empty when there are none."""
    if not recognition.segments:
        return ""
    last_ms = max(segment.end_ms for segment in recognition.segments)
    seconds = max(recognition.duration_ms, last_ms) / 1000
    buttons = "".join(_block(number, segment, seconds) for number, segment in enumerate(recognition.segments))
    ticks = "".join(
        f'<span class="tick" style="left:{100 * second / seconds:.3f}%">{second} s</span>'
        for second in range(0, int(seconds) + 1, TICK_S)
        if seconds - second > 0.3 or second == 0
    )
    label = text("Signs over time: press one to see it in the video; arrow keys go from one to the next.")
    return (
        f'<p class="segments-label" id="segments-label">{escape(label)}</p>'
        '<div class="segments-scroll">'
        f'<div class="segments-axis" role="toolbar" aria-labelledby="segments-label" data-video="{escape(video)}" '
        f'data-seconds="{seconds:.3f}" style="min-width:{round(PX_PER_S * seconds)}px">'
        f'{buttons}<div class="ticks" aria-hidden="true">{ticks}</div><div class="segments-now" hidden></div>'
        "</div></div>"
    )


def table(recognition: Recognition) -> str:
    """One row for each segment: when, the answer, and the best three as buttons to compare with."""
    if not recognition.segments:
        return ""
    rows = "".join(_row(number, segment) for number, segment in enumerate(recognition.segments))
    head = views.head(text("Sign"), text("When"), text("Answer"), text("Nearest, with confidence"))
    caption = escape(text("Press a gloss to see the clip and that sign side by side."))
    return (
        '<div class="segments-scroll"><table class="batch-table segments-table">'
        f"<caption>{caption}</caption>{head}<tbody>{rows}</tbody></table></div>"
    )


def comparison(shown: Comparison) -> str:
    """What the two videos are, and how sure the recognizer is that they are the same."""
    one, when = shown.candidate, _when(shown.segment)
    if shown.segment.known:
        answer = text("Your clip, {time}: taken for {gloss}.", time=when, gloss=shown.segment.gloss)
    else:
        answer = text("Your clip, {time}: not close enough to any sign: it stays unknown.", time=when)
    values = {"gloss": f"<strong>{escape(one.gloss)}</strong>", "confidence": views.share(one.confidence)}
    beside = (
        text("Beside it: {gloss} ({confidence} confident), a recording that was added, drawn as a skeleton.", **values)
        if shown.recorded
        else text("Beside it: {gloss} ({confidence} confident), as this studio's drawn signer signs it.", **values)
    )
    judge = text("Judge for yourself whether they are the same: handshape, place, movement, and the face.")
    return f'<p class="recognizer">{escape(answer)} {beside} {escape(judge)}</p>'


def stages(pictures: Sequence[Picture]) -> str:
    """What a model of pictures looked at, as figures; nothing for other recognizers."""
    if not pictures:
        return ""
    figures = []
    for one in pictures:
        kind = "image/svg+xml" if one.kind == "svg" else "image/png"
        inline = base64.b64encode(one.data).decode("ascii")
        figures.append(
            f'<figure class="stage-figure"><img alt="{escape(one.alt, quote=True)}" src="data:{kind};base64,{inline}">'
            f"<figcaption>{escape(one.caption)}</figcaption></figure>"
        )
    return f"<h3>{escape(text('What the model looked at'))}</h3>" + "".join(figures)


def batch_progress(report: BatchRecognized) -> str:
    """A bar while a batch is under way, a sentence when it is finished."""
    done = report.progress
    if report.archive is not None or done is None or done.done_clips == done.num_clips:
        return views.message(views.batch_done([clip.error for clip in report.clips]))
    return views.clips_bar(done)


def batch(report: BatchRecognized) -> str:
    """One row for each clip of a batch, and who says so."""
    rows = "".join(_batch_row(clip) for clip in report.clips)
    head = views.head(text("Clip"), text("Signs"), text("Remarks"))
    return f'{about(report.recognizer)}<table class="batch-table">{head}<tbody>{rows}</tbody></table>'


def taught_now(report: Taught) -> str:
    """What became of a sign that was taught, in a sentence."""
    total = len(report.clips)
    if not report.accepted:
        return views.message(
            text(
                "{gloss} was not learned: no clip is good enough. See why below, and record again.", gloss=report.gloss
            )
        )
    return views.message(
        text(
            "{gloss} is known on this page now, from {accepted} of {total} clips.",
            gloss=report.gloss,
            accepted=report.accepted,
            total=total,
        )
    )


def verdicts(report: Taught) -> str:
    """What became of each clip of a sign that was taught."""
    taken = {True: escape(text("✔ Taken")), False: escape(text("✘ Not taken"))}
    rows = "".join(
        f"<tr><td>{number}. {escape(clip.name)}</td><td>{taken[clip.accepted]}</td><td>{escape(clip.verdict)}</td></tr>"
        for number, clip in enumerate(report.clips, start=1)
    )
    head = views.head(text("Clip"), text("Taken"), text("Why"))
    return f'<table class="batch-table">{head}<tbody>{rows}</tbody></table>'


def taught(signs: Mapping[str, int]) -> str:
    """The signs that were taught on this page, each with a button that deletes it."""
    if not signs:
        return views.message(text("No sign was taught on this page yet."))
    rows = "".join(
        f'<tr><td>{escape(gloss)}</td><td>{count}</td><td><button type="button" data-event="forget" '
        f'data-gloss="{escape(gloss)}" aria-label="{escape(text("Delete {gloss}", gloss=gloss))}">'
        f"{escape(text('Delete'))}</button></td></tr>"
        for gloss, count in signs.items()
    )
    return (
        f'<table class="batch-table segments-table"><caption>{escape(text("Signs of this page"))}</caption>'
        f"{views.head(text('Gloss'), text('Recordings'), text('Delete'))}<tbody>{rows}</tbody></table>"
    )


def _block(number: int, segment: RecognizedSegment, seconds: float) -> str:
    """A segment as a button on the time axis. Only the first is a stop for Tab; arrow keys reach the others."""
    left, right = (100 * time / 1000 / seconds for time in (segment.start_ms, segment.end_ms))
    if segment.gloss is not None:
        name, sure = segment.gloss, views.share(segment.candidates[0].confidence)
        words = text("{gloss}, {confidence} confident, {time}; play", gloss=name, confidence=sure, time=_when(segment))
    else:
        name, sure = text("unknown"), "?"
        words = text("unknown sign, {time}; play", time=_when(segment))
    kind = "unknown" if segment.gloss is None else "known"
    return (
        f'<button type="button" class="segment {kind}" tabindex="{0 if number == 0 else -1}" '
        f'data-start="{segment.start_ms:.0f}" data-end="{segment.end_ms:.0f}" title="{escape(words)}" '
        f'aria-label="{escape(words)}" style="left:{left:.3f}%;width:{right - left:.3f}%">'
        f"<span>{escape(name)}</span><small>{sure}</small></button>"
    )


def _row(number: int, segment: RecognizedSegment) -> str:
    unknown = f'<span class="unknown-word">{escape(text("unknown"))}</span>'
    answer = escape(segment.gloss) if segment.gloss is not None else unknown
    candidates = [_candidate(number, place, one) for place, one in enumerate(segment.candidates)]
    nearest = "".join(candidates) or escape(text("nothing like it"))
    return (
        f'<tr><th scope="row">{number + 1}</th><td>{escape(_when(segment))}</td><td><strong>{answer}</strong></td>'
        f'<td><div class="nearest">{nearest}</div></td></tr>'
    )


def _candidate(number: int, place: int, one: Candidate) -> str:
    words = text(
        "Compare sign {number} with {gloss}, {confidence} confident",
        number=number + 1,
        gloss=one.gloss,
        confidence=views.share(one.confidence),
    )
    return (
        f'<button type="button" data-event="compare" data-segment="{number}" data-candidate="{place}" '
        f'aria-label="{escape(words)}"><span>{escape(one.gloss)}</span> {views.share(one.confidence)}</button>'
    )


def _batch_row(clip: ClipRecognized) -> str:
    found = clip.made.recognition if clip.made else None
    if found is None:
        signs, remarks = text("✘ Failed"), str(clip.error)
    else:
        signs = " ".join(segment.gloss or text("(unknown)") for segment in found.segments) or text("no sign found")
        remarks = " ".join(found.remarks)
    return f"<tr><td>{escape(clip.name)}</td><td>{escape(signs)}</td><td>{escape(remarks)}</td></tr>"


def _when(segment: RecognizedSegment) -> str:
    return views.from_to(f"{segment.start_ms / 1000:.2f}", f"{segment.end_ms / 1000:.2f}")
