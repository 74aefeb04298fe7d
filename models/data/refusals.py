"""What a failed download means: whether the link leads nowhere for good, or asking again may help.

yt-dlp raises one kind of error for everything. Where it keeps what caused it, that tells most: the status of a host's
answer, a connection that broke. What YouTube says about a video is there as text only, and so is much of what yt-dlp's
downloader met. Whatever is not known is taken for something that may pass: a link is dead when somebody said so.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_LONGEST_WAIT_S = 120.0
_GONE = {404: "it is not there", 410: "it was removed", 451: "it was taken down for legal reasons"}
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

# Texts of YouTube and yt-dlp; the first that is found counts. "Video unavailable" comes with many of the others.
_SAID: tuple[tuple[str, Literal["dead", "refused", "passing"]], ...] = (
    (r"did not get any data|certificate.verify", "refused"),
    (r"not a bot|rate.?limited|try again later|too many requests", "refused"),
    (r"live event will begin|premieres in|is not currently live|page needs to be reloaded", "passing"),
    (r"private video|video is private|members.only|join this channel", "dead"),
    (r"confirm your age|age.restricted|inappropriate for some users", "dead"),
    (r"has been (removed|terminated|deleted|closed)|no longer available|does not exist|copyright", "dead"),
    (r"(blocked|not available|not made this video available|restricted).*\bcountr", "dead"),
    (r"video (is )?(unavailable|not available)|isn.t available", "dead"),
    (r"unsupported url|no video could be found|no media found", "dead"),
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a download failed."""

    dead: bool
    """It is of no use to ask again."""
    retry: bool
    """It may help to ask again within minutes."""
    words: str
    """Half a sentence."""
    after_s: float = 0.0
    """The host asks to wait so long."""


def refusal_of(error: BaseException) -> Refusal:
    """What an error of yt-dlp means."""
    from yt_dlp.networking.exceptions import HTTPError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, HTTPError):
            return _of_status(cause.status, cause.response.headers.get("Retry-After"))
    said = next((str(one.orig_msg) for one in causes if hasattr(one, "orig_msg")), str(error))
    return _of_text(_plain(said))


def is_full(error: BaseException) -> bool:
    """Whether there was no room on the disk."""
    return any(isinstance(cause, OSError) and cause.errno in _FULL for cause in _causes(error))


def _of_status(status: int, after: str | None) -> Refusal:
    if status in _GONE:
        return Refusal(dead=True, retry=False, words=f"{_GONE[status]} ({status})")
    after_s = min(float(after), _LONGEST_WAIT_S) if after is not None and after.isdecimal() else 0.0
    words = "its host is out of order" if status >= 500 else "its host refused"
    return Refusal(dead=False, retry=status in _PASSING, words=f"{words} ({status})", after_s=after_s)


def _of_text(text: str) -> Refusal:
    status = re.search(r"HTTP Error (\d{3})", text)  # yt-dlp's downloader keeps no more of a 5xx than this
    if status:
        return _of_status(int(status[1]), None)
    for pattern, kind in _SAID:
        if re.search(pattern, text, re.IGNORECASE):
            return Refusal(dead=kind == "dead", retry=kind == "passing", words=text)
    return Refusal(dead=False, retry=True, words=text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, by Python's and by yt-dlp's own ways to say so."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            told = getattr(one, "exc_info", None)
            inner = told[1] if isinstance(told, tuple) and len(told) > 1 else None
            todo += [inner, getattr(one, "cause", None), one.__cause__, one.__context__]


def _plain(text: str) -> str:
    """A message on one line, not too long, without colours and the sender's name."""
    line = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    line = re.sub(r"^(ERROR: )?(\[[\w:+]+\] )?(Got error: )?", "", line)
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return line[:200].rstrip(" .") or "no reason given"
