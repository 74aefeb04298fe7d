"""Training shown: the settings as a form, the plan, the list of runs, one run's figures. Every text is escaped."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import gradio as gr

from models.training.config import FormField
from studio.jobs import Job
from studio.training_words import count, number, plan_lines
from studio.ui import views
from studio.ui.training_plots import MOST_RUNS
from studio.watching import Watched

_STATES = {
    "queued": "◷ Waiting",
    "preparing": "▶ Preparing",
    "training": "▶ Training",
    "evaluating": "▶ Evaluating",
    "finished": "✔ Finished",
    "stopped": "■ Stopped",
    "failed": "✘ Failed",
    "crashed": "✘ Crashed",
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
  const many = Object.keys(changed).length;
  if (note) note.textContent = many ? `${many} changed: ${Object.keys(changed).join(', ')}` : '';
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
    sections = "".join(
        f"<details><summary>{escape(_words(group) if group else 'General')}</summary>"
        f'<div class="settings-fields">{"".join(map(_field, inside))}</div></details>'
        for group, inside in sorted(groups.items(), key=lambda one: one[0] != "")  # what is in no part comes first
    )
    return (
        f'<div class="settings" data-made="{uuid.uuid4().hex}" data-kept="{escape(json.dumps(dict(changes)))}">'
        f"{sections}"
        '<p class="settings-changed" role="status"></p></div>'
    )


def _field(one: FormField) -> str:
    text = _text(one.value)
    name, about = f"setting-{one.path}", f"about-{one.path}"
    same = (
        f'id="{escape(name)}" data-path="{escape(one.path)}" data-first="{escape(text)}" '
        f'aria-describedby="{escape(about)}"'
    )
    if one.kind == "bool":
        control = f'<input type="checkbox" {same}{" checked" if one.value else ""}>'
    elif one.kind == "choice":
        options = "".join(
            f'<option value="{escape(_text(choice))}"{" selected" if choice == one.value else ""}>'
            f"{escape(_text(choice)) or '–'}</option>"
            for choice in one.choices
        )
        control = f"<select {same}>{options}</select>"
    else:
        plain = 'type="text" autocomplete="off" spellcheck="false"'
        kind = "text" if one.kind == "text" else "decimal"
        control = f'<input {plain} inputmode="{kind}" value="{escape(text)}" {same}>'
    helped = " ".join(filter(None, [escape(one.help), "May be empty." if one.optional else ""]))
    return (
        f'<div class="setting {one.kind}"><label for="{escape(name)}">{escape(_words(one.name))}</label>{control}'
        f'<p id="{escape(about)}">{helped} <code>{escape(one.path)}</code></p></div>'
    )


def _text(value: Any) -> str:
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
    return (
        f'<p class="train-about"><strong>{escape(title)}.</strong> {escape(sentence)} '
        f"Data of your own: {escape(needs)}.</p>"
    )


def plan(found: Mapping[str, Any]) -> str:
    """What a training would take."""
    facts = [line.partition(": ") for line in plan_lines(found)]
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, colon, value in facts if colon
    )
    warnings = views.notes([name for name, colon, _ in facts if not colon])
    return f'<section aria-label="Plan" role="status"><dl class="plan-facts">{items}</dl>{warnings}</section>'


def runs(jobs: Sequence[Job]) -> str:
    """All runs, each with a box to tick."""
    if not jobs:
        return views.message("There are no runs yet. Launch one; it goes on when you close this page.")
    rows = "".join(map(_row, jobs))
    return (
        f'<div class="segments-scroll" tabindex="0" role="region" aria-label="Runs" data-newest="{escape(jobs[0].id)}">'
        '<table class="batch-table runs-table"><caption>Tick a run to see it below; tick several, up to '
        f"{MOST_RUNS}, to compare them.</caption>"
        '<thead><tr><th scope="col">Run</th><th scope="col">State</th><th scope="col">Progress</th>'
        f'<th scope="col">Best</th><th scope="col">Begun</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(job: Job) -> str:
    box = f"run-{job.id}"
    state = _STATES.get(job.state, job.state)
    if job.state == "queued":
        state += f" – {job.ahead} before it" if job.ahead else " – next"
    best = "–" if job.best is None else f"{job.best.metric} {number(job.best.value)}"
    return (
        f'<tr class="{escape(job.state)}"><th scope="row"><div><input type="checkbox" id="{escape(box)}" '
        f'data-run="{escape(job.id)}"><label for="{escape(box)}">{escape(job.name)}</label>'
        f"<small>{escape(job.model)}, {escape(job.preset)}</small></div></th><td>{escape(state)}</td>"
        f"<td>{_progress(job)}</td><td>{escape(best)}</td><td>{escape(_when(job.created))}</td></tr>"
    )


def _progress(job: Job) -> str:
    if job.share is None:
        return "–"
    left = "" if job.ended or job.seconds_left is None else f", about {views.duration(job.seconds_left)} left"
    percent = round(100 * min(max(job.share, 0.0), 1.0))
    words = f"Step {job.step} of {job.steps}"
    return (
        f'<div class="track" role="progressbar" aria-label="{escape(job.name)}: {words}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><div class="fill" style="width:{percent}%"></div></div>'
        f"<small>{words}{escape(left)}</small>"
    )


def _when(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        return created


def detail(watched: Sequence[Watched]) -> str:
    """What is to be said of the runs that are ticked: how they stand, and what is wrong."""
    if not watched:
        return views.message("No run is ticked.")
    return "".join(_detail(one) for one in watched)


def _detail(one: Watched) -> str:
    job = one.job
    state = _STATES.get(job.state, job.state)
    kind = {"failed": "reject", "crashed": "reject", "finished": "keep"}.get(job.state, "")
    words = f"<p>{escape(job.words)}</p>" if job.words else ""
    found = "".join(f"<li>{_coded(line)}</li>" for line in one.findings if not job.words or job.words not in line)
    findings = f"<p><strong>What can be seen</strong></p><ul>{found}</ul>" if found else ""
    at_work = "" if job.ended or job.state == "queued" else _bar(job)
    return (
        f'<section class="run-detail verdict {kind}" aria-label="{escape(job.name)}"><h3>{escape(job.name)}: '
        f"{escape(state)}</h3>{words}{at_work}{findings}</section>"
    )


def _coded(line: str) -> str:
    """A sentence, with the names between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(line))


