"""The way from 0 to 1 that begins and ends gently."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def eased(share: Array) -> Array:
    """Shares cut to 0..1, of the same shape, whose slope is 0 at both ends: 3 s² - 2 s³."""
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
