"""The section "Learned base action" of the Synthesize tab: a word in; its video, drawn by a trained model, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from models.synthesis.products import BaseActionProducts, BaseActionStep
from studio import base_actions, trained
from studio.base_actions import BaseModel
from studio.inputs import check_clip
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import remembering, sessions, views
from studio.ui.errors import NO_WORD, required, user_errors
from studio.ui.events import QUIET, stops, working
from studio.ui.streaming import live

ABOUT = later(
    "A trained model draws a word anew: it learned from many samples of the word, and makes one clean video of it. "
    "It knows the words that it was trained on, and no others."
)
SOURCES = [(later("The most typical sample of the word"), "medoid"), (later("The mean of all samples"), "barycentre")]
SAMPLERS = [("DDIM", "ddim"), ("DPM-Solver", "dpm"), ("LCM", "lcm")]
BEGINNINGS = [
    (later("Nothing: from noise"), "noise"),
    (later("The drawn signer"), "avatar"),
    (later("A clip of the word"), "clip"),
]


@dataclass(frozen=True, kw_only=True)
class Onward:
    """What was made (a BaseActionProducts), the button that sends it to Animate, and what another tab fills in."""

    made: gr.State
    to_animate: gr.Button
    section: gr.Accordion
    model: gr.Dropdown
    word: gr.Dropdown
    trained_on: gr.HTML
    enlarge: gr.Dropdown

    @property
    def given(self) -> list[Any]:
        """Where the values of `given` go."""
        return [self.section, self.model, self.word, self.trained_on, self.enlarge]


def build(limits: Limits, among: Jobs | None = None) -> Onward:
    """Draw the section inside the current gr.Tab. among: training runs, whose models can be chosen."""
    jobs = among or Jobs()
    with gr.Accordion(text("Learned base action"), open=False, elem_id="base") as section:
        gr.Markdown(text(ABOUT))
        with gr.Row():
            with gr.Column(scale=6, min_width=340):
                model = gr.Dropdown([], label=text("Model"), elem_id="base-model")
                trained_on = gr.HTML(elem_id="base-trained-on")
                word = gr.Dropdown([], label=text("Word"), elem_id="base-word")
                options, clip, enlarge = _options()
                remembering.keep(
                    "base",
                    {"model": model, "word": word, **remembering.named(base_options, options)},
                    {"model": lambda: _choices(base_actions.models(jobs)), "word": lambda: _any_words(jobs)},
                )
                with gr.Row():
                    go = gr.Button(text("Make"), variant="primary", elem_id="base-go")
                    stop = gr.Button(text("Stop"), variant="stop", elem_id="base-stop")
            with gr.Column(scale=5, min_width=340):
                status = gr.HTML(views.message(text("Choose a word, then make its video.")), elem_id="base-status")
                video = gr.Video(
                    label=text("Base action video, drawn by a model"),
                    interactive=False,
                    height=400,
                    elem_id="base-video",
                )
                about = gr.HTML(elem_id="base-about")
                with gr.Row(visible=False) as onward:
                    keep = gr.Button(text("Add to my lexicon"), elem_id="base-keep")
                    to_animate = gr.Button(text("Animate a person with it"), elem_id="base-to-animate")
                kept = gr.HTML(elem_id="base-kept")
                archive = gr.File(
                    label=text("Your signs as a lexicon (zip)"), interactive=False, visible=False, elem_id="base-zip"
                )
                sheet = gr.Image(
                    label=text("Contact sheet"),
                    show_label=False,  # it would lie on the sheet's own title
                    alt_text=text("Contact sheet: frames of the video in equal steps, numbered"),
                    interactive=False,
                    visible=False,
                    buttons=["download", "fullscreen"],
                    elem_id="base-sheet",
                )
                files = gr.File(
                    label=text("Downloads"),
                    file_count="multiple",
                    interactive=False,
                    visible=False,
                    elem_id="base-files",
                )
    made = gr.State(None)
    outputs = [status, video, about, sheet, files, onward, kept, archive, made]

    @user_errors
    def on_make(request: gr.Request, name: str | None, wanted: str | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        picked = base_actions.find_model(name, jobs)
        chosen = base_options(*values)
        required(wanted, text(NO_WORD))
        if chosen["clip"] is not None:
            check_clip(chosen["clip"], limits)
        page = sessions.session(request)
        folder, hidden = page.new_folder(), gr.update(visible=False)

        def work(tell: Callable[[BaseActionStep], None], stopped: Callable[[], bool]) -> BaseActionProducts:
            return base_actions.make(picked, str(wanted), folder, chosen, tell, stopped)

        yield from live(
            page,
            work,
            first=(views.message(text("Starting …")), None, "", hidden, hidden, hidden, "", hidden, None),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), *[gr.skip()] * 8),
        )

    @user_errors
    def on_keep(request: gr.Request, products: BaseActionProducts | None) -> tuple[Any, ...]:
        required(products, text("There is no video yet; make one first."))
        page = sessions.session(request)
        words, packed = base_actions.keep(products, page.lexicon, page.new_folder())
        return views.message(words), gr.update(value=packed, visible=packed is not None)

    def on_open(name: str | None, before: str | None) -> tuple[Any, ...]:
        return _filled(jobs, name, before)

    def on_model(name: str | None) -> tuple[Any, ...]:
        return _filled(jobs, name)[1:]

    go.click(
        on_make,
        [model, word, clip, *options],
        outputs,
        **working(status, limits),
    )
    keep.click(on_keep, made, [kept, archive], **QUIET)
    stops(stop)
    section.expand(on_open, [model, word], [model, word, trained_on, enlarge], **QUIET)
    model.input(on_model, model, [word, trained_on, enlarge], **QUIET)
    return Onward(
        made=made,
        to_animate=to_animate,
        section=section,
        model=model,
        word=word,
        trained_on=trained_on,
        enlarge=enlarge,
    )


def given(folder: Path, among: Jobs | None = None) -> list[Any]:
    """What another tab sends here: the section opened, with the model of a training run chosen by its folder."""
    return [gr.Accordion(open=True), *_filled(among or Jobs(), trained.name_of(folder))]


def _options() -> tuple[list[Any], gr.Video, gr.Dropdown]:
    """The option widgets in the order of `base_options`; the clip to draw over; how much the video is enlarged."""
    source = gr.Radio(views.choices(SOURCES), value="medoid", label=text("Made after"), elem_id="base-source")
    with gr.Row():
        speed = gr.Slider(0.4, 2.0, value=1.0, step=0.1, label=text("Speed"), elem_id="base-speed")
        enlarge = gr.Dropdown(
            [1, 2, 4, 8],
            value=1,
            label=text("Enlarged"),
            info=text("Times the model's pictures."),
            elem_id="base-enlarge",
        )
    with gr.Accordion(text("Advanced"), open=False):
        with gr.Row():
            sampler = gr.Dropdown(SAMPLERS, value="ddim", label=text("Sampler"))
            steps = gr.Slider(1, 50, value=8, step=1, label=text("Steps"), elem_id="base-steps")
        with gr.Row():
            guidance = gr.Slider(
                1,
                5,
                value=1.0,
                step=0.1,
                label=text("Guidance"),
                info=text("How strictly it keeps to the word; 1 is twice as quick."),
            )
            seed = gr.Number(0, precision=0, label=text("Seed"), info=text("The same number gives the same video."))
        begin = gr.Radio(views.choices(BEGINNINGS), value="noise", label=text("Draw over"), elem_id="base-begin")
        strength = gr.Slider(
            0.1,
            0.95,
            value=0.6,
            step=0.05,
            label=text("How much is drawn anew"),
            visible=False,
            elem_id="base-strength",
        )
        clip = gr.Video(
            label=text("Clip of the word"), sources=["upload"], visible=False, height=240, elem_id="base-clip"
        )
    begin.change(
        lambda kind: (gr.update(visible=kind != "noise"), gr.update(visible=kind == "clip")),
        begin,
        [strength, clip],
        **QUIET,
    )
    return [source, speed, enlarge, sampler, steps, guidance, seed, begin, strength], clip, enlarge


def base_options(
    clip: str | None,
    source: str,
    speed: float,
    enlarge: int,
    sampler: str,
    steps: int,
    guidance: float,
    seed: float | None,
    begin: str,
    strength: float,
) -> dict[str, Any]:
    """How a word is drawn, as the form and programs say it: what `studio.base_actions.options` takes."""
    over = required(clip, text("There is no clip to draw over yet; upload one.")) if begin == "clip" else None
    return {
        "source": source,
        "speed": speed,
        "enlarge": int(enlarge),
        "sampler": sampler,
        "steps": int(steps),
        "guidance": guidance,
        "seed": int(seed or 0),
        "begin": begin,
        "strength": strength,
        "clip": None if over is None else Path(over),
    }


def _choices(known: Sequence[BaseModel]) -> list[tuple[str, str]]:
    return [(one.title, one.name) for one in known]


def _any_words(jobs: Jobs) -> list[tuple[str, str]]:
    """What some model knows; which words the chosen one knows is seen when the section is opened."""
    return [(word, word) for word in sorted({word for one in base_actions.models(jobs) for word in one.words})]


def _filled(jobs: Jobs, name: str | None, before: str | None = None) -> tuple[Any, ...]:
    """The models that there are now; the words of the chosen one, what it was trained on, how much to enlarge.

    before: the word that was chosen, which stays where the model knows it, and the enlargement with it.
    """
    known = base_actions.models(jobs)
    if not known:
        empty = gr.Dropdown(choices=[], value=None)
        return empty, empty, views.message(text(base_actions.NO_MODEL)), gr.skip()
    picked: BaseModel = next((one for one in known if one.name == name), known[0])
    words = picked.words
    stays = before in words and name == picked.name
    return (
        gr.Dropdown(choices=_choices(known), value=picked.name),
        gr.Dropdown(choices=words, value=before if stays else next(iter(words), None)),
        views.message(picked.trained_on),
        gr.skip() if stays else picked.enlarge,
    )


def _shown(report: BaseActionStep | BaseActionProducts) -> tuple[Any, ...]:
    if isinstance(report, BaseActionStep):
        return (_step(report), *[gr.skip()] * 8)
    return (
        views.message(text("Done: {word}, made in {time}.", word=report.word, time=views.duration(report.seconds))),
        gr.Video(value=str(report.video), subtitles=str(report.captions)),
        views.notes(report.lines()),
        gr.update(value=str(report.sheet), visible=True),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
        gr.update(visible=True),
        "",
        gr.update(visible=False),
        report,
    )


def _step(report: BaseActionStep) -> str:
    doing = text(report.words)
    if not report.total:
        return views.message(f"{doing} …")
    words = text("{doing}: step {done} of {total}", doing=doing, done=report.done, total=report.total)
    return views.bar(words, views.time_left(report.seconds_left), report.done / report.total)
