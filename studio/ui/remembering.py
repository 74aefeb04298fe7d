"""A form that is as it was after the page is loaded again: what is typed is kept in the browser, and nowhere else.

It is kept and read in the page, not by way of the server: answers that overtake each other would leave an older choice,
and a page that is just being loaded would write its empty form over it. What was kept may be of an older version, or
somebody's own writing: the server looks at each value, and what does not fit is as if it had not been kept. Videos,
pictures and the names of their files are never kept.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.context import Context

from studio.ui.errors import user_errors
from studio.ui.events import QUIET

PREFIX = "sign-studio-"
"""What all that the browser keeps for the studio begins with; assets/page.js forgets by it."""
LONGEST_TEXT = 5000

# A browser that keeps nothing, or something that is no JSON, is as one that has kept nothing so far.
_READ = "(() => {{ try {{ return JSON.parse(localStorage.getItem({key}) || 'null'); }} catch {{ return null; }} }})()"


def remember(
    name: str,
    tab: gr.Tab,
    asked: Sequence[Any],
    *,
    needed: int,
    restore: Callable[[Any], Sequence[Any]],
    outputs: Sequence[Any],
) -> None:
    """Fill a form when its tab is opened first, and keep what is typed in it.

    name: what the browser keeps it by. needed: which of `asked` is empty until the form is filled. restore: gets what
    was kept, a list of values of `asked`, or None, or anything else that somebody put there; gives those of `outputs`.
    """
    opened, kept, key = gr.State(False), gr.JSON(visible=False), json.dumps(name)

    def on_open(once: bool, before: Any) -> tuple[Any, ...]:
        return (*([gr.skip()] * len(outputs) if once else restore(before)), True)

    read = f"(once, _) => [once, {_READ.format(key=key)}]"
    store = f"localStorage.setItem({key}, JSON.stringify(asked))"
    keep = f"(...asked) => {{ if (String(asked[{needed}] ?? '')) {store}; return []; }}"
    tab.select(user_errors(on_open), [opened, kept], [*outputs, opened], js=read, **QUIET)
    gr.on([one.change for one in asked], None, list(asked), None, js=keep, **QUIET)


def named(function: Callable[..., Any], fields: Sequence[Any]) -> dict[str, Any]:
    """The fields by the names of the parameters that their values are given to; the last ones, where there are more."""
    names = list(inspect.signature(function).parameters)[-len(fields) :]
    return dict(zip(names, fields, strict=True))


def keep(name: str, fields: Mapping[str, Any], choices: Mapping[str, Callable[[], Any]] | None = None) -> None:
    """Keep what differs from the defaults in these fields of a form, and fill it in when the page is loaded.

    name: what the browser keeps it by. fields: by names that stay the same when fields are added or moved. choices:
    gives, for a field whose choices may have changed since the page was built, those that there are now.
    """
    key, before = json.dumps(f"{PREFIX}{name}"), gr.JSON(visible=False)
    names, first = json.dumps(list(fields)), json.dumps([one.value for one in fields.values()])

    def restore(kept: Any) -> Any:
        known = kept if isinstance(kept, dict) else {}
        found = [_restored(one, known.get(field), (choices or {}).get(field)) for field, one in fields.items()]
        return found if len(found) > 1 else found[0]  # Gradio takes a list for the value of a lone field

    # Nothing is kept before the form is filled in: it would be the defaults.
    filled = f"window.studioFilled ??= new Set(); window.studioFilled.add({key});"
    differs = "JSON.stringify(asked[at] ?? '') !== JSON.stringify(first[at] ?? '')"
    store = f"localStorage.setItem({key}, JSON.stringify(Object.fromEntries(changed)))"
    put = (
        f"(...asked) => {{ const first = {first}; if (window.studioFilled?.has({key})) {{ "
        f"const changed = {names}.map((name, at) => [name, asked[at], {differs}]).filter((one) => one[2]); {store}; }} "
        "return []; }"
    )
    page = Context.root_block
    if page is None:
        raise ValueError("a form is kept by the page that it is in; build it inside gr.Blocks")
    loaded = page.load(
        restore, before, list(fields.values()), js=f"(_) => [{_READ.format(key=key)}]", queue=False, **QUIET
    )
    loaded.then(None, None, None, js=f"() => {{ {filled} return []; }}", **QUIET)
    gr.on([one.change for one in fields.values()], None, list(fields.values()), None, js=put, **QUIET)


def _restored(field: Any, kept: Any, choices: Callable[[], Any] | None) -> Any:
    """The update of a field to what was kept; none where nothing was, or where it does not fit any more."""
    if kept is None:
        return gr.skip()
    now = choices() if choices else getattr(field, "choices", ())
    if not fits(field, kept, [value for _, value in now]):
        return gr.skip()
    return gr.update(value=kept) if choices is None else gr.update(value=kept, choices=now)


def fits(field: Any, value: Any, choices: Sequence[Any] = ()) -> bool:
    """Whether a value that was kept can be filled in. choices: of a field that has some."""
    match field:
        case gr.Checkbox():
            return isinstance(value, bool)
        case gr.CheckboxGroup():
            return isinstance(value, list) and all(_among(one, choices) for one in value)
        case gr.Dropdown() | gr.Radio():
            return _among(value, choices)
        case gr.Slider() | gr.Number():
            return _number(value) and _within(value, field.minimum, field.maximum)
        case gr.Textbox():
            return isinstance(value, str) and len(value) <= LONGEST_TEXT
    raise ValueError(f"{type(field).__name__} is no field that is kept")


def _among(value: Any, choices: Sequence[Any]) -> bool:
    return any(type(value) is type(one) and value == one for one in choices)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)
