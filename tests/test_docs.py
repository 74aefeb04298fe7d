"""What the documents show is what a reader gets: every command is one that the command line understands, and the
sessions that need nothing but the studio itself are run as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer

from studio.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "assets").rglob("README.md")),
    ROOT / "benchmarks" / "README.md",
]
VERBS = ("actions", "animate", "base_action", "data", "pose", "recognize", "synthesize", "train")
TRY = "## Try it"
Misused = typer.BadParameter.__base__  # its own copy of click's UsageError


def fenced(text: str) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Every command of this project that a page shows, in blocks and in lines."""
    text = page.read_text(encoding="utf-8")
    found = [line for _, block in fenced(text) for line in block.splitlines()]
    found += re.findall(r"`(signstudio [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    parts = [part.strip() for line in found for part in re.split(r";|&&|>+", line.split(" #")[0])]
    shown = [" ".join(part.split()) for part in parts if re.match(r"(\w+=\S+ )*signstudio ", part)]
    return [one[one.index("signstudio ") :] for one in shown if " | " not in one]


def understood(line: str) -> None:
    """Raises Misused for a command, or an option, that there is not; what is left out may be."""
    command, args, context = typer.main.get_command(cli), shlex.split(line)[1:], None
    while hasattr(command, "resolve_command"):
        if not args or args == ["--help"]:
            return
        context = command.make_context(command.name, args, parent=context)
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that does something by itself
            return
        _, command, args = command.resolve_command(context, rest)
    try:
        command.make_context(command.name, args, parent=context)
    except typer.Exit:  # --help
        return
    except Misused as error:
        if not error.format_message().startswith("Missing"):
            raise


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_line_understands_what_a_page_shows(page: Path) -> None:
    for line in commands(page):
        try:
            understood(line)
        except Misused as error:
            raise AssertionError(f"{line}: {error.format_message()}") from error


def test_a_command_that_is_not_there_is_found() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 100
    for line in ("signstudio fly", "signstudio pose extract a.mp4 --wings", "signstudio synthesize A --speed fast"):
        with pytest.raises(Misused):
            understood(line)


def session(page: str) -> list[str]:
    """The lines to try on a verb's page."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert TRY in text, f"docs/{page}.md has nothing to try"
    kind, block = fenced(text.split(TRY)[1])[0]
    assert kind == "bash"
    return [line.split(" #")[0].strip() for line in block.splitlines()]


@pytest.mark.parametrize("page", VERBS)
def test_every_verb_has_a_page_with_a_session_and_a_picture(page: str) -> None:
    assert session(page)
    assert re.search(r"!\[[^\]]{20,}\]\(images/", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("page", VERBS)
def test_a_session_runs_as_shown(page: str, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("SIGN_STUDIO_RUNS", None)
    for line in session(page):
        before = set(tmp_path.rglob("*"))
        done = subprocess.run(
            shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout.strip() or set(tmp_path.rglob("*")) - before, f"{line} says nothing and makes nothing"


@pytest.mark.slow
def test_the_first_change_of_contributing_works(tmp_path: Path) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sign = textwrap.dedent(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])  # type: ignore[index]
    lines = textwrap.dedent(re.search(r"```bash\n(.*?)```", page, re.DOTALL)[1]).splitlines()  # type: ignore[index]
    copy = tmp_path / "copy"
    for part in ("models", "studio"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "assets" / "lexicon", copy / "assets" / "lexicon")
    with (copy / "assets" / "lexicon" / "ase" / "greetings.yaml").open("a", encoding="utf-8") as file:
        file.write(sign)
    for line in lines:
        command = [sys.executable, "-m", "studio.cli", *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (copy / "wave.mp4").stat().st_size > 0
    report = json.loads(next((copy / "report").glob("*.json")).read_text(encoding="utf-8"))
    assert report["verdict"] != "reject"
