"""What became of every instance that was asked for: its rows of all phases, joined.

Each instance has one fate. It is that of the first phase it did not come through, so that the fates of any set of
instances add up to its size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from models.data.download import source_name
from models.data.manifest import Manifest, Row
from models.data.wlasl import Instance

Fate = Literal["kept", "excluded", "rejected", "failed", "dead", "waiting"]
FATES: tuple[Fate, ...] = ("kept", "excluded", "rejected", "failed", "dead", "waiting")


@dataclass(frozen=True, kw_only=True)
class Followed:
    """An instance and how far it came."""

    instance: Instance
    found: bool
    """Its video is here, or was when its pose was extracted."""
    extract: Row | None
    clean: Row | None
    fate: Fate
    """kept; excluded: good enough, and taken out by the user; rejected: not good enough; failed: an error, tried again
    in the next run; dead: its link leads nowhere; waiting: no run has come to it yet."""
    why: str
    """One sentence; empty for those kept, excluded or waiting."""

    @property
    def extracted(self) -> bool:
        """It has a pose, as it came from the video."""
        return self.extract is not None and self.extract.state == "done"

    @property
    def hands(self) -> float | None:
        """The leading hand seen, share of the frames in which it signs; None where no pose was extracted."""
        return self._measured("hands")

    @property
    def body(self) -> float | None:
        """The upper body seen, share of the signing span; None where no pose was extracted."""
        return self._measured("body")

    @property
    def extracted_ms(self) -> float | None:
        """Duration of the pose as it was extracted."""
        if not self.extracted or self.extract is None or not self.extract.info.get("fps"):
            return None
        return 1000 * float(self.extract.info.get("frames", 0)) / float(self.extract.info["fps"])

    @property
    def kept_ms(self) -> float | None:
        """Duration of the clean pose."""
        if self.fate not in ("kept", "excluded") or self.clean is None:
            return None
        duration = self.clean.info.get("duration_ms")
        return None if duration is None else float(duration)

    def _measured(self, name: str) -> float | None:
        if not self.extracted or self.extract is None:
            return None
        value = self.extract.info.get(name)
        return None if value is None else float(value)


def follow(
    manifest: Manifest, instances: Iterable[Instance], *, have: Collection[str] = (), excluded: Collection[str] = ()
) -> Iterator[Followed]:
    """Each instance with what became of it, one at a time.

    have: video ids of which the user brought the video. excluded: items that the user took out.
    """
    for instance in instances:
        extract = manifest.get("extract", instance.item)
        clean = manifest.get("clean", instance.item) if extract is not None and extract.state == "done" else None
        download = None
        if extract is None and instance.video_id not in have:
            download = manifest.get("download", source_name(instance.url))
        fate, why = _fate(extract, clean, download, instance.item in excluded)
        found = extract is not None or instance.video_id in have or (download is not None and download.state == "done")
        yield Followed(instance=instance, found=found, extract=extract, clean=clean, fate=fate, why=why)


def _fate(extract: Row | None, clean: Row | None, download: Row | None, excluded: bool) -> tuple[Fate, str]:
    for row in (download, extract, clean):
        if row is not None and row.state != "done":
            return row.state, row.words
    if clean is None:
        return "waiting", ""
    return ("excluded" if excluded else "kept"), ""
