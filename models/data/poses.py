"""The phases `extract` and `clean`: from the video of an instance to its raw pose, and from that to one for lexicons.

A worker opens MediaPipe once and keeps it for all its instances. It cuts while it decodes, so no cut copy of a video
is written (unless asked for: `models.data.kept_clips`), and it judges the quality while it knows how sharp each frame
was: what was measured goes into the manifest, and nothing but the pose to the disk. `clean` then decides by those
figures and reads only the poses that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from models.data.cuts import Cut, Source, cuts_of, decides, part_of, read_of, reading
from models.data.manifest import Manifest
from models.data.store import Store
from models.data.wlasl import Instance
from models.data.work import Made, Make, Task, fingerprint
from models.errors import PoseError, SignError
from models.pose.clean import CleanOptions
from models.pose.clean import clean as clean_pose
from models.pose.extract import PoseOptions, extract_pose, open_session
from models.pose.files import read_pose, write_pose
from models.pose.quality import QualityLimits, QualityReport, assess
from models.video import probe

if TYPE_CHECKING:
    from models.pose.holistic import HolisticSession

EXTRACT, CLEAN = "extract", "clean"
FORMAT = 1
"""Raised when the same video and options would give another pose or other figures than before."""


@dataclass(frozen=True, kw_only=True)
class CleanLimits:
    """What a pose needs to be kept. Shares are 0..1."""

    min_frames: int = 10
    """Frames of the signing span, which are the frames that are left when rest is cut off."""
    min_hands: float = QualityLimits().hand_reject
    """The hand that leads, seen, of the frames in which it signs (see `leading_hands`)."""
    min_body: float = QualityLimits().body_reject
    """The upper body, seen, of the signing span."""

    def __post_init__(self) -> None:
        if self.min_frames < 1:
            raise SignError(f"The fewest frames are {self.min_frames}; give 1 or more.")
        for name, value in (("hands", self.min_hands), ("body", self.min_body)):
            if not 0 <= value <= 1:
                raise SignError(f"The least share of frames with the {name} is {value:g}; give a number from 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """One raw pose to judge and clean."""

    raw: str
    """Its name in the store."""
    output: str
    about: Mapping[str, Any]
    """gloss, split and signer."""
    hands: float
    body: float
    frames: int
    """Of the signing span."""
    limits: CleanLimits = field(default_factory=CleanLimits)
    options: CleanOptions = field(default_factory=CleanOptions)


def raw_name(instance: Instance) -> str:
    """Where the raw pose of an instance is, in the store."""
    return f"poses/raw/{instance.split}/{instance.item}.pose"


def processed_name(instance: Instance) -> str:
    """Where the cleaned pose of an instance is, in the store."""
    return f"poses/processed/{instance.split}/{instance.item}.pose"


def extract_tasks(
    instances: Iterable[Instance],
    sources: Mapping[str, Source],
    *,
    padding: float | None,
) -> Iterator[Task]:
    """One task for each instance whose video is there.

    sources: by `Instance.item`. padding: None never crops.
    """
    how = (FORMAT, version("mediapipe"), asdict(PoseOptions()), asdict(QualityLimits()))
    for cut in cuts_of(instances, sources, padding=padding, name=raw_name):
        yield Task(item=cut.item, made_from=fingerprint(EXTRACT, *how, decides(cut)), value=cut)


def clean_tasks(
    instances: Iterable[Instance],
    manifest: Manifest,
    *,
    limits: CleanLimits | None = None,
    options: CleanOptions | None = None,
) -> Iterator[Task]:
    """One task for each instance whose raw pose was extracted."""
    limits, options = limits or CleanLimits(), options or CleanOptions()
    how = (FORMAT, version("pose-format"), _anonymizer(options), asdict(limits), asdict(options))
    for instance in instances:
        row = manifest.get(EXTRACT, instance.item)
        if row is not None and row.state == "done":
            cleaning = Cleaning(
                raw=row.output,
                output=processed_name(instance),
                about={name: row.info[name] for name in ("gloss", "split", "signer")},
                hands=row.info["hands"],
                body=row.info["body"],
                frames=_span_frames(row.info["quality"]),
                limits=limits,
                options=options,
            )
            yield Task(item=instance.item, made_from=fingerprint(CLEAN, *how, row.made_from), value=cleaning)


def extractor(store: Store) -> Make:
    """For `carry_out`: makes raw poses of cuts, one MediaPipe session for each worker."""
    return partial(_extracting, store)


def cleaner(store: Store) -> Make:
    """For `carry_out`: judges and cleans raw poses."""
    return partial(_cleaning, store)


def leading_hands(report: QualityReport) -> float:
    """How well the hand that leads was followed: share of the frames in which it signs that show it.

    Where none clearly leads, both do, and the worse counts; 0 where no hand signs. A supporting hand may be lost:
    it often only holds. Compare `models.pose.quality`, which rejects by the same figure.
    """
    hands = (("left", report.left), ("right", report.right))
    judged = [hand for side, hand in hands if hand.active and report.dominant in (side, None)]
    return min((hand.seen_while_raised or 0.0 for hand in judged), default=0.0)


def why_rejected(cleaning: Cleaning) -> str:
    """Why a pose is not good enough, with the values seen and the limits; empty when it is."""
    limits, reasons = cleaning.limits, []
    if cleaning.frames < limits.min_frames:
        reasons.append(f"the signing lasts {cleaning.frames} frames, fewer than {limits.min_frames}")
    if cleaning.body < limits.min_body:
        limit = f"{100 * limits.min_body:g}%"
        reasons.append(f"the body was seen in {cleaning.body:.1%} of the signing, less than {limit}")
    if cleaning.hands < limits.min_hands:
        reasons.append(
            f"the leading hand was seen in {cleaning.hands:.1%} of the frames in which it signs, "
            f"less than {100 * limits.min_hands:g}%"
        )
    words = "; ".join(reasons)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _extracting(store: Store) -> Callable[[Cut], Made]:
    import cv2

    cv2.setNumThreads(1)  # there is a worker on every core
    options, session = PoseOptions(), None

    def extract(cut: Cut) -> Made:
        nonlocal session
        try:
            session = session or open_session(options, threads=1)
            return _extract(store, cut, options, session)
        except SignError:
            store.remove(cut.output)  # of an earlier run, with other options
            raise
        except Exception:
            session = None  # whatever happened, the next one starts from nothing
            store.remove(cut.output)
            raise

    return extract


def _extract(store: Store, cut: Cut, options: PoseOptions, session: HolisticSession) -> Made:
    with reading(store, cut) as path:
        part = part_of(cut, probe(path))
        wanted = replace(options, start_ms=part.start_ms, end_ms=part.end_ms, crop=part.crop)
        result = extract_pose(path, wanted, session=session)
    report = assess(result.pose, result.sharpness)
    with store.writing(cut.output) as made:
        write_pose(made, result.pose)
    size = result.pose.header.dimensions
    info = {
        "gloss": cut.gloss,
        "split": cut.split,
        "signer": cut.signer,
        "video_id": cut.video_id,
        "frames": len(result.sharpness),
        "fps": report.fps,
        "width": size.width,
        "height": size.height,
        "hands": leading_hands(report),
        "body": report.body_in_span,
        "quality": report.to_json(),
        **read_of(cut, part),
    }
    return Made(output=cut.output, info=info)


def _cleaning(store: Store) -> Callable[[Cleaning], Made]:
    def clean(cleaning: Cleaning) -> Made:
        why = why_rejected(cleaning)
        if not why:
            with store.reading(cleaning.raw) as path:
                raw = read_pose(path)
            try:
                pose = clean_pose(raw, cleaning.options)
            except PoseError as error:  # it can be read, so what is wrong is what it shows
                why = str(error)
        if why:
            store.remove(cleaning.output)  # of an earlier run, with other limits
            return Made(state="rejected", words=why, info=dict(cleaning.about))
        with store.writing(cleaning.output) as made:
            write_pose(made, pose)
        frames, fps = len(pose.body.data), float(pose.body.fps)
        info = {**cleaning.about, "frames": frames, "fps": fps, "duration_ms": 1000 * frames / fps}
        return Made(output=cleaning.output, info=info)

    return clean


def _span_frames(quality: Mapping[str, Any]) -> int:
    return round((quality["end_ms"] - quality["start_ms"]) * quality["fps"] / 1000)


def _anonymizer(options: CleanOptions) -> str | None:
    """The version of what makes signers anonymous. Raises SignError when it is asked for and not installed."""
    if not options.anonymize:
        return None
    try:
        return version("pose-anonymization")
    except PackageNotFoundError as error:
        raise SignError("--anonymize needs the package pose-anonymization: pip install pose-anonymization.") from error
