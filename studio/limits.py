"""What the studio accepts, in one place; a host sets the same through environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from models.errors import SignError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on uploads and on work at one time."""

    max_upload_mb: int = 2048
    """Largest file the browser may send, megabytes."""
    max_clip_minutes: int = 30
    """Longest clip worked on in the browser, minutes; the command line has no limit."""
    max_batch_clips: int = 50
    """Most clips in one batch in the browser."""
    concurrent_runs: int = 1
    """Runs at one time; more wait in the queue, because each one uses every core."""
    queue_length: int = 32
    """Runs that may wait; the next one is told that the studio is busy."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise SignError(f"SIGN_STUDIO_{name.upper()} is {value}; it has to be 1 or more.")

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1024 * 1024

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, each overridden by SIGN_STUDIO_<NAME> where that is set; SignError when it is no number."""
        values = {}
        for name in cls.__dataclass_fields__:
            text = os.environ.get(f"SIGN_STUDIO_{name.upper()}")
            if text is None:
                continue
            try:
                values[name] = int(text)
            except ValueError as error:
                raise SignError(f"SIGN_STUDIO_{name.upper()} is {text!r}; it has to be a whole number.") from error
        return cls(**values)
