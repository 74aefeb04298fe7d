"""A config that goes to JSON and comes back, says what is wrong with it by name, and describes itself to a form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from models.errors import SignError
from models.training.config import form_fields, from_dict, to_dict, with_changes


@dataclass(frozen=True, kw_only=True)
class Loop:
    steps: int = 600
    """How many steps
    are taken."""
    learning_rate: float = 3e-4
    precision: Literal["no", "bf16"] = "no"
    patience: int | None = None
    """Validations without a better one; empty: never."""
    average: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SignError(f"{self.steps} steps are too few; 1 is the least.")
        if self.learning_rate > 1:
            raise ValueError("learning_rate above 1")


@dataclass(frozen=True, kw_only=True)
class Round:
    share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Net:
    widths: tuple[int, ...] = (8, 16)
    size: tuple[int, int] = (64, 64)
    scales: tuple[float, ...] = (0.5, 1.0)
    weights: str = ""
    folder: Path | None = None
    dropout: float | Literal["auto"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Config:
    loop: Loop = field(default_factory=Loop)
    net: Net = field(default_factory=Net)
    extra: Net | None = None
    rounds: tuple[Round, ...] = (Round(),)
    seed: int = 0
    """The same seed gives the same run."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    size: int


ODD = Config(
    loop=Loop(steps=7, learning_rate=1e-5, precision="bf16", patience=3, average=False),
    net=Net(widths=(), size=(3, 4), scales=(1.0,), weights="é", folder=Path("a/b"), dropout=0.5),
    extra=Net(),
    rounds=(Round(share=0.25), Round()),
    seed=9,
)


@pytest.mark.parametrize("config", [Config(), ODD])
def test_a_config_survives_json(config: Config) -> None:
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config


def test_what_is_left_out_has_its_default() -> None:
    assert from_dict(Config, {"loop": {"steps": 2}}) == Config(loop=Loop(steps=2))
    assert from_dict(Loop, {"steps": 2.0}).steps == 2
    assert isinstance(from_dict(Loop, {"learning_rate": 1}).learning_rate, float)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"loop": {"stepps": 2}}, "no setting loop.stepps; do you mean loop.steps?"),
        ({"zzz": 2}, "no setting zzz; there are loop, net"),
        ({"loop": {"steps": "many"}}, "loop.steps is 'many'; it has to be a whole number"),
        ({"loop": {"steps": 2.5}}, "loop.steps is 2.5; it has to be a whole number"),
        ({"loop": {"steps": True}}, "loop.steps is True; it has to be a whole number"),
        ({"loop": {"steps": 10**400}}, "it has to be a whole number"),
        ({"loop": {"steps": None}}, "loop.steps is nothing"),
        ({"loop": {"learning_rate": float("nan")}}, "loop.learning_rate is nan"),
        ({"loop": {"precision": "fp8"}}, "loop.precision is 'fp8'; it has to be one of no, bf16"),
        ({"loop": {"average": 1}}, "loop.average is 1; it has to be true or false"),
        ({"loop": 3}, "loop is 3; it has to be the fields of Loop"),
        ({"net": {"size": [1, 2, 3]}}, "net.size is [1, 2, 3]; it has to be 2 values"),
        ({"net": {"widths": [1, "x"]}}, "net.widths.1 is 'x'; it has to be a whole number"),
        ({"net": {"dropout": "much"}}, "net.dropout is 'much'; it has to be a number or one of auto"),
        ({"rounds": [{"shar": 1}]}, "no setting rounds.0.shar; do you mean rounds.0.share?"),
        ({"loop": {"steps": 0}}, "loop: 0 steps are too few"),
        ({"loop": {"learning_rate": 2.0}}, "of loop do not fit together: learning_rate above 1"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SignError) as error:
        from_dict(Config, values)
    assert said in str(error.value)


def test_a_setting_without_a_default_is_asked_for() -> None:
    with pytest.raises(SignError, match="size is missing"):
        from_dict(Needs, {})


def test_fields_describe_themselves_in_order() -> None:
    shown = {one.path: one for one in form_fields(ODD)}
    assert list(shown) == [
        *("loop.steps", "loop.learning_rate", "loop.precision", "loop.patience", "loop.average"),
        *("net.widths", "net.size", "net.scales", "net.weights", "net.folder", "net.dropout"),
        *("extra.widths", "extra.size", "extra.scales", "extra.weights", "extra.folder", "extra.dropout"),
        "seed",
    ]
    kinds = [shown[path].kind for path in ("loop.steps", "loop.learning_rate", "loop.average", "loop.precision")]
    assert kinds == ["int", "float", "bool", "choice"]
    assert shown["loop.precision"].choices == ("no", "bf16")
    assert shown["loop.steps"].help == "How many steps are taken."
    assert shown["loop.patience"].optional and shown["loop.patience"].kind == "int"
    assert shown["net.size"].kind == "ints" and shown["net.size"].value == (3, 4)
    assert shown["net.scales"].kind == "text" and shown["net.scales"].value == "1.0"
    assert shown["seed"].group == "" and shown["seed"].help == "The same seed gives the same run."
    assert "extra" not in {one.group for one in form_fields(Config())}


def test_what_the_form_shows_can_be_typed_back() -> None:
    shown = {one.path: one for one in form_fields(ODD)}
    typed = {
        path: ", ".join(map(str, one.value)) if one.kind == "ints" else "" if one.value is None else str(one.value)
        for path, one in shown.items()
    }
    assert with_changes(ODD, typed) == ODD


def test_changes_are_read_as_a_person_types_them() -> None:
    changed = with_changes(
        Config(),
        {
            "loop.steps": " 1_000 ",
            "loop.learning_rate": "1e-5",
            "loop.average": "no",
            "loop.patience": "none",
            "net.widths": "4, 8,16",
            "net.size": "(32, 16)",
            "net.dropout": "0.1",
            "seed": 4,
            "extra.weights": "x",
        },
    )
    assert changed == Config(
        loop=Loop(steps=1000, learning_rate=1e-5, average=False),
        net=Net(widths=(4, 8, 16), size=(32, 16), dropout=0.1),
        extra=Net(weights="x"),
        seed=4,
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("loop.steps", "", "loop.steps is nothing; it has to be a whole number"),
        ("loop.steps", None, "loop.steps is nothing"),
        ("loop.steps", "inf", "loop.steps is 'inf'"),
        ("loop.steps", "9" * 90 + "x", "…"),
        ("loop.average", "maybe", "true or false"),
        ("net.size", "4", "2 values"),
        ("loop", "3", "loop is '3'"),
        ("seed.deeper", "3", "no setting seed.deeper"),
        ("nothing.steps", "3", "no setting nothing"),
        ("__class__", "3", "no setting __class__"),
    ],
)
def test_a_change_that_does_not_fit_is_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(SignError) as error:
        with_changes(Config(), {path: value})
    assert said in str(error.value)
