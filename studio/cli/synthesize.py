"""`signstudio synthesize`: glosses or English text in, a base action video of a drawn signer out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.bar import Bar
from studio.cli.lexicon import Folders, open_lexicons


def synthesize(
    words: Annotated[str, typer.Argument(help='A gloss line such as "HELLO MY NAME fs-ANNA", or with --text a text.')],
    out: Annotated[Path, typer.Option("--out", "-o", help=".mp4, .webm, .gif, or a folder for PNG frames.")],
    text: Annotated[bool, typer.Option("--text", help="The words are English text; the gloss line is shown.")] = False,
    lexicon: Folders = None,
    pose: Annotated[Path | None, typer.Option(help="Also write the .pose.")] = None,
    captions: Annotated[Path | None, typer.Option(help="Also write captions: .vtt or .srt.")] = None,
    burn: Annotated[bool, typer.Option(help="Show each gloss below the picture.")] = True,
    picture: Annotated[str, typer.Option(help="avatar, skeleton or openpose.")] = "avatar",
    look: Annotated[
        str, typer.Option(help="Who is drawn: a name (a wrong one lists them), or a number for one of chance.")
    ] = "sofia",
    signer: Annotated[int | None, typer.Option(help="Who signs: a number for other proportions and habits.")] = None,
    left_handed: Annotated[bool, typer.Option("--left-handed", help="The left hand leads.")] = False,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.")] = 1.0,
    letter_hold_ms: Annotated[float, typer.Option(help="How long each fingerspelled letter stays.")] = 200,
    fps: Annotated[float, typer.Option(min=1, max=120, help="Frames per second.")] = 25,
    height: Annotated[int, typer.Option(help="Height of the picture, pixels.")] = 512,
    transparent: Annotated[bool, typer.Option("--transparent", help="No background: .webm or PNG frames.")] = False,
) -> None:
    """Make a base action video of a sentence: the embedded signs, and those of your own lexicons."""
    from dataclasses import replace

    from models.lexicon.body import SignerStyle
    from models.lexicon.captions import write_captions
    from models.lexicon.glossline import parse_gloss_line
    from models.lexicon.looks import find_look
    from models.lexicon.render import RenderOptions, render
    from models.lexicon.text import to_glosses, word_table
    from models.lexicon.utterance import UtteranceOptions, sign_line
    from models.pose.files import write_pose

    style = SignerStyle() if signer is None else SignerStyle.random(signer)
    drawing = RenderOptions(
        kind=picture, look=find_look(look), height=height, captions=burn and not transparent, transparent=transparent
    )
    options = UtteranceOptions(
        style=replace(style, left_handed=left_handed or style.left_handed),
        speed=speed,
        letter_hold_s=letter_hold_ms / 1000,
        fps=fps,
    )
    lexicons = open_lexicons(lexicon, no_embedded=False)
    if text:
        line = to_glosses(words, word_table((entry.gloss, entry.words) for one in lexicons for entry in one.entries))
    else:
        line = parse_gloss_line(words, {gloss for one in lexicons for gloss in one.glosses}, spell_unknown=True)
    typer.echo(f"Gloss line: {line}")
    for note in line.notes:
        typer.echo(f"  {note}", err=True)
    made = sign_line(line.items, lexicons, options)
    if captions is not None:
        write_captions(captions, made.segments)
    if pose is not None:
        write_pose(pose, made.pose)
    with Bar("Drawing") as bar:
        render(made.pose, made.segments, out, drawing, progress=bar.frames)
    for path in filter(None, (out, pose, captions)):
        typer.echo(path)
