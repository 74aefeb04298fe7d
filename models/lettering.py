"""The letters of words in pictures."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont


@lru_cache(maxsize=16)
def font_of(size: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings and mediapipe needs: Pillow's own font has no accents. size: pixels."""
    home = importlib.util.find_spec("matplotlib")  # finds the folder without importing it
    for folder in (home.submodule_search_locations or ()) if home else ():
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font
