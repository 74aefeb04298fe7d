"""`signstudio app` serves the studio in the browser; `signstudio samples` renders its example clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    port: Annotated[int, typer.Option(help="Port to serve on; the next free one is taken when it is in use.")] = 7860,
    host: Annotated[str | None, typer.Option(help="Address to serve on; only this computer unless set.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the default browser.")] = False,
) -> None:
    """Serve the studio in the browser."""
    typer.echo("Starting Sign Studio …")
    from studio.ui.layout import launch

    launch(port=port, host=host, open_browser=open_browser)


def samples(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("samples"),
) -> None:
    """Render the samples: clips of a signed sentence, and pictures, of drawn signers."""
    from models.lexicon.samples import render_samples

    for path in render_samples(out):
        typer.echo(path)
