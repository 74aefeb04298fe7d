"""Training shown: the settings as a form, the plan, the list of runs, one run's figures. Every text is escaped."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from models.training.config import FormField
from studio.jobs import Job
from studio.texts import later, text
from studio.training_words import count, number, plan_facts, plan_notes
from studio.ui import views
from studio.ui.training_plots import MOST_RUNS
from studio.watching import Watched

_STATES = {
    "queued": later("◷ Waiting"),
    "preparing": later("▶ Preparing"),
    "training": later("▶ Training"),
    "evaluating": later("▶ Evaluating"),
    "finished": later("✔ Finished"),
    "stopped": later("■ Stopped"),
    "failed": later("✘ Failed"),
    "crashed": later("✘ Crashed"),
}

# What differs from the preset, by dotted path, is the value; the fields themselves are drawn by the server and hold
# what was typed. Value and property arrive one after the other, so what the fields begin with is in the drawing. Its
# data-made is another one every time, so that the same preset, drawn again, is fresh.
_FORM_JS = """
const typed = (field) => field.type === 'checkbox' ? String(field.checked) : field.value;
const fields = () => [...element.querySelectorAll('[data-path]')];
const read = () => {
  const changed = {};
  for (const field of fields()) {
    const differs = typed(field) !== field.dataset.first;
    field.closest('.setting').classList.toggle('changed', differs);
    if (differs) changed[field.dataset.path] = typed(field);
  }
  const note = element.querySelector('.settings-changed');
  const names = Object.keys(changed);
  const said = {count: names.length, names: names.join(', ')};
  if (note) note.textContent = names.length ? note.dataset.words.replace(/[{](\\w+)[}]/g, (_, part) => said[part]) : '';
  return changed;
};
const fill = () => {
  const kept = JSON.parse(element.querySelector('.settings')?.dataset.kept || '{}');
  for (const field of fields()) {
    const path = field.dataset.path;
    const text = path in kept ? kept[path] : field.dataset.first;
    if (field.type === 'checkbox') field.checked = text === 'true'; else field.value = text;
  }
  props.value = read();
};
element.addEventListener('input', () => { props.value = read(); trigger('input'); });
watch('form', fill);
if (fields().length) fill(); // drawn before this section was opened
"""

# Ticks belong to runs, not to rows: a new run moves the rows. A page that was just opened ticks the newest run; here,
# because an answer of the server that was long on its way would take back what was ticked since.
_RUNS_JS = """
let fresh = true;
const sync = () => {
  const newest = element.querySelector('[data-newest]')?.dataset.newest;
  if (fresh && newest) {
    fresh = false;
    if (!(props.value || []).length) { props.value = [newest]; trigger('input'); }
  }
  for (const box of element.querySelectorAll('input[data-run]')) {
    box.checked = (props.value || []).includes(box.dataset.run);
  }
};
element.addEventListener('change', (event) => {
  const box = event.target.closest('input[data-run]');
  if (!box) return;
  const others = (props.value || []).filter((run) => run !== box.dataset.run);
  props.value = box.checked ? [...others, box.dataset.run] : others;
  trigger('input');
});
watch(['rows', 'value'], sync);
sync();
"""


def form_component(**settings: Any) -> gr.HTML:
    """Where `form` is shown, as its property `form`. Value: what was changed, text by dotted path."""
    return gr.HTML({}, html_template="${form}", js_on_load=_FORM_JS, form="", **settings)


def runs_component(**settings: Any) -> gr.HTML:
    """Where `runs` is shown, as its property `rows`. Value: the ids of those that are ticked, in that order."""
    return gr.HTML([], html_template="${rows}", js_on_load=_RUNS_JS, rows="", **settings)


def form(fields: Sequence[FormField], changes: Mapping[str, str]) -> str:
    """All settings, those of one part in a section that opens, with changes that were made before."""
    groups: dict[str, list[FormField]] = {}
    for one in fields:
        groups.setdefault(one.group, []).append(one)
    general, changed = text("General"), text("{count} changed: {names}")
    sections = "".join(
        f"<details><summary>{escape(_words(group) if group else general)}</summary>"
        f'<div class="settings-fields">{"".join(map(_field, inside))}</div></details>'
        for group, inside in sorted(groups.items(), key=lambda one: one[0] != "")  # what is in no part comes first
    )
    return (
        f'<div class="settings" data-made="{uuid.uuid4().hex}" data-kept="{escape(json.dumps(dict(changes)))}">'
        f"{sections}"
        f'<p class="settings-changed" role="status" data-words="{escape(changed)}"></p></div>'
    )


def _field(one: FormField) -> str:
    shown = _shown(one.value)
    name, about = f"setting-{one.path}", f"about-{one.path}"
    same = (
        f'id="{escape(name)}" data-path="{escape(one.path)}" data-first="{escape(shown)}" '
        f'aria-describedby="{escape(about)}"'
    )
    if one.kind == "bool":
        control = f'<input type="checkbox" {same}{" checked" if one.value else ""}>'
    elif one.kind == "choice":
        options = "".join(
            f'<option value="{escape(_shown(choice))}"{" selected" if choice == one.value else ""}>'
            f"{escape(_shown(choice)) or '–'}</option>"
            for choice in one.choices
        )
        control = f"<select {same}>{options}</select>"
    else:
        plain = 'type="text" autocomplete="off" spellcheck="false"'
        kind = "text" if one.kind == "text" else "decimal"
        control = f'<input {plain} inputmode="{kind}" value="{escape(shown)}" {same}>'
    helped = escape(" ".join(filter(None, [text(one.help), text("May be empty.") if one.optional else ""])))
    return (
        f'<div class="setting {one.kind}"><label for="{escape(name)}">{escape(text(_words(one.name)))}</label>{control}'
        f'<p id="{escape(about)}">{helped} <code>{escape(one.path)}</code></p></div>'
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    words = name.replace(".", " – ").replace("_", " ")
    return words[:1].upper() + words[1:]


def about(title: str, sentence: str, needs: str) -> str:
    """What a kind of model is, and what it learns from."""
    needed = text("Data of your own: {needs}.", needs=text(needs))
    return views.about(text(title), f"{text(sentence)} {needed}")


def plan(found: Mapping[str, Any]) -> str:
    """What a training would take."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in plan_facts(found))
    label, notes = text("Plan"), views.notes(plan_notes(found))
    return f'<section aria-label="{escape(label)}" role="status"><dl class="plan-facts">{items}</dl>{notes}</section>'


