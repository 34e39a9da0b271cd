"""Options of the command line: what they are, what their texts mean, and the same from TOML files.

An option is data: a name, a line of help, a default and a function that parses its text or says
what it must be. A configuration file has the same keys under the same rules, as defaults that a
flag overrides.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from backprop.core import engine
from backprop.core.checks import known_name

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Option:
    """One argument: positional if its name has no dashes, a flag if its default is False.

    ``const`` is its value where the name stands alone; ``takes_table`` says that ``type`` takes the
    table or the list of a configuration file as well as a text.
    """

    name: str
    help: str
    default: Any = None
    type: Callable[[Any], Any] | None = None
    choices: Sequence[str] | None = None
    metavar: str | None = None
    nargs: str | None = None
    const: Any = None
    takes_table: bool = False

    @property
    def key(self) -> str:
        """Its name in the parsed arguments and in a configuration file."""
        return self.name.lstrip("-").replace("-", "_")

    def add_to(self, parser: argparse._ArgumentGroup) -> None:
        """Declare this argument to argparse."""
        if self.default is False:
            parser.add_argument(self.name, action="store_true", help=self.help)
            return
        settings = {
            key: getattr(self, key) for key in ("type", "choices", "metavar", "nargs", "const")
        }
        given = {key: value for key, value in settings.items() if value is not None}
        shown = "" if self.default in (None, ()) else " (default: %(default)s)"
        parser.add_argument(self.name, default=self.default, help=self.help + shown, **given)


@dataclass(frozen=True)
class Command:
    """A command: its module (imported when it runs), its purpose, its options by heading."""

    module: str
    function: str
    help: str
    options: dict[str, tuple[Option, ...]]


def _number(text: str, kind: Callable[[str], T], rule: Callable[[T], bool], said: str) -> T:
    try:
        value = kind(text)
        if rule(value):
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be {said}, got {text!r}")


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _number(text, int, lambda n: n >= 1, "a whole number of at least 1")


def seed(text: str) -> int:
    """Parse a whole number from 0 that fits 63 bits."""
    return _number(text, int, lambda n: 0 <= n < 2**63, "a whole number from 0 to 2^63 - 1")


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    return _number(text, float, lambda x: x > 0 and math.isfinite(x), "a finite number above 0")


def rate(text: str) -> float:
    """Parse a finite number of 0 or more."""
    return _number(text, float, lambda x: 0 <= x < math.inf, "a finite number of 0 or more")


def share(text: str) -> float:
    """Parse a number between 0 and 1, both excluded."""
    return _number(text, float, lambda x: 0 < x < 1, "between 0 and 1, both excluded")


def share_or_zero(text: str) -> float:
    """Parse a number from 0 to below 1."""
    return _number(text, float, lambda x: 0 <= x < 1, "from 0 to below 1")


def widths(text: str) -> list[int]:
    """Parse comma-separated widths of the hidden layers, or "none"."""
    return [] if text == "none" else [positive_int(part) for part in text.split(",")]


def count(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _number(text, int, lambda n: n >= 0, "a whole number of at least 0")


def weight(text: str) -> tuple[int, int, int]:
    """Parse the k,i,j of a weight."""
    try:
        k, i, j = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be K,I,J such as 1,0,0, got {text!r}") from None
    return k, i, j


def activations(text: str) -> str | list[str]:
    """Parse the name of an activation for all hidden layers, or a comma-separated name for each."""
    names, known = text.split(","), engine.activations()
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise argparse.ArgumentTypeError(
                f"unknown activation {name!r}; {hint}known are {', '.join(known)}"
            )
    return names if len(names) > 1 else names[0]


def names(text: str | Sequence[Any]) -> list[str]:
    """Parse comma-separated names of columns, in quotes where they hold commas; or a list."""
    if not isinstance(text, str):
        return [str(name) for name in text]
    import csv

    found = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not all(found):
        raise argparse.ArgumentTypeError(f"must be NAME,..., got {text!r}")
    return found


def strengths(text: str) -> float | list[float]:
    """Parse a number of 0 or more for all layers, or a comma-separated one for each."""
    numbers = [
        _number(part, float, lambda x: x >= 0 and math.isfinite(x), "numbers of 0 or more")
        for part in text.split(",")
    ]
    return numbers if len(numbers) > 1 else numbers[0]


def rates(text: str) -> float | list[float]:
    """Parse a share from 0 to below 1 for all hidden layers, or a comma-separated one for each."""
    numbers = [share_or_zero(part) for part in text.split(",")]
    return numbers if len(numbers) > 1 else numbers[0]


def loss(text: str) -> str | list[Any]:
    """Parse NAME or NAME:PARAMETER of a loss."""
    # A configuration file may have name and parameter in a list, which comes here with a comma
    # between.
    name, colon, parameter = text.replace(",", ":").partition(":")
    known = [known for losses in engine.outputs().values() for known in losses]
    if name not in known:
        raise argparse.ArgumentTypeError(f"unknown loss {name!r}; known are {', '.join(known)}")
    return [name, positive_float(parameter)] if colon else name


def optimizer(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Parse NAME or NAME:OPTION=VALUE,... of an optimizer; a file may have a table of the same."""
    from backprop.training import optimizers

    return _choice("optimizer", text, optimizers.OPTIMIZERS)


