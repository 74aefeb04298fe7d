"""Saying that a video was made from a picture: in the file's metadata, in a file beside it, and in the picture.

The words are those of the IPTC's vocabulary of digital source types, which C2PA content credentials use as well
(https://cv.iptc.org/newscodes/digitalsourcetype/). The file is not signed: whoever has it can take the tags out.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES = {
    "puppet": _IPTC + "compositeSynthetic",
    "controlnet": _IPTC + "trainedAlgorithmicMedia",
    "animatediff": _IPTC + "trainedAlgorithmicMedia",
}
COMMENT = "Animated by Sign Studio from a still picture; it is not a recording of this person."
WORD = "animated"


def provenance(driving: str, engine: str, options: Mapping[str, object]) -> dict[str, str]:
    """Tags for the video's metadata: title, comment, date, and an assertion in the form of C2PA's as `description`.

    driving: what is signed; engine: "puppet", "controlnet" or "animatediff"; options: what it was made with.
    """
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    action = {
        "action": "c2pa.created",
        "when": now,
        "softwareAgent": "Sign Studio",
        "digitalSourceType": SOURCE_TYPES[engine],
        "parameters": {"engine": engine, "driving": driving, **{name: str(value) for name, value in options.items()}},
    }
    assertion = {"label": "c2pa.actions", "data": {"actions": [action]}}
    return {
        "title": f"{driving} (animated)",
        "comment": COMMENT,
        "date": now,
        "description": json.dumps(assertion, ensure_ascii=False),
    }


def draw_mark(frame: Image) -> Image:
    """The frame (H, W, 3) with the word "animated" in its upper left corner, readable on light and dark."""
    label = _label(max(0.35, min(frame.shape[:2]) / 1100))
    height, width = label.shape[:2]
    out = frame.copy()
    window = out[:height, :width]
    out[:height, :width] = (0.25 * window + 0.75 * label[: window.shape[0], : window.shape[1]]).astype(np.uint8)
    return out


@functools.lru_cache(maxsize=8)
def _label(scale: float) -> Image:
    thick = max(1, round(1.6 * scale))
    (width, height), below = cv2.getTextSize(WORD, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    margin = round(0.5 * height)
    label = np.zeros((height + below + 2 * margin, width + 2 * margin, 3), np.uint8)
    place = (margin, margin + height)
    cv2.putText(label, WORD, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA)
    return label
