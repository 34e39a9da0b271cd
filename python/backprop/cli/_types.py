"""What the texts of the command line mean: each function parses one, or says what it must be."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", int, float)


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
    from backprop import _backprop

    names, known = text.split(","), _backprop.activations()
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise argparse.ArgumentTypeError(
                f"unknown activation {name!r}; {hint}known are {', '.join(known)}"
            )
    return names if len(names) > 1 else names[0]


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
    from backprop import _backprop

    # A file may have the two in a list, whose parts come with a comma between.
    name, colon, parameter = text.replace(",", ":").partition(":")
    known = [known for losses in _backprop.outputs().values() for known in losses]
    if name not in known:
        raise argparse.ArgumentTypeError(f"unknown loss {name!r}; known are {', '.join(known)}")
    return [name, positive_float(parameter)] if colon else name


def optimizer(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Parse NAME or NAME:OPTION=VALUE,... of an optimizer; a file may have a table of the same."""
    from backprop import optimizers

    return _choice("optimizer", text, optimizers.OPTIMIZERS)


def schedule(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Parse NAME or NAME:OPTION=VALUE,... of a schedule; a file may have a table of the same."""
    from backprop import schedules

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
    from backprop._choice import choose, describe

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
