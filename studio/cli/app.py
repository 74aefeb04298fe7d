"""`signstudio app` serves the studio in the browser; `signstudio samples` renders its example clips."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    port: Annotated[int, typer.Option(help="Port to serve on; the next free one is taken when it is in use.")] = 7860,
    host: Annotated[str | None, typer.Option(help="Address to serve on; only this computer unless set.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the default browser.")] = False,
    language: Annotated[
        str, typer.Option(envvar="SIGN_STUDIO_LANGUAGE", help="Language of the page, such as de; docs/languages.md.")
    ] = "en",
    auth_file: Annotated[
        Path | None,
        typer.Option("--auth", envvar="SIGN_STUDIO_AUTH_FILE", help="File of those who may log in; see app-password."),
    ] = None,
    mcp: Annotated[
        bool, typer.Option("--mcp", envvar="SIGN_STUDIO_MCP", help="Serve tools for MCP clients as well; docs/api.md.")
    ] = False,
) -> None:
    """Serve the studio in the browser."""
    typer.echo("Starting Sign Studio …")
    gc.disable()  # what is imported and built now stays; looking through it again and again takes a tenth of the time
    try:
        from studio import hosting

        hosting.prepare(hosting.read(os.environ, host))
        from studio.ui.layout import launch  # after the environment is set

        launch(port=port, host=host, open_browser=open_browser, language=language, auth_file=auth_file, mcp=mcp)
    finally:
        gc.enable()


def app_password(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
) -> None:
    """Ask for a password and print a line for the file of `signstudio app --auth`; the password is not in it."""
    from studio.passwords import line

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    typer.echo(line(name, password))


def samples(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("samples"),
) -> None:
    """Render the samples: clips of a signed sentence, and pictures, of drawn signers; and drawn clips of actions."""
    from models.files import replacing
    from models.lexicon.samples import render_samples
    from studio.inputs import sample_actions

    for path in render_samples(out):
        typer.echo(path)
    clips, boxes = sample_actions()
    for kept in (*clips, boxes):
        with replacing(out / "actions" / kept.name) as copy:
            copy.write_bytes(kept.read_bytes())
        typer.echo(out / "actions" / kept.name)
