"""Take the pictures of the studio that the documentation shows: `make screenshots`. Everybody in them is drawn."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from conftest import SAMPLES
from fake_camera import browser_arguments, camera_clip
from serving import CHROMIUM, ROOT, open_chromium, serve_studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = ROOT / "docs" / "images"
LONG_MS = 120_000


def main() -> None:
    """Use each tab as a person would, and take a picture of the page."""
    clip = min(SAMPLES.glob("*.mp4"))
    with tempfile.TemporaryDirectory() as folder, serve_studio(Path(folder)) as url, open_chromium() as browser:
        for theme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 1240})
            page.goto(f"{url}/?__theme={theme}")
            pose(page, clip)
            take(page, f"studio-{theme}")
        page = browser.new_page(viewport={"width": 1280, "height": 1240})
        page.goto(f"{url}/?__theme=light")
        recognize(page, clip)
        take(page, "recognize")
        synthesize(page)
        take(page, "synthesize")
        base(page)
        take(page, "base-action")
        animate(page, SAMPLES / "kofi.jpg")
        take(page, "animate")
        data(page, Path(folder))
        take(page, "data")
        train(page)
        take(page, "train")
        page.click("#train-stop")  # a run outlives the page
        page.locator("#train-runs").get_by_text("Stopped").wait_for(timeout=LONG_MS)
        filmed = browser.browser_type.launch(
            executable_path=CHROMIUM, args=browser_arguments(camera_clip(clip, Path(folder)))
        )
        page = filmed.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{url}/?__theme=light")
        live(page)
        take(page, "live")
        filmed.close()


def pose(page: Page, clip: Path) -> None:
    """The pose of a clip."""
    page.set_input_files("#pose-clip input[type=file]", clip)
    page.wait_for_selector("#pose-clip video")
    page.click("#pose-go")
    page.wait_for_selector("#pose-verdict .verdict", timeout=LONG_MS)
    show(page, "#pose-clip video", "#pose-preview video")


def recognize(page: Page, clip: Path) -> None:
    """The glosses of a clip."""
    page.get_by_role("tab", name="Recognize").click()
    page.set_input_files("#recognize-clip input[type=file]", clip)
    page.wait_for_selector("#recognize-clip video")
    page.click("#recognize-go")
    page.wait_for_selector(".segments-axis .segment", timeout=LONG_MS)
    show(page, "#recognize-clip video", "#recognize-video video")


def synthesize(page: Page) -> None:
    """A gloss line, and the drawn signer who signs it."""
    page.get_by_role("tab", name="Synthesize").click()
    page.locator("#synthesize-line textarea, #synthesize-line input").first.fill("HELLO MY NAME fs-ANNA")
    page.click("#synthesize-go")
    page.wait_for_selector("#synthesize-timing table", timeout=LONG_MS)
    show(page, "#synthesize-video video")


def base(page: Page) -> None:
    """A word, drawn by the demo model of base actions."""
    page.get_by_role("button", name="Learned base action").click()
    page.locator("#base-word input").wait_for(timeout=LONG_MS)
    page.locator("#base-trained-on .studio-progress, #base-trained-on .notes").first.wait_for(timeout=LONG_MS)
    page.click("#base-go")
    page.locator("#base-status", has_text="Done").wait_for(timeout=LONG_MS)
    page.locator("#base").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#base').scrollIntoView()")
    page.wait_for_timeout(1500)


def data(page: Page, folder: Path) -> None:
    """Folders of words become samples: the plan, and a job that has ended."""
    raw = folder / "words"
    drawn = ["--signers", "3", "--glosses", "HELLO,BOOK,HOUSE", "--kind", "clips", "--size", "256"]
    subprocess.run([sys.executable, "-m", "studio.cli", "lexicon", "render", *drawn, "--out", str(raw)], check=True)
    page.get_by_role("tab", name="Data").click()
    page.locator("#data-phases").wait_for(state="attached", timeout=LONG_MS)
    page.locator("#data-kind input").click()
    page.get_by_role("option", name="words").click()
    page.locator("#data-source input, #data-source textarea").fill(str(raw))
    page.locator("#data-out input, #data-out textarea").fill(str(folder / "samples"))
    page.click("#data-plan")
    page.locator("#data-planned table, #data-planned dl").first.wait_for(timeout=LONG_MS)
    page.click("#data-go")
    page.locator("#data-jobs").get_by_text("Finished").wait_for(timeout=5 * LONG_MS)
    page.wait_for_timeout(1500)


def live(page: Page) -> None:
    """A drawn signer in front of the camera."""
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".live-signs li").nth(1).wait_for(timeout=LONG_MS)
    page.wait_for_timeout(2000)


def animate(page: Page, picture: Path) -> None:
    """A picture that signs."""
    page.get_by_role("tab", name="Animate").click()
    page.set_input_files("#animate-picture input[type=file]", picture)
    page.wait_for_selector("#animate-advice .studio-progress, #animate-advice .notes", timeout=LONG_MS)
    page.locator("#animate-line textarea, #animate-line input").first.fill("HELLO MY NAME fs-KOFI")
    page.click("#animate-go")
    page.wait_for_selector("#animate-fidelity .notes", timeout=LONG_MS)
    show(page, "#animate-video video")


def train(page: Page) -> None:
    """Two runs on one plot: the first has finished, the second one is at work."""
    page.get_by_role("tab", name="Train").click()
    page.locator("#train-preset").get_by_label("Demo").wait_for(timeout=LONG_MS)
    page.locator("#train-model input").click()
    page.get_by_role("option", name="Landmark").click()
    page.locator("#train-about").get_by_text("Landmark").wait_for()
    page.locator("#train-preset").get_by_label("Demo").check()
    page.wait_for_timeout(3000)  # the form is drawn anew
    for name, rate in (("As it is", "0.004"), ("Slower", "0.001")):
        page.locator("#train-name input, #train-name textarea").fill(name)
        if not page.locator("#train-again").is_visible():
            page.get_by_role("button", name="Settings").first.click()
        page.evaluate("document.querySelectorAll('.settings details').forEach(one => { one.open = true; })")
        page.locator("[data-path='loop.learning_rate']").fill(rate)
        page.click("#train-go")
        page.locator("#train-runs tbody tr", has_text=name).wait_for(timeout=LONG_MS)
    page.get_by_role("button", name="Settings").first.click()
    for row in page.locator("#train-runs tbody tr").all():
        row.get_by_role("checkbox").check()
    page.locator("#train-runs tbody tr", has_text="As it is").get_by_text("Finished").wait_for(timeout=10 * LONG_MS)
    page.locator("#train-runs tbody tr", has_text="Slower").get_by_text("Training").wait_for(timeout=LONG_MS)
    page.wait_for_timeout(20_000)


def show(page: Page, *videos: str) -> None:
    """A moment in which both hands sign."""
    for video in videos:
        page.wait_for_function(f"document.querySelector('{video}')?.readyState >= 2", timeout=LONG_MS)
        page.evaluate(f"document.querySelector('{video}').currentTime = 3.1")
    page.wait_for_timeout(1500)


def take(page: Page, name: str) -> None:
    """Write the picture, and say where."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
