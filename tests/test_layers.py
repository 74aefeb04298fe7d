"""The arrows of the design, read from the imports: video -> pose -> recognition, lexicon -> synthesis -> animation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each part of models/ may import of models/. Everyone may use these:
EVERYONE = {
    "models.errors",
    "models.figures",
    "models.files",
    "models.lettering",
    "models.model_folder",
    "models.pages",
    "models.pictures",
    "models.pool",
    "models.progress",
    "models.video",
    "models.video_decode",
    "models.video_write",
    "models.weights",
    "models.windows",
}
MAY_USE = {
    "pose": set(),
    "lexicon": {"models.pose"},
    "data": {"models.pose", "models.lexicon"},
    "recognition": {"models.pose", "models.lexicon", "models.data", "models.training"},
    "synthesis": {"models.pose", "models.lexicon", "models.data", "models.training"},
    "animation": {"models.pose", "models.lexicon", "models.synthesis"},
    "training": {"models.pose", "models.data"},
}


def imports(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def starts(name: str, roots: set[str]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


@pytest.mark.parametrize("path", sorted((ROOT / "models").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_never_imports_the_application(path: Path) -> None:
    assert not [name for name in imports(path) if starts(name, {"gradio", "typer", "studio"})]


BESIDE_THE_UI = [path for path in sorted((ROOT / "studio").rglob("*.py")) if ROOT / "studio" / "ui" not in path.parents]


@pytest.mark.parametrize("path", BESIDE_THE_UI, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_ui_imports_gradio(path: Path) -> None:
    assert not [name for name in imports(path) if starts(name, {"gradio"})]


def test_every_part_of_the_core_has_its_arrows() -> None:
    assert {path.parent.name for path in (ROOT / "models").glob("*/__init__.py")} == MAY_USE.keys()


@pytest.mark.parametrize("part", sorted(MAY_USE))
def test_data_flows_one_way(part: str) -> None:
    allowed = EVERYONE | MAY_USE[part] | {f"models.{part}"}
    for path in sorted((ROOT / "models" / part).rglob("*.py")):
        wrong = [name for name in imports(path) if starts(name, {"models"}) and not starts(name, allowed)]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_tabs_hold_no_numbers_and_no_models() -> None:
    for path in (ROOT / "studio" / "ui" / "tabs").glob("*.py"):
        assert not [name for name in imports(path) if starts(name, {"numpy", "torch", "cv2"})], path.name


def test_the_figure_of_the_architecture_shows_these_arrows() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown: dict[str, set[str]] = {part: set() for part in MAY_USE}
    for source, target in re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE):
        if {source, target} <= MAY_USE.keys():
            shown[target].add(f"models.{source}")
    assert shown == MAY_USE
