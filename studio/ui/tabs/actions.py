"""The section "Actions with objects" of the Recognize tab: a clip in; its action, and where the model looked, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio import actions
from studio.actions import ActionModel, ActionProducts, ActionStep
from studio.inputs import sample_actions
from studio.jobs import Jobs
from studio.limits import Limits
from studio.ui import segments_view, sessions, views
from studio.ui.errors import required, user_errors
from studio.ui.streaming import live

ABOUT = (
    "A trained model looks at the hands, at the objects and at the whole picture of a short clip, and says which of "
    "its labels fits, such as *Putting something on something*. Where the objects are it takes from annotations of "
    "Something-Else; without them it goes by hands and picture."
)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, kw_only=True)
class Onward:
    """What another tab fills in."""

    section: gr.Accordion
    model: gr.Dropdown
    about: gr.HTML

    @property
    def given(self) -> list[Any]:
        """Where the values of `given` go."""
        return [self.section, self.model, self.about]


def build(limits: Limits, among: Jobs | None = None) -> Onward:
    """Draw the section inside the current gr.Tab. among: training runs, whose models can be chosen."""
    jobs = among or Jobs()
    with gr.Accordion("Actions with objects", open=False, elem_id="actions") as section:
        gr.Markdown(ABOUT)
        with gr.Row():
            with gr.Column(scale=5, min_width=340):
                asked, about = _form(jobs)
                with gr.Row():
                    go = gr.Button("Recognize action", variant="primary", elem_id="actions-go")
                    stop = gr.Button("Stop", variant="stop", elem_id="actions-stop")
            with gr.Column(scale=6, min_width=340):
                status = gr.HTML(
                    views.message("Upload a clip of one action, then recognize it."), elem_id="actions-status"
                )
                video = gr.Video(
                    label="The clip as the model saw it: hands, boxes of objects, answer",
                    interactive=False,
                    height=600,
                    elem_id="actions-video",
                )
                table = gr.HTML(elem_id="actions-table")
                told = gr.HTML(elem_id="actions-about")
        looked = gr.HTML(elem_id="actions-looked")
        files = gr.File(
            label="Downloads", file_count="multiple", interactive=False, visible=False, elem_id="actions-files"
        )

    @user_errors
    def on_go(
        request: gr.Request, path: str | None, boxes: str | None, video_id: str | None, name: str | None
    ) -> Iterator[tuple[Any, ...]]:
        picked = actions.find_model(name, jobs)
        clip = Path(required(path, "There is no clip yet; upload one first."))
        page = sessions.session(request)
        folder, given_boxes = page.new_folder(), None if not boxes else Path(boxes)

        def work(tell: Callable[[ActionStep], None]) -> ActionProducts:
            return actions.make(picked, clip, given_boxes, video_id, folder, limits, tell, page.stop.is_set)

        yield from live(
            work,
            page.stop,
            first=(views.message("Starting …"), None, "", "", "", gr.update(visible=False)),
            shown=_shown,
            stopped=(views.message(views.STOPPED), *[gr.skip()] * 5),
        )

    model = asked[-1]
    go.click(
        on_go,
        asked,
        [status, video, table, told, looked, files],
        api_name="recognize_actions",
        show_progress="minimal",  # the place in the queue
        show_progress_on=status,
        concurrency_id="work",
        concurrency_limit=limits.concurrent_runs,
    )
    stop.click(sessions.stop, None, None, queue=False, **QUIET)
    section.expand(lambda name: _filled(jobs, name), model, [model, about], **QUIET)
    model.input(lambda name: _filled(jobs, name)[1], model, about, **QUIET)
    return Onward(section=section, model=model, about=about)


def given(folder: Path, among: Jobs | None = None) -> list[Any]:
    """What another tab sends here: the section opened, with the model of a training run chosen by its folder."""
    return [gr.Accordion(open=True), *_filled(among or Jobs(), actions.model_of(folder))]


def _form(jobs: Jobs) -> tuple[list[Any], gr.HTML]:
    """Clip, annotations, id and model, in this order; and what is said about the model."""
    clip = gr.Video(label="Clip of one action", sources=["upload"], height=280, elem_id="actions-clip")
    annotations = gr.File(
        label="Annotations of Something-Else (JSON), if there are any",
        file_types=[".json"],
        height=110,
        elem_id="actions-annotations",
    )
    video_id = gr.Textbox(
        label="Id of the clip in the annotations",
        info="Empty: the name of its file; 44862.webm is 44862.",
        max_lines=1,
        elem_id="actions-id",
    )
    clips, boxes = sample_actions()
    if clips:
        gr.Examples(
            [[str(path), str(boxes)] for path in clips],
            [clip, annotations],
            label="Drawn clips to try it with, and their boxes",
            example_labels=[path.stem.replace("-", " ").capitalize() for path in clips],
        )
    known = actions.models(jobs)
    model = gr.Dropdown(_choices(known), value=known[0].name if known else None, label="Model", elem_id="actions-model")
    about = gr.HTML(views.message(known[0].about if known else actions.NO_MODEL), elem_id="actions-trained-on")
    return [clip, annotations, video_id, model], about


def _choices(known: Sequence[ActionModel]) -> list[tuple[str, str]]:
    return [(one.title, one.name) for one in known]


def _filled(jobs: Jobs, name: str | None) -> tuple[Any, ...]:
    """The models that there are now, and what the chosen one is."""
    known = actions.models(jobs)
    if not known:
        return gr.Dropdown(choices=[], value=None), views.message(actions.NO_MODEL)
    picked = next((one for one in known if one.name == name), known[0])
    return gr.Dropdown(choices=_choices(known), value=picked.name), views.message(picked.about)


def _shown(report: ActionStep | ActionProducts) -> tuple[Any, ...]:
    if isinstance(report, ActionStep):
        return (_step(report), *[gr.skip()] * 5)
    best = report.seen.candidates[0]
    return (
        views.message(
            f"Done in {views.duration(report.seconds)}: {best.label}, {views.share(best.confidence)} confident."
        ),
        str(report.video),
        _table(report),
        segments_view.about(report.seen.description, report.remarks),
        segments_view.stages(report.pictures),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
    )


def _step(report: ActionStep) -> str:
    if not report.total:
        return views.message(f"{report.words} …")
    return views.bar(f"{report.words}: {report.done} of {report.total}", "", report.done / report.total)


def _table(report: ActionProducts) -> str:
    """The likeliest labels, each with its confidence as a number and as a bar."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.label)}</th><td>{100 * one.confidence:.1f} %</td>'
        f'<td aria-hidden="true"><div class="track"><div class="fill" style="width:{100 * one.confidence:.1f}%">'
        "</div></div></td></tr>"
        for one in report.seen.candidates
    )
    return (
        '<table class="batch-table runs-table"><caption>The likeliest labels</caption>'
        '<thead><tr><th scope="col">Label</th><th scope="col">Confidence</th><td aria-hidden="true"></td></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
