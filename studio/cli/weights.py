"""`signstudio weights`: which weights the studio can use, which are here, and fetching them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(help="Weights for the diffusion engines; everything else needs none.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the weights; see `list`.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Weights folder, instead of SIGN_STUDIO_WEIGHTS or the hub's cache.")
]


@cli.command("list")
def list_weights(folder: Folder = None) -> None:
    """List all weights: what for, how large, under which licence, and whether they are here."""
    from models.weights import TABLE, here

    for name, weights in TABLE.items():
        there = "here" if here(name, folder) else "not here"
        typer.echo(f"{name}  ({there}, {weights.size_mb} MB)")
        typer.echo(f"    {weights.hub_id} @ {weights.revision}")
        typer.echo(f"    for: {weights.used_for}")
        typer.echo(f"    licence: {weights.licence}")


@cli.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names of the weights; see `list`.")],
    folder: Folder = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
) -> None:
    """Fetch weights from the hub; run it again to go on after an interruption."""
    from models.weights import pull as fetch

    for name in names:
        typer.echo(f"{name}: {fetch(name, folder, revision)}")


@cli.command()
def where(name: Name, folder: Folder = None) -> None:
    """Print the folder of weights that are here."""
    from models.weights import find

    typer.echo(find(name, folder))
