"""Addresses of videos: which of them are the same video, who serves it, and how its file is called in the store."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qs, urlsplit, urlunsplit

SOURCES = "videos/sources"
_YOUTUBE = re.compile(r"(?:(?:www|m|music)\.)?youtube(?:-nocookie)?\.com|(?:www\.)?youtu\.be")
_YOUTUBE_ID = re.compile(r"[\w-]{11}", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def same_video(url: str) -> str:
    """One address for all the ways to write it: youtu.be is youtube.com, a time or a list is left away, as is a
    fragment; letters of the host are small. Two addresses with the same result are the same video."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").rstrip(".")
    if _YOUTUBE.fullmatch(host):
        found = _youtube_id(host, parts.path, parts.query)
        if found:
            return f"https://www.youtube.com/watch?v={found}"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path or "/", parts.query, ""))


def host_of(url: str) -> str:
    """Who is asked for a video: host and port; all forms of YouTube are one."""
    return urlsplit(same_video(url)).netloc


def is_address(url: str) -> bool:
    """Whether this is a web address with a host."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        return False


def source_name(url: str) -> str:
    """The name in the store of the video of an address. The suffix says nothing of what is inside: it is always .mp4,
    and decoders look at the content."""
    same = same_video(url)
    host = re.sub(r"[^a-z0-9.-]", "-", urlsplit(same).hostname or "")[:60].strip(".-")
    return f"{SOURCES}/{host or 'host'}-{hashlib.sha256(same.encode()).hexdigest()[:16]}.mp4"


def _youtube_id(host: str, path: str, query: str) -> str | None:
    pieces = [piece for piece in path.split("/") if piece]
    if host.endswith("youtu.be"):
        asked = pieces[0] if pieces else ""
    elif len(pieces) > 1 and pieces[0] in ("embed", "v", "shorts", "live"):
        asked = pieces[1]
    else:
        asked = parse_qs(query).get("v", [""])[0]
    return asked if _YOUTUBE_ID.fullmatch(asked) else None
