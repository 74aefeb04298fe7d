"""The Data tab: what lies on disk in; jobs that go on when the page is closed, phase by phase; lexicons out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from models.errors import SignError
from studio import preparing
from studio.jobs import Job, Jobs
from studio.limits import Limits
from studio.preparables import PREPARABLES, find
from studio.preparing import Order
from studio.preparing_words import phase_name
from studio.texts import later, text
from studio.ui import data_results, data_view, training_view, views
from studio.ui.errors import required, user_errors
from studio.ui.events import QUIET, working
from studio.ui.remembering import remember

NOT_HERE = later(
    "Preparing data sets from this page is off, because it reads and writes folders of the computer that the studio "
    "runs on; use it on your own computer, or `signstudio data` on the command line."
)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a page shows, so that only news is sent to it."""

    jobs: Any = None
    chosen: Any = None


def build(limits: Limits, tab: gr.Tab, tabs: gr.Tabs, clock: gr.Timer, *, jobs: Jobs | None = None) -> None:
    """Draw the Data tab inside `tab`, the current one.

    clock: a timer at the top level of the page; it ticks while this tab is the open one.
    """
    jobs = jobs or Jobs(verb="data", concurrent=limits.concurrent_runs, longest_queue=limits.queue_length)
    with gr.Row():
        with gr.Column(scale=4, min_width=340):
            asked, plan, go, planned = _form(tab)
        with gr.Column(scale=7, min_width=340):
            table = data_view.jobs_component(elem_id="data-jobs")
            buttons = _buttons()
            status = gr.HTML(elem_id="data-status")
            sure = gr.Group(visible=False, elem_id="data-sure")
            detail = gr.HTML(elem_id="data-detail")
            with gr.Accordion(text("Log"), open=False):
                log = gr.HTML(elem_id="data-log")
    seen = gr.State(_Seen())
    data_results.build(limits, jobs, table)

    def on_launch(*values: Any) -> tuple[Any, ...]:
        job = preparing.launch(jobs, _order(*values))
        name = jobs.get(job).name
        return views.message(text("{name} is launched. It goes on when you close this page.", name=name)), job

    def on_plan(*values: Any) -> str:
        return data_view.plan(preparing.plan(_order(*values)))

    def shown(chosen: str, before: _Seen) -> tuple[Any, ...]:
        return _shown(jobs, chosen, before)

    plan.click(
        user_errors(on_plan),
        asked,
        planned,
        **working(planned, limits),
    )
    launched = go.click(user_errors(on_launch), asked, [status, table], **QUIET)
    outputs = [table, detail, log, *buttons.all, seen]
    for event in (tab.select, table.input, launched.success, *_act(jobs, table, status, buttons, sure)):
        event(shown, [table, seen], outputs, **QUIET)
    clock.tick(shown, [table, seen], outputs, queue=False, **QUIET)

    def ticking(chosen: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=chosen.value == tab.label)

    tabs.select(ticking, None, clock, queue=False, **QUIET)
    _offer(jobs)


def off() -> None:
    """Draw, instead of the tab, why it is not there."""
    gr.Markdown(text(NOT_HERE))


@dataclass(frozen=True, kw_only=True)
class _Buttons:
    stop: gr.Button
    resume: gr.Button
    delete: gr.Button

    @property
    def all(self) -> list[gr.Button]:
        return [self.stop, self.resume, self.delete]


def _buttons() -> _Buttons:
    with gr.Row():
        stop = gr.Button(text("Stop"), variant="stop", interactive=False, min_width=80, size="sm", elem_id="data-stop")
        resume = gr.Button(text("Resume"), interactive=False, min_width=80, size="sm", elem_id="data-resume")
        delete = gr.Button(text("Delete job"), interactive=False, min_width=80, size="sm", elem_id="data-delete")
    return _Buttons(stop=stop, resume=resume, delete=delete)


