"""The page: heading, tabs in order, theme, and how it is served."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from studio import actions, base_actions, hosting, passwords, recognizing, signs
from studio import trained as trained_models
from studio.hosting import Hosting
from studio.limits import Limits
from studio.texts import ENGLISH, later, text, use
from studio.ui import page_head, serving, sessions, verbs
from studio.ui.events import QUIET
from studio.ui.tabs import actions as actions_section
from studio.ui.tabs import animate, base, data, live, pose, recognize, synthesize, train
from studio.ui.theme import look

# Nothing about a private video leaves the machine: no analytics, set before the first Blocks is made.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

# Gradio says in <html lang> what the browser is set to, also once more when the page is there; it is what we speak.
SPEAK = """<script>(() => {{
  const page = document.documentElement;
  const speak = () => {{ if (page.lang !== '{language}') page.lang = '{language}'; }};
  new MutationObserver(speak).observe(page, {{attributeFilter: ['lang']}});
  speak();
}})();</script>"""

TITLE = "Sign Studio"
AT_HOME = later("Sign language on video, on your own computer: nothing you upload leaves it.")
HOSTED = later(
    "Sign language on video. This studio runs on a server: what you upload is sent there, and seen by nobody else "
    "through this page. Uploads are deleted within {uploads} hours; results when you close the page, or when it asked "
    "for nothing for {results} hours. For private videos, run it on your own computer."
)


def build(limits: Limits, where: Hosting = hosting.AT_HOME) -> gr.Blocks:
    """The studio as gradio Blocks: one tab per verb that works."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        page_head.build(TITLE, _about(where, limits))
        # A timer inside a tab would not tick before that is opened; each of the two ticks while its own tab is open.
        data_clock, clock = gr.Timer(2.0, active=False), gr.Timer(2.0, active=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text("Pose"), id="pose"):
                clip = pose.build(limits)
            with gr.Tab(text("Recognize"), id="recognize"):
                seen = recognize.build(limits)
            with gr.Tab(text("Live"), id="live"):
                live.build(limits, lambda request: recognizing.ready(signs.lexicons(sessions.session(request).lexicon)))
            with gr.Tab(text("Synthesize"), id="synthesize"):
                signing = synthesize.build(limits)
            with gr.Tab(text("Animate"), id="animate"):
                animation, given = animate.build(limits)
            with gr.Tab(text("Data"), id="data") as data_tab:
                if where.hosted:
                    data.off()
                else:
                    data.build(limits, data_tab, tabs, data_clock)
            with gr.Tab(text("Train"), id="train") as training_tab:
                if where.no_training:
                    trained = None
                    train.off(where.no_training)
                else:
                    trained = train.build(limits, training_tab, tabs, clock, hosted=where.hosted, onward=True)

        def send(trigger: gr.Button, made: gr.State, value: Callable[[Any], Any], outputs: list[Any], tab: str) -> None:
            """Let a button give what was made on one tab to another one, and show that tab."""
            trigger.click(
                lambda one: (*value(one), gr.Tabs(selected=tab)),
                made,
                [*outputs, tabs],
                **QUIET,
            )

        send(signing.to_pose, signing.made, lambda one: [str(one.video)], [clip], "pose")
        send(signing.to_recognize, signing.made, lambda one: [str(one.video)], [seen.clip], "recognize")
        send(signing.to_animate, signing.made, animate.given, given, "animate")
        learned = signing.learned
        send(learned.to_animate, learned.made, lambda one: animate.given(one.sentence), given, "animate")
        send(animation.to_pose, animation.made, lambda one: [str(one.animation.video)], [clip], "pose")
        if trained is not None:
            _use_trained(trained, seen, learned, tabs)
        page.load(recognize.refreshed, None, seen.engine, **QUIET)
        page.unload(sessions.end)
        serving.forgotten(page)
        verbs.build(limits)
    return page


def _about(where: Hosting, limits: Limits) -> str:
    """What the studio is, and what becomes of what is given to it."""
    if not where.hosted:
        return text(AT_HOME)
    told = text(HOSTED, uploads=limits.keep_uploads_hours, results=limits.keep_results_hours)
    return f"{told} {text(where.storage)}".rstrip()


def _use_trained(trained: train.Onward, seen: recognize.RecognizeTab, learned: base.Onward, tabs: gr.Tabs) -> None:
    """The button of the Train tab that sends a run's model to where it is used, and says where that is."""
    skipped = [gr.skip()]
    of_words, of_actions = skipped * len(learned.given), skipped * len(seen.acting.given)

    def drawn_with(model: Path | None) -> bool:
        return model is not None and trained_models.kind_of(model.parent) == base_actions.KIND

    def sent(model: Path) -> tuple[Any, ...]:
        if drawn_with(model):
            return (gr.skip(), *of_actions, *base.given(model), gr.Tabs(selected="synthesize"))
        if trained_models.kind_of(model.parent) == actions.KIND:
            return (gr.skip(), *actions_section.given(model), *of_words, gr.Tabs(selected="recognize"))
        return (recognize.chosen(model), *of_actions, *of_words, gr.Tabs(selected="recognize"))

    def named(model: Path | None) -> gr.Button:
        return gr.Button(value=text("Use in Synthesize") if drawn_with(model) else text("Use in Recognize"))

    filled = [seen.engine, *seen.acting.given, *learned.given, tabs]
    trained.to_recognize.click(sent, trained.made, filled, **QUIET)
    trained.made.change(named, trained.made, trained.to_recognize, **QUIET)


def launch(
    *,
    port: int,
    host: str | None,
    open_browser: bool,
    language: str = ENGLISH,
    auth_file: Path | None = None,
    mcp: bool = False,
) -> None:
    """Serve the studio until it is stopped with Ctrl-C. Raises SignError for a language that it does not speak.

    auth_file: who may log in, as `signstudio app-password` writes it; SIGN_STUDIO_PASSWORD is the other way.
    mcp: also serve the verbs as tools of the Model Context Protocol.

    GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which a Hugging Face Space sets, win over the arguments.
    """
    use(language)
    from models.pictures import hold_pillow  # late: OpenCV

    hold_pillow()
    port, where = int(os.environ.get("GRADIO_SERVER_PORT", port)), hosting.read(os.environ, host)
    limits = Limits.from_environment(os.environ, proxies=where.proxies)
    login = passwords.login(auth_file)
    if mcp:
        from studio.ui import tools  # its package need not be there

        tools.prepare(login=login is not None)
    serving.keep_files(limits)
    page = serving.queued(build(limits, where), limits)
    gc.freeze()  # the page stays as long as the server; what comes and goes is looked through again from here on
    gc.enable()
    page.launch(
        server_name=host,
        server_port=_free_port(port),
        inbrowser=open_browser,
        **look(SPEAK.format(language=language)),
        run_history=False,  # it would keep names of private videos in the browser
        ssr_mode=False,
        _frontend=False,  # else it asks itself for its page, once and for 3 s, and gives up on a busy machine
        mcp_server=mcp,
        footer_links=["api", "settings"],
        **serving.guarded(limits, login, hosted=where.hosted),
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
