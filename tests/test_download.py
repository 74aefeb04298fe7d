"""Videos from their addresses: a server of our own for links, yt-dlp's error texts for YouTube."""

from __future__ import annotations

import errno
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from wlasl_toy import entry, write_list

from models.data import polite
from models.data.download import (
    DownloadOptions,
    Fetch,
    download_tasks,
    fetcher,
    in_threads,
    source_name,
    videos_in,
)
from models.data.links import host_of, same_video
from models.data.manifest import Manifest
from models.data.refusals import refusal_of
from models.data.store import Store
from models.data.wlasl import read_wlasl
from models.data.work import Made, Outcome, Task, attempt, carry_out
from models.errors import SignError
from models.progress import Cancelled
from models.video import probe
from models.video_write import write_video

AT_ONCE = DownloadOptions(retries=2, backoff_s=0, pause_s=0, timeout_s=5)


@dataclass
class Site:
    """A web server on this machine. Answers: by path, the status and the content of each request in turn; the last
    one stays."""

    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    holds: dict[str, threading.Event] = field(default_factory=dict)
    """Paths that are answered when the event is set."""
    short: set[str] = field(default_factory=set)
    """Paths whose connection breaks off in the middle."""
    retry_after: str = ""
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, path: str) -> tuple[int, bytes]:
        waiting = self.answers.get(path, [(404, b"none")])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, lock = self.site, self.server.lock  # type: ignore[attr-defined]
        with lock:
            site.asked.append((self.path, dict(self.headers)))
            site.at_once += 1
            site.most_at_once = max(site.most_at_once, site.at_once)
            status, content = site.answer(self.path)
        try:
            if self.path in site.holds:
                site.holds[self.path].wait(20)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if site.retry_after:
                self.send_header("Retry-After", site.retry_after)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path in site.short else content)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with lock:
                site.at_once -= 1

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    server.lock = threading.Lock()  # type: ignore[attr-defined]
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield site
    for hold in site.holds.values():
        hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


@pytest.fixture
def other_site() -> Iterator[Site]:
    yield from serve()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of ten frames."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = (np.full((48, 64, 3), 20 * number, np.uint8) for number in range(10))
    write_video(path, frames, fps=25)
    return path.read_bytes()


