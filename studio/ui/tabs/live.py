"""The Live tab: the webcam in; what is seen, what is being signed and what was signed out, while it is signed.

The camera is a component of its own (assets/live.js): the page shows it, sends small pictures of it by server
functions, which have no queue, and draws what comes back. Where that does not work there is Gradio's own webcam.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from models.errors import SignError
from models.recognition.live import LiveView
from models.recognition.results import RecognizedSegment, Recognizer
from studio.cameras import MAX_CAMERAS, CameraOff, Cameras, read_picture
from studio.limits import Limits
from studio.texts import later, text
from studio.ui import torch_first
from studio.ui.errors import user_errors

SCRIPT = Path(__file__).resolve().parents[3] / "assets" / "live.js"
PRIVACY = later(
    "While the camera is on, its picture is sent to this studio, looked at and forgotten; nothing of it is stored."
)
STREAM_EVERY_S = 0.1
STREAM_LIMIT_S = 30 * 60

CAMERA = """
<div class="live" data-state="off">
  <div class="live-main">
    <div class="live-stage">
      <video data-live="video" muted playsinline aria-label="{{words.mirrored}}"></video>
      <canvas data-live="overlay" aria-hidden="true"></canvas>
      <p class="live-state" data-live="state" role="status">{{words.camera_off}}</p>
      <p class="live-tip" data-live="tip" role="status"></p>
    </div>
    <p class="live-error" data-live="error" role="alert"></p>
    <div class="live-line">
      <p class="live-caption" data-live="caption" role="log" aria-live="polite" aria-label="{{words.signed}}"></p>
      <p class="live-guess" data-live="guess" aria-hidden="true"></p>
    </div>
    <p class="live-buttons">
      <button type="button" class="live-go" data-live="go">{{words.start}}</button>
      <button type="button" data-live="clear">{{words.clear}}</button>
    </p>
    <p class="live-note">{{words.privacy}}</p>
  </div>
  <div class="live-side">
    <div class="live-activity">
      <span id="live-activity-name">{{words.activity}}</span>
      <div class="live-meter" data-live="activity" role="meter" aria-labelledby="live-activity-name"
           aria-valuemin="0" aria-valuemax="100" aria-valuenow="0" aria-valuetext="{{words.off}}"><div></div></div>
      <strong data-live="signing">{{words.off}}</strong>
    </div>
    <dl class="facts">
      <div><dt>{{words.fps}}</dt><dd data-live="fps">–</dd></div>
      <div><dt>{{words.delay}}</dt><dd data-live="delay">–</dd></div>
      <div><dt>{{words.body}}</dt><dd data-live="body">–</dd></div>
      <div><dt>{{words.left}}</dt><dd data-live="left">–</dd></div>
      <div><dt>{{words.right}}</dt><dd data-live="right">–</dd></div>
    </dl>
    <h3 id="live-signs-name">{{words.newest}}</h3>
    <p class="live-empty" data-live="empty">{{words.none}}</p>
    <ol class="live-signs" data-live="signs" aria-labelledby="live-signs-name"></ol>
    <p class="live-note" data-live="recognizer"></p>
  </div>