def runs(jobs: Sequence[Job]) -> str:
    """All runs, each with a box to tick."""
    if not jobs:
        return views.message(text("There are no runs yet. Launch one; it goes on when you close this page."))
    caption = text("Tick a run to see it below; tick several, up to {most}, to compare them.", most=MOST_RUNS)
    names = (text("Run"), text("State"), text("Progress"), text("Best"), text("Begun"))
    table = views.table(text("Runs"), caption, names, "".join(map(_row, jobs)), "runs-table")
    return f'<div data-newest="{escape(jobs[0].id)}">{table}</div>'


def _row(job: Job) -> str:
    box = f"run-{job.id}"
    state = text(_STATES.get(job.state, job.state))
    if job.state == "queued":
        state = views.in_queue(state, job.ahead)
    best = "–" if job.best is None else f"{job.best.metric} {number(job.best.value)}"
    return (
        f'<tr class="{escape(job.state)}"><th scope="row"><div><input type="checkbox" id="{escape(box)}" '
        f'data-run="{escape(job.id)}"><label for="{escape(box)}">{escape(job.name)}</label>'
        f"<small>{escape(job.model)}, {escape(job.preset)}</small></div></th><td>{escape(state)}</td>"
        f"<td>{_progress(job)}</td><td>{escape(best)}</td><td>{escape(views.when(job.created))}</td></tr>"
    )


def _progress(job: Job) -> str:
    if job.share is None:
        return "–"
    percent = round(100 * min(max(job.share, 0.0), 1.0))
    far = words = text("Step {done} of {total}", done=job.step, total=job.steps)
    if not job.ended and job.seconds_left is not None:
        far = text("{step}, about {time} left", step=words, time=views.duration(job.seconds_left))
    return (
        f'<div class="track" role="progressbar" aria-label="{escape(job.name)}: {escape(words)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><div class="fill" style="width:{percent}%"></div></div>'
        f"<small>{escape(far)}</small>"
    )


