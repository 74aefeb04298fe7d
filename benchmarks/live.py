"""How fast the Live tab is, from the camera's frame to the answer on the screen, beside Gradio's own webcam.

    python benchmarks/live.py                   # a drawn signer before the camera
    python benchmarks/live.py CLIP --seconds 30

Headless Chromium has a camera that plays the clip with a number written into every frame as black and white blocks.
The studio reads the number from the picture that reached it and sends it back with its answer; the page knows when it
showed the frame of this number, and when the answer was drawn. Both ways do the same work (`LiveSession`, with a
recognizer that costs nothing) and are measured one after the other on one page:

    component   the tab's own camera (assets/live.js)
    gr.Image    Gradio's webcam, streaming 30 times a second into gr.HTML: the tab's second way

Browser, camera and studio share this machine's cores here; a user's browser has its own. Figures of a machine that is
busy with other things are worth nothing but their ratio.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fake_camera import Lines, browser_arguments, serve_tab  # noqa: E402
from serving import CHROMIUM  # noqa: E402

from models.recognition.live import LiveSession  # noqa: E402
from models.video import VideoReader  # noqa: E402
from studio.cameras import Cameras  # noqa: E402
from studio.ui.tabs import live  # noqa: E402

WIDTH, HEIGHT, FPS = 640, 480, 30
BITS, STRIP = 10, 32
WARM_UP_S = 4.0
TOO_LONG_MS = 20_000
"""The numbers come again after 34 s; a frame that the page itself missed must not be taken for the one before."""

WATCH = """([place, bits, strip]) => {
  const video = document.querySelector(`${place} video`), canvas = document.createElement('canvas');
  const shown = {}, answers = window.answers = [];
  canvas.width = bits; canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const look = () => video.requestVideoFrameCallback(() => {
    const now = performance.now();
    for (let i = 0; i < bits; i++)  // the middle of each block
      pen.drawImage(video, (i + .5) * video.videoWidth / bits, video.videoHeight - strip / 2, 1, 1, i, 0, 1, 1);
    const data = pen.getImageData(0, 0, bits, 1).data;
    let number = 0;
    for (let i = 0; i < bits; i++) number = 2 * number + (data[4 * i] > 127);
    if (!(now - shown[number] < 2000)) shown[number] = now;
    look();
  });
  look();
  let last = null;
  window.answered = (tip) => {
    const number = Number(/frame (\\d+)/.exec(tip ?? '')?.[1] ?? NaN);
    if (Number.isNaN(number) || number === last) return;
    last = number;
    const now = performance.now();
    answers.push([now, now - (shown[number] ?? -Infinity)]);
  };
}"""
LISTEN_COMPONENT = """document.querySelector('#live-camera .live').parentElement
  .addEventListener('live-drawn', (event) => window.answered(event.detail.view.tip))"""
LISTEN_STREAM = """new MutationObserver(() => window.answered(document.querySelector('#live-streamed').innerText))
  .observe(document.querySelector('#live-streamed'), {childList: true, subtree: true, characterData: true})"""


def numbered(clip: Path, target: Path) -> list[np.ndarray]:
    """Write the clip as the camera plays it, over and over until the numbers at the foot of its frames are used up;
    gives its frames (RGB)."""
    with VideoReader(clip) as reader:
        pictures = [_fitted(frame) for frame in reader]
    with target.open("wb") as output:
        for number in range(1 << BITS):
            picture = pictures[number % len(pictures)].copy()
            for bit in range(BITS):
                block = slice(bit * WIDTH // BITS, (bit + 1) * WIDTH // BITS)
                picture[-STRIP:, block] = 255 * (number >> (BITS - 1 - bit) & 1)
            output.write(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return pictures


def _fitted(frame: np.ndarray) -> np.ndarray:
    """The frame in the middle of a white picture of the camera's size."""
    scale = min(WIDTH / frame.shape[1], HEIGHT / frame.shape[0])
    fitted = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    top, left = (HEIGHT - fitted.shape[0]) // 2, (WIDTH - fitted.shape[1]) // 2
    picture[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number at the foot of a picture (H, W, 3)."""
    height, width = picture.shape[:2]
    row = picture[int(height - STRIP / 2 * height / HEIGHT)]
    bits = [row[int((bit + 0.5) * width / BITS)].mean() > 127 for bit in range(BITS)]
    return int("".join("1" if bit else "0" for bit in bits), 2)


def numbers_sent_back(cameras: Cameras, times_ms: list[float]) -> None:
    """Let every answer say which frame it is about, in place of the tip."""
    see = cameras.see

    def seen(token: str, picture: np.ndarray, time_ms: float) -> Any:
        view = see(token, picture, time_ms)
        if view is not None:
            times_ms.append(view.work_ms)
        return None if view is None else replace(view, tip=f"frame {number_of(picture)}")

    cameras.see = seen  # type: ignore[method-assign]


def measure(page: Page, place: str, listen: str, seconds: float) -> tuple[float, np.ndarray]:
    """Answers per second, and the ms from each frame on the page to its answer."""
    page.evaluate(WATCH, [place, BITS, STRIP])
    page.evaluate(listen)
    page.wait_for_timeout(1000 * WARM_UP_S)
    page.evaluate("window.answers.length = 0")
    page.wait_for_timeout(1000 * seconds)
    answers = np.array(page.evaluate("window.answers"), float).reshape(-1, 2)
    return len(answers) / seconds, answers[answers[:, 1] < TOO_LONG_MS, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=ROOT / "assets/samples/hello-my-name-anna.mp4")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=2, help="how often each way is measured, in turn")
    args = parser.parse_args()
    live.STREAM_EVERY_S = 1 / FPS  # the peer at its best
    print(f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        pictures = numbered(args.clip, camera)
        print(f"LiveSession alone, 384 x 288: {_alone(pictures)}")
        work_ms: list[float] = []
        results: dict[str, list[tuple[float, np.ndarray]]] = {"component": [], "gr.Image": []}
        with serve_tab(Lines()) as (url, cameras), sync_playwright() as playwright:
            numbers_sent_back(cameras, work_ms)
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=browser_arguments(camera))
            for _ in range(args.rounds):
                for name, found in results.items():
                    page = chromium.new_page(viewport={"width": 1280, "height": 1400})
                    page.goto(url)
                    if name == "component":
                        page.get_by_role("button", name="Start the camera").click()
                        page.wait_for_function("document.querySelector('[data-live=fps]').textContent > 0")
                        place, listen = "#live-camera", LISTEN_COMPONENT
                    else:
                        page.get_by_text("If the camera does not start").click()
                        page.get_by_text("Click to Access Webcam").click()
                        page.locator("#live-stream").get_by_text("Record").first.click()
                        page.locator("#live-streamed dl").wait_for()
                        place, listen = "#live-stream", LISTEN_STREAM
                    work_ms.clear()
                    found.append(measure(page, place, listen, args.seconds))
                    print(f"{name:10s} {_line(*found[-1])}; of it LiveSession p50 {np.median(work_ms):.0f} ms")
                    page.close()
                    cameras.close_all()
            chromium.close()
    own, peer = (
        (np.mean([rate for rate, _ in found]), np.concatenate([delays for _, delays in found]))
        for found in results.values()
    )
    print(f"component  {_line(*own)}")
    print(f"gr.Image   {_line(*peer)}")
    ratios = [np.percentile(peer[1], part) / np.percentile(own[1], part) for part in (50, 95)]
    print(f"component against gr.Image: {own[0] / peer[0]:.2f} x the frames/s, ", end="")
    print(f"{ratios[0]:.2f} x shorter at the median, {ratios[1]:.2f} x at the 95th percentile")


def _line(rate: float, delays: np.ndarray) -> str:
    p50, p95 = np.percentile(delays, [50, 95]) if len(delays) else (np.nan, np.nan)
    return f"{rate:5.1f} answers/s, frame to answer p50 {p50:4.0f} ms, p95 {p95:4.0f} ms"


def _alone(pictures: list[np.ndarray]) -> str:
    session = LiveSession(Lines())
    times = []
    for index, picture in enumerate(pictures):
        small = cv2.resize(picture, (384, 288), interpolation=cv2.INTER_AREA)
        start = time.perf_counter()
        session.see(small, 40.0 * index)
        times.append(1000 * (time.perf_counter() - start))
    session.close()
    p50, p95 = np.percentile(times[5:], [50, 95])
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, {1000 / np.mean(times[5:]):.1f} frames/s"


if __name__ == "__main__":
    main()
