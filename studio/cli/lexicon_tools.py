"""`signstudio lexicon check`, `sheet` and `render`: the whole lexicon measured, looked at, and made into a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.bar import Bar

if TYPE_CHECKING:
    from models.lexicon.phonology import SignEntry

Glosses = Annotated[
    str | None, typer.Option("--glosses", "-g", help="Only these, joined by commas, such as HELLO,NAME.")
]
Theme = Annotated[str | None, typer.Option(help="Only the signs of this theme, such as greetings.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")]


def check(
    glosses: Glosses = None,
    theme: Theme = None,
    signers: Annotated[int, typer.Option(min=1, max=1000, help="The usual signer, and others drawn at random.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this JSON file.")] = None,
    workers: Workers = None,
    through_video: Annotated[
        bool, typer.Option("--through-video", help="Write and read an MP4 of each sign in between.")
    ] = False,
) -> None:
    """Draw every sign, read it back with MediaPipe, and tell what is read and how well.

    left and right: hands found in the frames of the sign; distance and facing: how far landmarks are read from where
    they were asked, in palm widths, for all hands and for those that face the camera. Fails only when a body cannot
    make a sign as it is written.
    """
    from models.files import replacing
    from models.lexicon.legibility import CheckOptions, check_legibility

    entries = _entries(glosses, theme)
    with Bar("Drawing and reading") as bar:
        report = check_legibility(
            entries, CheckOptions(signers=signers, through_video=through_video), workers=workers, progress=bar.count
        )
    typer.echo(report.table())
    typer.echo(f"\n{report.summary()}")
    if report.missing:
        typer.echo(f"glosses that miss an aim: {', '.join(gloss.gloss for gloss in report.missing)}")
    if json is not None:
        with replacing(json) as temporary:
            temporary.write_text(report.to_json(), encoding="utf-8")
        typer.echo(json)
    for problem in report.problems:
        typer.echo(problem, err=True)
    if report.problems:
        raise typer.Exit(1)


def sheet(
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write; several pages are numbered.")],
    glosses: Glosses = None,
    theme: Theme = None,
    frames: Annotated[int, typer.Option(min=2, max=12, help="Frames of each sign.")] = 5,
    signer: Annotated[int | None, typer.Option(min=0, help="Number of another signer; the usual one unless set.")] = (
        None
    ),
) -> None:
    """Draw a contact sheet: a strip of key frames for each sign, to look through them all."""
    from models.lexicon.dataset import person
    from models.lexicon.sheet import SheetOptions, write_sheets

    entries = _entries(glosses, theme)
    who = None if signer is None else person(signer)
    with Bar("Drawing") as bar:
        pages = write_sheets(out, entries, SheetOptions(frames=frames), who, progress=bar.count)
    for page in pages:
        typer.echo(page)


def render(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data set.")],
    signers: Annotated[int, typer.Option(help="How many signers, 1 to 1000.")] = 20,
    glosses: Glosses = None,
    theme: Theme = None,
    kind: Annotated[
        str, typer.Option(help="poses, clips, both, or read: the poses that MediaPipe reads in the clips.")
    ] = "both",
    seed: Annotated[int, typer.Option(help="Another seed gives other signers.")] = 0,
    fps: Annotated[float, typer.Option(help="Frames per second, 1 to 120.")] = 25,
    size: Annotated[int, typer.Option(help="Width and height of the picture, 64 to 2048 px.")] = 512,
    workers: Workers = None,
) -> None:
    """Render a data set: every sign by many signers, OUT/GLOSS/signer03.mp4 and .pose, and a manifest.csv.

    Stopped, it goes on where it was when the same command is given again.
    """
    from models.lexicon.dataset import MANIFEST, SUFFIXES, DatasetOptions, Kind, render_dataset

    if kind not in SUFFIXES:
        raise SignError(f"There is no kind {kind!r}; choose {', '.join(SUFFIXES)}.")
    chosen: Kind = kind  # type: ignore[assignment]
    options = DatasetOptions(signers=signers, kind=chosen, seed=seed, fps=fps, size=size)
    entries = _entries(glosses, theme)
    made = kept = 0
    try:
        with Bar("Rendering") as bar:
            for take in render_dataset(entries, out, options, workers=workers, progress=bar.count):
                made, kept = made + take.made, kept + take.kept
    except KeyboardInterrupt:
        typer.echo("Stopped; what was done is kept. Run the same command to go on.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"glosses: {len(entries)}, signers: {signers}, files made: {made}, there already: {kept}")
    typer.echo(out / MANIFEST)


def _entries(glosses: str | None, theme: str | None) -> list[SignEntry]:
    """The written signs that were asked for, in the order of the lexicon."""
    from models.lexicon.embedded import embedded_lexicon
    from models.lexicon.phonology_files import load_phonology
    from models.lexicon.signs import unknown, upper

    phonology = load_phonology()
    wanted = None if glosses is None else {upper(gloss.strip()) for gloss in glosses.split(",") if gloss.strip()}
    for gloss in sorted(wanted or ()):
        if gloss not in phonology:
            raise unknown([embedded_lexicon(phonology=phonology)], gloss)
    themes = sorted({entry.theme for entry in phonology.values()})
    if theme is not None and theme not in themes:
        raise SignError(f"There is no theme {theme!r}; choose {', '.join(themes)}.")
    found = [
        entry
        for entry in phonology.values()
        if (wanted is None or entry.gloss in wanted) and theme in (None, entry.theme)
    ]
    if not found:
        raise SignError(f"No sign is in --glosses {glosses!r}" + (f" and theme {theme}." if theme else "."))
    return found
