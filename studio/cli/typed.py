"""What is typed in the same way for several commands: the name of a run, settings, and the command as a whole."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from models.errors import SignError

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Its name in `train list`, or its folder.")]


def changes(settings: Sequence[str] | None) -> dict[str, str]:
    """What --set SETTING=VALUE says, by the settings' dotted paths. Raises SignError for what is written otherwise."""
    found = {}
    for one in settings or ():
        path, equals, value = one.partition("=")
        if not equals:
            raise SignError(f"--set {one}: write it as SETTING=VALUE, such as loop.steps=200.")
        found[path.strip()] = value
    return found


def command() -> str:
    """The command line as it was given, to be kept beside what it measured."""
    return shlex.join(["signstudio", *sys.argv[1:]])
