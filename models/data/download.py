"""Videos from the addresses of a list, each address once, with yt-dlp.

Design choices:

- Links that end in a video's suffix are fetched as they are, with one request. Only others (YouTube) are looked through
  for a video: a page that took the place of a clip may well show another one.
- A link of a site that gives its files only to its own pages carries the address of such a page as Referer. For aslpro
  it is the one that WLASL's downloader sends (https://github.com/dxli94/WLASL, start_kit/video_downloader.py).
- One video stream without sound, of at most `max_height` where the host offers several; nothing is encoded anew.
- What arrives is looked into: a page, an empty file or an .swf that only plays a video from elsewhere is no video.
- A file that is there already was fetched whole, and is not fetched again, whatever the manifest says.
- yt-dlp gets no cookies, no configuration, no plug-ins of the user, and no cache. It writes files that begin with
  `.part-`, as the store does, beside the place where the video goes; a killed run leaves nothing that is not swept.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models.data import polite
from models.data.links import host_of, same_video
from models.data.links import source_name as source_name
from models.data.refusals import Refusal, is_full, refusal_of
from models.data.store import Store
from models.data.wlasl_file import Instance
from models.data.work import Engine, Made, Make, Task, fingerprint
from models.errors import SignError, VideoError
from models.video import VideoInfo, probe

REFERERS = {"www.aslpro.com": "http://www.aslpro.com/cgi-bin/aslpro/aslpro.cgi"}
"""By host. Other .swf carry the address of the site's first page."""
SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".flv", ".swf", ".wmv", ".mpg", ".mpeg"})
"""Of links that are a video themselves, and of copies that a user has."""

_ASK_EVERY = 10
_LOG = logging.getLogger(__name__)
_YT_DLP_LOG = _LOG.getChild("yt_dlp")
_YT_DLP_LOG.addHandler(logging.NullHandler())
_YT_DLP_LOG.propagate = False  # it says everything twice, on its way and in the error


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """How patiently, and how large."""

    retries: int = 3
    """After a failure that may pass."""
    backoff_s: float = 2.0
    """Wait before the first retry; twice as long before each that follows."""
    pause_s: float = 1.0
    """Between two videos of the same host."""
    timeout_s: float = 20.0
    """Without a sign of the host."""
    max_height: int = 480
    """Pixels; the smallest there is where all are larger, and the only one where there is one."""
    give_up_after: int = 5
    """After so many videos in a row that a host failed to give, it is asked for every tenth only, until one comes."""

    def __post_init__(self) -> None:
        if min(self.retries, self.backoff_s, self.pause_s) < 0 or min(self.max_height, self.give_up_after) < 1:
            raise ValueError(f"{self}: nothing here is negative, max_height and give_up_after are at least 1")


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """A video to fetch."""

    url: str
    name: str
    """Of the file, in the store."""

    @property
    def host(self) -> str:
        """Who is asked for it."""
        return host_of(self.url)

    @property
    def suffix(self) -> str:
        """Of the address, in small letters."""
        return Path(urlsplit(self.url).path).suffix.lower()

    @property
    def referer(self) -> str | None:
        """The page that the link is said to be on."""
        parts = urlsplit(self.url)
        first_page = f"{parts.scheme}://{parts.netloc}/" if self.suffix == ".swf" else None
        return REFERERS.get(self.host, first_page)