def _form(tab: gr.Tab) -> tuple[list[Any], gr.Button, gr.Button, gr.HTML]:
    """The widgets of an order, in the order of `_order`, and what is done with it.

    Phases and options come when the tab is opened; what was typed before the page was reloaded comes back.
    """
    kinds = views.choices([(one.title, one.name) for one in PREPARABLES.values()])
    kind = gr.Dropdown(kinds, value=kinds[0][1], label=text("Data set"), elem_id="data-kind")
    about = gr.HTML(elem_id="data-about")
    first = find(kinds[0][1])
    words = {"label": text(first.source_label), "info": text(first.source_help)}
    source = gr.Textbox(**words, max_lines=1, elem_id="data-source")
    videos = gr.Textbox(
        label=text("Folder of videos that you have"),
        info=text("May be empty. The others are downloaded."),
        max_lines=1,
        visible=bool(first.videos),
        elem_id="data-videos",
    )
    out = gr.Textbox(
        label=text("Folder for the results"),
        info=text("It is made when it is not there. The same folder again: what is done is kept."),
        max_lines=1,
        elem_id="data-out",
    )
    phases = gr.CheckboxGroup([], label=text("Phases"), elem_id="data-phases")
    name = gr.Textbox(
        label=text("Name of the job"), info=text("Empty: the studio finds one."), max_lines=1, elem_id="data-name"
    )
    with gr.Row():
        plan = gr.Button(text("Plan"), elem_id="data-plan")
        go = gr.Button(text("Launch"), variant="primary", elem_id="data-go")
    planned = gr.HTML(elem_id="data-planned")
    with gr.Accordion(text("Options"), open=False):
        form = training_view.form_component(elem_id="data-form")
        again = gr.Button(text("Take all changes back"), size="sm", elem_id="data-again-form")
    asked = [kind, source, videos, out, phases, name, form]

    def restore(before: Any) -> tuple[Any, ...]:
        try:
            chosen, *typed, which, called, changes = before
            return (chosen, *_filled(chosen, [str(one) for one in typed], which, changes), called)
        except (SignError, TypeError, ValueError):  # nothing was kept, or what is not here any more
            return (gr.skip(), *_filled(kinds[0][1]), gr.skip())

    filled = [about, source, videos, out, phases, form]
    remember("sign-studio-data", tab, asked, needed=4, restore=restore, outputs=[kind, *filled, name])
    kind.input(user_errors(lambda chosen: _filled(chosen)), kind, filled, **QUIET)
    again.click(user_errors(_options), kind, form, **QUIET)
    return asked, plan, go, planned


def _filled(kind: str, typed: Any = None, phases: Any = None, changes: Any = None) -> tuple[Any, ...]:
    """Words, places, phases and options of a kind; typed: source, videos and results as they were before."""
    preparable, names = find(kind), preparing.phases_of(kind)
    source, videos, out = ({} if typed is None else {"value": one} for one in typed or ("", "", ""))
    return (
        data_view.about(preparable.title, preparable.about),
        gr.update(label=text(preparable.source_label), info=text(preparable.source_help), **source),
        gr.update(visible=bool(preparable.videos), **videos),
        gr.update(**out),
        gr.update(
            choices=[(phase_name(one), one) for one in names],
            value=[one for one in names if phases is None or one in phases],
            visible=bool(names),
        ),
        _options(kind, changes if isinstance(changes, dict) else None),
    )


def _options(kind: str, changes: dict[str, str] | None = None) -> Any:
    """The form, fresh or with changes that were made in it before."""
    return gr.HTML(value=changes or {}, form=training_view.form(preparing.fields(kind), changes or {}))


def _order(
    kind: str,
    source: str | None,
    videos: str | None,
    out: str | None,
    phases: list[str],
    name: str | None,
    changes: Any,
) -> Order:
    return Order(
        kind=kind,
        source=source or "",
        videos=videos or "",
        out=out or "",
        phases=phases,
        name=name or "",
        changes=dict(changes or {}),
    )


