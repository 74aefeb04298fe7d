"""How long it takes until the command line answers, and until the page is there.

Beside them, in the same run: Python that only imports typer, and a page of gradio with nothing but a word on it. What
is left of the ratio is ours.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
BARE = (
    "import sys, gradio\n"
    "with gradio.Blocks(analytics_enabled=False) as page: gradio.Markdown('Hello')\n"
    "page.launch(server_port=int(sys.argv[1]), ssr_mode=False, quiet=True)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--times", type=int, default=5, help="Starts of each; the first one warms up and is not counted."
    )
    times = parser.parse_args().times
    ours = _median(times, lambda: _run([sys.executable, "-m", "studio.cli", "--help"]))
    bare = _median(times, lambda: _run([sys.executable, "-c", "import typer"]))
    print(
        f"signstudio --help        {ours:.2f} s; import typer {bare:.2f} s; {ours / bare:.1f} times (aim: under 0.5 s)"
    )
    with tempfile.TemporaryDirectory() as folder:
        pages = [_page([sys.executable, str(ROOT / "app.py"), "--port"], folder) for _ in range(times + 1)][1:]
        empty = [_page([sys.executable, "-c", BARE], folder) for _ in range(times + 1)][1:]
    ours, bare = (statistics.median(one[0] for one in found) for found in (pages, empty))
    mb, bare_mb = (statistics.median(one[1] for one in found) for found in (pages, empty))
    print(f"page of the studio       {ours:.1f} s, {mb:.0f} MB (aim: under 6 s)")
    print(f"page with a word on it   {bare:.1f} s, {bare_mb:.0f} MB; the studio takes {ours / bare:.1f} times as long")


def _median(times: int, run: Callable[[], None]) -> float:
    found = []
    for _ in range(times + 1):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _page(command: list[str], folder: str) -> tuple[float, float]:
    """Seconds until the page is served, and the memory that it takes then, MB."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = time.perf_counter()
    server = subprocess.Popen([*command, str(port)], env=os.environ | {"GRADIO_TEMP_DIR": folder}, **quiet)  # type: ignore[call-overload]
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
            except OSError:
                if server.poll() is not None:
                    raise RuntimeError(f"{command} ended before its page was there") from None
                time.sleep(0.05)
            else:
                break
        return time.perf_counter() - start, psutil.Process(server.pid).memory_info().rss / 1024**2
    finally:
        server.terminate()
        server.wait(timeout=60)


if __name__ == "__main__":
    main()
