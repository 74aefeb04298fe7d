"""What is asked of the WLASL pipeline: its options, the instances that they choose, and where the video of each is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.data.cuts import PADDING, Source
from models.data.download import source_name, videos_in
from models.data.engines import EngineName, check_engine
from models.data.manifest import Manifest
from models.data.poses import CleanLimits
from models.data.store import Store
from models.data.wlasl import Wlasl, choose, read_wlasl, resplit
from models.errors import SignError
from models.files import safe_name
from models.pose.clean import CleanOptions

DOWNLOAD = "download"
PHASES = (DOWNLOAD, "extract", "clean", "lexicon")


@dataclass(frozen=True, kw_only=True)
class WlaslOptions:
    """What to make of WLASL, and where. Raises SignError for what cannot be."""

    json: Path
    """WLASL_v0.3.json, or a list in the same format."""
    out: Path
    """Folder of the manifest and the report, and of all that is made unless `store` is given."""
    videos: Path | None = None
    """Folder with videos that are here already, named by their id: `video_id.*`."""
    phases: tuple[str, ...] = PHASES
    glosses: str | None = None
    """100, 300, 1000, 2000: the first so many; or a text file with one gloss on a line. None: all."""
    limit: int | None = None
    """At most so many instances of each split."""
    workers: int | None = None
    """Processes; None: one for each core."""
    engine: EngineName = "local"
    """local: this machine; ray: a cluster."""
    address: str | None = None
    """Of the Ray cluster."""
    store: str | None = None
    """URL that all is written to but the manifest and the report."""
    keep_clips: bool = False
    """Write the cut videos, too."""
    retry_dead: bool = False
    """Try links again that led nowhere."""
    resplit: bool = False
    """Split anew so that no signer is in two splits."""
    anonymize: bool = False
    """Give all signers average proportions."""
    min_frames: int = CleanLimits().min_frames
    """Fewest frames of signing; a shorter pose is rejected."""
    min_hands: float = CleanLimits().min_hands
    """Least share of its signing in which the leading hand is seen, 0 to 1."""
    min_body: float = CleanLimits().min_body
    """Least share of the signing in which the body is seen, 0 to 1."""
    crop: bool = True
    """Read only the box of the instance."""
    padding: float = PADDING
    """The box is larger on each side by this share of its size."""
    width: int = CleanOptions().width or 512
    """Side of the square picture that cleaned signers are placed in, pixels."""

    def __post_init__(self) -> None:
        unknown = [phase for phase in self.phases if phase not in PHASES]
        if unknown or not self.phases:
            raise SignError(f"The phases are {', '.join(self.phases) or 'none'}; choose from {', '.join(PHASES)}.")
        check_engine(self.engine)
        if self.address and self.engine != "ray":
            raise SignError(f"The address {self.address} is for Ray; give --engine ray, too.")
        for name, value in (("limit", self.limit), ("workers", self.workers)):
            if value is not None and value < 1:
                raise SignError(f"{name} is {value}; give 1 or more.")
        if not 0 <= self.padding <= 1:
            raise SignError(f"The padding is {self.padding:g}; give a share of the box's size, from 0 to 1.")
        _ = self.limits, self.cleaning  # they check their own

    @property
    def limits(self) -> CleanLimits:
        """What a pose needs to be kept."""
        return CleanLimits(min_frames=self.min_frames, min_hands=self.min_hands, min_body=self.min_body)

    @property
    def cleaning(self) -> CleanOptions:
        """How poses are cleaned."""
        return CleanOptions(anonymize=self.anonymize, width=self.width)

    @property
    def box_padding(self) -> float | None:
        """None: the whole picture is read."""
        return self.padding if self.crop else None

    @property
    def again(self) -> frozenset[str]:
        """States of downloads that are worked on again."""
        return frozenset({"failed", "dead"} if self.retry_dead else {"failed"})

    def open_store(self) -> Store:
        """Where what is made goes."""
        return Store(self.store or str(self.out))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the list asks for."""

    data: Wlasl
    """Those of its instances that were chosen, in the splits they shall be in."""
    have: Mapping[str, Path]
    """By video id: the videos that the user brought."""


def ask(options: WlaslOptions) -> Asked:
    """Read the list, and choose. Raises SignError as `read_wlasl` and `choose`."""
    data = choose(read_wlasl(options.json), glosses=options.glosses)
    if options.resplit:
        data = resplit(data)
    if options.limit is not None:
        data = choose(data, limit=options.limit)
    if not data.instances:
        raise SignError(f"{safe_name(options.json)}: nothing of it was chosen; choose other glosses.")
    if options.videos is not None and not options.videos.is_dir():
        raise SignError(f"{safe_name(options.videos)} is no folder; give the one with the videos named by their id.")
    have = videos_in(options.videos) if options.videos is not None else {}
    return Asked(data=data, have=have)


def sources(asked: Asked, store: Store) -> dict[str, Source]:
    """The video of each instance that has one, by item: the user's copy, else what was downloaded."""
    fetched: dict[str, int | None] = {}
    found = {}
    for instance in asked.data.instances:
        copy = asked.have.get(instance.video_id)
        if copy is not None:
            stat = copy.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            found[instance.item] = Source(name=str(copy.absolute()), in_store=False, stamp=stamp)
            continue
        name = source_name(instance.url)
        if name not in fetched:
            fetched[name] = store.size(name)
        size = fetched[name]
        if size is not None:
            found[instance.item] = Source(name=name, in_store=True, stamp=(size,))
    return found


def excluded(manifest: Manifest) -> frozenset[str]:
    """The items that the user took out."""
    return frozenset(manifest.noted("excluded") or ())


def content_of(path: Path) -> str:
    """A short text that is the same for files with the same bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


def check_list(manifest: Manifest, options: WlaslOptions) -> None:
    """Raises SignError when the manifest's folder was begun with another list, or holds something else."""
    begun = manifest.noted("list")
    if begun is None and manifest.noted("options") is not None:
        raise SignError(f"{safe_name(options.out)} holds a data set of another kind; give another folder.")
    if begun is not None and begun["content"] != content_of(options.json):
        raise SignError(
            f"{safe_name(options.out)} was begun with {begun['name']}, and {safe_name(options.json)} has another "
            "content; give another folder for it."
        )
