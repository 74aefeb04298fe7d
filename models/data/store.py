"""Where the files of a data set lie: a folder, or any place that fsspec knows by its URL (s3://…, gs://…).

Names are relative, with slashes. A file appears whole or not at all; what a killed process left half done is in files
whose name begins with `.part-`, which `sweep` removes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from models.errors import SignError
from models.files import replacing


@dataclass(frozen=True)
class Store:
    """A folder, or a URL. It can be pickled: workers on other machines open the same place."""

    place: str

    def __post_init__(self) -> None:
        if "://" not in self.place:
            object.__setattr__(self, "place", str(Path(self.place).absolute()))

    @property
    def folder(self) -> Path | None:
        """The folder on this file system; None for a URL."""
        return None if "://" in self.place else Path(self.place)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        if self.folder is not None:
            try:
                return (self.folder / _checked(name)).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None
        system, path = self._remote(name)
        try:
            return int(system.size(path))
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """A path on this machine with the content of a file. Raises SignError when it is not there."""
        if self.size(name) is None:
            raise SignError(f"{name} is not in {self.place} any more; run the phase before this one again.")
        if self.folder is not None:
            yield self.folder / _checked(name)
            return
        with tempfile.TemporaryDirectory(prefix="signstudio-") as near:
            copy = Path(near) / PurePosixPath(name).name
            system, path = self._remote(name)
            system.get_file(path, str(copy))
            yield copy

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A temporary path on this machine; the file appears under its name when the block succeeds."""
        if self.folder is not None:
            with replacing(self.folder / _checked(name)) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory(prefix="signstudio-") as near:
            made = Path(near) / PurePosixPath(name).name
            yield made
            system, path = self._remote(name)
            parent, last = path.rsplit("/", 1)
            system.makedirs(parent, exist_ok=True)
            part = f"{parent}/.part-{uuid.uuid4().hex}-{last}"
            system.put_file(str(made), part)
            system.mv(part, path)

    def link(self, name: str, to: str) -> None:
        """The same file under a second name: a hard link where that can be made, else a copy."""
        if self.folder is None:
            with self.reading(name) as source, self.writing(to) as made:
                shutil.copyfile(source, made)
            return
        with replacing(self.folder / _checked(to)) as made:
            try:
                os.link(self.folder / _checked(name), made)
            except OSError:
                shutil.copyfile(self.folder / _checked(name), made)

    def names(self, under: str) -> list[str]:
        """All files below a folder, sorted."""
        if self.folder is not None:
            root = self.folder / _checked(under)
            found = (path for path in root.rglob("*") if path.is_file())
            return sorted(path.relative_to(self.folder).as_posix() for path in found)
        system, path = self._remote(under)
        base = self._remote("")[1].rstrip("/")
        return sorted(one.removeprefix(f"{base}/") for one in system.find(path)) if system.exists(path) else []

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens when it is not there."""
        if self.folder is not None:
            (self.folder / _checked(name)).unlink(missing_ok=True)
        elif self.size(name) is not None:
            system, path = self._remote(name)
            system.rm_file(path)

    def sweep(self, under: str = "") -> None:
        """Remove what killed processes left half done. Only for whoever works here alone."""
        for name in self.names(under):
            if PurePosixPath(name).name.startswith(".part-"):
                self.remove(name)

    def _remote(self, name: str) -> tuple[Any, str]:
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.place)
        except (ImportError, ValueError) as error:
            raise SignError(f"{self.place} cannot be opened: {error}") from error
        return system, f"{path.rstrip('/')}/{_checked(name)}".rstrip("/")


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which need not be there yet."""
    here = folder.absolute()
    return shutil.disk_usage(next(one for one in (here, *here.parents) if one.exists())).free


def _checked(name: str) -> str:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name:
        raise ValueError(f"{name!r} leads out of the store")
    return name
