"""The tools for assistants: which there are, what they say of themselves, and that they work with files."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile import openings
from serving import serve_studio
from test_api import uploaded

from models.errors import SignError

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult

pytest.importorskip("mcp", reason="the package `mcp` is not installed")

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
TOOLS = {
    *("extract_pose", "recognize", "recognize_actions", "synthesize", "draft_gloss_line", "base_action"),
    *("check_picture", "animate_look", "animate"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_studio(tmp_path_factory.mktemp("mcp"), SIGN_STUDIO_MCP="1") as address:
        yield address


def with_session(url: str, use: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """What `use` makes of a session of an MCP client."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def run() -> Any:
        async with (
            streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await use(session)

    return asyncio.run(run())


def called(url: str, tool: str, **given: Any) -> CallToolResult:
    return with_session(url, lambda session: session.call_tool(tool, given))


def answer(result: CallToolResult) -> dict[str, Any]:
    assert not result.isError, result.content
    return json.loads(result.content[0].text)


def test_the_tools_are_the_verbs_and_say_what_they_do(url: str) -> None:
    tools = {tool.name: tool for tool in with_session(url, lambda session: session.list_tools()).tools}
    assert set(tools) == TOOLS
    for name, tool in tools.items():
        assert len(tool.description) > 40, name
    synthesize = tools["synthesize"].inputSchema
    assert synthesize["required"] == ["line"]
    assert "HELLO MY NAME" in synthesize["properties"]["line"]["description"]
    assert synthesize["properties"]["picture"]["enum"] == ["avatar", "skeleton", "openpose"]
    clip = tools["extract_pose"].inputSchema["properties"]["clip"]
    assert clip["type"] == "string"
    assert "link" in clip["description"] or "url" in clip["format"]


def test_a_sentence_is_signed_and_its_pose_is_read_from_the_link_of_the_answer(url: str) -> None:
    made = answer(called(url, "synthesize", line="HELLO"))
    assert made["segments"][0]["gloss"] == "HELLO"
    with urllib.request.urlopen(made["video"]) as video:
        assert video.read()[4:8] == b"ftyp"
    result = called(url, "extract_pose", clip=made["video"], preview="skeleton")
    read = answer(result)
    assert read["quality"]["verdict"] in ("keep", "review")
    with urllib.request.urlopen(read["pose"]) as pose:
        assert len(pose.read()) > 1000
    assert [one.mimeType for one in result.content if one.type == "image"] == ["image/png"]


def test_a_file_is_given_as_an_upload_or_as_a_data_url(url: str) -> None:
    picture = SAMPLES / "mei.jpg"
    data = f"data:image/jpeg;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    # The link is what gradio's upload tool makes.
    for given in (f"{url}/gradio_api/file={uploaded(url, picture)}", data):
        assert len(answer(called(url, "check_picture", picture=given))["people"]) == 1


@pytest.fixture
def elsewhere(short: Path, tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A clip that the tools could work on if they got at it: its path, a link to it, and who followed that."""
    clip, asked = tmp_path / "clip.mp4", []
    clip.write_bytes(short.read_bytes())

    class Kept(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(clip.read_bytes())

        do_HEAD = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield clip, f"http://127.0.0.1:{server.server_port}/clip.mp4", asked
        server.shutdown()


@pytest.mark.skipif(sys.platform != "linux", reason="who opens a file is told by Linux")
@pytest.mark.parametrize(
    "wrong",
    [
        *("{clip}", "file://{clip}", "{url}/gradio_api/file={clip}", "{url}/gradio_api/file=../../../..{clip}"),
        *("{link}", "http://169.254.169.254/latest/meta-data", "{url}/gradio_api/file=log.txt", "/etc/passwd"),
    ],
)
def test_no_other_file_and_no_other_address_is_read(
    url: str, wrong: str, elsewhere: tuple[Path, str, list[str]]
) -> None:
    clip, link, asked = elsewhere
    with openings(clip) as opened:
        result = called(url, "recognize", clip=wrong.format(url=url, clip=clip, link=link))
    assert result.isError
    assert not opened and not asked
    assert "root:" not in str(result.content)


@pytest.mark.parametrize("name", ["train_launch", "data_launch", "teach_sign", "extract_poses", "on_go"])
def test_nothing_else_can_be_called(url: str, name: str) -> None:
    result = called(url, name)
    assert result.isError
    assert "Unknown tool" in str(result.content)


def test_a_mistake_is_told_in_words(url: str) -> None:
    result = called(url, "synthesize", line="HELO")
    assert result.isError
    assert "HELLO" in str(result.content)


def test_no_tools_are_served_with_a_login() -> None:
    from studio.ui import tools

    with pytest.raises(SignError, match="login"):
        tools.prepare(login=True)