def _bar(job: Job) -> str:
    left = "" if job.seconds_left is None else f"about {views.duration(job.seconds_left)} left"
    words = f"Step {job.step} of {job.steps}" if job.steps else _STATES.get(job.state, job.state)
    return views.bar(words, left, job.share)


def newest(watched: Sequence[Watched]) -> str:
    """The newest figures of each run as a table; the plots in words."""
    columns = [(one.job.name, _figures(one)) for one in watched[:MOST_RUNS]]
    names = list(dict.fromkeys(name for _, figures in columns for name in figures))
    if not names:
        return views.message("Nothing was measured yet.")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name, _ in columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(figures.get(name, '–'))}</td>" for _, figures in columns)
        + "</tr>"
        for name in names
    )
    return (
        '<div class="segments-scroll" tabindex="0" role="region" aria-label="Newest figures">'
        '<table class="batch-table runs-figures"><caption>The newest figures</caption>'
        f'<thead><tr><th scope="col">Figure</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _figures(one: Watched) -> dict[str, str]:
    """Names and values of what was measured last."""
    trained = next((line for line in reversed(one.lines) if line.get("kind") == "train"), {})
    judged = next((line for line in reversed(one.lines) if line.get("kind") == "validation"), {})
    found: dict[str, Any] = {}
    if one.job.best is not None:
        found[f"best {one.job.best.metric}"] = f"{number(one.job.best.value)} (step {one.job.best.step})"
    if judged:
        found["validated at step"] = str(judged.get("step"))
    found |= {f"validation: {name}": number(value) for name, value in (judged.get("metrics") or {}).items()}
    if trained:
        found["trained step"] = str(trained.get("step"))
        found["times through the data"] = number(trained.get("epoch"))
        found["loss"] = number(trained.get("loss"))
    for field, words in (
        ("losses", "loss: {}"),
        ("weights", "weight of {}"),
        ("learning_rates", "learning rate of {}"),
        ("gradient_norms", "gradient of {}"),
    ):
        values = trained.get(field)
        if isinstance(values, Mapping):
            found |= {words.format(name): number(value) for name, value in values.items()}
    if _is_count(trained.get("samples_per_s")):
        found["samples per second"] = number(trained["samples_per_s"])
    if _is_count(trained.get("memory_mb")):
        found["memory"] = f"{count(round(trained['memory_mb']))} MB"
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def log(watched: Sequence[Watched]) -> str:
    """The end of each run's log."""
    return "".join(
        f"<h4>{escape(one.job.name)}</h4>"
        f'<div class="run-log" tabindex="0" role="region" aria-label="Log of {escape(one.job.name)}">'
        f"<pre>{escape(one.log) or 'Nothing was printed yet.'}</pre></div>"
        for one in watched
    )