def schedule(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Parse NAME or NAME:OPTION=VALUE,... of a schedule; a file may have a table of the same."""
    from backprop.training import schedules

    return _choice("schedule", text, schedules.SCHEDULES)


def class_weight(text: str | Mapping[str, Any]) -> str | dict[str, float]:
    """Parse "balanced" or CLASS=WEIGHT,...; a file may have a table of the same."""
    if text == "balanced":
        return text
    pairs = text.items() if isinstance(text, Mapping) else _pairs(text)
    weights = {}
    for name, weight in pairs:
        number = _number(
            str(weight), float, lambda x: x >= 0 and math.isfinite(x), "weights of 0 or more"
        )
        weights[str(name)] = number
    return weights


def _choice(
    argument: str, text: str | Mapping[str, Any], table: Mapping[str, Any]
) -> dict[str, Any]:
    from backprop.core.choice import choose, describe

    chosen: Mapping[str, Any]
    if isinstance(text, Mapping):
        chosen = text
    else:
        name, colon, options = text.partition(":")
        values = {key: _value(value) for key, value in _pairs(options)} if colon else {}
        chosen = {"name": name, **values}
    try:
        return describe(choose(argument, chosen, table), table)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.rpartition("=") for part in text.split(",")]
    for name, _, value in pairs:
        if not name:
            raise argparse.ArgumentTypeError(f"must be NAME=VALUE,..., got {value!r}")
    return [(name, value) for name, _, value in pairs]


def _value(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text, text)
    return int(text) if text.lstrip("-").isdigit() else number


def read(path: str, command: Command) -> dict[str, Any]:
    """Return the options of a command that a file sets, parsed.

    Raises
    ------
    ValueError
        If it is no TOML, or a key or a value is not one of the command's.
    OSError
        If it cannot be read.
    ImportError
        If Python is older than 3.11 and tomli is missing.
    """
    with open(path, "rb") as file:
        content = file.read()
    tomllib = _tomllib()
    try:
        settings = tomllib.loads(content.decode())
    except ValueError as error:
        raise ValueError(f"{path} must be a TOML file: {error}") from None
    options = {o.key: o for group in command.options.values() for o in group if o.key != "config"}
    parsed = {}
    for key, value in settings.items():
        name = known_name(f"a key of {path}", key.replace("-", "_"), options)
        try:
            parsed[name] = _parsed(options[name], value)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{path}: `{key}` {error}") from None
    return parsed


def _tomllib() -> Any:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    try:
        import tomli
    except ImportError:
        raise ImportError(
            "a configuration file needs tomli before Python 3.11; install it with pip install "
            '"backprop[toml]"'
        ) from None
    return tomli


def _parsed(option: Option, value: Any) -> Any:
    if option.default is False:
        if not isinstance(value, bool):
            raise argparse.ArgumentTypeError(f"must be true or false, got {value!r}")
        return value
    if option.nargs in ("*", "+"):
        return [value] if isinstance(value, str) else [str(part) for part in value]
    if option.const is not None and isinstance(value, bool):
        return option.const if value else option.default
    if isinstance(value, dict):
        if not option.takes_table or option.type is None:
            raise argparse.ArgumentTypeError(f"must be no table, got {value!r}")
        return option.type(value)
    if isinstance(value, list) and option.type is names:
        return names(value)
    # On the command line a list is a text with commas, and an option parses that.
    text = ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    parsed = text if option.type is None else option.type(text)
    if option.choices is not None and parsed not in option.choices:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(option.choices)}, got {parsed!r}"
        )
    return parsed
