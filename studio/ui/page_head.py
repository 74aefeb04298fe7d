"""The head of the page: what it is, its colours, how to make it forget. assets/page.js does what the buttons say."""

from __future__ import annotations

from html import escape

import gradio as gr

from studio.texts import later, text

COLOURS = {"light": later("Light"), "dark": later("Dark"), "system": later("System")}


def build(title: str, about: str) -> None:
    """Draw it. Which colours are chosen is marked in the browser, which alone knows it."""
    buttons = "".join(
        f'<button type="button" data-colours="{name}">{escape(text(label))}</button>' for name, label in COLOURS.items()
    )
    sure = text("Forget what is kept in this browser, and load the page again? What was made on it goes with it.")
    forget = text("Forget what this page remembers")
    gr.HTML(
        f'<a class="skip" href="#tabs">{escape(text("Skip to the open tab"))}</a>'
        f'<div class="head-words"><h1>{escape(title)}</h1><p>{escape(about)}</p></div>'
        f'<div class="head-tools"><div role="group" aria-label="{escape(text("Colours"))}">{buttons}</div>'
        f'<button type="button" data-forget="{escape(sure)}">{escape(forget)}</button></div>',
        elem_classes="studio-head",
    )
