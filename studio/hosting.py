"""Where the studio runs, read from the environment in one place, and what follows from that.

On the user's own computer nothing is special. On a server (a Hugging Face Space, a container, any address that others
reach) the page says so, and what could harm others is off. On ZeroGPU, a Space that lends a GPU for a minute or two at
a time, the functions that are marked with `gpu` run in a worker that is forked for them: what they take and give is
pickled, an exception of theirs would lose its words, and neither MediaPipe nor OpenMP's threads outlive the fork.
So such a function is a generator of plain values, it is as small as can be, and errors cross over as values.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import SignError
from models.progress import Cancelled
from studio.jobs import ROOT_VARIABLE
from studio.texts import later

DATA_VARIABLE = "SIGN_STUDIO_DATA"
HUB_VARIABLE = "HF_HOME"
SPACE_STORAGE = Path("/data")
"""Where a Space has its persistent storage, if it has any."""

KEPT = later(
    "This server has storage of its own: training runs and weights that were fetched outlive a restart, your uploads "
    "and results do not."
)
GONE = later(
    "This server has no storage of its own: when it restarts, all that was made here is gone, so download what you "
    "want to keep."
)
NOT_FOR_ALL = later(
    "Training from this page is off, because everybody who can open it could start, stop and delete runs. Whoever "
    "runs this server turns it on by setting SIGN_STUDIO_TRAIN=1; `signstudio train` on the command line works anyway."
)
NOT_ON_LOAN = later(
    "Training is off here: this Space is on ZeroGPU, which lends a GPU for minutes only, and longer work is cut. Train "
    "on your own computer, or on a Space with a GPU of its own."
)


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """Where the studio runs."""

    hosted: bool = False
    """Whether others can reach it, so that it is not on the user's own computer."""
    space: bool = False
    """Whether it is on a Hugging Face Space."""
    zero_gpu: bool = False
    """Whether a GPU is lent to single functions, for minutes."""
    data: Path | None = None
    """The folder that outlives a restart, where one is set or found."""
    trains_for_all: bool = False
    """Whether whoever runs a server wants its visitors to train there."""

    @property
    def proxies(self) -> int:
        """How many proxies are surely in front of the studio."""
        return 1 if self.space else 0

    @property
    def storage(self) -> str:
        """What becomes of things on a server, in a sentence; empty where that is not known."""
        if not self.hosted:
            return ""
        if self.data is not None:
            return KEPT
        return GONE if self.space else ""

    @property
    def no_training(self) -> str:
        """Why nothing can be trained from the page; empty where it can."""
        if self.zero_gpu:
            return NOT_ON_LOAN
        return NOT_FOR_ALL if self.hosted and not self.trains_for_all else ""


AT_HOME = Hosting()


def read(environment: Mapping[str, str], host: str | None = None, storage: Path = SPACE_STORAGE) -> Hosting:
    """Where the studio runs. host: the address it was told to serve on. storage: where a Space would have its own."""
    space = "SPACE_ID" in environment
    return Hosting(
        hosted=space or host is not None or "GRADIO_SERVER_NAME" in environment,
        space=space,
        zero_gpu=on_loan(environment),
        data=_data(environment, space, storage),
        trains_for_all=environment.get("SIGN_STUDIO_TRAIN") == "1",
    )


def prepare(where: Hosting) -> None:
    """Set the environment for where the studio runs; to be called before torch, gradio and the hub's library come.

    Runs and fetched weights go to the data folder. On a Space without one, runs stay out of the folder of the program,
    whose files a web server may show. What is set already stays.
    """
    if where.data is not None:
        os.environ.setdefault(ROOT_VARIABLE, str(where.data / "runs"))
        if not _fetched_before():
            os.environ.setdefault(HUB_VARIABLE, str(where.data / "huggingface"))
    elif where.space:
        os.environ.setdefault(ROOT_VARIABLE, str(Path.home() / "sign-studio" / "runs"))
    if where.zero_gpu:
        import spaces  # noqa: F401 - it has to be the first that touches torch


def device() -> str:
    """Where small models compute in this process: on a GPU if there is one of our own. One on loan is for `gpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() and not on_loan() else "cpu"


@dataclass(frozen=True)
class _Raised:
    """What went wrong in the worker, on its way home."""

    error: SignError


class _TimeIsUp:
    """The worker stopped by itself, before it would have been cut."""


def gpu(seconds: float) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    """Run a generator on the GPU that ZeroGPU lends for `seconds`; elsewhere it is left as it is.

    On ZeroGPU its arguments and values have to be picklable. It ends with Cancelled when the next value might not be
    there in time, so that what was made so far is kept; a SignError arrives as it was raised.
    """

    def decorate(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        if not on_loan():
            return function
        import spaces

        @functools.wraps(function)
        def in_worker(*args: Any, **kwargs: Any) -> Iterator[Any]:
            import torch

            torch.set_num_threads(1)  # OpenMP's threads are not there after a fork, and would be waited for
            try:
                yield from _in_time(function(*args, **kwargs), seconds)
            except SignError as error:
                yield _Raised(error)

        lent = spaces.GPU(in_worker, duration=seconds)

        @functools.wraps(function)
        def outside(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for value in lent(*args, **kwargs):
                if isinstance(value, _Raised):
                    raise value.error
                if isinstance(value, _TimeIsUp):
                    raise Cancelled
                yield value

        return outside

    return decorate


def _in_time(values: Iterator[Any], seconds: float) -> Iterator[Any]:
    """The values, as long as the next one can be expected within the time; then a _TimeIsUp."""
    start = before = time.monotonic()
    longest = 0.0
    for value in values:
        now = time.monotonic()
        longest, before = max(longest, now - before), now
        yield value
        if now - start + longest > seconds:
            if isinstance(values, Generator):
                values.close()
            yield _TimeIsUp()
            return


def on_loan(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is ZeroGPU."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as the package `spaces` reads it


def _fetched_before() -> bool:
    """Whether weights lie where a Space puts those that it fetches while it is built."""
    return any((Path.home() / ".cache" / "huggingface" / "hub").glob("models--*"))


def _data(environment: Mapping[str, str], space: bool, storage: Path) -> Path | None:
    named = environment.get(DATA_VARIABLE)
    if named is not None:
        return Path(named).absolute() if named else None
    return storage if space and storage.is_dir() and os.access(storage, os.W_OK) else None
