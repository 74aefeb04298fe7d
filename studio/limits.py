"""What the studio accepts, in one place; a host sets the same through environment variables (docs/limits.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import SignError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on uploads, on what is kept, and on work at one time."""

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
    runs_per_session: int = 4
    """Runs of one page that may wait or work."""
    runs_per_client: int = 16
    """Runs of all pages of one network address that may wait or work. Addresses are shared, by a class for instance."""
    pages_per_client: int = 100
    """Pages of one network address that are remembered; the one that was used least recently is closed for the next."""
    max_session_mb: int = 4096
    """What the results of one page may take before it has to be loaded again, megabytes."""
    max_client_mb: int = 20480
    """What one network address may upload within `keep_uploads_hours`, megabytes."""
    max_disk_mb: int = 20480
    """What all uploads and results may take before new ones are refused, megabytes."""
    keep_uploads_hours: int = 24
    """Uploads are deleted after so many hours."""
    keep_results_hours: int = 6
    """Results are deleted when their page is closed, or after so many hours in which it asked for nothing."""
    proxies: int = 0
    """Proxies in front of the studio, each of which adds the address that it was called from to X-Forwarded-For."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "proxies" else 1
            if value < least:
                raise SignError(f"SIGN_STUDIO_{name.upper()} is {value}; it has to be {least} or more.")

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1024 * 1024

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **values: int) -> Limits:
        """The defaults, but for `values`; each overridden by SIGN_STUDIO_<NAME> where that is set.

        Raises SignError when what is set is no number, or less than can be.
        """
        for name in cls.__dataclass_fields__:
            text = environment.get(f"SIGN_STUDIO_{name.upper()}")
            if text is None:
                continue
            try:
                values[name] = int(text)
            except ValueError as error:
                raise SignError(f"SIGN_STUDIO_{name.upper()} is {text!r}; it has to be a whole number.") from error
        return cls(**values)
