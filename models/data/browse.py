"""Looking through what a run over WLASL made, and taking clips out of it: what a page needs, without a page.

Rows are read when they are asked for, so what is shown is what is there, also while a run goes on. What stays in
memory is the list of instances.
"""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from models.data.asked import WlaslOptions, ask, content_of, excluded
from models.data.download import videos_in
from models.data.fates import Fate, Followed, follow
from models.data.lexicons import FOLDER as LEXICONS
from models.data.manifest import Manifest, Row
from models.data.report import FOLDER, THUMBS
from models.data.store import Store
from models.data.thumbnails import Clip, write_thumbnail
from models.data.wlasl import SPLITS, Instance
from models.errors import SignError
from models.files import replacing, safe_name
from models.lexicon.index import INDEX
from models.pose.files import read_pose
from models.pose.preview import write_preview
from models.progress import Progress

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say, so that the same lexicon gives the same bytes


@dataclass(frozen=True, kw_only=True)
class GlossRow:
    """A gloss and how its instances fared, in the splits that were asked for."""

    gloss: str
    asked: int
    kept: int
    rejected: int
    failed: int
    """Errors and dead links."""
    best: str
    """The item of the kept clip that shows most of the hands; empty when none was kept."""


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One instance of a gloss."""

    item: str
    split: str
    signer: str
    state: Fate
    why: str
    """Why it is not kept, one sentence."""
    hands: float | None
    """The leading hand seen, share of the frames in which it signs; None without a pose."""
    duration_ms: float | None
    """Of the clean pose, or of the extracted one where there is no clean one."""
    excluded: bool
    """Taken out by the user."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The folder of a run; made by `open_result`."""

    folder: Path
    store: Store
    anonymize: bool
    """The poses are anonymous, so no picture of a signer belongs into the report's folder."""
    instances: tuple[Instance, ...] = field(repr=False)
    """Those asked for; where the list is not to be had any more, those that a pose was made of."""
    videos: Path | None
    """The folder of the user's own videos."""

    def glosses(self, text: str = "", *, split: str | None = None, state: Fate | None = None) -> list[GlossRow]:
        """The glosses that hold a text, in any case of letters, in alphabetical order.

        split: count only what is in it. state: only glosses that have a clip in this state.
        """
        words = text.strip().upper()
        wanted = [one for one in self.instances if words in one.gloss and split in (None, "", one.split)]
        found: dict[str, list[Followed]] = {}
        for one in self._follow(sorted(wanted, key=lambda one: (one.gloss, one.item))):
            found.setdefault(one.instance.gloss, []).append(one)
        return [
            _gloss_row(gloss, clips)
            for gloss, clips in found.items()
            if state in (None, "") or any(one.fate == state for one in clips)
        ]

    def clips(self, gloss: str, split: str | None = None) -> list[ClipRow]:
        """The instances of a gloss, in the order of splits, the best first."""
        wanted = [one for one in self.instances if one.gloss == gloss and split in (None, "", one.split)]
        with Manifest(self.folder) as manifest:
            out = excluded(manifest)
        rows = [_clip_row(one, one.instance.item in out) for one in self._follow(wanted)]
        return sorted(rows, key=lambda row: (SPLITS.index(row.split), -(row.hands or 0.0), row.item))

    def thumbnail_of(self, item: str) -> Path:
        """A picture of a clip in the middle of its signing; made when it is not there yet.

        Raises SignError for a clip that was not extracted or whose video is gone.
        """
        place = self.folder / THUMBS if self.anonymize else self.folder / FOLDER / THUMBS
        return write_thumbnail(self._extracted(item), self.store, place)

    def side_by_side(
        self,
        item: str,
        out: Path,
        *,
        progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Path:
        """Write an MP4 of a clip beside its skeleton, as it was extracted; returns its path.

        Raises SignError for a clip that was not extracted, or whose video or pose is gone.
        """
        row = self._extracted(item)
        clip = Clip.of(row)
        with self.store.reading(row.output) as pose, clip.video(self.store) as video:
            write_preview(
                video,
                read_pose(pose),
                out,
                "side_by_side",
                reading=clip.reading,
                progress=progress,
                should_stop=should_stop,
            )
        return out

    def _extracted(self, item: str) -> Row:
        with Manifest(self.folder) as manifest:
            row = manifest.get("extract", item)
        if row is None or row.state != "done":
            raise SignError(f"{safe_name(item)}: no pose of this clip was extracted, so there is nothing to show.")
        return row

    def _follow(self, instances: Iterable[Instance]) -> Iterator[Followed]:
        have = videos_in(self.videos) if self.videos is not None and self.videos.is_dir() else {}
        with Manifest(self.folder) as manifest:
            yield from follow(manifest, instances, have=have, excluded=excluded(manifest))


def open_result(folder: str | Path) -> Result:
    """The result of a run over WLASL, finished or not. Raises SignError when the folder holds none."""
    folder = Path(folder).absolute()
    with Manifest(folder) as manifest:
        noted, listed = manifest.noted("options"), manifest.noted("list")
        if not isinstance(noted, Mapping) or not isinstance(listed, Mapping):
            raise SignError(f"{safe_name(folder)} holds no run over WLASL; choose the folder that one was written to.")
        instances = _asked(folder, noted, listed) or tuple(
            _of_row(row) for row in manifest.rows("extract") if row.info.get("split")
        )
    return Result(
        folder=folder,
        store=Store(noted.get("store") or str(folder)),
        anonymize=bool(noted.get("anonymize")),
        instances=instances,
        videos=Path(noted["videos"]) if noted.get("videos") else None,
    )


def exclude(folder: str | Path, item: str, excluded: bool = True) -> None:
    """Take a clip out of the lexicons, or take it in again; the next run of the phase `lexicon` follows.

    Raises SignError when there is no such clip, and while a run works in the folder.
    """
    folder = Path(folder)
    with Manifest(folder) as manifest:
        if manifest.get("extract", item) is None:
            raise SignError(f"{safe_name(item)}: there is no such clip in {safe_name(folder)}; choose one of its list.")
    with Manifest(folder, writing=True) as manifest:
        out = set(manifest.noted("excluded") or ())
        manifest.note("excluded", sorted(out | {item} if excluded else out - {item}))


def export_lexicon(folder: str | Path, split: str, out_zip: str | Path) -> Path:
    """Write the lexicon of a split as a zip, without the clips that are taken out; returns its path.

    Unpacked into a folder it is a lexicon (`models.lexicon.index`). Raises SignError when there is none to write.
    """
    result, out_zip = open_result(folder), Path(out_zip)
    if split not in SPLITS:
        raise SignError(f"There is no split {split!r}; choose {', '.join(SPLITS)}.")
    with Manifest(result.folder) as manifest:
        out = excluded(manifest)
    index = f"{LEXICONS}/{split}/{INDEX}"
    if result.store.size(index) is None:
        raise SignError(
            f"There is no lexicon of {split} in {safe_name(result.folder)} yet; run the phase lexicon first."
        )
    with result.store.reading(index) as path:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    kept = [line for line in lines if PurePosixPath(line["path"]).stem not in out]
    if not kept:
        raise SignError(f"Every clip of {split} is taken out, so that no lexicon is left; take some in again.")
    with replacing(out_zip) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(INDEX), _csv(kept))
        for name in dict.fromkeys(line["path"] for line in kept):
            with (
                result.store.reading(f"{LEXICONS}/{split}/{name}") as pose,
                pose.open("rb") as source,
                archive.open(_member(name), "w") as target,
            ):
                shutil.copyfileobj(source, target)
    return out_zip


