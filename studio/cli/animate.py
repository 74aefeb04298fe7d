"""`signstudio animate`: a picture of a person and a driving pose in, that person signing out; and its helpers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.bar import Bar
from studio.cli.lexicon import Folders, open_lexicons

if TYPE_CHECKING:
    from models.animation.animate import AnimateOptions, Animation
    from models.animation.driving import Driving
    from models.animation.target import Target

cli = typer.Typer(
    help="One picture of a person signs. Animate only people who agreed to it.", invoke_without_command=True
)

Source = Annotated[
    Path | None,
    typer.Option(
        "--driving",
        "--pose-dir",
        "--frames-dir",
        "-d",
        help="What drives it: a base action video, a .pose, or a folder of frames 0001.jpg … or of OpenPose JSON.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with weights; see `signstudio weights where`.")]
Rate = Annotated[float | None, typer.Option(min=1, max=120, help="Frames per second; 25 for a folder of frames.")]


@cli.callback()
def animate(
    context: typer.Context,
    target: Annotated[Path | None, typer.Option("--target", "-t", help="Picture of the person who is to sign.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The MP4 to write.")] = None,
    glosses: Annotated[
        str | None, typer.Option(help='Drive it by a gloss line, such as "HELLO MY NAME fs-ANNA".')
    ] = None,
    driving: Source = None,
    lexicon: Folders = None,
    fps: Rate = None,
    engine: Annotated[str, typer.Option(help="puppet (needs no weights), controlnet, or animatediff.")] = "puppet",
    weights: Weights = None,
    preset: Annotated[str, typer.Option(help="For diffusion: preview, balanced or best.")] = "balanced",
    prompt: Annotated[str | None, typer.Option(help="For diffusion: what the picture shows.")] = None,
    strength: Annotated[float | None, typer.Option(help="For diffusion: how much is drawn anew, 0 to 1.")] = None,
    steps: Annotated[int | None, typer.Option(help="For diffusion: denoising steps.")] = None,
    seed: Annotated[int, typer.Option(help="For diffusion: the same number gives the same video.")] = 0,
    plain_init: Annotated[
        bool, typer.Option("--plain-init", help="For diffusion: start from the still picture, not from the puppet.")
    ] = False,
    side: Annotated[int, typer.Option(help="Longest side of the video, pixels.")] = 768,
    person: Annotated[
        int | None, typer.Option(min=1, help="Which person, counted from the left, when there are several.")
    ] = None,
    whole_picture: Annotated[
        bool, typer.Option("--whole-picture", help="Do not cut the picture to the signing space.")
    ] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Sign with the other hand.")] = False,
    captions: Annotated[bool, typer.Option(help="Show each gloss below the picture.")] = True,
    mark: Annotated[bool, typer.Option("--mark", help="Write into every frame that it is animated.")] = False,
    measure: Annotated[bool, typer.Option(help="Report how faithful the result is.")] = True,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for everything made: frames, fitted pose, captions, JSON.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only one frame, as a picture: -o frame.png.")] = False,
) -> None:
    """Make a video of the person signing.

    Ctrl-C stops it; the frames done so far are kept, and the same command goes on.
    """
    if context.invoked_subcommand is not None:
        return
    from models.animation.animate import AnimateOptions
    from models.animation.diffusion.options import DiffusionOptions
    from models.animation.engines import EngineOptions
    from models.animation.picture import load_picture
    from models.animation.retarget import RetargetOptions
    from models.animation.target import TargetOptions, read_target

    if target is None or out is None:
        raise SignError(
            "Give a picture and a name for the video: signstudio animate -t photo.jpg -o out.mp4 --glosses …"
        )
    person_options = TargetOptions(
        side=side,
        person=None if person is None else person - 1,
        framing="keep" if whole_picture else "auto",
    )
    options = AnimateOptions(
        engine=engine,
        fitting=RetargetOptions(mirror=mirror),
        of_engine=EngineOptions(
            diffusion=DiffusionOptions.of_preset(
                preset,
                prompt=prompt,
                strength=strength,
                steps=steps,
                seed=seed,
                init="target" if plain_init else None,
            ),
            weights=weights,
        ),
        captions=captions,
        visible_mark=mark,
        measure=measure,
    )
    source = _driving(glosses, driving, lexicon, fps)
    found = read_target(load_picture(target), person_options)
    for sentence in found.advice:
        typer.echo(f"  {sentence}", err=True)
    if preview:
        _preview(found, source, options, out)
    else:
        _animate(found, source, options, out, keep)


def _driving(glosses: str | None, source: Path | None, lexicon: list[Path] | None, fps: float | None) -> Driving:
    from models.animation.driving import read_driving, sign_driving

    if (glosses is None) == (source is None):
        raise SignError('Say what drives the person: either --glosses "HELLO MY NAME fs-ANNA" or --driving CLIP.')
    if source is not None:
        with Bar("Reading the driving pose") as bar:
            return read_driving(source, fps=fps, tell=bar.frames)
    assert glosses is not None
    return sign_driving(glosses, open_lexicons(lexicon, no_embedded=False), fps=fps or 25)


def _preview(target: Target, driving: Driving, options: AnimateOptions, out: Path) -> None:
    from models.animation.animate import preview
    from models.animation.frames import write_picture

    write_picture(out, preview(target, driving, options))
    typer.echo(out)


def _animate(target: Target, driving: Driving, options: AnimateOptions, out: Path, keep: Path | None) -> None:
    import shutil

    from models.animation.animate import animate as make
    from models.files import replacing

    if out.suffix.lower() != ".mp4":
        raise SignError(f"{out.name}: animated videos are written as MP4; use a name that ends in .mp4.")
    folder = keep or out.with_name(f".{out.stem}.animate")
    try:
        with Bar("Animating") as bar:
            made = make(target, driving, folder, options, bar.report)
    except KeyboardInterrupt:
        typer.echo("Stopped; the frames done so far are kept. Run the same command to go on.", err=True)
        raise typer.Exit(130) from None
    with replacing(out) as temporary:
        shutil.copyfile(made.video, temporary)
    _report(made)
    typer.echo(out)
    if keep is None:
        shutil.rmtree(folder)


def _report(made: Animation) -> None:
    typer.echo(f"{made.num_frames} frames in {made.seconds:.1f} s ({made.num_frames / made.fps:.1f} s of video)")
    if made.fidelity is not None:
        for line in made.fidelity.lines():
            typer.echo(f"  {line}")


@cli.command()
def evaluate(
    video: Annotated[Path, typer.Argument(help="An animated video.")],
    pose: Annotated[Path, typer.Option(help="The pose that it was asked to show, fitted to the person (--keep).")],
    target: Annotated[Path | None, typer.Option("--target", "-t", help="The person's picture, for identity.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON to write.")] = None,
) -> None:
    """Measure a video against the pose that drove it and the picture that it shows: any engine, any tool."""
    from models.animation.fidelity import measure
    from models.animation.picture import load_picture
    from models.animation.target import TargetOptions, read_target
    from models.pose.files import read_pose

    asked = read_pose(pose)
    size = asked.header.dimensions
    person = None
    if target is not None:
        person = read_target(load_picture(target), TargetOptions(side=max(size.width, size.height)))
    with Bar("Measuring") as bar:
        fidelity = measure(video, asked, person, tell=bar.frames)
    for line in fidelity.lines():
        typer.echo(line)
    if out is not None:
        fidelity.write_json(out)
        typer.echo(out)


@cli.command()
def compare(
    target: Annotated[Path, typer.Option("--target", "-t", help="Picture of the person.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the videos and the table.")],
    glosses: Annotated[str, typer.Option(help="What is signed.")] = "HELLO MY NAME fs-ANNA",
    engine: Annotated[str, typer.Option(help="controlnet or animatediff.")] = "controlnet",
    weights: Weights = None,
    preset: Annotated[str, typer.Option(help="preview, balanced or best.")] = "balanced",
    side: Annotated[int, typer.Option(help="Longest side of the videos, pixels.")] = 512,
) -> None:
    """Compare drawing over the puppet's frames with drawing over the still picture, and with the puppet alone."""
    from models.animation.animate import AnimateOptions
    from models.animation.animate import animate as make
    from models.animation.diffusion.options import DiffusionOptions
    from models.animation.engines import EngineOptions, check_engine
    from models.animation.fidelity import compare_table
    from models.animation.picture import load_picture
    from models.animation.target import TargetOptions, read_target

    def options(init: str) -> EngineOptions:
        return EngineOptions(diffusion=DiffusionOptions.of_preset(preset, init=init), weights=weights)

    check_engine(engine, options("puppet"))
    person = read_target(load_picture(target), TargetOptions(side=side))
    driving = _driving(glosses, None, None, None)
    runs = {
        "puppet": AnimateOptions(),
        f"{engine} over puppet": AnimateOptions(engine=engine, of_engine=options("puppet")),
        f"{engine} over picture": AnimateOptions(engine=engine, of_engine=options("target")),
    }
    found = {}
    for name, chosen in runs.items():
        with Bar(name) as bar:
            made = make(person, driving, out / name.replace(" ", "-"), chosen, bar.report)
        if made.fidelity is not None:
            found[name] = made.fidelity
    table = compare_table(found)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@cli.command()
