"""`signstudio data words`: from folders of words to samples for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from studio.cli.bar import Bar
from studio.cli.phases import Phases
from studio.cli.stopping import stoppable

if TYPE_CHECKING:
    from models.data.words import WordOptions, WordPlan

_FAILURES_SHOWN = 10


def words(
    raw: Annotated[Path, typer.Argument(help="Folder with a folder of clips for each word: RAW/WORD/person01.mp4.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for all that is made; a run goes on in it.")],
    frames: Annotated[int, typer.Option(min=1, help="Frames of each sample, evenly over the clip.")] = 60,
    size: Annotated[int, typer.Option(help="Side of the full picture, pixels.")] = 256,
    hand_size: Annotated[int, typer.Option(help="Side of the hands' crops, pixels.")] = 128,
    format: Annotated[str, typer.Option(help="jpeg: a file per frame; mp4: a file per part, smaller.")] = "jpeg",
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality.")] = 95,
    crf: Annotated[int, typer.Option(min=0, max=51, help="MP4 quality: 0 is best and largest.")] = 18,
    signers: Annotated[
        str, typer.Option(help="names: by the names of the files; none; or a CSV with the columns path and signer.")
    ] = "names",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
    store: Annotated[
        str | None, typer.Option(help="URL for the samples, such as s3://…; the manifest stays in the folder.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and what it takes.")] = False,
) -> None:
    """Cut every clip to samples of one size: the full picture and both hands, with an index and splits.

    Run it again after an interruption: what is done is skipped. A clip that cannot be read has its line at the end,
    and the exit code is 1; the others are done.
    """
    from models.data import words as core

    options = core.WordOptions(
        raw=raw,
        out=out,
        frames=frames,
        size=size,
        hand_size=hand_size,
        format=cast(Literal["jpeg", "mp4"], format),  # the options check it
        quality=quality,
        crf=crf,
        signers=signers,
        workers=workers,
        engine=cast(Literal["local", "ray"], engine),
        address=address,
        store=store,
    )
    found = core.plan(options)
    _show(found)
    if dry_run:
        _show_cost(found)
    else:
        _carry_out(options)


def _carry_out(options: WordOptions) -> None:
    from models.data import words as core

    with stoppable() as should_stop, Bar("Making samples") as bar:
        index = core.run(options, Phases(bar), should_stop)
    done = core.summary(options)
    typer.echo(f"{done.samples} samples; a hand was found in {done.with_a_hand}, both in {done.with_both}")
    typer.echo(f"The index is {index}")
    for row in done.failed[:_FAILURES_SHOWN]:
        typer.echo(row.words, err=True)
    if len(done.failed) > _FAILURES_SHOWN:
        typer.echo(f"… and {len(done.failed) - _FAILURES_SHOWN} more", err=True)
    if done.failed:
        raise typer.Exit(1)


def _show(found: WordPlan) -> None:
    splits = ", ".join(f"{count} {split}" for split, count in found.splits.items())
    typer.echo(f"{found.clips} clips of {found.words} words ({splits}); {found.done} done, {found.to_do} to do")
    for note in found.notes:
        typer.echo(note)


def _show_cost(found: WordPlan) -> None:
    from models.progress import duration
    from studio.preparing_words import size

    takes = "how long it takes is not known before some are done"
    if found.seconds is not None:
        takes = f"takes about {duration(found.seconds)}"
    typer.echo(f"Needs about {size(found.bytes_needed)}, {size(found.free_bytes)} are free; {takes}")
