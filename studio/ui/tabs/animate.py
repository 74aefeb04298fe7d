"""The Animate tab: a picture of a person and signing in; that person signing out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from models.animation.animate import AnimateOptions, Report
from models.animation.diffusion.options import DiffusionOptions
from models.animation.engines import EngineOptions
from models.animation.picture import load_picture
from models.animation.retarget import RetargetOptions
from models.animation.target import TargetOptions, read_target
from models.lexicon.products import SentenceProducts
from studio import animating, signs
from studio.animating import Made, Order, Signing
from studio.inputs import sample_pictures
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import sessions, views
from studio.ui.errors import NO_PICTURE, required, user_errors
from studio.ui.events import QUIET, plays, stops, working
from studio.ui.remembering import keep, named
from studio.ui.streaming import live

CONSENT = later(
    "**Animate only people who agreed to it.** A picture that signs puts words into somebody's hands. The video says "
    "in its metadata that it was made from a picture; below, you can have it said in the picture as well."
)
KINDS = [(later("A gloss line"), "line"), (later("A clip or .pose file"), "clip")]
SENT = (later("What the Synthesize tab made"), "made")
ENGINES = [
    (later("Puppet – no weights, real time"), "puppet"),
    (later("ControlNet – Stable Diffusion frame by frame; needs weights"), "controlnet"),
    (later("AnimateDiff – Stable Diffusion in motion; needs weights"), "animatediff"),
]
PRESETS = [(later("Preview – few steps"), "preview"), (later("Balanced"), "balanced"), (later("Best – slow"), "best")]
FRAMINGS = [(later("Cut to the signing space"), "auto"), (later("Keep the whole picture"), "keep")]
FIRST_LINE = "HELLO MY NAME fs-ANNA"


@dataclass(frozen=True, kw_only=True)
class Onward:
    """What was made (a `Made`), and the button that sends it to another tab."""

    made: gr.State
    to_pose: gr.Button


def given(made: SentenceProducts) -> list[Any]:
    """What another tab sends here: the values of the components that `build` returns for it."""
    return [gr.update(choices=views.choices([*KINDS, SENT]), value="made"), made]


def build(limits: Limits) -> tuple[Onward, list[Any]]:
    """Draw the Animate tab inside the current gr.Tab; returns what it sends on, and where `given` goes."""
    gr.Markdown(text(CONSENT), elem_id="animate-consent")
    with gr.Row():
        with gr.Column(scale=5, min_width=340):
            picture, person = _picture()
            kind, sent, line, clip = _signing()
            options = _options()
            keep("animate", {"kind": kind, "line": line, **named(order_of, options)})
            with gr.Row():
                look = gr.Button(text("Preview"), elem_id="animate-look")
                go = gr.Button(text("Animate"), variant="primary", elem_id="animate-go")
                stop = gr.Button(text("Stop"), variant="stop", elem_id="animate-stop")
            again = gr.Button(text("Go on with the rest"), visible=False, elem_id="animate-again")
        with gr.Column(scale=6, min_width=340):
            status = gr.HTML(views.message(text("Choose a picture and what is signed.")), elem_id="animate-status")
            frame = gr.Image(
                label=text("Frame"),
                interactive=False,
                visible=False,
                height=420,
                format="jpeg",
                buttons=["download", "fullscreen"],
                elem_id="animate-frame",
            )
            video = gr.Video(label=text("Animated video"), interactive=False, height=460, elem_id="animate-video")
            fidelity = gr.HTML(elem_id="animate-fidelity")
            files = gr.File(
                label=text("Downloads"),
                file_count="multiple",
                interactive=False,
                visible=False,
                elem_id="animate-files",
            )
            onward = gr.Button(text("Read its pose"), visible=False, elem_id="animate-to-pose")
            with gr.Accordion(
                text("Beside what drove it"), open=False, visible=False, elem_id="animate-beside"
            ) as beside:
                driven = gr.Video(label=text("What drove it"), interactive=False, height=320, elem_id="animate-driven")
                both = gr.Button(text("Play both from the start"), elem_id="animate-both")
            earlier = gr.Dropdown([], label=text("Results on this page"), visible=False, elem_id="animate-earlier")
    run, made, results = gr.State(None), gr.State(None), gr.State([])
    shown = [status, frame, video, fidelity, files, onward, beside, driven, again, made]
    asked = [picture, person, kind, line, clip, sent, *options]

    def animated(request: gr.Request, folder: Path, *values: Any) -> Iterator[tuple[Any, ...]]:
        page, order = sessions.session(request), order_of(*values)
        among = signs.lexicons(page.lexicon)
        hidden = gr.update(visible=False)
        yield from live(
            page,
            lambda tell, stopped: animating.make(order, folder, among, limits, tell, stopped),
            first=(
                views.message(text("Starting …")),
                hidden,
                gr.skip(),
                "",
                hidden,
                hidden,
                hidden,
                None,
                hidden,
                None,
            ),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), hidden, *[gr.skip()] * 8),
        )

    @user_errors
    def on_go(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        order_of(*values)
        folder = sessions.session(request).new_folder()
        for outputs in animated(request, folder, *values):
            yield (*outputs, folder)

    @user_errors
    def on_again(request: gr.Request, folder: Path, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from animated(request, folder, *values)

    @user_errors
    def on_look(request: gr.Request, *values: Any) -> tuple[Any, ...]:
        order = order_of(*values)
        image, _ = animating.look(order, signs.lexicons(sessions.session(request).lexicon), limits)
        return views.message(text("One frame of what you will get.")), gr.update(value=image, visible=True)

    look.click(on_look, asked, [status, frame], **working(status, limits))
    started = go.click(on_go, asked, [*shown, run], **working(status, limits))
    resumed = again.click(on_again, [run, *asked], shown, **working(status, limits))
    for event in (started, resumed):
        event.then(_remember, [made, results], [results, earlier], **QUIET)
    earlier.input(_recalled, [earlier, results], shown, **QUIET)
    stops(stop)
    plays(both, "animate-driven", "animate-video")
    return Onward(made=made, to_pose=onward), [kind, sent]


def _picture() -> tuple[gr.Image, gr.Number]:
    """The person's picture with what the studio thinks of it, and which person when there are several."""
    picture = gr.Image(
        label=text("Picture of the person"),
        sources=["upload", "webcam"],
        type="filepath",
        height=320,
        webcam_options=gr.WebcamOptions(mirror=False),
        elem_id="animate-picture",
    )
    if samples := sample_pictures():
        gr.Examples(
            [[str(path)] for path in samples],
            [picture],
            label=text("Drawn people to try it with"),
            api_visibility="private",
            example_labels=[path.stem.capitalize() for path in samples],
        )
    advice = gr.HTML(elem_id="animate-advice")
    person = gr.Number(
        0,
        label=text("Which person"),
        info=text("Counted from the left; 0 is the one who is largest."),
        precision=0,
        minimum=0,
        visible=False,
        elem_id="animate-person",
    )

    def check(path: str | None) -> tuple[str, Any]:
        if path is None:
            return "", gr.update(value=0, visible=False)
        target = read_target(load_picture(Path(path)))
        return views.advice(target.advice), gr.update(value=0, visible=len(target.people) > 1)

    picture.change(user_errors(check), picture, [advice, person], api_visibility="private", show_progress_on=advice)
    return picture, person


