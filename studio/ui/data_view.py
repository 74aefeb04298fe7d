"""Data sets shown: the plan, the jobs and their phases, and what came out. Every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.browsing import Found, Seen
from studio.jobs import Job
from studio.preparing import Phase
from studio.preparing_words import losses, phase_name, plan_facts, size
from studio.texts import later, text, texts
from studio.ui import views

if TYPE_CHECKING:
    from models.data.browse import ClipRow, GlossRow

_NOTES = 8
_JOB_STATES = {
    "queued": later("◷ Waiting"),
    "preparing": later("▶ Working"),
    "finished": later("✔ Finished"),
    "stopped": later("■ Stopped"),
    "failed": later("✘ Failed"),
    "crashed": later("✘ Crashed"),
}
_PHASE_STATES = {
    "waiting": later("◷ waiting"),
    "working": later("▶ working"),
    "done": later("✔ done"),
    "stopped": later("■ stopped"),
    "failed": later("✘ failed"),
}
CLIP_STATES = {
    "kept": later("✔ Kept"),
    "excluded": later("– Taken out by you"),
    "rejected": later("! Not good enough"),
    "failed": later("✘ Failed, tried again next time"),
    "dead": later("✘ Dead link"),
    "waiting": later("◷ Not reached yet"),
}

# One job is chosen. The choice is kept in the browser, so that a page that is opened again shows the same job; here,
# because an answer of the server that was long on its way would take back what was chosen since. When there may be
# another result to see, it says `apply`. When the rows are drawn anew, the keyboard stays where it was.
_JOBS_JS = """
const KEY = 'sign-studio-data-job';
let fresh = true, news = '', held = '';
const boxes = () => [...element.querySelectorAll('input[data-run]')];
const sync = () => {
  if (fresh && boxes().length) {
    fresh = false;
    const kept = localStorage.getItem(KEY);
    const first = boxes().find((box) => box.dataset.run === kept) || boxes()[0];
    if (!props.value) { props.value = first.dataset.run; trigger('input'); }
  }
  if (props.value) localStorage.setItem(KEY, props.value);
  for (const box of boxes()) box.checked = box.dataset.run === props.value;
  if (held && document.activeElement === document.body) boxes().find((box) => box.dataset.run === held)?.focus();
  const now = element.querySelector('[data-news]')?.dataset.news || '';
  if (now !== news) { news = now; trigger('apply'); }
};
element.addEventListener('focusin', (event) => { held = event.target.dataset.run || ''; });
element.addEventListener('focusout', ({target}) => setTimeout(() => { if (target.isConnected) held = ''; }));
element.addEventListener('change', (event) => {
  const box = event.target.closest('input[data-run]');
  if (!box) return;
  props.value = box.dataset.run;
  sync();
  trigger('input');
});
watch(['rows', 'value'], sync);
sync();
"""

# Buttons say what is to be done with what. When the rows are drawn anew, the keyboard stays where it was.
_BUTTONS_JS = """
let pressed = '';
const name = (button) => `${button.dataset.act} ${button.dataset.of}`;
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (!button) return;
  pressed = name(button);
  const opens = button.ariaPressed ? element.querySelectorAll('[aria-pressed]') : [];
  for (const one of opens) one.ariaPressed = one === button;
  trigger(button.dataset.act === 'play' ? 'play' : 'select', {act: button.dataset.act, of: button.dataset.of});
});
watch('rows', () => setTimeout(() => {
  const lost = !document.activeElement || document.activeElement === document.body;
  if (pressed && lost) [...element.querySelectorAll('button[data-act]')].find((one) => name(one) === pressed)?.focus();
}, 50));
"""


def jobs_component(**settings: Any) -> gr.HTML:
    """Where `jobs` is shown, as its property `rows`. Value: the id of the one that is chosen.

    It says `apply` when there may be another result of that one to see.
    """
    return gr.HTML("", html_template="${rows}", js_on_load=_JOBS_JS, rows="", **settings)


def buttons_component(**settings: Any) -> gr.HTML:
    """Where `glosses` or `clips` are shown, as its property `rows`; `select`, and `play` of a clip, carry {act, of}."""
    return gr.HTML("", html_template="${rows}", js_on_load=_BUTTONS_JS, rows="", **settings)


def about(title: str, sentence: str) -> str:
    """What a kind of data set is, and what comes out."""
    return views.about(text(title), text(sentence))


def plan(found: Mapping[str, Any]) -> str:
    """What a job would do: counts, space, and each phase."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in plan_facts(found))
    notes = [str(note) for note in found.get("notes") or ()]
    more = [text("… and {number} more.", number=len(notes) - _NOTES)] if len(notes) > _NOTES else []
    label = text("Plan")
    return (
        f'<section aria-label="{escape(label)}" role="status"><dl class="plan-facts data-facts">{items}</dl>'
        f"{_phase_plans(found.get('phases') or ())}{views.notes([*notes[:_NOTES], *more])}</section>"
    )


