"""Pictures as people have them become plain RGB; what is none is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.animation.picture import LONGEST, load_picture
from models.errors import PictureError

RED, BLUE = (200, 30, 40), (20, 40, 200)


@pytest.fixture
def halves() -> Image.Image:
    """Left red, right blue, 300 x 200."""
    picture = Image.new("RGB", (300, 200), RED)
    picture.paste(BLUE, (150, 0, 300, 200))
    return picture


def near(pixel: np.ndarray, colour: tuple[int, int, int], by: int = 30) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < by)


def test_a_plain_picture_is_left_as_it_is(halves: Image.Image, tmp_path: Path) -> None:
    halves.save(tmp_path / "a.png")
    assert (load_picture(tmp_path / "a.png") == np.asarray(halves)).all()


def test_a_photograph_on_its_side_is_turned_up(halves: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    halves.save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = load_picture(tmp_path / "a.jpg")
    assert image.shape == (300, 200, 3)
    assert near(image[20, 100], RED)
    assert near(image[280, 100], BLUE)


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "RGBA", "LA", "1", "I;16", "YCbCr"])
def test_every_kind_of_pixel_becomes_rgb(halves: Image.Image, tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        wide = np.asarray(halves.convert("L")).astype(np.uint16) * 257
        picture = Image.fromarray(wide)
    elif mode == "LA":
        picture = halves.convert("L").convert("LA")
    else:
        picture = halves.convert(mode)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    picture.save(path)
    image = load_picture(path)
    assert image.shape == (200, 300, 3)
    assert image.dtype == np.uint8
    left, right = image[:, :140].mean(axis=(0, 1)), image[:, 160:].mean(axis=(0, 1))
    assert np.abs(left - right).max() > 10  # both halves are still there
    if mode in ("CMYK", "RGBA", "P", "YCbCr"):
        assert near(image[100, 20], RED, 60)


def test_what_is_transparent_gets_a_light_ground(tmp_path: Path) -> None:
    Image.new("RGBA", (200, 200), (*RED, 0)).save(tmp_path / "a.png")
    assert load_picture(tmp_path / "a.png").min() > 200


def test_of_a_moving_picture_it_is_the_first_frame(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (120, 120), RED), Image.new("RGB", (120, 120), BLUE)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert near(load_picture(tmp_path / "a.gif")[60, 60], RED)


def test_a_huge_picture_is_read_at_a_size_that_is_worked_with(tmp_path: Path) -> None:
    Image.new("RGB", (12_000, 9_000), RED).save(tmp_path / "a.jpg", quality=60)
    image = load_picture(tmp_path / "a.jpg")
    assert max(image.shape) <= LONGEST
    assert image.shape[1] / image.shape[0] == pytest.approx(4 / 3, abs=0.01)


def test_fifty_pixels_are_too_few(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    with pytest.raises(PictureError, match=r"small\.png: 50 x 50 pixels are too few"):
        load_picture(tmp_path / "small.png")


def test_more_pixels_than_can_be_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.animation.picture.MOST_PIXELS", 10_000)
    Image.new("RGB", (200, 200)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="too many"):
        load_picture(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"not a picture at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"a\.png"):
        load_picture(tmp_path / "a.png")


def test_half_a_picture_is_refused(halves: Image.Image, tmp_path: Path) -> None:
    halves.save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError, match="broken"):
        load_picture(tmp_path / "half.jpg")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"gone\.png"):
        load_picture(tmp_path / "gone.png")
