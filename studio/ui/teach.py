"""The section "Teach a sign": a few clips and a gloss in; a sign that this page knows at once, to keep or to delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio import teaching
from studio.inputs import check_clip
from studio.limits import Limits
from studio.recognizing import Step
from studio.teaching import Taught
from studio.texts import text
from studio.ui import segments_view, sessions, views
from studio.ui.errors import NO_GLOSS, NO_SIGN_CLIPS, required, user_errors
from studio.ui.events import QUIET, stops, working
from studio.ui.streaming import live
from studio.ui.tabs.pose import VIDEO_TYPES


def build(limits: Limits) -> None:
    """Teach a sign from a few clips; it is known on this page at once."""
    with gr.Accordion(text("Teach a sign"), open=False, elem_id="teach") as section:
        gr.Markdown(
            text(
                "1 to {most} clips of one sign, by one or several people; three are better than one. Begin and end "
                "each with the hands at rest. What you teach stays on this page until it is closed; download it to "
                "keep it.",
                most=teaching.MOST_CLIPS,
            )
        )
        with gr.Row():
            with gr.Column(scale=5, min_width=340):
                clips = gr.File(
                    label=text("Clips of the sign (up to {most})", most=teaching.MOST_CLIPS),
                    file_count="multiple",
                    file_types=VIDEO_TYPES,
                    elem_id="teach-clips",
                )
                camera = gr.Video(
                    label=text("Or record: each recording is added to the clips"),
                    sources=["webcam"],
                    webcam_options=gr.WebcamOptions(mirror=False),
                    include_audio=True,  # else every recording is encoded again, by a program that may not be there
                    height=300,
                    elem_id="teach-camera",
                )
            with gr.Column(scale=5, min_width=340):
                gloss = gr.Textbox(
                    label=text("Gloss"),
                    info=text("What to call the sign: one word, such as MY-SIGN."),
                    elem_id="teach-gloss",
                )
                with gr.Row():
                    go = gr.Button(text("Teach this sign"), variant="primary", elem_id="teach-go")
                    stop = gr.Button(text("Stop"), variant="stop", elem_id="teach-stop")
                status = gr.HTML(elem_id="teach-status")
                verdicts = gr.HTML(elem_id="teach-verdicts")
                known = segments_view.buttons_component(value=segments_view.taught({}), elem_id="teach-known")
                archive = gr.DownloadButton(text("Download my signs (zip)"), visible=False, elem_id="teach-zip")

    outputs = [status, verdicts, known, archive, clips]

    def listed(page: sessions.Session) -> tuple[Any, Any]:
        archived = teaching.packed(page.lexicon, page.new_folder())
        return (
            segments_view.taught(teaching.taught(page.lexicon)),
            gr.update(value=None if archived is None else str(archived), visible=archived is not None),
        )

    @user_errors
    def on_enrol(request: gr.Request, paths: list[str] | None, name: str) -> Iterator[tuple[Any, ...]]:
        required(paths, text(NO_SIGN_CLIPS))
        required((name or "").strip(), text(NO_GLOSS))
        page = sessions.session(request)

        def shown(report: Step | Taught) -> tuple[Any, ...]:
            if isinstance(report, Step):
                return (segments_view.step(report), *[gr.skip()] * 4)
            left = None if report.accepted else gr.skip()  # clips that were refused stay, to be exchanged
            return (segments_view.taught_now(report), segments_view.verdicts(report), *listed(page), left)

        yield from live(
            page,
            lambda tell, stopped: teaching.teach(paths, name, page.lexicon, limits, tell, stopped),
            first=(views.message(text("Starting …")), "", *[gr.skip()] * 3),
            shown=shown,
            stopped=(views.message(text(views.STOPPED)), "", *listed(page), gr.skip()),
        )

    @user_errors
    def on_forget(request: gr.Request, picked: gr.EventData) -> tuple[Any, ...]:
        page = sessions.session(request)
        teaching.forget(page.lexicon, str(picked.gloss))
        return (views.message(text("{gloss} was deleted.", gloss=picked.gloss)), "", *listed(page))

    @user_errors
    def on_open(request: gr.Request) -> tuple[Any, ...]:
        return listed(sessions.session(request))

    @user_errors
    def on_record(recorded: str | None, paths: list[str] | None) -> tuple[Any, ...]:
        if recorded is None:
            return gr.skip(), gr.skip()
        check_clip(recorded, limits)  # a recording that is stopped at once is empty
        return [*(paths or []), recorded], None

    go.click(
        on_enrol,
        [clips, gloss],
        outputs,
        **working(status, limits),
    )
    stops(stop)
    known.select(on_forget, None, outputs[:-1], **QUIET)
    section.expand(on_open, None, [known, archive], **QUIET)
    camera.change(on_record, [camera, clips], [clips, camera], **QUIET)
