"""`signstudio data wlasl`: from WLASL's list of instances to lexicons and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from studio.cli.bar import Bar
from studio.cli.phases import Phases
from studio.cli.stopping import stoppable

if TYPE_CHECKING:
    from models.data.pipeline import Plan, WlaslOptions

_FAILURES_SHOWN = 10


def wlasl(
    json: Annotated[Path, typer.Option("--json", help="WLASL_v0.3.json, or a list in the same format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for all that is made; a run goes on in it.")],
    download: Annotated[bool, typer.Option("--download", help="Fetch the videos.")] = False,
    extract: Annotated[bool, typer.Option("--extract", help="Extract a raw pose of each instance.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Reject bad poses, and clean the others.")] = False,
    lexicon: Annotated[bool, typer.Option("--lexicon", help="Write a lexicon of each split.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="All four phases; so it is when none is named.")] = False,
    videos: Annotated[
        Path | None, typer.Option(help="Folder with videos that are here already, named by their id.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many instances of each split.")] = None,
    glosses: Annotated[
        str | None, typer.Option(help="100, 300, 1000 or 2000: the first so many; or a file with one on each line.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
    store: Annotated[
        str | None, typer.Option(help="URL for what is made, such as s3://…; manifest and report stay in the folder.")
    ] = None,
    keep_clips: Annotated[bool, typer.Option("--keep-clips", help="Write the cut videos, too.")] = False,
    retry_dead: Annotated[bool, typer.Option("--retry-dead", help="Try links again that led nowhere.")] = False,
    resplit: Annotated[bool, typer.Option("--resplit", help="Split anew, no signer in two splits.")] = False,
    anonymize: Annotated[bool, typer.Option("--anonymize", help="Give all signers average proportions.")] = False,
    min_frames: Annotated[int, typer.Option(min=1, help="Fewest frames of signing.")] = 10,
    min_hands: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of its signing that the leading hand is seen in.")
    ] = 0.4,
    min_body: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of the signing that the body is seen in.")
    ] = 0.5,
    crop: Annotated[bool, typer.Option(help="Read only the signer's box, where the list has one that fits.")] = True,
    padding: Annotated[
        float, typer.Option(min=0, max=1, help="Enlarge the box on each side by this share of its size.")
    ] = 0.08,
    width: Annotated[int, typer.Option(help="Side of the picture that signers are placed in, pixels.")] = 512,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and what it takes.")] = False,
) -> None:
    """From WLASL's list to poses, lexicons and a report: download, extract, clean, lexicon.

    Run it again after an interruption: what is done is skipped. The exit code is 1 when instances failed, which the
    next run tries again; links that lead nowhere and poses that are not good enough are no failures.
    """
    from models.data import pipeline

    chosen = dict(zip(pipeline.PHASES, (download, extract, clean, lexicon), strict=True))
    named = tuple(phase for phase, wanted in chosen.items() if wanted)
    options = pipeline.WlaslOptions(
        json=json,
        out=out,
        videos=videos,
        phases=pipeline.PHASES if all_ or not named else named,
        glosses=glosses,
        limit=limit,
        workers=workers,
        engine=cast(Literal["local", "ray"], engine),  # the options check it
        address=address,
        store=store,
        keep_clips=keep_clips,
        retry_dead=retry_dead,
        resplit=resplit,
        anonymize=anonymize,
        min_frames=min_frames,
        min_hands=min_hands,
        min_body=min_body,
        crop=crop,
        padding=padding,
        width=width,
    )
    if dry_run:
        _show_plan(pipeline.plan(options))
    else:
        _carry_out(options)


def _carry_out(options: WlaslOptions) -> None:
    from models.data import pipeline

    with stoppable() as should_stop, Bar("Reading the list") as bar:
        shown = Phases(bar)
        report = pipeline.run(options, shown, should_stop)
    failed = pipeline.failures(options)
    _show_result(shown, options)
    for row in failed[:_FAILURES_SHOWN]:
        typer.echo(f"{row.phase} failed: {row.words}", err=True)
    if len(failed) > _FAILURES_SHOWN:
        typer.echo(f"… and {len(failed) - _FAILURES_SHOWN} more; the report has all of them.", err=True)
    typer.echo(f"The report is {report}")
    if failed:
        raise typer.Exit(1)


def _show_result(shown: Phases, options: WlaslOptions) -> None:
    from rich.console import Console
    from rich.table import Table

    from models.data.manifest import Manifest

    table = Table("phase", "asked", "done", "rejected", "failed or dead")
    for phase, one in shown.seen.items():
        good = one.done - one.rejected - one.failed
        table.add_row(phase, *map(str, (one.total, good, one.rejected, one.failed)))
    Console().print(table)
    with Manifest(options.out) as manifest:
        lexicons = manifest.noted("lexicons") if "lexicon" in options.phases else None
    for split, count in (lexicons or {}).items():
        words = f"{count['signs']} signs of {count['glosses']} glosses" if count["signs"] else "no sign, so no lexicon"
        typer.echo(f"{split}: {words}")


def _show_plan(found: Plan) -> None:
    from rich.console import Console
    from rich.table import Table

    from models.progress import duration

    splits = ", ".join(f"{count} {split}" for split, count in found.instances.items())
    typer.echo(f"{sum(found.instances.values())} instances of {found.glosses} glosses ({splits})")
    typer.echo(
        f"{found.copies} of them are in the folder of videos; {found.urls} URLs serve the others; "
        f"{found.without_video} have no video, and this run would not fetch it"
    )
    table = Table("phase", "asked", "done", "to do", "needs", "takes")
    for one in found.phases:
        needs = "not known" if one.bytes_needed is None else _bytes(one.bytes_needed)
        takes = "not known" if one.seconds is None else duration(one.seconds)
        table.add_row(one.phase, *map(str, (one.total, one.done, one.to_do)), needs, takes)
    Console().print(table)
    typer.echo(f"Needs {_bytes(found.bytes_needed)} as far as known; {_bytes(found.free_bytes)} are free.")
    for note in found.notes:
        typer.echo(note)


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
