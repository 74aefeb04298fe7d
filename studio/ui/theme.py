"""The studio's look: one theme, light and dark, every text at AA contrast, system fonts (no request leaves)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
CSS = _ASSETS / "studio.css"
SCRIPT = _ASSETS / "page.js"

_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def look(head: str = "") -> dict[str, Any]:
    """What `launch` is given to make the page look and behave as it should: theme, style sheet, script.

    head: what else is in the page's head, before the script.
    """
    head = f'<meta name="color-scheme" content="light dark">{head}<script>{SCRIPT.read_text(encoding="utf-8")}</script>'
    return {"theme": theme(), "css_paths": [CSS], "head": head}


def theme() -> gr.themes.Base:
    """A quiet theme: blue for what to press, slate for everything else; contrasts checked in the browser tests."""
    colors = gr.themes.colors
    return gr.themes.Base(
        primary_hue=colors.blue,
        neutral_hue=colors.slate,
        text_size=gr.themes.sizes.text_md,
        radius_size=gr.themes.sizes.radius_md,
        font=_SYSTEM,
        font_mono=_MONO,
    ).set(
        body_background_fill="#f8fafc",
        body_background_fill_dark="#0b1220",
        body_text_color="#0f172a",
        body_text_color_dark="#e2e8f0",
        body_text_color_subdued="#475569",
        body_text_color_subdued_dark="#cbd5e1",
        block_info_text_color="#475569",
        block_info_text_color_dark="#cbd5e1",
        block_label_text_color="#1e293b",
        block_label_text_color_dark="#e2e8f0",
        block_title_text_color="#1e293b",
        block_title_text_color_dark="#e2e8f0",
        block_background_fill="#ffffff",
        block_background_fill_dark="#111a2e",
        block_border_color="#cbd5e1",
        block_border_color_dark="#334155",
        input_border_color="#64748b",
        input_border_color_dark="#64748b",
        input_border_width="1px",
        checkbox_border_color="#64748b",
        checkbox_border_color_dark="#94a3b8",
        input_placeholder_color="#64748b",
        input_placeholder_color_dark="#94a3b8",
        link_text_color="#1d4ed8",
        link_text_color_dark="#93c5fd",
        button_primary_background_fill="#1d4ed8",
        button_primary_background_fill_dark="#1d4ed8",
        button_primary_background_fill_hover="#1e40af",
        button_primary_background_fill_hover_dark="#2563eb",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#e2e8f0",
        button_secondary_background_fill_dark="#1e293b",
        button_secondary_background_fill_hover="#cbd5e1",
        button_secondary_background_fill_hover_dark="#334155",
        button_secondary_text_color="#0f172a",
        button_secondary_text_color_dark="#e2e8f0",
    )