def _asked(folder: Path, noted: Mapping[str, Any], listed: Mapping[str, Any]) -> tuple[Instance, ...]:
    """The instances that the run asked for; none when its list is not there any more, or another one is."""
    try:
        paths = {"json": Path(noted["json"]), "out": folder, "videos": None}
        options = WlaslOptions(**{**noted, **paths, "phases": tuple(noted["phases"])})
        if content_of(options.json) == listed.get("content"):
            return ask(options).data.instances
    except (SignError, OSError, KeyError, TypeError):  # TypeError: noted by a version with other options
        pass
    return ()


def _of_row(row: Row) -> Instance:
    """What the manifest still knows of an instance."""
    info = row.info
    gloss = str(info.get("gloss") or row.item.rpartition("-")[0])
    return Instance(
        video_id=str(info.get("video_id") or row.item.rpartition("-")[2]),
        gloss=gloss,
        word=gloss.lower(),
        url="",
        source="",
        split=info["split"],
        signer=str(info.get("signer", "")),
        box=None,
        start_frame=0,
        end_frame=None,
        fps=25.0,
        variation=0,
    )


def _gloss_row(gloss: str, clips: list[Followed]) -> GlossRow:
    kept = [one for one in clips if one.fate == "kept"]
    best = min(kept, key=lambda one: (-(one.hands or 0.0), one.instance.item), default=None)
    return GlossRow(
        gloss=gloss,
        asked=len(clips),
        kept=len(kept),
        rejected=sum(one.fate == "rejected" for one in clips),
        failed=sum(one.fate in ("failed", "dead") for one in clips),
        best="" if best is None else best.instance.item,
    )


def _clip_row(one: Followed, taken_out: bool) -> ClipRow:
    return ClipRow(
        item=one.instance.item,
        split=one.instance.split,
        signer=one.instance.signer,
        state=one.fate,
        why=one.why,
        hands=one.hands,
        duration_ms=one.kept_ms if one.kept_ms is not None else one.extracted_ms,
        excluded=taken_out,
    )


def _csv(lines: list[dict[str, str]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    return text.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