def _signing() -> tuple[gr.Radio, gr.State, gr.Textbox, gr.File]:
    """What is signed: the choice of its kind, what another tab sent, the gloss line, the clip."""
    sent = gr.State(None)
    kind = gr.Radio(views.choices(KINDS), value="line", label=text("What is signed"), elem_id="animate-kind")
    line = gr.Textbox(
        FIRST_LINE,
        label=text("Gloss line"),
        info=text("Glosses in order. fs-ANNA is fingerspelled. The Synthesize tab helps to find signs."),
        elem_id="animate-line",
    )
    clip = gr.File(
        label=text("Signing video or .pose file"), file_types=["video", ".pose"], visible=False, elem_id="animate-clip"
    )
    kind.change(
        lambda chosen: (gr.update(visible=chosen == "line"), gr.update(visible=chosen == "clip")),
        kind,
        [line, clip],
        **QUIET,
    )
    return kind, sent, line, clip


def _options() -> list[Any]:
    """The option widgets, in the order of `order_of`."""
    engine = gr.Dropdown(views.choices(ENGINES), value="puppet", label=text("Engine"), elem_id="animate-engine")
    with gr.Accordion(text("Options"), open=False):
        with gr.Row():
            side = gr.Dropdown([384, 512, 768, 1024, 1440], value=768, label=text("Longest side (pixels)"))
            framing = gr.Dropdown(views.choices(FRAMINGS), value="auto", label=text("Framing"))
        mirror = gr.Checkbox(False, label=text("Sign with the other hand"))
        captions = gr.Checkbox(
            True, label=text("Captions below the picture"), info=text("Where the glosses are known.")
        )
        mark = gr.Checkbox(False, label=text("Write “animated” into every frame"))
        measure = gr.Checkbox(True, label=text("Measure how faithful it is"))
        zipped = gr.Checkbox(False, label=text("Also give the frames (zip)"))
    with gr.Accordion(text("Stable Diffusion"), open=False):
        preset = gr.Radio(views.choices(PRESETS), value="balanced", label=text("Preset"))
        prompt = gr.Textbox(
            label=text("Prompt"), placeholder=text("a person signing, photograph"), info=text("Empty: the preset's.")
        )
        negative = gr.Textbox(label=text("Negative prompt"), info=text("Empty: the preset's."))
        plain = gr.Checkbox(
            False, label=text("Start from the still picture"), info=text("Else from the puppet's frame.")
        )
        with gr.Row():
            strength = gr.Slider(0, 1, value=0, step=0.05, label=text("Strength"), info=text("0: the preset's."))
            steps = gr.Slider(0, 60, value=0, step=1, label=text("Steps"), info=text("0: the preset's."))
        with gr.Row():
            guidance = gr.Slider(0, 15, value=0, step=0.5, label=text("Guidance"), info=text("0: the preset's."))
            conditioning = gr.Slider(
                0, 2, value=0, step=0.05, label=text("Pose strength"), info=text("0: the preset's.")
            )
        seed = gr.Number(0, label=text("Seed"), precision=0, info=text("The same number gives the same video."))
    return [
        engine, side, framing, mirror, captions, mark, measure, zipped,
        preset, prompt, negative, plain, strength, steps, guidance, conditioning, seed,
    ]  # fmt: skip


