"""A setting that is chosen by name: a table of names and the frozen dataclasses they stand for.

A value is a name (its defaults), ``{"name": ..., option: ...}`` as configuration files have it, or
an object of one of the table's classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from backprop.core.checks import known_name

T = TypeVar("T")


class Options:
    """A frozen dataclass that checks its fields, each by a rule of `core.checks`."""

    def _check(self, **rules: Callable[[str, Any], Any]) -> None:
        """Put into each field what its rule makes of (its name, its value)."""
        for name, rule in rules.items():
            object.__setattr__(self, name, rule(name, getattr(self, name)))


def choose(argument: str, value: Any, table: Mapping[str, T]) -> T:
    """Return the object that ``value`` stands for.

    Raises
    ------
    TypeError, ValueError
        If it is neither a name, a mapping with one nor such an object, or an option is unknown or
        out of range.
    """
    kinds = {type(entry) for entry in table.values()}
    if type(value) in kinds:
        return value  # type: ignore[no-any-return]
    if not isinstance(value, Mapping):
        if not isinstance(value, str):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(
                f"`{argument}` must be a name or one of {names}, got {type(value).__name__}"
            )
        return table[known_name(argument, value, table)]
    options = dict(value)
    if "name" not in options:
        raise ValueError(f"`{argument}` must have a 'name' among its keys, got {list(options)}")
    entry = table[known_name(argument, options.pop("name"), table)]
    known = [field.name for field in fields(entry)]  # type: ignore[arg-type]
    for option in options:
        known_name(f"{argument} option", option, known)
    return replace(entry, **options)  # type: ignore[type-var]


def describe(entry: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{"name": ..., option: ...}``, of which `choose` makes an equal object."""
    names = [name for name, known in table.items() if type(known) is type(entry)]
    return {"name": names[0], **asdict(entry)}
