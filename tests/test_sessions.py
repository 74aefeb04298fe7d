"""What a page owns, where it lies, how long, and what is left when it is closed or the server is killed: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio_client import Client
from starlette.datastructures import Headers

from models.errors import SignError
from studio.limits import Limits
from studio.storage import Storage, open_storage
from studio.ui import serving, sessions
from studio.ui.streaming import live

HOLD = """
import sys, time
from pathlib import Path
from studio.storage import open_storage
storage = open_storage(Path(sys.argv[1]))
(storage.new_page() / "result.mp4").write_bytes(b"x")
print(storage.folder.name, flush=True)
time.sleep(60)
"""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """The storage of a server, empty, with no page yet."""
    opened = open_storage(tmp_path / "files")
    monkeypatch.setattr(sessions, "_storage", opened)
    monkeypatch.setattr(sessions, "_sessions", {})
    monkeypatch.setattr(sessions, "_size", (0.0, 0))
    yield opened
    opened.close()


class Enough(Exception):
    """Ends a loop that has no end of its own."""


def bound(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    monkeypatch.setattr(sessions, "_limits", Limits(**limits))
    monkeypatch.setattr(sessions, "_MEASURE_S", -1.0)


def asked_by(name: str, address: str = "192.0.2.1") -> SimpleNamespace:
    return SimpleNamespace(session_hash=name, client=SimpleNamespace(host=address))


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let so much time pass."""
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 3600 * hours)


def test_two_pages_have_nothing_in_common(storage: Storage) -> None:
    one, other = sessions.session(asked_by("one")), sessions.session(asked_by("other"))
    assert one is sessions.session(asked_by("one"))
    assert one.folder != other.folder
    assert "one" not in one.folder.name


def test_a_file_of_another_page_is_known_as_one(storage: Storage) -> None:
    one, other = sessions.session(asked_by("one")), sessions.session(asked_by("other"))
    for path in (f"{one.folder}/run-1/a.mp4", f"{storage.folder}/x/../{one.folder.name}/a.mp4", str(one.folder)):
        assert sessions.is_of_another(path, "other")
        assert sessions.is_of_another(path, "made up")
        assert not sessions.is_of_another(path, "one")
    assert not sessions.is_of_another(f"{storage.folder}/aaa/upload.mp4", "other")
    assert not sessions.is_of_another("/etc/passwd", "other"), "Gradio refuses that"
    assert other.folder != one.folder


def test_the_id_of_a_page_is_never_a_path(storage: Storage, tmp_path: Path) -> None:
    page = sessions.session(asked_by("../../../escaped"))
    assert page.folder.parent == storage.folder
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_closed_page_leaves_nothing(storage: Storage) -> None:
    page = sessions.session(asked_by("one"))
    (page.new_folder() / "result.mp4").write_bytes(b"x")
    running, late = threading.Event(), threading.Event()
    with page.at_work(running):
        sessions.end(asked_by("one"))
        assert running.is_set()
        with page.at_work(late):
            assert late.is_set(), "it came out of the queue when the page was closed already"
    assert not page.folder.exists()


def test_work_that_writes_on_after_its_page_was_closed_leaves_nothing(storage: Storage) -> None:
    page = sessions.session(asked_by("one"))

    def work(_tell, _stopped):
        sessions.end(asked_by("one"))
        (page.folder / "run-late").mkdir(parents=True)
        (page.folder / "run-late" / "result.mp4").write_bytes(b"x")
        return "done"

    list(live(page, work, first=(), shown=lambda report: (report,), stopped=()))
    assert not page.folder.exists()