def _act(jobs: Jobs, table: gr.HTML, status: gr.HTML, buttons: _Buttons, sure: gr.Group) -> list[Any]:
    """Wire the buttons below the jobs; returns the listeners for when there is news."""
    with sure:
        doomed = gr.HTML(padding=True)
        with gr.Row():
            yes = gr.Button(text("Delete the job"), variant="stop", elem_id="data-yes")
            no = gr.Button(text("Keep"), elem_id="data-no")

    def on_stop(chosen: str) -> str:
        jobs.stop(_chosen(chosen), wait=False)
        words = text("{name} is asked to stop: it ends what it is at, and can go on later.", name=jobs.get(chosen).name)
        return views.message(words)

    def on_resume(chosen: str) -> str:
        jobs.resume(_chosen(chosen))
        words = text("{name} will go on: what is done is kept, what failed is tried again.", name=jobs.get(chosen).name)
        return views.message(words)

    def on_delete(chosen: str) -> tuple[Any, ...]:
        job = jobs.get(_chosen(chosen))
        words = text(
            "Delete the job {name} with its log? The data set in {folder} stays as it is.",
            name=job.name,
            folder=job.data,
        )
        return gr.update(visible=True), views.message(words)

    def on_yes(chosen: str) -> tuple[Any, ...]:
        name = jobs.get(_chosen(chosen)).name
        jobs.delete(chosen)
        words = text("{name} is deleted; its data set is still there.", name=name)
        return views.message(words), "", gr.update(visible=False)

    no.click(lambda: gr.update(visible=False), None, sure, **QUIET)
    buttons.delete.click(user_errors(on_delete), table, [sure, doomed], **QUIET)
    acted = [
        buttons.stop.click(user_errors(on_stop), table, status, **QUIET),
        buttons.resume.click(user_errors(on_resume), table, status, **QUIET),
        yes.click(user_errors(on_yes), table, [status, table, sure], **QUIET),
    ]
    return [event.success for event in acted]


def _chosen(job: str) -> str:
    chosen: str = required(job, text("No job is chosen."))
    return chosen


def _shown(jobs: Jobs, chosen: str, seen: _Seen) -> tuple[Any, ...]:
    """What has changed since this page was sent something last."""
    found = jobs.list()
    job = next((one for one in found if one.id == chosen), None)
    watched = None if job is None else preparing.watch(jobs, job)
    if (found, watched) == (seen.jobs, seen.chosen):
        return (gr.skip(),) * 7
    news = "" if job is None or watched is None else f"{job.id} {job.ended} {watched.result}"
    rows = data_view.jobs(found, news)
    return (
        gr.HTML(rows=rows) if job is not None or not chosen else gr.HTML(value="", rows=rows),
        data_view.detail(job, watched.phases if watched else ()) if found else "",
        data_view.log(watched.log if watched else ""),
        *_allowed(job),
        _Seen(jobs=found, chosen=watched),
    )


def _allowed(job: Job | None) -> list[Any]:
    """Which of the buttons can be pressed."""
    ended = job is not None and job.ended
    return [gr.update(interactive=allowed) for allowed in (job is not None and not ended, ended, ended)]


def _offer(jobs: Jobs) -> None:
    """The same for programs."""

    def data_plan(
        kind: str, source: str, out: str, videos: str = "", changes: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a job would do: counts and bytes. changes: options by name."""
        return preparing.plan(Order(kind=kind, source=source, out=out, videos=videos, changes=changes))

    def data_launch(
        kind: str, source: str, out: str, videos: str = "", name: str = "", changes: dict[str, Any] | None = None
    ) -> str:
        """Queue a job; returns its id."""
        order = Order(kind=kind, source=source, out=out, videos=videos, name=name, changes=changes)
        return preparing.launch(jobs, order)

    def data_jobs() -> list[dict[str, Any]]:
        """All jobs, the newest first, and how they stand."""
        return [preparing.job_dict(job) for job in jobs.list()]

    def data_job(job: str) -> dict[str, Any]:
        """How a job stands, phase by phase, with the end of its log."""
        return preparing.watched_dict(preparing.watch(jobs, jobs.get(job)))

    def data_stop(job: str) -> str:
        """Ask a job to end what it is at, and stop."""
        jobs.stop(job, wait=False)
        return jobs.get(job).state

    def data_resume(job: str) -> str:
        """Let a job go on: what is done is kept."""
        jobs.resume(job)
        return jobs.get(job).state

    for function in (data_plan, data_launch, data_jobs, data_job, data_stop, data_resume):
        gr.api(user_errors(function), api_name=function.__name__, queue=False)
