"""A config is a tree of frozen dataclasses. Here it becomes JSON and comes back checked, field by field, and says of
itself what a form or a command line needs to know.

What fields may be: bool, int, float, str, Path, Literal, tuples and optional ones of these, and further dataclasses.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import itertools
import math
import textwrap
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from models.errors import SignError

C = TypeVar("C")

Kind = Literal["int", "float", "bool", "choice", "text", "ints"]
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One setting, as a form shows it."""

    path: str
    """Dotted, from the config down: loop.learning_rate."""
    kind: Kind
    """ints: whole numbers with commas between."""
    value: Any
    """A number, a bool, a str; a tuple for ints; None where it is not set."""
    choices: tuple[Any, ...] = ()
    """For a choice: all values it can have."""
    optional: bool = False
    """Whether it may be left empty."""
    help: str = ""
    """What is written below the field in its class."""

    @property
    def group(self) -> str:
        """The dataclass that it is in, dotted; empty for the config itself."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


def to_dict(config: Any) -> dict[str, Any]:
    """The config as what JSON has: dicts, lists, numbers, text."""
    return {one.name: _plain(getattr(config, one.name)) for one in fields(config)}


def from_dict(cls: type[C], values: Mapping[str, Any]) -> C:
    """The config that `to_dict` gave; a field that is left out has its default.

    Raises SignError that names the field, what was seen and what is expected.
    """
    return cast(C, _dataclass(cls, values, "", text=False))


def with_changes(config: C, changes: Mapping[str, Any]) -> C:
    """The config with some fields changed, by their dotted paths. A value may also be text as a person types it: an
    empty one, or `none`, for what is not set; commas between the values of a tuple.

    Raises SignError like `from_dict`.
    """
    values = to_dict(config)
    for path, value in changes.items():
        *above, name = path.split(".")
        inner, cls = values, cast(type, type(config))
        for place, part in enumerate(above):
            hint = _dataclass_in(_hint(cls, part, ".".join(above[:place])))
            if hint is None:
                raise _unknown(path, [one.path for one in form_fields(config)])
            cls = hint
            if inner.get(part) is None:
                inner[part] = {}
            inner = inner[part]
        hint = _hint(cls, name, ".".join(above))
        inner[name] = _plain(_value(hint, value, path, text=isinstance(value, str)))
    return from_dict(type(config), values)


def form_fields(config: Any) -> list[FormField]:
    """Every field of the config that a form can show, in the order they are written in; tuples of dataclasses are
    left out."""
    return _fields_of(config, "")


def _fields_of(config: Any, above: str) -> list[FormField]:
    found: list[FormField] = []
    hints, helps = get_type_hints(type(config)), _docstrings(cast(Any, type(config)))
    for one in fields(config):
        path, value, hint = f"{above}{one.name}", getattr(config, one.name), hints[one.name]
        if is_dataclass(value):
            found += _fields_of(value, f"{path}.")
        elif _dataclass_in(hint) is None:
            members = _members(hint)
            optional = type(None) in members
            kind, choices = _kind(tuple(member for member in members if member is not type(None)))
            if kind is not None:
                shown = value if kind != "text" or value is None else _shown(value)
                help_ = helps.get(one.name, "")
                found.append(
                    FormField(path=path, kind=kind, value=shown, choices=choices, optional=optional, help=help_)
                )
    return found


def _kind(members: tuple[Any, ...]) -> tuple[Kind | None, tuple[Any, ...]]:
    if len(members) != 1:
        return "text", ()
    hint = members[0]
    if get_origin(hint) is Literal:
        return "choice", get_args(hint)
    if get_origin(hint) is tuple:
        inner = {one for one in get_args(hint) if one is not Ellipsis}
        if any(_dataclass_in(one) is not None for one in inner):
            return None, ()
        return ("ints" if inner == {int} else "text"), ()
    kinds: dict[Any, Kind] = {bool: "bool", int: "int", float: "float"}
    return kinds.get(hint, "text"), ()


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _dataclass(cls: Any, values: Any, path: str, *, text: bool) -> Any:
    if isinstance(values, cls):
        return values
    if not isinstance(values, Mapping):
        raise _wrong(path, values, f"the fields of {cls.__name__}")
    known: dict[str, Field[Any]] = {one.name: one for one in fields(cls)}
    for name in values:
        if name not in known:
            raise _unknown(_join(path, str(name)), [_join(path, one) for one in known])
    missing = [
        one.name
        for one in known.values()
        if one.name not in values and one.default is MISSING and one.default_factory is MISSING
    ]
    if missing:
        raise SignError(f"The setting {_join(path, missing[0])} is missing; it has no value of its own.")
    hints = get_type_hints(cls)
    made = {name: _value(hints[name], value, _join(path, name), text=text) for name, value in values.items()}
    try:
        return cls(**made)
    except SignError as error:
        if not path or str(error).startswith(path):
            raise
        raise SignError(f"{path}: {error}") from error
    except (ValueError, TypeError) as error:
        raise SignError(f"The settings{f' of {path}' if path else ''} do not fit together: {error}") from error


def _value(hint: Any, value: Any, path: str, *, text: bool) -> Any:
    """The value as the hint wants it. text: it may be written as a person types it."""
    members = _members(hint)
    if type(None) in members:
        typed_none = text and isinstance(value, str) and value.strip().lower() in ("", "none")
        if value is None or typed_none:
            return None
        members = tuple(member for member in members if member is not type(None))
    if len(members) == 1:
        return _one(members[0], value, path, text=text)
    for member in members:
        try:
            return _one(member, value, path, text=text)
        except SignError:
            continue
    raise _wrong(path, value, " or ".join(_expected(member) for member in members))


def _one(hint: Any, value: Any, path: str, *, text: bool) -> Any:
    if is_dataclass(hint):
        return _dataclass(hint, value, path, text=text)
    if get_origin(hint) is Literal:
        for choice in get_args(hint):
            if (type(choice) is type(value) and choice == value) or (text and str(choice) == str(value).strip()):
                return choice
        raise _wrong(path, value, _expected(hint))
    if get_origin(hint) is tuple:
        return _tuple(hint, value, path, text=text)
    if hint not in _PLAIN:
        raise ValueError(f"{path}: {hint} is no kind of field that a config can have")
    read = _READERS[hint](value.strip() if text and isinstance(value, str) and hint is not str else value, text)
    if read is None:
        raise _wrong(path, value, _PLAIN[hint])
    return read


def _tuple(hint: Any, value: Any, path: str, *, text: bool) -> tuple[Any, ...]:
    inner = get_args(hint)
    if text and isinstance(value, str):
        value = [part for part in value.strip().strip("()[]").replace(";", ",").split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise _wrong(path, value, _expected(hint))
    if len(inner) == 2 and inner[1] is Ellipsis:
        inner = (inner[0],) * len(value)
    if len(inner) != len(value):
        raise _wrong(path, value, _expected(hint))
    wanted = zip(inner, value, strict=True)
    return tuple(_value(one, part, f"{path}.{number}", text=text) for number, (one, part) in enumerate(wanted))


def _read_bool(value: Any, text: bool) -> bool | None:
    if text and isinstance(value, str):
        value = True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    return value if isinstance(value, bool) else None


def _read_int(value: Any, text: bool) -> int | None:
    number = _read_float(value, text)
    if number is None or not number.is_integer():
        return None
    return value if isinstance(value, int) else int(number)


def _read_float(value: Any, text: bool) -> float | None:
    if text and isinstance(value, str):
        try:
            value = float(value.replace("_", ""))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON has whole numbers of any length
        return None
    return number if math.isfinite(number) else None


def _read_str(value: Any, text: bool) -> str | None:
    return value if isinstance(value, str) else None


def _read_path(value: Any, text: bool) -> Path | None:
    return Path(value) if isinstance(value, str | Path) and str(value) else None


_READERS: dict[Any, Callable[[Any, bool], Any]] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    str: _read_str,
    Path: _read_path,
}


def _expected(hint: Any) -> str:
    """What a value of this kind is, in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"any number of values, each {_expected(inner[0])}"
        return f"{len(inner)} values: " + ", ".join(_expected(one) for one in inner)
    members = _members(hint)
    if len(members) > 1:
        return " or ".join("nothing" if one is type(None) else _expected(one) for one in members)
    return _PLAIN.get(hint, f"the fields of {getattr(hint, '__name__', hint)}")


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass that a field with this hint holds."""
    return next((cast(type, one) for one in _members(hint) if isinstance(one, type) and is_dataclass(one)), None)


def _hint(cls: type, name: str, above: str) -> Any:
    hints = get_type_hints(cls)
    known = [one.name for one in fields(cast(Any, cls))]
    if name not in known:
        raise _unknown(_join(above, name), [_join(above, one) for one in known])
    return hints[name]


def _join(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name


def _wrong(path: str, seen: Any, expected: str) -> SignError:
    shown = "nothing" if seen is None or seen == "" else repr(seen)
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    return SignError(f"The setting {path or 'config'} is {shown}; it has to be {expected}.")


def _unknown(path: str, known: list[str]) -> SignError:
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return SignError(f"There is no setting {path}; {f'do you mean {near[0]}?' if near else _listed(known)}")


def _listed(known: list[str]) -> str:
    return f"there are {', '.join(known[:12])}{' …' if len(known) > 12 else ''}."


@cache
def _docstrings(cls: type) -> Mapping[str, str]:
    """What is written below each field of the class, also of those that it inherits."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[field.target.id] = " ".join(below.value.value.split())
    return types.MappingProxyType(found)
