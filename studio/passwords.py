"""Who may use a studio that asks for a password: a file of names and hashed passwords, or one password for everybody.

A line of the file is `name:scrypt:cost:salt:hash`, as `signstudio app-password` prints it. A password never stands in
a command, a log, a message or a file: it is typed, or comes in an environment variable, which is taken out of the
environment at once, so that jobs which the studio starts do not inherit it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import SignError

PASSWORD = "SIGN_STUDIO_PASSWORD"
SHORTEST = 8
_COST, _MOST_COST = 2**15, 2**18  # 2**15 takes 32 MB and about a tenth of a second
_MEMORY = 1024**3


@dataclass(frozen=True, kw_only=True)
class Login:
    """Hashed passwords by name; under None, one that every name may use."""

    lines: Mapping[str | None, str] = field(repr=False)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def shared(self) -> bool:
        return None in self.lines

    async def allows(self, name: str, password: str) -> bool:
        """Whether the password is right. One at a time, apart from the event loop: guessing cannot take the machine."""
        async with self._one:
            return await asyncio.to_thread(self.check, name, password)

    def check(self, name: str, password: str) -> bool:
        """Whether the password is right; an unknown name takes as long as a wrong password."""
        known = self.lines.get(None) if self.shared else self.lines.get(name)
        return _is_right(password, known or _NOBODY) and known is not None


def login(file: Path | None) -> Login | None:
    """The login that a file or SIGN_STUDIO_PASSWORD asks for; None when neither does.

    Raises SignError when both do, or when what they hold cannot be used; the message has no password in it.
    """
    shared = os.environ.pop(PASSWORD, None)
    if file is None:
        return None if shared is None else Login(lines={None: hashed(shared)})
    if shared is not None:
        raise SignError(f"{PASSWORD} is set, and {file} has passwords too; use one of the two.")
    return Login(lines=_read(file))


def hashed(password: str) -> str:
    """The password as it may be written down. Raises SignError when it is too short."""
    if len(password) < SHORTEST:
        raise SignError(f"The password is too short; use {SHORTEST} characters or more.")
    salt = secrets.token_bytes(16)
    return f"scrypt:{_COST}:{_text(salt)}:{_text(_scrypt(password, salt, _COST))}"


def line(name: str, password: str) -> str:
    """A line of the file. Raises SignError for a name that cannot stand in it."""
    name = name.strip()
    if not name or ":" in name or name.startswith("#") or not name.isprintable():
        raise SignError(f"{name!r} cannot be a user's name; use letters, digits, dots and dashes.")
    return f"{name}:{hashed(password)}"


def _read(file: Path) -> dict[str | None, str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SignError(
            f"{file}: the file of passwords cannot be read; make it with `signstudio app-password`."
        ) from error
    found: dict[str | None, str] = {}
    for number, one in enumerate(text.splitlines(), start=1):
        if not one.strip() or one.lstrip().startswith("#"):
            continue
        name, _, rest = one.strip().partition(":")
        try:
            _parts(rest)
        except ValueError as error:
            raise SignError(
                f"{file}, line {number}: this is no name and hashed password; make it with `signstudio app-password`."
            ) from error
        found[name] = rest
    if not found:
        raise SignError(f"{file}: there is no user in it; add one with `signstudio app-password`.")
    return found


def _parts(text: str) -> tuple[int, bytes, bytes]:
    kind, cost, salt, made = text.split(":")
    parts = int(cost), base64.b64decode(salt, validate=True), base64.b64decode(made, validate=True)
    if kind != "scrypt" or not 2**14 <= parts[0] <= _MOST_COST or parts[0] & (parts[0] - 1) or len(parts[2]) != 32:
        raise ValueError("not a line of ours")
    return parts


def _is_right(password: str, known: str) -> bool:
    cost, salt, made = _parts(known)
    return hmac.compare_digest(_scrypt(password, salt, cost), made)


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    encoded = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(encoded, salt=salt, n=cost, r=8, p=1, dklen=32, maxmem=_MEMORY)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_NOBODY = f"scrypt:{_COST}:{_text(bytes(16))}:{_text(bytes(32))}"
