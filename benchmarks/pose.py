"""Extracting poses: this project against pose-format's own commands, on the same clips, in one run.

    python benchmarks/pose.py [CLIP ...] [--workers N] [--repeats R] [--landmarks-only]

Table 1, whole commands: every contestant is a process of its own, started on the same files; the time includes
starting Python and loading the models. CPU time and memory are those of the whole process tree. The landmarks of
every contestant are compared with those of `video_to_pose` in a fresh process for each clip.
Table 2, landmarks only: frames in memory, models loaded, taking turns clip by clip in one process; one core's worth of
CPU time per frame is what decides how fast a big folder goes, however many cores there are.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from pose_format import Pose

ROOT = Path(__file__).resolve().parent.parent
ONE_CLIP = "from pose_format.bin.pose_estimation import main; main()"
FOLDER = "from pose_format.bin.directory import main; main()"
OURS = """
import sys
from pathlib import Path
from models.pose.batch import extract_many
if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    for outcome in extract_many(sorted(folder.glob("*.mp4")), folder, workers=workers):
        assert outcome.error is None, outcome.error
"""
OURS_ONE = """
import sys
from models.pose.extract import extract_pose
from models.pose.files import write_pose
write_pose(sys.argv[2], extract_pose(sys.argv[1]).pose)
"""


@dataclass
class Runs:
    """What one contestant took, run by run."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    difference: float = 0.0


def main() -> None:
    """Run all contestants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, help="MP4 files (default: the samples, or STUDIO_REAL_DATA)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--landmarks-only", action="store_true", help="table 2 alone")
    arguments = parser.parse_args()
    clips = arguments.clips or default_clips()
    sys.path.insert(0, str(ROOT))
    if not arguments.landmarks_only:
        whole_commands(clips, arguments.workers, arguments.repeats)
    report_landmarks_only(clips, arguments.repeats)


def whole_commands(clips: list[Path], workers: int, repeats: int) -> None:
    """Run every contestant, and print the first table."""
    contestants = commands(workers)
    runs = {name: Runs() for name in contestants}
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(repeats):
            names = list(contestants)
            # The order turns, so that a machine growing slower does not always hit the same one.
            for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
                folder = Path(scratch) / f"{name.replace(' ', '-')}-{repeat}"
                one_run(contestants[name], clips, folder, runs[name])
            reference = Path(scratch) / f"{REFERENCE.replace(' ', '-')}-{repeat}"
            for name in names:
                folder = Path(scratch) / f"{name.replace(' ', '-')}-{repeat}"
                runs[name].difference = max(runs[name].difference, largest_difference(reference, folder))
        num_frames = sum(len(read(path).body.data) for path in reference.glob("*.pose"))
    report(runs, num_frames, len(clips))


REFERENCE = "video_to_pose"


def commands(workers: int) -> dict[str, list[list[str]]]:
    """Per contestant the commands of one run; {clip}, {pose} and {folder} are filled in, {clip} ones for each clip."""
    python = [sys.executable, "-c"]
    return {
        REFERENCE: [[*python, ONE_CLIP, "-i", "{clip}", "-o", "{pose}"]],
        "videos_to_poses": [[*python, FOLDER, "-d", "{folder}"]],
        f"videos_to_poses --num-workers {workers}": [
            [*python, FOLDER, "-d", "{folder}", "--num-workers", f"{workers}"]
        ],
        "ours, a process per clip": [[*python, OURS_ONE, "{clip}", "{pose}"]],
        "ours, 1 worker": [["{script}", "{folder}", "1"]],
        f"ours, {workers} workers": [["{script}", "{folder}", f"{workers}"]],
    }


def one_run(templates: list[list[str]], clips: list[Path], folder: Path, runs: Runs) -> None:
    """Run one contestant on copies of the clips in a folder of its own."""
    folder.mkdir()
    copies = [Path(shutil.copy(clip, folder / f"{number:03d}-{clip.stem}.mp4")) for number, clip in enumerate(clips)]
    # A file, because spawned workers import their parent's main module.
    script = folder / "ours.py"
    script.write_text(OURS, encoding="utf-8")
    wall = cpu = peak = 0.0
    for template in templates:
        per_clip = "{clip}" in template
        for clip in copies if per_clip else [None]:
            values = {"{clip}": clip, "{pose}": clip and clip.with_suffix(".pose"), "{folder}": folder}
            command = [str(values.get(part, part)) for part in template]
            if command[0] == "{script}":
                command[:1] = [sys.executable, str(script)]
            took, used, memory = measured(command)
            wall, cpu, peak = wall + took, cpu + used, max(peak, memory)
    runs.wall_s.append(wall)
    runs.cpu_s.append(cpu)
    runs.peak_mb.append(peak)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (MB, summed over the process tree) of a command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    used: dict[int, float] = {}
    with tempfile.TemporaryFile() as errors:
        while process.poll() is None:
            peak = max(peak, look_at_tree(process.pid, used))
            time.sleep(0.05)
        errors.write(process.stderr.read() if process.stderr else b"")
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{command} failed:\n{errors.read().decode(errors='replace')}")
    return time.monotonic() - start, sum(used.values()), peak


def look_at_tree(pid: int, cpu_s: dict[int, float]) -> float:
    """Memory (MB) of a process and its descendants; their CPU seconds so far go into `cpu_s`, by process.

    Looked at while they run, because a worker that a fork server started is nobody's child to be counted at the end.
    Shared pages are counted once per process.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu_s[process.pid] = times.user + times.system
                total += process.memory_info().rss
    return total / 1e6


