"""Whatever is uploaded as a picture gives RGB or a SignError; a header is not believed."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import png
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from models import pictures
from models.animation.picture import load_picture
from models.errors import PictureError, SignError
from models.pictures import hold_pillow
from studio.cameras import MAX_PICTURE_SIDE
from studio.cameras import read_picture as camera_picture

READERS = pytest.mark.parametrize("read", [load_picture, pictures.read_picture])
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 500 500\n%%EndComments\nshowpage\n%%EOF"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500"><image href="file:///etc/passwd"/></svg>'


def encoded(kind: str, mode: str = "RGB", side: int = 100) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, kind)
    return file.getvalue()


def resized(content: bytes, at: int, form: str, *size: int) -> bytes:
    return content[:at] + struct.pack(form, *size) + content[at + struct.calcsize(form) :]


BOMBS = {
    "png": png(50_000, 50_000, rows=1),
    "png-30000": png(30_000, 30_000, rows=1),  # 0.9 gigapixels: OpenCV would take 2.7 GB for it
    "png-line": png(2**31 - 1, 1, rows=0),
    "gif": resized(encoded("GIF"), 6, "<HH", 65_535, 65_535),
    "bmp": resized(encoded("BMP"), 18, "<ii", 100_000, 100_000),
    "jpeg": resized(encoded("JPEG"), encoded("JPEG").find(b"\xff\xc0") + 5, ">HH", 65_000, 65_000),
}


@READERS
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_by_what_its_header_says(
    tmp_path: Path, read: Callable[[Path], object], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    (tmp_path / "bomb.jpg").write_bytes(BOMBS[kind])
    with pytest.raises(PictureError, match=r"pixels|too large"):
        read(tmp_path / "bomb.jpg")


@READERS
@pytest.mark.parametrize(
    "content", [EPS, SVG, b"", b"%PDF-1.4\n", b"\x00\x00\x00\x0cJXL \r\n", b"8BPS\0\1" + b"\0" * 60]
)
def test_what_no_camera_makes_is_no_picture_whatever_its_name(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(PictureError, match="picture"):
        read(tmp_path / "photo.jpg")


def test_pillow_starts_no_program_and_reads_no_bomb_for_others_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    hold_pillow()
    (tmp_path / "photo.jpg").write_bytes(EPS)
    with Image.open(tmp_path / "photo.jpg") as picture, pytest.raises(OSError, match="Ghostscript"):
        picture.convert("L")
    (tmp_path / "bomb.png").write_bytes(png(12_000, 12_000, rows=1))
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "bomb.png")


@READERS
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "I;16"])
def test_every_kind_of_pixel_is_rgb(tmp_path: Path, read: Callable[[Path], object], mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    (tmp_path / "picture.png").write_bytes(encoded(kind, mode))
    try:
        found = read(tmp_path / "picture.png")
    except PictureError:
        assert mode == "CMYK" and read is pictures.read_picture  # OpenCV reads no TIFF of four inks
    else:
        assert found.shape == (100, 100, 3) and found.dtype == "uint8"


@READERS
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
def test_damage_gives_a_picture_or_a_sign_error(
    tmp_path_factory: pytest.TempPathFactory, read: Callable[[Path], object], data: st.DataObject, kind: str
) -> None:
    raw = bytearray(encoded(kind))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, min(len(raw), 400) - 1), st.integers(0, 255)), max_size=12)
    ):
        raw[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        found = read(path)
    except SignError as error:
        assert "damaged.png" in str(error)
    else:
        assert found.ndim == 3 and found.shape[2] == 3


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.one_of(st.none(), st.integers(), st.text(), st.binary().map(lambda raw: camera_url(raw))))
def test_a_camera_sends_a_jpeg_or_gets_a_sign_error(sent: object) -> None:
    with pytest.raises(SignError):
        camera_picture(sent)


def camera_url(raw: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(raw).decode()


def test_a_camera_sends_no_other_format_and_no_larger_picture() -> None:
    assert camera_picture(camera_url(encoded("JPEG"))).shape == (100, 100, 3)
    for raw in (encoded("PNG"), EPS, BOMBS["jpeg"], encoded("JPEG", side=MAX_PICTURE_SIDE + 1), encoded("JPEG")[:300]):
        with pytest.raises(SignError):
            camera_picture(camera_url(raw))
