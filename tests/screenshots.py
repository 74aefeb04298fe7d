"""Take the pictures of the studio that the documentation shows: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from conftest import SAMPLES
from serving import ROOT, open_chromium, serve_studio

IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Extract the pose of a sample clip in the browser and take a picture of the page, light and dark."""
    clip = sorted(SAMPLES.glob("*.mp4"))[0]
    with tempfile.TemporaryDirectory() as folder, serve_studio(Path(folder)) as url, open_chromium() as browser:
        for theme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 1240})
            page.goto(f"{url}/?__theme={theme}")
            page.set_input_files("#pose-clip input[type=file]", clip)
            page.wait_for_selector("#pose-clip video")
            page.click("#pose-go")
            page.wait_for_selector("#pose-verdict .verdict", timeout=120_000)
            page.wait_for_function("document.querySelector('#pose-preview video')?.readyState >= 2")
            # A moment in which both hands sign.
            for video in ("#pose-clip video", "#pose-preview video"):
                page.evaluate(f"document.querySelector('{video}').currentTime = 3.1")
            page.wait_for_timeout(1500)
            path = IMAGES / f"studio-{theme}.png"
            page.screenshot(path=path)
            print(path)


if __name__ == "__main__":
    main()
