"""Where a running studio keeps what is uploaded and made, and how long.

    .sign-studio-<random>.lock       held while the studio runs; the system takes it back however that ends
    sign-studio-<random>/            Gradio's folder: uploads, by the hash of their contents
        page-<random>/run-…/         the results of one page

Results lie inside Gradio's folder, so that it serves them as they are; from anywhere else it would copy them, and the
copy would outlive the page. What a killed studio left is deleted by the next one that starts with the same base.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

NAME = "sign-studio-"
PAGE = "page-"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The folder of one running studio, and the lock that says so."""

    folder: Path
    lock: FileLock
    kept: set[str] = field(default_factory=set)
    """Names of what is not deleted before the end: the examples, which Gradio puts here as well."""

    def new_page(self) -> Path:
        """An empty folder for the results of one page, with a name that nobody can guess."""
        page = self.folder / f"{PAGE}{secrets.token_hex(16)}"
        page.mkdir(mode=0o700)
        return page

    def keep_what_is_here(self) -> None:
        """From now on only what comes later counts as uploaded."""
        self.kept.update(entry.name for entry in _entries(self.folder))

    def size_bytes(self) -> int:
        """How much all files take."""
        return size_bytes(self.folder)

    def delete_uploads(self, *, older_than_s: float) -> None:
        """Delete uploads, and whatever else Gradio put here, that have not changed for so long."""
        last = time.time() - older_than_s
        for entry in _entries(self.folder):
            if entry.name.startswith(PAGE) or entry.name in self.kept:
                continue
            path = Path(entry.path)
            folders = [one for one in _folders(path) if _changed_before(last, one)]  # deleting their files changes them
            for file in _files(path) if entry.is_dir(follow_symlinks=False) else [path]:
                with suppress(OSError):
                    if file.lstat().st_ctime < last:
                        file.unlink()
            for folder in folders:
                with suppress(OSError):  # one that is not empty stays
                    folder.rmdir()

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)


def open_storage(base: Path) -> Storage:
    """A new folder in `base`, after deleting those of studios that do not run any more."""
    base.mkdir(parents=True, exist_ok=True)
    delete_stale(base)
    name = f"{NAME}{secrets.token_hex(8)}"
    lock = FileLock(base / f".{name}.lock", thread_local=False)
    lock.acquire(timeout=0)  # before there is a folder: one without a held lock is a leftover
    folder = base / name
    folder.mkdir(mode=0o700)
    return Storage(folder=folder, lock=lock)


def delete_stale(base: Path) -> None:
    """Delete the folders of studios that were killed. Only those that are ours and whose lock nobody holds."""
    for entry in _entries(base):
        name = entry.name
        if not (name.startswith(f".{NAME}") and name.endswith(".lock") and _ours(Path(entry.path), stat.S_ISREG)):
            continue
        lock, folder = FileLock(entry.path), base / name[1 : -len(".lock")]
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # it runs, or this file system knows no locks
            continue
        if _ours(folder, stat.S_ISDIR):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            with suppress(OSError):  # Windows deletes no open file
                Path(entry.path).unlink(missing_ok=True)
        lock.release()


def size_bytes(folder: Path) -> int:
    """How much the files in a folder take, at any depth; files that vanish meanwhile count nothing."""
    total = 0
    for file in _files(folder):
        with suppress(OSError):
            total += file.lstat().st_size
    return total


def _ours(path: Path, is_kind: object) -> bool:
    """Whether a path is of this kind itself, no link to one, and belongs to the user that the studio runs as."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return is_kind(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())  # type: ignore[operator]


def _changed_before(last: float, folder: Path) -> bool:
    try:
        return folder.lstat().st_mtime < last
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _folders(folder: Path) -> Iterator[Path]:
    """The folder and those inside it, innermost first."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for entry in _entries(folder):
        yield from _folders(Path(entry.path))
    yield folder
