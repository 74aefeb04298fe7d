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
from studio.texts import later, text
from studio.ui import sessions, views
from studio.ui.chips import chips, picker
from studio.ui.errors import required, user_errors
from studio.ui.events import QUIET, stops, working
from studio.ui.remembering import keep, named
from studio.ui.streaming import live
from studio.ui.tabs import base

FIRST_LINE = "HELLO MY NAME fs-ANNA"
PICTURES = [
    (later("Drawn signer"), "avatar"),
    (later("Skeleton"), "skeleton"),
    (later("OpenPose map, for ControlNet"), "openpose"),
]
CAPTIONS = [(later("Below the picture"), "burnt"), (later("As a subtitle track"), "track"), (later("None"), "none")]
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
            keep("synthesize", named(sentence_options, options))
            with gr.Row():
                go = gr.Button(text("Make the video"), variant="primary", elem_id="synthesize-go")
                stop = gr.Button(text("Stop"), variant="stop")
        with gr.Column(scale=5, min_width=340):
            status = gr.HTML(
                views.message(text("Write a gloss line, then make its video.")), elem_id="synthesize-status"
            )
            video = gr.Video(label=text("Base action video"), interactive=False, height=460, elem_id="synthesize-video")
            timing = gr.HTML(elem_id="synthesize-timing")
            files = gr.File(
                label=text("Downloads"),
                file_count="multiple",
                interactive=False,
                visible=False,
                elem_id="synthesize-files",
            )
            with gr.Row(visible=False) as onward:
                to_animate = gr.Button(text("Animate a person with it"), elem_id="synthesize-to-animate")
                to_recognize = gr.Button(text("Recognize it"), elem_id="synthesize-to-recognize")
                to_pose = gr.Button(text("Read its pose"), elem_id="synthesize-to-pose")
    made = gr.State(None)
    learned = base.build(limits)
    outputs = [status, video, timing, files, onward, made]

    @user_errors
    def on_go(request: gr.Request, written: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        required((written or "").strip(), text("The gloss line is empty; write glosses such as HELLO MY NAME fs-ANNA."))
        page = sessions.session(request)
        among = signs.lexicons(page.lexicon)
        items = signs.read_line(written, among)
        chosen, folder = sentence_options(*values), page.new_folder()
        hidden = gr.update(visible=False)
        yield from live(
            page,
            lambda tell, stopped: make_sentence(items, among, folder, chosen, tell, stopped),
            first=(views.message(text("Starting …")), None, "", hidden, hidden, None),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), *[gr.skip()] * 5),
        )

    go.click(
        on_go,
        [line, *options],
        outputs,
        **working(status, limits),
    )
    stops(stop)
    return Onward(made=made, to_pose=to_pose, to_recognize=to_recognize, to_animate=to_animate, learned=learned)


def _line() -> gr.Textbox:
    """The gloss line: as text, as chips, drafted from English, or picked sign by sign. All end up in the text."""
    with gr.Group():
        sentence = gr.Textbox(
            label=text("English text"),
            placeholder=text("Hello, my name is Anna."),
            info=text("A draft by simple rules of word order; look at the gloss line and mend it."),
            lines=2,
            elem_id="synthesize-text",
        )
        write = gr.Button(text("Write the gloss line"), elem_id="synthesize-draft")
        notes = gr.HTML(elem_id="synthesize-notes")
    line = gr.Textbox(
        FIRST_LINE,
        label=text("Gloss line"),
        info=text("Glosses in order. fs-ANNA is fingerspelled; a comma or full stop is a pause."),
        elem_id="synthesize-line",
    )
    chips(line, elem_id="synthesize-chips")
    keep("synthesize-line", {"text": sentence, "line": line})
    with gr.Accordion(text("Pick signs"), open=True):
        search = gr.Textbox(label=text("Search by gloss or word"), placeholder="house", elem_id="synthesize-search")
        shown = picker(signs.found("", signs.lexicons()), elem_id="synthesize-picker")

    @user_errors
    def draft(request: gr.Request, words: str) -> tuple[str, str]:
        required((words or "").strip(), text("There is no text yet; write a sentence first."))
        drafted = signs.draft(words, signs.lexicons(sessions.session(request).lexicon))
        return str(drafted), views.notes(drafted.notes)

    def find(request: gr.Request, words: str) -> list[dict[str, str]]:
        return signs.found(words or "", signs.lexicons(sessions.session(request).lexicon))

    def add(picked: gr.EventData, words: str) -> str:
        return f"{words or ''} {picked.gloss}".strip()

    gr.on(
        [write.click, sentence.submit],
        draft,
        sentence,
        [line, notes],
        **QUIET,
    )
    search.change(find, search, shown, trigger_mode="always_last", **QUIET)
    shown.select(add, line, line, **QUIET)
    return line


def _options() -> list[Any]:
    """The option widgets, in the order of `sentence_options`."""
    with gr.Accordion(text("Signer and picture"), open=False):
        with gr.Row():
            look = gr.Dropdown([name.capitalize() for name in LOOKS], value="Sofia", label=text("Who is drawn"))
            signer = gr.Number(
                0, label=text("Signer"), info=text("0 is the usual one; any other number signs a little differently.")
            )
        with gr.Row():
            speed = gr.Slider(0.4, 2.0, value=1.0, step=0.1, label=text("Speed"))
            hold = gr.Slider(100, 1000, value=200, step=50, label=text("Each letter stays (ms)"))
        left = gr.Checkbox(False, label=text("Left-handed"))
        picture = gr.Radio(views.choices(PICTURES), value="avatar", label=text("Picture"))
        captions = gr.Radio(views.choices(CAPTIONS), value="burnt", label=text("Captions"))
        with gr.Row():
            height = gr.Dropdown([256, 384, 512, 720, 1080], value=512, label=text("Height (pixels)"))
            suffix = gr.Dropdown(
                FORMATS, value=".mp4", label=text("Format"), info=text("The page always shows an MP4.")
            )
    return [look, signer, speed, hold, left, picture, captions, height, suffix]


def sentence_options(
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
    """Who signs and how, as the form and programs say it."""
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
        return (views.progress(text("Drawing"), report), *[gr.skip()] * 5)
    track: Path | None = report.subtitles
    return (
        views.message(
            text(
                "Done: {length} of signing, made in {took}.",
                length=views.duration(report.duration_s),
                took=views.duration(report.seconds),
            )
        ),
        gr.Video(value=str(report.video), subtitles=str(track) if track else None),
        views.segments(report.segments),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
        gr.update(visible=True),
        report,
    )