def drive(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; NAME/NAME.pose, NAME/pose_json, NAME/pose_png.")],
    glosses: Annotated[str | None, typer.Option(help="A gloss line, such as HELLO.")] = None,
    driving: Source = None,
    lexicon: Folders = None,
    fps: Rate = None,
) -> None:
    """Save a driving pose as .pose, OpenPose JSON and preview pictures; --pose-dir takes the folder it names."""
    from models.animation.driving import save_driving

    typer.echo(save_driving(_driving(glosses, driving, lexicon, fps), out))


@cli.command()
def join(
    frames: Annotated[Path, typer.Argument(help="Folder with 0001.jpg, 0002.jpg ….")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The MP4 to write.")],
    fps: Annotated[float, typer.Option(min=1, max=120, help="Frames per second.")] = 25,
) -> None:
    """Make a video of a folder of frames."""
    from models.animation.frames import frames_to_video

    with Bar("Writing the video") as bar:
        count = frames_to_video(frames, out, fps=fps, progress=bar.frames)
    typer.echo(f"{out}: {count} frames")


@cli.command()
def split(
    video: Annotated[Path, typer.Argument(help="A video.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for 0001.jpg, 0002.jpg ….")],
    fps: Rate = None,
) -> None:
    """Write every frame of a video into a folder."""
    from models.animation.frames import video_to_frames

    with Bar("Reading the video") as bar:
        count = video_to_frames(video, out, fps=fps, progress=bar.frames)
    typer.echo(f"{out}: {count} frames")
