"""The verbs as tools of the Model Context Protocol, on gradio's own server for it.

Gradio would offer everything that has a name, training runs included; here it is the verbs that answer one call. It
takes files as links or data URLs: a link has to be one of this studio's own files, which is what gradio's upload tool
and earlier answers give, because the studio fetches nothing from elsewhere. There are no sessions here: what one call
taught, another would not know, so teaching is not offered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio.mcp
from gradio.processing_utils import add_root_url
from gradio.utils import get_upload_folder, is_in_or_equal
from gradio_client import handle_file
from gradio_client.utils import is_file_obj_with_url, traverse

from models.errors import SignError
from studio.texts import text
from studio.ui.answers import LINK

TOOLS = (
    "extract_pose",
    "recognize",
    "recognize_actions",
    "synthesize",
    "draft_gloss_line",
    "base_action",
    "check_picture",
    "animate_look",
    "animate",
)
_PICTURES = (".jpg", ".png")


def prepare(*, login: bool) -> None:
    """Have gradio serve the tools with what it launches next. Raises SignError where it cannot."""
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise SignError(
            text("Serving tools by MCP needs the package mcp; install it with `pip install 'sign-studio[mcp]'`.")
        ) from error
    if login:
        raise SignError(text("Clients of MCP cannot log in here; serve the studio with --mcp or with a login."))
    gradio.mcp.GradioMCPServer = ToolServer  # type: ignore[misc]  # where `launch` looks for it


class ToolServer(gradio.mcp.GradioMCPServer):
    """Gradio's server, with the tools that are meant to be some, and answers as JSON."""

    def get_tool_to_endpoint(self) -> dict[str, str]:
        """The tools, and the endpoint of each."""
        found = super().get_tool_to_endpoint()
        return {tool: endpoint for tool, endpoint in found.items() if endpoint.lstrip("/") in TOOLS}

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """The arguments of a call with their files; a link to an upload of this studio is that upload."""
        uploads = {
            name: handle_file(path)
            for name, given in value.items()
            if [name] in filedata_positions and (path := uploaded(given)) is not None
        }
        return super().convert_strings_to_filedata({**value, **uploads}, filedata_positions)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """The answer as JSON with links for files, and the pictures in it as pictures."""
        (answer,) = add_root_url(data, root_url, None)
        words = json.dumps(traverse(answer, lambda file: file["url"], is_file_obj_with_url), ensure_ascii=False)
        shown: list[Any] = [self.types.TextContent(type="text", text=words)]
        for file in filter(is_file_obj_with_url, answer.values()):
            if file["path"].endswith(_PICTURES):
                shown += super().postprocess_output_data([file], root_url)[:1]
        return shown


def uploaded(link: Any) -> str | None:
    """The file that a link of this studio shows, None for any other link. Whoever has the link may have the file."""
    if not isinstance(link, str) or not link.startswith(("http://", "https://")):
        return None
    path = unquote(urlsplit(link).path)
    if LINK not in path:
        return None
    file = Path(path.partition(LINK)[2]).resolve()
    if not file.is_file() or not is_in_or_equal(file, get_upload_folder()):
        return None
    return str(file)
