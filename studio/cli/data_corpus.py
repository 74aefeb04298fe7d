"""`signstudio data corpus`: continuous signing as corpora come, counted, and made into a folder to train on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.bar import Bar
from studio.cli.phases import Phases
from studio.cli.stopping import stoppable

CORPUS = "corpus.json"


def corpus(
    source: Annotated[Path, typer.Argument(help="Folder of a corpus, or the table of one of its splits.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for corpus.json, clips.csv and the clips.")],
    format: Annotated[str, typer.Option(help="frames-csv, phoenix, stm, or auto.")] = "auto",
    frames: Annotated[
        Path | None, typer.Option(help="Folder of the frames or videos; looked for around the table unless set.")
    ] = None,
    stride: Annotated[
        int, typer.Option(min=1, help="Frames per step of the model, to count what CTC cannot learn from.")
    ] = 1,
    fps: Annotated[float, typer.Option(min=1, max=120, help="Frames per second of folders of frames.")] = 25,
    markers: Annotated[str, typer.Option(help="keep or drop __ON__, __OFF__ and such.")] = "keep",
    clean: Annotated[
        str, typer.Option(help="Simplify glosses as the scores of phoenix-2014 or phoenix-2014-t do; or none.")
    ] = "none",
    folder_column: Annotated[str | None, typer.Option(help="Name of the column of folders, if it is unusual.")] = None,
    gloss_column: Annotated[str | None, typer.Option(help="Name of the column of glosses, if it is unusual.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Only count, and write corpus.json.")] = False,
) -> None:
    """Count what a corpus of sentences holds, and write it as clips that `signstudio train` takes.

    Run it again after an interruption: clips that are there, made from the same frames, are left alone. A clip that
    cannot be made has its line at the end, and the exit code is 1; the others are made.
    """
    from models.data.corpora import CorpusOptions, read_corpus
    from models.data.corpus_clips import write_corpus
    from models.data.corpus_files import ColumnNames
    from models.data.corpus_report import report_corpus
    from models.data.local import local
    from models.files import replacing

    options = CorpusOptions(
        format=format,  # type: ignore[arg-type]
        frames=frames,
        markers=markers,  # type: ignore[arg-type]
        clean=clean,  # type: ignore[arg-type]
        columns=ColumnNames(folder=folder_column, gloss=gloss_column),
    )
    with Bar("Looking for frames") as bar:
        read = read_corpus(source, options, bar.count)
    counted = report_corpus(read, stride)
    path = out / CORPUS

    def write(**more: object) -> None:
        text = json.dumps(counted.to_json() | more, indent=1, ensure_ascii=False)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    write()
    for line in (*counted.notes, *counted.lines()):
        typer.echo(line)
    typer.echo(f"All of it, with every id and problem: {path}")
    if report:
        return
    with stoppable() as should_stop, Bar("Writing clips") as bar:
        made = write_corpus(read, out, fps=fps, engine=local(workers), tell=Phases(bar), should_stop=should_stop)
    write(clips=made.clips, left_out=made.left_out, failed=made.failed)
    typer.echo(f"{made.clips} clips in {out / 'clips.csv'}")
    for why, ids in made.left_out.items():
        typer.echo(f"left out: {len(ids)} {why} ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})")
    for words in made.failed:
        typer.echo(words, err=True)
    if made.failed:
        raise typer.Exit(1)
