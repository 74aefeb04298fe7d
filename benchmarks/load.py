"""Many people at once: how a studio holds out, and whether anything of theirs is left, or reaches somebody else.

Starts a studio with the limits of visitors.py and opens pages on it as browsers do: each keeps a heartbeat, uploads,
waits in the queue and listens for its answer. They extract poses, recognize, synthesize, hold a camera on, are loaded
again, and are closed in the middle of work. One demo training runs beside them. Every upload and every gloss line
carries a word that occurs once; an answer with the word of another page is a failure, and so is any refusal that does
not say "busy".

There is no peer: the figures are counts, waits, and how memory, disk, threads, open files and connections move over
time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from visitors import Server, Tally, Visitor, pictures, serve, training

from studio.storage import size_bytes

SAMPLE_S = 2.0
REST_S = 20.0
"""After the last page was closed: cameras that sent nothing for 10 seconds are off, and free memory is given back."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the server takes at one time."""

    second: float
    memory_mb: float
    disk_mb: float
    threads: int
    files: int
    """Open ones, without connections."""
    connections: int
    processes: int
    cameras: int
    """Those that are on."""


def measure(server: Server, start: float, cameras: int = 0) -> Sample:
    """The server and its children; a training is a program of its own and is not counted."""
    tree = [server.process, *server.process.children(recursive=True)]
    memory, threads, opened, connections = 0.0, 0, 0, 0
    for one in tree:
        with contextlib.suppress(psutil.Error):
            if "studio.cli" in " ".join(one.cmdline()[1:4]):
                continue
            memory, threads = memory + one.memory_info().rss / 2**20, threads + one.num_threads()
            connected = len(one.net_connections(kind="all"))
            opened, connections = opened + one.num_fds() - connected, connections + connected
    disk = size_bytes(server.folder / "files") / 2**20
    second = time.monotonic() - start
    return Sample(
        second=second,
        memory_mb=memory,
        disk_mb=disk,
        threads=threads,
        files=opened,
        connections=connections,
        processes=len(tree),
        cameras=cameras,
    )


def slopes(samples: list[Sample]) -> tuple[float, float]:
    """Memory gained in a minute, and with each camera that is on, megabytes, by a plane through these.

    How many cameras are on is chance, and each takes more than anything that could be left over in a minute.
    """
    known = np.array([(one.second / 60, one.cameras, 1) for one in samples])
    (minute, camera, _), *_ = np.linalg.lstsq(known, [one.memory_mb for one in samples], rcond=None)
    return float(minute), float(camera)


async def drive(
    server: Server, sessions: int, minutes: float, pause_s: float, trains: bool, pages: int | None = None
) -> tuple[Tally, list[Sample]]:
    """Have visitors use the studio; returns what happened and what it took."""
    tally, samples, seen, start = Tally(), [], pictures(), time.monotonic()
    until = start + 60 * minutes
    samples.append(measure(server, start))
    with tempfile.TemporaryDirectory() as clips:
        visitors = [Visitor(number, server, tally, Path(clips), seen, pause_s) for number in range(sessions)]
        work = [asyncio.create_task(one.stay(until, pages)) for one in visitors]
        async with training(server, tally) if trains else contextlib.nullcontext():
            while time.monotonic() < until and any(not one.done() for one in work):
                await asyncio.sleep(SAMPLE_S)
                samples.append(await asyncio.to_thread(measure, server, start, tally.cameras))
            for one in work:
                one.cancel()  # whoever is still there closes the page, whatever it does
            for ended in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
    return tally, samples


def left_over(server: Server, wait_s: float = 30.0) -> list[Path]:
    """Folders of pages that are still there some time after the last page was closed."""
    until = time.monotonic() + wait_s
    while (left := list((server.folder / "files").glob("sign-studio-*/page-*"))) and time.monotonic() < until:
        time.sleep(0.5)
    return left


def report(tally: Tally, samples: list[Sample]) -> None:
    """Print the figures."""
    done = dict(sorted(tally.counts.items()))
    print("asked:", ", ".join(f"{number} {name}" for name, number in done.items()))
    refused = ", ".join(f"{number} {why}" for why, number in tally.refused.items())
    print(f"refused as busy: {sum(tally.refused.values())} ({refused or 'none'})")
    print(f"failed: {len(tally.failures)}")
    for failure in tally.failures[:20]:
        print("   ", failure)
    for verb, waits in sorted(tally.waits_s.items()):
        middle, late = np.percentile(waits, [50, 95])
        print(f"{verb:>12}: {len(waits)} done, p50 {middle:.1f} s, p95 {late:.1f} s")
    columns = ["memory MB", "disk MB", "threads", "files", "connections", "processes", "cameras"]
    print(f"{'minute':>8} " + " ".join(f"{name:>11}" for name in columns))
    for minute in range(int(samples[-1].second // 60) + 1):
        _print(f"{minute}", min(samples, key=lambda one: abs(one.second - 60 * minute)))
    _print("at rest", samples[-1])


def _print(name: str, one: Sample) -> None:
    counts = [one.threads, one.files, one.connections, one.processes, one.cameras]
    print(f"{name:>8} {one.memory_mb:11.0f} {one.disk_mb:11.1f} " + " ".join(f"{number:11d}" for number in counts))


def main() -> int:
    """Run the test; the exit code is 1 when something failed or was left over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="Visitors at a time.")
    parser.add_argument("--minutes", type=float, default=10.0, help="How long they come.")
    parser.add_argument("--pause", type=float, default=3.0, help="Mean pause between two things, seconds.")
    parser.add_argument("--no-training", action="store_true", help="Without the demo training beside it.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(folder) as server:
            work = drive(server, asked.sessions, asked.minutes, asked.pause, not asked.no_training)
            tally, samples = asyncio.run(work)
            left = left_over(server)
            time.sleep(REST_S)
            samples.append(measure(server, time.monotonic() - samples[-1].second))
        report(tally, samples)
        middle = len(samples) // 2  # before it each visitor meets each model for the first time
        minute, camera = slopes(samples[middle:-1])
        print(f"memory in the second half: {minute:+.1f} MB a minute, {camera:+.0f} MB with each camera that is on")
        after = [path for path in (folder / "files").rglob("*") if path.is_file()]
        print(f"left of closed pages: {len(left)} folders; left when the server ended: {len(after)} files")
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        print(f"tracebacks in the log: {log.count('Traceback')}")
        if tally.failures or log.count("Traceback"):
            print(log[-6000:])
    return int(bool(tally.failures or left or after))


if __name__ == "__main__":
    sys.exit(main())
