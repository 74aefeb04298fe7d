"""The Pose tab: a signing video in; its landmarks, a preview and a quality report out. One clip or many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from models.pose.clean import CleanOptions
from models.pose.extract import PoseOptions
from models.pose.products import BatchProducts, ProductOptions, Products, make_many_products, make_products
from models.progress import Progress
from studio import signs
from studio.inputs import check_batch, check_clip, parse_crop
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import sessions, views
from studio.ui.errors import NO_CLIP, NO_CLIPS, NO_GLOSS, required, user_errors
from studio.ui.events import QUIET, stops, working
from studio.ui.remembering import keep, named
from studio.ui.source import signing_video
from studio.ui.streaming import live

PREVIEWS = [
    (later("Landmarks over the video"), "overlay"),
    (later("Video and skeleton side by side"), "side_by_side"),
    (later("Skeleton alone"), "skeleton"),
    (later("OpenPose map, for ControlNet"), "openpose"),
]
RATES = [(later("As recorded"), 0), (later("25 frames/s"), 25), (later("30 frames/s"), 30), (later("50 frames/s"), 50)]
VIDEO_TYPES = ["video", ".mkv", ".mov", ".avi", ".webm", ".mp4", ".m4v", ".gif"]


def build(limits: Limits) -> gr.Video:
    """Draw the Pose tab inside the current gr.Tab; returns the clip, so that other tabs can send one here."""
    with gr.Row():
        with gr.Column(scale=5, min_width=340):
            clip = signing_video("pose-clip")
            options = _options()
            keep("pose", named(product_options, options))
            with gr.Row():
                go = gr.Button(text("Extract pose"), variant="primary", elem_id="pose-go")
                stop = gr.Button(text("Stop"), variant="stop", elem_id="pose-stop")
        with gr.Column(scale=6, min_width=340):
            status = gr.HTML(
                views.message(text("Upload or record a clip, then extract its pose.")), elem_id="pose-status"
            )
            preview = gr.Video(label=text("Preview"), interactive=False, height=400, elem_id="pose-preview")
            verdict = gr.HTML(elem_id="pose-verdict")
    light, dark = _timeline("timeline-light"), _timeline("timeline-dark")
    files = gr.File(
        label=text("Downloads"),
        file_count="multiple",
        interactive=False,
        visible=False,
        elem_id="pose-files",
        height=250,
    )
    extracted, adding = _add_to_lexicon()
    _batch(limits, options)

    outputs = [status, preview, verdict, light, dark, files, extracted, adding]

    @user_errors
    def extract(request: gr.Request, path: str | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        required(path, text(NO_CLIP))
        check_clip(path, limits)
        page, chosen = sessions.session(request), product_options(*values)
        folder = page.new_folder()
        hidden = gr.update(visible=False)
        yield from live(
            page,
            lambda tell, stopped: make_products(path, folder, chosen, tell, stopped),
            first=(views.message(text("Starting …")), None, "", hidden, hidden, hidden, None, hidden),
            shown=_shown,
            stopped=(views.message(text(views.STOPPED)), *[gr.skip()] * 7),
        )

    go.click(
        extract,
        [clip, *options],
        outputs,
        **working(status, limits),
    )
    stops(stop)
    return clip


def _add_to_lexicon() -> tuple[gr.State, gr.Accordion]:
    """Keep the extracted sign under a gloss; returns what holds its pose, and the section, shown once there is one."""
    extracted = gr.State(None)
    with gr.Accordion(text("Add to the lexicon"), open=False, visible=False, elem_id="pose-add") as section:
        with gr.Row():
            gloss = gr.Textbox(label=text("Gloss"), placeholder="MY-SIGN", elem_id="add-gloss")
            words = gr.Textbox(
                label=text("Words"), placeholder=text("my sign, our sign"), info=text("In English, with commas.")
            )
        add = gr.Button(text("Add this sign"), elem_id="add-go")
        status = gr.HTML(elem_id="add-status")
        archive = gr.File(
            label=text("Your signs as a lexicon (zip)"), interactive=False, visible=False, elem_id="add-zip"
        )

    @user_errors
    def on_click(request: gr.Request, pose: str | None, name: str, meanings: str) -> tuple[Any, ...]:
        required(pose, text("There is no pose yet; extract one first."))
        required((name or "").strip(), text(NO_GLOSS))
        page = sessions.session(request)
        words, packed = signs.keep(pose, name, meanings or "", page.lexicon, page.new_folder())
        return views.message(words), gr.update(value=packed, visible=packed is not None)

    add.click(on_click, [extracted, gloss, words], [status, archive], **QUIET)
    return extracted, section


def _timeline(theme_class: str) -> gr.Image:
    """The figure for one of the two themes; the style sheet shows the one that fits."""
    return gr.Image(
        label=text("What was seen, when"),
        show_label=False,
        alt_text=text("Timeline: when the body, the face and each hand were seen, and how fast the wrists moved"),
        interactive=False,
        visible=False,
        buttons=["download", "fullscreen"],
        elem_classes=theme_class,
    )


def _options() -> list[Any]:
    """The option widgets, in the order of `product_options`."""
    with gr.Accordion(text("Options"), open=False):
        preview = gr.Dropdown(views.choices(PREVIEWS), value="overlay", label=text("Preview"))
        rate = gr.Dropdown(
            views.choices(RATES),
            value=0,
            label=text("Frame rate"),
            info=text("A clip with uneven timing is always made even."),
        )
        with gr.Row():
            start = gr.Number(0, label=text("Start (seconds)"), info=text("0: from the beginning."), minimum=0)
            end = gr.Number(0, label=text("End (seconds)"), info=text("0: to the end."), minimum=0)
        crop = gr.Textbox(
            label=text("Crop"),
            placeholder=text("left, top, right, bottom"),
            info=text("In pixels; empty: the whole picture."),
        )
        irises = gr.Checkbox(False, label=text("Irises too"), info=text("478 face landmarks instead of 468."))
        recover = gr.Checkbox(
            False, label=text("Look again for lost hands"), info=text("Slower; what it finds has a confidence below 1.")
        )
        steps = gr.CheckboxGroup(
            [
                (text("Fill short gaps of the hands"), "fill"),
                (text("Reduce to hands, arms and face contours"), "reduce"),
                (text("Normalise by the shoulders"), "normalize"),
                (text("Trim to the signing"), "trim"),
                (text("Anonymise the body's proportions"), "anonymize"),
            ],
            value=[],
            label=text("Also give a cleaned pose"),
        )
    return [preview, rate, start, end, crop, irises, recover, steps]


def product_options(
    preview: str,
    rate: int,
    start: float | None,
    end: float | None,
    crop: str,
    irises: bool,
    recover: bool,
    steps: list[str],
) -> ProductOptions:
    """What to make of a clip, as the form and programs say it."""
    return ProductOptions(
        pose=PoseOptions(
            fps=rate or None,
            start_ms=1000 * (start or 0),
            end_ms=1000 * end if end else None,
            crop=parse_crop(crop),
            refine_face=irises,
            recover_hands=recover,
        ),
        preview=preview,
        clean=CleanOptions(
            fill_gap_ms=CleanOptions().fill_gap_ms if "fill" in steps else 0,
            reduce="reduce" in steps,
            normalize="normalize" in steps,
            width=CleanOptions().width if "normalize" in steps else None,
            trim="trim" in steps,
            anonymize="anonymize" in steps,
        )
        if steps
        else None,
    )


def _shown(report: tuple[str, Progress] | Products) -> tuple[Any, ...]:
    if not isinstance(report, Products):
        return (views.progress(text(report[0]), report[1]), *[gr.skip()] * 7)
    return (
        views.message(text("Done. Look at the preview, then take what you need from the downloads below.")),
        report.preview,
        views.quality(report.report),
        gr.update(value=report.figure_light, visible=True),
        gr.update(value=report.figure_dark, visible=True),
        gr.update(value=[str(path) for path in report.downloads], visible=True),
        str(report.pose),
        gr.update(visible=True),
    )


def _batch_shown(report: BatchProducts) -> tuple[Any, ...]:
    archive = gr.skip() if report.archive is None else gr.update(value=str(report.archive), visible=True)
    return (views.batch_progress(report), views.batch(report.clips), archive)


def _batch(limits: Limits, options: list[Any]) -> None:
    """Several clips at once, a zip back."""
    with gr.Accordion(text("Several clips at once"), open=False):
        clips = gr.File(
            label=text("Clips (up to {most})", most=limits.max_batch_clips),
            file_count="multiple",
            file_types=VIDEO_TYPES,
            elem_id="batch-clips",
        )
        gr.Markdown(text("The options above hold for every clip."))
        with gr.Row():
            go = gr.Button(text("Extract all"), variant="primary", elem_id="batch-go")
            stop = gr.Button(text("Stop"), variant="stop")
        status = gr.HTML(elem_id="batch-status")
        table = gr.HTML(elem_id="batch-table")
        archive = gr.File(label=text("All results (zip)"), interactive=False, visible=False, elem_id="batch-zip")

    @user_errors
    def extract(request: gr.Request, paths: list[str] | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        required(paths, text(NO_CLIPS))
        check_batch(paths, limits)
        page, chosen = sessions.session(request), product_options(*values)
        folder = page.new_folder()
        yield from live(
            page,
            lambda tell, stopped: make_many_products(paths, folder, chosen, tell, stopped),
            first=(views.message(text("Starting …")), "", gr.update(visible=False)),
            shown=_batch_shown,
            stopped=(views.message(text(views.STOPPED)), gr.skip(), gr.skip()),
        )

    go.click(
        extract,
        [clips, *options],
        [status, table, archive],
        **working(status, limits),
    )
    stops(stop)