def test_a_page_that_asks_for_nothing_is_closed(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = sessions.session(asked_by("one"))
    later(monkeypatch, 5.9)
    sessions.sweep()
    assert page.folder.exists()
    later(monkeypatch, 0.2)
    sessions.sweep()
    assert not page.folder.exists()


def test_a_page_whose_work_takes_long_is_not_closed(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = sessions.session(asked_by("one"))
    later(monkeypatch, 7)
    with page.at_work(threading.Event()):
        sessions.sweep()
        assert page.folder.exists()
    sessions.sweep()
    assert page.folder.exists(), "its six hours begin when the work ends"


def test_what_is_old_is_deleted_though_nobody_comes(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = sessions.session(asked_by("one"))
    later(monkeypatch, 7)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise Enough

    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    with pytest.raises(Enough):
        sessions._sweep_always()
    assert waited == [sessions.SWEEP_S] * 2
    assert not page.folder.exists()


def test_an_upload_is_deleted_in_time_and_an_example_never(storage: Storage) -> None:
    example, upload = storage.folder / "aaa" / "sample.mp4", storage.folder / "bbb" / "mine.mp4"
    result = storage.new_page() / "result.mp4"
    for path in (example, result):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        storage.keep_what_is_here()
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    storage.delete_uploads(older_than_s=3600)
    assert upload.exists()
    time.sleep(0.02)
    storage.delete_uploads(older_than_s=0.001)
    assert not upload.parent.exists()
    assert example.exists()
    assert result.exists()


def test_a_link_among_the_uploads_is_deleted_and_not_followed(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (storage.folder / "link").symlink_to(outside)
    time.sleep(0.02)
    storage.delete_uploads(older_than_s=0.001)
    assert not (storage.folder / "link").is_symlink()
    assert (outside / "kept.txt").exists()


def test_a_page_may_have_so_much_and_no_more(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, max_session_mb=1)
    page, other = sessions.session(asked_by("one")), sessions.session(asked_by("other"))
    (page.new_folder() / "result.mp4").write_bytes(bytes(1024 * 1024))
    with pytest.raises(SignError, match="The results of this page take 1 MB"):
        page.new_folder()
    other.new_folder()


def test_a_full_studio_refuses_until_something_is_deleted(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, max_disk_mb=1)
    page, other = sessions.session(asked_by("one")), sessions.session(asked_by("other"))
    (page.new_folder() / "result.mp4").write_bytes(bytes(1024 * 1024 + 1))
    with pytest.raises(SignError, match="This studio is full"):
        other.new_folder()
    sessions.end(asked_by("one"))
    other.new_folder()


def test_a_full_studio_makes_room_by_itself(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, max_disk_mb=1)
    page = sessions.session(asked_by("one"))
    (page.new_folder() / "result.mp4").write_bytes(bytes(1024 * 1024 + 1))
    later(monkeypatch, 7)
    sessions.session(asked_by("other")).new_folder()
    assert not page.folder.exists()


def test_made_up_ids_close_pages_of_their_own_address_only(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, pages_per_client=3)
    mine = sessions.session(asked_by("mine", "192.0.2.7"))
    first = sessions.session(asked_by("first"))
    with first.at_work(threading.Event()):
        for number in range(10):
            sessions.session(asked_by(f"made up {number}"))
        assert mine.folder.exists()
        assert first.folder.exists(), "it is at work"
    assert len(list(storage.folder.glob("page-*"))) <= 5


def test_only_addresses_that_our_proxies_wrote_are_believed() -> None:
    headers = Headers({"x-forwarded-for": "203.0.113.1, 198.51.100.2, 198.51.100.3"})
    request = SimpleNamespace(client=SimpleNamespace(host="10.0.0.1"), headers=headers)
    assert sessions.address(request, 0) == "10.0.0.1"
    assert sessions.address(request, 1) == "198.51.100.3"
    assert sessions.address(request, 2) == "198.51.100.2"
    assert sessions.address(asked_by("one"), 0) == "192.0.2.1"


def test_the_next_start_deletes_what_a_killed_studio_left_and_nothing_else(tmp_path: Path) -> None:
    killed, running = (
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    try:
        left, used = (tmp_path / str(one.stdout.readline()).strip() for one in (killed, running))
        killed.kill()
        killed.wait()
        (tmp_path / "sign-studio-not-ours").mkdir()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "kept.txt").write_text("kept")
        (tmp_path / "sign-studio-link").symlink_to(elsewhere)
        (tmp_path / ".sign-studio-link.lock").touch()
        storage = open_storage(tmp_path)
        assert not left.exists()
        assert used.exists()
        assert (tmp_path / "sign-studio-not-ours").exists(), "nothing says that it is a leftover"
        assert (elsewhere / "kept.txt").exists(), "a link is not followed"
        storage.close()
        assert not storage.folder.exists()
    finally:
        for one in (killed, running):
            one.kill()
            one.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_other_users_of_the_machine_cannot_look_in(storage: Storage) -> None:
    page = sessions.session(asked_by("one"))
    assert storage.folder.stat().st_mode & 0o077 == 0
    assert page.folder.stat().st_mode & 0o077 == 0


def test_gradio_forgets_a_page_that_is_closed() -> None:
    with gr.Blocks() as page:
        gr.Button().click(lambda: None, api_name="ask")
        serving.forgotten(page)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True)
    try:
        clients = [Client(url, verbose=False) for _ in range(2)]
        for client in clients:
            client.predict(api_name="/ask")
        held = page.state_holder.session_data
        assert set(held) == {client.session_hash for client in clients}
        clients[0].close()
        end = time.monotonic() + 30
        while len(held) > 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert set(held) == {clients[1].session_hash}
        clients[1].close()
    finally:
        page.close()