def flash(frames: int) -> bytes:
    """An .swf; without frames it is one that only plays a video from elsewhere."""
    if not frames:
        return (
            b"FWS\x06"
            + (24).to_bytes(4, "little")
            + b"\x78\x00\x05\x5f\x00\x00\x0f\xa0\x00\x00\x0c\x01\x00\x00\x00\x00"
        )
    file = io.BytesIO()
    with av.open(file, "w", format="swf") as container:
        stream = container.add_stream("flv", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = np.full((48, 64, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def get(store: Store, url: str, options: DownloadOptions = AT_ONCE) -> Made:
    """Fetch one address, as a worker does."""
    fetch = Fetch(url=same_video(url), name=source_name(url))
    return attempt(fetcher(store, options)(), Task(item=fetch.name, made_from="", value=fetch)).made


def leftovers(store: Store) -> list[str]:
    """Every file of the store that is no video under its name."""
    return [name for name in store.names("") if not name.endswith(".mp4") or "/." in name]


def tasks_of(tmp_path: Path, urls: list[str], have: tuple[str, ...] = ()) -> list[Task]:
    data = read_wlasl(write_list(tmp_path / "list.json", *(entry(f"{n:05}", url=url) for n, url in enumerate(urls))))
    return download_tasks(data.instances, have)


# --- addresses


def test_the_forms_of_a_youtube_address_are_one_video() -> None:
    forms = (
        "https://www.youtube.com/watch?v=0UsjUE-TXns",
        "http://youtube.com/watch?v=0UsjUE-TXns&t=12s",
        "https://m.youtube.com/watch?list=PL1&v=0UsjUE-TXns#x",
        "https://youtu.be/0UsjUE-TXns?si=abc",
        "https://www.youtube-nocookie.com/embed/0UsjUE-TXns",
        "https://www.youtube.com/shorts/0UsjUE-TXns",
    )
    assert {same_video(form) for form in forms} == {"https://www.youtube.com/watch?v=0UsjUE-TXns"}
    assert len({source_name(form) for form in forms}) == 1
    assert {host_of(form) for form in forms} == {"www.youtube.com"}
    assert source_name("https://youtu.be/0UsjUE-TXnS") != source_name(forms[0])


def test_addresses_differ_by_path_and_query_and_not_by_the_case_of_the_host() -> None:
    assert same_video("HTTP://Www.Handspeak.com:80/a/B.mp4#t=1") == "http://www.handspeak.com/a/B.mp4"
    assert same_video("http://a.org/B.mp4") != same_video("http://a.org/b.mp4")
    assert same_video("http://a.org/v?id=1") != same_video("http://a.org/v?id=2")
    assert host_of("http://a.org:8080/x") != host_of("http://a.org/x")


def test_a_name_in_the_store_is_safe_and_always_the_same() -> None:
    name = source_name("http://www.aslpro.com/main/b/book.swf")
    assert name == "videos/sources/www.aslpro.com-e7901fe82247b110.mp4"
    folder, file = source_name("http://xn--../%2e%2e/☃ é.mp4").rsplit("/", 1)
    assert folder == "videos/sources"
    assert file.isascii()
    assert not file.startswith(".")


def test_each_address_is_one_task_and_those_of_the_users_copies_are_none(tmp_path: Path) -> None:
    urls = ["https://youtu.be/0UsjUE-TXns", "http://a.org/1.mp4", "https://www.youtube.com/watch?v=0UsjUE-TXns"]
    tasks = tasks_of(tmp_path, urls)
    assert [task.item for task in tasks] == [source_name(urls[0]), source_name(urls[1])]
    assert tasks[0].value.url == urls[2]
    assert [task.item for task in tasks_of(tmp_path, urls, have=("00000", "00001"))] == [source_name(urls[0])]
    assert not tasks_of(tmp_path, urls, have=("00000", "00001", "00002"))


@pytest.mark.real
def test_wlasl100_has_1913_addresses_of_12_hosts_and_178_instances_share_one(real_data: Path) -> None:
    data = read_wlasl(real_data / "annotations" / "wlasl" / "WLASL100.json")
    tasks = download_tasks(data.instances, ())
    names = [source_name(one.url) for one in data.instances]
    assert len(tasks) == len({task.item for task in tasks}) == 1913
    assert sum(names.count(name) > 1 for name in names) == 178
    assert len({task.value.host for task in tasks}) == 12
    youtube = [task for task in tasks if task.value.host == "www.youtube.com"]
    assert len(youtube) == 572


def test_copies_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("00623.mp4", "00624.MKV", "00625.txt", ".00626.mp4", "00627.swf", "00627.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "00628.mp4").touch()
    (tmp_path / "00629.mp4").mkdir()
    found = videos_in(tmp_path)
    assert {video_id: path.name for video_id, path in found.items()} == {
        "00623": "00623.mp4",
        "00624": "00624.MKV",
        "00627": "00627.mp4",
    }


# --- one link


def test_a_link_is_fetched_whole_with_one_request(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/a/book.mp4"] = [(200, clip)]
    made = get(store, site.url("/a/book.mp4"))
    assert made.state == "done"
    assert made.output == source_name(site.url("/a/book.mp4"))
    assert made.info == {"url": site.url("/a/book.mp4"), "bytes": len(clip), "width": 64, "height": 48}
    assert store.names("") == [made.output]
    with store.reading(made.output) as path:
        assert path.read_bytes() == clip
    assert site.paths() == ["/a/book.mp4"]


def test_what_is_there_is_not_fetched_again(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/book.mp4"] = [(200, clip)]
    first, second = get(store, site.url("/book.mp4")), get(store, site.url("/book.mp4"))
    assert first.state == "done"
    assert second == first
    assert len(site.asked) == 1


def test_a_store_that_is_no_folder_gets_videos_too(site: Site, clip: bytes) -> None:
    store = Store("memory://downloads")
    site.answers["/book.mp4"] = [(200, clip)]
    made = get(store, site.url("/book.mp4"))
    assert store.names("") == [made.output]
    assert store.size(made.output) == len(clip)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_dead_and_asked_for_once(site: Site, store: Store, status: int) -> None:
    site.answers["/gone.mp4"] = [(status, b"gone")]
    made = get(store, site.url("/gone.mp4"))
    assert made.state == "dead"
    assert site.url("/gone.mp4") in made.words
    assert str(status) in made.words
    assert len(site.asked) == 1
    assert not store.names("")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(site: Site, store: Store, clip: bytes, status: int) -> None:
    site.answers["/book.mp4"] = [(status, b"later"), (status, b"later"), (200, clip)]
    assert get(store, site.url("/book.mp4")).state == "done"
    assert len(site.asked) == 3


def test_what_does_not_pass_has_failed_after_the_retries(site: Site, store: Store) -> None:
    site.answers["/book.mp4"] = [(500, b"broken")]
    made = get(store, site.url("/book.mp4"))
    assert (made.state, len(site.asked)) == ("failed", 3)
    assert "500" in made.words


def test_a_refusal_has_failed_and_is_not_insisted_on(site: Site, store: Store) -> None:
    site.answers["/book.mp4"] = [(403, b"no")]
    made = get(store, site.url("/book.mp4"))
    assert (made.state, len(site.asked)) == ("failed", 1)


def test_waits_get_longer_and_a_hosts_wish_is_followed(
    site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(polite, "rest", waits.append)
    site.answers["/book.mp4"] = [(503, b"later")]
    get(store, site.url("/book.mp4"), DownloadOptions(retries=3, backoff_s=2))
    assert [wait for wait in waits if wait] == [2, 4, 8]
    waits.clear()
    site.retry_after = "30"
    site.answers["/busy.mp4"] = [(429, b"later")]
    get(store, site.url("/busy.mp4"), DownloadOptions(retries=2, backoff_s=2))
    assert [wait for wait in waits if wait] == [30, 30]


def test_nobody_there_has_failed(store: Store) -> None:
    made = get(store, "http://127.0.0.1:9/book.mp4")
    assert made.state == "failed"
    assert "refused" in made.words


def test_a_host_that_says_nothing_has_failed(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/book.mp4"] = [(200, clip)]
    site.holds["/book.mp4"] = threading.Event()
    made = get(store, site.url("/book.mp4"), DownloadOptions(retries=1, backoff_s=0, timeout_s=0.3))
    assert (made.state, len(site.asked)) == ("failed", 2)


def test_half_a_video_is_none(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/book.mp4"] = [(200, clip)]
    site.short.add("/book.mp4")
    made = get(store, site.url("/book.mp4"))
    assert (made.state, len(site.asked)) == ("failed", 3)
    assert not store.names("")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<!DOCTYPE html><video src=advert.mp4>", "a page"), (b"\0" * 4000, "no video")],
)
def test_what_is_no_video_is_dead(site: Site, store: Store, content: bytes, words: str) -> None:
    site.answers["/book.mp4"] = [(200, content)]
    made = get(store, site.url("/book.mp4"))
    assert made.state == "dead"
    assert words in made.words
    assert site.paths() == ["/book.mp4"]
    assert not store.names("")


def test_an_address_that_names_no_file_is_looked_through(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/watch?id=1"] = [(200, clip)]
    made = get(store, site.url("/watch?id=1"))
    assert made.state == "done", made.words
    assert made.info["bytes"] == len(clip)


@pytest.mark.parametrize(
    "body", [b"This domain is for sale.", b"<video src='/1.mp4'></video><video src='/2.mp4'></video>"]
)
def test_a_page_without_a_video_or_with_several_is_dead(site: Site, store: Store, clip: bytes, body: bytes) -> None:
    site.answers |= {"/1.mp4": [(200, clip)], "/2.mp4": [(200, clip)]}
    site.answers["/watch?id=1"] = [(200, b"<!DOCTYPE html><html><body>" + body + b"</body></html>")]
    made = get(store, site.url("/watch?id=1"))
    assert (made.state, site.paths()) == ("dead", ["/watch?id=1"])
    assert not store.names("")


def test_nothing_at_all_has_failed(site: Site, store: Store) -> None:
    site.answers["/book.mp4"] = [(200, b"")]
    assert get(store, site.url("/book.mp4")).state == "failed"
    assert len(site.asked) == 1


def test_flash_is_asked_for_with_the_address_of_a_page(site: Site, store: Store, clip: bytes) -> None:
    site.answers["/main/b/book.swf"] = [(200, flash(5))]
    site.answers["/main/b/book.mp4"] = [(200, clip)]
    made = get(store, site.url("/main/b/book.swf"))
    assert made.state == "done", made.words
    with store.reading(made.output) as path:
        assert (probe(path).width, probe(path).height) == (64, 48)
    get(store, site.url("/main/b/book.mp4"))
    assert [headers.get("Referer") for _, headers in site.asked] == [site.url("/"), None]
    aslpro = Fetch(url="http://www.aslpro.com/main/b/book.swf", name="")
    assert aslpro.referer == "http://www.aslpro.com/cgi-bin/aslpro/aslpro.cgi"


def test_flash_without_a_video_inside_is_dead_and_says_so(site: Site, store: Store) -> None:
    site.answers["/book.swf"] = [(200, flash(0))]
    made = get(store, site.url("/book.swf"))
    assert made.state == "dead"
    assert "an .swf without a video inside" in made.words


def test_a_full_disk_stops_the_run_and_no_link_is_called_dead(
    site: Site, store: Store, tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yt_dlp.downloader.http import HttpFD

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(HttpFD, "sanitize_open", lambda self, name, mode: (Full(), name))
    urls = [site.url(f"/{number}.mp4") for number in range(5)]
    for number in range(5):
        site.answers[f"/{number}.mp4"] = [(200, clip)]
    tasks = tasks_of(tmp_path, urls)
    with Manifest(tmp_path / "out", writing=True) as manifest:
        with pytest.raises(SignError, match="no room"):
            fetch_all(tasks, store, manifest)
        assert not list(manifest.rows("download"))
    assert len(site.asked) == 1
    assert not [name for name in store.names("") if "sources" in name]


def test_a_folder_that_may_not_be_written_stops_the_run(
    site: Site, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Store, name: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Store, "writing", refuse)
    outcomes = in_threads(2, AT_ONCE)(fetcher(store, AT_ONCE), tasks_of(tmp_path, [site.url("/book.mp4")]))
    with pytest.raises(SignError, match=r"cannot be written \(Permission denied\)"):
        list(outcomes)


def test_without_yt_dlp_the_extra_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp.globals", None)
    with pytest.raises(SignError, match=r"pip install \"sign-studio\[data\]\""):
        fetcher(store, AT_ONCE)()


def test_the_users_own_settings_of_yt_dlp_are_left_alone(
    site: Site, store: Store, tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yt_dlp import globals

    home = tmp_path / "home"
    config = home / ".config" / "yt-dlp"
    config.mkdir(parents=True)
    (config / "config").write_text("--simulate\n")
    plugin = config / "plugins" / "mine" / "yt_dlp_plugins" / "extractor"
    plugin.mkdir(parents=True)
    (plugin / "mine.py").write_text("raise SystemExit('a plug-in of the user was loaded')\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    before = sorted(home.rglob("*"))
    monkeypatch.setattr(globals.all_plugins_loaded, "value", False)
    monkeypatch.setattr(globals.plugin_dirs, "value", ["default"])
    site.answers["/book.mp4"] = [(200, clip)]
    assert get(store, site.url("/book.mp4")).state == "done"
    assert sorted(home.rglob("*")) == before
    assert "Cookie" not in site.asked[0][1]


# --- YouTube


class FakeYouTube:
    """Stands for yt_dlp.YoutubeDL: says what YouTube would."""

    says = ""
    asked: list[str] = []  # noqa: RUF012
    settings: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, settings: dict[str, Any], auto_init: bool) -> None:
        type(self).settings = settings

    def __enter__(self) -> FakeYouTube:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def extract_info(self, url: str) -> dict[str, Any]:
        from yt_dlp.utils import DownloadError, ExtractorError

        self.asked.append(url)
        try:
            raise ExtractorError(self.says, video_id="0UsjUE-TXns", ie="Youtube", expected=True)
        except ExtractorError as error:
            raise DownloadError(f"ERROR: {error}", sys.exc_info()) from error


@pytest.fixture
def youtube(monkeypatch: pytest.MonkeyPatch) -> type[FakeYouTube]:
    fake = type("Fake", (FakeYouTube,), {"asked": []})
    monkeypatch.setattr("yt_dlp.YoutubeDL", fake)
    return fake


DEAD = (
    "Video unavailable",
    "Private video. Sign in if you've been granted access to this video",
    "This video has been removed by the uploader",
    "Video unavailable. This video is no longer available because the YouTube account associated with this video has "
    "been terminated.",
    "This video is no longer available due to a copyright claim by Someone",
    "The uploader has not made this video available in your country",
    "Sign in to confirm your age. This video may be inappropriate for some users.",
    "Join this channel to get access to members-only content like this video, and other exclusive perks.",
)
PASSING = (
    "Premieres in 3 hours",
    "The page needs to be reloaded.",
    "Failed to extract any player response",
    "Requested format is not available. Use --list-formats for a list of available formats",
)
REFUSED = (
    "Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies for the authentication.",
    "Video unavailable. This content isn't available, try again later. The current session has been rate-limited by "
    "YouTube for up to an hour.",
)


@pytest.mark.parametrize("says", DEAD)
def test_a_video_that_youtube_says_is_gone_is_dead(youtube: type[FakeYouTube], store: Store, says: str) -> None:
    youtube.says = says
    made = get(store, "https://youtu.be/0UsjUE-TXns")
    assert made.state == "dead"
    assert made.words.startswith("https://www.youtube.com/watch?v=0UsjUE-TXns: ")
    assert says[:20] in made.words
    assert youtube.asked == ["https://www.youtube.com/watch?v=0UsjUE-TXns"]


@pytest.mark.parametrize(("says", "times"), [*((one, 3) for one in PASSING), *((one, 1) for one in REFUSED)])
def test_what_youtube_may_give_later_has_failed(
    youtube: type[FakeYouTube], store: Store, says: str, times: int
) -> None:
    youtube.says = says
    assert get(store, "https://youtu.be/0UsjUE-TXns").state == "failed"
    assert len(youtube.asked) == times


def test_youtube_is_asked_for_one_picture_stream_of_at_most_480_lines(youtube: type[FakeYouTube], store: Store) -> None:
    get(store, "https://youtu.be/0UsjUE-TXns")
    asked = {name: youtube.settings[name] for name in ("format", "format_sort", "noplaylist", "cachedir")}
    assert asked == {
        "format": "bv*/b",
        "format_sort": ["height:480", "vcodec:h264"],
        "noplaylist": True,
        "cachedir": False,
    }
    assert not {"cookiefile", "cookiesfrombrowser", "usenetrc"} & set(youtube.settings)


def test_of_several_sizes_the_largest_up_to_480_lines_is_chosen() -> None:
    from yt_dlp import YoutubeDL

    from models.data.download import _settings

    def chosen(*formats: tuple[int, str]) -> str:
        settings = _settings(Fetch(url="https://youtu.be/0UsjUE-TXns", name="a"), Path("x"), "x", AT_ONCE)
        with YoutubeDL({**settings, "simulate": True}) as downloader:
            info = {
                "id": "a",
                "title": "a",
                "extractor": "a",
                "extractor_key": "A",
                "formats": [
                    {"format_id": f"{height}-{codec}", "url": "http://a.org/a", "height": height, "vcodec": codec}
                    | {"acodec": "none", "ext": "mp4", "width": height * 2}
                    for height, codec in formats
                ],
            }
            return str(downloader.process_ie_result(info)["format_id"])

    assert chosen((144, "avc1"), (480, "avc1"), (480, "av01"), (1080, "avc1")) == "480-avc1"
    assert chosen((240, "avc1"), (360, "vp9"), (720, "avc1")) == "360-vp9"
    assert chosen((720, "avc1"), (1080, "avc1")) == "720-avc1"


def test_an_error_of_another_kind_is_none_of_a_dead_link() -> None:
    refusal = refusal_of(RuntimeError("something new"))
    assert (refusal.dead, refusal.retry, refusal.words) == (False, True, "something new")


# --- many


def fetch_all(tasks: list[Task], store: Store, manifest: Manifest, workers: int = 4, **how: Any) -> None:
    carry_out(
        "download",
        tasks,
        fetcher(store, AT_ONCE),
        total=len(tasks),
        manifest=manifest,
        store=store,
        engine=in_threads(workers, AT_ONCE),
        **how,
    )


def test_a_dead_link_is_recorded_once_and_tried_again_when_asked(
    site: Site, store: Store, tmp_path: Path, clip: bytes
) -> None:
    site.answers["/book.mp4"] = [(200, clip)]
    site.answers["/later.mp4"] = [(403, b"")]
    tasks = tasks_of(tmp_path, [site.url(path) for path in ("/book.mp4", "/gone.mp4", "/later.mp4")])
    with Manifest(tmp_path / "out", writing=True) as manifest:
        for _ in range(2):
            fetch_all(tasks, store, manifest)
        assert manifest.counts("download") == {"done": 1, "rejected": 0, "failed": 1, "dead": 1}
        assert sorted(site.paths()) == ["/book.mp4", "/gone.mp4", "/later.mp4", "/later.mp4"]
        fetch_all(tasks, store, manifest, again={"failed", "dead"})
        assert site.paths().count("/gone.mp4") == 2
        assert site.paths().count("/book.mp4") == 1


def test_a_host_is_asked_for_one_video_at_a_time_and_hosts_at_once(
    site: Site, other_site: Site, store: Store, tmp_path: Path, clip: bytes
) -> None:
    hold = threading.Event()
    for one in (site, other_site):
        for number in range(4):
            one.answers[f"/{number}.mp4"] = [(200, clip)]
        one.holds["/0.mp4"] = hold
    urls = [one.url(f"/{number}.mp4") for number in range(4) for one in (site, other_site)]
    outcomes = in_threads(8, AT_ONCE)(fetcher(store, AT_ONCE), tasks_of(tmp_path, urls))
    while not (site.asked and other_site.asked):  # neither waits for the other
        assert next(outcomes) is None
    hold.set()
    made = [outcome.made.state for outcome in outcomes if outcome is not None]
    assert made == ["done"] * 8
    assert (site.most_at_once, other_site.most_at_once) == (1, 1)
    assert site.paths() == [f"/{number}.mp4" for number in range(4)]


def plain_tasks(*names: str) -> list[Task]:
    """Tasks of hosts that are the names' first letters."""
    return [Task(item=name, made_from="", value=name) for name in names]


def run(make: Any, tasks: list[Task], *, workers: int = 4, pause_s: float = 0.0) -> Iterator[Outcome | None]:
    engine = polite.in_threads(workers, host=lambda task: task.item[0], pause_s=lambda outcome: pause_s)
    return engine(make, tasks)


def done(value: str) -> Made:
    return Made(output=value)


def test_a_host_has_its_pause_and_another_does_not_wait_for_it() -> None:
    with closing(run(lambda: done, plain_tasks("a1", "b1", "a2"), pause_s=3600)) as outcomes:  # type: ignore[type-var]
        first = [next(outcomes) for _ in range(8)]
    assert sorted(one.task.item for one in first if one) == ["a1", "b1"]


def test_no_more_are_at_work_than_workers_and_the_longest_queue_comes_first() -> None:
    at_work, most = [0], [0]
    lock = threading.Lock()

    def slowly(value: str) -> Made:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        polite.rest(0.02)
        with lock:
            at_work[0] -= 1
        return Made(output=value)

    tasks = plain_tasks("a1", "b1", "c1", "d1", "d2", "d3")
    order = [one.task.item for one in run(lambda: slowly, tasks, workers=2) if one]
    assert most == [2]
    assert sorted(order) == sorted(task.item for task in tasks)
    assert next(one.task.item for one in run(lambda: done, tasks, workers=1) if one) == "d1"


def test_what_is_made_is_made_once_and_not_at_all_for_nothing() -> None:
    calls: list[int] = []

    def make() -> Any:
        calls.append(1)
        return done

    assert not list(run(make, []))
    assert not calls
    assert len([one for one in run(make, plain_tasks("a1", "b1", "c1")) if one]) == 3
    assert calls == [1]


def test_closing_ends_those_that_wait() -> None:
    ends: list[str] = []

    def endless(value: str) -> Made:
        try:
            polite.rest(3600)
        except Cancelled:
            ends.append(value)
            raise
        return Made()

    with closing(run(lambda: endless, plain_tasks("a1", "b1", "b2"))) as outcomes:  # type: ignore[type-var]
        assert next(outcomes) is None
    assert sorted(ends) == ["a1", "b1"]


def test_closing_ends_a_download_in_the_middle(
    site: Site, store: Store, tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, told = threading.Event(), threading.Event()
    go_on = polite.go_on

    def tell_and_wait() -> None:
        started.set()
        told.wait(20)
        go_on()

    monkeypatch.setattr(polite, "go_on", tell_and_wait)
    site.answers["/book.mp4"] = [(200, clip)]
    outcomes = in_threads(2, AT_ONCE)(fetcher(store, AT_ONCE), tasks_of(tmp_path, [site.url("/book.mp4")]))
    with closing(outcomes):  # type: ignore[type-var]
        while not started.is_set():
            assert next(outcomes) is None
        names = [name.rsplit("/", 1)[1] for name in store.names("")]
        assert names and all(name.startswith(".part-") for name in names)  # what a killed run leaves is swept
        threading.Timer(0.05, told.set).start()
    assert not store.names("")


def test_a_failure_of_one_is_no_failure_of_the_others() -> None:
    def odd(value: str) -> Made:
        if value == "a1":
            raise RuntimeError("broken")
        return Made()

    made = {one.task.item: one.made for one in run(lambda: odd, plain_tasks("a1", "a2", "b1")) if one}
    assert {item: one.state for item, one in made.items()} == {"a1": "failed", "a2": "done", "b1": "done"}
    assert "broken" in made["a1"].words


def test_a_host_that_keeps_failing_is_left_alone(
    site: Site, other_site: Site, store: Store, tmp_path: Path, clip: bytes
) -> None:
    other_site.answers["/book.mp4"] = [(200, clip)]
    for number in range(6):
        site.answers[f"/{number}.mp4"] = [(403, b"")]
    site.answers["/1.mp4"] = [(404, b"")]  # an answer, so the count begins anew
    options = DownloadOptions(retries=0, pause_s=0, give_up_after=3)
    tasks = tasks_of(tmp_path, [*(site.url(f"/{number}.mp4") for number in range(6)), other_site.url("/book.mp4")])
    outcomes = [one for one in in_threads(2, options)(fetcher(store, options), tasks) if one]
    made = {one.task.value.url: one.made for one in outcomes}
    assert [urlsplit(url).path for url, one in made.items() if "not asked for" in one.words] == ["/5.mp4"]
    assert made[site.url("/5.mp4")].state == "failed"
    assert made[other_site.url("/book.mp4")].state == "done"
    assert len(site.asked) == 5


def test_links_that_never_work_do_not_hide_those_behind_them(
    site: Site, store: Store, tmp_path: Path, clip: bytes
) -> None:
    site.answers = {f"/{number}.mp4": [(403, b"")] if number < 3 else [(200, clip)] for number in range(15)}
    options = DownloadOptions(retries=0, pause_s=0, give_up_after=3)
    tasks = tasks_of(tmp_path, [site.url(f"/{number}.mp4") for number in range(15)])
    list(in_threads(2, options)(fetcher(store, options), tasks))
    assert site.paths() == [f"/{number}.mp4" for number in (0, 1, 2, 12, 13, 14)]


def test_a_pause_follows_each_request_and_nothing_else(
    site: Site, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers = {f"/{number}.mp4": [(403, b"")] for number in range(4)}
    options = DownloadOptions(retries=0, pause_s=7, give_up_after=2)
    given: dict[str, Any] = {}
    monkeypatch.setattr(polite, "in_threads", lambda workers, **how: given.update(how))
    in_threads(1, options)
    function = fetcher(store, options)()
    tasks = tasks_of(tmp_path, [site.url(f"/{number}.mp4") for number in range(4)])
    assert [given["pause_s"](attempt(function, task)) for task in tasks] == [7, 7, 0, 0]
    assert len(site.asked) == 2