def _phase_plans(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(phase_name(one["phase"]))}</th><td>{one["total"]:,}</td><td>{one["done"]:,}</td>'
        f"<td>{one['to_do']:,}</td><td>{escape(_space(one['bytes_needed']))}</td><td>{escape(_time(one['seconds']))}</td></tr>"
        for one in found
    )
    return views.table(
        text("Phases"),
        text("What each phase would do; – where that is not known yet"),
        (text("Phase"), text("Items"), text("Done already"), text("To do"), text("Space"), text("Time")),
        rows,
        "data-table data-figures data-short",
    )


def jobs(found: Sequence[Job], news: str) -> str:
    """All jobs, one of which can be chosen. news: another text when there may be another result to see."""
    if not found:
        return views.message(text("There are no jobs yet. Launch one; it goes on when you close this page."))
    rows = "".join(map(_job_row, found))
    head = (text("Job"), text("State"), text("Progress"), text("Begun"))
    table = views.table(text("Jobs"), text("Choose a job to see it below."), head, rows, "data-table runs-table")
    return f'<div data-news="{escape(news)}">{table}</div>'


def _job_row(job: Job) -> str:
    box = f"job-{job.id}"
    state = text(_JOB_STATES.get(job.state, job.state))
    if job.state == "queued":
        state = views.in_queue(state, job.ahead)
    return (
        f'<tr class="{escape(job.state)}"><th scope="row"><div><input type="radio" name="data-job" id="{escape(box)}" '
        f'data-run="{escape(job.id)}"><label for="{escape(box)}">{escape(job.name)}</label>'
        f"<small>{escape(job.data)}</small></div></th><td>{escape(state)}</td>"
        f"<td>{escape(_how_far(job))}</td><td>{escape(views.when(job.created))}</td></tr>"
    )


def _how_far(job: Job) -> str:
    if job.ended or not job.steps:
        return "–"
    far = {"doing": text(job.words), "done": job.step, "total": job.steps}
    if job.seconds_left is None:
        return text("{doing}: {done} of {total}", **far)
    return text("{doing}: {done} of {total}, about {time} left", **far, time=views.duration(job.seconds_left))


def detail(job: Job | None, phases: Sequence[Phase]) -> str:
    """How the chosen job stands, phase by phase."""
    if job is None:
        return views.message(text("No job is chosen."))
    kind = {"failed": "reject", "crashed": "reject", "finished": "keep"}.get(job.state, "")
    said = job.words and (job.ended or not job.steps)
    words = f"<p>{escape(text(job.words))}</p>" if said else ""
    crashed = job.state == "crashed"
    items = "".join(f"<li>{_phase(one, crashed)}</li>" for one in phases)
    label = text("Phases")
    steps = f'<ol class="data-phases" aria-label="{escape(label)}">{items}</ol>' if items else ""
    return (
        f'<section class="run-detail verdict {kind}" aria-label="{escape(job.name)}"><h2>{escape(job.name)}: '
        f"{escape(text(_JOB_STATES.get(job.state, job.state)))}</h2>{words}{steps}</section>"
    )


def _phase(one: Phase, crashed: bool) -> str:
    state = "stopped" if crashed and one.state == "working" else one.state
    counted = []
    if one.total or one.state == "done":
        counted.append(text("{done:,} of {total:,}", done=one.done, total=one.total))
    words = f"{phase_name(one.phase)}: {', '.join([*counted, *losses(one)])}".rstrip(": ")
    stands = text(_PHASE_STATES[state])
    if one.seconds_left is not None and state == "working":
        stands = text("{state}, about {time} left", state=stands, time=views.duration(one.seconds_left))
    return views.bar(words, stands, 0.0 if state == "waiting" else one.share)


