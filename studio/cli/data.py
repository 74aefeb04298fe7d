"""`signstudio data`: data sets as they lie on disk, to poses, lexicons, splits and reports."""

from __future__ import annotations

import typer

from studio.cli.data_corpus import corpus
from studio.cli.data_run import run
from studio.cli.data_something import something
from studio.cli.data_wlasl import wlasl
from studio.cli.data_words import words

cli = typer.Typer(
    help="From data sets as they lie on disk to poses, lexicons, splits and a report.", no_args_is_help=True
)
for command in (wlasl, words, corpus, something, run):
    cli.command()(command)