def detail(watched: Sequence[Watched]) -> str:
    """What is to be said of the runs that are ticked: how they stand, and what is wrong."""
    if not watched:
        return views.message(text("No run is ticked."))
    return "".join(_detail(one) for one in watched)


def _detail(one: Watched) -> str:
    job = one.job
    state = text(_STATES.get(job.state, job.state))
    kind = {"failed": "reject", "crashed": "reject", "finished": "keep"}.get(job.state, "")
    words = f"<p>{escape(text(job.words))}</p>" if job.words else ""
    found = "".join(f"<li>{_coded(line)}</li>" for line in one.findings if not job.words or job.words not in line)
    seen = text("What can be seen")
    findings = f"<p><strong>{escape(seen)}</strong></p><ul>{found}</ul>" if found else ""
    at_work = "" if job.ended or job.state == "queued" else _bar(job)
    return (
        f'<section class="run-detail verdict {kind}" aria-label="{escape(job.name)}"><h3>{escape(job.name)}: '
        f"{escape(state)}</h3>{words}{at_work}{findings}</section>"
    )


def _coded(line: str) -> str:
    """A sentence, with the names between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(line))


def _bar(job: Job) -> str:
    words = text(_STATES.get(job.state, job.state))
    if job.steps:
        words = text("Step {done} of {total}", done=job.step, total=job.steps)
    return views.bar(words, views.time_left(job.seconds_left), job.share)


def newest(watched: Sequence[Watched]) -> str:
    """The newest figures of each run as a table; the plots in words."""
    columns = [(one.job.name, _figures(one)) for one in watched[:MOST_RUNS]]
    names = list(dict.fromkeys(name for _, figures in columns for name in figures))
    if not names:
        return views.message(text("Nothing was measured yet."))
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(figures.get(name, '–'))}</td>" for _, figures in columns)
        + "</tr>"
        for name in names
    )
    label, heads = text("The newest figures"), [text("Figure"), *(name for name, _ in columns)]
    return views.table(label, label, heads, rows, "runs-figures")


def _figures(one: Watched) -> dict[str, str]:
    """Names and values of what was measured last."""
    trained = next((line for line in reversed(one.lines) if line.get("kind") == "train"), {})
    judged = next((line for line in reversed(one.lines) if line.get("kind") == "validation"), {})
    found: dict[str, Any] = {}
    if (best := one.job.best) is not None:
        words = text("{value} (step {step})", value=number(best.value), step=best.step)
        found[text("best {name}", name=best.metric)] = words
    if judged:
        found[text("validated at step")] = str(judged.get("step"))
    measured = judged.get("metrics") or {}
    found |= {text("validation: {name}", name=name): number(value) for name, value in measured.items()}
    if trained:
        found[text("trained step")] = str(trained.get("step"))
        found[text("times through the data")] = number(trained.get("epoch"))
        found[text("loss")] = number(trained.get("loss"))
    for field, words in _OF_PARTS.items():
        values = trained.get(field)
        if isinstance(values, Mapping):
            found |= {text(words, name=name): number(value) for name, value in values.items()}
    if _is_count(trained.get("samples_per_s")):
        found[text("samples per second")] = number(trained["samples_per_s"])
    if _is_count(trained.get("memory_mb")):
        found[text("memory")] = f"{count(round(trained['memory_mb']))} MB"
    return found


_OF_PARTS = {
    "losses": later("loss: {name}"),
    "weights": later("weight of {name}"),
    "learning_rates": later("learning rate of {name}"),
    "gradient_norms": later("gradient of {name}"),
}


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def log(watched: Sequence[Watched]) -> str:
    """The end of each run's log."""
    return "".join(_log(one) for one in watched)


def _log(one: Watched) -> str:
    return f"<h4>{escape(one.job.name)}</h4>" + views.printed(text("Log of {name}", name=one.job.name), one.log)
