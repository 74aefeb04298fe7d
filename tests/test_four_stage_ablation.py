"""The ablation: which settings each variant has, and that it goes on where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from four_stage_tiny import TRAINING, draw_clips
from typer.testing import CliRunner

from models.errors import SignError
from models.recognition.four_stage.ablation import STUDY, VARIANTS, variants
from models.recognition.four_stage.files import load_four_stage
from models.training import Run, ablation
from models.training.ablation import ablate, markdown
from models.training.config import to_dict


def differences(one: object, other: object) -> dict[str, object]:
    """Settings of the second that differ from the first, by dotted path."""

    def flat(values: dict[str, object], above: str = "") -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in values.items():
            found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
        return found

    before, after = flat(to_dict(one)), flat(to_dict(other))
    return {name: value for name, value in after.items() if before[name] != value}


def test_each_variant_differs_from_the_full_one_in_what_its_name_says() -> None:
    made = variants(TRAINING)
    assert list(made) == list(VARIANTS)
    assert differences(TRAINING, made["full"]) == {"loop.weighing": "gradnorm"}
    told = {name: differences(made["full"], one) for name, one in made.items()}
    assert told == {
        "full": {},
        "no selection": {"model.select": False, "loss.gru": 0.0},
        "no alignment": {"model.align": False, "loss.align": 0.0},
        "CTC only": {
            "model.select": False, "model.align": False, "loss.align": 0.0, "loss.gru": 0.0, "loss.cls": 0.0,
            "loss.reg": 0.0, "loop.weighing": "fixed",
        },
        "fixed weights": {"loop.weighing": "fixed"},
    }  # fmt: skip


@pytest.mark.slow
def test_every_variant_is_trained_judged_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = draw_clips(tmp_path / "data"), tmp_path / "out"
    said: list[tuple[str, int, int]] = []
    table = ablate(STUDY, TRAINING, data, out, 2, lambda *told: said.append(told), command="the command")
    assert [one["variant"] for one in table["variants"]] == list(VARIANTS)
    assert {one["steps"] for one in table["variants"]} == {2}
    by_name = {one["variant"]: one for one in table["variants"]}
    assert by_name["full"]["parameters"] == by_name["fixed weights"]["parameters"]
    assert by_name["CTC only"]["parameters"] < min(
        by_name["no alignment"]["parameters"], by_name["no selection"]["parameters"]
    )
    assert by_name["no selection"]["stage_metrics"]["stage2"]["balanced_accuracy"] is None
    terms = {name: set(Run(out / ablation.folder_name(name)).metrics()[0][0]["losses"]) for name in VARIANTS}
    assert terms["full"] == {"align", "gru", "cls", "ctc", "reg"}
    assert terms["no alignment"] == terms["full"] - {"align"}
    assert terms["no selection"] == terms["full"] - {"gru"}
    assert terms["CTC only"] == {"ctc"}
    assert not load_four_stage(out / "ctc-only" / "model").config.select
    kept = json.loads((out / "ablation.json").read_text(encoding="utf-8"))
    assert [one["variant"] for one in kept["variants"]] == list(VARIANTS)
    assert "the command" in (out / "ablation.md").read_text(encoding="utf-8")
    assert (out / "full" / "evaluation" / "report.html").is_file()
    assert ("1 of 5: full", 2, 2) in said

    monkeypatch.setattr(ablation, "fit", lambda *_: pytest.fail("trained again"))
    again = ablate(STUDY, TRAINING, data, out, 2, command="the command")
    # The JSON has six digits.
    assert [one["steps"] for one in again["variants"]] == [one["steps"] for one in table["variants"]]
    assert [one["wer"] for one in again["variants"]] == pytest.approx([one["wer"] for one in table["variants"]], 1e-5)
    with pytest.raises(SignError, match="other settings"):
        ablate(STUDY, TRAINING, data, out, 3)


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    data, out = draw_clips(tmp_path / "data"), tmp_path / "out"
    training = replace(TRAINING, loop=replace(TRAINING.loop, steps=4, save_every=1))

    def stop(words: str, done: int, total: int) -> None:
        if words.endswith("fixed weights") and done == 1:
            Run(out / "fixed-weights").ask_to_stop()

    from models.progress import Cancelled

    with pytest.raises(Cancelled):
        ablate(STUDY, training, data, out, tell=stop, names=["fixed weights"])
    assert Run(out / "fixed-weights").status().state == "stopped"
    table = ablate(STUDY, training, data, out, names=["fixed weights"])
    steps = [one["step"] for one in Run(out / "fixed-weights").metrics()[0] if one["kind"] == "train"]
    assert steps == [1, 2, 3, 4]
    assert [one["variant"] for one in table["variants"]] == ["fixed weights"]


def test_an_unknown_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignError, match="no variant 'half'"):
        ablate(STUDY, TRAINING, tmp_path, tmp_path, names=["half"])


def test_the_table_lines_up() -> None:
    row = {
        "variant": "full", "about": "all", "wer": 0.125, "wer_interval_95": (0.1, 0.15), "substitutions": 1,
        "deletions": 2, "insertions": 3, "total_words": 48, "sentences_right": 0.5, "steps": 100, "best_step": 80,
        "minutes": 1.25, "parameters": 1234567,
    }  # fmt: skip
    lines = markdown(
        STUDY, {"command": "", "data": "d", "split": "test", "variants": [row, {**row, "variant": "no selection"}]}
    )
    assert len({len(line) for line in lines[:4]}) == 1
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["full", "12.5 %", "10.0–15.0 %", "1 / 2 / 3", "50.0 %", "100 (80)", "1.2", "1,234,567"]


def test_the_command_prints_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.recognition.four_stage import recipe
    from studio.cli.ablate import ablate as command

    monkeypatch.setattr(recipe, "PRESETS", {"demo": TRAINING})
    cli = typer.Typer()
    cli.command()(command)
    data = draw_clips(tmp_path / "data")
    told = ["--out", str(tmp_path / "out"), "--data", str(data), "--steps", "2", "--only", "CTC only"]
    result = CliRunner().invoke(cli, [*told, "--set", "loop.learning_rate=0.002"])
    assert result.exit_code == 0, result.output
    assert "| CTC only | " in result.output
    config = Run(tmp_path / "out" / "ctc-only").config()["config"]
    assert config["loop"]["learning_rate"] == 0.002 and config["loop"]["steps"] == 2
