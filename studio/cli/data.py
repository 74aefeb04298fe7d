"""`signstudio data`: what researchers have on disk, to poses, lexicons, splits and reports."""

from __future__ import annotations

import typer

cli = typer.Typer(
    help="From data sets as they lie on disk to poses, lexicons, splits and a report.", no_args_is_help=True
)
