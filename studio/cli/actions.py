"""`signstudio actions`: what hands do with objects in short clips, recognized by a trained model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import SignError
from studio.cli.bar import Bar
from studio.cli.typed import RunName, command

cli = typer.Typer(help="Recognize what is done with objects in short clips.", no_args_is_help=True)

MODEL = "A run's name or folder, or a model's; the one that comes with the studio."


@cli.command()
def recognize(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO", help="Videos, folders of frames (0001.jpg …), or folders of both."),
    ],
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL)] = None,
    annotations: Annotated[
        Path | None, typer.Option("--annotations", "-a", help="Boxes of Something-Else: a JSON file, or a folder.")
    ] = None,
    video_id: Annotated[
        str | None, typer.Option("--id", help="What the clip is called there; the name of its file unless set.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for NAME.mp4, NAME.json and the figures.")
    ] = None,
    hands: Annotated[bool, typer.Option(help="Look for hands with MediaPipe.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: a list, one entry for each clip.")] = False,
) -> None:
    """Print the five likeliest labels of each clip, and what was missing; write the clip with what the model saw."""
    from models.files import own_names
    from studio import actions
    from studio.jobs import Jobs

    clips, failed = _clips(videos)
    if video_id is not None and len(clips) > 1:
        raise SignError(f"{len(clips)} clips cannot share the id {video_id!r}; give them one at a time.")
    if annotations is not None and not annotations.exists():
        raise SignError(f"There is no file or folder {annotations}; give the annotations of Something-Else.")
    folder, names, told = actions.model_folder(model, Jobs()), own_names(clips), []
    try:
        with Bar("Loading the model") as bar:
            recognizer = actions.open_model(folder)
            typer.echo(recognizer.description, err=True)
            for clip in clips:
                try:
                    seen = actions.see(recognizer, clip, annotations, video_id, hands=hands, tell=bar.part)
                    stem = None if out is None else out / names[clip]
                    if stem is not None:
                        bar.say("Drawing where it looked")
                        actions.write(seen, recognizer.drawn, clip, stem)
                    told.append(actions.values(seen, recognizer.drawn, clip))
                    if not as_json:
                        _say(told[-1], stem)
                except SignError as error:
                    failed += 1
                    typer.echo(f"{clip.name}: {error}", err=True)
    except KeyboardInterrupt:
        typer.echo("Stopped; what was written is kept.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


@cli.command()
def labels(model: Annotated[str | None, typer.Argument(help=MODEL)] = None) -> None:
    """List the labels that a model knows, and say what it was trained on."""
    from studio import actions
    from studio.jobs import Jobs

    recognizer = actions.open_model(actions.model_folder(model, Jobs()))
    for label in recognizer.labels:
        typer.echo(label)
    typer.echo(recognizer.description, err=True)
    if recognizer.drawn:
        typer.echo(actions.DRAWN, err=True)


@cli.command()
def evaluate(
    run: RunName,
    split: Annotated[
        str | None, typer.Option(help="The name of the split's file, as validation or compositional; test unless set.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Draw figures and write the page.")] = True,
) -> None:
    """Judge the model of a run on clips that it was not trained on; figures and a page are in RUN/evaluation."""
    from models.recognition.multistream.evaluate import evaluate as judge
    from studio.jobs import Jobs
    from studio.trained import find_run

    made = find_run(run, Jobs())
    try:
        with Bar("Evaluating") as bar:
            found = judge(made, split, command=command(), tell=bar.part, pictures=pictures)
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing was written. Run the same command to begin again.", err=True)
        raise typer.Exit(130) from None
    for line in _lines(found):
        typer.echo(line)
    typer.echo(made.evaluation / ("report.html" if pictures else "evaluation.json"), err=True)


def _clips(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """The clips that the paths name, each once, and how many paths name none."""
    from studio.actions import clips_in

    found: list[Path] = []
    failed = 0
    for path in paths:
        try:
            found += clips_in(path)
        except SignError as error:
            failed += 1
            typer.echo(f"{path}: {error}", err=True)
    return list(dict.fromkeys(found)), failed


def _say(told: Mapping[str, Any], stem: Path | None) -> None:
    from studio.actions import DRAWN

    typer.echo(f"{told['clip']}:" if stem is None else f"{told['clip']}: {stem}.mp4")
    for one in told["labels"]:
        typer.echo(f"  {one['confidence']:>6.1%}  {one['label']}")
    for remark in (*((DRAWN,) if told["trained_on_drawn_clips"] else ()), *told["remarks"]):
        typer.echo(f"  {remark}")


def _lines(found: Mapping[str, Any]) -> list[str]:
    """What an evaluation found, in lines."""
    from models.recognition.multistream.judging import FULL, combined

    data, result = found["data"], found["result"]
    lines = [f"{result['clips']} clips of {result['labels']} labels, split {data['split']}", *_shares(result)]
    if data["drawn"]:
        lines.append("The clips are drawn: this says nothing of filmed ones.")
    other = found.get("compositional")
    if other:
        lines += ["Known actions with other objects:", *_shares(other)]
    rows = combined({FULL: result, **(found.get("streams_masked") or {})})
    for row in rows:
        if row["variant"] != FULL:
            lost = row["lost"]
            told = "" if lost is None else f", {abs(100 * lost):.1f} points {'lost' if lost >= 0 else 'won'}"
            lines.append(f"Without the stream of {row['variant']}: top-1 {_percent(row['top1'])}{told}")
    return lines


def _shares(result: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, key in (("top-1", "top1"), (f"top-{result['k']}", "top5")):
        around = result.get(f"{key}_interval_95")
        told = "" if around is None else f" (95 % interval: {_percent(around[0])} to {_percent(around[1])})"
        lines.append(f"  {name} {_percent(result[key])}{told}")
    return lines


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f} %"
