"""`signstudio recognize`: clips in, glosses out; teaching signs; training and judging the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.bar import Bar
from studio.cli.lexicon import Folders, open_lexicons

if TYPE_CHECKING:
    from models.recognition.recipe import Recipe
    from models.recognition.results import Recognition
    from models.training import Status

cli = typer.Typer(help="Which glosses are signed in a video, and when.", no_args_is_help=True)

Model = Annotated[Path | None, typer.Option(help="Folder of a model, instead of the one that comes with the studio.")]
Data = Annotated[Path, typer.Option(help="Folder for the training data; what is there already is used.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")]


@cli.command()
def run(
    clips: Annotated[list[Path], typer.Argument(help="Signing videos or .pose files.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON, WebVTT, ELAN and CSV.")] = None,
    lexicon: Folders = None,
    model: Model = None,
) -> None:
    """Print the glosses of each clip with times and confidence; write them for ELAN and as captions."""
    from models.files import own_names
    from studio.recognizing import write_recognition

    names = own_names(clips)
    answer = _of_pictures(model) if model is not None and _looks_at_pictures(model) else _of_landmarks(lexicon, model)
    failed = 0
    for clip in clips:
        try:
            found = answer(clip)
        except SignError as error:
            failed += 1
            typer.echo(f"Error: {error}", err=True)
            continue
        typer.echo(f"{clip.name}: {' '.join(found.glosses) or 'no known sign'}")
        for segment in found.segments:
            told = ", ".join(f"{one.gloss} {one.confidence:.0%}" for one in segment.candidates)
            gloss = segment.gloss or "unknown"
            typer.echo(f"  {segment.start_ms / 1000:6.2f}-{segment.end_ms / 1000:.2f} s  {gloss}  ({told})")
        for remark in found.remarks:
            typer.echo(f"  {remark}")
        if out is not None:
            write_recognition(found, out / names[clip], clip)
    if failed:
        raise typer.Exit(1)


def _of_landmarks(lexicon: list[Path] | None, model: Path | None) -> Callable[[Path], Recognition]:
    """What answers by the landmarks of a clip, or of a .pose file."""
    from models.pose.extract import PoseOptions, extract_pose
    from models.pose.files import read_pose
    from models.recognition.ready import ready_recognizer
    from models.recognition.recognize import recognize

    recognizer = ready_recognizer(open_lexicons(lexicon, no_embedded=False), model)
    typer.echo(recognizer.description, err=True)

    def answer(clip: Path) -> Recognition:
        if clip.suffix.lower() == ".pose":
            return recognize(read_pose(clip), recognizer)
        with Bar(clip.name) as bar:
            pose = extract_pose(clip, PoseOptions(), bar.frames).pose
        return recognize(pose, recognizer, clip)

    return answer


def _looks_at_pictures(model: Path) -> bool:
    from models.model_folder import described
    from models.recognition.four_stage.files import KIND

    return described(model).get("kind") == KIND


def _of_pictures(model: Path) -> Callable[[Path], Recognition]:
    """What answers by the pictures of a clip."""
    from models.recognition.four_stage.files import load_four_stage, trained_on
    from models.recognition.four_stage.recognizer import FourStageRecognizer

    recognizer = FourStageRecognizer(load_four_stage(model), trained_on(model))
    typer.echo(recognizer.description, err=True)

    def answer(clip: Path) -> Recognition:
        if clip.suffix.lower() == ".pose":
            raise SignError(f"{clip.name}: this model looks at pictures, and a .pose file has none; give it the video.")
        with Bar(clip.name) as bar:
            return recognizer.see(clip, lambda done, total: bar.count(done, total or done)).recognition

    return answer


@cli.command()
def enrol(
    clips: Annotated[list[Path], typer.Argument(help="One to five clips of the sign, or .pose files.")],
    gloss: Annotated[str, typer.Option("--gloss", "-g", help="What the sign is called.")],
    lexicon: Annotated[Path, typer.Option("--lexicon", "-l", help="Lexicon folder to keep it in.")] = Path("lexicon"),
) -> None:
    """Teach a sign from a few clips; `recognize run --lexicon` knows it from then on."""
    from models.recognition.enrol import enrol as learn

    with Bar("Reading the clips") as bar:
        results = learn(clips, gloss, lexicon, bar.frames)
    for one in results:
        typer.echo(f"{one.path.name}: {one.verdict}")
    accepted = sum(one.accepted for one in results)
    if not accepted:
        raise SignError(f"None of {len(results)} clips could be used; {gloss} was not learned.")
    typer.echo(f"{gloss.upper()}: learned from {accepted} of {len(results)} clips, kept in {lexicon}.")


@cli.command()
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")],
    data: Data = Path("recognition-data"),
    steps: Annotated[tuple[int, int, int], typer.Option(min=1, help="Steps of the three rounds of training.")] = (
        1200,
        1500,
        1000,
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives another model.")] = 0,
    workers: Workers = None,
) -> None:
    """Make the data that is missing, and train the model that comes with the studio, from nothing.

    Drawing and reading the data takes hours of computing, training minutes. Stopped, it goes on where it was.
    """
    from models.progress import Cancelled
    from models.recognition.recipe import Recipe, train_model

    recipe = Recipe(steps=steps, seed=seed)
    _prepare(data, recipe, workers)
    with Bar("Training") as bar:

        def tell(status: Status) -> None:
            bar.count(status.step, status.steps)

        try:
            made = train_model(data, out, recipe, tell)
        except (Cancelled, KeyboardInterrupt):
            typer.echo("Stopped. The same command goes on from the last checkpoint.", err=True)
            raise typer.Exit(130) from None
    typer.echo(f"{out}: {len(made.card.glosses)} glosses; unknown below {made.card.unknown_below}")


@cli.command()
def evaluate(
    data: Annotated[Path, typer.Argument(help="Folder of the data that `recognize train` made.")],
    model: Model = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the JSON and the figure.")] = None,
) -> None:
    """Print every figure of the model on signers that it has not seen."""
    from models.recognition.evaluate import evaluate as judge
    from models.recognition.evaluation_figure import write_figure
    from models.recognition.landmark_data import TESTING, held_out
    from models.recognition.ready import ready_recognizer

    recognizer = ready_recognizer(folder=model)
    signers = " and ".join(f"signer{number:02d}" for number in TESTING)
    report = judge(
        recognizer,
        held_out(data),
        data=f"Drawn {signers}, who are in no other set, read by MediaPipe from MP4.",
        command=f"signstudio recognize evaluate {data.name}",
    )
    for line in report.lines():
        typer.echo(line)
    if out is not None:
        report.write_json(out / "evaluation.json")
        write_figure(report, out / "evaluation.png")


@cli.command()
def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx to write.")],
    model: Model = None,
) -> None:
    """Write the model as ONNX, for runtimes without torch; needs `pip install 'sign-studio[onnx]'`."""
    from models.recognition.onnx_export import export_onnx
    from models.recognition.ready import ready_recognizer

    export_onnx(ready_recognizer(folder=model).model, out)
    typer.echo(out)


def _prepare(data: Path, recipe: Recipe, workers: int | None) -> None:
    from models.recognition.recipe import prepare

    with Bar("Making data") as bar:
        prepare(data, recipe, bar.part, workers)
