"""`signstudio pose`: landmarks from clips, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import SignError
from studio.cli.bar import Bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pose_format import Pose

    from models.pose.batch import ClipOutcome

cli = typer.Typer(help="From a signing video to landmarks, and what is made of them.", no_args_is_help=True)

POSE_SUFFIXES = frozenset({".pose"})

Clips = Annotated[
    list[Path], typer.Argument(help="Videos, folders of videos, or quoted patterns such as 'clips/*.mp4'.")
]
Poses = Annotated[list[Path], typer.Argument(help=".pose files, folders of them, or quoted patterns.")]
Weights = Annotated[Path, typer.Option(help="Folder with the detector's weights.")]
WEIGHTS = Path("weights/controlnet-aux")
Start = Annotated[float, typer.Option(help="Where to start in the clip, milliseconds.")]
End = Annotated[float | None, typer.Option(help="Where to end in the clip, milliseconds.")]
Rate = Annotated[float | None, typer.Option(help="Frames per second of the pose; the clip's own unless set.")]
Crop = Annotated[str | None, typer.Option(help="left,top,right,bottom in pixels.")]


@cli.command()
def extract(
    clips: Clips,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the poses; beside each clip unless set.")
    ] = None,
    fps: Rate = None,
    start_ms: Start = 0,
    end_ms: End = None,
    crop: Crop = None,
    complexity: Annotated[
        int, typer.Option(help="MediaPipe's model: 1 is bundled; 0 and 2 when their file is there.")
    ] = 1,
    irises: Annotated[bool, typer.Option("--irises", help="478 face landmarks instead of 468.")] = False,
    no_face: Annotated[bool, typer.Option("--no-face", help="Leave the face out; faster.")] = False,
    recover_hands: Annotated[
        bool, typer.Option("--recover-hands", help="Look again for hands that were lost.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core unless set.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Do all clips, also those whose pose is up to date.")] = False,
) -> None:
    """Write a .pose file for every clip.

    Run it again after an interruption: clips whose pose is there, made from the same file with the same options,
    are skipped. A clip that cannot be read has its line at the end, and the exit code is 1; the others are done.
    """
    from models.pose.batch import extract_many, pose_paths
    from models.pose.extract import PoseOptions
    from studio.inputs import VIDEO_SUFFIXES, find, parse_crop

    options = PoseOptions(
        fps=fps,
        start_ms=start_ms,
        end_ms=end_ms,
        crop=parse_crop(crop),
        complexity=complexity,
        refine_face=irises,
        face=not no_face,
        recover_hands=recover_hands,
    )
    found = find(clips, VIDEO_SUFFIXES)
    root = clips[0] if len(clips) == 1 and clips[0].is_dir() else None
    places = pose_paths(found, out, root) if out else {clip: clip.with_suffix(".pose") for clip in found}
    try:
        with Bar("Extracting poses") as bar:
            outcomes = list(extract_many(found, places, options, workers=workers, resume=not again, progress=bar.clips))
    except KeyboardInterrupt:
        typer.echo("Stopped; what was done is kept. Run the same command to go on.", err=True)
        raise typer.Exit(130) from None
    _report(outcomes)


@cli.command()
def preview(
    source: Annotated[Path, typer.Argument(help="A clip, or a .pose file to draw alone.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The MP4 to write.")],
    pose: Annotated[Path | None, typer.Option(help="The clip's .pose; extracted now unless given.")] = None,
    mode: Annotated[
        str, typer.Option(help="overlay, side_by_side, skeleton, or openpose (the map for ControlNet).")
    ] = "overlay",
) -> None:
    """Draw the landmarks: over the clip, beside it, alone, or as an OpenPose map."""
    from models.pose.extract import extract_pose
    from models.pose.files import read_pose
    from models.pose.preview import write_openpose_video, write_preview, write_skeleton

    with Bar("Reading the pose") as bar:
        alone = _is_pose(source)
        found = read_pose(pose or source) if alone or pose else extract_pose(source, progress=bar.frames).pose
    with Bar("Drawing") as bar:
        if mode == "openpose":
            write_openpose_video(found, out, progress=bar.frames)
        elif alone:
            if mode != "skeleton":
                raise SignError(f"{mode} needs the clip; give the clip with --pose, or choose --mode skeleton.")
            write_skeleton(found, out, progress=bar.frames)
        else:
            write_preview(source, found, out, mode, progress=bar.frames)
    typer.echo(out)


@cli.command()
def clean(
    poses: Poses,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; beside each pose, as NAME.clean.pose, unless set.")
    ] = None,
    fill_gap_ms: Annotated[
        float, typer.Option(help="Longest gap of a hand to fill, milliseconds; 0 fills nothing.")
    ] = 250,
    reduce: Annotated[bool, typer.Option(help="Keep arms, hands and face contours: 178 landmarks.")] = True,
    normalize: Annotated[bool, typer.Option(help="Origin between the shoulders, one size for all signers.")] = True,
    trim: Annotated[bool, typer.Option(help="Keep the signing, leave out rest before and after.")] = True,
    anonymize: Annotated[bool, typer.Option(help="Give the signer average proportions.")] = False,
) -> None:
    """Write cleaned poses, ready for lexicons and models."""
    from models.files import own_names
    from models.pose.clean import CleanOptions
    from models.pose.clean import clean as clean_pose
    from models.pose.files import read_pose, write_pose
    from studio.inputs import find

    options = CleanOptions(
        fill_gap_ms=fill_gap_ms,
        reduce=reduce,
        normalize=normalize,
        width=CleanOptions().width if normalize else None,
        trim=trim,
        anonymize=anonymize,
    )
    failures = []
    for path, name in own_names(find(poses, POSE_SUFFIXES), _stem).items():
        target = out / f"{name}.pose" if out else path.with_suffix(".clean.pose")
        try:
            write_pose(target, clean_pose(read_pose(path), options))
        except SignError as error:
            failures.append(str(error))
        else:
            typer.echo(target)
    _fail(failures)


@cli.command()
def quality(
    sources: Annotated[list[Path], typer.Argument(help="Clips or .pose files, folders of them, or quoted patterns.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for a JSON report and a figure of each.")
    ] = None,
) -> None:
    """Judge clips or poses: keep, review or reject, and why. Blur is only known of clips extracted by this studio."""
    from models.files import own_names
    from models.pose.products import write_quality
    from models.pose.quality import assess
    from models.pose.quality_figure import write_quality_png
    from studio.inputs import VIDEO_SUFFIXES, find

    failures = []
    for path, name in own_names(find(sources, VIDEO_SUFFIXES | POSE_SUFFIXES), _stem).items():
        try:
            pose, sharpness = read_sharp(path)
            report = assess(pose, sharpness)
            typer.echo("\n  ".join([f"{path}", *report.lines()]))
            if out is not None:
                write_quality(out / f"{name}-quality.json", report)
                write_quality_png(out / f"{name}-timeline.png", pose, report)
        except SignError as error:
            failures.append(str(error))
    _fail(failures)


@cli.command()
def export(
    pose: Annotated[Path, typer.Argument(help="A .pose file.")],
    csv: Annotated[Path | None, typer.Option(help="Table of landmarks to write.")] = None,
    openpose: Annotated[
        Path | None, typer.Option(help="OpenPose JSON to write: a .json for the clip, or a folder.")
    ] = None,
    body: Annotated[str, typer.Option(help="OpenPose body model: COCO_18 (ControlNet) or BODY_25.")] = "COCO_18",
) -> None:
    """Write a pose in other formats."""
    from models.pose.files import read_pose, write_csv
    from models.pose.openpose import to_openpose
    from models.pose.openpose_json import write_clip, write_frames

    if body not in ("COCO_18", "BODY_25"):
        raise SignError(f"There is no OpenPose body model {body!r}; choose COCO_18 or BODY_25.")
    if csv is None and openpose is None:
        raise SignError("Say what to write: --csv FILE, --openpose FILE.json or --openpose FOLDER.")
    found = read_pose(pose)
    size = found.header.dimensions
    if csv is not None:
        write_csv(csv, found)
        typer.echo(csv)
    if openpose is not None:
        people = to_openpose(found)
        if openpose.suffix.lower() == ".json":
            write_clip(openpose, people, size.width, size.height, body=body)
        else:
            write_frames(openpose, people, size.width, size.height, stem=pose.stem, body=body)
        typer.echo(openpose)


@cli.command()
def detect(
    clip: Annotated[Path, typer.Argument(help="A video.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="OpenPose JSON of the clip to write.")],
    source: Annotated[str, typer.Option(help="openpose or dwpose; see `sources`.")] = "openpose",
    weights: Weights = WEIGHTS,
) -> None:
    """Keypoints by a detector of controlnet-aux instead of MediaPipe, where its weights are on this machine."""
    from models.pose.detectors import detect_clip
    from models.pose.openpose_json import write_clip
    from models.video import probe

    info = probe(clip)
    with Bar(f"Detecting with {source}") as bar:
        people = detect_clip(source, clip, weights, progress=bar.frames)
    write_clip(out, people, info.width, info.height)
    typer.echo(out)


@cli.command()
def sources(weights: Weights = WEIGHTS) -> None:
    """What can read poses on this machine, and what the others need."""
    from models.pose.detectors import available
    from models.pose.holistic import available_complexities

    levels = ", ".join(map(str, available_complexities()))
    typer.echo(f"MediaPipe Holistic: ready (model complexity {levels}); used by every command")
    for detector in available(weights):
        typer.echo(f"{detector.name}: {'ready' if detector.ready else detector.what_to_do}")


def read_sharp(path: Path) -> tuple[Pose, NDArray[np.float32] | None]:
    """The pose of a clip or .pose file, and the sharpness of its frames where that is known."""
    from models.pose.extract import extract_pose
    from models.pose.files import read_pose
    from models.pose.record import read_sharpness

    if _is_pose(path):
        pose = read_pose(path)
        return pose, read_sharpness(path, len(pose.body.data))
    with Bar(f"Reading {path.name}") as bar:
        result = extract_pose(path, progress=bar.frames)
    return result.pose, result.sharpness


def _stem(path: Path) -> str:
    return path.stem


def _is_pose(path: Path) -> bool:
    return path.suffix.lower() in POSE_SUFFIXES


def _report(outcomes: Iterable[ClipOutcome]) -> None:
    """What became of a batch; exit code 1 when a clip failed."""
    outcomes = list(outcomes)
    done = sum(outcome.error is None and not outcome.skipped for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    failures = [outcome.error for outcome in outcomes if outcome.error is not None]
    typer.echo(f"{done} extracted, {skipped} up to date, {len(failures)} failed")
    _fail(failures)


def _fail(failures: list[str]) -> None:
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)
