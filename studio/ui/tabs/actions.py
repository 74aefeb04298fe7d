"""The section "Actions with objects" of the Recognize tab: a clip in; its action, and where the model looked, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio import actions, trained
from studio.actions import ActionModel, ActionProducts, ActionStep
from studio.inputs import sample_actions
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import segments_view, sessions, views
from studio.ui.errors import required, user_errors
from studio.ui.events import QUIET, stops, working
from studio.ui.remembering import keep
from studio.ui.streaming import live

ABOUT = later(
    "A trained model looks at the hands, at the objects and at the whole picture of a short clip, and says which of "
    "its labels fits, such as *Putting something on something*. Where the objects are it takes from annotations of "
    "Something-Else; without them it goes by hands and picture."
)


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
    with gr.Accordion(text("Actions with objects"), open=False, elem_id="actions") as section:
        gr.Markdown(text(ABOUT))
        with gr.Row():
            with gr.Column(scale=5, min_width=340):
                asked, about = _form(jobs)
                with gr.Row():
                    go = gr.Button(text("Recognize action"), variant="primary", elem_id="actions-go")
                    stop = gr.Button(text("Stop"), variant="stop", elem_id="actions-stop")
            with gr.Column(scale=6, min_width=340):
                status = gr.HTML(
                    views.message(text("Upload a clip of one action, then recognize it.")), elem_id="actions-status"
                )
                video = gr.Video(
                    label=text("The clip as the model saw it: hands, boxes of objects, answer"),
                    interactive=False,
                    height=600,
                    elem_id="actions-video",
                )
                table = gr.HTML(elem_id="actions-table")
                told = gr.HTML(elem_id="actions-about")
        looked = gr.HTML(elem_id="actions-looked")
        files = gr.File(
            label=text("Downloads"), file_count="multiple", interactive=False, visible=False, elem_id="actions-files"
        )

    @user_errors
    def on_go(
        request: gr.Request, path: str | None, boxes: str | None, video_id: str | None, name: str | None
    ) -> Iterator[tuple[Any, ...]]:
        picked = actions.find_model(name, jobs)
        clip = Path(required(path, text("There is no clip yet; upload one first.")))
        page = sessions.session(request)
        folder, given_boxes = page.new_folder(), None if not boxes else Path(boxes)

        def work(tell: Callable[[ActionStep], None], stopped: Callable[[], bool]) -> ActionProducts:
            return actions.make(picked, clip, given_boxes, video_id, folder, limits, tell, stopped)

        yield from live(
            page,
            work,
            first=(views.message(text("Starting …")), None, "", "", "", gr.update(visible=False)),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), *[gr.skip()] * 5),
        )

    model = asked[-1]
    go.click(
        on_go,
        asked,
        [status, video, table, told, looked, files],
        **working(status, limits),
    )
    stops(stop)
    section.expand(lambda name: _filled(jobs, name), model, [model, about], **QUIET)
    model.input(lambda name: _filled(jobs, name)[1], model, about, **QUIET)
    return Onward(section=section, model=model, about=about)


def given(folder: Path, among: Jobs | None = None) -> list[Any]:
    """What another tab sends here: the section opened, with the model of a training run chosen by its folder."""
    return [gr.Accordion(open=True), *_filled(among or Jobs(), trained.name_of(folder))]


def _form(jobs: Jobs) -> tuple[list[Any], gr.HTML]:
    """Clip, annotations, id and model, in this order; and what is said about the model."""
    clip = gr.Video(label=text("Clip of one action"), sources=["upload"], height=280, elem_id="actions-clip")
    annotations = gr.File(
        label=text("Annotations of Something-Else (JSON), if there are any"),
        file_types=[".json"],
        height=110,
        elem_id="actions-annotations",
    )
    video_id = gr.Textbox(
        label=text("Id of the clip in the annotations"),
        info=text("Empty: the name of its file; 44862.webm is 44862."),
        max_lines=1,
        elem_id="actions-id",
    )
    clips, boxes = sample_actions()
    if clips:
        gr.Examples(
            [[str(path), str(boxes)] for path in clips],
            [clip, annotations],
            label=text("Drawn clips to try it with, and their boxes"),
            api_visibility="private",
            example_labels=[path.stem.replace("-", " ").capitalize() for path in clips],
        )
    known = actions.models(jobs)
    first = known[0].name if known else None
    model = gr.Dropdown(_choices(known), value=first, label=text("Model"), elem_id="actions-model")
    told = known[0].about if known else text(actions.NO_MODEL)
    about = gr.HTML(views.message(told), elem_id="actions-trained-on")
    keep("actions", {"model": model}, {"model": lambda: _choices(actions.models(jobs))})
    return [clip, annotations, video_id, model], about


def _choices(known: Sequence[ActionModel]) -> list[tuple[str, str]]:
    return [(one.title, one.name) for one in known]


def _filled(jobs: Jobs, name: str | None) -> tuple[Any, ...]:
    """The models that there are now, and what the chosen one is."""
    known = actions.models(jobs)
    if not known:
        return gr.Dropdown(choices=[], value=None), views.message(text(actions.NO_MODEL))
    picked = next((one for one in known if one.name == name), known[0])
    return gr.Dropdown(choices=_choices(known), value=picked.name), views.message(picked.about)


def _shown(report: ActionStep | ActionProducts) -> tuple[Any, ...]:
    if isinstance(report, ActionStep):
        return (_step(report), *[gr.skip()] * 5)
    best = report.seen.candidates[0]
    said = text(
        "Done in {time}: {label}, {confidence} confident.",
        time=views.duration(report.seconds),
        label=best.label,
        confidence=views.share(best.confidence),
    )
    return (
        views.message(said),
        str(report.video),
        _table(report),
        segments_view.about(report.seen.description, report.remarks),
        segments_view.stages(report.pictures),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
    )


def _step(report: ActionStep) -> str:
    doing = text(report.words)
    if not report.total:
        return views.message(f"{doing} …")
    words = text("{doing}: {done} of {total}", doing=doing, done=report.done, total=report.total)
    return views.bar(words, "", report.done / report.total)


def _table(report: ActionProducts) -> str:
    """The likeliest labels, each with its confidence as a number and as a bar."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.label)}</th><td>{100 * one.confidence:.1f} %</td>'
        f'<td aria-hidden="true"><div class="track"><div class="fill" style="width:{100 * one.confidence:.1f}%">'
        "</div></div></td></tr>"
        for one in report.seen.candidates
    )
    caption, label, confidence = text("The likeliest labels"), text("Label"), text("Confidence")
    return (
        f'<table class="batch-table runs-table"><caption>{escape(caption)}</caption>'
        f'<thead><tr><th scope="col">{escape(label)}</th><th scope="col">{escape(confidence)}</th>'
        f'<td aria-hidden="true"></td></tr></thead><tbody>{rows}</tbody></table>'
    )