def order_of(
    picture: str | None,
    person: float | None,
    kind: str,
    line: str,
    clip: str | None,
    sent: Any,
    engine: str,
    side: int,
    framing: str,
    mirror: bool,
    captions: bool = True,
    mark: bool = False,
    measure: bool = True,
    zipped: bool = False,
    preset: str = "balanced",
    prompt: str = "",
    negative: str = "",
    plain: bool = False,
    strength: float = 0,
    steps: float = 0,
    guidance: float = 0,
    conditioning: float = 0,
    seed: float | None = 0,
) -> Order:
    """What is wanted, as the form and programs say it. Raises SignError for what is missing."""
    signing = Signing(kind=kind, line=line or "", clip=clip, made=sent)
    signing.check()
    return Order(
        picture=required(picture, text(NO_PICTURE)),
        signing=signing,
        person=TargetOptions(side=side, person=int(person) - 1 if person else None, framing=framing),
        options=AnimateOptions(
            engine=engine,
            fitting=RetargetOptions(mirror=mirror),
            of_engine=EngineOptions(
                diffusion=DiffusionOptions.of_preset(
                    preset,
                    prompt=prompt or None,
                    negative_prompt=negative or None,
                    init="target" if plain else None,
                    strength=strength or None,
                    steps=int(steps) or None,
                    guidance_scale=guidance or None,
                    controlnet_conditioning_scale=conditioning or None,
                    seed=int(seed or 0),
                )
            ),
            captions=captions,
            visible_mark=mark,
            measure=measure,
            zip_frames=zipped,
        ),
    )


def _shown(report: Report | Made) -> tuple[Any, ...]:
    if isinstance(report, Report):
        frame = gr.skip() if report.picture is None else gr.update(value=report.picture, visible=True)
        return (views.progress(text(report.step), report.progress), frame, *[gr.skip()] * 8)
    animation = report.animation
    return (
        views.message(views.animated(animation)),
        gr.update(visible=False),
        str(animation.video),
        "" if animation.fidelity is None else views.fidelity(animation.fidelity),
        gr.update(value=[str(path) for path in animation.downloads], visible=True),
        gr.update(visible=True),
        gr.update(visible=True),
        str(report.driven),
        gr.update(visible=not animation.complete),
        report,
    )


def _remember(one: Made | None, results: list[Made]) -> tuple[Any, ...]:
    """Keep a result in the page's list, newest first."""
    if one is None or one in results:
        return gr.skip(), gr.skip()
    results = [one, *results]
    names = [(f"{len(results) - number}. {each.name}", number) for number, each in enumerate(results)]
    return results, gr.update(choices=names, value=0, visible=len(results) > 1)


def _recalled(number: int, results: list[Made]) -> tuple[Any, ...]:
    return _shown(results[number])
