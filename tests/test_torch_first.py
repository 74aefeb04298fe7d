"""Torch is imported beside the page, and nothing runs over the half of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.responses import PlainTextResponse

from studio.limits import Limits
from studio.ui import guard, serving, torch_first
from studio.ui.tabs import live


@pytest.fixture(params=["whole", "broken"])
def let_go(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[threading.Event]:
    """Torch comes when this is set, or turns out to be broken; until then, whoever imports it waits."""
    event = threading.Event()

    def imported(name: str) -> None:
        assert name == "torch"
        assert event.wait(30)
        if request.param == "broken":
            raise OSError("libcudart is missing")

    def forget() -> None:
        for one in (torch_first.begin, torch_first.wait):
            one.cache_clear()

    forget()
    monkeypatch.setattr(torch_first, "importlib", SimpleNamespace(import_module=imported))
    yield event
    event.set()
    for one in importing():
        one.join()
    forget()


def importing() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "studio-torch"]


def plain(value: int) -> int:
    return value


def generator(value: int) -> Iterator[int]:
    yield value
    yield value + 1


def events(page: gr.Blocks) -> list[Callable[..., Any]]:
    return [one.fn for one in page.fns.values() if one.fn is not None]


def test_what_runs_waits_until_torch_is_there(let_go: threading.Event) -> None:
    with gr.Blocks() as page:
        box, button = gr.Number(), gr.Button()
        button.click(plain, box, box)
        button.click(generator, box, box)
        button.click(None, box, box, js="(one) => [one]")
    short, long = events(serving.queued(page, Limits()))
    assert (short.__name__, long.__name__) == ("plain", "generator")
    with ThreadPoolExecutor() as threads:
        asked = [
            threads.submit(short, 1),
            threads.submit(lambda: list(long(2))),
            threads.submit(live._answer, lambda: {"seen": 3}),
        ]
        time.sleep(0.3)
        assert not any(one.done() for one in asked)
        let_go.set()
        assert [one.result(30) for one in asked] == [1, [2, 3], {"seen": 3}]


def test_whoever_asks_is_answered_before(let_go: threading.Event) -> None:
    """A program gives up an answer after 5 s, and a slow computer imports torch for longer."""

    async def app(scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        await PlainTextResponse("here")(scope, receive, send)

    async def visit() -> None:
        transport = httpx.ASGITransport(guard.Guard(app, limits=Limits(), login=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            assert (await client.get("/")).text == "here"
            assert (await client.post("/gradio_api/run/a")).text == "here"
            assert not let_go.is_set()

    asyncio.run(visit())
    assert len(importing()) == 1
