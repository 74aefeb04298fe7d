"""The page: heading, tabs in order, theme, and how it is served."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from studio import actions, base_actions, recognizing, signs
from studio.limits import Limits
from studio.ui import sessions
from studio.ui.tabs import actions as actions_section
from studio.ui.tabs import animate, base, data, live, pose, recognize, synthesize, train
from studio.ui.theme import CSS, theme

# Nothing about a private video leaves the machine: no analytics, set before the first Blocks is made.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

HEAD = '<meta name="color-scheme" content="light dark">'

TITLE = "# Sign Studio\n"
AT_HOME = "Sign language on video, on your own computer: nothing you upload leaves it."
HOSTED = (
    "Sign language on video. This studio runs on a server: what you upload is sent there, seen by nobody else through "
    "this page, and deleted within a day of your last visit. For private videos, run it on your own computer."
)


def build(limits: Limits, *, hosted: bool = False) -> gr.Blocks:
    """The studio as gradio Blocks: one tab per verb that works. `hosted`: it is not on the user's own computer."""
    with gr.Blocks(title="Sign Studio", analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        gr.Markdown(TITLE + (HOSTED if hosted else AT_HOME), elem_classes="studio-head")
        # A timer inside a tab would not tick before that is opened; each of the two ticks while its own tab is open.
        data_clock, clock = gr.Timer(2.0, active=False), gr.Timer(2.0, active=False)
        with gr.Tabs() as tabs:
            with gr.Tab("Pose", id="pose"):
                clip = pose.build(limits)
            with gr.Tab("Recognize", id="recognize"):
                seen = recognize.build(limits)
            with gr.Tab("Live", id="live"):
                live.build(limits, lambda request: recognizing.ready(signs.lexicons(sessions.session(request).lexicon)))
            with gr.Tab("Synthesize", id="synthesize"):
                signing = synthesize.build(limits)
            with gr.Tab("Animate", id="animate"):
                animation, given = animate.build(limits)
            with gr.Tab("Data", id="data") as data_tab:
                if hosted:
                    data.off()
                else:
                    data.build(limits, data_tab, tabs, data_clock)
            with gr.Tab("Train", id="train") as training_tab:
                if not hosted or os.environ.get("SIGN_STUDIO_TRAIN") == "1":
                    trained = train.build(limits, training_tab, tabs, clock, hosted=hosted, onward=True)
                else:
                    trained = None
                    train.off()

        def send(trigger: gr.Button, made: gr.State, value: Callable[[Any], Any], outputs: list[Any], tab: str) -> None:
            """Let a button give what was made on one tab to another one, and show that tab."""
            trigger.click(
                lambda one: (*value(one), gr.Tabs(selected=tab)),
                made,
                [*outputs, tabs],
                api_visibility="private",
                show_progress="hidden",
            )

        send(signing.to_pose, signing.made, lambda one: [str(one.video)], [clip], "pose")
        send(signing.to_recognize, signing.made, lambda one: [str(one.video)], [seen.clip], "recognize")
        send(signing.to_animate, signing.made, animate.given, given, "animate")
        learned = signing.learned
        send(learned.to_animate, learned.made, lambda one: animate.given(one.sentence), given, "animate")
        send(animation.to_pose, animation.made, lambda one: [str(one.animation.video)], [clip], "pose")
        if trained is not None:
            _use_trained(trained, seen, learned, tabs)
        page.load(recognize.refreshed, None, seen.engine, api_visibility="private", show_progress="hidden")
        page.unload(sessions.end)
    return page


def _use_trained(trained: train.Onward, seen: recognize.RecognizeTab, learned: base.Onward, tabs: gr.Tabs) -> None:
    """The button of the Train tab that sends a run's model to where it is used, and says where that is."""
    skipped = [gr.skip()]
    of_words, of_actions = skipped * len(learned.given), skipped * len(seen.acting.given)

    def drawn_with(model: Path | None) -> bool:
        return model is not None and base_actions.is_base_action(model.parent)

    def sent(model: Path) -> tuple[Any, ...]:
        if drawn_with(model):
            return (gr.skip(), *of_actions, *base.given(model), gr.Tabs(selected="synthesize"))
        if actions.is_of_actions(model.parent):
            return (gr.skip(), *actions_section.given(model), *of_words, gr.Tabs(selected="recognize"))
        return (recognize.chosen(model), *of_actions, *of_words, gr.Tabs(selected="recognize"))

    def named(model: Path | None) -> gr.Button:
        return gr.Button(value="Use in Synthesize" if drawn_with(model) else "Use in Recognize")

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    filled = [seen.engine, *seen.acting.given, *learned.given, tabs]
    trained.to_recognize.click(sent, trained.made, filled, **quiet)
    trained.made.change(named, trained.made, trained.to_recognize, **quiet)


def launch(*, port: int, host: str | None, open_browser: bool) -> None:
    """Serve the studio until it is stopped with Ctrl-C.

    GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which a Hugging Face Space sets, win over the arguments.
    """
    limits = Limits.from_environment()
    port = int(os.environ.get("GRADIO_SERVER_PORT", port))
    hosted = host is not None or any(name in os.environ for name in ("SPACE_ID", "GRADIO_SERVER_NAME"))
    page = build(limits, hosted=hosted).queue(
        max_size=limits.queue_length, default_concurrency_limit=limits.concurrent_runs
    )
    page.launch(
        server_name=host,
        server_port=_free_port(port),
        inbrowser=open_browser,
        theme=theme(),
        css_paths=[CSS],
        head=HEAD,
        max_file_size=limits.max_upload_bytes,
        run_history=False,  # it would keep names of private videos in the browser
        ssr_mode=False,
        footer_links=["api", "settings"],
        show_error=True,
    )


def _free_port(first: int) -> int:
    """The first free port from `first` on, so that a second studio does not fail."""
    import socket

    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    return first
