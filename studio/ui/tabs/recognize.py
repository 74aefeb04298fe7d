"""The Recognize tab: a signing video in; what was signed when, how sure that is, and why, out. New signs are taught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from studio import comparing, recognizing, seeing, signs, trained
from studio.inputs import check_batch
from studio.jobs import Jobs
from studio.limits import Limits
from studio.recognizing import BatchRecognized, Recognized, Step
from studio.texts import text
from studio.ui import segments_view, sessions, teach, views
from studio.ui.errors import NO_CLIP, NO_CLIPS, required, user_errors
from studio.ui.events import QUIET, plays, stops, working
from studio.ui.remembering import keep
from studio.ui.source import signing_video
from studio.ui.streaming import live
from studio.ui.tabs import actions
from studio.ui.tabs.pose import VIDEO_TYPES

VIDEO = "recognize-video"


class RecognizeTab(NamedTuple):
    """What other tabs may fill in here."""

    clip: gr.Video
    engine: gr.Dropdown
    acting: actions.Onward


def build(limits: Limits, make: recognizing.Ready = recognizing.ready, among: Jobs | None = None) -> RecognizeTab:
    """Draw the Recognize tab inside the current gr.Tab; returns what other tabs can send to it.

    make: what makes the recognizer of the signs in some lexicons. among: training runs, whose models can be chosen.
    """
    jobs = among or Jobs()
    with gr.Row():
        with gr.Column(scale=5, min_width=340):
            clip, pose = _source()
            engine = gr.Dropdown(
                choices(jobs),
                value=seeing.LANDMARKS,
                label=text("Recognizer"),
                info=text("Landmarks are read by MediaPipe; a model of pictures looks at the video itself."),
                elem_id="recognize-engine",
            )
            keep("recognize", {"engine": engine}, {"engine": lambda: choices(jobs)})
            with gr.Row():
                go = gr.Button(text("Recognize"), variant="primary", elem_id="recognize-go")
                stop = gr.Button(text("Stop"), variant="stop", elem_id="recognize-stop")
        with gr.Column(scale=6, min_width=340):
            status = gr.HTML(
                views.message(text("Upload or record a clip, then recognize what is signed.")),
                elem_id="recognize-status",
            )
            video = gr.Video(label=text("The clip, captioned"), interactive=False, height=400, elem_id=VIDEO)
            about = gr.HTML(elem_id="recognize-about")
    timeline = segments_view.timeline_component(elem_id="recognize-timeline")
    table = segments_view.buttons_component(elem_id="recognize-table")
    stages = gr.HTML(elem_id="recognize-stages")
    made = gr.State(None)
    compared = _comparison(table, made, limits)
    files = gr.File(
        label=text("Downloads"), file_count="multiple", interactive=False, visible=False, elem_id="recognize-files"
    )
    teach.build(limits)
    _batch(limits, make)
    acting = actions.build(limits, jobs)

    @user_errors
    def on_go(
        request: gr.Request, path: str | None, pose_path: str | None, engine: str = seeing.LANDMARKS
    ) -> Iterator[tuple[Any, ...]]:
        source = required(path or pose_path, text(NO_CLIP))
        page = sessions.session(request)
        folder, among = page.new_folder(), signs.lexicons(page.lexicon)
        picked = seeing.find_engine(engine, jobs)

        def work(tell: Callable[[Step], None], stopped: Callable[[], bool]) -> Recognized:
            return seeing.recognize_with(picked, source, folder, among, limits, tell, stopped, make=make)

        hidden = gr.update(visible=False)
        yield from live(
            page,
            work,
            first=(views.message(text("Starting …")), None, "", "", "", hidden, hidden, None, ""),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), *[gr.skip()] * 8),
        )

    go.click(
        on_go,
        [clip, pose, engine],
        [status, video, about, timeline, table, compared, files, made, stages],
        **working(status, limits),
    )
    stops(stop)
    return RecognizeTab(clip=clip, engine=engine, acting=acting)


def choices(jobs: Jobs) -> list[tuple[str, str]]:
    """The recognizers that there are now."""
    return [(one.title, one.name) for one in seeing.engines(jobs)]


def refreshed() -> gr.Dropdown:
    """The list of recognizers with those that were trained since."""
    return gr.Dropdown(choices=choices(Jobs()))


def chosen(model: Path) -> gr.Dropdown:
    """The list with the model of a training run chosen, by the folder that it is in."""
    return gr.Dropdown(choices=choices(Jobs()), value=trained.name_of(model))


def _shown(report: Step | Recognized) -> tuple[Any, ...]:
    if isinstance(report, Step):
        return (segments_view.step(report), *[gr.skip()] * 8)
    found = report.recognition
    return (
        segments_view.summary(found),
        gr.Video(value=str(report.video), subtitles=str(report.captions) if found.segments else None),
        segments_view.about(found.recognizer, found.remarks),
        segments_view.timeline(found, VIDEO),
        segments_view.table(found),
        gr.skip(),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
        report,
        segments_view.stages(report.stages),
    )


def _source() -> tuple[gr.Video, gr.File]:
    """A clip, or a .pose file: giving one takes the other away, so that it is clear what is recognized."""
    clip = signing_video("recognize-clip")
    with gr.Accordion(text("Or a .pose file"), open=False):
        pose = gr.File(label=text(".pose file"), file_types=[".pose"], elem_id="recognize-pose")
    pose.upload(lambda: None, None, clip, **QUIET)
    clip.change(lambda path: None if path else gr.skip(), clip, pose, **QUIET)
    return clip, pose


def _comparison(table: gr.HTML, made: gr.State, limits: Limits) -> gr.Group:
    """Why: the segment beside the sign it was compared with, once a gloss in the table is pressed."""
    with gr.Group(visible=False, elem_id="recognize-compared") as shown:
        words = gr.HTML(elem_id="recognize-why", padding=True)
        with gr.Row():
            segment = gr.Video(
                label=text("Your clip"),
                interactive=False,
                height=360,
                autoplay=True,
                loop=True,
                elem_id="recognize-segment",
            )
            sign = gr.Video(
                label=text("The sign in the lexicon"),
                interactive=False,
                height=360,
                autoplay=True,
                loop=True,
                elem_id="recognize-sign",
            )
        both = gr.Button(text("Play both from the start"), elem_id="recognize-both")

    @user_errors
    def on_select(request: gr.Request, picked: gr.EventData, one: Recognized | None) -> tuple[Any, ...]:
        required(one, text("There is nothing to compare yet; recognize a clip first."))
        page = sessions.session(request)
        compared = comparing.compare(
            one, int(picked.segment), int(picked.candidate), page.new_folder(), signs.lexicons(page.lexicon)
        )
        return (
            gr.update(visible=True),
            segments_view.comparison(compared),
            str(compared.clip),
            gr.update(value=str(compared.sign), label=text("{gloss} in the lexicon", gloss=compared.candidate.gloss)),
        )

    table.select(
        on_select,
        made,
        [shown, words, segment, sign],
        **working(table, limits),
    )
    plays(both, "recognize-segment", "recognize-sign")
    return shown


def _batch(limits: Limits, make: recognizing.Ready) -> None:
    """Several clips at once, a zip back."""
    with gr.Accordion(text("Several clips at once"), open=False, elem_id="recognize-batch"):
        clips = gr.File(
            label=text("Clips or .pose files (up to {most})", most=limits.max_batch_clips),
            file_count="multiple",
            file_types=[*VIDEO_TYPES, ".pose"],
            elem_id="recognize-batch-clips",
        )
        with gr.Row():
            go = gr.Button(text("Recognize all"), variant="primary", elem_id="recognize-batch-go")
            stop = gr.Button(text("Stop"), variant="stop")
        status = gr.HTML(elem_id="recognize-batch-status")
        table = gr.HTML(elem_id="recognize-batch-table")
        archive = gr.File(
            label=text("All results (zip)"), interactive=False, visible=False, elem_id="recognize-batch-zip"
        )

    @user_errors
    def on_go(request: gr.Request, paths: list[str] | None) -> Iterator[tuple[Any, ...]]:
        required(paths, text(NO_CLIPS))
        check_batch(paths, limits)
        page = sessions.session(request)
        folder, among = page.new_folder(), signs.lexicons(page.lexicon)
        yield from live(
            page,
            lambda tell, stopped: recognizing.recognize_many(paths, folder, among, limits, tell, stopped, make=make),
            first=(views.message(text("Starting …")), "", gr.update(visible=False)),
            shown=_batch_shown,
            stopped=(views.message(text(views.STOPPED)), gr.skip(), gr.skip()),
        )

    go.click(
        on_go,
        clips,
        [status, table, archive],
        **working(status, limits),
    )
    stops(stop)


def _batch_shown(report: BatchRecognized) -> tuple[Any, ...]:
    archive = gr.skip() if report.archive is None else gr.update(value=str(report.archive), visible=True)
    return (segments_view.batch_progress(report), segments_view.batch(report), archive)