</div>
"""

WORDS = {
    "mirrored": later("Your camera, mirrored"),
    "signed": later("What was signed"),
    "camera_off": later("The camera is off."),
    "starting": later("Starting …"),
    "start": later("Start the camera"),
    "cancel": later("Cancel"),
    "stop": later("Stop the camera"),
    "clear": later("Clear"),
    "privacy": PRIVACY,
    "activity": later("Signing activity"),
    "off": later("off"),
    "signing": later("signing"),
    "not_signing": later("not signing"),
    "fps": later("Pictures per second"),
    "delay": later("Delay, camera to screen"),
    "body": later("Shoulders and arms"),
    "left": later("Left hand"),
    "right": later("Right hand"),
    "seen": later("✔ seen"),
    "not_seen": later("✘ not seen"),
    "newest": later("Newest signs"),
    "none": later("None yet. Start the camera and sign."),
    "unknown": later("Unknown sign"),
    "unknown_spoken": later("unknown sign"),
    "others": later("or {signs}"),
    "nearest": later("nearest: {signs}"),
    "left_tab": later("The camera was stopped when you left this tab."),
    "went_away": later("The camera went away. Connect it, then start again."),
    "not_safe": later("The browser gives a camera only to pages on this computer or with https in their address."),
    "no_answer": later("The studio does not answer ({error}). Load the page again."),
    "NotAllowedError": later(
        "The browser may not use the camera. Allow it in the settings beside the address, then start again."
    ),
    "NotFoundError": later("No camera was found. Connect one, then start again."),
    "NotReadableError": later(
        "The camera cannot be read; another program may be using it. Close that, then start again."
    ),
}
"""What the page says, for the template and the script. {signs} and {error} are filled in there; the last ones are
called what browsers call these errors."""


def build(_limits: Limits, recognizer: Callable[[gr.Request], Recognizer]) -> Cameras:
    """Draw the Live tab inside the current gr.Tab; returns the cameras that it watches.

    recognizer: gives the recognizer for a camera that the page of this request starts; called for each start, so it
    should keep what takes long to load.
    """
    cameras = Cameras()

    # Their names are how the script calls them; each gets the one object that the script sends.
    async def open_camera(message: Any, request: gr.Request) -> dict[str, Any]:
        # Gradio gives the bare request of the web server here, which does not know the page; its body does.
        page = gr.Request(request, session_hash=str((await request.json()).get("session_hash")))
        work = partial(cameras.open, recognizer=partial(recognizer, page))
        return await asyncio.to_thread(_answer, lambda: {"description": work(_token(message))})

    def see_camera(message: Any) -> dict[str, Any]:
        def see() -> dict[str, Any]:
            token, time_ms = _token(message), _time_ms(message)
            view = cameras.see(token, read_picture(message.get("picture")), time_ms)
            return {} if view is None else _packed(view)

        return _answer(see)

    def close_camera(message: Any) -> dict[str, Any]:
        def close() -> dict[str, Any]:
            last = cameras.close(_token(message))
            return {} if last is None else _packed(last)

        return _answer(close)

    gr.HTML(
        html_template=CAMERA,
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        server_functions=[open_camera, see_camera, close_camera],
        words={name: text(english) for name, english in WORDS.items()},
        elem_id="live-camera",
    )
    _fallback(cameras, recognizer)
    return cameras


def _fallback(cameras: Cameras, recognizer: Callable[[gr.Request], Recognizer]) -> None:
    """The same by Gradio's webcam: slower, and without the drawing over the picture."""
    with gr.Accordion(text("If the camera does not start"), open=False):
        gr.Markdown(text("A simpler way, which is slower: press Record, and read beside the picture what is seen."))
        with gr.Row():
            camera = gr.Image(
                label=text("Camera"),
                sources=["webcam"],
                streaming=True,
                height=320,
                webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": 640, "height": 480}}),
                elem_classes="mirrored",
                elem_id="live-stream",
            )
            shown = gr.HTML(elem_id="live-streamed")

        @user_errors
        def see(request: gr.Request, picture: Any) -> Any:
            token, time_ms = f"stream-{request.session_hash}", 1000 * time.monotonic()
            if picture is None:
                return gr.skip()
            try:
                view = cameras.see(token, picture, time_ms)
            except CameraOff:
                cameras.open(token, partial(recognizer, request))
                view = cameras.see(token, picture, time_ms)
            return gr.skip() if view is None else _streamed(view)

        camera.stream(
            see,
            camera,
            shown,
            stream_every=STREAM_EVERY_S,
            time_limit=STREAM_LIMIT_S,
            concurrency_limit=MAX_CAMERAS,
            show_progress="hidden",
            api_visibility="private",
        )


def _answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the script gets: `off` when the camera has to be opened again, `error` with a sentence for the user."""
    torch_first.wait()  # it is no event of the page, for which serving.queued sees to that
    try:
        return work()
    except CameraOff as error:
        return {"off": True, "error": str(error)}
    except SignError as error:
        return {"error": str(error)}


def _token(message: Any) -> str:
    token = message.get("token") if isinstance(message, dict) else None
    if not isinstance(token, str):
        raise SignError(text("The camera has no name; load the page again."))
    return token


def _time_ms(message: dict[str, Any]) -> float:
    value = message.get("time_ms")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise SignError(text("The camera's picture has no time; load the page again."))
    return float(value)


def _packed(view: LiveView) -> dict[str, Any]:
    """A view as the script reads it."""
    return {
        "time_ms": view.time_ms,
        "body": view.body,
        "hands": view.hands,
        "activity": round(view.activity, 3),
        "signing": view.signing,
        "guess": view.guess,
        "recent": [_packed_segment(segment) for segment in view.recent],
        "num_signs": view.num_signs,
        "tip": text(view.tip or ""),
        "fps": round(view.fps, 1),
        "work_ms": round(view.work_ms, 1),
    }


def _packed_segment(segment: RecognizedSegment) -> dict[str, Any]:
    candidates = [{"gloss": one.gloss, "confidence": round(float(one.confidence), 3)} for one in segment.candidates]
    return {"known": segment.gloss is not None, "candidates": candidates}


def _streamed(view: LiveView) -> str:
    """A view as HTML, for the simpler way."""
    words = " ".join(escape(word) for word in view.caption) or escape(text("Nothing was signed yet."))
    signing = text(WORDS["signing"] if view.signing else WORDS["not_signing"])
    rows = {
        "fps": f"{view.fps:.0f}",
        "activity": f"{view.activity:.0%}, {signing}",
        "body": _found(view.body_found),
        "left": _found(view.hands_found[0]),
        "right": _found(view.hands_found[1]),
    }
    facts = "".join(
        f"<div><dt>{escape(text(WORDS[name]))}</dt><dd>{escape(value)}</dd></div>" for name, value in rows.items()
    )
    tip = f'<p class="live-tip">{escape(text(view.tip))}</p>' if view.tip else ""
    return f'<p class="live-caption" aria-live="polite">{words}</p>{tip}<dl class="facts">{facts}</dl>'


def _found(there: bool) -> str:
    return text(WORDS["seen"] if there else WORDS["not_seen"])
