"""The rules for arguments that are no arrays: each function checks one kind of them."""

import operator
from collections.abc import Callable, Collection, Mapping
from math import inf
from typing import Any


def known_name(argument: str, value: Any, known: Collection[str]) -> str:
    """Return ``value`` if it is one of the known names.

    Raises
    ------
    TypeError, ValueError
        If it is no string or unknown; the message has the nearest known name.
    """
    if not isinstance(value, str):
        raise TypeError(f"`{argument}` must be a name, got {type(value).__name__}")
    if value not in known:
        # It is imported here because its import takes longer than that of the package.
        from difflib import get_close_matches

        near = get_close_matches(value.lower(), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`{argument}` must be one of {', '.join(known)}, got {value!r}{hint}")
    return value


def integer(argument: str, value: Any, at_least: int, at_most: int = 2**63 - 1) -> int:
    """Return ``value`` as an int within bounds.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or out of bounds.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"`{argument}` must be an integer, got {value!r}") from None
    if number < at_least:
        raise ValueError(f"`{argument}` must be at least {at_least}, got {number}")
    if number > at_most:
        raise ValueError(f"`{argument}` must be at most {at_most}, got {number}")
    return number


def positive(argument: str, value: Any) -> float:
    """Return ``value`` as a positive finite float.

    Raises
    ------
    TypeError, ValueError
        If it is no number, or zero, negative, NaN or infinite.
    """
    result = _as_float(argument, value)
    if not 0.0 < result < inf:
        raise ValueError(f"`{argument}` must be positive and finite, got {value!r}")
    return result


def texts(argument: str, value: Mapping[str, str] | None) -> dict[str, str]:
    """Return a mapping of texts as a dict, an empty one for None.

    Raises
    ------
    TypeError
        If a key or a value is no str.
    """
    result: dict[Any, Any] = dict(value or {})
    for key, text in result.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"`{argument}` must map str to str, got {key!r}: {text!r}")
    return result


def _as_float(argument: str, value: Any) -> float:
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)
    except OverflowError:
        return inf
    except (TypeError, ValueError):
        raise TypeError(f"`{argument}` must be a number, got {value!r}") from None


def number(argument: str, value: Any, rule: str, holds: Callable[[float], bool]) -> float:
    """Return ``value`` as a finite float for which ``holds`` is true; ``rule`` says it in words.

    Raises
    ------
    TypeError, ValueError
        If it is no number, NaN, infinite, or breaks the rule.
    """
    result = _as_float(argument, value)
    if not (-inf < result < inf and holds(result)):
        raise ValueError(f"`{argument}` must be {rule}, got {value!r}")
    return result


def not_negative(argument: str, value: Any) -> float:
    """Return ``value`` as a finite float of 0 or more; errors as `number`."""
    # A float is not looked at further, because every call of `Network.step` comes through here.
    if type(value) is float and 0.0 <= value < inf:
        return value
    return number(argument, value, "finite and 0 or more", lambda x: x >= 0)


def below_one(argument: str, value: Any) -> float:
    """Return ``value`` as a float from 0 to below 1; errors as `number`."""
    return number(argument, value, "from 0 to below 1", lambda x: 0 <= x < 1)


def flag(argument: str, value: Any) -> bool:
    """Return ``value`` if it is True or False; TypeError for anything else."""
    if not isinstance(value, bool):
        raise TypeError(f"`{argument}` must be True or False, got {value!r}")
    return value


def counted(n: int, what: str) -> str:
    """Return "1 example", "2 examples"; a ``what`` that ends otherwise is given with its plural.

    >>> counted(1, "class/classes")
    '1 class'
    """
    one, _, many = what.partition("/")
    return f"{n} {one if n == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Write a share with no more digits than that many examples can tell apart, four at most."""
    digits = 4 if whole >= 100 else 2 if whole > 1 else 0
    return f"{part / whole:.{digits}f}"
