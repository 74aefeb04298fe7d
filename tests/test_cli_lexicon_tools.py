"""`signstudio lexicon check`, `sheet` and `render`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from models.errors import SignError
from studio.cli import lexicon_tools

tools = typer.Typer()
for command in (lexicon_tools.check, lexicon_tools.sheet, lexicon_tools.render):
    tools.command()(command)


def signstudio(*arguments: str) -> Result:
    result = CliRunner().invoke(tools, list(arguments))
    if isinstance(result.exception, SignError):
        raise result.exception
    return result


@pytest.mark.slow
def test_check_prints_the_table_the_totals_and_writes_the_figures(tmp_path: Path) -> None:
    result = signstudio("check", "--glosses", "hello, my", "--workers", "1", "--json", str(tmp_path / "check.json"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["gloss", "HELLO", "MY"]
    assert any(line.startswith("hands found") for line in lines)
    figures = json.loads((tmp_path / "check.json").read_text())
    assert [gloss["gloss"] for gloss in figures["glosses"]] == ["HELLO", "MY"]


def test_sheet_writes_the_pages_and_says_where(tmp_path: Path) -> None:
    page = tmp_path / "sheet.png"
    result = signstudio("sheet", "-o", str(page), "--glosses", "HELLO", "--frames", "2", "--signer", "3")
    assert result.exit_code == 0
    assert str(page) in result.stdout
    assert page.is_file()


def test_render_makes_what_is_missing_only(tmp_path: Path) -> None:
    arguments = ["render", "-o", str(tmp_path / "set"), "--signers", "2", "--glosses", "A", "--kind", "poses"]
    first, second = (signstudio(*arguments, "--workers", "1") for _ in range(2))
    assert "glosses: 1, signers: 2, files made: 2, there already: 0" in first.stdout
    assert "files made: 0, there already: 2" in second.stdout
    assert (tmp_path / "set" / "A" / "signer01.pose").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--glosses", "HELO"], "HELLO"),
        (["--glosses", " , "], "No sign"),
        (["--theme", "sports"], "greetings"),
        (["--theme", "colors", "--glosses", "HELLO"], "theme colors"),
    ],
)
def test_a_wrong_choice_says_what_there_is(arguments: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(SignError, match=told):
        signstudio("sheet", "-o", str(tmp_path / "sheet.png"), *arguments)


def test_a_kind_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="'films'; choose poses, clips, both"):
        signstudio("render", "-o", str(tmp_path / "set"), "--kind", "films")
    assert not (tmp_path / "set").exists()
