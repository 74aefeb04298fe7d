"""What several test files need: where the real clips are, a browser, a small clip of a drawn signer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, by name and with the reason, what this machine cannot run."""
    no_real = pytest.mark.skip(reason="STUDIO_REAL_DATA names no folder of real clips")
    no_browser = pytest.mark.skip(reason="no `chromium` on this machine")
    for item in items:
        if "real" in item.keywords and not os.environ.get("STUDIO_REAL_DATA"):
            item.add_marker(no_real)
        if "browser" in item.keywords and CHROMIUM is None:
            item.add_marker(no_browser)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real signing clips; tests that use it are marked `real`."""
    return Path(os.environ["STUDIO_REAL_DATA"])
