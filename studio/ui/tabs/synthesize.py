"""The Synthesize tab: glosses or English text in; a video of a drawn signer, its .pose and captions out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from models.lexicon.looks import LOOKS
from models.lexicon.products import SentenceOptions, SentenceProducts, make_sentence
from models.progress import Progress
from studio import signs
from studio.limits import Limits
from studio.ui import sessions, views
from studio.ui.chips import chips, picker
from studio.ui.errors import required, user_errors
from studio.ui.streaming import live
from studio.ui.tabs import base

FIRST_LINE = "HELLO MY NAME fs-ANNA"
PICTURES = [("Drawn signer", "avatar"), ("Skeleton", "skeleton"), ("OpenPose map, for ControlNet", "openpose")]
CAPTIONS = [("Below the picture", "burnt"), ("As a subtitle track", "track"), ("None", "none")]
FORMATS = [("MP4", ".mp4"), ("GIF", ".gif"), ("WebM", ".webm")]


@dataclass(frozen=True, kw_only=True)
class Onward:
    """What was made (a SentenceProducts), and the buttons that send it to other tabs."""

    made: gr.State
    to_pose: gr.Button
    to_recognize: gr.Button
    to_animate: gr.Button
    learned: base.Onward
    """What a trained model made."""


def build(limits: Limits) -> Onward:
    """Draw the Synthesize tab inside the current gr.Tab."""
    with gr.Row():
        with gr.Column(scale=6, min_width=340):
            line = _line()
            options = _options()
            with gr.Row():
                go = gr.Button("Make the video", variant="primary", elem_id="synthesize-go")
                stop = gr.Button("Stop", variant="stop")
        with gr.Column(scale=5, min_width=340):
            status = gr.HTML(views.message("Write a gloss line, then make its video."), elem_id="synthesize-status")
            video = gr.Video(label="Base action video", interactive=False, height=460, elem_id="synthesize-video")
            timing = gr.HTML(elem_id="synthesize-timing")
            files = gr.File(
                label="Downloads", file_count="multiple", interactive=False, visible=False, elem_id="synthesize-files"
            )
            with gr.Row(visible=False) as onward:
                to_animate = gr.Button("Animate a person with it", elem_id="synthesize-to-animate")
                to_recognize = gr.Button("Recognize it", elem_id="synthesize-to-recognize")
                to_pose = gr.Button("Read its pose", elem_id="synthesize-to-pose")
    made = gr.State(None)
    learned = base.build(limits)
    outputs = [status, video, timing, files, onward, made]

    @user_errors
    def synthesize(request: gr.Request, text: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        required((text or "").strip(), "The gloss line is empty; write glosses such as HELLO MY NAME fs-ANNA.")
        page = sessions.session(request)
        among = signs.lexicons(page.lexicon)
        items = signs.read_line(text, among)
        chosen, folder = _chosen(*values), page.new_folder()
        hidden = gr.update(visible=False)
        yield from live(
            lambda tell: make_sentence(items, among, folder, chosen, tell, page.stop.is_set),
            page.stop,
            first=(views.message("Starting …"), None, "", hidden, hidden, None),
            shown=_shown,
            stopped=(views.message(views.STOPPED), *[gr.skip()] * 5),
        )

    go.click(
        synthesize,
        [line, *options],
        outputs,
        api_name="synthesize",
        show_progress="minimal",  # the place in the queue
        show_progress_on=status,
        concurrency_id="work",
        concurrency_limit=limits.concurrent_runs,
    )
    stop.click(sessions.stop, None, None, queue=False, api_visibility="private", show_progress="hidden")
    return Onward(made=made, to_pose=to_pose, to_recognize=to_recognize, to_animate=to_animate, learned=learned)


def _line() -> gr.Textbox:
    """The gloss line: as text, as chips, drafted from English, or picked sign by sign. All end up in the text."""
    with gr.Group():
        text = gr.Textbox(
            label="English text",
            placeholder="Hello, my name is Anna.",
            info="A draft by simple rules of word order; look at the gloss line and mend it.",
            lines=2,
            elem_id="synthesize-text",
        )
        write = gr.Button("Write the gloss line", elem_id="synthesize-draft")
        notes = gr.HTML(elem_id="synthesize-notes")
    line = gr.Textbox(
        FIRST_LINE,
        label="Gloss line",
        info="Glosses in order. fs-ANNA is fingerspelled; a comma or full stop is a pause.",
        elem_id="synthesize-line",
    )
    chips(line, elem_id="synthesize-chips")
    with gr.Accordion("Pick signs", open=True):
        search = gr.Textbox(label="Search by gloss or word", placeholder="house", elem_id="synthesize-search")
        shown = picker(signs.found("", signs.lexicons()), elem_id="synthesize-picker")

    @user_errors
    def draft(request: gr.Request, words: str) -> tuple[str, str]:
        required((words or "").strip(), "There is no text yet; write a sentence first.")
        drafted = signs.draft(words, signs.lexicons(sessions.session(request).lexicon))
        return str(drafted), views.notes(drafted.notes)

    def find(request: gr.Request, words: str) -> list[dict[str, str]]:
        return signs.found(words or "", signs.lexicons(sessions.session(request).lexicon))

    def add(picked: gr.EventData, words: str) -> str:
        return f"{words or ''} {picked.gloss}".strip()

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([write.click, text.submit], draft, text, [line, notes], api_name="draft_gloss_line", show_progress="hidden")
    search.change(find, search, shown, trigger_mode="always_last", **quiet)
    shown.select(add, line, line, **quiet)
    return line


def _options() -> list[Any]:
    """The option widgets, in the order of `_chosen`."""
    with gr.Accordion("Signer and picture", open=False):
        with gr.Row():
            look = gr.Dropdown([name.capitalize() for name in LOOKS], value="Sofia", label="Who is drawn")
            signer = gr.Number(
                0, label="Signer", info="0 is the usual one; any other number signs a little differently."
            )
        with gr.Row():
            speed = gr.Slider(0.4, 2.0, value=1.0, step=0.1, label="Speed")
            hold = gr.Slider(100, 1000, value=200, step=50, label="Each letter stays (ms)")
        left = gr.Checkbox(False, label="Left-handed")
        picture = gr.Radio(PICTURES, value="avatar", label="Picture")
        captions = gr.Radio(CAPTIONS, value="burnt", label="Captions")
        with gr.Row():
            height = gr.Dropdown([256, 384, 512, 720, 1080], value=512, label="Height (pixels)")
            suffix = gr.Dropdown(FORMATS, value=".mp4", label="Format", info="The page always shows an MP4.")
    return [look, signer, speed, hold, left, picture, captions, height, suffix]


def _chosen(
    look: str,
    signer: float | None,
    speed: float,
    hold: float,
    left: bool,
    picture: str,
    captions: str,
    height: int,
    suffix: str,
) -> SentenceOptions:
    return SentenceOptions(
        look=look,
        signer=int(signer or 0),
        speed=speed,
        letter_hold_ms=hold,
        left_handed=left,
        picture=picture,
        captions=captions,
        height=height,
        suffix=suffix,
    )


def _shown(report: Progress | SentenceProducts) -> tuple[Any, ...]:
    if isinstance(report, Progress):
        return (views.progress("Drawing", report), *[gr.skip()] * 5)
    track: Path | None = report.subtitles
    return (
        views.message(
            f"Done: {views.duration(report.duration_s)} of signing, made in {views.duration(report.seconds)}."
        ),
        gr.Video(value=str(report.video), subtitles=str(track) if track else None),
        views.segments(report.segments),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
        gr.update(visible=True),
        report,
    )
