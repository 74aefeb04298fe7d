"""Processes that outlive whoever started them, known by a file in their run's folder.

    FOLDER/pid.json    the process and when it started, so that another one with its number is not taken for it
    FOLDER/run.lock    held by the process that works on the run

A process is ended together with all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from models.errors import SignError
from models.files import read_json, replacing
from studio.texts import text

PID, LOCK = "pid.json", "run.lock"
POLL_S = 0.2

_SAME_S = 2.0  # clocks are read with this much care
_KILL_AFTER_S = 5.0
_TAIL_BYTES = 32_768
_PATIENT = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10)

_children: list[subprocess.Popen[bytes]] = []  # polled, so that those that ended do not stay as zombies


def start(folder: Path, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """Start a process, in a session of its own, that prints into a log and is the one of this folder.

    It goes behind what people wait for on the page: it has the lower priority.
    """
    with log.open("ab") as printed:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    _children.append(child)
    with suppress(psutil.Error):  # it may have ended, or be of a still lower priority already
        _write_pid(folder, child.pid)
        psutil.Process(child.pid).nice(_PATIENT)  # before it starts threads, which have what it has then


def reap() -> None:
    """Let go of those of our children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """This process works on what is in the folder, and nobody else. Raises SignError when somebody does."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=3)
    except Timeout as error:
        raise SignError(text("{name} is at work already, in another process.", name=folder.name)) from error
    try:
        _write_pid(folder, os.getpid())
        yield
    finally:
        if folder.is_dir():
            write_values(folder / PID, {})  # nobody any more
        lock.release()


def alive(folder: Path) -> bool:
    """Whether the process of this folder is there."""
    return _process(folder) is not None


def end(folder: Path) -> None:
    """End the process of this folder and every process that it started: asked first, then made to."""
    processes = _family(folder)
    for how in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        for process in processes:
            with suppress(psutil.Error):
                process.send_signal(how)
        if until(lambda: not any(map(_at_work, processes)), _KILL_AFTER_S):
            return


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true within these seconds."""
    latest = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= latest:
            return False
        time.sleep(POLL_S)
    return True


def log_tail(log: Path, lines: int = 40) -> str:
    """The last lines that a process printed; of a line that was written over, what was seen last."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            printed = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    seen = [line.rstrip().rpartition("\r")[2] for line in printed.split("\n")]
    kept = ["".join(char for char in line if char.isprintable() or char == "\t") for line in seen]
    return "\n".join([line for line in kept if line.strip()][-lines:])


def read_values(path: Path) -> dict[str, Any]:
    """What `write_values` wrote; empty when there is nothing that can be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a small JSON file as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")


def _write_pid(folder: Path, pid: int) -> None:
    write_values(folder / PID, {"pid": pid, "started": psutil.Process(pid).create_time()})


def _process(folder: Path) -> psutil.Process | None:
    """The process of this folder; None when there is none any more."""
    found = read_values(folder / PID)
    try:
        process = psutil.Process(int(found["pid"]))
        same = abs(process.create_time() - float(found["started"])) <= _SAME_S
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process if same and _at_work(process) else None


def _at_work(process: psutil.Process) -> bool:
    """Whether a process is there, and not only its number until somebody asks how it ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _family(folder: Path) -> list[psutil.Process]:
    """The process of this folder, all that it started, and what else is in its session."""
    process = _process(folder)
    if process is None:
        return []
    found = [process]
    with suppress(psutil.Error):
        found += process.children(recursive=True)
    if hasattr(os, "getsid"):
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == process.pid and one not in found:
                    found.append(one)
    return found