def videos_in(folder: Path) -> dict[str, Path]:
    """Videos that are here already, by video id: the files of a folder that are named `video_id.*`.

    Where there are several of one name, the first by alphabet. Empty files count for nothing: broken copies of the
    data set are full of them.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".")
        if not hidden and path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size:
            found.setdefault(path.stem, path)
    return found


def download_tasks(instances: Iterable[Instance], have: Collection[str]) -> list[Task]:
    """One task for each video that an instance asks for whose id is not among `have`; in their order.

    The task's item is the video's name in the store.
    """
    tasks: dict[str, Task] = {}
    for one in instances:
        if one.video_id not in have:
            url = same_video(one.url)
            name = source_name(url)
            if name not in tasks:
                tasks[name] = Task(item=name, made_from=fingerprint(url), value=Fetch(url=url, name=name))
    return list(tasks.values())


def in_threads(workers: int, options: DownloadOptions | None = None) -> Engine:
    """The engine for downloads: so many at once, each host asked for one video at a time, with a pause in between."""
    options = options or DownloadOptions()
    return polite.in_threads(
        workers,
        host=lambda task: task.value.host,
        pause_s=lambda outcome: options.pause_s if outcome.made.info.get("asked", True) else 0.0,
    )


def fetcher(store: Store, options: DownloadOptions | None = None) -> Make:
    """What fetches the videos of `download_tasks` into a store.

    Dead is what its host says is gone or is no video. Anything else that goes wrong has failed, and another run tries
    again. A full disk ends the run. Raises SignError when yt-dlp is not installed.
    """
    return partial(_open, store, options or DownloadOptions())


def _open(store: Store, options: DownloadOptions) -> Callable[[Fetch], Made]:
    try:
        from yt_dlp.globals import plugin_dirs
    except ImportError as error:
        raise SignError(
            'Downloads need yt-dlp, which is not installed; run `pip install "sign-studio[data]"`, or give the folder '
            "with the videos that you have."
        ) from error
    plugin_dirs.value = []
    return partial(_fetch, store, options, Counter())


def _fetch(store: Store, options: DownloadOptions, in_a_row: Counter[str], fetch: Fetch) -> Made:
    """in_a_row: by host, how many videos it failed to give since it gave one."""
    if store.size(fetch.name) is not None:
        with store.reading(fetch.name) as path:
            return _done(fetch, path)
    beyond = in_a_row[fetch.host] - options.give_up_after
    if beyond >= 0 and (beyond + 1) % _ASK_EVERY:
        in_a_row[fetch.host] += 1
        words = f"{fetch.url}: not asked for, because {fetch.host} failed time after time; the next run tries again."
        return Made(state="failed", words=words, info={"asked": False})
    found = _try(store, options, fetch)
    for trial in range(options.retries):
        if isinstance(found, Made) or not found.retry:
            break
        polite.rest(max(options.backoff_s * 2**trial, found.after_s))
        found = _try(store, options, fetch)
    if isinstance(found, Made):
        in_a_row[fetch.host] = 0
        return found
    in_a_row[fetch.host] = 0 if found.dead else in_a_row[fetch.host] + 1
    return Made(state="dead" if found.dead else "failed", words=f"{fetch.url}: {found.words}.")


def _try(store: Store, options: DownloadOptions, fetch: Fetch) -> Made | Refusal:
    """Fetch a video once. Raises StopAll when there is no room for it, or it may not be written."""
    from yt_dlp.utils import YoutubeDLError

    try:
        with store.writing(fetch.name) as path:
            _download(fetch, path, options)
            made = _done(fetch, path)
    except VideoError as error:
        return Refusal(dead=True, retry=False, words=str(error))
    except (YoutubeDLError, OSError) as error:
        if is_full(error):
            raise polite.StopAll(f"There is no room left in {store.place} for the next video; make some.") from error
        if isinstance(error, PermissionError):
            raise polite.StopAll(f"{store.place} cannot be written ({error.strerror}); give another folder.") from error
        return refusal_of(error)
    return made


def _done(fetch: Fetch, path: Path) -> Made:
    """What is told of a video that was fetched. Raises VideoError when it is none."""
    video = _look_into(path)
    info = {"url": fetch.url, "bytes": path.stat().st_size, "width": video.width, "height": video.height}
    return Made(output=fetch.name, info=info)


def _download(fetch: Fetch, path: Path, options: DownloadOptions) -> None:
    """Let yt-dlp fetch a video to a path. Raises what yt-dlp raises, and VideoError for what is not one video."""
    from yt_dlp import YoutubeDL

    stem = f"{path.stem}-got"
    try:
        is_link = fetch.suffix in SUFFIXES
        with YoutubeDL(_settings(fetch, path.parent, stem, options), auto_init=not is_link) as downloader:
            if is_link:
                link = {"id": stem, "title": stem, "url": fetch.url, "ext": fetch.suffix[1:], "direct": True}
                found = downloader.process_ie_result({**link, "extractor": "link", "extractor_key": "Link"})
            else:
                found = downloader.extract_info(fetch.url)
        got = [Path(one["filepath"]) for one in (found or {}).get("requested_downloads") or ()]
        if len(got) != 1:
            raise VideoError("a page with a list of videos, or with none")
        got[0].replace(path)
    finally:
        for rest in path.parent.glob(f"{stem}*"):
            rest.unlink()


def _settings(fetch: Fetch, folder: Path, stem: str, options: DownloadOptions) -> dict[str, Any]:
    """Parameters of yt-dlp."""
    return {
        "paths": {"home": str(folder)},
        "outtmpl": {"default": f"{stem}.%(ext)s"},
        "format": "bv*/b",
        "format_sort": [f"height:{options.max_height}", "vcodec:h264"],
        "noplaylist": True,
        "playlist_items": "0",  # of a page with several videos, none: nobody knows which is meant
        "http_headers": {"Referer": fetch.referer} if fetch.referer else {},
        "socket_timeout": options.timeout_s,
        "retries": 0,  # tried again here, where the kind of failure counts
        "extractor_retries": 0,
        "fragment_retries": 3,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,  # a video with a hole has its signs at the wrong time
        "continuedl": False,
        "overwrites": True,
        "updatetime": False,
        "fixup": "never",
        "cachedir": False,
        "logger": _YT_DLP_LOG,
        "color": "no_color",
        "noprogress": True,
        "quiet": True,
        "progress_hooks": [lambda _: polite.go_on()],
    }


def _look_into(path: Path) -> VideoInfo:
    """What arrived, if it is a video. Raises VideoError."""
    try:
        return probe(path)
    except VideoError as error:
        with path.open("rb") as file:
            start = file.read(512).lstrip()
        if start[:3] in (b"FWS", b"CWS", b"ZWS"):
            words = "an .swf without a video inside; it only plays one from elsewhere"
        elif start[:1] == b"<":
            words = "a page came instead of a video"
        else:
            words = f"what came is no video that can be read ({path.stat().st_size} bytes)"
        raise VideoError(words) from error
