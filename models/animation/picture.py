"""Pictures as people have them: turned by EXIF, in CMYK, with alpha, 16 bits deep, or very large; as plain RGB."""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from models.errors import PictureError
from models.files import safe_name
from models.pictures import FORMATS, MOST_OF_AN_UPLOAD

Image = NDArray[np.uint8]

LONGEST = 2048
"""A larger picture is scaled down to this while it is read, pixels."""
SMALLEST = 96
"""Shortest side of a picture that a person could be seen in, pixels."""
MOST_PIXELS = MOST_OF_AN_UPLOAD
_GROUND = (235, 235, 235)  # behind what is transparent


def load_picture(path: str | os.PathLike[str]) -> Image:
    """A picture file as (H, W, 3) uint8 RGB, upright, its longest side at most 2048 pixels.

    Transparent parts get a light ground; of an animated picture it is the first frame.
    Raises PictureError for a file that is no picture, is broken, or is too small or too large.
    """
    name = safe_name(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            return _load(Path(path), name)
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: this is no picture that can be read; use a JPEG, PNG or WebP file.") from error
    except PillowImage.DecompressionBombError as error:
        raise PictureError(f"{name}: this picture is too large; scale it down to {LONGEST} pixels.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"{name}: this picture is broken ({error}); save it again as JPEG or PNG.") from error


def _load(path: Path, name: str) -> Image:
    with PillowImage.open(path, formats=_formats()) as opened:
        width, height = opened.size
        if min(width, height) < SMALLEST:
            raise PictureError(
                f"{name}: {width} x {height} pixels are too few to see a person; use a picture of {SMALLEST} pixels a "
                "side at least, better 512."
            )
        if width * height > MOST_PIXELS:
            raise PictureError(
                f"{name}: {width} x {height} pixels are too many to read; scale it down to {LONGEST} pixels."
            )
        opened.draft("RGB", (LONGEST, LONGEST))  # a JPEG is decoded at a fraction of its size
        picture = opened if opened.mode != "CMYK" else opened.convert("RGB")
        picture.thumbnail((LONGEST, LONGEST), PillowImage.Resampling.LANCZOS, reducing_gap=2.0)
        return np.array(_plain(ImageOps.exif_transpose(picture)), np.uint8)


@cache
def _formats() -> tuple[str, ...]:
    """Those of photographs. Of the others one (EPS) makes Pillow start a program."""
    PillowImage.init()
    return tuple(one for one in (*FORMATS, "AVIF") if one in PillowImage.OPEN)


def _plain(picture: PillowImage.Image) -> PillowImage.Image:
    """RGB of 8 bits, whatever it was."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, np.float64)
        top = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
        picture = PillowImage.fromarray(np.clip(values * (255 / top), 0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = PillowImage.new("RGBA", picture.size, (*_GROUND, 255))
        picture = PillowImage.alpha_composite(ground, picture)
    return picture.convert("RGB")
