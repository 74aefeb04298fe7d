"""Frames that are kept as picture files, read as RGB; what a file says of its size is looked at before it is decoded.

OpenCV decodes them, as JPEG of a whole clip is what this is for. It allocates whatever the header asks for, up to
three gigabytes, and raises an error of its own above that: so Pillow reads the header first, which costs 0.1 ms.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import EpsImagePlugin
from PIL import Image as PillowImage

from models.errors import PictureError
from models.files import safe_name
from models.video_decode import MAX_SIDE

Image = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""What Pillow may take a file for. Others make it start a program (EPS), or are read by code that nobody uses."""
MOST_PIXELS = MAX_SIDE**2
MOST_OF_AN_UPLOAD = 120_000_000
"""Pixels of the largest camera's photograph; decoded it takes up to half a gigabyte."""


def hold_pillow() -> None:
    """Bounds for pictures that code of others opens before we see them, as Gradio does with uploads: no larger ones
    than MOST_OF_AN_UPLOAD pixels, and no program started for an EPS."""
    PillowImage.MAX_IMAGE_PIXELS = MOST_OF_AN_UPLOAD // 2  # Pillow warns above it, and refuses twice as much
    EpsImagePlugin.gs_binary = False


def read_picture(path: Path, advice: str = "replace it") -> Image:
    """A picture file (H, W, 3) RGB, upright. advice: what to do when it cannot be read, as the end of a sentence.

    Raises PictureError for a file that is missing, that is no picture, or that has more than MOST_PIXELS.
    """
    name = f"{safe_name(path.parent)}/{safe_name(path)}"
    try:
        data = path.read_bytes()
        with PillowImage.open(io.BytesIO(data), formats=FORMATS) as header:
            width, height = header.size
    except PillowImage.DecompressionBombError as error:
        raise PictureError(f"{name} has more pixels than can be read; {advice}.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"{name} cannot be read as a picture; {advice}.") from error
    if width * height > MOST_PIXELS:
        raise PictureError(f"{name}: {width} x {height} pixels are more than can be read; {advice}.")
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        found = None
    if found is None or found.shape[0] * found.shape[1] > MOST_PIXELS:
        raise PictureError(f"{name} cannot be read as a picture; {advice}.")
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)
