"""A data set to lexicons: this project's WLASL pipeline against pose-format's folder command, on the same clips.

    python benchmarks/data.py [CLIP ...] [--workers N] [--repeats R] [--ray] [--rows]

Every contestant is a process of its own, started on its own copies of the clips; the time includes starting Python and
loading the models. The peer writes a pose for each clip and stops there. Ours is a whole run, on a list in WLASL's
format made for these clips: raw poses and their quality, judging and cleaning, lexicons, report, and the manifest that
an interrupted run goes on from. CPU time and memory are those of the whole process tree.

--ray: ours on a Ray cluster of this machine, too. --rows: how many rows the leading process can write in a second.
Below the table: what each phase took and what lies on disk, per clip, for `docs/scaling.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from pose import FOLDER, ROOT, Runs, default_clips, measured

PEER = "videos_to_poses"
SPLITS = ("train", "train", "val", "test")
OURS = """
import sys
from pathlib import Path
from models.data.pipeline import WlaslOptions, run
if __name__ == "__main__":
    folder, workers, engine = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    run(WlaslOptions(
        json=folder / "list.json", videos=folder / "videos", out=folder / "out", workers=workers, engine=engine,
        phases=("extract", "clean", "lexicon"),
    ))
"""


def main() -> None:
    """Run all contestants and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, help="MP4 files (default: 16 clips of STUDIO_REAL_DATA)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ray", action="store_true", help="ours on Ray, too")
    parser.add_argument("--rows", action="store_true", help="only measure how fast rows are written")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if arguments.rows:
        rows_per_second()
        return
    clips = arguments.clips or default_clips(16)
    contestants = commands(arguments.workers, arguments.ray)
    runs = {name: Runs() for name in contestants}
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(arguments.repeats):
            names = list(contestants)
            # The order turns, so that a machine growing slower does not always hit the same one.
            for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
                folder = Path(scratch) / f"{name.replace(' ', '-')}-{repeat}"
                one_run(contestants[name][0], clips, folder, runs[name])
        report(runs, {name: cores for name, (_, cores) in contestants.items()}, len(clips))
        ours = next(name for name in contestants if name.startswith("ours"))
        report_phases(Path(scratch) / f"{ours.replace(' ', '-')}-0" / "out", len(clips))


def commands(workers: int, with_ray: bool) -> dict[str, tuple[list[str], int]]:
    """Per contestant its command and how many processes work; {folder} is filled in."""
    peer = [sys.executable, "-c", FOLDER, "-d", "{folder}/videos"]
    ours = [sys.executable, "{folder}/ours.py", "{folder}"]
    engines = ("local", "ray") if with_ray else ("local",)
    return {
        PEER: (peer, 1),
        f"{PEER} --num-workers {workers}": ([*peer, "--num-workers", f"{workers}"], workers),
        "ours, 1 worker": ([*ours, "1", "local"], 1),
        **{f"ours, {workers} workers, {engine}": ([*ours, f"{workers}", engine], workers) for engine in engines},
    }


def one_run(template: list[str], clips: list[Path], folder: Path, runs: Runs) -> None:
    """Run one contestant on copies of the clips, in a folder of its own."""
    (folder / "videos").mkdir(parents=True)
    entries = []
    for number, clip in enumerate(clips):
        copy = Path(shutil.copy(clip, folder / "videos" / f"{number:05d}.mp4"))
        entries.append({"gloss": f"{clip.stem.split('__')[0]} {number}", "instances": [instance(number, copy)]})
    (folder / "list.json").write_text(json.dumps(entries), encoding="utf-8")
    # A file, because spawned workers import their parent's main module.
    (folder / "ours.py").write_text(OURS, encoding="utf-8")
    wall, cpu, peak = measured([part.replace("{folder}", str(folder)) for part in template])
    runs.wall_s.append(wall)
    runs.cpu_s.append(cpu)
    runs.peak_mb.append(peak)