def log(printed: str) -> str:
    """The end of a job's log."""
    return views.printed(text("Log of the job"), printed)


def summary(found: Found) -> str:
    """What was found, in a sentence."""
    if not found.total:
        return views.message(text("Nothing fits. Search for another gloss, or choose another split or state."))
    words = text(
        "{glosses} with {clips}, {kept:,} of them kept.",
        glosses=texts("{number:,} gloss", "{number:,} glosses", found.total),
        clips=texts("{number:,} clip", "{number:,} clips", found.clips),
        kept=found.kept,
    )
    if found.total > len(found.rows):
        words += " " + text("The first {number} are shown; search to see others.", number=len(found.rows))
    return views.message(words)


def glosses(found: Sequence[GlossRow], chosen: str) -> str:
    """Glosses as buttons, with what became of their clips."""
    if not found:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><button type="button" data-act="open" data-of="{escape(one.gloss)}" '
        f'aria-pressed="{"true" if one.gloss == chosen else "false"}">{escape(one.gloss)}</button></th>'
        f"<td>{one.asked}</td><td>{one.kept}</td><td>{one.rejected}</td><td>{one.failed}</td></tr>"
        for one in found
    )
    head = (text("Gloss"), text("Clips"), text("Kept"), text("Not good enough"), text("Failed"))
    words = text("Choose a gloss to see its clips.")
    return views.table(text("Glosses"), words, head, rows, "data-table data-glosses data-figures")


def clips(gloss: str, found: Sequence[Seen], total: int) -> str:
    """The clips of a gloss, each with its picture, how good it is, and what can be done with it."""
    if not gloss:
        return ""
    if not found:
        return views.message(text("No clip of {gloss} is in this split and state.", gloss=gloss))
    if total > len(found):
        few = len(found)
        head = text("{gloss}: {total} clips, the first {few} of them shown", gloss=gloss, total=total, few=few)
    else:
        head = texts("{gloss}: {number} clip", "{gloss}: {number} clips", total, gloss=gloss)
    items, label = "".join(map(_clip, found)), text("Clips of {gloss}", gloss=gloss)
    return f'<h3 class="data-head">{escape(head)}</h3><ul class="data-clips" aria-label="{escape(label)}">{items}</ul>'


def _clip(seen: Seen) -> str:
    clip, item, none = seen.clip, escape(seen.clip.item), text("no picture")
    picture = (
        f'<img src="{seen.picture}" alt="" width="120" height="120">'
        if seen.picture
        else f'<div class="data-no-picture">{escape(none)}</div>'
    )
    signer = text("signer {name}", name=clip.signer) if clip.signer else text("signer not known")
    facts = ", ".join([clip.split, signer, *_length(clip)])
    why = f"<p>{escape(clip.why)}</p>" if clip.why else ""
    has_pose = clip.hands is not None
    act, words = ("include", text("Take in again")) if clip.excluded else ("exclude", text("Take out"))
    words, play, played = escape(words), escape(text("Play")), escape(text("Play {item}", item=clip.item))
    buttons = f'<button type="button" data-act="play" data-of="{item}" aria-label="{played}">{play}</button>'
    buttons += (
        f'<button type="button" data-act="{act}" data-of="{item}" aria-label="{words}: {item}">{words}</button>'
        if clip.excluded or clip.state == "kept"
        else ""
    )
    return (
        f'<li class="{clip.state}">{picture}<div><h4>{item}</h4><p>{escape(text(CLIP_STATES[clip.state]))}</p>'
        f"<p>{escape(_quality(clip))}</p>{why}<small>{escape(facts)}</small>"
        f'<div class="data-buttons">{buttons if has_pose else ""}</div></div></li>'
    )


def _length(clip: ClipRow) -> list[str]:
    return [] if clip.duration_ms is None else [f"{clip.duration_ms / 1000:.1f} s"]


def _quality(clip: ClipRow) -> str:
    if clip.hands is None:
        return text("No pose was made of it.")
    return text("The hand that signs is seen {share} of the time.", share=views.share(clip.hands))


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else views.duration(seconds)


def _space(needed: int | None) -> str:
    return "–" if needed is None else size(needed)
