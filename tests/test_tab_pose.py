"""The Pose tab in a real browser: upload, preview, verdict, downloads, stop, batch, webcam, and rubbish."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import SAMPLES

from models.pose.files import read_pose
from models.video import probe
from models.video_write import write_video

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LONG_MS = 120_000


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#pose-clip input[type=file]", path)
    page.wait_for_selector("#pose-clip video")


def extract(page: Page) -> None:
    page.click("#pose-go")
    page.wait_for_selector("#pose-verdict .verdict", timeout=LONG_MS)


def toast(page: Page, about: str) -> str:
    """The error message that speaks of this. (The browser has one of its own for a file it cannot play.)"""
    message = page.locator(".toast-body", has_text=about).first
    message.wait_for(timeout=LONG_MS)
    return message.inner_text()


def download(page: Page, link_text: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(f"#pose-files a[download*='{link_text}']").first.click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def test_a_clip_gives_a_preview_that_plays_a_verdict_and_a_pose_that_reads(
    page: Page, sample: Path, tmp_path: Path
) -> None:
    upload(page, sample)
    extract(page)
    page.wait_for_function("document.querySelector('#pose-preview video')?.readyState >= 2", timeout=LONG_MS)
    page.evaluate(
        """async () => {
            const video = document.querySelector('#pose-preview video');
            video.muted = true;
            await video.play();
        }"""
    )
    page.wait_for_function("document.querySelector('#pose-preview video').currentTime > 0.2", timeout=LONG_MS)
    width, error = page.evaluate(
        "(({videoWidth, error}) => [videoWidth, error])(document.querySelector('#pose-preview video'))"
    )
    assert width > 0
    assert error is None
    verdict = page.locator("#pose-verdict").inner_text()
    assert "Body seen while signing\n100 %" in verdict
    assert page.locator("img[alt^='Timeline']").first.is_visible()

    pose = read_pose(download(page, ".pose", tmp_path))
    info = probe(sample)
    assert len(pose.body.data) == info.num_frames
    assert (pose.header.dimensions.width, pose.header.dimensions.height) == (info.width, info.height)
    report = json.loads(download(page, "quality.json", tmp_path).read_text())
    assert report["num_frames"] == info.num_frames


def test_stopping_ends_the_run_and_says_that_nothing_was_kept(page: Page, sample: Path, tmp_path: Path) -> None:
    from models.video import VideoReader

    frames = list(VideoReader(sample))
    long_clip = tmp_path / "long.mp4"
    write_video(long_clip, frames * max(1, 1500 // len(frames)), fps=25)
    upload(page, long_clip)
    page.click("#pose-go")
    page.wait_for_selector("#pose-status [role=progressbar]", timeout=LONG_MS)
    words = page.locator("#pose-status .words").inner_text()
    assert "frames/s" in words
    page.click("#pose-stop")
    page.get_by_text("Stopped. Nothing was kept").first.wait_for()


def test_several_clips_come_back_as_a_zip_with_a_line_for_the_one_that_failed(
    page: Page, short: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(short.read_bytes()[:2000])
    page.get_by_text("Several clips at once").click()
    page.set_input_files("#batch-clips input[type=file]", [short, broken])
    page.locator("#batch-clips tr.file").nth(1).wait_for()
    page.click("#batch-go")
    page.get_by_text("1 clip done, 1 failed").first.wait_for(timeout=LONG_MS)
    row = page.locator("#batch-table tr", has_text="broken.mp4").inner_text()
    assert "Failed" in row
    with page.expect_download() as waiting:
        page.locator("#batch-zip a[download]").first.click()
    waiting.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "all")
        table = archive.read("report.tsv").decode()
    assert "broken.mp4\tfailed\t" in table
    (pose,) = [name for name in names if name.endswith(".pose")]
    assert len(read_pose(tmp_path / "all" / pose).body.data) == probe(short).num_frames


def bad_files(folder: Path) -> list[Path]:
    files = [folder / "really text.mp4", folder / 'it\'s "quoted" <b>bold & 🤟.mp4']
    for path in files:
        path.write_bytes(b"This is a letter, not a video. " * 50)
    return files


def test_bad_files_are_refused_in_words_and_the_studio_goes_on(page: Page, short: Path, tmp_path: Path) -> None:
    for path in bad_files(tmp_path):
        page.set_input_files("#pose-clip input[type=file]", path)
        page.wait_for_selector("#pose-clip video", state="attached")
        page.click("#pose-go")
        assert "not a video file" in toast(page, ".mp4")
        assert page.locator(".toast-body b", has_text="bold").count() == 0, "a file name must not become HTML"
        page.reload()
    upload(page, short)
    extract(page)


def test_no_clip_is_said_so(page: Page) -> None:
    page.click("#pose-go")
    assert "upload or record" in toast(page, "no clip yet")


def test_a_clip_longer_than_the_limit_is_refused_before_any_work(page: Page, tmp_path: Path) -> None:
    import numpy as np

    clip = tmp_path / "six minutes.mp4"
    frame = np.zeros((48, 64, 3), np.uint8)
    write_video(clip, (frame for _ in range(6 * 60 * 5)), fps=5)
    upload(page, clip)
    page.click("#pose-go")
    assert "6 minutes is more than the 5 accepted" in toast(page, "six minutes")


def test_the_examples_fill_the_clip(page: Page) -> None:
    assert list(SAMPLES.glob("*.mp4"))
    page.get_by_role("button", name="Hello my name anna").click()
    page.wait_for_selector("#pose-clip video")


def test_a_webcam_recording_is_read_and_judged(page: Page) -> None:
    page.context.grant_permissions(["camera"])
    page.get_by_label("Capture from camera").or_(page.locator("#pose-clip button[aria-label*='ebcam']")).first.click()
    page.locator("#pose-clip").get_by_text("Click to Access Webcam").click()
    record = page.locator("#pose-clip button[aria-label='start recording'], #pose-clip button:has-text('Record')").first
    record.wait_for()
    record.click()
    page.wait_for_timeout(3000)
    page.locator("#pose-clip button:has-text('Stop')").first.click()
    # A recording that is still on its way to the studio is shown from the browser's memory.
    page.wait_for_function("document.querySelector('#pose-clip video')?.src?.startsWith('http')", timeout=LONG_MS)
    # The test camera shows a pattern, so the honest answer is that there is nobody.
    extract(page)
    assert page.locator("#pose-verdict .reject").count() == 1