def instance(number: int, clip: Path) -> dict[str, object]:
    """A clip as an instance of WLASL's list: the whole of it, the whole picture."""
    from models.video import probe

    info = probe(clip)
    return {
        "bbox": [0, 0, info.width, info.height],
        "fps": 25,
        "frame_start": 1,
        "frame_end": -1,
        "instance_id": 0,
        "signer_id": number,
        "source": "benchmark",
        "split": SPLITS[number % len(SPLITS)],
        "url": f"https://videos.invalid/{number:05d}.mp4",
        "variation_id": 0,
        "video_id": f"{number:05d}",
    }


def report(runs: dict[str, Runs], cores: dict[str, int], num_clips: int) -> None:
    """Print the table; ratios are to the peer as it comes."""
    print(f"{num_clips} clips, {os.cpu_count()} cores, {platform.platform()}, median of runs\n")
    print("| contestant | clips/h | clips/h per worker | ratio | clips per CPU hour | ratio | peak MB |")
    print("|---|---|---|---|---|---|---|")
    base_wall, base_cpu = (statistics.median(getattr(runs[PEER], name)) for name in ("wall_s", "cpu_s"))
    for name, run in runs.items():
        wall, cpu = statistics.median(run.wall_s), statistics.median(run.cpu_s)
        print(
            f"| {name} | {3600 * num_clips / wall:.0f} | {3600 * num_clips / wall / cores[name]:.0f} "
            f"| {base_wall / wall:.2f} | {3600 * num_clips / cpu:.0f} | {base_cpu / cpu:.2f} | {max(run.peak_mb):.0f} |"
        )


def report_phases(out: Path, num_clips: int) -> None:
    """Print what one run took by phase, and what it left on disk; each file counts once, however many names it has."""
    from models.data.manifest import Manifest

    print("\n| phase | rows | done | s per row |\n|---|---|---|---|")
    frames = 0
    with Manifest(out) as manifest:
        for phase in ("extract", "clean"):
            rows = list(manifest.rows(phase))
            done = sum(row.state == "done" for row in rows)
            print(f"| {phase} | {len(rows)} | {done} | {sum(row.seconds for row in rows) / max(len(rows), 1):.3f} |")
            frames = frames or sum(row.info.get("frames", 0) for row in rows)
    sizes: dict[str, int] = defaultdict(int)
    seen: set[int] = set()
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.stat().st_ino not in seen:
            seen.add(path.stat().st_ino)
            parts = path.relative_to(out).parts
            sizes["/".join(parts[:2]) if len(parts) > 2 else parts[0]] += path.stat().st_size
    print(f"\n{frames} frames, {frames / num_clips:.1f} per clip\n\n| files | kB per clip |\n|---|---|")
    for name, size in sorted(sizes.items()):
        print(f"| {name} | {size / 1000 / num_clips:.1f} |")


def rows_per_second(count: int = 20_000) -> None:
    """Print how fast the leading process writes rows as a phase does, and how fast it finds that they are done."""
    from models.data.manifest import Manifest, Row
    from models.data.store import Store

    info = {"gloss": "HOUSE", "split": "train", "quality": {f"figure{number}": number / 7 for number in range(40)}}
    with tempfile.TemporaryDirectory() as folder, Manifest(folder, writing=True) as manifest:
        store = Store(folder)
        start = time.monotonic()
        for number in range(count):
            manifest.put(Row(phase="extract", item=f"HOUSE-{number:06d}", state="done", output="a.pose", info=info))
        wrote = time.monotonic()
        for number in range(count):
            manifest.get("extract", f"HOUSE-{number:06d}")
            store.size("manifest.sqlite")
        read = time.monotonic()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(
        f"{count} rows: written {count / (wrote - start):.0f}/s, "
        f"found done {count / (read - wrote):.0f}/s, {size / 1000 / count:.1f} kB each"
    )


if __name__ == "__main__":
    main()
