"""What kinds of data sets can be prepared here. The core behind a kind is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from models.errors import SignError
from studio.texts import later, text


class Steps(Protocol):
    """The core of a kind."""

    Options: Any
    """A frozen dataclass. It has `out`, the folder of the results, and the fields that Preparable names."""

    def plan(self, options: Any) -> Any:
        """What a run would do, as a dataclass of counts and bytes."""

    def run(self, options: Any, tell: Any = None, should_stop: Any = None) -> Path:
        """Do it; returns the report. Raises Cancelled, and SignError for what cannot be done at all."""


@dataclass(frozen=True, kw_only=True)
class Preparable:
    """A kind of data set, as it lies on disk."""

    name: str
    title: str
    about: str
    """A sentence: what comes out."""
    source: str
    """The field of the options that names what is prepared."""
    source_label: str
    source_help: str
    steps: Callable[[], Steps]
    """Loads the core."""
    videos: str = ""
    """The field that names a folder of videos which are here already; empty where there is none."""
    is_file: bool = False
    """Whether what is prepared is a file; a folder otherwise."""
    browsable: bool = False
    """Whether models.data.browse can show the result."""

    @property
    def places(self) -> tuple[str, ...]:
        """The fields that name files and folders, which a page asks for by themselves."""
        return tuple(filter(None, (self.source, self.videos, "out")))

    @property
    def core(self) -> Steps:
        """Options, plan and run. Raises SignError when something is not installed."""
        try:
            return self.steps()
        except ImportError as error:
            title = text(self.title)
            words = text("{title} cannot be prepared with this installation: {error}.", title=title, error=error)
            raise SignError(words) from error


@dataclass(frozen=True, kw_only=True)
class _Core:
    """Steps out of the functions of a module."""

    Options: Any
    plan: Callable[..., Any]
    run: Callable[..., Path]


def _wlasl() -> Any:
    from models.data import pipeline

    return _Core(Options=pipeline.WlaslOptions, plan=pipeline.plan, run=pipeline.run)


def _words() -> Any:
    from models.data import words

    return _Core(Options=words.WordOptions, plan=words.plan, run=words.run)


PREPARABLES: dict[str, Preparable] = {
    one.name: one
    for one in (
        Preparable(
            name="wlasl",
            title=later("WLASL (JSON and videos)"),
            about=later(
                "Isolated signs: videos are downloaded, poses extracted and cleaned, and a lexicon made for each "
                "split, with a report of what was lost."
            ),
            source="json",
            source_label=later("JSON file"),
            source_help=later("WLASL_v0.3.json, or a file of the same form."),
            steps=_wlasl,
            videos="videos",
            is_file=True,
            browsable=True,
        ),
        Preparable(
            name="words",
            title=later("Folders of words (WORD/person01.mp4)"),
            about=later(
                "Samples for training: each clip with the same number of frames and the same size, crops of both "
                "hands, and an index with splits."
            ),
            source="raw",
            source_label=later("Folder of words"),
            source_help=later("It holds a folder for each word, with its clips in it."),
            steps=_words,
        ),
    )
}


def find(name: str) -> Preparable:
    """What is called so. Raises SignError when nothing is."""
    if name not in PREPARABLES:
        asked, known = str(name)[:60], ", ".join(PREPARABLES)
        raise SignError(text("There is no kind of data {name!r}; there are {known}.", name=asked, known=known))
    return PREPARABLES[name]
