"""The Train tab: what to train and how in; runs that go on when the page is closed, live, out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from models.errors import SignError
from studio import training
from studio.jobs import Job, Jobs
from studio.limits import Limits
from studio.texts import later, text, texts
from studio.trainables import TRAINABLES, find
from studio.training import Order
from studio.ui import sessions, training_view, views
from studio.ui.errors import required, user_errors
from studio.ui.events import QUIET, working
from studio.ui.remembering import remember
from studio.ui.streaming import live
from studio.ui.training_plots import MOST_RUNS, Plotter
from studio.watching import Watch

DATA = [(later("Demo data, made here"), "demo"), (later("A folder on this computer"), "folder")]
PRESETS = {"demo": later("Demo"), "full": later("Full")}
RESUMABLE = ("stopped", "failed", "crashed")


@dataclass(frozen=True, kw_only=True)
class Onward:
    """The folder of the model of the run that is ticked (a Path, or None), and the button that sends it on."""

    made: gr.State
    to_recognize: gr.Button


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a page shows, so that only news is sent to it."""

    runs: Any = None
    ticked: Any = None
    plotted: Any = None


def build(
    limits: Limits,
    tab: gr.Tab,
    tabs: gr.Tabs,
    clock: gr.Timer,
    *,
    hosted: bool = False,
    jobs: Jobs | None = None,
    onward: bool = False,
) -> Onward:
    """Draw the Train tab inside `tab`, the current one; returns what it sends on.

    clock: a timer at the top level of the page; it ticks while this tab is the open one. onward: whether somebody
    listens to what it sends.
    """
    jobs = jobs or Jobs(concurrent=limits.concurrent_runs, longest_queue=limits.queue_length)
    with gr.Row():
        with gr.Column(scale=4, min_width=340):
            asked, plan, go, planned = _form(tab, hosted)
        with gr.Column(scale=7, min_width=340):
            table = training_view.runs_component(elem_id="train-runs")
            buttons = _buttons(onward)
            status = gr.HTML(elem_id="train-status")
            files = gr.File(
                label=text("Downloads"),
                file_count="multiple",
                interactive=False,
                visible=False,
                elem_id="train-files",
            )
            sure = gr.Group(visible=False, elem_id="train-sure")
            detail = gr.HTML(elem_id="train-detail")
            plots = gr.HTML(elem_id="train-plots")
            with gr.Accordion(text("Newest figures as a table"), open=False):
                figures = gr.HTML(elem_id="train-figures")
            with gr.Accordion(text("Log"), open=False):
                log = gr.HTML(elem_id="train-log")
    made, seen = gr.State(None), gr.State(_Seen())
    shown = [table, detail, plots, figures, log, *buttons.all, made, seen]
    page = _Page(Watch(jobs))

    def on_launch(*values: Any) -> tuple[Any, ...]:
        run = training.launch(jobs, _order(hosted, *values))
        name = jobs.get(run).name
        return views.message(text("{name} is launched. It goes on when you close this page.", name=name)), [run]

    def on_plan(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        order, mine = _order(hosted, *values), sessions.session(request)
        yield from live(
            mine,
            lambda tell, stopped: training.plan_apart(jobs, order, tell, stopped),
            first=(views.message(text("Looking at the data, and measuring a few steps …")),),
            shown=lambda found: (views.message(text(found)) if isinstance(found, str) else training_view.plan(found),),
            stopped=("",),
        )

    plan.click(
        user_errors(on_plan),
        asked,
        planned,
        **working(planned, limits),
    )
    launched = go.click(user_errors(on_launch), asked, [status, table], **QUIET)
    changed = [launched, *_act(jobs, table, status, buttons, files, sure)]
    for event in (tab.select, table.input, *(event.success for event in changed)):
        event(page.shown, [table, seen], shown, **QUIET)
    clock.tick(page.shown, [table, seen], shown, queue=False, **QUIET)

    def ticking(chosen: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=chosen.value == tab.label)

    tabs.select(ticking, None, clock, queue=False, **QUIET)
    _offer(jobs, hosted)
    return Onward(made=made, to_recognize=buttons.onward)


def off(why: str) -> None:
    """Draw, instead of the tab, why it is not there."""
    gr.Markdown(text(why), elem_id="train-off")


@dataclass(frozen=True, kw_only=True)
class _Buttons:
    stop: gr.Button
    resume: gr.Button
    delete: gr.Button
    download: gr.Button
    onward: gr.Button

    @property
    def all(self) -> list[gr.Button]:
        return [self.stop, self.resume, self.delete, self.download, self.onward]


def _buttons(onward: bool) -> _Buttons:
    with gr.Row():
        stop = gr.Button(text("Stop"), variant="stop", interactive=False, min_width=80, size="sm", elem_id="train-stop")
        resume = gr.Button(text("Resume"), interactive=False, min_width=80, size="sm", elem_id="train-resume")
        delete = gr.Button(text("Delete"), interactive=False, min_width=80, size="sm", elem_id="train-delete")
        download = gr.Button(
            text("Download weights"), interactive=False, min_width=140, size="sm", elem_id="train-download"
        )
        sent = gr.Button(
            text("Use in Recognize"),
            interactive=False,
            visible=onward,
            min_width=140,
            size="sm",
            elem_id="train-to-recognize",
        )
    return _Buttons(stop=stop, resume=resume, delete=delete, download=download, onward=sent)


def _form(tab: gr.Tab, hosted: bool) -> tuple[list[Any], gr.Button, gr.Button, gr.HTML]:
    """The widgets of an order, in the order of `_order`, and what is done with it.

    Presets and settings come when the tab is opened; what was chosen before the page was reloaded comes back.
    """
    models = views.choices([(one.title, one.name) for one in TRAINABLES.values()])
    model = gr.Dropdown(models, value=models[0][1], label=text("Model"), elem_id="train-model")
    about = gr.HTML(elem_id="train-about")
    preset = gr.Radio([], label=text("Preset"), elem_id="train-preset")
    places = views.choices(DATA[:1] if hosted else DATA)
    data = gr.Radio(places, value="demo", label=text("Data"), visible=not hosted, elem_id="train-data")
    folder = gr.Textbox(label=text("Folder of the data"), visible=False, elem_id="train-folder")
    name = gr.Textbox(
        label=text("Name of the run"), info=text("Empty: the studio finds one."), max_lines=1, elem_id="train-name"
    )
    with gr.Row():
        plan = gr.Button(text("Plan"), elem_id="train-plan")
        go = gr.Button(text("Launch"), variant="primary", elem_id="train-go")
    planned = gr.HTML(elem_id="train-planned")
    with gr.Accordion(text("Settings"), open=False):
        form = training_view.form_component(elem_id="train-form")
        again = gr.Button(text("Take all changes back"), size="sm", elem_id="train-again")
    asked = [model, preset, data, folder, name, form]

    @user_errors
    def on_model(chosen: str) -> tuple[Any, ...]:
        return _filled(chosen)

    def restore(before: Any) -> tuple[Any, ...]:
        try:
            chosen, chosen_preset, kind, where, called, changes = before
            return (chosen, *_filled(chosen, chosen_preset, changes), kind, where, called)
        except (SignError, TypeError, ValueError):  # nothing was kept, or what is not here any more
            return (gr.skip(), *_filled(models[0][1]), *[gr.skip()] * 3)

    filled = [preset, about, form]
    outputs = [model, *filled, data, folder, name]
    remember("sign-studio-train", tab, asked, needed=1, restore=restore, outputs=outputs)
    model.input(on_model, model, filled, **QUIET)
    preset.input(user_errors(_settings), [model, preset], form, **QUIET)
    again.click(user_errors(_settings), [model, preset], form, **QUIET)
    data.change(lambda kind: gr.update(visible=kind == "folder"), data, folder, **QUIET)
    return asked, plan, go, planned


def _filled(model: str, preset: str = "", changes: Any = None) -> tuple[Any, ...]:
    """Presets, words and settings of a kind of model."""
    trainable = find(model)
    names = list(trainable.presets)
    chosen = preset if preset in names else names[0]
    return (
        gr.update(
            choices=views.choices([(PRESETS.get(name, name.capitalize()), name) for name in names]), value=chosen
        ),
        training_view.about(trainable.title, trainable.about, trainable.needs),
        _settings(model, chosen, changes if isinstance(changes, dict) else None),
    )


def _settings(model: str, preset: str | None, changes: dict[str, str] | None = None) -> Any:
    """The form, fresh or with changes that were made in it before."""
    chosen = required(preset, text("There is no preset yet; choose one."))
    return gr.HTML(value=changes or {}, form=training_view.form(training.fields(model, chosen), changes or {}))


def _order(
    hosted: bool, model: str, preset: str | None, data: str, folder: str | None, name: str | None, changes: Any
) -> Order:
    where = ""
    if data == "folder":
        where = required((folder or "").strip(), text("There is no folder of data yet; name one."))
    chosen = required(preset, text("There is no preset yet; choose one."))
    order = Order(model=model, preset=chosen, data=where, name=name or "", changes=dict(changes or {}))
    if hosted:
        training.check_hosted(order)
    return order


def _act(jobs: Jobs, table: gr.HTML, status: gr.HTML, buttons: _Buttons, files: gr.File, sure: gr.Group) -> list[Any]:
    """Wire the buttons below the runs; returns the events after which there is news."""
    with sure:
        doomed = gr.HTML(padding=True)
        with gr.Row():
            yes = gr.Button(text("Delete for good"), variant="stop", elem_id="train-yes")
            no = gr.Button(text("Keep"), elem_id="train-no")

    def on_stop(ticked: list[str]) -> str:
        running = [run for run in ticked if not jobs.get(run).ended]
        for run in running:
            jobs.stop(run, wait=False)
        words = texts(
            "{number} run asked to stop: it saves first, so that it can go on.",
            "{number} runs asked to stop: they save first, so that they can go on.",
            len(running),
        )
        return views.message(words)

    def on_resume(ticked: list[str]) -> str:
        chosen = [run for run in ticked if jobs.get(run).state in RESUMABLE]
        for run in chosen:
            jobs.resume(run)
        return views.message(texts("{number} run will go on.", "{number} runs will go on.", len(chosen)))

    def on_delete(ticked: list[str]) -> tuple[Any, ...]:
        names = ", ".join(jobs.get(run).name for run in required(ticked, text("No run is ticked.")))
        words = text("Delete {names} with weights, figures and log? This cannot be undone.", names=names)
        return gr.update(visible=True), views.message(words)

    def on_yes(ticked: list[str]) -> tuple[Any, ...]:
        for run in ticked:
            jobs.delete(run)
        words = texts("{number} run deleted.", "{number} runs deleted.", len(ticked))
        return views.message(words), [], gr.update(visible=False), gr.update(visible=False)

    def on_download(request: gr.Request, ticked: list[str]) -> tuple[Any, ...]:
        run = jobs.run(required(ticked, text("No run is ticked."))[0])
        made = training.downloads(run, sessions.session(request).new_folder())
        return gr.update(value=[str(path) for path in made], visible=True), ""

    hide = gr.update(visible=False)
    no.click(lambda: hide, None, sure, **QUIET)
    buttons.delete.click(user_errors(on_delete), table, [sure, doomed], **QUIET)
    buttons.download.click(user_errors(on_download), table, [files, status], **QUIET)
    return [
        buttons.stop.click(user_errors(on_stop), table, status, **QUIET),
        buttons.resume.click(user_errors(on_resume), table, status, **QUIET),
        yes.click(user_errors(on_yes), table, [status, table, sure, files], **QUIET),
    ]


class _Page:
    """Draws the runs for whoever looks."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._plotter = watch, Plotter()

    def shown(self, ticked: list[str] | None, seen: _Seen) -> tuple[Any, ...]:
        """What has changed since this page was sent something last."""
        jobs = self._watch.jobs.list()
        known = {job.id: job for job in jobs}
        kept = [run for run in ticked or [] if run in known]
        kept = kept[-MOST_RUNS:]
        now = tuple(known[run] for run in kept), self._watch.token(kept)
        if (tuple(jobs), kept) == seen.runs and now == seen.ticked and self._plotter.is_drawn(seen.plotted, now[1]):
            return (gr.skip(),) * 12
        watched, rows = self._watch.look_at(kept), training_view.runs(jobs)
        plotted, plots = self._plotter.plots(seen.plotted, now[1], watched)
        return (
            gr.HTML(rows=rows) if kept == ticked else gr.HTML(value=kept, rows=rows),
            training_view.detail(watched) if jobs else "",
            gr.skip() if plots is None else plots,
            training_view.newest(watched),
            training_view.log(watched),
            *_allowed([one.job for one in watched]),
            watched[0].model if len(watched) == 1 else None,
            _Seen(runs=(tuple(jobs), kept), ticked=now, plotted=plotted),
        )


def _allowed(ticked: list[Job]) -> list[Any]:
    """Which of the buttons can be pressed."""
    one = ticked[0] if len(ticked) == 1 else None
    return [
        gr.update(interactive=allowed)
        for allowed in (
            any(not job.ended for job in ticked),
            any(job.state in RESUMABLE for job in ticked),
            bool(ticked) and all(job.ended for job in ticked),
            one is not None and one.has_model,
            one is not None and one.has_model,
        )
    ]


def _offer(jobs: Jobs, hosted: bool) -> None:
    """The same for programs."""

    def train_launch(
        model: str, preset: str, data: str = "", name: str = "", changes: dict[str, Any] | None = None
    ) -> str:
        """Queue a run; returns its id. data: a folder, empty for the demo data. changes: settings by dotted path."""
        order = Order(model=model, preset=preset, data=data, name=name, changes=changes)
        if hosted:
            training.check_hosted(order)
        return training.launch(jobs, order)

    def train_runs() -> list[dict[str, Any]]:
        """All runs, the newest first, and how they stand."""
        return [training.job_dict(job) for job in jobs.list()]

    def train_run(run: str) -> dict[str, Any]:
        """How a run stands, with its newest metrics and the end of its log."""
        return training.run_dict(Watch(jobs).look(run))

    def train_stop(run: str) -> str:
        """Ask a run to save and end."""
        jobs.stop(run, wait=False)
        return jobs.get(run).state

    def train_resume(run: str) -> str:
        """Let a run go on from its last checkpoint."""
        jobs.resume(run)
        return jobs.get(run).state

    for function in (train_launch, train_runs, train_run, train_stop, train_resume):
        gr.api(user_errors(function), api_name=function.__name__, queue=False)
