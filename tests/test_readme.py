"""What README shows is what a newcomer gets: its commands run, its links and pictures are there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def block_after(heading: str) -> list[str]:
    """Lines of the first fenced block below a heading."""
    match = re.search(rf"## {heading}\n.*?```bash\n(.*?)```", README, re.DOTALL)
    assert match, heading
    return match.group(1).strip().splitlines()


@pytest.mark.slow
def test_the_command_line_session_runs_as_shown(tmp_path: Path) -> None:
    lines = block_after("On the command line")
    assert len(lines) == 8
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in lines:
        result = subprocess.run(
            shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert result.returncode == 0, f"{line}\n{result.stderr}"
    quality, cleaned = "report/hello-my-name-anna-quality.json", "clean/hello-my-name-anna.pose"
    for made in ("preview.mp4", quality, cleaned, "jo.mp4", "mei.mp4", "glosses/jo.eaf"):
        assert (tmp_path / made).stat().st_size > 0, made


def test_the_make_targets_shown_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in block_after("Start"):
        target = line.split()[1]
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


def test_the_documents_name_no_private_path() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(home|work|root|tmp)/", document.read_text(encoding="utf-8")), document.name


def test_the_installed_packages_fit_together() -> None:
    result = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_pins_that_matter_hold() -> None:
    from importlib.metadata import version

    assert version("mediapipe") == "0.10.21"
    assert int(version("numpy").split(".")[0]) < 2
    for flavour in ("opencv-python", "opencv-contrib-python", "opencv-python-headless"):
        assert tuple(map(int, version(flavour).split(".")[:2])) < (4, 12), flavour