def read(path: Path) -> Pose:
    """A pose file."""
    return Pose.read(path.read_bytes())


def largest_difference(reference: Path, folder: Path) -> float:
    """The largest difference of any coordinate or confidence; infinite when anything else differs."""
    largest = 0.0
    for path in sorted(reference.glob("*.pose")):
        one, other = read(path), read(folder / path.name)
        if one.header.components != other.header.components and [vars(c) for c in one.header.components] != [
            vars(c) for c in other.header.components
        ]:
            return np.inf
        if one.body.data.shape != other.body.data.shape or one.body.fps != other.body.fps:
            return np.inf
        for a, b in ((one.body.data, other.body.data), (one.body.confidence, other.body.confidence)):
            largest = max(largest, float(np.abs(np.ma.getdata(a) - np.ma.getdata(b)).max()))
    return largest


def default_clips(most: int = 8) -> list[Path]:
    """The project's samples; so many real clips where STUDIO_REAL_DATA names a folder of them."""
    if "STUDIO_REAL_DATA" in os.environ:
        return sorted(Path(os.environ["STUDIO_REAL_DATA"]).glob("wlasl_single/*.mp4"))[:most]
    return sorted((ROOT / "assets" / "samples").glob("*.mp4"))


def report(runs: dict[str, Runs], num_frames: int, num_clips: int) -> None:
    """Print the table; ratios are to the first contestant."""
    print(f"{num_clips} clips, {num_frames} frames, {os.cpu_count()} cores, {platform.platform()}, median of runs\n")
    print("| contestant | frames/s | ratio | CPU ms/frame | peak MB | largest difference |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(runs[REFERENCE].wall_s)
    for name, run in runs.items():
        wall, cpu = statistics.median(run.wall_s), statistics.median(run.cpu_s)
        print(
            f"| {name} | {num_frames / wall:.1f} | {base / wall:.2f} | {1000 * cpu / num_frames:.1f} "
            f"| {max(run.peak_mb):.0f} | {run.difference:g} |"
        )


def report_landmarks_only(clips: list[Path], repeats: int) -> None:
    """Print the second table; the models warm up on the first clip, which is not counted."""
    from mediapipe.python.solutions.holistic import Holistic
    from pose_format.utils.holistic import _extract_frame_data

    from models.pose.holistic import HolisticSession
    from models.video import VideoReader

    def theirs(frames: list[np.ndarray]) -> None:
        peer.reset()
        for frame in frames:
            _extract_frame_data(peer.process(frame), frame.shape[1], frame.shape[0], 0)

    def run_session(session: HolisticSession, frames: list[np.ndarray]) -> None:
        session.reset()
        for _ in session.stream(frames):
            pass

    peer, ours, one_thread = Holistic(), HolisticSession(), HolisticSession(threads=1)
    contestants = {
        "mp.solutions and pose-format's conversion": theirs,
        "ours, a thread per core (one clip)": partial(run_session, ours),
        "ours, one thread (a worker of a batch)": partial(run_session, one_thread),
    }
    took = {name: [0.0, 0.0] for name in contestants}
    num_frames = 0
    for number, clip in enumerate([clips[0], *clips * repeats]):
        frames = list(VideoReader(clip))
        num_frames += len(frames) if number else 0
        for name, run in contestants.items():
            wall, cpu = time.monotonic(), time.process_time()
            run(frames)
            if number:
                took[name][0] += time.monotonic() - wall
                took[name][1] += time.process_time() - cpu
    print("\n| landmarks only | frames/s | ratio | CPU ms/frame | ratio |\n|---|---|---|---|---|")
    base_wall, base_cpu = took[next(iter(took))]
    for name, (wall, cpu) in took.items():
        print(
            f"| {name} | {num_frames / wall:.1f} | {base_wall / wall:.2f} "
            f"| {1000 * cpu / num_frames:.1f} | {base_cpu / cpu:.2f} |"
        )


if __name__ == "__main__":
    main()
