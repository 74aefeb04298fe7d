"""Everything the studio makes of a clip: the pose, a preview to look at, the quality report, and the exports."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose

from models.errors import SignError
from models.files import own_names, plain_cell, replacing, safe_name, slug
from models.pose.batch import BatchProgress, ClipOutcome, extract_many
from models.pose.clean import CleanOptions, clean
from models.pose.extract import PoseOptions, extract_pose
from models.pose.files import read_pose, write_csv, write_pose
from models.pose.openpose import to_openpose
from models.pose.openpose_json import write_clip
from models.pose.preview import Mode, write_openpose_video, write_preview
from models.pose.quality import QualityReport, assess
from models.pose.quality_figure import write_quality_png
from models.pose.record import read_sharpness, write_result
from models.progress import Cancelled, Progress

Step = Literal["Reading the pose", "Drawing the preview"]
Tell = Callable[[tuple[Step, Progress]], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class ProductOptions:
    """What to make of a clip."""

    pose: PoseOptions = field(default_factory=PoseOptions)
    preview: Mode | Literal["openpose"] = "overlay"
    clean: CleanOptions | None = None
    """Also write a cleaned pose, made with these options."""


@dataclass(frozen=True, kw_only=True)
class Products:
    """Where everything was written, and the report."""

    pose: Path
    preview: Path
    csv: Path
    openpose: Path
    quality: Path
    figure_light: Path
    figure_dark: Path
    cleaned: Path | None
    report: QualityReport

    @property
    def downloads(self) -> list[Path]:
        """The files worth keeping, most wanted first."""
        files = [self.pose, self.cleaned, self.preview, self.openpose, self.csv, self.quality]
        return [path for path in files if path is not None]


@dataclass(frozen=True, kw_only=True)
class ClipProducts:
    """One clip of a batch: what became of it, and its products when all went well."""

    clip: Path
    products: Products | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class BatchProducts:
    """A batch under way or finished."""

    progress: BatchProgress | None
    clips: tuple[ClipProducts, ...]
    archive: Path | None
    """The zip of all results; None while the batch is under way or when there is nothing to put in it."""


def make_products(
    clip: str | os.PathLike[str],
    folder: Path,
    options: ProductOptions | None = None,
    tell: Tell | None = None,
    should_stop: ShouldStop | None = None,
) -> Products:
    """Extract the pose of a clip and write all that belongs to it into `folder`.

    Raises VideoError and PoseError as `extract_pose` does, and Cancelled when `should_stop` says so.
    """
    options = options or ProductOptions()
    result = extract_pose(clip, options.pose, _teller(tell, "Reading the pose"), should_stop)
    pose_path = folder / f"{slug(clip)}.pose"
    write_result(pose_path, result, clip, options.pose)
    return _finish(clip, pose_path, result.pose, result.sharpness, options, tell, should_stop)


def make_many_products(
    clips: Iterable[str | os.PathLike[str]],
    folder: Path,
    options: ProductOptions | None = None,
    tell: Callable[[BatchProducts], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> BatchProducts:
    """`make_products` for many clips on all cores, each in a folder of its own, and a zip of them all.

    A clip that fails has its error and the others go on; when stopped, the clips done so far are in the zip.
    """
    options = options or ProductOptions()
    places = _places([Path(clip) for clip in clips], folder)
    done: list[ClipProducts] = []
    latest: list[BatchProgress] = []

    def show(progress: BatchProgress) -> None:
        latest[:] = [progress]
        if tell is not None:
            tell(BatchProducts(progress=progress, clips=tuple(done), archive=None))

    try:
        for outcome in extract_many(places, places, options.pose, progress=show, should_stop=should_stop):
            done.append(_complete(outcome, options, should_stop))
    except Cancelled:
        pass  # what is done is worth having
    archive = _zip(folder / "poses.zip", folder, done)
    return BatchProducts(progress=latest[0] if latest else None, clips=tuple(done), archive=archive)


def _complete(outcome: ClipOutcome, options: ProductOptions, should_stop: ShouldStop | None) -> ClipProducts:
    """The rest of the products of a clip whose pose was extracted."""
    if outcome.pose_path is None:
        return ClipProducts(clip=outcome.path, products=None, error=outcome.error)
    try:
        pose = read_pose(outcome.pose_path)
        sharpness = read_sharpness(outcome.pose_path, len(pose.body.data))
        products = _finish(outcome.path, outcome.pose_path, pose, sharpness, options, None, should_stop)
    except SignError as error:
        return ClipProducts(clip=outcome.path, products=None, error=str(error))
    return ClipProducts(clip=outcome.path, products=products, error=None)


def _finish(
    clip: str | os.PathLike[str],
    pose_path: Path,
    pose: Pose,
    sharpness: NDArray[np.float32] | None,
    options: ProductOptions,
    tell: Tell | None,
    should_stop: ShouldStop | None,
) -> Products:
    """Write everything but the pose itself, beside it."""
    folder, name = pose_path.parent, pose_path.stem
    products = Products(
        pose=pose_path,
        preview=folder / f"{name}-{options.preview.replace('_', '-')}.mp4",
        csv=folder / f"{name}-landmarks.csv",
        openpose=folder / f"{name}-openpose.json",
        quality=folder / f"{name}-quality.json",
        figure_light=folder / f"{name}-timeline.png",
        figure_dark=folder / f"{name}-timeline-dark.png",
        cleaned=folder / f"{name}-clean.pose" if options.clean else None,
        report=assess(pose, sharpness),
    )
    if options.clean is not None and products.cleaned is not None:
        write_pose(products.cleaned, clean(pose, options.clean))
    write_quality(products.quality, products.report)
    write_quality_png(products.figure_light, pose, products.report)
    write_quality_png(products.figure_dark, pose, products.report, "dark")
    write_csv(products.csv, pose)
    size = pose.header.dimensions
    write_clip(products.openpose, to_openpose(pose), size.width, size.height)
    drawing = _teller(tell, "Drawing the preview")
    if options.preview == "openpose":
        write_openpose_video(pose, products.preview, progress=drawing, should_stop=should_stop)
    else:
        write_preview(
            clip,
            pose,
            products.preview,
            options.preview,
            reading=options.pose.reading,
            progress=drawing,
            should_stop=should_stop,
        )
    return products


def write_quality(path: Path, report: QualityReport) -> None:
    """Write a quality report as JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")


def _teller(tell: Tell | None, step: Step) -> Callable[[Progress], None] | None:
    return None if tell is None else lambda progress: tell((step, progress))


def _places(clips: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """A folder and a pose path per clip."""
    return {clip: folder / name / f"{name}.pose" for clip, name in own_names(clips).items()}


def _zip(path: Path, folder: Path, clips: Sequence[ClipProducts]) -> Path | None:
    """All results and a table of what became of each clip. None when no clip went well."""
    finished = [clip for clip in clips if clip.products is not None]
    if not finished:
        return None
    lines = ["clip\tverdict\tremarks"]
    for entry in clips:
        report = entry.products.report if entry.products else None
        remarks = " ".join(report.reasons) if report else str(entry.error)
        cells = (safe_name(entry.clip), report.verdict if report else "failed", " ".join(remarks.split()))
        lines.append("\t".join(map(plain_cell, cells)))
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.tsv", "\n".join(lines) + "\n")
        for entry in finished:
            assert entry.products is not None
            for file in [*entry.products.downloads, entry.products.figure_light]:
                archive.write(file, file.relative_to(folder))
    return path
