"""What came out of a data job, to look through: glosses, clips with pictures, what to take out, lexicons to keep.

It is read when it is asked for: when a job is chosen, when one ends, and by a button; not while somebody reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from models.errors import SignError
from models.progress import Progress
from studio import browsing, preparing
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import data_view, sessions, views
from studio.ui.errors import user_errors
from studio.ui.events import QUIET, working
from studio.ui.streaming import live

_ANY = (later("All"), "")


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """What is looked for, and where it is shown."""

    search: gr.Textbox
    split: gr.Dropdown
    state: gr.Dropdown
    again: gr.Button
    summary: gr.HTML
    glosses: gr.HTML
    clips: gr.HTML
    status: gr.HTML
    video: gr.Video

    @property
    def filters(self) -> list[Any]:
        return [self.search, self.split, self.state]


def build(limits: Limits, jobs: Jobs, table: gr.HTML) -> None:
    """Draw it inside the current tab. table: see `data_view.jobs_component`."""
    with gr.Column(visible=False, elem_id="data-result") as place:
        looked = _look()
        which, export, files = _export()
    opened = gr.State(("", ""))  # a job, and a gloss of its result

    def on_news(job: str, before: tuple[str, str], *filters: str) -> tuple[Any, ...]:
        folder = _folder(jobs, job)
        same = (gr.skip(), gr.skip()) if before[0] == job else (gr.update(visible=False), "")
        if folder is None:
            return (gr.update(visible=False), "", *[gr.HTML(rows="")] * 2, gr.update(visible=False), "")
        return (gr.update(visible=True), *_drawn(folder, _of(job, before), *filters), *same)

    def on_search(job: str, before: tuple[str, str], *filters: str) -> tuple[Any, ...]:
        return _drawn(_required(jobs, job), _of(job, before), *filters)

    def on_open(picked: gr.EventData, job: str, *filters: str) -> tuple[Any, ...]:
        return (job, str(picked.of)), _clips(_required(jobs, job), str(picked.of), *filters[1:])

    def on_exclude(picked: gr.EventData, job: str, before: tuple[str, str], *filters: str) -> tuple[Any, ...]:
        folder, item, out = _required(jobs, job), str(picked.of), picked.act == "exclude"
        browsing.exclude(folder, item, out)
        done = text("{clip} is taken out.", clip=item) if out else text("{clip} is taken in again.", clip=item)
        words = text("What you export follows at once, the lexicons in the folder when the job goes on (Resume).")
        return *_drawn(folder, _of(job, before), *filters), views.message(f"{done} {words}")

    def on_play(request: gr.Request, picked: gr.EventData, job: str) -> Iterator[tuple[Any, ...]]:
        folder, item, mine = _required(jobs, job), str(picked.of), sessions.session(request)
        try:
            yield from live(
                mine,
                lambda tell, stopped: browsing.side_by_side(folder, item, mine.new_folder(), tell, stopped),
                first=(views.message(text("Drawing the skeleton of {clip} …", clip=item)), gr.skip()),
                shown=lambda made: _played(item, made),
                stopped=("", gr.skip()),
            )
        except SignError:
            yield "", gr.skip()
            raise

    def on_export(request: gr.Request, job: str, which: list[str]) -> tuple[Any, ...]:
        made = browsing.export(_required(jobs, job), which, sessions.session(request).new_folder())
        return gr.update(value=[str(path) for path in made], visible=True), ""

    drawn = [looked.summary, looked.glosses, looked.clips]
    asked = [table, opened, *looked.filters]
    table.apply(user_errors(on_news), asked, [place, *drawn, looked.video, looked.status], **QUIET)
    gr.on(
        [*(one.change for one in looked.filters), looked.again.click],
        user_errors(on_search),
        asked,
        drawn,
        trigger_mode="always_last",
        **QUIET,
    )
    looked.glosses.select(user_errors(on_open), [table, *looked.filters], [opened, looked.clips], **QUIET)
    looked.clips.select(user_errors(on_exclude), asked, [*drawn, looked.status], **QUIET)
    looked.clips.play(
        user_errors(on_play),
        table,
        [looked.status, looked.video],
        **working(looked.status, limits),
    )
    export.click(user_errors(on_export), [table, which], [files, looked.status], **QUIET)


def _look() -> _Looked:
    gr.Markdown("## " + text("What came out"))
    with gr.Row():
        search = gr.Textbox(label=text("Search a gloss"), placeholder="house", max_lines=1, elem_id="data-search")
        splits = [*views.choices([_ANY]), *((one, one) for one in browsing.SPLITS)]
        split = gr.Dropdown(splits, value="", label=text("Split"), elem_id="data-split")
        states = views.choices([_ANY, *((data_view.CLIP_STATES[one], one) for one in browsing.STATES)])
        state = gr.Dropdown(states, value="", label=text("What became of it"), elem_id="data-state")
        again = gr.Button(text("Look again"), size="sm", min_width=100, elem_id="data-again")
    summary = gr.HTML(elem_id="data-summary")
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            glosses = data_view.buttons_component(elem_id="data-glosses")
        with gr.Column(scale=6, min_width=300):
            status = gr.HTML(elem_id="data-result-status")
            video = gr.Video(
                label=text("The clip and its skeleton"),
                interactive=False,
                visible=False,
                height=360,
                elem_id="data-video",
            )
            clips = data_view.buttons_component(elem_id="data-clips")
    return _Looked(
        search=search,
        split=split,
        state=state,
        again=again,
        summary=summary,
        glosses=glosses,
        clips=clips,
        status=status,
        video=video,
    )


def _export() -> tuple[gr.CheckboxGroup, gr.Button, gr.File]:
    with gr.Row():
        which = gr.CheckboxGroup(
            list(browsing.SPLITS), value=list(browsing.SPLITS), label=text("Lexicons to export"), elem_id="data-which"
        )
        export = gr.Button(text("Export lexicons"), elem_id="data-export")
    files = gr.File(
        label=text("Downloads"), file_count="multiple", interactive=False, visible=False, elem_id="data-files"
    )
    return which, export, files


def _folder(jobs: Jobs, job: str) -> str | None:
    """The folder of the data set that a job makes; None where it has none that can be looked through."""
    try:
        return preparing.result(jobs.run(job))
    except SignError:
        return None


def _required(jobs: Jobs, job: str) -> str:
    folder = _folder(jobs, job)
    if folder is None:
        raise SignError(text("This job has made nothing yet that can be looked through."))
    return folder


def _played(item: str, made: Progress | Path) -> tuple[Any, ...]:
    if isinstance(made, Progress):
        return views.progress(text("Drawing"), made), gr.skip()
    return "", gr.Video(value=str(made), label=text("{clip}: the clip and its skeleton", clip=item), visible=True)


def _of(job: str, opened: tuple[str, str]) -> str:
    """The gloss that was opened, when it was one of this job's."""
    return opened[1] if opened[0] == job else ""


def _drawn(folder: str, gloss: str, search: str, split: str, state: str) -> tuple[Any, ...]:
    """Summary, glosses and clips."""
    try:
        found = browsing.glosses(folder, search or "", split or "", state or "")
    except SignError as error:  # the job has not come so far
        return views.message(str(error)), gr.HTML(rows=""), gr.HTML(rows="")
    glosses = gr.HTML(rows=data_view.glosses(found.rows, gloss))
    return data_view.summary(found), glosses, _clips(folder, gloss, split, state)


def _clips(folder: str, gloss: str, split: str, state: str) -> gr.HTML:
    if not gloss:
        return gr.HTML(rows="")
    found, total = browsing.clips(folder, gloss, split or "", state or "")
    return gr.HTML(rows=data_view.clips(gloss, found, total))
