"""`signstudio data something`: Something-Something-v2 with the boxes of Something-Else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from models.errors import SignError
from studio.cli.bar import Bar
from studio.cli.phases import Phases
from studio.cli.stopping import stoppable

_VERBATIM = {"splits", "parts", "labels_unknown", "unknown"}


def something(
    videos: Annotated[Path, typer.Option(help="Folder of ID.webm, or of folders of frames ID/0001.jpg.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for boxes, hands, frames and the report.")],
    annotations: Annotated[Path | None, typer.Option(help="Folder of Something-Else's parts, or one file.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Folder of label and split files; it may be one above labels/ or annotations/.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="annotations: merge and join them; frames: write JPEGs; or both.")
    ] = "annotations",
    frames: Annotated[bool, typer.Option("--frames", help="Write the frames, too; the same as --mode both.")] = False,
    hands: Annotated[bool, typer.Option("--hands", help="Look for the joints of the annotated hands.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "--threads", min=1, help="Processes; one per core unless set.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
    subset: Annotated[str | None, typer.Option(help="The first N clips, or a file of video ids.")] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of written frames.")] = 90,
    force: Annotated[bool, typer.Option("--force", help="Write frames even if the disk looks too small.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, with the space it takes.")
    ] = False,
) -> None:
    """Merge the boxes, join them to the frames, find the hands; frames are decoded from the clips unless --frames.

    Run it again after an interruption: what is done is skipped. The exit code is 1 when a clip could not be read.
    """
    from models.data.something_run import MODES, SomethingOptions, plan, run

    chosen = next((one for one in MODES if one == mode), None)
    if chosen is None:
        raise SignError(f"There is no mode {mode!r}; choose {', '.join(MODES)}.")
    options = SomethingOptions(
        videos=videos,
        annotations=annotations,
        labels=labels,
        out=out,
        mode="both" if frames and chosen == "annotations" else chosen,
        hands=hands,
        workers=workers,
        engine=cast(Literal["local", "ray"], engine),  # the options check it
        address=address,
        subset=subset,
        quality=quality,
        force=force,
    )
    if dry_run:
        _say(asdict(plan(options)))
        return
    with stoppable() as should_stop, Bar("Reading") as bar:
        report = run(options, Phases(bar), should_stop)
    _say({name: part for name, part in report.items() if name != "failed"})
    for one in report["failed"]:
        typer.echo(f"{one['video_id']} ({one['phase']}): {one['words']}", err=True)
    if report["failed"]:
        raise typer.Exit(1)


def _say(content: dict[str, Any], *, indent: str = "", verbatim: bool = False) -> None:
    """Print a report as indented lines; verbatim: the names are those of files, splits and labels."""
    for name, value in content.items():
        words = indent + (name if verbatim else name.replace("_", " "))
        if isinstance(value, dict):
            typer.echo(f"{words}:" + ("" if value else " none"))
            _say(value, indent=indent + "  ", verbatim=name in _VERBATIM)
        elif isinstance(value, list):
            typer.echo(f"{words}: {', '.join(map(str, value)) or 'none'}")
        elif "bytes" in name and not verbatim:
            typer.echo(f"{words}: {_space(value)}")
        else:
            typer.echo(f"{words}: {'none' if value is None else value}")


def _space(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.2f} MB"
