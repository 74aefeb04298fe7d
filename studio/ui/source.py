"""Where a tab gets its clip from."""

from __future__ import annotations

import gradio as gr

from studio.inputs import sample_clips
from studio.texts import text


def signing_video(elem_id: str) -> gr.Video:
    """A clip to upload or record, with the drawn samples below it."""
    clip = gr.Video(
        label=text("Signing video"),
        sources=["upload", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False),
        height=360,
        elem_id=elem_id,
    )
    if samples := sample_clips():
        gr.Examples(
            [[str(path)] for path in samples],
            [clip],
            label=text("Drawn signers to try it with"),
            api_visibility="private",
            example_labels=[path.stem.replace("-", " ").capitalize() for path in samples],
        )
    return clip
