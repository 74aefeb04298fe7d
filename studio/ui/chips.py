"""Two small components of the Synthesize tab: the gloss line as chips in order, and signs to pick with their pictures.

Both are plain HTML with real buttons, so that keyboard and screen reader work without anything added. Handlebars'
{{ }} escapes what it shows; the sentences around it are put into the templates in the language of the studio.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from studio.texts import text

_CHIPS = """
<p class="chips-label" id="chips-label">%(in_order)s</p>
<ol class="chips" aria-labelledby="chips-label">
  {{#each value}}
  <li class="chip">
    <button type="button" data-move="-1" data-place="{{@index}}" aria-label="%(earlier)s">◀</button>
    <span>{{this}}</span>
    <button type="button" data-move="1" data-place="{{@index}}" aria-label="%(later)s">▶</button>
    <button type="button" data-move="0" data-place="{{@index}}" aria-label="%(remove)s">✕</button>
  </li>
  {{/each}}
</ol>
"""

# Moving a chip keeps the keyboard on the button that moved it.
_CHIPS_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-move]');
  if (!button) return;
  const from = Number(button.dataset.place), step = Number(button.dataset.move);
  const line = [...props.value];
  const [word] = line.splice(from, 1);
  const to = Math.min(Math.max(from + step, 0), line.length);
  if (step !== 0) line.splice(to, 0, word);
  props.value = line;
  trigger('input');
  setTimeout(() => {
    const place = Math.min(to, line.length - 1);
    element.querySelector(`button[data-move="${step}"][data-place="${place}"]`)?.focus();
  }, 50);
});
"""

_PICKER = """
<ul class="signs" aria-label="%(found)s">
  {{#each value}}
  <li>
    <button type="button" data-gloss="{{this.gloss}}" aria-label="%(add)s">
      {{#if this.picture}}<img src="{{this.picture}}" alt="" width="84" height="84">{{/if}}
      <span>{{this.gloss}}</span>
    </button>
  </li>
  {{/each}}
</ul>
"""

_PICKER_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-gloss]');
  if (button) trigger('select', {gloss: button.dataset.gloss});
});
"""


# `words` and its reverse in the browser itself: an edit shows at once, and no late answer overtakes the next one.
# Each returns the list of outputs, which is one.
_TO_WORDS = (
    r"""line => [(line.includes('|') ? line.split('|') : line.split(/\s+/)).map(w => w.trim()).filter(Boolean)]"""
)
_TO_LINE = "words => [words.join(words.some(w => w.includes(' ')) ? ' | ' : ' ')]"


def words(line: str) -> list[str]:
    """The parts of a gloss line, as written: between bars where there are any, else between spaces."""
    return [part.strip() for part in (line.split("|") if "|" in line else line.split()) if part.strip()]


def chips(line: gr.Textbox, **settings: Any) -> gr.HTML:
    """The gloss line as chips that can be moved and removed, kept in step with its text. Value: list of str."""
    template = _CHIPS % {
        "in_order": escape(text("In order ({number})", number="{{value.length}}")),
        "earlier": escape(text("Move {sign} earlier", sign="{{this}}")),
        "later": escape(text("Move {sign} later", sign="{{this}}")),
        "remove": escape(text("Remove {sign}", sign="{{this}}")),
    }
    shown = gr.HTML(words(line.value), html_template=template, js_on_load=_CHIPS_JS, **settings)
    line.change(None, line, shown, js=_TO_WORDS, api_visibility="private")
    shown.input(None, shown, line, js=_TO_LINE, api_visibility="private")
    return shown


def picker(signs: Sequence[dict[str, str]], **settings: Any) -> gr.HTML:
    """Signs as buttons with a picture. Value: list of {gloss, words, picture}; `select` carries {gloss}."""
    template = _PICKER % {
        "found": escape(text("Signs found")),
        "add": escape(text("Add {sign}: {words}", sign="{{this.gloss}}", words="{{this.words}}")),
    }
    return gr.HTML(list(signs), html_template=template, js_on_load=_PICKER_JS, **settings)
