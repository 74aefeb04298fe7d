"""`signstudio base`: base action videos of words, drawn by a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.bar import Bar
from studio.cli.typed import RunName, command

if TYPE_CHECKING:
    from models.synthesis.products import BaseActionProducts, BaseActionStep

cli = typer.Typer(help="Draw base action videos of words with a trained model.", no_args_is_help=True)

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A run's name or folder, or a model's; the one that comes with the studio."),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with published weights; see `signstudio weights where`.")]
Lexicon = Annotated[Path | None, typer.Option("--lexicon", "-l", help="Also add each video to this lexicon folder.")]


@cli.command()
def words(model: Annotated[str | None, typer.Argument(help="As --model of `generate`.")] = None) -> None:
    """List the words that a model can draw, and say what it was trained on."""
    from studio import base_actions
    from studio.jobs import Jobs

    pipeline = base_actions.open_model(base_actions.model_folder(model, Jobs()))
    for word, example in sorted(pipeline.words.items()):
        motion = example.medoid
        seconds = len(motion.views) / motion.fps
        typer.echo(f"{word:<20} {example.samples:>4} samples, {len(motion.views)} frames, {seconds:.1f} s")
    typer.echo(f"This model was {pipeline.trained_on}; its pictures have {pipeline.config.size} px.")


@cli.command()
def generate(
    words: Annotated[list[str] | None, typer.Argument(help="Words that the model knows.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every word that the model knows.")] = False,
    model: Model = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the videos.")] = Path("base_action_videos"),
    source: Annotated[
        str, typer.Option(help="medoid (the most typical sample) or barycentre (their mean).")
    ] = "medoid",
    sampler: Annotated[str, typer.Option(help="ddim, dpm or lcm.")] = "ddim",
    steps: Annotated[int | None, typer.Option(help="Denoising steps; as many as suit the model unless set.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="How strictly it keeps to the word; 1 is twice as quick. As suits the model.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same number gives the same video.")] = 0,
    speed: Annotated[float, typer.Option(help="2 is twice as fast; 0.4 to 2.")] = 1.0,
    frames: Annotated[int | None, typer.Option(help="Frames of the video; as many a second as the samples.")] = None,
    begin: Annotated[
        str, typer.Option(help="Draw over: noise (nothing), avatar (the drawn signer), or clip.")
    ] = "noise",
    clip: Annotated[Path | None, typer.Option(help="For --begin clip: a video, or a sample's folder.")] = None,
    strength: Annotated[float, typer.Option(help="How much is drawn anew, when it does not begin from noise.")] = 0.6,
    enlarge: Annotated[int, typer.Option(help="Make the video so many times as large as the model's pictures.")] = 1,
    lexicon: Lexicon = None,
    weights: Weights = None,
) -> None:
    """Draw words: WORD.mp4, its .pose, a caption and a contact sheet of each.

    A word that is there already, made by the same model with the same options, is left as it is.
    """
    from studio import base_actions
    from studio.jobs import Jobs

    if not words and not every:
        raise SignError("Which words? Name them, or give --all; `signstudio base words` lists them.")
    chosen = base_actions.options(
        source=source,
        sampler=sampler,
        steps=steps,
        guidance=guidance,
        seed=seed,
        speed=speed,
        frames=frames,
        begin="clip" if clip is not None and begin == "noise" else begin,
        clip=clip,
        strength=strength,
        enlarge=enlarge,
    )
    folder = base_actions.model_folder(model, Jobs())
    failed = 0
    try:
        with Bar("Loading the model") as bar:

            def tell(step: BaseActionStep) -> None:
                bar.part(step.words, step.done, step.total)

            pipeline, mark = base_actions.open_model(folder, weights), base_actions.mark_of(folder)
            for word in list(dict.fromkeys(words or pipeline.words)):
                try:
                    made = base_actions.made_or_make(pipeline, word, out, chosen, mark, tell)
                    _say(made, lexicon)
                except SignError as error:
                    failed += 1
                    typer.echo(f"{word}: {error}", err=True)
    except KeyboardInterrupt:
        typer.echo("Stopped; the words that are done are kept. Run the same command to go on.", err=True)
        raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


@cli.command()
def add(
    videos: Annotated[list[Path], typer.Argument(help="Videos that `base generate` made.")],
    lexicon: Annotated[Path, typer.Option("--lexicon", "-l", help="Lexicon folder.")] = Path("lexicon"),
    gloss: Annotated[str, typer.Option("--gloss", "-g", help="What to call it; the word unless set.")] = "",
    word: Annotated[list[str] | None, typer.Option(help="A spoken word for it; may be given several times.")] = None,
    signed_language: Annotated[str, typer.Option(help="ISO 639-3 code of the sign language.")] = "ase",
    spoken_language: Annotated[str, typer.Option(help="Language code of the words.")] = "en",
    priority: Annotated[int, typer.Option(help="The variant with the lowest number is used first.")] = 0,
) -> None:
    """Add base action videos to a lexicon, where Synthesize and Animate find them."""
    from models.synthesis.products import read_products, to_lexicon

    if (gloss or word) and len(videos) > 1:
        raise SignError(f"{len(videos)} videos cannot share one gloss or word; add them one at a time.")
    failed = 0
    for video in videos:
        try:
            made = read_products(video)
            entry = to_lexicon(
                made,
                lexicon,
                gloss,
                words=word or (),
                signed_language=signed_language,
                spoken_language=spoken_language,
                priority=priority,
            )
            typer.echo(f"{entry.gloss}: {lexicon / entry.path}")
        except SignError as error:
            failed += 1
            typer.echo(f"{video.name}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


@cli.command()
def evaluate(
    run: RunName,
    split: Annotated[str, typer.Option(help="Which samples: test, val or train.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Samples at most; all unless set.")] = None,
    sampler: Annotated[str, typer.Option(help="ddim, dpm or lcm.")] = "ddim",
    steps: Annotated[int | None, typer.Option(help="Denoising steps; as many as suit the model unless set.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="How strictly it keeps to the word. As suits the model.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same number gives the same clips.")] = 0,
    weights: Weights = None,
) -> None:
    """Judge the model of a run on samples that it was not trained on; figures and a page are in RUN/evaluation."""
    from models.synthesis.evaluate import evaluate as judge
    from models.synthesis.sampling import SamplingOptions
    from studio.jobs import Jobs
    from studio.trained import find_run

    chosen = SamplingOptions(sampler=sampler, steps=steps, guidance=guidance, seed=seed)  # type: ignore[arg-type]
    made = find_run(run, Jobs())
    try:
        with Bar("Evaluating") as bar:
            found = judge(made, split, command=command(), tell=bar.part, limit=limit, options=chosen, weights=weights)
    except KeyboardInterrupt:
        typer.echo("Stopped; what was judged is kept. Run the same command to go on.", err=True)
        raise typer.Exit(130) from None
    typer.echo(json.dumps({name: value for name, value in found.items() if name != "config"}, indent=1))
    typer.echo(made.evaluation, err=True)


def _say(made: BaseActionProducts, lexicon: Path | None) -> None:
    from models.synthesis.products import to_lexicon

    typer.echo(made.video)
    for line in made.lines():
        typer.echo(f"  {line}")
    if lexicon is not None:
        entry = to_lexicon(made, lexicon)
        typer.echo(f"  {entry.gloss} is in {lexicon}: {entry.path}")
