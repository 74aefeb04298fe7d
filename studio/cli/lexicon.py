"""`signstudio lexicon`: look up signs, and keep signs of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import LexiconError, SignError
from studio.cli import lexicon_tools
from studio.cli.bar import Bar
from studio.cli.pose import read_sharp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.lexicon.signs import Entry, Lexicon

cli = typer.Typer(help="Look up signs, and keep signs of your own.", no_args_is_help=True)
for command in (lexicon_tools.check, lexicon_tools.sheet, lexicon_tools.render):
    cli.command()(command)

OWN = Path("lexicon")
SHOWN_PROBLEMS = 20

Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--lexicon", "-l", help="Lexicon folder, looked up before the embedded signs; ./lexicon if it is there."
    ),
]
Folder = Annotated[Path, typer.Option("--lexicon", "-l", help="Lexicon folder.")]
Bare = Annotated[bool, typer.Option("--no-embedded", help="Leave the embedded signs out.")]


@cli.command("list")
def list_signs(lexicon: Folders = None, no_embedded: Bare = False) -> None:
    """List all signs: gloss, words, handshapes, and where each comes from."""
    for opened in open_lexicons(lexicon, no_embedded):
        typer.echo(f"{opened.name}: {len(opened.glosses)} glosses, {len(opened.entries)} variants")
        _table(opened, opened.search(""))


@cli.command()
def search(
    text: Annotated[str, typer.Argument(help="Part of a gloss or of a word.")] = "",
    handshape: Annotated[str | None, typer.Option(help="Only signs with this handshape, such as Y or flat-B.")] = None,
    lexicon: Folders = None,
    no_embedded: Bare = False,
) -> None:
    """Search signs by gloss, by word, or by handshape."""
    from models.lexicon.signs import unknown

    if not text.strip() and handshape is None:
        raise SignError("Say what to search for: a gloss or word, or --handshape NAME.")
    lexicons = open_lexicons(lexicon, no_embedded)
    shapes = sorted({shape for opened in lexicons for shape in opened.handshapes}, key=str.casefold)
    if handshape is not None and handshape.casefold() not in map(str.casefold, shapes):
        raise SignError(f"No sign has the handshape {handshape}; there are: {', '.join(shapes) or 'none'}.")
    results = [(opened, _matching(opened, text, handshape)) for opened in lexicons]
    if not any(entries for _, entries in results):
        raise unknown(lexicons, text)
    for opened, entries in results:
        _table(opened, entries)


@cli.command()
def show(
    gloss: Annotated[str, typer.Argument(help="The gloss, such as HOUSE.")],
    lexicon: Folders = None,
    no_embedded: Bare = False,
) -> None:
    """Show the variants of a sign and what is known of each, in the order in which they are used."""
    from models.lexicon.signs import unknown

    lexicons = open_lexicons(lexicon, no_embedded)
    if not any(opened.find(gloss) for opened in lexicons):
        raise unknown(lexicons, gloss)
    for opened in lexicons:
        for number, entry in enumerate(opened.find(gloss), start=1):
            typer.echo("\n  ".join(_describe(opened, entry, number)))


@cli.command()
def add(
    source: Annotated[Path, typer.Argument(help="A clip of one sign, or its .pose.")],
    gloss: Annotated[str, typer.Option("--gloss", "-g", help="What to call it, such as MY-SIGN.")],
    lexicon: Folder = OWN,
    word: Annotated[list[str] | None, typer.Option(help="A spoken word for it; may be given several times.")] = None,
    signed_language: Annotated[str, typer.Option(help="ISO 639-3 code of the sign language.")] = "ase",
    spoken_language: Annotated[str, typer.Option(help="Language code of the words.")] = "en",
    priority: Annotated[int, typer.Option(help="The variant with the lowest number is used first.")] = 0,
    start_ms: Annotated[float | None, typer.Option(help="Where the sign starts; found unless set.")] = None,
    end_ms: Annotated[float | None, typer.Option(help="Where the sign ends; found unless set.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also add what the quality check rejects.")] = False,
) -> None:
    """Add a sign of your own from a clip or a .pose file; it is then used like any other.

    The whole pose is kept, and the index says which part of it is the sign.
    """
    from models.lexicon import recordings
    from models.pose.quality import assess

    gloss = recordings.checked_gloss(gloss)  # before the slow part
    pose, sharpness = read_sharp(source)
    report = assess(pose, sharpness)
    typer.echo("\n  ".join(report.lines()))
    if report.verdict == "reject" and not anyway:
        raise LexiconError(f"{gloss} was not added; record it again, or add it as it is with --anyway.")
    entry = recordings.add(
        lexicon,
        pose,
        gloss,
        words=word or (),
        spoken_language=spoken_language,
        signed_language=signed_language,
        priority=priority,
        span=None if start_ms is None and end_ms is None else recordings.frames_between(pose, start_ms, end_ms),
    )
    typer.echo(f"{gloss}: {lexicon / entry.path}, {entry.start_ms} to {entry.end_ms} ms")


@cli.command()
def remove(
    gloss: Annotated[str, typer.Argument(help="The gloss.")],
    variant: Annotated[int, typer.Option(help="Which of its variants, by the numbers of `show`.")] = 1,
    lexicon: Folder = OWN,
) -> None:
    """Remove a sign from a lexicon folder, and its pose."""
    from models.lexicon import recordings

    entry = recordings.remove(lexicon, gloss, variant)
    typer.echo(f"{entry.gloss}: {entry.path} removed from {lexicon}")


@cli.command()
def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the lexicon.")],
    gloss: Annotated[list[str] | None, typer.Option("--gloss", "-g", help="Only this one; may be repeated.")] = None,
    signer: Annotated[int | None, typer.Option(help="Number of another signer; the usual one unless set.")] = None,
    fps: Annotated[float, typer.Option(min=1, max=120, help="Frames per second.")] = 25,
    size: Annotated[int, typer.Option(min=32, max=4096, help="Width and height of the picture, pixels.")] = 512,
) -> None:
    """Write the embedded signs as a lexicon of .pose files that other tools can read, such as spoken-to-signed."""
    from models.lexicon.body import SignerStyle
    from models.lexicon.embedded import Camera, export_lexicon

    with Bar("Signing") as bar:
        exported = export_lexicon(
            out,
            None if signer is None else SignerStyle.random(signer),
            glosses=gloss,
            camera=Camera(fps=fps, width=size, height=size),
            progress=bar.count,
        )
    typer.echo(f"{out}: {len(exported.glosses)} glosses")


@cli.command()
def thumbnails() -> None:
    """Draw the small pictures of the embedded signs again, after they were changed (for developers)."""
    from models.lexicon.thumbnails import THUMBNAILS, write_thumbnails

    with Bar("Drawing") as bar:
        count = write_thumbnails(bar.count)
    typer.echo(f"{THUMBNAILS}: {count} pictures")


def open_lexicons(folders: list[Path] | None, no_embedded: bool) -> list[Lexicon]:
    """The lexicons to look in, in order; their problems go to stderr."""
    from models.lexicon.embedded import embedded_lexicon
    from models.lexicon.index import open_lexicon

    if folders is None:
        folders = [OWN] if (OWN / "index.csv").exists() else []
    lexicons = [open_lexicon(folder) for folder in folders]
    for opened in lexicons:
        for problem in opened.problems[:SHOWN_PROBLEMS]:
            typer.echo(f"skipped: {problem}", err=True)
        if len(opened.problems) > SHOWN_PROBLEMS:
            typer.echo(f"skipped: {len(opened.problems) - SHOWN_PROBLEMS} more lines of {opened.name}", err=True)
    if not no_embedded:
        lexicons.append(embedded_lexicon())
    if not lexicons:
        raise LexiconError(f"There is no lexicon: give one with --lexicon, or add a sign to {OWN}.")
    return lexicons


def _matching(lexicon: Lexicon, text: str, handshape: str | None) -> list[Entry]:
    if handshape is None:
        return list(lexicon.search(text))
    shaped = lexicon.by_handshape(handshape)
    return [entry for entry in shaped if entry in lexicon.search(text)] if text.strip() else list(shaped)


def _table(lexicon: Lexicon, entries: Iterable[Entry]) -> None:
    for entry in entries:
        shapes = f"  [{', '.join(entry.handshapes)}]" if entry.handshapes else ""
        typer.echo(f"  {entry.gloss:<16} {', '.join(entry.words):<28} {entry.signed_language} {lexicon.name}{shapes}")


def _describe(lexicon: Lexicon, entry: Entry, number: int) -> list[str]:
    pose = lexicon.load(entry)
    frames, fps = len(pose.body.data), float(pose.body.fps)
    lines = [
        f"{entry.gloss}, variant {number} in {lexicon.name}",
        f"words: {', '.join(entry.words)} ({entry.spoken_language})",
        f"sign language: {entry.signed_language}; priority {entry.priority}",
        f"{frames} frames at {fps:.3g} per second ({frames / fps:.2f} s)",
    ]
    if entry.path:
        end = f"{entry.end_ms} ms" if entry.end_ms else "the end"
        lines.append(f"file: {entry.path}, from {entry.start_ms} ms to {end}")
    for name in ("handshapes", "theme", "source", "note"):
        value = getattr(entry, name)
        if value:
            lines.append(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")
    return lines
